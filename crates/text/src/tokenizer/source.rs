//! What a tokenizer is built from, as a checkpoint states it: lists and flags, not yet checked against each other.
//! Reading the container (GGUF) is left to whoever implements [`MetadataLookup`]; checking is left to the builders.

use parasol_core::{Error, ErrorKind, Result};

/// Many byte strings in one allocation: a vocabulary of 262 144 tokens costs two allocations, not 262 144.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Strings {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Strings {
    /// Nothing yet, with room for `count` strings of some eight bytes.
    pub fn with_capacity(count: usize) -> Self {
        // The count comes from a file: reserve for real vocabularies, let absurd ones grow as they are read.
        let count = count.min(1 << 20);
        Self { bytes: Vec::with_capacity(count * 8), ends: Vec::with_capacity(count) }
    }

    /// Adds a string.
    ///
    /// # Errors
    /// `Corrupt` when all strings together pass 4 GiB.
    pub fn push(&mut self, string: &[u8]) -> Result<()> {
        let end = self.bytes.len().saturating_add(string.len());
        let end = u32::try_from(end).map_err(|_| {
            Error::new(
                ErrorKind::Corrupt,
                format!("a list of strings holds {end} bytes; at most 4 294 967 295 are read"),
            )
        })?;
        self.bytes.extend_from_slice(string);
        self.ends.push(end);
        Ok(())
    }

    /// Collects strings.
    ///
    /// # Errors
    /// As [`Strings::push`].
    pub fn collect<'a>(strings: impl IntoIterator<Item = &'a [u8]>) -> Result<Self> {
        let strings = strings.into_iter();
        let mut list = Self::with_capacity(strings.size_hint().0);
        for string in strings {
            list.push(string)?;
        }
        Ok(list)
    }

    /// How many strings there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The string at `index`.
    pub fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)? as usize;
        let start = if index == 0 { 0 } else { *self.ends.get(index - 1)? as usize };
        self.bytes.get(start..end)
    }

    /// All strings in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        (0..self.len()).map(|i| self.get(i).unwrap_or_default())
    }
}

/// Reads typed values by key out of a model file's metadata. A key that is missing, or holds another type, is `None`.
pub trait MetadataLookup {
    /// A string.
    fn string(&self, key: &str) -> Option<&str>;
    /// A list of strings, as bytes: some files hold tokens that are no valid UTF-8.
    fn strings(&self, key: &str) -> Option<Box<dyn Iterator<Item = &[u8]> + '_>>;
    /// A list of numbers as floats (integer lists are converted).
    fn floats(&self, key: &str) -> Option<Vec<f32>>;
    /// A list of integers.
    fn ints(&self, key: &str) -> Option<Vec<i32>>;
    /// A list of 8-bit integers.
    fn bytes(&self, key: &str) -> Option<Vec<u8>>;
    /// An unsigned integer.
    fn u32(&self, key: &str) -> Option<u32>;
    /// A truth value.
    fn bool(&self, key: &str) -> Option<bool>;
}

/// Ids of tokens with a job. `None` where the file names none; the builder then looks for well-known names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SpecialIds {
    /// Begin of text.
    pub bos: Option<u32>,
    /// End of text.
    pub eos: Option<u32>,
    /// End of turn.
    pub eot: Option<u32>,
    /// End of a message that expects a tool's answer.
    pub eom: Option<u32>,
    /// Stands for what the vocabulary cannot write.
    pub unk: Option<u32>,
    /// Separator.
    pub sep: Option<u32>,
    /// Padding.
    pub pad: Option<u32>,
    /// Before the text that precedes a gap to fill.
    pub fim_prefix: Option<u32>,
    /// Before the text that follows the gap.
    pub fim_suffix: Option<u32>,
    /// Where the filling begins.
    pub fim_middle: Option<u32>,
    /// Padding in fill-in-the-middle training.
    pub fim_pad: Option<u32>,
    /// Before a repository's name.
    pub fim_repo: Option<u32>,
    /// Between files.
    pub fim_sep: Option<u32>,
}

