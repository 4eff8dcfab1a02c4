//! `kill -9` at any moment: what a server had said is stored is there when the next one opens it, nothing is torn, and what was
//! under way goes on or is marked as broken off.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../hub/tests/common/mod.rs"]
mod hub;
mod serving;

use common::{Home, signal, wait, works};
use hub::{Served, Server, gguf, sha256};
use serde_json::{Value, json};
use serving::{Serving, send};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const CONVERSATIONS: &str = "/api/parasol/conversations";
/// How often a server is killed.
const ROUNDS: u64 = 12;

/// What servers have said to be so.
#[derive(Default)]
struct Told {
    responses: BTreeSet<String>,
    deleted: BTreeSet<String>,
    /// A conversation and a message in it.
    messages: Vec<(String, String)>,
    answers: Vec<(String, String)>,
    presets: BTreeSet<String>,
}

fn id(object: &Value) -> String {
    object["id"].as_str().unwrap_or_else(|| panic!("no id in {object}")).to_owned()
}

/// Asks for responses, and deletes every third, until the server is gone.
fn respond(address: SocketAddr, model: &str, ended: &AtomicBool) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut kept, mut deleted) = (BTreeSet::new(), BTreeSet::new());
    for n in 0.. {
        let stream = n % 2 == 1;
        let body =
            json!({ "model": model, "input": format!("{n}"), "max_output_tokens": 3, "stream": stream });
        let Some(reply) = send(address, "POST", "/v1/responses", &body) else { break };
        assert_eq!(reply.status, 200, "{reply:?}");
        let told = match stream {
            false => Some(reply.json()),
            // A stream that was cut off says nothing of its end, and then nothing is promised.
            true => reply.body.lines().find_map(|line| {
                let event: Value = serde_json::from_str(line.strip_prefix("data: ")?).ok()?;
                let ends = ["response.completed", "response.incomplete"].map(Value::from);
                ends.contains(&event["type"]).then(|| event["response"].clone())
            }),
        };
        let Some(id) = told.as_ref().map(id) else { continue };
        if n % 3 == 2 {
            match send(address, "DELETE", &format!("/v1/responses/{id}"), &Value::Null) {
                Some(gone) => assert_eq!((gone.status, deleted.insert(id)), (200, true), "{gone:?}"),
                // Whether it was deleted before the end nobody has said.
                None => break,
            }
        } else {
            kept.insert(id);
        }
        if ended.load(Ordering::Relaxed) {
            break;
        }
    }
    (kept, deleted)
}

/// Holds conversations and leaves an answer running in each, until the server is gone.
fn converse(address: SocketAddr, model: &str, told: &mut Told, round: u64) -> Option<()> {
    for n in 0.. {
        let parameters = json!({ "max_tokens": 60_000, "seed": n });
        let body = json!({ "model": model, "parameters": parameters });
        let conversation = id(&send(address, "POST", CONVERSATIONS, &body)?.json());
        let path = format!("{CONVERSATIONS}/{conversation}");
        let body = json!({ "parent": null, "content": format!("words of round {round}") });
        let message = id(&send(address, "POST", &format!("{path}/messages"), &body)?.json());
        told.messages.push((conversation.clone(), message.clone()));
        let body = json!({ "parent": message });
        let answer = id(&send(address, "POST", &format!("{path}/answers"), &body)?.json());
        told.answers.push((conversation, answer));
        let preset = format!("preset-{round}-{n}");
        let body = json!({ "system": "Be short." });
        let reply = send(address, "PUT", &format!("/api/parasol/presets/{preset}"), &body)?;
        assert!(reply.status < 300, "{reply:?}");
        told.presets.insert(preset);
    }
    None
}

/// Holds what the server finds against what the ones before it told.
fn check(server: &Serving, told: &Told) {
    for (ids, status) in [(&told.responses, 200), (&told.deleted, 404)] {
        for id in ids {
            let path = format!("/v1/responses/{id}");
            let reply = server.ask("GET", &path, &Value::Null);
            assert_eq!(reply.status, status, "{path}: {reply:?}");
        }
    }
    for (conversation, message) in told.messages.iter().chain(&told.answers) {
        let whole = server.ask("GET", &format!("{CONVERSATIONS}/{conversation}"), &Value::Null).json();
        let messages = whole["messages"].as_array().unwrap_or_else(|| panic!("{whole}"));
        let found = messages.iter().find(|m| m["id"] == message.as_str());
        let found = found.unwrap_or_else(|| panic!("{message} is not in {whole}"));
        let state = found["state"].as_str().unwrap_or("complete");
        assert!(["complete", "interrupted"].contains(&state), "{found}");
    }
    let presets = server.ask("GET", "/api/parasol/presets", &Value::Null).body;
    for preset in &told.presets {
        assert!(presets.contains(preset.as_str()), "{preset} is not in {presets}");
    }
}

