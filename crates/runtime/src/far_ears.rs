//! Models that listen elsewhere: a sound becomes what is sent of it.

use crate::runtime::Runtime;
use parasol_audio::sound;
use parasol_core::{
    Error, ErrorKind, EventStream, Result, SoundStream, Transcribe, TranscribeRequest, TranscriptEvent,
};
use parasol_remote::{LARGEST_SOUND, Recording, RemoteModel};
use std::sync::Arc;

/// Samples a second of what is sent: what models that listen are made for.
const SENT_RATE: u32 = 16_000;

/// A model that listens elsewhere.
#[derive(Debug, Clone)]
pub struct FarEars(Arc<RemoteModel>);

impl FarEars {
    /// A model that others compute, if it listens.
    ///
    /// # Errors
    /// `Unsupported` when it does not.
    pub(crate) fn of(model: Arc<RemoteModel>) -> Result<Self> {
        if model.capabilities().iter().any(|can| can == "transcribe") {
            return Ok(Self(model));
        }
        let message = format!(
            "{} is computed elsewhere and does not listen: `parasol providers` shows those that do",
            model.name()
        );
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

impl Transcribe for FarEars {
    /// The sound is read to its end and sent as a whole, or given up where it grows larger than providers take: a small file may hold
    /// hours.
    fn transcribe(
        &self,
        sound: SoundStream,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>> {
        let mut pcm = Vec::new();
        for piece in sound::at_rate(sound, SENT_RATE)? {
            pcm.extend(sound::wav::pcm(&piece?));
            if pcm.len() > LARGEST_SOUND {
                let minutes = LARGEST_SOUND / (2 * SENT_RATE as usize * 60);
                let message = format!(
                    "the sound is longer than {minutes} minutes, and providers take {LARGEST_SOUND} bytes: cut it, or have it \
                     transcribed here"
                );
                return Err(Error::new(ErrorKind::InvalidRequest, message));
            }
        }
        let samples = pcm.len() / 2;
        let seconds = samples as f64 / f64::from(SENT_RATE);
        let wav = [&sound::wav::header(SENT_RATE, Some(samples))[..], &pcm].concat();
        drop(pcm);
        self.0.transcribe(Recording { wav, seconds }, request)
    }
}

impl Runtime {
    /// The provider's model of this name that listens; `None` when it can only be a local one.
    ///
    /// # Errors
    /// `Denied` naming the variable when its provider's key is missing; `Unsupported` for one that does not listen.
    pub fn far_ears(&self, reference: &str) -> Result<Option<FarEars>> {
        if !self.is_far(reference) {
            return Ok(None);
        }
        self.far().model(reference)?.map(FarEars::of).transpose()
    }
}
