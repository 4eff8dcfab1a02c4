//! JSON as it arrives: finds the end of a value, and the first character that is no JSON.

use super::Broken;

/// Deepest nesting that is read.
const DEEPEST: usize = 128;

/// What a character meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// The value goes on.
    More,
    /// The value ends with this character.
    Done,
    /// The value ended before this character, which is not part of it (numbers and words only).
    Before,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    Value,
    ItemOrEnd,
    Item,
    KeyOrEnd,
    Key,
    Colon,
    CommaOrEnd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Within {
    Nothing,
    Text { escaped: bool, digits: u8, key: bool },
    Word(String),
}

/// Reads one value.
#[derive(Debug, Clone)]
pub(super) struct Scanner {
    /// Open brackets: true for an object.
    open: Vec<bool>,
    expect: Expect,
    within: Within,
}

impl Scanner {
    pub(super) fn new() -> Self {
        Self { open: Vec::new(), expect: Expect::Value, within: Within::Nothing }
    }

    /// Takes the next character. White space before the value is part of it.
    pub(super) fn push(&mut self, c: char) -> Result<Scan, Broken> {
        match std::mem::replace(&mut self.within, Within::Nothing) {
            Within::Nothing => self.between(c),
            Within::Text { escaped, digits, key } => self.text(c, escaped, digits, key),
            Within::Word(mut word) => {
                if c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.') {
                    word.push(c);
                    if word.len() > 64 {
                        return Err(Broken);
                    }
                    self.within = Within::Word(word);
                    return Ok(Scan::More);
                }
                if serde_json::from_str::<serde_json::Value>(&word).is_err() {
                    return Err(Broken);
                }
                match self.ended() {
                    Scan::Done => Ok(Scan::Before),
                    _ => self.between(c),
                }
            }
        }
    }

    fn text(&mut self, c: char, escaped: bool, digits: u8, key: bool) -> Result<Scan, Broken> {
        let within = |escaped, digits| Within::Text { escaped, digits, key };
        self.within = match c {
            c if digits > 0 => match c.is_ascii_hexdigit() {
                true => within(false, digits - 1),
                false => return Err(Broken),
            },
            'u' if escaped => within(false, 4),
            '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' if escaped => within(false, 0),
            _ if escaped => return Err(Broken),
            '\\' => within(true, 0),
            '"' if key => {
                self.expect = Expect::Colon;
                return Ok(Scan::More);
            }
            '"' => return Ok(self.ended()),
            c if c < ' ' => return Err(Broken),
            _ => within(false, 0),
        };
        Ok(Scan::More)
    }

    fn between(&mut self, c: char) -> Result<Scan, Broken> {
        use Expect::{Colon, CommaOrEnd, Item, ItemOrEnd, Key, KeyOrEnd, Value};
        match (c, self.expect) {
            (' ' | '\n' | '\r' | '\t', _) => {}
            ('"', Value | Item | ItemOrEnd) => {
                self.within = Within::Text { escaped: false, digits: 0, key: false };
            }
            ('"', Key | KeyOrEnd) => self.within = Within::Text { escaped: false, digits: 0, key: true },
            ('{' | '[', Value | Item | ItemOrEnd) => {
                if self.open.len() >= DEEPEST {
                    return Err(Broken);
                }
                self.open.push(c == '{');
                self.expect = if c == '{' { KeyOrEnd } else { ItemOrEnd };
            }
            ('}', KeyOrEnd | CommaOrEnd) if self.open.last() == Some(&true) => return Ok(self.closed()),
            (']', ItemOrEnd | CommaOrEnd) if self.open.last() == Some(&false) => return Ok(self.closed()),
            (':', Colon) => self.expect = Value,
            (',', CommaOrEnd) => self.expect = if self.open.last() == Some(&true) { Key } else { Item },
            (c, Value | Item | ItemOrEnd) if c == '-' || c.is_ascii_alphanumeric() => {
                self.within = Within::Word(c.to_string());
            }
            _ => return Err(Broken),
        }
        Ok(Scan::More)
    }

    fn closed(&mut self) -> Scan {
        self.open.pop();
        self.ended()
    }

    /// A value inside has ended, or the whole.
    fn ended(&mut self) -> Scan {
        self.expect = Expect::CommaOrEnd;
        if self.open.is_empty() { Scan::Done } else { Scan::More }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_at(text: &str) -> Option<usize> {
        let mut scanner = Scanner::new();
        for (at, c) in text.char_indices() {
            match scanner.push(c).ok()? {
                Scan::More => {}
                Scan::Done => return Some(at + 1),
                Scan::Before => return Some(at),
            }
        }
        None
    }

    #[test]
    fn values_end_where_they_end() {
        for value in ["{}", "[]", r#"{"a": [1, -2.5e3, true, null, "x\"}\u00e9"], "b": {"c": {}}}"#, r#""a""#]
        {
            assert_eq!(ends_at(&format!("{value} }}")), Some(value.len()), "{value}");
        }
        assert_eq!(ends_at("12,"), Some(2));
        assert_eq!(ends_at(" true]"), Some(5));
    }

    #[test]
    fn what_is_no_json_is_found() {
        for text in
            ["{,", "[1,]", "{\"a\" 1}", "{\"a\":tru}", "\"\\x\"", "\"\n\"", "{]", "[}", "01,", "{a:1}"]
        {
            assert_eq!(ends_at(text), None, "{text}");
        }
        assert_eq!(ends_at(&"[".repeat(1000)), None);
    }
}
