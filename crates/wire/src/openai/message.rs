//! Messages of chat completions, to the vocabulary and back.

use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{Message, Result, Role, ToolCall};
use serde_json::{Map, Value, json};

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
            message.content = text(content, &f.at("content"))?;
            true
        }
    };
    message.name = f.string("name")?;
    if role == Role::Assistant {
        message.reasoning = match f.string("reasoning_content")? {
            None => f.string("reasoning")?,
            some => some,
        };
        for call in f.objects("tool_calls")?.into_iter().flatten() {
            message.tool_calls.push(read_call(call)?);
        }
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
    if !has_content && message.tool_calls.is_empty() && message.content.is_empty() {
        return Err(f.wrong("content", "is required"));
    }
    f.finish()?;
    Ok(message)
}

/// A string, or parts of type text.
pub(crate) fn text(content: Value, path: &str) -> Result<String> {
    let parts = match content {
        Value::String(text) => return Ok(text),
        Value::Array(parts) => parts,
        _ => return Err(invalid(path, "must be a string or a list of parts")),
    };
    let mut all = String::new();
    for (i, part) in parts.into_iter().enumerate() {
        let mut f = Fields::new(part, format!("{path}.{i}"), Spelling::Exact)?;
        match f.need_string("type")?.as_str() {
            "text" | "input_text" | "output_text" => all.push_str(&f.need_string("text")?),
            "refusal" => all.push_str(&f.need_string("refusal")?),
            "image_url" | "input_image" => {
                return Err(f.wrong("type", "is an image, and no model here sees images: send text"));
            }
            "input_audio" => return Err(f.wrong("type", "is audio, and no model here hears: send text")),
            "file" | "input_file" => {
                return Err(f.wrong("type", "is a file, and none is read here: send its text"));
            }
            _ => return Err(f.wrong("type", "is not a kind of part that is known here: send text")),
        }
        for harmless in ["annotations", "logprobs", "cache_control"] {
            f.take(harmless);
        }
        f.finish()?;
    }
    Ok(all)
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

/// A message as a provider reads it.
pub(crate) fn write(message: &Message) -> Value {
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => "tool",
    };
    let mut out = json!({ "role": role, "content": message.content });
    if let Some(reasoning) = &message.reasoning {
        out["reasoning_content"] = json!(reasoning);
    }
    if !message.tool_calls.is_empty() {
        out["tool_calls"] = message.tool_calls.iter().map(write_call).collect();
        if message.content.is_empty() {
            out["content"] = Value::Null;
        }
    }
    if let Some(id) = &message.tool_call_id {
        out["tool_call_id"] = json!(id);
    }
    // The protocol knows names of people; a tool's result is found by the id of its call.
    if let Some(name) = message.name.as_ref().filter(|_| message.role != Role::Tool) {
        out["name"] = json!(name);
    }
    out
}

fn write_call(call: &ToolCall) -> Value {
    json!({
        "id": call.id, "type": "function",
        "function": { "name": call.name, "arguments": call.arguments.to_string() },
    })
}
