//! The catalogue: which models have names, what they are good for and where their files come from. What a catalogue
//! file may say is in [`parse`]; fetching is left to `pull`.

pub mod parse;
mod sampling;

use crate::names::nearest;
use crate::source::Source;
use parasol_core::{Error, ErrorKind, Result, SamplingChoice};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The entries that Parasol ships with.
const BUILT_IN: &str = include_str!("../../models.toml");

/// A model with a name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// Its name: also its folder in the store.
    pub name: String,
    /// Other names that find it.
    pub aliases: Vec<String>,
    /// Its name as its makers write it.
    pub title: String,
    /// What it can do: `chat`, `complete`, `embed` …
    pub capabilities: Vec<String>,
    /// The capabilities for which it is taken when no model is named.
    pub default_for: Vec<String>,
    /// The family that its makers count it to.
    pub family: String,
    /// The architecture name in its file.
    pub architecture: String,
    /// How many parameters it has.
    pub parameters: Option<u64>,
    /// How its weights are stored.
    pub quantisation: Option<String>,
    /// The longest context that it was made for, in tokens.
    pub context: Option<u64>,
    /// What running it takes.
    pub memory: Memory,
    /// How its makers recommend to choose its tokens, as far as they do.
    pub sampling: SamplingChoice,
    /// What it is good for, and what not.
    pub notes: String,
    /// Its terms.
    pub licence: Terms,
    /// Its files.
    pub files: Vec<FileSpec>,
    /// The user's catalogue file that it comes from; `None` when it is built in.
    pub catalogue: Option<PathBuf>,
}

/// Memory that a process needs to run a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Memory {
    /// Bytes …
    pub bytes: u64,
    /// … with a context of this many tokens.
    pub context: u64,
}

/// The terms under which a model may be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Terms {
    /// An SPDX identifier, or the name of the terms.
    pub name: String,
    /// Where they can be read.
    pub url: Option<String>,
    /// Whether they must be accepted before the model is pulled.
    pub ask: bool,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileSpec {
    /// Its name in the model's folder.
    pub name: String,
    /// What it is.
    pub role: FileRole,
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Places to get it from, in order; each is one source, or several whose bytes follow one another.
    pub sources: Vec<Vec<Source>>,
    /// Bytes that the first source transfers, where that is not `size` (packed wheels).
    pub download: Option<u64>,
}

/// What a file of a model is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileRole {
    /// Part of the model.
    Model,
    /// The text of its terms: fetched before anyone is asked to accept them.
    Licence,
}

impl Entry {
    /// Bytes that the installed model occupies.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).fold(0, u64::saturating_add)
    }

    /// Bytes to transfer from its first sources.
    pub fn download(&self) -> u64 {
        self.files.iter().map(|file| file.download.unwrap_or(file.size)).fold(0, u64::saturating_add)
    }

    /// Its name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.name.as_str()).chain(self.aliases.iter().map(String::as_str))
    }

    /// The file that holds the model: the first one that is not a licence.
    pub(crate) fn model_file(&self) -> Option<&FileSpec> {
        self.files.iter().find(|file| file.role == FileRole::Model)
    }
}

/// All entries, the built-in ones and the user's.
#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    entries: Vec<Entry>,
}

impl Catalogue {
    /// The built-in entries and those of `files`, in order. An entry of a user's file takes the place of a built-in one of
    /// the same name.
    ///
    /// # Errors
    /// What is wrong with a file, naming the file and the line.
    pub fn load(files: &[PathBuf]) -> Result<Self> {
        let mut catalogue = Self::default();
        for entry in parse::entries(BUILT_IN, None)? {
            catalogue.add(entry)?;
        }
        for file in files {
            for entry in parse::file(file)? {
                catalogue.add(entry)?;
            }
        }
        Ok(catalogue)
    }

    /// Adds an entry; a later one may replace a built-in one, and names stay unique.
    fn add(&mut self, entry: Entry) -> Result<()> {
        self.entries.retain(|known| known.catalogue.is_some() || known.name != entry.name);
        for name in entry.names() {
            if let Some(known) = self.find(name) {
                return Err(Error::new(
                    ErrorKind::InvalidRequest,
                    format!(
                        "{}: the name {name:?} of model {:?} already belongs to {:?} in {}: give it another",
                        origin(entry.catalogue.as_deref()),
                        entry.name,
                        known.name,
                        origin(known.catalogue.as_deref())
                    ),
                ));
            }
        }
        self.entries.push(entry);
        Ok(())
    }

