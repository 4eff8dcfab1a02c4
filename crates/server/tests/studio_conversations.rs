//! Conversations and answers over the wire: written to their end whoever listens, joined late, stopped, searched, deleted and
//! brought back, and never another's.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, endless_toy, toy};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const CONVERSATIONS: &str = "/api/parasol/conversations";

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

fn ask(server: &Running, method: &str, path: &str, headers: &[&str], body: Value, status: u16) -> Value {
    let answer = server.send(method, path, headers, &body.to_string());
    assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    if answer.body.is_empty() { Value::Null } else { json_of(&answer) }
}

/// A conversation with the toy, and the path of its routes.
fn begin(server: &Running, headers: &[&str], parameters: Value) -> (String, String) {
    let body = json!({ "model": toy(), "parameters": parameters });
    let id = ask(server, "POST", CONVERSATIONS, headers, body, 201)["id"].as_str().unwrap().to_owned();
    let path = format!("{CONVERSATIONS}/{id}");
    (id, path)
}

fn say(server: &Running, path: &str, parent: Value, content: &str) -> Value {
    let said = ask(
        server,
        "POST",
        &format!("{path}/messages"),
        &[],
        json!({ "parent": parent, "content": content }),
        201,
    );
    said["id"].clone()
}

fn answer(server: &Running, path: &str, parent: &Value) -> String {
    let made = ask(server, "POST", &format!("{path}/answers"), &[], json!({ "parent": parent }), 202);
    assert_eq!(made["state"], "running");
    made["id"].as_str().unwrap().to_owned()
}

/// The events of an answer from when it is joined to its end: names and data.
fn events(server: &Running, id: &str) -> Vec<(String, Value)> {
    let whole = server.get(&format!("/api/parasol/answers/{id}/events"), &[]);
    assert_eq!(whole.status, 200, "{whole:?}");
    // Pieces of the chunked body may be cut anywhere; events are single lines.
    let mut name = String::new();
    let mut found = Vec::new();
    for line in whole.body.lines() {
        if let Some(it) = line.strip_prefix("event: ") {
            name = it.to_owned();
        } else if let Some(data) = line.strip_prefix("data: ") {
            found.push((name.clone(), serde_json::from_str(data).unwrap()));
        }
    }
    found
}

/// What a listener has after these events.
fn heard(events: &[(String, Value)]) -> String {
    let mut text = String::new();
    for (name, data) in events {
        match (name.as_str(), data["part"].as_str()) {
            ("snapshot", _) => text = data["message"]["content"].as_str().unwrap().to_owned(),
            ("delta", Some("answer")) => text.push_str(data["text"].as_str().unwrap()),
            _ => {}
        }
    }
    text
}

fn head(server: &Running, path: &str) -> Value {
    let whole = json_of(&server.get(path, &[]));
    let head = whole["conversation"]["head"].clone();
    whole["messages"].as_array().unwrap().iter().find(|m| m["id"] == head).unwrap().clone()
}

#[test]
fn an_answer_is_written_to_its_end_and_everyone_hears_the_same() {
    let server = Running::start(|_| {});
    let (_, path) = begin(&server, &[], json!({ "max_tokens": 200, "seed": 3, "reasoning": "off" }));
    let said = say(
        &server,
        &path,
        Value::Null,
        "Tell me everything about rain, and then more of it than anybody ever wanted",
    );
    let id = answer(&server, &path, &said);
    let (early, late) = std::thread::scope(|scope| {
        let early = scope.spawn(|| events(&server, &id));
        std::thread::sleep(Duration::from_millis(30));
        let late = scope.spawn(|| events(&server, &id));
        (early.join().unwrap(), late.join().unwrap())
    });
    let done = head(&server, &path);
    assert_eq!(
        (done["state"].as_str(), done["role"].as_str()),
        (Some("complete"), Some("assistant")),
        "{done}"
    );
    assert!(
        done["usage"]["generated_tokens"].as_u64() > Some(0) && done["timings"]["decode_ms"].is_number(),
        "{done}"
    );
    assert!(["stop", "length"].contains(&done["finish_reason"].as_str().unwrap()));
    for heard_by in [&early, &late, &events(&server, &id)] {
        assert_eq!(heard_by.first().unwrap().0, "snapshot");
        assert_eq!(heard_by.last().unwrap().1["message"], done);
        assert_eq!(heard(heard_by), done["content"].as_str().unwrap());
    }
    let list = json_of(&server.get(CONVERSATIONS, &[]));
    assert_eq!(list["conversations"][0]["title"], "Tell me everything about rain, and then more of it than…");
    // Asked again, it becomes a sibling; the first stays.
    let again = answer(&server, &path, &said);
    events(&server, &again);
    let whole = json_of(&server.get(&path, &[]));
    assert_eq!(whole["messages"].as_array().unwrap().len(), 3);
    assert_eq!(whole["conversation"]["head"], again.as_str());
    ask(&server, "PATCH", &path, &[], json!({ "head": id }), 200);
    assert_eq!(head(&server, &path)["id"], id.as_str());
    let count = ask(
        &server,
        "POST",
        &format!("{path}/context"),
        &[],
        json!({ "parent": id, "content": "more" }),
        200,
    );
    assert!(count["prompt_tokens"].as_u64() > Some(0) && count["context"].as_u64() > Some(0), "{count}");
}

