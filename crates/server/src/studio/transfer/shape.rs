//! Which program a file comes from, told by its shape: nobody has to say. Reading what is in it is that program's module's.

use super::bounded::List;
use super::halves::mend;
use super::tree::shown;
use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;

/// What the export of this program calls itself.
pub(super) const FORMAT: &str = "parasol-conversations";

/// The number of its shape: higher, once what it holds cannot be read as this any more.
pub(super) const VERSION: u64 = 1;

/// The conversations of a file, in its order.
#[derive(Debug)]
pub(super) struct File<'a> {
    pub(super) items: Vec<Item<'a>>,
}

/// A conversation in a file.
#[derive(Debug, Clone)]
pub(super) struct Item<'a> {
    /// None where it looks like no program's.
    pub(super) origin: Option<Origin>,
    pub(super) text: Cow<'a, str>,
    /// How many halves of characters were replaced in the text.
    pub(super) halves: usize,
}

/// The programs whose files are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Parasol,
    OpenWebUi,
    ChatGpt,
}

/// The fields that tell.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Outline<'a> {
    #[serde(borrow)]
    format: Option<&'a RawValue>,
    #[serde(borrow)]
    version: Option<&'a RawValue>,
    #[serde(borrow)]
    conversations: Option<&'a RawValue>,
    #[serde(borrow)]
    conversation: Option<&'a RawValue>,
    #[serde(borrow)]
    messages: Option<&'a RawValue>,
    #[serde(borrow)]
    mapping: Option<&'a RawValue>,
    #[serde(borrow)]
    chat: Option<&'a RawValue>,
}

/// Takes a file apart, without reading its conversations yet.
///
/// # Errors
/// When it is the export of none of the programs, or of a later Parasol.
pub(super) fn open(text: &str) -> Result<File<'_>> {
    let wrong = |says: String| Error::new(ErrorKind::InvalidRequest, says);
    let text = text.trim();
    if text.starts_with('[') {
        let list: List<&RawValue> = serde_json::from_str(text)
            .map_err(|e| wrong(format!("the file is no valid JSON, or too much of it: {e}")))?;
        return recognised(list.0);
    }
    let whole = serde_json::from_str::<&RawValue>(text);
    whole.map_err(|e| wrong(format!("the file is no valid JSON: {e}")))?;
    let Ok(outline) = serde_json::from_str::<Outline<'_>>(text) else { return Err(unknown()) };
    let Some(list) = outline.conversations else {
        let only: &RawValue = serde_json::from_str(text).map_err(|e| wrong(format!("the file: {e}")))?;
        return recognised(vec![only]);
    };
    let format = outline.format.and_then(|it| serde_json::from_str::<String>(it.get()).ok());
    if let Some(format) = format.filter(|format| format != FORMAT) {
        return Err(wrong(format!(
            "the file calls its format {}: {FORMAT} is the one that is known",
            shown(&format)
        )));
    }
    let version =
        outline.version.and_then(|it| serde_json::from_str::<u64>(it.get()).ok()).unwrap_or(VERSION);
    if version > VERSION {
        return Err(wrong(format!(
            "the file has version {version} of its format and this Parasol reads up to {VERSION}: update it and import again"
        )));
    }
    let list: List<&RawValue> =
        serde_json::from_str(list.get()).map_err(|e| wrong(format!("the file's conversations: {e}")))?;
    recognised(list.0)
}

/// The conversations, if any is one.
fn recognised(list: Vec<&RawValue>) -> Result<File<'_>> {
    let items: Vec<Item<'_>> = list.iter().map(|raw| Item::new(raw.get())).collect();
    if !items.is_empty() && items.iter().all(|item| item.origin.is_none()) {
        return Err(unknown());
    }
    Ok(File { items })
}

fn unknown() -> Error {
    let says = "the file is no export of Parasol, Open WebUI or ChatGPT: send the JSON file that one of them made \
                (ChatGPT's is called conversations.json and comes inside a zip archive)";
    Error::new(ErrorKind::InvalidRequest, says)
}

