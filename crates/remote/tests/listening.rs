//! Models that listen elsewhere, and servers in their place that break in every way.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Asked, Server, all, begin, entry_of, redirect, respond};
use parasol_core::{Error, ErrorKind, Money, TranscribeRequest, TranscriptEvent};
use parasol_remote::{Budget, Key, Ledger, Price, Recording, RemoteEntry, RemoteModel, Remotes, Sounds};
use parasol_wire::client::Protocol;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PROTOCOLS: [Protocol; 2] = [Protocol::OpenAi, Protocol::ElevenLabs];
const ANSWER: &str = r#"{"text":"Grüße.","duration":60.0,"language":"german"}"#;

/// The same in a protocol.
fn answer(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::ElevenLabs => {
            r#"{"language_code":"deu","text":"Grüße.","words":[{"text":"Grüße.","start":0.5,"end":1.0,"type":"word","logprob":0}]}"#
        }
        _ => ANSWER,
    }
}

fn entry(server: &Server, retries: u32) -> RemoteEntry {
    speaking(Protocol::OpenAi, server, retries)
}

fn speaking(protocol: Protocol, server: &Server, retries: u32) -> RemoteEntry {
    let backend = parasol_remote::BackendEntry { protocol, ..server.entry(1) };
    RemoteEntry {
        capabilities: vec!["transcribe".into()],
        ..entry_of(vec![backend], |limits| {
            (limits.first_token, limits.idle, limits.retries, limits.failures) = (0.7, 0.3, retries, 9);
        })
    }
}

