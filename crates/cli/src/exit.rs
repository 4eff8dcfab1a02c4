//! How the program ends: the one place that turns an outcome into an exit code.

use parasol_core::{Error, ErrorKind};
use std::io;
use std::process::ExitCode;

/// Why a command ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Something failed; the error says what.
    Failed(Error),
    /// The reader of our output has left: nobody is there to tell, and nothing went wrong.
    ClosedPipe,
    /// Ctrl-C.
    Interrupted,
}

/// What commands return.
pub(crate) type Outcome<T = ()> = Result<T, Stop>;

impl From<Error> for Stop {
    fn from(e: Error) -> Self {
        match e.kind() {
            ErrorKind::Cancelled => Self::Interrupted,
            _ => Self::Failed(e),
        }
    }
}

/// Commands write to stdout and stderr only; files go through errors that name them.
impl From<io::Error> for Stop {
    fn from(e: io::Error) -> Self {
        match e.kind() {
            io::ErrorKind::BrokenPipe => Self::ClosedPipe,
            _ => Self::Failed(Error::from(e).within("cannot write the output")),
        }
    }
}

impl From<serde_json::Error> for Stop {
    fn from(e: serde_json::Error) -> Self {
        if e.is_io() {
            io::Error::from(e).into()
        } else {
            Self::Failed(Error::new(ErrorKind::Internal, e.to_string()))
        }
    }
}

/// The exit code of an interrupted program: 128 + SIGINT, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

impl Stop {
    /// What was asked for cannot be done as it stands; the message says why.
    pub(crate) fn wrong(message: impl Into<String>) -> Self {
        Self::Failed(Error::new(ErrorKind::InvalidRequest, message))
    }

    /// The documented exit code (`parasol --help`, docs/cli.md).
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::ClosedPipe => 0,
            Self::Interrupted => INTERRUPTED,
            Self::Failed(e) => code_of(e.kind()),
        }
    }
}

impl From<&Stop> for ExitCode {
    fn from(stop: &Stop) -> Self {
        stop.code().into()
    }
}

fn code_of(kind: &ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidRequest => 2,
        ErrorKind::NotFound => 3,
        // Somebody else's server that has no time is one that cannot be reached.
        ErrorKind::Network | ErrorKind::Timeout | ErrorKind::Overloaded | ErrorKind::RateLimited { .. } => 4,
        ErrorKind::Corrupt | ErrorKind::Checksum => 5,
        ErrorKind::ContextOverflow { .. } => 6,
        ErrorKind::Denied | ErrorKind::Unauthenticated => 7,
        ErrorKind::NoSpace => 8,
        ErrorKind::OutOfMemory => 9,
        ErrorKind::Unsupported => 10,
        ErrorKind::Io => 11,
        ErrorKind::Cancelled => INTERRUPTED,
        // Internal, and kinds that a later core adds before this table knows them.
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_no_failure() {
        assert_eq!(Stop::from(io::Error::from(io::ErrorKind::BrokenPipe)).code(), 0);
    }

    #[test]
    fn kinds_keep_their_codes() {
        assert_eq!(Stop::from(Error::context_overflow(9, 8)).code(), 6);
        assert_eq!(Stop::from(Error::new(ErrorKind::Cancelled, "")).code(), 130);
        assert_eq!(Stop::from(io::Error::from(io::ErrorKind::StorageFull)).code(), 8);
    }
}
