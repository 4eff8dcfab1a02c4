//! Voices that people have added from recordings, with the consent of who speaks: kept on this disk, found by name, handed to models
//! that can imitate them. How they lie there is [`cabinet`]'s.

mod cabinet;
mod consent;
mod recording;

pub use consent::{Consent, ConsentRecording, NOTICE, WORDS};
pub use recording::MOST_BYTES;

use crate::Runtime;
use cabinet::Cabinet;
use parasol_core::{Error, ErrorKind, Result, Speak, SpeakRequest, VoiceReference};
use recording::Recording;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Voices that one owner may keep.
const MOST: usize = 100;
/// The longest name of a voice or a recording, in characters.
const LONGEST_NAME: usize = 64;
/// The longest transcript or description, in bytes.
const LONGEST_TEXT: usize = 4_000;

/// Whose voices are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Those of the machine: added on its command line, or over HTTP where there are no API keys. Every key may speak with them.
    House,
    /// Those of an API key, by its id: nobody else sees them.
    Key(String),
}

/// A voice that was added.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptVoice {
    /// Names it for good: `voice_` and digits.
    pub id: String,
    /// What people call it; unique among its owner's.
    pub name: String,
    /// Whose it is.
    pub owner: Owner,
    /// What is said in the recording, where that was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transcript: Option<String>,
    /// What it sounds like; may be empty.
    #[serde(default)]
    pub description: String,
    /// When it was added, in seconds since 1970.
    pub created: u64,
    /// How long the recording lasts, in seconds.
    pub seconds: f64,
    /// The permission to imitate it.
    pub consent: Consent,
}

/// A voice to be added.
#[derive(Debug, Clone)]
pub struct NewVoice {
    /// What people call it.
    pub name: String,
    /// Whose it is to be.
    pub owner: Owner,
    /// The recordings, as bytes of sound files of any kind that is read; one after another they are the voice.
    pub files: Vec<Vec<u8>>,
    /// What is said in them.
    pub transcript: Option<String>,
    /// What it sounds like.
    pub description: String,
    /// How permission was given: a flag, a field, a recording. See [`Consent::way`].
    pub way: String,
    /// The recording in which it was given, by its id, where there is one.
    pub recorded: Option<String>,
}

/// The voices and recordings of consent under a home folder.
#[derive(Debug, Clone)]
pub struct KeptVoices {
    voices: Cabinet,
    consents: Cabinet,
}

impl KeptVoices {
    /// Those under `home`. Touches nothing yet.
    pub fn under(home: &Path) -> Self {
        Self { voices: Cabinet::at(home.join("voices")), consents: Cabinet::at(home.join("voice-consents")) }
    }

    /// What `owner` may speak with, the oldest first: its own, then the house's.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn list(&self, owner: &Owner) -> Result<Vec<KeptVoice>> {
        let mut all = self.all()?;
        all.retain(|voice| voice.owner == *owner || voice.owner == Owner::House);
        all.sort_by_key(|voice| (voice.owner != *owner, voice.created));
        Ok(all)
    }

    /// Everybody's, for who administers this machine.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(&self) -> Result<Vec<KeptVoice>> {
        let mut all: Vec<KeptVoice> = self.voices.cards()?;
        all.sort_by_key(|voice| voice.created);
        Ok(all)
    }

    /// The voice of this id or name that `owner` may speak with.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn find(&self, owner: &Owner, name: &str) -> Result<Option<KeptVoice>> {
        let all = self.list(owner)?;
        let named = |voice: &KeptVoice| voice.name.to_lowercase() == name.to_lowercase();
        Ok(all
            .iter()
            .find(|voice| voice.id == name)
            .or_else(|| all.iter().find(|voice| named(voice)))
            .cloned())
    }

    /// Keeps a voice, once its recording has been read to the end.
    ///
    /// # Errors
    /// `InvalidRequest` for a name that is taken or none, a recording that is too short, too long, silent or no sound, and for more
    /// voices than one owner may have; `NoSpace`, `Io` when it cannot be written.
    pub fn add(&self, new: NewVoice) -> Result<KeptVoice> {
        let name = named("a voice", &new.name)?;
        let transcript = new.transcript.filter(|text| !text.trim().is_empty());
        for (what, text) in
            [("transcript", transcript.as_deref()), ("description", Some(new.description.as_str()))]
        {
            let bytes = text.unwrap_or_default().len();
            if bytes > LONGEST_TEXT {
                return Err(refused(format!(
                    "the {what} has {bytes} bytes: {LONGEST_TEXT} are kept at most"
                )));
            }
        }
        let spoken = new.recorded.map(|id| self.consent(&new.owner, &id)).transpose()?;
        let recording = Recording::read(&name, new.files)?;
        let consent = Consent::stated(new.way, recording.sha256.clone(), spoken);
        let _lock = self.voices.lock()?;
        let others: Vec<_> = self.all()?.into_iter().filter(|voice| voice.owner == new.owner).collect();
        if others.iter().any(|voice| voice.name.to_lowercase() == name.to_lowercase()) {
            return Err(refused(format!(
                "there is a voice called {name} already: choose another name, or remove it"
            )));
        }
        if others.len() >= MOST {
            return Err(refused(format!("{MOST} voices are kept already, which is the most: remove one")));
        }
        let voice = KeptVoice {
            id: self.voices.new_id("voice_")?,
            name,
            owner: new.owner,
            transcript,
            description: new.description,
            created: now(),
            seconds: recording.seconds(),
            consent,
        };
        self.voices.put(&voice.id, &voice, &recording.wav())?;
        Ok(voice)
    }

    /// Removes the voice of this id or name that belongs to `owner`, recording and all.
    ///
    /// # Errors
    /// `NotFound` when it has none of it; `Denied` for one of the house's that a key asks for.
    pub fn remove(&self, owner: &Owner, name: &str) -> Result<KeptVoice> {
        let _lock = self.voices.lock()?;
        let voice = self.find(owner, name)?.ok_or_else(|| unknown("voice", name))?;
        if voice.owner != *owner {
            let message = format!(
                "the voice {} belongs to the machine, not to this key: it cannot be removed with it",
                voice.name
            );
            return Err(Error::new(ErrorKind::Denied, message));
        }
        self.voices.remove(&voice.id)?;
        Ok(voice)
    }

    /// Removes anybody's voice, by its id; by its name one of the house's.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn remove_any(&self, name: &str) -> Result<KeptVoice> {
        let owner =
            self.all()?.into_iter().find(|voice| voice.id == name).map_or(Owner::House, |voice| voice.owner);
        self.remove(&owner, name)
    }

    /// The sound of a voice, for a model to imitate.
    ///
    /// # Errors
    /// `Corrupt` when it is damaged.
    pub fn reference(&self, voice: &KeptVoice) -> Result<VoiceReference> {
        let sound = Recording::kept(&voice.name, self.voices.sound(&voice.id)?).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("the voice {} is damaged: {e}", voice.name))
        })?;
        Ok(VoiceReference { transcript: voice.transcript.clone(), ..sound })
    }
}

