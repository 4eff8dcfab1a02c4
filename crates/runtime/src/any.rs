//! A model wherever it computes: here, behind another address, or one of several that stand in for each other. What a
//! command that uses one model needs of it.

use crate::chain::{ChainModel, OpenChat, no_vectors};
use crate::model::{LoadOptions, Model};
use crate::runtime::Runtime;
use parasol_core::{Chat, Complete, Embed, Error, ErrorKind, Result, SamplingChoice};
use parasol_remote::RemoteModel;
use parasol_text::info::ModelInfo;
use std::sync::Arc;

/// A model that can be asked.
#[derive(Debug, Clone)]
pub enum AnyModel {
    /// Loaded on this machine.
    Local(Model),
    /// Computed by others.
    Remote(Arc<RemoteModel>),
    /// The first of several that answers.
    Chain(Arc<ChainModel>),
}

impl AnyModel {
    /// The provider's model or the chain of this name; `None` when it can only be a local one. A chain opens its models with
    /// a runtime of its own, when they are asked.
    ///
    /// # Errors
    /// `Denied` naming the variable when a provider's key is missing.
    pub fn far(runtime: &Runtime, name: &str, options: &LoadOptions) -> Result<Option<Self>> {
        if !runtime.is_far(name) {
            return Ok(None);
        }
        if let Some(chain) = runtime.far().chain(name) {
            let options = options.clone();
            let open: OpenChat = Arc::new(move |name: &str| {
                let runtime = Runtime::from_env()?;
                let model =
                    match runtime.is_far(name).then(|| runtime.far().model(name)).transpose()?.flatten() {
                        Some(model) => Self::Remote(model),
                        None => Self::Local(runtime.load(name, &options)?),
                    };
                Ok((model.chat()?, *model.recommended()))
            });
            return Ok(Some(Self::Chain(Arc::new(ChainModel::new(&chain.name, chain.models.clone(), open)))));
        }
        Ok(runtime.far().model(name)?.map(Self::Remote))
    }

    /// A name for people.
    pub fn name(&self) -> &str {
        match self {
            Self::Local(model) => model.name(),
            Self::Remote(model) => model.name(),
            Self::Chain(chain) => chain.name(),
        }
    }

    /// What finds it again.
    pub fn reference(&self) -> &str {
        match self {
            Self::Local(model) => model.reference(),
            Self::Remote(model) => model.name(),
            Self::Chain(chain) => chain.name(),
        }
    }

    /// Tokens that its context holds, where that is known.
    pub fn context(&self) -> Option<usize> {
        match self {
            Self::Local(model) => Some(model.context()),
            Self::Remote(model) => model.context(),
            Self::Chain(_) => None,
        }
    }

    /// The sampling that is recommended for it.
    pub fn recommended(&self) -> &SamplingChoice {
        match self {
            Self::Local(model) => model.recommended(),
            Self::Remote(model) => model.recommended(),
            Self::Chain(chain) => chain.recommended(),
        }
    }

    /// What a local model's file says about itself.
    pub fn info(&self) -> Option<&ModelInfo> {
        match self {
            Self::Local(model) => Some(model.info()),
            Self::Remote(_) | Self::Chain(_) => None,
        }
    }

    /// Its chat.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn chat(&self) -> Result<Arc<dyn Chat>> {
        match self {
            Self::Local(model) => Ok(model.chat()),
            Self::Remote(model) => model.chat(),
            Self::Chain(chain) => Ok(Arc::clone(chain) as _),
        }
    }

    /// Its completion.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn complete(&self) -> Result<Arc<dyn Complete>> {
        match self {
            Self::Local(model) => Ok(model.complete()),
            Self::Remote(model) => model.complete(),
            Self::Chain(chain) => {
                let message = format!("{} is a chain of models, which chats only", chain.name());
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// Its embedding.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn embed(&self) -> Result<Arc<dyn Embed>> {
        match self {
            Self::Local(model) => Ok(model.embed()),
            Self::Remote(model) => model.embedder(),
            Self::Chain(chain) => Err(no_vectors(chain)),
        }
    }
}
