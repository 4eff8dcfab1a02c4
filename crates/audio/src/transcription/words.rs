//! From the times of tokens to those of words: what a word is, which punctuation belongs to it, and how long it may last.

use super::align::TokenTime;
use super::tokens::{Special, Vocabulary};
use super::window::Piece;
use parasol_core::Word;

/// Marks that belong to the word behind them, and to the one before.
const OPENING: &str = "\"'“¿([{-";
const CLOSING: &str = "\"'.。,，!！?？:：”)]}、";
const SENTENCE_ENDS: &str = ".。!！?？";
/// No usual word is longer than this.
const USUAL: f64 = 0.7;
/// Languages that are written without spaces.
const NO_SPACES: [&str; 6] = ["zh", "ja", "th", "lo", "my", "yue"];

/// A word of a window.
#[derive(Debug, Clone, PartialEq)]
struct Timed {
    text: String,
    tokens: usize,
    start: f64,
    end: f64,
    probability: f32,
}

/// Text tokens to words, each with the number of its tokens.
fn split(vocabulary: &Vocabulary, special: &Special, tokens: &[u32], language: &str) -> Vec<(String, usize)> {
    let mut whole: Vec<(String, usize)> = Vec::new();
    let (mut bytes, mut count) = (Vec::new(), 0);
    for (at, token) in tokens.iter().enumerate() {
        bytes.extend(vocabulary.bytes(&[*token], special));
        count += 1;
        // A character may be cut between tokens; what never becomes one is shown as such.
        let broken = std::str::from_utf8(&bytes).err().is_some_and(|e| e.error_len().is_none());
        if !broken || at + 1 == tokens.len() {
            whole.push((String::from_utf8_lossy(&bytes).into_owned(), count));
            (bytes, count) = (Vec::new(), 0);
        }
    }
    if NO_SPACES.contains(&language) {
        return whole;
    }
    let mut words: Vec<(String, usize)> = Vec::new();
    for (text, count) in whole {
        let marks = !text.trim().is_empty() && text.trim().chars().all(|c| c.is_ascii_punctuation());
        match words.last_mut() {
            Some(word) if !text.starts_with(' ') && !marks => {
                word.0.push_str(&text);
                word.1 += count;
            }
            _ => words.push((text, count)),
        }
    }
    words
}

fn timed(words: Vec<(String, usize)>, times: &[TokenTime]) -> Vec<Timed> {
    let mut at = 0;
    let mut timed = Vec::with_capacity(words.len());
    for (text, tokens) in words {
        // One time more than tokens: the end of the last.
        let own = &times[at..at + tokens];
        let probability = own.iter().map(|t| t.probability).sum::<f32>() / tokens as f32;
        timed.push(Timed {
            text,
            tokens,
            start: times[at].start,
            end: times[at + tokens].start,
            probability,
        });
        at += tokens;
    }
    timed
}

/// The median length of a word, at most [`USUAL`].
fn median(words: &[Timed]) -> f64 {
    let mut lengths: Vec<f64> =
        words.iter().map(|w| w.end - w.start).filter(|length| *length > 0.0).collect();
    lengths.sort_by(f64::total_cmp);
    match lengths.len() {
        0 => 0.0,
        n if n % 2 == 1 => lengths[n / 2].min(USUAL),
        n => ((lengths[n / 2 - 1] + lengths[n / 2]) / 2.0).min(USUAL),
    }
}

/// A word at the end of a sentence, or the first of the next, takes in the pause between them: it is cut.
fn shorten(words: &mut [Timed], longest: f64) {
    let ends = |word: &Timed| SENTENCE_ENDS.contains(word.text.as_str());
    for at in 1..words.len() {
        if words[at].end - words[at].start > longest {
            if ends(&words[at]) {
                words[at].end = words[at].start + longest;
            } else if ends(&words[at - 1]) {
                words[at].start = words[at].end - longest;
            }
        }
    }
}

/// Joins marks to their words. What has been joined to another keeps its tokens and loses its text.
fn join(words: &mut [Timed]) {
    let mut next = words.len();
    for at in (0..words.len()).rev() {
        let mark = words[at]
            .text
            .strip_prefix(' ')
            .is_some_and(|t| !t.is_empty() && t.chars().all(|c| OPENING.contains(c)));
        if mark && next < words.len() {
            let text = std::mem::take(&mut words[at].text);
            words[next].text.insert_str(0, &text);
            words[next].start = words[at].start;
        } else {
            next = at;
        }
    }
    let mut before = 0;
    for at in 1..words.len() {
        let text = &words[at].text;
        if !text.is_empty() && text.chars().all(|c| CLOSING.contains(c)) && !words[before].text.ends_with(' ')
        {
            let text = std::mem::take(&mut words[at].text);
            words[before].text.push_str(&text);
        } else if !text.is_empty() {
            before = at;
        }
    }
}

