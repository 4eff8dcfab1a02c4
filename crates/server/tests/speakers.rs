//! A voice file of several speakers, through every door that chooses a voice: each takes a speaker's name and number, and names some
//! where there is none.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/talk.rs"]
mod talk;

use common::{Answer, Running, TOKEN, endless_toy};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use talk::{Caller, call};

/// The toy of the fixtures as a voice that says letters, so that no other program is needed.
fn toy_voice(folder: &Path) -> String {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/speech/piper");
    std::fs::copy(fixtures.join("small.onnx"), folder.join("small.onnx")).unwrap();
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(fixtures.join("small.onnx.json")).unwrap()).unwrap();
    config["phoneme_type"] = json!("text");
    std::fs::write(folder.join("small.onnx.json"), config.to_string()).unwrap();
    folder.join("small.onnx").to_str().unwrap().to_owned()
}

/// Posts a body; the answer's may be sound.
fn post(server: &Running, path: &str, body: &Value) -> (u16, Vec<u8>) {
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nx-parasol-token: {TOKEN}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    let mut stream = server.connect();
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let status = String::from_utf8_lossy(&bytes[9..12]).parse().unwrap();
    (status, bytes.split_off(at + 4))
}

/// What the doors of `post` have in common: two words for one speaker, another speaker, and nobody.
fn chooses(server: &Running, path: impl Fn(&str) -> String, body: impl Fn(&str) -> Value) {
    let sound = |voice: &str| {
        let (status, bytes) = post(server, &path(voice), &body(voice));
        assert_eq!(status, 200, "{voice}: {}", String::from_utf8_lossy(&bytes));
        assert!(bytes.len() > 4_000, "{voice}: {} bytes", bytes.len());
        bytes
    };
    let bo = sound("Bo");
    assert!(bo == sound("1") && bo == sound("bo") && bo != sound("ada") && bo != sound("2"));
    let (status, bytes) = post(server, &path("eve"), &body("eve"));
    let says = String::from_utf8_lossy(&bytes);
    assert!(status == 400 && says.contains("eve") && says.contains("ada, Bo, 5"), "{status}: {says}");
}

#[test]
fn every_door_takes_a_speaker_by_name_or_number() {
    let folder = tempfile::tempdir().unwrap();
    let voice = toy_voice(folder.path());
    let server = Running::start(|_| {});
    let openai = |name: &str| json!({ "model": voice, "input": "hello.", "voice": name, "seed": 7, "response_format": "wav" });
    chooses(&server, |_| "/v1/audio/speech".to_owned(), openai);
    let eleven = |_: &str| json!({ "model_id": voice, "text": "hello.", "seed": 7 });
    chooses(&server, |name| format!("/v1/text-to-speech/{name}?output_format=pcm_16000"), eleven);
    let studio =
        |name: &str| json!({ "model": voice, "text": "hello.", "voice": name, "seed": 7, "format": "wav" });
    chooses(&server, |_| "/api/parasol/speech".to_owned(), studio);
    let list: Answer = server.get(
        &format!("/api/parasol/voices?model={}", voice.replace('/', "%2F")),
        &[&format!("x-parasol-token: {TOKEN}")],
    );
    let list: Value = serde_json::from_str(&list.body).unwrap();
    assert_eq!(
        list["voices"],
        json!([
            { "name": "ada", "language": "en-us", "description": "speaker 0 of small" },
            { "name": "Bo", "language": "en-us", "description": "speaker 1 of small" },
            { "name": "5", "language": "en-us", "description": "speaker 2 of small" }
        ])
    );
}

#[test]
fn realtime_takes_a_speaker_behind_its_model() {
    let folder = tempfile::tempdir().unwrap();
    let voice = toy_voice(folder.path());
    let server = Running::start(|_| {});
    let mut caller = call(&server, &endless_toy());
    let speak = |caller: &mut Caller, voice: String| {
        let how = json!({ "max_output_tokens": 24, "audio": { "output": { "voice": voice } } });
        caller.send(json!({ "type": "response.create", "response": how }));
        caller.until("response.done")["response"].take()
    };
    for name in ["1", "bo"] {
        let response = speak(&mut caller, format!("{voice}/{name}"));
        assert_ne!(response["status"], "failed", "{name}: {response}");
    }
    let response = speak(&mut caller, format!("{voice}/eve"));
    let says = response["status_details"]["error"]["message"].as_str().unwrap();
    assert!(says.contains("\"eve\"") && says.contains("ada, Bo, 5") && !says.contains("hibari"), "{says}");
}
