//! The studio's routes of speech and transcription: what they tell while they work, and what they refuse.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/talk.rs"]
mod talk;

use common::{Answer, Running};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::io::Write;
use talk::model;

fn speak(server: &Running, body: &Value) -> Answer {
    server.send("POST", "/api/parasol/speech", &[], &body.to_string())
}

/// Sends a sound, which is no text.
fn write_down(server: &Running, query: &str, sound: &[u8]) -> Answer {
    let mut stream = server.connect();
    let head = format!(
        "POST /api/parasol/transcriptions?{query} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        server.address,
        sound.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(sound).unwrap();
    common::read(&mut stream)
}

/// The events of a stream, by name.
fn events(body: &str) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    let mut name = String::new();
    for line in body.lines() {
        if let Some(it) = line.split_once("event: ").map(|(_, it)| it) {
            name = it.to_owned();
        } else if let Some((_, data)) = line.split_once("data: ") {
            found.push((name.clone(), serde_json::from_str(data).unwrap()));
        }
    }
    found
}

#[test]
fn speech_is_told_as_it_is_made_and_comes_back_as_words() {
    use base64::Engine;
    let server = Running::start(|_| {});
    let (Some(voice), Some(ears)) = (model("hibari"), model("whisper-tiny")) else { return };
    let text = "The parasol keeps the sun off. 🌂 An umbrella keeps the rain off.";
    let answer = speak(&server, &json!({ "text": text, "model": voice, "seed": 7 }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = events(&answer.body);
    assert_eq!(told[0], ("started".to_owned(), json!({ "rate": 24_000, "total": text.len() })));
    let (last, done) = told.last().unwrap();
    assert!(last == "done" && done["unspoken"] == "🌂" && done["seconds"].as_f64().unwrap() > 2.0, "{done}");
    let pieces: Vec<&Value> = told.iter().filter(|(name, _)| name == "audio").map(|(_, it)| it).collect();
    assert!(pieces.len() >= 2, "a piece for each sentence");
    assert!(pieces.windows(2).all(|two| two[0]["done"].as_u64() <= two[1]["done"].as_u64()));
    let samples: Vec<u8> = pieces
        .iter()
        .flat_map(|it| base64::engine::general_purpose::STANDARD.decode(it["pcm"].as_str().unwrap()).unwrap())
        .collect();
    let seconds = samples.len() as f64 / 48_000.0;
    assert!((seconds - done["seconds"].as_f64().unwrap()).abs() < 0.001, "{seconds} {done}");

    // The same as a file, heard again.
    let numbers = samples.as_chunks::<2>().0.iter().map(|two| f32::from(i16::from_le_bytes(*two)) / 32_767.0);
    let file = parasol_runtime::sound::wav::encode(24_000, &numbers.collect::<Vec<_>>());
    let answer = write_down(&server, &format!("model={}&language=en", ears.replace('/', "%2F")), &file);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = events(&answer.body);
    let heard: String = told.iter().filter_map(|(_, it)| it["text"].as_str()).collect();
    assert!(heard.to_lowercase().contains("parasol") && heard.to_lowercase().contains("rain"), "{heard}");
    let words = told.iter().filter_map(|(_, it)| it["words"].as_array()).flatten();
    let times: Vec<f64> = words.map(|word| word["start"].as_f64().unwrap()).collect();
    assert!(times.len() >= 10 && times.is_sorted(), "{times:?}");
    assert_eq!(told.last().unwrap().0, "done");
}

#[test]
fn what_is_wrong_is_said_with_a_status() {
    let server = Running::start(|o| o.max_body = 10_000);
    let toy = common::toy();
    for (body, status, part) in [
        (json!({ "model": toy }), 400, "text"),
        (json!({ "text": "Hello", "model": "no-such-voice" }), 404, "no-such-voice"),
        (json!({ "text": "Hello", "model": toy }), 400, "no voice"),
        (json!({ "text": "Hello", "format": "mp3" }), 400, "mp3"),
        (json!({ "text": "Hello", "pitch": 1 }), 400, "pitch"),
        (json!({ "text": "x".repeat(20_000) }), 413, "max-body"),
    ] {
        let answer = speak(&server, &body);
        assert_eq!(answer.status, status, "{body}: {}", answer.body);
        assert!(answer.body.contains(part), "{body}: {}", answer.body);
    }
    for (query, sound, status, part) in [
        ("task=sing", &b""[..], 400, "sing"),
        ("colour=red", b"", 400, "colour"),
        ("model=no-such-ears", b"RIFF", 400, "file"),
        ("", &[0; 170_000], 413, "max-body"),
    ] {
        let answer = write_down(&server, query, sound);
        assert_eq!(answer.status, status, "{query}: {}", answer.body);
        assert!(answer.body.contains(part), "{query}: {}", answer.body);
    }
    let defaults: Value = serde_json::from_str(&server.get("/api/parasol/sound", &[]).body).unwrap();
    assert_eq!(defaults, json!({ "speak": "hibari", "listen": "whisper-base" }));
    // It is not here, and says so.
    assert_eq!(server.get("/api/parasol/voices", &[]).status, 404);
    let answer = server.get(&format!("/api/parasol/voices?model={toy}"), &[]);
    assert!(answer.status == 400 && answer.body.contains("no voice"), "{}", answer.body);
}

#[test]
fn with_keys_nobody_speaks_without_one_nor_with_a_model_that_the_key_may_not_use() {
    let server = Running::start(|_| {});
    let secret =
        server.key(KeyTerms { models: vec!["smollm2".into()], name: "guest".into(), ..KeyTerms::default() });
    for path in ["/api/parasol/sound", "/api/parasol/voices"] {
        assert_eq!(server.get(path, &[]).status, 401, "{path}");
    }
    for path in ["/api/parasol/speech", "/api/parasol/transcriptions"] {
        assert_eq!(server.send("POST", path, &[], "{\"text\": \"Hello\"}").status, 401, "{path}");
    }
    let bearer = format!("authorization: Bearer {secret}");
    let answer = server.send("POST", "/api/parasol/speech", &[&bearer], "{\"text\": \"Hello\"}");
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert_eq!(server.get("/api/parasol/voices", &[&bearer]).status, 403);
    // A large recording is not waited for first: none of it is ever sent.
    let mut stream = server.connect();
    write!(
        stream,
        "POST /api/parasol/transcriptions HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{bearer}\r\ncontent-length: 99000000\r\n\r\n",
        server.address
    )
    .unwrap();
    let answer = common::read(&mut stream);
    assert_eq!(answer.status, 403, "{}", answer.body);
}
