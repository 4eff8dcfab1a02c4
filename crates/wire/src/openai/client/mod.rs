//! Calling a provider that speaks this protocol: the vocabulary to requests, and what comes back to events and errors.
//! Sending and retrying are the remote engine's.

mod decode;
mod plain;

pub use decode::{StreamDecoder, response};

use super::{message, tools};
use crate::client::{Manner, Thinking};
use parasol_core::{
    AnswerFormat, ChatRequest, CompleteRequest, Effort, Error, ErrorKind, Reasoning, Result, Sampling,
};
use serde_json::{Map, Value, json};

type Ignored = Vec<(String, String)>;

/// The body of a streamed `chat/completions` request for `model`.
///
/// # Errors
/// `Unsupported` for a form of the answer that the provider cannot be held to.
pub fn chat_request(
    model: &str,
    request: &ChatRequest,
    manner: &Manner,
    ignored: &mut Ignored,
) -> Result<Value> {
    let mut body = start(model, manner);
    let mut messages = Vec::with_capacity(request.messages.len());
    for (i, message) in request.messages.iter().enumerate() {
        messages.push(message::write(message, manner, &format!("messages.{i}"), ignored)?);
    }
    body.insert("messages".into(), messages.into());
    if !request.tools.is_empty() {
        body.insert("tools".into(), request.tools.iter().map(tools::write).collect());
        tools::unmarked(request, ignored);
        body.insert("tool_choice".into(), tools::write_choice(&request.tool_choice));
        if let Some(parallel) = request.parallel_tool_calls {
            body.insert("parallel_tool_calls".into(), parallel.into());
        }
    }
    let quiet = request.reasoning == Some(Reasoning::Off);
    if manner.thinking_switch && request.reasoning.is_some() {
        let kind = if quiet { "disabled" } else { "enabled" };
        body.insert("thinking".into(), json!({ "type": kind }));
    }
    if !(manner.thinking_switch && quiet)
        && let Some(effort) = effort(request, manner, ignored)
    {
        body.insert("reasoning_effort".into(), effort.into());
    }
    if !request.template_arguments.is_empty() {
        if !manner.extended {
            let message =
                "chat_template_kwargs: the provider of this model takes no variables for its template";
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        body.insert("chat_template_kwargs".into(), request.template_arguments.clone().into());
    }
    if let Some(n) = request.logprobs {
        body.insert("logprobs".into(), true.into());
        body.insert("top_logprobs".into(), n.into());
    }
    finish(&mut body, &request.sampling, request.format.as_ref(), manner, ignored)?;
    limits(&mut body, request.max_tokens, &request.stop, &manner.limit_field);
    Ok(Value::Object(body))
}

/// The effort to ask for, where thinking is spoken of.
pub(crate) fn effort(request: &ChatRequest, manner: &Manner, ignored: &mut Ignored) -> Option<String> {
    if request.thinking_tokens.is_some() {
        let why = "the provider cannot be told how many tokens to think".to_owned();
        ignored.push(("thinking_tokens".to_owned(), why));
    }
    let mut without = |why: &str| ignored.push(("reasoning".to_owned(), why.to_owned()));
    match (request.reasoning, request.effort) {
        (None, None) => None,
        _ if manner.thinking == Thinking::Never => {
            if request.reasoning != Some(Reasoning::Off) {
                without("the model does not think");
            }
            None
        }
        (Some(Reasoning::Off), _) if manner.can_be_quiet() == Some(false) => {
            without("the model always thinks: it is asked to think as little as it can");
            manner.effort(Effort::Minimal)
        }
        (Some(Reasoning::Off), _) => Some("none".to_owned()),
        (_, effort) => {
            let told = manner.effort(effort.unwrap_or(Effort::Medium));
            if told.is_none() {
                without("the model cannot be told how hard to think");
            }
            told
        }
    }
}

/// The body of a streamed `completions` request for `model`.
///
/// # Errors
/// As [`chat_request`].
pub fn completion_request(
    model: &str,
    request: &CompleteRequest,
    manner: &Manner,
    ignored: &mut Ignored,
) -> Result<Value> {
    let mut body = start(model, manner);
    body.insert("prompt".into(), request.prompt.clone().into());
    if let Some(suffix) = &request.suffix {
        body.insert("suffix".into(), suffix.clone().into());
    }
    if let Some(n) = request.logprobs {
        body.insert("logprobs".into(), n.into());
    }
    if request.echo {
        body.insert("echo".into(), true.into());
    }
    finish(&mut body, &request.sampling, request.format.as_ref(), manner, ignored)?;
    // Without a limit the protocol's own would hold, which is 16.
    let most = request.max_tokens.or(Some(1 << 16));
    limits(&mut body, most, &request.stop, "max_tokens");
    Ok(Value::Object(body))
}

fn start(model: &str, manner: &Manner) -> Map<String, Value> {
    let mut body = Map::new();
    body.insert("model".into(), model.into());
    body.insert("stream".into(), true.into());
    if manner.stream_options {
        body.insert("stream_options".into(), json!({ "include_usage": true }));
    }
    body
}

fn limits(body: &mut Map<String, Value>, max_tokens: Option<usize>, stop: &[String], field: &str) {
    if let Some(most) = max_tokens {
        body.insert(field.into(), most.into());
    }
    if !stop.is_empty() {
        body.insert("stop".into(), stop.into());
    }
}

/// Sampling and the answer's form. What the provider does anyway is not sent.
fn finish(
    body: &mut Map<String, Value>,
    sampling: &Sampling,
    format: Option<&AnswerFormat>,
    manner: &Manner,
    ignored: &mut Ignored,
) -> Result<()> {
    let unsaid = manner.unsaid();
    let mut put = |name: &str, value: Value| body.insert(name.into(), value);
    if unsaid.as_ref().is_none_or(|open| open.temperature != sampling.temperature) {
        put("temperature", short(sampling.temperature));
    }
    if unsaid.as_ref().is_none_or(|open| open.top_p != sampling.top_p) {
        put("top_p", short(sampling.top_p.unwrap_or(1.0)));
    }
    if sampling.presence_penalty != 0.0 {
        put("presence_penalty", short(sampling.presence_penalty));
    }
    if sampling.frequency_penalty != 0.0 {
        put("frequency_penalty", short(sampling.frequency_penalty));
    }
    if let Some(seed) = sampling.seed.filter(|_| !manner.seed_field.is_empty()) {
        put(&manner.seed_field, seed.cast_signed().into());
    }
    if !sampling.logit_bias.is_empty() {
        let bias = sampling.logit_bias.iter().map(|(id, bias)| (id.to_string(), short(*bias)));
        put("logit_bias", Value::Object(bias.collect()));
    }
    if manner.extended {
        // 0 is off with every server that knows the field.
        put("top_k", sampling.top_k.unwrap_or(0).into());
        put("min_p", short(sampling.min_p.unwrap_or(0.0)));
        if let Some(p) = sampling.typical_p {
            put("typical_p", short(p));
        }
        if sampling.repetition_penalty != 1.0 {
            // vLLM's and llama.cpp's names for it.
            put("repetition_penalty", short(sampling.repetition_penalty));
            put("repeat_penalty", short(sampling.repetition_penalty));
        }
    } else {
        let unknown = [
            ("top_k", sampling.top_k.is_some()),
            ("min_p", sampling.min_p.is_some()),
            ("typical_p", sampling.typical_p.is_some()),
            ("repetition_penalty", sampling.repetition_penalty != 1.0),
            ("seed", sampling.seed.is_some() && manner.seed_field.is_empty()),
        ];
        for (name, _) in unknown.iter().filter(|(_, asked)| *asked) {
            ignored.push(((*name).to_owned(), "the provider has no parameter for it".to_owned()));
        }
    }
    if let Some(format) = format {
        let (name, value) = tools::write_format(format, manner.extended)?;
        put(name, value);
    }
    Ok(())
}

/// A number as it was written: `0.7`, not the nearest float of twice the width.
pub(crate) fn short(x: f32) -> Value {
    x.to_string().parse::<f64>().map_or(Value::Null, Value::from)
}

/// What a provider's refusal means: its status, body, and `retry-after` in seconds.
pub fn error(status: u16, body: &[u8], retry_after: Option<u64>) -> Error {
    let parsed: Value = serde_json::from_slice(body).unwrap_or_default();
    let inner = if parsed["error"].is_null() { &parsed } else { &parsed["error"] };
    let told = inner["message"].as_str().or(inner.as_str()).or(parsed["detail"].as_str());
    let message = match told {
        Some(message) => message.chars().take(2000).collect(),
        None => format!("the provider answered with status {status}"),
    };
    if inner["code"] == "context_length_exceeded" || inner["type"] == "exceed_context_size_error" {
        return Error::new(overflow(inner, &message), message);
    }
    let kind = match status {
        400 | 413 | 422 => ErrorKind::InvalidRequest,
        401 | 403 => ErrorKind::Denied,
        404 => ErrorKind::NotFound,
        408 | 504 => ErrorKind::Timeout,
        429 => ErrorKind::RateLimited { retry_after: retry_after.unwrap_or(1) },
        503 | 529 => ErrorKind::Overloaded,
        501 => ErrorKind::Unsupported,
        _ => ErrorKind::Network,
    };
    Error::new(kind, message)
}

/// The two numbers of an overflow, which providers put into their sentence.
fn overflow(inner: &Value, message: &str) -> ErrorKind {
    let field = |name: &str| inner[name].as_u64().and_then(|n| usize::try_from(n).ok());
    let mut numbers: Vec<usize> =
        message.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    numbers.sort_unstable();
    let (least, most) = (numbers.first().copied().unwrap_or(0), numbers.last().copied().unwrap_or(0));
    match (field("n_prompt_tokens"), field("n_ctx")) {
        (Some(needed), Some(limit)) => ErrorKind::ContextOverflow { needed, limit },
        // The sentence may name the parts of the sum as well: the limit is what lies below the sum.
        _ => {
            let limit = numbers.iter().rev().copied().find(|n| *n < most).unwrap_or(least);
            ErrorKind::ContextOverflow { needed: most, limit }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::chat::ChatCall;
    use super::super::completions::CompletionCall;
    use super::*;
    use parasol_core::{Message, Role, SamplingChoice, ToolCall, ToolChoice, ToolSpec};

    #[test]
    fn a_chat_request_survives_the_way_over_the_wire() {
        let mut assistant = Message::new(Role::Assistant, "");
        assistant.tool_calls.push(ToolCall {
            id: "c".into(),
            name: "f".into(),
            arguments: json!({ "x": 1 }),
        });
        let mut tool = Message::new(Role::Tool, "2");
        tool.tool_call_id = Some("c".into());
        tool.name = Some("f".into());
        let request = ChatRequest {
            messages: vec![Message::new(Role::System, "s"), Message::new(Role::User, "u"), assistant, tool],
            tools: vec![ToolSpec { name: "f".into(), description: "d".into(), parameters: json!({}) }],
            tool_choice: ToolChoice::Named("f".into()),
            parallel_tool_calls: Some(false),
            format: Some(AnswerFormat::Regex { pattern: "a+".into() }),
            reasoning: Some(Reasoning::Off),
            sampling: Sampling {
                temperature: 0.7,
                top_k: None,
                typical_p: Some(0.9),
                repetition_penalty: 1.1,
                presence_penalty: 0.5,
                logit_bias: [(3, -1.5)].into(),
                seed: Some(u64::MAX),
                ..Sampling::default()
            },
            max_tokens: Some(5),
            stop: vec!["x".into()],
            logprobs: Some(2),
            ..ChatRequest::default()
        };
        let body = chat_request("m", &request, &Manner::default(), &mut Vec::new()).unwrap();
        let call = ChatCall::read(body).unwrap();
        assert!(call.stream && call.include_usage);
        assert_eq!(call.request(&SamplingChoice::default(), 0), request);
        let error = chat_request("m", &request, &Manner::standard(), &mut Vec::new()).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn a_switch_for_thinking_stands_beside_the_effort() {
        let manner = Manner {
            thinking_switch: true,
            efforts: Some(vec!["low".into(), "high".into()]),
            ..Manner::standard()
        };
        let asked = |reasoning, effort| {
            let mut called = Message::new(Role::Assistant, "");
            called.tool_calls = vec![ToolCall { id: "c".into(), name: "f".into(), arguments: json!({}) }];
            let request = ChatRequest {
                reasoning,
                effort,
                messages: vec![called],
                sampling: SamplingChoice::neutral().sampling(),
                ..ChatRequest::default()
            };
            let mut ignored = Vec::new();
            let body = chat_request("m", &request, &manner, &mut ignored).unwrap();
            assert!(ignored.is_empty(), "{ignored:?}");
            // Nothing was thought, and it wants to be told so.
            assert_eq!(body["messages"][0]["reasoning_content"], "");
            (body["thinking"]["type"].as_str().map(str::to_owned), body["reasoning_effort"].clone())
        };
        assert_eq!(asked(None, None), (None, Value::Null));
        assert_eq!(asked(Some(Reasoning::Off), None), (Some("disabled".into()), Value::Null));
        assert_eq!(asked(Some(Reasoning::On), Some(Effort::XHigh)), (Some("enabled".into()), json!("high")));
        assert_eq!(asked(None, Some(Effort::Low)), (None, json!("low")));
    }

    #[test]
    fn a_completion_request_survives_the_way_over_the_wire() {
        let request = CompleteRequest {
            prompt: "a".into(),
            suffix: Some("b".into()),
            max_tokens: Some(4),
            logprobs: Some(1),
            ..CompleteRequest::default()
        };
        let body = completion_request("m", &request, &Manner::default(), &mut Vec::new()).unwrap();
        assert_eq!(CompletionCall::read(body).unwrap().request(&SamplingChoice::default(), 0), request);
    }

    #[test]
    fn refusals_get_the_kind_that_a_caller_can_act_on() {
        let vllm = br#"{"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens","type":"BadRequestError","code":"context_length_exceeded"}"#;
        assert_eq!(*error(400, vllm, None).kind(), ErrorKind::ContextOverflow { needed: 5000, limit: 4096 });
        let llama = br#"{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_prompt_tokens":91,"n_ctx":64}}"#;
        assert_eq!(*error(400, llama, None).kind(), ErrorKind::ContextOverflow { needed: 91, limit: 64 });
        let own = Error::context_overflow(9120, 8192);
        let body = super::super::error::body(&own).to_string();
        assert_eq!(error(400, body.as_bytes(), None).kind(), own.kind());
        assert_eq!(*error(429, b"", Some(7)).kind(), ErrorKind::RateLimited { retry_after: 7 });
        assert_eq!(*error(500, b"<html>", None).kind(), ErrorKind::Network);
        assert!(error(500, b"<html>", None).message().contains("500"));
        assert_eq!(error(404, br#"{"error":{"message":"no such model"}}"#, None).message(), "no such model");
    }
}
