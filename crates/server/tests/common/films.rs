//! A provider of films in Runway's protocol on loopback, whose jobs are done when a test says so.

#![allow(unreachable_pub, clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A running provider.
pub struct Studio {
    pub at: SocketAddr,
    /// 0 waits, 1 runs, 2 is done, 3 has failed.
    pub state: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// A film of a few bytes: its boxes are those of one.
pub fn mp4() -> Vec<u8> {
    let mut all = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x09moovx\0\x08\0\x08mdat".to_vec();
    // Text, since the tests' client reads text, and more than is read at once.
    all.extend(std::iter::repeat_n(b'f', 0x8_0000));
    all
}

impl Studio {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let at = listener.local_addr().unwrap();
        let (state, asked) = (Arc::<AtomicUsize>::default(), Arc::<Mutex<Vec<String>>>::default());
        let (now, log) = (Arc::clone(&state), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (now, log) = (Arc::clone(&now), Arc::clone(&log));
                std::thread::spawn(move || answer(stream.unwrap(), at, now.load(Ordering::SeqCst), &log));
            }
        });
        Self { at, state, asked }
    }

    pub fn set(&self, state: usize) {
        self.state.store(state, Ordering::SeqCst);
    }

    /// Methods, paths and bodies of all that was asked for, looks left out.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// What makes a server of this provider's model, `reel`.
    pub fn settings(&self) -> String {
        format!(
            "[[provider]]\nname = \"studio\"\nprotocol = \"runway\"\nurl = \"http://{}/v1\"\nkey_optional = true\n\
             limits = {{ poll = 0.05, health_interval = 0.0 }}\n\
             [[model]]\nname = \"reel\"\nprovider = \"studio\"\ncapabilities = [\"film\"]\nfilms = {{ seed = true }}\n\
             price = {{ input = 0.0, output = 0.0, second = 1.0, dated = \"2026-11-27\" }}\n\
             [[model]]\nname = \"talker\"\nprovider = \"studio\"\ncapabilities = [\"chat\"]\n",
            self.at
        )
    }
}

fn answer(mut stream: TcpStream, at: SocketAddr, state: usize, log: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).unwrap();
    let line = head.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let told = match (line.as_str(), state) {
        ("GET /film.mp4", _) => None,
        ("GET /v1/tasks/t-1", 0) => Some(r#"{"id":"t-1","status":"PENDING"}"#.to_owned()),
        ("GET /v1/tasks/t-1", 1) => Some(r#"{"id":"t-1","status":"RUNNING","progress":0.5}"#.to_owned()),
        ("GET /v1/tasks/t-1", 2) => {
            Some(format!(r#"{{"id":"t-1","status":"SUCCEEDED","output":["http://{at}/film.mp4"]}}"#))
        }
        ("GET /v1/tasks/t-1", _) => Some(
            r#"{"id":"t-1","status":"FAILED","failure":"a face","failureCode":"SAFETY.INPUT.IMAGE"}"#
                .to_owned(),
        ),
        _ => Some(r#"{"id":"t-1"}"#.to_owned()),
    };
    if line != "GET /v1/tasks/t-1" {
        log.lock().unwrap().push(format!("{line} {}", String::from_utf8_lossy(&body)).trim().to_owned());
    }
    let (kind, body) = match told {
        Some(text) => ("application/json", text.into_bytes()),
        None => ("video/mp4", mp4()),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}
