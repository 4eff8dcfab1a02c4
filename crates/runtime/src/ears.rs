//! Models that listen: from a name to something that transcribes.

use crate::runtime::Runtime;
use parasol_audio::transcription::checkpoint::Checkpoint;
use parasol_audio::transcription::checkpoint::Config;
use parasol_audio::transcription::{LoadOptions, VOICE_ACTIVITY, WhisperModel};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{LocalModel, Located, Origin};
use parasol_kernels::Format;

/// What the files of a speech model say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct EarsInfo {
    /// Its sizes.
    pub config: Config,
    /// Parameters in all tensors.
    pub parameters: u64,
    /// Bytes of its weights, …
    pub bytes: u64,
    /// … and in each storage format, the largest share first.
    pub formats: Vec<(Format, u64)>,
    /// Bytes that it takes when it is loaded.
    pub memory: u64,
    /// A detector of voice activity lies beside it.
    pub voice_activity: bool,
}

/// A speech model whose files have been opened, and nothing computed.
pub(crate) struct OpenedEars<'a> {
    located: &'a Located,
    checkpoint: Checkpoint,
}

impl<'a> OpenedEars<'a> {
    /// Opens the model that lies there.
    pub(crate) fn open(located: &'a Located) -> Result<Self> {
        match &located.model {
            LocalModel::Whisper(path) | LocalModel::HuggingFace(path) => {
                let checkpoint = Checkpoint::open(path).map_err(|e| match e.kind() {
                    ErrorKind::Unsupported => e.within(not_ears(&located.name).message()),
                    _ => e,
                })?;
                Ok(Self { located, checkpoint })
            }
            _ => Err(not_ears(&located.name)),
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

/// Why a language model is not loaded as a speech model.
pub(crate) fn not_ears(name: &str) -> Error {
    let message =
        format!("{name} does not listen: `parasol list` shows those that transcribe, such as whisper-base");
    Error::new(ErrorKind::Unsupported, message)
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

    /// What the files of a speech model on this disk say; `None` for another kind of model. Computes nothing.
    ///
    /// # Errors
    /// When it is not here, or its files are damaged.
    pub fn describe_ears(&self, reference: &str) -> Result<Option<EarsInfo>> {
        let located = self.locate(reference)?;
        let opened = match (&located.model, OpenedEars::open(&located)) {
            (LocalModel::Whisper(_), opened) => opened?,
            // A folder of Hugging Face's holds any kind of model: what is no speech model is described as a language model.
            (LocalModel::HuggingFace(_), Ok(opened)) => opened,
            _ => return Ok(None),
        };
        let path = located.model.path();
        let folder = if path.is_dir() { Some(path) } else { path.parent() };
        let checkpoint = &opened.checkpoint;
        Ok(Some(EarsInfo {
            config: checkpoint.config.clone(),
            parameters: checkpoint.parameters(),
            bytes: checkpoint.bytes,
            formats: checkpoint.formats(),
            memory: opened.need(),
            voice_activity: folder.is_some_and(|folder| folder.join(VOICE_ACTIVITY).is_file()),
        }))
    }

    /// Loads a speech model that is on this disk.
    ///
    /// # Errors
    /// When it is not here, is no speech model, or its files are damaged.
    pub fn ears(&self, reference: &str, threads: Option<usize>) -> Result<WhisperModel> {
        OpenedEars::open(&self.locate(reference)?)?.load(threads)
    }
}
