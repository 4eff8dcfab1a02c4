//! Nodes of every kind that real exports have, in invented conversations.

#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

/// A conversation of these nodes: id, parent, message.
fn chat(nodes: &[(&str, Option<&str>, Value)]) -> Result<Archive, String> {
    let mut mapping = serde_json::Map::new();
    for (id, parent, message) in nodes {
        let children: Vec<&str> =
            nodes.iter().filter(|(_, p, _)| *p == Some(*id)).map(|(id, _, _)| *id).collect();
        mapping.insert(
            (*id).into(),
            json!({ "id": id, "parent": parent, "children": children, "message": message }),
        );
    }
    parse(&json!({ "title": "T", "mapping": mapping, "current_node": nodes.last().unwrap().0 }).to_string())
}

fn text(role: &str, text: &str) -> Value {
    json!({ "author": { "role": role, "name": null }, "content": { "content_type": "text", "parts": [text] },
            "create_time": 1.7e9, "status": "finished_successfully", "recipient": "all",
            "metadata": { "model_slug": "gpt-4o" } })
}

fn with(mut message: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

fn said(archive: &Archive) -> Vec<(Option<usize>, Role, &str)> {
    archive.messages.iter().map(|m| (m.parent, m.role, m.content.as_str())).collect()
}

#[test]
fn branches_stay_and_empty_nodes_go() {
    let archive = chat(&[
        ("root", None, Value::Null),
        (
            "hidden",
            Some("root"),
            with(text("system", ""), json!({ "metadata": { "is_visually_hidden_from_conversation": true } })),
        ),
        ("q", Some("hidden"), text("user", "Hi?")),
        ("a1", Some("q"), text("assistant", "One.")),
        ("a2", Some("q"), text("assistant", "Two.")),
        ("q2", Some("a1"), text("user", "More?")),
    ]);
    let archive = archive.unwrap();
    let (u, a) = (Role::User, Role::Assistant);
    assert_eq!(
        said(&archive),
        [(None, u, "Hi?"), (Some(0), a, "One."), (Some(1), u, "More?"), (Some(0), a, "Two.")]
    );
    assert_eq!((archive.head, archive.system), (Some(2), None));
    assert_eq!(archive.messages[1].model.as_deref(), Some("gpt-4o"));
}

#[test]
fn a_turn_of_many_nodes_is_one_message() {
    let archive = chat(&[
        ("q", None, text("user", "What is 1 + 1?")),
        (
            "t",
            Some("q"),
            with(
                text("assistant", ""),
                json!({ "content": { "content_type": "thoughts",
            "thoughts": [{ "summary": "Adding", "content": "One and one.", "chunks": [], "finished": true }] } }),
            ),
        ),
        (
            "r",
            Some("t"),
            with(
                text("assistant", ""),
                json!({ "content": { "content_type": "reasoning_recap", "content": "Thought for 2s" } }),
            ),
        ),
        (
            "c",
            Some("r"),
            with(
                text("assistant", ""),
                json!({ "recipient": "python",
            "content": { "content_type": "code", "language": "unknown", "text": "print(1 + 1)" } }),
            ),
        ),
        // A node that says nothing ends no turn.
        ("e", Some("c"), text("assistant", "")),
        (
            "o",
            Some("e"),
            with(
                text("tool", ""),
                json!({ "author": { "role": "tool", "name": "python" },
            "content": { "content_type": "execution_output", "text": "2" } }),
            ),
        ),
        ("a", Some("o"), text("assistant", "Two.")),
    ]);
    let archive = archive.unwrap();
    assert_eq!(said(&archive), [(None, Role::User, "What is 1 + 1?"), (Some(0), Role::Assistant, "Two.")]);
    assert_eq!(
        archive.messages[1].reasoning.as_deref(),
        Some(
            "**Adding**\n\nOne and one.\n\nThought for 2s\n\nTo python:\n\n```\nprint(1 + 1)\n```\n\nFrom python:\n\n```\n2\n```"
        )
    );
    assert_eq!(archive.head, Some(1));
}

#[test]
fn a_turn_that_branches_in_its_middle_keeps_both_ends() {
    let archive = chat(&[
        ("q", None, text("user", "Go.")),
        ("a", Some("q"), text("assistant", "First")),
        ("b", Some("a"), text("assistant", "then this")),
        ("c", Some("a"), text("assistant", "then that")),
    ]);
    let a = Role::Assistant;
    assert_eq!(
        said(&archive.unwrap())[1..],
        [(Some(0), a, "First"), (Some(1), a, "then this"), (Some(1), a, "then that")]
    );
}

#[test]
fn what_cannot_come_along_is_named_where_it_stood() {
    let picture = json!({ "content_type": "image_asset_pointer", "asset_pointer": "file-service://file-x", "width": 4, "height": 3 });
    let archive = chat(&[
        (
            "q",
            None,
            with(
                text("user", ""),
                json!({ "content": { "content_type": "multimodal_text", "parts": [picture, "What is this?"] },
            "metadata": { "attachments": [{ "name": "a.png", "mime_type": "image/png" }, { "name": "b.pdf", "mime_type": "application/pdf" }] } }),
            ),
        ),
        (
            "v",
            Some("q"),
            with(
                text("assistant", ""),
                json!({ "content": { "content_type": "multimodal_text", "parts": [
            { "content_type": "audio_transcription", "text": "A cat.", "direction": "out" },
            { "content_type": "audio_asset_pointer", "asset_pointer": "sediment://y", "format": "wav" }] } }),
            ),
        ),
        (
            "n",
            Some("v"),
            with(text("assistant", ""), json!({ "content": { "content_type": "super_widget" } })),
        ),
    ]);
    let archive = archive.unwrap();
    assert_eq!(
        archive.messages[0].content,
        "What is this?\n\n[picture that the export only names: file-service://file-x, 4 × 3]\n\n[file that the export only names: b.pdf]"
    );
    assert!(
        archive.messages[1].content.starts_with("A cat.\n\n[sound that the export only names: sediment://y]")
    );
    assert!(archive.messages[1].content.contains("\"super_widget\""));
}

#[test]
fn custom_instructions_become_the_system_prompt() {
    let custom = json!({ "content": { "content_type": "user_editable_context", "user_profile": "wrapped", "user_instructions": "wrapped" },
        "metadata": { "is_visually_hidden_from_conversation": true, "is_user_system_message": true,
            "user_context_message_data": { "about_user_message": "I sail.", "about_model_message": "Be brief." } } });
    let archive = chat(&[
        ("s", None, with(text("user", ""), custom)),
        ("q", Some("s"), text("user", "Hi")),
        ("a", Some("q"), text("assistant", "Hello.")),
    ]);
    let archive = archive.unwrap();
    assert_eq!(archive.system.as_deref(), Some("I sail.\n\nBe brief."));
    assert_eq!(archive.messages.len(), 2);
}

#[test]
fn sources_become_links_and_unknown_marks_go() {
    let mark = "\u{e200}cite\u{e202}turn0search0\u{e201}";
    let archive = chat(&[
        ("q", None, text("user", "Hi")),
        (
            "a",
            Some("q"),
            with(
                text("assistant", &format!("Known.{mark} Unknown.\u{e200}x\u{e201} Open.\u{e200}y")),
                json!({ "metadata": { "content_references": [{ "matched_text": mark, "alt": "([site](https://a.example))" }] } }),
            ),
        ),
    ]);
    assert_eq!(
        archive.unwrap().messages[1].content,
        "Known.([site](https://a.example)) Unknown. Open.\u{e200}y"
    );
}

#[test]
fn how_an_answer_ended_is_kept() {
    let end = |changes| {
        chat(&[("a", None, with(text("assistant", "…"), changes))]).unwrap().messages[0].end.clone()
    };
    assert_eq!(end(json!({})), End::Complete);
    assert_eq!(end(json!({ "metadata": { "finish_details": { "type": "max_tokens" } } })), End::Length);
    assert_eq!(end(json!({ "metadata": { "finish_details": { "type": "interrupted" } } })), End::Stopped);
    assert_eq!(end(json!({ "status": "in_progress" })), End::Interrupted);
}

#[test]
fn wrong_shapes_are_refused_with_the_place() {
    let says = |message: Value, part: &str| {
        let why = chat(&[("m1", None, message)]).unwrap_err();
        assert!(why.contains(part), "{why}");
    };
    says(text("wizard", "x"), "\"wizard\"");
    says(with(text("user", ""), json!({ "content": "x" })), "wrong shape");
    says(with(text("user", ""), json!({ "content": { "content_type": 1 } })), "\"m1\": its content_type");
    says(
        with(text("user", ""), json!({ "content": { "content_type": "text", "parts": "x" } })),
        "not a list",
    );
    says(with(text("user", ""), json!({ "content": { "content_type": "text", "parts": [1] } })), "neither");
    says(
        with(text("assistant", ""), json!({ "content": { "content_type": "thoughts", "thoughts": 1 } })),
        "thoughts",
    );
    assert!(parse(r#"{"mapping":{"a":{"parent":"b"},"b":{"parent":"a"}}}"#).unwrap_err().contains("circle"));
    assert!(parse(r#"{"mapping":{"a":{},"a":{}}}"#).unwrap_err().contains("two of its messages"));
    assert!(parse(r#"{"mapping":[]}"#).unwrap_err().contains("wrong shape"));
    assert!(parse(&format!("{{\"mapping\":{{\"a\":{{\"message\":{}", "[".repeat(9999))).is_err());
}

#[test]
fn what_lay_in_a_project_lies_in_a_folder() {
    let folder = |more: Value| {
        let chat = with(json!({ "title": "T", "mapping": {} }), more);
        parse(&chat.to_string()).unwrap().folder
    };
    let project = "g-p-67e1a2b3c4d581918a1b2c3d4e5f6071";
    let named = Some("ChatGPT project 67e1a2b3".to_owned());
    assert_eq!(folder(json!({ "gizmo_id": project, "conversation_template_id": project })), named);
    assert_eq!(folder(json!({ "conversation_template_id": format!("{project}-garden") })), named);
    assert_eq!(folder(json!({ "gizmo_id": project, "is_archived": true })), Some(ARCHIVED.to_owned()));
    // A GPT is no project, and what is no id is none of either.
    for other in [json!("g-2fkFE8rbu"), json!("g-p-"), json!("g-p-\u{1}x"), json!(7), Value::Null] {
        assert_eq!(folder(json!({ "gizmo_id": other })), None, "{other}");
    }
}
