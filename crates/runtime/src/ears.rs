//! Models that listen: from a name to something that transcribes.

use crate::runtime::Runtime;
use parasol_audio::transcription::checkpoint::Checkpoint;
use parasol_audio::transcription::{LoadOptions, WhisperModel};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{LocalModel, Located, Origin};

/// A speech model whose files have been opened, and nothing computed.
pub(crate) struct OpenedEars<'a> {
    located: &'a Located,
    checkpoint: Checkpoint,
}

impl<'a> OpenedEars<'a> {
    /// Opens the model that lies there.
    pub(crate) fn open(located: &'a Located) -> Result<Self> {
        let message = || {
            let name = &located.name;
            format!(
                "{name} does not listen: `parasol list` shows those that transcribe, such as whisper-base"
            )
        };
        match &located.model {
            LocalModel::Whisper(path) | LocalModel::HuggingFace(path) => {
                let checkpoint = Checkpoint::open(path).map_err(|e| match e.kind() {
                    ErrorKind::Unsupported => e.within(message()),
                    _ => e,
                })?;
                Ok(Self { located, checkpoint })
            }
            _ => Err(Error::new(ErrorKind::Unsupported, message())),
        }
    }

    /// Bytes that it takes when it is loaded: its weights and what is unpacked of them, keys and values of a window
    /// and of the texts that are followed, and a window's working space.
    pub(crate) fn need(&self) -> u64 {
        let it = &self.checkpoint.config;
        let window = (it.audio_context * it.width * 4) as u64;
        let cross = (it.decoder_layers * it.audio_context * it.width * 4) as u64;
        let texts = (it.decoder_layers * it.text_context * it.width * 4) as u64 * 10;
        self.checkpoint.bytes + self.checkpoint.bytes / 2 + cross + texts + 16 * window + (64 << 20)
    }

    /// Loads it, its weights as they are stored: rounded to 8 bits the decoder cuts one segment in seven elsewhere.
    pub(crate) fn load(self, threads: Option<usize>) -> Result<WhisperModel> {
        let name = Some(self.located.name.clone()).filter(|_| self.located.origin != Origin::Path);
        let options = LoadOptions {
            name,
            threads: Some(threads.unwrap_or_else(crate::machine::usable_threads)),
            ..LoadOptions::default()
        };
        WhisperModel::from_checkpoint(self.checkpoint, self.located.model.path(), options)
    }
}

/// Why a speech model is not loaded as a language model.
pub(crate) fn not_text(name: &str) -> Error {
    let message = format!(
        "{name} listens (`parasol transcribe`, POST /v1/audio/transcriptions) and answers no prompts: name a chat model"
    );
    Error::new(ErrorKind::Unsupported, message)
}

impl Runtime {
    /// The model that transcribes when none is named.
    ///
    /// # Errors
    /// `NotFound` when the catalogue has none.
    pub fn default_ears(&self) -> Result<String> {
        let none = || {
            Error::new(ErrorKind::NotFound, "the catalogue has no default for transcription: name a model")
        };
        self.hub().catalogue().default_for("transcribe").map(|entry| entry.name.clone()).ok_or_else(none)
    }

    /// Loads a speech model that is on this disk.
    ///
    /// # Errors
    /// When it is not here, is no speech model, or its files are damaged.
    pub fn ears(&self, reference: &str, threads: Option<usize>) -> Result<WhisperModel> {
        OpenedEars::open(&self.locate(reference)?)?.load(threads)
    }
}
