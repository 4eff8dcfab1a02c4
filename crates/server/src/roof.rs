//! Models by name, kept once loaded: what handlers need of the roof.

use parasol_core::{Chat, Complete, Error, ErrorKind, Result, SamplingChoice};
use parasol_runtime::{LoadOptions, Model, Runtime};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The models that a server offers.
pub struct Models {
    runtime: Runtime,
    loaded: Mutex<HashMap<String, Model>>,
}

impl Models {
    /// Models that `runtime` finds.
    pub fn new(runtime: Runtime) -> Arc<Self> {
        Arc::new(Self { runtime, loaded: Mutex::default() })
    }

    /// A model in memory, loaded if it is not. Blocks.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be loaded.
    pub fn acquire(self: &Arc<Self>, name: &str) -> Result<Lease> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(model) = loaded.get(name) {
            return Ok(Lease(model.clone()));
        }
        if name.contains('\0') {
            return Err(Error::new(ErrorKind::NotFound, "a model's name has no NUL"));
        }
        let model = self.runtime.load(name, &LoadOptions::default())?;
        loaded.insert(name.to_owned(), model.clone());
        Ok(Lease(model))
    }
}

/// A model in use.
pub struct Lease(Model);

impl Lease {
    /// Its chat.
    ///
    /// # Errors
    /// When the model cannot chat.
    pub fn chat(&self) -> Result<Arc<dyn Chat>> {
        Ok(self.0.chat())
    }

    /// Its completion.
    ///
    /// # Errors
    /// When the model cannot complete.
    pub fn complete(&self) -> Result<Arc<dyn Complete>> {
        Ok(self.0.complete())
    }

    /// The sampling that is recommended for it.
    pub fn recommended(&self) -> &SamplingChoice {
        self.0.recommended()
    }
}
