//! What the server refuses before a handler sees it, in every dialect: each in the shape and the words of that dialect, never of
//! another one.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, read};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::io::Write;

/// A dialect: what its clients send along, where its routes are, and what it calls things.
struct Dialect {
    name: &'static str,
    /// A header that its clients always send.
    mark: &'static str,
    /// Where nothing is.
    nowhere: &'static [&'static str],
    /// A route that takes only POST, and one that is only read.
    ask: &'static str,
    read: &'static str,
    /// The error's words for a status: the kind and the code, as far as the dialect has them.
    words: fn(u16) -> (&'static str, &'static str),
}

const DIALECTS: [Dialect; 5] = [
    Dialect {
        name: "openai",
        mark: "user-agent: OpenAI/Python 2.0",
        nowhere: &["/v1/nowhere", "/v1/chat/nowhere", "/v1"],
        ask: "/v1/chat/completions",
        read: "/v1/models",
        words: openai,
    },
    Dialect {
        name: "anthropic",
        mark: "anthropic-version: 2023-06-01",
        nowhere: &["/v1/messages/nowhere", "/anthropic/v1/nowhere", "/v1/organizations/me", "/v1/complete"],
        ask: "/v1/messages",
        read: "/v1/models",
        words: anthropic,
    },
    Dialect {
        name: "gemini",
        mark: "x-goog-api-client: google-genai-sdk/1.0",
        nowhere: &[
            "/v1beta/nowhere",
            "/v1/nowhere",
            "/v1alpha/files",
            "/upload/v1beta/files",
            "/gemini/v1beta/x",
        ],
        ask: "/v1beta/models/m:generateContent",
        read: "/v1beta/models",
        words: gemini,
    },
    Dialect {
        name: "gemini, the stable version",
        mark: "x-goog-api-key: none",
        nowhere: &["/v1/tunedModels", "/v1/operations/x"],
        ask: "/v1/models/m:generateContent",
        read: "/v1/models",
        words: gemini,
    },
    Dialect {
        name: "ollama",
        mark: "user-agent: ollama-python/0.6",
        nowhere: &["/api/nowhere", "/api", "/api/chat/nowhere"],
        ask: "/api/chat",
        read: "/api/tags",
        words: |_| ("", ""),
    },
];

fn openai(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid_api_key"),
        404 => ("invalid_request_error", "not_found"),
        405 => ("invalid_request_error", "method_not_allowed"),
        413 => ("invalid_request_error", "request_too_large"),
        415 => ("invalid_request_error", "unsupported_media_type"),
        421 => ("invalid_request_error", "misdirected_request"),
        429 => ("rate_limit_error", "rate_limit_exceeded"),
        _ => panic!("{status}"),
    }
}

fn anthropic(status: u16) -> (&'static str, &'static str) {
    let kind = match status {
        401 => "authentication_error",
        404 => "not_found_error",
        405 | 415 | 421 => "invalid_request_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        _ => panic!("{status}"),
    };
    (kind, "")
}

fn gemini(status: u16) -> (&'static str, &'static str) {
    let kind = match status {
        401 => "UNAUTHENTICATED",
        404 => "NOT_FOUND",
        405 | 413 | 415 | 421 => "INVALID_ARGUMENT",
        429 => "RESOURCE_EXHAUSTED",
        _ => panic!("{status}"),
    };
    (kind, "")
}

/// The members of an object, in order of their names.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

impl Dialect {
    /// Expects the error of `status`, in the dialect's shape to the last member, and returns its message.
    fn expect(&self, answer: &Answer, status: u16) -> String {
        assert_eq!(answer.status, status, "{}: {answer:?}", self.name);
        assert!(answer.head.contains("content-type: application/json"), "{}: {answer:?}", self.name);
        let body: Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{}: {e}: {answer:?}", self.name));
        let (kind, code) = (self.words)(status);
        let error = &body["error"];
        match self.name.split(',').next().unwrap() {
            "openai" => {
                assert_eq!(
                    (members(&body), members(error)),
                    (vec!["error"], vec!["code", "message", "param", "type"])
                );
                assert_eq!((&error["type"], &error["code"]), (&json!(kind), &json!(code)), "{answer:?}");
            }
            "anthropic" => {
                assert_eq!(
                    (members(&body), members(error)),
                    (vec!["error", "type"], vec!["message", "type"]),
                    "{answer:?}"
                );
                assert_eq!((&body["type"], &error["type"]), (&json!("error"), &json!(kind)), "{answer:?}");
                assert!(answer.head.contains("\r\nrequest-id: "), "{answer:?}");
            }
            "gemini" => {
                let expected = if status == 429 {
                    vec!["code", "details", "message", "status"]
                } else {
                    vec!["code", "message", "status"]
                };
                assert_eq!(
                    (members(&body), members(error)),
                    (vec!["error"], expected),
                    "{}: {answer:?}",
                    self.name
                );
                assert_eq!((&error["status"], &error["code"]), (&json!(kind), &json!(status)), "{answer:?}");
            }
            _ => {
                assert_eq!(members(&body), ["error"], "{answer:?}");
                return error.as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned();
            }
        }
        error["message"].as_str().unwrap().to_owned()
    }
}

