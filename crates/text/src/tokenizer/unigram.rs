//! SentencePiece unigram (`t5` in GGUF files): the segmentation with the highest sum of scores, found by Viterbi
//! (Kudo 2018, "Subword Regularization").

use super::charsmap::CharsMap;
use super::spm::checked_scores;
use super::utf8::claimed_len;
use super::vocabulary::{SPACE_MARK, TokenKind, Vocabulary};
use parasol_core::{Error, ErrorKind, Result};

/// How much worse than the worst token an unknown character scores; SentencePiece's constant.
const UNKNOWN_PENALTY: f64 = 10.0;

/// Scores, and the tokens in alphabetical order, which serves as a trie.
#[derive(Clone)]
pub(crate) struct Unigram {
    scores: Vec<f32>,
    /// Ids sorted by text.
    sorted: Vec<u32>,
    /// For each first byte its range in `sorted`.
    firsts: Vec<(u32, u32)>,
    unknown_score: f64,
    unk: u32,
    charsmap: CharsMap,
    space_prefix: bool,
    squeeze_spaces: bool,
}

/// The best way to reach a place in the text.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    token: u32,
    from: u32,
}

impl Unigram {
    /// Sorts the vocabulary.
    ///
    /// # Errors
    /// `Corrupt` for scores that do not fit the tokens, damaged normalisation rules or a missing unknown token.
    pub(crate) fn new(
        vocabulary: &Vocabulary,
        scores: &[f32],
        unk: Option<u32>,
        charsmap: &[u8],
        space_prefix: bool,
        squeeze_spaces: bool,
    ) -> Result<Self> {
        let scores = checked_scores(vocabulary, scores)?;
        let unk = unk.ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                "the unigram tokenizer names no unknown token (tokenizer.ggml.unknown_token_id)",
            )
        })?;
        let mut sorted: Vec<u32> = vocabulary.of_kind(TokenKind::is_text).collect();
        sorted.sort_unstable_by_key(|&id| vocabulary.text(id));
        let first_byte = |id: u32| vocabulary.text(id).and_then(|text| text.first()).copied().unwrap_or(0);
        let firsts = (0..=255u8)
            .map(|byte| {
                let start = sorted.partition_point(|&id| first_byte(id) < byte);
                let end = sorted.partition_point(|&id| first_byte(id) <= byte);
                (start as u32, end as u32)
            })
            .collect();
        let worst = vocabulary
            .of_kind(|kind| kind == TokenKind::Normal)
            .filter_map(|id| scores.get(id as usize))
            .fold(f32::INFINITY, |worst, &score| worst.min(score));
        let worst = if worst.is_finite() { f64::from(worst) } else { 0.0 };
        let charsmap = CharsMap::new(charsmap)?;
        Ok(Self {
            scores,
            sorted,
            firsts,
            unknown_score: worst - UNKNOWN_PENALTY,
            unk,
            charsmap,
            space_prefix,
            squeeze_spaces,
        })
    }

    /// Appends the tokens of a text without special tokens.
    pub(crate) fn encode(&self, vocabulary: &Vocabulary, text: &[u8], out: &mut Vec<u32>) {
        let text = self.normalised(text);
        let start = Best { score: 0.0, token: self.unk, from: 0 };
        let unreached = Best { score: f64::NEG_INFINITY, ..start };
        let mut best = vec![unreached; text.len() + 1];
        best[0] = start;
        let mut at = 0;
        while let Some(&lead) = text.get(at) {
            let char_end = text.len().min(at + claimed_len(lead));
            let mut covered = false;
            self.tokens_at(vocabulary, &text, at, |token, end| {
                covered |= end == char_end;
                let own = if vocabulary.kind(token) == Some(TokenKind::UserDefined) {
                    0.0
                } else {
                    self.score(token)
                };
                improve(&mut best, at, end, token, own);
            });
            if !covered {
                improve(&mut best, at, char_end, self.unk, self.unknown_score);
            }
            at = char_end;
        }
        self.backtrack(&best, out);
    }

    /// Calls `found` with each token that begins at `at` and where it ends, shortest first. The tokens that share the
    /// text so far are a range of the sorted list, narrowed byte by byte.
    fn tokens_at(&self, vocabulary: &Vocabulary, text: &[u8], at: usize, mut found: impl FnMut(u32, usize)) {
        let Some(&(low, high)) = text.get(at).and_then(|&first| self.firsts.get(usize::from(first))) else {
            return;
        };
        let mut range = self.sorted.get(low as usize..high as usize).unwrap_or_default();
        for depth in 1.. {
            if let Some((&id, rest)) = range.split_first()
                && vocabulary.text(id).is_some_and(|text| text.len() == depth)
            {
                found(id, at + depth);
                range = rest;
            }
            let Some(&next) = text.get(at + depth) else { return };
            let byte = |id: &u32| vocabulary.text(*id).and_then(|text| text.get(depth)).copied();
            let low = range.partition_point(|id| byte(id) < Some(next));
            let len = range.get(low..).map_or(0, |tail| tail.partition_point(|id| byte(id) <= Some(next)));
            range = range.get(low..low + len).unwrap_or_default();
            if range.is_empty() {
                return;
            }
        }
    }

    fn score(&self, token: u32) -> f64 {
        self.scores.get(token as usize).map_or(self.unknown_score, |&score| f64::from(score))
    }

    /// Writes the best path; neighbouring unknown characters become one unknown token.
    fn backtrack(&self, best: &[Best], out: &mut Vec<u32>) {
        let first = out.len();
        let mut at = best.len() - 1;
        let mut after_unknown = false;
        while at > 0 {
            let Best { token, from, .. } = best[at];
            let unknown = token == self.unk;
            if !(unknown && after_unknown) {
                out.push(token);
            }
            after_unknown = unknown;
            // Every place on the path was reached from an earlier one; anything else would loop.
            at = (from as usize).min(at - 1);
        }
        if let Some(new) = out.get_mut(first..) {
            new.reverse();
        }
    }

    /// The text after the model's rules, with spaces as U+2581 and the prefix and squeezing that the model asks for.
    fn normalised(&self, text: &[u8]) -> Vec<u8> {
        let mapped = self.charsmap.apply(text);
        let mut out = Vec::with_capacity(mapped.len() + mapped.len() / 2 + 3);
        let (mut prefixed, mut in_word) = (false, false);
        for &byte in &mapped {
            if byte != b' ' {
                if !in_word && ((self.space_prefix && !prefixed) || self.squeeze_spaces) {
                    out.extend_from_slice(SPACE_MARK.as_bytes());
                    prefixed = true;
                }
                in_word = true;
                out.push(byte);
            } else {
                in_word = false;
                if !self.squeeze_spaces {
                    out.extend_from_slice(SPACE_MARK.as_bytes());
                }
            }
        }
        out
    }
}

fn improve(best: &mut [Best], from: usize, end: usize, token: u32, own: f64) {
    let score = best[from].score + own;
    if score > best[end].score {
        best[end] = Best { score, token, from: from as u32 };
    }
}
