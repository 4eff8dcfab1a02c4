//! Filling a model's folder: under its lock, within the free space, with consent where it is asked for, each file from the first
//! of its sources that works. What to pull is the hub's decision; how bytes travel is in the modules below.

mod client;
mod download;
pub(crate) mod http;
mod npm;
mod partial;
mod pip;
mod source;
mod tarball;
mod wheel;

pub(crate) use download::refusal;

use crate::cancel::Cancel;
use crate::catalogue::{Entry, FileRole, FileSpec, Terms};
use crate::event::{Licence, PullEvent};
use crate::files::{self, create_folder, human_bytes};
use crate::settings::Settings;
use crate::source::{Package, Source};
use crate::store::{FileRecord, Installed, LicenceRecord, Lock, Manifest, PENDING, Store};
use parasol_core::{Error, ErrorKind, Result};
use partial::Expected;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A model to pull, fully known.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The name that will find it.
    pub(crate) name: String,
    /// Its folder in the store.
    pub(crate) folder: PathBuf,
    /// The file that is the model (the first part of a split one); `None` when the folder is.
    pub(crate) model: Option<String>,
    pub(crate) terms: Terms,
    pub(crate) files: Vec<Want>,
}

/// A file to have.
#[derive(Debug, Clone)]
pub(crate) struct Want {
    expected: Expected,
    role: FileRole,
    /// In order of preference; each one source, or parts that follow one another.
    sources: Vec<Vec<Source>>,
    /// Bytes that the first source transfers.
    download: Option<u64>,
}

impl Want {
    /// A file of a repository.
    pub(crate) fn of_repo(source: Source, name: String, size: Option<u64>, sha256: Option<String>) -> Self {
        let expected = Expected { name, size, sha256 };
        Self { expected, role: FileRole::Model, sources: vec![vec![source]], download: None }
    }

    fn of_spec(spec: &FileSpec) -> Self {
        let expected =
            Expected { name: spec.name.clone(), size: Some(spec.size), sha256: Some(spec.sha256.clone()) };
        Self { expected, role: spec.role, sources: spec.sources.clone(), download: spec.download }
    }

    /// Whether a source takes a member of this package.
    fn uses(&self, package: Package<'_>) -> bool {
        self.sources.iter().flatten().any(|source| source.is_of(package))
    }
}

impl Plan {
    /// The plan for a catalogue entry.
    pub(crate) fn of_entry(entry: &Entry, store: &Store) -> Self {
        let main = entry.model_file().map(|file| file.name.clone());
        // Several files make a folder; the one GGUF file (its licence aside) is the model itself.
        let files = entry.files.iter().filter(|file| file.role == FileRole::Model).count();
        Self {
            name: entry.name.clone(),
            folder: store.folder(&entry.name),
            model: main.filter(|_| files == 1),
            terms: entry.licence.clone(),
            files: entry.files.iter().map(Want::of_spec).collect(),
        }
    }
}

/// Everything a pull works with.
pub(crate) struct Puller<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) store: &'a Store,
    pub(crate) client: &'a http::Client,
    pub(crate) cancel: &'a Cancel,
    pub(crate) on: &'a mut dyn FnMut(PullEvent),
    /// Where packages were to lie that could not be fetched, and why: their clients are not asked again for the next file.
    pub(crate) missed: Vec<(PathBuf, Error)>,
}

