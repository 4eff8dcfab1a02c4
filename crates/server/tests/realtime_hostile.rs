//! Clients of the Realtime protocol who send what they should not, and who may not come in.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/talk.rs"]
mod talk;

use common::{Running, endless_toy, toy};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use talk::{Caller, RATE, call, encoded, knock, model, silence};
use tungstenite::Message;

fn at(model: &str) -> String {
    format!("/v1/realtime?model={}", model.replace('/', "%2F"))
}

fn write(caller: &mut Caller, text: &str) {
    let content = json!([{ "type": "input_text", "text": text }]);
    let item = json!({ "type": "message", "role": "user", "content": content });
    caller.send(json!({ "type": "conversation.item.create", "item": item }));
    caller.until("conversation.item.done");
}

/// The session still answers.
fn is_well(caller: &mut Caller) {
    caller.send(json!({ "type": "session.update", "session": {} }));
    caller.until("session.updated");
}

#[test]
fn messages_that_mean_nothing_are_answered_and_do_no_harm() {
    let server = Running::start(|_| {});
    let mut caller = call(&server, &toy());
    for text in ["", "{", "null", "[]", "\"x\"", "{}", "{\"type\":7}", "\u{0}", &"[".repeat(100_000)] {
        caller.text(text);
        assert_eq!(caller.until("error")["error"]["type"], "invalid_request_error", "{text:.20}");
    }
    caller.message(Message::binary(vec![0; 100]));
    assert!(caller.until("error")["error"]["message"].as_str().unwrap().contains("binary"));
    caller.message(Message::Ping(vec![1, 2].into()));
    let append = |audio: &str| json!({ "type": "input_audio_buffer.append", "audio": audio });
    let item = |item: Value| json!({ "type": "conversation.item.create", "item": item });
    for (event, part) in [
        (append("?"), "base64"),
        (append("AA=="), "two each"),
        (append("AAAA AAAA"), "base64"),
        (json!({ "type": "input_audio_buffer.append" }), "audio: is required"),
        (json!({ "type": "input_audio_buffer.commit" }), "buffer holds 0 ms"),
        (json!({ "type": "response.cancel" }), "nothing to cancel"),
        (json!({ "type": "conversation.item.delete", "item_id": "item_x" }), "item_x"),
        (json!({ "type": "conversation.item.retrieve", "item_id": "x".repeat(10_000) }), "no item"),
        (
            json!({ "type": "conversation.item.truncate", "item_id": "i", "content_index": 0, "audio_end_ms": 0 }),
            "no item",
        ),
        (
            json!({ "type": "conversation.item.truncate", "item_id": "i", "content_index": 1e300, "audio_end_ms": 0 }),
            "content_index",
        ),
        (item(json!({ "type": "item_reference", "id": "a" })), "item_reference"),
        (
            item(
                json!({ "type": "message", "role": "user", "content": [{ "type": "input_audio", "audio": "AA==" }] }),
            ),
            "two each",
        ),
        (item(json!({ "type": "function_call_output", "call_id": "c", "output": "" })), "no call"),
        (item(json!({ "type": "message", "role": "king", "content": [] })), "role"),
        (
            json!({ "type": "response.create", "response": { "input": [{ "type": "item_reference", "id": "gone" }] } }),
            "gone",
        ),
        (
            json!({ "type": "response.create", "response": { "output_modalities": ["film"] } }),
            "output_modalities",
        ),
        (json!({ "type": "session.update", "session": { "audio": { "output": { "speed": 90 } } } }), "speed"),
        (json!({ "type": "output_audio_buffer.clear" }), "WebRTC"),
    ] {
        let error = caller.fails(event.clone());
        assert!(error["message"].as_str().unwrap().contains(part), "{event:.80}: {error}");
    }
    is_well(&mut caller);
}

#[test]
fn what_is_too_much_is_refused_with_its_number() {
    let server = Running::start(|_| {});
    let mut caller = call(&server, &toy());
    let quiet = json!({ "audio": { "input": { "turn_detection": null } } });
    caller.send(json!({ "type": "session.update", "session": quiet }));
    caller.until("session.updated");
    // Three minutes at once are held, three more are not.
    let long = json!({ "type": "input_audio_buffer.append", "audio": encoded(&silence(180_000)) });
    caller.send(long.clone());
    let error = caller.fails(long);
    assert!(error["message"].as_str().unwrap().contains("300 s"), "{error}");
    caller.send(json!({ "type": "input_audio_buffer.clear" }));
    caller.until("input_audio_buffer.cleared");
    is_well(&mut caller);
    // A message beyond the largest ends the connection, and no other one.
    caller.text(&"x".repeat(16 << 20));
    while !caller.next().is_null() {}
    is_well(&mut call(&server, &toy()));
}

