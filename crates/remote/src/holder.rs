//! Who has promised something: a file that a process keeps locked for as long as it lives. The system unlocks it whichever way
//! the process ends, so whoever can lock it knows that its promises are nobody's any more.

use parasol_core::{Error, Result};
use std::fs::{File, OpenOptions, TryLockError};
use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};

/// This process, as others see it.
#[derive(Debug)]
pub(crate) struct Holder {
    name: String,
    path: PathBuf,
    /// Locked.
    _file: File,
}

impl Holder {
    /// One that lives from now on.
    ///
    /// # Errors
    /// `Io` when its file cannot be made or locked.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        loop {
            let random = std::collections::hash_map::RandomState::new().build_hasher().finish();
            let name = format!("{}-{random:016x}", std::process::id());
            let path = path(folder, &name);
            let make = || {
                let file = OpenOptions::new().write(true).create_new(true).open(&path)?;
                file.lock()?;
                Ok(file)
            };
            let file = make().map_err(|e: std::io::Error| {
                Error::from(e).within(format!("cannot lock {}", path.display()))
            })?;
            // Who sweeps may have been quicker than the lock.
            if path.exists() {
                return Ok(Self { name, path, _file: file });
            }
        }
    }

    /// Its name in the book.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // One that stays is taken for that of a dead process, which it is.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The name under which a job promises something, whichever process looks after it.
pub(crate) fn of_job(job: &str) -> String {
    format!("{JOB}{job}")
}

/// Whether the process of this name lives. When in doubt it does. A job does as long as it is written down.
pub(crate) fn lives(folder: &Path, name: &str) -> bool {
    if let (Some(job), Some(home)) = (name.strip_prefix(JOB), folder.parent()) {
        return crate::film::Films::at(home).has(job);
    }
    match File::open(path(folder, name)) {
        Ok(file) => match file.try_lock() {
            Ok(()) => false,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => true,
        },
        Err(e) => !crate::keys::is_absent(&e),
    }
}

/// Removes what dead processes left: without a file there is nothing that could be locked, which tells the same. A file is
/// removed while it is locked, so that whoever is just making it notices.
pub(crate) fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let ours = name.to_str().is_some_and(|name| name.starts_with(BEFORE) && name.ends_with(BEHIND));
        if ours && let Ok(file) = File::open(entry.path()) {
            let locked = file.try_lock();
            if locked.is_ok() {
                // What stays is swept another time.
                let _ = std::fs::remove_file(entry.path());
            }
        }
    }
}

const JOB: &str = "job-";
const BEFORE: &str = "promises-";
const BEHIND: &str = ".lock";

fn path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{BEFORE}{name}{BEHIND}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_holder_lives_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let one = Holder::new(folder.path()).unwrap();
        let name = one.name().to_owned();
        assert!(lives(folder.path(), &name) && !lives(folder.path(), "nobody"));
        drop(one);
        assert!(!lives(folder.path(), &name));
        // The file of a process that was killed stays, and nobody has it locked.
        std::fs::write(path(folder.path(), "killed"), "").unwrap();
        assert!(!lives(folder.path(), "killed"));
        let two = Holder::new(folder.path()).unwrap();
        std::fs::write(folder.path().join("another.lock"), "").unwrap();
        sweep(folder.path());
        assert!(lives(folder.path(), two.name()));
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            2,
            "its file, and what is none of ours"
        );
    }
}
