//! Calling a provider that speaks responses: a request of the vocabulary as this protocol has it.

use super::super::client::{effort, short};
use super::super::content::{missing, name, uncited, unmarked};
use super::super::tools;
use crate::client::Manner;
use crate::media::{Content, contents, data_url};
use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, MediaKind, MediaSource, Message, Result, Role, SignedPart,
    Signer, ToolChoice,
};
use serde_json::{Value, json};

type Ignored = Vec<(String, String)>;

/// A request to `model` that is streamed and stored nowhere.
///
/// # Errors
/// `Unsupported` naming what this protocol cannot ask for.
pub fn chat_request(
    model: &str,
    request: &ChatRequest,
    manner: &Manner,
    ignored: &mut Ignored,
) -> Result<Value> {
    refuse(request, ignored)?;
    let mut body = json!({ "model": model, "stream": true, "store": false });
    let mut input = Vec::new();
    for (i, message) in request.messages.iter().enumerate() {
        input.extend(write(message, &format!("messages.{i}"), ignored)?);
    }
    body["input"] = input.into();
    let mut include = vec!["reasoning.encrypted_content"];
    if !request.tools.is_empty() {
        let flat = request.tools.iter().map(|tool| {
            json!({ "type": "function", "name": tool.name, "description": tool.description,
                "parameters": tool.parameters, "strict": false })
        });
        body["tools"] = flat.collect();
        tools::unmarked(request, ignored);
        body["tool_choice"] = match &request.tool_choice {
            ToolChoice::Named(name) => json!({ "type": "function", "name": name }),
            choice => tools::write_choice(choice),
        };
    }
    if let Some(parallel) = request.parallel_tool_calls {
        body["parallel_tool_calls"] = parallel.into();
    }
    match &request.format {
        None => {}
        Some(AnswerFormat::JsonObject) => body["text"] = json!({ "format": { "type": "json_object" } }),
        Some(AnswerFormat::JsonSchema { schema }) => {
            body["text"] = json!({ "format": {
                "type": "json_schema", "name": "answer", "schema": schema, "strict": true,
            } });
        }
        Some(AnswerFormat::Regex { .. } | AnswerFormat::Lark { .. }) => {
            return Err(unsupported("answers in the form of an expression or a grammar"));
        }
    }
    if let Some(effort) = effort(request, manner, ignored) {
        body["reasoning"] = json!({ "effort": effort, "summary": "auto" });
    }
    if let Some(most) = request.max_tokens {
        body["max_output_tokens"] = most.into();
    }
    if let Some(n) = request.logprobs {
        include.push("message.output_text.logprobs");
        body["top_logprobs"] = n.into();
    }
    body["include"] = json!(include);
    let (asked, unsaid) = (&request.sampling, manner.unsaid());
    if unsaid.as_ref().is_none_or(|open| open.temperature != asked.temperature) {
        body["temperature"] = short(asked.temperature);
    }
    if unsaid.as_ref().is_none_or(|open| open.top_p != asked.top_p) {
        body["top_p"] = short(asked.top_p.unwrap_or(1.0));
    }
    Ok(body)
}

fn unsupported(what: &str) -> Error {
    let message = format!("{what}: the Responses API cannot ask for that; ask through chat completions");
    Error::new(ErrorKind::Unsupported, message)
}

/// What the protocol has no field for.
fn refuse(request: &ChatRequest, ignored: &mut Ignored) -> Result<()> {
    let sampling = &request.sampling;
    let chosen = [
        (sampling.seed.is_some(), "seed"),
        (sampling.presence_penalty != 0.0, "presence_penalty"),
        (sampling.frequency_penalty != 0.0, "frequency_penalty"),
        (sampling.repetition_penalty != 1.0, "repetition_penalty"),
        (sampling.top_k.is_some(), "top_k"),
        (sampling.min_p.is_some(), "min_p"),
        (sampling.typical_p.is_some(), "typical_p"),
    ];
    for (_, name) in chosen.iter().filter(|(asked, _)| *asked) {
        ignored.push(((*name).to_owned(), "the Responses API has no parameter for it".to_owned()));
    }
    let asked = [
        (!request.stop.is_empty(), "stop"),
        (!sampling.logit_bias.is_empty(), "logit_bias"),
        (!request.template_arguments.is_empty(), "template_arguments"),
    ];
    match asked.iter().find(|(asked, _)| *asked) {
        Some((_, name)) => Err(unsupported(name)),
        None => Ok(()),
    }
}

