//! Cutting a text into the words within which byte-level BPE merges. Every family trained its tokenizer behind one or
//! more regular expressions; a name in the model file (`tokenizer.ggml.pre`) says which.

pub(crate) mod class;
mod families;
pub(crate) mod rules;

use super::utf8::claimed_len;
use class::{Char, char_at, run};
use fancy_regex::Regex;
use parasol_core::{Error, ErrorKind, Result};
use rules::Modern;

pub(crate) use families::{Family, family, gemma4};

/// One pass over the text: each match becomes a piece, and so does what lies between matches.
#[derive(Clone)]
pub(crate) enum Stage {
    /// GPT-2's pattern.
    Gpt2,
    /// Llama 3's pattern and its variants.
    Modern(Modern),
    /// DeepSeek V3's pattern.
    DeepSeek3,
    /// Runs of `least..=most` characters of a class.
    Run {
        /// Which characters.
        accepts: fn(&Char) -> bool,
        /// Shortest run.
        least: usize,
        /// Longest run; longer ones make several pieces.
        most: usize,
    },
    /// Any pattern, for families too rare to be worth a matcher.
    Pattern(Box<Regex>),
}

impl Stage {
    /// Cuts `piece`, which begins at `base` of the whole text; pushes where each part ends.
    fn cut(&self, piece: &[u8], base: usize, ends: &mut Vec<usize>) -> Result<()> {
        if let Self::Pattern(regex) = self {
            return cut_by_pattern(regex, piece, base, ends);
        }
        let (mut at, mut gap) = (0, false);
        while at < piece.len() {
            match self.at(piece, at) {
                Some(end) => {
                    if gap {
                        ends.push(base + at);
                    }
                    ends.push(base + end);
                    (at, gap) = (end, false);
                }
                None => {
                    at = char_at(piece, at).map_or(piece.len(), |c| c.end);
                    gap = true;
                }
            }
        }
        if gap {
            ends.push(base + at);
        }
        Ok(())
    }

    fn at(&self, piece: &[u8], at: usize) -> Option<usize> {
        match self {
            Self::Gpt2 => rules::gpt2(piece, at),
            Self::Modern(modern) => modern.at(piece, at),
            Self::DeepSeek3 => rules::deepseek3(piece, at),
            Self::Run { accepts, least, most } => {
                let (end, count) = run(piece, at, *most, accepts);
                (count >= *least).then_some(end)
            }
            Self::Pattern(_) => None,
        }
    }
}

/// Cuts `text` (repaired: see [`super::utf8::repaired`]) by all stages; returns where the words end.
///
/// # Errors
/// `InvalidRequest` when a rare family's pattern gives up on the text.
pub(crate) fn cut(stages: &[Stage], text: &[u8]) -> Result<Vec<usize>> {
    let mut ends = vec![text.len()];
    for stage in stages {
        let mut finer = Vec::with_capacity(text.len() / 4 + 1);
        let mut start = 0;
        for &end in &ends {
            stage.cut(&text[start..end], start, &mut finer)?;
            start = end;
        }
        ends = finer;
    }
    Ok(ends)
}

fn cut_by_pattern(regex: &Regex, piece: &[u8], base: usize, ends: &mut Vec<usize>) -> Result<()> {
    // Surrogates, the one thing that is left of broken UTF-8, are three bytes; so is the stand-in. Lengths stay true.
    let piece = match std::str::from_utf8(piece) {
        Ok(text) => std::borrow::Cow::Borrowed(text),
        Err(_) => std::borrow::Cow::Owned(without_surrogates(piece)),
    };
    let mut last = 0;
    for found in regex.find_iter(&piece) {
        let found = found.map_err(|e| {
            Error::new(
                ErrorKind::InvalidRequest,
                format!("the tokenizer's pattern gives up on this text ({e}): shorten it"),
            )
        })?;
        if found.start() > last {
            ends.push(base + found.start());
        }
        if found.end() > found.start() {
            ends.push(base + found.end());
        }
        last = found.end();
    }
    if last < piece.len() {
        ends.push(base + piece.len());
    }
    Ok(())
}

fn without_surrogates(piece: &[u8]) -> String {
    let mut out = String::with_capacity(piece.len());
    let mut at = 0;
    while let Some(&lead) = piece.get(at) {
        let end = piece.len().min(at + claimed_len(lead));
        out.push_str(std::str::from_utf8(&piece[at..end]).unwrap_or("\u{FFFD}"));
        at = end;
    }
    out
}

#[cfg(test)]
mod tests;
