//! The file of keys. Each change writes a new file, makes sure that it is on the disk, and puts it in the old one's place, so
//! that a kill at any moment leaves the old keys or the new ones.

use super::Key;
use crate::storage::own_only;
use parasol_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The name of the file under the home folder.
const FILE: &str = "keys.json";

/// More than anybody's keys take.
const MOST_BYTES: u64 = 16 << 20;

/// Where keys are kept.
#[derive(Debug, Clone)]
pub struct KeyFile {
    path: PathBuf,
}

/// What tells one state of the file from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Contents {
    version: u32,
    keys: Vec<Key>,
}

impl KeyFile {
    /// The file of keys under a home folder.
    pub fn under(home: &Path) -> Self {
        Self { path: home.join(FILE) }
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The keys in it; none when there is no file.
    ///
    /// # Errors
    /// When it cannot be read, or is no file of keys.
    pub fn read(&self) -> Result<Vec<Key>> {
        let bytes = match fs::metadata(&self.path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Ok(data) if data.len() > MOST_BYTES => {
                return Err(self.corrupt(&format!("it is larger than {MOST_BYTES} bytes")));
            }
            _ => fs::read(&self.path).map_err(|e| self.failed("read", e))?,
        };
        let contents: Contents = serde_json::from_slice(&bytes).map_err(|e| self.corrupt(&e.to_string()))?;
        match contents.version {
            1 => Ok(contents.keys),
            other => Err(self.corrupt(&format!("it has version {other}, and this Parasol knows version 1"))),
        }
    }

    /// Adds a key.
    ///
    /// # Errors
    /// `InvalidRequest` when a key of that name exists; what keeps the file from being read or written.
    pub fn add(&self, key: Key) -> Result<()> {
        self.change(|keys| {
            if keys.iter().any(|k| k.name == key.name) {
                let message = format!("there is a key called {} already: choose another name", key.name);
                return Err(Error::new(ErrorKind::InvalidRequest, message));
            }
            keys.push(key);
            Ok(())
        })
    }

    /// Takes away the key with this id or name, and returns it.
    ///
    /// # Errors
    /// `NotFound` when there is none; what keeps the file from being read or written.
    pub fn remove(&self, id_or_name: &str) -> Result<Key> {
        self.change(|keys| {
            let at =
                keys.iter().position(|k| k.id == id_or_name || k.name == id_or_name).ok_or_else(|| {
                    let message =
                        format!("there is no key {id_or_name}: `parasol keys list` shows what there is");
                    Error::new(ErrorKind::NotFound, message)
                })?;
            Ok(keys.remove(at))
        })
    }

    /// Reads, changes and writes, one process at a time.
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Key>) -> Result<T>) -> Result<T> {
        if let Some(folder) = self.path.parent() {
            fs::create_dir_all(folder).map_err(|e| self.failed("make the folder of", e))?;
        }
        let lock = File::create(self.path.with_extension("lock")).map_err(|e| self.failed("lock", e))?;
        lock.lock().map_err(|e| self.failed("lock", e))?;
        let mut keys = self.read()?;
        let result = change(&mut keys)?;
        self.write(keys).map_err(|e| self.failed("write", e))?;
        Ok(result)
    }

    fn write(&self, keys: Vec<Key>) -> io::Result<()> {
        let partial = self.path.with_extension("partial");
        let text = serde_json::to_vec_pretty(&Contents { version: 1, keys })?;
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(&partial)?;
        own_only(&partial);
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&partial, &self.path)?;
        // The rename itself must reach the disk too, where the system can tell a folder to.
        if let Some(folder) = self.path.parent().and_then(|f| File::open(f).ok()) {
            let _ = folder.sync_all();
        }
        Ok(())
    }

    /// What the file is like now; `None` when there is none.
    pub(super) fn stamp(&self) -> Option<Stamp> {
        let data = fs::metadata(&self.path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&data);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Stamp { modified: data.modified().ok(), bytes: data.len(), inode })
    }

    fn failed(&self, what: &str, error: io::Error) -> Error {
        Error::from(error).within(format!("cannot {what} {}", self.path.display()))
    }

    fn corrupt(&self, why: &str) -> Error {
        let message = format!(
            "{} is no file of keys: {why}. Restore it, or remove it and make new keys",
            self.path.display()
        );
        Error::new(ErrorKind::Corrupt, message)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::{KeyTerms, Keys, digest};

    fn terms(name: &str) -> KeyTerms {
        KeyTerms { name: name.into(), ..KeyTerms::default() }
    }

    #[test]
    fn keys_are_added_found_and_removed_and_never_written_in_clear() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::under(home.path());
        assert!(file.read().unwrap().is_empty());
        let (key, secret) = Key::create(terms("app")).unwrap();
        file.add(key.clone()).unwrap();
        let text = fs::read_to_string(file.path()).unwrap();
        assert!(!text.contains(&secret) && text.contains(&digest(&secret)));
        let keys = Keys::open(home.path()).unwrap();
        assert!(keys.required());
        assert_eq!(keys.find(&secret).unwrap().id, key.id);
        assert!(keys.find("sk-parasol-0").is_none() && keys.find("").is_none());
        assert!(file.add(Key::create(terms("app")).unwrap().0).unwrap_err().message().contains("app"));
        assert_eq!(file.remove("app").unwrap(), key);
        assert_eq!(*file.remove("app").unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_running_server_sees_changes_and_stays_closed_when_the_last_key_goes() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::under(home.path());
        let keys = Keys::open(home.path()).unwrap();
        assert!(!keys.required());
        let (key, secret) = Key::create(terms("late")).unwrap();
        file.add(key).unwrap();
        std::thread::sleep(super::super::FRESH * 2);
        assert!(keys.required() && keys.find(&secret).is_some());
        file.remove("late").unwrap();
        std::thread::sleep(super::super::FRESH * 2);
        assert!(keys.find(&secret).is_none() && keys.required());
        fs::write(file.path(), "{").unwrap();
        std::thread::sleep(super::super::FRESH * 2);
        assert!(keys.required() && Keys::open(home.path()).is_err());
    }

    #[test]
    fn an_expired_key_is_none() {
        let home = tempfile::tempdir().unwrap();
        let (mut key, secret) = Key::create(terms("old")).unwrap();
        key.expires = Some(1);
        KeyFile::under(home.path()).add(key).unwrap();
        let keys = Keys::open(home.path()).unwrap();
        assert!(keys.required() && keys.find(&secret).is_none());
    }
}
