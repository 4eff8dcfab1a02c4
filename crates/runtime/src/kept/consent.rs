//! The permission to imitate a voice: what is asked, what is kept of the answer, and recordings in which it was spoken.

use super::recording::Recording;
use super::{KeptVoices, MOST, Owner, named, now, refused, unknown};
use parasol_core::Result;
use serde::{Deserialize, Serialize};

/// What somebody who adds a voice is told.
pub const NOTICE: &str = "\
You may add a voice only with the permission of the person who speaks in the recording. Imitating somebody without it can do harm \
and is against the law in many countries. The recording and your statement stay on this machine; every sound that is made with the \
voice carries an inaudible mark by which it can be told.";

/// What they state by agreeing.
pub const WORDS: &str = "I have the permission of the person who speaks in this recording to add and to use an imitation of the voice.";

/// The permission that was stated for a voice. It stays with the voice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// The words that were agreed to.
    pub words: String,
    /// How: `--consent`, `terminal`, `studio`, the field of a request.
    pub way: String,
    /// When, in seconds since 1970.
    pub given: u64,
    /// SHA-256 of the recording's files, in hexadecimal digits.
    pub sha256: String,
    /// The recording in which the person gave it, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording: Option<ConsentRecording>,
}

impl Consent {
    /// The statement for files with this SHA-256, made now, with the recording in which it was spoken.
    pub(super) fn stated(way: String, sha256: String, recording: Option<ConsentRecording>) -> Self {
        Self { words: WORDS.to_owned(), way, given: now(), sha256, recording }
    }
}

/// A recording in which somebody gives permission. What is said in it is not checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentRecording {
    /// Names it for good: `cons_` and digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// The language that is spoken, as a tag such as `en-US`.
    pub language: String,
    /// When it came, in seconds since 1970.
    pub created: u64,
    /// SHA-256 of its file, in hexadecimal digits.
    pub sha256: String,
}

impl KeptVoices {
    /// The recordings of consent of `owner`, the newest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn consents(&self, owner: &Owner) -> Result<Vec<ConsentRecording>> {
        let mut all: Vec<ConsentRecording> = self.consents.cards()?;
        all.retain(|consent| consent.owner == *owner);
        all.sort_by(|a, b| (b.created, &b.id).cmp(&(a.created, &a.id)));
        Ok(all)
    }

    /// One of them.
    ///
    /// # Errors
    /// `NotFound` when `owner` has none of this id.
    pub fn consent(&self, owner: &Owner, id: &str) -> Result<ConsentRecording> {
        self.consents(owner)?
            .into_iter()
            .find(|consent| consent.id == id)
            .ok_or_else(|| unknown("voice consent", id))
    }

    /// Keeps a recording of consent.
    ///
    /// # Errors
    /// As [`KeptVoices::add`].
    pub fn add_consent(
        &self,
        owner: Owner,
        name: &str,
        language: &str,
        file: Vec<u8>,
    ) -> Result<ConsentRecording> {
        let name = named("a recording", name)?;
        let tag = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if !(2..=35).contains(&language.len()) || !language.chars().all(tag) {
            let shown: String = language.chars().take(40).collect();
            return Err(refused(format!("language: {shown:?} is no language's tag such as en-US")));
        }
        let recording = Recording::read(&name, vec![file])?;
        let _lock = self.consents.lock()?;
        if self.consents(&owner)?.len() >= MOST {
            return Err(refused(format!(
                "{MOST} recordings of consent are kept already, which is the most: remove one"
            )));
        }
        let consent = ConsentRecording {
            id: self.consents.new_id("cons_")?,
            name,
            owner,
            language: language.to_owned(),
            created: now(),
            sha256: recording.sha256.clone(),
        };
        self.consents.put(&consent.id, &consent, &recording.wav())?;
        Ok(consent)
    }

    /// Gives a recording another name.
    ///
    /// # Errors
    /// `NotFound` when `owner` has none of this id; `InvalidRequest` for what is no name.
    pub fn rename_consent(&self, owner: &Owner, id: &str, name: &str) -> Result<ConsentRecording> {
        let name = named("a recording", name)?;
        let _lock = self.consents.lock()?;
        let consent = ConsentRecording { name, ..self.consent(owner, id)? };
        self.consents.change(id, &consent)?;
        Ok(consent)
    }

    /// Removes a recording. Voices that were added with it keep what was noted of it.
    ///
    /// # Errors
    /// `NotFound` when `owner` has none of this id.
    pub fn remove_consent(&self, owner: &Owner, id: &str) -> Result<()> {
        let _lock = self.consents.lock()?;
        self.consents.remove(&self.consent(owner, id)?.id)
    }
}
