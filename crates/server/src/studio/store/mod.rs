//! Conversations, their messages and presets in the database. Whose they are is asked in every statement; who asks, and what is told
//! to the page, is the routes' affair.

mod kinds;
mod list;
mod presets;
mod rows;
mod schema;

pub(crate) use kinds::{
    AnswerTimings, AnswerUsage, Conversation, LONGEST_TITLE, Message, MessageRole, MessageState, Parameters,
    ToolCall, UNTITLED, finish_word,
};
pub(crate) use list::{Folder, FoundConversation};
pub(super) use list::{Page, Wanted, list};
pub(crate) use presets::Preset;
pub(super) use presets::{preset_delete, preset_keep, presets};
pub(super) use rows::{
    add_message, conversation, delete, head, ids, insert, interrupt, message, owner_of, path, purge, read,
    restore, save, update,
};

use jiff::Timestamp;

/// A time as it is kept: to the millisecond, so that texts and times have the same order.
pub(super) fn written(at: Timestamp) -> String {
    format!("{at:.3}")
}

/// The time, as it is kept.
pub(super) fn now() -> String {
    written(Timestamp::now())
}
