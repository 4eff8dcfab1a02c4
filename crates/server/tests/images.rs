//! Pictures over a real listener: our client against our own server over HTTP, which stands in front of a provider whose answers the tests
//! write.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running};
use parasol_runtime::Policy;
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A picture of three by two pixels that is text, too, and the same in base64.
const GIF: &str = "GIF89a\x03\0\x02\0";
const BASE64: &str = "R0lGODlhAwACAA==";

/// What a provider was asked: its path and its body.
type Asked = Arc<Mutex<Vec<(String, String)>>>;

/// A provider in OpenAI's protocol: two pictures, or events where they are asked for; what the prompt says goes wrong.
fn provider() -> (SocketAddr, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, asked) = (listener.local_addr().unwrap(), Asked::default());
    let seen = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&seen);
            std::thread::spawn(move || serve(stream.unwrap(), &seen));
        }
    });
    (address, asked)
}

fn serve(mut stream: TcpStream, seen: &Asked) {
    let mut reader = BufReader::new(&stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap() == 0 {
            return;
        }
    }
    let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let body = String::from_utf8_lossy(&body).into_owned();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push((path, body.clone()));
    let usage = r#""usage":{"input_tokens":5,"output_tokens":100,"total_tokens":105,"input_tokens_details":{"text_tokens":5,"image_tokens":0}}"#;
    let (status, kind, answer) = if body.contains("forbidden") {
        (
            400,
            "application/json",
            r#"{"error":{"code":"moderation_blocked","message":"the safety system says no"}}"#.to_owned(),
        )
    } else if body.contains("\"stream\":true") || body.contains("name=\"stream\"") {
        let kind = if body.contains("name=\"stream\"") { "image_edit" } else { "image_generation" };
        let mut events = format!(
            "data: {{\"type\":\"{kind}.partial_image\",\"b64_json\":\"{BASE64}\",\"partial_image_index\":0}}\n\n"
        );
        events.push_str(&match body.contains("breaks") {
            true => "data: {\"error\":{\"message\":\"the machine is on fire\"}}\n\n".to_owned(),
            false => format!("data: {{\"type\":\"{kind}.completed\",\"b64_json\":\"{BASE64}\",{usage}}}\n\n"),
        });
        (200, "text/event-stream", events)
    } else {
        let two = [
            format!(r#"{{"b64_json":"{BASE64}","revised_prompt":"A grey cat"}}"#),
            format!(r#"{{"b64_json":"{BASE64}"}}"#),
        ];
        let count = if body.contains("\"n\":2") { 2 } else { 1 };
        (200, "application/json", format!(r#"{{"created":1,"data":[{}],{usage}}}"#, two[..count].join(",")))
    };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all(format!("{head}{answer}").as_bytes()).unwrap();
}

fn server(settings: String) -> Running {
    let write = move |home: std::path::PathBuf| {
        std::fs::write(home.join("remote.toml"), settings).unwrap();
        parasol_hub::Settings::at(home)
    };
    Running::start_over(|_| {}, write, Policy::Allowed)
}

fn painter(name: &str, url: &str, id: &str, manner: &str) -> String {
    format!(
        "[[provider]]\nname = \"p-{name}\"\nurl = \"{url}\"\nkey_optional = true\nmanner = {{ {manner} }}\n\
         [[model]]\nname = \"{name}\"\nprovider = \"p-{name}\"\nid = \"{id}\"\ncapabilities = [\"imagine\"]\n\
         price = {{ input = 5.0, output = 40.0, pictures = {{ each = 0.1 }}, dated = \"2026-11-27\" }}\n"
    )
}

/// A server in front of a provider, and one in front of that, which knows it as one of its own kind.
fn pair() -> (Asked, Running, Running) {
    let (address, asked) = provider();
    let mut settings = painter("painter", &format!("http://{address}/v1"), "gpt-image-9", "extended = false");
    settings.push_str("[[model]]\nname = \"talker\"\nprovider = \"p-painter\"\n[[chain]]\nname = \"best\"\nmodels = [\"talker\"]\n");
    let far = server(settings);
    let front =
        server(painter("by-parasol", &format!("http://{}/v1", far.address), "painter", "extended = true"));
    (asked, far, front)
}

fn generate(server: &Running, more: Value) -> Answer {
    let mut body = json!({ "model": "painter", "prompt": "A cat" });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    server.send("POST", "/v1/images/generations", &[], &body.to_string())
}

/// A form with these fields and files.
fn form(server: &Running, fields: &[(&str, &str)], files: &[&str]) -> Answer {
    let mut body = String::new();
    for (name, value) in fields {
        body.push_str(&format!(
            "--XYZ\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
        ));
    }
    for name in files {
        body.push_str(&format!("--XYZ\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"a.gif\"\r\nContent-Type: image/gif\r\n\r\n{GIF}\r\n"));
    }
    server.send(
        "POST",
        "/v1/images/edits",
        &["content-type: multipart/form-data; boundary=XYZ"],
        &(body + "--XYZ--\r\n"),
    )
}

fn json(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.body);
    serde_json::from_str(&answer.body).unwrap()
}

#[test]
fn pictures_cross_two_servers_with_all_that_belongs_to_them() {
    let (asked, far, front) = pair();
    for (server, model) in [(&far, "painter"), (&front, "by-parasol")] {
        let wish = json!({ "model": model, "n": 2, "size": "1536x1024", "quality": "high", "background": "transparent",
            "output_format": "webp", "output_compression": 80, "moderation": "low" });
        let body = json(&generate(server, wish));
        assert_eq!(
            (&body["data"][0]["b64_json"], &body["data"][0]["revised_prompt"]),
            (&json!(BASE64), &json!("A grey cat"))
        );
        assert_eq!(body["data"].as_array().unwrap().len(), 2);
        assert_eq!(
            (&body["size"], &body["output_format"], &body["quality"]),
            (&json!("3x2"), &json!("gif"), &json!("high"))
        );
        // 5 tokens of text at 5 dollars a million, 100 of pictures at 40.
        assert_eq!(
            (&body["usage"]["total_tokens"], &body["usage"]["cost"]),
            (&json!(105), &json!(0.004_025)),
            "{model}"
        );
        let (path, sent) = asked.lock().unwrap().pop().unwrap();
        let sent: Value = serde_json::from_str(&sent).unwrap();
        let wanted = json!({ "model": "gpt-image-9", "prompt": "A cat", "n": 2, "size": "1536x1024", "quality": "high",
            "background": "transparent", "moderation": "low", "output_format": "webp", "output_compression": 80 });
        assert_eq!((path.as_str(), sent), ("/v1/images/generations", wanted), "{model}");
    }
    // What the one in front can tell, and the provider behind the other cannot be told, comes back by name through both.
    let answer = generate(&front, json!({ "model": "by-parasol", "negative_prompt": "dogs" }));
    assert!(answer.status == 400 && answer.body.contains("negative_prompt: the provider"), "{}", answer.body);
}

#[test]
fn edits_send_their_pictures_on() {
    let (asked, far, front) = pair();
    for (server, model) in [(&far, "painter"), (&front, "by-parasol")] {
        let fields = [("model", model), ("prompt", "Make it night"), ("n", "1"), ("input_fidelity", "high")];
        let body = json(&form(server, &fields, &["image[]", "image[]", "mask"]));
        assert_eq!(body["data"][0]["b64_json"], BASE64, "{model}");
        let (path, sent) = asked.lock().unwrap().pop().unwrap();
        assert_eq!(path, "/v1/images/edits");
        assert_eq!(sent.matches(GIF).count(), 3, "{model}: {sent}");
        assert!(
            sent.contains("name=\"mask\"") && sent.contains("name=\"input_fidelity\"\r\n\r\nhigh\r\n"),
            "{sent}"
        );
    }
    for (fields, files, part) in [
        (&[("model", "painter"), ("prompt", "x")][..], &[][..], "image: is required"),
        (&[("prompt", "x")], &["image"], "model: is required"),
        (&[("model", "painter"), ("prompt", "x"), ("n", "two")], &["image"], "n: is"),
    ] {
        let answer = form(&far, fields, files);
        assert!(answer.status == 400 && answer.body.contains(part), "{}", answer.body);
    }
    let answer = far.send("POST", "/v1/images/edits", &[], "{}");
    assert!(answer.status == 400 && answer.body.contains("no form"), "{}", answer.body);
}

#[test]
fn streams_carry_previews_and_end_with_the_usage() {
    let (_asked, far, front) = pair();
    for (server, model) in [(&far, "painter"), (&front, "by-parasol")] {
        let answer = generate(server, json!({ "model": model, "stream": true, "partial_images": 1 }));
        assert!(
            answer.status == 200 && answer.head.contains("content-type: text/event-stream"),
            "{}",
            answer.head
        );
        for part in [
            "event: image_generation.partial_image\n",
            "\"partial_image_index\":0",
            "event: image_generation.completed\n",
            "\"total_tokens\":105",
        ] {
            assert_eq!(answer.body.matches(part).count(), 1, "{model}, {part}: {}", answer.body);
        }
        let fields = [("model", model), ("prompt", "x"), ("stream", "true"), ("partial_images", "1")];
        let answer = form(server, &fields, &["image"]);
        assert!(answer.body.contains("event: image_edit.completed\n"), "{}", answer.body);
        // An error in the middle is told in the stream.
        let answer = generate(
            server,
            json!({ "model": model, "prompt": "breaks", "stream": true, "partial_images": 1 }),
        );
        assert!(
            answer.status == 200 && answer.body.contains("event: error\n") && answer.body.contains("on fire"),
            "{}",
            answer.body
        );
        assert!(!answer.body.contains("completed"), "{}", answer.body);
        // Without previews a stream has one event for each picture.
        let answer = generate(server, json!({ "model": model, "stream": true, "n": 2 }));
        assert_eq!(answer.body.matches("event: image_generation.completed\n").count(), 2, "{}", answer.body);
    }
}

#[test]
fn what_is_wrong_has_a_status_and_names_the_field() {
    let (asked, far, _front) = pair();
    let before = asked.lock().unwrap().len();
    for (more, status, part) in [
        (json!({ "seed": 7 }), 400, "\"param\":\"seed\""),
        (json!({ "negative_prompt": "dogs" }), 400, "\"param\":\"negative_prompt\""),
        (json!({ "size": "16:9" }), 400, "\"param\":\"size\""),
        (json!({ "n": 11 }), 400, "\"param\":\"n\""),
        (json!({ "response_format": "url" }), 400, "\"param\":\"response_format\""),
        (json!({ "complexity": "high" }), 400, "\"param\":\"complexity\""),
        (json!({ "model": "nobody" }), 404, "\"code\":\"model_not_found\""),
        (json!({ "model": "talker" }), 400, "makes no pictures"),
        (json!({ "model": "best" }), 400, "is a chain"),
        (json!({ "model": common::toy() }), 400, "runs on this machine and makes no pictures"),
    ] {
        let answer = generate(&far, more.clone());
        assert!(
            answer.status == status && answer.body.contains(part),
            "{more}: {} {}",
            answer.status,
            answer.body
        );
    }
    assert_eq!(asked.lock().unwrap().len(), before, "nobody was asked");
    let answer = generate(&far, json!({ "prompt": "something forbidden" }));
    assert!(
        answer.status == 400 && answer.body.contains("safety system"),
        "{} {}",
        answer.status,
        answer.body
    );
    let answer = generate(&far, json!({ "user": "u-1" }));
    assert!(answer.head.contains("x-parasol-without-effect: user"), "{}", answer.head);
    for path in ["/v1/images/variations", "/v1/images"] {
        let answer = far.send("POST", path, &[], "{}");
        assert!(answer.body.contains("is not offered"), "{path}: {}", answer.body);
    }
}

#[test]
fn geminis_dialect_answers_with_pictures_too() {
    let (asked, far, _front) = pair();
    let body = |config: Value| {
        let parts = json!([{ "text": "Make it night" }, { "inlineData": { "mimeType": "image/gif", "data": BASE64 } }]);
        json!({ "contents": [{ "role": "user", "parts": parts }], "generationConfig": config }).to_string()
    };
    let ask = |method: &str, config: Value| {
        far.send("POST", &format!("/v1beta/models/painter:{method}"), &[], &body(config))
    };
    let answer = json(&ask("generateContent", json!({ "responseModalities": ["TEXT", "IMAGE"] })));
    assert_eq!(
        answer["candidates"][0]["content"]["parts"][0]["inlineData"],
        json!({ "mimeType": "image/gif", "data": BASE64 })
    );
    assert_eq!(answer["usageMetadata"]["totalTokenCount"], 105);
    assert_eq!(asked.lock().unwrap().pop().unwrap().0, "/v1/images/edits");
    let answer = ask("streamGenerateContent?alt=sse", json!({ "responseModalities": ["IMAGE"] }));
    assert!(
        answer.status == 200 && answer.body.starts_with("data: ") && answer.body.contains(BASE64),
        "{}",
        answer.body
    );
    let answer = ask("generateContent", json!({ "responseModalities": ["IMAGE"], "seed": 7 }));
    assert!(answer.status == 400 && answer.body.contains("seed: "), "{} {}", answer.status, answer.body);
}

#[test]
fn a_key_has_its_models_and_its_limits() {
    let (address, _asked) = provider();
    let far = server(painter("painter", &format!("http://{address}/v1"), "m", "extended = false"));
    let other =
        far.key(KeyTerms { name: "other".into(), models: vec!["talker".into()], ..KeyTerms::default() });
    let slow = far.key(KeyTerms { name: "slow".into(), requests_per_minute: Some(1), ..KeyTerms::default() });
    let ask = |key: &str| {
        let body = json!({ "model": "painter", "prompt": "A cat" }).to_string();
        far.send("POST", "/v1/images/generations", &[&format!("authorization: Bearer {key}")], &body).status
    };
    assert_eq!(ask("wrong"), 401);
    assert_eq!(ask(&other), 403);
    assert_eq!((ask(&slow), ask(&slow)), (200, 429));
}

#[test]
fn one_who_hangs_up_is_not_worked_for() {
    // A provider that says nothing until it is let go.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let far = server(painter("painter", &format!("http://{address}/v1"), "m", "extended = false"));
    let body = json!({ "model": "painter", "prompt": "A cat" }).to_string();
    let mut client = far.connect();
    let head = format!(
        "POST /v1/images/generations HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n{body}",
        far.address,
        body.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    let (mut asked, _) = listener.accept().unwrap();
    asked.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    // Not before it has been asked whole: who hangs up earlier is not asked for at all.
    let (mut heard, mut piece) = (Vec::new(), [0; 4096]);
    while !String::from_utf8_lossy(&heard).contains("A cat") {
        let n = asked.read(&mut piece).unwrap();
        assert!(n > 0, "the request was broken off");
        heard.extend_from_slice(&piece[..n]);
    }
    drop(client);
    // The connection to the provider ends without an answer.
    match asked.read(&mut piece) {
        Ok(more) => assert_eq!(more, 0, "nothing more is said"),
        Err(e) => assert_eq!(e.kind(), std::io::ErrorKind::ConnectionReset, "it is let go of in time"),
    }
}
