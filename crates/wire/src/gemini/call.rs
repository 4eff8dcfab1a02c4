//! The calling direction: a request of the vocabulary as the body of `:generateContent` or `:streamGenerateContent` (which
//! of them, and the model, stand in the path). What the API cannot express is refused by name.

use crate::client::{Manner, Thinking};
use crate::media::{Content, contents};
use crate::openai::client::short;
use crate::openai::{uncited, unmarked, unmarked_tools};
use parasol_core::{
    AnswerFormat, Attachment, ChatRequest, Effort, Error, ErrorKind, MediaKind, MediaSource, Message,
    Reasoning, Result, Role, Sampling, SignedPart, Signer, ToolChoice,
};
use serde_json::{Map, Value, json};

type Ignored = Vec<(String, String)>;

/// The body of a request.
///
/// # Errors
/// `Unsupported`, naming what the API has no parameter for.
pub fn request_body(request: &ChatRequest, manner: &Manner, ignored: &mut Ignored) -> Result<Value> {
    let mut body = Map::new();
    conversation(&request.messages, &mut body, ignored)?;
    tools(request, &mut body)?;
    if !request.tools.is_empty() {
        unmarked_tools(request, ignored);
    }
    let mut config = Map::new();
    sampling(request, manner, &mut config, ignored)?;
    if let Some(most) = request.max_tokens {
        config.insert("maxOutputTokens".into(), most.into());
    }
    if !request.stop.is_empty() {
        config.insert("stopSequences".into(), json!(request.stop));
    }
    if let Some(alternatives) = request.logprobs {
        config.insert("responseLogprobs".into(), true.into());
        config.insert("logprobs".into(), alternatives.into());
    }
    if let Some(thinking) = thinking(request, manner, ignored) {
        config.insert("thinkingConfig".into(), thinking);
    }
    match &request.format {
        None => {}
        Some(AnswerFormat::JsonObject) => {
            config.insert("responseMimeType".into(), "application/json".into());
        }
        Some(AnswerFormat::JsonSchema { schema }) => {
            config.insert("responseMimeType".into(), "application/json".into());
            config.insert("responseJsonSchema".into(), schema.clone());
        }
        Some(AnswerFormat::Regex { .. }) => {
            return Err(missing("format: a regular expression as the answer's form"));
        }
        Some(AnswerFormat::Lark { .. }) => return Err(missing("format: a grammar as the answer's form")),
    }
    if let Some(name) = request.template_arguments.keys().next() {
        return Err(missing(&format!("template_arguments: the template argument {name}")));
    }
    body.insert("generationConfig".into(), config.into());
    Ok(Value::Object(body))
}

/// `field: what`, as complaints begin with the field.
fn missing(what: &str) -> Error {
    Error::new(ErrorKind::Unsupported, format!("{what}: Gemini's API has no parameter for it, leave it out"))
}

/// How the model thinks; what it thinks is always asked for where it may think.
fn thinking(request: &ChatRequest, manner: &Manner, ignored: &mut Ignored) -> Option<Value> {
    let quiet = request.reasoning == Some(Reasoning::Off);
    let mut without = |field: &str, why: &str| ignored.push((field.to_owned(), why.to_owned()));
    match manner.thinking {
        Thinking::Never => {
            if request.reasoning == Some(Reasoning::On) {
                without("reasoning", "the model does not think");
            }
            return None;
        }
        _ if quiet && manner.can_be_quiet() == Some(false) => {
            without("reasoning", "the model always thinks: it is asked to think as little as it can");
            let least = if manner.thinking == Thinking::Effort {
                json!({ "thinkingLevel": "LOW" })
            } else {
                json!({ "thinkingBudget": 128 })
            };
            return Some(least);
        }
        _ if quiet => return Some(json!({ "thinkingBudget": 0 })),
        _ => {}
    }
    let mut config = json!({ "includeThoughts": true });
    match (manner.thinking, request.effort, request.thinking_tokens) {
        (Thinking::Effort, Some(effort), _) => {
            let wanted = manner.effort(effort).unwrap_or_else(|| effort.name().to_owned());
            config["thinkingLevel"] = wanted.to_ascii_uppercase().into();
        }
        (Thinking::Effort, None, Some(_)) => {
            without("thinking_tokens", "the model cannot be told how many tokens to think");
        }
        (_, _, Some(tokens)) => config["thinkingBudget"] = tokens.into(),
        (_, Some(effort), None) => {
            // The budgets that Google's own endpoint for OpenAI's clients gives these efforts.
            config["thinkingBudget"] = match effort {
                Effort::Minimal | Effort::Low => 1024,
                Effort::Medium => 8192,
                Effort::High | Effort::XHigh => 24_576,
            }
            .into();
        }
        _ => {}
    }
    Some(config)
}

