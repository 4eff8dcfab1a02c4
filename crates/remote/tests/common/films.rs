//! A provider of films whose jobs a test writes, in every protocol that has them.

use super::{Asked, Server, entry_of, next, respond};
use parasol_core::{Error, EventStream, Film, FilmEvent, FilmRequest};
use parasol_remote::{BackendEntry, Budget, Films, Ledger, Limits, Price, RemoteEntry, RemoteModel, Remotes};
use parasol_wire::client::{Manner, Protocol};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The protocols that have films.
pub(crate) const PROTOCOLS: [Protocol; 3] = [Protocol::OpenAi, Protocol::Gemini, Protocol::Runway];

/// What a provider is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Create,
    Look,
    End,
    Film,
}

/// How a job does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Queued,
    Running(u8),
    Done,
    Failed(&'static str),
}

/// A provider, and what it was asked for in order.
pub(crate) struct Studio {
    pub(crate) server: Server,
    pub(crate) protocol: Protocol,
    asked: Arc<Mutex<Vec<What>>>,
}

impl Studio {
    /// One that answers as `script` does, given what is asked for and how often that was asked for before; where it does nothing
    /// (`false`), jobs wait, run, and are done at the third look.
    pub(crate) fn start(
        protocol: Protocol,
        script: impl Fn(What, usize, &Asked, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let server = Server::start(move |request, stream| {
            let what = what(request);
            let before = {
                let mut log = log.lock().unwrap();
                log.push(what);
                log.iter().filter(|it| **it == what).count() - 1
            };
            if script(what, before, request, stream) {
                return;
            }
            let host = request.head.to_lowercase();
            let host = host.lines().find_map(|line| line.strip_prefix("host: ")).unwrap().to_owned();
            match what {
                What::Create => tell(stream, &created(protocol)),
                What::Look if before == 0 => tell(stream, &job(protocol, How::Queued, &host)),
                What::Look if before == 1 => tell(stream, &job(protocol, How::Running(40), &host)),
                What::Look => tell(stream, &job(protocol, How::Done, &host)),
                What::End => tell(stream, &json!({})),
                What::Film => film(stream, &mp4()),
            }
        });
        Self { server, protocol, asked }
    }

    pub(crate) fn count(&self, what: What) -> usize {
        self.asked.lock().unwrap().iter().filter(|it| **it == what).count()
    }

    /// A model of its, quick to look and quick to give up.
    pub(crate) fn entry(&self, change: impl FnOnce(&mut Limits)) -> RemoteEntry {
        let backend = BackendEntry {
            protocol: self.protocol,
            manner: Some(Manner::standard()),
            ..self.server.entry(1)
        };
        RemoteEntry {
            capabilities: vec!["film".into()],
            ..entry_of(vec![backend], |limits| {
                (limits.first_token, limits.idle, limits.poll) = (1.0, 0.3, 0.02);
                change(limits);
            })
        }
    }
}

fn what(request: &Asked) -> What {
    let method = request.head.split(' ').next().unwrap();
    match method {
        "POST" => What::Create,
        "DELETE" => What::End,
        _ if request.path.contains("/content")
            || request.path.contains("/film")
            || request.path.contains(":download") =>
        {
            What::Film
        }
        _ => What::Look,
    }
}

/// The answer that takes a job.
pub(crate) fn created(protocol: Protocol) -> Value {
    match protocol {
        Protocol::OpenAi => json!({ "id": "v-1", "object": "video", "status": "queued", "progress": 0 }),
        Protocol::Gemini => json!({ "name": "models/m/operations/op-1" }),
        _ => json!({ "id": "17f2-0503" }),
    }
}

/// The answer that tells how a job does whose provider is at `host`.
pub(crate) fn job(protocol: Protocol, how: How, host: &str) -> Value {
    match (protocol, how) {
        (Protocol::OpenAi, How::Queued) => json!({ "id": "v-1", "status": "queued", "progress": 0 }),
        (Protocol::OpenAi, How::Running(n)) => json!({ "id": "v-1", "status": "in_progress", "progress": n }),
        (Protocol::OpenAi, How::Done) => {
            json!({ "id": "v-1", "status": "completed", "progress": 100, "seconds": "4" })
        }
        (Protocol::OpenAi, How::Failed(code)) => {
            json!({ "id": "v-1", "status": "failed", "error": { "code": code, "message": "so it is" } })
        }
        (Protocol::Gemini, How::Queued | How::Running(_)) => {
            json!({ "name": "models/m/operations/op-1", "metadata": {} })
        }
        (Protocol::Gemini, How::Done) => {
            let uri = "https://generativelanguage.googleapis.com/v1beta/files/f1:download?alt=media";
            done_at(protocol, uri)
        }
        (Protocol::Gemini, How::Failed("filtered")) => json!({ "name": "x", "done": true,
            "response": { "generateVideoResponse": { "raiMediaFilteredCount": 1, "raiMediaFilteredReasons": ["so it is"] } } }),
        (Protocol::Gemini, How::Failed(code)) => {
            json!({ "name": "x", "done": true, "error": { "code": 13, "status": code, "message": "so it is" } })
        }
        (_, How::Queued) => json!({ "id": "17f2-0503", "status": "THROTTLED" }),
        (_, How::Running(n)) => {
            json!({ "id": "17f2-0503", "status": "RUNNING", "progress": f64::from(n) / 100.0 })
        }
        (_, How::Done) => done_at(protocol, &format!("http://{host}/film.mp4?_jwt=once")),
        (_, How::Failed(code)) => {
            json!({ "id": "17f2-0503", "status": "FAILED", "failure": "so it is", "failureCode": code })
        }
    }
}

/// The answer that tells where a film lies, in the protocols that do.
pub(crate) fn done_at(protocol: Protocol, uri: &str) -> Value {
    match protocol {
        Protocol::Gemini => json!({ "name": "models/m/operations/op-1", "done": true,
            "response": { "generateVideoResponse": { "generatedSamples": [{ "video": { "uri": uri } }] } } }),
        _ => json!({ "id": "17f2-0503", "status": "SUCCEEDED", "output": [uri] }),
    }
}

pub(crate) fn tell(stream: &mut TcpStream, body: &Value) {
    respond(stream, 200, "application/json", "", &body.to_string());
}

/// A film of a few bytes: its boxes are those of one.
pub(crate) fn mp4() -> Vec<u8> {
    let mut all = b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x09moovx".to_vec();
    all.extend(0x0004_0008u32.to_be_bytes());
    all.extend(b"mdat");
    all.extend((0..0x0004_0000u32).map(|n| n as u8));
    all
}

/// A film as it is sent.
pub(crate) fn film(stream: &mut TcpStream, bytes: &[u8]) {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: video/mp4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        bytes.len()
    );
    let _ = stream.write_all(&[head.as_bytes(), bytes].concat());
}

