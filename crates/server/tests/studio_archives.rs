//! Files as people have them: in the archive that ChatGPT sends, with a byte order mark, with halves of characters, very large.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running};
use serde_json::{Value, json};

const CONVERSATIONS: &str = "/api/parasol/conversations";

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// What is in the list.
fn all(server: &Running) -> Vec<Value> {
    json_of(&server.get(CONVERSATIONS, &[]))["conversations"].as_array().unwrap().clone()
}

/// A conversation by its title.
fn read(server: &Running, title: &str) -> Value {
    let all = all(server);
    let found = all.iter().find(|it| it["title"] == title).unwrap_or_else(|| panic!("{title}: {all:?}"));
    json_of(&server.get(&format!("{CONVERSATIONS}/{}", found["id"].as_str().unwrap()), &[]))
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A file with one conversation, in ChatGPT's shape.
fn one(title: &str, says: &str) -> String {
    let message = json!({ "author": { "role": "user" }, "content": { "parts": [says] } });
    json!([{ "title": title, "mapping": { "a": { "message": message } } }]).to_string()
}

/// Imports a file, and gives what the server says of it.
fn import_bytes(server: &Running, file: &[u8], status: u16) -> Value {
    let head = format!(
        "POST {CONVERSATIONS}/import HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-type: application/zip\r\n\
         content-length: {}\r\n\r\n",
        server.address,
        file.len()
    );
    let answer = server.raw(&[head.as_bytes(), file].concat());
    assert_eq!(answer.status, status, "{answer:?}");
    json_of(&answer)
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

#[test]
fn chatgpts_archive_is_taken_as_it_was_downloaded() {
    let server = Running::start(|_| {});
    let (first, second) = (fixture("chatgpt.json"), fixture("open_webui.json"));
    let archive = zip(&[
        ("chat.html", b"<p>"),
        ("user.json", b"{}"),
        ("conversations-000.json", first.as_bytes()),
        ("conversations-001.json", b"[{\"milk\":2}]"),
        ("conversations-002.json", second.as_bytes()),
    ]);
    let report = import_bytes(&server, &archive, 200);
    assert_eq!(report["imported"], 5, "{report}");
    let skipped: Vec<_> =
        report["skipped"].as_array().unwrap().iter().map(|s| s["title"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["conversations-001.json", "Nothing said", "Blue sky"]);
    let boat = read(&server, "Cables and channels");
    assert!(boat["messages"].as_array().unwrap().iter().any(|m| m["content"] == "Four cables."));
    let says = |file: &[u8]| {
        let told = import_bytes(&server, file, 400);
        told["error"]["message"].as_str().unwrap().to_owned()
    };
    assert!(says(&zip(&[("photo.jpg", b"x")])).contains("photo.jpg"));
    assert!(says(&zip(&[("user.json", b"{}"), ("x.json", b"7")])).contains("no export"));
    assert!(says(&archive[..archive.len() / 2]).contains("damaged"));
}

#[test]
fn a_byte_order_mark_and_halves_of_characters_are_no_hindrance() {
    let server = Running::start(|_| {});
    let file = r#"[{"title":"Half \ud83d","mapping":{"a":{"message":{"author":{"role":"user"},
        "content":{"parts":["One \ud83d\ude00, and \\ud83d, cut: \uDE00"]}}}}}]"#;
    let report = import_bytes(&server, format!("\u{feff}{file}").as_bytes(), 200);
    let why = "imported without 2 halves of characters, which stand as \u{fffd}";
    assert_eq!(report, json!({ "imported": 1, "skipped": [{ "title": "Half \u{fffd}", "why": why }] }));
    let kept = read(&server, "Half \u{fffd}");
    assert_eq!(kept["messages"][0]["content"], "One 😀, and \\ud83d, cut: \u{fffd}");
}

#[test]
fn a_file_may_be_larger_than_any_other_request() {
    let server = Running::start(|o| o.max_body = 100_000);
    let long = one("Long", &"x".repeat(1_000_000));
    assert_eq!(import_bytes(&server, long.as_bytes(), 200)["imported"], 1);
    let too_long = one("Too long", &"x".repeat(1_700_000));
    assert_eq!(server.send("POST", &format!("{CONVERSATIONS}/import"), &[], &too_long).status, 413);
    // Small when it is sent, and too large once it is unpacked.
    let bomb = zip(&[("conversations.json", too_long.as_bytes())]);
    let told = import_bytes(&server, &bomb, 400);
    assert!(told["error"]["message"].as_str().unwrap().contains("more than 1600000 bytes"), "{told}");
    assert_eq!(all(&server).len(), 1);
}
