//! Turns of speech in a sound that is still coming: when somebody begins to speak and when they have been silent for long enough. What
//! is said is left to [`super::WhisperModel`].

use super::Engine;
use super::mel::RATE;
use super::vad::{CHUNK, Memory};
use std::sync::Arc;
use std::time::Duration;

/// Silence is what lies so far below the probability from which on somebody speaks.
const HYSTERESIS: f32 = 0.15;
/// Chunks of speech that begin a turn: one alone may be a click.
const LEAST: usize = 2;

/// When a turn begins and ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TurnSettings {
    /// Somebody speaks from this probability on, from 0 to 1.
    pub threshold: f32,
    /// A turn has ended after so much silence.
    pub silence: Duration,
    /// Sound before the first speech that belongs to its turn.
    pub padding: Duration,
    /// A turn that lasts longer is cut where it is least like speech; `None` lets it last.
    pub longest: Option<Duration>,
}

impl Default for TurnSettings {
    fn default() -> Self {
        Self {
            threshold: 0.5,
            silence: Duration::from_millis(500),
            padding: Duration::from_millis(300),
            longest: None,
        }
    }
}

/// What happens in a sound; places are samples at [`Turns::RATE`], counted from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A turn begins here, its padding included. Told once speech is certain, so the place has passed.
    Began {
        /// Its first sample.
        at: u64,
    },
    /// It ends here, its silence included.
    Ended {
        /// The sample behind its last one.
        at: u64,
    },
}

/// Finds turns as the sound comes, with the detector of a model that listens, which it keeps in memory.
pub struct Turns {
    engine: Arc<Engine>,
    memory: Memory,
    /// Samples that do not fill a chunk yet.
    rest: Vec<f32>,
    rule: Rule,
    /// The place of the first sample.
    offset: u64,
}

impl std::fmt::Debug for Turns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Turns({:?})", self.rule)
    }
}

impl Turns {
    /// Samples a second that it listens to.
    pub const RATE: u32 = RATE;

    pub(super) fn new(engine: Arc<Engine>, settings: TurnSettings) -> Self {
        Self { engine, memory: Memory::default(), rest: Vec::new(), rule: Rule::new(settings), offset: 0 }
    }

    /// Takes the next samples of one channel at [`Self::RATE`].
    pub fn push(&mut self, samples: &[f32]) -> Vec<Turn> {
        self.rest.extend_from_slice(samples);
        let whole = self.rest.len() / CHUNK * CHUNK;
        // It is only made where there is one.
        let Some(detector) = &self.engine.detector else { return Vec::new() };
        let probabilities = detector.listen(&self.rest[..whole], &mut self.memory);
        self.rest.drain(..whole);
        let mut found = Vec::new();
        for probability in probabilities {
            self.rule.push(probability, &mut found);
        }
        found.iter_mut().for_each(|turn| match turn {
            Turn::Began { at } | Turn::Ended { at } => *at = at.saturating_add(self.offset),
        });
        found
    }

    /// Counts places from `at` on instead of from 0; before the first samples.
    pub fn begin_at(&mut self, at: u64) {
        self.offset = at;
    }

    /// Ends a turn that is being said without telling of it: its sound has been taken.
    pub fn end(&mut self) {
        self.rule.end();
    }

    /// Whether somebody is speaking.
    pub fn speaks(&self) -> bool {
        self.rule.began.is_some()
    }
}

/// From probabilities to turns.
#[derive(Debug)]
struct Rule {
    settings: TurnSettings,
    /// Chunks so far.
    chunks: u64,
    /// Chunks of speech in a row, while nobody was speaking.
    row: usize,
    /// Where the turn began, without its padding.
    began: Option<u64>,
    /// Since when there is silence in it.
    silent: Option<u64>,
    /// The probabilities of a turn that may have to be cut.
    recent: Vec<f32>,
    /// Nothing before this belongs to a new turn.
    ended: u64,
}

impl Rule {
    fn new(settings: TurnSettings) -> Self {
        Self { settings, chunks: 0, row: 0, began: None, silent: None, recent: Vec::new(), ended: 0 }
    }

    fn push(&mut self, probability: f32, found: &mut Vec<Turn>) {
        let at = self.chunks;
        self.chunks += 1;
        match self.began {
            None => self.wait(at, probability, found),
            Some(began) => self.follow(began, probability, found),
        }
    }

    fn end(&mut self) {
        (self.began, self.silent, self.row, self.ended) = (None, None, 0, self.chunks);
    }

