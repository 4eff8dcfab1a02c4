//! All the models of one process: loaded on first use, kept under a memory budget, unloaded when others need their room or
//! when nobody has used them for a while. How a model is loaded is [`crate::Model`]'s; where it computes, an engine's.

mod cards;
mod lease;
mod loaded;
mod names;
mod options;
mod painter;
mod room;
mod shelf;
#[cfg(test)]
mod tests;

pub use cards::{LoadedModel, LoadedState, ModelCard};
pub use lease::{EarsLease, Lease, VoiceLease};
pub use options::{ModelsOptions, Policy};

use crate::ears::OpenedEars;
use crate::far::able;
use crate::far_ears::FarEars;
use crate::far_film::not_filming;
use crate::machine::Memory;
use crate::model::{LoadOptions, Opened};
use crate::runtime::Runtime;
use cards::Facts;
use loaded::{Ears, Loaded, Speaking, Text};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{Cancel, Hub, Licence, Located, human_bytes};
use parasol_remote::RemoteModel;
use shelf::Shelf;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::SystemTime;

/// Bytes that a voice takes of which the catalogue says nothing.
const VOICE: u64 = 256 << 20;

/// Names as requests write them are remembered up to this many.
const MOST_KNOWN: usize = 4096;

/// Models by name, shared by everything that asks for one.
pub struct Models {
    /// Itself, for chains, whose models are acquired later.
    this: OnceLock<Weak<Self>>,
    runtime: Runtime,
    options: ModelsOptions,
    /// How the models are loaded that the options name, by the name that finds them.
    overrides: BTreeMap<String, LoadOptions>,
    shelf: Shelf<Loaded>,
    /// By lower-case name.
    remotes: BTreeMap<String, Arc<RemoteModel>>,
    /// What names that requests wrote mean on the shelf, so that a loaded model costs no look at the disk.
    known: Mutex<BTreeMap<String, String>>,
    /// What files say, by path and time.
    facts: Mutex<BTreeMap<PathBuf, (Option<SystemTime>, Facts)>>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Models").field("options", &self.options).finish_non_exhaustive()
    }
}

impl Models {
    /// Models over `runtime`'s store and catalogue, none of them loaded yet.
    ///
    /// # Errors
    /// `InvalidRequest` for options that contradict each other or a remote entry that is wrong; `Io` when a thread cannot be
    /// started.
    pub fn new(runtime: Runtime, options: ModelsOptions) -> Result<Arc<Self>> {
        let budget = options.memory.unwrap_or_else(default_budget);
        let mut remotes = BTreeMap::new();
        for model in runtime.far().open_all(&options.remote)? {
            remotes.insert(model.name().to_lowercase(), model);
        }
        let shelf = Shelf::new(budget, options.patience, options.keep_alive);
        let keeper = shelf.clone();
        std::thread::Builder::new()
            .name("parasol-models".into())
            .spawn(move || keeper.keep())
            .map_err(|e| Error::from(e).within("cannot start the thread that unloads models"))?;
        let mut models = Self {
            this: OnceLock::new(),
            runtime,
            options,
            overrides: BTreeMap::new(),
            shelf,
            remotes,
            known: Mutex::default(),
            facts: Mutex::default(),
        };
        models.overrides =
            models.options.overrides.iter().map(|(name, load)| (models.key(name), load.clone())).collect();
        for name in &models.options.pinned {
            models.shelf.pin(&models.key(name), true);
        }
        for name in models.unknown() {
            tracing::warn!(
                model = name,
                "settings are given for a model that nothing here has: they change nothing"
            );
        }
        tracing::info!(budget, remote = models.remotes.len(), "models are ready to be loaded");
        let models = Arc::new(models);
        // Nobody else has it yet, so it is set once.
        let _ = models.this.set(Arc::downgrade(&models));
        Ok(models)
    }

