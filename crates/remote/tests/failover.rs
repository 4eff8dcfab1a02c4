//! Remote models against real HTTP on loopback: what is tried elsewhere, what is told, what closes.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Server, answer, ask, begin, chat, end, eventually, model, piece, respond};
use futures_core::Stream;
use parasol_core::{ErrorKind, FinishReason, GenerationEvent};
use parasol_remote::Health;
use std::net::TcpListener;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

#[test]
fn an_answer_comes_through_whole() {
    let server = Server::start(|asked, stream| {
        assert!(asked.path == "/v1/chat/completions" && asked.body.contains(r#""model":"m""#));
        answer("hi")(asked, stream);
    });
    let (text, events, error) = ask(&model(vec![server.entry(1)], |_| {}));
    assert!(error.is_none() && text == "hi", "{error:?}");
    assert!(matches!(&events[0], GenerationEvent::Started { model, .. } if model == "far"), "{events:?}");
    let Some(GenerationEvent::Finished { reason, usage, timings, .. }) = events.last() else { panic!() };
    assert_eq!((*reason, usage.prompt_tokens, usage.generated_tokens), (FinishReason::Stop, 5, 2));
    assert!(timings.first_token > Duration::ZERO);
}

#[test]
fn a_backend_that_fails_before_the_first_token_is_replaced() {
    let bad: Vec<fn(&common::Asked, &mut std::net::TcpStream)> = vec![
        |_, s| respond(s, 500, "text/plain", "", "boom"),
        |_, s| respond(s, 429, "application/json", "retry-after: 7\r\n", r#"{"error":{"message":"slow"}}"#),
        |_, s| respond(s, 200, "text/html", "", "<html>"),
        |_, s| respond(s, 302, "text/html", "location: http://127.0.0.1:1/\r\n", ""),
        |_, s| respond(s, 401, "application/json", "", "{}"),
        |_, s| respond(s, 200, "text/event-stream", "", "data: {garbage\n\n"),
        |_, s| respond(s, 200, "text/event-stream", "", "data: [DONE]\n\n"),
        |_, s| begin(s),
        |_, _| {},
        |_, _| std::thread::sleep(Duration::from_secs(1)),
    ];
    for (number, script) in bad.into_iter().enumerate() {
        let (first, second) = (Server::start(script), Server::start(answer("ok")));
        // The weight makes the bad one the first choice.
        let it = model(vec![first.entry(9), second.entry(0)], |limits| limits.first_token = 0.3);
        let (text, events, error) = ask(&it);
        assert!(error.is_none() && text == "ok", "script {number}: {error:?}");
        assert_eq!(first.count(), 1, "script {number}");
        let started = events.iter().filter(|e| matches!(e, GenerationEvent::Started { .. })).count();
        assert_eq!(started, 1, "script {number}");
    }
}

#[test]
fn killed_in_the_middle_it_is_an_error_and_no_second_answer() {
    let first = Server::start(|_, stream| {
        begin(stream);
        piece(stream, "one ");
        piece(stream, "two");
    });
    let second = Server::start(answer("other"));
    let it = model(vec![first.entry(9), second.entry(0)], |_| {});
    let (text, _, error) = ask(&it);
    let error = error.unwrap();
    assert_eq!((text.as_str(), second.count(), error.kind()), ("one two", 0, &ErrorKind::Network));
    assert!(error.message().contains(&first.address.to_string()), "{error}");
}

#[test]
fn one_that_stops_talking_is_not_waited_for() {
    let server = Server::start(|_, stream| {
        begin(stream);
        piece(stream, "one");
        std::thread::sleep(Duration::from_secs(2));
    });
    let begun = Instant::now();
    let (text, _, error) = ask(&model(vec![server.entry(1)], |limits| limits.idle = 0.2));
    assert_eq!((text.as_str(), error.unwrap().kind()), ("one", &ErrorKind::Timeout));
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn a_wrong_request_is_told_at_once_and_in_the_backends_words() {
    let words = r#"{"error":{"message":"temperature is odd","type":"invalid_request_error"}}"#;
    let first = Server::start(move |_, s| respond(s, 400, "application/json", "", words));
    let second = Server::start(answer("ok"));
    let it = model(vec![first.entry(9), second.entry(0)], |_| {});
    let (_, _, error) = ask(&it);
    let error = error.unwrap();
    assert_eq!((error.kind(), second.count()), (&ErrorKind::InvalidRequest, 0));
    assert!(error.message().contains("temperature is odd"), "{error}");
    assert_eq!(it.status()[0].health, Health::Up);
}

#[test]
fn one_that_asks_to_wait_is_left_alone_as_long() {
    let server = Server::start(|_, s| respond(s, 429, "application/json", "retry-after: 7\r\n", "{}"));
    let it = model(vec![server.entry(1)], |_| {});
    assert_eq!(*ask(&it).2.unwrap().kind(), ErrorKind::RateLimited { retry_after: 7 });
    let ErrorKind::RateLimited { retry_after } = *ask(&it).2.unwrap().kind() else { panic!() };
    assert!((6..=7).contains(&retry_after) && server.count() == 1 && it.status()[0].health == Health::Busy);
}

#[test]
fn one_that_is_down_is_left_alone_and_used_again_when_it_is_back() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let entry = Server::start(answer("never")).entry(1);
    let entry = parasol_remote::BackendEntry { url: format!("http://user:secret@{address}"), ..entry };
    let it = model(vec![entry], |limits| limits.health_interval = 0.05);
    eventually("it is found to be down", || it.status()[0].health != Health::Up);
    let error = ask(&it).2.unwrap();
    assert_eq!(*error.kind(), ErrorKind::Network);
    assert!(error.message().contains(&address.to_string()) && !error.message().contains("secret"), "{error}");
    let _server = Server::on(TcpListener::bind(address).unwrap(), answer("back"));
    eventually("it is found to be back", || it.status()[0].health == Health::Up);
    assert_eq!(ask(&it).0, "back");
    eventually("its context is known", || it.context() == Some(777));
}

#[test]
fn work_is_shared_by_weight() {
    let (first, second) = (Server::start(answer("a")), Server::start(answer("b")));
    let it = model(vec![first.entry(3), second.entry(1)], |_| {});
    for _ in 0..20 {
        assert!(ask(&it).2.is_none());
    }
    assert_eq!((first.count(), second.count()), (15, 5));
}

#[test]
fn dropping_the_stream_closes_the_connection() {
    let closed = Arc::new(AtomicBool::new(false));
    let seen = closed.clone();
    let server = Server::start(move |_, stream| {
        begin(stream);
        while piece(stream, "x") {
            std::thread::sleep(Duration::from_millis(5));
        }
        seen.store(true, Ordering::SeqCst);
        end(stream);
    });
    let it = model(vec![server.entry(1)], |_| {});
    let mut stream = chat(&it);
    pollster::block_on(std::future::poll_fn(|cx| Pin::new(&mut stream).poll_next(cx))).unwrap().unwrap();
    assert_eq!(it.status()[0].outstanding, 1);
    drop(stream);
    eventually("the backend sees that nobody reads", || closed.load(Ordering::SeqCst));
    eventually("the books are balanced", || it.status()[0].outstanding == 0);
}
