//! Speech over a real listener, with the default voice from the user's own store.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running};
use parasol_hub::{Cancel, Hub, Licence};
use serde_json::{Value, json};
use std::io::{Read, Write};

/// The voice's folder as a model's name; `None` (said aloud) where it is neither here nor within reach.
fn voice() -> Option<String> {
    match Hub::open().unwrap().pull("hibari", Licence::Refuse, &Cancel::new(), &mut |_| {}) {
        Ok(located) => Some(located.model.path().to_str().unwrap().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: hibari is not on this machine ({e})");
            None
        }
    }
}

/// Posts a body and reads until the server closes; sound is no text.
fn post(server: &Running, path: &str, body: &str) -> Answer {
    let mut stream = server.connect();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

fn speak(server: &Running, more: Value) -> Option<Answer> {
    let mut body =
        json!({ "model": voice()?, "input": "Hello there. How are you?", "voice": "alloy", "seed": 7 });
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    Some(post(server, "/v1/audio/speech", &body.to_string()))
}

#[test]
fn a_text_is_read_in_the_format_that_is_asked_for() {
    let server = Running::start(|_| {});
    for (format, kind, first) in [
        (None, "audio/wav", "RIFF"),
        (Some("flac"), "audio/flac", "fLaC"),
        (Some("opus"), "audio/ogg; codecs=opus", "OggS"),
        (Some("pcm"), "audio/pcm", ""),
    ] {
        let Some(answer) = speak(&server, json!({ "response_format": format })) else { return };
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains(&format!("content-type: {kind}")), "{}", answer.head);
        assert!(answer.head.contains("x-parasol-sample-rate: 24000"), "{}", answer.head);
        assert!(answer.head.contains("x-parasol-without-effect: voice"), "{}", answer.head);
        assert!(answer.body.contains(first) && answer.body.len() > 4_000, "{format:?}");
    }
}

#[test]
fn events_hold_the_sound_and_end_with_the_usage() {
    let server = Running::start(|_| {});
    let Some(answer) = speak(&server, json!({ "response_format": "pcm", "stream_format": "sse" })) else {
        return;
    };
    assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
    assert_eq!(answer.body.matches("speech.audio.delta").count(), 2, "one for each sentence");
    assert!(answer.body.contains("speech.audio.done") && answer.body.contains("\"input_tokens\":25"));
}

#[test]
fn what_is_wrong_is_said_with_a_status() {
    let server = Running::start(|_| {});
    for (more, status, part) in [
        (json!({ "input": "😀" }), 400, "spoken"),
        (json!({ "input": "" }), 400, "no text"),
        (json!({ "response_format": "mp3" }), 400, "mp3"),
        (json!({ "speed": 9 }), 400, "speed"),
        (json!({ "voice": "nobody" }), 400, "heart"),
        (json!({ "pitch": 1 }), 400, "pitch"),
        (json!({ "model": "no-such-voice" }), 404, "no-such-voice"),
        (json!({ "model": common::toy() }), 400, "no voice"),
    ] {
        let Some(answer) = speak(&server, more.clone()) else { return };
        assert!(answer.body.contains(part), "{more}: {}", answer.body);
        assert_eq!(answer.status, status, "{more}: {}", answer.body);
    }
}

#[test]
fn elevenlabs_asks_for_a_voice_in_the_path() {
    let server = Running::start(|_| {});
    let Some(model) = voice() else { return };
    let body = json!({ "text": "Hello.", "model_id": model, "voice_settings": { "speed": 1.5 } }).to_string();
    for path in [
        "/v1/text-to-speech/heart",
        "/v1/text-to-speech/heart/stream?output_format=pcm_24000",
        "/v1/text-to-speech/heart?output_format=opus_48000_64",
    ] {
        let answer = post(&server, path, &body);
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    }
    for (path, part) in [
        ("/v1/text-to-speech/heart?output_format=pcm_44100", "pcm_24000"),
        ("/v1/text-to-speech/heart?output_format=mp3_44100_128", "mp3"),
        ("/v1/text-to-speech/nobody", "heart"),
    ] {
        let answer = post(&server, path, &body);
        assert_eq!(answer.status, 400, "{path}: {}", answer.body);
        assert!(answer.body.contains(part), "{path}: {}", answer.body);
    }
}

/// A server that reaches the voice of another by either protocol.
fn in_front_of(far: &Running) -> Option<Running> {
    let model = voice()?;
    let mut settings = String::new();
    for protocol in ["openai", "elevenlabs"] {
        settings.push_str(&format!(
            "[[provider]]\nname = \"p-{protocol}\"\nprotocol = \"{protocol}\"\nurl = \"http://{}/v1\"\nkey_optional = true\n\
             [[model]]\nname = \"by-{protocol}\"\nprovider = \"p-{protocol}\"\nid = {model:?}\ncapabilities = [\"speak\"]\n\
             voices = [{{ name = \"heart\" }}]\n",
            far.address
        ));
    }
    let write = move |home: std::path::PathBuf| {
        std::fs::write(home.join("remote.toml"), settings).unwrap();
        parasol_hub::Settings::at(home)
    };
    Some(Running::start_over(|_| {}, write, parasol_runtime::Policy::Allowed))
}

/// Plain samples.
fn samples(server: &Running, model: &str) -> (u16, Vec<u8>) {
    let body =
        json!({ "model": model, "input": "Hello there. How are you?", "seed": 7, "response_format": "pcm" });
    let mut stream = server.connect();
    let body = body.to_string();
    let head = format!(
        "POST /v1/audio/speech HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        server.address,
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let status = String::from_utf8_lossy(&bytes[9..12]).parse().unwrap();
    (status, dechunked(&bytes[at..]))
}

fn dechunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(end) = bytes.windows(2).position(|two| two == b"\r\n") {
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        let Some(chunk) = bytes.get(end + 2..end + 2 + size).filter(|chunk| !chunk.is_empty()) else { break };
        out.extend_from_slice(chunk);
        bytes = &bytes[end + 2 + size + 2..];
    }
    out
}

#[test]
fn a_voice_of_another_server_sounds_the_same_through_either_protocol() {
    let far = Running::start(|_| {});
    let Some(near) = in_front_of(&far) else { return };
    let (status, own) = samples(&far, &voice().unwrap());
    assert!(status == 200 && own.len() > 40_000, "{status}: {}", own.len());
    for model in ["by-openai", "by-elevenlabs"] {
        let (status, passed) = samples(&near, model);
        assert_eq!((status, passed.len()), (200, own.len()), "{model}");
        // A sample travels as the nearest of 65 536 levels, once more than it needs to.
        let level = |bytes: &[u8], at: usize| i32::from(i16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let far_off = (0..own.len()).step_by(2).map(|at| level(&own, at).abs_diff(level(&passed, at))).max();
        assert!(far_off <= Some(2), "{model}: {far_off:?}");
    }
}
