//! Responses in both directions: requests that are read back, streams that are read back, and what is refused.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::client::Manner;
use crate::sse::SseEvent;
use parasol_core::{
    AnswerFormat, ChatRequest, FinishReason, GenerationEvent, Message, Part, Reasoning, Role, Sampling,
    SamplingChoice, Timings, TokenReport, ToolCall, ToolCallDelta, ToolCallStart, ToolChoice, ToolSpec,
    Usage,
};

fn with(extra: Value) -> parasol_core::Result<ResponseCall> {
    let mut body = json!({ "model": "m", "input": "hi" });
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    ResponseCall::read(body)
}

fn ask(call: &ResponseCall, history: &[Value]) -> ChatRequest {
    call.request(history, &SamplingChoice::default()).unwrap()
}

#[test]
fn a_request_survives_the_way_over_the_wire() {
    let mut assistant = Message::new(Role::Assistant, "so");
    assistant.reasoning = Some("hm".into());
    assistant.tool_calls = vec![ToolCall { id: "c".into(), name: "f".into(), arguments: json!({ "x": 1 }) }];
    let mut tool = Message::new(Role::Tool, "2");
    tool.tool_call_id = Some("c".into());
    tool.name = Some("f".into());
    // The protocol has no word for these two filters: they are off on both sides.
    let off = SamplingChoice { top_k: Some(0), min_p: Some(0.0), ..SamplingChoice::default() };
    let request = ChatRequest {
        messages: vec![Message::new(Role::System, "s"), Message::new(Role::User, "u"), assistant, tool],
        tools: vec![ToolSpec { name: "f".into(), description: "d".into(), parameters: json!({}) }],
        tool_choice: ToolChoice::Named("f".into()),
        parallel_tool_calls: Some(false),
        format: Some(AnswerFormat::JsonSchema { schema: json!({ "type": "object" }) }),
        reasoning: Some(Reasoning::Off),
        sampling: Sampling { temperature: 0.7, top_p: Some(0.5), ..off.sampling() },
        max_tokens: Some(9),
        logprobs: Some(2),
        ..ChatRequest::default()
    };
    let call = ResponseCall::read(chat_request("m", &request, &Manner::default(), &mut Vec::new()).unwrap())
        .unwrap();
    assert!(call.stream && !call.store);
    assert_eq!(call.request(&[], &off).unwrap(), request);
    let stop = ChatRequest { stop: vec!["x".into()], ..request };
    assert!(
        chat_request("m", &stop, &Manner::default(), &mut Vec::new())
            .unwrap_err()
            .message()
            .starts_with("stop")
    );
}

fn events() -> Vec<GenerationEvent> {
    let token = |text: &str, part| {
        GenerationEvent::Token(TokenReport { id: None, text: text.into(), part, logprobs: Vec::new() })
    };
    let call = |index, start: Option<&str>, arguments: &str| {
        let start = start.map(|id| ToolCallStart { id: id.into(), name: "f".into() });
        GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments: arguments.into() })
    };
    let usage = Usage {
        prompt_tokens: 7,
        cached_tokens: 3,
        generated_tokens: 5,
        reasoning_tokens: 2,
        ..Usage::default()
    };
    let timings = Timings::default();
    vec![
        GenerationEvent::Started { model: "m".into(), prompt_tokens: 0, seed: 0 },
        token("hm", Part::Reasoning),
        token("s", Part::Answer),
        token("o", Part::Answer),
        call(0, Some("c0"), ""),
        call(0, None, "{\"x\":"),
        call(0, None, "1}"),
        call(1, Some("c1"), ""),
        call(1, None, "{}"),
        GenerationEvent::Finished { reason: FinishReason::ToolCalls, stop: None, usage, timings },
    ]
}

fn answer(events: &[GenerationEvent]) -> (Vec<Value>, Value) {
    let call = with(json!({ "metadata": { "a": "b" }, "instructions": "be brief" })).unwrap();
    let mut answer = Answer::new(&call, &ask(&call, &[]), "k", 5);
    let mut sent: Vec<Value> = events.iter().flat_map(|event| answer.push(event)).collect();
    let response = answer.response(6).unwrap();
    sent.push(answer.last(&response));
    (sent, response)
}

#[test]
fn a_stream_is_read_back_as_the_events_that_it_was_made_of() {
    let (sent, _) = answer(&events());
    let encode = |e: &Value| SseEvent::json(e).named(e["type"].as_str().unwrap()).encode();
    let text: String = sent.iter().map(encode).collect();
    let mut decoder = StreamDecoder::new("m");
    let mut back = Vec::new();
    for piece in text.as_bytes().chunks(7) {
        back.extend(decoder.push(piece).unwrap());
    }
    back.extend(decoder.finish().unwrap());
    assert_eq!(back, events());
    let broken = &text.as_bytes()[..text.len() / 2];
    let mut decoder = StreamDecoder::new("m");
    decoder.push(broken).unwrap();
    assert!(decoder.finish().is_err());
}