fn model(protocol: Protocol, server: &Server) -> Arc<RemoteModel> {
    Remotes::new().unwrap().open(&speaking(protocol, server, 0)).unwrap()
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
    for (protocol, path) in PROTOCOLS.into_iter().zip(["/v1/audio/transcriptions", "/v1/speech-to-text"]) {
        let server = Server::start(move |asked, stream| {
            assert!(asked.path == path && asked.body.contains("RIFF and so on"), "{}", asked.path);
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n";
            let _ = stream.write_all(head.as_bytes());
            for byte in answer(protocol).as_bytes() {
                let _ = stream.write_all(&[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
            }
            let _ = stream.write_all(b"0\r\n\r\n");
        });
        let (text, events, error) = hear(&model(protocol, &server));
        assert_eq!(text.trim(), "Grüße.", "{error:?}");
        let last = events.last();
        assert!(matches!(last, Some(TranscriptEvent::Finished { usage, .. }) if usage.seconds == 60.0));
    }
}

/// A long sound: each piece says how long it lasts.
fn pieces(seconds: &[f64]) -> Sounds {
    let total = seconds.iter().sum();
    let pieces: Vec<_> =
        seconds.iter().map(|s| Ok(Recording { wav: format!("RIFF {s}").into(), seconds: *s })).collect();
    Sounds { seconds: Some(total), pieces: Box::new(pieces.into_iter()) }
}

fn said(events: &[TranscriptEvent]) -> Vec<(usize, f64, String)> {
    let segment = |event: &TranscriptEvent| match event {
        TranscriptEvent::Segment(it) => Some((it.id, it.start, it.text.clone())),
        _ => None,
    };
    events.iter().filter_map(segment).collect()
}

#[test]
fn the_pieces_of_a_long_sound_are_told_as_one() {
    let server = Server::start(|asked, stream| {
        let text = if asked.body.contains("RIFF 600") { "One." } else { "Two." };
        let body = format!(
            r#"{{"text":"{text}","language":"english","segments":[{{"start":1.5,"end":2.0,"text":" {text}"}}],"words":[{{"word":"x","start":1.5,"end":1.75}}]}}"#
        );
        respond(stream, 200, "application/json", "", &body);
    });
    let folder = tempfile::tempdir().unwrap();
    let ledger =
        Arc::new(Ledger::new(folder.path().join("usage"), Budget { day: Some(30.0), ..Budget::default() }));
    let price = Price { minute: Some(1.0), dated: "2026-11-27".into(), ..Price::default() };
    let priced = RemoteEntry { price: Some(price), ..entry(&server, 0) };
    let it = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(&priced).unwrap();
    let (events, error) = all(it.transcribe(pieces(&[600.0, 300.0]), TranscribeRequest::default()).unwrap());
    assert!(error.is_none(), "{error:?}");
    assert_eq!(said(&events), [(0, 1.5, " One.".to_owned()), (1, 601.5, " Two.".to_owned())]);
    let TranscriptEvent::Segment(last) = &events[events.len() - 2] else { panic!("{events:?}") };
    assert_eq!((last.end, last.words[0].end), (602.0, 601.75));
    let started = |event: &&TranscriptEvent| matches!(event, TranscriptEvent::Started { .. });
    let TranscriptEvent::Started { duration, .. } = &events[0] else { panic!() };
    assert_eq!((*duration, events.iter().filter(started).count()), (Some(900.0), 1));
    let far =
        |event: &TranscriptEvent| matches!(event, TranscriptEvent::Progress { done, .. } if *done == 600.0);
    assert!(events.iter().any(far), "{events:?}");
    let Some(TranscriptEvent::Finished { usage, .. }) = events.last() else { panic!() };
    assert_eq!((usage.seconds, usage.cost), (900.0, Some(Money::dollars(15.0))));
    assert_eq!(ledger.lines_of(1).unwrap().1.len(), 2, "each piece is paid for by itself");
    // All of another would cost more than is left, though its first piece would not: nothing of it is asked for.
    let (events, error) = all(it.transcribe(pieces(&[600.0, 600.0]), TranscribeRequest::default()).unwrap());
    assert!(matches!(error.unwrap().kind(), ErrorKind::RateLimited { .. }) && events.is_empty());
    assert_eq!(server.count(), 2);
}

#[test]
fn what_breaks_in_a_later_piece_is_told_behind_what_was_heard() {
    let server = Server::start(|asked, stream| match asked.body.contains("RIFF 600") {
        true => respond(stream, 200, "application/json", "", ANSWER),
        false => respond(stream, 400, "application/json", "", r#"{"error":{"message":"not that"}}"#),
    });
    let it = model(Protocol::OpenAi, &server);
    let (events, error) = all(it.transcribe(pieces(&[600.0, 300.0]), TranscribeRequest::default()).unwrap());
    assert_eq!(said(&events).len(), 1);
    assert!(error.unwrap().message().contains("not that"));
    let broken = || Err(Error::new(ErrorKind::Corrupt, "the file ends here"));
    let first = Ok(Recording { wav: b"RIFF 600".to_vec(), seconds: 600.0 });
    let sound = Sounds { seconds: None, pieces: Box::new([first, broken()].into_iter()) };
    let (events, error) = all(it.transcribe(sound, TranscribeRequest::default()).unwrap());
    assert!(said(&events).len() == 1 && *error.unwrap().kind() == ErrorKind::Corrupt);
    let none = Sounds { seconds: None, pieces: Box::new(std::iter::empty()) };
    let (_, error) = all(it.transcribe(none, TranscribeRequest::default()).unwrap());
    assert!(error.unwrap().message().contains("not a single sample"));
    let huge = Recording { wav: vec![0; 25_000_001], seconds: 900.0 };
    let (_, error) = all(it.transcribe(huge, TranscribeRequest::default()).unwrap());
    assert!(error.unwrap().message().contains("25000001 bytes"));
    assert_eq!(server.count(), 3);
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
    for protocol in PROTOCOLS {
        for (name, fault) in faults {
            let server = Server::start(move |_: &Asked, stream: &mut TcpStream| fault(stream));
            let begun = Instant::now();
            let (text, _, error) = hear(&model(protocol, &server));
            let error = error.unwrap_or_else(|| panic!("{name}: {text:?}"));
            assert!(begun.elapsed() < Duration::from_millis(2500), "{name}: {:?}", begun.elapsed());
            assert!(error.message().contains(&server.address.to_string()), "{name}: {error}");
            assert_eq!(server.count(), 1, "{name}");
        }
    }
}

#[test]
fn what_may_get_better_is_asked_again_and_paid_for_once() {
    let statuses = [(400, false), (401, false), (429, true), (500, true), (503, true), (529, true)];
    let cases = PROTOCOLS.into_iter().flat_map(|protocol| statuses.map(|status| (protocol, status)));
    for (protocol, (status, again)) in cases {
        let server = Server::failing_once(status, r#"{"error":{"message":"later"}}"#, move |_, stream| {
            respond(stream, 200, "application/json", "", answer(protocol));
        });
        let folder = tempfile::tempdir().unwrap();
        let budget = Budget { day: Some(2.0), ..Budget::default() };
        let ledger = Arc::new(Ledger::new(folder.path().join("usage"), budget));
        let price = Price { minute: Some(1.5), dated: "2026-11-27".into(), ..Price::default() };
        let priced = RemoteEntry { price: Some(price), ..speaking(protocol, &server, 1) };
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
    for (protocol, echo) in PROTOCOLS.into_iter().flat_map(|protocol| [0, 1, 2].map(|echo| (protocol, echo)))
    {
        let server = Server::start(move |asked, stream| {
            assert!(asked.head.matches(MARKER).count() == 1 && !asked.body.contains(MARKER));
            match echo {
                0 => respond(stream, 401, "text/plain", "", &format!(r#"{{"error":"bad key {MARKER}"}}"#)),
                1 => respond(stream, 200, "application/json", "", MARKER),
                _ => respond(stream, 500, &format!("text/{MARKER}"), "", &format!("no {MARKER}")),
            }
        });
        let mut entry = speaking(protocol, &server, 0);
        entry.backends[0].key = Some(Key::new(MARKER, "x").unwrap());
        let it = Remotes::new().unwrap().open(&entry).unwrap();
        let (text, events, error) = hear(&it);
        let seen = format!("{text}{events:?}{error:?}{it:?}{entry:?}{:?}", it.status());
        assert!(error.is_some() && !seen.contains(MARKER), "{echo}: {seen}");
    }
}
