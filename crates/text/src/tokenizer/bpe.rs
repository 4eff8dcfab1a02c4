//! Byte-level BPE (`gpt2` in GGUF files), and Gemma 4's BPE over raw characters: words are cut out by the family's
//! pattern, then neighbours merge in the order of the merge list.

use super::merge::{MergeRules, Merger, Symbol};
use super::source::Strings;
use super::utf8::{claimed_len, repaired};
use super::vocabulary::Vocabulary;
use super::words::{self, Family};
use super::{alphabet, vocabulary::SPACE_MARK};
use foldhash::fast::RandomState;
use hashbrown::HashMap;
use parasol_core::{Error, ErrorKind, Result};

/// Stands for no token.
const NONE: u32 = u32::MAX;

/// The merge list, and what it needs besides.
#[derive(Clone)]
pub(crate) struct Bpe {
    family: Family,
    /// Left and right symbol → rank and merged symbol.
    merges: HashMap<u64, (u32, u32), RandomState>,
    /// The symbol of each byte of the alphabet.
    bytes: [u32; 256],
    /// For raw characters: the token `<0x..>` of each byte.
    fallback: Box<[Option<u32>; 256]>,
    /// Symbols from this id on are strings that merges name and the vocabulary lacks.
    tokens: u32,
}

impl MergeRules for &Bpe {
    fn merge(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        self.merges.get(&pair(left.id, right.id)).copied()
    }
}

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Finds symbols by text while the merge list is read, and names those that are no tokens.
struct Symbols<'a> {
    vocabulary: &'a Vocabulary,
    extra_ids: HashMap<Vec<u8>, u32, RandomState>,
}

impl Symbols<'_> {
    fn id(&mut self, text: &[u8]) -> u32 {
        if let Some(id) = self.vocabulary.text_id(text).or_else(|| self.extra_ids.get(text).copied()) {
            return id;
        }
        let id = (self.vocabulary.len() + self.extra_ids.len()) as u32; // at most 2²⁴ tokens and 3 · 2²⁴ strings
        self.extra_ids.insert(text.to_vec(), id);
        id
    }
}

impl Bpe {
    /// Reads the merge list. A merge may name strings that are no tokens: it still merges, as in llama.cpp, and what is
    /// left of it in the end is written in smaller pieces.
    ///
    /// # Errors
    /// `Corrupt` for a merge that is no pair.
    pub(crate) fn new(vocabulary: &Vocabulary, merge_list: &Strings, family: Family) -> Result<Self> {
        const MOST_MERGES: usize = 1 << 24;
        if merge_list.len() > MOST_MERGES {
            let message =
                format!("the tokenizer lists {} merges; at most {MOST_MERGES} are read", merge_list.len());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let mut symbols = Symbols { vocabulary, extra_ids: HashMap::default() };
        let mut merges = HashMap::with_capacity_and_hasher(merge_list.len(), RandomState::default());
        let mut joined = Vec::with_capacity(64);
        for (rank, merge) in merge_list.iter().enumerate() {
            // The space that separates is never the first character: a merge may begin with a space of its own.
            let Some(gap) = merge.iter().skip(1).position(|&b| b == b' ') else {
                let name = String::from_utf8_lossy(merge);
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!("merge {rank}, `{name}`, is no pair of two tokens"),
                ));
            };
            let (left, right) = (&merge[..gap + 1], &merge[gap + 2..]);
            joined.clear();
            joined.extend_from_slice(left);
            joined.extend_from_slice(right);
            let key = pair(symbols.id(left), symbols.id(right));
            let merged = symbols.id(&joined);
            merges.entry(key).or_insert((rank as u32, merged));
        }
        let mut bytes = [NONE; 256];
        for (byte, slot) in bytes.iter_mut().enumerate() {
            let text = alphabet::char_of(byte as u8).to_string();
            *slot = vocabulary.text_id(text.as_bytes()).unwrap_or(NONE);
        }
        let fallback = vocabulary.byte_tokens();
        Ok(Self { family, merges, bytes, fallback, tokens: vocabulary.len() as u32 })
    }

    /// Appends the tokens of a text without special tokens.
    ///
    /// # Errors
    /// `InvalidRequest` when a byte has no token (a vocabulary need not hold all 256).
    pub(crate) fn encode(&self, vocabulary: &Vocabulary, text: &[u8], out: &mut Vec<u32>) -> Result<()> {
        let spaced: Vec<u8>;
        let text = repaired(text);
        let mut text: &[u8] = &text;
        if self.family.raw {
            spaced = super::spm::with_space_marks(text, false);
            text = &spaced;
        }
        let (mut symbols, mut merger, mut start) = (Vec::new(), Merger::default(), 0);
        for end in words::cut(&self.family.stages, text)? {
            let word = &text[start..end];
            start = end;
            if let Some(id) = self.whole_word(vocabulary, word) {
                out.push(id);
                continue;
            }
            symbols.clear();
            if self.family.raw {
                self.character_symbols(vocabulary, word, &mut symbols);
            } else {
                symbols.extend(word.iter().enumerate().map(|(at, &byte)| Symbol {
                    start: at as u32,
                    len: 1,
                    id: self.bytes[usize::from(byte)],
                }));
            }
            merger.run(&mut symbols, &self);
            for symbol in &symbols {
                self.write(symbol, word, out)?;
            }
        }
        Ok(())
    }

    fn whole_word(&self, vocabulary: &Vocabulary, word: &[u8]) -> Option<u32> {
        if self.family.raw {
            let newlines = !word.is_empty() && word.iter().all(|&b| b == b'\n');
            return if newlines { vocabulary.text_id(word) } else { None };
        }
        if !self.family.whole_words {
            return None;
        }
        let mut written = String::with_capacity(word.len() * 2);
        alphabet::write(word, &mut written);
        vocabulary.text_id(written.as_bytes())
    }

    fn character_symbols(&self, vocabulary: &Vocabulary, word: &[u8], symbols: &mut Vec<Symbol>) {
        let mut at = 0;
        while let Some(&lead) = word.get(at) {
            let end = word.len().min(at + claimed_len(lead));
            let id = vocabulary.text_id(&word[at..end]).unwrap_or(NONE);
            symbols.push(Symbol { start: at as u32, len: (end - at) as u32, id });
            at = end;
        }
    }

    /// Writes a finished symbol: itself if it is a token, else byte by byte.
    fn write(&self, symbol: &Symbol, word: &[u8], out: &mut Vec<u32>) -> Result<()> {
        if symbol.id < self.tokens {
            out.push(symbol.id);
            return Ok(());
        }
        let start = symbol.start as usize;
        let span = word.get(start..start + symbol.len as usize).unwrap_or_default();
        for &byte in span {
            let id = if self.family.raw {
                self.fallback[usize::from(byte)]
            } else {
                Some(self.bytes[usize::from(byte)])
            };
            match id.filter(|&id| id != NONE) {
                Some(id) => out.push(id),
                None => return Err(no_token(byte, span)),
            }
        }
        Ok(())
    }
}

/// llama.cpp drops such bytes; a prompt that silently lost characters would be worse than an error.
fn no_token(byte: u8, span: &[u8]) -> Error {
    let text = String::from_utf8_lossy(span).replace(SPACE_MARK, " ");
    Error::new(
        ErrorKind::InvalidRequest,
        format!(
            "the model's vocabulary has no token for byte 0x{byte:02X} (in {text:?}): remove that character"
        ),
    )
}
