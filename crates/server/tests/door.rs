//! Who gets through the door: hosts, origins, keys, limits.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Running, TOKEN, options, state};
use parasol_core::ErrorKind;
use parasol_server::{KeyFile, KeyTerms, Server};

fn terms(name: &str) -> KeyTerms {
    KeyTerms { name: name.into(), ..KeyTerms::default() }
}

#[test]
fn another_address_than_loopback_needs_a_key_or_the_users_word() {
    let home = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bind = |insecure: bool| {
        let mut options = options(home.path());
        options.listen = vec!["0.0.0.0:0".parse().unwrap()];
        options.insecure = insecure;
        runtime.block_on(Server::bind(state(options))).map(drop)
    };
    let error = bind(false).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Denied);
    assert!(error.message().contains("--insecure") && error.message().contains("keys create"), "{error}");
    bind(true).unwrap();
    KeyFile::under(home.path()).add(parasol_server::Key::create(terms("k")).unwrap().0).unwrap();
    bind(false).unwrap();
}

#[test]
fn only_names_of_this_machine_are_answered_to() {
    let server = Running::start(|o| o.hosts = vec!["models.example".into()]);
    let port = server.address.port();
    for (host, status) in [
        (format!("127.0.0.1:{port}"), 200),
        (format!("localhost:{port}"), 200),
        (format!("LOCALHOST.:{port}"), 200),
        (format!("[::1]:{port}"), 200),
        ("models.example".into(), 200),
        ("evil.example".into(), 421),
        ("127.0.0.1.evil.example".into(), 421),
        ("192.0.2.7".into(), 421),
        ("user@localhost".into(), 400),
        (String::new(), 400),
    ] {
        let answer = server.get("/healthz", &[&format!("host: {host}")]);
        assert_eq!(answer.status, status, "{host}: {answer:?}");
    }
    let twice = server.get("/healthz", &["host: localhost", "host: localhost"]);
    assert_eq!(twice.status, 400);
    assert_eq!(server.raw(b"GET /healthz HTTP/1.1\r\nconnection: close\r\n\r\n").status, 400);
    let other = b"GET http://evil.example/healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    assert_eq!(server.raw(other).status, 400);
}

#[test]
fn pages_of_other_sites_are_kept_out_unless_they_are_named() {
    let server = Running::start(|o| o.cors_origins = vec!["https://app.example".into()]);
    let own = format!("origin: http://{}", server.address);
    assert_eq!(server.get("/healthz", &[&own]).status, 200);
    for page in ["origin: https://evil.example", "origin: null", "sec-fetch-site: cross-site"] {
        let answer = server.get("/healthz", &[page]);
        assert_eq!(answer.status, 403, "{page}");
        assert!(!answer.head.contains("access-control-allow-origin"), "{answer:?}");
    }
    let app = "origin: https://app.example";
    let answer = server.get("/healthz", &[app]);
    assert!(answer.status == 200 && answer.head.contains("access-control-allow-origin: https://app.example"));
    let asks = [app, "access-control-request-method: POST", "access-control-request-headers: authorization"];
    let answer = server.send("OPTIONS", "/v1/chat/completions", &asks, "");
    assert!(
        answer.status == 204 && answer.head.contains("access-control-allow-headers: authorization"),
        "{answer:?}"
    );
}

#[test]
fn keys_are_asked_for_in_every_place_that_clients_put_them() {
    let server = Running::start(|_| {});
    assert_eq!(server.get("/metrics", &["authorization: Bearer anything"]).status, 200);
    let secret = server.key(terms("app"));
    assert_eq!(server.get("/healthz", &[]).status, 200);
    assert_eq!(server.get("/metrics", &[]).status, 401);
    assert_eq!(server.get("/metrics", &["authorization: Bearer wrong"]).status, 401);
    for header in [
        format!("authorization: Bearer {secret}"),
        format!("authorization: bearer {secret}"),
        format!("x-api-key: {secret}"),
        format!("x-goog-api-key: {secret}"),
    ] {
        assert_eq!(server.get("/metrics", &[&header]).status, 200, "{header}");
    }
    assert_eq!(server.get(&format!("/metrics?key={secret}"), &[]).status, 200);
    KeyFile::under(server.home.path()).remove("app").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(server.get("/metrics", &[&format!("x-api-key: {secret}")]).status, 401);
}

