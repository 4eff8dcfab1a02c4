//! Voices that are added over HTTP, in the words of OpenAI, ElevenLabs and the studio: consent, keys that do not see each other's, what is
//! refused, and that a model which imitates nobody says so.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, read};
use parasol_hub::{Cancel, Hub, Licence};
use parasol_runtime::sound::wav;
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::io::Write;

const BOUNDARY: &str = "a-boundary-of-the-tests";

fn sound(seconds: usize) -> Vec<u8> {
    let samples: Vec<f32> = (0..seconds * 16_000).map(|n| 0.3 * (n as f32 * 0.1).sin()).collect();
    wav::encode(16_000, &samples)
}

/// Sends bytes as a body.
fn send(server: &Running, method: &str, path: &str, headers: &[String], body: &[u8]) -> Answer {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", server.address);
    head.push_str(&format!("content-length: {}\r\n", body.len()));
    headers.iter().for_each(|line| head.push_str(&format!("{line}\r\n")));
    let mut stream = server.connect();
    stream.write_all(&[format!("{head}\r\n").as_bytes(), body].concat()).unwrap();
    read(&mut stream)
}

/// A form of fields, and files with the names of their fields.
fn form(
    server: &Running,
    path: &str,
    key: Option<&str>,
    fields: &[(&str, &str)],
    files: &[(&str, Vec<u8>)],
) -> Answer {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend(
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .into_bytes(),
        );
    }
    for (name, bytes) in files {
        let head = format!(
            "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"a.wav\"\r\ncontent-type: audio/wav\r\n\r\n"
        );
        body.extend([head.as_bytes(), bytes, b"\r\n"].concat());
    }
    body.extend(format!("--{BOUNDARY}--\r\n").into_bytes());
    let mut headers = vec![format!("content-type: multipart/form-data; boundary={BOUNDARY}")];
    headers.extend(key.map(|key| format!("authorization: Bearer {key}")));
    send(server, "POST", path, &headers, &body)
}

fn json_of(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

fn ask(server: &Running, method: &str, path: &str, key: Option<&str>, body: &str) -> Answer {
    let headers: Vec<String> = key.iter().map(|key| format!("authorization: Bearer {key}")).collect();
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    server.send(method, path, &headers, body)
}

fn refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.body);
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    let message = told["error"]["message"].as_str().unwrap();
    assert!(message.contains(part), "{part}: {message}");
}

