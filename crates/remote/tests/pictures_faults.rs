//! Servers in the place of picture providers that break in every way: an error in time and in words, no picture that is none, nothing
//! fetched from where it must not be, and a marked key that is seen nowhere.

#![allow(clippy::unwrap_used)]

mod common;

use common::pictures::{BASE64, GIF, PROTOCOLS, all, ask, asked, draw, entry, home, manner, model};
use common::{Asked, Server, begin, entry_of, redirect, respond, send};
use parasol_core::{ErrorKind, Imagine, ImagineRequest};
use parasol_remote::{BackendEntry, Key, Ledger, RemoteEntry, RemoteModel, Remotes};
use parasol_wire::client::Protocol;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn tried(protocol: Protocol, server: &Server, retries: u32) -> Arc<RemoteModel> {
    Remotes::new()
        .unwrap()
        .open(&entry(protocol, server, |limits| (limits.retries, limits.first_token) = (retries, 2.0)))
        .unwrap()
}

#[test]
fn what_breaks_before_the_picture_is_said_in_time_and_in_words() {
    type Break = fn(&mut TcpStream);
    let breaks: [(&str, Break); 8] = [
        ("connection broke", |_| {}),
        ("within", |stream| {
            begin(stream);
            std::thread::sleep(Duration::from_secs(4));
        }),
        ("connection broke", |stream| {
            let _ = write!(
                stream,
                "HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: 1000\r\n\r\nGIF89a"
            );
        }),
        ("", |stream| respond(stream, 200, "text/html", "", "<html>Welcome</html>")),
        ("", |stream| {
            respond(stream, 200, "application/json", "", "{\"data\":[{\"b64_json\":\"PGh0bWw+\"}]")
        }),
        ("status 302", |stream| redirect(stream, 302, "elsewhere")),
        ("500", |stream| respond(stream, 500, "text/plain", "", "")),
        ("no such model", |stream| {
            respond(
                stream,
                404,
                "application/json",
                "",
                r#"{"error":{"message":"no such model"},"detail":"no such model","name":"no such model"}"#,
            )
        }),
    ];
    for protocol in PROTOCOLS {
        for (part, breaks) in breaks {
            let server = Server::start(move |_, stream| breaks(stream));
            let begun = Instant::now();
            let (images, events, error) = ask(&tried(protocol, &server, 0));
            let error = error.unwrap();
            assert!(images.is_empty() && events.is_empty() && begun.elapsed() < Duration::from_secs(8));
            assert!(
                error.message().contains(part) && error.message().contains("far at http://127.0.0.1"),
                "{protocol:?}, {part}: {error}"
            );
        }
    }
}

#[test]
fn who_is_busy_is_asked_again_and_no_sooner_than_he_says() {
    for protocol in PROTOCOLS {
        for (status, headers, least) in [(429, "retry-after: 1\r\n", 1.0), (500, "", 0.2), (503, "", 0.2)] {
            let times = AtomicUsize::new(0);
            let server = Server::start(move |asked, stream| match times.fetch_add(1, Ordering::SeqCst) {
                0 => respond(stream, status, "application/json", headers, "{}"),
                _ => draw(protocol, asked, stream),
            });
            let begun = Instant::now();
            let (images, _, error) = ask(&tried(protocol, &server, 1));
            assert!(images.len() == 1, "{protocol:?} {status}: {error:?}");
            assert!(begun.elapsed().as_secs_f64() >= least, "{protocol:?} {status}: {:?}", begun.elapsed());
        }
    }
}

#[test]
fn filters_are_told_as_such_and_asked_once() {
    for (protocol, status, kind, headers, body) in [
        (
            Protocol::OpenAi,
            400,
            "application/json",
            "",
            r#"{"error":{"code":"moderation_blocked","message":"safety system"}}"#,
        ),
        (
            Protocol::Gemini,
            200,
            "application/json",
            "",
            r#"{"candidates":[{"finishReason":"IMAGE_SAFETY"}]}"#,
        ),
        (Protocol::Stability, 200, "image/gif", "finish-reason: CONTENT_FILTERED\r\n", GIF),
        (
            Protocol::Stability,
            403,
            "application/json",
            "",
            r#"{"name":"content_moderation","errors":["flagged"]}"#,
        ),
    ] {
        let server = Server::start(move |_, stream| respond(stream, status, kind, headers, body));
        let it = tried(protocol, &server, 2);
        let (images, _, error) = ask(&it);
        let error = error.unwrap();
        assert!(images.is_empty() && *error.kind() == ErrorKind::InvalidRequest, "{protocol:?}: {error}");
        assert_eq!(
            (server.count(), it.status()[0].failures),
            (1, 0),
            "{protocol:?}: it is no fault of the address"
        );
    }
}

