//! How the addresses behind a remote model do, for people and metrics.

use serde::Serialize;

/// One address of a remote model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BackendStatus {
    /// Its base URL, without user and password.
    pub url: String,
    /// Its share of the work.
    pub weight: u32,
    /// Whether it takes part.
    pub health: Health,
    /// Why it does not, or what is odd about it.
    pub note: Option<String>,
    /// Answers that it is making.
    pub outstanding: usize,
    /// Requests sent to it.
    pub requests: u64,
    /// Of these, how many failed through its fault.
    pub failures: u64,
}

/// Whether an address takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It answers, as far as is known.
    Up,
    /// It asked to be left alone for a while (`Retry-After`).
    Busy,
    /// It failed, and is left alone for a while.
    Down,
    /// The while is over: the next request or look decides.
    Trial,
}
