//! Tokenizers: text to token ids and back, for GGUF metadata ([`Tokenizer::from_source`]) and for Hugging Face folders
//! ([`Tokenizer::from_folder`]). Which prompt to build is left to the chat template, when to stop to the generator.

mod affixes;
mod alphabet;
mod bound;
mod bpe;
mod charsmap;
mod huggingface;
mod marked;
mod merge;
mod partition;
mod source;
mod special;
mod spm;
mod stream;
mod unigram;
mod untrusted;
mod utf8;
mod vocabulary;
mod words;

pub use huggingface::HuggingFaceFiles;
pub(crate) use huggingface::{read_optional, token_text};
pub use source::{MetadataLookup, SpecialIds, Strings, TokenizerSource};
pub use stream::{StreamedText, TextStream};
pub use vocabulary::TokenKind;

use bpe::Bpe;
use huggingface::HuggingFace;
use parasol_core::{Error, ErrorKind, Result};
use partition::{Part, Partitioner};
use spm::SentencePieceBpe;
use std::borrow::Cow;
use std::path::Path;
use unigram::Unigram;
use vocabulary::{Spelling, Vocabulary};

/// Longest text that is tokenised at once. Offsets inside are 32 bits, and escaping may triple a text.
const LONGEST_TEXT: usize = 1 << 30;

/// What a special token written out in a text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// The token itself: for prompts made by a chat template.
    Parse,
    /// Its letters: for text from outside, which must not steer the model. Control tokens never come of it.
    AsText,
}

/// Turns text into token ids and back. Cheap to share, expensive to clone.
#[derive(Clone)]
pub struct Tokenizer {
    vocabulary: Vocabulary,
    engine: Engine,
    partitioner: Partitioner,
    special: SpecialIds,
    ends: Vec<u32>,
    add_bos: bool,
    add_eos: bool,
}

#[derive(Clone)]
enum Engine {
    Bpe(Box<Bpe>),
    SentencePiece(Box<SentencePieceBpe>),
    Unigram(Box<Unigram>),
    HuggingFace(Box<HuggingFace>),
}

