//! Cohere's side of its protocol, as far as the tests need it: Parasol calls it and does not serve it.

use parasol_core::{
    AnswerFormat, Attachment, ChatRequest, FinishReason, GenerationEvent, MediaKind, MediaSource, Message,
    Part, Reasoning, Role, SamplingChoice, ToolCall, ToolChoice, ToolSpec,
};
use serde_json::{Value, json};

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn call(value: &Value) -> ToolCall {
    let function = &value["function"];
    let arguments = serde_json::from_str(function["arguments"].as_str().unwrap()).unwrap();
    ToolCall { id: text(&value["id"]), name: text(&function["name"]), arguments }
}

fn image(url: &str) -> (MediaSource, Option<String>) {
    match url.strip_prefix("data:").and_then(|rest| rest.split_once(";base64,")) {
        Some((kind, data)) => (MediaSource::Base64(data.into()), Some(kind.into())),
        None => (MediaSource::Url(url.into()), None),
    }
}

fn message(value: &Value, earlier: &[Message]) -> Message {
    let role = match value["role"].as_str().unwrap() {
        "system" => Role::System,
        "user" => Role::User,
        "tool" => Role::Tool,
        _ => Role::Assistant,
    };
    let mut out = Message::new(role, value["tool_plan"].as_str().unwrap_or_default());
    out.content.push_str(value["content"].as_str().unwrap_or_default());
    for part in value["content"].as_array().into_iter().flatten() {
        match part["type"].as_str().unwrap() {
            "thinking" => out.reasoning = Some(text(&part["thinking"])),
            "image_url" => {
                let (source, media_type) = image(part["image_url"]["url"].as_str().unwrap());
                let (at, kind, name) = (out.content.len(), MediaKind::Image, None);
                out.attachments.push(Attachment { at, kind, source, media_type, name, cited: false });
            }
            _ => out.content.push_str(part["text"].as_str().unwrap()),
        }
    }
    out.tool_calls = value["tool_calls"].as_array().into_iter().flatten().map(call).collect();
    out.tool_call_id = value["tool_call_id"].as_str().map(str::to_owned);
    let called = |id: &String| earlier.iter().flat_map(|m| &m.tool_calls).find(|call| call.id == *id);
    out.name = out.tool_call_id.as_ref().and_then(called).map(|call| call.name.clone());
    out
}

/// A request as Cohere reads it.
pub(crate) fn read(body: &Value) -> ChatRequest {
    assert_eq!(body["stream"], true);
    let mut out = ChatRequest { sampling: SamplingChoice::neutral().sampling(), ..ChatRequest::default() };
    for each in body["messages"].as_array().unwrap() {
        let next = message(each, &out.messages);
        out.messages.push(next);
    }
    for document in body["documents"].as_array().into_iter().flatten() {
        let last = out.messages.last_mut().unwrap();
        last.attachments.push(Attachment {
            at: last.content.len(),
            kind: MediaKind::Document,
            source: MediaSource::Text(text(&document["data"]["text"])),
            media_type: Some("text/plain".into()),
            name: document["data"]["title"].as_str().map(str::to_owned),
            cited: true,
        });
    }
    let tool = |tool: &Value| ToolSpec {
        name: text(&tool["function"]["name"]),
        description: text(&tool["function"]["description"]),
        parameters: tool["function"]["parameters"].clone(),
    };
    out.tools = body["tools"].as_array().into_iter().flatten().map(tool).collect();
    out.tool_choice = match body["tool_choice"].as_str() {
        Some("REQUIRED") => ToolChoice::Required,
        Some("NONE") => ToolChoice::None,
        _ => ToolChoice::Auto,
    };
    let format = &body["response_format"];
    out.format = match (format.is_object(), format["json_schema"].is_object()) {
        (_, true) => Some(AnswerFormat::JsonSchema { schema: format["json_schema"].clone() }),
        (true, false) => Some(AnswerFormat::JsonObject),
        _ => None,
    };
    out.reasoning = match body["thinking"]["type"].as_str() {
        Some("enabled") => Some(Reasoning::On),
        Some("disabled") => Some(Reasoning::Off),
        _ => None,
    };
    let count = |value: &Value| value.as_u64().map(|n| usize::try_from(n).unwrap());
    out.thinking_tokens = count(&body["thinking"]["token_budget"]);
    out.max_tokens = count(&body["max_tokens"]);
    out.stop = body["stop_sequences"].as_array().into_iter().flatten().map(text).collect();
    let real = |name: &str| body[name].as_f64().map(|x| x as f32);
    let sampling = &mut out.sampling;
    sampling.temperature = real("temperature").unwrap_or(sampling.temperature);
    sampling.top_p = real("p").or(sampling.top_p);
    sampling.top_k = count(&body["k"]).or(sampling.top_k);
    sampling.presence_penalty = real("presence_penalty").unwrap_or_default();
    sampling.frequency_penalty = real("frequency_penalty").unwrap_or_default();
    sampling.seed = body["seed"].as_u64();
    out
}

/// Whether it can end an answer like that at all.
pub(crate) fn ends(events: &[GenerationEvent]) -> bool {
    let withheld = |event: &GenerationEvent| {
        matches!(event, GenerationEvent::Finished { reason: FinishReason::ContentFilter, .. })
    };
    !events.iter().any(withheld)
}

/// An event of an answer as Cohere streams it; what it has no place for is nothing.
pub(crate) fn written(event: &GenerationEvent) -> Vec<Value> {
    let said =
        |kind: &str, message: Value| json!({ "type": kind, "index": 0, "delta": { "message": message } });
    match event {
        GenerationEvent::Started { .. } => {
            vec![
                json!({ "type": "message-start", "id": "x", "delta": { "message": { "role": "assistant", "content": [] } } }),
            ]
        }
        GenerationEvent::Token(token) => {
            let field = if token.part == Part::Reasoning { "thinking" } else { "text" };
            vec![said("content-delta", json!({ "content": { field: token.text } }))]
        }
        GenerationEvent::ToolCall(delta) => {
            let function = |name: &str| json!({ "name": name, "arguments": "" });
            let start = delta.start.iter().map(|start| {
                said("tool-call-start", json!({ "tool_calls": { "id": start.id, "type": "function", "function": function(&start.name) } }))
            });
            let more = json!({ "tool_calls": { "function": { "arguments": delta.arguments } } });
            start.chain([said("tool-call-delta", more)]).collect()
        }
        GenerationEvent::Citation(it) => {
            let id = it.document.map_or_else(|| "web".to_owned(), |number| number.to_string());
            let document = json!({ "url": it.url, "title": it.title, "snippet": it.quote });
            let source = json!({ "type": "document", "id": id, "document": document });
            let citation = json!({ "start": 0, "end": 1, "text": "h", "sources": [source] });
            vec![said("citation-start", json!({ "citations": citation }))]
        }
        GenerationEvent::Finished { reason, stop, usage, .. } => {
            let reason = match (reason, stop) {
                (FinishReason::Length, _) => "MAX_TOKENS",
                (FinishReason::ToolCalls, _) => "TOOL_CALL",
                (_, Some(_)) => "STOP_SEQUENCE",
                _ => "COMPLETE",
            };
            let tokens = json!({ "input_tokens": usage.prompt_tokens as f64, "output_tokens": usage.generated_tokens as f64 });
            let usage = json!({ "billed_units": tokens, "cached_tokens": usage.cached_tokens });
            vec![json!({ "type": "message-end", "delta": { "finish_reason": reason, "usage": usage } })]
        }
        _ => Vec::new(),
    }
}
