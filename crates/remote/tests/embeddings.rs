//! Models that embed elsewhere, and servers in their place that cut, stall and refuse.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Asked, Server, all, entry_of, redirect, respond};
use parasol_core::{Embed, EmbedEvent, EmbedPurpose, EmbedRequest, Error, ErrorKind, Money, Usage};
use parasol_remote::directory::CacheSettings;
use parasol_remote::{BackendEntry, Budget, Key, Ledger, Price, RemoteEntry, RemoteModel, Remotes};
use parasol_wire::client::{Manner, Protocol};
use serde_json::{Value, json};
use std::io::Write;
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const PROTOCOLS: [Protocol; 3] = [Protocol::OpenAi, Protocol::Gemini, Protocol::Cohere];

/// The texts of a request, whichever protocol it is in.
fn texts(asked: &Asked) -> Vec<String> {
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    let list = ["input", "texts", "requests"].iter().find_map(|field| body[field].as_array()).unwrap();
    let text = |it: &Value| it.as_str().or(it["content"]["parts"][0]["text"].as_str()).unwrap().to_owned();
    list.iter().map(text).collect()
}

/// A vector that tells its text: its length, and where it lay in the request.
fn answer(protocol: Protocol, texts: &[String]) -> String {
    let vectors: Vec<Value> = texts.iter().enumerate().map(|(at, text)| json!([text.len(), at])).collect();
    let tokens: usize = texts.iter().map(String::len).sum();
    let values = || vectors.iter().map(|it| json!({ "values": it })).collect::<Vec<_>>();
    match protocol {
        Protocol::Gemini => json!({ "embeddings": values(), "usageMetadata": { "promptTokenCount": tokens } }),
        Protocol::Cohere => json!({ "embeddings": { "float": vectors }, "meta": { "billed_units": { "input_tokens": tokens } } }),
        _ => {
            let items = vectors.iter().enumerate().rev();
            let items: Vec<Value> = items.map(|(at, it)| json!({ "index": at, "embedding": it })).collect();
            json!({ "data": items, "usage": { "prompt_tokens": tokens, "total_tokens": tokens } })
        }
    }
    .to_string()
}

fn entry(protocol: Protocol, server: &Server, retries: u32) -> RemoteEntry {
    let manner = Manner { max_inputs: 3, ..Manner::standard() };
    let backend = BackendEntry { protocol, manner: Some(manner), ..server.entry(1) };
    let price = Price { input: 1000.0, dated: "2026-11-27".into(), ..Price::default() };
    RemoteEntry {
        capabilities: vec!["embed".into()],
        price: Some(price),
        ..entry_of(vec![backend], |limits| {
            (limits.first_token, limits.retries, limits.failures) = (0.7, retries, 9);
        })
    }
}

fn model(protocol: Protocol, server: &Server) -> Arc<RemoteModel> {
    Remotes::new().unwrap().open(&entry(protocol, server, 0)).unwrap()
}

fn of(texts: &[&str]) -> EmbedRequest {
    EmbedRequest { client: "a".into(), ..EmbedRequest::texts(texts.iter().copied()) }
}

/// Vectors in order, what they took, and the error that ended it.
fn embed(model: &RemoteModel, request: EmbedRequest) -> (Vec<Vec<f32>>, Option<Usage>, Option<Error>) {
    let (events, error) = match model.embed(request) {
        Ok(stream) => all(stream),
        Err(error) => (Vec::new(), Some(error)),
    };
    let (mut vectors, mut usage) = (Vec::new(), None);
    for event in events {
        match event {
            EmbedEvent::Embedded { index, vector } => {
                assert_eq!(index, vectors.len());
                vectors.push(vector);
            }
            EmbedEvent::Finished { usage: took, .. } => usage = Some(took),
            EmbedEvent::Started { .. } | EmbedEvent::Ignored { .. } => assert!(vectors.is_empty()),
        }
    }
    (vectors, usage, error)
}

#[test]
fn texts_go_out_in_parts_and_come_back_in_order() {
    for (protocol, path) in
        PROTOCOLS.into_iter().zip(["/v1/embeddings", "/v1/models/m:batchEmbedContents", "/v1/embed"])
    {
        let sizes = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&sizes);
        let server = Server::start(move |asked, stream| {
            assert_eq!(asked.path, path);
            assert!(asked.head.to_lowercase().contains("idempotency-key: "), "{}", asked.head);
            let texts = texts(asked);
            seen.lock().unwrap().push(texts.len());
            respond(stream, 200, "application/json", "", &answer(protocol, &texts));
        });
        let folder = tempfile::tempdir().unwrap();
        let ledger = Arc::new(Ledger::new(
            folder.path().join("usage"),
            Budget { day: Some(9.0), ..Budget::default() },
        ));
        let remotes = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None);
        let it = remotes.open(&entry(protocol, &server, 0)).unwrap();
        let (vectors, usage, error) = embed(&it, of(&["a", "bb", "ccc", "dddd", "eeeee", "ffffff", "g"]));
        assert!(error.is_none(), "{protocol:?}: {error:?}");
        let wanted = [[1., 0.], [2., 1.], [3., 2.], [4., 0.], [5., 1.], [6., 2.], [1., 0.]];
        assert_eq!(vectors, wanted, "{protocol:?}");
        assert_eq!(*sizes.lock().unwrap(), [3, 3, 1]);
        let usage = usage.unwrap();
        assert_eq!((usage.prompt_tokens, usage.cost), (22, Some(Money::dollars(0.022))));
        let lines = ledger.lines_of(2).unwrap().1;
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| !line.reckoned && line.client == "a"), "{lines:?}");
        assert_eq!(lines.iter().map(|line| line.usage.prompt_tokens).sum::<usize>(), 22);
    }
}