    /// The names among the options for single models that no file, catalogue entry or address has: misspelt, most likely.
    pub fn unknown(&self) -> Vec<String> {
        let named = self.options.overrides.keys().chain(&self.options.pinned);
        let unknown = |name: &&String| {
            let missing = || self.find(name).is_err_and(|e| *e.kind() == ErrorKind::NotFound);
            self.chain(name).is_none() && matches!(self.remote(name), Ok(None)) && missing()
        };
        named.filter(unknown).cloned().collect()
    }

    /// The model of this name, loaded if it is not. Blocks while it loads, or while room for it is made. Of several callers
    /// at once one loads it.
    ///
    /// # Errors
    /// `InvalidRequest` for what is no model's name; `NotFound` when it is unknown or not on this disk; `OutOfMemory` when it
    /// does not fit, saying what it needs and what there is; whatever its engine says.
    pub fn acquire(self: &Arc<Self>, name: &str) -> Result<Lease> {
        self.acquire_unless(name, &Cancel::new())
    }

    /// [`Models::acquire`] for somebody who may stop waiting: see [`Models::give_up`]. What is loaded for nobody else then goes no
    /// further than its next step: it waits for no room, opens no file, converts no further tensor. A file that needs no
    /// conversion is mapped in a moment and is finished, for whoever asks next.
    ///
    /// # Errors
    /// As [`Models::acquire`]; `Cancelled`.
    pub fn acquire_unless(self: &Arc<Self>, name: &str, cancel: &Cancel) -> Result<Lease> {
        if let Some(chain) = self.chain(name) {
            return Ok(Lease::chain(chain));
        }
        if let Some(model) = self.remote(name)? {
            return Ok(Lease::remote(model));
        }
        let known = self.known().get(name).cloned();
        if let Some(text) = known.and_then(|key| self.shelf.held(&key)).and_then(Text::of) {
            return Ok(Lease::local(text));
        }
        let located = match self.find(name)? {
            Some(located) => located,
            None => self.absent(name, cancel)?,
        };
        let held = self.shelf.acquire(&located.name, cancel, |room| {
            let options = self.overrides.get(&located.name).unwrap_or(&self.options.load);
            let opened = Opened::open(&located.name, &located)?;
            let options = &opened.for_many(options, self.shelf.budget());
            let need = opened.need(options);
            let parts = format!(
                "weights {}, cache {}, working space {}",
                human_bytes(need.weights),
                human_bytes(need.cache),
                human_bytes(need.activations)
            );
            room.reserve(need.total(), &parts)?;
            let model = opened.load_while(options, room.still_wanted())?;
            tracing::info!(
                model = located.name,
                bytes = need.total(),
                seconds = model.load_time().as_secs_f64(),
                "loaded"
            );
            Ok(Loaded::Text(model))
        })?;
        let text = Text::of(held).ok_or_else(|| match located.model {
            parasol_hub::LocalModel::Voice(_) => crate::voice::not_text(&located.name),
            _ => crate::ears::not_text(&located.name),
        })?;
        self.remember(name, text.held().key());
        Ok(Lease::local(text))
    }

    /// The model of this name if it can be had at once, without a look at the disk: one that computes elsewhere and has been
    /// asked before, or a loaded one.
    pub fn ready(self: &Arc<Self>, name: &str) -> Option<Lease> {
        if let Some(chain) = self.chain(name) {
            return Some(Lease::chain(chain));
        }
        if let Some(model) = self.open_remote(name) {
            return Some(Lease::remote(model));
        }
        let key = self.known().get(name).cloned()?;
        self.shelf.held(&key).and_then(Text::of).map(Lease::local)
    }

    /// Ends every [`Models::acquire_unless`] that waits with `cancel`.
    pub fn give_up(&self, cancel: &Cancel) {
        self.shelf.give_up(cancel);
    }

