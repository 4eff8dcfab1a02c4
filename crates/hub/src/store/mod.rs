//! The store: `models/<name>/` with readable file names and one `model.json` each. What is there, whether it is whole,
//! and taking it away. Filling it is left to `pull`.

mod lock;
mod manifest;

pub(crate) use lock::Lock;
pub(crate) use manifest::{FileRecord, Manifest, PENDING, mtime};
pub use manifest::{Installed, LicenceRecord};

use crate::files::{self, failed};
use crate::names::is_plain_name;
use crate::reference::HfRef;
use parasol_core::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Folder levels below `models` that can hold a model: `hf/owner/repo/` and the folders of a file inside a repository.
const DEEPEST: usize = 8;
/// The folder in a model's folder where wheels are fetched to while a pull runs.
pub(crate) const WORK: &str = ".fetching";

/// What the store holds.
#[derive(Debug, Clone, Default)]
pub struct Contents {
    /// The whole models, by name. One whose files are gone or cut short is not there.
    pub models: Vec<Installed>,
    /// What is wrong with the others.
    pub damaged: Vec<Error>,
}

/// Where models are kept.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    home: PathBuf,
}

impl Store {
    pub(crate) fn new(home: PathBuf) -> Self {
        Self { home }
    }

    /// The folder of a catalogue model.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        self.models().join(name)
    }

    /// The folder under which all models of a repository at a revision lie.
    pub(crate) fn repo_folder(&self, hf: &HfRef) -> PathBuf {
        let mut name = hf.repo.name.clone();
        if let Some(revision) = hf.revision.as_deref().filter(|revision| *revision != "main") {
            // '+' is in no revision, so two revisions never share a folder.
            name = format!("{name}@{}", revision.replace('/', "+"));
        }
        self.models().join("hf").join(&hf.repo.owner).join(name)
    }

    fn models(&self) -> PathBuf {
        self.home.join("models")
    }

    /// The lock of a model's folder. Locks lie outside the folder, so that removing it does not pull the file from
    /// under another process that waits.
    pub(crate) fn lock_path(&self, folder: &Path) -> PathBuf {
        let name = folder.strip_prefix(self.models()).unwrap_or(folder).to_string_lossy();
        self.home.join("locks").join(format!("{}.lock", name.replace(['/', '\\'], "+")))
    }

    /// The model in `folder`, if it is there and whole.
    pub(crate) fn installed(&self, folder: &Path) -> Result<Option<Installed>> {
        let Some(mut manifest) = Manifest::read(folder)? else { return Ok(None) };
        if !manifest.verify(folder)? {
            return Ok(None);
        }
        manifest.installed(folder).map(Some)
    }

    /// Every model in the store.
    pub(crate) fn list(&self) -> Result<Contents> {
        self.list_under(&self.models())
    }

    /// Every model in or below `folder`.
    pub(crate) fn list_under(&self, folder: &Path) -> Result<Contents> {
        let mut found = Contents::default();
        for folder in self.folders_under(folder)? {
            match self.installed(&folder) {
                Ok(model) => found.models.extend(model),
                Err(e) => found.damaged.push(e),
            }
        }
        found.models.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// `folder` and every folder below it that may be a model's; none when there is no such folder.
    pub(crate) fn folders_under(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut all = Vec::new();
        let mut todo = vec![(folder.to_owned(), 0)];
        while let Some((folder, depth)) = todo.pop() {
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                Err(e) => return Err(failed("read the folder", &folder, e)),
            };
            // A link to a folder is one: models may lie on another disk. What leads back upwards ends at `DEEPEST`.
            let plain = |entry: &std::fs::DirEntry| {
                entry.path().is_dir() && entry.file_name().to_str().is_some_and(is_plain_name)
            };
            if depth < DEEPEST {
                todo.extend(entries.flatten().filter(plain).map(|entry| (entry.path(), depth + 1)));
            }
            all.push(folder);
        }
        Ok(all)
    }

    /// Whether `folder` holds a model or the beginning of one.
    pub(crate) fn holds(&self, folder: &Path) -> bool {
        [manifest::FILE, PENDING, WORK].iter().any(|name| folder.join(name).exists())
            || !leftovers(folder).is_empty()
    }

    /// Removes the model in `folder`, and what an interrupted pull left there. Files that the store did not put there
    /// stay. Returns the bytes freed.
    pub(crate) fn remove(&self, folder: &Path, name: &str) -> Result<u64> {
        let Some(_lock) = Lock::try_take(&self.lock_path(folder))? else {
            return Err(Error::new(
                ErrorKind::Io,
                format!("{name} is being pulled by another process: stop that first, then remove it"),
            ));
        };
        let mut freed = 0u64;
        let mut gone = |path: &Path| -> Result<()> {
            let len = std::fs::symlink_metadata(path).map_or(0, |meta| meta.len());
            files::remove(path)?;
            freed = freed.saturating_add(len);
            Ok(())
        };
        // The manifests go first: a removal that is cut short leaves no model that looks whole.
        let records: Vec<FileRecord> = [manifest::FILE, PENDING]
            .iter()
            .filter_map(|name| Manifest::read_as(name, folder).ok().flatten())
            .flat_map(|manifest| manifest.files)
            .filter(|record| record.at.is_none())
            .collect();
        for name in [manifest::FILE, PENDING] {
            gone(&folder.join(name))?;
        }
        for record in records {
            gone(&folder.join(&record.name))?;
        }
        for path in leftovers(folder) {
            gone(&path)?;
        }
        self.tidy(folder);
        Ok(freed)
    }

    /// Removes the work folder, and the model's folder and those above it as far as they are empty.
    pub(crate) fn tidy(&self, folder: &Path) {
        // Best effort: what cannot be removed is not in the way of the next pull.
        let _ = std::fs::remove_dir_all(folder.join(WORK));
        let models = self.models();
        let mut folder = folder;
        while folder != models && folder.starts_with(&models) && std::fs::remove_dir(folder).is_ok() {
            let Some(parent) = folder.parent() else { break };
            folder = parent;
        }
    }
}

/// Files that an interrupted pull left in `folder`.
pub(crate) fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.ends_with(".partial") || name.ends_with(".partial.json")
        })
        .collect()
}