#[test]
fn tokens_that_nobody_counts_are_reckoned() {
    let server = Server::start(|asked, stream| {
        let body = json!({ "embeddings": texts(asked).iter().map(|_| json!({ "values": [1] })).collect::<Vec<_>>() });
        respond(stream, 200, "application/json", "", &body.to_string());
    });
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::new(folder.path().join("usage"), Budget::default()));
    let remotes = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None);
    let it = remotes.open(&entry(Protocol::Gemini, &server, 0)).unwrap();
    let (_, usage, error) = embed(&it, of(&["twelve bytes"]));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(usage.unwrap().prompt_tokens, 3);
    let lines = ledger.lines_of(2).unwrap().1;
    assert!(lines[0].reckoned && lines[0].usage.cost == Some(Money::dollars(0.003)), "{lines:?}");
}

#[test]
fn a_budget_stops_before_it_is_passed_and_nothing_is_sent() {
    let server = Server::start(|asked, stream| {
        respond(stream, 200, "application/json", "", &answer(Protocol::OpenAi, &texts(asked)));
    });
    let folder = tempfile::tempdir().unwrap();
    let budget = Budget { day: Some(0.02), ..Budget::default() };
    let ledger = Arc::new(Ledger::new(folder.path().join("usage"), budget));
    let remotes = Remotes::new().unwrap().accounted(ledger, None);
    let it = remotes.open(&entry(Protocol::OpenAi, &server, 0)).unwrap();
    // Four requests would be sent, of which the first would fit.
    let long = ["five5", "five5", "five5", "five5", "x"];
    let (vectors, _, error) = embed(&it, of(&long));
    assert!(matches!(error.unwrap().kind(), ErrorKind::RateLimited { .. }));
    assert_eq!((vectors.len(), server.count()), (0, 0));
    let (vectors, _, error) = embed(&it, of(&long[..4]));
    assert!(error.is_none(), "{error:?}");
    assert_eq!(vectors.len(), 4);
    assert!(matches!(embed(&it, of(&["x"])).2.unwrap().kind(), ErrorKind::RateLimited { .. }));
}

#[test]
fn the_same_texts_are_answered_again_for_nothing() {
    let server = Server::start(|asked, stream| {
        respond(stream, 200, "application/json", "", &answer(Protocol::OpenAi, &texts(asked)));
    });
    let folder = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::new(folder.path().join("usage"), Budget::default()));
    let cache = CacheSettings { seconds: 60.0, entries: 10 };
    let remotes = Remotes::new().unwrap().accounted(ledger, Some(cache));
    let it = remotes.open(&entry(Protocol::OpenAi, &server, 0)).unwrap();
    let first = embed(&it, of(&["a", "bb"]));
    let again = embed(&it, of(&["a", "bb"]));
    assert_eq!((first.0, server.count()), (again.0, 1));
    assert_eq!(again.1.unwrap().cost, Some(Money(0)));
    let other = EmbedRequest { dimensions: Some(1), ..of(&["a", "bb"]) };
    embed(&it, other);
    assert_eq!(server.count(), 2);
}

