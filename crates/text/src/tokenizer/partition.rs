//! Cutting special tokens out of a text before the rest is tokenised. At each place the longest one that begins there is
//! taken, from left to right, as Hugging Face's tokenizers do.

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
        Self { starts, lengths, strip_after }
    }

    /// Cuts `text`. Control and unknown tokens count only with `parse_control`; user-defined ones always do.
    pub(crate) fn split<'a>(
        &self,
        vocabulary: &Vocabulary,
        text: &'a [u8],
        parse_control: bool,
    ) -> Vec<Part<'a>> {
        let mut parts = Vec::new();
        let (mut from, mut at) = (0, 0);
        while at < text.len() {
            let Some((id, len)) = self.token_at(vocabulary, text, at, parse_control) else {
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
        parse_control: bool,
    ) -> Option<(u32, usize)> {
        let first = usize::from(*text.get(at)?);
        // At the end of the text there is no second byte; a token of one byte has set all 256 bits.
        let pair = first << 8 | text.get(at + 1).map_or(0, |&b| usize::from(b));
        if self.starts[pair / 64] >> (pair % 64) & 1 == 0 {
            return None;
        }
        self.lengths.get(first)?.iter().find_map(|&len| {
            let id = vocabulary.id(text.get(at..at + usize::from(len))?)?;
            let kind = vocabulary.kind(id)?;
            (kind == TokenKind::UserDefined || (parse_control && is_special(kind)))
                .then_some((id, usize::from(len)))
        })
    }
}

fn is_special(kind: TokenKind) -> bool {
    matches!(kind, TokenKind::Control | TokenKind::Unknown | TokenKind::UserDefined)
}