impl Runtime {
    /// The voices that were added on this machine.
    pub fn kept_voices(&self) -> KeptVoices {
        KeptVoices::under(self.home())
    }

    /// Puts the sound of an added voice into a request that names one which `model`, called `model_name`, does not have itself.
    /// Names that nobody has added stay as they are, for the model to know or to refuse.
    ///
    /// # Errors
    /// `Unsupported` naming those that can, when the model imitates no voice.
    pub fn imitate(
        &self,
        owner: &Owner,
        model_name: &str,
        model: &dyn Speak,
        request: &mut SpeakRequest,
    ) -> Result<()> {
        let Some(name) = request.voice.clone().filter(|_| request.reference.is_none()) else { return Ok(()) };
        if self.is_far(model_name) || model.voice(&name).is_some() {
            return Ok(());
        }
        let kept = self.kept_voices();
        let Some(voice) = kept.find(owner, &name)? else { return Ok(()) };
        if !model.imitates() {
            let able: Vec<_> = self.imitators().collect();
            let who = match &able[..] {
                [] => "no model of the catalogue can".to_owned(),
                names => format!("{} can", names.join(", ")),
            };
            let message = format!("{model_name} cannot imitate the voice {}: {who}", voice.name);
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        request.reference = Some(kept.reference(&voice)?);
        Ok(())
    }

    /// The model that speaks where none is named: the default one, or, for an added voice, one that imitates, best one that is here.
    ///
    /// # Errors
    /// `NotFound` when the catalogue has no default for speaking; what keeps the voices from being read.
    pub fn voice_model(&self, owner: &Owner, voice: Option<&str>) -> Result<String> {
        let default = self.default_voice()?;
        let Some(voice) = voice else { return Ok(default) };
        let able: Vec<_> = self.imitators().collect();
        if able.is_empty()
            || able.contains(&default.as_str())
            || self.kept_voices().find(owner, voice)?.is_none()
        {
            return Ok(default);
        }
        let here = able.iter().find(|name| self.is_here(name).unwrap_or(false));
        Ok(here.or(able.first()).map_or(default, |name| (*name).to_owned()))
    }

    /// Models of the catalogue that speak with added voices.
    pub fn imitators(&self) -> impl Iterator<Item = &str> {
        let entries = self.hub().catalogue().entries().iter();
        entries
            .filter(|entry| entry.capabilities.iter().any(|what| what == "imitate"))
            .map(|entry| entry.name.as_str())
    }
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn unknown(what: &str, name: &str) -> Error {
    let shown: String = name.chars().take(80).collect();
    Error::new(ErrorKind::NotFound, format!("there is no {what} {shown:?}"))
}

/// A name that people can read and type, without the blanks around it.
fn named(what: &str, name: &str) -> Result<String> {
    let name = name.trim();
    let letters = name.chars().count();
    let bad = |c: char| c.is_control() || matches!(c, '/' | '\\');
    if (1..=LONGEST_NAME).contains(&letters) && !name.chars().any(bad) && !name.starts_with("voice_") {
        return Ok(name.to_owned());
    }
    Err(refused(format!(
        "the name of {what} is 1 to {LONGEST_NAME} characters, without slashes and line breaks, and does not begin with voice_"
    )))
}
