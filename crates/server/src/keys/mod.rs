//! API keys: what a key may do, and finding the one that came with a request. The file they lie in is [`file`]'s, how much
//! a key has used is [`limits`]'s.

mod file;
pub(crate) mod limits;
pub(crate) mod throttle;

pub use file::KeyFile;

use parasol_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use subtle::ConstantTimeEq;

/// How every key begins, so that people and secret scanners recognise one.
const PREFIX: &str = "sk-parasol-";

/// How old what is known of the file may be. A revoked key stops working within this time.
const FRESH: Duration = Duration::from_millis(250);

/// An API key as it is stored: everything but the key itself, of which only the SHA-256 is kept. That is enough, as keys are 256
/// random bits: there is nothing to guess that a slow hash would protect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Names the key for revoking it and in logs; no secret.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// SHA-256 of the key, in hexadecimal digits.
    pub sha256: String,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
    /// May ask the administration (`ps`, `stop`) as well.
    #[serde(default)]
    pub admin: bool,
    /// Requests in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, in a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, in a day (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// The models that it may use; empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
}

/// What a new key may do.
#[derive(Debug, Clone, Default)]
pub struct KeyTerms {
    /// What a person calls it.
    pub name: String,
    /// How long it works.
    pub lifetime: Option<Duration>,
    /// As [`Key::admin`].
    pub admin: bool,
    /// As [`Key::requests_per_minute`].
    pub requests_per_minute: Option<u64>,
    /// As [`Key::tokens_per_minute`].
    pub tokens_per_minute: Option<u64>,
    /// As [`Key::tokens_per_day`].
    pub tokens_per_day: Option<u64>,
    /// As [`Key::models`].
    pub models: Vec<String>,
}

impl Key {
    /// A new key and its secret, which is told once and stored nowhere.
    ///
    /// # Errors
    /// `Internal` when the system has no randomness to give.
    pub fn create(terms: KeyTerms) -> Result<(Self, String)> {
        let secret = format!("{PREFIX}{}", random_hex::<32>()?);
        let created = now();
        let key = Self {
            id: format!("key_{}", random_hex::<6>()?),
            name: terms.name,
            sha256: digest(&secret),
            created,
            expires: terms.lifetime.map(|d| created.saturating_add(d.as_secs())),
            admin: terms.admin,
            requests_per_minute: terms.requests_per_minute,
            tokens_per_minute: terms.tokens_per_minute,
            tokens_per_day: terms.tokens_per_day,
            models: terms.models,
        };
        Ok((key, secret))
    }

    /// Whether it has ended.
    pub fn expired(&self) -> bool {
        self.expires.is_some_and(|end| end <= now())
    }

    /// Whether it may use this model.
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|m| m == model)
    }
}

/// Random bytes of the system's, in hexadecimal digits.
pub(crate) fn random_hex<const N: usize>() -> Result<String> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|e| Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

/// SHA-256 of a secret, in hexadecimal digits.
pub(crate) fn digest(secret: &str) -> String {
    Sha256::digest(secret.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

/// The keys of a running server: those of the file, looked at again when it changes.
pub(crate) struct Keys {
    file: KeyFile,
    known: Mutex<Known>,
    /// Stays set: a file that vanishes or is emptied while the server runs does not open it to everyone.
    required: AtomicBool,
}

struct Known {
    keys: Vec<Arc<Key>>,
    stamp: Option<file::Stamp>,
    looked: Instant,
}

impl Keys {
    /// The keys of the file under `home`.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn open(home: &Path) -> Result<Self> {
        let file = KeyFile::under(home);
        let stamp = file.stamp();
        let keys: Vec<_> = file.read()?.into_iter().map(Arc::new).collect();
        let required = AtomicBool::new(!keys.is_empty());
        Ok(Self { file, known: Mutex::new(Known { keys, stamp, looked: Instant::now() }), required })
    }

    /// Whether requests need a key.
    pub(crate) fn required(&self) -> bool {
        self.look();
        self.required.load(Ordering::Relaxed)
    }

    /// The key whose secret this is. All keys are compared, each in constant time.
    pub(crate) fn find(&self, secret: &str) -> Option<Arc<Key>> {
        self.look();
        let digest = digest(secret);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = None;
        for key in &known.keys {
            if bool::from(key.sha256.as_bytes().ct_eq(digest.as_bytes())) {
                found = Some(Arc::clone(key));
            }
        }
        found.filter(|key| !key.expired())
    }

    /// The key with this id, unless it was revoked or has ended.
    pub(crate) fn by_id(&self, id: &str) -> Option<Arc<Key>> {
        self.look();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.keys.iter().find(|key| key.id == id && !key.expired()).map(Arc::clone)
    }

    /// All keys, those that have ended too.
    pub(crate) fn all(&self) -> Vec<Arc<Key>> {
        self.look();
        self.known.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// The file, for changing keys; [`Self::refresh`] then makes the change known at once.
    pub(crate) fn file(&self) -> &KeyFile {
        &self.file
    }

    /// Looks at the file now.
    pub(crate) fn refresh(&self) {
        self.look_if(Duration::ZERO);
    }

    fn look(&self) {
        self.look_if(FRESH);
    }

    /// Reads the file again if it is not what it was. One that cannot be read leaves the keys as they are.
    fn look_if(&self, age: Duration) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.looked.elapsed() < age {
            return;
        }
        known.looked = Instant::now();
        let stamp = self.file.stamp();
        if stamp == known.stamp {
            return;
        }
        match self.file.read() {
            Ok(keys) => {
                tracing::info!(keys = keys.len(), "the file of keys has changed");
                known.keys = keys.into_iter().map(Arc::new).collect();
                known.stamp = stamp;
                if !known.keys.is_empty() {
                    self.required.store(true, Ordering::Relaxed);
                }
            }
            Err(error) => tracing::error!(%error, "the keys stay as they were"),
        }
    }
}
