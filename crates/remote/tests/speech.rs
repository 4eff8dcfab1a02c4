//! Models that speak elsewhere, and servers in their place that break in every way.

#![allow(clippy::unwrap_used)]

mod common;

use common::speech::{PROTOCOLS, all, asked, end, entry, head, kind, model, say, send, sound, whole};
use common::{Asked, Server, begin, next, redirect, respond};
use parasol_core::{ErrorKind, Speak, SpeakRequest, SpeechEvent};
use parasol_remote::{Key, Remotes};
use parasol_wire::client::Protocol;
use std::io::Write;
use std::net::TcpStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

#[test]
fn every_protocol_is_asked_where_it_listens_and_heard() {
    for protocol in PROTOCOLS {
        let server = Server::start(move |asked, stream| {
            let (path, header, parts) = match protocol {
                Protocol::OpenAi => (
                    "/v1/audio/speech",
                    "authorization: bearer k-1234",
                    &[
                        "\"model\":\"m\"",
                        "\"voice\":\"ann1\"",
                        "\"response_format\":\"wav\"",
                        "\"input\":\"Hello.\"",
                    ][..],
                ),
                _ => (
                    "/v1/text-to-speech/ann1/stream?output_format=pcm_24000",
                    "xi-api-key: k-1234",
                    &["\"model_id\":\"m\"", "\"text\":\"Hello.\""][..],
                ),
            };
            assert_eq!(asked.path, path);
            assert!(asked.head.to_lowercase().contains(header), "{}", asked.head);
            assert!(parts.iter().all(|part| asked.body.contains(part)), "{}", asked.body);
            whole(stream, protocol, 12_000);
        });
        let mut entry = entry(protocol, &server, |_| {});
        entry.backends[0].key = Some(Key::new("k-1234", "x").unwrap());
        let it = Remotes::new().unwrap().open(&entry).unwrap();
        assert_eq!(it.voices().iter().map(|voice| voice.name.as_str()).collect::<Vec<_>>(), ["Ann", "Bob"]);
        let (samples, events, error) = say(&it, "Hello.");
        assert!(error.is_none() && samples == [0.5; 12_000], "{protocol:?}: {error:?} {}", samples.len());
        let [SpeechEvent::Started { voice, rate, total, .. }, SpeechEvent::Finished { usage, timings }] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((voice.as_str(), *rate, *total, usage.characters), ("Ann", 24_000, 6, 6));
        assert_eq!((usage.audio, usage.cost), (Duration::from_millis(500), None));
        assert!(timings.first_audio <= timings.total);
        let quiet = all(it.speak(SpeakRequest { volume: 0.5, ..asked("Hello.") }).unwrap()).0;
        assert_eq!(quiet, [0.25; 12_000]);
        let loud = all(it.speak(SpeakRequest { volume: 4.0, ..asked("Hello.") }).unwrap()).0;
        assert_eq!(loud, [1.0; 12_000], "what would leave ±1 is limited");
    }
}

