//! How a set of models is kept: what doors decide and configuration files say.

use crate::model::LoadOptions;
use parasol_remote::RemoteEntry;
use std::collections::BTreeMap;
use std::time::Duration;

/// How [`super::Models`] loads and keeps models.
#[derive(Debug, Clone)]
pub struct ModelsOptions {
    /// Bytes that all loaded models together may take; `None` takes three quarters of what is free at the start.
    pub memory: Option<u64>,
    /// For how long a model stays loaded that nobody uses; `None` until its room is needed.
    pub keep_alive: Option<Duration>,
    /// How long a request waits for room that is in use, and an unload for those who use the model.
    pub patience: Duration,
    /// How models are loaded …
    pub load: LoadOptions,
    /// … and how those are that are named here.
    pub overrides: BTreeMap<String, LoadOptions>,
    /// Models that are never unloaded for others, by name. They are still loaded on first use.
    pub pinned: Vec<String>,
    /// Whether a request may name a file by its path.
    pub paths: Policy,
    /// Whether a request for a model that is not here fetches it. Terms that must be accepted are not.
    pub pull: Policy,
    /// Models that other machines compute.
    pub remote: Vec<RemoteEntry>,
}

/// Whether a request may do something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// It is answered with an error that says how it can be done.
    #[default]
    Refused,
    /// It may.
    Allowed,
}

impl Default for ModelsOptions {
    fn default() -> Self {
        Self {
            memory: None,
            keep_alive: None,
            patience: Duration::from_secs(30),
            load: LoadOptions::default(),
            overrides: BTreeMap::new(),
            pinned: Vec::new(),
            paths: Policy::Refused,
            pull: Policy::Refused,
            remote: Vec::new(),
        }
    }
}
