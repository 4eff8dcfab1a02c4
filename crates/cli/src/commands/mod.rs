//! What each command does. One file per command; none knows how a model works.

pub(crate) mod admin;
pub(crate) mod bench;
pub(crate) mod doctor;
pub(crate) mod embed;
pub(crate) mod film;
pub(crate) mod imagine;
pub(crate) mod jobs;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod listen;
#[cfg(feature = "microphone")]
mod microphone;
pub(crate) mod pages;
pub(crate) mod providers;
pub(crate) mod pull;
pub(crate) mod rm;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod show;
mod show_ears;
pub(crate) mod speak;
pub(crate) mod transcribe;
pub(crate) mod usage;
pub(crate) mod voices;

use crate::exit::Outcome;
use parasol_runtime::Runtime;

/// The runtime, with settings from the environment.
///
/// # Errors
/// When the settings or a catalogue file are wrong.
pub(crate) fn runtime() -> Outcome<Runtime> {
    Ok(Runtime::from_env()?)
}
