//! The studio's events: what is told to whom, and when listening ends.

#![allow(clippy::unwrap_used)]

mod common;

use common::Running;
use parasol_server::{KeyFile, KeyTerms};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// Listens, and has been told that it does.
fn listen(server: &Running, headers: &str) -> BufReader<TcpStream> {
    let mut stream = server.connect();
    let host = server.address;
    write!(stream, "GET /api/parasol/events HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n{headers}\r\n")
        .unwrap();
    let mut lines = BufReader::new(stream);
    until(&mut lines, ": listening");
    lines
}

/// Reads up to a line that begins like this.
#[track_caller]
fn until(lines: &mut BufReader<TcpStream>, begins: &str) -> String {
    loop {
        let mut line = String::new();
        assert!(lines.read_line(&mut line).unwrap() > 0, "it ended before {begins:?}");
        if line.starts_with(begins) {
            return line;
        }
    }
}

fn load_and_unload(server: &Running) {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let name: String = common::toy()
        .bytes()
        .map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    for what in ["load", "unload"] {
        let path = format!("/api/parasol/models/{name}/{what}");
        let token = format!("x-parasol-token: {}", common::TOKEN);
        assert_eq!(server.send("POST", &path, &[&token], "").status, 200);
    }
}

#[test]
fn every_page_is_told_and_the_end_of_the_server_waits_for_none() {
    let mut server = Running::start(|_| {});
    let (mut one, mut two) = (listen(&server, ""), listen(&server, ""));
    load_and_unload(&server);
    for lines in [&mut one, &mut two] {
        until(lines, "event: models");
        assert_eq!(until(lines, "data: ").trim(), "data: {}");
    }
    let begun = Instant::now();
    server.ask_to_end();
    assert_eq!(server.ended(), 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[test]
fn a_key_that_is_revoked_hears_nothing_more() {
    let server = Running::start(|_| {});
    let secret = server.key(KeyTerms { name: "k".into(), ..KeyTerms::default() });
    assert_eq!(server.get("/api/parasol/events", &[]).status, 401);
    let mut lines = listen(&server, &format!("x-api-key: {secret}\r\n"));
    KeyFile::under(server.home.path()).remove("k").unwrap();
    std::thread::sleep(Duration::from_millis(400));
    load_and_unload(&server);
    let mut rest = String::new();
    while lines.read_line(&mut rest).unwrap() > 0 {}
    assert!(!rest.contains("event:"), "{rest}");
}

/// Everything up to an event of this name, which is left out.
fn up_to(lines: &mut BufReader<TcpStream>, event: &str) -> String {
    let mut all = String::new();
    loop {
        let before = all.len();
        assert!(lines.read_line(&mut all).unwrap() > 0, "it ended before {event:?}: {all}");
        if all[before..].trim() == format!("event: {event}") {
            all.truncate(before);
            return all;
        }
    }
}

#[test]
fn nobody_hears_of_what_is_anothers() {
    let server = Running::start(|_| {});
    let key = |name: &str, admin: bool| {
        let secret = server.key(KeyTerms { name: name.into(), admin, ..KeyTerms::default() });
        format!("authorization: Bearer {secret}")
    };
    let (ada, bob) = (key("ada", false), key("bob", true));
    let mut hers = listen(&server, &format!("{ada}\r\n"));
    let mut his = listen(&server, &format!("{bob}\r\n"));
    let post = |path: &str, body: Value| {
        let answer = server.send("POST", path, &[&ada], &body.to_string());
        assert!(answer.status < 300, "{answer:?}");
        serde_json::from_str::<Value>(&answer.body).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let all = "/api/parasol/conversations";
    let made = post(all, json!({ "model": common::toy(), "parameters": { "max_tokens": 3 } }));
    let said = post(&format!("{all}/{made}/messages"), json!({ "parent": null, "content": "secret" }));
    post(&format!("{all}/{made}/answers"), json!({ "parent": said }));
    until(&mut hers, "event: answer");
    std::thread::sleep(Duration::from_millis(300));
    load_and_unload(&server);
    let heard = up_to(&mut his, "models");
    assert!(!heard.contains("event:") && !heard.contains(&made), "{heard}");
}

#[test]
fn an_import_of_thousands_is_told_once() {
    let server = Running::start(|_| {});
    let mut lines = listen(&server, "");
    let one = |at: usize| {
        json!({ "title": format!("{at}"), "mapping": { "a": { "message": {
            "author": { "role": "user" }, "content": { "parts": ["x"] } } } } })
    };
    let file = Value::from((0..2000).map(one).collect::<Vec<_>>()).to_string();
    let answer = server.send("POST", "/api/parasol/conversations/import", &[], &file);
    assert!(answer.body.contains("\"imported\":2000"), "{answer:?}");
    load_and_unload(&server);
    let heard = up_to(&mut lines, "models");
    assert_eq!(heard.matches("event: conversation").count(), 1, "{heard}");
    assert!(heard.contains(r#"data: {"id":"","change":"imported"}"#), "{heard}");
}
