//! Tokenizers from a Hugging Face folder: tokenizer.json runs in the `tokenizers` crate, the reference itself; the files
//! beside it say which tokens begin and end a text.

use super::bound::bytes_of_a_token;
use super::partition::Part;
use super::source::{SpecialIds, Strings};
use super::untrusted;
use super::vocabulary::{Spelling, TokenKind, Vocabulary, byte_value};
use parasol_core::{Error, ErrorKind, Result};
use serde_json::Value;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::OnceLock;
use tokenizers::{AddedToken, Tokenizer as Reference};

/// Ids at or above this are refused: the list of tokens is indexed by id.
const MOST_TOKENS: u32 = 1 << 24;

/// The files of a Hugging Face folder that describe its tokenizer.
#[derive(Debug, Clone, Default)]
pub struct HuggingFaceFiles {
    /// tokenizer.json
    pub tokenizer: Vec<u8>,
    /// tokenizer_config.json, if there
    pub config: Option<Vec<u8>>,
    /// generation_config.json, if there
    pub generation: Option<Vec<u8>>,
}

impl HuggingFaceFiles {
    /// Reads them from a folder.
    ///
    /// # Errors
    /// `NotFound` without a tokenizer.json.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("tokenizer.json");
        let tokenizer = std::fs::read(&path)
            .map_err(|e| Error::from(e).within(format!("cannot read {}", path.display())))?;
        Ok(Self {
            tokenizer,
            config: read_optional(&folder.join("tokenizer_config.json"))?,
            generation: read_optional(&folder.join("generation_config.json"))?,
        })
    }
}

/// The content of a file that need not exist.
///
/// # Errors
/// When it exists and cannot be read.
pub(crate) fn read_optional(path: &Path) -> Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::from(e).within(format!("cannot read {}", path.display()))),
    }
}

/// A token named in a configuration: a string, or an object whose `content` is one.
pub(crate) fn token_text<'a>(config: &'a Value, key: &str) -> Option<&'a str> {
    let value = config.get(key)?;
    value.as_str().or_else(|| value.get("content")?.as_str())
}

/// The reference tokenizer in two copies: one that finds special tokens in a text, and, made when first needed, one that
/// reads them as plain text.
#[derive(Clone)]
pub(crate) struct HuggingFace {
    parsing: Reference,
    plain: OnceLock<Box<Plain>>,
    /// See [`bytes_of_a_token`].
    most_bytes: Option<usize>,
}

/// The copy for text from outside. Special tokens have a second name in it, which no text from outside can hold because it is
/// drawn at random: with it a prompt names those that its template wrote.
#[derive(Clone)]
struct Plain {
    reference: Reference,
    names: HashMap<u32, String>,
    ids: HashMap<u32, u32>,
}

/// A token of a prompt with text from outside, and whether the template wrote it as a control token.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Meant {
    /// It did.
    Control(u32),
    /// It is text.
    Text(u32),
}

/// What a folder's files come to.
pub(crate) struct Loaded {
    pub engine: HuggingFace,
    pub vocabulary: Vocabulary,
    pub special: SpecialIds,
    /// `eos_token_id` of generation_config.json, which may list several.
    pub ends: Vec<u32>,
}

impl HuggingFace {
    /// Reads the files.
    ///
    /// # Errors
    /// `Corrupt` when one of them is no JSON of the expected form.
    pub(crate) fn load(files: &HuggingFaceFiles) -> Result<Loaded> {
        let corrupt = |file: &str, e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Corrupt, format!("{file} cannot be read: {e}"))
        };
        untrusted::check(&files.tokenizer)?;
        let read = untrusted::guarded(|| Reference::from_bytes(&files.tokenizer))?;
        let mut parsing = read.map_err(|e| corrupt("tokenizer.json", &e))?;
        // A length limit stored with the tokenizer would cut texts silently.
        parsing.with_truncation(None).map_err(|e| corrupt("tokenizer.json", &e))?;
        parsing.with_padding(None);
        let json = |name: &str, content: &Option<Vec<u8>>| match content {
            Some(content) => serde_json::from_slice(content).map_err(|e| corrupt(name, &e)),
            None => Ok(Value::Null),
        };
        let config: Value = json("tokenizer_config.json", &files.config)?;
        let generation: Value = json("generation_config.json", &files.generation)?;
        let vocabulary = vocabulary_of(&parsing)?;
        let named = |key: &str| vocabulary.id(token_text(&config, key)?.as_bytes());
        let special = SpecialIds {
            bos: named("bos_token"),
            eos: named("eos_token"),
            unk: named("unk_token"),
            pad: named("pad_token"),
            sep: named("sep_token"),
            ..SpecialIds::default()
        };
        let end = generation.get("eos_token_id").unwrap_or(&Value::Null);
        let ends = end.as_array().map_or(std::slice::from_ref(end), Vec::as_slice);
        let inside = |id: u64| u32::try_from(id).ok().filter(|&id| vocabulary.kind(id).is_some());
        let ends = ends.iter().filter_map(|id| inside(id.as_u64()?)).collect();
        let most_bytes = bytes_of_a_token(&parsing, vocabulary.longest());
        Ok(Loaded { engine: Self { parsing, plain: OnceLock::new(), most_bytes }, vocabulary, special, ends })
    }

    /// The tokens of a text; broken bytes read as U+FFFD.
    ///
    /// # Errors
    /// `InvalidRequest` when the reference refuses the text.
    pub(crate) fn encode(&self, text: &[u8], parse_special: bool, add_special: bool) -> Result<Vec<u32>> {
        let tokenizer = if parse_special { &self.parsing } else { &self.plain()?.reference };
        ids(tokenizer, String::from_utf8_lossy(text).into_owned(), add_special)
    }

    /// The tokens of a prompt that was cut at the control tokens that count in it.
    ///
    /// # Errors
    /// As [`HuggingFace::encode`].
    pub(crate) fn encode_parts(&self, parts: &[Part<'_>]) -> Result<Vec<Meant>> {
        let plain = self.plain()?;
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
                Part::Token(id) => text.push_str(plain.names.get(id).map_or("", String::as_str)),
            }
        }
        let meant = |id| plain.ids.get(&id).map_or(Meant::Text(id), |real| Meant::Control(*real));
        Ok(ids(&plain.reference, text, false)?.into_iter().map(meant).collect())
    }

    /// The fewest tokens that so many bytes can come to.
    pub(crate) fn fewest_tokens(&self, bytes: usize) -> usize {
        self.most_bytes.map_or(0, |most| bytes / most)
    }

    fn plain(&self) -> Result<&Plain> {
        if let Some(plain) = self.plain.get() {
            return Ok(plain);
        }
        let made = Plain::of(&self.parsing)?;
        Ok(self.plain.get_or_init(|| Box::new(made)))
    }

    /// The text of tokens, special ones included.
    ///
    /// # Errors
    /// `Corrupt` when the tokenizer's decoder fails.
    pub(crate) fn decode(&self, ids: &[u32]) -> Result<String> {
        untrusted::guarded(|| self.parsing.decode(ids, false))?
            .map_err(|e| Error::new(ErrorKind::Corrupt, format!("tokens cannot be turned into text: {e}")))
    }
}

