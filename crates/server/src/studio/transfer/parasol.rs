//! Parasol's own file: conversations and messages just as the studio's routes give them, so that what goes out comes in again as it
//! was, but for ids: those belong to the database that they are in.

use super::super::store::{Conversation, LONGEST_TITLE, Message, MessageState, UNTITLED, written};
use super::kept::{Kept, new_id};
use super::shape::{FORMAT, VERSION};
use super::tree::{self, Place};
use jiff::Timestamp;
use parasol_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::HashMap;

/// A file of conversations.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Exported {
    /// `parasol-conversations`.
    format: String,
    /// The number of its shape.
    version: u64,
    /// When it was written.
    exported: String,
    /// With their messages.
    conversations: Vec<ExportedConversation>,
}

/// A conversation with all its branches.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ExportedConversation {
    conversation: Conversation,
    messages: Vec<Message>,
}

/// What stands before the first conversation of a file; [`CLOSING`] stands after the last, and commas between them.
pub(super) fn opening() -> String {
    let (format, version, exported) = (json!(FORMAT), json!(VERSION), json!(written(Timestamp::now())));
    format!("{{\"format\":{format},\"version\":{version},\"exported\":{exported},\"conversations\":[\n")
}

/// What ends a file.
pub(super) const CLOSING: &str = "\n]}\n";

/// A conversation of a file.
pub(super) fn one(conversation: Conversation, messages: Vec<Message>) -> Result<String> {
    let fault = |e| Error::new(ErrorKind::Internal, format!("a conversation cannot be written: {e}"));
    serde_json::to_string(&ExportedConversation { conversation, messages }).map_err(fault)
}

/// Reads one conversation.
pub(super) fn parse(text: &str) -> Result<Kept, String> {
    let it: ExportedConversation =
        serde_json::from_str(text).map_err(|e| format!("it has the wrong shape: {e}"))?;
    let ExportedConversation { mut conversation, mut messages } = it;
    conversation.parameters.check().map_err(|e| e.message().to_owned())?;
    short("title", &conversation.title)?;
    short("folder", conversation.folder.as_deref().unwrap_or_default())?;
    if messages.is_empty() && conversation.title == UNTITLED {
        // Words that stand for a title: the first thing that is said in it gives one.
        conversation.title.clear();
    }
    // Where times are the same, ids tell the order of siblings; new ones would tell another.
    messages.sort_by(|a, b| (&a.created, &a.id).cmp(&(&b.created, &b.id)));
    let places: Vec<Place<'_>> = messages
        .iter()
        .map(|message| Place { id: &message.id, parent: message.parent.as_deref(), children: &[] })
        .collect();
    let order = tree::order(&places)?.order;
    let mut ids = HashMap::with_capacity(messages.len());
    for message in &messages {
        ids.insert(message.id.clone(), new_id()?);
    }
    if let Some(head) = conversation.head.take() {
        let missing = || format!("its head is {}, which is not in the file", tree::shown(&head));
        conversation.head = Some(ids.get(&head).ok_or_else(missing)?.clone());
    }
    conversation.id = new_id()?;
    conversation.created = timed(&conversation.created)?;
    conversation.updated = timed(&conversation.updated)?;
    let mut slots: Vec<Option<Message>> = messages.into_iter().map(Some).collect();
    let mut kept = Vec::with_capacity(slots.len());
    let mut latest: HashMap<Option<String>, String> = HashMap::new();
    for at in order {
        let Some(mut message) = slots.get_mut(at).and_then(Option::take) else { continue };
        message.id = ids.get(&message.id).cloned().unwrap_or_default();
        message.parent = message.parent.and_then(|parent| ids.get(&parent).cloned());
        message.created = timed(&message.created)?;
        if let Some(before) = latest.get(&message.parent).filter(|before| **before >= message.created) {
            message.created = just_after(before).unwrap_or(message.created);
        }
        latest.insert(message.parent.clone(), message.created.clone());
        if message.state == MessageState::Running {
            // Whoever was writing it does so elsewhere.
            message.state = MessageState::Interrupted;
        }
        kept.push(message);
    }
    Ok(Kept { conversation, messages: kept, without: Vec::new() })
}

/// Refuses what could not be given to a conversation here either.
fn short(what: &str, text: &str) -> Result<(), String> {
    let length = text.chars().count();
    if length > LONGEST_TITLE {
        return Err(format!("its {what} has {length} characters and may have {LONGEST_TITLE}"));
    }
    Ok(())
}

/// A time in the way in which times are written.
fn timed(text: &str) -> Result<String, String> {
    let at: Timestamp =
        text.parse().map_err(|_| format!("{} is no time such as 2026-01-31T12:00:00Z", tree::shown(text)))?;
    Ok(written(at))
}

fn just_after(time: &str) -> Option<String> {
    let at: Timestamp = time.parse().ok()?;
    Timestamp::from_millisecond(at.as_millisecond().checked_add(1)?).ok().map(written)
}