#[test]
fn an_answer_is_stopped_and_keeps_what_it_said() {
    let server = Running::start(|_| {});
    let (id, path) = begin(&server, &[], json!({ "max_tokens": 60_000, "seed": 1 }));
    ask(&server, "PATCH", &path, &[], json!({ "model": endless_toy() }), 200);
    let said = say(&server, &path, Value::Null, "hello");
    let first = answer(&server, &path, &said);
    let second = answer(&server, &path, &said);
    // A page that is opened now is told by the list what is being written.
    let running = || json_of(&server.get(CONVERSATIONS, &[]))["running"].clone();
    let told = running();
    for answer in told.as_array().unwrap() {
        assert!(answer["conversation"] == id.as_str(), "{told}");
        assert!([first.as_str(), second.as_str()].contains(&answer["message"].as_str().unwrap()), "{told}");
    }
    assert!(!told.as_array().unwrap().is_empty(), "{told}");
    let began = Instant::now();
    for answer in [&first, &second] {
        let stopped =
            ask(&server, "POST", &format!("/api/parasol/answers/{answer}/stop"), &[], Value::Null, 200);
        assert!(["stopped", "complete"].contains(&stopped["state"].as_str().unwrap()), "{stopped}");
        let again =
            ask(&server, "POST", &format!("/api/parasol/answers/{answer}/stop"), &[], Value::Null, 200);
        assert_eq!(stopped, again);
    }
    assert!(began.elapsed() < Duration::from_secs(20));
    // Deleting stops too.
    let third = answer(&server, &path, &said);
    ask(&server, "DELETE", &path, &[], Value::Null, 204);
    assert_eq!(server.get(&path, &[]).status, 404);
    assert_eq!(server.get(&format!("/api/parasol/answers/{third}/events"), &[]).status, 404);
    let deadline = Instant::now() + Duration::from_secs(20);
    while json_of(&server.get("/api/parasol/system/stats", &[]))["running"] != 0 || running() != json!([]) {
        assert!(Instant::now() < deadline, "the answer goes on: {}", running());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(ask(&server, "POST", &format!("{path}/restore"), &[], Value::Null, 200)["id"], id.as_str());
    assert_eq!(json_of(&server.get(&path, &[]))["messages"].as_array().unwrap().len(), 4);
}

#[test]
fn what_goes_wrong_is_kept_with_the_answer() {
    let server = Running::start(|_| {});
    let (_, path) = begin(&server, &[], json!({}));
    let said = say(&server, &path, Value::Null, "hello");
    let made = ask(
        &server,
        "POST",
        &format!("{path}/answers"),
        &[],
        json!({ "parent": said, "model": "no-such" }),
        202,
    );
    let all = events(&server, made["id"].as_str().unwrap());
    let message = &all.last().unwrap().1["message"];
    assert_eq!(message["state"], "failed");
    assert!(message["error"].as_str().unwrap().contains("no-such"), "{message}");
}

#[test]
fn conversations_are_found_page_by_page_and_by_any_words() {
    let server = Running::start(|_| {});
    let mut ids = Vec::new();
    for number in 0..7 {
        let (id, path) = begin(&server, &[], json!({}));
        say(
            &server,
            &path,
            Value::Null,
            &format!("The kingfisher number{number} likes 雨天 and \"quotes\" AND (NEAR* -100%"),
        );
        ids.push(id);
    }
    ask(
        &server,
        "PATCH",
        &format!("{CONVERSATIONS}/{}", ids[0]),
        &[],
        json!({ "pinned": true, "folder": "Birds" }),
        200,
    );
    let (mut seen, mut next) = (Vec::new(), String::new());
    loop {
        let page = json_of(&server.get(&format!("{CONVERSATIONS}?limit=3{next}"), &[]));
        seen.extend(
            page["conversations"].as_array().unwrap().iter().map(|c| c["id"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next"].as_str() else { break };
        next = format!("&before={cursor}");
    }
    let mut wanted = ids.clone();
    wanted[1..].reverse();
    assert_eq!(seen, wanted);
    let find = |query: &str| {
        let encoded: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
        json_of(&server.get(&format!("{CONVERSATIONS}?query={encoded}"), &[]))
    };
    let count = |query: &str| find(query)["conversations"].as_array().unwrap().len();
    assert_eq!(find("number3")["conversations"][0]["id"], ids[3].as_str());
    assert_eq!(
        find("雨天 number2")["conversations"][0]["snippet"].as_str().unwrap().matches('\u{1}').count(),
        2
    );
    for (query, hits) in [
        ("KINGFISH", 7),
        ("雨", 7),
        ("\"quotes\"", 7),
        ("NEAR*", 7),
        ("0%", 7),
        ("_", 0),
        ("')--", 0),
        ("AND", 7),
    ] {
        assert_eq!(count(query), hits, "{query}");
    }
    assert_eq!(find("")["folders"], json!([{ "name": "Birds", "count": 1 }]));
    for wrong in ["limit=0", "limit=x", "before=nonsense", "unknown=1"] {
        assert_eq!(server.get(&format!("{CONVERSATIONS}?{wrong}"), &[]).status, 400, "{wrong}");
    }
    for wrong in ["format=pdf", "formt=json"] {
        let path = format!("{CONVERSATIONS}/{}/export?{wrong}", ids[0]);
        let refused = server.get(&path, &[]);
        assert_eq!(
            (refused.status, json_of(&refused)["error"]["code"].as_str()),
            (400, Some("invalid_request"))
        );
    }
}

#[test]
fn what_is_wrong_is_named_and_changes_nothing() {
    let server = Running::start(|_| {});
    let (_, path) = begin(&server, &[], json!({}));
    let said = say(&server, &path, Value::Null, "hello");
    let before = server.get(&path, &[]).body;
    for (method, to, body, part) in [
        ("POST", CONVERSATIONS.to_owned(), json!({ "parameters": { "temprature": 1 } }), "temprature"),
        ("POST", CONVERSATIONS.to_owned(), json!({ "title": "" }), "title"),
        ("PATCH", path.clone(), json!({ "parameters": { "top_p": 2 } }), "top_p is 2"),
        ("PATCH", path.clone(), json!({ "head": "x" }), "head is x"),
        ("PATCH", path.clone(), json!({ "owner": "x" }), "owner"),
        ("PATCH", path.clone(), json!({ "title": "x".repeat(500) }), "500"),
        ("POST", format!("{path}/messages"), json!({ "parent": "x", "content": "a" }), "parent is x"),
        ("POST", format!("{path}/messages"), json!({ "parent": said, "content": " " }), "empty"),
        ("POST", format!("{path}/answers"), json!({ "parent": "x" }), "parent is x"),
        (
            "POST",
            format!("{path}/answers"),
            json!({ "parent": said, "parameters": { "stop": [""] } }),
            "stop",
        ),
        ("PUT", "/api/parasol/presets/%20".to_owned(), json!({}), "name"),
    ] {
        let answer = server.send(method, &to, &[], &body.to_string());
        assert!(answer.status == 400 && answer.body.contains(part), "{method} {to} {body}: {answer:?}");
    }
    assert_eq!(server.get(&path, &[]).body, before);
    for to in ["x", "../..", "%00", "'%20OR%201=1"] {
        assert_eq!(server.get(&format!("{CONVERSATIONS}/{to}"), &[]).status, 404, "{to}");
    }
}

#[test]
fn nobody_sees_or_touches_what_is_anothers() {
    let server = Running::start(|_| {});
    let bearer = |secret: String| format!("authorization: Bearer {secret}");
    let (mine, other) = (
        bearer(server.key(KeyTerms { name: "mine".into(), ..KeyTerms::default() })),
        bearer(server.key(KeyTerms { name: "other".into(), ..KeyTerms::default() })),
    );
    let (mine, other) = (&[mine.as_str()], &[other.as_str()]);
    let (_, path) = begin(&server, mine, json!({ "max_tokens": 60_000, "seed": 1 }));
    ask(&server, "PATCH", &path, mine, json!({ "model": endless_toy() }), 200);
    let said = ask(
        &server,
        "POST",
        &format!("{path}/messages"),
        mine,
        json!({ "parent": null, "content": "secret" }),
        201,
    );
    let made = ask(&server, "POST", &format!("{path}/answers"), mine, json!({ "parent": said["id"] }), 202);
    let answer = format!("/api/parasol/answers/{}", made["id"].as_str().unwrap());
    let told = json_of(&server.get(CONVERSATIONS, mine));
    assert_eq!(told["running"][0]["message"], made["id"], "{told}");
    ask(&server, "PUT", "/api/parasol/presets/p", mine, json!({ "system": "s" }), 200);
    for (method, to, body) in [
        ("GET", path.clone(), json!({})),
        ("PATCH", path.clone(), json!({ "title": "x" })),
        ("DELETE", path.clone(), json!({})),
        ("POST", format!("{path}/restore"), json!({})),
        ("POST", format!("{path}/messages"), json!({ "parent": null, "content": "x" })),
        ("POST", format!("{path}/answers"), json!({ "parent": said["id"] })),
        ("POST", format!("{path}/context"), json!({ "parent": null })),
        ("GET", format!("{path}/export"), json!({})),
        ("GET", format!("{answer}/events"), json!({})),
        ("POST", format!("{answer}/stop"), json!({})),
        ("DELETE", "/api/parasol/presets/p".to_owned(), json!({})),
    ] {
        ask(&server, method, &to, other, body, 404);
    }
    let list = json_of(&server.get(&format!("{CONVERSATIONS}?query=secret"), other));
    for part in ["conversations", "folders", "running"] {
        assert_eq!(list[part], json!([]), "{list}");
    }
    assert_eq!(json_of(&server.get("/api/parasol/presets", other)), json!({ "presets": [] }));
    assert_eq!(json_of(&server.get("/api/parasol/presets", mine))["presets"][0]["system"], "s");
    assert_eq!(server.get(&path, mine).status, 200);
}

#[test]
fn a_conversation_that_is_deleted_while_an_answer_is_asked_for_gets_none() {
    let server = Running::start(|_| {});
    for round in 0..40_u64 {
        let (id, path) = begin(&server, &[], json!({ "max_tokens": 3000, "seed": round }));
        let said = say(&server, &path, Value::Null, "hello");
        let asked = std::thread::scope(|scope| {
            let ask = || {
                let body = json!({ "parent": said }).to_string();
                server.send("POST", &format!("{path}/answers"), &[], &body).status
            };
            let asked = scope.spawn(ask);
            // Sometimes before, sometimes after, sometimes in the middle.
            std::thread::sleep(Duration::from_micros(round * 60));
            assert_eq!(server.send("DELETE", &path, &[], "").status, 204);
            asked.join().unwrap()
        });
        assert!([202, 404].contains(&asked), "{asked}");
        ask(&server, "POST", &format!("{path}/restore"), &[], Value::Null, 200);
        let begun = Instant::now();
        loop {
            let whole = json_of(&server.get(&path, &[]));
            let messages = whole["messages"].as_array().unwrap();
            assert_eq!(messages.len(), if asked == 202 { 2 } else { 1 }, "{whole}");
            let state = messages.last().unwrap()["state"].as_str().unwrap();
            if asked == 404 || state == "stopped" {
                break;
            }
            // One that was at its end when the conversation went is complete, and nothing runs on.
            if state == "complete"
                && messages.last().unwrap()["usage"]["generated_tokens"].as_u64() < Some(3000)
            {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "round {round}, {id}: {whole}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_newer_database_is_refused_and_left_as_it_is() {
    let home = tempfile::tempdir().unwrap();
    let at = home.path().to_owned();
    let start = || Running::start(|options| options.home.clone_from(&at));
    let stop = |mut server: Running| {
        server.ask_to_end();
        server.ended();
    };
    let server = start();
    let (id, _) = begin(&server, &[], json!({}));
    stop(server);
    let file = at.join("server.sqlite3");
    let version = |number: u32| {
        let db = rusqlite::Connection::open(&file).unwrap();
        let before: u32 = db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
        db.pragma_update(None, "user_version", number).unwrap();
        before
    };
    let known = version(99);
    let server = start();
    for (method, path, body) in [
        ("GET", CONVERSATIONS.to_owned(), ""),
        ("POST", CONVERSATIONS.to_owned(), "{}"),
        ("DELETE", format!("{CONVERSATIONS}/{id}"), ""),
    ] {
        let answer = server.send(method, &path, &[], body);
        assert_eq!(answer.status, 501, "{answer:?}");
        assert!(answer.body.contains("version 99") && answer.body.contains("newer Parasol"), "{answer:?}");
    }
    // What needs no conversations works.
    assert_eq!(server.get("/v1/models", &[]).status, 200);
    stop(server);
    assert_eq!(version(known), 99);
    let server = start();
    assert_eq!(json_of(&server.get(CONVERSATIONS, &[]))["conversations"][0]["id"], json!(id));
}
