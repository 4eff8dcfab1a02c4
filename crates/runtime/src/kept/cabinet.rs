//! Cards with a sound each, as folders: `ID/card.json` and `ID/sound.wav`, which only this user may read. A folder gets its name when
//! all of it is on the disk, and loses it before anything of it goes, so that a kill at any moment leaves it whole or not there.

use parasol_core::{Error, ErrorKind, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const CARD: &str = "card.json";
const SOUND: &str = "sound.wav";
/// What is not whole yet, or no longer.
const UNFINISHED: &str = ".part";
/// More than any card takes.
const MOST_CARD: u64 = 64 << 10;
/// More than a minute at 48 kHz takes.
const MOST_SOUND: u64 = 16 << 20;

/// A folder of such folders.
#[derive(Debug, Clone)]
pub(super) struct Cabinet {
    folder: PathBuf,
}

/// Held while something is added, changed or removed; the system takes it from a process that ends.
pub(super) struct Lock {
    _file: File,
}

impl Cabinet {
    pub(super) fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Waits until no other process changes anything, and clears away what a killed one left.
    pub(super) fn lock(&self) -> Result<Lock> {
        private_folder(&self.folder).map_err(|e| failed("create", &self.folder, e))?;
        let path = self.folder.join("lock");
        let file = private_file(&path, false).map_err(|e| failed("create", &path, e))?;
        match file.lock() {
            // Some network file systems have no locks.
            Err(e) if e.kind() != io::ErrorKind::Unsupported => return Err(failed("lock", &path, e)),
            _ => {}
        }
        for entry in self.entries()? {
            if entry.to_string_lossy().ends_with(UNFINISHED) {
                // What cannot be cleared away now is tried again next time.
                let _ = fs::remove_dir_all(entry);
            }
        }
        Ok(Lock { _file: file })
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        match fs::read_dir(&self.folder) {
            Ok(entries) => Ok(entries.filter_map(|entry| Some(entry.ok()?.path())).collect()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(e) => Err(failed("read", &self.folder, e)),
        }
    }

    /// All cards that can be read; the others are told to the log.
    pub(super) fn cards<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let whole = |path: &PathBuf| path.is_dir() && !path.to_string_lossy().ends_with(UNFINISHED);
        let read = |path: PathBuf| {
            let card = path.join(CARD);
            let parsed = small(&card, MOST_CARD).and_then(|bytes| Ok(serde_json::from_slice(&bytes)?));
            match &parsed {
                // One that was removed just now is no damage.
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(file = %card.display(), %error, "this card is damaged and is left out: remove its folder");
                }
                _ => {}
            }
            parsed.ok()
        };
        Ok(self.entries()?.into_iter().filter(whole).filter_map(read).collect())
    }

    /// A name that nothing has yet.
    pub(super) fn new_id(&self, prefix: &str) -> Result<String> {
        let mut bytes = [0; 12];
        getrandom::fill(&mut bytes).map_err(|e| {
            Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {e}"))
        })?;
        Ok(bytes.iter().fold(prefix.to_owned(), |id, byte| format!("{id}{byte:02x}")))
    }

    /// Puts in a card with its sound.
    pub(super) fn put(&self, id: &str, card: &impl Serialize, sound: &[u8]) -> Result<()> {
        let (part, path) = (self.folder.join(format!("{id}{UNFINISHED}")), self.folder.join(id));
        let write = || -> io::Result<()> {
            private_folder(&part)?;
            written(&part.join(CARD), &serde_json::to_vec_pretty(card)?)?;
            written(&part.join(SOUND), sound)?;
            synced(&part);
            fs::rename(&part, &path)?;
            synced(&self.folder);
            Ok(())
        };
        write().map_err(|e| {
            // The error is what matters; the rest goes with the next lock.
            let _ = fs::remove_dir_all(&part);
            failed("write", &path, e)
        })
    }

    /// Puts another card in the place of one.
    pub(super) fn change(&self, id: &str, card: &impl Serialize) -> Result<()> {
        let path = self.folder.join(id).join(CARD);
        let part = path.with_extension("json.part");
        let write = || -> io::Result<()> {
            written(&part, &serde_json::to_vec_pretty(card)?)?;
            fs::rename(&part, &path)?;
            synced(&self.folder.join(id));
            Ok(())
        };
        write().map_err(|e| failed("write", &path, e))
    }

    /// The bytes of a card's sound.
    pub(super) fn sound(&self, id: &str) -> Result<Vec<u8>> {
        let path = self.folder.join(id).join(SOUND);
        small(&path, MOST_SOUND).map_err(|e| failed("read", &path, e))
    }

    /// Takes a card and its sound away.
    pub(super) fn remove(&self, id: &str) -> Result<()> {
        let (path, part) = (self.folder.join(id), self.folder.join(format!("{id}{UNFINISHED}")));
        fs::rename(&path, &part).map_err(|e| failed("remove", &path, e))?;
        synced(&self.folder);
        fs::remove_dir_all(&part).map_err(|e| failed("remove", &part, e))
    }
}

fn small(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 <= most {
        true => Ok(bytes),
        false => Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {most} bytes"))),
    }
}

fn failed(what: &str, path: &Path, error: io::Error) -> Error {
    Error::from(error).within(format!("cannot {what} {}", path.display()))
}

fn written(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private_file(path, true)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes a rename survive a power cut, where the system allows to sync a folder.
fn synced(folder: &Path) {
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

/// A file that only this user may read, from the moment that it is there.
fn private_file(path: &Path, truncate: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(truncate);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}
