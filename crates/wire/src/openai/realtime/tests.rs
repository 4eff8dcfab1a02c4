//! Messages of clients, settings, items and responses, without a socket.

#![allow(clippy::unwrap_used)]

use super::*;
use parasol_core::{FinishReason, Role, ToolCallDelta, ToolCallStart, Usage};
use serde_json::{Value, json};

fn session() -> Session {
    Session::new(Some("m".into()), ("ears".into(), "voice".into()))
}

fn read(value: &Value) -> Received {
    Received::read(&value.to_string())
}

#[test]
fn messages_are_read_and_what_is_wrong_is_named() {
    let got = read(&json!({ "type": "input_audio_buffer.append", "event_id": "e1", "audio": "AAA=" }));
    assert_eq!(
        (got.event_id.as_deref(), got.event.unwrap()),
        (Some("e1"), ClientEvent::Append("AAA=".into()))
    );
    for (message, part) in [
        (json!({}), "type: is required"),
        (json!([]), "must be an object"),
        (json!({ "type": "x", "event_id": 7 }), "event_id: must be a string"),
        (json!({ "type": "session.begin" }), "no event of a client's"),
        (json!({ "type": "response.cancel", "more": 1 }), "more: is not a parameter"),
        (json!({ "type": "conversation.item.create", "item": { "type": "mcp_call" } }), "item.type"),
        (json!({ "type": "conversation.item.truncate", "item_id": "a", "content_index": 0 }), "audio_end_ms"),
        (
            json!({ "type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": -4 }),
            "at least 0",
        ),
        (
            json!({ "type": "conversation.item.create", "item": { "type": "message", "role": "user",
                "content": [{ "type": "input_audio", "audio": "?" }] } }),
            "item.content.0.audio",
        ),
        (
            json!({ "type": "conversation.item.create", "item": { "type": "message", "role": "user",
                "content": [{ "type": "input_image", "image_url": "data:" }] } }),
            "input_text or input_audio",
        ),
    ] {
        let error = read(&message).event.unwrap_err();
        assert!(error.message().contains(part), "{message}: {error}");
    }
    assert!(Received::read("{").event.unwrap_err().message().contains("no JSON"));
    assert_eq!(read(&json!({ "event_id": "x".repeat(600), "type": "response.cancel" })).event_id, None);
}

#[test]
fn settings_change_together_or_not_at_all() {
    let mut it = session();
    it.update(json!({
        "type": "realtime", "output_modalities": ["text"], "instructions": "Be brief.", "max_output_tokens": 9,
        "audio": { "input": { "turn_detection": null, "transcription": { "model": "w", "language": "en" } },
            "output": { "voice": "alloy", "speed": 1.5 } },
        "tools": [{ "type": "function", "name": "f", "parameters": {} }], "tool_choice": "required",
    }))
    .unwrap();
    let shown = it.write("sess_1");
    assert_eq!(shown["audio"]["input"]["turn_detection"], Value::Null);
    assert_eq!(shown["audio"]["input"]["transcription"]["model"], "w");
    assert_eq!(
        (shown["tools"][0]["name"].as_str(), shown["tool_choice"].as_str()),
        (Some("f"), Some("required"))
    );
    assert_eq!((it.speech.voicing.own_voice(), it.speech.max_tokens), (None, Some(9)));
    let before = it.clone();
    for (change, part) in [
        (json!({ "instructions": "x", "model": "other" }), "session.model"),
        (
            json!({ "instructions": "x", "audio": { "input": { "format": { "type": "audio/pcmu" } } } }),
            "G.711",
        ),
        (json!({ "audio": { "input": { "format": { "type": "audio/pcm", "rate": 8000 } } } }), "24000"),
        (
            json!({ "audio": { "input": { "turn_detection": { "type": "server_vad", "threshold": 3 } } } }),
            "threshold",
        ),
        (
            json!({ "audio": { "input": { "turn_detection": { "type": "server_vad", "silence_duration_ms": 999_999 } } } }),
            "30000",
        ),
        (json!({ "output_modalities": ["text", "audio"] }), "output_modalities"),
        (json!({ "max_output_tokens": 0 }), "max_output_tokens"),
        (json!({ "tool_choice": { "type": "function", "name": "g" } }), "not among the tools"),
        (json!({ "type": "transcription" }), "intent=transcription"),
        (json!({ "temperature": 1 }), "session.temperature"),
        (json!("x"), "must be an object"),
    ] {
        let error = it.update(change.clone()).unwrap_err();
        assert!(error.message().contains(part), "{change}: {error}");
        assert_eq!(it, before);
    }
    // What was shown can be sent back.
    it.update(before.write("sess_1")).unwrap();
    it.update(json!({ "tools": [] })).unwrap();
    assert_eq!(it.write("s")["tool_choice"], "auto");
    let writes = Session::new(None, ("ears".into(), "voice".into())).write("s");
    assert_eq!(
        (writes["type"].as_str(), writes["audio"]["input"]["transcription"]["model"].as_str()),
        (Some("transcription"), Some("ears"))
    );
}

