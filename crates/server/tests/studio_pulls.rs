//! Pulls of the studio against a hub on the loopback interface with the faults of a network: broken connections, pauses, a
//! server that ends in the middle, several at once, names that are none.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "../../hub/tests/common/mod.rs"]
mod hub;

use common::{Answer, Running};
use hub::{Served, Server, gguf, sha256};
use parasol_runtime::Policy;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SIZE: usize = 100_000;

/// A hub with `/NAME.gguf` for each of the models, and the catalogue that names them.
struct Source {
    hub: Server,
    folder: tempfile::TempDir,
}

impl Source {
    fn of(names: &[&str], licence: &str) -> Self {
        let (hub, folder) = (Server::start(), tempfile::tempdir().unwrap());
        let mut text = String::new();
        for (number, name) in names.iter().enumerate() {
            let body = gguf(SIZE + number);
            text += &format!(
                "[[model]]\nname = {name:?}\ncapabilities = [\"chat\"]\nlicence = {{ name = \"Terms\"{licence} }}\n\
                 [[model.file]]\nname = \"{name}.gguf\"\nsize = {}\nsha256 = \"{}\"\nsources = [\"{}/{name}.gguf\"]\n",
                body.len(),
                sha256(&body),
                hub.url
            );
            hub.serve(&format!("/{name}.gguf"), Served::new(body));
        }
        std::fs::write(folder.path().join("catalogue.toml"), text).unwrap();
        Self { hub, folder }
    }

