//! Samples written by hand from the public documentation, and round trips through both directions.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::client::Manner;
use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, FinishReason, GenerationEvent, Part, Reasoning, Role,
    Sampling, SamplingChoice, Timings, TokenReport, ToolCallDelta, ToolCallStart, ToolChoice, Usage,
};
use serde_json::{Value, json};

fn parse(body: Value) -> ChatRequest {
    MessagesRequest::parse(body).unwrap().into_chat(&SamplingChoice::default())
}

fn refusal(body: Value) -> String {
    let error = MessagesRequest::parse(body).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidRequest);
    error.message().to_owned()
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]});
    body[field] = value;
    body
}

fn tool() -> Value {
    json!([{"name": "weather", "description": "d", "input_schema": {"type": "object"}}])
}

#[test]
fn a_conversation_with_tools_becomes_messages() {
    let chat = parse(json!({
        "model": "m", "max_tokens": 64, "temperature": 0.5, "stop_sequences": ["END"],
        "system": [{"type": "text", "text": "A", "cache_control": {"type": "ephemeral"}}, {"type": "text", "text": "B"}],
        "tools": tool(), "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": true},
        "thinking": {"type": "disabled"}, "metadata": {"user_id": "u"},
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "user", "content": [{"type": "text", "text": "two"}]},
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": "s"},
                {"type": "text", "text": "I look."},
                {"type": "tool_use", "id": "t1", "name": "weather", "input": {"city": "Oslo"}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "is_error": true, "content": [{"type": "text", "text": "no"}]},
                {"type": "text", "text": "And?"}]},
        ],
    }));
    let said: Vec<_> = chat.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(
        said,
        [
            (Role::System, "A\nB"),
            (Role::User, "one\ntwo"),
            (Role::Assistant, "I look."),
            (Role::Tool, "Error: no"),
            (Role::User, "And?"),
        ]
    );
    assert_eq!(chat.messages[2].reasoning.as_deref(), Some("hm"));
    assert_eq!(chat.messages[2].tool_calls[0].arguments, json!({"city": "Oslo"}));
    assert_eq!(chat.messages[3].name.as_deref(), Some("weather"));
    assert_eq!(chat.tool_choice, ToolChoice::Named("weather".into()));
    assert_eq!((chat.parallel_tool_calls, chat.reasoning), (Some(false), Some(Reasoning::Off)));
    assert_eq!((chat.max_tokens, chat.stop), (Some(64), vec!["END".to_owned()]));
    assert_eq!(chat.sampling.temperature, 0.5);
}

#[test]
fn what_is_left_open_is_recommended() {
    let request = MessagesRequest::parse(with("top_p", json!(0.5))).unwrap();
    let makers = SamplingChoice { temperature: Some(0.1), top_p: Some(0.9), ..SamplingChoice::default() };
    let sampling = request.into_chat(&makers).sampling;
    assert_eq!((sampling.temperature, sampling.top_p), (0.1, Some(0.5)));
}

