//! Keys of providers: from the environment, from a file that only its owner may read, from the operating system's keyring where
//! that file says so, or from a program. A key is never shown: not in messages, not in `Debug`.

use crate::keyring;
use parasol_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The name of the key file in Parasol's folder.
pub const FILE: &str = "provider-keys.toml";
/// Larger than any that people write.
const MOST_BYTES: u64 = 1 << 16;

/// A secret. What shows it is only [`Key::reveal`].
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

impl Key {
    /// A key from what somebody wrote: the space around it is none of it.
    ///
    /// # Errors
    /// `InvalidRequest` for what is empty or no header could carry; `whence` says where it came from.
    pub fn new(text: &str, whence: &str) -> Result<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > 4096 || !text.bytes().all(|b| (0x21..=0x7e).contains(&b)) {
            let message = format!("the key from {whence} is empty or holds characters that no key has");
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        Ok(Self(text.to_owned()))
    }

    /// The key itself, for the header of a request.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(***)")
    }
}

/// What the key file says about a provider.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Kept {
    /// Its key.
    Here(String),
    /// Under which service the keyring has it.
    Keyring { keyring: String },
}

/// Where keys are looked for.
#[derive(Debug, Clone)]
pub struct KeySources {
    file: PathBuf,
}

impl KeySources {
    /// The sources of the person whose Parasol folder this is.
    #[must_use]
    pub fn at(home: &Path) -> Self {
        Self { file: home.join(FILE) }
    }

    /// The file in which keys are kept.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The key of a provider: from the first of these variables that is set, then from the key file, or from the keyring if that
    /// says so, then from a program.
    ///
    /// # Errors
    /// `Denied` for a key file that others may read, and a keyring that cannot be reached; `Corrupt` for a file that is none; `Io`;
    /// what the program fails with.
    pub(crate) fn find(
        &self,
        provider: &str,
        variables: &[String],
        command: &[String],
    ) -> Result<Option<Key>> {
        if let Some(key) = set(variables) {
            return key.map(Some);
        }
        match self.read()?.remove(provider) {
            Some(Kept::Here(text)) => return self.checked(&text).map(Some),
            Some(Kept::Keyring { keyring }) => return keyring::get(&keyring, provider).map(Some),
            None => {}
        }
        match command.split_first() {
            Some((program, arguments)) => run(provider, program, arguments).map(Some),
            None => Ok(None),
        }
    }

    /// Whether there is a key, as far as that can be told without asking the keyring or a program.
    pub(crate) fn has(&self, provider: &str, variables: &[String]) -> bool {
        let kept = || match self.read().ok()?.remove(provider)? {
            Kept::Here(text) => self.checked(&text).ok().map(drop),
            Kept::Keyring { .. } => Some(()),
        };
        set(variables).map_or_else(|| kept().is_some(), |key| key.is_ok())
    }

    fn checked(&self, text: &str) -> Result<Key> {
        Key::new(text, &format!("the key file {}", self.file.display()))
    }

    fn read(&self) -> Result<BTreeMap<String, Kept>> {
        let name = self.file.display();
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot read the key file {name}"));
        let meta = match std::fs::metadata(&self.file) {
            Ok(meta) => meta,
            Err(e) if is_absent(&e) => return Ok(BTreeMap::new()),
            Err(e) => return Err(failed(e)),
        };
        check_permissions(&self.file, &meta)?;
        if meta.len() > MOST_BYTES {
            let message = format!("the key file {name} is larger than {MOST_BYTES} bytes: that is none");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let text = std::fs::read_to_string(&self.file).map_err(failed)?;
        // The parser's own message may quote the line, and with it a key.
        toml::from_str(&text).map_err(|_| {
            let message =
                format!("the key file {name} is no list of lines like  openai = \"…\": write it anew");
            Error::new(ErrorKind::Corrupt, message)
        })
    }

    /// Keeps a provider's key in the file; `None` forgets it, also where the keyring has it.
    ///
    /// # Errors
    /// As for reading, and when the file cannot be written. `Denied` when the keyring has one that it did not give up: the file
    /// is changed all the same, and what it says goes.
    pub fn store(&self, provider: &str, key: Option<&Key>) -> Result<()> {
        self.keep(provider, key.map(|key| Kept::Here(key.reveal().to_owned())))
    }

    /// Keeps a provider's key in the operating system's keyring, and a note of that in the file.
    ///
    /// # Errors
    /// As [`Self::store`]; `Denied` when the keyring cannot be reached or stays locked.
    pub fn store_in_keyring(&self, provider: &str, key: &Key) -> Result<()> {
        keyring::set(keyring::SERVICE, provider, key)?;
        self.keep(provider, Some(Kept::Keyring { keyring: keyring::SERVICE.to_owned() }))
    }

    fn keep(&self, provider: &str, what: Option<Kept>) -> Result<()> {
        let mut all = self.read()?;
        let in_keyring = matches!(what, Some(Kept::Keyring { .. }));
        let before = match what {
            Some(kept) => all.insert(provider.to_owned(), kept),
            None => all.remove(provider),
        };
        // First, since a keyring that is locked or gone is the reason to keep a key elsewhere.
        self.write(&all)?;
        // A key that is not used any more is not to stay behind.
        if let (Some(Kept::Keyring { keyring }), false) = (before, in_keyring) {
            keyring::delete(&keyring, provider).map_err(|e| {
                let name = self.file.display();
                e.within(format!(
                    "the key file {name} is changed, but the earlier key is still in the keyring"
                ))
            })?;
        }
        Ok(())
    }

    fn write(&self, all: &BTreeMap<String, Kept>) -> Result<()> {
        let text = toml::to_string(all).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        let name = self.file.display();
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot write the key file {name}"));
        if let Some(folder) = self.file.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        // The file is complete or not there, and nobody else's for a moment.
        let beside = self.file.with_extension(format!("{}.part", std::process::id()));
        let write = || {
            let mut options = std::fs::OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
            let mut file = options.open(&beside)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.file)
        };
        write().map_err(|e| {
            let _ = std::fs::remove_file(&beside);
            failed(e)
        })
    }
}

