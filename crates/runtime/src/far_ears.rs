//! Models that listen elsewhere: a sound becomes what is sent of it.

use crate::far::able;
use crate::runtime::Runtime;
use parasol_audio::sound::{self, Lengths};
use parasol_core::{EventStream, Result, SoundStream, Transcribe, TranscribeRequest, TranscriptEvent};
use parasol_remote::{Recording, RemoteModel, Sounds};
use std::sync::Arc;

/// Samples a second of what is sent: what models that listen are made for.
const SENT_RATE: u32 = 16_000;
/// OpenAI and Groq take 25 megabytes, which are 13 minutes, and OpenAI's newer models 23 minutes.
const LENGTHS: Lengths = Lengths { whole: 780.0, shortest: 540.0, longest: 600.0 };

/// A model that listens elsewhere.
#[derive(Debug, Clone)]
pub struct FarEars(Arc<RemoteModel>);

impl FarEars {
    /// A model that others compute, if it listens.
    ///
    /// # Errors
    /// `Unsupported` when it does not.
    pub(crate) fn of(model: Arc<RemoteModel>) -> Result<Self> {
        able(model, "transcribe", "does not listen").map(Self)
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        self.0.name()
    }
}

impl Transcribe for FarEars {
    /// The sound is sent as 16-bit samples; one that is longer than providers take at once in pieces, which are read as they are needed.
    fn transcribe(
        &self,
        sound: SoundStream,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>> {
        let sound = sound::at_rate(sound, SENT_RATE)?;
        let seconds = sound.seconds();
        let pieces = sound::cut(sound, LENGTHS).map(|piece| piece.map(recording));
        self.0.transcribe(Sounds { seconds, pieces: Box::new(pieces) }, request)
    }
}

fn recording(samples: Vec<f32>) -> Recording {
    let seconds = samples.len() as f64 / f64::from(SENT_RATE);
    Recording { wav: sound::wav::encode(SENT_RATE, &samples), seconds }
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
