//! Sound in Gemini's dialect: a text that is read aloud, and sound in a prompt.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/talk.rs"]
mod talk;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Answer, Running, toy};
use parasol_hub::Settings;
use parasol_runtime::{Policy, sound};
use serde_json::{Value, json};
use talk::{model, spoken, words, written};

/// A server over the user's own store.
fn server() -> Running {
    Running::start_over(|_| {}, |_| Settings::from_env().unwrap(), Policy::Allowed)
}

fn ask(server: &Running, model: &str, method: &str, body: &Value) -> Answer {
    let model = model.replace('/', "%2F");
    server.send("POST", &format!("/v1beta/models/{model}:{method}"), &[], &body.to_string())
}

fn speech(text: &str, config: &Value) -> Value {
    let mut config = config.clone();
    config["responseModalities"] = json!(["AUDIO"]);
    json!({ "contents": [{ "parts": [{ "text": text }] }], "generationConfig": config })
}

/// The numbers of all parts of a response, or of several.
fn samples(responses: &[Value]) -> Vec<f32> {
    let parts = responses.iter().flat_map(|r| r["candidates"][0]["content"]["parts"].as_array().unwrap());
    let bytes: Vec<u8> = parts
        .flat_map(|part| {
            assert_eq!(part["inlineData"]["mimeType"], "audio/L16;codec=pcm;rate=24000");
            STANDARD.decode(part["inlineData"]["data"].as_str().unwrap()).unwrap()
        })
        .collect();
    bytes.chunks_exact(2).map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0).collect()
}

#[test]
fn a_text_is_read_aloud_whole_and_streamed() {
    let (Some(ears), Some(_)) = (model("whisper-base"), model("hibari")) else { return };
    let server = server();
    let text = "The boat was tied to the old wooden bridge. Nobody had seen the sailor.";
    let kore = json!({ "voiceConfig": { "prebuiltVoiceConfig": { "voiceName": "Kore" } } });
    let body = speech(text, &json!({ "seed": 7, "speechConfig": kore }));
    let answer = ask(&server, "hibari", "generateContent", &body);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.head.contains("x-parasol-without-effect: generationconfig.speechconfig"),
        "{}",
        answer.head
    );
    let whole: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(whole["candidates"][0]["finishReason"], "STOP");
    let sound = samples(std::slice::from_ref(&whole));
    let heard = words(&written(&ears, sound.clone()));
    assert!(["boat", "wooden", "bridge", "sailor"].iter().all(|w| heard.contains(&(*w).into())), "{heard:?}");
    let events = ask(&server, "hibari", "streamGenerateContent?alt=sse", &body);
    let pieces: Vec<Value> = events
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(pieces.len() > 2, "{}", events.body.len());
    assert_eq!(pieces.last().unwrap()["candidates"][0]["finishReason"], "STOP");
    assert_eq!(samples(&pieces), sound);
    let list = ask(&server, "hibari", "streamGenerateContent", &body);
    assert!(list.body.contains("[{\"modelVersion\"") && list.body.contains("\"STOP\""));
    for (model, body, part) in [
        ("smollm2", speech("Hi", &json!({})), "smollm2 is no voice"),
        ("hibari", speech("Hi", &json!({ "topK": 3, "responseSchema": {} })), "responseSchema"),
        ("hibari", speech("😀", &json!({})), "spoken"),
    ] {
        let answer = ask(&server, model, "generateContent", &body);
        assert!(answer.status == 400 && answer.body.contains(part), "{}", answer.body);
    }
}

#[test]
fn sound_in_a_prompt_is_heard() {
    let (Some(ears), Some(voice)) = (model("whisper-base"), model("hibari")) else { return };
    let server = server();
    let numbers = spoken(&voice, "The boat was tied to the old wooden bridge.");
    let floats: Vec<f32> = numbers.iter().map(|x| f32::from(*x) / 32_768.0).collect();
    let count = |parts: Value| {
        let answer = ask(&server, &toy(), "countTokens", &json!({ "contents": [{ "parts": parts }] }));
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()["totalTokens"].as_u64().unwrap()
    };
    let heard = written(&ears, floats.clone());
    let says = format!("[Sound, as written down by whisper-base: \"{}\"]", heard.trim());
    assert!(says.contains("wooden bridge"), "{says}");
    let wanted = count(json!([{ "text": "Listen:" }, { "text": says }, { "text": "What is it?" }]));
    let wav = STANDARD.encode(sound::wav::encode(24_000, &floats));
    let pcm = STANDARD.encode(numbers.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>());
    for (kind, data) in [("audio/wav", wav), ("audio/L16;codec=pcm;rate=24000", pcm)] {
        let part = json!({ "inlineData": { "mimeType": kind, "data": data } });
        let got = count(json!([{ "text": "Listen:" }, part, { "text": "What is it?" }]));
        assert_eq!(got, wanted, "{kind}");
        let body = json!({ "contents": [{ "parts": [part] }], "generationConfig": { "maxOutputTokens": 3 } });
        assert_eq!(ask(&server, &toy(), "generateContent", &body).status, 200);
    }
    let wrong = |part: Value, says: &str| {
        let body = json!({ "contents": [{ "parts": [part] }] });
        let answer = ask(&server, &toy(), "generateContent", &body);
        assert!(answer.status == 400 && answer.body.contains(says), "{}", answer.body);
    };
    wrong(json!({ "inlineData": { "mimeType": "audio/wav", "data": "AAAA" } }), "inlineData");
    wrong(json!({ "inlineData": { "mimeType": "audio/pcm", "data": "AA==" } }), "two each");
    wrong(json!({ "fileData": { "mimeType": "audio/wav", "fileUri": "https://h/a.wav" } }), "inlineData");
    let many: Vec<Value> =
        (0..17).map(|_| json!({ "inlineData": { "mimeType": "audio/pcm", "data": "AAA=" } })).collect();
    let answer = ask(&server, &toy(), "generateContent", &json!({ "contents": [{ "parts": many }] }));
    assert!(answer.status == 400 && answer.body.contains("at most 16"), "{}", answer.body);
}
