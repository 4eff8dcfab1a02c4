//! `FILE.onnx.json` beside a voice: its rate, its alphabet, its language and its speakers, without trusting a number of it.

use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use std::collections::HashMap;
use std::fmt;

/// What is read of it; other keys say how the voice was trained.
#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) audio: Audio,
    #[serde(default)]
    espeak: Option<Espeak>,
    #[serde(default)]
    pub(super) inference: Inference,
    #[serde(default)]
    phoneme_type: Option<String>,
    pub(super) phoneme_id_map: HashMap<String, Vec<usize>>,
    /// What a phoneme of eSpeak's becomes.
    #[serde(default)]
    pub(super) phoneme_map: Option<HashMap<String, Vec<String>>>,
    /// Phonemes that are one where they follow each other.
    #[serde(default)]
    pub(super) vowel_clusters: Option<Vec<Vec<String>>>,
    #[serde(default)]
    pub(super) num_speakers: Option<usize>,
    #[serde(default)]
    pub(super) speaker_id_map: Option<Names>,
    #[serde(default)]
    pub(super) default_speaker_id: Option<usize>,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    pub(super) dataset: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Audio {
    pub(super) sample_rate: u32,
}

#[derive(Deserialize)]
struct Espeak {
    voice: String,
}

#[derive(Deserialize)]
#[serde(default)]
pub(super) struct Inference {
    pub(super) noise_scale: f32,
    pub(super) length_scale: f32,
    pub(super) noise_w: f32,
}

impl Default for Inference {
    fn default() -> Self {
        Self { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 }
    }
}

#[derive(Deserialize)]
struct Language {
    code: String,
}

/// Names with their numbers as the file has them, also one that it has twice.
pub(super) struct Names(pub(super) Vec<(String, usize)>);

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Names;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("speakers with their numbers")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Names, A::Error> {
                let mut all = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    all.push(pair);
                }
                Ok(Names(all))
            }
        }
        from.deserialize_map(Pairs)
    }
}

/// Where a voice's phonemes come from.
pub(super) enum Source {
    /// eSpeak NG, by its voice of this name.
    Espeak(String),
    /// The letters of the text.
    Letters,
}

impl Config {
    /// Where its phonemes come from.
    ///
    /// # Errors
    /// `Unsupported` for phonemes that are not made here; `Corrupt` without the name of an eSpeak voice.
    pub(super) fn source(&self) -> Result<Source> {
        match self.phoneme_type.as_deref() {
            None | Some("espeak") => {}
            Some("text") => return Ok(Source::Letters),
            Some(kind) => {
                let message = format!(
                    "the voice takes phonemes of the type {kind:?}, which are not made here: those of the types espeak and text are"
                );
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        let given = self.espeak.as_ref().map(|espeak| espeak.voice.trim()).filter(|name| !name.is_empty());
        let name = match (given, &self.language) {
            (Some(name), _) => name.to_owned(),
            (None, Some(language)) => language.code.replace('_', "-").to_lowercase(),
            (None, None) => String::new(),
        };
        // It becomes an argument of a program, which would also take a path.
        let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '/');
        let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric());
        match begins && name.chars().all(known) {
            true => Ok(Source::Espeak(name)),
            false => {
                let message = format!(
                    "the voice has {name:?} as its eSpeak voice, which is no name of one: its file needs espeak.voice, such as \"en-us\""
                );
                Err(Error::new(ErrorKind::Corrupt, message))
            }
        }
    }

    /// Its language as a tag.
    pub(super) fn language(&self) -> String {
        let espeak = || self.espeak.as_ref().map_or("und", |espeak| espeak.voice.as_str());
        let language = self.language.as_ref().map_or_else(espeak, |language| &language.code);
        language.replace('_', "-")
    }
}
