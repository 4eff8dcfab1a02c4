//! What the studio shows of models: the shapes that its routes send, made of the catalogue, the store and what is loaded.

use crate::AppState;
use crate::keys::Key;
use jiff::Timestamp;
use parasol_core::{ErrorKind, Result};
use parasol_hub::{Entry, Installed, ModelRef};
use parasol_runtime::{LoadedModel, LoadedState, Machine as Found, ModelCard, ModelInfo};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// The models, and what this machine has for them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModelList {
    machine: Machine,
    models: Vec<Model>,
}

/// Memory and threads for models.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Machine {
    /// Bytes of memory; 0 where the system does not tell.
    memory_total: u64,
    /// Bytes that new work can have without swapping; 0 where the system does not tell.
    memory_free: u64,
    /// Bytes that all loaded models together may take.
    budget: u64,
    /// Bytes that they take.
    used: u64,
    /// Threads that compute.
    threads: usize,
}

/// A model that is here, that can be fetched, or that other machines compute.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Model {
    /// The name that finds it.
    pub(crate) name: String,
    /// Its name as its makers write it.
    title: String,
    /// The family that it belongs to; empty where it is not known.
    family: String,
    /// What it is good for, and what not.
    description: String,
    /// What one may want it for: `chat`, `write`, `listen`, `code`, `search`.
    goals: Vec<String>,
    /// What it can do: `chat`, `complete` …
    capabilities: Vec<String>,
    /// How many parameters it has.
    parameters: Option<u64>,
    /// How its weights are stored.
    quantisation: Option<String>,
    /// The longest context that it can have, in tokens.
    context: Option<u64>,
    /// Bytes on disk, or to be fetched when it is not here.
    bytes: Option<u64>,
    /// Bytes of memory that it takes at least to run; measured with a context of 8 192 tokens where it can have that.
    memory_needed: Option<u64>,
    /// Whether the memory for models holds it.
    fits: Fits,
    /// What its terms are called.
    licence: Option<String>,
    /// Where they can be read.
    licence_url: Option<String>,
    /// Whether they must be accepted before it is fetched.
    licence_asks: bool,
    /// Whether it is on this disk.
    pub(super) installed: bool,
    /// Whether other machines compute it.
    pub(super) remote: bool,
    /// How it is loaded; null when it is not.
    loaded: Option<Loaded>,
    /// Whether it is never unloaded for others.
    pinned: bool,
    /// Whether it is taken when no model is named.
    default: bool,
}

/// Whether a model fits the memory that models may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fits {
    /// It does.
    Yes,
    /// It takes more than four fifths of it.
    Tight,
    /// It does not.
    No,
}

/// How a model is loaded.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Loaded {
    state: LoadedAs,
    /// Bytes reserved for it.
    bytes: u64,
    /// Since when; null while it is being loaded.
    since: Option<String>,
    /// When it was last in use.
    last_used: Option<String>,
    /// Requests that hold it.
    in_use: u64,
    /// Sequences that are being computed.
    sequences: u64,
}

/// How far a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LoadedAs {
    /// It is being loaded.
    Loading,
    /// It answers.
    Ready,
}

/// All that is known of a model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModelDetails {
    #[serde(flatten)]
    model: Model,
    /// Its architecture, as its file names it.
    architecture: Option<String>,
    /// Layers of its decoder.
    layers: Option<u64>,
    /// Attention heads in each.
    heads: Option<u64>,
    /// Tokens in its vocabulary.
    vocabulary: Option<u64>,
    /// The template that makes a prompt of a conversation.
    chat_template: Option<String>,
    /// SHA-256 of its file.
    digest: Option<String>,
    /// Where it lies; told to administrators only.
    path: Option<String>,
    /// What it takes at some contexts.
    memory_by_context: Vec<MemoryAt>,
}

/// Memory at a context.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct MemoryAt {
    /// Tokens.
    context: u64,
    /// Bytes.
    bytes: u64,
}

/// What one model is known by.
#[derive(Clone, Copy)]
struct Known<'a> {
    card: Option<&'a ModelCard>,
    entry: Option<&'a Entry>,
}

/// What the server knows of all models, looked at once.
struct Surroundings<'a> {
    state: &'a AppState,
    installed: Vec<Installed>,
    loaded: BTreeMap<String, LoadedModel>,
    pinned: BTreeSet<String>,
    default: Option<String>,
}

/// The context at which models without a catalogue entry are measured, as those that have one are.
const USUAL: usize = 8192;

impl<'a> Surroundings<'a> {
    fn look(state: &'a AppState) -> Result<Self> {
        let models = state.models();
        Ok(Self {
            state,
            installed: models.hub().list()?.models,
            loaded: models.loaded().into_iter().map(|model| (model.name.clone(), model)).collect(),
            pinned: models.pinned(),
            default: models.runtime().default_model().ok(),
        })
    }

    /// What was noted of a model when it was fetched.
    fn installed(&self, name: &str) -> Option<&Installed> {
        self.installed.iter().find(|model| model.name == name)
    }

