//! A request of the vocabulary as the body of `POST /v2/chat`. What the API cannot express is refused or reported by name.

use crate::client::{Manner, Thinking};
use crate::media::{Content, contents, data_url};
use crate::openai::client::short;
use crate::openai::{unmarked, unmarked_tools};
use parasol_core::{
    AnswerFormat, Attachment, ChatRequest, Error, ErrorKind, MediaKind, MediaSource, Message, Reasoning,
    Result, Role, ToolChoice,
};
use serde_json::{Map, Value, json};

type Ignored = Vec<(String, String)>;

/// The body of a streamed request to `model`.
///
/// # Errors
/// `Unsupported`, naming what the API has no parameter for.
pub(crate) fn request_body(
    model: &str,
    request: &ChatRequest,
    manner: &Manner,
    ignored: &mut Ignored,
) -> Result<Value> {
    refuse(request)?;
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("stream".into(), true.into());
    let (mut messages, mut documents) = (Vec::new(), Vec::new());
    for (i, message) in request.messages.iter().enumerate() {
        messages.push(write(message, &format!("messages.{i}"), &mut documents, ignored)?);
    }
    body.insert("messages".into(), messages.into());
    if !documents.is_empty() {
        body.insert("documents".into(), documents.into());
    }
    tools(request, &mut body, ignored);
    thinking(request, manner, &mut body, ignored);
    match &request.format {
        Some(AnswerFormat::JsonSchema { schema }) => {
            body.insert("response_format".into(), json!({ "type": "json_object", "json_schema": schema }));
        }
        Some(AnswerFormat::JsonObject) => {
            body.insert("response_format".into(), json!({ "type": "json_object" }));
        }
        _ => {}
    }
    if let Some(most) = request.max_tokens {
        body.insert("max_tokens".into(), most.into());
    }
    if !request.stop.is_empty() {
        body.insert("stop_sequences".into(), json!(request.stop));
    }
    sampling(request, manner, &mut body, ignored);
    Ok(Value::Object(body))
}

/// `field: what`, as complaints begin with the field.
fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what}: Cohere's API has no parameter for it, leave it out"))
}

fn refuse(request: &ChatRequest) -> Result<()> {
    let form = &request.format;
    let asked = [
        (request.logprobs.is_some(), "logprobs: log-probabilities with alternatives"),
        (!request.sampling.logit_bias.is_empty(), "logit_bias: the bias of tokens"),
        (!request.template_arguments.is_empty(), "template_arguments: variables of the template"),
        (
            request.parallel_tool_calls == Some(false) && !request.tools.is_empty(),
            "parallel_tool_calls: one call at a time",
        ),
        (
            matches!(form, Some(AnswerFormat::Regex { .. })),
            "format: a regular expression as the answer's form",
        ),
        (matches!(form, Some(AnswerFormat::Lark { .. })), "format: a grammar as the answer's form"),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, what)) => Err(missing(what)),
        None => Ok(()),
    }
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>, ignored: &mut Ignored) {
    if request.tools.is_empty() {
        return;
    }
    unmarked_tools(request, ignored);
    // One that must be called is the only one that it is told of: the API knows whether, and not which.
    let named = |name: &str| match &request.tool_choice {
        ToolChoice::Named(wanted) => wanted == name,
        _ => true,
    };
    let offered = request.tools.iter().filter(|tool| named(&tool.name)).map(|tool| {
        json!({ "type": "function", "function": {
            "name": tool.name, "description": tool.description, "parameters": tool.parameters } })
    });
    body.insert("tools".into(), offered.collect());
    match &request.tool_choice {
        ToolChoice::Auto => {}
        ToolChoice::None => drop(body.insert("tool_choice".into(), "NONE".into())),
        ToolChoice::Required | ToolChoice::Named(_) => {
            body.insert("tool_choice".into(), "REQUIRED".into());
        }
    }
}

fn thinking(request: &ChatRequest, manner: &Manner, body: &mut Map<String, Value>, ignored: &mut Ignored) {
    let mut without = |field: &str, why: &str| ignored.push((field.to_owned(), why.to_owned()));
    let asked = request.reasoning == Some(Reasoning::On) || request.thinking_tokens.is_some();
    if manner.thinking == Thinking::Never {
        if asked || request.effort.is_some() {
            without("reasoning", "the model does not think");
        }
        return;
    }
    if request.effort.is_some() {
        without("effort", "the model can be told how many tokens to think, and not how hard");
    }
    if request.reasoning == Some(Reasoning::Off) {
        body.insert("thinking".into(), json!({ "type": "disabled" }));
    } else if asked {
        let mut thinking = json!({ "type": "enabled" });
        if let Some(tokens) = request.thinking_tokens {
            thinking["token_budget"] = tokens.into();
        }
        body.insert("thinking".into(), thinking);
    }
}