#[test]
fn a_custom_voice_of_openais_needs_a_recording_of_consent() {
    let server = Running::start(|_| {});
    let consents = "/v1/audio/voice_consents";
    let fields = [("name", "Anna says yes"), ("language", "en-US")];
    let made = json_of(&form(&server, consents, None, &fields, &[("recording", sound(3))]));
    assert_eq!(
        (made["object"].as_str(), made["language"].as_str()),
        (Some("audio.voice_consent"), Some("en-US"))
    );
    let id = made["id"].as_str().unwrap();
    let one = format!("{consents}/{id}");
    assert_eq!(json_of(&server.get(&one, &[])), made);
    assert_eq!(json_of(&server.send("POST", &one, &[], r#"{"name":"yes"}"#))["name"], "yes");
    let listed = json_of(&server.get(&format!("{consents}?limit=1"), &[]));
    assert_eq!((listed["data"][0]["id"].as_str(), listed["has_more"].as_bool()), (Some(id), Some(false)));
    let voices = "/v1/audio/voices";
    let sample = || vec![("audio_sample", sound(3))];
    refused(&form(&server, voices, None, &[("name", "anna")], &sample()), 400, "consent");
    refused(
        &form(&server, voices, None, &[("name", "anna"), ("consent", "cons_0")], &sample()),
        404,
        "cons_0",
    );
    refused(
        &form(&server, voices, None, &[("name", "anna"), ("consent", id), ("type", "prompt")], &[]),
        400,
        "type",
    );
    refused(&form(&server, voices, None, &[("name", "anna"), ("consent", id)], &[]), 400, "audio_sample");
    let two = [sample(), sample()].concat();
    refused(&form(&server, voices, None, &[("name", "anna"), ("consent", id)], &two), 400, "2 files");
    let short = [("audio_sample", sound(1))];
    refused(&form(&server, voices, None, &[("name", "anna"), ("consent", id)], &short), 400, "2 to 60 s");
    let voice = json_of(&form(&server, voices, None, &[("name", "anna"), ("consent", id)], &sample()));
    assert_eq!((voice["object"].as_str(), voice["name"].as_str()), (Some("audio.voice"), Some("anna")));
    assert_eq!(json_of(&server.send("DELETE", &one, &[], ""))["deleted"], true);
    refused(&server.get(&one, &[]), 404, "voice consent");
    let gone =
        json_of(&server.send("DELETE", &format!("{voices}/{}", voice["id"].as_str().unwrap()), &[], ""));
    assert_eq!(gone, json!({ "id": voice["id"], "object": "audio.voice.deleted", "deleted": true }));
    for (query, part) in
        [("limit=0", "limit"), ("limit=x", "query"), ("after=cons_0", "after"), ("order=asc", "order")]
    {
        refused(&server.get(&format!("{consents}?{query}"), &[]), 400, part);
    }
}

#[test]
fn a_key_has_its_own_voices_and_sees_those_of_the_house() {
    let server = Running::start(|_| {});
    // Before there are keys, what is added is the house's.
    let house = json_of(&form(
        &server,
        "/v1/voices/add",
        None,
        &[("name", "Home"), ("consent", "true")],
        &[("files", sound(3))],
    ));
    let key = |name: &str| server.key(KeyTerms { name: name.into(), ..KeyTerms::default() });
    let (one, two) = (key("one"), key("two"));
    let fields = [("name", "Anna"), ("labels", r#"{"consent":"true"}"#)];
    let files = [("files", sound(2)), ("files", sound(1))];
    refused(&form(&server, "/v1/voices/add", Some(&one), &[("name", "Anna")], &files), 403, "consent");
    let made = form(&server, "/v1/voices/add", Some(&one), &fields, &files);
    assert!(made.head.to_lowercase().contains("x-parasol-without-effect: labels"), "{}", made.head);
    let anna = json_of(&made);
    let path = |voice: &Value| format!("/v1/voices/{}", voice["voice_id"].as_str().unwrap());
    let found = json_of(&ask(&server, "GET", &path(&anna), Some(&one), ""));
    assert_eq!((found["name"].as_str(), found["category"].as_str()), (Some("Anna"), Some("cloned")));
    assert_eq!(json_of(&ask(&server, "GET", &path(&house), Some(&two), ""))["name"], "Home");
    assert_eq!(ask(&server, "DELETE", &path(&house), Some(&two), "").status, 403);
    refused(&ask(&server, "DELETE", &path(&anna), Some(&two), ""), 404, "voice");
    let own = |key: &str| -> Vec<String> {
        let listed = ask(&server, "GET", "/api/parasol/added-voices", Some(key), "");
        let listed: Value = serde_json::from_str(&listed.body).unwrap();
        let all = listed["voices"].as_array().unwrap().iter();
        all.map(|voice| format!("{} {}", voice["name"].as_str().unwrap(), voice["own"])).collect()
    };
    assert_eq!(own(&one), ["Anna true", "Home false"]);
    assert_eq!(own(&two), ["Home false"]);
    assert_eq!(json_of(&ask(&server, "DELETE", &path(&anna), Some(&one), "")), json!({ "status": "ok" }));
    assert_eq!(own(&one), ["Home false"]);
}

#[test]
fn the_studio_adds_and_removes_and_damaged_forms_are_refused() {
    let server = Running::start(|_| {});
    let path = "/api/parasol/added-voices";
    let post = |query: &str, body: &[u8]| {
        send(&server, "POST", &format!("{path}{query}"), &["content-type: audio/wav".into()], body)
    };
    for (query, body, status) in [
        ("?name=anna", sound(3), 403),
        ("?name=anna&consent=false", sound(3), 403),
        ("?consent=true", sound(3), 400),
        ("?name=anna&consent=true&colour=red", sound(3), 400),
        ("?name=anna&consent=true", b"no sound at all".to_vec(), 400),
        ("?name=anna&consent=true", Vec::new(), 400),
        ("?name=anna&consent=true", sound(61), 400),
    ] {
        assert_eq!(post(query, &body).status, status, "{query}");
    }
    let made = post("?name=anna&consent=true&transcript=Hello.", &sound(3));
    assert_eq!(made.status, 201, "{}", made.body);
    let voice: Value = serde_json::from_str(&made.body).unwrap();
    assert_eq!(post("?name=ANNA&consent=true", &sound(3)).status, 400);
    let one = format!("{path}/{}", voice["id"].as_str().unwrap());
    assert_eq!(server.send("DELETE", &one, &[], "").status, 204);
    assert_eq!(server.send("DELETE", &one, &[], "").status, 404);
    for form_path in ["/v1/audio/voices", "/v1/audio/voice_consents", "/v1/voices/add"] {
        for kind in ["multipart/form-data", "multipart/form-data; boundary=x", "application/json"] {
            let answer = send(&server, "POST", form_path, &[format!("content-type: {kind}")], b"--x\r\n{}");
            assert_eq!(answer.status, 400, "{form_path} {kind}: {}", answer.body);
        }
    }
}

#[test]
fn a_model_that_imitates_nobody_says_so_by_name() {
    let Ok(located) = Hub::open().unwrap().pull("hibari", Licence::Refuse, &Cancel::new(), &mut |_| {})
    else {
        eprintln!("SKIPPED: hibari is not on this machine");
        return;
    };
    let server = Running::start(|_| {});
    let made = form(
        &server,
        "/v1/voices/add",
        None,
        &[("name", "anna"), ("consent", "true")],
        &[("files", sound(3))],
    );
    let id = json_of(&made)["voice_id"].as_str().unwrap().to_owned();
    let model = located.model.path().to_str().unwrap();
    for voice in [json!("anna"), json!({ "id": id })] {
        let body = json!({ "model": model, "input": "Hi.", "voice": voice, "response_format": "wav" });
        refused(
            &server.send("POST", "/v1/audio/speech", &[], &body.to_string()),
            400,
            "cannot imitate the voice anna",
        );
    }
}
