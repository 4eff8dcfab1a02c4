//! Small files read within a bound and replaced as a whole; errors that name the path. Large files are `pull`'s.

use parasol_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// The error for something that failed at `path`: what, where, why, and the way out for the common causes.
pub(crate) fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    let name = path.display();
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Error::new(
                ErrorKind::NoSpace,
                format!(
                    "cannot {what} {name}: no space is left ({error}); free some, or set PARASOL_HOME to a larger disk"
                ),
            )
        }
        io::ErrorKind::PermissionDenied if what.starts_with("read") => {
            Error::new(ErrorKind::Denied, format!("cannot {what} {name}: {error}; let this user read it"))
        }
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Error::new(
            ErrorKind::Denied,
            format!("cannot {what} {name}: {error}; set PARASOL_HOME to a folder that you may write to"),
        ),
        _ => Error::from(error).within(format!("cannot {what} {name}")),
    }
}

/// The whole of a file that must not be larger than `limit` bytes.
pub(crate) fn read_small(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let file = File::open(path).map_err(Error::from)?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(Error::from)?;
    match u64::try_from(bytes.len()) {
        Ok(len) if len <= limit => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Corrupt, format!("it is larger than {limit} bytes"))),
    }
}

/// Creates a folder of the store and those above it.
pub(crate) fn create_folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path).map_err(|e| match e.kind() {
        // The folders above are made too, so one that is "not found" lies where the system lets nobody make any
        // (/proc), and one that "exists" or is "no directory" has a file in its place or in its way.
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            let why = match e.kind() {
                io::ErrorKind::NotFound => "the system allows no folder there",
                _ => "a file is in the way",
            };
            let name = path.display();
            Error::new(
                ErrorKind::Denied,
                format!("cannot create the folder {name}: {why}; set PARASOL_HOME to a folder that you may write to"),
            )
        }
        _ => failed("create the folder", path, e),
    })
}

/// Writes a file so that a reader sees the old or the new content, never half of it.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = Path::new(&partial);
    let write = || -> io::Result<()> {
        let mut file = File::create(partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(partial, path)
    };
    write().map_err(|e| {
        // The error is what matters; a left-over partial file is overwritten by the next attempt.
        let _ = std::fs::remove_file(partial);
        failed("write", path, e)
    })
}

/// Makes a rename in `folder` survive a power cut, where the system allows to sync a folder.
pub(crate) fn sync_folder(folder: &Path) {
    // Not every file system can; the rename itself has succeeded.
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove", path, e)),
        _ => Ok(()),
    }
}

/// Bytes as people read them: `92.9 MB` (powers of 1 000, as disks and downloads are sold).
pub fn human_bytes(bytes: u64) -> String {
    let units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.95 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {name}") }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        replace(&path, b"one").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read_small(&path, 3).unwrap(), b"two");
        assert!(read_small(&path, 2).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_cannot_be_is_denied() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut cases = vec![(file.clone(), "in the way"), (file.join("store"), "in the way")];
        if cfg!(target_os = "linux") {
            cases.push(("/proc/nope/models".into(), "no folder there"));
        }
        for (path, says) in cases {
            let error = create_folder(&path).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Denied, "{error}");
            assert!(error.message().contains(says) && error.message().contains("PARASOL_HOME"), "{error}");
        }
    }

    #[test]
    fn a_refusal_names_the_way_out_that_fits() {
        let refused =
            |what| failed(what, Path::new("/x"), io::ErrorKind::PermissionDenied.into()).to_string();
        assert!(refused("write").contains("PARASOL_HOME"));
        assert!(
            refused("read").contains("let this user read it") && !refused("read").contains("PARASOL_HOME")
        );
        assert!(!refused("read the folder").contains("PARASOL_HOME"));
    }

    #[test]
    fn bytes_read_well() {
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(98_362_432), "98.4 MB");
        assert_eq!(human_bytes(999_999), "1.0 MB");
        assert_eq!(human_bytes(u64::MAX), "18.4 EB");
    }
}
