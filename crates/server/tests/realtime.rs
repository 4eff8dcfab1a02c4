//! Talking over a real listener, with real models from the user's own store: what is said is made by our own voice.

#![allow(clippy::unwrap_used)]

mod common;
#[path = "common/talk.rs"]
mod talk;

use common::{Running, TOKEN, endless_toy};
use parasol_runtime::Policy;
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::time::Duration;
use talk::{Caller, call, knock, model, silence, soon, spoken, words, written};

/// The models: one that answers, one that listens, and a voice.
fn models() -> Option<(String, String, String)> {
    Some((model("smollm2")?, model("whisper-base")?, model("hibari")?))
}

/// Who listens and who speaks, as the settings of a session.
fn audio(ears: &str, voice: &str) -> Value {
    json!({ "input": { "transcription": { "model": ears, "language": "en" } }, "output": { "voice": voice } })
}

fn set(caller: &mut Caller, session: Value) {
    caller.send(json!({ "type": "session.update", "session": session }));
    caller.until("session.updated");
}

fn write(caller: &mut Caller, text: &str) {
    let content = json!([{ "type": "input_text", "text": text }]);
    let item = json!({ "type": "message", "role": "user", "content": content });
    caller.send(json!({ "type": "conversation.item.create", "item": item }));
    caller.until("conversation.item.done");
}

fn ps(server: &Running) -> Value {
    let answer = server.get("/api/parasol/ps", &[&format!("x-parasol-token: {TOKEN}")]);
    serde_json::from_str(&answer.body).unwrap()
}

/// Nothing is computed any more, and no place is taken.
fn at_rest(server: &Running) -> Duration {
    soon("it goes on", || {
        let ps = ps(server);
        let running =
            ps["models"].as_array().unwrap().iter().any(|m| m["stats"]["running"].as_u64() > Some(0));
        ps["answers"] == 0 && !running
    })
}

#[test]
fn a_question_is_heard_answered_and_spoken() {
    let Some((model, ears, voice)) = models() else { return };
    let server = Running::start(|_| {});
    let mut caller = call(&server, &model);
    let instructions = "Answer in one short sentence.";
    set(
        &mut caller,
        json!({ "instructions": instructions, "max_output_tokens": 60, "audio": audio(&ears, &voice) }),
    );
    caller.say(&spoken(&voice, "What is the capital of France?"));
    caller.say(&silence(1200));
    let started = caller.until("input_audio_buffer.speech_started");
    let stopped = caller.until("input_audio_buffer.speech_stopped");
    assert!(started["audio_start_ms"].as_u64() < Some(500), "{started}");
    assert!(stopped["audio_end_ms"].as_u64() > Some(1500), "{stopped}");
    let heard = caller.until("conversation.item.input_audio_transcription.completed");
    let said = words(heard["transcript"].as_str().unwrap());
    assert!(said.contains(&"capital".into()) && said.contains(&"france".into()), "{said:?}");
    assert_eq!(heard["item_id"], started["item_id"]);
    let done = caller.until("response.done");
    let response = &done["response"];
    assert_eq!(
        (response["status"].as_str(), response["output"].as_array().unwrap().len()),
        (Some("completed"), 1)
    );
    assert!(response["usage"]["output_tokens"].as_u64() > Some(1), "{response}");
    let transcript = response["output"][0]["content"][0]["transcript"].as_str().unwrap().to_owned();
    let deltas: String = caller
        .heard
        .iter()
        .filter(|e| e["type"] == "response.output_audio_transcript.delta")
        .map(|e| e["delta"].as_str().unwrap())
        .collect();
    assert_eq!(deltas, transcript);
    // What was spoken is what was written.
    let back = words(&written(&ears, caller.sound()));
    let wanted = words(&transcript);
    let found = wanted.iter().filter(|word| back.contains(word)).count();
    assert!(!wanted.is_empty() && found * 10 >= wanted.len() * 7, "{wanted:?} was heard as {back:?}");
    let order = [
        "input_audio_buffer.committed",
        "response.created",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.done",
    ];
    let kinds = caller.kinds();
    let places: Vec<usize> = order.iter().map(|kind| kinds.iter().position(|k| k == kind).unwrap()).collect();
    assert!(places.is_sorted(), "{kinds:?}");
    // The sound is kept with the message that it is.
    caller.send(json!({ "type": "conversation.item.retrieve", "item_id": started["item_id"] }));
    let kept = caller.until("conversation.item.retrieved");
    assert!(kept["item"]["content"][0]["audio"].as_str().unwrap().len() > 10_000);
    assert!(kept["item"]["content"][0]["transcript"].as_str().unwrap().contains("France"));
    at_rest(&server);
}