fn origin(text: &str) -> Option<Origin> {
    let outline: Outline<'_> = serde_json::from_str(text).ok()?;
    match outline {
        Outline { mapping: Some(_), .. } => Some(Origin::ChatGpt),
        Outline { chat: Some(_), .. } => Some(Origin::OpenWebUi),
        Outline { conversation: Some(_), messages: Some(_), .. } => Some(Origin::Parasol),
        _ => None,
    }
}

impl<'a> Item<'a> {
    fn new(text: &'a str) -> Self {
        let (text, halves) = mend(text);
        Self { origin: origin(&text), text, halves }
    }

    /// Its title, for telling of it; something else in its place where it has none.
    pub(super) fn title(&self) -> String {
        #[derive(Deserialize)]
        struct Titled<'a> {
            #[serde(borrow)]
            title: Option<&'a RawValue>,
            #[serde(borrow)]
            conversation: Option<&'a RawValue>,
            #[serde(borrow)]
            chat: Option<&'a RawValue>,
        }
        let titled = |text: &str| -> Option<String> {
            let it: Titled<'_> = serde_json::from_str(text).ok()?;
            let inner = it
                .conversation
                .or(it.chat)
                .and_then(|raw| serde_json::from_str::<Titled<'_>>(raw.get()).ok());
            let title = it.title.or(inner.and_then(|it| it.title))?;
            serde_json::from_str(title.get()).ok()
        };
        let title = titled(&self.text).filter(|title| !title.trim().is_empty());
        title.map_or_else(|| "Untitled".to_owned(), |title| title.chars().take(200).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn origins(text: &str) -> Vec<Option<Origin>> {
        open(text).unwrap().items.iter().map(|item| item.origin).collect()
    }

    #[test]
    fn files_are_told_apart_by_their_shape() {
        use Origin::{ChatGpt, OpenWebUi, Parasol};
        assert_eq!(
            origins(r#"[{"mapping":{}},{"chat":{}},{"conversation":{},"messages":[]},{"milk":2},7]"#),
            [Some(ChatGpt), Some(OpenWebUi), Some(Parasol), None, None]
        );
        assert_eq!(origins(r#" {"mapping":{}}"#), [Some(ChatGpt)]);
        assert_eq!(origins(r#"{"format":"parasol-conversations","version":1,"conversations":[]}"#), []);
        assert_eq!(origins("[]"), []);
    }

    #[test]
    fn what_is_no_export_is_told() {
        let says = |text: &str, part: &str| {
            let e = open(text).unwrap_err();
            assert!(e.message().contains(part) && *e.kind() == ErrorKind::InvalidRequest, "{e}");
        };
        for text in [r#"{"milk":2}"#, "7", "\"x\"", "null", "[1,2]", r#"{"mapping":1,"mapping":2}"#] {
            says(text, "no export of Parasol");
        }
        for text in ["", "{", "[1,", "{]", "PNG"] {
            says(text, "no valid JSON");
        }
        says(r#"{"format":"other","conversations":[]}"#, "\"other\"");
        says(r#"{"format":"parasol-conversations","version":2,"conversations":[]}"#, "version 2");
        says(r#"{"conversations":7}"#, "the file's conversations");
        says(&format!("[{}0]", "0,".repeat(100_000)), "more than 100000");
    }

    #[test]
    fn one_that_is_nested_too_deep_harms_no_other() {
        let deep = format!(r#"[{{"mapping":{}{}}},{{"chat":{{}}}}]"#, "[".repeat(50_000), "]".repeat(50_000));
        assert_eq!(origins(&deep), [Some(Origin::ChatGpt), Some(Origin::OpenWebUi)]);
    }

    #[test]
    fn titles_are_found_where_each_program_puts_them() {
        for (text, title) in [
            (r#"{"title":"A","mapping":{}}"#, "A"),
            (r#"{"chat":{"title":"B"}}"#, "B"),
            (r#"{"conversation":{"title":"C"},"messages":[]}"#, "C"),
            (r#"{"title":5,"mapping":{}}"#, "Untitled"),
            ("7", "Untitled"),
        ] {
            assert_eq!(Item::new(text).title(), title);
        }
    }
}
