//! Models of providers from the command line and the server, with servers on loopback in their place; what they cost; and a
//! marked key, for which everything that was written is searched.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
mod serving;

use common::provider::Asked;
use common::{Done, Home, fails, finish, signal, wait, works};
use serde_json::{Value, json};
use serving::Serving;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const MARKER: &str = "sk-marker-7f3a91c2-never-to-be-seen";

/// Answers in the protocol that it is asked in, and only to the marked key; a prompt that says `refuse` gets the key back
/// in an error.
fn provider() -> SocketAddr {
    common::provider::provider(answer)
}

fn answer(asked: &Asked, stream: &mut TcpStream) {
    let Asked { head, body } = asked;
    let events = if head.contains("/messages ") {
        vec![
            json!({ "type": "message_start", "message": { "model": "x", "usage": { "input_tokens": 1000 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": "claude here" } }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 100 } }),
            json!({ "type": "message_stop" }),
        ]
    } else if head.contains(":streamGenerateContent") {
        vec![
            json!({ "candidates": [{ "content": { "parts": [{ "text": "gemini here" }] }, "finishReason": "STOP" }],
            "usageMetadata": { "promptTokenCount": 1000, "candidatesTokenCount": 100 } }),
        ]
    } else {
        vec![
            json!({ "model": "x", "choices": [{ "index": 0, "delta": { "content": "gpt here" } }] }),
            json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
            json!({ "choices": [], "usage": { "prompt_tokens": 1000, "completion_tokens": 100 } }),
        ]
    };
    let (status, kind, text) = if head.contains("/audio/transcriptions ") && head.contains(MARKER) {
        assert!(body.contains("\r\n\r\nwhisper-1\r\n") && body.contains("RIFF"), "{body}");
        let text = json!({ "language": "english", "duration": 2.0, "text": "Hello there.",
            "segments": [{ "id": 0, "start": 0.5, "end": 1.5, "text": " Hello there." }] });
        ("200 OK", "application/json", text.to_string())
    } else if !head.contains(MARKER) || body.contains("refuse") {
        let error = json!({ "error": { "type": "authentication_error", "message": format!("no such key: {MARKER}") } });
        ("401 Unauthorized", "application/json", error.to_string())
    } else {
        let text: String = events.iter().map(|e| format!("data: {e}\n\n")).collect();
        ("200 OK", "text/event-stream", text)
    };
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n"
    );
    let _ = stream.write_all(format!("{head}{text}").as_bytes());
}

const VARIABLES: [&str; 4] = ["OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"];

fn plain(home: &Home, args: &[&str]) -> Command {
    let mut command = home.parasol(args);
    for name in VARIABLES {
        command.env_remove(name);
    }
    command
}

fn keyed(home: &Home, at: SocketAddr, args: &[&str]) -> Command {
    let mut command = plain(home, args);
    command.envs(variables(at));
    command
}

/// The marked key, and the addresses of providers.
fn variables(at: SocketAddr) -> [(&'static str, String); 6] {
    [
        ("OPENAI_API_KEY", MARKER.to_owned()),
        ("ANTHROPIC_API_KEY", MARKER.to_owned()),
        ("GEMINI_API_KEY", MARKER.to_owned()),
        ("PARASOL_OPENAI_URL", format!("http://{at}/v1")),
        ("PARASOL_ANTHROPIC_URL", format!("http://{at}/v1")),
        ("PARASOL_GOOGLE_URL", format!("http://{at}/v1beta")),
    ]
}

fn ask(home: &Home, at: SocketAddr, args: &[&str]) -> Done {
    finish(keyed(home, at, args), None)
}

#[test]
fn models_of_providers_are_asked_like_local_ones() {
    let (home, at) = (Home::new(), provider());
    assert_eq!(works(&ask(&home, at, &["run", "--model", "gpt-5", "hi"])), "gpt here\n");
    assert_eq!(works(&ask(&home, at, &["run", "claude-sonnet-4.6", "hi"])), "claude here\n");
    assert_eq!(works(&ask(&home, at, &["run", "-m", "gemini-2.5-pro", "hi"])), "gemini here\n");
    assert_eq!(works(&ask(&home, at, &["run", "-m", "openai/some-model", "hi"])), "gpt here\n");
    let chat = finish(keyed(&home, at, &["chat", "claude-haiku-4.5", "--stats"]), Some(b"hi\nand again\n"));
    assert_eq!(works(&chat).matches("claude here").count(), 2, "{chat:?}");
    // 1000 tokens of prompt and 100 of the answer, at 1 and 5 dollars a million.
    assert_eq!(chat.err.matches("$0.0015").count(), 2, "{chat:?}");
    let done = ask(&home, at, &["run", "-m", "gpt-5", "hi", "--json", "--stats"]);
    let answer: Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!((answer["text"].as_str(), answer["cost_usd"].as_f64()), (Some("gpt here"), Some(0.00225)));
    assert!(done.err.contains("$0.00225"), "{done:?}");
    let told = ask(&home, at, &["run", "-m", "claude-sonnet-4.6", "hi", "--seed", "5"]);
    assert!(told.code == Some(0) && told.err.contains("seed had no effect"), "{told:?}");
}

#[test]
fn what_was_asked_is_accounted_for_and_budgets_hold() {
    let (home, at) = (Home::new(), provider());
    works(&ask(&home, at, &["run", "-m", "gpt-5", "hi", "-n", "100"]));
    works(&ask(&home, at, &["run", "-m", "claude-haiku-4.5", "hi", "-n", "100"]));
    let usage: Value = serde_json::from_str(works(&home.run(&["usage", "--json"]))).unwrap();
    assert_eq!(usage["total"]["answers"], 2);
    assert!((usage["total"]["cost_usd"].as_f64().unwrap() - 0.00375).abs() < 1e-9, "{usage}");
    assert_eq!(usage["rows"][1]["model"], "gpt-5");
    let table = home.run(&["usage", "--by", "provider"]);
    assert!(works(&table).contains("anthropic") && table.out.contains("$0.00375"), "{table:?}");
    std::fs::write(home.path("store/remote.toml"), "[budget]\nkey_day = 0.005\n").unwrap();
    works(&ask(&home, at, &["run", "-m", "gpt-5", "hi", "-n", "100"]));
    let done = ask(&home, at, &["run", "-m", "gpt-5", "hi", "-n", "100"]);
    assert!(
        done.code != Some(0) && done.err.contains("the budget of local for the day is $0.005"),
        "{done:?}"
    );
    // What has no price cannot be kept within a budget.
    let done = ask(&home, at, &["run", "-m", "openai/some-model", "hi"]);
    assert!(done.code != Some(0) && done.err.contains("has no price"), "{done:?}");
}

/// Two seconds of silence as a WAV file.
fn silence() -> Vec<u8> {
    let bytes = 2 * 2 * 16_000u32;
    let mut wav = [&b"RIFF"[..], &(bytes + 36).to_le_bytes(), b"WAVEfmt ", &16u32.to_le_bytes()].concat();
    wav.extend([1u16, 1].map(u16::to_le_bytes).concat());
    wav.extend([16_000u32, 32_000].map(u32::to_le_bytes).concat());
    wav.extend([2u16, 16].map(u16::to_le_bytes).concat());
    wav.extend([b"data", &bytes.to_le_bytes()[..]].concat());
    wav.resize(44 + bytes as usize, 0);
    wav
}

#[test]
fn models_of_providers_listen_like_local_ones() {
    let (home, at) = (Home::new(), provider());
    std::fs::write(home.path("talk.wav"), silence()).unwrap();
    let file = home.path("talk.wav");
    let file = file.to_str().unwrap();
    let text = ask(&home, at, &["transcribe", file, "--model", "openai/whisper-1"]);
    assert_eq!(works(&text).trim(), "Hello there.");
    let subtitles = ask(&home, at, &["transcribe", file, "--model", "openai/whisper-1", "--format", "srt"]);
    assert!(works(&subtitles).contains("00:00:00,500 --> 00:00:01,500\nHello there."), "{subtitles:?}");
    // Two seconds at 0.6 cents a minute, twice.
    let usage: Value = serde_json::from_str(works(&home.run(&["usage", "--json"]))).unwrap();
    assert_eq!(
        (&usage["rows"][0]["model"], &usage["total"]["answers"]),
        (&json!("openai/whisper-1"), &json!(2))
    );
    assert!((usage["total"]["cost_usd"].as_f64().unwrap() - 0.0004).abs() < 1e-9, "{usage}");
    // What it cannot do, and models that do not listen or do nothing else.
    let done = ask(&home, at, &["transcribe", file, "--model", "openai/whisper-1", "--beam", "5"]);
    assert!(done.code != Some(0) && done.err.contains("beam"), "{done:?}");
    let done = ask(&home, at, &["transcribe", file, "--model", "gpt-5"]);
    assert!(done.code != Some(0) && done.err.contains("does not listen"), "{done:?}");
    let done = ask(&home, at, &["run", "--model", "openai/whisper-1", "hi"]);
    assert!(done.code != Some(0) && done.err.contains("cannot chat"), "{done:?}");
    fails(
        &finish(plain(&home, &["transcribe", file, "--model", "gpt-4o-transcribe"]), None),
        7,
        &["OPENAI_API_KEY"],
    );
    // The same through the server.
    let server = Serving::start(&home, &[], &variables(at));
    let address = server.address.to_string();
    let mut body = b"--x\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\nopenai/whisper-1\r\n\
        --x\r\ncontent-disposition: form-data; name=\"response_format\"\r\n\r\nverbose_json\r\n\
        --x\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n"
        .to_vec();
    body.extend(silence());
    body.extend(b"\r\n--x--\r\n");
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: multipart/form-data; boundary=x\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.contains("200 OK")
            && answer.contains("\"text\":\"Hello there.\"")
            && answer.contains("\"end\":1.5"),
        "{answer}"
    );
    server.end();
}

#[test]
fn a_missing_key_is_told_and_a_kept_one_is_used() {
    let (home, at) = (Home::new(), provider());
    let done = finish(plain(&home, &["run", "--model", "gpt-5", "hi"]), None);
    fails(&done, 7, &["OPENAI_API_KEY", "parasol providers login openai"]);
    let url = format!("http://{at}/v1");
    let without = |args: &[&str]| {
        let mut command = plain(&home, args);
        command.env("PARASOL_OPENAI_URL", &url);
        command
    };
    let kept = finish(without(&["providers", "login", "openai"]), Some(format!("{MARKER}\n").as_bytes()));
    works(&kept);
    let file = home.path("store/provider-keys.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(works(&finish(without(&["run", "--model", "gpt-5", "hi"]), None)), "gpt here\n");
    let list: Value = serde_json::from_str(works(&finish(without(&["providers", "--json"]), None))).unwrap();
    let ready: Vec<&str> = list["providers"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|p| p["ready"] == true)
        .map(|p| p["name"].as_str().unwrap())
        .collect();
    assert_eq!(ready, ["openai", "vllm"]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let done = finish(without(&["run", "--model", "gpt-5", "hi"]), None);
    fails(&done, 7, &["chmod 600"]);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    works(&finish(without(&["providers", "logout", "openai"]), None));
    fails(&finish(without(&["run", "--model", "gpt-5", "hi"]), None), 7, &["OPENAI_API_KEY"]);
    fails(&home.run(&["providers", "login", "nobody"]), 3, &["nobody", "anthropic"]);
}

#[test]
fn a_marked_key_is_nowhere_in_what_is_written() {
    let (home, at) = (Home::new(), provider());
    let mut seen = String::new();
    for args in [
        &["run", "-m", "gpt-5", "hi", "--json=events"][..],
        &["run", "-m", "claude-sonnet-4.6", "please refuse"],
        &["run", "-m", "gemini-2.5-pro", "please refuse", "--json"],
        &["providers"],
        &["providers", "--json"],
        &["usage", "--json"],
        &["doctor", "--json"],
        &["config", "show"],
    ] {
        let done = ask(&home, at, args);
        seen.push_str(&format!("{done:?}"));
    }
    let mut command =
        keyed(&home, at, &["serve", "--listen", "127.0.0.1:0", "--log-level", "trace", "--log-prompts"]);
    let mut server = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("Parasol listens at http://") {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server does not start");
        seen.push_str(&line);
    }
    let address = line.trim().rsplit("http://").next().unwrap().to_owned();
    for (path, body) in [
        (
            "/v1/chat/completions",
            json!({ "model": "gpt-5", "messages": [{ "role": "user", "content": "hi" }] }),
        ),
        (
            "/v1/messages",
            json!({ "model": "gpt-5", "max_tokens": 9, "messages": [{ "role": "user", "content": "refuse" }] }),
        ),
        (
            "/v1beta/models/claude-sonnet-4.6:generateContent",
            json!({ "contents": [{ "parts": [{ "text": "refuse" }] }] }),
        ),
        (
            "/api/chat",
            json!({ "model": "gemini-2.5-pro", "messages": [{ "role": "user", "content": "hi" }] }),
        ),
    ] {
        seen.push_str(&post(&address, path, &body.to_string()));
    }
    seen.push_str(&converse(&address));
    for path in
        ["/v1/models", "/metrics", "/api/tags", "/readyz", "/api/parasol/usage?by=key", "/api/parasol/system"]
    {
        seen.push_str(&request(
            &address,
            &format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"),
        ));
    }
    signal(server.id(), "TERM");
    log.read_to_string(&mut seen).unwrap();
    server.stdout.take().unwrap().read_to_string(&mut seen).unwrap();
    wait(&mut server);
    assert!(
        seen.contains("gpt here") && seen.contains("gemini here") && seen.contains("no such key"),
        "{seen}"
    );
    assert!(!seen.contains(MARKER), "{seen}");
    search(home.dir.path());
}

/// Has two answers written into the store of conversations, one of which is an error that repeats the key.
fn converse(address: &str) -> String {
    let call = |method: &str, path: &str, body: &str| -> Value {
        let length = body.len();
        let head = format!(
            "{method} /api/parasol{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let answer = request(address, &format!("{head}{body}"));
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1)
            .unwrap_or_else(|e| panic!("{e}: {answer}"))
    };
    let made = call("POST", "/conversations", r#"{"model":"gpt-5"}"#);
    let here = format!("/conversations/{}", made["id"].as_str().unwrap());
    let mut parent = Value::Null;
    for words in ["hi", "please refuse"] {
        let said = call(
            "POST",
            &format!("{here}/messages"),
            &json!({ "parent": parent, "content": words }).to_string(),
        );
        let asked = call("POST", &format!("{here}/answers"), &json!({ "parent": said["id"] }).to_string());
        parent = asked["id"].clone();
        for _ in 0..500 {
            if !call("GET", &here, "").to_string().contains(r#""state":"running""#) {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    let whole = call("GET", &here, "");
    let states: Vec<&str> =
        whole["messages"].as_array().unwrap().iter().map(|m| m["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["complete", "complete", "complete", "failed"], "{whole}");
    // 1000 tokens of prompt and 100 of the answer: kept with the answer.
    assert_eq!(whole["messages"][1]["usage"]["cost_usd"], 0.00225, "{whole}");
    whole.to_string()
}

/// Fails when a file anywhere below holds the marked key.
fn search(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes());
            assert!(!found, "{} holds the key", path.display());
        }
    }
}

fn post(address: &str, path: &str, body: &str) -> String {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    request(address, &format!("{head}{body}"))
}

fn request(address: &str, text: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}
