//! Models that need no file here: those of providers, by the directory of `parasol-remote`, opened when they are first asked
//! for; and chains of models that stand in for each other.

use parasol_core::{Error, ErrorKind, Result};
use parasol_remote::{
    Chain, Directory, Films, KeySources, Ledger, Listed, RemoteEntry, RemoteModel, Remotes,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The folder of the book of what answers cost.
const USAGE: &str = "usage";
/// Models by names as requests write them are kept up to this many.
const MOST_OPEN: usize = 1024;

/// The models of one Parasol folder's settings.
#[derive(Debug)]
pub struct Far {
    directory: Directory,
    keys: KeySources,
    ledger: Arc<Ledger>,
    films: Arc<Films>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    remotes: Option<Remotes>,
    /// By lower-case name in full.
    models: BTreeMap<String, Arc<RemoteModel>>,
}

impl Drop for Far {
    fn drop(&mut self) {
        self.ledger.finish();
    }
}

impl Far {
    /// What the settings in `home` say, and what is built in. Nothing is connected.
    ///
    /// # Errors
    /// `InvalidRequest` for settings that are wrong.
    pub fn at(home: &Path) -> Result<Self> {
        let directory = Directory::load(home)?;
        let ledger = Arc::new(Ledger::new(home.join(USAGE), directory.budget().clone()));
        let films = Arc::new(Films::at(home));
        Ok(Self { directory, keys: KeySources::at(home), ledger, films, open: Mutex::default() })
    }

    /// The providers and their models.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Where providers' keys are.
    pub fn keys(&self) -> &KeySources {
        &self.keys
    }

    /// The book of what answers cost.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The jobs of films.
    pub fn films(&self) -> &Films {
        &self.films
    }

    /// The chain of this name.
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.directory.chains().iter().find(|chain| chain.name.eq_ignore_ascii_case(name))
    }

    /// Whether a name is a provider's model's, or a chain's.
    pub fn knows(&self, name: &str) -> bool {
        self.chain(name).is_some() || self.directory.find(name).is_some()
    }

    /// Whether a name is a provider's model's that could be asked now: its provider has an address and a key.
    pub fn reaches(&self, name: &str) -> bool {
        let listed = self.directory.find(name);
        let provider = listed.and_then(|listed| self.directory.provider(&listed.provider));
        provider.is_some_and(|provider| provider.is_ready(&self.keys))
    }

    /// The provider's model of this name; `None` when no provider has one.
    ///
    /// # Errors
    /// `Denied` naming the variable when its provider's key is missing; `InvalidRequest` when its address is wrong.
    pub fn model(&self, name: &str) -> Result<Option<Arc<RemoteModel>>> {
        let Some(listed) = self.directory.find(name) else { return Ok(None) };
        let key = listed.name.to_lowercase();
        if let Some(model) = self.opened_as(&key) {
            return Ok(Some(model));
        }
        // A program that is asked for the key may take its time: the lock is not held.
        let entry = self.directory.entry(&listed, &self.keys)?;
        let mut open = self.lock();
        let model = self.remotes(&mut open)?.open(&entry)?;
        if open.models.len() >= MOST_OPEN {
            open.models.clear();
        }
        open.models.insert(key, Arc::clone(&model));
        Ok(Some(model))
    }

    /// The same if it has been asked for before.
    pub fn open_model(&self, name: &str) -> Option<Arc<RemoteModel>> {
        self.opened_as(&self.directory.find(name)?.name.to_lowercase())
    }

    fn opened_as(&self, key: &str) -> Option<Arc<RemoteModel>> {
        self.lock().models.get(key).cloned()
    }

    /// The models of configured entries, accounted for like the others.
    ///
    /// # Errors
    /// Those of [`Remotes::open_all`].
    pub(crate) fn open_all(&self, entries: &[RemoteEntry]) -> Result<Vec<Arc<RemoteModel>>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let remotes = self.remotes(&mut self.lock())?.clone();
        remotes.open_all(entries)
    }

    /// The models that could be asked now: their provider has an address and a key.
    pub fn ready(&self) -> Vec<&Listed> {
        let ready = |name: &str| self.directory.provider(name).is_some_and(|p| p.is_ready(&self.keys));
        let providers: BTreeMap<&str, bool> =
            self.directory.providers().map(|p| (p.name.as_str(), ready(&p.name))).collect();
        let of = |listed: &&Listed| providers.get(listed.provider.as_str()).copied().unwrap_or(false);
        self.directory.models().filter(of).collect()
    }

    /// The models that have been asked for.
    pub(crate) fn opened(&self) -> Vec<Arc<RemoteModel>> {
        self.lock().models.values().cloned().collect()
    }

    fn remotes<'o>(&self, open: &'o mut Open) -> Result<&'o Remotes> {
        if open.remotes.is_none() {
            let remotes = Remotes::new()?.accounted(Arc::clone(&self.ledger), self.directory.cache());
            open.remotes = Some(remotes.keeping(Arc::clone(&self.films)));
        }
        let none = || Error::new(ErrorKind::Internal, "remote models have no threads");
        open.remotes.as_ref().ok_or_else(none)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A model that others compute, if it can do `what`; `not` says that it cannot.
///
/// # Errors
/// `Unsupported` when it cannot.
pub(crate) fn able(model: Arc<RemoteModel>, what: &str, not: &str) -> Result<Arc<RemoteModel>> {
    if model.capabilities().iter().any(|can| can == what) {
        return Ok(model);
    }
    let message =
        format!("{} is computed elsewhere and {not}: `parasol providers` shows those that do", model.name());
    Err(Error::new(ErrorKind::Unsupported, message))
}