#[test]
fn what_a_killed_server_had_stored_is_there() {
    let home = Home::new();
    let model = home.toy();
    let mut told = Told::default();
    for round in 0..ROUNDS {
        let server = Serving::start(&home, &[], &[]);
        check(&server, &told);
        let (address, ended) = (server.address, AtomicBool::new(false));
        std::thread::scope(|scope| {
            let responses = [(); 2].map(|()| scope.spawn(|| respond(address, &model, &ended)));
            let conversations = scope.spawn(|| {
                let mut told = Told::default();
                converse(address, &model, &mut told, round);
                told
            });
            // From before the model is loaded to well after the first answers.
            std::thread::sleep(Duration::from_millis(40 + 61 * round));
            server.kill();
            ended.store(true, Ordering::Relaxed);
            for asked in responses {
                let (kept, deleted) = asked.join().unwrap();
                told.responses.extend(kept);
                told.deleted.extend(deleted);
            }
            let more = conversations.join().unwrap();
            told.messages.extend(more.messages);
            told.answers.extend(more.answers);
            told.presets.extend(more.presets);
        });
    }
    let counts = (told.responses.len(), told.deleted.len(), told.messages.len(), told.presets.len());
    assert!(
        counts.0 > 20 && counts.1 > 5 && counts.2 > 20 && counts.3 > 5,
        "too little was stored: {counts:?}"
    );
    check(&Serving::start(&home, &[], &[]), &told);
    let db = rusqlite::Connection::open(home.path("store").join("server.sqlite3")).unwrap();
    let says: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(says, "ok");
    let broken: i64 =
        db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
    assert_eq!(broken, 0);
}

/// A catalogue of one model, `m`, behind a hub that sends it slowly.
fn slow_model(home: &Home, body: &[u8]) -> (Server, [(&'static str, String); 1]) {
    let hub = Server::start();
    let slow = Some((2000, Duration::from_millis(4)));
    hub.serve("/m.gguf", Served { slow, ..Served::new(body) });
    let catalogue = home.path("catalogue.toml");
    let text = format!(
        "[[model]]\nname = \"m\"\ncapabilities = [\"chat\"]\nlicence = {{ name = \"MIT\" }}\n[[model.file]]\n\
         name = \"m.gguf\"\nsize = {}\nsha256 = \"{}\"\nsources = [\"{}/m.gguf\"]\n",
        body.len(),
        sha256(body),
        hub.url
    );
    std::fs::write(&catalogue, text).unwrap();
    (hub, [("PARASOL_CATALOGUE", catalogue.to_str().unwrap().to_owned())])
}

#[test]
fn a_killed_pull_leaves_no_half_model_and_goes_on() {
    let home = Home::new();
    let body = gguf(400_000);
    let (hub, variables) = slow_model(&home, &body);
    let parasol = |args: &[&str]| {
        let mut command = home.parasol(args);
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        command
    };
    let file = home.path("store/models/m/m.gguf");
    for round in 0..ROUNDS {
        let mut pull = parasol(&["pull", "m"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(2 + 17 * round));
        signal(pull.id(), "KILL");
        wait(&mut pull);
        let listed = common::finish(parasol(&["list", "--json"]), None);
        let listed: Value = serde_json::from_str(works(&listed)).unwrap();
        let entry = listed["models"].as_array().unwrap().iter().find(|m| m["name"] == "m").unwrap();
        // Whatever looks whole is whole.
        assert!(entry["here"] == false || std::fs::read(&file).unwrap() == body, "{entry}");
    }
    hub.change("/m.gguf", |served| served.slow = None);
    works(&common::finish(parasol(&["pull", "m"]), None));
    assert_eq!(std::fs::read(&file).unwrap(), body);
    assert!(
        hub.seen("/m.gguf").iter().any(|seen| seen.range().is_some()),
        "no pull went on from where one was"
    );
    let left: Vec<_> =
        std::fs::read_dir(file.parent().unwrap()).unwrap().flatten().map(|e| e.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("partial")), "{left:?}");
}

#[test]
fn a_pull_of_a_killed_server_waits_to_be_resumed() {
    let home = Home::new();
    let body = gguf(400_000);
    let (hub, variables) = slow_model(&home, &body);
    let server = Serving::start(&home, &[], &variables);
    let pull = id(&server.ask("POST", "/api/parasol/pulls", &json!({ "model": "m" })).json());
    std::thread::sleep(Duration::from_millis(150));
    server.kill();
    let server = Serving::start(&home, &[], &variables);
    let look = || {
        let all = server.ask("GET", "/api/parasol/pulls", &Value::Null).json();
        all["pulls"]
            .as_array()
            .unwrap()
            .iter()
            .find(|p| p["id"] == pull.as_str())
            .cloned()
            .unwrap_or_default()
    };
    assert_eq!(look()["state"], "paused", "{}", look());
    hub.change("/m.gguf", |served| served.slow = None);
    let resumed = server.ask("POST", &format!("/api/parasol/pulls/{pull}/resume"), &Value::Null);
    assert!(resumed.status < 300, "{resumed:?}");
    let begun = Instant::now();
    while look()["state"] != "done" {
        assert!(begun.elapsed() < Duration::from_secs(20), "{}", look());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(std::fs::read(home.path("store/models/m/m.gguf")).unwrap(), body);
}
