//! The folder of jobs: a file for each, which is complete or not there and its owner's alone, beside it the film once it is here. Who
//! looks after a job keeps its lock file locked, which the system unlocks however that process ends.

use super::job::{FilmJob, is_name};
use crate::keys::is_absent;
use jiff::{Timestamp, ToSpan};
use parasol_core::{Error, ErrorKind, Result};
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder's name in Parasol's.
const FOLDER: &str = "jobs";
/// Larger than any job that is written down.
const MOST_BYTES: u64 = 1 << 20;
/// For so many hours a film is kept …
pub(super) const KEPT: i64 = 48;
/// … and for so many hours what is known of its job.
const KNOWN: i64 = 30 * 24;
/// The most jobs that are not over.
const MOST_OPEN: usize = 1000;

/// The jobs of one Parasol folder.
#[derive(Debug, Clone)]
pub struct Films {
    folder: PathBuf,
}

/// A job that is looked after: nobody else does while this is there.
#[derive(Debug)]
pub(crate) struct Hold {
    /// Locked.
    _file: File,
}

impl Films {
    /// The jobs of the person whose Parasol folder this is.
    #[must_use]
    pub fn at(home: &Path) -> Self {
        Self { folder: home.join(FOLDER) }
    }

    fn path(&self, id: &str, ending: &str) -> PathBuf {
        self.folder.join(format!("{id}.{ending}"))
    }

    /// Whether there is such a job.
    pub(crate) fn has(&self, id: &str) -> bool {
        is_name(id) && !matches!(std::fs::metadata(self.path(id, "json")), Err(e) if is_absent(&e))
    }

    /// The job of this name.
    ///
    /// # Errors
    /// `NotFound` when there is none; `Corrupt` for a file that is none; `Io`.
    pub fn get(&self, id: &str) -> Result<FilmJob> {
        let none = || {
            let shown: String = id.chars().take(80).collect();
            Error::new(
                ErrorKind::NotFound,
                format!("there is no job {shown:?}: it may have been taken or removed"),
            )
        };
        if !is_name(id) {
            return Err(none());
        }
        let path = self.path(id, "json");
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot read {}", path.display()));
        match std::fs::metadata(&path) {
            Err(e) if is_absent(&e) => return Err(none()),
            Err(e) => return Err(failed(e)),
            Ok(meta) if meta.len() > MOST_BYTES => return Err(damaged(&path, "it is too large")),
            Ok(_) => {}
        }
        let text = match std::fs::read(&path) {
            Err(e) if is_absent(&e) => return Err(none()),
            text => text.map_err(failed)?,
        };
        let job: FilmJob = serde_json::from_slice(&text).map_err(|e| damaged(&path, &e.to_string()))?;
        if job.id == id { Ok(job) } else { Err(damaged(&path, "it is another job's")) }
    }

