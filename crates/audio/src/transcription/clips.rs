//! Which stretches of a sound are transcribed: all of it, or those with speech, packed into clips that fit a window and are cut
//! where nobody speaks.

use super::sound::Buffer;
use super::vad::{CHUNK, Detector, Memory};
use std::collections::VecDeque;

/// Somebody speaks from this probability on, until it falls below the other …
const SPEECH: f32 = 0.5;
const SILENCE: f32 = 0.35;
/// … for so many chunks: half a second.
const PAUSE: u64 = 16;
/// Sound before and behind speech that is taken with it: 0.38 s.
const PAD: u64 = 12;
/// Chunks of a clip without its pads: 29.1 s.
const LONGEST: u64 = 910;
/// Silence within a clip, at most: 8 s.
const GAP: u64 = 250;
/// Chunks that are listened to at once: 4 s.
const AT_ONCE: usize = 128;

/// A stretch of samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clip {
    pub(crate) start: u64,
    /// `u64::MAX` for the end of the sound, wherever that is.
    pub(crate) end: u64,
}

/// Finds clips as the sound comes.
pub(crate) enum Clips<'a> {
    /// One clip, not yet taken.
    All { taken: bool },
    /// Where somebody speaks.
    Speech(Box<Speech<'a>>),
}

/// The state of the search, in chunks.
pub(crate) struct Speech<'a> {
    detector: &'a Detector,
    memory: Memory,
    cutter: Cutter,
}

impl<'a> Clips<'a> {
    pub(crate) fn new(detector: Option<&'a Detector>) -> Self {
        match detector {
            None => Self::All { taken: false },
            Some(detector) => Self::Speech(Box::new(Speech {
                detector,
                memory: Memory::default(),
                cutter: Cutter::default(),
            })),
        }
    }

    /// The next clip; `None` when there is no more, or `go_on`, which is told how far the search has come, says no.
    pub(crate) fn next(&mut self, buffer: &mut Buffer, go_on: &dyn Fn(u64) -> bool) -> Option<Clip> {
        match self {
            Self::All { taken } => {
                (!std::mem::replace(taken, true)).then_some(Clip { start: 0, end: u64::MAX })
            }
            Self::Speech(speech) => speech.next(buffer, go_on),
        }
    }

    /// Samples before this are not needed any more.
    pub(crate) fn needs(&self) -> u64 {
        match self {
            Self::All { .. } => u64::MAX,
            Self::Speech(speech) => speech.cutter.needs() * CHUNK as u64,
        }
    }
}

impl Speech<'_> {
    fn next(&mut self, buffer: &mut Buffer, go_on: &dyn Fn(u64) -> bool) -> Option<Clip> {
        while self.cutter.found.is_empty() && !self.cutter.ended {
            let from = self.cutter.chunks * CHUNK as u64;
            if !go_on(from) {
                return None;
            }
            let to = from + (AT_ONCE * CHUNK) as u64;
            buffer.fill(to);
            let mut samples = buffer.slice(from, to).to_vec();
            let last = samples.len() < AT_ONCE * CHUNK;
            if last {
                samples.resize(samples.len().next_multiple_of(CHUNK), 0.0);
            }
            for probability in self.detector.listen(&samples, &mut self.memory) {
                self.cutter.push(probability);
            }
            if last {
                self.cutter.finish();
            } else {
                // What nobody will ask for again must not pile up where nobody speaks.
                buffer.forget(self.cutter.needs() * CHUNK as u64);
            }
        }
        let (start, end) = self.cutter.found.pop_front()?;
        let size = CHUNK as u64;
        let end = (end * size).min(buffer.end());
        Some(Clip { start: (start * size).min(end), end })
    }
}

/// Probabilities to clips.
#[derive(Default)]
struct Cutter {
    /// Chunks so far.
    chunks: u64,
    ended: bool,
    /// Since when somebody speaks, and since when they are silent again.
    speaks: Option<u64>,
    silent: Option<u64>,
    /// Probabilities since `speaks`.
    recent: Vec<f32>,
    /// A clip that may grow.
    open: Option<(u64, u64)>,
    /// The end of the last clip that was found: no sound is taken twice.
    taken: u64,
    found: VecDeque<(u64, u64)>,
}

impl Cutter {
    /// Chunks before this are not needed any more.
    fn needs(&self) -> u64 {
        let now = self.open.map(|(start, _)| start).or(self.speaks).unwrap_or(self.chunks);
        let found = self.found.front().map_or(now, |(start, _)| *start);
        now.min(found).saturating_sub(PAD)
    }