/// How a server fails, and what is told of it.
type Fault = (fn(&Asked, &mut TcpStream), ErrorKind, &'static str);

const FAULTS: [Fault; 12] = [
    (|_, stream| respond(stream, 200, "application/json", "", "{}"), ErrorKind::Network, "no embeddings"),
    (|_, stream| respond(stream, 200, "text/html", "", "<html>"), ErrorKind::Network, "no embeddings"),
    (|_, stream| respond(stream, 200, "application/json", "", "\u{0}"), ErrorKind::Network, "no embeddings"),
    (
        |_, stream| respond(stream, 200, "application/json", "", r#"{"data":[{"index":0,"embedding":[1]}]}"#),
        ErrorKind::Network,
        "1 vectors where 2",
    ),
    (
        |_, stream| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(format!("{head}{{\"data\":[{{\"index\":0,").as_bytes());
        },
        ErrorKind::Network,
        "connection broke",
    ),
    (
        |_, stream| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{";
            let _ = stream.write_all(head.as_bytes());
            std::thread::sleep(Duration::from_secs(3));
        },
        ErrorKind::Timeout,
        "no vectors",
    ),
    (
        |_, stream| {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(head.as_bytes());
            while stream.write_all(&[b' '; 65_536]).is_ok() {}
        },
        ErrorKind::Network,
        "are no vectors",
    ),
    (|_, stream| redirect(stream, 302, "v1/embeddings"), ErrorKind::Network, ""),
    (
        |_, stream| respond(stream, 401, "application/json", "", r#"{"error":{"message":"no key marker"}}"#),
        ErrorKind::Network,
        "no key marker",
    ),
    (
        |_, stream| {
            respond(stream, 400, "application/json", "", r#"{"error":{"message":"too many inputs"}}"#)
        },
        ErrorKind::InvalidRequest,
        "too many inputs",
    ),
    (|_, stream| respond(stream, 529, "text/plain", "", "overloaded"), ErrorKind::Overloaded, ""),
    (|_, stream| drop(stream.shutdown(std::net::Shutdown::Both)), ErrorKind::Network, ""),
];

#[test]
fn every_fault_is_told_within_its_time() {
    for (fault, kind, part) in FAULTS {
        let server = Server::start(fault);
        let begun = Instant::now();
        let (vectors, _, error) = embed(&model(Protocol::OpenAi, &server), of(&["a", "b"]));
        let error = error.unwrap();
        assert!(error.message().contains(part) && vectors.is_empty(), "{error}, not {part:?}");
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{error}");
    }
}

#[test]
fn what_fails_is_asked_again_and_what_was_told_stays() {
    for (status, body) in [(429, "{}"), (500, "oh"), (503, ""), (529, "{}")] {
        let server = Server::failing_once(status, body, |asked, stream| {
            respond(stream, 200, "application/json", "", &answer(Protocol::OpenAi, &texts(asked)));
        });
        let it = Remotes::new().unwrap().open(&entry(Protocol::OpenAi, &server, 1)).unwrap();
        let (vectors, _, error) = embed(&it, of(&["a", "b"]));
        assert!(error.is_none() && vectors.len() == 2, "{status}: {error:?}");
        assert_eq!(server.count(), 2);
    }
    // The second part fails for good: the first has been told.
    let server = Server::start(|asked, stream| match texts(asked).contains(&"bad".to_owned()) {
        true => respond(stream, 400, "application/json", "", r#"{"error":{"message":"bad text"}}"#),
        false => respond(stream, 200, "application/json", "", &answer(Protocol::OpenAi, &texts(asked))),
    });
    let (vectors, usage, error) = embed(&model(Protocol::OpenAi, &server), of(&["a", "b", "c", "bad"]));
    assert!(vectors.len() == 3 && usage.is_none());
    assert!(error.unwrap().message().contains("bad text"));
}

#[test]
fn what_cannot_be_said_is_reported_or_refused_and_keys_stay_out_of_errors() {
    let server = Server::start(|asked, stream| {
        let told = format!(
            r#"{{"error":{{"message":"your key is {}"}}}}"#,
            asked.head.replace(['\r', '\n', '"'], " ")
        );
        respond(stream, 400, "application/json", "", &told);
    });
    let mut keyed = entry(Protocol::OpenAi, &server, 0);
    keyed.backends[0].key = Some(Key::new("sk-marker-8f2a-never-seen", "a test").unwrap());
    let it = Remotes::new().unwrap().open(&keyed).unwrap();
    let error = embed(&it, of(&["a"])).2.unwrap();
    assert!(error.message().contains("your key is") && !error.message().contains("8f2a"), "{error}");
    let server = Server::start(|asked, stream| {
        respond(stream, 200, "application/json", "", &answer(Protocol::OpenAi, &texts(asked)));
    });
    let it = model(Protocol::OpenAi, &server);
    let request = EmbedRequest { purpose: Some(EmbedPurpose::Query), truncate: true, ..of(&["a"]) };
    let (events, _) = all(it.embed(request).unwrap());
    let ignored = |field: &str| {
        events.iter().any(|event| matches!(event, EmbedEvent::Ignored { field: it, .. } if it == field))
    };
    assert!(ignored("purpose") && ignored("truncate"), "{events:?}");
    let claude = model(Protocol::Anthropic, &server);
    assert_eq!(*embed(&claude, of(&["a"])).2.unwrap().kind(), ErrorKind::Unsupported);
    let mut chats = entry(Protocol::OpenAi, &server, 0);
    chats.capabilities = vec!["chat".into()];
    let chats = Remotes::new().unwrap().open(&chats).unwrap();
    assert_eq!(*embed(&chats, of(&["a"])).2.unwrap().kind(), ErrorKind::Unsupported);
    assert_eq!(server.count(), 1);
}
