//! Models that speak elsewhere.

use crate::far::able;
use crate::runtime::Runtime;
use parasol_core::{Result, Speak};
use std::sync::Arc;

impl Runtime {
    /// The provider's model of this name that speaks; `None` when it can only be a local one.
    ///
    /// # Errors
    /// `Denied` naming the variable when its provider's key is missing; `Unsupported` for one that does not speak.
    pub fn far_voice(&self, reference: &str) -> Result<Option<Arc<dyn Speak>>> {
        if !self.is_far(reference) {
            return Ok(None);
        }
        let Some(model) = self.far().model(reference)? else { return Ok(None) };
        Ok(Some(able(model, "speak", "does not speak")?))
    }
}
