//! Servers that break in every way, in every protocol: an error in time and in words, never a panic, a wrong answer or a
//! hang; and a marked key that must not be seen anywhere.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Asked, Server, ask, begin, entry_of, open, redirect, respond, send};
use parasol_core::{Chat, ChatRequest, ErrorKind, Message, Role};
use parasol_remote::{BackendEntry, Key, KeySources, RemoteModel, Remotes};
use parasol_wire::client::{Manner, Protocol};
use serde_json::{Value, json};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

const PROTOCOLS: [Protocol; 5] =
    [Protocol::OpenAi, Protocol::Responses, Protocol::Anthropic, Protocol::Gemini, Protocol::Cohere];

/// A whole answer of `word` in a protocol, as its events.
fn script(protocol: Protocol, word: &str) -> Vec<String> {
    let plain = |values: Vec<Value>| -> Vec<String> {
        values.into_iter().map(|v| format!("data: {v}\n\n")).collect()
    };
    match protocol {
        Protocol::OpenAi => plain(vec![
            json!({ "model": "far", "choices": [{ "index": 0, "delta": { "content": word } }] }),
            json!({ "model": "far", "choices": [{ "index": 0, "delta": {}, "finish_reason": "stop" }] }),
            json!({ "choices": [], "usage": { "prompt_tokens": 5, "completion_tokens": 2 } }),
        ])
        .into_iter()
        .chain(["data: [DONE]\n\n".to_owned()])
        .collect(),
        Protocol::Responses => plain(vec![
            json!({ "type": "response.created", "response": { "model": "far" } }),
            json!({ "type": "response.output_text.delta", "delta": word }),
            json!({ "type": "response.completed", "response": { "usage": { "input_tokens": 5, "output_tokens": 2 } } }),
        ]),
        Protocol::Anthropic => plain(vec![
            json!({ "type": "message_start", "message": { "model": "far", "usage": { "input_tokens": 5 } } }),
            json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } }),
            json!({ "type": "content_block_delta", "index": 0, "delta": { "type": "text_delta", "text": word } }),
            json!({ "type": "content_block_stop", "index": 0 }),
            json!({ "type": "message_delta", "delta": { "stop_reason": "end_turn" }, "usage": { "output_tokens": 2 } }),
            json!({ "type": "message_stop" }),
        ]),
        Protocol::Gemini => plain(vec![
            json!({ "modelVersion": "far", "candidates": [{ "content": { "parts": [{ "text": word }] } }] }),
            json!({ "candidates": [{ "finishReason": "STOP" }],
                "usageMetadata": { "promptTokenCount": 5, "candidatesTokenCount": 2 } }),
        ]),
        Protocol::Cohere => plain(vec![
            json!({ "type": "message-start", "id": "x", "delta": { "message": { "role": "assistant" } } }),
            json!({ "type": "content-delta", "index": 0, "delta": { "message": { "content": { "text": word } } } }),
            json!({ "type": "message-end", "delta": { "finish_reason": "COMPLETE",
                "usage": { "billed_units": { "input_tokens": 5.0, "output_tokens": 2.0 } } } }),
        ]),
        Protocol::ElevenLabs | Protocol::Runway | Protocol::Stability | Protocol::Bfl => {
            unreachable!("it has no chats")
        }
    }
}

fn speaking(protocol: Protocol, server: &Server) -> BackendEntry {
    let base = match protocol {
        Protocol::Gemini => "v1beta",
        Protocol::Cohere => "v2",
        _ => "v1",
    };
    BackendEntry { url: format!("http://{}/{base}", server.address), protocol, ..server.entry(1) }
}

fn model(protocol: Protocol, server: &Server) -> Arc<RemoteModel> {
    open(vec![speaking(protocol, server)], |limits| {
        limits.first_token = 1.0;
        limits.idle = 0.3;
    })
}

#[test]
fn every_protocol_is_asked_where_it_listens_and_understood() {
    for protocol in PROTOCOLS {
        let server = Server::start(move |asked, stream| {
            let path = match protocol {
                Protocol::OpenAi => "/v1/chat/completions",
                Protocol::Responses => "/v1/responses",
                Protocol::Anthropic => "/v1/messages",
                Protocol::Gemini => "/v1beta/models/m:streamGenerateContent?alt=sse",
                Protocol::Cohere => "/v2/chat",
                Protocol::ElevenLabs | Protocol::Runway | Protocol::Stability | Protocol::Bfl => {
                    unreachable!("it has no chats")
                }
            };
            assert_eq!(asked.path, path);
            begin(stream);
            script(protocol, "héllo").iter().for_each(|event| {
                send(stream, event);
            });
            let _ = std::io::Write::write_all(stream, b"0\r\n\r\n");
        });
        let (text, events, error) = ask(&model(protocol, &server));
        assert_eq!((text.as_str(), error.is_none()), ("héllo", true), "{protocol:?}: {error:?}");
        let parasol_core::GenerationEvent::Finished { usage, .. } = events.last().unwrap() else { panic!() };
        assert_eq!((usage.prompt_tokens, usage.generated_tokens), (5, 2), "{protocol:?}");
    }
}

