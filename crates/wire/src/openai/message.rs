//! Messages of chat completions, to the vocabulary and back.

use super::{content, seals};
use crate::client::Manner;
use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{Message, Result, Role, ToolCall};
use serde_json::{Map, Value, json};

type Ignored = Vec<(String, String)>;

/// The messages of a request, in order.
pub(crate) fn read_all(list: Vec<Value>) -> Result<Vec<Message>> {
    let mut messages: Vec<Message> = Vec::with_capacity(list.len().min(1024));
    for (i, value) in list.into_iter().enumerate() {
        let mut message = read(Fields::new(value, format!("messages.{i}"), Spelling::Exact)?)?;
        if message.role == Role::Tool && message.name.is_none() {
            message.name = tool_of(&messages, message.tool_call_id.as_deref());
        }
        messages.push(message);
    }
    Ok(messages)
}

/// The tool that the call of this id called: some templates want its name with the result.
pub(crate) fn tool_of(messages: &[Message], id: Option<&str>) -> Option<String> {
    let calls = messages.iter().rev().flat_map(|m| &m.tool_calls);
    calls.into_iter().find(|call| Some(call.id.as_str()) == id).map(|call| call.name.clone())
}

fn read(mut f: Fields) -> Result<Message> {
    let role = match f.need_string("role")?.as_str() {
        "system" | "developer" => Role::System,
        "user" => Role::User,
        "assistant" => Role::Assistant,
        "tool" => Role::Tool,
        "function" => return Err(f.wrong("role", "function is the older way to answer calls: use tool")),
        _ => return Err(f.wrong("role", "must be system, developer, user, assistant or tool")),
    };
    let mut message = Message::new(role, String::new());
    let has_content = match f.take("content") {
        None => false,
        Some(content) => {
            content::read(&mut message, content, &f.at("content"))?;
            true
        }
    };
    message.name = f.string("name")?;
    if role == Role::Assistant {
        message.reasoning = match f.string("reasoning_content")? {
            None => f.string("reasoning")?,
            some => some,
        };
        for (index, mut call) in f.objects("tool_calls")?.into_iter().flatten().enumerate() {
            message.signatures.extend(seals::of_call(&mut call, index)?);
            message.tool_calls.push(read_call(call)?);
        }
        message.signatures.extend(seals::of_thoughts(&mut f)?);
        if let Some(refusal) = f.string("refusal")? {
            message.content.push_str(&refusal);
        }
        f.refuse("function_call", "is the older way to call functions: use tool_calls")?;
        f.refuse("audio", "audio is not answered here")?;
        // What a client sends back with the message that it got.
        f.take("annotations");
    }
    if role == Role::Tool {
        message.tool_call_id = Some(f.need_string("tool_call_id")?);
    }
    let silent = message.content.is_empty() && message.attachments.is_empty();
    if !has_content && message.tool_calls.is_empty() && silent {
        return Err(f.wrong("content", "is required"));
    }
    f.finish()?;
    Ok(message)
}

fn read_call(mut f: Fields) -> Result<ToolCall> {
    let id = f.need_string("id")?;
    match f.string("type")?.as_deref() {
        None | Some("function") => {}
        Some(_) => return Err(f.wrong("type", "only functions can be called")),
    }
    f.take("index");
    let Some(mut function) = f.object("function")? else { return Err(f.wrong("function", "is required")) };
    let name = function.need_string("name")?;
    let arguments = function.string("arguments")?.unwrap_or_default();
    let arguments = read_arguments(&arguments, &function.at("arguments"))?;
    function.finish()?;
    f.finish()?;
    Ok(ToolCall { id, name, arguments })
}

/// The text of a call's arguments as an object.
pub(crate) fn read_arguments(text: &str, path: &str) -> Result<Value> {
    if text.trim().is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    match serde_json::from_str::<Value>(text) {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(invalid(path, "must be the text of a JSON object")),
        Err(e) => Err(invalid(path, format_args!("is no JSON: {e}"))),
    }
}

/// A message as a provider reads it, at `path` for complaints.
///
/// # Errors
/// `Unsupported` for attachments that the protocol cannot carry.
pub(crate) fn write(message: &Message, manner: &Manner, path: &str, ignored: &mut Ignored) -> Result<Value> {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut out = json!({ "role": role, "content": content::write(message, path, ignored)? });
    content::unmarked(message, path, ignored);
    if let Some(reasoning) = &message.reasoning {
        if manner.takes_reasoning {
            out["reasoning_content"] = json!(reasoning);
        } else {
            let why = "the provider does not take back what was thought".to_owned();
            ignored.push((format!("{path}.reasoning"), why));
        }
    }
    if !message.tool_calls.is_empty() {
        if manner.thinking_switch && message.reasoning.is_none() {
            out["reasoning_content"] = "".into();
        }
        out["tool_calls"] = message.tool_calls.iter().map(write_call).collect();
        if message.content.is_empty() {
            out["content"] = Value::Null;
        }
    }
    if manner.takes_reasoning {
        seals::write(&message.signatures, &mut out);
    } else if !message.signatures.is_empty() {
        let why = "the provider cannot read the seals of others".to_owned();
        ignored.push((format!("{path}.signatures"), why));
    }
    if let Some(id) = &message.tool_call_id {
        out["tool_call_id"] = json!(id);
    }
    // The protocol knows names of people; a tool's result is found by the id of its call.
    if let Some(name) = message.name.as_ref().filter(|_| message.role != Role::Tool) {
        out["name"] = json!(name);
    }
    Ok(out)
}

fn write_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id, "type": "function",
        "function": { "name": call.name, "arguments": call.arguments.to_string() },
    })
}
