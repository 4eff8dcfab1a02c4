//! Words and how they are spoken, some differently as different parts of speech.

use parasol_core::Result;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::HashMap;
use std::fmt;

/// How a word is spoken.
pub(super) enum Entry {
    /// Always like this.
    One(Box<str>),
    /// By its tag; `DEFAULT` for all others, `None` at the end of a phrase.
    ByTag(Vec<(Box<str>, Option<Box<str>>)>),
}

impl Entry {
    /// The phonemes of a tag, if it has its own.
    pub(super) fn of(&self, wanted: &str) -> Option<Option<&str>> {
        match self {
            Self::One(_) => None,
            Self::ByTag(all) => all.iter().find(|(tag, _)| &**tag == wanted).map(|(_, ps)| ps.as_deref()),
        }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Entry;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("phonemes, or phonemes by tag")
            }
            fn visit_str<E>(self, phonemes: &str) -> Result<Entry, E> {
                Ok(Entry::One(phonemes.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
                let mut all = Vec::new();
                while let Some(pair) = map.next_entry::<Box<str>, Option<Box<str>>>()? {
                    all.push(pair);
                }
                Ok(Entry::ByTag(all))
            }
        }
        from.deserialize_any(Either)
    }
}

/// A dictionary in which a word in small letters also answers to its form with a capital, and the other way round, unless that
/// form has an entry of its own.
pub(super) struct Dictionary(HashMap<Box<str>, Entry>);

/// `WORD` and `word` to `Word`.
fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    first + &chars.as_str().to_lowercase()
}

impl Dictionary {
    /// From the text of a voice's lexicon.
    pub(super) fn new(json: &[u8], name: &str) -> Result<Self> {
        Ok(Self(super::parse_json(json, name)?))
    }

    pub(super) fn get(&self, word: &str) -> Option<&Entry> {
        if let Some(entry) = self.0.get(word) {
            return Some(entry);
        }
        let lower = word.to_lowercase();
        let mut chars = word.chars();
        if chars.next().is_none() || chars.next().is_none() {
            return None;
        }
        let capital = capitalised(word);
        match word {
            _ if word == lower => self.0.get(capital.as_str()),
            _ if word == capital => self.0.get(lower.as_str()),
            _ => None,
        }
    }

    pub(super) fn has(&self, word: &str) -> bool {
        self.get(word).is_some()
    }

    /// The phonemes of a word that has only one reading.
    pub(super) fn plain(&self, word: &str) -> Option<&str> {
        match self.get(word)? {
            Entry::One(phonemes) => Some(phonemes),
            Entry::ByTag(_) => None,
        }
    }
}
