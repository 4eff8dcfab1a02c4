//! Cutting a long sound into pieces where it is quietest, for whoever takes no more than some minutes at once.

use parasol_core::{Result, SoundStream};

/// Windows in which it is looked how loud a sound is, in seconds, and how far one lies from the next.
const WINDOW: f64 = 0.3;
const STEP: f64 = 0.05;

/// How long pieces are, in seconds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lengths {
    /// What is not longer stays whole.
    pub whole: f64,
    /// A longer one is cut between these two.
    pub shortest: f64,
    /// See `shortest`; not above `whole`.
    pub longest: f64,
}

/// The pieces of a sound, in their order; nothing is left out. No more of it is held than `whole` and what the sound gives at once.
pub fn cut(sound: SoundStream, lengths: Lengths) -> impl Iterator<Item = Result<Vec<f32>>> + Send {
    Cut { lengths, rate: f64::from(sound.rate()), sound, held: Vec::new(), ended: false }
}

struct Cut {
    lengths: Lengths,
    rate: f64,
    sound: SoundStream,
    held: Vec<f32>,
    ended: bool,
}

impl Iterator for Cut {
    type Item = Result<Vec<f32>>;

    fn next(&mut self) -> Option<Self::Item> {
        let whole = (self.lengths.whole * self.rate) as usize;
        while !self.ended && self.held.len() <= whole {
            match self.sound.next() {
                Some(Ok(piece)) => self.held.extend(piece),
                Some(Err(error)) => {
                    (self.ended, self.held) = (true, Vec::new());
                    return Some(Err(error));
                }
                None => self.ended = true,
            }
        }
        if self.held.len() > whole {
            let rest = self.held.split_off(self.quietest());
            return Some(Ok(std::mem::replace(&mut self.held, rest)));
        }
        let last = std::mem::take(&mut self.held);
        (!last.is_empty()).then_some(Ok(last))
    }
}

impl Cut {
    /// The middle of the quietest window between the shortest and the longest piece.
    fn quietest(&self) -> usize {
        let samples = |seconds: f64| ((seconds * self.rate) as usize).clamp(1, self.held.len());
        let (from, to) = (samples(self.lengths.shortest), samples(self.lengths.longest));
        let (window, step) = (samples(WINDOW), samples(STEP));
        let loud =
            |at: usize| -> f32 { self.held.iter().skip(at).take(window).map(|sample| sample * sample).sum() };
        let places = (from..to.saturating_sub(window)).step_by(step).map(|at| (at, loud(at)));
        let quietest = places.min_by(|(_, a), (_, b)| a.total_cmp(b));
        quietest.map_or(to, |(at, _)| at + window / 2)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{Error, ErrorKind};

    const LENGTHS: Lengths = Lengths { whole: 13.0, shortest: 9.0, longest: 10.0 };

    /// So many seconds at 1000 samples a second, silent at some of them.
    fn sound(seconds: usize, silent: &[usize]) -> Vec<f32> {
        let sample = |at: usize| {
            let quiet = silent.iter().any(|s| (*s..s + 400).contains(&at));
            if quiet { 0.0 } else { 0.5 + (at % 7) as f32 / 100.0 }
        };
        (0..seconds * 1000).map(sample).collect()
    }

    fn cuts(samples: &[f32]) -> Vec<usize> {
        let pieces: Vec<Vec<f32>> = samples.chunks(777).map(<[f32]>::to_vec).collect();
        let stream = SoundStream::new(1000, None, pieces.into_iter().map(Ok));
        let all: Vec<Vec<f32>> = cut(stream, LENGTHS).map(Result::unwrap).collect();
        assert_eq!(all.concat(), samples, "nothing is lost");
        all.iter().map(Vec::len).collect()
    }

    #[test]
    fn long_sounds_are_cut_where_they_are_quietest() {
        assert_eq!(cuts(&sound(13, &[])), [13_000]);
        assert!(cuts(&[]).is_empty());
        let lengths = cuts(&sound(30, &[9500, 18_800]));
        assert!((9_500..9_900).contains(&lengths[0]), "{lengths:?}");
        assert!((18_800..19_200).contains(&(lengths[0] + lengths[1])), "{lengths:?}");
        assert_eq!(lengths.len(), 3);
        // Where it is nowhere quiet it is cut all the same.
        assert!(cuts(&sound(40, &[])).iter().all(|length| (3_000..=13_000).contains(length)));
    }

    #[test]
    fn an_error_ends_it() {
        let broken = || Err(Error::new(ErrorKind::Corrupt, "broken"));
        let stream = SoundStream::new(1000, None, [Ok(sound(11, &[])), broken()].into_iter());
        let all: Vec<_> = cut(stream, LENGTHS).collect();
        assert!(all.len() == 1 && all[0].is_err());
    }
}
