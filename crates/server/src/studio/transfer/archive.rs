//! A conversation on its way between files and the database: its fields, and its messages as a tree by position. What files look
//! like is their modules' affair.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The most messages of one conversation: far beyond what anybody writes, and what a page can still show.
pub(super) const MOST_MESSAGES: usize = 100_000;

/// The folder of what was put away in the program that it comes from.
pub(super) const ARCHIVED: &str = "Archived";

/// The folder for what lay together under a number: files have the numbers of projects and folders, and not their names. The
/// number's beginning tells them apart.
pub(super) fn numbered(what: &str, number: &str) -> Option<String> {
    let number: String = number.chars().take_while(|c| c.is_ascii_alphanumeric()).take(8).collect();
    (!number.is_empty()).then(|| format!("{what} {number}"))
}

/// A conversation that was read from another program's file.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Archive {
    /// Empty where the file has none: then the first message gives one.
    pub(super) title: String,
    pub(super) folder: Option<String>,
    pub(super) pinned: bool,
    /// When it began; now, where the file does not say.
    pub(super) created: Option<Timestamp>,
    pub(super) updated: Option<Timestamp>,
    pub(super) model: Option<String>,
    pub(super) system: Option<String>,
    /// By the names that conversations here have for them.
    pub(super) parameters: Map<String, Value>,
    /// The message that the shown branch ends with, by position.
    pub(super) head: Option<usize>,
    /// A parent stands before its children.
    pub(super) messages: Vec<Entry>,
    /// What of it could not be kept, in words that follow "imported without".
    pub(super) without: Vec<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// What it answers, by position: always before this one.
    pub(super) parent: Option<usize>,
    pub(super) role: Role,
    pub(super) content: String,
    pub(super) reasoning: Option<String>,
    pub(super) model: Option<String>,
    pub(super) created: Option<Timestamp>,
    pub(super) end: End,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    User,
    Assistant,
}

/// How a message ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    /// At the limit of tokens.
    Length,
    /// Somebody stopped it.
    Stopped,
    /// It was never written to its end.
    Interrupted,
    /// With this error.
    Failed(String),
}

/// Appends a paragraph.
pub(super) fn append(to: &mut String, text: &str) {
    let text = text.trim_end();
    if text.trim_start().is_empty() {
        return;
    }
    if !to.is_empty() {
        to.push_str("\n\n");
    }
    to.push_str(text);
}

/// [`append`] to what may not be there yet.
pub(super) fn append_some(to: &mut Option<String>, text: &str) {
    if !text.trim().is_empty() {
        append(to.get_or_insert_default(), text);
    }
}

/// Text as a block of code that nothing in it can end.
pub(super) fn fenced(language: &str, text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.saturating_add(1).max(3));
    let language: String =
        language.chars().filter(|c| c.is_ascii_alphanumeric() || "+-#_".contains(*c)).collect();
    let language = if language == "unknown" { String::new() } else { language };
    format!("{fence}{language}\n{}\n{fence}", text.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_block_of_code_ends_it() {
        assert_eq!(fenced("rust", "a\n"), "```rust\na\n```");
        assert_eq!(fenced("x\ny", "a ```` b"), "`````xy\na ```` b\n`````");
        assert_eq!(fenced("unknown", ""), "```\n\n```");
    }

    #[test]
    fn paragraphs_are_kept_apart_and_nothing_stays_nothing() {
        let mut text = None;
        append_some(&mut text, " \n");
        assert_eq!(text, None);
        append_some(&mut text, "a\n");
        append_some(&mut text, "  b");
        assert_eq!(text.as_deref(), Some("a\n\n  b"));
    }
}