/// The model of an entry whose jobs, and whose book, are kept in `home`, as a process of its own would open it.
pub(crate) fn open(entry: &RemoteEntry, home: &Path, ledger: Ledger) -> Arc<RemoteModel> {
    let remotes = Remotes::new().unwrap().accounted(Arc::new(ledger), None);
    remotes.keeping(Arc::new(Films::at(home))).open(entry).unwrap()
}

/// The book of a home, without a budget.
pub(crate) fn book(home: &Path) -> Ledger {
    Ledger::new(home.join("usage"), Budget::default())
}

/// A second of its films costs a dollar.
pub(crate) fn dear(entry: RemoteEntry) -> RemoteEntry {
    RemoteEntry {
        price: Some(Price { second: Some(1.0), dated: "2026-11-27".into(), ..Price::default() }),
        ..entry
    }
}

pub(crate) fn asked() -> FilmRequest {
    FilmRequest { prompt: "A cat on a roof.".into(), ..FilmRequest::default() }
}

/// What came of it: the film, the other events, and the error that ended it.
pub(crate) fn all(stream: EventStream<FilmEvent>) -> (Vec<u8>, Vec<FilmEvent>, Option<Error>) {
    let (events, error) = super::all(stream);
    let (mut film, mut others) = (Vec::new(), Vec::new());
    for event in events {
        match event {
            FilmEvent::Piece { bytes } => film.extend(bytes),
            event => others.push(event),
        }
    }
    (film, others, error)
}

pub(crate) fn make(model: &RemoteModel) -> (Vec<u8>, Vec<FilmEvent>, Option<Error>) {
    all(model.film(asked()).unwrap())
}

/// A film that is begun, and the name of its job.
pub(crate) fn begun(model: &RemoteModel) -> (EventStream<FilmEvent>, String) {
    let mut stream = model.film(asked()).unwrap();
    let Some(Ok(FilmEvent::Started { job: Some(id), .. })) = next(&mut stream) else { panic!() };
    (stream, id)
}
