//! A conversation as a template reads it: calls in the fields and forms that it expects, or, where it knows no tools, written
//! into the messages' texts together with a description of the tools.

use crate::answer::CallSyntax;
use crate::template::{message_json, tool_json};
use parasol_core::{Message, Role, ToolCall, ToolSpec};
use serde_json::{Value as Json, json};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Messages for a template that knows tools.
pub(super) fn native(messages: &[Message], syntax: CallSyntax, source: &str) -> Vec<Json> {
    let split =
        if source.contains("single tool-calls") { one_call_each(messages) } else { messages.to_vec() };
    let as_text = !reads_objects(source);
    let nine = matches!(syntax, CallSyntax::Mistral | CallSyntax::MistralNamed);
    let adapted = split.into_iter().map(|mut message| {
        if nine {
            message.tool_calls.iter_mut().for_each(|call| call.id = nine_characters(&call.id));
            message.tool_call_id = message.tool_call_id.map(|id| nine_characters(&id));
        }
        let mut message_json = message_json(&message);
        if as_text && let Some(calls) = message_json.get_mut("tool_calls").and_then(Json::as_array_mut) {
            for arguments in calls.iter_mut().filter_map(|call| call.pointer_mut("/function/arguments")) {
                *arguments = Json::from(arguments.to_string());
            }
        }
        message_json
    });
    adapted.collect()
}

/// Whether a template reads the arguments of a call as an object; else it writes them as the text that they are.
fn reads_objects(source: &str) -> bool {
    let dense: String = source.chars().filter(|c| !c.is_whitespace()).collect();
    let uses = ["|tojson", "|items", ".items()", "|dictsort", "isstring", "ismapping", "isnotstring"];
    !dense.contains("arguments") || uses.iter().any(|usage| dense.contains(&format!("arguments{usage}")))
        // Some write the whole function, arguments and all.
        || dense.contains("function|tojson") || dense.contains("tool_call|tojson") || dense.contains("tool_calls|tojson")
}

/// Mistral's templates take ids of nine letters and digits only.
fn nine_characters(id: &str) -> String {
    if id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return id.to_owned();
    }
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    format!("{:09x}", hasher.finish() & 0xF_FFFF_FFFF)
}

/// For templates that take one call a message: each call with its result behind it.
fn one_call_each(messages: &[Message]) -> Vec<Message> {
    let mut out = Vec::with_capacity(messages.len());
    let mut at = 0;
    while let Some(message) = messages.get(at) {
        at += 1;
        if message.tool_calls.len() < 2 {
            out.push(message.clone());
            continue;
        }
        let results = messages.get(at..).unwrap_or_default();
        let results = &results[..results.iter().take_while(|m| m.role == Role::Tool).count()];
        at += results.len();
        for (i, call) in message.tool_calls.iter().enumerate() {
            let mut single = Message { tool_calls: vec![call.clone()], ..message.clone() };
            if i > 0 {
                single.content.clear();
            }
            out.push(single);
            out.extend(results.iter().filter(|m| m.tool_call_id.as_ref() == Some(&call.id)).cloned());
        }
        let answered =
            |m: &&Message| message.tool_calls.iter().any(|c| Some(&c.id) == m.tool_call_id.as_ref());
        out.extend(results.iter().filter(|m| !answered(m)).cloned());
    }
    out
}

/// Messages for a template that knows no tools.
pub(super) fn described(messages: &[Message], tools: &[ToolSpec], syntax: CallSyntax) -> Vec<Json> {
    let mut out: Vec<Message> = Vec::with_capacity(messages.len() + 1);
    if !tools.is_empty() {
        let system = messages.first().filter(|m| m.role == Role::System);
        let before = system.map_or(String::new(), |m| format!("{}\n\n", m.content));
        out.push(Message::new(Role::System, before + &description(tools, syntax)));
    }
    let skipped = out.len().min(usize::from(messages.first().is_some_and(|m| m.role == Role::System)));
    let mut results = false;
    for message in messages.iter().skip(skipped) {
        let mut message = message.clone();
        let calls: Vec<String> = message.tool_calls.drain(..).map(|call| written(&call, syntax)).collect();
        if !calls.is_empty() {
            let text = if message.content.is_empty() { Vec::new() } else { vec![message.content] };
            message.content = [text, calls].concat().join("\n");
        }
        let is_result = message.role == Role::Tool;
        if is_result {
            message = Message::new(Role::User, result(&message, syntax));
        }
        // Results of several calls, and the question after them, are one turn: many templates insist on turns.
        match out.last_mut() {
            Some(last) if results && message.role == Role::User => {
                last.content = format!("{}\n{}", last.content, message.content);
            }
            _ => out.push(message),
        }
        results = is_result;
    }
    out.iter().map(message_json).collect()
}

/// The same messages for a template without system messages: the first one goes into the first question.
pub(super) fn without_system(mut messages: Vec<Json>) -> Option<Vec<Json>> {
    if messages.first()?.get("role")? != "system" {
        return None;
    }
    let system = messages.remove(0).get("content")?.as_str()?.to_owned();
    let first = messages.iter_mut().find(|m| m.get("role").is_some_and(|role| role == "user"))?;
    let content = first.get_mut("content")?;
    *content = json!(format!("{system}\n\n{}", content.as_str()?));
    Some(messages)
}

fn description(tools: &[ToolSpec], syntax: CallSyntax) -> String {
    let tools: Vec<String> = tools.iter().map(|tool| tool_json(tool).to_string()).collect();
    let tools = tools.join("\n");
    let how = match syntax {
        CallSyntax::Gemma => {
            "```tool_call\n{\"name\": <function name>, \"parameters\": <object of arguments>}\n```"
        }
        _ => "<tool_call>\n{\"name\": <function name>, \"arguments\": <object of arguments>}\n</tool_call>",
    };
    format!(
        "You can call functions. These are on offer, each described by a JSON object:\n<tools>\n{tools}\n</tools>\n\n\
         To call one, answer with nothing but this, once for each call:\n{how}"
    )
}

fn written(call: &ToolCall, syntax: CallSyntax) -> String {
    let name = Json::from(call.name.as_str());
    match syntax {
        CallSyntax::Gemma => {
            format!("```tool_call\n{{\"name\": {name}, \"parameters\": {}}}\n```", call.arguments)
        }
        _ => format!("<tool_call>\n{{\"name\": {name}, \"arguments\": {}}}\n</tool_call>", call.arguments),
    }
}

fn result(message: &Message, syntax: CallSyntax) -> String {
    match syntax {
        CallSyntax::Gemma => format!("```tool_output\n{}\n```", message.content),
        _ => format!("<tool_response>\n{}\n</tool_response>", message.content),
    }
}
