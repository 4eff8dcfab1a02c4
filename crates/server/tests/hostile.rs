//! Clients that mean harm, or know no better: the server stays within its bounds and serves the others.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, TOKEN, read};
use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn stop(server: &Running, body: &str) -> common::Answer {
    server.send("POST", "/api/parasol/stop", &[&format!("x-parasol-token: {TOKEN}")], body)
}

#[test]
fn bodies_that_are_no_requests_are_refused_with_their_fault() {
    let server = Running::start(|_| {});
    let deep = format!("{{\"model\":{}", "[".repeat(100_000));
    for (body, says) in [
        ("", "empty"),
        ("{", "no valid JSON"),
        ("[]", "wrong shape"),
        ("{\"model\":3}", "wrong shape"),
        ("{\"model\":\"x\",\"more\":1}", "unknown field `more`"),
        ("{\"model\":99999999999999999999999999}", "wrong shape"),
        (deep.as_str(), "wrong shape"),
    ] {
        let answer = stop(&server, body);
        assert!(answer.status == 400 && answer.body.contains(says), "{says}: {answer:?}");
    }
    let head = format!(
        "POST /api/parasol/stop HTTP/1.1\r\nhost: localhost\r\nx-parasol-token: {TOKEN}\r\nconnection: close\r\ncontent-length: 2\r\n\r\n"
    );
    let answer = server.raw(&[head.as_bytes(), b"\xff\xfe"].concat());
    assert!(answer.status == 400 && answer.body.contains("UTF-8"), "{answer:?}");
    assert!(stop(&server, "{\"model\":\"../../etc/passwd\"}").status >= 400);
}

#[test]
fn a_hundred_megabytes_are_refused_unread() {
    let server = Running::start(|_| {});
    let head = format!(
        "POST /api/parasol/stop HTTP/1.1\r\nhost: localhost\r\nx-parasol-token: {TOKEN}\r\nconnection: close\r\n"
    );
    let begun = Instant::now();
    let answer = server.raw(format!("{head}content-length: 104857600\r\n\r\n{{").as_bytes());
    assert!(answer.status == 413 && answer.body.contains("--max-body"), "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
    // Without a length, the bytes are counted as they come.
    let mut stream = server.connect();
    write!(stream, "{head}transfer-encoding: chunked\r\n\r\n").unwrap();
    let piece = format!("100000\r\n{}\r\n", "x".repeat(0x10_0000));
    for _ in 0..100 {
        if stream.write_all(piece.as_bytes()).is_err() {
            break;
        }
    }
    let answer = read(&mut stream);
    // The answer may be lost to the reset that ends an unread body; the server must have stopped reading all the same.
    assert!(answer.status == 413 || answer.status == 0, "{answer:?}");
    assert_eq!(server.get("/healthz", &[]).status, 200);
}

#[test]
fn heads_that_drip_or_swell_are_ended() {
    let server = Running::start(|o| o.header_timeout = Duration::from_secs(1));
    let mut stream = server.connect();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n").unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(8) && stream.write_all(b"x: y\r\n").is_ok() {
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    let many = "a: b\r\n".repeat(200);
    let many = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\n{many}\r\n");
    assert_eq!(server.raw(many.as_bytes()).status, 431);
    let long = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nlong: {}\r\n\r\n", "x".repeat(100_000));
    assert_eq!(server.raw(long.as_bytes()).status, 431);
    // Also just above the limit, and as a long address.
    let above = format!("GET /api/tags HTTP/1.1\r\nhost: localhost\r\nlong: {}\r\n\r\n", "x".repeat(33_000));
    assert_eq!(server.raw(above.as_bytes()).status, 431);
    let address = format!("GET /{} HTTP/1.1\r\nhost: localhost\r\n\r\n", "x".repeat(33_000));
    assert_eq!(server.raw(address.as_bytes()).status, 431);
    let below = format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nlong: {}\r\n\r\n", "x".repeat(32_000));
    assert_eq!(server.raw(below.as_bytes()).status, 200);
}

#[test]
fn bodies_that_drip_are_ended_in_the_dialect() {
    let server = Running::start(|o| o.body_timeout = Duration::from_secs(1));
    for path in ["/v1/chat/completions", "/v1/messages", "/v1beta/models/m:generateContent", "/api/chat"] {
        let mut stream = server.connect();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let begun = Instant::now();
        let mut reader = stream.try_clone().unwrap();
        let answer = std::thread::spawn(move || read(&mut reader));
        while begun.elapsed() < Duration::from_secs(8) && !answer.is_finished() {
            let _ = stream.write_all(b" ");
            std::thread::sleep(Duration::from_millis(100));
        }
        let answer = answer.join().unwrap();
        assert!(begun.elapsed() < Duration::from_secs(4), "{path}: {:?}", begun.elapsed());
        assert!(answer.status == 408 && answer.body.contains("within 1 s"), "{path}: {answer:?}");
    }
}

#[test]
fn two_requests_in_the_clothes_of_one_are_refused() {
    let server = Running::start(|_| {});
    let hidden = "GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n";
    for lines in [
        "content-length: 5\r\ncontent-length: 6\r\n",
        "content-length: +5\r\n",
        "content-length: 5, 6\r\n",
        "transfer-encoding: chunked, identity\r\n",
        "transfer-encoding : chunked\r\n",
        "transfer-encoding: xchunked\r\n",
        "host : localhost\r\n",
        "x: y\r\n folded: z\r\n",
        "x\0: y\r\n",
    ] {
        let request = format!("POST /healthz HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n0\r\n\r\n{hidden}");
        let answer = server.raw(request.as_bytes());
        assert!(answer.status == 400 || answer.status == 0, "{lines:?}: {answer:?}");
        assert!(!answer.body.contains("parasol_requests"), "{lines:?}: {answer:?}");
    }
}

#[test]
fn idle_connections_make_room_and_harm_nobody() {
    let server = Running::start(|o| o.max_connections = 64);
    let mut idle: Vec<TcpStream> = Vec::new();
    for n in 0..2000 {
        // Files run out on small machines; what could be opened is the test then.
        match TcpStream::connect(server.address) {
            Ok(stream) => idle.push(stream),
            Err(_) if n > 200 => break,
            Err(e) => panic!("{e}"),
        }
        if n % 500 == 250 {
            idle.truncate(400);
            assert_eq!(server.get("/healthz", &[]).status, 200);
        }
    }
    let begun = Instant::now();
    assert_eq!(server.get("/healthz", &[]).status, 200);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn the_end_comes_in_good_order() {
    let mut server = Running::start(|_| {});
    // An idle connection does not hold it up, and one kept alive neither.
    let _idle = server.connect();
    let mut kept = server.connect();
    write!(kept, "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let begun = Instant::now();
    server.ask_to_end();
    assert_eq!(server.ended(), 0);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(read(&mut kept).status, 200);
    assert!(TcpStream::connect(server.address).is_err());
}