#[test]
fn what_is_not_honoured_is_refused_by_name() {
    for (field, value, says) in [
        ("frobnicate", json!(1), "frobnicate: is not a parameter"),
        ("max_tokens", json!(0), "max_tokens: is 0"),
        ("max_tokens", json!(null), "max_tokens: is required"),
        ("temperature", json!(3), "temperature: is 3"),
        ("container", json!("c"), "container: no containers"),
        ("mcp_servers", json!([{}]), "mcp_servers:"),
        ("speed", json!("fast"), "speed: \"fast\""),
        ("service_tier", json!("priority"), "service_tier: \"priority\""),
        ("stop_sequences", json!([""]), "stop_sequences.0: is empty"),
        ("thinking", json!({"type": "between_tools"}), "thinking.type: \"between_tools\""),
        ("thinking", json!({"type": "enabled"}), "thinking.budget_tokens: is required"),
        (
            "tools",
            json!([{"type": "web_search_20250305", "name": "web_search"}]),
            "tools.0.type: web_search_20250305",
        ),
        ("tools", json!([{"name": "a b", "input_schema": {}}]), "tools.0.name: must be"),
        ("tool_choice", json!({"type": "any"}), "tool_choice.type: any asks"),
        ("tool_choice", json!({"type": "tool", "name": "x"}), "tool_choice.name: no tool"),
        (
            "context_management",
            json!({"edits": [{"type": "clear_tool_uses_20250919"}]}),
            "context_management.edits.0.type",
        ),
        ("messages", json!([]), "messages: is empty"),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "image", "source": {}}]}]),
            "messages.0.content.0.source.type: is required",
        ),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "file:///x"}}]}]),
            "source.url: must be an address",
        ),
        ("messages", json!([{"role": "assistant", "content": "The answer is ("}]), "prefill"),
        (
            "messages",
            json!([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x"}]}]),
            "tool_use_id: no tool_use",
        ),
        ("messages", json!([{"role": "robot", "content": "x"}]), "messages.0.role"),
        (
            "output_config",
            json!({"format": {"type": "json_schema", "schema": 3}}),
            "output_config.format.schema",
        ),
    ] {
        let said = refusal(with(field, value));
        assert!(said.contains(says), "{field}: {said}");
    }
}

#[test]
fn how_hard_and_how_long_to_think_arrives() {
    let mut body = with("thinking", json!({"type": "enabled", "budget_tokens": 2048}));
    body["output_config"] =
        json!({"effort": "high", "format": {"type": "json_schema", "schema": {"type": "object"}}});
    body["context_management"] = json!({"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]});
    let request = MessagesRequest::parse(body).unwrap();
    assert!(request.without_effect.is_empty());
    let chat = request.into_chat(&SamplingChoice::default());
    assert_eq!((chat.effort, chat.thinking_tokens), (Some(parasol_core::Effort::High), Some(2048)));
    assert_eq!(chat.reasoning, Some(Reasoning::On));
    assert_eq!(chat.format, Some(AnswerFormat::JsonSchema { schema: json!({"type": "object"}) }));
}

fn token(part: Part, text: &str) -> GenerationEvent {
    GenerationEvent::Token(TokenReport { id: Some(1), text: text.into(), part, logprobs: Vec::new() })
}

fn call(index: usize, start: Option<&str>, arguments: &str) -> GenerationEvent {
    let start = start.map(|id| ToolCallStart { id: id.into(), name: "weather".into() });
    GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments: arguments.into() })
}

fn answer(reason: FinishReason, stop: Option<&str>) -> Vec<GenerationEvent> {
    let usage = Usage {
        prompt_tokens: 10,
        cached_tokens: 4,
        generated_tokens: 6,
        reasoning_tokens: 2,
        ..Usage::default()
    };
    vec![
        GenerationEvent::Started { model: "m".into(), prompt_tokens: 10, seed: 1 },
        GenerationEvent::Prefill { done: 10, total: 10 },
        token(Part::Reasoning, "hm"),
        token(Part::Answer, ""),
        token(Part::Answer, "I "),
        token(Part::Answer, "look."),
        call(0, Some("t1"), "{\"city\":"),
        call(0, None, "\"Oslo\"}"),
        call(1, Some("t2"), "{}"),
        GenerationEvent::Finished {
            reason,
            stop: stop.map(str::to_owned),
            usage,
            timings: Timings::default(),
        },
    ]
}

