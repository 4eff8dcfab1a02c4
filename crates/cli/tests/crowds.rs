//! Ten thousand connections that do nothing, say half a sentence, or send a body byte by byte: the others are served as before, and
//! the server's memory stays bounded.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod common;
mod serving;

use common::Home;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};
use serving::Serving;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// How many come.
const CROWD: usize = 10_000;
/// What each of them may cost the server at most while it says nothing, and once it has begun, in bytes.
const EACH: [u64; 2] = [4 << 10, 40 << 10];

/// Lets this process, and the servers that it starts, open so many files; how many connections that makes possible.
fn possible() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(1 << 20);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).unwrap();
    let possible = usize::try_from(most.saturating_sub(200)).unwrap().min(CROWD);
    if possible < CROWD {
        println!("only {possible} of {CROWD} connections were tried: no more files may be open here");
    }
    possible
}

/// Opens connections that say `words` and then nothing.
fn crowd(server: &Serving, count: usize, words: &str) -> Vec<TcpStream> {
    let mut streams = Vec::with_capacity(count);
    for _ in 0..count {
        let mut stream = TcpStream::connect(server.address).unwrap();
        // One that had to make room already does not hear it.
        let _ = stream.write_all(words.as_bytes());
        streams.push(stream);
    }
    streams
}

fn chat(model: &str, tokens: usize) -> Value {
    json!({ "model": model, "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": tokens })
}

/// How many of them the server has not closed.
fn open(streams: &[TcpStream]) -> usize {
    let still = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        stream.read(&mut [0; 1]).is_err_and(|e| e.kind() == ErrorKind::WouldBlock)
    };
    streams.iter().filter(|stream| still(stream)).count()
}

/// Answers others while a crowd is there, and tells how long the slowest took.
fn others_are_served(server: &Serving, model: &str) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let begun = Instant::now();
        let reply = server.ask("POST", "/v1/chat/completions", &chat(model, 4));
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(server.ask("GET", "/healthz", &Value::Null).status, 200);
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

#[test]
fn ten_thousand_idle_connections_harm_nobody() {
    let home = Home::new();
    let model = home.toy();
    let possible = possible();
    let body = |length: usize| {
        format!("POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n{{")
    };
    for (words, most) in [
        // Room for all of them: none is sent away.
        (String::new(), CROWD + 100),
        // The default: those that wait longest make room, whatever they have begun to say.
        (String::new(), 1024),
        ("GET /healthz HTTP/1.1\r\nhost: loc".to_owned(), 1024),
        (body(1000), 1024),
    ] {
        let args = ["--max-connections", &most.to_string(), "--header-timeout", "5m", "--body-timeout", "5m"];
        let server = Serving::start(&home, &args, &[]);
        others_are_served(&server, &model);
        // One answer that is being made when they come.
        let mut long = TcpStream::connect(server.address).unwrap();
        let asked =
            json!({ "model": model, "prompt": "Hi", "max_tokens": 60_000, "stream": true, "temperature": 0 });
        let asked = asked.to_string();
        let head = format!(
            "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n",
            asked.len()
        );
        long.write_all(format!("{head}{asked}").as_bytes()).unwrap();
        let mut first = [0; 256];
        long.read_exact(&mut first).unwrap();
        let before = server.resident();
        let streams = crowd(&server, possible, &words);
        let slowest = others_are_served(&server, &model);
        assert!(slowest < Duration::from_secs(2), "{words:?} {most}: {slowest:?}");
        let (there, more) = (open(&streams), server.resident().saturating_sub(before));
        println!(
            "{most} at most, {words:?}: {there} of {possible} are open, {} KiB more, {slowest:?}",
            more >> 10
        );
        if most > CROWD {
            assert_eq!(there, possible, "some were sent away");
        } else {
            assert!(there <= most && there + 100 > most.min(possible), "{there} of at most {most}");
        }
        // The pages of the cache that the answers meanwhile filled are the model's.
        let allowed = EACH[usize::from(!words.is_empty())] * there as u64 + (24 << 20);
        assert!(more < allowed, "{words:?} {most}: {more} bytes more for {there}, and {allowed} are allowed");
        long.read_exact(&mut first).unwrap();
        drop(streams);
        others_are_served(&server, &model);
    }
}

#[test]
fn when_all_are_at_work_the_next_one_is_refused_and_the_others_go_on() {
    let home = Home::new();
    let model = home.toy();
    let server = Serving::start(&home, &["--max-connections", "4"], &[]);
    others_are_served(&server, &model);
    let never: serde_json::Map<String, Value> =
        (315..320).map(|end| (end.to_string(), json!(-100))).collect();
    let asked =
        json!({ "model": model, "prompt": "Hi", "max_tokens": 60_000, "stream": true, "logit_bias": never });
    let asked = asked.to_string();
    let request = format!(
        "POST /v1/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{asked}",
        asked.len()
    );
    let mut at_work = crowd(&server, 4, &request);
    let mut piece = [0; 200];
    for stream in &mut at_work {
        stream.read_exact(&mut piece).unwrap();
    }
    let mut refused = TcpStream::connect(server.address).unwrap();
    refused.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let _ = refused.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n");
    // Closed in order or with a reset, but without an answer.
    let heard = refused.read(&mut piece);
    assert!(
        matches!(heard, Ok(0)) || heard.as_ref().is_err_and(|e| e.kind() == ErrorKind::ConnectionReset),
        "{heard:?}"
    );
    for stream in &mut at_work {
        stream.read_exact(&mut piece).unwrap();
    }
    drop(at_work);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(server.ask("GET", "/healthz", &Value::Null).status, 200);
}
