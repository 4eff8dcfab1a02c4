//! The tokens of a text: `tokenizer.json`, or the SentencePiece model (Kudo and Richardson, 2018) that older voices and those of
//! others have. Both run in the `tokenizers` library, which panics on some damaged files: that is caught here.

use super::maps::{self, MOST_GROWTH};
use crate::speech::english::read;
use crate::speech::onnx::wire::{Field, Value, fields};
use parasol_core::{Error, ErrorKind, Result};
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::{NormalizerWrapper, Precompiled};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::{Model, NormalizedString, Normalizer, Tokenizer};

/// Tokens of a piece of text, which has a thousand bytes at most before it is made ready.
const MOST_IDS: usize = 1 << 14;
/// How SentencePiece writes a space.
const SPACE: char = '▁';

/// A text's tokens.
pub(super) struct Words {
    kind: Kind,
    /// Characters that are in some token.
    known: HashSet<char>,
    /// Whether other characters are spelt in bytes.
    bytes: bool,
    size: usize,
}

enum Kind {
    Json(Box<Tokenizer>),
    Pieces(Box<Pieces>),
}

/// A SentencePiece model.
struct Pieces {
    model: Unigram,
    map: Option<Precompiled>,
    prefix: bool,
    single_spaces: bool,
}

impl Words {
    /// Reads `tokenizer.json` or `tokenizer.model` of a folder.
    ///
    /// # Errors
    /// `NotFound` without either, `Corrupt` for a damaged one, `Unsupported` for a SentencePiece model that is no unigram model, and
    /// for what makes more of a text than any voice's tokenizer.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let Some(name) =
            ["tokenizer.json", "tokenizer.model"].into_iter().find(|name| folder.join(name).is_file())
        else {
            let message = "the voice has no tokenizer: put its tokenizer.json or tokenizer.model beside it";
            return Err(Error::new(ErrorKind::NotFound, message));
        };
        let file = read(folder, name)?;
        let open = || if name.ends_with("json") { Self::json(&file) } else { Self::pieces(&file) };
        guarded(open).and_then(|words| words).map_err(|e| e.within(folder.join(name).display()))
    }

    fn json(file: &[u8]) -> Result<Self> {
        let wrong = |e: tokenizers::Error| {
            Error::new(ErrorKind::Corrupt, format!("the tokenizer cannot be read: {e}"))
        };
        let longest = maps::check_all(file)?;
        let mut tokenizer = Tokenizer::from_bytes(file).map_err(wrong)?;
        // A text has the tokens that it has: none that fill it up, however many, and all of its own.
        tokenizer.with_padding(None).with_truncation(None).map_err(wrong)?;
        let normal = tokenizer.get_normalizer().map_or(Some(1), |it| growth(it, longest));
        let divided = tokenizer.get_pre_tokenizer().map_or(Some(1), growth_divided);
        let most = normal.zip(divided).and_then(|(normal, divided)| normal.checked_mul(divided));
        if most.is_none_or(|most| most > MOST_GROWTH) {
            let message =
                format!("the tokenizer may make more than {MOST_GROWTH} bytes of one: no voice does");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let vocabulary = tokenizer.get_vocab(true);
        let size = vocabulary.values().max().map_or(0, |most| *most as usize + 1);
        let bytes = vocabulary.contains_key("<0x00>");
        let known = vocabulary.keys().flat_map(|token| token.chars()).collect();
        Ok(Self { kind: Kind::Json(Box::new(tokenizer)), known, bytes, size })
    }

    fn pieces(file: &[u8]) -> Result<Self> {
        let read = Proto::read(file)?;
        let known = read.table.iter().flat_map(|(piece, _)| piece.chars()).collect();
        let size = read.table.len();
        let wrong = |e: &dyn std::fmt::Display| {
            Error::new(ErrorKind::Corrupt, format!("the tokenizer is damaged: {e}"))
        };
        let map = match read.map.is_empty() {
            true => None,
            false => {
                maps::check(&read.map)?;
                Some(Precompiled::from(&read.map).map_err(|e| wrong(&e))?)
            }
        };
        let model = Unigram::from(read.table, read.unknown, read.bytes).map_err(|e| wrong(&e))?;
        let pieces = Pieces { model, map, prefix: read.prefix, single_spaces: read.single_spaces };
        Ok(Self { kind: Kind::Pieces(Box::new(pieces)), known, bytes: read.bytes, size })
    }

    /// How many tokens there are, at least.
    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// The tokens of a text.
    ///
    /// # Errors
    /// `Corrupt` when the file describes what cannot be carried out, or makes more tokens of the text than any voice's.
    pub(super) fn ids(&self, text: &str) -> Result<Vec<u32>> {
        let wrong = |e: tokenizers::Error| {
            Error::new(ErrorKind::Corrupt, format!("the voice's tokenizer refuses a text: {e}"))
        };
        let ids = guarded(|| match &self.kind {
            Kind::Json(tokenizer) => Ok(tokenizer.encode(text, false).map_err(wrong)?.get_ids().to_vec()),
            Kind::Pieces(pieces) => pieces.ids(text).map_err(wrong),
        })??;
        if ids.len() > MOST_IDS {
            let (bytes, count) = (text.len(), ids.len());
            let message = format!(
                "the voice's tokenizer makes {count} tokens of {bytes} bytes: at most {MOST_IDS} are read"
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(ids)
    }

    /// Whether a character is part of some token, itself or in its compatibility form.
    pub(super) fn knows(&self, character: char) -> bool {
        use unicode_normalization::UnicodeNormalization;
        let folded = || std::iter::once(character).nfkc();
        self.bytes || self.known.contains(&character) || folded().all(|c| c == ' ' || self.known.contains(&c))
    }
}

/// Runs the library's code on what a file made of it: a panic in there is the file's fault and becomes an error.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T> {
    // What is used afterwards is only read by `run`, so nothing half-changed is left.
    catch_unwind(AssertUnwindSafe(run)).map_err(|_| {
        Error::new(
            ErrorKind::Corrupt,
            "the voice's tokenizer is damaged: what it describes cannot be carried out",
        )
    })
}

/// Bytes that may come out of one when a text is made ready for a tokenizer whose maps have texts up to `longest`; `None` where no
/// number holds them.
fn growth(normalizer: &NormalizerWrapper, longest: usize) -> Option<usize> {
    match normalizer {
        NormalizerWrapper::Sequence(all) => {
            let all: &[NormalizerWrapper] = all.as_ref();
            all.iter().try_fold(1usize, |most, it| most.checked_mul(growth(it, longest)?))
        }
        // What is replaced may be nothing, between any two characters.
        NormalizerWrapper::Replace(it) => it.content.len().checked_add(1),
        NormalizerWrapper::Prepend(it) => it.prepend.len().checked_add(1),
        NormalizerWrapper::Precompiled(_) => Some(longest.max(1)),
        // A letter for each byte.
        NormalizerWrapper::ByteLevel(_) => Some(2),
        // Spaces around it.
        NormalizerWrapper::BertNormalizer(_) => Some(3),
        // What composes, decomposes or cleans does so once, however often it is asked for.
        _ => Some(1),
    }
}

/// The same when it is divided into words.
fn growth_divided(by: &PreTokenizerWrapper) -> Option<usize> {
    match by {
        PreTokenizerWrapper::Sequence(all) => {
            let all: &[PreTokenizerWrapper] = all.as_ref();
            all.iter().try_fold(1usize, |most, it| most.checked_mul(growth_divided(it)?))
        }
        // A letter for each byte, and for a space before it.
        PreTokenizerWrapper::ByteLevel(_) => Some(4),
        // A character of up to four bytes before it.
        PreTokenizerWrapper::Metaspace(_) => Some(5),
        _ => Some(1),
    }
}

impl Pieces {
    fn ids(&self, text: &str) -> tokenizers::Result<Vec<u32>> {
        let mut normal = NormalizedString::from(text);
        if let Some(map) = &self.map {
            map.normalize(&mut normal)?;
        }
        let text = normal.get();
        let text = match self.single_spaces {
            true => text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "),
            false => text.to_owned(),
        };
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let prefix = if self.prefix { " " } else { "" };
        let text: String =
            prefix.chars().chain(text.chars()).map(|c| if c == ' ' { SPACE } else { c }).collect();
        Ok(self.model.tokenize(&text)?.into_iter().map(|token| token.id).collect())
    }
}

/// What is read of a `ModelProto`.
struct Proto {
    table: Vec<(String, f64)>,
    unknown: Option<usize>,
    map: Vec<u8>,
    bytes: bool,
    prefix: bool,
    single_spaces: bool,
}

/// Kinds of pieces.
const UNKNOWN: i64 = 2;
const CONTROL: i64 = 3;
const USER_DEFINED: i64 = 4;
const UNUSED: i64 = 5;
/// The number of unigram models among kinds of models.
const UNIGRAM: i64 = 1;

/// The fields of a message of the tokenizer's.
fn message(bytes: &[u8]) -> impl Iterator<Item = Result<Field<'_>>> {
    let damaged = |_| Error::new(ErrorKind::Corrupt, "the tokenizer is damaged, or no SentencePiece model");
    fields(bytes).map(move |field| field.map_err(damaged))
}