#[test]
fn turns_can_be_left_to_the_client_and_answers_to_text() {
    let Some((model, ears, voice)) = models() else { return };
    let server = Running::start(|_| {});
    let mut caller = call(&server, &model);
    let mut how = audio(&ears, &voice);
    how["input"]["turn_detection"] = Value::Null;
    set(&mut caller, json!({ "output_modalities": ["text"], "max_output_tokens": 30, "audio": how }));
    let error = caller.fails(json!({ "type": "input_audio_buffer.commit", "event_id": "mine" }));
    assert_eq!(
        (error["code"].as_str(), error["event_id"].as_str()),
        (Some("input_audio_buffer_commit_empty"), Some("mine"))
    );
    caller.say(&spoken(&voice, "Please name three colours."));
    caller.send(json!({ "type": "input_audio_buffer.commit" }));
    // It waits until the sound has been written down.
    caller.send(json!({ "type": "response.create" }));
    caller.until("conversation.item.input_audio_transcription.completed");
    let done = caller.until("response.done");
    let text = done["response"]["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(!text.is_empty() && caller.sound().is_empty());
    let kinds = caller.kinds();
    assert!(
        !kinds.contains(&"input_audio_buffer.speech_started") && kinds.contains(&"response.output_text.done")
    );
    // A response beside the conversation does not become part of it.
    let beside = json!({ "conversation": "none", "metadata": { "a": "b" }, "max_output_tokens": 8, "input":
        [{ "type": "message", "role": "user", "content": [{ "type": "input_text", "text": "Say hello." }] }] });
    caller.send(json!({ "type": "response.create", "response": beside }));
    let done = caller.until("response.done")["response"].take();
    assert_eq!((done["metadata"]["a"].as_str(), done["conversation_id"].is_null()), (Some("b"), true));
    let id = done["output"][0]["id"].clone();
    let error = caller.fails(json!({ "type": "conversation.item.retrieve", "item_id": id }));
    assert!(error["message"].as_str().unwrap().contains("no item"), "{error}");
}

#[test]
fn who_speaks_over_an_answer_ends_it() {
    let Some((_, ears, voice)) = models() else { return };
    let server = Running::start(|_| {});
    let mut caller = call(&server, &endless_toy());
    set(&mut caller, json!({ "audio": audio(&ears, &voice), "output_modalities": ["text"] }));
    write(&mut caller, "Talk without end.");
    caller.send(json!({ "type": "response.create" }));
    caller.until("response.output_text.delta");
    let error = caller.fails(json!({ "type": "response.create" }));
    assert_eq!(error["code"], "conversation_already_has_active_response");
    // An answer to what is said would not end by itself, either.
    let turns = json!({ "type": "server_vad", "create_response": false });
    set(&mut caller, json!({ "audio": { "input": { "turn_detection": turns } } }));
    caller.say(&spoken(&voice, "Stop, please, that is enough."));
    caller.say(&silence(1000));
    let done = caller.until("response.done");
    assert_eq!(done["response"]["status_details"]["reason"], "turn_detected");
    assert_eq!(done["response"]["output"][0]["status"], "incomplete");
    caller.until("conversation.item.input_audio_transcription.completed");
    at_rest(&server);
    // By word of the client, too.
    caller.send(json!({ "type": "response.create" }));
    let id = caller.until("response.created")["response"]["id"].clone();
    let error = caller.fails(json!({ "type": "response.cancel", "response_id": "resp_other" }));
    assert_eq!(error["code"], "response_cancel_not_active");
    caller.send(json!({ "type": "response.cancel", "response_id": id }));
    let done = caller.until("response.done");
    assert_eq!(done["response"]["status_details"]["reason"], "client_cancelled");
    at_rest(&server);
}

#[test]
fn what_was_not_heard_of_an_answer_is_forgotten() {
    let Some((model, ears, voice)) = models() else { return };
    let server = Running::start(|_| {});
    let mut caller = call(&server, &model);
    set(&mut caller, json!({ "max_output_tokens": 60, "audio": audio(&ears, &voice) }));
    write(&mut caller, "Tell me about the sea in three sentences.");
    caller.send(json!({ "type": "response.create" }));
    let done = caller.until("response.done");
    let item = done["response"]["output"][0]["id"].clone();
    let whole = done["response"]["output"][0]["content"][0]["transcript"].as_str().unwrap().to_owned();
    let milliseconds = caller.sound().len() / 24;
    let cut = |at: usize| json!({ "type": "conversation.item.truncate", "item_id": item, "content_index": 0, "audio_end_ms": at });
    let error = caller.fails(cut(milliseconds + 5_000));
    assert!(error["message"].as_str().unwrap().contains("audio_end_ms"), "{error}");
    caller.send(cut(milliseconds / 2));
    assert_eq!(caller.until("conversation.item.truncated")["audio_end_ms"], milliseconds / 2);
    caller.send(json!({ "type": "conversation.item.retrieve", "item_id": item }));
    let left = caller.until("conversation.item.retrieved")["item"]["content"][0]["transcript"].clone();
    let left = left.as_str().unwrap();
    assert!(
        whole.starts_with(left) && left.len() < whole.len() && left.len() * 5 > whole.len(),
        "{left:?} of {whole:?}"
    );
}

#[test]
fn who_hangs_up_leaves_nothing_to_compute() {
    let Some((_, ears, voice)) = models() else { return };
    let server = Running::start(|_| {});
    let model = endless_toy();
    for spoken in [false, true] {
        let mut caller = call(&server, &model);
        let form = if spoken { "audio" } else { "text" };
        set(&mut caller, json!({ "audio": audio(&ears, &voice), "output_modalities": [form] }));
        write(&mut caller, "Talk without end.");
        caller.send(json!({ "type": "response.create" }));
        caller.until(if spoken {
            "response.output_audio_transcript.delta"
        } else {
            "response.output_text.delta"
        });
        caller.hang_up();
        let took = at_rest(&server);
        assert!(took < Duration::from_secs(1), "{form}: {took:?}");
    }
}

#[test]
fn what_is_only_written_down_comes_while_it_is_said() {
    // The smallest is fast enough to keep up beside the other tests.
    let (Some(ears), Some(voice)) = (model("whisper-tiny"), model("hibari")) else { return };
    let server = Running::start(|_| {});
    let path = format!("/v1/realtime?intent=transcription&model={}", ears.replace('/', "%2F"));
    let mut caller = knock(&server, &path, &[]).unwrap_or_else(|e| panic!("{e:?}"));
    let created = caller.next();
    assert_eq!(created["session"]["type"], "transcription");
    let text = "The boat was tied to the old wooden bridge, and nobody had seen the sailor since Monday, although many people \
        had looked for him along the river.";
    // As from a microphone: what is said later is not there yet.
    for piece in [spoken(&voice, text), silence(1000)].concat().chunks(2_400) {
        caller.say(piece);
        std::thread::sleep(Duration::from_millis(100));
    }
    let done = caller.until("conversation.item.input_audio_transcription.completed");
    let transcript = done["transcript"].as_str().unwrap().to_owned();
    assert!(transcript.contains("wooden bridge") && transcript.contains("river"), "{transcript}");
    assert!(done["usage"]["seconds"].as_f64() > Some(5.0), "{done}");
    let kinds = caller.kinds();
    let delta = "conversation.item.input_audio_transcription.delta";
    let stopped = kinds.iter().position(|k| *k == "input_audio_buffer.speech_stopped").unwrap();
    assert!(kinds[..stopped].contains(&delta), "nothing came before the end: {kinds:?}");
    let deltas: String =
        caller.heard.iter().filter(|e| e["type"] == delta).map(|e| e["delta"].as_str().unwrap()).collect();
    assert_eq!(words(&deltas), words(&transcript));
    let error = caller.fails(json!({ "type": "response.create" }));
    assert!(error["message"].as_str().unwrap().contains("only writes down"), "{error}");
    at_rest(&server);
}

#[test]
fn tools_are_called_and_their_results_used() {
    let Some((model, ears, voice)) = models() else { return };
    let server = Running::start(|_| {});
    let mut caller = call(&server, &model);
    let parameters =
        json!({ "type": "object", "properties": { "city": { "type": "string" } }, "required": ["city"] });
    let tool = json!({ "type": "function", "name": "weather", "description": "The weather of a city", "parameters": parameters });
    set(&mut caller, json!({ "tools": [tool], "tool_choice": "required", "audio": audio(&ears, &voice) }));
    write(&mut caller, "How is the weather in Paris?");
    caller.send(json!({ "type": "response.create" }));
    let done = caller.until("response.function_call_arguments.done");
    let arguments: Value = serde_json::from_str(done["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["city"].is_string() && done["name"] == "weather");
    let response = caller.until("response.done")["response"].take();
    assert_eq!(
        (response["status"].as_str(), response["output"][0]["type"].as_str()),
        (Some("completed"), Some("function_call"))
    );
    let result = |id: &Value| {
        json!({ "type": "conversation.item.create", "item":
        { "type": "function_call_output", "call_id": id, "output": "It rains, 7 degrees." } })
    };
    let error = caller.fails(result(&json!("call_nobody")));
    assert!(error["message"].as_str().unwrap().contains("call_nobody"), "{error}");
    caller.send(result(&done["call_id"]));
    caller.send(json!({ "type": "response.create", "response": { "tool_choice": "none", "output_modalities": ["text"], "max_output_tokens": 30 } }));
    let response = caller.until("response.done")["response"].take();
    assert!(!response["output"][0]["content"][0]["text"].as_str().unwrap().is_empty(), "{response}");
}

#[test]
fn a_limited_key_chooses_voices_by_name_and_one_place_is_enough_to_speak() {
    let Some((model, ears, voice)) = models() else { return };
    let own = |_| parasol_hub::Settings::from_env().unwrap();
    let server = Running::start_over(|options| options.max_queue = 1, own, Policy::Allowed);
    let models = vec![model.clone(), ears.clone(), voice.clone(), "hibari".to_owned()];
    let key = server.key(KeyTerms { name: "k".into(), models, ..KeyTerms::default() });
    let path = format!("/v1/realtime?model={}", model.replace('/', "%2F"));
    let key = format!("Bearer {key}");
    let mut caller = knock(&server, &path, &[("authorization", &key)]).unwrap_or_else(|e| panic!("{e:?}"));
    set(&mut caller, json!({ "max_output_tokens": 8, "audio": audio(&ears, &voice) }));
    write(&mut caller, "Say hello.");
    let speak = |caller: &mut Caller, voice: &str| {
        let how = json!({ "audio": { "output": { "voice": voice } } });
        caller.send(json!({ "type": "response.create", "response": how }));
        caller.until("response.done")["response"].take()
    };
    for name in ["heart".to_owned(), format!("{voice}/heart"), voice.clone()] {
        let response = speak(&mut caller, &name);
        assert_ne!(response["status"], "failed", "{name}: {response}");
    }
    assert!(!caller.sound().is_empty());
    // What the key may not use stays what it may not use.
    let response = speak(&mut caller, "piper-joe");
    let says = response["status_details"]["error"]["message"].as_str().unwrap();
    assert!(says.contains("may not use piper-joe"), "{says}");
}
