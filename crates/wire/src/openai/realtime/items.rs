//! The items of a conversation: messages, calls of tools and their results.

use crate::fields::{Fields, invalid};
use crate::media;
use crate::openai::message::read_arguments;
use parasol_core::{Message, Result, Role, ToolCall};
use serde_json::{Value, json};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Author {
    /// The application.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Author {
    fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    fn role(self) -> Role {
        match self {
            Self::System => Role::System,
            Self::User => Role::User,
            Self::Assistant => Role::Assistant,
        }
    }
}

/// A part of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// Text.
    Text(String),
    /// Sound, in base64 as far as it is kept, and what is said in it as far as that is known.
    Audio {
        /// 16-bit numbers in base64; empty when they are no longer kept, and for answers.
        audio: String,
        /// What is said.
        transcript: Option<String>,
    },
}

/// What an item is.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// Something that somebody said.
    Message(Author, Vec<Part>),
    /// A call of a tool.
    Call {
        /// Identifies it.
        call_id: String,
        /// The tool.
        name: String,
        /// Its arguments, as text.
        arguments: String,
    },
    /// What a call returned.
    Output {
        /// The call.
        call_id: String,
        /// Its result.
        output: String,
    },
    /// An item of the conversation, by its id: only in what a response is to answer.
    Reference,
}

/// An item.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// Its id; empty until it has one.
    pub id: String,
    /// Whether it is whole: an answer that was broken off is not.
    pub whole: bool,
    /// What it is.
    pub kind: Kind,
}

impl Item {
    /// A whole item.
    pub fn new(id: impl Into<String>, kind: Kind) -> Self {
        Self { id: id.into(), whole: true, kind }
    }

    pub(super) fn read(mut f: Fields) -> Result<Self> {
        let id = f.string("id")?.unwrap_or_default();
        if id.len() > 128 {
            return Err(f.wrong("id", format_args!("has {} bytes and must have at most 128", id.len())));
        }
        f.string("object")?;
        let whole = f.string("status")?.is_none_or(|status| status != "incomplete");
        let kind = match f.need_string("type")?.as_str() {
            "message" => message(&mut f)?,
            "function_call" => {
                let call_id = f.string("call_id")?.unwrap_or_default();
                let (name, arguments) = (f.need_string("name")?, f.string("arguments")?.unwrap_or_default());
                read_arguments(&arguments, &f.at("arguments"))?;
                Kind::Call { call_id, name, arguments }
            }
            "function_call_output" => {
                Kind::Output { call_id: f.need_string("call_id")?, output: f.need_string("output")? }
            }
            "item_reference" => Kind::Reference,
            _ => return Err(f.wrong("type", "must be message, function_call or function_call_output")),
        };
        f.finish()?;
        Ok(Self { id, whole, kind })
    }

    /// As the protocol writes it; `sound` says whether with the sound that is kept.
    pub fn write(&self, sound: bool) -> Value {
        let mut item = json!({ "id": self.id, "object": "realtime.item" });
        match &self.kind {
            Kind::Message(author, parts) => {
                item["type"] = json!("message");
                item["status"] = json!(if self.whole { "completed" } else { "incomplete" });
                item["role"] = json!(author.name());
                item["content"] = parts.iter().map(|part| part.write(*author, sound)).collect();
            }
            Kind::Call { call_id, name, arguments } => {
                item["type"] = json!("function_call");
                item["status"] = json!(if self.whole { "completed" } else { "incomplete" });
                item["call_id"] = json!(call_id);
                item["name"] = json!(name);
                item["arguments"] = json!(arguments);
            }
            Kind::Output { call_id, output } => {
                item["type"] = json!("function_call_output");
                item["status"] = json!("completed");
                item["call_id"] = json!(call_id);
                item["output"] = json!(output);
            }
            Kind::Reference => item["type"] = json!("item_reference"),
        }
        item
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        match &self.kind {
            Kind::Message(_, parts) => parts.iter().map(Part::bytes).sum(),
            Kind::Call { name, arguments, .. } => name.len() + arguments.len(),
            Kind::Output { output, .. } => output.len(),
            Kind::Reference => 0,
        }
    }

    /// The sound of it whose words are not known yet: the number of its part, and the sound in base64.
    pub fn unheard(&self) -> Option<(usize, &str)> {
        let Kind::Message(_, parts) = &self.kind else { return None };
        parts.iter().enumerate().find_map(|(i, part)| match part {
            Part::Audio { audio, transcript: None } => Some((i, audio.as_str())),
            _ => None,
        })
    }