/// What differs from the provider's own choice is sent, or reported where there is no parameter.
fn sampling(
    request: &ChatRequest,
    manner: &Manner,
    config: &mut Map<String, Value>,
    ignored: &mut Ignored,
) -> Result<()> {
    let (sampling, open) = (&request.sampling, manner.unsaid());
    let unlike =
        |differs: fn(&Sampling, &Sampling) -> bool| open.as_ref().is_none_or(|open| differs(sampling, open));
    if unlike(|asked, open| asked.temperature != open.temperature) {
        config.insert("temperature".into(), short(sampling.temperature));
    }
    if unlike(|asked, open| asked.top_p != open.top_p) {
        config.insert("topP".into(), short(sampling.top_p.unwrap_or(1.0)));
    }
    if unlike(|asked, open| asked.top_k != open.top_k)
        && let Some(k) = sampling.top_k
    {
        config.insert("topK".into(), k.into());
    }
    let penalties =
        [("presencePenalty", sampling.presence_penalty), ("frequencyPenalty", sampling.frequency_penalty)];
    for (name, value) in penalties.into_iter().filter(|(_, value)| *value != 0.0) {
        config.insert(name.into(), short(value));
    }
    if let Some(seed) = sampling.seed {
        match i32::try_from(seed.cast_signed()) {
            Ok(seed) => drop(config.insert("seed".into(), seed.into())),
            Err(_) => {
                let why = format!("{seed} has more than the 32 bits of Gemini's seeds");
                ignored.push(("seed".to_owned(), why));
            }
        }
    }
    let others = [
        ("min_p", sampling.min_p.is_some()),
        ("typical_p", sampling.typical_p.is_some()),
        ("repetition_penalty", sampling.repetition_penalty != 1.0),
    ];
    for (name, _) in others.iter().filter(|(_, asked)| *asked) {
        ignored.push(((*name).to_owned(), "Gemini's API has no parameter for it".to_owned()));
    }
    if !sampling.logit_bias.is_empty() {
        return Err(missing("logit_bias: the bias of tokens"));
    }
    Ok(())
}

fn conversation(messages: &[Message], body: &mut Map<String, Value>, ignored: &mut Ignored) -> Result<()> {
    let (mut system, mut out) = (Vec::new(), Vec::<(&str, Vec<Value>)>::new());
    for (i, message) in messages.iter().enumerate() {
        let path = format!("messages.{i}");
        unmarked(message, &path, ignored);
        message.attachments.iter().for_each(|attachment| uncited(attachment, &path, ignored));
        let (role, parts) = match message.role {
            Role::System => {
                system.extend(said(message, &path)?);
                continue;
            }
            Role::User => ("user", said(message, &path)?),
            Role::Tool => ("user", response(message, &path)?),
            Role::Assistant => ("model", assistant(message, &path, ignored)?),
        };
        match out.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(parts),
            _ => out.push((role, parts)),
        }
    }
    if !system.is_empty() {
        body.insert("systemInstruction".into(), json!({ "parts": system }));
    }
    let contents = out.into_iter().map(|(role, parts)| json!({ "role": role, "parts": parts }));
    body.insert("contents".into(), contents.collect());
    Ok(())
}

/// Text and attachments in order. An empty message is an empty text.
fn said(message: &Message, path: &str) -> Result<Vec<Value>> {
    let all = contents(message);
    if all.is_empty() {
        return Ok(vec![json!({ "text": "" })]);
    }
    let each = all.into_iter().map(|content| match content {
        Content::Text(text) => Ok(json!({ "text": text })),
        Content::Media(attachment) => media(attachment, path),
    });
    each.collect()
}

