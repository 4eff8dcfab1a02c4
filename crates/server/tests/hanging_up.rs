//! Clients that hang up: what was computed for them ends within a step, and what waited for their model waits no longer, in
//! every dialect.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, TOKEN, endless_toy, toy};
use parasol_runtime::{LoadOptions, ModelsOptions, Policy};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Tokens that every answer asks for: at ten thousand a second they would take as long as a test may.
const MOST: u64 = 50_000;

/// A request for a long answer of `model`, streamed or whole: its path and body.
fn asks(model: &str) -> Vec<(String, Value)> {
    let in_path = model.replace('/', "%2F");
    let messages = json!([{"role": "user", "content": "Hi"}]);
    let contents =
        json!({"contents": [{"parts": [{"text": "Hi"}]}], "generationConfig": {"maxOutputTokens": MOST}});
    let ollama = |stream: bool| json!({"model": model, "messages": messages, "stream": stream, "options": {"num_predict": MOST}});
    let mut asks = vec![
        (format!("/v1beta/models/{in_path}:streamGenerateContent?alt=sse"), contents.clone()),
        (format!("/v1beta/models/{in_path}:streamGenerateContent"), contents.clone()),
        (format!("/v1beta/models/{in_path}:generateContent"), contents),
    ];
    for stream in [true, false] {
        let chat = json!({"model": model, "messages": messages, "stream": stream, "max_tokens": MOST});
        asks.push(("/v1/chat/completions".into(), chat.clone()));
        asks.push(("/v1/messages".into(), chat));
        let response = json!({"model": model, "input": "Hi", "stream": stream, "max_output_tokens": MOST});
        asks.push(("/v1/responses".into(), response));
        asks.push(("/api/chat".into(), ollama(stream)));
        let mut generate = ollama(stream);
        generate.as_object_mut().unwrap().remove("messages");
        generate["prompt"] = json!("Hi");
        asks.push(("/api/generate".into(), generate));
    }
    asks
}

fn begin(server: &Running, path: &str, body: &Value) -> TcpStream {
    let body = body.to_string();
    let mut stream = server.connect();
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    stream
}

/// What the server says of its models.
fn ps(server: &Running) -> Value {
    let answer = server.get("/api/parasol/ps", &[&format!("x-parasol-token: {TOKEN}")]);
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// What the engine of the only model counts.
fn stats(server: &Running, name: &str) -> u64 {
    ps(server)["models"][0]["stats"][name].as_u64().unwrap_or(0)
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn what_nobody_reads_any_more_is_not_computed() {
    let server = Running::start(|_| {});
    let model = endless_toy();
    for (path, body) in asks(&model) {
        let before = stats(&server, "generated_tokens");
        let mut stream = begin(&server, &path, &body);
        let streamed = body["stream"] == true || path.contains("streamGenerate");
        if streamed {
            let mut first = [0; 400];
            stream.read_exact(&mut first).unwrap();
            assert!(first.starts_with(b"HTTP/1.1 200"), "{path}: {}", String::from_utf8_lossy(&first));
        }
        until(&format!("{path}: nothing is computed"), || stats(&server, "generated_tokens") > before + 20);
        assert_eq!(stats(&server, "running"), 1, "{path}");
        drop(stream);
        let begun = Instant::now();
        until(&format!("{path}: it goes on"), || stats(&server, "running") == 0);
        assert!(begun.elapsed() < Duration::from_millis(500), "{path}: {:?}", begun.elapsed());
        let (steps, tokens) = (stats(&server, "steps"), stats(&server, "generated_tokens"));
        assert!(tokens - before < MOST, "{path}: it ended by itself");
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(stats(&server, "steps"), steps, "{path}");
        assert_eq!((stats(&server, "blocks_used"), stats(&server, "book_errors")), (0, 0), "{path}");
        until("the answer is still counted", || ps(&server)["answers"] == 0);
    }
}

#[test]
fn who_hangs_up_waits_for_no_model() {
    let (model, other) = (endless_toy(), toy());
    // Both take the same whatever the budget is, and the answer that holds the room does not end by itself.
    let load = LoadOptions { context: Some(65_536), cache_tokens: Some(65_536), ..LoadOptions::default() };
    let options = ModelsOptions { paths: Policy::Allowed, load: load.clone(), ..ModelsOptions::default() };
    let first = Running::start_with(|_| {}, parasol_hub::Settings::at, options.clone());
    let wait = |server: &Running, path: &str, body: &Value| {
        let stream = begin(server, path, body);
        until("it is not computed", || stats(server, "running") == 1);
        stream
    };
    let (path, body) = asks(&model).swap_remove(3);
    drop(wait(&first, &path, &body));
    let bytes = ps(&first)["models"][0]["bytes"].as_u64().unwrap();
    // Room for one, which is in use: the other one waits for it, much longer than this test does.
    let models =
        ModelsOptions { memory: Some(bytes + bytes / 2), patience: Duration::from_secs(120), ..options };
    let server = Running::start_with(|_| {}, parasol_hub::Settings::at, models);
    let in_use = wait(&server, &path, &body);
    for (path, body) in asks(&other) {
        let stream = begin(&server, &path, &body);
        until(&format!("{path}: nothing waits"), || ps(&server)["models"].as_array().unwrap().len() == 2);
        drop(stream);
        let begun = Instant::now();
        until(&format!("{path}: it waits on"), || ps(&server)["models"].as_array().unwrap().len() == 1);
        assert!(begun.elapsed() < Duration::from_secs(1), "{path}: {:?}", begun.elapsed());
        until("the other answer has gone, too", || ps(&server)["answers"] == 1);
    }
    assert_eq!((stats(&server, "running"), ps(&server)["memory"]["used"].as_u64()), (1, Some(bytes)));
    drop(in_use);
}