/// The words of each piece of a window, in seconds from the window's beginning; pieces are moved to where their words are.
/// `spoken` is when the last word before the window ended.
pub(super) fn words(
    vocabulary: &Vocabulary,
    special: &Special,
    language: &str,
    pieces: &mut [Piece],
    times: &[TokenTime],
    spoken: f64,
) -> Vec<Vec<Word>> {
    let text =
        |piece: &Piece| piece.tokens.iter().filter(|t| **t < special.end).copied().collect::<Vec<u32>>();
    let all: Vec<u32> = pieces.iter().flat_map(text).collect();
    let mut words = timed(split(vocabulary, special, &all, language), times);
    let usual = median(&words);
    let longest = 2.0 * usual;
    shorten(&mut words, longest);
    join(&mut words);
    let (mut spoken, mut words) = (spoken, words.into_iter().peekable());
    let mut found = Vec::with_capacity(pieces.len());
    let mut ahead = 0;
    for piece in pieces {
        // A word that begins in the piece before is said there.
        let mut left = text(piece).len().saturating_sub(ahead);
        ahead = ahead.saturating_sub(text(piece).len());
        let mut own = Vec::new();
        while left > 0 {
            let Some(word) = words.next() else { break };
            ahead += word.tokens.saturating_sub(left);
            left = left.saturating_sub(word.tokens);
            if !word.text.is_empty() {
                own.push(Word {
                    word: word.text,
                    start: word.start,
                    end: word.end,
                    probability: word.probability,
                });
            }
        }
        settle(piece, &mut own, spoken, usual, longest);
        spoken = own.last().map_or(spoken, |word| word.end);
        found.push(own);
    }
    found
}

/// Reconciles a piece's times with those of its first and last word.
fn settle(piece: &mut Piece, words: &mut [Word], spoken: f64, usual: f64, longest: f64) {
    if let [first, ..] = words {
        // After a pause the first word takes in some of it.
        if first.end - spoken > 4.0 * usual && first.end - first.start > longest {
            first.start = first.end - longest;
        }
        if piece.start < first.end && piece.start - 0.5 > first.start {
            first.start = (first.end - usual).min(piece.start).max(0.0);
        } else {
            piece.start = first.start;
        }
    }
    if let [.., last] = words {
        if piece.end > last.start && piece.end + 0.5 < last.end {
            last.end = (last.start + usual).max(piece.end);
        } else {
            piece.end = last.end;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_join_their_words_and_long_ones_are_cut() {
        let mut tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
        for token in [" say", " \"", "Hi", "!\"", " I", " go", "ing", "."] {
            tokens.push(token.as_bytes().to_vec());
        }
        let vocabulary = Vocabulary::new(tokens).unwrap();
        let special = Special::of(51_865);
        let text: Vec<u32> = (256..264).collect();
        let times: Vec<TokenTime> = [0.0, 0.3, 0.3, 0.6, 0.6, 4.0, 4.2, 4.4, 9.0]
            .iter()
            .map(|start| TokenTime { start: *start, probability: 0.5 })
            .collect();
        let piece = |tokens: &[u32], start, end| Piece { start, end, tokens: tokens.to_vec() };
        let mut pieces = [piece(&text[..4], 0.0, 1.0), piece(&text[4..], 3.0, 5.0)];
        let found = words(&vocabulary, &special, "en", &mut pieces, &times, 0.0);
        let texts: Vec<Vec<&str>> =
            found.iter().map(|w| w.iter().map(|w| w.word.as_str()).collect()).collect();
        assert_eq!(texts, [vec![" say", " \"Hi!\""], vec![" I", " going."]]);
        let first = &found[1][0];
        assert!(first.end - first.start < 1.5, "the pause belongs to no word: {first:?}");
        assert!(pieces[1].start > 2.0 && pieces[1].end <= 5.0, "{pieces:?}");
        assert!(found.iter().flatten().all(|w| w.start <= w.end));
    }

    #[test]
    fn characters_that_are_cut_between_tokens_stay_whole() {
        let tokens: Vec<Vec<u8>> = (0..=255u8).map(|b| vec![b]).collect();
        let vocabulary = Vocabulary::new(tokens).unwrap();
        let bytes: Vec<u32> = "é你\u{fffd}".bytes().chain([0xff]).map(u32::from).collect();
        let found = split(&vocabulary, &Special::of(51_865), &bytes, "zh");
        let texts: Vec<&str> = found.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!(texts, ["é", "你", "\u{fffd}", "\u{fffd}"]);
        assert_eq!(found.iter().map(|(_, n)| n).sum::<usize>(), bytes.len());
    }
}