/// Everything that a GGUF file says about its tokenizer. Plain data: fill it by hand or with
/// [`TokenizerSource::from_metadata`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TokenizerSource {
    /// `gpt2` (byte-level BPE), `llama` (SentencePiece BPE), `t5` (unigram) or `gemma4` (BPE over raw characters).
    pub model: String,
    /// For BPE: the name of the pre-tokenizer; empty means `default`.
    pub pre: String,
    /// The tokens; a token's id is its place.
    pub tokens: Strings,
    /// A score for each token; may be empty.
    pub scores: Vec<f32>,
    /// A type for each token (1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte); empty means normal.
    pub types: Vec<i32>,
    /// For BPE: the merges in order, each as `left right`.
    pub merges: Strings,
    /// Tokens with a job.
    pub special: SpecialIds,
    /// Put `bos` in front of a text; `None` leaves it to the model kind.
    pub add_bos: Option<bool>,
    /// Put `eos` behind a text.
    pub add_eos: Option<bool>,
    /// SentencePiece: put a space in front of a text.
    pub add_space_prefix: Option<bool>,
    /// Unigram: squeeze runs of spaces.
    pub remove_extra_whitespaces: bool,
    /// Unigram: SentencePiece's compiled normalisation rules; may be empty.
    pub precompiled_charsmap: Vec<u8>,
    /// The model's name; Phi-3 files are told by it that white space after a special token is dropped.
    pub name: String,
}

impl TokenizerSource {
    /// Reads the `tokenizer.ggml.*` keys of GGUF metadata.
    ///
    /// # Errors
    /// `Corrupt` when the tokenizer model or the token list is missing.
    pub fn from_metadata(metadata: &dyn MetadataLookup) -> Result<Self> {
        let key = |name: &str| format!("tokenizer.ggml.{name}");
        let text = |name: &str| metadata.string(&key(name)).unwrap_or_default().to_owned();
        let list = |name: &str| metadata.strings(&key(name)).map(Strings::collect).transpose();
        let missing = |name: &str| {
            Error::new(
                ErrorKind::Corrupt,
                format!(
                    "the file has no `tokenizer.ggml.{name}`: it holds no tokenizer; use a complete GGUF file"
                ),
            )
        };
        Ok(Self {
            model: metadata.string(&key("model")).ok_or_else(|| missing("model"))?.to_owned(),
            pre: text("pre"),
            tokens: list("tokens")?.ok_or_else(|| missing("tokens"))?,
            scores: metadata.floats(&key("scores")).unwrap_or_default(),
            types: metadata.ints(&key("token_type")).unwrap_or_default(),
            merges: list("merges")?.unwrap_or_default(),
            special: special_ids(metadata),
            add_bos: metadata.bool(&key("add_bos_token")),
            add_eos: metadata.bool(&key("add_eos_token")),
            add_space_prefix: metadata.bool(&key("add_space_prefix")),
            remove_extra_whitespaces: metadata.bool(&key("remove_extra_whitespaces")).unwrap_or(false),
            precompiled_charsmap: metadata.bytes(&key("precompiled_charsmap")).unwrap_or_default(),
            name: metadata.string("general.name").unwrap_or_default().to_owned(),
        })
    }
}

fn special_ids(metadata: &dyn MetadataLookup) -> SpecialIds {
    let id = |name: &str| metadata.u32(&format!("tokenizer.ggml.{name}_token_id"));
    SpecialIds {
        bos: id("bos"),
        eos: id("eos"),
        eot: id("eot"),
        eom: id("eom"),
        unk: id("unknown"),
        sep: id("seperator"), // so spelt in the format
        pad: id("padding"),
        // The second names are those of older files.
        fim_prefix: id("fim_pre").or_else(|| id("prefix")),
        fim_suffix: id("fim_suf").or_else(|| id("suffix")),
        fim_middle: id("fim_mid").or_else(|| id("middle")),
        fim_pad: id("fim_pad"),
        fim_repo: id("fim_rep"),
        fim_sep: id("fim_sep"),
    }
}
