//! What doors tell about models: cards of everything that can be asked for, and what is loaded.

use super::Models;
use super::loaded::Loaded;
use super::names::bare;
use crate::chain::ChainModel;
use parasol_core::{ErrorKind, Result};
use parasol_hub::{Entry, Installed, LocalModel};
use parasol_remote::{BackendStatus, RemoteModel};
use parasol_text::engine::EngineStats;
use parasol_text::info::{ModelInfo, Pooling};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A model that can be asked for. What is not known is `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ModelCard {
    /// The name that finds it.
    pub name: String,
    /// Other names that do.
    pub aliases: Vec<String>,
    /// Its name as its makers write it.
    pub title: Option<String>,
    /// The family that it belongs to.
    pub family: Option<String>,
    /// How its files are laid out: `gguf`, `safetensors`, `whisper` (CTranslate2, ggml) or `onnx`.
    pub format: Option<&'static str>,
    /// How many parameters it has.
    pub parameters: Option<u64>,
    /// How its weights are stored.
    pub quantisation: Option<String>,
    /// Bytes on disk; 0 for a remote model.
    pub bytes: u64,
    /// SHA-256 of its file, 64 hexadecimal digits.
    pub digest: Option<String>,
    /// When it was pulled, or its file last written.
    pub modified: Option<SystemTime>,
    /// What it can do: `chat`, `complete` …
    pub capabilities: Vec<String>,
    /// The longest context that it can have, in tokens.
    pub context: Option<usize>,
    /// Whether other machines compute it.
    pub remote: bool,
}

/// Where a model is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LoadedState {
    /// It is being loaded.
    Loading,
    /// It answers.
    Ready,
    /// Other machines compute it.
    Remote,
}

/// A model that is loaded, or that other machines have.
#[derive(Debug, Clone, Serialize)]
pub struct LoadedModel {
    /// The name that finds it.
    pub name: String,
    /// Where it is on its way.
    pub state: LoadedState,
    /// Bytes reserved for it.
    pub bytes: u64,
    /// Since when it is loaded.
    pub since: Option<SystemTime>,
    /// When it was last in use.
    pub last_used: Option<SystemTime>,
    /// When it goes if nobody uses it before; `None` while it is in use or stays.
    pub expires: Option<SystemTime>,
    /// Whether it is never unloaded for others.
    pub pinned: bool,
    /// Leases on it; for a remote model the answers that are being made.
    pub in_use: usize,
    /// Tokens that its context holds.
    pub context: Option<usize>,
    /// What its engine counts.
    pub stats: Option<EngineStats>,
    /// The addresses behind a remote model and how they do.
    pub backends: Vec<BackendStatus>,
}

/// What a file says that a card needs.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    family: String,
    title: Option<String>,
    parameters: u64,
    quantisation: Option<String>,
    chat: bool,
    embed: bool,
    context: usize,
}

impl Facts {
    fn of(info: &ModelInfo) -> Self {
        Self {
            family: info.architecture.clone(),
            title: info.about.name.clone(),
            parameters: info.parameters,
            quantisation: info.formats.first().map(|share| share.format.name().to_owned()),
            chat: info.chat_template.is_some(),
            embed: info.pooling.is_some_and(|how| !matches!(how, Pooling::Rank | Pooling::Other)),
            context: info.context,
        }
    }
}

impl Models {
    /// Everything that can be asked for: remote models, then those on this disk by name.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn cards(&self) -> Result<Vec<ModelCard>> {
        let mut cards: Vec<ModelCard> = self.remotes.values().map(|model| remote(model)).collect();
        let far = self.runtime().far();
        cards.extend(far.directory().chains().iter().map(|chain| elsewhere(&chain.name, &[], None)));
        let listed = far.ready().into_iter().filter(|listed| !self.is_here(&listed.name));
        cards.extend(listed.map(|listed| {
            let card = elsewhere(&listed.name, &listed.aliases, listed.context);
            ModelCard { capabilities: listed.abilities(), ..card }
        }));
        for installed in self.hub().list()?.models {
            if !self.remotes.contains_key(&installed.name.to_lowercase()) {
                cards.push(self.installed(&installed));
            }
        }
        Ok(cards)
    }

    /// The card of one model, by any of its names.
    ///
    /// # Errors
    /// `NotFound` when it is neither remote nor on this disk; `InvalidRequest` for what is no model's name.
    pub fn card(&self, name: &str) -> Result<ModelCard> {
        if let Some(chain) = self.chain(name) {
            return Ok(elsewhere(chain.name(), &[], None));
        }
        if let Some(model) = self.remote(name)? {
            return Ok(remote(&model));
        }
        let located = self.locate(name)?;
        let listed = self.hub().list()?.models.into_iter().find(|model| model.name == located.name);
        Ok(match listed {
            Some(installed) => self.installed(&installed),
            None => self.unlisted(&located.name, &located.model),
        })
    }

    /// What the file of a model on this disk says about itself, by any of its names.
    ///
    /// # Errors
    /// As [`Models::card`], and when its file cannot be read.
    pub fn describe(&self, name: &str) -> Result<ModelInfo> {
        if let Some(model) = self.remote(name)? {
            let message =
                format!("{} is computed elsewhere: its file cannot be described here", model.name());
            return Err(parasol_core::Error::new(ErrorKind::Unsupported, message));
        }
        let located = self.locate(name)?;
        if matches!(located.model, LocalModel::Whisper(_)) {
            return Err(crate::ears::not_text(&located.name));
        }
        if matches!(located.model, LocalModel::Voice(_)) {
            return Err(crate::voice::not_text(&located.name));
        }
        Ok(parasol_text::checkpoint::Checkpoint::open(located.model.path())?.info)
    }

    /// What is loaded or being loaded, and the remote models with the health of their addresses.
    pub fn loaded(&self) -> Vec<LoadedModel> {
        let local = self.shelf.list().into_iter().map(|shown| {
            let item = shown.item.as_deref();
            let text = item.and_then(|item| match &item.value {
                Loaded::Text(model) => Some(model),
                Loaded::Ears(_) | Loaded::Voice(_) => None,
            });
            LoadedModel {
                name: shown.key,
                state: if item.is_some() { LoadedState::Ready } else { LoadedState::Loading },
                bytes: item.map_or(0, |item| item.bytes),
                since: item.map(|item| item.since),
                last_used: shown.last_used,
                expires: shown.expires,
                pinned: shown.pinned,
                in_use: shown.leases,
                context: text.map(|model| model.context()),
                stats: text.map(|model| model.stats()),
                backends: Vec::new(),
            }
        });
        let far = self.runtime().far().opened();
        let remote = self.remotes.values().cloned().chain(far).map(|model| {
            let backends = model.status();
            LoadedModel {
                name: model.name().to_owned(),
                state: LoadedState::Remote,
                bytes: 0,
                since: None,
                last_used: None,
                expires: None,
                pinned: false,
                in_use: backends.iter().map(|backend| backend.outstanding).sum(),
                context: model.context(),
                stats: None,
                backends,
            }
        });
        local.chain(remote).collect()
    }

    fn installed(&self, installed: &Installed) -> ModelCard {
        let file = installed.model.path().file_name().map(|name| name.to_string_lossy());
        let digest = installed.checksums.iter().find(|(name, _)| file.as_deref() == Some(name.as_str()));
        let card = ModelCard {
            bytes: installed.bytes,
            digest: digest.map(|(_, sum)| sum.clone()),
            modified: UNIX_EPOCH.checked_add(Duration::from_secs(installed.pulled)),
            ..empty(&installed.name, &installed.model)
        };
        match self.hub().catalogue().find(&installed.name) {
            Some(entry) => of_entry(card, entry),
            None => self.of_file(card, installed.model.path()),
        }
    }

    /// The card of a model in the Hugging Face cache or at a path.
    fn unlisted(&self, name: &str, model: &LocalModel) -> ModelCard {
        let meta = std::fs::metadata(model.path()).ok();
        let card = ModelCard {
            bytes: meta.as_ref().filter(|m| m.is_file()).map_or(0, std::fs::Metadata::len),
            modified: meta.and_then(|m| m.modified().ok()),
            ..empty(name, model)
        };
        self.of_file(card, model.path())
    }

    /// Fills in what the file itself says; a file that cannot be read leaves the card as it is, and says why when it is
    /// loaded.
    fn of_file(&self, card: ModelCard, path: &Path) -> ModelCard {
        let modified = card.modified;
        let known = self.facts().get(path).filter(|(at, _)| *at == modified).map(|(_, facts)| facts.clone());
        let facts = match known {
            Some(facts) => facts,
            None => {
                let Ok(checkpoint) = parasol_text::checkpoint::Checkpoint::open(path) else { return card };
                let facts = Facts::of(&checkpoint.info);
                self.facts().insert(path.to_owned(), (modified, facts.clone()));
                facts
            }
        };
        // Any decoder can be asked to embed; here stand those that were made for it.
        let able = [("chat", facts.chat), ("complete", true), ("embed", facts.embed)];
        ModelCard {
            title: facts.title,
            family: Some(facts.family),
            parameters: Some(facts.parameters),
            quantisation: facts.quantisation,
            capabilities: able.iter().filter(|(_, can)| *can).map(|(name, _)| (*name).to_owned()).collect(),
            context: Some(facts.context),
            ..card
        }
    }

    /// The remote model that a name means, dialects' dress taken off: one that is configured, or else a provider's.
    pub(super) fn remote(&self, name: &str) -> Result<Option<Arc<RemoteModel>>> {
        let name = name.trim();
        if let Some(model) = self.configured(name) {
            return Ok(Some(Arc::clone(model)));
        }
        // What a stranger calls a model goes into a request to somebody else: it is to be a name.
        super::names::check(name, super::Policy::Allowed)?;
        for name in [name, bare(name)] {
            if !self.is_here(name)
                && let Some(model) = self.runtime().far().model(name)?
            {
                return Ok(Some(model));
            }
        }
        Ok(None)
    }

    /// The same if it is configured or has been opened, which takes no time.
    pub(super) fn open_remote(&self, name: &str) -> Option<Arc<RemoteModel>> {
        let name = name.trim();
        if let Some(model) = self.configured(name) {
            return Some(Arc::clone(model));
        }
        let opened =
            |name: &str| if self.is_here(name) { None } else { self.runtime().far().open_model(name) };
        opened(name).or_else(|| opened(bare(name)))
    }

    /// Whether a name means a model that others compute and that could be asked: it is configured, or its provider has a key.
    pub fn reaches(&self, name: &str) -> bool {
        let name = name.trim();
        let far = |name: &str| !self.is_here(name) && self.runtime().far().reaches(name);
        self.configured(name).is_some() || far(name) || far(bare(name))
    }

    fn configured(&self, name: &str) -> Option<&Arc<RemoteModel>> {
        self.remotes.get(&name.to_lowercase()).or_else(|| self.remotes.get(&bare(name).to_lowercase()))
    }

    /// Whether a name is the catalogue's own, which goes before those of providers.
    fn is_here(&self, name: &str) -> bool {
        self.runtime().is_own(name)
    }

    /// The chain that a name means. Its models are acquired when they are asked.
    pub(super) fn chain(&self, name: &str) -> Option<ChainModel> {
        let far = self.runtime().far();
        let chain = far.chain(name.trim()).or_else(|| far.chain(bare(name.trim())))?;
        let models = self.this.get().cloned();
        let open = move |name: &str| {
            let gone = || parasol_core::Error::new(ErrorKind::Cancelled, "the server is ending");
            let models = models.as_ref().and_then(std::sync::Weak::upgrade).ok_or_else(gone)?;
            let lease = models.acquire(name)?;
            Ok((lease.chat()?, *lease.recommended()))
        };
        Some(ChainModel::new(&chain.name, chain.models.clone(), Arc::new(open)))
    }
}

/// The card of what has no file here.
fn elsewhere(name: &str, aliases: &[String], context: Option<usize>) -> ModelCard {
    ModelCard {
        name: name.to_owned(),
        aliases: aliases.to_vec(),
        title: None,
        family: None,
        format: None,
        parameters: None,
        quantisation: None,
        bytes: 0,
        digest: None,
        modified: None,
        capabilities: vec!["chat".to_owned()],
        context,
        remote: true,
    }
}

fn empty(name: &str, model: &LocalModel) -> ModelCard {
    ModelCard {
        name: name.to_owned(),
        aliases: Vec::new(),
        title: None,
        family: None,
        format: Some(match model {
            LocalModel::Gguf(_) => "gguf",
            LocalModel::HuggingFace(_) => "safetensors",
            LocalModel::Whisper(_) => "whisper",
            LocalModel::Voice(path) => layout_of_voice(path),
        }),
        parameters: None,
        quantisation: None,
        bytes: 0,
        digest: None,
        modified: None,
        capabilities: Vec::new(),
        context: None,
        remote: false,
    }
}

/// Voices are networks in ONNX, or weights by name.
fn layout_of_voice(path: &Path) -> &'static str {
    let is_onnx = |path: &Path| path.extension().is_some_and(|end| end == "onnx");
    let inside =
        || std::fs::read_dir(path).into_iter().flatten().flatten().any(|entry| is_onnx(&entry.path()));
    if is_onnx(path) || path.is_dir() && inside() { "onnx" } else { "safetensors" }
}

fn of_entry(card: ModelCard, entry: &Entry) -> ModelCard {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    ModelCard {
        aliases: entry.aliases.clone(),
        title: text(&entry.title),
        family: text(&entry.family),
        parameters: entry.parameters,
        quantisation: entry.quantisation.clone(),
        capabilities: entry.capabilities.clone(),
        context: entry.context.and_then(|n| usize::try_from(n).ok()),
        ..card
    }
}

fn remote(model: &RemoteModel) -> ModelCard {
    let capabilities = model.capabilities().to_vec();
    ModelCard { capabilities, ..elsewhere(model.name(), &[], model.context()) }
}