impl Plain {
    fn of(parsing: &Reference) -> Result<Self> {
        let mut reference = parsing.clone();
        reference.set_encode_special_tokens(true);
        // The standard library keys its hash maps with the system's entropy.
        let random = || RandomState::new().build_hasher().finish();
        let prefix = format!("\u{FDD0}{:016x}{:016x}", random(), random());
        let special = |(id, token): (u32, AddedToken)| token.special.then_some((id, token));
        let special: Vec<(u32, AddedToken)> =
            parsing.get_added_tokens_decoder().into_iter().filter_map(special).collect();
        let named = special.iter().map(|(_, token)| AddedToken {
            content: format!("{prefix}{}", token.content),
            special: false,
            ..token.clone()
        });
        reference.add_tokens(named).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("tokenizer.json's special tokens cannot be named: {e}"))
        })?;
        let (mut names, mut ids) = (HashMap::new(), HashMap::new());
        for (id, token) in special {
            let name = format!("{prefix}{}", token.content);
            ids.extend(reference.token_to_id(&name).map(|new| (new, id)));
            names.insert(id, name);
        }
        Ok(Self { reference, names, ids })
    }
}

fn ids(tokenizer: &Reference, text: String, add_special: bool) -> Result<Vec<u32>> {
    let encoding = untrusted::guarded(|| tokenizer.encode_fast(text, add_special))?.map_err(|e| {
        Error::new(ErrorKind::InvalidRequest, format!("the text cannot be turned into tokens: {e}"))
    })?;
    Ok(encoding.get_ids().to_vec())
}

fn vocabulary_of(tokenizer: &Reference) -> Result<Vocabulary> {
    let by_text = tokenizer.get_vocab(true);
    let last = by_text.values().copied().max().unwrap_or(0);
    if last >= MOST_TOKENS {
        let message = format!("tokenizer.json holds a token with id {last}; ids must be below {MOST_TOKENS}");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    let mut by_id = vec![""; if by_text.is_empty() { 0 } else { last as usize + 1 }];
    for (text, &id) in &by_text {
        if let Some(slot) = by_id.get_mut(id as usize) {
            *slot = text;
        }
    }
    let decoder =
        tokenizer.get_decoder().and_then(|decoder| serde_json::to_string(decoder).ok()).unwrap_or_default();
    let spelling = if decoder.contains("\"ByteLevel\"") {
        Spelling::ByteLevel
    } else if decoder.contains("\"WordPiece\"") {
        Spelling::WordPiece
    } else {
        Spelling::SpaceMark
    };
    let byte_fallback = decoder.contains("\"ByteFallback\"");
    let kinds = by_id
        .iter()
        .map(|text| {
            if byte_fallback && byte_value(text.as_bytes()).is_some() {
                TokenKind::Byte
            } else {
                TokenKind::Normal
            }
        })
        .collect();
    let mut vocabulary =
        Vocabulary::new(Strings::collect(by_id.iter().map(|text| text.as_bytes()))?, kinds, spelling)?;
    for (id, token) in tokenizer.get_added_tokens_decoder() {
        if token.special {
            vocabulary.set_kind(id, TokenKind::Control);
        }
    }
    Ok(vocabulary)
}
