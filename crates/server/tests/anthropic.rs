//! Anthropic's dialect over a real listener and a toy model.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, toy};
use serde_json::{Value, json};

const VERSION: &str = "anthropic-version: 2023-06-01";

fn ask(server: &Running, more: Value) -> Answer {
    let mut body = json!({"model": toy(), "max_tokens": 5, "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.send("POST", "/v1/messages", &[VERSION], &body.to_string())
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

#[test]
fn a_message_is_answered_whole_and_streamed() {
    let server = Running::start(|_| {});
    let whole = ask(&server, json!({"thinking": {"type": "enabled", "budget_tokens": 1024}}));
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.head.contains("request-id: req_"), "{whole:?}");
    assert!(whole.head.contains("x-parasol-without-effect: thinking_tokens"), "{whole:?}");
    let message = json(&whole);
    assert_eq!((&message["type"], &message["stop_reason"]), (&json!("message"), &json!("max_tokens")));
    assert_eq!(message["usage"]["output_tokens"], 5);
    let streamed = ask(&server, json!({"stream": true}));
    assert!(streamed.head.contains("content-type: text/event-stream"), "{streamed:?}");
    let at = |event: &str| {
        streamed.body.find(&format!("event: {event}\n")).unwrap_or_else(|| panic!("{event}: {streamed:?}"))
    };
    let order = [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ];
    assert!(order.map(at).is_sorted(), "{streamed:?}");
}

#[test]
fn what_is_wrong_is_said_in_the_dialect() {
    let server = Running::start(|_| {});
    let long = "word ".repeat(50_000);
    for (more, status, kind, says) in [
        (json!({"frobnicate": 1}), 400, "invalid_request_error", "frobnicate"),
        (json!({"model": "no-such-model"}), 404, "not_found_error", "no-such-model"),
        (
            json!({"messages": [{"role": "user", "content": long}]}),
            400,
            "invalid_request_error",
            "prompt is too long: ",
        ),
    ] {
        let answer = ask(&server, more);
        let body = json(&answer);
        assert_eq!(
            (answer.status, &body["type"], &body["error"]["type"]),
            (status, &json!("error"), &json!(kind)),
            "{answer:?}"
        );
        assert!(body["error"]["message"].as_str().unwrap().contains(says), "{answer:?}");
    }
    let big = server.raw(b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 999999999\r\n\r\n");
    assert_eq!((big.status, &json(&big)["error"]["type"]), (413, &json!("request_too_large")));
}

#[test]
fn tokens_are_counted_and_models_listed() {
    let server = Running::start(|_| {});
    let body = json!({"model": toy(), "messages": [{"role": "user", "content": "Hi"}]}).to_string();
    let counted = server.send("POST", "/v1/messages/count_tokens", &[VERSION], &body);
    assert!(json(&counted)["input_tokens"].as_u64().unwrap() > 0, "{counted:?}");
    let list = server.get("/v1/models", &[VERSION]);
    assert_eq!(json(&list)["has_more"], false, "{list:?}");
    let missing = server.get("/v1/models/none", &[VERSION]);
    assert_eq!((missing.status, &json(&missing)["error"]["type"]), (404, &json!("not_found_error")));
}
