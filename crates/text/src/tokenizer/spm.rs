//! SentencePiece BPE (`llama` in GGUF files): neighbours merge into the token of the highest score, over the whole text;
//! what is no token is written byte by byte.
//!
//! Where no token joins the character before a place to the character after it, nothing can ever merge across, so the
//! text is cut there and merged piece by piece: the same result without one heap for a whole book.

use super::merge::{MergeRules, Merger, Symbol};
use super::utf8::claimed_len;
use super::vocabulary::{SPACE_MARK, Vocabulary};
use parasol_core::{Error, ErrorKind, Result};

/// Scores, byte tokens and the places where merging can cross.
#[derive(Clone)]
pub(crate) struct SentencePieceBpe {
    /// For each token the place of its score among all scores, best first.
    ranks: Vec<u32>,
    bytes: Box<[Option<u32>; 256]>,
    unk: Option<u32>,
    /// Whether a space goes in front of a text.
    pub space_prefix: bool,
    /// A bit for each (last byte of a character, first byte of the next) that some token holds side by side.
    joints: Box<[u64; 1024]>,
}

struct Rules<'a> {
    vocabulary: &'a Vocabulary,
    ranks: &'a [u32],
    text: &'a [u8],
}

impl MergeRules for Rules<'_> {
    fn merge(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
        let id = self
            .vocabulary
            .text_id(self.text.get(left.start as usize..(right.start + right.len) as usize)?)?;
        Some((*self.ranks.get(id as usize)?, id))
    }
}

impl SentencePieceBpe {
    /// Reads the scores (none at all counts as all equal).
    ///
    /// # Errors
    /// `Corrupt` when there are fewer scores than tokens, or a score is not a number.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        scores: &[f32],
        unk: Option<u32>,
        space_prefix: bool,
    ) -> Result<Self> {
        let scores = checked_scores(vocabulary, scores)?;
        let mut joints = Box::new([0u64; 1024]);
        for text in vocabulary.texts() {
            let mut at = text.first().map_or(1, |&lead| claimed_len(lead));
            while let Some(&lead) = text.get(at) {
                let joint = joint(text[at - 1], lead);
                joints[joint / 64] |= 1 << (joint % 64);
                at += claimed_len(lead);
            }
        }
        let ranks = scores.iter().map(|&score| descending(score)).collect();
        Ok(Self { ranks, bytes: vocabulary.byte_tokens(), unk, space_prefix, joints })
    }

    /// Appends the tokens of a text without special tokens; `first` when it begins the text or follows a special token.
    ///
    /// # Errors
    /// `InvalidRequest` when a byte has no token and the vocabulary names none for the unknown.
    pub(crate) fn encode(
        &self,
        vocabulary: &Vocabulary,
        text: &[u8],
        first: bool,
        out: &mut Vec<u32>,
    ) -> Result<()> {
        let text = with_space_marks(text, first && self.space_prefix);
        let (mut symbols, mut merger) = (Vec::new(), Merger::default());
        let mut at = 0;
        while let Some(&lead) = text.get(at) {
            let end = text.len().min(at + claimed_len(lead));
            symbols.push(Symbol { start: at as u32, len: (end - at) as u32, id: u32::MAX });
            let joined = text.get(end).is_some_and(|&next| self.joined(text[end - 1], next));
            at = end;
            if !joined {
                merger.run(&mut symbols, &Rules { vocabulary, ranks: &self.ranks, text: &text });
                for symbol in symbols.drain(..) {
                    self.write(vocabulary, &symbol, &text, out)?;
                }
            }
        }
        Ok(())
    }

    fn joined(&self, last: u8, next: u8) -> bool {
        let joint = joint(last, next);
        self.joints[joint / 64] >> (joint % 64) & 1 == 1
    }

    fn write(&self, vocabulary: &Vocabulary, symbol: &Symbol, text: &[u8], out: &mut Vec<u32>) -> Result<()> {
        let start = symbol.start as usize;
        let span = text.get(start..start + symbol.len as usize).unwrap_or_default();
        let whole = if symbol.id == u32::MAX { vocabulary.text_id(span) } else { Some(symbol.id) };
        if let Some(id) = whole {
            out.push(id);
            return Ok(());
        }
        for &byte in span {
            match self.bytes[usize::from(byte)].or(self.unk) {
                Some(id) => out.push(id),
                None => {
                    let message = format!(
                        "the model's vocabulary has no token for byte 0x{byte:02X}: remove that character"
                    );
                    return Err(Error::new(ErrorKind::InvalidRequest, message));
                }
            }
        }
        Ok(())
    }
}

fn joint(last: u8, next: u8) -> usize {
    usize::from(last) << 8 | usize::from(next)
}

/// An unsigned number that is smaller the higher the score.
fn descending(score: f32) -> u32 {
    let bits = (score + 0.0).to_bits(); // −0 becomes 0, which compares equal to it
    if bits >> 31 == 1 { bits } else { !bits & 0x7FFF_FFFF }
}

/// One finite score for each token; missing lists count as zeros.
pub(crate) fn checked_scores(vocabulary: &Vocabulary, scores: &[f32]) -> Result<Vec<f32>> {
    let count = vocabulary.len();
    if scores.is_empty() {
        return Ok(vec![0.0; count]);
    }
    let scores = scores.get(..count).ok_or_else(|| {
        Error::new(
            ErrorKind::Corrupt,
            format!("the tokenizer holds {count} tokens and only {} scores", scores.len()),
        )
    })?;
    if let Some(id) = scores.iter().position(|score| score.is_nan()) {
        return Err(Error::new(ErrorKind::Corrupt, format!("the score of token {id} is not a number")));
    }
    Ok(scores.to_vec())
}

/// The text with every space as U+2581, and one in front if asked.
pub(crate) fn with_space_marks(text: &[u8], prefix: bool) -> Vec<u8> {
    let spaces = text.iter().filter(|&&b| b == b' ').count() + usize::from(prefix);
    let mut out = Vec::with_capacity(text.len() + 2 * spaces);
    if prefix {
        out.extend_from_slice(SPACE_MARK.as_bytes());
    }
    for &byte in text {
        match byte {
            b' ' => out.extend_from_slice(SPACE_MARK.as_bytes()),
            _ => out.push(byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_order_scores_from_high_to_low() {
        let scores = [f32::INFINITY, 1e9, 2.0, 1.0, 1e-30, 0.0, -1e-30, -1.0, -2.0, -1e9, f32::NEG_INFINITY];
        let ranks: Vec<u32> = scores.iter().map(|&s| descending(s)).collect();
        assert!(ranks.windows(2).all(|w| w[0] < w[1]), "{ranks:x?}");
        assert_eq!(descending(0.0), descending(-0.0));
    }
}