/// What differs from the provider's own choice is sent, or reported where there is no parameter.
fn sampling(request: &ChatRequest, manner: &Manner, body: &mut Map<String, Value>, ignored: &mut Ignored) {
    let (asked, open) = (&request.sampling, manner.unsaid());
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    if open.as_ref().is_none_or(|open| open.temperature != asked.temperature) {
        put("temperature", short(asked.temperature));
    }
    if open.as_ref().is_none_or(|open| open.top_p != asked.top_p) {
        // All of them is more than the API takes.
        put("p", short(asked.top_p.unwrap_or(1.0).min(0.99)));
    }
    if let Some(k) = asked.top_k {
        put("k", k.into());
    }
    for (name, value) in
        [("presence_penalty", asked.presence_penalty), ("frequency_penalty", asked.frequency_penalty)]
    {
        if value != 0.0 {
            put(name, short(value));
        }
    }
    if let Some(seed) = asked.seed {
        put("seed", seed.into());
    }
    let others = [
        ("min_p", asked.min_p.is_some()),
        ("typical_p", asked.typical_p.is_some()),
        ("repetition_penalty", asked.repetition_penalty != 1.0),
    ];
    for (name, _) in others.iter().filter(|(_, asked)| *asked) {
        ignored.push(((*name).to_owned(), "Cohere's API has no parameter for it".to_owned()));
    }
}

fn write(message: &Message, path: &str, documents: &mut Vec<Value>, ignored: &mut Ignored) -> Result<Value> {
    unmarked(message, path, ignored);
    for seal in &message.signatures {
        let why = format!("Cohere's API cannot read a seal of {}", seal.by.name());
        ignored.push((format!("{path}.signatures"), why));
    }
    match message.role {
        Role::System => Ok(json!({ "role": "system", "content": content(message, path, documents)? })),
        Role::User => Ok(json!({ "role": "user", "content": content(message, path, documents)? })),
        Role::Tool => Ok(json!({ "role": "tool", "tool_call_id": message.tool_call_id,
            "content": content(message, path, documents)? })),
        Role::Assistant => assistant(message, path, documents),
    }
}

/// What it said before it called tools is its plan there.
fn assistant(message: &Message, path: &str, documents: &mut Vec<Value>) -> Result<Value> {
    let mut out = json!({ "role": "assistant" });
    let calls: Vec<Value> = message
        .tool_calls
        .iter()
        .map(|call| {
            json!({ "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.arguments.to_string() } })
        })
        .collect();
    if !calls.is_empty() {
        if !message.attachments.is_empty() {
            return Err(missing(&format!("{path}.attachments: a file beside calls of tools")));
        }
        out["tool_calls"] = calls.into();
        if !message.content.is_empty() {
            out["tool_plan"] = message.content.as_str().into();
        }
    }
    let thought = message.reasoning.iter().map(|text| json!({ "type": "thinking", "thinking": text }));
    let mut parts: Vec<Value> = thought.collect();
    if message.tool_calls.is_empty() {
        match content(message, path, documents)? {
            Value::String(text) if parts.is_empty() => out["content"] = text.into(),
            Value::String(text) => parts.push(json!({ "type": "text", "text": text })),
            Value::Array(more) => parts.extend(more),
            _ => {}
        }
    }
    if !parts.is_empty() {
        out["content"] = parts.into();
    }
    Ok(out)
}

/// A text, or parts where there are pictures. Documents that are to be cited stand beside the messages, by their number.
fn content(message: &Message, path: &str, documents: &mut Vec<Value>) -> Result<Value> {
    if message.attachments.is_empty() {
        return Ok(message.content.as_str().into());
    }
    let mut parts = Vec::new();
    for content in contents(message) {
        match content {
            Content::Text(text) => parts.push(json!({ "type": "text", "text": text })),
            Content::Media(attachment) => match (attachment.kind, &attachment.source) {
                (MediaKind::Document, MediaSource::Text(text)) if attachment.cited => {
                    documents.push(document(attachment, text, documents.len()));
                }
                (MediaKind::Document, MediaSource::Text(text)) => {
                    parts.push(json!({ "type": "text", "text": text }));
                }
                (MediaKind::Image, MediaSource::Url(url)) => {
                    parts.push(json!({ "type": "image_url", "image_url": { "url": url } }));
                }
                (MediaKind::Image, MediaSource::Base64(data)) => {
                    let url = data_url(attachment.media_type.as_deref().or(Some("image/png")), data);
                    parts.push(json!({ "type": "image_url", "image_url": { "url": url } }));
                }
                _ => return Err(missing(&format!("{path}.attachments: a file of this kind, or its form"))),
            },
        }
    }
    // Nothing is left of a message that was a document only, and the API wants something.
    Ok(if parts.is_empty() { Value::from("") } else { parts.into() })
}

fn document(attachment: &Attachment, text: &str, number: usize) -> Value {
    let mut data = json!({ "text": text });
    if let Some(name) = &attachment.name {
        data["title"] = name.as_str().into();
    }
    json!({ "id": number.to_string(), "data": data })
}
