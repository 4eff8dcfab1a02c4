//! Signing in to the studio: cookies that stand for keys, what they open and what they do not, and keys made by the page.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running};
use parasol_server::{KeyFile, KeyTerms};
use serde_json::{Value, json};

fn terms(name: &str) -> KeyTerms {
    KeyTerms { name: name.into(), ..KeyTerms::default() }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// Signs in and returns the header of the cookie.
fn sign_in(server: &Running, secret: &str) -> String {
    let answer = server.send("POST", "/api/parasol/session", &[], &json!({ "key": secret }).to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    cookie(&answer)
}

fn cookie(answer: &Answer) -> String {
    let line = answer.head.lines().find(|l| l.starts_with("set-cookie: ")).unwrap();
    assert!(
        line.contains("httponly") && line.contains("samesite=strict") && line.contains("path=/api/parasol")
    );
    format!("cookie: {}", line["set-cookie: ".len()..].split(';').next().unwrap())
}

#[test]
fn without_keys_everyone_here_is_the_administrator() {
    let server = Running::start(|_| {});
    let session = json_of(&server.get("/api/parasol/session", &[]));
    assert_eq!(session, json!({ "required": false, "signed_in": false, "name": null, "admin": true }));
    assert_eq!(server.get("/api/parasol/keys", &[]).status, 200);
}

#[test]
fn a_session_stands_for_its_key_on_the_studios_routes_only() {
    let server = Running::start(|_| {});
    let secret = server.key(KeyTerms { admin: true, ..terms("owner") });
    let session = json_of(&server.get("/api/parasol/session", &[]));
    assert_eq!(session, json!({ "required": true, "signed_in": false, "name": null, "admin": false }));
    assert_eq!(server.get("/api/parasol/models", &[]).status, 401);
    let cookie = sign_in(&server, &secret);
    let own = format!("origin: http://{}", server.address);
    let session = json_of(&server.get("/api/parasol/session", &[&cookie]));
    assert_eq!(session, json!({ "required": true, "signed_in": true, "name": "owner", "admin": true }));
    assert_eq!(server.get("/api/parasol/models", &[&cookie]).status, 200);
    // Elsewhere it is nothing.
    for path in ["/v1/models", "/metrics", "/api/tags", "/docs"] {
        assert_eq!(server.get(path, &[&cookie]).status, 401, "{path}");
    }
    // What changes something must come from the page.
    let pull = "/api/parasol/pulls/none/pause";
    for (headers, status) in [
        (vec![cookie.as_str()], 403),
        (vec![&cookie, "origin: http://localhost:3000"], 403),
        (vec![&cookie, "origin: null"], 403),
        (vec![&cookie, "sec-fetch-site: same-site"], 403),
        (vec![&cookie, "sec-fetch-site: none"], 403),
        (vec![&cookie, "sec-fetch-site: same-origin"], 404),
        (vec![&cookie, own.as_str()], 404),
    ] {
        assert_eq!(server.send("POST", pull, &headers, "").status, status, "{headers:?}");
    }
    // Other pages do not even read, though `--cors-origin` may let them call with a key.
    assert_eq!(server.get("/api/parasol/models", &[&cookie, "sec-fetch-site: cross-site"]).status, 403);
    let out = server.send("DELETE", "/api/parasol/session", &[&cookie, &own], "");
    assert!(out.status == 204 && out.head.contains("max-age=0"), "{out:?}");
    assert_eq!(server.get("/api/parasol/models", &[&cookie]).status, 401);
}

#[test]
fn a_session_is_no_way_around_another_sites_limits() {
    let server = Running::start(|o| o.cors_origins = vec!["https://app.example".into()]);
    let cookie = sign_in(&server, &server.key(KeyTerms { admin: true, ..terms("owner") }));
    let headers = [cookie.as_str(), "origin: https://app.example"];
    assert_eq!(server.get("/api/parasol/models", &headers).status, 403);
    assert_eq!(server.send("POST", "/api/parasol/system/measure", &headers, "").status, 403);
}

#[test]
fn forged_and_revoked_sessions_open_nothing() {
    let server = Running::start(|_| {});
    let secret = server.key(terms("guest"));
    let cookie = sign_in(&server, &secret);
    assert_eq!(server.get("/api/parasol/models", &[&cookie]).status, 200);
    for forged in [
        "cookie: parasol_session=",
        "cookie: parasol_session=' or 1=1 --",
        &format!("cookie: parasol_session={}", "0".repeat(64)),
        &format!("cookie: parasol_session={secret}"),
        &format!("cookie: other={}", &cookie["cookie: parasol_session=".len()..]),
        "x-parasol-token: forged",
    ] {
        assert_eq!(server.get("/api/parasol/models", &[forged]).status, 401, "{forged}");
        assert_eq!(server.get("/api/parasol/session", &[forged]).status, 200, "{forged}");
    }
    KeyFile::under(server.home.path()).remove("guest").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    assert_eq!(server.get("/api/parasol/models", &[&cookie]).status, 401);
    assert_eq!(json_of(&server.get("/api/parasol/session", &[&cookie]))["signed_in"], false);
}

#[test]
fn a_plain_key_may_look_and_not_touch() {
    let server = Running::start(|_| {});
    let cookie = sign_in(&server, &server.key(terms("guest")));
    let own = format!("origin: http://{}", server.address);
    assert_eq!(json_of(&server.get("/api/parasol/session", &[&cookie]))["admin"], false);
    for (method, path, body) in [
        ("POST", "/api/parasol/models/smollm2/load", ""),
        ("POST", "/api/parasol/models/smollm2/unload", ""),
        ("POST", "/api/parasol/models/smollm2/pin", "{\"pinned\":true}"),
        ("DELETE", "/api/parasol/models/smollm2", ""),
        ("POST", "/api/parasol/pulls", "{\"model\":\"smollm2\"}"),
        ("POST", "/api/parasol/pulls/x/pause", ""),
        ("POST", "/api/parasol/pulls/x/resume", ""),
        ("DELETE", "/api/parasol/pulls/x", ""),
        ("POST", "/api/parasol/system/measure", ""),
        ("GET", "/api/parasol/keys", ""),
        ("POST", "/api/parasol/keys", "{\"name\":\"x\"}"),
        ("DELETE", "/api/parasol/keys/x", ""),
    ] {
        let answer = server.send(method, path, &[&cookie, &own], body);
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
        assert_eq!(json_of(&answer)["error"]["code"], "denied", "{method} {path}");
    }
    let system = json_of(&server.get("/api/parasol/system", &[&cookie]));
    assert_eq!(system["settings"], json!([]));
}

#[test]
fn a_guesser_at_the_sign_in_has_to_wait() {
    let server = Running::start(|_| {});
    let secret = server.key(terms("guest"));
    let guess = |n: usize| {
        server
            .send("POST", "/api/parasol/session", &[], &json!({ "key": format!("g{n}") }).to_string())
            .status
    };
    let statuses: Vec<u16> = (0..14).map(guess).collect();
    assert!(
        statuses[..10].iter().all(|s| *s == 401) && statuses[12..].iter().all(|s| *s == 429),
        "{statuses:?}"
    );
    // Who guesses here has to wait elsewhere as well.
    assert_eq!(server.get("/metrics", &[&format!("x-api-key: {secret}")]).status, 429);
    assert_eq!(server.send("POST", "/api/parasol/session", &[], "{\"key\":1}").status, 400);
    assert_eq!(server.send("POST", "/api/parasol/session", &[], "{\"key\":\"a\",\"b\":1}").status, 400);
}

#[test]
fn looking_on_does_not_use_up_a_keys_requests() {
    let server = Running::start(|_| {});
    let secret = server.key(KeyTerms { requests_per_minute: Some(2), ..terms("slow") });
    let cookie = sign_in(&server, &secret);
    for _ in 0..5 {
        assert_eq!(server.get("/api/parasol/system/stats", &[&cookie]).status, 200);
    }
    let key = format!("x-api-key: {secret}");
    let statuses: Vec<u16> =
        (0..3).map(|_| server.get("/api/parasol/system/stats", &[&key]).status).collect();
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn keys_are_made_listed_and_revoked_by_the_page() {
    let server = Running::start(|_| {});
    let make = |headers: &[&str], body: Value| {
        let own = format!("origin: http://{}", server.address);
        let all: Vec<&str> = headers.iter().copied().chain([own.as_str()]).collect();
        server.send("POST", "/api/parasol/keys", &all, &body.to_string())
    };
    let refused = make(&[], json!({ "name": "first" }));
    assert!(refused.status == 400 && refused.body.contains("may administer"), "{refused:?}");
    let made = make(&[], json!({ "name": "first", "admin": true }));
    assert_eq!(made.status, 201, "{made:?}");
    // The page that made the first key is signed in with it.
    let cookie = cookie(&made);
    let first = json_of(&made);
    assert!(first["secret"].as_str().unwrap().starts_with("sk-parasol-"));
    assert_eq!(server.get("/api/parasol/keys", &[]).status, 401);
    let until = "2999-01-01T00:00:00Z";
    let second =
        json_of(&make(&[&cookie], json!({ "name": "second", "tokens_per_day": 5, "expires": until })));
    assert_eq!((second["expires"].as_str().unwrap(), second["tokens_per_day"].as_u64()), (until, Some(5)));
    for wrong in [
        json!({ "name": "second" }),
        json!({ "name": " " }),
        json!({ "name": "x".repeat(65) }),
        json!({ "name": "a\nb" }),
        json!({ "name": "x", "tokens_per_day": 0 }),
        json!({ "name": "x", "tokens_per_day": -1 }),
        json!({ "name": "x", "expires": "2001-01-01T00:00:00Z" }),
        json!({ "name": "x", "expires": "soon" }),
        json!({ "name": "x", "color": "red" }),
    ] {
        let answer = make(&[&cookie], wrong.clone());
        assert_eq!(answer.status, 400, "{wrong}: {answer:?}");
    }
    let listed = server.get("/api/parasol/keys", &[&cookie]);
    assert!(!listed.body.contains("sk-parasol") && !listed.body.contains("sha256"));
    let keys = json_of(&listed)["keys"].clone();
    assert_eq!((keys[0]["current"].as_bool(), keys[1]["current"].as_bool()), (Some(true), Some(false)));
    let other = sign_in(&server, second["secret"].as_str().unwrap());
    let own = format!("origin: http://{}", server.address);
    let revoke = |id: &Value| {
        let path = format!("/api/parasol/keys/{}", id.as_str().unwrap());
        server.send("DELETE", &path, &[&cookie, &own], "")
    };
    assert_eq!(revoke(&json!("second")).status, 404);
    assert_eq!(revoke(&second["id"]).status, 204);
    assert_eq!(server.get("/api/parasol/models", &[&other]).status, 401);
    let last = revoke(&first["id"]);
    assert!(last.status == 400 && last.body.contains("last key"), "{last:?}");
}

#[test]
fn the_page_is_open_and_tells_nothing() {
    let server = Running::start(|_| {});
    server.key(terms("guest"));
    let browser = ["accept: text/html"];
    let front = server.get("/", &browser);
    assert_eq!(front.status, 200);
    let studio = front.head.contains("script-src 'self'");
    if !studio {
        assert!(front.body.contains("npm") && front.body.contains("told to who sends an API key"));
    }
    for path in ["/c/x", "/models", "/models/hf%3Aa%2Fb", "/system", "/usage", "/settings", "/voices"] {
        assert_eq!(server.get(path, &browser).status, if studio { 200 } else { 404 }, "{path}");
        assert_eq!(server.get(path, &["accept: application/json"]).status, 404, "{path}");
        assert_eq!(server.send("POST", path, &browser, "").status, 401, "{path}");
    }
    for trick in
        ["/studio/../Cargo.toml", "/studio/%2e%2e/Cargo.toml", "/studio/assets/%00", "/studio/assets/"]
    {
        assert_eq!(server.get(trick, &browser).status, 404, "{trick}");
    }
    assert_eq!(server.get("/", &[]).body, "Parasol is running\n");
}
