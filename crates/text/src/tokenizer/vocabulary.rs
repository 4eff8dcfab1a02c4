//! The tokens themselves: text by id, id by text, what kind each is, and the bytes that each stands for.
//! How a text becomes tokens is left to the encoders beside this file.

use super::{alphabet, source::Strings};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use parasol_core::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::hash::BuildHasher;

/// No token of a real vocabulary comes near; a bound keeps hostile ones from making every look-up slow.
const LONGEST_TOKEN: usize = 4096;
/// Largest vocabulary that is read.
const MOST_TOKENS: usize = 1 << 24;
/// U+2581, by which SentencePiece writes a space.
pub(crate) const SPACE_MARK: &str = "\u{2581}";

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// Ordinary text.
    Normal,
    /// Stands for what the vocabulary cannot write.
    Unknown,
    /// Steers the model; never text.
    Control,
    /// Found in a text before anything else, in one piece.
    UserDefined,
    /// Kept free by the model's makers.
    Unused,
    /// One byte, written `<0x41>`.
    Byte,
}

impl TokenKind {
    /// From the number that GGUF uses. Unknown numbers count as normal text.
    pub(crate) fn from_gguf(number: i32) -> Self {
        match number {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }

    /// Whether ordinary text may turn into such a token by merging.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Self::Normal | Self::UserDefined | Self::Unused)
    }
}

/// How tokens write their text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Spelling {
    /// GPT-2's byte alphabet.
    ByteLevel,
    /// Plain characters with U+2581 for a space.
    SpaceMark,
    /// WordPiece: `##` continues a word, everything else starts one.
    WordPiece,
}

/// All tokens of a model.
#[derive(Clone)]
pub(crate) struct Vocabulary {
    texts: Strings,
    kinds: Vec<TokenKind>,
    spelling: Spelling,
    longest: usize,
    ids: HashTable<u32>,
    hasher: RandomState,
}

impl Vocabulary {
    /// Checks and indexes a list of tokens. Empty tokens get the name `[EMPTY_id]`, as in llama.cpp.
    pub(crate) fn new(texts: Strings, kinds: Vec<TokenKind>, spelling: Spelling) -> Result<Self> {
        let corrupt = |message: String| Err(Error::new(ErrorKind::Corrupt, message));
        let count = texts.len();
        if count == 0 || count > MOST_TOKENS {
            return corrupt(format!(
                "the tokenizer holds {count} tokens; it must be between 1 and {MOST_TOKENS}"
            ));
        }
        if kinds.len() != count {
            return corrupt(format!("the tokenizer holds {count} tokens and {} token types", kinds.len()));
        }
        if let Some((id, text)) = texts.iter().enumerate().find(|(_, text)| text.len() > LONGEST_TOKEN) {
            return corrupt(format!(
                "token {id} is {} bytes long; at most {LONGEST_TOKEN} are read",
                text.len()
            ));
        }
        let texts = named(texts)?;
        let hasher = RandomState::default();
        let mut ids: HashTable<u32> = HashTable::with_capacity(count);
        let hash_of = |id: u32| hasher.hash_one(texts.get(id as usize).unwrap_or_default());
        for (id, text) in texts.iter().enumerate() {
            let hash = hasher.hash_one(text);
            if let Some(first) = ids.find(hash, |&other| texts.get(other as usize) == Some(text)) {
                let name = String::from_utf8_lossy(text);
                return corrupt(format!(
                    "token `{name}` has two ids, {first} and {id}: the vocabulary is damaged"
                ));
            }
            ids.insert_unique(hash, id as u32, |&other| hash_of(other));
        }
        let longest = texts.iter().map(<[u8]>::len).max().unwrap_or(0);
        Ok(Self { texts, kinds, spelling, longest, ids, hasher })
    }

    /// How many tokens there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// Length of the longest token as written, which is never shorter than what it stands for.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The token's text as the file writes it.
    pub(crate) fn text(&self, id: u32) -> Option<&[u8]> {
        self.texts.get(id as usize)
    }

    /// All tokens' texts by id.
    pub(crate) fn texts(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.texts.iter()
    }

    /// The token of exactly this text, whatever its kind.
    pub(crate) fn id(&self, text: &[u8]) -> Option<u32> {
        self.ids.find(self.hasher.hash_one(text), |&id| self.texts.get(id as usize) == Some(text)).copied()
    }

    /// The token of exactly this text, if ordinary text may become it.
    pub(crate) fn text_id(&self, text: &[u8]) -> Option<u32> {
        self.id(text).filter(|&id| self.kind(id).is_some_and(TokenKind::is_text))
    }

    /// What kind a token is.
    pub(crate) fn kind(&self, id: u32) -> Option<TokenKind> {
        self.kinds.get(id as usize).copied()
    }

    /// Changes what kind a token is.
    pub(crate) fn set_kind(&mut self, id: u32, kind: TokenKind) {
        if let Some(slot) = self.kinds.get_mut(id as usize) {
            *slot = kind;
        }
    }

    /// Ids of all tokens of the kinds that `wanted` accepts.
    pub(crate) fn of_kind(&self, wanted: impl Fn(TokenKind) -> bool) -> impl Iterator<Item = u32> {
        self.kinds.iter().enumerate().filter(move |(_, kind)| wanted(**kind)).map(|(id, _)| id as u32)
    }

    /// The ids of the 256 byte tokens `<0x00>` … `<0xFF>`, where they exist.
    pub(crate) fn byte_tokens(&self) -> Box<[Option<u32>; 256]> {
        let mut table = Box::new([None; 256]);
        for (byte, slot) in table.iter_mut().enumerate() {
            *slot = self.id(format!("<0x{byte:02X}>").as_bytes());
        }
        table
    }

    /// The bytes that a token stands for. Control and user-defined tokens stand for their own text.
    pub(crate) fn bytes(&self, id: u32) -> Option<Cow<'_, [u8]>> {
        let text = self.text(id)?;
        Some(match self.kind(id)? {
            TokenKind::Control | TokenKind::Unknown | TokenKind::UserDefined => Cow::Borrowed(text),
            TokenKind::Byte => byte_value(text).map_or(Cow::Borrowed(text), |byte| Cow::Owned(vec![byte])),
            TokenKind::Normal | TokenKind::Unused => self.spelt_out(text),
        })
    }

    fn spelt_out<'a>(&self, text: &'a [u8]) -> Cow<'a, [u8]> {
        let Ok(string) = std::str::from_utf8(text) else { return Cow::Borrowed(text) };
        match self.spelling {
            Spelling::ByteLevel => alphabet::read(string).map_or(Cow::Borrowed(text), Cow::Owned),
            Spelling::SpaceMark if string.contains(SPACE_MARK) => {
                Cow::Owned(string.replace(SPACE_MARK, " ").into())
            }
            Spelling::SpaceMark => Cow::Borrowed(text),
            Spelling::WordPiece => match string.strip_prefix("##") {
                Some(rest) => Cow::Borrowed(rest.as_bytes()),
                None => Cow::Owned(format!(" {string}").into()),
            },
        }
    }
}

/// The value of a token written `<0x41>`.
pub(crate) fn byte_value(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"<0x")?.strip_suffix(b">")?;
    if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// The list with a name for every empty token.
fn named(texts: Strings) -> Result<Strings> {
    if texts.iter().all(|text| !text.is_empty()) {
        return Ok(texts);
    }
    let mut out = Strings::with_capacity(texts.len());
    for (id, text) in texts.iter().enumerate() {
        match text {
            [] => out.push(format!("[EMPTY_{id}]").as_bytes())?,
            _ => out.push(text)?,
        }
    }
    Ok(out)
}
