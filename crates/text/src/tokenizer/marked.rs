//! Prompts that hold text from outside. A mark behind a character says that no control token may hold this character, so that what
//! a message says stays text, and only what the template itself wrote steers the model. Which characters those are,
//! [`Tokenizer::exposed`] says; who marks them and where messages are is the prompt's business.

use super::huggingface::Meant;
use super::partition::Part;
use super::{Engine, TokenKind, Tokenizer};
use parasol_core::Result;

impl Tokenizer {
    /// The ends of those characters in `text`, a text from outside, that would make a control token of it or of its joint with what
    /// stands beside it: the first of each token that is written out, the last where the text ends as such a token begins, and
    /// the first where it begins as one ends. In ascending order; empty for nearly every text.
    pub fn exposed(&self, text: &str) -> Vec<usize> {
        let mut ends: Vec<usize> = self
            .partitioner
            .control_starts(&self.vocabulary, text.as_bytes())
            .map(|at| after(text, at))
            .collect();
        // A template may trim what it is given.
        let trimmed = text.trim();
        let from = text.len() - text.trim_start().len();
        for (piece, from) in [(text, 0), (trimmed, from)] {
            if self.partitioner.begins_at_the_end(&self.vocabulary, piece.as_bytes()) {
                ends.push(from + piece.len());
            }
            if self.partitioner.ends_at_the_beginning(&self.vocabulary, piece.as_bytes()) {
                ends.push(after(text, from));
            }
        }
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// The ends of all characters with which a control token begins: marked, nothing that a template does to a text can make
    /// one of its parts.
    pub fn all_exposed(&self, text: &str) -> Vec<usize> {
        let mut ends = self.exposed(text);
        let mut bytes = [0; 4];
        for (at, c) in text.char_indices() {
            let first = c.encode_utf8(&mut bytes).as_bytes().first();
            if first.is_some_and(|first| self.partitioner.may_begin(*first)) {
                ends.push(at + c.len_utf8());
            }
        }
        ends.sort_unstable();
        ends.dedup();
        ends
    }

    /// The tokens of a prompt in which `mark` stands behind characters that are no part of a control token. The marks themselves
    /// are not in the text.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_marked(&self, text: &str, mark: char) -> Result<Vec<u32>> {
        let (plain, outside) = without_marks(text, mark);
        let parts = self.partitioner.split_around(&self.vocabulary, plain.as_bytes(), &outside);
        let mut out = Vec::with_capacity(plain.len() / 3);
        let Engine::HuggingFace(reference) = &self.engine else {
            self.encode_parts(&parts, &mut out)?;
            return Ok(out);
        };
        for meant in reference.encode_parts(&parts)? {
            match meant {
                Meant::Control(id) => out.push(id),
                Meant::Text(id) => out.extend(self.without_control(vec![id], false)),
            }
        }
        Ok(out)
    }

    /// How many control tokens such a prompt holds.
    pub fn count_control(&self, text: &str, mark: char) -> usize {
        let (plain, outside) = without_marks(text, mark);
        let parts = self.partitioner.split_around(&self.vocabulary, plain.as_bytes(), &outside);
        let control = |part: &&Part<'_>| matches!(part, Part::Token(id) if self.kind(*id) != Some(TokenKind::UserDefined));
        parts.iter().filter(control).count()
    }
}

/// The end of the character that begins at `at`.
fn after(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(at, |c| at + c.len_utf8())
}

/// The text without its marks, and the places in it where they stood, in ascending order.
fn without_marks(text: &str, mark: char) -> (String, Vec<usize>) {
    let mut plain = String::with_capacity(text.len());
    let mut places = Vec::new();
    for (i, piece) in text.split(mark).enumerate() {
        if i > 0 {
            places.push(plain.len());
        }
        plain.push_str(piece);
    }
    (plain, places)
}