    /// The speech model of this name, loaded if it is not. Blocks as [`Models::acquire`] does.
    ///
    /// # Errors
    /// As [`Models::acquire`]; `Unsupported` for a model that does not listen.
    pub fn ears(self: &Arc<Self>, name: &str) -> Result<EarsLease> {
        if let Some(model) = self.remote(name)? {
            return FarEars::of(model).map(EarsLease::far);
        }
        let located = match self.find(name)? {
            Some(located) => located,
            None => self.absent(name, &Cancel::new())?,
        };
        let held = self.shelf.acquire(&located.name, &Cancel::new(), |room| {
            let opened = OpenedEars::open(&located)?;
            let bytes = opened.need();
            room.reserve(bytes, "weights, keys and values, working space")?;
            let model = opened.load(self.options.load.threads)?;
            tracing::info!(model = located.name, bytes, "loaded");
            Ok(Loaded::Ears(Arc::new(model)))
        })?;
        Ears::of(held).map(EarsLease::local).ok_or_else(|| crate::ears::not_ears(&located.name))
    }

    /// The voice of this name, loaded if it is not. Blocks as [`Models::acquire`] does.
    ///
    /// # Errors
    /// As [`Models::acquire`]; `Unsupported` for a model that is no voice.
    pub fn speaker(self: &Arc<Self>, name: &str) -> Result<VoiceLease> {
        if let Some(model) = self.remote(name)? {
            return able(model, "speak", "does not speak").map(VoiceLease::far);
        }
        let located = match self.find(name)? {
            Some(located) => located,
            None => self.absent(name, &Cancel::new())?,
        };
        let held = self.shelf.acquire(&located.name, &Cancel::new(), |room| {
            let entry = self.hub().catalogue().find(&located.name);
            let bytes = entry.map_or(VOICE, |entry| entry.memory.bytes);
            room.reserve(bytes, "networks and dictionaries")?;
            let speaker = crate::voice::open(&located, self.options.load.threads)?;
            tracing::info!(model = located.name, bytes, "loaded");
            Ok(Loaded::Voice(speaker))
        })?;
        Speaking::of(held).map(VoiceLease::local).ok_or_else(|| crate::voice::not_voice(&located.name))
    }

    /// The model of this name that makes films, which others compute.
    ///
    /// # Errors
    /// `NotFound` for a name that nobody has; `Denied` when its provider's key is missing; `Unsupported` for one that makes none.
    pub fn filmer(&self, name: &str) -> Result<Arc<RemoteModel>> {
        if self.chain(name).is_some() {
            return Err(not_filming(name));
        }
        if let Some(model) = self.remote(name)? {
            return able(model, "film", "makes no films");
        }
        let found = self.find(name)?;
        Err(not_filming(found.as_ref().map_or(name, |located| &located.name)))
    }

