//! Hand-written matchers for the splitting patterns that most families share. Each stands beside the regular expression
//! that it replaces and is tested against it; none of them backtracks, so long texts cost linear time.

use super::class::{Char, Class, char_at, run};

/// GPT-2: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`///
/// Matches at `at`: where the match ends.
pub(crate) fn gpt2(text: &[u8], at: usize) -> Option<usize> {
    let c = char_at(text, at)?;
    if let Some(end) = contraction(text, at, false) {
        return Some(end);
    }
    let body = if c.code == 0x20 { char_at(text, c.end).unwrap_or(c) } else { c };
    let kinds = Class::LETTER | Class::NUMBER | Class::SPACE;
    if body.class.is(Class::SPACE) {
        return Some(spaces(text, at, usize::MAX));
    }
    let end = if body.class.is(Class::LETTER) {
        run(text, body.end, usize::MAX, |c| c.class.is(Class::LETTER)).0
    } else if body.class.is(Class::NUMBER) {
        run(text, body.end, usize::MAX, |c| c.class.is(Class::NUMBER)).0
    } else {
        run(text, body.end, usize::MAX, |c| !c.class.is(kinds)).0
    };
    Some(end)
}

/// What may follow a run of symbols and belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tail {
    /// Nothing.
    None,
    /// `[\r\n]*`
    Newlines,
    /// `[\r\n/]*`
    NewlinesAndSlashes,
}

/// How a word looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// `[^\r\n\p{L}\p{N}]?\p{L}+`
    Letters,
    /// `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`, and marks are no symbols
    LettersAndMarks,
    /// A capitalised or lower-case word: `[^\r\n\p{L}\p{N}]?U*W+|[^\r\n\p{L}\p{N}]?U+W*`
    /// with U = `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]` and W = `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`; `contraction` adds `(?i:'s|…)?`
    Cased {
        /// Whether an English contraction belongs to the word.
        contraction: bool,
    },
}