    fn show(&self, known: Known<'_>) -> Model {
        let Known { card, entry } = known;
        let name = card.map(|c| &c.name).or(entry.map(|e| &e.name)).cloned().unwrap_or_default();
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let of_entry = |field: fn(&Entry) -> &String| entry.map(field).and_then(text);
        let capabilities =
            card.map(|c| &c.capabilities).or(entry.map(|e| &e.capabilities)).cloned().unwrap_or_default();
        let remote = card.is_some_and(|card| card.remote);
        let installed = card.is_some() && !remote;
        let bytes = match card {
            Some(card) if !remote => Some(card.bytes),
            Some(_) => None,
            None => entry.map(Entry::download),
        };
        let need = if remote { None } else { self.need(known) };
        let licence = of_entry(|e| &e.licence.name)
            .or_else(|| self.installed(&name).and_then(|model| text(&model.licence.name)));
        Model {
            title: of_entry(|e| &e.title)
                .or_else(|| card.and_then(|c| c.title.clone()))
                .unwrap_or_else(|| name.clone()),
            family: of_entry(|e| &e.family)
                .or_else(|| card.and_then(|c| c.family.clone()))
                .unwrap_or_default(),
            description: of_entry(|e| &e.notes).unwrap_or_default(),
            goals: goals(&name, &capabilities),
            capabilities,
            parameters: card.and_then(|c| c.parameters).or(entry.and_then(|e| e.parameters)),
            quantisation: card
                .and_then(|c| c.quantisation.clone())
                .or_else(|| entry.and_then(|e| e.quantisation.clone())),
            context: card.and_then(|c| c.context).map(|n| n as u64).or(entry.and_then(|e| e.context)),
            bytes,
            memory_needed: need,
            // What is not known yet is at least as large as its file.
            fits: if remote { Fits::Yes } else { fits(need.or(bytes), self.state.models().budget()) },
            licence,
            licence_url: entry.and_then(|e| e.licence.url.clone()),
            licence_asks: entry.is_some_and(|e| e.licence.ask),
            installed,
            remote,
            loaded: self.loaded.get(&name).filter(|_| !remote).map(loaded),
            pinned: self.pinned.contains(&name),
            default: self.default.as_deref() == Some(&name),
            name,
        }
    }

    fn need(&self, known: Known<'_>) -> Option<u64> {
        if let Some(bytes) = known.entry.map(|entry| entry.memory.bytes).filter(|bytes| *bytes > 0) {
            return Some(bytes);
        }
        let card = known.card?;
        let find = || {
            let info = self.state.models().describe(&card.name).ok()?;
            Some(info.memory(info.context.min(USUAL)).total())
        };
        self.state.house().need(&card.name, card.modified, find)
    }
}

/// What one may want a model for.
fn goals(name: &str, capabilities: &[String]) -> Vec<String> {
    let can = |what: &str| capabilities.iter().any(|c| c == what);
    let lower = name.to_lowercase();
    let all = [
        ("chat", can("chat")),
        ("write", can("complete")),
        ("listen", can("transcribe")),
        ("speak", can("speak")),
        ("code", ["code", "coder", "starcoder"].iter().any(|word| lower.contains(word))),
        ("search", can("embed") || can("rerank")),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(goal, _)| goal.to_owned()).collect()
}

fn fits(need: Option<u64>, budget: u64) -> Fits {
    match need {
        Some(need) if need > budget => Fits::No,
        Some(need) if need > budget / 5 * 4 => Fits::Tight,
        _ => Fits::Yes,
    }
}

fn loaded(model: &LoadedModel) -> Loaded {
    Loaded {
        state: if model.state == LoadedState::Loading { LoadedAs::Loading } else { LoadedAs::Ready },
        bytes: model.bytes,
        since: model.since.map(time),
        last_used: model.last_used.map(time),
        in_use: model.in_use as u64,
        sequences: model.stats.as_ref().map_or(0, |stats| stats.running),
    }
}