    /// Unloads a model: it takes no new requests, and goes when those that it has are done. Tells how many bytes came back;
    /// `None` when it was not loaded. Blocks until then.
    ///
    /// # Errors
    /// `Timeout` when it is still in use after the options' patience (it goes by itself once it is not); `InvalidRequest`
    /// for a remote model.
    pub fn unload(&self, name: &str) -> Result<Option<u64>> {
        if let Some(model) = self.remote(name)? {
            let message = format!("{} is computed elsewhere: there is nothing to unload", model.name());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        names::check(name, self.options.paths)?;
        let key = self.key(name);
        let freed = self.shelf.unload(&key)?;
        if let Some(bytes) = freed {
            tracing::info!(model = name, bytes, "unloaded on request");
        }
        Ok(freed)
    }

    /// Keeps a model from being unloaded for others, or no longer does; it need not be loaded.
    ///
    /// # Errors
    /// `NotFound` and `InvalidRequest` as for [`Models::acquire`].
    pub fn pin(&self, name: &str, pinned: bool) -> Result<()> {
        if self.chain(name).is_none() && self.remote(name)?.is_none() {
            names::check(name, self.options.paths)?;
            if self.find(name)?.is_none() {
                self.absent(name, &Cancel::new())?;
            }
            self.shelf.pin(&self.key(name), pinned);
        }
        Ok(())
    }

    /// The models that are never unloaded for others, by the name that finds them, whether they are loaded or not.
    pub fn pinned(&self) -> BTreeSet<String> {
        self.shelf.pinned()
    }

    /// Threads that models compute with where nothing else is said for one.
    pub fn threads(&self) -> usize {
        self.options.load.threads.unwrap_or_else(crate::machine::usable_threads)
    }

    /// Bytes that all loaded models together may take.
    pub fn budget(&self) -> u64 {
        self.shelf.budget()
    }

    /// Bytes that they take, those included that are being loaded or unloaded.
    pub fn used(&self) -> u64 {
        self.shelf.used()
    }

    /// The models on disk: pulling, listing, removing.
    pub fn hub(&self) -> &Hub {
        self.runtime.hub()
    }

    /// Finding and describing models without loading them.
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// The model on this disk that a name means.
    pub(crate) fn locate(&self, name: &str) -> Result<Located> {
        self.find(name)?.ok_or_else(|| absent(name))
    }

    /// The same; `None` for a known model that is not here.
    fn find(&self, name: &str) -> Result<Option<Located>> {
        let name = names::check(name, self.options.paths)?;
        let exact = self.hub().catalogue().find(name).is_some();
        let name = if exact { name } else { names::bare(name) };
        match self.options.paths {
            // What goes on behind a file is no path: `voice.onnx/bo` means a voice of that file, where a voice can be meant.
            Policy::Allowed if Path::new(name).parent().is_some_and(Path::is_file) => Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no {name}: what stands before it is a file"),
            )),
            Policy::Allowed => self.hub().locate(name),
            Policy::Refused => self.hub().locate_named(name),
        }
        .map_err(|e| self.with_remotes(e))
    }

    /// A name that nobody knows may have been meant for a remote model.
    fn with_remotes(&self, error: Error) -> Error {
        if *error.kind() != ErrorKind::NotFound || self.remotes.is_empty() {
            return error;
        }
        let names: Vec<&str> = self.remotes.values().map(|model| model.name()).take(8).collect();
        let message = format!("{} Computed elsewhere: {}.", error.message(), names.join(", "));
        Error::new(ErrorKind::NotFound, message)
    }

    /// Fetches a model that is not here, where the options allow it.
    fn absent(&self, name: &str, cancel: &Cancel) -> Result<Located> {
        match self.options.pull {
            Policy::Refused => Err(absent(name)),
            Policy::Allowed => {
                let name = names::bare(names::check(name, self.options.paths)?);
                tracing::info!(model = name, "pulling it for a request");
                self.hub().pull(name, Licence::Refuse, cancel, &mut |_| {})
            }
        }
    }

    /// What a name is called on the shelf, as far as that can be told without failing.
    fn key(&self, name: &str) -> String {
        if let Some(key) = self.known().get(name) {
            return key.clone();
        }
        match self.find(name) {
            Ok(Some(located)) => located.name,
            _ => self.hub().entry(names::bare(name)).map_or_else(|| name.to_owned(), |e| e.name.clone()),
        }
    }

    fn remember(&self, name: &str, key: &str) {
        let mut known = self.known();
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(name.to_owned(), key.to_owned());
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self) -> MutexGuard<'_, BTreeMap<PathBuf, (Option<SystemTime>, Facts)>> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Models {
    fn drop(&mut self) {
        self.shelf.close();
    }
}

fn absent(name: &str) -> Error {
    let name = names::bare(name);
    Error::new(ErrorKind::NotFound, format!("{name} is not on this disk: `parasol pull {name}` fetches it"))
}

/// Three quarters of what is free; everything, where the system does not tell.
fn default_budget() -> u64 {
    Memory::look().free().map_or(u64::MAX, |free| free / 4 * 3)
}
