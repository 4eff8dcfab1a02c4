//! The part of a sound that is being worked on.

use super::mel::RATE;
use crate::sound::{at_rate, check_samples};
use parasol_core::{Error, Result, SoundStream};

/// Samples from one place on, filled as they are asked for. Places are counted from the beginning of the sound.
pub(crate) struct Buffer {
    source: SoundStream,
    samples: Vec<f32>,
    start: u64,
    ended: bool,
    /// Why it ended early.
    failed: Option<Error>,
}

impl Buffer {
    pub(crate) fn new(sound: SoundStream) -> Result<Self> {
        Ok(Self { source: at_rate(sound, RATE)?, samples: Vec::new(), start: 0, ended: false, failed: None })
    }

    /// How long the sound lasts, if that is known.
    pub(crate) fn seconds(&self) -> Option<f64> {
        if self.ended { Some(self.end() as f64 / f64::from(RATE)) } else { self.source.seconds() }
    }

    /// Reads until place `to`, or the end. A sound that breaks ends there: what came before is still worth hearing, and
    /// [`Self::failure`] tells why.
    pub(crate) fn fill(&mut self, to: u64) {
        while !self.ended && self.end() < to {
            let piece = self.source.next().transpose();
            match piece.and_then(|piece| piece.map(|p| check_samples(&p, self.end()).map(|()| p)).transpose())
            {
                Ok(Some(piece)) => self.samples.extend_from_slice(&piece),
                Ok(None) => self.ended = true,
                Err(error) => (self.ended, self.failed) = (true, Some(error)),
            }
        }
    }

    /// Why the sound ended before its end, if it did.
    pub(crate) fn failure(&mut self) -> Option<Error> {
        self.failed.take()
    }

    /// The place behind the last sample.
    pub(crate) fn end(&self) -> u64 {
        self.start + self.samples.len() as u64
    }

    /// The place of the first sample that is kept.
    pub(crate) fn start(&self) -> u64 {
        self.start
    }

    /// Whether the sound ends there.
    pub(crate) fn ended(&self) -> bool {
        self.ended
    }

    /// The samples from place `from` to `to`, as far as they are there.
    pub(crate) fn slice(&self, from: u64, to: u64) -> &[f32] {
        let index = |place: u64| (place.max(self.start).min(self.end()) - self.start) as usize;
        &self.samples[index(from)..index(to).max(index(from))]
    }

    /// Drops what lies before `place`.
    pub(crate) fn forget(&mut self, place: u64) {
        let gone = (place.min(self.end()).saturating_sub(self.start)) as usize;
        // Moving the rest costs as much as dropping much at once.
        if gone > self.samples.len() / 2 {
            self.samples.drain(..gone);
            self.start += gone as u64;
        }
    }
}
