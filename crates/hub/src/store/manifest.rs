//! `model.json`: what a model's folder holds, where it came from, and the mark that it was verified.

use crate::digest::hash_file;
use crate::files;
use crate::format::{LocalModel, local_model};
use crate::names::is_plain_name;
use parasol_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Its name in a model's folder.
pub(crate) const FILE: &str = "model.json";
/// The same for a pull of several files that is not finished: which of them are.
pub(crate) const PENDING: &str = ".pending.json";
/// A manifest larger than this was not written here.
const LARGEST: u64 = 4 << 20;

/// What a model's folder holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Manifest {
    /// The name that finds it: a catalogue name or an `hf:` reference.
    pub(crate) name: String,
    /// Its terms.
    pub(crate) licence: LicenceRecord,
    /// When it was pulled, in seconds since 1970.
    pub(crate) pulled: u64,
    /// The file that is the model; `None` when the folder is.
    pub(crate) model: Option<String>,
    /// Every file.
    pub(crate) files: Vec<FileRecord>,
}

/// The terms that a model was pulled under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceRecord {
    /// An SPDX identifier, or the name of the terms; empty when the source did not say.
    pub name: String,
    /// Where they can be read.
    pub url: Option<String>,
    /// When they were accepted, in seconds since 1970; `None` when they were not asked for.
    pub accepted: Option<u64>,
}

/// One file, as it was when its checksum was last found right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileRecord {
    /// Its name in the folder.
    pub(crate) name: String,
    /// Its size in bytes.
    pub(crate) size: u64,
    /// Its SHA-256.
    pub(crate) sha256: String,
    /// When it was last written, in nanoseconds since 1970: together with the size, the mark that it is still the
    /// file whose checksum was computed.
    pub(crate) modified: u64,
    /// The source that it came from.
    pub(crate) source: String,
    /// Where it lies, when that is not the model's folder: a file of the user's, used in place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) at: Option<PathBuf>,
}

/// A model of the store, whole and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Installed {
    /// The name that finds it: a catalogue name or an `hf:` reference.
    pub name: String,
    /// The model itself.
    pub model: LocalModel,
    /// Its folder in the store.
    pub folder: PathBuf,
    /// Bytes on disk, files that lie elsewhere included.
    pub bytes: u64,
    /// The sources that its files came from.
    pub sources: Vec<String>,
    /// SHA-256 of each file by name.
    pub checksums: Vec<(String, String)>,
    /// Its terms.
    pub licence: LicenceRecord,
    /// When it was pulled, in seconds since 1970.
    pub pulled: u64,
}

impl FileRecord {
    /// Where the file lies.
    pub(crate) fn path(&self, folder: &Path) -> PathBuf {
        self.at.clone().unwrap_or_else(|| folder.join(&self.name))
    }
}

impl Manifest {
    /// The manifest of `folder`; `None` when there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>> {
        Self::read_as(FILE, folder)
    }

    /// The manifest of this name in `folder`.
    pub(crate) fn read_as(name: &str, folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(name);
        let bytes = match files::read_small(&path, LARGEST) {
            Ok(bytes) => bytes,
            Err(e) if *e.kind() == ErrorKind::NotFound => return Ok(None),
            // A file where a folder should be is no model either.
            Err(_) if !folder.is_dir() => return Ok(None),
            Err(e) => return Err(e.within(format!("cannot read {}", path.display()))),
        };
        let corrupt = |what: String| {
            let name = path.display();
            Error::new(
                ErrorKind::Corrupt,
                format!("{name} is damaged ({what}): delete it and pull the model again"),
            )
        };
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|e| corrupt(e.to_string()))?;
        let names = manifest.files.iter().map(|file| file.name.as_str()).chain(manifest.model.as_deref());
        if let Some(bad) = names.into_iter().find(|name| !is_plain_name(name)) {
            return Err(corrupt(format!("{bad:?} is no file name")));
        }
        Ok(Some(manifest))
    }

    /// Writes it into `folder`.
    pub(crate) fn write(&self, folder: &Path) -> Result<()> {
        self.write_as(FILE, folder)
    }

    /// Writes it into `folder` under this name.
    pub(crate) fn write_as(&self, name: &str, folder: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| {
            Error::new(ErrorKind::Internal, format!("cannot write the manifest of {}: {e}", self.name))
        })?;
        files::replace(&folder.join(name), &text)
    }

    /// Whether every file is there and is what was verified. Size and time tell; only a file whose time has
    /// changed (a restored backup, a copied store) is hashed again, once.
    ///
    /// # Errors
    /// `Checksum` when a file has the right size and other bytes.
    pub(crate) fn verify(&mut self, folder: &Path) -> Result<bool> {
        let mut touched = false;
        for record in &mut self.files {
            let path = record.path(folder);
            let Ok(meta) = std::fs::metadata(&path) else { return Ok(false) };
            if !meta.is_file() || meta.len() != record.size {
                return Ok(false);
            }
            if mtime(&meta) == record.modified {
                continue;
            }
            let sha256 = hash_file(&path, &mut |_| Ok(()))?;
            if sha256 != record.sha256 {
                return Err(Error::new(
                    ErrorKind::Checksum,
                    format!(
                        "{} has changed since it was pulled (SHA-256 {sha256}, not {}): remove {} and pull it again",
                        path.display(),
                        record.sha256,
                        self.name
                    ),
                ));
            }
            record.modified = mtime(&meta);
            touched = true;
        }
        if touched {
            // A store that cannot be written to stays usable; its files are then hashed each time.
            let _ = self.write(folder);
        }
        Ok(true)
    }

    /// The model that it describes.
    pub(crate) fn installed(&self, folder: &Path) -> Result<Installed> {
        let model = self.model.as_ref().and_then(|name| self.files.iter().find(|file| file.name == *name));
        let path = model.map_or_else(|| folder.to_owned(), |file| file.path(folder));
        let mut sources: Vec<String> = self.files.iter().map(|file| file.source.clone()).collect();
        sources.dedup();
        Ok(Installed {
            name: self.name.clone(),
            model: local_model(&path)?,
            folder: folder.to_owned(),
            bytes: self.files.iter().map(|file| file.size).fold(0, u64::saturating_add),
            sources,
            checksums: self.files.iter().map(|file| (file.name.clone(), file.sha256.clone())).collect(),
            licence: self.licence.clone(),
            pulled: self.pulled,
        })
    }
}