    /// A server over this hub; its home outlives it.
    fn server(&self) -> Running {
        let (home, catalogue) = (self.home(), self.folder.path().join("catalogue.toml"));
        let settings = move |home: PathBuf| parasol_hub::Settings {
            catalogues: vec![catalogue],
            ..parasol_hub::Settings::at(home)
        };
        Running::start_over(|o| o.home = home, settings, Policy::Refused)
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Serves `NAME` so slowly that there is time to do something meanwhile.
    fn slow(&self, name: &str) {
        let slow = Some((2000, Duration::from_millis(25)));
        self.hub.change(&format!("/{name}.gguf"), |served| served.slow = slow);
    }

    fn fast(&self, name: &str) {
        self.hub.change(&format!("/{name}.gguf"), |served| (served.slow, served.cut) = (None, None));
    }
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

fn start(server: &Running, model: &str) -> String {
    let answer = server.send("POST", "/api/parasol/pulls", &[], &json!({ "model": model }).to_string());
    assert_eq!(answer.status, 202, "{answer:?}");
    let pull = json_of(&answer);
    assert_eq!((pull["state"].as_str(), pull["model"].as_str()), (Some("running"), Some(model)));
    pull["id"].as_str().unwrap().to_owned()
}

fn act(server: &Running, id: &str, what: &str) -> Answer {
    server.send("POST", &format!("/api/parasol/pulls/{id}/{what}"), &[], "")
}

fn look(server: &Running, id: &str) -> Value {
    let all = json_of(&server.get("/api/parasol/pulls", &[]));
    all["pulls"].as_array().unwrap().iter().find(|pull| pull["id"] == id).cloned().unwrap_or(Value::Null)
}

/// Waits until the pull is as `is` wants it.
#[track_caller]
fn until(server: &Running, id: &str, is: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let pull = look(server, id);
        if is(&pull) {
            return pull;
        }
        assert!(Instant::now() < end, "it stays {pull}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is(state: &'static str) -> impl Fn(&Value) -> bool {
    move |pull| pull["state"] == state
}

fn files(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_pull_tells_how_far_it_is_and_ends_with_the_model() {
    let source = Source::of(&["m"], "");
    source.slow("m");
    let server = source.server();
    let before = json_of(&server.get("/api/parasol/models/m", &[]));
    assert_eq!((before["installed"].as_bool(), before["bytes"].as_u64()), (Some(false), Some(SIZE as u64)));
    let id = start(&server, "m");
    // The same again is the same pull.
    assert_eq!(start(&server, "m"), id);
    let on = until(&server, &id, |pull| pull["done"].as_u64() > Some(10_000));
    assert_eq!((on["file"].as_str(), on["total"].as_u64()), (Some("m.gguf"), Some(SIZE as u64)));
    until(&server, &id, |pull| pull["bytes_per_second"].as_u64() > Some(1000));
    let refused = server.send("DELETE", "/api/parasol/models/m", &[], "");
    assert_eq!(refused.status, 404, "{refused:?}");
    let done = until(&server, &id, is("done"));
    assert_eq!((done["done"].as_u64(), done["error"].is_null()), (Some(SIZE as u64), true));
    let after = json_of(&server.get("/api/parasol/models/m", &[]));
    assert!(after["installed"] == true && after["digest"].as_str().unwrap().len() == 64);
    // Forgetting the pull leaves the model; removing the model leaves nothing.
    assert_eq!(server.send("DELETE", &format!("/api/parasol/pulls/{id}"), &[], "").status, 204);
    assert_eq!(look(&server, &id), Value::Null);
    assert_eq!(files(&source.home().join("models/m")), ["m.gguf", "model.json"]);
    assert_eq!(server.send("DELETE", "/api/parasol/models/m", &[], "").status, 204);
    assert!(!source.home().join("models/m").exists());
    assert_eq!(server.send("DELETE", "/api/parasol/models/m", &[], "").status, 404);
}

#[test]
fn a_network_that_breaks_in_the_middle_fails_the_pull_and_it_goes_on_from_there() {
    let source = Source::of(&["m"], "");
    source.slow("m");
    source.hub.change("/m.gguf", |served| served.cut = Some((50_000, 1)));
    let server = source.server();
    let id = start(&server, "m");
    until(&server, &id, |pull| pull["done"].as_u64() > Some(0));
    // From now on every connection breaks before the first byte.
    source.hub.change("/m.gguf", |served| served.cut = Some((0, 1000)));
    let failed = until(&server, &id, is("failed"));
    assert_eq!((failed["done"].as_u64(), failed["bytes_per_second"].as_u64()), (Some(50_000), Some(0)));
    assert!(failed["error"].as_str().unwrap().contains("keeps breaking off"), "{failed}");
    assert_eq!(act(&server, &id, "pause").status, 400);
    source.fast("m");
    assert_eq!(act(&server, &id, "resume").status, 200);
    assert!(until(&server, &id, is("done"))["error"].is_null());
    let last = source.hub.seen("/m.gguf").pop().unwrap();
    assert_eq!(last.range(), Some("bytes=50000-"));
}

#[test]
fn a_pause_keeps_what_is_here_and_outlives_the_server() {
    let source = Source::of(&["m"], "");
    source.slow("m");
    let mut server = source.server();
    let id = start(&server, "m");
    until(&server, &id, |pull| pull["done"].as_u64() > Some(10_000));
    let paused = act(&server, &id, "pause");
    assert_eq!((paused.status, json_of(&paused)["state"].as_str()), (200, Some("paused")), "{paused:?}");
    assert_eq!(act(&server, &id, "pause").status, 200);
    // Taken up again at once, while the first run may still be ending, and interrupted by the end of the server.
    assert_eq!(json_of(&act(&server, &id, "resume"))["state"], "running");
    until(&server, &id, |pull| pull["done"].as_u64() > Some(30_000));
    server.ask_to_end();
    server.ended();
    drop(server);
    let server = source.server();
    let there = until(&server, &id, |pull| !pull.is_null());
    assert_eq!(there["state"], "paused");
    assert!(there["done"].as_u64() > Some(10_000), "{there}");
    source.fast("m");
    act(&server, &id, "resume");
    until(&server, &id, is("done"));
    assert!(source.hub.seen("/m.gguf").pop().unwrap().range().is_some());
    // What is done is no news after the next start.
    drop(server);
    let server = source.server();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(look(&server, &id), Value::Null);
}

#[test]
fn the_terms_of_what_was_fetched_are_told_wherever_it_is_shown() {
    let source = Source::of(&["m"], "");
    let server = source.server();
    until(&server, &start(&server, "m"), is("done"));
    drop(server);
    // What the catalogue no longer names is known by what was noted when it was fetched.
    std::fs::write(source.folder.path().join("catalogue.toml"), "").unwrap();
    let server = source.server();
    let list = json_of(&server.get("/api/parasol/models", &[]));
    let listed = list["models"].as_array().unwrap().iter().find(|model| model["name"] == "m").unwrap();
    let pinned = server.send("POST", "/api/parasol/models/m/pin", &[], "{\"pinned\":true}");
    let details = json_of(&server.get("/api/parasol/models/m", &[]));
    for shown in [listed, &details, &json_of(&pinned)] {
        assert_eq!(shown["licence"], "Terms", "{shown}");
    }
}

#[test]
fn several_run_at_once_and_one_given_up_leaves_nothing() {
    let source = Source::of(&["a", "b"], "");
    source.slow("a");
    source.slow("b");
    let server = source.server();
    let (a, b) = (start(&server, "a"), start(&server, "b"));
    for id in [&a, &b] {
        until(&server, id, |pull| pull["done"].as_u64() > Some(0) && pull["state"] == "running");
    }
    assert_eq!(server.send("DELETE", &format!("/api/parasol/pulls/{a}"), &[], "").status, 204);
    source.fast("b");
    until(&server, &b, is("done"));
    let end = Instant::now() + Duration::from_secs(10);
    while source.home().join("models/a").exists() {
        assert!(Instant::now() < end, "{:?}", files(&source.home().join("models/a")));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(files(&source.home().join("models/b")), ["b.gguf", "model.json"]);
    for what in ["pause", "resume"] {
        assert_eq!(act(&server, &a, what).status, 404);
    }
    assert_eq!(act(&server, "..%2f..", "pause").status, 404);
}

#[test]
fn terms_are_accepted_first_and_names_are_names() {
    let source = Source::of(&["m"], ", url = \"https://example.org/terms\", ask = true");
    let server = source.server();
    let ask = |body: Value| server.send("POST", "/api/parasol/pulls", &[], &body.to_string());
    let refused = ask(json!({ "model": "m" }));
    assert_eq!((refused.status, json_of(&refused)["error"]["code"].as_str()), (403, Some("denied")));
    assert!(
        refused.body.contains("Terms") && refused.body.contains("https://example.org/terms"),
        "{refused:?}"
    );
    assert!(source.hub.seen("/m.gguf").is_empty());
    for name in [
        "/etc/passwd",
        "../m",
        "./m",
        "~/m",
        "m/../m",
        "x.gguf",
        "",
        " ",
        "a\nb",
        "https://x/y.gguf",
        "pip:x==1/y",
        "hf:a/..",
    ] {
        let answer = ask(json!({ "model": name, "accept_licence": true }));
        assert_eq!(answer.status, 400, "{name:?}: {answer:?}");
    }
    let unknown = ask(json!({ "model": "smolm2" }));
    assert!(unknown.status == 404 && unknown.body.contains("did you mean"), "{unknown:?}");
    for body in [json!({}), json!({ "model": 3 }), json!({ "model": "m", "path": "/x" }), json!([])] {
        assert_eq!(ask(body.clone()).status, 400, "{body}");
    }
    let accepted = ask(json!({ "model": "M", "accept_licence": true }));
    assert_eq!(accepted.status, 202, "{accepted:?}");
    until(&server, json_of(&accepted)["id"].as_str().unwrap(), is("done"));
}
