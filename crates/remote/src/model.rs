//! A remote model as the vocabulary's capabilities.

use crate::entry::RemoteEntry;
use crate::status::BackendStatus;
use parasol_core::{Chat, Complete, Error, ErrorKind, Result, SamplingChoice};
use std::sync::Arc;

/// All remote models of a process.
#[derive(Debug)]
pub struct Remotes;

impl Remotes {
    /// The models of these entries.
    ///
    /// # Errors
    /// `Unsupported`: calling other machines is not there yet.
    pub fn connect(entries: &[RemoteEntry]) -> Result<Vec<Arc<RemoteModel>>> {
        match entries.first() {
            None => Ok(Vec::new()),
            Some(entry) => Err(unsupported(&entry.name)),
        }
    }
}

/// A model that other machines compute.
#[derive(Debug)]
pub struct RemoteModel {
    entry: RemoteEntry,
}

impl RemoteModel {
    /// What it is called here.
    pub fn name(&self) -> &str {
        &self.entry.name
    }

    /// What it can do.
    pub fn capabilities(&self) -> &[String] {
        &self.entry.capabilities
    }

    /// Tokens that its context holds, where that is known.
    pub fn context(&self) -> Option<usize> {
        self.entry.context
    }

    /// The sampling that is recommended for it.
    pub fn recommended(&self) -> &SamplingChoice {
        &self.entry.sampling
    }

    /// How its addresses do.
    pub fn status(&self) -> Vec<BackendStatus> {
        Vec::new()
    }

    /// Its chat.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn chat(&self) -> Result<Arc<dyn Chat>> {
        Err(unsupported(&self.entry.name))
    }

    /// Its completion.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn complete(&self) -> Result<Arc<dyn Complete>> {
        Err(unsupported(&self.entry.name))
    }
}

fn unsupported(name: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{name} is remote, and remote models cannot be called yet"))
}