fn time(at: SystemTime) -> String {
    Timestamp::try_from(at).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Everything that a key may see: the catalogue, what is on this disk, and what other machines compute.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn list(state: &AppState, key: Option<&Key>) -> Result<ModelList> {
    let models = state.models();
    let mut cards = models.cards()?;
    // Also what was loaded from elsewhere: a cache of another program's, a path where those are allowed.
    for loaded in models.loaded() {
        if !cards.iter().any(|card| card.name == loaded.name) {
            cards.extend(models.card(&loaded.name).ok());
        }
    }
    let all = Surroundings::look(state)?;
    let catalogue = models.hub().catalogue();
    let here = cards
        .iter()
        .map(|card| Known { card: Some(card), entry: catalogue.find(&card.name).filter(|_| !card.remote) });
    let known: BTreeSet<&str> = cards.iter().map(|card| card.name.as_str()).collect();
    let absent = catalogue.entries().iter().filter(|entry| !known.contains(entry.name.as_str()));
    let absent = absent.map(|entry| Known { card: None, entry: Some(entry) });
    let allowed = |model: &Model| key.is_none_or(|key| key.allows_model(&model.name));
    let shown = here.chain(absent).map(|known| all.show(known)).filter(allowed).collect();
    let memory = Found::look().memory;
    Ok(ModelList {
        machine: Machine {
            memory_total: memory.limit.or(memory.total).unwrap_or(0),
            memory_free: memory.free().unwrap_or(0),
            budget: models.budget(),
            used: models.used(),
            threads: models.threads(),
        },
        models: shown,
    })
}

/// One model by any of its names.
///
/// # Errors
/// `NotFound` for one that nobody knows or that the key may not use, `InvalidRequest` for what is no model's name.
pub(super) fn one(state: &AppState, key: Option<&Key>, name: &str) -> Result<Model> {
    let (card, entry) = find(state, key, name)?;
    Ok(Surroundings::look(state)?.show(Known { card: card.as_ref(), entry }))
}

/// The same with all that is known of it; `path` says whether the one who asks may know where it lies.
///
/// # Errors
/// As [`one`].
pub(super) fn details(state: &AppState, key: Option<&Key>, name: &str, path: bool) -> Result<ModelDetails> {
    let (card, entry) = find(state, key, name)?;
    let models = state.models();
    let all = Surroundings::look(state)?;
    let model = all.show(Known { card: card.as_ref(), entry });
    let pulled = card.as_ref().and_then(|card| all.installed(&card.name));
    // A file that cannot be read says why when it is loaded.
    let info = if model.installed { models.describe(&model.name).ok() } else { None };
    let measured = entry
        .filter(|e| e.memory.bytes > 0)
        .map(|e| MemoryAt { context: e.memory.context, bytes: e.memory.bytes });
    Ok(ModelDetails {
        architecture: info
            .as_ref()
            .map(|i| i.architecture.clone())
            .or_else(|| entry.map(|e| e.architecture.clone()).filter(|text| !text.is_empty())),
        layers: info.as_ref().map(|i| i.layers as u64),
        heads: info.as_ref().map(|i| i.heads as u64),
        vocabulary: info.as_ref().map(|i| i.vocab as u64),
        chat_template: info.as_ref().and_then(|i| i.chat_template.clone()),
        digest: card.as_ref().and_then(|card| card.digest.clone()),
        path: pulled.filter(|_| path).map(|p| p.model.path().display().to_string()),
        memory_by_context: match &info {
            Some(info) => by_context(info),
            None => measured.into_iter().collect(),
        },
        model,
    })
}

/// Doubling contexts up to the model's own.
fn by_context(info: &ModelInfo) -> Vec<MemoryAt> {
    let doubling = std::iter::successors(Some(1024_usize), |n| n.checked_mul(2));
    let contexts = doubling.take_while(|n| *n < info.context).chain([info.context]);
    contexts.map(|n| MemoryAt { context: n as u64, bytes: info.memory(n).total() }).collect()
}

/// What is known under a name, as far as the key may know it.
fn find<'a>(
    state: &'a AppState,
    key: Option<&Key>,
    name: &str,
) -> Result<(Option<ModelCard>, Option<&'a Entry>)> {
    let models = state.models();
    let entry = models.hub().entry(name);
    let card = match models.card(name) {
        Ok(card) => Some(card),
        // Known, and not here.
        Err(e) if *e.kind() == ErrorKind::NotFound && entry.is_some() => None,
        Err(e) => return Err(e),
    };
    let entry = match &card {
        Some(card) if card.remote => None,
        Some(card) => models.hub().catalogue().find(&card.name),
        None => entry,
    };
    let real = card.as_ref().map(|c| c.name.as_str()).or(entry.map(|e| e.name.as_str())).unwrap_or(name);
    if key.is_some_and(|key| !key.allows_model(name) && !key.allows_model(real)) {
        let says = format!("there is no model {name} that this key may use");
        return Err(parasol_core::Error::new(ErrorKind::NotFound, says));
    }
    Ok((card, entry))
}

/// Refuses what names a file instead of a model: over the network models are named.
///
/// # Errors
/// `InvalidRequest`.
pub(in crate::studio) fn refuse_path(name: &str) -> Result<()> {
    match ModelRef::parse(name)? {
        ModelRef::Path(_) => Err(parasol_core::Error::new(
            ErrorKind::InvalidRequest,
            format!("{name:?} is a path: here models go by their name or as hf:owner/repo"),
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_and_fit_are_told_from_what_is_known() {
        let can = |all: &[&str]| all.iter().map(|&c| c.to_owned()).collect::<Vec<_>>();
        assert_eq!(goals("smollm2", &can(&["chat", "complete"])), ["chat", "write"]);
        assert_eq!(goals("hf:a/Qwen-Coder", &can(&["complete"])), ["write", "code"]);
        assert_eq!(fits(Some(101), 100), Fits::No);
        assert_eq!(fits(Some(81), 100), Fits::Tight);
        assert_eq!(fits(Some(80), 100), Fits::Yes);
        assert_eq!(fits(None, 0), Fits::Yes);
    }
}