impl Proto {
    fn read(file: &[u8]) -> Result<Self> {
        let mut it = Self {
            table: Vec::new(),
            unknown: None,
            map: Vec::new(),
            bytes: false,
            prefix: true,
            single_spaces: true,
        };
        for field in message(file) {
            match field? {
                Field { number: 1, value: Value::Bytes(piece) } => it.piece(piece)?,
                Field { number: 2, value: Value::Bytes(trainer) } => it.trainer(trainer)?,
                Field { number: 3, value: Value::Bytes(normalizer) } => it.normalizer(normalizer)?,
                _ => {}
            }
        }
        if it.table.is_empty() {
            return Err(Error::new(ErrorKind::Corrupt, "the tokenizer has no pieces"));
        }
        Ok(it)
    }

    fn piece(&mut self, bytes: &[u8]) -> Result<()> {
        let (mut text, mut score, mut kind) = (String::new(), 0.0, 1);
        for field in message(bytes) {
            match field? {
                Field { number: 1, value: Value::Bytes(piece) } => {
                    text = String::from_utf8_lossy(piece).into_owned();
                }
                Field { number: 2, value: Value::Four(bytes) } => {
                    score = f64::from(f32::from_le_bytes(bytes))
                }
                Field { number: 3, value: Value::Int(number) } => kind = number,
                _ => {}
            }
        }
        let at = self.table.len();
        match kind {
            UNKNOWN => self.unknown = Some(at),
            USER_DEFINED => {
                let message =
                    format!("the tokenizer's piece {text:?} goes before all others: such are not read");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            // No text says these: a name that no text has, since the library would find theirs.
            CONTROL | UNUSED => text = format!("\u{10FFFE}{at}"),
            _ => {}
        }
        self.table.push((text, score));
        Ok(())
    }

    fn trainer(&mut self, bytes: &[u8]) -> Result<()> {
        for field in message(bytes) {
            match field? {
                Field { number: 3, value: Value::Int(kind) } if kind != UNIGRAM => {
                    let message = "the tokenizer is no unigram model, which voices of this kind have";
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                Field { number: 35, value: Value::Int(on) } => self.bytes = on != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn normalizer(&mut self, bytes: &[u8]) -> Result<()> {
        for field in message(bytes) {
            match field? {
                Field { number: 2, value: Value::Bytes(map) } => self.map = map.to_vec(),
                Field { number: 3, value: Value::Int(on) } => self.prefix = on != 0,
                Field { number: 4, value: Value::Int(on) } => self.single_spaces = on != 0,
                _ => {}
            }
        }
        Ok(())
    }
}