/// A message as items.
fn write(message: &Message, path: &str, ignored: &mut Ignored) -> Result<Vec<Value>> {
    unmarked(message, path, ignored);
    let role = match message.role {
        Role::System => "system",
        Role::User => "user",
        Role::Assistant => "assistant",
        Role::Tool => {
            return Ok(vec![json!({
                "type": "function_call_output", "call_id": message.tool_call_id,
                "output": content(message, path, ignored)?,
            })]);
        }
    };
    let mut items = Vec::new();
    let mut told = false;
    for signature in &message.signatures {
        if signature.by != Signer::OpenAi {
            let why = format!("OpenAI cannot read a seal of {}", signature.by.name());
            ignored.push((format!("{path}.signatures"), why));
            continue;
        }
        let summary = match &signature.part {
            SignedPart::Thought(thought) => {
                told = true;
                json!([{ "type": "summary_text", "text": thought }])
            }
            _ => json!([]),
        };
        items.push(json!({ "type": "reasoning", "summary": summary, "encrypted_content": signature.data }));
    }
    if let Some(thought) = message.reasoning.as_ref().filter(|_| !told) {
        items.push(json!({ "type": "reasoning", "summary": [],
            "content": [{ "type": "reasoning_text", "text": thought }] }));
    }
    let silent = message.content.is_empty() && message.attachments.is_empty();
    if !silent || message.tool_calls.is_empty() {
        items.push(json!({ "type": "message", "role": role, "content": content(message, path, ignored)? }));
    }
    items.extend(message.tool_calls.iter().map(|call| {
        json!({ "type": "function_call", "call_id": call.id, "name": call.name,
            "arguments": call.arguments.to_string() })
    }));
    Ok(items)
}

/// A string, or parts where there are attachments.
fn content(message: &Message, path: &str, ignored: &mut Ignored) -> Result<Value> {
    if message.attachments.is_empty() {
        return Ok(message.content.as_str().into());
    }
    let text = |text: &str| json!({ "type": "input_text", "text": text });
    let each = contents(message).into_iter().map(|content| {
        let attachment = match content {
            Content::Text(said) => return Ok(text(said)),
            Content::Media(attachment) => attachment,
        };
        uncited(attachment, path, ignored);
        let media_type = attachment.media_type.as_deref();
        Ok(match (attachment.kind, &attachment.source) {
            (MediaKind::Image, MediaSource::Url(url)) => json!({ "type": "input_image", "image_url": url }),
            (MediaKind::Image, MediaSource::Base64(data)) => {
                let url = data_url(media_type.or(Some("image/png")), data);
                json!({ "type": "input_image", "image_url": url })
            }
            (MediaKind::Image, MediaSource::Id(id)) => json!({ "type": "input_image", "file_id": id }),
            (MediaKind::Document, MediaSource::Url(url)) => {
                let mut part = json!({ "type": "input_file", "file_url": url });
                if let Some(name) = &attachment.name {
                    part["filename"] = name.as_str().into();
                }
                part
            }
            (MediaKind::Document, MediaSource::Base64(data)) => {
                let url = data_url(media_type.or(Some("application/pdf")), data);
                json!({ "type": "input_file", "filename": name(attachment), "file_data": url })
            }
            (MediaKind::Document, MediaSource::Id(id)) => json!({ "type": "input_file", "file_id": id }),
            (MediaKind::Document, MediaSource::Text(said)) => text(said),
            (kind, source) => return Err(missing(kind, source, path)),
        })
    });
    each.collect::<Result<Vec<_>>>().map(Value::from)
}