/// A provider of jobs whose state, and whose picture's address, a test writes.
fn jobs(state: impl Fn(&Asked, usize) -> (u16, String) + Send + Sync + 'static) -> Server {
    let polls = AtomicUsize::new(0);
    Server::start(move |asked, stream| match asked.path.as_str() {
        "/v1/get_result?id=1" => {
            let (status, body) = state(asked, polls.fetch_add(1, Ordering::SeqCst));
            respond(stream, status, "application/json", "", &body);
        }
        "/v1/m" => {
            let url = home(asked, "/v1/get_result?id=1");
            respond(stream, 200, "application/json", "", &format!(r#"{{"id":"1","polling_url":"{url}"}}"#));
        }
        "/loop.gif" => {
            respond(stream, 302, "text/plain", &format!("location: {}\r\n", home(asked, "/loop.gif")), "")
        }
        "/page.gif" => respond(stream, 200, "image/gif", "", "<html>"),
        "/gone.gif" => respond(stream, 403, "text/plain", "", "expired"),
        "/huge.gif" => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nGIF89a");
        }
        "/endless.gif" => {
            begin(stream);
            let piece = "G".repeat(1 << 20);
            while send(stream, &piece) {}
        }
        "/late.gif" => {
            begin(stream);
            std::thread::sleep(Duration::from_secs(5));
        }
        _ => draw(Protocol::Bfl, asked, stream),
    })
}

fn ready(sample: &str) -> (u16, String) {
    (200, format!(r#"{{"status":"Ready","result":{{"sample":"{sample}"}}}}"#))
}

#[test]
fn a_job_is_followed_through_what_goes_wrong_on_the_way_and_begun_once() {
    let server = jobs(|asked, times| match times {
        0 => (404, r#"{"detail":"Task not found"}"#.into()),
        1 => (500, String::new()),
        2 => (200, r#"{"status":"Pending"}"#.into()),
        _ => ready(&home(asked, "/sample.gif")),
    });
    let entry = entry(Protocol::Bfl, &server, |limits| (limits.retries, limits.first_token) = (2, 20.0));
    let (images, _, error) = ask(&Remotes::new().unwrap().open(&entry).unwrap());
    assert!(images.len() == 1, "{error:?}");
    assert_eq!(server.count(), 6, "begun once, asked for four times, fetched once");
    for (body, kind, part) in [
        (r#"{"status":"Content Moderated"}"#, ErrorKind::InvalidRequest, "Content Moderated"),
        (r#"{"status":"Request Moderated"}"#, ErrorKind::InvalidRequest, "Request Moderated"),
        (r#"{"status":"Error"}"#, ErrorKind::Network, "\"Error\""),
        ("<html>", ErrorKind::Network, "no JSON"),
        (r#"{"status":"Pending"}"#, ErrorKind::Timeout, "was not done within"),
    ] {
        let server = jobs(move |_, _| (200, body.into()));
        let (_, _, error) = ask(&tried(Protocol::Bfl, &server, 2));
        let error = error.unwrap();
        assert!(*error.kind() == kind && error.message().contains(part), "{error}");
        assert!(body.contains("Pending") || server.count() == 2, "{body}: {}", server.count());
    }
}

#[test]
fn nothing_is_fetched_from_where_a_provider_has_no_business() {
    let other = Server::start(|_, stream| respond(stream, 200, "image/gif", "", GIF));
    let port = other.address.port();
    for (sample, part) in [
        (format!("http://127.0.0.1:{port}/x.gif"), "not with https"),
        (format!("https://127.0.0.1:{port}/x.gif"), "no address of the public network"),
        (format!("https://localhost:{port}/x.gif"), "leads to this machine"),
        (format!("https://[::ffff:127.0.0.1]:{port}/x.gif"), "no address of the public network"),
        ("https://169.254.169.254/latest/meta-data".into(), "no address of the public network"),
        ("file:///etc/passwd".into(), "not with https"),
        ("https://u:p@example.com/x.gif".into(), "a user or a password"),
        ("/sample.gif".into(), "address that is none"),
    ] {
        let answer = sample.clone();
        let server = jobs(move |_, _| ready(&answer));
        let (_, _, error) = ask(&model(Protocol::Bfl, &server));
        let error = error.unwrap();
        assert!(error.message().contains(part), "{sample}: {error}");
        // Servers that answer with addresses are held to the same.
        let server = Server::start(move |_, stream| {
            respond(stream, 200, "application/json", "", &format!(r#"{{"data":[{{"url":"{sample}"}}]}}"#));
        });
        assert!(ask(&model(Protocol::OpenAi, &server)).2.unwrap().message().contains(part));
    }
    // The key goes nowhere else either.
    let server = Server::start(move |_, stream| {
        let body = format!(r#"{{"id":"1","polling_url":"http://localhost:{port}/v1/get_result?id=1"}}"#);
        respond(stream, 200, "application/json", "", &body);
    });
    let error = ask(&tried(Protocol::Bfl, &server, 0)).2.unwrap();
    assert!(error.message().contains("where the key is not taken"), "{error}");
    assert_eq!(other.count(), 0);
}

#[test]
fn what_lies_at_the_address_is_fetched_within_bounds() {
    for (path, part) in [
        ("/loop.gif", "leads elsewhere (status 302)"),
        ("/page.gif", "is no picture"),
        ("/gone.gif", "status 403 for its picture"),
        ("/huge.gif", "larger than"),
        ("/endless.gif", "larger than"),
        ("/late.gif", "did not arrive in time"),
    ] {
        let server = jobs(move |asked, _| ready(&home(asked, path)));
        let entry = entry(Protocol::Bfl, &server, |limits| {
            limits.first_token = if path == "/late.gif" { 2.0 } else { 30.0 };
        });
        let (images, _, error) = ask(&Remotes::new().unwrap().open(&entry).unwrap());
        let error = error.unwrap();
        assert!(images.is_empty() && error.message().contains(part), "{path}: {error}");
        assert_eq!(server.count(), 3, "{path}: begun, asked for and fetched once");
    }
    // A server of one's own may keep its pictures at home.
    let server = Server::start(|asked, stream| match asked.path.as_str() {
        "/sample.gif" => respond(stream, 200, "image/gif", "", GIF),
        _ => respond(
            stream,
            200,
            "application/json",
            "",
            &format!(r#"{{"data":[{{"url":"{}"}}]}}"#, home(asked, "/sample.gif")),
        ),
    });
    assert_eq!(ask(&model(Protocol::OpenAi, &server)).0.len(), 1);
}

#[test]
fn streams_that_break_after_a_preview_do_not_start_over() {
    let event = format!(
        "data: {{\"type\":\"image_generation.partial_image\",\"b64_json\":\"{BASE64}\",\"partial_image_index\":0}}\n\n"
    );
    for (after, part) in [
        ("", "broke"),
        ("data: {\"error\":{\"message\":\"the machine is on fire\"}}\n\n", "on fire"),
        ("data: {\"type\":\"image_generation.completed\",\"b64_json\":\"PGh0bWw+\"}\n\n", "no picture"),
        ("data: \u{0}\n\n", "no JSON"),
    ] {
        let (event, after) = (event.clone(), after.to_owned());
        let server = Server::start(move |_, stream| {
            begin(stream);
            send(stream, &event);
            if !after.is_empty() {
                send(stream, &after);
                let _ = stream.write_all(b"0\r\n\r\n");
            }
        });
        let request = ImagineRequest { previews: 1, ..asked() };
        let (images, events, error) = all(tried(Protocol::OpenAi, &server, 2).imagine(request).unwrap());
        assert!(images.is_empty() && events.len() == 2, "{events:?}");
        assert!(error.as_ref().is_some_and(|error| error.message().contains(part)), "{part}: {error:?}");
        assert_eq!(server.count(), 1, "{part}");
    }
}

#[test]
fn another_address_makes_what_the_first_could_not() {
    let (broken, fine) = (
        Server::start(|_, stream| respond(stream, 500, "text/plain", "", "")),
        Server::start(|asked, stream| draw(Protocol::OpenAi, asked, stream)),
    );
    let of = |server: &Server, weight| BackendEntry {
        manner: Some(manner(Protocol::OpenAi)),
        ..server.entry(weight)
    };
    let entry = RemoteEntry {
        capabilities: vec!["imagine".into()],
        ..entry_of(vec![of(&broken, 1), of(&fine, 0)], |_| {})
    };
    let (images, _, error) = ask(&Remotes::new().unwrap().open(&entry).unwrap());
    assert!(images.len() == 1 && broken.count() == 1, "{error:?}");
}

const MARKER: &str = "sk-marker-d4a3-5eed-1c";

#[test]
fn a_marked_key_is_seen_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    for protocol in PROTOCOLS {
        for status in [200, 302, 400, 401, 403, 404, 429, 500] {
            // A server that repeats whatever it was sent.
            let server = Server::start(move |asked, stream| {
                let echo = format!("{} {}", asked.head.replace(['\r', '\n', '"'], " "), asked.path);
                let body = format!(
                    r#"{{"error":{{"message":"{echo}"}},"detail":"{echo}","errors":["{echo}"],"polling_url":"{echo}","data":[{{"url":"{echo}"}}],"promptFeedback":{{"blockReason":"{echo}"}},"finish_reason":"{echo}"}}"#
                );
                respond(stream, status, "application/json", "", &body);
            });
            let ledger =
                Arc::new(Ledger::new(folder.path().join("usage"), parasol_remote::Budget::default()));
            let mut entry = entry(protocol, &server, |_| {});
            entry.backends[0].key = Some(Key::new(MARKER, "x").unwrap());
            let it = Remotes::new().unwrap().accounted(Arc::clone(&ledger), None).open(&entry).unwrap();
            let (_, events, error) = ask(&it);
            let error = error.unwrap();
            assert!(
                !format!("{error:?} {error} {events:?} {it:?} {:?}", it.status()).contains(MARKER),
                "{protocol:?} {status}: {error}"
            );
        }
    }
    for file in std::fs::read_dir(folder.path().join("usage")).into_iter().flatten().flatten() {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(MARKER.len()).any(|window| window == MARKER.as_bytes()), "{:?}", file.path());
    }
}
