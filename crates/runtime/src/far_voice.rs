//! Models that speak elsewhere.

use crate::runtime::Runtime;
use parasol_core::{Error, ErrorKind, Result, Speak};
use parasol_remote::RemoteModel;
use std::sync::Arc;

/// A model that others compute, if it speaks.
///
/// # Errors
/// `Unsupported` when it does not.
pub(crate) fn speaking(model: Arc<RemoteModel>) -> Result<Arc<RemoteModel>> {
    if model.capabilities().iter().any(|can| can == "speak") {
        return Ok(model);
    }
    let message = format!(
        "{} is computed elsewhere and does not speak: `parasol providers` shows those that do",
        model.name()
    );
    Err(Error::new(ErrorKind::Unsupported, message))
}

impl Runtime {
    /// The provider's model of this name that speaks; `None` when it can only be a local one.
    ///
    /// # Errors
    /// `Denied` naming the variable when its provider's key is missing; `Unsupported` for one that does not speak.
    pub fn far_voice(&self, reference: &str) -> Result<Option<Arc<dyn Speak>>> {
        if !self.is_far(reference) {
            return Ok(None);
        }
        let model = self.far().model(reference)?.map(speaking).transpose()?;
        Ok(model.map(|model| model as Arc<dyn Speak>))
    }
}
