//! Models that make pictures. None of this machine's engines does yet: what can be had is computed elsewhere.

use crate::far::able;
use crate::runtime::Runtime;
use parasol_core::{Error, ErrorKind, Imagine, Result};
use parasol_remote::RemoteModel;
use std::sync::Arc;

/// A model that others compute, if it makes pictures.
pub(crate) fn painting(model: Arc<RemoteModel>) -> Result<Arc<dyn Imagine>> {
    Ok(able(model, "imagine", "makes no pictures")?)
}

/// Why a model that runs here makes no pictures.
pub(crate) fn not_here(name: &str) -> Error {
    let message = format!(
        "{name} runs on this machine and makes no pictures, as no model does here yet: name one of a provider, such as \
         gpt-image-2 (`parasol providers`)"
    );
    Error::new(ErrorKind::Unsupported, message)
}

/// Why a chain makes none.
pub(crate) fn is_chain(name: &str) -> Error {
    let message =
        format!("{name} is a chain of models for chats, and makes no pictures: name one of a provider");
    Error::new(ErrorKind::Unsupported, message)
}

impl Runtime {
    /// The model of this name that makes pictures.
    ///
    /// # Errors
    /// `Denied` naming the variable when its provider's key is missing; `Unsupported` for one that makes none; `NotFound` when there is
    /// no such model.
    pub fn painter(&self, reference: &str) -> Result<Arc<dyn Imagine>> {
        if self.is_far(reference) {
            if self.far().chain(reference).is_some() {
                return Err(is_chain(reference));
            }
            if let Some(model) = self.far().model(reference)? {
                return painting(model);
            }
        }
        let located = self.hub().locate(reference)?;
        Err(not_here(&located.map_or_else(|| reference.to_owned(), |located| located.name)))
    }
}
