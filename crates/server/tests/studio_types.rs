//! What the page takes the server's answers for: the committed part of the OpenAPI document and the TypeScript types made of it
//! must be those of this server.
//!
//! After a change of a route or a type: `PARASOL_BLESS=1 cargo test --release -p parasol-server --test studio_types`, then
//! `npm run types` in `web/`, and commit both files.

#![allow(clippy::unwrap_used)]

mod common;

use common::Running;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

fn api(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/src/lib/api").join(file)
}

const HOW: &str = "run PARASOL_BLESS=1 cargo test --release -p parasol-server --test studio_types, then npm run types in web/";

/// Collects the schemas that `value` refers to, and those that they do.
fn referred(value: &Value, all: &Map<String, Value>, found: &mut Map<String, Value>) {
    match value {
        Value::String(text) => {
            let Some(name) = text.strip_prefix("#/components/schemas/") else { return };
            if !found.contains_key(name) {
                let schema = all.get(name).unwrap_or_else(|| panic!("{name} is not described"));
                found.insert(name.to_owned(), schema.clone());
                referred(schema, all, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, all, found)),
        Value::Object(fields) => fields.values().for_each(|field| referred(field, all, found)),
        _ => {}
    }
}

/// The studio's part of the document.
fn studio() -> String {
    let server = Running::start(|_| {});
    let document: Value = serde_json::from_str(&server.get("/openapi.json", &[]).body).unwrap();
    let paths: Map<String, Value> = document["paths"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(path, _)| {
            path.starts_with("/api/parasol/") && !path.ends_with("/ps") && !path.ends_with("/stop")
        })
        .map(|(path, it)| (path["/api/parasol".len()..].to_owned(), it.clone()))
        .collect();
    let paths = Value::Object(paths);
    let mut schemas = Map::new();
    referred(&paths, document["components"]["schemas"].as_object().unwrap(), &mut schemas);
    schemas.sort_keys();
    let part = json!({
        "openapi": "3.1.0",
        "info": { "title": "Parasol's studio", "version": "1" },
        "servers": [{ "url": "/api/parasol" }],
        "paths": paths,
        "components": { "schemas": schemas },
    });
    serde_json::to_string_pretty(&part).unwrap() + "\n"
}

#[test]
fn the_page_and_the_server_agree_on_every_type() {
    let now = studio();
    let path = api("openapi.json");
    if std::env::var_os("PARASOL_BLESS").is_some() {
        std::fs::write(&path, &now).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    let differs = committed.lines().zip(now.lines()).position(|(a, b)| a != b);
    assert!(
        committed == now,
        "{} is out of date from line {:?}: {HOW}",
        path.display(),
        differs.map(|n| n + 1)
    );
    if std::env::var_os("PARASOL_BLESS").is_some() {
        return;
    }
    let types = std::fs::read_to_string(api("schema.d.ts")).unwrap_or_default();
    let sum: String = Sha256::digest(now.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    assert!(types.contains(&sum), "schema.d.ts was made of another openapi.json: {HOW}");
}