#[test]
fn streams_may_come_byte_by_byte_and_with_what_nobody_knows_between() {
    for protocol in PROTOCOLS {
        let server = Server::start(move |_, stream| {
            begin(stream);
            let noise =
                ": a comment\n\nevent: surprise\ndata: {\"type\":\"surprise\"}\n\nid: 7\nretry: 10\n\n";
            let mut text = noise.to_owned();
            script(protocol, "漢字👩‍🚀").iter().for_each(|event| text.push_str(event));
            for byte in text.as_bytes() {
                let _ = std::io::Write::write_all(stream, &[b'1', b'\r', b'\n', *byte, b'\r', b'\n']);
            }
            let _ = std::io::Write::write_all(stream, b"0\r\n\r\n");
        });
        let (text, _, error) = ask(&model(protocol, &server));
        assert_eq!(text, "漢字👩‍🚀", "{protocol:?}: {error:?}");
    }
}

#[test]
fn whatever_breaks_is_an_error_within_a_moment() {
    type Fault = fn(Protocol, &mut TcpStream);
    let faults: [(&str, Fault); 14] = [
        ("nothing at all", |_, _| {}),
        ("a head without a body", |_, stream| begin(stream)),
        ("cut in the middle of an event", |protocol, stream| {
            begin(stream);
            let event = &script(protocol, "half")[0];
            send(stream, &event[..event.len() / 2]);
        }),
        ("cut after the first events", |protocol, stream| {
            begin(stream);
            let events = script(protocol, "half");
            events[..events.len() / 2].iter().for_each(|event| {
                send(stream, event);
            });
        }),
        ("a chunk that lies about its length", |_, stream| {
            begin(stream);
            let _ = std::io::Write::write_all(stream, b"ffff\r\ndata: {}\r\n");
        }),
        ("stalling in the middle", |protocol, stream| {
            begin(stream);
            let events = script(protocol, "half");
            events[..events.len() / 2].iter().for_each(|event| {
                send(stream, event);
            });
            std::thread::sleep(Duration::from_secs(3));
        }),
        ("silence", |_, _| std::thread::sleep(Duration::from_secs(3))),
        ("broken UTF-8", |_, stream| {
            begin(stream);
            let _ = std::io::Write::write_all(stream, b"c\r\ndata: \xff\xc3\x28\n\n\n\r\n");
        }),
        ("no JSON", |_, stream| {
            begin(stream);
            send(stream, "data: <html>busy</html>\n\n");
        }),
        ("a line without end", |_, stream| {
            begin(stream);
            let megabyte = "x".repeat(1 << 20);
            send(stream, "data: ");
            for _ in 0..20 {
                if !send(stream, &megabyte) {
                    return;
                }
            }
        }),
        ("a web page", |_, stream| respond(stream, 200, "text/html", "", "<html></html>")),
        ("JSON where a stream was due", |_, stream| respond(stream, 200, "application/json", "", "{}")),
        ("a redirect", |_, stream| redirect(stream, 307, "")),
        ("an error in the stream", |protocol, stream| {
            begin(stream);
            let error = match protocol {
                Protocol::Anthropic => {
                    json!({ "type": "error", "error": { "type": "overloaded_error", "message": "busy" } })
                }
                Protocol::Responses => json!({ "type": "error", "code": "overloaded", "message": "busy" }),
                _ => json!({ "error": { "code": 503, "status": "UNAVAILABLE", "message": "busy" } }),
            };
            send(stream, &format!("event: error\ndata: {error}\n\n"));
            std::thread::sleep(Duration::from_millis(200));
        }),
    ];
    for protocol in PROTOCOLS {
        for (name, fault) in faults {
            let server = Server::start(move |_: &Asked, stream: &mut TcpStream| fault(protocol, stream));
            let begun = Instant::now();
            let (text, _, error) = ask(&model(protocol, &server));
            let error = error.unwrap_or_else(|| panic!("{protocol:?}, {name}: an answer came: {text:?}"));
            assert!(
                begun.elapsed() < Duration::from_millis(2500),
                "{protocol:?}, {name}: {:?}",
                begun.elapsed()
            );
            assert!(error.message().contains(&server.address.to_string()), "{protocol:?}, {name}: {error}");
            // What comes damaged from there is no fault of ours, which would be told with another status.
            assert_ne!(*error.kind(), ErrorKind::Corrupt, "{protocol:?}, {name}: {error}");
            assert_eq!(server.count(), 1, "{protocol:?}, {name}");
        }
    }
}

