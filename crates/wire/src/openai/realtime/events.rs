//! What a server sends that is not part of a response. Each event gets its `event_id` from [`stamped`].

use super::items::Item;
use super::session::Session;
use crate::openai::error as wire;
use parasol_core::Error;
use serde_json::{Value, json};

/// The event with its id, as text.
pub fn stamped(mut event: Value, id: String) -> String {
    event["event_id"] = json!(id);
    event.to_string()
}

/// Something went wrong; `of` is the id of the client's event that it was about.
pub fn error(error: &Error, of: Option<&str>) -> Value {
    let mut body = wire::body(error)["error"].take();
    body["event_id"] = json!(of);
    json!({ "type": "error", "error": body })
}

/// The same with a code of its own.
pub fn error_with(error: &Error, code: &str, of: Option<&str>) -> Value {
    let mut event = self::error(error, of);
    event["error"]["code"] = json!(code);
    event
}

/// `session.created` or `session.updated`.
pub fn session(kind: &str, session: &Session, id: &str) -> Value {
    json!({ "type": format!("session.{kind}"), "session": session.write(id) })
}

/// Somebody began to speak.
pub fn speech_started(item: &str, at_ms: u64) -> Value {
    json!({ "type": "input_audio_buffer.speech_started", "audio_start_ms": at_ms, "item_id": item })
}

/// They are silent again.
pub fn speech_stopped(item: &str, at_ms: u64) -> Value {
    json!({ "type": "input_audio_buffer.speech_stopped", "audio_end_ms": at_ms, "item_id": item })
}

/// The sound so far is an item now.
pub fn committed(item: &str, previous: Option<&str>) -> Value {
    json!({ "type": "input_audio_buffer.committed", "item_id": item, "previous_item_id": previous })
}

/// The sound so far is forgotten.
pub fn cleared() -> Value {
    json!({ "type": "input_audio_buffer.cleared" })
}

/// `conversation.item.added` or `conversation.item.done`.
pub fn item(kind: &str, item: &Item, previous: Option<&str>) -> Value {
    json!({
        "type": format!("conversation.item.{kind}"), "item": item.write(false), "previous_item_id": previous,
    })
}

/// An item as it is kept, with its sound.
pub fn item_retrieved(item: &Item) -> Value {
    json!({ "type": "conversation.item.retrieved", "item": item.write(true) })
}

/// An item is gone.
pub fn item_deleted(id: &str) -> Value {
    json!({ "type": "conversation.item.deleted", "item_id": id })
}

/// An answer ends where it was interrupted.
pub fn item_truncated(id: &str, content_index: usize, audio_end_ms: u64) -> Value {
    json!({
        "type": "conversation.item.truncated", "item_id": id, "content_index": content_index,
        "audio_end_ms": audio_end_ms,
    })
}

/// More of what is being said is certain.
pub fn heard_delta(item: &str, part: usize, delta: &str) -> Value {
    json!({
        "type": "conversation.item.input_audio_transcription.delta", "item_id": item, "content_index": part,
        "delta": delta,
    })
}

/// All that was said.
pub fn heard(item: &str, part: usize, transcript: &str, seconds: f64) -> Value {
    json!({
        "type": "conversation.item.input_audio_transcription.completed", "item_id": item,
        "content_index": part, "transcript": transcript, "usage": { "type": "duration", "seconds": seconds },
    })
}

/// It could not be written down.
pub fn unheard(item: &str, part: usize, error: &Error) -> Value {
    let body = wire::body(error)["error"].take();
    json!({
        "type": "conversation.item.input_audio_transcription.failed", "item_id": item, "content_index": part,
        "error": body,
    })
}