    /// The entry with this name or alias, in any case.
    pub fn find(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// The entry with this name or alias.
    ///
    /// # Errors
    /// `NotFound`, with the nearest names.
    pub fn describe(&self, name: &str) -> Result<&Entry> {
        self.find(name).ok_or_else(|| self.unknown(name))
    }

    /// The entry that is taken for `capability` when no model is named: the user's last word, else the built-in one.
    pub fn default_for(&self, capability: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|entry| entry.default_for.iter().any(|c| c == capability))
    }

    /// The entries that contain every word of `words` in their names, title, family, capabilities or notes; all
    /// entries for no words.
    pub fn search(&self, words: &str) -> Vec<&Entry> {
        let words: Vec<String> = words.split_whitespace().map(str::to_lowercase).collect();
        let holds = |entry: &Entry, word: &String| {
            let text = [&entry.title, &entry.family, &entry.architecture, &entry.notes];
            entry.names().chain(text.into_iter().map(String::as_str)).any(|t| t.to_lowercase().contains(word))
                || entry.capabilities.iter().any(|c| c == word)
        };
        self.entries.iter().filter(|entry| words.iter().all(|word| holds(entry, word))).collect()
    }

    /// Every entry, in catalogue order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The error for a name that nothing has.
    pub(crate) fn unknown(&self, name: &str) -> Error {
        let near = nearest(name, self.entries.iter().flat_map(Entry::names));
        let hint = match near.as_slice() {
            [] => format!("the catalogue has {}.", list(self.entries.iter().map(|e| e.name.as_str()))),
            near => format!("did you mean {}?", list(near.iter().copied())),
        };
        Error::new(
            ErrorKind::NotFound,
            format!("no model is called {name:?}: {hint} A path (./model.gguf) or hf:owner/repo works too."),
        )
    }
}

/// `a`, `a or b`, `a, b or c`.
fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.take(8).collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "no models".to_owned(),
    }
}

fn origin(file: Option<&Path>) -> String {
    file.map_or_else(|| "the built-in catalogue".to_owned(), |file| file.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_built_in_catalogue_is_sound() {
        let catalogue = Catalogue::load(&[]).unwrap();
        let default = catalogue.default_for("chat").unwrap();
        assert_eq!((default.name.as_str(), default.licence.ask), ("smollm2", false));
        let gemma = catalogue.describe("GEMMA-3-270m").unwrap();
        assert!(gemma.licence.ask && gemma.model_file().unwrap().sources[0].len() == 4);
        assert_eq!(catalogue.search("chat english").len(), 1);
        assert_eq!(catalogue.search("").len(), catalogue.entries().len());
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = Catalogue::load(&[]).unwrap().describe("smolm2").unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("did you mean smollm2"), "{error}");
        let error = Catalogue::load(&[]).unwrap().describe("zzzzzzzz").unwrap_err();
        assert!(error.message().contains("the catalogue has smollm2, gemma3-270m"), "{error}");
    }

    #[test]
    fn a_user_replaces_a_built_in_entry_but_never_takes_a_name_twice() {
        let dir = tempfile::tempdir().unwrap();
        let one = |name: &str, aliases: &str| {
            let sha = "0".repeat(64);
            format!(
                "[[model]]\nname = {name:?}\naliases = {aliases}\ncapabilities = [\"chat\"]\ndefault_for = [\"chat\"]\n\
                 licence = {{ name = \"MIT\" }}\n[[model.file]]\nname = \"a.gguf\"\nsize = 1\nsha256 = {sha:?}\nsources = [\"file:a\"]\n"
            )
        };
        let (a, b) = (dir.path().join("a.toml"), dir.path().join("b.toml"));
        std::fs::write(&a, one("smollm2", "[]")).unwrap();
        let catalogue = Catalogue::load(std::slice::from_ref(&a)).unwrap();
        assert_eq!(catalogue.find("smollm2").unwrap().catalogue.as_deref(), Some(a.as_path()));
        assert!(catalogue.default_for("chat").unwrap().catalogue.is_some());
        std::fs::write(&b, one("mine", "[\"SmolLM2\"]")).unwrap();
        let error = Catalogue::load(&[a, b.clone()]).unwrap_err();
        assert!(error.message().contains("b.toml") && error.message().contains("already belongs"), "{error}");
    }
}