fn media(attachment: &Attachment, path: &str) -> Result<Value> {
    let fallback = match attachment.kind {
        MediaKind::Image => "image/png",
        MediaKind::Audio => "audio/wav",
        MediaKind::Video => "video/mp4",
        MediaKind::Document => "application/pdf",
    };
    let media_type = attachment.media_type.as_deref().unwrap_or(fallback);
    Ok(match &attachment.source {
        MediaSource::Base64(data) => json!({ "inlineData": { "mimeType": media_type, "data": data } }),
        MediaSource::Url(url) => json!({ "fileData": { "mimeType": media_type, "fileUri": url } }),
        MediaSource::Text(text) => json!({ "text": text }),
        MediaSource::Id(_) => {
            let what = format!("{path}.attachments: a file by the id of another provider");
            return Err(missing(&what));
        }
    })
}

fn assistant(message: &Message, path: &str, ignored: &mut Ignored) -> Result<Vec<Value>> {
    let mut calls: Vec<Value> = message
        .tool_calls
        .iter()
        .map(|call| json!({ "functionCall": { "id": call.id, "name": call.name, "args": call.arguments } }))
        .collect();
    let thought = message.reasoning.iter().map(|t| json!({ "text": t, "thought": true }));
    let mut parts: Vec<Value> = thought.collect();
    let mut answer = None;
    for signature in &message.signatures {
        match (&signature.part, signature.by) {
            (SignedPart::Call(index), Signer::Google) if calls.get(*index).is_some() => {
                calls[*index]["thoughtSignature"] = signature.data.as_str().into();
            }
            (SignedPart::Answer, Signer::Google) => answer = Some(signature.data.as_str()),
            (SignedPart::Thought(_), Signer::Google) if !parts.is_empty() => {
                parts[0]["thoughtSignature"] = signature.data.as_str().into();
            }
            (_, by) => {
                let why = format!("Gemini's API cannot read a seal of {}", by.name());
                ignored.push((format!("{path}.signatures"), why));
            }
        }
    }
    if !message.content.is_empty() || !message.attachments.is_empty() {
        parts.extend(said(message, path)?);
    }
    if let Some(data) = answer {
        match parts.last_mut().filter(|last| last["thought"] != true) {
            Some(last) => last["thoughtSignature"] = data.into(),
            None => parts.push(json!({ "text": "", "thoughtSignature": data })),
        }
    }
    parts.extend(calls);
    Ok(parts)
}

/// The response to a call; what is no text of it stands in parts of its own.
fn response(message: &Message, path: &str) -> Result<Vec<Value>> {
    let mut response = json!({ "name": message.name, "response": { "output": message.content } });
    if let Some(id) = &message.tool_call_id {
        response["id"] = id.as_str().into();
    }
    let mut parts = vec![json!({ "functionResponse": response })];
    for attachment in &message.attachments {
        parts.push(media(attachment, path)?);
    }
    Ok(parts)
}

fn tools(request: &ChatRequest, body: &mut Map<String, Value>) -> Result<()> {
    if request.tools.is_empty() {
        return Ok(());
    }
    if request.parallel_tool_calls == Some(false) {
        return Err(missing("parallel_tool_calls: one call at a time"));
    }
    let tools = request.tools.iter().map(|tool| {
        json!({
            "name": tool.name,
            "description": tool.description,
            "parametersJsonSchema": tool.parameters,
        })
    });
    body.insert("tools".into(), json!([{ "functionDeclarations": tools.collect::<Vec<_>>() }]));
    let config = match &request.tool_choice {
        ToolChoice::Auto => json!({ "mode": "AUTO" }),
        ToolChoice::None => json!({ "mode": "NONE" }),
        ToolChoice::Required => json!({ "mode": "ANY" }),
        ToolChoice::Named(name) => json!({ "mode": "ANY", "allowedFunctionNames": [name] }),
    };
    body.insert("toolConfig".into(), json!({ "functionCallingConfig": config }));
    Ok(())
}