#[test]
fn a_stream_has_its_events_in_order() {
    let mut encoder = Encoder::new("msg_1", Style::default());
    let events: Vec<_> = answer(FinishReason::ToolCalls, None).iter().flat_map(|e| encoder.push(e)).collect();
    assert!(events.iter().all(|e| e.data["type"] == e.name));
    let told: Vec<String> = events
        .iter()
        .map(|e| match e.name {
            "content_block_delta" => {
                format!("{} {}", e.data["index"], e.data["delta"]["type"].as_str().unwrap())
            }
            "content_block_start" => {
                format!("{} {}", e.data["index"], e.data["content_block"]["type"].as_str().unwrap())
            }
            "content_block_stop" => format!("{} stop", e.data["index"]),
            name => name.to_owned(),
        })
        .collect();
    assert_eq!(
        told,
        [
            "message_start",
            "ping",
            "ping",
            "0 thinking",
            "0 thinking_delta",
            "0 signature_delta",
            "0 stop",
            "1 text",
            "1 text_delta",
            "1 text_delta",
            "1 stop",
            "2 tool_use",
            "2 input_json_delta",
            "2 input_json_delta",
            "2 stop",
            "3 tool_use",
            "3 input_json_delta",
            "3 stop",
            "message_delta",
            "message_stop",
        ]
    );
    let usage = &events[events.len() - 2].data["usage"];
    assert_eq!(
        (usage["input_tokens"].as_u64(), usage["cache_read_input_tokens"].as_u64()),
        (Some(6), Some(4))
    );
}

fn collect(events: &[GenerationEvent], style: Style) -> Value {
    let mut collector = Collector::new("msg_1", style);
    events.iter().for_each(|e| collector.push(e));
    collector.finish().unwrap()
}

#[test]
fn a_message_says_why_it_ended() {
    let limit = |most| Style { max_tokens: Some(most), ..Style::default() };
    let reason = |reason, stop, style| collect(&answer(reason, stop), style)["stop_reason"].clone();
    assert_eq!(reason(FinishReason::ToolCalls, None, limit(9)), "tool_use");
    assert_eq!(reason(FinishReason::Length, None, limit(6)), "max_tokens");
    assert_eq!(reason(FinishReason::Length, None, limit(9)), "model_context_window_exceeded");
    assert_eq!(reason(FinishReason::ContentFilter, None, limit(9)), "refusal");
    let stopped = collect(&answer(FinishReason::Stop, Some("END")), limit(9));
    assert_eq!(
        (&stopped["stop_reason"], &stopped["stop_sequence"]),
        (&json!("stop_sequence"), &json!("END"))
    );
    let silent =
        collect(&answer(FinishReason::Stop, None), Style { omit_thinking: true, ..Style::default() });
    assert_eq!(silent["content"][0], json!({"type": "thinking", "thinking": "", "signature": UNSIGNED}));
}

#[test]
fn arguments_that_were_cut_are_kept() {
    let mut events = answer(FinishReason::Length, None);
    events.retain(|e| !matches!(e, GenerationEvent::ToolCall(d) if d.arguments.contains("Oslo")));
    let cut = collect(&events, Style::default());
    assert_eq!(cut["content"][2]["input"], json!({"INVALID_JSON": "{\"city\":"}));
}

/// Events as they come back, with neighbouring text and arguments joined.
fn joined(events: Vec<GenerationEvent>) -> (String, String, Vec<String>, FinishReason, Usage) {
    let (mut thought, mut said, mut calls, mut end) = (String::new(), String::new(), Vec::new(), None);
    for event in events {
        match event {
            GenerationEvent::Token(t) if t.part == Part::Reasoning => thought += &t.text,
            GenerationEvent::Token(t) => said += &t.text,
            GenerationEvent::ToolCall(d) => {
                if let Some(start) = d.start {
                    calls.push(format!("{} {} ", start.id, start.name));
                }
                calls[d.index] += &d.arguments;
            }
            GenerationEvent::Finished { reason, usage, .. } => end = Some((reason, usage)),
            _ => {}
        }
    }
    let (reason, usage) = end.unwrap();
    (thought, said, calls, reason, usage)
}

#[test]
fn an_answer_survives_the_round_trip() {
    let sent = answer(FinishReason::ToolCalls, None);
    let wanted = joined(sent.clone());
    let mut encoder = Encoder::new("msg_1", Style::default());
    let mut decoder = Decoder::default();
    let stream = sent.iter().flat_map(|e| encoder.push(e));
    let streamed = stream.flat_map(|e| decoder.push(&e.data).unwrap()).collect();
    assert_eq!(joined(streamed), wanted);
    let whole = joined(response_events(&collect(&sent, Style::default())).unwrap());
    assert_eq!(whole, wanted);
}

