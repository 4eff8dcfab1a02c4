//! The model's vocabulary as `llguidance` wants it: a trie over the bytes of all tokens, and the tokenizer's own way of
//! splitting a text that the grammar forces.

use crate::tokenizer::{Special, TokenKind, Tokenizer};
use llguidance::toktrie::{INVALID_TOKEN, TokRxInfo, TokTrie, TokenId, TokenizerEnv};
use parasol_core::{Error, ErrorKind, Result};

/// Longer tokens are left out of grammars: the trie recurses over them, and no such token is ever needed.
const LONGEST_TOKEN: usize = 255;
/// Texts by which a tokenizer shows whether it splits a text without adding to it.
const PROBES: [&str; 3] = ["x", " {\"name\": 1}\n", "naïve 数 \\u"];

/// Tokens and tokenizer of one model.
pub(super) struct Vocabulary {
    trie: TokTrie,
    tokenizer: Tokenizer,
    /// Whether the tokens of a text decode to exactly that text, so that forced text may be written as the tokenizer would.
    faithful: bool,
}

impl Vocabulary {
    pub(super) fn new(tokenizer: &Tokenizer) -> Result<Self> {
        let size = u32::try_from(tokenizer.vocabulary_size())
            .map_err(|e| Error::new(ErrorKind::Internal, format!("the vocabulary is too large: {e}")))?;
        let words = words(tokenizer, size)?;
        let ends = tokenizer.ends();
        let info = TokRxInfo::new(size, ends.first().copied().unwrap_or(INVALID_TOKEN));
        let mut trie = TokTrie::from(&info, &words);
        if ends.len() > 1 {
            trie = trie.with_eos_tokens(ends);
        }
        let faithful = PROBES.iter().all(|probe| own_split(tokenizer, probe.as_bytes()).is_some());
        Ok(Self { trie, tokenizer: tokenizer.clone(), faithful })
    }
}

/// The bytes of each token; empty for those that no grammar may use. Control tokens carry the library's mark, so that text
/// never turns into one.
fn words(tokenizer: &Tokenizer, size: u32) -> Result<Vec<Vec<u8>>> {
    let mut words = Vec::with_capacity(size as usize);
    let mut written = [false; 256];
    for id in 0..size {
        let bytes = tokenizer.token_bytes(id)?;
        let word = match tokenizer.kind(id) {
            Some(TokenKind::Control | TokenKind::Unknown) => {
                [&[TokTrie::SPECIAL_TOKEN_MARKER], &*bytes].concat()
            }
            Some(TokenKind::Byte | TokenKind::Unused) | None => Vec::new(),
            _ => {
                if let [byte] = *bytes {
                    written[usize::from(byte)] = true;
                }
                bytes.into_owned()
            }
        };
        words.push(if word.len() > LONGEST_TOKEN { Vec::new() } else { word });
    }
    // A byte token serves where no ordinary token writes that byte: of two with the same bytes the ordinary one is right.
    for (id, word) in (0..size).zip(&mut words) {
        if tokenizer.kind(id) == Some(TokenKind::Byte)
            && let [byte] = *tokenizer.token_bytes(id)?
            && !std::mem::replace(&mut written[usize::from(byte)], true)
        {
            *word = vec![byte];
        }
    }
    Ok(words)
}

/// The tokenizer's tokens for a text, if they stand for exactly its bytes.
fn own_split(tokenizer: &Tokenizer, text: &[u8]) -> Option<Vec<TokenId>> {
    let tokens = tokenizer.encode(text, Special::AsText, false).ok()?;
    let mut rest = text;
    for &token in &tokens {
        rest = rest.strip_prefix(&*tokenizer.token_bytes(token).ok()?)?;
    }
    rest.is_empty().then_some(tokens)
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, text: &[u8]) -> Vec<TokenId> {
        own_split(&self.tokenizer, text).unwrap_or_else(|| self.trie.greedy_tokenize(text))
    }

    fn tokenize_is_canonical(&self) -> bool {
        self.faithful
    }
}