    /// All jobs, the newest first. One whose file is damaged is told of in the log and left alone.
    ///
    /// # Errors
    /// `Io` when the folder cannot be read.
    pub fn all(&self) -> Result<Vec<FilmJob>> {
        let failed =
            |e: std::io::Error| Error::from(e).within(format!("cannot read {}", self.folder.display()));
        let entries = match std::fs::read_dir(&self.folder) {
            Err(e) if is_absent(&e) => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.strip_suffix(".json")) else { continue };
            match self.get(id) {
                Ok(job) => all.push(job),
                // It went in this moment, or was never ours.
                Err(error) if *error.kind() == ErrorKind::NotFound => {}
                Err(error) => tracing::warn!(error = error.message(), "a job is left alone"),
            }
        }
        all.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| b.id.cmp(&a.id)));
        Ok(all)
    }

    /// Writes a new job down, held by who writes it.
    ///
    /// # Errors
    /// `Overloaded` when too many are not over; `Io` and its kind.
    pub(crate) fn create(&self, job: &FilmJob) -> Result<Hold> {
        let open = self.all()?.iter().filter(|job| !job.state.is_over()).count();
        if open >= MOST_OPEN {
            let message = format!(
                "{open} jobs are not over yet, which is all that are looked after: cancel some, or wait"
            );
            return Err(Error::new(ErrorKind::Overloaded, message));
        }
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let failed =
            |e: std::io::Error| Error::from(e).within(format!("cannot create {}", self.folder.display()));
        builder.create(&self.folder).map_err(failed)?;
        let taken = || Error::new(ErrorKind::Internal, format!("the name {} is taken", job.id));
        let hold = self.hold(&job.id)?.ok_or_else(taken)?;
        self.write(job)?;
        Ok(hold)
    }

    /// Writes a job down that is held.
    ///
    /// # Errors
    /// `NoSpace`, `Denied`, `Io`.
    pub(crate) fn write(&self, job: &FilmJob) -> Result<()> {
        let (path, beside) = (self.path(&job.id, "json"), self.path(&job.id, "json.part"));
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot write {}", path.display()));
        let text =
            serde_json::to_vec_pretty(job).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        let write = || {
            let mut file = private().truncate(true).open(&beside)?;
            file.write_all(&text)?;
            file.sync_all()?;
            std::fs::rename(&beside, &path)?;
            self.settle()
        };
        write().map_err(|e| {
            let _ = std::fs::remove_file(&beside);
            failed(e)
        })
    }

    /// Has the folder's names written to the disk.
    fn settle(&self) -> std::io::Result<()> {
        // Other systems have no such thing.
        if cfg!(unix) { File::open(&self.folder)?.sync_all() } else { Ok(()) }
    }

    /// Takes a job, unless somebody has it.
    ///
    /// # Errors
    /// `Io` when its lock file cannot be made.
    pub(crate) fn hold(&self, id: &str) -> Result<Option<Hold>> {
        let path = self.path(id, "lock");
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot lock {}", path.display()));
        let file = private().open(&path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Hold { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    /// Whether somebody looks after a job now. When in doubt somebody does.
    #[must_use]
    pub fn is_held(&self, id: &str) -> bool {
        !matches!(self.hold(id), Ok(Some(_)))
    }

    /// Where a film is while it is fetched …
    pub(super) fn part(&self, id: &str) -> PathBuf {
        self.path(id, "film.part")
    }

    /// … and then.
    pub(super) fn film(&self, id: &str) -> PathBuf {
        self.path(id, "film")
    }

    /// The film of a job.
    ///
    /// # Errors
    /// `NotFound` when it is not here, or not any more.
    pub fn open(&self, job: &FilmJob) -> Result<File> {
        File::open(self.film(&job.id)).map_err(|e| match is_absent(&e) {
            false => Error::from(e).within(format!("cannot read the film of {}", job.id)),
            true => {
                let message = match job.expires {
                    Some(at) if at <= Timestamp::now() => {
                        format!("the film of {} was kept until {at} and is gone", job.id)
                    }
                    _ => format!("the film of {} is not here: the job is {}", job.id, job.state.name()),
                };
                Error::new(ErrorKind::NotFound, message)
            }
        })
    }

    /// Asks whoever looks after a job to end it.
    pub(super) fn ask_to_end(&self, id: &str) -> Result<()> {
        let path = self.path(id, "end");
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot write {}", path.display()));
        private().open(&path).map(drop).map_err(failed)
    }

    /// Whether somebody asked for that.
    pub(super) fn is_to_end(&self, id: &str) -> bool {
        self.path(id, "end").exists()
    }

    /// It was seen.
    pub(super) fn end_is_seen(&self, id: &str) {
        // What stays is seen once more.
        let _ = std::fs::remove_file(self.path(id, "end"));
    }

    /// Forgets a job, and its film. One that is not over may go on with its provider: end it first.
    ///
    /// # Errors
    /// `Io` when its file cannot be removed.
    pub fn forget(&self, id: &str) -> Result<()> {
        if !is_name(id) {
            return Ok(());
        }
        for ending in ["film", "film.part", "json.part", "end"] {
            // Best effort: what counts is the job.
            let _ = std::fs::remove_file(self.path(id, ending));
        }
        let path = self.path(id, "json");
        match std::fs::remove_file(&path) {
            Err(e) if !is_absent(&e) => {
                return Err(Error::from(e).within(format!("cannot remove {}", path.display())));
            }
            _ => {}
        }
        // Last: without its job a lock is nobody's.
        let _ = std::fs::remove_file(self.path(id, "lock"));
        Ok(())
    }

    /// Removes films that were kept long enough, and jobs that were over long ago.
    ///
    /// # Errors
    /// `Io` when the folder cannot be read.
    pub fn sweep(&self) -> Result<()> {
        let now = Timestamp::now();
        for job in self.all()?.iter().filter(|job| job.state.is_over()) {
            let since = |hours: i64| job.ended.is_some_and(|ended| now - hours.hours() > ended);
            if since(KNOWN) {
                self.forget(&job.id)?;
            } else if job.expires.is_some_and(|at| at <= now) {
                let _ = std::fs::remove_file(self.film(&job.id));
            }
        }
        Ok(())
    }
}

/// A file that is its owner's alone.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn damaged(path: &Path, why: &str) -> Error {
    let message = format!("the job {} cannot be read ({why}): move it away", path.display());
    Error::new(ErrorKind::Corrupt, message)
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
