//! A small HTTP server on loopback whose every answer a test writes, and short ways to ask a remote model.

#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod films;
pub(crate) mod pictures;
pub(crate) mod speech;

use futures_core::Stream;
use parasol_core::{ChatRequest, Error, EventStream, GenerationEvent, Message, Role};
use parasol_remote::{BackendEntry, Limits, RemoteEntry, RemoteModel, Remotes};
use std::any::Any;
use std::future::poll_fn;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A server; its threads end with the test's process, its port is closed by `stop`. What fails in answering fails the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) chats: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    failed: Arc<Mutex<Option<Box<dyn Any + Send>>>>,
}

impl Drop for Server {
    fn drop(&mut self) {
        let failed = self.failed.lock().unwrap().take();
        if let Some(failed) = failed
            && !std::thread::panicking()
        {
            resume_unwind(failed);
        }
    }
}

impl Server {
    /// Answers every POST with `chat`; `/models` lists `m` unless it was told to fail.
    pub(crate) fn start(chat: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), chat)
    }

    /// Fails once, in OpenAI's words or another provider's, and then answers.
    pub(crate) fn failing_once(
        status: u16,
        body: &'static str,
        chat: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let times = AtomicUsize::new(0);
        Self::start(move |asked, stream| match times.fetch_add(1, Ordering::SeqCst) {
            0 => respond(stream, status, "application/json", "", body),
            _ => chat(asked, stream),
        })
    }

    pub(crate) fn on(
        listener: TcpListener,
        chat: impl Fn(&Asked, &mut TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let (chats, stopped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, stop, chat) = (chats.clone(), stopped.clone(), Arc::new(chat));
        let failed = Arc::new(Mutex::new(None));
        let first = failed.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (mut stream, count, chat) = (stream.unwrap(), count.clone(), chat.clone());
                let first = first.clone();
                std::thread::spawn(move || {
                    let Some(asked) = read(&stream) else { return };
                    if asked.path.ends_with("/models") {
                        let list = r#"{"data":[{"id":"m","max_model_len":777}]}"#;
                        respond(&mut stream, 200, "application/json", "", list);
                    } else {
                        count.fetch_add(1, Ordering::SeqCst);
                        // Kept before the connection is closed, and so before the test goes on.
                        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| chat(&asked, &mut stream))) {
                            first.lock().unwrap().get_or_insert(panic);
                        }
                    }
                });
            }
        });
        Self { address, chats, stopped, failed }
    }

    pub(crate) fn count(&self) -> usize {
        self.chats.load(Ordering::SeqCst)
    }

    /// Closes the port: what connects next is refused.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }

    pub(crate) fn entry(&self, weight: u32) -> BackendEntry {
        BackendEntry {
            url: format!("http://{}/v1", self.address),
            weight,
            model: Some("m".into()),
            ..BackendEntry::default()
        }
    }
}

/// The next request on a connection.
pub(crate) fn read(stream: &TcpStream) -> Option<Asked> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    let length = head.to_lowercase().lines().find_map(|l| l.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    let path = head.split(' ').nth(1)?.to_owned();
    Some(Asked { path, head, body: String::from_utf8_lossy(&body).into_owned() })
}

pub(crate) fn respond(stream: &mut TcpStream, status: u16, kind: &str, headers: &str, body: &str) {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n{headers}");
    let _ = write!(stream, "{head}connection: close\r\n\r\n{body}");
}

/// Leads astray.
pub(crate) fn redirect(stream: &mut TcpStream, status: u16, path: &str) {
    respond(stream, status, "text/plain", &format!("location: http://127.0.0.1:9/{path}\r\n"), "");
}

/// The head of a stream that ends with the connection.
pub(crate) fn begin(stream: &mut TcpStream) {
    // Said, since the next request would otherwise be sent on a connection that is just being closed.
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
}

/// The same on a connection that stays open behind it.
pub(crate) fn begin_and_keep(stream: &mut TcpStream) {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let _ = stream.write_all(head.as_bytes());
}

/// One piece of text; whether somebody took it.
pub(crate) fn piece(stream: &mut TcpStream, text: &str) -> bool {
    let chunk = serde_json::json!({ "id": "x", "object": "chat.completion.chunk", "model": "far",
        "choices": [{ "index": 0, "delta": { "content": text }, "finish_reason": null }] });
    send(stream, &format!("data: {chunk}\n\n"))
}

