//! A text as Pocket TTS was taught to read it: the characters that its training had, a capital at the beginning, a mark at the end;
//! and in chunks of as many tokens as it says without losing a word.

use super::config::Config;
use super::tokens::Words;
use crate::speech::sentences::sentences;
use fancy_regex::Regex;
use parasol_core::Result;
use std::ops::Range;
use std::sync::LazyLock;

/// Tokens that are spoken at once.
pub(super) const MOST_TOKENS: usize = 50;
/// Texts of fewer words are filled up with spaces where the voice says so.
const FEW_WORDS: usize = 5;

/// A chunk that is ready to be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Prepared {
    pub(super) text: String,
    /// Frames that follow the one which says that the end is near, where the voice does not say how many.
    pub(super) frames_after: usize,
}

static COMMA_BEHIND_END: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"([.!?…])\s*[,;:]").expect("this pattern is one"));

/// The text as it is read; `None` when nothing is left of it.
pub(super) fn prepare(text: &str, config: &Config) -> Option<Prepared> {
    let mut text = text.trim().to_owned();
    if !config.replace_characters.is_empty() {
        let mut replaced = String::with_capacity(text.len());
        for c in text.chars() {
            match config.replace_characters.get(&c) {
                Some(instead) => replaced.push_str(instead),
                None => replaced.push(c),
            }
        }
        let words: Vec<&str> = replaced.split_whitespace().collect();
        // A quotation mark that is gone leaves a comma behind the end of what was quoted.
        text = COMMA_BEHIND_END.replace_all(&words.join(" "), "$1").into_owned();
    }
    text = text.replace(['\n', '\r'], " ").replace("  ", " ");
    if config.remove_semicolons {
        text = text.replace(';', ",");
    }
    let first = text.chars().next()?;
    let frames_after = if text.split_whitespace().count() <= 4 { 5 } else { 3 };
    if config.capitalize_first_letter && !first.is_uppercase() {
        text = first.to_uppercase().chain(text.chars().skip(1)).collect();
    }
    if config.append_terminal_punctuation {
        text = ended(text);
    }
    if config.pad_with_spaces_for_short_inputs && text.split_whitespace().count() < FEW_WORDS {
        text.insert_str(0, "        ");
    }
    Some(Prepared { text, frames_after })
}

/// The text with a mark that ends a sentence: without one its last word is said wrong, or twice.
fn ended(text: String) -> String {
    const CLOSERS: &str = "\"'”’)]» ";
    const WEAK: &str = ",;:-–— ";
    let core = text.trim_end_matches(|c| CLOSERS.contains(c));
    let closers = text[core.len()..].trim();
    match core.chars().next_back() {
        None | Some('.' | '!' | '?' | '…') => text,
        Some(last) if WEAK.contains(last) => {
            format!("{}.{closers}", core.trim_end_matches(|c| WEAK.contains(c)))
        }
        Some(_) => text + ".",
    }
}

/// The places of the chunks of a text: as many sentences as fit, and of longer ones their parts.
///
/// # Errors
/// As [`Words::ids`].
pub(super) fn chunks(
    text: &str,
    config: &Config,
    words: &Words,
    titles: &dyn Fn(&str) -> bool,
) -> Result<Vec<Range<usize>>> {
    let count = |place: &Range<usize>| match prepare(&text[place.clone()], config) {
        Some(prepared) => words.ids(&prepared.text).map(|ids| ids.len()),
        None => Ok(0),
    };
    let mut parts = Vec::new();
    for sentence in sentences(text, titles) {
        let tokens = count(&sentence)?;
        if tokens <= MOST_TOKENS {
            parts.push((sentence, tokens));
            continue;
        }
        for part in cut(text, sentence, &[',', ';', ':']) {
            let tokens = count(&part)?;
            if tokens <= MOST_TOKENS {
                parts.push((part, tokens));
                continue;
            }
            // Without a mark where it could breathe: between words.
            for word in cut(text, part, &[' ']) {
                let tokens = count(&word)?;
                parts.push((word, tokens));
            }
        }
    }
    let mut chunks: Vec<(Range<usize>, usize)> = Vec::new();
    for (part, tokens) in parts {
        match chunks.last_mut() {
            Some((chunk, sum)) if *sum + tokens <= MOST_TOKENS => {
                chunk.end = part.end;
                *sum += tokens;
            }
            _ => chunks.push((part, tokens)),
        }
    }
    Ok(chunks.into_iter().map(|(chunk, _)| chunk).collect())
}

/// The parts of a place, each with the mark at its end. A mark counts where a space follows it, or is one.
fn cut(text: &str, place: Range<usize>, marks: &[char]) -> Vec<Range<usize>> {
    let (mut parts, mut from) = (Vec::new(), place.start);
    for (at, mark) in text[place.clone()].match_indices(marks) {
        let end = place.start + at + mark.len();
        let spaced = mark == " " || text[end..place.end].starts_with(char::is_whitespace);
        if spaced && end < place.end {
            parts.push(from..end);
            from = end;
        }
    }
    parts.push(from..place.end);
    parts
}