#[test]
fn what_is_not_there_and_what_a_route_does_not_take() {
    let server = Running::start(|_| {});
    for dialect in &DIALECTS {
        for path in dialect.nowhere {
            for method in ["GET", "POST"] {
                let says = dialect.expect(&server.send(method, path, &[dialect.mark], "{}"), 404);
                assert!(
                    says.contains(path) || says.contains("no-such") || path.contains(".."),
                    "{path}: {says}"
                );
            }
        }
        let answer = server.send("PUT", dialect.ask, &[dialect.mark], "{}");
        let says = dialect.expect(&answer, 405);
        assert!(says.contains(dialect.ask) && says.contains("PUT"), "{says}");
        assert!(answer.head.contains("allow: ") && answer.head.contains("post"), "{answer:?}");
        let says = dialect.expect(&server.send("DELETE", dialect.read, &[dialect.mark], ""), 405);
        assert!(says.contains(dialect.read) && says.contains("GET"), "{says}");
    }
}

#[test]
fn bodies_that_are_too_large_or_no_json() {
    let server = Running::start(|o| o.max_body = 100_000);
    for dialect in &DIALECTS {
        let head = format!(
            "POST {} HTTP/1.1\r\nhost: localhost\r\n{}\r\nconnection: close\r\n",
            dialect.ask, dialect.mark
        );
        let told = server.raw(format!("{head}content-length: 200000\r\n\r\n").as_bytes());
        assert!(dialect.expect(&told, 413).contains("100000"));
        // Without a length the bytes are counted; the last one too many is the last one sent, so that nothing unread resets the answer.
        let mut stream = server.connect();
        let piece = format!("186a1\r\n{}\r\n0\r\n\r\n", "x".repeat(100_001));
        write!(stream, "{head}transfer-encoding: chunked\r\n\r\n{piece}").unwrap();
        assert!(dialect.expect(&read(&mut stream), 413).contains("--max-body"));
        for kind in ["content-encoding: gzip", "content-type: multipart/form-data; boundary=x"] {
            let says = dialect.expect(&server.send("POST", dialect.ask, &[dialect.mark, kind], "{}"), 415);
            assert!(says.contains("gzip") || says.contains("multipart/form-data"), "{says}");
        }
    }
}

#[test]
fn hosts_that_are_not_ours() {
    let server = Running::start(|_| {});
    for dialect in &DIALECTS {
        for path in [dialect.ask, dialect.read, dialect.nowhere[0]] {
            let answer = server.get(path, &[dialect.mark, "host: evil.example"]);
            assert!(dialect.expect(&answer, 421).contains("evil.example"));
        }
    }
}

#[test]
fn keys_that_are_missing_wrong_guessed_or_spent() {
    let server = Running::start(|_| {});
    let terms = |name: &str, requests| KeyTerms {
        name: name.into(),
        requests_per_minute: requests,
        ..KeyTerms::default()
    };
    let spent = format!("authorization: Bearer {}", server.key(terms("spent", Some(1))));
    assert_eq!(server.get("/metrics", &[&spent]).status, 200);
    for dialect in &DIALECTS {
        // Where the mark is a key, it is the key that is wrong.
        let answer = server.send("POST", dialect.ask, &[dialect.mark], "{}");
        assert!(dialect.expect(&answer, 401).contains("API key"), "{answer:?}");
        let answer = server.send("POST", dialect.ask, &[dialect.mark, &spent], "{}");
        assert!(dialect.expect(&answer, 429).contains("1 requests in a minute"), "{answer:?}");
        assert!(answer.head.contains("retry-after: "), "{answer:?}");
    }
    for n in 0..10 {
        server.get("/metrics", &[&format!("x-api-key: guess{n}")]);
    }
    for dialect in &DIALECTS {
        let answer = server.get(dialect.read, &[dialect.mark, "authorization: Bearer guess"]);
        assert!(dialect.expect(&answer, 429).contains("too many wrong"), "{answer:?}");
    }
}

#[test]
fn what_several_protocols_have_is_refused_in_the_words_of_who_asks() {
    let server = Running::start(|_| {});
    for (mark, path, status, member) in [
        ("anthropic-version: 2023-06-01", "/v1/files", 400, "/type"),
        ("x-goog-api-key: none", "/v1/files", 404, "/error/status"),
        ("user-agent: x", "/v1/files", 400, "/error/param"),
        ("anthropic-version: 2023-06-01", "/v1/models/%FF", 400, "/type"),
        ("x-goog-api-key: none", "/v1/models/%FF", 400, "/error/status"),
        ("user-agent: x", "/v1/models/%FF", 400, "/error/param"),
        ("user-agent: x", "/v1/responses/%FF", 400, "/error/param"),
    ] {
        let answer = server.get(path, &[mark]);
        let body: Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {path}: {answer:?}"));
        assert_eq!(
            (answer.status, body.pointer(member).is_some()),
            (status, true),
            "{mark} {path}: {answer:?}"
        );
    }
}