/// One chunk of a stream; whether somebody took it.
pub(crate) fn send(stream: &mut TcpStream, text: &str) -> bool {
    write!(stream, "{:x}\r\n{text}\r\n", text.len()).and_then(|()| stream.flush()).is_ok()
}

/// The proper end of a stream.
pub(crate) fn end(stream: &mut TcpStream) {
    let last = serde_json::json!({ "id": "x", "object": "chat.completion.chunk", "model": "far",
        "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] });
    let usage = serde_json::json!({ "id": "x", "object": "chat.completion.chunk", "model": "far", "choices": [],
        "usage": { "prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7 } });
    send(stream, &format!("data: {last}\n\ndata: {usage}\n\ndata: [DONE]\n\n"));
    let _ = stream.write_all(b"0\r\n\r\n");
}

/// A whole answer.
pub(crate) fn answer(text: &'static str) -> impl Fn(&Asked, &mut TcpStream) + Send + Sync {
    move |_, stream| {
        begin(stream);
        piece(stream, text);
        end(stream);
    }
}

/// An entry over these backends that are not looked at between requests.
pub(crate) fn entry_of(backends: Vec<BackendEntry>, change: impl FnOnce(&mut Limits)) -> RemoteEntry {
    let mut limits = Limits { health_interval: 0.0, cooldown: 0.2, ..Limits::default() };
    change(&mut limits);
    RemoteEntry {
        name: "far".into(),
        backends,
        capabilities: vec!["chat".into(), "complete".into()],
        context: None,
        sampling: Default::default(),
        limits,
        voices: Vec::new(),
        price: None,
        provider: None,
    }
}

/// A remote model of such an entry.
pub(crate) fn model(backends: Vec<BackendEntry>, change: impl FnOnce(&mut Limits)) -> Arc<RemoteModel> {
    Remotes::connect(&[entry_of(backends, change)]).unwrap().remove(0)
}

/// The same, whatever a test calls its own.
pub(crate) fn open(backends: Vec<BackendEntry>, change: impl FnOnce(&mut Limits)) -> Arc<RemoteModel> {
    model(backends, change)
}

/// The next event.
pub(crate) fn next<E>(stream: &mut EventStream<E>) -> Option<parasol_core::Result<E>> {
    pollster::block_on(poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)))
}

/// All events, and the error that ended them.
pub(crate) fn all<E>(mut stream: EventStream<E>) -> (Vec<E>, Option<Error>) {
    let mut events = Vec::new();
    loop {
        match next(&mut stream) {
            None => return (events, None),
            Some(Err(error)) => return (events, Some(error)),
            Some(Ok(event)) => events.push(event),
        }
    }
}

/// What came of asking as a client for so many tokens: the events, and the error that ended them.
pub(crate) fn ask_as(
    model: &RemoteModel,
    client: &str,
    most: usize,
) -> (Vec<GenerationEvent>, Option<Error>) {
    let request = ChatRequest {
        messages: vec![Message::new(Role::User, "hello")],
        sampling: model.recommended().sampling(),
        max_tokens: Some(most),
        client: client.into(),
        ..ChatRequest::default()
    };
    all(model.chat().unwrap().chat(request).unwrap())
}

/// What came of asking: the text, and the error that ended it.
pub(crate) fn ask(model: &RemoteModel) -> (String, Vec<GenerationEvent>, Option<Error>) {
    let (events, error) = all(chat(model));
    let text = |event: &GenerationEvent| match event {
        GenerationEvent::Token(token) => Some(token.text.clone()),
        _ => None,
    };
    (events.iter().filter_map(text).collect(), events, error)
}

pub(crate) fn chat(model: &RemoteModel) -> EventStream<GenerationEvent> {
    let sampling = model.recommended().sampling();
    let messages = vec![Message::new(Role::User, "hello")];
    let request = ChatRequest { messages, sampling, ..ChatRequest::default() };
    model.chat().unwrap().chat(request).unwrap()
}

/// Waits until something holds, for a few seconds.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never: {what}");
}