    /// Fills in what is said in a part.
    pub fn heard(&mut self, part: usize, text: &str) {
        let Kind::Message(_, parts) = &mut self.kind else { return };
        if let Some(Part::Audio { transcript, .. }) = parts.get_mut(part) {
            *transcript = Some(text.to_owned());
        }
    }
}

impl Part {
    fn bytes(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Audio { audio, transcript } => audio.len() + transcript.as_ref().map_or(0, String::len),
        }
    }

    /// What it says, as far as that is known.
    pub fn says(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Audio { transcript, .. } => transcript.as_deref().unwrap_or_default(),
        }
    }

    fn write(&self, author: Author, sound: bool) -> Value {
        match (self, author) {
            (Self::Text(text), Author::Assistant) => json!({ "type": "output_text", "text": text }),
            (Self::Text(text), _) => json!({ "type": "input_text", "text": text }),
            (Self::Audio { transcript, .. }, Author::Assistant) => {
                json!({ "type": "output_audio", "transcript": transcript })
            }
            (Self::Audio { audio, transcript }, _) => {
                let mut part = json!({ "type": "input_audio", "transcript": transcript });
                if sound && !audio.is_empty() {
                    part["audio"] = json!(audio);
                }
                part
            }
        }
    }
}

fn message(f: &mut Fields) -> Result<Kind> {
    let author = match f.need_string("role")?.as_str() {
        "system" => Author::System,
        "user" => Author::User,
        "assistant" => Author::Assistant,
        _ => return Err(f.wrong("role", "must be system, user or assistant")),
    };
    let Some(list) = f.objects("content")? else { return Err(f.wrong("content", "is required")) };
    let mut parts = Vec::with_capacity(list.len());
    for mut part in list {
        let kind = part.need_string("type")?;
        parts.push(match (kind.as_str(), author) {
            ("input_text", Author::System | Author::User) | ("output_text", Author::Assistant) => {
                Part::Text(part.need_string("text")?)
            }
            ("input_audio", Author::User) => {
                let audio = part.need_string("audio")?;
                media::check_base64(&audio, &part.at("audio"))?;
                Part::Audio { audio, transcript: part.string("transcript")? }
            }
            ("output_audio", Author::Assistant) => {
                // Its words are what a model remembers of it.
                part.take("audio");
                Part::Audio { audio: String::new(), transcript: Some(part.need_string("transcript")?) }
            }
            _ => {
                let may = match author {
                    Author::System => "input_text",
                    Author::User => "input_text or input_audio (models here see no pictures)",
                    Author::Assistant => "output_text or output_audio",
                };
                return Err(part.wrong("type", format_args!("is {kind:?} and must be {may}")));
            }
        });
        part.finish()?;
    }
    Ok(Kind::Message(author, parts))
}

/// The items as messages of the vocabulary.
///
/// # Errors
/// `InvalidRequest` for the result of a call that nobody made.
pub fn conversation<'i>(items: impl IntoIterator<Item = &'i Item>) -> Result<Vec<Message>> {
    let mut messages: Vec<Message> = Vec::new();
    for item in items {
        match &item.kind {
            Kind::Message(author, parts) => {
                let mut message = Message::new(author.role(), "");
                parts.iter().for_each(|part| media::append(&mut message, part.says()));
                // Nothing was said, or nothing of it was heard.
                if !message.content.is_empty() {
                    messages.push(message);
                }
            }
            Kind::Call { call_id, name, arguments } => {
                let read = read_arguments(arguments, "arguments");
                let call = ToolCall {
                    id: call_id.clone(),
                    name: name.clone(),
                    // One that was broken off is shown as it was written.
                    arguments: read.unwrap_or_else(|_| json!({ "INVALID_JSON": arguments })),
                };
                match messages.last_mut() {
                    Some(last) if last.role == Role::Assistant => last.tool_calls.push(call),
                    _ => {
                        let mut message = Message::new(Role::Assistant, "");
                        message.tool_calls.push(call);
                        messages.push(message);
                    }
                }
            }
            Kind::Output { call_id, output } => {
                let called = messages.iter().rev().flat_map(|m| &m.tool_calls).find(|c| c.id == *call_id);
                let Some(name) = called.map(|call| call.name.clone()) else {
                    let what = format_args!("{call_id:?} is no call of this conversation");
                    return Err(invalid("call_id", what));
                };
                let mut message = Message::new(Role::Tool, output);
                message.tool_call_id = Some(call_id.clone());
                message.name = Some(name);
                messages.push(message);
            }
            Kind::Reference => {}
        }
    }
    Ok(messages)
}
