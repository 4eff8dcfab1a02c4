//! Logs: lines for people or JSON for programs, on stderr.

use parasol_core::{Error, ErrorKind, Result};
use tracing_subscriber::filter::LevelFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts logging to stderr what is at least as grave as `level` (`error`, `warn`, `info`, `debug`, `trace`, `off`).
///
/// # Errors
/// `InvalidRequest` for another level; `Internal` when something else logs already.
pub fn start_logging(format: LogFormat, level: &str) -> Result<()> {
    let level: LevelFilter = level.parse().map_err(|_| {
        let says = format!("{level:?} is no log level: use error, warn, info, debug, trace or off");
        Error::new(ErrorKind::InvalidRequest, says)
    })?;
    let log = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr).with_target(false);
    let started = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
    started.map_err(|e| Error::new(ErrorKind::Internal, format!("the log cannot be started: {e}")))
}