/// The key of the first of these variables that is set.
fn set(variables: &[String]) -> Option<Result<Key>> {
    let value = |name: &String| std::env::var(name).ok().filter(|text| !text.trim().is_empty());
    variables.iter().find_map(|name| Some(Key::new(&value(name)?, name)))
}

/// Whether there is no such file: nothing of that name, or no folder where its folder should be.
pub(crate) fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(unix)]
fn check_permissions(path: &Path, meta: &std::fs::Metadata) -> Result<()> {
    let mode = std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let message = format!(
        "the key file {} may be read by others (its mode is {mode:03o}): run  chmod 600 {}",
        path.display(),
        path.display()
    );
    Err(Error::new(ErrorKind::Denied, message))
}

/// Other systems keep a user's folder to its user.
#[cfg(not(unix))]
fn check_permissions(_: &Path, _: &std::fs::Metadata) -> Result<()> {
    Ok(())
}

/// The first line that a program prints. What it prints is never repeated.
fn run(provider: &str, program: &str, arguments: &[String]) -> Result<Key> {
    let whence = format!("the key_command of {provider} ({program})");
    let out = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|e| Error::from(e).within(format!("{whence} cannot be run")))?;
    if !out.status.success() {
        let message = format!("{whence} failed with {}: run it by hand to see why", out.status);
        return Err(Error::new(ErrorKind::Denied, message));
    }
    let text = String::from_utf8_lossy(&out.stdout);
    Key::new(text.lines().next().unwrap_or_default(), &whence)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const MARKER: &str = "sk-marker-5b1f9e";

    #[test]
    fn the_file_is_its_owners_and_gives_back_what_was_stored() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySources::at(folder.path());
        assert!(keys.find("openai", &[], &[]).unwrap().is_none());
        let key = Key::new(&format!(" {MARKER}\n"), "stdin").unwrap();
        keys.store("openai", Some(&key)).unwrap();
        keys.store("xai", Some(&Key::new("other", "x").unwrap())).unwrap();
        assert_eq!(keys.find("openai", &[], &[]).unwrap().unwrap().reveal(), MARKER);
        keys.store("openai", None).unwrap();
        assert!(keys.find("openai", &[], &[]).unwrap().is_none());
        assert!(keys.find("xai", &[], &[]).unwrap().is_some());
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySources::at(folder.path());
        keys.store("openai", Some(&Key::new(MARKER, "x").unwrap())).unwrap();
        assert_eq!(std::fs::metadata(keys.file()).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::set_permissions(keys.file(), std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = keys.find("openai", &[], &[]).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Denied);
        assert!(error.message().contains("chmod 600") && !error.message().contains(MARKER), "{error}");
    }

    #[test]
    fn a_note_of_the_keyring_is_enough_to_know_that_there_is_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySources::at(folder.path());
        assert!(!keys.has("p", &[]));
        keys.keep("p", Some(Kept::Keyring { keyring: "parasol-test-that-is-not-there".into() })).unwrap();
        keys.store("q", Some(&Key::new(MARKER, "x").unwrap())).unwrap();
        assert!(keys.has("p", &[]) && keys.has("q", &[]) && !keys.has("r", &[]));
        assert_eq!(keys.find("q", &[], &[]).unwrap().unwrap().reveal(), MARKER);
        let text = std::fs::read_to_string(keys.file()).unwrap();
        assert!(text.contains("keyring = \"parasol-test-that-is-not-there\""), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn a_program_may_hand_the_key_over() {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySources::at(folder.path());
        let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let key = keys.find("p", &[], &words(&format!("echo {MARKER}"))).unwrap().unwrap();
        assert_eq!(key.reveal(), MARKER);
        let error = keys.find("p", &[], &words("false")).unwrap_err();
        assert!(error.message().contains("key_command of p"), "{error}");
        assert!(keys.find("p", &[], &words("no-such-program-here")).is_err());
    }

    #[test]
    fn a_key_is_never_shown() {
        let key = Key::new(MARKER, "x").unwrap();
        assert!(!format!("{key:?}").contains(MARKER));
        for bad in ["", " ", "a b", "a\nb", "é"] {
            let error = Key::new(bad, "OPENAI_API_KEY").unwrap_err();
            assert!(error.message().contains("OPENAI_API_KEY"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySources::at(folder.path());
        keys.store("p", Some(&key)).unwrap();
        std::fs::write(keys.file(), format!("openai = {MARKER}")).unwrap();
        assert!(!keys.find("p", &[], &[]).unwrap_err().message().contains(MARKER));
    }
}