/// The pattern that Llama 3 and most families after it vary:
/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|WORD|\p{N}{1,DIGITS}| ?[^\s\p{L}\p{N}]+TAIL|\s*[\r\n]+|\s+(?!\S)|\s+`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Modern {
    /// English contractions are pieces of their own.
    pub contractions: bool,
    /// How a word looks.
    pub word: Word,
    /// Most digits in a piece.
    pub digits: usize,
    /// What follows symbols.
    pub tail: Tail,
}

impl Modern {
    /// Matches at `at`: where the match ends.
    pub(crate) fn at(&self, text: &[u8], at: usize) -> Option<usize> {
        let c = char_at(text, at)?;
        if self.contractions
            && let Some(end) = contraction(text, at, true)
        {
            return Some(end);
        }
        if let Some(end) = self.word(text, at, &c) {
            return Some(end);
        }
        if c.class.is(Class::NUMBER) {
            return Some(run(text, at, self.digits, |c| c.class.is(Class::NUMBER)).0);
        }
        let mut wordy = Class::SPACE | Class::LETTER | Class::NUMBER;
        if self.word == Word::LettersAndMarks {
            wordy = wordy | Class::MARK;
        }
        let body = if c.code == 0x20 { char_at(text, c.end).unwrap_or(c) } else { c };
        if !body.class.is(wordy) {
            let (end, _) = run(text, body.end, usize::MAX, |c| !c.class.is(wordy));
            return Some(self.tail(text, end));
        }
        Some(lines(text, at))
    }

    fn tail(&self, text: &[u8], at: usize) -> usize {
        match self.tail {
            Tail::None => at,
            Tail::Newlines => run(text, at, usize::MAX, newline).0,
            Tail::NewlinesAndSlashes => run(text, at, usize::MAX, |c| newline(c) || c.code == 0x2F).0,
        }
    }

    fn word(&self, text: &[u8], at: usize, c: &Char) -> Option<usize> {
        let letters = match self.word {
            Word::Letters => Class::LETTER,
            Word::LettersAndMarks => Class::LETTER | Class::MARK,
            Word::Cased { contraction } => return cased_word(text, at, c, contraction),
        };
        let prefixed = may_lead(c) && char_at(text, c.end).is_some_and(|next| next.class.is(letters));
        (prefixed || c.class.is(letters)).then(|| run(text, c.end, usize::MAX, |c| c.class.is(letters)).0)
    }
}

/// `[^\r\n\p{L}\p{N}]`
fn may_lead(c: &Char) -> bool {
    !newline(c) && !c.class.is(Class::LETTER | Class::NUMBER)
}

fn newline(c: &Char) -> bool {
    matches!(c.code, 0x0A | 0x0D)
}

/// The two alternatives of [`Word::Cased`], in order, each first with and then without its leading character.
fn cased_word(text: &[u8], at: usize, c: &Char, contractions: bool) -> Option<usize> {
    let after_lead = may_lead(c).then_some(c.end);
    let starts = || after_lead.into_iter().chain([at]);
    let end = starts()
        .find_map(|start| lower_word(text, start))
        .or_else(|| starts().find_map(|start| upper_word(text, start)))?;
    Some(if contractions { contraction(text, end, true).unwrap_or(end) } else { end })
}

/// `U*W+`, where what both classes hold (letters without case, marks) goes to U first and is given back if need be.
fn lower_word(text: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut last_both) = (start, None);
    while let Some(c) = char_at(text, at)
        && c.class.is(Class::UPPERISH)
    {
        at = c.end;
        if c.class.is(Class::LOWERISH) {
            last_both = Some(at);
        }
    }
    let (end, count) = run(text, at, usize::MAX, |c| c.class.is(Class::LOWERISH));
    if count > 0 { Some(end) } else { last_both }
}

/// `U+W*`, tried only where `U*W+` fails, so that nothing is left for W.
fn upper_word(text: &[u8], start: usize) -> Option<usize> {
    let (end, count) = run(text, start, usize::MAX, |c| c.class.is(Class::UPPERISH));
    (count > 0).then_some(end)
}

/// DeepSeek V3, whose digits and Chinese are cut out before: ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+``
/// `|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
///
/// Matches at `at`; `None` where nothing matches (digits, control characters).
pub(crate) fn deepseek3(text: &[u8], at: usize) -> Option<usize> {
    let c = char_at(text, at)?;
    let next = char_at(text, c.end);
    let (signs, letters) = (Class::PUNCTUATION | Class::SYMBOL, Class::LETTER | Class::MARK);
    let latin = |c: &Char| matches!(c.code, 0x41..=0x5A | 0x61..=0x7A);
    if c.code < 0x80 && c.class.is(signs) && next.as_ref().is_some_and(latin) {
        return Some(run(text, c.end, usize::MAX, latin).0);
    }
    let leads = !newline(&c) && !c.class.is(Class::LETTER | signs);
    if (leads && next.is_some_and(|n| n.class.is(letters))) || c.class.is(letters) {
        return Some(run(text, c.end, usize::MAX, |c| c.class.is(letters)).0);
    }
    let body = if c.code == 0x20 { next.unwrap_or(c) } else { c };
    if body.class.is(signs) {
        let (end, _) = run(text, body.end, usize::MAX, |c| c.class.is(signs));
        return Some(run(text, end, usize::MAX, newline).0);
    }
    c.class.is(Class::SPACE).then(|| lines(text, at))
}

/// `\s*[\r\n]+|\s+(?!\S)|\s+`; at least one space is at `at`.
fn lines(text: &[u8], at: usize) -> usize {
    let (mut end, mut last_newline) = (at, None);
    while let Some(c) = char_at(text, end)
        && c.class.is(Class::SPACE)
    {
        end = c.end;
        if newline(&c) {
            last_newline = Some(end);
        }
    }
    last_newline.unwrap_or_else(|| spaces(text, at, end))
}

/// `\s+(?!\S)|\s+`: leaves the last of several spaces to the word that follows. `known` is where the run ends, if the
/// caller knows, else `usize::MAX`.
fn spaces(text: &[u8], at: usize, known: usize) -> usize {
    let (mut end, mut last) = (at, at);
    while end < known
        && let Some(c) = char_at(text, end)
        && c.class.is(Class::SPACE)
    {
        (last, end) = (end, c.end);
    }
    if end < text.len() && last > at { last } else { end }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`
fn contraction(text: &[u8], at: usize, ignore_case: bool) -> Option<usize> {
    if *text.get(at)? != b'\'' {
        return None;
    }
    let letter = |offset: usize| {
        text.get(at + offset).map_or(0, |&b| if ignore_case { b.to_ascii_lowercase() } else { b })
    };
    match (letter(1), letter(2)) {
        (b's' | b't' | b'm' | b'd', _) => Some(at + 2),
        (b'r' | b'v', b'e') | (b'l', b'l') => Some(at + 3),
        _ => None,
    }
}