#[test]
fn ten_thousand_pieces_of_sound_are_taken() {
    let Some(ears) = model("whisper-tiny") else { return };
    let server = Running::start(|_| {});
    let mut caller = call(&server, &toy());
    let how = json!({ "audio": { "input": { "transcription": { "model": ears } } } });
    caller.send(json!({ "type": "session.update", "session": how }));
    caller.until("session.updated");
    let piece =
        json!({ "type": "input_audio_buffer.append", "audio": encoded(&vec![0; RATE / 50]) }).to_string();
    for _ in 0..10_000 {
        caller.text(&piece);
    }
    // What nobody speaks in is not kept: it would be more than may be held.
    is_well(&mut caller);
    assert_eq!(caller.kinds(), ["session.created", "session.updated", "session.updated"]);
}

#[test]
fn responses_that_cannot_be_fail_and_say_why() {
    let server = Running::start(|_| {});
    let mut caller = call(&server, &toy());
    let fails = |caller: &mut Caller, response: Value| {
        caller.send(json!({ "type": "response.create", "response": response }));
        let done = caller.until("response.done");
        assert_eq!(done["response"]["status"], "failed", "{done}");
        done["response"]["status_details"]["error"]["message"].as_str().unwrap_or_default().to_owned()
    };
    let content = json!([{ "type": "input_text", "text": "Hi" }]);
    caller.send(json!({ "type": "conversation.item.create", "item": { "type": "message", "role": "user", "content": content } }));
    // The store of this server is empty: it has no voice.
    let says = fails(&mut caller, json!({}));
    assert!(says.contains("hibari"), "{says}");
    let says =
        fails(&mut caller, json!({ "output_modalities": ["text"], "instructions": "x ".repeat(200_000) }));
    assert!(says.contains("context"), "{says}");
    is_well(&mut caller);
}

#[test]
fn only_who_may_comes_in() {
    let server = Running::start(|_| {});
    let toy = toy();
    let refused = |path: &str, headers: &[(&str, &str)]| match knock(&server, path, headers) {
        Ok(_) => panic!("{path} was let in"),
        Err(answer) => answer,
    };
    assert_eq!(refused(&at("nobody"), &[]).0, 404);
    assert_eq!(refused("/v1/realtime", &[]).0, 400);
    assert_eq!(refused("/v1/realtime?intent=singing", &[]).0, 400);
    assert_eq!(refused(&at(&toy), &[("origin", "https://evil.example")]).0, 403);
    assert_eq!(refused(&at(&toy), &[("host", "evil.example")]).0, 421);
    let (status, body) = refused(&at(&toy), &[("openai-beta", "realtime=v1")]);
    assert!(status == 400 && body.contains("beta"), "{status} {body}");
    let plain = server.get(&at(&toy), &[]);
    assert!(plain.status == 400 && plain.body.contains("WebSocket"), "{}", plain.body);
    let key = server.key(KeyTerms { name: "k".into(), models: vec!["other".into()], ..KeyTerms::default() });
    assert_eq!(refused(&at(&toy), &[]).0, 401);
    assert_eq!(refused(&at(&toy), &[("authorization", &format!("Bearer {key}"))]).0, 403);
    let mine = server.key(KeyTerms { name: "mine".into(), ..KeyTerms::default() });
    let offered = format!("realtime, openai-insecure-api-key.{mine}");
    let mut caller = knock(&server, &at(&toy), &[("sec-websocket-protocol", &offered)])
        .unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(caller.next()["type"], "session.created");
}

