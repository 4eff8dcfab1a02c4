//! Models that listen elsewhere, and servers in their place that break in every way.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Asked, Server, all, begin, entry_of, redirect, respond};
use parasol_core::{Error, ErrorKind, Money, TranscribeRequest, TranscriptEvent};
use parasol_remote::{Budget, Key, Ledger, Price, Recording, RemoteEntry, RemoteModel, Remotes};
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ANSWER: &str = r#"{"text":"Grüße.","duration":60.0,"language":"german"}"#;

fn entry(server: &Server, retries: u32) -> RemoteEntry {
    RemoteEntry {
        capabilities: vec!["transcribe".into()],
        ..entry_of(vec![server.entry(1)], |limits| {
            (limits.first_token, limits.idle, limits.retries, limits.failures) = (0.7, 0.3, retries, 9);
        })
    }
}

fn model(server: &Server) -> Arc<RemoteModel> {
    Remotes::new().unwrap().open(&entry(server, 0)).unwrap()
}

fn hear(model: &RemoteModel) -> (String, Vec<TranscriptEvent>, Option<Error>) {
    let recording = Recording { wav: b"RIFF and so on".to_vec(), seconds: 60.0 };
    let request = TranscribeRequest { client: "a".into(), ..TranscribeRequest::default() };
    let (events, error) = all(model.transcribe(recording, request).unwrap());
    let text = |event: &TranscriptEvent| match event {
        TranscriptEvent::Segment(segment) => Some(segment.text.clone()),
        _ => None,
    };
    (events.iter().filter_map(text).collect(), events, error)
}

#[test]
fn an_answer_may_come_byte_by_byte() {
    let server = Server::start(|asked, stream| {
        assert!(asked.path == "/v1/audio/transcriptions" && asked.body.contains("RIFF and so on"));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
        let _ = stream.write_all(head.as_bytes());
        for byte in ANSWER.as_bytes() {
            let _ = stream.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
        }
        let _ = stream.write_all(b"0\r\n\r\n");
    });
    let (text, events, error) = hear(&model(&server));
    assert_eq!(text.trim(), "Grüße.", "{error:?}");
    assert!(matches!(events.last(), Some(TranscriptEvent::Finished { usage, .. }) if usage.seconds == 60.0));
}

#[test]
fn whatever_breaks_is_an_error_within_a_moment() {
    type Fault = fn(&mut TcpStream);
    let faults: [(&str, Fault); 12] = [
        ("nothing at all", |_| {}),
        ("silence", |_| std::thread::sleep(Duration::from_secs(3))),
        ("cut in the middle", |stream| {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"text\":";
            let _ = stream.write_all(head.as_bytes());
        }),
        ("stalling in the middle", |stream| {
            let head =
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"text\":";
            let _ = stream.write_all(head.as_bytes());
            std::thread::sleep(Duration::from_secs(3));
        }),
        ("late twice", |stream| {
            std::thread::sleep(Duration::from_millis(500));
            let length = ANSWER.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
            );
            let _ = stream.write_all(head.as_bytes());
            std::thread::sleep(Duration::from_millis(500));
            let _ = stream.write_all(ANSWER.as_bytes());
        }),
        ("broken UTF-8", |stream| {
            let head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 14\r\nconnection: close\r\n\r\n{\"text\":\"\xff\xc3(\"}";
            let _ = stream.write_all(head);
        }),
        ("a web page", |stream| respond(stream, 200, "text/html", "", "<html></html>")),
        ("JSON without a text", |stream| respond(stream, 200, "application/json", "", r#"{"words":[]}"#)),
        ("the answer twice", |stream| {
            respond(stream, 200, "application/json", "", &format!("{ANSWER}{ANSWER}"))
        }),
        ("events", |stream| {
            begin(stream);
            common::send(stream, "data: {\"type\":\"transcript.text.delta\"}\n\n");
        }),
        ("an answer without end", |stream| {
            begin(stream);
            let megabyte = "x".repeat(1 << 20);
            while common::send(stream, &megabyte) {}
        }),
        ("a redirect", |stream| redirect(stream, 307, "")),
    ];
    for (name, fault) in faults {
        let server = Server::start(move |_: &Asked, stream: &mut TcpStream| fault(stream));
        let begun = Instant::now();
        let (text, _, error) = hear(&model(&server));
        let error = error.unwrap_or_else(|| panic!("{name}: {text:?}"));
        assert!(begun.elapsed() < Duration::from_millis(2500), "{name}: {:?}", begun.elapsed());
        assert!(error.message().contains(&server.address.to_string()), "{name}: {error}");
        assert_eq!(server.count(), 1, "{name}");
    }
}

#[test]
fn what_may_get_better_is_asked_again_and_paid_for_once() {
    for (status, again) in [(400, false), (401, false), (429, true), (500, true), (503, true), (529, true)] {
        let server = Server::failing_once(status, r#"{"error":{"message":"later"}}"#, |_, stream| {
            respond(stream, 200, "application/json", "", ANSWER);
        });
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget { day: Some(2.0), ..Budget::default() };
        let ledger = Arc::new(Ledger::new(folder.path().join("usage"), budget));
        let price = Price { minute: Some(1.5), dated: "2026-11-27".into(), ..Price::default() };
        let priced = RemoteEntry { price: Some(price), ..entry(&server, 1) };
        let it = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(&priced).unwrap();
        let (text, events, error) = hear(&it);
        assert_eq!((text.trim() == "Grüße.", error.is_none()), (again, again), "{status}: {error:?}");
        let spent = ledger.spent_today().unwrap().get("a").copied();
        assert_eq!(spent, again.then(|| Money::dollars(1.5)), "{status}");
        if let Some(TranscriptEvent::Finished { usage, .. }) = events.last() {
            assert_eq!(usage.cost, Some(Money::dollars(1.5)));
            // Another minute would pass the two dollars, and is not sent.
            let before = server.count();
            assert!(matches!(hear(&it).2.unwrap().kind(), ErrorKind::RateLimited { .. }));
            assert_eq!(server.count(), before);
        }
    }
}

const MARKER: &str = "sk-marker-1157e41a-90ab";

#[test]
fn a_key_is_in_one_header_and_nowhere_else() {
    for echo in 0..3 {
        let server = Server::start(move |asked, stream| {
            assert!(asked.head.matches(MARKER).count() == 1 && !asked.body.contains(MARKER));
            match echo {
                0 => respond(stream, 401, "text/plain", "", &format!(r#"{{"error":"bad key {MARKER}"}}"#)),
                1 => respond(stream, 200, "application/json", "", MARKER),
                _ => respond(stream, 500, &format!("text/{MARKER}"), "", &format!("no {MARKER}")),
            }
        });
        let mut entry = entry(&server, 0);
        entry.backends[0].key = Some(Key::new(MARKER, "x").unwrap());
        let it = Remotes::new().unwrap().open(&entry).unwrap();
        let (text, events, error) = hear(&it);
        let seen = format!("{text}{events:?}{error:?}{it:?}{entry:?}{:?}", it.status());
        assert!(error.is_some() && !seen.contains(MARKER), "{echo}: {seen}");
    }
}
