//! What a client sends, event by event.

use super::items::Item;
use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{Error, ErrorKind, Result};
use serde_json::Value;

/// The longest id that is repeated to whoever chose it.
const LONGEST_ID: usize = 512;

/// An event of a client's.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientEvent {
    /// `session.update`: what is to change.
    SessionUpdate(Value),
    /// `input_audio_buffer.append`: more sound, in base64.
    Append(String),
    /// `input_audio_buffer.commit`: the sound so far is a message.
    Commit,
    /// `input_audio_buffer.clear`: the sound so far is forgotten.
    Clear,
    /// `conversation.item.create`.
    ItemCreate {
        /// The item before it: `root` for the beginning, `None` for the end.
        previous: Option<String>,
        /// What is added.
        item: Item,
    },
    /// `conversation.item.retrieve`.
    ItemRetrieve(String),
    /// `conversation.item.truncate`: no more than this of an answer was heard.
    ItemTruncate {
        /// The item.
        id: String,
        /// Its part.
        content_index: usize,
        /// Milliseconds that were heard.
        audio_end_ms: u64,
    },
    /// `conversation.item.delete`.
    ItemDelete(String),
    /// `response.create`, with what it says about the response.
    ResponseCreate(Option<Value>),
    /// `response.cancel`: this response, or the one that is being made.
    ResponseCancel(Option<String>),
}

/// A message of a client's, read as far as it could be.
#[derive(Debug)]
pub struct Received {
    /// The id that the client gave it, which errors repeat.
    pub event_id: Option<String>,
    /// What it is.
    pub event: Result<ClientEvent>,
}

impl Received {
    /// Reads a message.
    pub fn read(text: &str) -> Self {
        let wrong = |e: serde_json::Error| {
            Error::new(ErrorKind::InvalidRequest, format!("the message is no JSON: {e}"))
        };
        let fields = serde_json::from_str::<Value>(text)
            .map_err(wrong)
            .and_then(|value| Fields::new(value, "", Spelling::Exact));
        let mut f = match fields {
            Ok(fields) => fields,
            Err(error) => return Self { event_id: None, event: Err(error) },
        };
        let event_id = f.string("event_id");
        match event_id {
            Ok(Some(id)) if id.len() > LONGEST_ID => {
                let what = format_args!("has {} bytes and must have at most {LONGEST_ID}", id.len());
                Self { event_id: None, event: Err(invalid("event_id", what)) }
            }
            Ok(event_id) => Self { event_id, event: ClientEvent::read(f) },
            Err(error) => Self { event_id: None, event: Err(error) },
        }
    }
}

impl ClientEvent {
    fn read(mut f: Fields) -> Result<Self> {
        let kind = f.need_string("type")?;
        let event = match kind.as_str() {
            "session.update" => Self::SessionUpdate(f.need("session")?),
            "input_audio_buffer.append" => Self::Append(f.need_string("audio")?),
            "input_audio_buffer.commit" => Self::Commit,
            "input_audio_buffer.clear" => Self::Clear,
            "conversation.item.create" => {
                let previous = f.string("previous_item_id")?;
                let Some(item) = f.object("item")? else { return Err(f.wrong("item", "is required")) };
                Self::ItemCreate { previous, item: Item::read(item)? }
            }
            "conversation.item.retrieve" => Self::ItemRetrieve(f.need_string("item_id")?),
            "conversation.item.truncate" => Self::ItemTruncate {
                id: f.need_string("item_id")?,
                content_index: f
                    .count("content_index", 0)?
                    .ok_or_else(|| f.wrong("content_index", "is required"))?,
                audio_end_ms: f
                    .count("audio_end_ms", 0)?
                    .ok_or_else(|| f.wrong("audio_end_ms", "is required"))?
                    as u64,
            },
            "conversation.item.delete" => Self::ItemDelete(f.need_string("item_id")?),
            "response.create" => Self::ResponseCreate(f.take("response")),
            "response.cancel" => Self::ResponseCancel(f.string("response_id")?),
            "output_audio_buffer.clear" => {
                let says = "belongs to WebRTC: over a WebSocket what is played is the client's, see conversation.item.truncate";
                return Err(f.wrong("type", says));
            }
            other => {
                let shown: String = other.chars().take(80).collect();
                return Err(f.wrong("type", format_args!("is {shown:?}, which is no event of a client's")));
            }
        };
        f.finish()?;
        Ok(event)
    }
}
