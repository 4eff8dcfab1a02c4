//! One error type for every layer: a kind that a program can act on, and a sentence that a person can act on.

use std::fmt;

/// What went wrong, in terms that a caller can act on. Doors map it to an exit code or a status.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The request itself is wrong: a value out of range, a malformed prompt or template input.
    InvalidRequest,
    /// The prompt (plus what was asked to be generated) needs `needed` tokens and the context holds `limit`.
    ContextOverflow {
        /// Tokens that the request needs.
        needed: usize,
        /// Tokens that the context holds.
        limit: usize,
    },
    /// No model, file or entry of that name.
    NotFound,
    /// A file is damaged, truncated or hostile.
    Corrupt,
    /// A format, architecture or feature that this build does not run.
    Unsupported,
    /// The licence was not accepted, or access was refused.
    Denied,
    /// A checksum or size differs from the catalogue.
    Checksum,
    /// The network, or the tool that reaches it, failed.
    Network,
    /// The disk (or a quota) is full.
    NoSpace,
    /// Memory needed exceeds memory available.
    OutOfMemory,
    /// No valid API key came with the request.
    Unauthenticated,
    /// A rate or token limit of the caller's was reached; `retry_after` seconds from now there is room again.
    RateLimited {
        /// Whole seconds to wait.
        retry_after: u64,
    },
    /// The queue is full: the same request may succeed later.
    Overloaded,
    /// It took longer than allowed.
    Timeout,
    /// The work was cancelled by its caller.
    Cancelled,
    /// Reading or writing failed for another reason.
    Io,
    /// A fault of Parasol's own.
    Internal,
}

/// An error that names the thing, the number and the way out.
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

/// The result of everything that can fail in Parasol.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` that says `message`: a full sentence naming the thing, the number and the way out.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The prompt does not fit: both numbers and what to do about it.
    pub fn context_overflow(needed: usize, limit: usize) -> Self {
        Self::new(
            ErrorKind::ContextOverflow { needed, limit },
            format!(
                "the request needs {needed} tokens and the context holds {limit}: shorten it or raise --context"
            ),
        )
    }

    /// The same where the prompt was not even counted, being too long whatever it says: `least` tokens or more.
    pub fn context_overflow_at_least(least: usize, limit: usize) -> Self {
        Self::new(
            ErrorKind::ContextOverflow { needed: least, limit },
            format!(
                "the request needs at least {least} tokens and the context holds {limit}: shorten it or raise --context"
            ),
        )
    }

    /// What kind of error this is.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The sentence for a person.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The same error with `what` in front of its message, to say where it happened.
    #[must_use]
    pub fn within(mut self, what: impl fmt::Display) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl From<std::io::Error> for Error {
    fn from(e: std::io::Error) -> Self {
        let kind = match e.kind() {
            std::io::ErrorKind::NotFound => ErrorKind::NotFound,
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            std::io::ErrorKind::PermissionDenied => ErrorKind::Denied,
            std::io::ErrorKind::OutOfMemory => ErrorKind::OutOfMemory,
            _ => ErrorKind::Io,
        };
        Self::new(kind, e.to_string())
    }
}
