//! Ollama's dialect over a real listener and a toy model.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, toy};
use serde_json::{Value, json};

fn post(server: &Running, path: &str, more: Value) -> Answer {
    let mut body = json!({"model": toy()});
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.send("POST", path, &[], &body.to_string())
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// The lines of a stream: objects are whole lines of the body, chunk sizes are not.
fn lines(answer: &Answer) -> Vec<Value> {
    assert!(answer.head.contains("content-type: application/x-ndjson"), "{answer:?}");
    answer.body.lines().filter(|l| l.starts_with('{')).map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn a_text_is_answered_whole_streamed_and_raw() {
    let server = Running::start(|_| {});
    let options = json!({"num_predict": 5, "temperature": 0, "num_thread": 3});
    let whole = post(&server, "/api/generate", json!({"prompt": "Hi", "stream": false, "options": options}));
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.head.contains("x-parasol-without-effect: options.num_thread"), "{whole:?}");
    let object = json(&whole);
    assert_eq!(
        (&object["done"], &object["done_reason"], &object["eval_count"]),
        (&json!(true), &json!("length"), &json!(5))
    );
    assert!(object["prompt_eval_count"].as_u64() > Some(0) && object["total_duration"].as_u64() > Some(0));
    let streamed = lines(&post(&server, "/api/generate", json!({"prompt": "Hi", "options": options})));
    let (last, pieces) = streamed.split_last().unwrap();
    assert!(pieces.iter().all(|p| p["done"] == false) && last["done"] == true, "{streamed:?}");
    let said = |field: &str| -> String { pieces.iter().filter_map(|p| p[field].as_str()).collect() };
    assert_eq!(said("response"), object["response"].as_str().unwrap());
    assert_eq!(said("thinking"), object["thinking"].as_str().unwrap_or_default());
    let raw = post(
        &server,
        "/api/generate",
        json!({"prompt": "Hi", "raw": true, "stream": false, "options": options}),
    );
    assert!(json(&raw)["prompt_eval_count"].as_u64() < object["prompt_eval_count"].as_u64(), "{raw:?}");
}

#[test]
fn a_conversation_is_answered_and_held_to_its_form() {
    let server = Running::start(|_| {});
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let schema = json!({"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
        "additionalProperties": false});
    let asked = json!({"messages": messages, "stream": false, "think": false, "format": schema,
        "options": {"num_predict": 200}});
    let answer = post(&server, "/api/chat", asked);
    let object = json(&answer);
    assert_eq!(
        (&object["message"]["role"], &object["done_reason"]),
        (&json!("assistant"), &json!("stop")),
        "{answer:?}"
    );
    let said: Value = serde_json::from_str(object["message"]["content"].as_str().unwrap()).unwrap();
    assert!(said["on"].is_boolean(), "{said}");
    let streamed = lines(&post(
        &server,
        "/api/chat",
        json!({"messages": messages, "options": {"num_predict": 3, "temperature": 0}}),
    ));
    assert_eq!(streamed.last().unwrap()["eval_count"], 3);
}

#[test]
fn models_load_are_shown_and_go() {
    let server = Running::start(|_| {});
    let loaded = json(&post(&server, "/api/generate", json!({"stream": false})));
    assert_eq!((&loaded["done"], &loaded["done_reason"]), (&json!(true), &json!("load")));
    let shown = post(&server, "/api/show", json!({}));
    assert!(json(&shown)["capabilities"].as_array().unwrap().contains(&json!("completion")), "{shown:?}");
    assert!(json(&server.get("/api/tags", &[]))["models"].is_array());
    assert!(json(&server.get("/api/ps", &[]))["models"].is_array());
    let gone = json(&post(&server, "/api/generate", json!({"stream": false, "keep_alive": 0})));
    assert_eq!(gone["done_reason"], "unload");
    assert_eq!(json(&server.get("/api/ps", &[]))["models"], json!([]));
    assert!(json(&server.get("/api/version", &[]))["version"].is_string());
}

#[test]
fn what_is_wrong_is_said_in_the_dialect() {
    let server = Running::start(|_| {});
    let long = "word ".repeat(50_000);
    for (path, more, status, says) in [
        ("/api/chat", json!({"frobnicate": 1}), 400, "frobnicate"),
        (
            "/api/chat",
            json!({"model": "no-such-model", "messages": [{"role": "user", "content": "x"}]}),
            404,
            "no-such-model",
        ),
        ("/api/chat", json!({"messages": [{"role": "user", "content": long}]}), 400, "tokens"),
        ("/api/generate", json!({"prompt": "x", "context": [1]}), 400, "context"),
        ("/api/show", json!({"model": "no-such-model"}), 404, "no-such-model"),
        ("/api/copy", json!({"source": "x", "destination": "y"}), 400, "/api/copy"),
    ] {
        let answer = post(&server, path, more);
        let error = json(&answer);
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(error["error"].as_str().unwrap().contains(says), "{answer:?}");
    }
    let missing = server.send("DELETE", "/api/delete", &[], r#"{"model":"no-such-model"}"#);
    assert_eq!(missing.status, 404, "{missing:?}");
}

#[test]
fn hostile_names_are_pulled_and_removed_by_nobody() {
    let server = Running::start(|_| {});
    let victim = server.home.path().join("victim.gguf");
    std::fs::write(&victim, "precious").unwrap();
    for name in [
        "../../../etc/passwd",
        "/etc/passwd",
        victim.to_str().unwrap(),
        "a\u{0}b",
        "..",
        "",
        "http://127.0.0.1:1/x.gguf",
        "hf:../..",
        "hf:a/b:../../../x",
        "; rm -rf /",
        "--help",
        &"x".repeat(10_000),
    ] {
        for (method, path) in [("POST", "/api/pull"), ("DELETE", "/api/delete")] {
            let body = json!({"model": name, "stream": false}).to_string();
            let answer = server.send(method, path, &[], &body);
            assert!((400..500).contains(&answer.status), "{path} {name:?}: {answer:?}");
            assert!(json(&answer)["error"].is_string(), "{path} {name:?}: {answer:?}");
        }
    }
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
    assert_eq!(server.get("/healthz", &[]).status, 200);
}
