//! Items, which conversations consist of here: as messages of the vocabulary, and as they are kept.

use super::super::content;
use super::super::message::{read_arguments, tool_of};
use crate::fields::{Fields, Spelling, invalid};
use crate::seal;
use parasol_core::{Message, Result, Role, SignedPart, Signer, ToolCall};
use serde_json::{Map, Value, json};

/// `input` as items: a string is a message of the user's.
pub(super) fn list(input: Value) -> Result<Vec<Value>> {
    match input {
        Value::String(text) => Ok(vec![json!({ "role": "user", "content": text })]),
        Value::Array(items) if items.is_empty() => Err(invalid("input", "must hold at least one item")),
        Value::Array(items) => Ok(items),
        _ => Err(invalid("input", "must be a string or a list of items")),
    }
}

/// The id that an item refers to, when it is nothing but a reference.
pub(super) fn reference(item: &Value) -> Option<&str> {
    let bare = item["type"].is_null() && item["role"].is_null() && item["id"].is_string();
    if item["type"] == "item_reference" || bare { item["id"].as_str() } else { None }
}

/// The id of the response that the item of this id belongs to, as far as the id tells.
pub fn owner_of(item: &str) -> Option<String> {
    let (_, rest) = item.split_once('_')?;
    let (key, _) = rest.split_once('_')?;
    Some(format!("{}{key}", super::PREFIX))
}

/// A conversation that is read item by item.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Message>,
}

impl Conversation {
    /// Takes in the items, which are called `path.0`, `path.1`, … in complaints. References are passed over.
    pub(super) fn read(&mut self, items: &[Value], path: &str) -> Result<()> {
        for (i, item) in items.iter().enumerate() {
            if reference(item).is_none() {
                self.item(Fields::new(item.clone(), format!("{path}.{i}"), Spelling::Exact)?)?;
            }
        }
        Ok(())
    }

    fn item(&mut self, mut f: Fields) -> Result<()> {
        let kind = f.string("type")?;
        // What comes back with items that were answered before.
        let status = f.string("status")?;
        f.string("id")?;
        match kind.as_deref() {
            None | Some("message") => self.message(&mut f)?,
            Some("reasoning") => self.reasoning(&mut f)?,
            Some("function_call") => self.call(&mut f, status.as_deref() == Some("incomplete"))?,
            Some("function_call_output") => self.output(&mut f)?,
            Some(_) => {
                return Err(f.wrong(
                    "type",
                    "must be message, reasoning, function_call, function_call_output or item_reference",
                ));
            }
        }
        f.finish()
    }

    fn message(&mut self, f: &mut Fields) -> Result<()> {
        let role = match f.need_string("role")?.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            _ => return Err(f.wrong("role", "must be system, developer, user or assistant")),
        };
        // Which part of an answer a message was: models here are told by its place.
        f.string("phase")?;
        let mut message = Message::new(role, "");
        content::read(&mut message, f.need("content")?, &f.at("content"))?;
        if role == Role::Assistant {
            // Thinking and the message that followed are one turn.
            let turn = self.turn(|turn| turn.content.is_empty() && turn.tool_calls.is_empty());
            turn.content = message.content;
            turn.attachments = message.attachments;
        } else {
            self.messages.push(message);
        }
        Ok(())
    }

    fn reasoning(&mut self, f: &mut Fields) -> Result<()> {
        let mut thought = String::new();
        for field in ["content", "summary"] {
            for mut part in f.objects(field)?.into_iter().flatten() {
                part.string("type")?;
                let text = part.need_string("text")?;
                part.finish()?;
                // A summary tells again what the content says in full.
                if field == "content" || thought.is_empty() {
                    thought.push_str(&text);
                }
            }
        }
        let seal = f.string("encrypted_content")?.filter(|seal| !seal.is_empty());
        if thought.is_empty() && seal.is_none() {
            return Ok(());
        }
        let turn = self.turn(|turn| {
            let silent = turn.content.is_empty() && turn.tool_calls.is_empty();
            // A seal without words may follow whatever it belongs to.
            (silent && turn.reasoning.is_none()) || thought.is_empty()
        });
        if let Some(data) = seal {
            let part = match thought.is_empty() {
                true => SignedPart::Hidden,
                false => SignedPart::Thought(thought.clone()),
            };
            turn.signatures.push(seal::read(data, Signer::OpenAi, part));
        }
        if !thought.is_empty() {
            turn.reasoning = Some(thought);
        }
        Ok(())
    }

    fn call(&mut self, f: &mut Fields, cut: bool) -> Result<()> {
        let (id, name) = (f.need_string("call_id")?, f.need_string("name")?);
        let written = f.string("arguments")?.unwrap_or_default();
        let arguments = match read_arguments(&written, &f.at("arguments")) {
            Ok(arguments) => arguments,
            // The length cut it: the model sees what it wrote.
            Err(_) if cut => json!({ "INVALID_JSON": written }),
            Err(error) => return Err(error),
        };
        self.turn(|_| true).tool_calls.push(ToolCall { id, name, arguments });
        Ok(())
    }

    fn output(&mut self, f: &mut Fields) -> Result<()> {
        let id = f.need_string("call_id")?;
        f.string("name")?;
        let mut message = Message::new(Role::Tool, "");
        content::read(&mut message, f.need("output")?, &f.at("output"))?;
        message.name = tool_of(&self.messages, Some(&id));
        if message.name.is_none() {
            return Err(f.wrong("call_id", format_args!("{id:?} is of no call before it")));
        }
        message.tool_call_id = Some(id);
        self.messages.push(message);
        Ok(())
    }

    /// The assistant's turn that is last, if `fits`, or a new one.
    fn turn(&mut self, fits: impl Fn(&Message) -> bool) -> &mut Message {
        if !self.messages.last().is_some_and(|last| last.role == Role::Assistant && fits(last)) {
            self.messages.push(Message::new(Role::Assistant, ""));
        }
        // There is one: it was pushed if there was none.
        let last = self.messages.len().saturating_sub(1);
        &mut self.messages[last]
    }
}

/// An item as it is kept: with a type, an id (made of `key` and `n` unless it has one), and its content in parts.
pub(super) fn kept(item: &Value, key: &str, n: usize) -> Value {
    let mut out = Map::new();
    let kind = item["type"].as_str().unwrap_or("message");
    let prefix = match kind {
        "reasoning" => "rs",
        "function_call" => "fc",
        "function_call_output" => "fco",
        _ => "msg",
    };
    out.insert("type".into(), kind.into());
    out.insert("id".into(), format!("{prefix}_{key}_in{n}").into());
    out.insert("status".into(), "completed".into());
    for (name, value) in item.as_object().into_iter().flatten() {
        if !value.is_null() {
            out.insert(name.clone(), value.clone());
        }
    }
    if let Some(Value::String(text)) = out.get("content") {
        let part = match item["role"].as_str() {
            Some("assistant") => json!({ "type": "output_text", "text": text, "annotations": [] }),
            _ => json!({ "type": "input_text", "text": text }),
        };
        out.insert("content".into(), json!([part]));
    }
    Value::Object(out)
}
