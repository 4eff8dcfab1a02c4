//! The document of the API against the server that it describes: neither may have a route that the other lacks.

#![allow(clippy::unwrap_used)]

mod common;

use common::Running;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn document(server: &Running) -> Value {
    let answer = server.get("/openapi.json", &[]);
    assert_eq!(answer.status, 200, "{}", answer.head);
    serde_json::from_str(&answer.body).unwrap()
}

fn operations(document: &Value) -> Vec<(String, String)> {
    let paths = document["paths"].as_object().unwrap();
    let each = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
    });
    each.collect()
}

/// Where only a browser finds something, and only with the studio.
const PAGES: [&str; 8] =
    ["/c/{id}", "/models", "/models/{name}", "/system", "/usage", "/settings", "/voices", "/studio/{path}"];

/// The path with `m` for everything that is named in it; a `:` after it stays.
fn filled(path: &str) -> String {
    let mut parts = path.split('{');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |all, part| format!("{all}m{}", part.split_once('}').unwrap().1))
}

#[test]
fn everything_that_is_described_is_there() {
    let server = Running::start(|_| {});
    for (method, path) in operations(&document(&server)) {
        // An event stream has no end to wait for.
        if path == "/api/parasol/events" {
            continue;
        }
        let real = filled(&path);
        let answer = server.send(&method, &real, &[], "");
        assert_ne!(answer.status, 405, "{method} {path}");
        // A program gets no page at the addresses of the studio's.
        let page = PAGES.contains(&path.as_str());
        assert!(page || !answer.body.contains("there is nothing at"), "{method} {path}: {}", answer.body);
        assert!(answer.status < 500, "{method} {path}: {}", answer.body);
    }
}

/// The paths that the sources hand to the router with a handler of their own.
fn routed(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            routed(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            for part in text.split(".route(").skip(1) {
                let Some(route) = part.trim_start().strip_prefix('"') else { continue };
                let (path, handler) = route.split_once('"').unwrap();
                // What answers to any method says that it is not offered.
                if !handler.trim_start_matches([',', ' ', '\n']).starts_with("any(") {
                    found.insert(path.replace("{*", "{"));
                }
            }
        }
    }
}

#[test]
fn everything_that_is_there_is_described() {
    let server = Running::start(|_| {});
    let described: BTreeSet<String> = operations(&document(&server)).into_iter().map(|(_, p)| p).collect();
    let mut sources = BTreeSet::new();
    routed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut sources);
    assert!(sources.len() > 20, "{sources:?}");
    for path in sources {
        let there = described.contains(&path) || path == "/v1beta/models/{rest}";
        assert!(there, "{path} is routed and not described: see crates/server/src/openapi/routes.rs");
    }
}

#[test]
fn references_lead_somewhere_and_the_page_needs_nothing_else() {
    let server = Running::start(|_| {});
    let document = document(&server);
    let text = document.to_string();
    for part in text.split("\"$ref\":\"#").skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer}");
    }
    let page = server.get("/docs", &[]);
    assert_eq!(page.status, 200);
    assert!(page.body.contains("/v1/chat/completions") && page.body.contains("max_completion_tokens"));
    assert!(!page.body.contains("<script") && !page.body.contains("src=") && !page.body.contains("{{"));
}
