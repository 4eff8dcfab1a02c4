//! Files from end to end, without a database: what is read of one, written as our own, is read as the same again.

#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value, json};

/// What is read of a file of the fixtures, and why the rest is not.
fn fixture(name: &str) -> (Vec<Kept>, Vec<(String, String)>) {
    let path = format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let (mut all, mut skipped) = (Vec::new(), Vec::new());
    for item in &shape::open(&text).unwrap().items {
        match read(item) {
            Ok(kept) => all.push(kept),
            Err(why) => skipped.push((item.title(), why)),
        }
    }
    (all, skipped)
}

/// Without ids: each message by what it says, what it answers and when.
fn told(kept: &Kept) -> Vec<(String, Option<String>, String)> {
    let says = |id: &Option<String>| {
        id.as_ref().map(|id| kept.messages.iter().find(|m| m.id == *id).unwrap().content.clone())
    };
    let mut all: Vec<_> =
        kept.messages.iter().map(|m| (m.content.clone(), says(&m.parent), m.created.clone())).collect();
    all.sort();
    all.push((
        kept.conversation.title.clone(),
        says(&kept.conversation.head),
        kept.conversation.updated.clone(),
    ));
    all
}

#[test]
fn what_was_read_is_written_and_read_as_the_same() {
    for (name, count, left) in [("chatgpt.json", 2, 1), ("open_webui.json", 3, 0)] {
        let (all, skipped) = fixture(name);
        assert_eq!((all.len(), skipped.len()), (count, left), "{name}: {skipped:?}");
        for kept in all {
            let text = parasol::one(kept.conversation.clone(), kept.messages.clone()).unwrap();
            let file = format!("{}{text}{}", parasol::opening(), parasol::CLOSING);
            let file = shape::open(&file).unwrap();
            let again = read(&file.items[0]).unwrap();
            assert_eq!(told(&again), told(&kept));
            assert_ne!(again.conversation.id, kept.conversation.id);
            let markdown = markdown::write(&again.conversation, &again.messages);
            assert!(markdown.starts_with(&format!("# {}\n", kept.conversation.title)), "{markdown}");
        }
    }
}

#[test]
fn a_running_answer_goes_on_elsewhere_and_not_here() {
    let message = |id: &str, parent: Option<&str>, state: &str| {
        json!({ "id": id, "parent": parent, "role": "assistant", "content": id, "reasoning": null, "tool_calls": [],
                "model": null, "created": "2026-01-01T00:00:00Z", "state": state, "error": null, "finish_reason": null,
                "usage": null, "timings": null })
    };
    let file = |messages: Value| {
        json!({ "conversation": { "id": "c", "title": "T", "folder": null, "pinned": false, "created": "2026-01-01T00:00:00Z",
                "updated": "2026-01-01T00:00:00Z", "model": null, "system": null, "parameters": {}, "head": "b" },
                "messages": messages })
        .to_string()
    };
    let text = file(json!([
        message("b", Some("q"), "running"),
        message("a", Some("q"), "complete"),
        message("q", None, "complete")
    ]));
    let kept = parasol::parse(&text).unwrap();
    // Siblings of one time stood in the order of their ids, and stand in that order still.
    let order: Vec<_> = kept.messages.iter().map(|m| (m.content.as_str(), m.created.as_str())).collect();
    assert_eq!(
        order,
        [
            ("q", "2026-01-01T00:00:00.000Z"),
            ("a", "2026-01-01T00:00:00.000Z"),
            ("b", "2026-01-01T00:00:00.001Z")
        ]
    );
    assert_eq!(kept.conversation.head.as_deref(), Some(kept.messages[2].id.as_str()));
    assert_eq!(serde_json::to_value(&kept.messages[2]).unwrap()["state"], "interrupted");
    assert!(parasol::parse(&file(json!([]))).unwrap_err().contains("its head is \"b\""));
}