impl Puller<'_> {
    /// Pulls what `plan` says, unless somebody else did meanwhile.
    pub(crate) fn run(&mut self, plan: &Plan, licence: Licence<'_>) -> Result<Installed> {
        let model = plan.name.clone();
        let on = &mut *self.on;
        let _lock = Lock::take(&self.store.lock_path(&plan.folder), self.cancel, || {
            on(PullEvent::Waiting { model })
        })?;
        // Damage that a complete pull repairs is no reason to stop.
        if let Ok(Some(installed)) = self.store.installed(&plan.folder)
            && is_current(&installed, plan)
        {
            return Ok(installed);
        }
        create_folder(&plan.folder)?;
        let result = self.fill(plan, licence);
        if let Err(error) = &result {
            self.clean_up(plan, error);
        }
        self.store.tidy(&plan.folder);
        result
    }

    /// After a failure: a later pull goes on where the network or the user stopped this one; else nothing is left.
    fn clean_up(&self, plan: &Plan, error: &Error) {
        if matches!(error.kind(), ErrorKind::Network | ErrorKind::Cancelled) {
            return;
        }
        let pending = Manifest::read_as(PENDING, &plan.folder).ok().flatten();
        for record in pending.iter().flat_map(|m| &m.files).filter(|record| record.at.is_none()) {
            let _ = std::fs::remove_file(plan.folder.join(&record.name));
        }
        for path in crate::store::leftovers(&plan.folder).into_iter().chain([plan.folder.join(PENDING)]) {
            // Best effort: the error that led here is the one to report.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Fetches every file and writes the manifest.
    fn fill(&mut self, plan: &Plan, licence: Licence<'_>) -> Result<Installed> {
        // Packages of a pull that was killed.
        let _ = std::fs::remove_dir_all(plan.folder.join(crate::store::WORK));
        let pending = Manifest::read_as(PENDING, &plan.folder).ok().flatten();
        self.check_space(plan)?;
        let mut manifest = Manifest {
            name: plan.name.clone(),
            licence: LicenceRecord {
                name: plan.terms.name.clone(),
                url: plan.terms.url.clone(),
                accepted: None,
            },
            pulled: now(),
            model: plan.model.clone(),
            files: Vec::new(),
        };
        let (texts, files): (Vec<&Want>, Vec<&Want>) =
            plan.files.iter().partition(|want| want.role == FileRole::Licence);
        let mut unfetched = texts.iter().chain(&files).copied().collect::<Vec<_>>();
        unfetched.reverse();
        for _ in &texts {
            let Some(want) = unfetched.pop() else { break };
            match self.obtain(plan, want, &unfetched, pending.as_ref()) {
                Ok(record) => self.note(plan, &mut manifest, record)?,
                // The terms can be read at their address too; the model's own files decide whether it can be pulled.
                Err(e)
                    if matches!(e.kind(), ErrorKind::Network | ErrorKind::NotFound)
                        && plan.terms.url.is_some() => {}
                Err(e) => return Err(e),
            }
        }
        manifest.licence.accepted = self.consent(plan, &manifest, licence)?;
        while let Some(want) = unfetched.pop() {
            let record = self.obtain(plan, want, &unfetched, pending.as_ref())?;
            self.note(plan, &mut manifest, record)?;
        }
        // A web page under a model's name has to be found out before it is called a model.
        let installed = manifest.installed(&plan.folder)?;
        manifest.write(&plan.folder)?;
        files::remove(&plan.folder.join(PENDING))?;
        Ok(installed)
    }

    /// Notes a finished file, so that an interrupted pull of several need not fetch it again and `remove` finds it.
    fn note(&self, plan: &Plan, manifest: &mut Manifest, record: FileRecord) -> Result<()> {
        manifest.files.push(record);
        manifest.write_as(PENDING, &plan.folder)
    }

    /// Shows the terms and, where the catalogue says so, asks. Returns when they were accepted.
    fn consent(&mut self, plan: &Plan, fetched: &Manifest, licence: Licence<'_>) -> Result<Option<u64>> {
        let text: Option<PathBuf> = fetched.files.first().map(|record| record.path(&plan.folder));
        let terms = &plan.terms;
        if !terms.name.is_empty() {
            (self.on)(PullEvent::Licence {
                model: plan.name.clone(),
                terms: terms.clone(),
                text: text.clone(),
            });
        }
        if !terms.ask {
            return Ok(None);
        }
        let accepted = match licence {
            Licence::Accept => true,
            Licence::Refuse => false,
            Licence::Ask(ask) => ask(terms, text.as_deref()),
        };
        if accepted {
            return Ok(Some(now()));
        }
        let url = terms.url.as_deref().map_or_else(String::new, |url| format!(" ({url})"));
        Err(Error::new(
            ErrorKind::Denied,
            format!(
                "{} comes under the {}{url}, which were not accepted: nothing was pulled. Accept them when asked, or pass \
                 --accept-licence",
                plan.name, terms.name
            ),
        ))
    }

    /// Refuses to start what cannot end: files, and the largest package beside them while it is unpacked.
    fn check_space(&self, plan: &Plan) -> Result<()> {
        let missing = |want: &Want| {
            let size = want.expected.size.unwrap_or(0);
            let name = &want.expected.name;
            let there = std::fs::metadata(plan.folder.join(name)).map_or(0, |meta| meta.len());
            size.saturating_sub(there.max(partial::len_so_far(&plan.folder, name)))
        };
        let packed = |want: &Want| match want.sources.first().and_then(|parts| parts.first()) {
            Some(source) if source.packaged().is_some() && missing(want) > 0 => {
                want.download.or(want.expected.size).unwrap_or(0)
            }
            _ => 0,
        };
        let files = plan.files.iter().map(missing).fold(0, u64::saturating_add);
        let needed = files.saturating_add(plan.files.iter().map(packed).max().unwrap_or(0));
        ensure_space(&plan.folder, needed, &plan.name)
    }

    /// The file: already there, lying elsewhere on this machine, or fetched.
    fn obtain(
        &mut self,
        plan: &Plan,
        want: &Want,
        later: &[&Want],
        pending: Option<&Manifest>,
    ) -> Result<FileRecord> {
        let known = pending.iter().flat_map(|m| &m.files).find(|record| record.name == want.expected.name);
        if let Some(record) = known.filter(|record| source::still_right(record, want, &plan.folder)) {
            return Ok(record.clone());
        }
        // The parts of a split model have to lie together, so only a model that is one file is used elsewhere.
        let alone = plan.files.iter().filter(|file| file.role == FileRole::Model).count() == 1;
        if alone
            && plan.model.as_ref() == Some(&want.expected.name)
            && let Some(record) = self.in_place(want)?
        {
            return Ok(record);
        }
        self.fetch(&plan.folder, want, later)
    }
}

/// Whether what is installed is what the plan would pull.
pub(crate) fn is_current(installed: &Installed, plan: &Plan) -> bool {
    plan.files.iter().filter(|want| want.role == FileRole::Model).all(|want| {
        let has = installed.checksums.iter().find(|(name, _)| *name == want.expected.name);
        has.is_some_and(|(_, sha256)| want.expected.sha256.as_ref().is_none_or(|wanted| wanted == sha256))
    })
}

/// Fails with both numbers when the disk of `folder` has less than `needed` bytes free.
fn ensure_space(folder: &Path, needed: u64, name: &str) -> Result<()> {
    // Not every file system tells; then the writing itself will.
    let Ok(free) = fs4::available_space(folder) else { return Ok(()) };
    if free >= needed {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::NoSpace,
        format!(
            "{name} needs {} of free disk while it is pulled and {} has {}: free some, or set PARASOL_HOME to a larger disk",
            human_bytes(needed),
            folder.display(),
            human_bytes(free)
        ),
    ))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
