//! What the readers of requests ask for, remembered while one is being watched: the OpenAPI document is made of it, so that it
//! cannot say anything else than the code does. Outside of [`watch`] nothing is remembered.

use serde_json::{Value, json};
use std::cell::RefCell;

/// A field that a reader asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Asked {
    /// Its path, as complaints name it.
    pub(crate) path: String,
    /// Its JSON Schema, as far as the way of asking tells.
    pub(crate) schema: Value,
    /// It is taken.
    pub(crate) accepted: bool,
}

thread_local! {
    static WATCHED: RefCell<Option<Vec<Asked>>> = const { RefCell::new(None) };
}

/// Runs `read` and tells which fields it asked for.
pub(crate) fn watch<T>(read: impl FnOnce() -> T) -> (T, Vec<Asked>) {
    WATCHED.with(|it| *it.borrow_mut() = Some(Vec::new()));
    let done = read();
    (done, WATCHED.with(|it| it.borrow_mut().take()).unwrap_or_default())
}

/// A field is asked for; the first word on its shape stays.
pub(crate) fn asked(path: impl FnOnce() -> String, schema: impl FnOnce() -> Value) {
    note(path, |found, path| {
        if !found.iter().any(|asked| asked.path == path) {
            found.push(Asked { path, schema: schema(), accepted: true });
        }
    });
}

/// A field is refused whatever it holds.
pub(crate) fn refused(path: impl FnOnce() -> String) {
    note(path, |found, path| found.push(Asked { path, schema: json!({}), accepted: false }));
}

/// A field is taken though it changes nothing.
pub(crate) fn noted(path: impl FnOnce() -> String) {
    let schema = json!({ "description": "Accepted without effect." });
    note(path, |found, path| found.push(Asked { path, schema, accepted: true }));
}

fn note(path: impl FnOnce() -> String, add: impl FnOnce(&mut Vec<Asked>, String)) {
    WATCHED.with(|it| {
        if let Some(found) = &mut *it.borrow_mut() {
            add(found, path());
        }
    });
}