#[test]
fn events_come_in_order_and_build_the_object() {
    let (sent, response) = answer(&events());
    for (n, event) in sent.iter().enumerate() {
        assert_eq!(event["sequence_number"], n);
    }
    let names: Vec<&str> =
        sent.iter().map(|e| e["type"].as_str().unwrap().trim_start_matches("response.")).collect();
    let (text, call) = ("output_text", "function_call_arguments");
    let message = ["delta", "delta", "done"].map(|e| format!("{text}.{e}"));
    let first = ["delta", "delta", "done"].map(|e| format!("{call}.{e}"));
    let second = ["delta", "done"].map(|e| format!("{call}.{e}"));
    let (added, done) = ("output_item.added", "output_item.done");
    let (begun, ended) = ("content_part.added", "content_part.done");
    let mut expected = vec!["created", "in_progress", added, begun, "reasoning_text.delta"];
    expected.extend(["reasoning_text.done", ended, done, added, begun]);
    expected.extend(message.iter().map(String::as_str));
    expected.extend([ended, done, added]);
    expected.extend(first.iter().map(String::as_str));
    expected.extend([done, added]);
    expected.extend(second.iter().map(String::as_str));
    expected.extend([done, "completed"]);
    assert_eq!(names, expected);
    let finished: Vec<&Value> =
        sent.iter().filter(|e| e["type"] == "response.output_item.done").map(|e| &e["item"]).collect();
    assert_eq!(json!(finished), response["output"]);
    assert_eq!(response["output"][1]["content"][0]["text"], "so");
    assert_eq!(response["output"][2]["arguments"], "{\"x\":1}");
    assert_eq!(response["usage"]["output_tokens_details"]["reasoning_tokens"], 2);
    assert_eq!(
        (&response["status"], &response["completed_at"], &response["metadata"]["a"]),
        (&json!("completed"), &json!(6), &json!("b"))
    );
}

#[test]
fn a_cut_answer_is_incomplete_and_can_be_continued() {
    let mut events = events();
    events.truncate(6);
    let timings = Timings::default();
    let usage = Usage::default();
    events.push(GenerationEvent::Finished { reason: FinishReason::Length, stop: None, usage, timings });
    let (sent, response) = answer(&events);
    assert_eq!(sent.last().unwrap()["type"], "response.incomplete");
    assert_eq!(response["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!(response["output"][2]["status"], "incomplete");
    assert!(response["completed_at"].is_null());
    let next = with(json!({ "previous_response_id": "resp_k", "input": [
        { "type": "function_call_output", "call_id": "c0", "output": "cut" }] }))
    .unwrap();
    let messages = ask(&next, response["output"].as_array().unwrap()).messages;
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert_eq!(messages[0].reasoning.as_deref(), Some("hm"));
    assert_eq!(messages[0].tool_calls[0].arguments, json!({ "INVALID_JSON": "{\"x\":" }));
    assert_eq!(messages[1].name.as_deref(), Some("f"));
}

#[test]
fn a_model_that_declines_does_so_in_a_part_of_its_own() {
    let token = |text: &str| {
        let (text, part) = (text.into(), Part::Refusal);
        GenerationEvent::Token(TokenReport { id: None, text, part, logprobs: Vec::new() })
    };
    let mut events = events();
    events.splice(2..9, [token("I will "), token("not.")]);
    let Some(GenerationEvent::Finished { reason, .. }) = events.last_mut() else { panic!() };
    *reason = FinishReason::ContentFilter;
    let (sent, response) = answer(&events);
    assert_eq!(
        (&response["status"], &sent.last().unwrap()["type"]),
        (&json!("completed"), &json!("response.completed"))
    );
    assert_eq!(response["output"][1]["content"], json!([{ "type": "refusal", "refusal": "I will not." }]));
    let done = sent.iter().find(|event| event["type"] == "response.refusal.done").unwrap();
    assert_eq!(done["refusal"], "I will not.");
    let text: String = sent.iter().map(|event| SseEvent::json(event).encode()).collect();
    let mut decoder = StreamDecoder::new("m");
    assert_eq!(decoder.push(text.as_bytes()).unwrap(), events);
    // One who sends it in one piece only.
    let pieces = sent.iter().filter(|event| event["type"] != "response.refusal.delta");
    let text: String = pieces.map(|event| SseEvent::json(event).encode()).collect();
    let mut decoder = StreamDecoder::new("m");
    let mut whole = events.clone();
    whole.splice(2..4, [token("I will not.")]);
    assert_eq!(decoder.push(text.as_bytes()).unwrap(), whole);
}

#[test]
fn a_failure_inside_a_stream_is_told_twice() {
    let call = with(json!({})).unwrap();
    let mut answer = Answer::new(&call, &ask(&call, &[]), "k", 5);
    assert!(answer.response(6).is_err());
    let sent = answer.fail(&parasol_core::Error::context_overflow(9, 8));
    assert_eq!((&sent[0]["type"], &sent[0]["code"]), (&json!("error"), &json!("context_length_exceeded")));
    assert_eq!(sent[1]["response"]["error"]["code"], "invalid_prompt");
    let mut decoder = StreamDecoder::new("m");
    let error = decoder.push(SseEvent::json(&sent[0]).encode().as_bytes()).unwrap_err();
    assert_eq!(*error.kind(), parasol_core::ErrorKind::ContextOverflow { needed: 9, limit: 8 });
    let error = StreamDecoder::new("m").push(SseEvent::json(&sent[1]).encode().as_bytes()).unwrap_err();
    assert_eq!(*error.kind(), parasol_core::ErrorKind::InvalidRequest);
}

#[test]
fn instructions_come_first_and_are_one_with_the_system_message() {
    let call = with(json!({ "instructions": "a", "input": [
        { "role": "developer", "content": "b" }, { "role": "user", "content": [{ "type": "input_text", "text": "c" }] }] }));
    let messages = ask(&call.unwrap(), &[]).messages;
    assert_eq!(messages, [Message::new(Role::System, "a\n\nb"), Message::new(Role::User, "c")]);
    let call = with(json!({ "instructions": "a" })).unwrap();
    let history = [json!({ "role": "user", "content": "b" }), json!({ "role": "assistant", "content": "c" })];
    let roles: Vec<Role> = ask(&call, &history).messages.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User]);
}