impl Tokenizer {
    /// Builds the tokenizer that a GGUF file describes.
    ///
    /// # Errors
    /// `Corrupt` for lists that do not fit each other, `Unsupported` for a kind or pre-tokenizer that is not known.
    pub fn from_source(source: TokenizerSource) -> Result<Self> {
        let TokenizerSource { tokens, types, .. } = &source;
        if !types.is_empty() && types.len() < tokens.len() {
            let message =
                format!("the tokenizer holds {} tokens and only {} token types", tokens.len(), types.len());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let kinds = (0..tokens.len())
            .map(|id| types.get(id).map_or(TokenKind::Normal, |&number| TokenKind::from_gguf(number)))
            .collect();
        let family = match source.model.as_str() {
            "gpt2" if matches!(source.pre.as_str(), "gemma4" | "granite-embed-multi-311m") => {
                Some(words::gemma4())
            }
            "gpt2" => Some(words::family(&source.pre)?),
            "gemma4" => Some(words::gemma4()),
            _ => None,
        };
        let byte_level = family.as_ref().is_some_and(|family| !family.raw);
        let spelling = if byte_level { Spelling::ByteLevel } else { Spelling::SpaceMark };
        let mut vocabulary = Vocabulary::new(source.tokens, kinds, spelling)?;
        let mut named = source.special;
        // What the format says where a file names none.
        match source.model.as_str() {
            "llama" => {
                (named.bos, named.eos, named.unk) =
                    (named.bos.or(Some(1)), named.eos.or(Some(2)), named.unk.or(Some(0)))
            }
            "t5" => {
                (named.eos, named.unk, named.pad) =
                    (named.eos.or(Some(1)), named.unk.or(Some(2)), named.pad.or(Some(0)))
            }
            _ => {}
        }
        let special = special::resolve(named, &mut vocabulary);
        let ends = special::end_of_generation(&special, &mut vocabulary);
        let (mut add_bos, mut add_eos) = (family.as_ref().is_some_and(|family| family.add_bos), false);
        let engine = match (source.model.as_str(), family) {
            (_, Some(family)) => Engine::Bpe(Box::new(Bpe::new(&vocabulary, &source.merges, family)?)),
            ("llama", None) => {
                add_bos = true;
                let prefix = source.add_space_prefix.unwrap_or(true);
                Engine::SentencePiece(Box::new(SentencePieceBpe::new(
                    &vocabulary,
                    &source.scores,
                    special.unk,
                    prefix,
                )?))
            }
            ("t5", None) => {
                add_eos = true;
                let (prefix, squeeze) =
                    (source.add_space_prefix.unwrap_or(false), source.remove_extra_whitespaces);
                let charsmap = &source.precompiled_charsmap;
                Engine::Unigram(Box::new(Unigram::new(
                    &vocabulary,
                    &source.scores,
                    special.unk,
                    charsmap,
                    prefix,
                    squeeze,
                )?))
            }
            (model, None) => return Err(unknown_model(model)),
        };
        let strip_after = ["phi-3", "phi3"].iter().any(|name| source.name.to_lowercase().contains(name));
        let partitioner = Partitioner::new(&vocabulary, strip_after);
        let (add_bos, add_eos) = (source.add_bos.unwrap_or(add_bos), source.add_eos.unwrap_or(add_eos));
        let tokenizer = Self { vocabulary, engine, partitioner, special, ends, add_bos, add_eos };
        tokenizer.check_additions()?;
        Ok(tokenizer)
    }

    /// Builds the tokenizer of a Hugging Face folder from its files' contents.
    ///
    /// # Errors
    /// `Corrupt` when one of them is no JSON of the expected form.
    pub fn from_huggingface(files: &HuggingFaceFiles) -> Result<Self> {
        let mut loaded = HuggingFace::load(files)?;
        let special = special::resolve(loaded.special, &mut loaded.vocabulary);
        let mut ends = special::end_of_generation(&special, &mut loaded.vocabulary);
        ends.extend(loaded.ends);
        ends.sort_unstable();
        ends.dedup();
        let added = loaded.engine.encode(b"", false, true)?;
        let begins = |id: Option<u32>, place: Option<&u32>| id.is_some() && id.as_ref() == place;
        let (add_bos, add_eos) = (begins(special.bos, added.first()), begins(special.eos, added.last()));
        let partitioner = Partitioner::new(&loaded.vocabulary, false);
        let engine = Engine::HuggingFace(Box::new(loaded.engine));
        Ok(Self { vocabulary: loaded.vocabulary, engine, partitioner, special, ends, add_bos, add_eos })
    }

    /// Builds the tokenizer of a Hugging Face folder.
    ///
    /// # Errors
    /// `NotFound` without a tokenizer.json; else as [`Tokenizer::from_huggingface`].
    pub fn from_folder(folder: &Path) -> Result<Self> {
        Self::from_huggingface(&HuggingFaceFiles::read(folder)?).map_err(|e| e.within(folder.display()))
    }

    fn check_additions(&self) -> Result<()> {
        for (add, id, name) in
            [(self.add_bos, self.special.bos, "bos"), (self.add_eos, self.special.eos, "eos")]
        {
            if add && id.is_none() {
                let message = format!(
                    "the tokenizer asks for a {name} token at every text and names none (tokenizer.ggml.{name}_token_id)"
                );
                return Err(Error::new(ErrorKind::Corrupt, message));
            }
        }
        Ok(())
    }

    /// The tokens of a text. With `add_special` the tokenizer's own additions come with it (`bos` in front for most that
    /// have one); leave that off for a prompt whose template wrote them. Broken UTF-8 is read as llama.cpp reads it: byte
    /// by byte where the vocabulary has byte tokens of its own, else with U+FFFD for each broken byte.
    ///
    /// # Errors
    /// `InvalidRequest` for a text over 1 GiB, or with a byte that the vocabulary cannot write.
    pub fn encode(&self, text: impl AsRef<[u8]>, special: Special, add_special: bool) -> Result<Vec<u32>> {
        let text = text.as_ref();
        if text.len() > LONGEST_TEXT {
            let message = format!(
                "the text is {} bytes long and at most {LONGEST_TEXT} are tokenised at once: shorten it",
                text.len()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let parse = special == Special::Parse;
        if let Engine::HuggingFace(reference) = &self.engine {
            let ids = reference.encode(text, parse, add_special)?;
            return Ok(if parse { ids } else { self.without_control(ids, add_special) });
        }
        let mut out = Vec::with_capacity(text.len() / 3 + 2);
        out.extend(self.special.bos.filter(|_| add_special && self.add_bos));
        self.encode_parts(&self.partitioner.split(&self.vocabulary, text, parse), &mut out)?;
        out.extend(self.special.eos.filter(|_| add_special && self.add_eos));
        Ok(out)
    }

    /// Appends the tokens of a text that was cut at its special tokens; not for Hugging Face's, which cuts by itself.
    fn encode_parts(&self, parts: &[Part<'_>], out: &mut Vec<u32>) -> Result<()> {
        let mut first = true;
        for part in parts {
            match *part {
                Part::Token(id) => out.push(id),
                Part::Text(text) => match &self.engine {
                    Engine::Bpe(bpe) => bpe.encode(&self.vocabulary, text, out)?,
                    Engine::SentencePiece(spm) => spm.encode(&self.vocabulary, text, first, out)?,
                    Engine::Unigram(unigram) => unigram.encode(&self.vocabulary, text, out),
                    Engine::HuggingFace(_) => {}
                },
            }
            first = matches!(part, Part::Token(_));
        }
        Ok(())
    }

    /// Some models (unigram ones) find control tokens by their letters although told not to: spells those out, character
    /// by character. The tokenizer's own additions at both ends stay.
    fn without_control(&self, ids: Vec<u32>, add_special: bool) -> Vec<u32> {
        let last = ids.len().saturating_sub(1);
        let added = |at: usize| add_special && ((at == 0 && self.add_bos) || (at == last && self.add_eos));
        let mut out = Vec::with_capacity(ids.len());
        for (at, &id) in ids.iter().enumerate() {
            if self.kind(id) != Some(TokenKind::Control) || added(at) {
                out.push(id);
                continue;
            }
            for c in String::from_utf8_lossy(self.vocabulary.text(id).unwrap_or_default()).chars() {
                self.spell(c, &mut out);
            }
        }
        out
    }

    fn spell(&self, c: char, out: &mut Vec<u32>) {
        let text = c.to_string();
        match self.vocabulary.text_id(text.as_bytes()) {
            Some(id) => out.push(id),
            None => {
                let byte_token = |byte: &u8| self.vocabulary.id(format!("<0x{byte:02X}>").as_bytes());
                out.extend(text.as_bytes().iter().filter_map(|byte| byte_token(byte).or(self.special.unk)));
            }
        }
    }

    /// The bytes that a token stands for; they may be part of a character. Control tokens stand for their own text.
    ///
    /// # Errors
    /// `InvalidRequest` for an id outside the vocabulary.
    pub fn token_bytes(&self, id: u32) -> Result<Cow<'_, [u8]>> {
        self.vocabulary.bytes(id).ok_or_else(|| self.out_of_range(id))
    }

    /// The token's text as the model file writes it.
    ///
    /// # Errors
    /// `InvalidRequest` for an id outside the vocabulary.
    pub fn token_text(&self, id: u32) -> Result<&[u8]> {
        self.vocabulary.text(id).ok_or_else(|| self.out_of_range(id))
    }

    /// The bytes of tokens, special ones included. The space that encoding puts in front of a text goes again.
    ///
    /// # Errors
    /// `InvalidRequest` for an id outside the vocabulary.
    pub fn decode(&self, ids: &[u32]) -> Result<Vec<u8>> {
        if let Some(&id) = ids.iter().find(|&&id| self.vocabulary.kind(id).is_none()) {
            return Err(self.out_of_range(id));
        }
        if let Engine::HuggingFace(reference) = &self.engine {
            return reference.decode(ids).map(String::into_bytes);
        }
        let mut out = Vec::with_capacity(ids.len() * 4);
        for (place, &id) in ids.iter().enumerate() {
            let bytes = self.token_bytes(id)?;
            let prefixed =
                place == 0 && matches!(&self.engine, Engine::SentencePiece(spm) if spm.space_prefix);
            out.extend_from_slice(if prefixed { bytes.strip_prefix(b" ").unwrap_or(&bytes) } else { &bytes });
        }
        Ok(out)
    }

    /// A lower bound on the tokens of a text of so many bytes, without looking at it: no token stands for more bytes than the
    /// longest one is long. A prompt that cannot fit the context is refused by this before any work goes into it.
    pub fn fewest_tokens(&self, bytes: usize) -> usize {
        match &self.engine {
            // A unigram model may squeeze spaces: no bound holds there.
            Engine::Unigram(_) => 0,
            Engine::HuggingFace(reference) => reference.fewest_tokens(bytes),
            Engine::Bpe(_) | Engine::SentencePiece(_) => bytes / self.vocabulary.longest().max(1),
        }
    }

    /// How many tokens there are; ids are below.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary.len()
    }

    /// The token written exactly so in the model file (`<|im_end|>`).
    pub fn token_id(&self, text: &str) -> Option<u32> {
        self.vocabulary.id(text.as_bytes())
    }

    /// What kind a token is; `None` outside the vocabulary.
    pub fn kind(&self, id: u32) -> Option<TokenKind> {
        self.vocabulary.kind(id)
    }

    /// Tokens with a job: begin and end of text, end of turn, fill-in-the-middle.
    pub fn special(&self) -> &SpecialIds {
        &self.special
    }

    /// Whether the token ends a generation.
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.binary_search(&id).is_ok()
    }

    /// All tokens that end a generation, in ascending order.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// Whether [`Tokenizer::encode`] puts `bos` in front when asked for additions.
    pub fn adds_bos(&self) -> bool {
        self.add_bos
    }

    /// Whether [`Tokenizer::encode`] puts `eos` behind when asked for additions.
    pub fn adds_eos(&self) -> bool {
        self.add_eos
    }

    fn out_of_range(&self, id: u32) -> Error {
        let count = self.vocabulary.len();
        Error::new(
            ErrorKind::InvalidRequest,
            format!("there is no token {id}: the vocabulary holds {count}, from 0 on"),
        )
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tokenizer({} tokens)", self.vocabulary.len())
    }
}

fn unknown_model(model: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "the tokenizer is of the kind `{model}`, which this version does not run (it runs gpt2, llama, t5 and gemma4): \
             use the model's Hugging Face folder with its tokenizer.json"
        ),
    )
}
