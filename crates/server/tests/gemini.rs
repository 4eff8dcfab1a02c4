//! Gemini's dialect over a real listener and a toy model.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, toy};
use serde_json::{Value, json};

fn ask(server: &Running, method: &str, body: &Value) -> Answer {
    let toy = toy().replace('/', "%2F");
    server.send("POST", &format!("/v1beta/models/{toy}:{method}"), &[], &body.to_string())
}

fn hello() -> Value {
    json!({"contents": [{"parts": [{"text": "Hi"}]}], "generation_config": {"maxOutputTokens": 5, "temperature": 0}})
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

#[test]
fn content_is_generated_whole_and_streamed() {
    let server = Running::start(|_| {});
    let whole = ask(&server, "generateContent", &hello());
    assert_eq!(whole.status, 200, "{whole:?}");
    let response = json(&whole);
    assert_eq!(response["candidates"][0]["finishReason"], "MAX_TOKENS");
    assert!(
        response["usageMetadata"]["totalTokenCount"].as_u64()
            > response["usageMetadata"]["promptTokenCount"].as_u64()
    );
    let events = ask(&server, "streamGenerateContent?alt=sse", &hello());
    assert!(
        events.head.contains("text/event-stream") && events.body.contains("data: {\"candidates\""),
        "{events:?}"
    );
    assert!(events.body.contains("\"finishReason\":\"MAX_TOKENS\""), "{events:?}");
    let list = ask(&server, "streamGenerateContent", &hello());
    assert!(list.head.contains("application/json") && list.body.contains("[{\"candidates\""), "{list:?}");
    let mut several = hello();
    several["generation_config"]["candidateCount"] = json!(3);
    assert_eq!(json(&ask(&server, "generateContent", &several))["candidates"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_wrong_is_said_in_the_dialect() {
    let server = Running::start(|_| {});
    let says = |answer: Answer, code: u16, status: &str, part: &str| {
        let body = json(&answer);
        assert_eq!(
            (answer.status, &body["error"]["code"], &body["error"]["status"]),
            (code, &json!(code), &json!(status)),
            "{answer:?}"
        );
        assert!(body["error"]["message"].as_str().unwrap().contains(part), "{answer:?}");
    };
    let mut unknown = hello();
    unknown["frobnicate"] = json!(1);
    says(ask(&server, "generateContent", &unknown), 400, "INVALID_ARGUMENT", "frobnicate");
    let long = json!({"contents": [{"parts": [{"text": "word ".repeat(50_000)}]}]});
    says(
        ask(&server, "generateContent", &long),
        400,
        "INVALID_ARGUMENT",
        "exceeds the maximum number of tokens",
    );
    says(ask(&server, "predict", &hello()), 501, "UNIMPLEMENTED", "predict");
    says(ask(&server, "frobnicate", &hello()), 404, "NOT_FOUND", "frobnicate");
    says(ask(&server, "generateContent?foo=1", &hello()), 400, "INVALID_ARGUMENT", "foo");
    let missing = server.send("POST", "/v1/models/none:generateContent", &[], &hello().to_string());
    says(missing, 404, "NOT_FOUND", "none");
}

#[test]
fn tokens_are_counted_and_models_listed() {
    let server = Running::start(|_| {});
    let counted = ask(&server, "countTokens", &json!({"contents": [{"parts": [{"text": "Hi"}]}]}));
    assert!(json(&counted)["totalTokens"].as_u64().unwrap() > 0, "{counted:?}");
    assert!(json(&server.get("/v1beta/models", &[]))["models"].is_array());
    assert!(json(&server.get("/v1/models", &["x-goog-api-key: k"]))["models"].is_array());
    assert_eq!(server.get("/v1beta/models/none", &[]).status, 404);
}
