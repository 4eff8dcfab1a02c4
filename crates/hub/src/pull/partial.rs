//! A file that is being made: bytes go to `NAME.partial`, hashed as they come, and take the name only when size and
//! checksum are right. Dropped before that it removes itself, unless a later pull can go on with it.

use crate::digest::{hex, update_from};
use crate::files::{self, failed, sync_folder};
use crate::store::{FileRecord, mtime};
use parasol_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

/// Where an interrupted download can go on: written beside the partial file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResumePoint {
    /// The address.
    pub(super) url: String,
    /// The server's mark of the file's version.
    pub(super) etag: Option<String>,
}

/// What a finished file must be.
#[derive(Debug, Clone)]
pub(super) struct Expected {
    pub(super) name: String,
    pub(super) size: Option<u64>,
    pub(super) sha256: Option<String>,
}

/// The file being made.
#[derive(Debug)]
pub(super) struct Partial<'a> {
    folder: &'a Path,
    expected: &'a Expected,
    path: PathBuf,
    file: File,
    hash: Sha256,
    len: u64,
    keep: bool,
}

impl<'a> Partial<'a> {
    /// Starts from nothing.
    pub(super) fn create(folder: &'a Path, expected: &'a Expected) -> Result<Self> {
        let path = partial_path(folder, &expected.name);
        files::remove(&resume_path(folder, &expected.name))?;
        let file = File::create(&path).map_err(|e| failed("create", &path, e))?;
        Ok(Self { folder, expected, path, file, hash: Sha256::new(), len: 0, keep: false })
    }

    /// Goes on with what an interrupted pull left, when there is something.
    pub(super) fn resume(
        folder: &'a Path,
        expected: &'a Expected,
        progress: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Option<Self>> {
        let path = partial_path(folder, &expected.name);
        let Ok(file) = File::options().append(true).open(&path) else { return Ok(None) };
        let mut hash = Sha256::new();
        let len = update_from(&mut hash, &path, progress)?;
        Ok(Some(Self { folder, expected, path, file, hash, len, keep: true }))
    }

    /// Forgets what is there and starts again.
    pub(super) fn restart(&mut self) -> Result<()> {
        self.keep = false;
        let emptied = self.file.set_len(0).and_then(|()| self.file.rewind());
        emptied.map_err(|e| failed("write", &self.path, e))?;
        self.hash.reset();
        self.len = 0;
        Ok(())
    }

    /// Bytes so far.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Adds bytes.
    ///
    /// # Errors
    /// `NoSpace` (and nothing is left) when the disk is full, `Checksum` when there are more bytes than expected.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let len = self.len.saturating_add(bytes.len() as u64);
        if let Some(size) = self.expected.size.filter(|size| len > *size) {
            self.keep = false;
            return Err(Error::new(
                ErrorKind::Checksum,
                format!("{} should have {size} bytes and the source sends more", self.expected.name),
            ));
        }
        if let Err(e) = self.file.write_all(bytes) {
            self.keep = false;
            return Err(failed("write", &self.path, e));
        }
        self.hash.update(bytes);
        self.len = len;
        Ok(())
    }

    /// From now on the file outlives a failure, so that a later pull goes on at `point`.
    pub(super) fn keep_for(&mut self, point: &ResumePoint) -> Result<()> {
        let text = serde_json::to_vec(point)
            .map_err(|e| Error::new(ErrorKind::Internal, format!("cannot write a resume point: {e}")))?;
        files::replace(&resume_path(self.folder, &self.expected.name), &text)?;
        self.keep = true;
        Ok(())
    }