#[test]
fn a_request_survives_the_round_trip() {
    let mut body = with("tools", tool());
    body["tool_choice"] = json!({"type": "any", "disable_parallel_tool_use": true});
    body["system"] = json!("S");
    body["messages"] = json!([
        {"role": "user", "content": "q"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "weather", "input": {"a": 1}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "r"}]},
    ]);
    body["stop_sequences"] = json!(["x"]);
    body["temperature"] = json!(0.0);
    body["thinking"] = json!({"type": "disabled"});
    body["output_config"] = json!({"format": {"type": "json_schema", "schema": {"type": "object"}}});
    let chat = parse(body);
    let written = request_body("m", &chat, &Manner::default(), &mut Vec::new()).unwrap();
    assert_eq!(parse(written), chat);
}

#[test]
fn what_the_api_cannot_say_is_named_when_calling() {
    let ask = |request: ChatRequest| {
        let mut ignored = Vec::new();
        request_body("m", &request, &Manner::default(), &mut ignored).map(|_| ignored)
    };
    let seeded = Sampling { seed: Some(1), ..Sampling::default() };
    let ignored = ask(ChatRequest { sampling: seeded, ..ChatRequest::default() }).unwrap();
    assert!(ignored.iter().any(|(field, _)| field == "seed"), "{ignored:?}");
    let error = ask(ChatRequest { logprobs: Some(2), ..ChatRequest::default() }).unwrap_err();
    assert!(error.message().starts_with("logprobs: "), "{error}");
    let think =
        ChatRequest { reasoning: Some(Reasoning::On), max_tokens: Some(10), ..ChatRequest::default() };
    assert!(ask(think).unwrap_err().message().contains("1024"));
}

#[test]
fn errors_have_their_types_both_ways() {
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Denied,
        ErrorKind::NotFound,
        ErrorKind::RateLimited { retry_after: 3 },
        ErrorKind::Overloaded,
        ErrorKind::Timeout,
        ErrorKind::InvalidRequest,
    ] {
        let error = Error::new(kind.clone(), "said");
        let back = error_from(status(&error), &error_body(&error, None, Some("r")), Some(3));
        assert_eq!(*back.kind(), kind);
    }
    let full = Error::context_overflow(9120, 8192);
    let body = error_body(&full, None, None);
    assert!(
        body["error"]["message"]
            .as_str()
            .unwrap()
            .starts_with("prompt is too long: 9120 tokens > 8192 maximum")
    );
    assert_eq!(error_from(400, &body, None).kind(), full.kind());
    assert_eq!(error_body(&full, Some(413), None)["error"]["type"], "request_too_large");
}

#[test]
fn models_are_listed_in_pages() {
    let model = |id: &str| Model {
        id: id.into(),
        display_name: id.into(),
        created_at: "2026-01-01T00:00:00Z".into(),
        context: Some(8192),
    };
    let models = [model("a"), model("b"), model("c")];
    let page = |query: &[(&str, &str)]| Page::parse(query.iter().copied()).and_then(|p| p.of(&models));
    let first = page(&[("limit", "2")]).unwrap();
    assert_eq!((&first["has_more"], &first["last_id"]), (&json!(true), &json!("b")));
    let next = page(&[("limit", "2"), ("after_id", "b")]).unwrap();
    assert_eq!((next["data"].as_array().unwrap().len(), &next["has_more"]), (1, &json!(false)));
    assert_eq!(page(&[("limit", "1"), ("before_id", "c")]).unwrap()["first_id"], "b");
    assert!(
        page(&[("limit", "0")]).is_err()
            && page(&[("after_id", "z")]).is_err()
            && page(&[("x", "1")]).is_err()
    );
}
