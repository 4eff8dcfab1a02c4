//! Text to the pieces that a voice speaks at once: sentences, and of very long ones their parts.

use std::ops::Range;

/// Longer pieces than this (in bytes) are divided even where no sentence ends: the work for a piece stays small and the first sound
/// early.
const LONGEST: usize = 1000;

/// Abbreviations after which a sentence goes on, whatever follows; and those that go on with a number.
const GOING_ON: [&str; 7] = ["e.g", "i.e", "vs", "cf", "viz", "approx", "ca"];
const BEFORE_NUMBERS: [&str; 24] = [
    "No", "Nos", "Vol", "vol", "p", "pp", "Fig", "fig", "Ch", "Sec", "Art", "Eq", "Op", "Jan", "Feb", "Mar",
    "Apr", "Jun", "Jul", "Aug", "Sept", "Oct", "Nov", "Dec",
];

/// The places of the sentences of `text`: at line breaks and at points, exclamation and question marks that end one. `titles` are words
/// after which a point ends nothing.
pub fn sentences(text: &str, titles: &dyn Fn(&str) -> bool) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive(['\n', '\r', '\u{2028}', '\u{2029}']) {
        paragraph(text, at..at + line.len(), titles, &mut out);
        at += line.len();
    }
    out
}

fn paragraph(text: &str, lines: Range<usize>, titles: &dyn Fn(&str) -> bool, out: &mut Vec<Range<usize>>) {
    let line = &text[lines.clone()];
    let (mut from, mut chars) = (0, line.char_indices().peekable());
    while let Some((_, c)) = chars.next() {
        if !matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？') {
            continue;
        }
        let end = chars.peek().map_or(line.len(), |(at, _)| *at);
        // Closing quotation marks and brackets belong to it.
        while chars.next_if(|(_, c)| matches!(c, '"' | '”' | '’' | ')' | ']')).is_some() {}
        let behind = chars.peek().map_or(line.len(), |(at, _)| *at);
        let next = line[behind..].trim_start();
        let spaced = next.len() < line.len() - behind || matches!(c, '。' | '！' | '？');
        if spaced && !next.is_empty() && ends(&line[..end], next, titles) {
            push(text, lines.start + from..lines.start + behind, out);
            from = behind;
        }
    }
    push(text, lines.start + from..lines.end, out);
}

/// Whether a sentence ends here: not before a small letter, not after a title or an initial ("Dr. Smith", "J. K. Rowling").
fn ends(before: &str, next: &str, titles: &dyn Fn(&str) -> bool) -> bool {
    if next.starts_with(char::is_lowercase) {
        return false;
    }
    let Some(before) = before.strip_suffix('.') else { return true };
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(['(', '"', '“', '\'', '‘']);
    let mut chars = word.chars();
    let initial = chars.next().is_some_and(char::is_uppercase) && chars.next().is_none();
    let goes_on = GOING_ON.contains(&word)
        || BEFORE_NUMBERS.contains(&word) && next.starts_with(|c: char| c.is_ascii_digit());
    !(titles(word) || initial || goes_on)
}

/// Adds a piece, divided where it is too long.
fn push(text: &str, mut piece: Range<usize>, out: &mut Vec<Range<usize>>) {
    while piece.len() > LONGEST {
        let mut end = piece.start + LONGEST;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let part = &text[piece.start..end];
        let cut = |found: Option<usize>| found.filter(|at| *at > LONGEST / 4);
        let clause = cut(part.rfind([',', ';', ':', '—']))
            .and_then(|at| part[at..].chars().next().map(|c| at + c.len_utf8()));
        let length = clause.or_else(|| cut(part.rfind(char::is_whitespace))).unwrap_or(part.len());
        out.push(piece.start..piece.start + length);
        piece.start += length;
    }
    if !text[piece.clone()].trim().is_empty() {
        out.push(piece);
    } else if let Some(last) = out.last_mut().filter(|last| last.end == piece.start) {
        // Spaces belong to what they follow, so that all of the text is counted.
        last.end = piece.end;
    }
}

/// Phonemes in pieces of at most `most`: after pauses, else at spaces, else anywhere.
pub(crate) fn divide(phonemes: &str, most: usize) -> Vec<&str> {
    let (mut out, mut rest) = (Vec::new(), phonemes.trim());
    while let Some((limit, _)) = rest.char_indices().nth(most) {
        let part = &rest[..limit];
        let pause = part
            .char_indices()
            .zip(part.chars().skip(1))
            .filter(|((_, c), next)| matches!(c, ',' | ';' | ':' | '—') && next.is_whitespace())
            .last()
            .map(|((at, c), _)| at + c.len_utf8());
        let end = pause.or_else(|| part.rfind(' ')).filter(|end| *end > 0).unwrap_or(limit);
        out.push(rest[..end].trim());
        rest = rest[end..].trim_start();
    }
    out.push(rest);
    out.retain(|piece| !piece.is_empty());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(text: &str) -> Vec<&str> {
        sentences(text, &|word| word == "Dr").into_iter().map(|place| text[place].trim()).collect()
    }

    #[test]
    fn sentences_end_where_they_should() {
        assert_eq!(
            split("Hi there. I am Dr. Smith! \"Really?\" said J. K. and left. e.g. this\nNew line"),
            ["Hi there.", "I am Dr. Smith!", "\"Really?\" said J. K. and left. e.g. this", "New line"]
        );
        assert!(split(" \n\n  ").is_empty());
        assert_eq!(
            split("See e.g. Figure 2, i.e. 12% of No. 7 (vs. Paris) on pp. 3. It said No. Nobody came."),
            ["See e.g. Figure 2, i.e. 12% of No. 7 (vs. Paris) on pp. 3.", "It said No.", "Nobody came."]
        );
        assert_eq!(split("3.14 is pi... Yes."), ["3.14 is pi...", "Yes."]);
    }

    #[test]
    fn every_byte_belongs_to_a_piece_and_pieces_are_short() {
        let long = "x".repeat(1 << 20);
        let pieces = sentences(&long, &|_| false);
        assert!(pieces.iter().all(|piece| piece.len() <= LONGEST));
        assert_eq!(pieces.iter().map(Range::len).sum::<usize>(), long.len());
        let words = "wörd, ".repeat(1000);
        let pieces = sentences(&words, &|_| false);
        assert!(pieces.iter().all(|piece| words[piece.clone()].trim().ends_with(',')));
        assert_eq!(pieces.last().map(|piece| piece.end), Some(words.len()));
    }

    #[test]
    fn phonemes_are_divided_at_pauses_first() {
        assert_eq!(divide("aaa, bbb ccc", 6), ["aaa,", "bbb", "ccc"]);
        assert_eq!(divide("aaaaaaaa", 3), ["aaa", "aaa", "aa"]);
        assert_eq!(divide("  ", 3), Vec::<&str>::new());
        assert_eq!(divide("ab", 3), ["ab"]);
    }
}