    /// Checks size and checksum and gives the file its name.
    ///
    /// # Errors
    /// `Checksum`, and nothing is left; what goes wrong on the disk.
    pub(super) fn finish(mut self, source: &str) -> Result<FileRecord> {
        self.keep = false;
        let name = &self.expected.name;
        if let Some(size) = self.expected.size.filter(|size| *size != self.len) {
            return Err(Error::new(
                ErrorKind::Checksum,
                format!("{name} should have {size} bytes and {source} gave {}", self.len),
            ));
        }
        let sha256 = hex(&self.hash.finalize_reset());
        if let Some(wanted) = self.expected.sha256.as_ref().filter(|wanted| **wanted != sha256) {
            return Err(Error::new(
                ErrorKind::Checksum,
                format!(
                    "{name} from {source} has the SHA-256 {sha256} and should have {wanted}: it was removed; the source \
                     serves other bytes than the catalogue describes"
                ),
            ));
        }
        let target = self.folder.join(name);
        self.file.sync_all().map_err(|e| failed("write", &self.path, e))?;
        std::fs::rename(&self.path, &target).map_err(|e| failed("name", &target, e))?;
        sync_folder(self.folder);
        files::remove(&resume_path(self.folder, name))?;
        let meta = std::fs::metadata(&target).map_err(|e| failed("read", &target, e))?;
        Ok(FileRecord {
            name: name.clone(),
            size: self.len,
            sha256,
            modified: mtime(&meta),
            source: source.to_owned(),
            at: None,
        })
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        if !self.keep {
            // After `finish` there is nothing under these names; after a failure they must go.
            let _ = std::fs::remove_file(&self.path);
            let _ = std::fs::remove_file(resume_path(self.folder, &self.expected.name));
        }
    }
}

/// Where the interrupted download of `name` can go on.
pub(super) fn resume_point(folder: &Path, name: &str) -> Option<ResumePoint> {
    let bytes = files::read_small(&resume_path(folder, name), 64 << 10).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Bytes of `name` that an interrupted pull left.
pub(super) fn len_so_far(folder: &Path, name: &str) -> u64 {
    std::fs::metadata(partial_path(folder, name)).map_or(0, |meta| meta.len())
}

fn partial_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.partial"))
}

fn resume_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.partial.json"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn abc() -> Expected {
        let sha = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        Expected { name: "abc".into(), size: Some(3), sha256: Some(sha.into()) }
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_takes_its_name_only_when_it_is_right() {
        let (dir, expected) = (tempfile::tempdir().unwrap(), abc());
        let mut partial = Partial::create(dir.path(), &expected).unwrap();
        partial.write(b"ab").unwrap();
        assert_eq!(names(dir.path()), ["abc.partial"]);
        partial.write(b"c").unwrap();
        assert_eq!(partial.finish("here").unwrap().size, 3);
        assert_eq!(names(dir.path()), ["abc"]);
    }

    #[test]
    fn wrong_bytes_leave_nothing() {
        let (dir, expected) = (tempfile::tempdir().unwrap(), abc());
        for wrong in [&b"abd"[..], b"ab", b""] {
            let mut partial = Partial::create(dir.path(), &expected).unwrap();
            partial.write(wrong).unwrap();
            partial.keep_for(&ResumePoint { url: "u".into(), etag: None }).unwrap();
            assert_eq!(*partial.finish("here").unwrap_err().kind(), ErrorKind::Checksum);
            assert!(names(dir.path()).is_empty());
        }
        let mut partial = Partial::create(dir.path(), &expected).unwrap();
        assert_eq!(*partial.write(b"abcd").unwrap_err().kind(), ErrorKind::Checksum);
        drop(partial);
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn what_can_be_resumed_outlives_a_failure() {
        let (dir, expected) = (tempfile::tempdir().unwrap(), abc());
        let point = ResumePoint { url: "u".into(), etag: Some("\"1\"".into()) };
        let mut partial = Partial::create(dir.path(), &expected).unwrap();
        partial.write(b"ab").unwrap();
        partial.keep_for(&point).unwrap();
        drop(partial);
        assert_eq!(resume_point(dir.path(), "abc"), Some(point));
        let mut partial = Partial::resume(dir.path(), &expected, &mut |_| Ok(())).unwrap().unwrap();
        assert_eq!(partial.len(), 2);
        partial.write(b"c").unwrap();
        partial.finish("here").unwrap();
        assert_eq!(names(dir.path()), ["abc"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_says_so_and_leaves_nothing() {
        let (dir, expected) = (tempfile::tempdir().unwrap(), abc());
        // The kernel's always-full device in the partial file's place gives the real error of a full disk.
        std::os::unix::fs::symlink("/dev/full", dir.path().join("abc.partial")).unwrap();
        let mut partial = Partial::create(dir.path(), &expected).unwrap();
        let error = partial.write(b"abc").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NoSpace);
        assert!(
            error.message().contains("abc.partial") && error.message().contains("PARASOL_HOME"),
            "{error}"
        );
        drop(partial);
        assert!(names(dir.path()).is_empty());
    }
}