#[test]
fn voices_are_meant_by_name_by_id_or_as_the_provider_may_know_them() {
    let server = Server::start(|asked, stream| {
        assert!(
            asked.body.contains(r#""voice":"bob2""#) || asked.body.contains(r#""voice":"mine9""#),
            "{}",
            asked.body
        );
        whole(stream, Protocol::OpenAi, 10);
    });
    let it = model(Protocol::OpenAi, &server);
    for (wanted, told) in [("bob", "Bob"), ("bob2", "Bob"), ("mine9", "mine9")] {
        let (_, events, error) =
            all(it.speak(SpeakRequest { voice: Some(wanted.into()), ..asked("Hi.") }).unwrap());
        assert!(
            matches!(&events[0], SpeechEvent::Started { voice, .. } if voice == told),
            "{events:?} {error:?}"
        );
    }
    // What is wrong is said before anybody is asked.
    for (request, part) in [
        (asked(" "), "no text"),
        (asked("<speak>Hi</speak>"), "SSML"),
        (SpeakRequest { speed: 9.0, ..asked("Hi.") }, "speed"),
    ] {
        assert!(it.speak(request).unwrap_err().message().contains(part), "{part}");
    }
    let (_, _, error) = all(it.speak(SpeakRequest { seed: Some(7), ..asked("Hi.") }).unwrap());
    assert!(error.unwrap().message().contains("seed"));
    assert_eq!(server.count(), 3);
    let chats = common::open(vec![server.entry(1)], |_| {});
    assert_eq!(*chats.speak(asked("Hi.")).unwrap_err().kind(), ErrorKind::Unsupported);
}

#[test]
fn sound_is_passed_on_before_the_rest_is_made() {
    for protocol in PROTOCOLS {
        let (go, wait) = channel::<()>();
        let wait = std::sync::Mutex::new(wait);
        let server = Server::start(move |_, stream| {
            head(stream, kind(protocol));
            let bytes = sound(protocol, 100, 24_000);
            // An odd number of bytes: a sample is cut in two.
            let (one, two) = bytes.split_at(bytes.len() - 51);
            send(stream, one);
            wait.lock().unwrap().recv_timeout(Duration::from_secs(10)).unwrap();
            send(stream, two);
            end(stream);
        });
        let it =
            Remotes::new().unwrap().open(&entry(protocol, &server, |limits| limits.idle = 20.0)).unwrap();
        let mut stream = it.speak(asked("Hello there.")).unwrap();
        assert!(matches!(next(&mut stream), Some(Ok(SpeechEvent::Started { .. }))));
        let Some(Ok(SpeechEvent::Audio { samples, .. })) = next(&mut stream) else { panic!("{protocol:?}") };
        assert_eq!(samples.len(), 74);
        go.send(()).unwrap();
        let (samples, _, error) = all(stream);
        assert!(samples.len() == 26 && error.is_none(), "{error:?}");
    }
}

#[test]
fn whatever_breaks_is_an_error_within_a_moment() {
    type Fault = fn(Protocol, &mut TcpStream);
    let faults: [(&str, Fault); 18] = [
        ("nothing at all", |_, _| {}),
        ("silence", |_, _| std::thread::sleep(Duration::from_secs(3))),
        ("a head without a body", |protocol, stream| head(stream, kind(protocol))),
        ("an empty body", |protocol, stream| {
            head(stream, kind(protocol));
            end(stream);
        }),
        ("a head of a sound and no sample", |protocol, stream| {
            head(stream, kind(protocol));
            let bytes = sound(protocol, 0, 24_000);
            if !bytes.is_empty() {
                send(stream, &bytes);
            }
            end(stream);
        }),
        ("cut in the middle", |protocol, stream| {
            head(stream, kind(protocol));
            send(stream, &sound(protocol, 100, 24_000));
        }),
        ("half a sample at the end", |protocol, stream| {
            head(stream, kind(protocol));
            let bytes = sound(protocol, 100, 24_000);
            send(stream, &bytes[..bytes.len() - 1]);
            end(stream);
        }),
        ("a chunk that lies about its length", |protocol, stream| {
            head(stream, kind(protocol));
            let _ = stream.write_all(b"ffff\r\nRIFF\r\n");
        }),
        ("stalling in the middle", |protocol, stream| {
            head(stream, kind(protocol));
            send(stream, &sound(protocol, 100, 24_000));
            std::thread::sleep(Duration::from_secs(3));
        }),
        ("stalling after the head", |protocol, stream| {
            head(stream, kind(protocol));
            std::thread::sleep(Duration::from_secs(3));
        }),
        ("the same sound again and again", |protocol, stream| {
            head(stream, kind(protocol));
            send(stream, &sound(protocol, 48_000, 24_000));
            let more = sound(Protocol::ElevenLabs, 480_000, 24_000);
            while send(stream, &more) {}
        }),
        ("a web page", |_, stream| respond(stream, 200, "text/html", "", "<html></html>")),
        ("JSON", |_, stream| respond(stream, 200, "application/json; charset=utf-8", "", "{}")),
        ("an MP3", |_, stream| respond(stream, 200, "audio/mpeg", "", "ID3\u{4}")),
        ("events", |_, stream| {
            begin(stream);
            common::send(stream, "data: {\"type\":\"speech.audio.delta\"}\n\n");
        }),
        ("a redirect", |_, stream| redirect(stream, 307, "")),
        ("a refusal in the middle of a head", |_, stream| {
            let _ = stream.write_all(b"HTTP/1.1 500 X\r\ncontent-le");
        }),
        ("a refusal that is no JSON", |_, stream| {
            let text = format!("\u{0}{}", "x".repeat(1 << 20));
            respond(stream, 500, "text/plain", "", &text)
        }),
    ];
    for protocol in PROTOCOLS {
        for (name, fault) in faults {
            let server = Server::start(move |_: &Asked, stream: &mut TcpStream| fault(protocol, stream));
            let begun = Instant::now();
            let (samples, events, error) = say(&model(protocol, &server), "Hello there.");
            let error = error.unwrap_or_else(|| panic!("{protocol:?}, {name}: {} {events:?}", samples.len()));
            assert!(
                begun.elapsed() < Duration::from_millis(2500),
                "{protocol:?}, {name}: {:?}",
                begun.elapsed()
            );
            assert!(error.message().contains(&server.address.to_string()), "{protocol:?}, {name}: {error}");
            assert!(error.message().len() < 4_000, "{protocol:?}, {name}");
            assert_eq!(server.count(), 1, "{protocol:?}, {name}");
        }
    }
    // What no WAV file could be; plain samples cannot be told from others.
    for bytes in [&b"\xff\xfb\x90d an mp3 all the same"[..], b"RIFF\0\0\0\0AVI ", b"\xff\xc3\x28"] {
        let server = Server::start(move |_, stream| {
            head(stream, "audio/wav");
            send(stream, bytes);
            end(stream);
        });
        let error = say(&model(Protocol::OpenAi, &server), "Hello.").2.unwrap();
        assert_eq!(*error.kind(), ErrorKind::Network, "{error}");
    }
    let server = Server::start(|_, stream| {
        head(stream, "audio/wav");
        send(stream, b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xff");
        let megabyte = vec![b'x'; 1 << 20];
        while send(stream, &megabyte) {}
    });
    let error = say(&model(Protocol::OpenAi, &server), "Hello.").2.unwrap();
    assert!(error.message().contains("megabyte"), "{error}");
}

#[test]
fn refusals_are_told_in_the_providers_words_and_asked_again_where_that_may_help() {
    for protocol in PROTOCOLS {
        let body = match protocol {
            Protocol::OpenAi => r#"{"error":{"message":"so it is","type":"x"}}"#,
            _ => r#"{"detail":{"status":"x","message":"so it is"}}"#,
        };
        for (status, kind, again) in [
            (400, ErrorKind::InvalidRequest, false),
            (401, ErrorKind::Network, false),
            (404, ErrorKind::Network, false),
            (422, ErrorKind::InvalidRequest, false),
            (429, ErrorKind::RateLimited { retry_after: 1 }, true),
            (500, ErrorKind::Network, true),
            (503, ErrorKind::Overloaded, true),
            (529, ErrorKind::Overloaded, true),
        ] {
            let server = Server::failing_once(status, body, move |_, stream| whole(stream, protocol, 10));
            let error = say(&model(protocol, &server), "Hi.").2.unwrap();
            assert_eq!(*error.kind(), kind, "{protocol:?}, {status}: {error}");
            assert!(error.message().contains("so it is"), "{protocol:?}, {status}: {error}");
            let server = Server::failing_once(status, body, move |_, stream| whole(stream, protocol, 10));
            let patient = entry(protocol, &server, |limits| {
                (limits.retries, limits.failures) = (1, 9);
            });
            let (samples, _, error) = say(&Remotes::new().unwrap().open(&patient).unwrap(), "Hi.");
            assert_eq!(
                (samples.len(), error.is_none()),
                (if again { 10 } else { 0 }, again),
                "{protocol:?}, {status}"
            );
        }
    }
}