    fn wait(&mut self, at: u64, probability: f32, found: &mut Vec<Turn>) {
        self.row = if probability >= self.settings.threshold { self.row + 1 } else { 0 };
        if self.row < LEAST {
            return;
        }
        let began = (at + 1).saturating_sub(self.row as u64);
        let padded = began.saturating_sub(chunks(self.settings.padding)).max(self.ended);
        (self.began, self.silent, self.row) = (Some(began), None, 0);
        self.recent.clear();
        found.push(Turn::Began { at: padded * CHUNK as u64 });
    }

    fn follow(&mut self, began: u64, probability: f32, found: &mut Vec<Turn>) {
        let now = self.chunks;
        if probability >= self.settings.threshold {
            self.silent = None;
        } else if probability < self.settings.threshold - HYSTERESIS {
            let silent = *self.silent.get_or_insert(now - 1);
            if now - silent >= chunks(self.settings.silence).max(1) {
                (self.began, self.ended) = (None, now);
                found.push(Turn::Ended { at: now * CHUNK as u64 });
                return;
            }
        }
        let Some(longest) = self.settings.longest else { return };
        self.recent.push(probability);
        if now - began <= chunks(longest).max(4) {
            return;
        }
        // The mean of three: a pause, not a flicker.
        let last = self.recent.len() - 1;
        let quiet = |at: usize| self.recent[at - 1] + self.recent[at] + self.recent[(at + 1).min(last)];
        let half = (self.recent.len() / 2).max(1);
        let cut = (half..=last).min_by(|a, b| quiet(*a).total_cmp(&quiet(*b))).unwrap_or(last);
        // `recent` ends with the chunk before `now`.
        let at = now - (self.recent.len() - cut) as u64;
        self.recent.drain(..cut);
        self.began = Some(at);
        self.ended = at;
        self.silent = self.silent.filter(|silent| *silent >= at);
        found.extend([Turn::Ended { at: at * CHUNK as u64 }, Turn::Began { at: at * CHUNK as u64 }]);
    }
}

/// Whole chunks of a time.
fn chunks(time: Duration) -> u64 {
    (time.as_secs_f64() * f64::from(RATE) / CHUNK as f64).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(settings: TurnSettings, probabilities: &[(f32, usize)]) -> Vec<Turn> {
        let (mut rule, mut found) = (Rule::new(settings), Vec::new());
        for (probability, times) in probabilities {
            (0..*times).for_each(|_| rule.push(*probability, &mut found));
        }
        found
    }

    fn places(found: &[Turn]) -> Vec<(bool, u64)> {
        let place = |turn: &Turn| match turn {
            Turn::Began { at } => (true, at / CHUNK as u64),
            Turn::Ended { at } => (false, at / CHUNK as u64),
        };
        found.iter().map(place).collect()
    }

    #[test]
    fn a_turn_has_its_padding_and_its_silence_and_a_click_is_none() {
        // 300 ms are 9 chunks, 500 ms are 16.
        let found = turns(TurnSettings::default(), &[(0.0, 20), (0.9, 1), (0.0, 20), (0.9, 30), (0.0, 40)]);
        assert_eq!(places(&found), [(true, 32), (false, 87)]);
    }

    #[test]
    fn short_pauses_and_doubt_do_not_end_a_turn() {
        let settings = TurnSettings::default();
        let found = turns(settings, &[(0.9, 10), (0.1, 10), (0.9, 5), (0.4, 100), (0.9, 1), (0.0, 15)]);
        assert_eq!(places(&found), [(true, 0)]);
    }

    #[test]
    fn the_next_turn_takes_nothing_of_the_last_one() {
        let found =
            turns(TurnSettings::default(), &[(0.9, 5), (0.0, 16), (0.0, 2), (0.9, 5), (0.0, 16), (0.0, 1)]);
        assert_eq!(places(&found), [(true, 0), (false, 21), (true, 21), (false, 44)]);
    }

    #[test]
    fn a_long_turn_is_cut_at_its_quietest_place() {
        let settings = TurnSettings { longest: Some(Duration::from_millis(3200)), ..TurnSettings::default() };
        // 100 chunks at most.
        let found = turns(settings, &[(0.9, 70), (0.4, 3), (0.9, 40)]);
        assert_eq!(places(&found), [(true, 0), (false, 71), (true, 71)]);
        let steady = turns(settings, &[(0.9, 1000)]);
        assert!(steady.len() > 8 && steady.windows(2).all(|pair| pair[0] != pair[1]));
    }
}
