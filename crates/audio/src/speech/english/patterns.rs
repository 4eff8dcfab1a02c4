//! Regular expressions that look around. One that gives up on a text (it may take only so many steps) counts as not found.

use fancy_regex::{Captures, Regex};
use parasol_core::{Error, ErrorKind, Result};

/// A compiled pattern.
pub(super) struct Pattern(Regex);

impl Pattern {
    /// # Errors
    /// `Corrupt` when it cannot be compiled: parts of patterns come from a voice's files.
    pub(super) fn new(pattern: &str) -> Result<Self> {
        Regex::new(pattern).map(Self).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("the voice's word tables make no pattern: {e}"))
        })
    }

    /// Every place, in order.
    pub(super) fn all<'t>(&self, text: &'t str) -> impl Iterator<Item = Captures<'t>> {
        self.0.captures_iter(text).map_while(std::result::Result::ok)
    }

    /// Start and end of the first place.
    pub(super) fn first(&self, text: &str) -> Option<(usize, usize)> {
        self.0.find(text).ok().flatten().map(|m| (m.start(), m.end()))
    }

    /// Whether it is found.
    pub(super) fn is_in(&self, text: &str) -> bool {
        self.0.is_match(text).unwrap_or(false)
    }

    /// The text with every place put as `say` says.
    pub(super) fn replace(&self, text: &str, say: impl Fn(&Found<'_>) -> String) -> String {
        let mut out = String::with_capacity(text.len());
        let mut from = 0;
        for captures in self.all(text) {
            let Some(whole) = captures.get(0) else { continue };
            out.push_str(&text[from..whole.start()]);
            out.push_str(&say(&Found { captures: &captures, after: &text[whole.end()..] }));
            from = whole.end();
        }
        out.push_str(&text[from..]);
        out
    }
}

/// A place where a pattern was found.
pub(super) struct Found<'a> {
    captures: &'a Captures<'a>,
    /// The text behind it.
    pub(super) after: &'a str,
}

impl Found<'_> {
    /// A group's text; empty when it took no part.
    pub(super) fn group(&self, index: usize) -> &str {
        self.captures.get(index).map_or("", |m| m.as_str())
    }

    /// A group's number of a few digits.
    pub(super) fn number(&self, index: usize) -> usize {
        self.group(index).parse().unwrap_or(usize::MAX)
    }
}

/// Words as alternatives, the longest first.
pub(super) fn alternatives<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut words: Vec<&str> = words.into_iter().collect();
    words.sort_by_key(|word| std::cmp::Reverse(word.chars().count()));
    words.iter().map(|word| fancy_regex::escape(word)).collect::<Vec<_>>().join("|")
}
