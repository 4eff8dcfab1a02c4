//! From a name to a model on this disk, and from there to a loaded one.

use crate::far::Far;
use crate::model::{LoadOptions, Model, Opened};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{Hub, LocalModel, Located, ModelRef, Settings};
use parasol_text::checkpoint::Checkpoint;
use parasol_text::info::ModelInfo;
use std::path::Path;

/// Finds and loads models by name.
#[derive(Debug)]
pub struct Runtime {
    hub: Hub,
    far: Far,
}

impl Runtime {
    /// A runtime over the store and the catalogue that `settings` name.
    ///
    /// # Errors
    /// When a catalogue file or the settings of remote models are wrong.
    pub fn new(settings: Settings) -> Result<Self> {
        let far = Far::at(&settings.home)?;
        Ok(Self { hub: Hub::with(settings)?, far })
    }

    /// A runtime over the user's own store and catalogue.
    ///
    /// # Errors
    /// When there is no home directory, or a catalogue file is wrong.
    pub fn from_env() -> Result<Self> {
        Self::new(Settings::from_env()?)
    }

    /// The models on disk.
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Models that others compute.
    pub fn far(&self) -> &Far {
        &self.far
    }

    /// Whether a name means a model that others compute, or a chain. The catalogue's own names go first.
    pub fn is_far(&self, name: &str) -> bool {
        !self.is_own(name) && self.far.knows(name)
    }

    /// Whether a name means a model of the catalogue. One that stands in under the name of a provider's model does so where that
    /// provider cannot be asked.
    pub(crate) fn is_own(&self, name: &str) -> bool {
        let own = |entry: &str| entry.eq_ignore_ascii_case(name) || !self.far.reaches(name);
        self.hub.catalogue().find(name).is_some_and(|entry| own(&entry.name))
    }

    /// The folder in which Parasol keeps what it must remember.
    pub fn home(&self) -> &Path {
        &self.hub.settings().home
    }

    /// The model that is taken when none is named.
    ///
    /// # Errors
    /// `NotFound` when the catalogue has no default for chat.
    pub fn default_model(&self) -> Result<String> {
        let none = || Error::new(ErrorKind::NotFound, "the catalogue has no default chat model: name one");
        self.hub.catalogue().default_for("chat").map(|e| e.name.clone()).ok_or_else(none)
    }

    /// Whether `text` can only be meant as a model: a name of the catalogue, a repository, or a model that lies at that
    /// path. Looks at the disk, never at the network.
    pub fn names_model(&self, text: &str) -> bool {
        if self.is_far(text) {
            return true;
        }
        // A prompt of several words may end in what looks like a path; one that exists is still a model.
        match ModelRef::parse(text) {
            Ok(ModelRef::Name(name)) => {
                self.hub.catalogue().find(&name).is_some() || is_model_at(Path::new(&name))
            }
            Ok(ModelRef::Path(path)) => is_model_at(&path),
            Ok(ModelRef::Hf(_)) => true,
            Err(_) => text.starts_with("hf:") && !text.contains(char::is_whitespace),
        }
    }

    /// Whether the model is on this disk, so that loading it needs no network.
    ///
    /// # Errors
    /// When the reference is malformed, unknown, or names a path where no model lies.
    pub fn is_here(&self, reference: &str) -> Result<bool> {
        Ok(self.hub.locate(reference)?.is_some())
    }

    /// Finds a model on this disk.
    ///
    /// # Errors
    /// `NotFound` when it has not been pulled.
    pub fn locate(&self, reference: &str) -> Result<Located> {
        self.hub.locate(reference)?.ok_or_else(|| {
            let message = format!("{reference} is not on this disk: `parasol pull {reference}` fetches it");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// What the file of a model on this disk says about itself. Reads its header and computes nothing.
    ///
    /// # Errors
    /// When it is not here, or its file cannot be read.
    pub fn describe(&self, reference: &str) -> Result<ModelInfo> {
        let located = self.locate(reference)?;
        match located.model {
            LocalModel::Whisper(_) => Err(crate::ears::not_text(&located.name)),
            LocalModel::Voice(_) => Err(crate::voice::not_text(&located.name)),
            _ => Ok(Checkpoint::open(located.model.path())?.info),
        }
    }

    /// Loads a model that is on this disk.
    ///
    /// # Errors
    /// When it is not here, or its engine cannot load it.
    pub fn load(&self, reference: &str, options: &LoadOptions) -> Result<Model> {
        Opened::open(reference, &self.locate(reference)?)?.load(options)
    }
}

fn is_model_at(path: &Path) -> bool {
    parasol_hub::format::local_model(path).is_ok()
}