#[test]
fn a_session_that_rests_does_not_keep_the_server_from_ending() {
    let mut server = Running::start(|_| {});
    let mut caller = call(&server, &toy());
    let begun = std::time::Instant::now();
    server.ask_to_end();
    assert!(caller.next().is_null());
    assert_eq!(server.ended(), 0);
    assert!(begun.elapsed() < std::time::Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[test]
fn only_so_many_talk_at_once() {
    let server = Running::start(|options| options.max_queue = 2);
    let first = call(&server, &toy());
    let _second = call(&server, &toy());
    let Err((status, body)) = knock(&server, &at(&toy()), &[]) else { panic!("a third was let in") };
    assert!(status == 503 && body.contains("--max-queue"), "{status} {body}");
    first.hang_up();
    talk::soon("its place is not given back", || knock(&server, &at(&toy()), &[]).is_ok());
}

#[test]
fn one_place_is_enough_for_a_response() {
    let server = Running::start(|options| options.max_queue = 1);
    let mut caller = call(&server, &toy());
    write(&mut caller, "Hi");
    for _ in 0..2 {
        let how = json!({ "output_modalities": ["text"], "max_output_tokens": 4 });
        caller.send(json!({ "type": "response.create", "response": how }));
        let done = caller.until("response.done");
        assert_ne!(done["response"]["status"], "failed", "{done}");
    }
}

#[test]
fn an_answer_that_is_being_given_is_not_deleted_and_one_that_was_stays_so() {
    let server = Running::start(|_| {});
    let mut caller = call(&server, &endless_toy());
    write(&mut caller, "Talk without end.");
    let how = json!({ "output_modalities": ["text"] });
    caller.send(json!({ "type": "response.create", "response": how }));
    let item = caller.until("response.output_text.delta")["item_id"].clone();
    let delete = json!({ "type": "conversation.item.delete", "item_id": item });
    let error = caller.fails(delete.clone());
    assert!(error["message"].as_str().unwrap().contains("response.cancel"), "{error}");
    caller.send(json!({ "type": "response.cancel" }));
    caller.until("response.done");
    caller.send(delete);
    caller.until("conversation.item.deleted");
    let error = caller.fails(json!({ "type": "conversation.item.retrieve", "item_id": item }));
    assert!(error["message"].as_str().unwrap().contains("no item"), "{error}");
}

#[test]
fn what_is_written_down_counts_against_the_key() {
    let server = Running::start(|_| {});
    let terms = KeyTerms { name: "k".into(), requests_per_minute: Some(2), ..KeyTerms::default() };
    let key = format!("Bearer {}", server.key(terms));
    let mut caller =
        knock(&server, &at(&toy()), &[("authorization", &key)]).unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(caller.next()["type"], "session.created");
    caller.send(
        json!({ "type": "session.update", "session": { "audio": { "input": { "turn_detection": null } } } }),
    );
    caller.until("session.updated");
    // The first has its request, the connection having taken the other, and no model that listens.
    for says in ["whisper", "2 requests in a minute"] {
        caller.say(&silence(200));
        let error = caller.fails(json!({ "type": "input_audio_buffer.commit" }));
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
    }
}

#[test]
fn a_model_that_is_no_voice_says_so_by_its_name() {
    let server = Running::start(|_| {});
    let mut caller = call(&server, &toy());
    let voice = format!("{}/heart", toy());
    let how = json!({ "audio": { "output": { "voice": voice } } });
    caller.send(json!({ "type": "response.create", "response": how }));
    let done = caller.until("response.done");
    let says = done["response"]["status_details"]["error"]["message"].as_str().unwrap();
    assert!(says.contains("toy-chat") && !says.contains("hibari is not"), "{says}");
}

#[test]
fn of_a_conversation_that_is_too_long_as_much_is_answered_as_fits() {
    // The toy with a context that is soon full.
    let folder = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(toy()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let config = folder.path().join("config.json");
    let short = std::fs::read_to_string(&config).unwrap().replace("65536", "1024");
    std::fs::write(&config, short).unwrap();
    let server = Running::start(|_| {});
    let mut caller = call(&server, folder.path().to_str().unwrap());
    for _ in 0..100 {
        write(&mut caller, &"many words ".repeat(9));
    }
    let mut respond = |truncation: &str| {
        let how = json!({ "output_modalities": ["text"], "max_output_tokens": 4, "truncation": truncation });
        caller.send(json!({ "type": "session.update", "session": how }));
        caller.until("session.updated");
        caller.send(json!({ "type": "response.create" }));
        caller.until("response.done")["response"].take()
    };
    let refused = respond("disabled");
    assert_eq!(refused["status"], "failed", "{refused}");
    for _ in 0..3 {
        let response = respond("auto");
        assert_ne!(response["status"], "failed", "{response}");
        let tokens = response["usage"]["input_tokens"].as_u64().unwrap();
        assert!((700..=1024).contains(&tokens), "{response}");
    }
}
