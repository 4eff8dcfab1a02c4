//! Voices: from a name to something that speaks.

use crate::runtime::Runtime;
use parasol_audio::speech::Speaker;
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{LocalModel, Located};
use parasol_kernels::{Compute, Isa};
use std::sync::Arc;

/// Loads the voice that lies there.
pub(crate) fn open(located: &Located, threads: Option<usize>) -> Result<Speaker> {
    let LocalModel::Voice(path) = &located.model else {
        return Err(not_voice(&located.name));
    };
    let isa = Isa::from_env_or_detect().map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))?;
    let threads = threads.unwrap_or_else(crate::machine::usable_threads);
    Speaker::open(path, &located.name, Arc::new(Compute::new(isa, threads)))
}

/// Why something else does not speak.
pub(crate) fn not_voice(name: &str) -> Error {
    let message = format!("{name} is no voice: `parasol list` shows those that can speak, such as hibari");
    Error::new(ErrorKind::Unsupported, message)
}

/// Why a voice is not loaded as a language model.
pub(crate) fn not_text(name: &str) -> Error {
    let message =
        format!("{name} is a voice: it speaks (`parasol speak`, POST /v1/audio/speech) and answers nothing");
    Error::new(ErrorKind::Unsupported, message)
}

impl Runtime {
    /// The voice that is taken when none is named.
    ///
    /// # Errors
    /// `NotFound` when the catalogue has no default for speaking.
    pub fn default_voice(&self) -> Result<String> {
        let none = || Error::new(ErrorKind::NotFound, "the catalogue has no default voice: name one");
        self.hub().catalogue().default_for("speak").map(|entry| entry.name.clone()).ok_or_else(none)
    }

    /// Loads a voice that is on this disk.
    ///
    /// # Errors
    /// When it is not here, is no voice, or its files are damaged.
    pub fn speaker(&self, reference: &str, threads: Option<usize>) -> Result<Speaker> {
        open(&self.locate(reference)?, threads)
    }
}