    fn push(&mut self, probability: f32) {
        let at = self.chunks;
        self.chunks += 1;
        if probability >= SPEECH {
            self.silent = None;
            if self.speaks.is_none() {
                self.speaks = Some(at);
                self.recent.clear();
            }
        }
        if let Some(since) = self.speaks {
            self.recent.push(probability);
            if probability < SILENCE {
                let silent = *self.silent.get_or_insert(at);
                if at - silent >= PAUSE {
                    self.speech_ended(since, silent);
                    return;
                }
            }
            self.bound(since, at + 1);
        } else if let Some((_, end)) = self.open
            && at - end > GAP
        {
            self.close();
        }
    }

    /// Somebody spoke from `start` to `end`.
    fn speech_ended(&mut self, start: u64, end: u64) {
        (self.speaks, self.silent) = (None, None);
        self.open = match self.open {
            Some((first, last)) if end - first <= LONGEST && start.saturating_sub(last) <= GAP => {
                Some((first, end))
            }
            _ => {
                self.close();
                Some((start, end))
            }
        };
    }

    /// Speech since `start` goes on at `now`: what is open is closed before it grows too long, and then speech is cut where it
    /// is least like speech.
    fn bound(&mut self, start: u64, now: u64) {
        if let Some((first, _)) = self.open
            && now - first > LONGEST
        {
            self.close();
        }
        if now - start <= LONGEST {
            return;
        }
        let half = self.recent.len() / 2;
        let quiet = |at: &usize| {
            // The mean of three: a pause, not a flicker.
            self.recent[at - 1] + self.recent[*at] + self.recent[(at + 1).min(self.recent.len() - 1)]
        };
        let cut =
            (half.max(1)..self.recent.len()).min_by(|a, b| quiet(a).total_cmp(&quiet(b))).unwrap_or(half);
        let at = start + cut as u64;
        self.emit(start, at, true);
        self.recent.drain(..cut);
        self.speaks = Some(at);
        if self.silent.is_some_and(|silent| silent < at) {
            self.silent = Some(at);
        }
    }

    fn close(&mut self) {
        if let Some((start, end)) = self.open.take() {
            self.emit(start, end, false);
        }
    }

    fn emit(&mut self, start: u64, end: u64, cut: bool) {
        let from = start.saturating_sub(PAD).max(self.taken);
        let to = if cut { end } else { end + PAD };
        self.taken = to;
        self.found.push_back((from, to));
    }

    fn finish(&mut self) {
        if let Some(since) = self.speaks {
            self.speech_ended(since, self.silent.unwrap_or(self.chunks));
        }
        self.close();
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clips(stretches: &[(f32, usize)]) -> Vec<(u64, u64)> {
        let mut cutter = Cutter::default();
        for (probability, chunks) in stretches {
            (0..*chunks).for_each(|_| cutter.push(*probability));
        }
        cutter.finish();
        cutter.found.into()
    }

    #[test]
    fn speech_is_packed_and_silence_left_out() {
        assert_eq!(clips(&[(0.0, 900_000)]), []);
        assert_eq!(clips(&[(0.0, 100), (0.9, 50), (0.0, 100)]), [(88, 162)]);
        // A short pause does not cut, a long silence does.
        assert_eq!(clips(&[(0.9, 50), (0.1, 100), (0.9, 50)]), [(0, 212)]);
        assert_eq!(clips(&[(0.9, 50), (0.1, 300), (0.9, 50)]), [(0, 62), (338, 412)]);
        // What would not fit a window begins the next clip.
        assert_eq!(clips(&[(0.9, 600), (0.1, 100), (0.9, 600)]), [(0, 612), (688, 1312)]);
    }

    #[test]
    fn speech_without_a_pause_is_cut_where_it_is_quietest() {
        let found = clips(&[(0.9, 700), (0.4, 5), (0.9, 1000)]);
        assert_eq!(found[0].0, 0);
        assert!((700..706).contains(&found[0].1), "{found:?}");
        assert!(found.windows(2).all(|pair| pair[0].1 == pair[1].0), "{found:?}");
        assert!(found.iter().all(|(start, end)| end - start <= LONGEST + 2 * PAD), "{found:?}");
        assert_eq!(found.last().map(|(_, end)| *end), Some(1705 + PAD));
    }

    #[test]
    fn memory_is_bounded_by_what_is_open() {
        let mut cutter = Cutter::default();
        (0..100_000).for_each(|_| cutter.push(0.0));
        assert!(cutter.chunks - cutter.needs() <= PAD);
        (0..100_000).for_each(|i| cutter.push(if i % 400 < 100 { 0.9 } else { 0.0 }));
        cutter.found.clear();
        assert!(cutter.chunks - cutter.needs() <= LONGEST + PAD + GAP && cutter.recent.len() <= 1_000);
    }
}