#[test]
fn refusals_are_told_in_the_providers_words_and_as_what_they_are() {
    let bodies = |protocol, message: &str| match protocol {
        Protocol::Anthropic => json!({ "type": "error", "error": { "type": "x", "message": message } }),
        Protocol::Gemini => json!({ "error": { "code": 1, "message": message, "status": "X" } }),
        Protocol::Cohere => json!({ "id": "x", "message": message }),
        _ => json!({ "error": { "message": message, "type": "x" } }),
    };
    for protocol in PROTOCOLS {
        for (status, kind) in [
            (400, ErrorKind::InvalidRequest),
            (401, ErrorKind::Network),
            (404, ErrorKind::Network),
            (429, ErrorKind::RateLimited { retry_after: 1 }),
            (500, ErrorKind::Network),
            (503, ErrorKind::Overloaded),
            (529, ErrorKind::Overloaded),
        ] {
            let body = bodies(protocol, "so it is").to_string();
            let server =
                Server::start(move |_, stream| respond(stream, status, "application/json", "", &body));
            let error = ask(&model(protocol, &server)).2.unwrap();
            assert_eq!(*error.kind(), kind, "{protocol:?}, {status}: {error}");
            assert!(error.message().contains("so it is"), "{protocol:?}, {status}: {error}");
        }
        let body = bodies(protocol, "slowly").to_string();
        let server = Server::start(move |_, stream| {
            respond(stream, 429, "application/json", "retry-after: 7\r\n", &body);
        });
        let error = ask(&model(protocol, &server)).2.unwrap();
        assert_eq!(*error.kind(), ErrorKind::RateLimited { retry_after: 7 }, "{protocol:?}: {error}");
    }
}

#[test]
fn tokens_are_counted_where_the_protocol_can() {
    let counted = || json!({ "object": "response.input_tokens", "input_tokens": 42 });
    for (protocol, path, body) in [
        (Protocol::OpenAi, "/v1/responses/input_tokens", counted()),
        (Protocol::Responses, "/v1/responses/input_tokens", counted()),
        (Protocol::Anthropic, "/v1/messages/count_tokens", json!({ "input_tokens": 42 })),
        (Protocol::Gemini, "/v1beta/models/m:countTokens", json!({ "totalTokens": 42 })),
    ] {
        let server = Server::start(move |asked, stream| {
            assert_eq!(asked.path, path);
            // What the endpoint does not know it refuses.
            let asked: Value = serde_json::from_str(&asked.body).unwrap();
            let unknown = ["stream", "store", "include", "max_output_tokens"];
            assert!(unknown.iter().all(|field| asked.get(field).is_none()), "{asked}");
            respond(stream, 200, "application/json", "", &body.to_string());
        });
        let manner = Some(Manner { counts: true, ..Manner::standard() });
        let it = open(vec![BackendEntry { manner, ..speaking(protocol, &server) }], |_| {});
        let messages = vec![Message::new(Role::User, "hello")];
        let sampling = it.recommended().sampling();
        // Some protocols have no field for this, and it makes no prompt longer.
        let stop = vec!["x".to_owned()];
        let request = ChatRequest { messages, sampling, stop, ..ChatRequest::default() };
        let counted = Chat::count_tokens(&*it, &request).unwrap();
        assert_eq!(counted, 42);
        if protocol == Protocol::OpenAi {
            // Servers that imitate the protocol have no such endpoint: they are not asked.
            let error = Chat::count_tokens(&*model(protocol, &server), &request).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Unsupported);
            assert_eq!(server.count(), 1);
        }
    }
}

/// Looks like a key, and nothing else does.
const MARKER: &str = "sk-marker-c0ffee-5b1f9e";

#[test]
fn a_key_is_in_one_header_and_nowhere_else() {
    for protocol in PROTOCOLS {
        let folder = tempfile::tempdir().unwrap();
        let keys = KeySources::at(folder.path());
        keys.store("p", Some(&Key::new(MARKER, "x").unwrap())).unwrap();
        for echo in 0..4 {
            // A provider that repeats the key in its error, in its stream, in its answer's name, and one that leads astray.
            let server = Server::start(move |asked, stream| {
                let headers = asked.head.matches(MARKER).count();
                assert!(headers == 1 && !asked.body.contains(MARKER) && !asked.path.contains(MARKER));
                match echo {
                    0 => respond(
                        stream,
                        401,
                        "text/plain",
                        "",
                        &format!("{{\"error\":{{\"message\":\"bad key {MARKER}\"}}}}"),
                    ),
                    1 => {
                        begin(stream);
                        send(
                            stream,
                            &format!(
                                "data: {{\"error\":{{\"message\":\"bad key {MARKER}\"}},\"type\":\"error\"}}\n\n"
                            ),
                        );
                    }
                    2 => respond(stream, 200, &format!("text/{MARKER}"), "", ""),
                    _ => redirect(stream, 302, MARKER),
                }
            });
            let key = Some(Key::new(MARKER, "x").unwrap());
            let backend = BackendEntry { key, key_name: Some("P_KEY".into()), ..speaking(protocol, &server) };
            let entry = entry_of(vec![backend], |limits| limits.first_token = 1.0);
            let it = Remotes::new().unwrap().open(&entry).unwrap();
            let (text, events, error) = ask(&it);
            let seen = format!("{text}{events:?}{error:?}{it:?}{entry:?}{:?}{keys:?}", it.status());
            assert!(!seen.contains(MARKER), "{protocol:?}, {echo}: {seen}");
            assert!(!serde_json::to_string(&entry).unwrap().contains(MARKER));
        }
    }
}