#[test]
fn references_are_found_by_the_response_that_they_name() {
    let mut call = with(json!({ "input": [
        { "role": "user", "content": "a" }, { "type": "item_reference", "id": "msg_abc_0" }, { "id": "fc_abc_1" },
        { "type": "function_call_output", "call_id": "c", "output": [{ "type": "input_text", "text": "x" }] }] }))
    .unwrap();
    assert_eq!(call.references(), ["msg_abc_0", "fc_abc_1"]);
    assert_eq!(owner_of("msg_abc_0").as_deref(), Some("resp_abc"));
    assert_eq!(owner_of("nothing"), None);
    assert!(call.request(&[], &SamplingChoice::default()).is_err(), "the call is not there yet");
    let mut found = std::collections::BTreeMap::new();
    found.insert("msg_abc_0".into(), json!({ "role": "assistant", "content": "b" }));
    assert!(call.clone().resolve(&found).unwrap_err().message().contains("fc_abc_1"));
    let made = json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" });
    found.insert("fc_abc_1".into(), made);
    call.resolve(&found).unwrap();
    assert_eq!(ask(&call, &[]).messages.len(), 3);
    let kept = call.items("k");
    assert_eq!(kept[0]["id"], "msg_k_in0");
    assert_eq!(kept[0]["content"][0], json!({ "type": "input_text", "text": "a" }));
    assert_eq!(
        (&kept[2]["type"], &kept[3]["type"]),
        (&json!("function_call"), &json!("function_call_output"))
    );
}

#[test]
fn what_is_not_honoured_is_refused_by_name_or_reported() {
    let cases = [
        (json!({ "magic": 1 }), "magic"),
        (json!({ "background": true }), "background"),
        (json!({ "truncation": "auto" }), "truncation"),
        (json!({ "conversation": "c" }), "conversation"),
        (json!({ "prompt": { "id": "p" } }), "prompt"),
        (json!({ "input": [] }), "input"),
        (json!({ "input": 3 }), "input"),
        (json!({ "input": [{ "role": "user" }] }), "input.0.content"),
        (json!({ "input": [{ "type": "computer_call", "id": "x" }] }), "input.0.type"),
        (
            json!({ "input": [{ "type": "function_call_output", "call_id": "c", "output": "" }] }),
            "input.0.call_id",
        ),
        (json!({ "tools": [{ "type": "web_search" }] }), "tools.0.type"),
        (json!({ "max_output_tokens": 0 }), "max_output_tokens"),
        (json!({ "include": ["everything"] }), "include.0"),
        (json!({ "text": { "format": { "type": "yaml" } } }), "text.format.type"),
        (json!({ "text": { "verbosity": "high" } }), "text.verbosity"),
        (json!({ "reasoning": { "effort": "huge" } }), "reasoning.effort"),
        (json!({ "metadata": { "a": 1 } }), "metadata"),
        (json!({ "top_logprobs": 21 }), "top_logprobs"),
    ];
    for (extra, field) in cases {
        let error = with(extra.clone()).unwrap_err();
        assert_eq!(super::super::error::body(&error)["error"]["param"], field, "{extra}: {error}");
    }
    let call = with(json!({
        "user": "u", "reasoning": { "summary": "auto" }, "include": ["reasoning.encrypted_content"],
        "input": [{ "type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x" },
            { "role": "user", "content": "hi" }],
    }))
    .unwrap();
    assert_eq!(call.noted, ["reasoning.summary", "user"]);
}
