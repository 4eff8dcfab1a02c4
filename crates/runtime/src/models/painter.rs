//! Models that make pictures, by name.

use super::Models;
use crate::picture::{is_chain, not_here, painting};
use parasol_core::{Imagine, Result};
use std::sync::Arc;

impl Models {
    /// The model of this name that makes pictures. One that runs here is told from one that is nowhere; neither is loaded or pulled.
    ///
    /// # Errors
    /// `Unsupported` for a model that makes none; `NotFound`, and those of a provider's key, as for [`Models::acquire`].
    pub fn painter(self: &Arc<Self>, name: &str) -> Result<Arc<dyn Imagine>> {
        if self.chain(name).is_some() {
            return Err(is_chain(name));
        }
        if let Some(model) = self.remote(name)? {
            return painting(model);
        }
        let found = self.find(name)?;
        Err(not_here(&found.map_or_else(|| name.to_owned(), |located| located.name)))
    }
}