/// When a file was last written, in nanoseconds since 1970; 0 when the system does not say.
pub(crate) fn mtime(meta: &Metadata) -> u64 {
    let since = meta.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since.and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::fs::File;
    use std::time::{Duration, SystemTime};

    fn folder_with(bytes: &[u8]) -> (tempfile::TempDir, Manifest) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.gguf");
        std::fs::write(&path, bytes).unwrap();
        let record = FileRecord {
            name: "a.gguf".into(),
            size: bytes.len() as u64,
            sha256: hash_file(&path, &mut |_| Ok(())).unwrap(),
            modified: mtime(&path.metadata().unwrap()),
            source: "file:x".into(),
            at: None,
        };
        let licence = LicenceRecord { name: "MIT".into(), url: None, accepted: Some(5) };
        let manifest = Manifest {
            name: "a".into(),
            licence,
            pulled: 7,
            model: Some("a.gguf".into()),
            files: vec![record],
        };
        manifest.write(dir.path()).unwrap();
        (dir, manifest)
    }

    fn rewrite(path: &Path, bytes: &[u8], age: u64) {
        std::fs::write(path, bytes).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
    }

    #[test]
    fn a_file_is_hashed_again_only_when_its_time_has_changed() {
        let (dir, written) = folder_with(b"GGUF1234");
        let path = dir.path().join("a.gguf");
        let read = || Manifest::read(dir.path()).unwrap().unwrap();
        assert!(read().verify(dir.path()).unwrap());
        // Same bytes, another time: still whole, and the new time is noted.
        rewrite(&path, b"GGUF1234", 1000);
        assert!(read().verify(dir.path()).unwrap());
        assert_ne!(read().files[0].modified, written.files[0].modified);
        // Other bytes of the same size under the noted time: not looked at, which shows that nothing is hashed.
        std::fs::write(&path, b"GGUF5678").unwrap();
        let time = UNIX_EPOCH + Duration::from_nanos(read().files[0].modified);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        assert!(read().verify(dir.path()).unwrap());
        // Under another time they are found out.
        rewrite(&path, b"GGUF5678", 2000);
        assert_eq!(*read().verify(dir.path()).unwrap_err().kind(), ErrorKind::Checksum);
        rewrite(&path, b"GGUF", 2000);
        assert!(!read().verify(dir.path()).unwrap());
    }

    #[test]
    fn a_manifest_cannot_point_out_of_its_folder() {
        let (dir, mut manifest) = folder_with(b"GGUF");
        manifest.files[0].name = "../../etc/passwd".into();
        manifest.write(dir.path()).unwrap();
        assert_eq!(*Manifest::read(dir.path()).unwrap_err().kind(), ErrorKind::Corrupt);
        std::fs::write(dir.path().join(FILE), "{").unwrap();
        assert!(Manifest::read(dir.path()).unwrap_err().message().contains("model.json"));
    }
}
