//! Cutting special tokens out of a text before the rest is tokenised. At each place the longest one that begins there is
//! taken, from left to right, as Hugging Face's tokenizers do.

use super::affixes::Affixes;
use super::vocabulary::{TokenKind, Vocabulary};

/// A part of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    /// Ordinary text.
    Text(&'a [u8]),
    /// A special token.
    Token(u32),
}

/// The special tokens of a vocabulary, ready to be found.
#[derive(Clone)]
pub(crate) struct Partitioner {
    /// A bit for each pair of first bytes with which a special token begins.
    starts: Box<[u64; 1024]>,
    /// For each first byte the lengths that occur, longest first.
    lengths: Vec<Vec<u16>>,
    /// White space after a special token belongs to it (Phi-3).
    strip_after: bool,
    /// Tokens that never come of text from outside.
    controls: Affixes,
    /// The first bytes of these.
    control_starts: Box<[bool; 256]>,
}

/// Where control tokens count in a text.
#[derive(Debug, Clone, Copy)]
enum Control<'a> {
    /// Nowhere.
    Never,
    /// Where they do not hold the character that ends at any of these places, in ascending order.
    Around(&'a [usize]),
}

impl Partitioner {
    /// Collects the special tokens of `vocabulary`.
    pub(crate) fn new(vocabulary: &Vocabulary, strip_after: bool) -> Self {
        let mut starts = Box::new([0u64; 1024]);
        let mut lengths: Vec<Vec<u16>> = vec![Vec::new(); 256];
        for id in vocabulary.of_kind(is_special) {
            let Some(text @ [first, ..]) = vocabulary.text(id) else { continue };
            let Ok(len) = u16::try_from(text.len()) else { continue };
            let seconds = text.get(1).map_or(0..=255, |&second| second..=second);
            for second in seconds {
                let pair = usize::from(*first) << 8 | usize::from(second);
                starts[pair / 64] |= 1 << (pair % 64);
            }
            if let Some(list) = lengths.get_mut(usize::from(*first)) {
                list.push(len);
            }
        }
        for list in &mut lengths {
            list.sort_unstable_by(|a, b| b.cmp(a));
            list.dedup();
        }
        let controls: Vec<u32> = vocabulary.of_kind(is_control).collect();
        let mut control_starts = Box::new([false; 256]);
        for first in controls.iter().filter_map(|id| vocabulary.text(*id)?.first()) {
            if let Some(begins) = control_starts.get_mut(usize::from(*first)) {
                *begins = true;
            }
        }
        Self { starts, lengths, strip_after, controls: Affixes::new(vocabulary, controls), control_starts }
    }

    /// Cuts `text`. Control and unknown tokens count only with `parse_control`; user-defined ones always do.
    pub(crate) fn split<'a>(
        &self,
        vocabulary: &Vocabulary,
        text: &'a [u8],
        parse_control: bool,
    ) -> Vec<Part<'a>> {
        self.cut(vocabulary, text, if parse_control { Control::Around(&[]) } else { Control::Never })
    }

    /// Cuts `text`, in which no control token holds a character that ends at any place of `outside` (in ascending order).
    pub(crate) fn split_around<'a>(
        &self,
        vocabulary: &Vocabulary,
        text: &'a [u8],
        outside: &[usize],
    ) -> Vec<Part<'a>> {
        self.cut(vocabulary, text, Control::Around(outside))
    }

    /// The places where control tokens are written out, overlapping ones too.
    pub(crate) fn control_starts<'a>(
        &'a self,
        vocabulary: &'a Vocabulary,
        text: &'a [u8],
    ) -> impl Iterator<Item = usize> + 'a {
        (0..text.len()).filter(move |&at| {
            self.candidates(text, at).any(|len| {
                let id = text.get(at..at + len).and_then(|text| vocabulary.id(text));
                id.and_then(|id| vocabulary.kind(id)).is_some_and(is_control)
            })
        })
    }

    /// Whether a control token begins with this byte.
    pub(crate) fn may_begin(&self, byte: u8) -> bool {
        self.control_starts.get(usize::from(byte)).copied().unwrap_or(false)
    }

    /// Whether `text` ends in the middle of a control token.
    pub(crate) fn begins_at_the_end(&self, vocabulary: &Vocabulary, text: &[u8]) -> bool {
        self.controls.begin_at_the_end(vocabulary, text)
    }

    /// Whether `text` begins in the middle of a control token.
    pub(crate) fn ends_at_the_beginning(&self, vocabulary: &Vocabulary, text: &[u8]) -> bool {
        self.controls.end_at_the_beginning(vocabulary, text)
    }

    fn cut<'a>(&self, vocabulary: &Vocabulary, text: &'a [u8], control: Control<'_>) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let Some((id, len)) = self.token_at(vocabulary, text, at, control) else {
                at += 1;
                continue;
            };
            if from < at {
                parts.push(Part::Text(&text[from..at]));
            }
            parts.push(Part::Token(id));
            at += len;
            while self.strip_after && text.get(at).is_some_and(|b| b.is_ascii_whitespace() || *b == 0x0B) {
                at += 1;
            }
            from = at;
        }
        if from < text.len() {
            parts.push(Part::Text(&text[from..]));
        }
        parts
    }

    fn token_at(
        &self,
        vocabulary: &Vocabulary,
        text: &[u8],
        at: usize,
        control: Control<'_>,
    ) -> Option<(u32, usize)> {
        self.candidates(text, at).find_map(|len| {
            let id = vocabulary.id(text.get(at..at + len)?)?;
            let counts = match vocabulary.kind(id)? {
                TokenKind::UserDefined => true,
                kind if is_control(kind) => control.counts(at, at + len),
                _ => false,
            };
            counts.then_some((id, len))
        })
    }

    /// The lengths of special tokens that may begin at a place, longest first.
    fn candidates<'a>(&'a self, text: &[u8], at: usize) -> impl Iterator<Item = usize> + 'a {
        let first = text.get(at).copied().map(usize::from);
        let begins = first.is_some_and(|first| {
            // At the end of the text there is no second byte; a token of one byte has set all 256 bits.
            let pair = first << 8 | text.get(at + 1).map_or(0, |&b| usize::from(b));
            self.starts[pair / 64] >> (pair % 64) & 1 == 1
        });
        let lengths = first.filter(|_| begins).and_then(|first| self.lengths.get(first));
        lengths.into_iter().flatten().map(|&len| usize::from(len))
    }
}

impl Control<'_> {
    /// Whether a token from `from` to `to` counts.
    fn counts(self, from: usize, to: usize) -> bool {
        match self {
            Self::Never => false,
            Self::Around(outside) => {
                let next = outside.partition_point(|&end| end <= from);
                outside.get(next).is_none_or(|&end| end > to)
            }
        }
    }
}

fn is_special(kind: TokenKind) -> bool {
    is_control(kind) || kind == TokenKind::UserDefined
}

/// Whether such a token never comes of text from outside.
fn is_control(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Control | TokenKind::Unknown)
}
