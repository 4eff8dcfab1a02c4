//! `parasol serve` as a process: what its log holds, how it ends, and what `ps` and `stop` say of it.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;
mod serving;

use common::{Home, fails, works};
use serde_json::{Value, json};
use serving::Serving;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// A word that only the prompt holds.
const SECRET: &str = "rhododendron";

fn chat(model: &str) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": SECRET }], "max_tokens": 4 })
}

#[test]
fn the_log_holds_no_prompts_unless_asked() {
    for (args, held) in [(&["--log-level", "trace"][..], false), (&["--log-prompts"][..], true)] {
        let home = Home::new();
        let model = home.toy();
        let args = [args, &["--log-format", "json"]].concat();
        let server = Serving::start(&home, &args, &[]);
        for (path, body) in [
            ("/v1/chat/completions", chat(&model)),
            ("/v1/messages", chat(&model)),
            (
                "/api/chat",
                json!({ "model": model, "messages": chat("")["messages"] , "options": { "num_predict": 4 } }),
            ),
            ("/v1/completions", json!({ "model": model, "prompt": SECRET, "max_tokens": 4 })),
            // Refused: what was wrong with it is said without what it said.
            (
                "/v1/chat/completions",
                json!({ "model": model, "messages": [{ "role": SECRET, "content": SECRET }] }),
            ),
        ] {
            server.ask("POST", path, &body);
        }
        assert!(server.end().success());
        let log = std::fs::read_to_string(home.path("server.log")).unwrap();
        let lines = log.lines().filter(|line| line.starts_with('{'));
        let lines: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(
            lines.iter().any(|line| line["path"] == "/v1/messages" && line["request"].is_string()),
            "{log}"
        );
        assert_eq!(log.contains(SECRET), held, "{args:?}: {log}");
    }
}

/// A stream of `tokens` tokens, of which the first have come.
fn begun(server: &Serving, model: &str, tokens: usize) -> TcpStream {
    let never: serde_json::Map<String, Value> =
        (315..320).map(|end| (end.to_string(), json!(-100))).collect();
    let body =
        json!({ "model": model, "prompt": "Hi", "max_tokens": tokens, "stream": true, "logit_bias": never });
    let body = body.to_string();
    let mut stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head =
        format!("POST /v1/completions HTTP/1.0\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    stream.read_exact(&mut [0; 300]).unwrap();
    stream
}

#[test]
fn what_runs_may_finish_and_what_goes_on_for_ever_is_cut() {
    let home = Home::new();
    let model = home.toy();
    let server = Serving::start(&home, &[], &[]);
    let mut stream = begun(&server, &model, 3000);
    let reader = std::thread::spawn(move || {
        let mut rest = String::new();
        stream.read_to_string(&mut rest).map(|_| rest)
    });
    assert!(server.end().success());
    let rest = reader.join().unwrap().unwrap();
    assert!(rest.trim_end().ends_with("data: [DONE]"), "{}", &rest[rest.len().saturating_sub(300)..]);
    // Who does not read its answer would hold the end up for ever.
    // The context holds what takes much longer than the grace time on any machine.
    let server = Serving::start(&home, &["--grace", "1s", "--context", "65536"], &[]);
    let _stream = begun(&server, &model, 60_000);
    let asked = Instant::now();
    let status = server.end();
    assert!(!status.success() && asked.elapsed() < Duration::from_secs(10), "{status} {:?}", asked.elapsed());
}

#[test]
fn ps_tells_what_is_loaded_and_stop_unloads_it() {
    let home = Home::new();
    let model = home.toy();
    fails(&home.run(&["ps"]), 3, &["no server", "serve"]);
    let server = Serving::start(&home, &[], &[]);
    let loaded = || {
        let told: Value = serde_json::from_str(works(&home.run(&["ps", "--json"]))).unwrap();
        told["models"].as_array().unwrap().len()
    };
    assert_eq!(loaded(), 0);
    assert_eq!(server.ask("POST", "/v1/chat/completions", &chat(&model)).status, 200);
    assert_eq!(loaded(), 1);
    works(&home.run(&["stop", &model]));
    assert_eq!(loaded(), 0);
    let again = home.run(&["stop", &model]);
    assert!(again.code != Some(0) && again.err.contains("not loaded"), "{again:?}");
}
