//! `serve` killed as by a power cut, in the middle of an answer: what was written is there when it comes back.

#![allow(clippy::unwrap_used)]

mod common;

use common::Home;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// A model of another server that counts, a number every 20 ms, for as long as somebody listens. Returns its address.
fn counting() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Whoever goes away is not missed.
            std::thread::spawn(|| answer(stream).unwrap_or_default());
        }
    });
    format!("http://{address}/v1")
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let (mut asks, mut length) = (String::new(), 0);
    lines.read_line(&mut asks)?;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let line = line.to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line.trim().is_empty() {
            break;
        }
    }
    lines.read_exact(&mut vec![0; length])?;
    if asks.starts_with("GET") {
        let list =
            r#"{"object":"list","data":[{"id":"far","object":"model","created":0,"owned_by":"test"}]}"#;
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
        return write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{list}", list.len());
    }
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")?;
    for number in 1.. {
        let delta = json!({ "role": "assistant", "content": format!("{number} ") });
        let choice = json!({ "index": 0, "delta": delta, "finish_reason": null });
        let chunk = json!({ "id": "1", "object": "chat.completion.chunk", "created": 0, "model": "far", "choices": [choice] });
        write!(stream, "data: {chunk}\n\n")?;
        stream.flush()?;
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// What the model says, up to a number.
fn counted(to: usize) -> String {
    (1..=to).map(|number| format!("{number} ")).collect()
}

/// A server, and where it listens.
struct Served(Child, String);

impl Served {
    fn start(home: &Home, far: &str) -> Self {
        let models = json!([{ "name": "far", "remote": [{ "url": far }] }]).to_string();
        let mut command = home.parasol(&["serve", "--listen", "127.0.0.1:0", "--models", &models]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said =
            lines.find_map(|line| Some(line.ok()?.split_once("listens at ")?.1.trim().to_owned())).unwrap();
        // Somebody has to read what it says further on.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, said)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/api/parasol{path}", self.1);
        let mut answer = match method {
            "GET" => ureq::get(&url).call(),
            _ => ureq::post(&url).header("content-type", "application/json").send(body.to_string()),
        }
        .unwrap();
        serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
    }

    /// The last message of a conversation.
    fn last(&self, conversation: &str) -> Value {
        let whole = self.ask("GET", &format!("/conversations/{conversation}"), &Value::Null);
        whole["messages"].as_array().unwrap().last().unwrap().clone()
    }

    /// Waits until the last message says this, and returns what it says.
    fn until(&self, conversation: &str, says: &str) -> String {
        let begun = Instant::now();
        loop {
            let message = self.last(conversation);
            let content = message["content"].as_str().unwrap();
            if content.contains(says) {
                return content.to_owned();
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{message}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn an_answer_that_was_being_written_is_there_when_the_server_comes_back() {
    let home = Home::new();
    let far = counting();
    let server = Served::start(&home, &far);
    let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
    let conversation =
        id(&server.ask("POST", "/conversations", &json!({ "model": "far", "title": "Counting" })));
    let at = format!("/conversations/{conversation}");
    let said =
        id(&server.ask("POST", &format!("{at}/messages"), &json!({ "parent": null, "content": "Count." })));
    let asked = json!({ "parent": said });
    server.ask("POST", &format!("{at}/answers"), &asked);
    server.until(&conversation, " 150 ");
    server.kill();

    let server = Served::start(&home, &far);
    let message = server.last(&conversation);
    assert_eq!(message["state"], "interrupted", "{message}");
    let content = message["content"].as_str().unwrap();
    // It is saved once a second, which is fifty numbers.
    assert!(content.contains(" 80 ") && counted(1000).starts_with(content), "{message}");
    let found = server.ask("GET", "/conversations?query=79%2080", &Value::Null);
    assert_eq!(found["conversations"][0]["title"], "Counting", "{found}");

    // It can be asked again, and being killed at once harms nothing either.
    server.ask("POST", &format!("{at}/answers"), &asked);
    server.kill();
    let server = Served::start(&home, &far);
    assert_eq!(server.last(&conversation)["state"], "interrupted");
    let again = id(&server.ask("POST", &format!("{at}/answers"), &asked));
    server.until(&conversation, "3 ");
    let stopped = server.ask("POST", &format!("/answers/{again}/stop"), &Value::Null);
    assert_eq!(stopped["state"], "stopped");
    let whole = server.ask("GET", &at, &Value::Null);
    assert_eq!(whole["messages"].as_array().unwrap().len(), 4, "{whole}");
    server.kill();
}
