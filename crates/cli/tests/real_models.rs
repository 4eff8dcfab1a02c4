//! A server with published models, in turns and in use: the default model, and Gemma 3 where it has been pulled.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;
mod serving;

use common::{Home, fails, works};
use parasol_hub::{Cancel, Hub, Licence};
use serde_json::{Value, json};
use serving::{Reply, Serving};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

const FIRST: &str = "smollm2";
const SECOND: &str = "gemma3-270m";

/// A home that has these models, or nothing where one of them is not on this machine.
fn home_with(names: &[&str]) -> Option<Home> {
    let home = Home::new();
    let hub = Hub::open().unwrap();
    for name in names {
        let located = hub.locate(name).unwrap();
        let located =
            located.map_or_else(|| hub.pull(name, Licence::Refuse, &Cancel::new(), &mut |_| {}), Ok);
        let from = match located {
            Ok(located) => located.model.path().parent().unwrap().to_owned(),
            Err(e) => {
                eprintln!("SKIPPED: {name} is not on this machine ({e}); `parasol pull {name}` fetches it");
                return None;
            }
        };
        let to = home.path("store").join("models").join(name);
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let file = to.join(entry.file_name());
            // Links do not cross from one disk to another.
            if std::fs::hard_link(entry.path(), &file).is_err() {
                std::fs::copy(entry.path(), &file).unwrap();
            }
        }
    }
    Some(home)
}

/// A text to go on with: one of the models is a base model.
fn text(model: &str, tokens: usize) -> Value {
    json!({ "model": model, "prompt": "A long story:", "max_tokens": tokens })
}

fn ask(server: &Serving, model: &str) -> Reply {
    server.ask("POST", "/v1/completions", &text(model, 4))
}

/// What `parasol ps` tells.
fn ps(home: &Home) -> Value {
    serde_json::from_str(works(&home.run(&["ps", "--json"]))).unwrap()
}

/// Names and bytes of what is loaded.
fn loaded(home: &Home) -> BTreeMap<String, u64> {
    let told = ps(home);
    let memory = &told["memory"];
    assert!(memory["used"].as_u64() <= memory["budget"].as_u64(), "{told}");
    let models = told["models"].as_array().unwrap().iter();
    models.map(|m| (m["name"].as_str().unwrap().to_owned(), m["bytes"].as_u64().unwrap())).collect()
}

fn names(home: &Home) -> Vec<String> {
    loaded(home).into_keys().collect()
}

/// A streamed answer that ends only with the context, of which the first pieces have come.
fn begun(server: &Serving, model: &str) -> TcpStream {
    let mut asked = text(model, 100_000);
    asked["stream"] = true.into();
    // Neither model ends: these are the tokens that do.
    asked["logit_bias"] = json!({ "2": -100, "0": -100, "1": -100, "106": -100 });
    let asked = asked.to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "POST /v1/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
        asked.len()
    );
    stream.write_all(format!("{head}{asked}").as_bytes()).unwrap();
    let mut first = [0; 600];
    stream.read_exact(&mut first).unwrap();
    assert!(
        first.starts_with(b"HTTP/1.0 200") || first.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&first)
    );
    stream
}

#[test]
fn two_models_take_turns_in_room_for_one() {
    let Some(home) = home_with(&[FIRST, SECOND]) else { return };
    let sizes = ["--context", "512", "--cache-tokens", "1024"];
    let server = Serving::start(&home, &sizes, &[]);
    // Many first requests at once load each model once.
    std::thread::scope(|scope| {
        for model in [FIRST, SECOND].into_iter().cycle().take(8) {
            let server = &server;
            scope.spawn(move || assert_eq!(ask(server, model).status, 200, "{model}"));
        }
    });
    let both = loaded(&home);
    assert_eq!(both.keys().collect::<Vec<_>>(), [SECOND, FIRST], "{both:?}");
    server.kill();

    let memory = both.values().max().unwrap() + both.values().min().unwrap() / 2;
    let memory = memory.to_string();
    let server = Serving::start(&home, &[&sizes[..], &["--memory", &memory]].concat(), &[]);
    // What nobody uses makes room for what is asked for, there and back.
    for model in [FIRST, SECOND, FIRST, SECOND] {
        let reply = ask(&server, model);
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(names(&home), [model]);
    }
    // What is pinned stays, and who asks for the other is told why and how much there is.
    let pin = format!("/api/parasol/models/{SECOND}/pin");
    assert_eq!(server.ask("POST", &pin, &json!({ "pinned": true })).status, 200);
    let refused = ask(&server, FIRST);
    assert_eq!(refused.status, 503, "{refused:?}");
    let says = refused.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(says.contains(FIRST) && says.contains("pinned") && says.contains("MB"), "{says}");
    assert_eq!(names(&home), [SECOND]);
    assert_eq!(server.ask("POST", &pin, &json!({ "pinned": false })).status, 200);
    assert_eq!(ask(&server, FIRST).status, 200);
    assert_eq!(names(&home), [FIRST]);

    // What answers is not taken away: the other one waits until the answer is at its end, and then has the room.
    let mut answer = begun(&server, FIRST);
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        answer.read_to_string(&mut rest).map(|_| rest)
    });
    assert_eq!(ask(&server, SECOND).status, 200);
    let rest = reader.join().unwrap().unwrap();
    assert!(rest.contains("\"length\"") && rest.trim_end().ends_with("data: [DONE]"), "{rest}");
    assert_eq!(names(&home), [SECOND]);

    // Unloaded, its memory is the system's again.
    let during = server.resident();
    works(&home.run(&["stop", SECOND]));
    assert!(names(&home).is_empty());
    let after = server.resident();
    assert!(after + both[SECOND] / 4 < during, "{during} bytes with {SECOND}, {after} without");
    assert_eq!(ps(&home)["memory"]["used"], 0);
}

#[test]
fn a_model_that_answers_is_not_removed_and_one_that_rests_is() {
    let Some(home) = home_with(&[FIRST]) else { return };
    let server = Serving::start(&home, &["--context", "8192"], &[]);
    let answer = begun(&server, FIRST);
    let refused = home.run(&["rm", FIRST]);
    fails(&refused, 11, &[FIRST, "answers 1", "parasol stop"]);
    assert_eq!(ask(&server, FIRST).status, 200, "it is as it was");
    drop(answer);
    let begun = Instant::now();
    while ps(&home)["models"][0]["in_use"] != 0 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{}", ps(&home));
        std::thread::sleep(Duration::from_millis(5));
    }
    let removed = home.run(&["rm", FIRST]);
    assert!(works(&removed).contains("is removed") && removed.err.contains("has unloaded"), "{removed:?}");
    assert!(names(&home).is_empty());
    let reply = ask(&server, FIRST);
    assert!(reply.status == 404 && reply.body.contains("parasol pull"), "{reply:?}");
}
