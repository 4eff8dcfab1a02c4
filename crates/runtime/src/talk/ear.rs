//! Sound as it comes from a microphone or a socket: what is kept of it, and the turns of speech in it.

use parasol_audio::sound::Resampler;
use parasol_audio::transcription::{Turn, TurnSettings, Turns};
use parasol_core::{Error, ErrorKind, Result};

/// Sound that is kept while nobody speaks, beyond a turn's padding, in seconds: speech is certain a moment after it began.
const LOOK_BACK: f64 = 1.0;

/// What happens in the sound; times are milliseconds from its beginning.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// Somebody began to speak.
    Began {
        /// When, the padding included.
        at_ms: u64,
    },
    /// They have been silent for long enough.
    Ended {
        /// When, the silence included.
        at_ms: u64,
        /// What was heard from the beginning of the turn to its end.
        sound: Vec<i16>,
    },
}

/// One channel of 16-bit samples as they come.
#[derive(Debug)]
pub struct Ear {
    rate: u32,
    turns: Option<Finder>,
    held: Vec<i16>,
    /// The place of the first sample that is held, counted from the beginning.
    start: u64,
    most: usize,
}

#[derive(Debug)]
struct Finder {
    turns: Turns,
    resampler: Resampler,
    padding: f64,
    /// Where the turn that is being said begins, in samples of the ear.
    open: Option<u64>,
}

impl Ear {
    /// An ear for `rate` samples a second that holds `seconds` at most.
    pub fn new(rate: u32, seconds: u32) -> Self {
        let most = (rate as usize).saturating_mul(seconds as usize);
        Self { rate, turns: None, held: Vec::new(), start: 0, most }
    }

    /// Samples a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// From here on `turns` are found in what comes; `None` leaves it to the caller when to [`Ear::take`] what is held.
    ///
    /// # Errors
    /// When the rate is none that can be listened to.
    pub fn find(&mut self, turns: Option<(Turns, TurnSettings)>) -> Result<()> {
        self.turns = match turns {
            None => None,
            Some((turns, settings)) => Some(Finder {
                turns,
                resampler: Resampler::new(self.rate, Turns::RATE)?,
                padding: settings.padding.as_secs_f64(),
                open: None,
            }),
        };
        // The finder counts from here.
        self.start = self.start.saturating_add(self.held.len() as u64);
        self.held.clear();
        if let Some(finder) = &mut self.turns {
            finder.turns.begin_at(self.start.saturating_mul(Turns::RATE.into()) / u64::from(self.rate));
        }
        Ok(())
    }

    /// Whether turns are found.
    pub fn finds(&self) -> bool {
        self.turns.is_some()
    }

    /// Takes the next samples.
    ///
    /// # Errors
    /// `InvalidRequest` when more would be held than the ear may; nothing of `samples` is taken then.
    pub fn push(&mut self, samples: &[i16]) -> Result<Vec<Heard>> {
        if self.held.len().saturating_add(samples.len()) > self.most {
            let seconds = self.most / (self.rate.max(1) as usize);
            let message =
                format!("more than {seconds} s of sound would be held: commit or clear what is there first");
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        self.held.extend_from_slice(samples);
        let Some(finder) = &mut self.turns else { return Ok(Vec::new()) };
        let mut heard = Vec::new();
        let mut at_16k = Vec::new();
        let floats: Vec<f32> = samples.iter().map(|x| f32::from(*x) / 32_768.0).collect();
        finder.resampler.push(&floats, &mut at_16k);
        for turn in finder.turns.push(&at_16k) {
            match turn {
                Turn::Began { at } => {
                    let at = self.here(at);
                    self.forget(at);
                    self.open(Some(at));
                    heard.push(Heard::Began { at_ms: self.milliseconds(at) });
                }
                Turn::Ended { at } => {
                    let at = self.here(at);
                    self.open(None);
                    let length = (at.saturating_sub(self.start) as usize).min(self.held.len());
                    let sound = self.held.drain(..length).collect();
                    self.start += length as u64;
                    heard.push(Heard::Ended { at_ms: self.milliseconds(at), sound });
                }
            }
        }
        self.let_go();
        Ok(heard)
    }

    /// What is held of the turn that is being said.
    pub fn turn(&self) -> Option<&[i16]> {
        let open = self.turns.as_ref()?.open?;
        self.held.get((open.saturating_sub(self.start) as usize).min(self.held.len())..)
    }

    /// Everything that is held.
    pub fn held(&self) -> &[i16] {
        &self.held
    }

    /// Takes everything that is held; a turn that is being said ends here.
    pub fn take(&mut self) -> Vec<i16> {
        self.start = self.start.saturating_add(self.held.len() as u64);
        if let Some(finder) = &mut self.turns {
            finder.open = None;
            finder.turns.end();
        }
        std::mem::take(&mut self.held)
    }

    fn open(&mut self, at: Option<u64>) {
        if let Some(finder) = &mut self.turns {
            finder.open = at;
        }
    }

    /// A place of the finder's in samples of this ear.
    fn here(&self, at: u64) -> u64 {
        at.saturating_mul(self.rate.into()) / u64::from(Turns::RATE)
    }

    fn milliseconds(&self, at: u64) -> u64 {
        at.saturating_mul(1000) / u64::from(self.rate.max(1))
    }

    /// Drops what lies before a place.
    fn forget(&mut self, at: u64) {
        let gone = (at.saturating_sub(self.start) as usize).min(self.held.len());
        self.held.drain(..gone);
        self.start += gone as u64;
    }

    /// What no turn will ask for must not pile up while nobody speaks.
    fn let_go(&mut self) {
        let Some(finder) = self.turns.as_ref().filter(|finder| finder.open.is_none()) else { return };
        let keep = ((finder.padding + LOOK_BACK) * f64::from(self.rate)) as usize;
        // Moving the rest costs as much as dropping much at once.
        if self.held.len() > 2 * keep {
            self.forget(self.start + (self.held.len() - keep) as u64);
        }
    }
}