#[test]
fn a_guesser_has_to_wait_and_a_key_in_use_goes_on() {
    let server = Running::start(|_| {});
    let secret = format!("x-api-key: {}", server.key(terms("app")));
    assert_eq!(server.get("/metrics", &[&secret]).status, 200);
    let statuses: Vec<u16> =
        (0..15).map(|n| server.get("/metrics", &[&format!("x-api-key: guess{n}")]).status).collect();
    assert_eq!(&statuses[..10], [401; 10]);
    assert!(statuses[11..].iter().all(|s| *s == 429), "{statuses:?}");
    let answer = server.get("/metrics", &["x-api-key: guess"]);
    assert!(answer.head.contains("retry-after: "), "{answer:?}");
    assert_eq!(server.get("/metrics", &[&secret]).status, 200);
}

#[test]
fn a_keys_rate_is_kept_and_says_when_there_is_more() {
    let server = Running::start(|_| {});
    let secret = server.key(KeyTerms { requests_per_minute: Some(2), ..terms("slow") });
    let ask = || server.get("/metrics", &[&format!("x-api-key: {secret}")]);
    assert_eq!((ask().status, ask().status), (200, 200));
    let refused = ask();
    assert_eq!(refused.status, 429);
    assert!(
        refused.head.contains("retry-after: ") && refused.body.contains("2 requests in a minute"),
        "{refused:?}"
    );
}

#[test]
fn the_administration_is_for_its_owner_and_admin_keys() {
    let server = Running::start(|_| {});
    assert_eq!(server.get("/api/parasol/ps", &[]).status, 403);
    assert_eq!(server.get("/api/parasol/ps", &["x-parasol-token: wrong"]).status, 403);
    let token = format!("x-parasol-token: {TOKEN}");
    assert_eq!(server.get("/api/parasol/ps", &[&token]).status, 200);
    let (plain, admin) = (server.key(terms("plain")), server.key(KeyTerms { admin: true, ..terms("admin") }));
    assert_eq!(server.get("/api/parasol/ps", &[&token]).status, 200);
    assert_eq!(server.get("/api/parasol/ps", &[&format!("x-api-key: {plain}")]).status, 403);
    assert_eq!(server.get("/api/parasol/ps", &[&format!("x-api-key: {admin}")]).status, 200);
    // A token that is only claimed opens nothing else.
    assert_eq!(server.get("/metrics", &["x-parasol-token: wrong"]).status, 401);
}

#[test]
fn what_is_not_there_is_said_in_the_dialects_words() {
    let server = Running::start(|_| {});
    let answer = server.get("/nowhere", &["x-request-id: mine-1"]);
    assert!(answer.status == 404 && answer.body.contains("/nowhere"), "{answer:?}");
    assert!(answer.head.contains("x-request-id: mine-1"), "{answer:?}");
    let answer = server.send("DELETE", "/healthz", &["x-request-id: bad id"], "");
    assert!(answer.status == 405 && answer.head.contains("allow: get"), "{answer:?}");
    assert!(answer.head.contains("x-request-id: req_"), "{answer:?}");
    assert!(serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["error"].is_object());
}

#[test]
fn metrics_and_pages_are_there() {
    let server = Running::start(|_| {});
    server.get("/healthz", &[]);
    let metrics = server.get("/metrics", &[]).body;
    for name in [
        "parasol_requests_total{dialect=\"parasol\",key=\"\",status=\"200\"} 1",
        "parasol_memory_budget_bytes",
        "parasol_answers_open 0",
        "# EOF",
    ] {
        assert!(metrics.contains(name), "{name} is not in {metrics}");
    }
    assert_eq!(server.get("/readyz", &[]).body, "ready\n");
    // The studio, or the page that says how to add it.
    let page = server.get("/", &["accept: text/html"]).body;
    assert!(page.contains("/v1</code>") || page.contains("id=\"app\""), "{page}");
    assert_eq!(server.get("/", &[]).body, "Parasol is running\n");
}
