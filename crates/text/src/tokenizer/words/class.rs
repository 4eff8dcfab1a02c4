//! What the splitters must know about a character, as one set of bits. Categories are Unicode's general categories.

use super::super::utf8::lenient_char;
use std::ops::BitOr;
use unicode_general_category::{GeneralCategory as G, get_general_category};

/// A set of character classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Class(u8);

impl Class {
    /// `\p{L}`
    pub(crate) const LETTER: Self = Self(1);
    /// `\p{N}`
    pub(crate) const NUMBER: Self = Self(2);
    /// `\p{P}`
    pub(crate) const PUNCTUATION: Self = Self(4);
    /// `\p{S}`
    pub(crate) const SYMBOL: Self = Self(8);
    /// `\p{M}`
    pub(crate) const MARK: Self = Self(16);
    /// `\s`
    pub(crate) const SPACE: Self = Self(32);
    /// `[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`: may begin a capitalised word.
    pub(crate) const UPPERISH: Self = Self(64);
    /// `[\p{Ll}\p{Lm}\p{Lo}\p{M}]`: may go on after capitals.
    pub(crate) const LOWERISH: Self = Self(128);

    /// Whether it shares a class with `other`.
    pub(crate) fn is(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Class {
    type Output = Self;
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

const ASCII: [Class; 128] = {
    let mut table = [Class(0); 128];
    let mut c = 0;
    while c < 128 {
        table[c] = Class(match c as u8 {
            b'A'..=b'Z' => 1 | 64,
            b'a'..=b'z' => 1 | 128,
            b'0'..=b'9' => 2,
            9..=13 | b' ' => 32,
            b'$' | b'+' | b'<' | b'=' | b'>' | b'^' | b'`' | b'|' | b'~' => 8,
            b'!'..=b'/' | b':'..=b'@' | b'['..=b'_' | b'{' | b'}' => 4,
            _ => 0,
        });
        c += 1;
    }
    table
};

/// The classes of a code point; surrogates belong to none.
pub(crate) fn class_of(code: u32) -> Class {
    if let Some(&class) = ASCII.get(code as usize) {
        return class;
    }
    let Some(c) = char::from_u32(code) else { return Class(0) };
    if c.is_whitespace() {
        return Class::SPACE;
    }
    let both = Class::UPPERISH | Class::LOWERISH;
    match get_general_category(c) {
        G::UppercaseLetter | G::TitlecaseLetter => Class::LETTER | Class::UPPERISH,
        G::LowercaseLetter => Class::LETTER | Class::LOWERISH,
        G::ModifierLetter | G::OtherLetter => Class::LETTER | both,
        G::NonspacingMark | G::SpacingMark | G::EnclosingMark => Class::MARK | both,
        G::DecimalNumber | G::LetterNumber | G::OtherNumber => Class::NUMBER,
        G::ConnectorPunctuation
        | G::DashPunctuation
        | G::OpenPunctuation
        | G::ClosePunctuation
        | G::InitialPunctuation
        | G::FinalPunctuation
        | G::OtherPunctuation => Class::PUNCTUATION,
        G::MathSymbol | G::CurrencySymbol | G::ModifierSymbol | G::OtherSymbol => Class::SYMBOL,
        _ => Class(0),
    }
}

/// A character of the text under the splitter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Char {
    /// Code point.
    pub code: u32,
    /// Where the next one begins.
    pub end: usize,
    /// Its classes.
    pub class: Class,
}

/// The character at `at`; `None` at the end.
#[inline]
pub(crate) fn char_at(text: &[u8], at: usize) -> Option<Char> {
    let byte = *text.get(at)?;
    if let Some(&class) = ASCII.get(usize::from(byte)) {
        return Some(Char { code: u32::from(byte), end: at + 1, class });
    }
    // The text was repaired before, so every sequence is well formed; a stray byte would count as one character.
    let (code, len) = lenient_char(text, at).unwrap_or((0xFFFD, 1));
    Some(Char { code, end: at + len, class: class_of(code) })
}

/// Where the run of characters that `accepts` takes ends, and how many there are.
#[inline]
pub(crate) fn run(
    text: &[u8],
    mut at: usize,
    most: usize,
    accepts: impl Fn(&Char) -> bool,
) -> (usize, usize) {
    let mut count = 0;
    while count < most
        && let Some(c) = char_at(text, at)
        && accepts(&c)
    {
        (at, count) = (c.end, count + 1);
    }
    (at, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ascii_table_says_what_unicode_says() {
        for (code, &class) in ASCII.iter().enumerate() {
            let c = char::from_u32(code as u32).unwrap_or_default();
            assert_eq!(class.is(Class::LETTER), c.is_alphabetic(), "{c:?}");
            assert_eq!(class.is(Class::NUMBER), c.is_numeric(), "{c:?}");
            assert_eq!(class.is(Class::SPACE), c.is_whitespace(), "{c:?}");
            let symbol = matches!(
                get_general_category(c),
                G::MathSymbol | G::CurrencySymbol | G::ModifierSymbol | G::OtherSymbol
            );
            assert_eq!(class.is(Class::SYMBOL), symbol, "{c:?}");
            assert_eq!(class.is(Class::PUNCTUATION), c.is_ascii_punctuation() && !symbol, "{c:?}");
        }
    }
}
