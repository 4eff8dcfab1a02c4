//! Models that make films elsewhere.

use crate::far::able;
use crate::runtime::Runtime;
use parasol_core::{Error, ErrorKind, Result};
use parasol_remote::{FilmJob, RemoteModel};
use std::sync::Arc;

/// Why no other model makes one.
pub(crate) fn not_filming(name: &str) -> Error {
    let message = format!(
        "{name} makes no films: no engine of this machine does, and `parasol providers` shows whose do"
    );
    Error::new(ErrorKind::Unsupported, message)
}

impl Runtime {
    /// The provider's model of this name that makes films.
    ///
    /// # Errors
    /// `NotFound` for a name that nobody has; `Denied` naming the variable when its provider's key is missing; `Unsupported` for one
    /// that makes none.
    pub fn filmer(&self, reference: &str) -> Result<Arc<RemoteModel>> {
        if self.is_far(reference)
            && let Some(model) = self.far().model(reference)?
        {
            return able(model, "film", "makes no films");
        }
        match self.names_model(reference) {
            true => Err(not_filming(reference)),
            false => {
                let message = format!(
                    "there is no model {reference:?}: `parasol providers` shows those that make films"
                );
                Err(Error::new(ErrorKind::NotFound, message))
            }
        }
    }

    /// The one job of films whose name begins so.
    ///
    /// # Errors
    /// `NotFound` when there is none; `InvalidRequest` when there are several.
    pub fn film_job(&self, name: &str) -> Result<FilmJob> {
        let films = self.far().films();
        let mut all = films.all()?;
        all.retain(|job| job.id.starts_with(name) && name.len() > "video_".len());
        match (all.len(), all.pop()) {
            (1, Some(job)) => Ok(job),
            // Its error says what is wrong.
            (0, _) | (_, None) => films.get(name),
            (many, _) => {
                let message = format!("{many} jobs have names that begin with {name}: write more of it");
                Err(Error::new(ErrorKind::InvalidRequest, message))
            }
        }
    }
}