#[test]
fn a_conversation_becomes_messages() {
    let item = |value: Value| {
        let message = json!({ "type": "conversation.item.create", "item": value });
        match read(&message).event.unwrap() {
            ClientEvent::ItemCreate { item, .. } => item,
            other => panic!("{other:?}"),
        }
    };
    let mut heard = item(json!({ "type": "message", "role": "user",
        "content": [{ "type": "input_text", "text": "Listen:" }, { "type": "input_audio", "audio": "AAAA" }] }));
    assert_eq!(heard.unheard(), Some((1, "AAAA")));
    heard.heard(1, "How warm is it?");
    let items = [
        heard,
        item(json!({ "type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" })),
        item(json!({ "type": "function_call_output", "call_id": "c", "output": "7" })),
        item(
            json!({ "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "Seven." }] }),
        ),
    ];
    let messages = conversation(&items).unwrap();
    let roles: Vec<Role> = messages.iter().map(|m| m.role).collect();
    assert_eq!(roles, [Role::User, Role::Assistant, Role::Tool, Role::Assistant]);
    assert_eq!(messages[0].content, "Listen:\nHow warm is it?");
    assert_eq!(messages[2].name.as_deref(), Some("f"));
    assert!(conversation(&items[2..]).unwrap_err().message().contains("no call of this conversation"));
    let speech = Speech { instructions: "Be brief.".into(), ..Speech::default() };
    assert_eq!(speech.request(messages, &Default::default()).messages[0].role, Role::System);
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|e| e["type"].as_str()).collect()
}

#[test]
fn a_spoken_answer_with_a_call_comes_in_order() {
    let mut ids = Ids::new("ab");
    let mut answer = Answer::new(&mut ids, ResponseCall::of(&session()), Some("item_0".into()));
    assert_eq!(answer.created()["response"]["status"], "in_progress");
    let mut events = answer.text(&mut ids, "Seven ");
    events.extend(answer.text(&mut ids, "degrees."));
    events.extend(answer.sound(&mut ids, "AAAA".into()));
    let start = Some(ToolCallStart { id: "c".into(), name: "f".into() });
    events.extend(answer.tool_call(&mut ids, &ToolCallDelta { index: 0, start, arguments: String::new() }));
    events
        .extend(answer.tool_call(&mut ids, &ToolCallDelta { index: 0, start: None, arguments: "{}".into() }));
    // One that never began belongs to nothing.
    assert!(
        answer
            .tool_call(&mut ids, &ToolCallDelta { index: 5, start: None, arguments: "x".into() })
            .is_empty()
    );
    answer.took(Usage { prompt_tokens: 5, generated_tokens: 3, ..Usage::default() });
    events.extend(answer.end(&End::Finished(FinishReason::Stop)));
    assert_eq!(
        kinds(&events),
        [
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            "response.output_audio_transcript.delta",
            "response.output_audio_transcript.delta",
            "response.output_audio.delta",
            "response.output_item.added",
            "conversation.item.added",
            "response.function_call_arguments.delta",
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.function_call_arguments.done",
            "response.output_item.done",
            "conversation.item.done",
            "response.done",
        ]
    );
    assert_eq!(events[1]["previous_item_id"], "item_0");
    for (added, done) in [(1, 13), (7, 16)] {
        assert_eq!(events[done]["previous_item_id"], events[added]["previous_item_id"]);
    }
    let done = &events[17]["response"];
    assert_eq!(
        (done["status"].as_str(), done["usage"]["total_tokens"].as_u64()),
        (Some("completed"), Some(8))
    );
    assert_eq!(done["output"][0]["content"][0]["transcript"], "Seven degrees.");
    assert_eq!(done["output"][1]["arguments"], "{}");
}

#[test]
fn what_is_broken_off_says_by_whom() {
    for (end, status, reason) in [
        (End::Cancelled { spoken_over: true }, "cancelled", "turn_detected"),
        (End::Cancelled { spoken_over: false }, "cancelled", "client_cancelled"),
        (End::Finished(FinishReason::Length), "incomplete", "max_output_tokens"),
    ] {
        let mut ids = Ids::new("ab");
        let call = ResponseCall::read(
            &session(),
            Some(json!({ "output_modalities": ["text"], "conversation": "none" })),
        );
        let mut answer = Answer::new(&mut ids, call.unwrap(), None);
        answer.text(&mut ids, "Se");
        let events = answer.end(&end);
        assert!(!kinds(&events).contains(&"conversation.item.done"), "it is not part of the conversation");
        let done = &events.last().unwrap()["response"];
        assert_eq!(
            (done["status"].as_str(), done["status_details"]["reason"].as_str()),
            (Some(status), Some(reason))
        );
        assert_eq!(done["output"][0]["status"], "incomplete");
    }
    let error = parasol_core::Error::context_overflow(9, 8);
    let event = events::error(&error, Some("e7"));
    assert_eq!(
        (event["error"]["event_id"].as_str(), event["error"]["code"].as_str()),
        (Some("e7"), Some("context_length_exceeded"))
    );
}
