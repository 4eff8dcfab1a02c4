//! The studio's models and system: loading, unloading, pins, what is shown, and names that are none.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, toy};
use parasol_runtime::Policy;
use parasol_server::{KeyTerms, Setting};
use serde_json::{Value, json};

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// Percent-encodes everything that is not a plain character.
fn encoded(name: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    name.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[test]
fn the_catalogue_is_listed_with_what_fits_here() {
    let server = Running::start(|_| {});
    let list = json_of(&server.get("/api/parasol/models", &[]));
    assert!(list["machine"]["budget"].as_u64() > Some(0) && list["machine"]["threads"].as_u64() > Some(0));
    let models = list["models"].as_array().unwrap();
    let default = models.iter().find(|model| model["default"] == true).unwrap();
    assert_eq!((default["name"].as_str(), default["installed"].as_bool()), (Some("smollm2"), Some(false)));
    assert_eq!(default["goals"], json!(["chat", "write"]));
    let asks = models.iter().find(|model| model["licence_asks"] == true).unwrap();
    assert!(asks["licence_url"].as_str().unwrap().starts_with("https://"));
    let details = json_of(&server.get("/api/parasol/models/SmolLM2-135M", &[]));
    assert_eq!(
        (details["name"].as_str(), details["architecture"].as_str()),
        (Some("smollm2"), Some("llama"))
    );
    assert!(details["layers"].is_null() && details["memory_by_context"][0]["context"] == 8192);
    for what in ["load", "pin"] {
        let path = format!("/api/parasol/models/smollm2/{what}");
        let answer = server.send("POST", &path, &[], "{\"pinned\":true}");
        assert!(answer.status == 404 && answer.body.contains("fetch it first"), "{what}: {answer:?}");
    }
}

#[test]
fn a_model_is_loaded_kept_used_and_unloaded() {
    let server = Running::start(|_| {});
    let path = format!("/api/parasol/models/{}", encoded(&toy()));
    let act = |what: &str, body: &str| server.send("POST", &format!("{path}/{what}"), &[], body);
    let loaded = act("load", "");
    assert_eq!(loaded.status, 200, "{loaded:?}");
    let model = json_of(&loaded);
    assert_eq!(
        (model["loaded"]["state"].as_str(), model["name"].as_str()),
        (Some("ready"), Some(toy().as_str()))
    );
    assert!(model["loaded"]["bytes"].as_u64() > Some(0) && model["memory_needed"].as_u64() > Some(0));
    assert_eq!(json_of(&act("pin", "{\"pinned\":true}"))["pinned"], true);
    assert_eq!(json_of(&act("pin", "{\"pinned\":false}"))["pinned"], false);
    for wrong in ["", "{}", "{\"pinned\":1}", "{\"pinned\":true,\"x\":1}"] {
        assert_eq!(act("pin", wrong).status, 400, "{wrong}");
    }
    let details = json_of(&server.get(&path, &[]));
    assert!(details["heads"].as_u64() > Some(0) && details["vocabulary"].as_u64() > Some(0));
    let contexts = details["memory_by_context"].as_array().unwrap();
    assert!(contexts.windows(2).all(|w| w[0]["bytes"].as_u64() < w[1]["bytes"].as_u64()), "{contexts:?}");
    assert_eq!(contexts.last().unwrap()["context"], 65_536);
    // It is in the list although it lies elsewhere, and its work is seen.
    let list = json_of(&server.get("/api/parasol/models", &[]));
    assert!(list["models"].as_array().unwrap().iter().any(|m| m["name"] == toy().as_str()));
    let body =
        json!({ "model": toy(), "messages": [{ "role": "user", "content": "hello" }], "max_tokens": 40 });
    assert_eq!(server.send("POST", "/v1/chat/completions", &[], &body.to_string()).status, 200);
    // A speed needs a time to be taken over.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let stats = json_of(&server.get("/api/parasol/system/stats", &[]));
    assert!(stats["generated_tokens_per_second"].as_f64() > Some(0.0), "{stats}");
    assert_eq!((stats["models"][0]["state"].as_str(), stats["running"].as_u64()), (Some("ready"), Some(0)));
    assert!(stats["memory_used"].as_u64() > Some(0) && stats["cached_fraction"].is_number(), "{stats}");
    let unloaded = act("unload", "");
    assert!(unloaded.status == 200 && json_of(&unloaded)["loaded"].is_null(), "{unloaded:?}");
    assert_eq!(act("unload", "").status, 200);
    // It is a file of the user's.
    let refused = server.send("DELETE", &path, &[], "");
    assert!(refused.status == 400 && std::path::Path::new(&toy()).exists(), "{refused:?}");
}

#[test]
fn names_reach_no_files() {
    let server = Running::start_over(|_| {}, parasol_hub::Settings::at, Policy::Refused);
    for name in [
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f..",
        "%2fetc%2fshadow",
        "a%00b",
        "%0a",
        "%20",
        "%ff",
        "hf:a%2f..",
    ] {
        let path = format!("/api/parasol/models/{name}");
        let seen = server.get(&path, &[]);
        assert!(matches!(seen.status, 400 | 404), "{name}: {seen:?}");
        assert_eq!(server.send("DELETE", &path, &[], "").status, 400, "{name}");
        let loaded = server.send("POST", &format!("{path}/load"), &[], "");
        assert!(matches!(loaded.status, 400 | 404), "{name}: {loaded:?}");
    }
    assert_eq!(server.get("/api/parasol/models/nobody", &[]).status, 404);
    let long = "x".repeat(600);
    assert_eq!(server.get(&format!("/api/parasol/models/{long}"), &[]).status, 400);
}

#[test]
fn a_key_sees_its_models_only() {
    let server = Running::start(|_| {});
    let key =
        server.key(KeyTerms { name: "k".into(), models: vec!["smollm2".into()], ..KeyTerms::default() });
    let key = format!("x-api-key: {key}");
    let list = json_of(&server.get("/api/parasol/models", &[&key]));
    assert_eq!(list["models"].as_array().unwrap().len(), 1);
    assert_eq!(server.get("/api/parasol/models/smollm2", &[&key]).status, 200);
    assert_eq!(server.get("/api/parasol/models/gemma3-270m", &[&key]).status, 404);
}

#[test]
fn the_system_is_described_and_measured() {
    let setting = Setting {
        key: "listen".into(),
        value: "127.0.0.1:1".into(),
        source: "--listen".into(),
        meaning: "Where".into(),
    };
    let server = Running::start(|o| o.settings = vec![setting]);
    let system = json_of(&server.get("/api/parasol/system", &[]));
    assert_eq!(
        (system["settings"][0]["key"].as_str(), system["read_bandwidth"].is_null()),
        (Some("listen"), true)
    );
    assert!(system["isas"].as_array().unwrap().contains(&system["isa"]), "{system}");
    let measured = json_of(&server.send("POST", "/api/parasol/system/measure", &[], ""));
    assert!(measured["read_bandwidth"].as_f64() > Some(1e7) && measured["int8_peak"].as_f64() > Some(1e7));
    assert_eq!(json_of(&server.get("/api/parasol/system", &[]))["int8_peak"], measured["int8_peak"]);
}
