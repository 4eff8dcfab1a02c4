//! OpenAI's dialect over a real listener and a toy model.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, toy};
use parasol_runtime::{BackendEntry, ModelsOptions, RemoteEntry};
use parasol_server::KeyTerms;
use serde_json::{Value, json};
use std::time::Duration;

fn post(server: &Running, path: &str, mut body: Value, more: Value) -> Answer {
    for (name, value) in more.as_object().unwrap() {
        body[name] = value.clone();
    }
    server.send("POST", path, &[], &body.to_string())
}

fn chat(server: &Running, more: Value) -> Answer {
    let body = json!({"model": toy(), "max_tokens": 5, "temperature": 0, "messages": [{"role": "user", "content": "Hi"}]});
    post(server, "/v1/chat/completions", body, more)
}

fn complete(server: &Running, more: Value) -> Answer {
    let body = json!({"model": toy(), "max_tokens": 5, "prompt": "Once", "temperature": 0});
    post(server, "/v1/completions", body, more)
}

fn respond(server: &Running, more: Value) -> Answer {
    post(
        server,
        "/v1/responses",
        json!({"model": toy(), "max_output_tokens": 5, "input": "Hi", "temperature": 0}),
        more,
    )
}

fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// The body of a chunked answer put together again.
fn text(answer: &Answer) -> String {
    if !answer.head.contains("transfer-encoding: chunked") {
        return answer.body.clone();
    }
    let (mut rest, mut all) = (answer.body.as_str(), String::new());
    while let Some((size, tail)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        all.push_str(&tail[..size]);
        rest = &tail[size + 2..];
    }
    all
}

/// The data of a stream's events.
fn events(answer: &Answer) -> Vec<Value> {
    assert!(answer.head.contains("content-type: text/event-stream"), "{answer:?}");
    let text = text(answer);
    let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
    data.map(|d| if d == "[DONE]" { json!(d) } else { serde_json::from_str(d).unwrap() }).collect()
}

#[test]
fn a_chat_is_answered_whole_and_streamed_alike() {
    let server = Running::start(|_| {});
    let asked = json!({"user": "u", "logprobs": true, "top_logprobs": 2});
    let whole = chat(&server, asked.clone());
    assert_eq!(whole.status, 200, "{whole:?}");
    assert!(whole.head.contains("x-parasol-without-effect: user"), "{whole:?}");
    let object = json(&whole);
    let choice = &object["choices"][0];
    assert_eq!((&object["object"], &choice["finish_reason"]), (&json!("chat.completion"), &json!("length")));
    assert_eq!(object["usage"]["completion_tokens"], 5);
    assert_eq!(choice["logprobs"]["content"][0]["top_logprobs"].as_array().unwrap().len(), 2);
    let mut streamed = asked;
    streamed["stream"] = json!(true);
    streamed["stream_options"] = json!({"include_usage": true});
    let chunks = events(&chat(&server, streamed));
    assert_eq!(chunks[0]["choices"][0]["delta"]["role"], "assistant");
    assert_eq!(chunks.last().unwrap(), "[DONE]");
    let usage = &chunks[chunks.len() - 2];
    assert_eq!((&usage["choices"], &usage["usage"]["completion_tokens"]), (&json!([]), &json!(5)));
    assert_eq!(chunks[chunks.len() - 3]["choices"][0]["finish_reason"], "length");
    let said = |field: &str| -> String {
        chunks.iter().filter_map(|c| c["choices"][0]["delta"][field].as_str()).collect()
    };
    assert_eq!(said("content"), choice["message"]["content"].as_str().unwrap_or_default());
    let thought = choice["message"]["reasoning_content"].as_str().unwrap_or_default();
    assert_eq!(said("reasoning_content"), thought);
}

#[test]
fn several_answers_share_a_prompt_and_differ() {
    let server = Running::start(|_| {});
    let object = json(&chat(&server, json!({"n": 3, "seed": 7, "temperature": 1.5})));
    let choices = object["choices"].as_array().unwrap();
    assert_eq!(choices.iter().map(|c| c["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2]);
    let one = json(&chat(&server, json!({"seed": 7, "temperature": 1.5})));
    assert_eq!(choices[0]["message"], one["choices"][0]["message"], "the first has the seed that was given");
    assert_ne!(choices[0]["message"], choices[1]["message"]);
    assert_eq!(object["usage"]["prompt_tokens"], one["usage"]["prompt_tokens"]);
    let chunks = events(&chat(&server, json!({"n": 2, "stream": true})));
    let ends = chunks.iter().filter(|c| c["choices"][0]["finish_reason"].is_string()).count();
    assert_eq!((ends, chunks.last().unwrap()), (2, &json!("[DONE]")));
}

#[test]
fn texts_are_continued_whole_streamed_several_and_echoed() {
    let server = Running::start(|_| {});
    let object = json(&complete(&server, json!({"prompt": ["Once", "Twice"], "echo": true})));
    let choices = object["choices"].as_array().unwrap();
    assert_eq!((object["object"].as_str().unwrap(), choices.len()), ("text_completion", 2));
    assert!(choices[1]["text"].as_str().unwrap().starts_with("Twice"), "{object}");
    assert_eq!(object["usage"]["completion_tokens"], 10);
    let whole = json(&complete(&server, json!({})));
    let chunks = events(&complete(&server, json!({"stream": true})));
    let said: String = chunks.iter().filter_map(|c| c["choices"][0]["text"].as_str()).collect();
    assert_eq!(said, whole["choices"][0]["text"].as_str().unwrap());
    assert_eq!(chunks.last().unwrap(), "[DONE]");
    let refused = complete(&server, json!({"best_of": 9, "frobnicate": 1}));
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[test]
fn what_is_wrong_is_said_in_the_dialect() {
    let server = Running::start(|_| {});
    let long = "word ".repeat(50_000);
    for (more, status, code, param) in [
        (json!({"frobnicate": 1}), 400, Value::Null, json!("frobnicate")),
        (json!({"model": "no-such-model"}), 404, json!("model_not_found"), json!("model")),
        (
            json!({"messages": [{"role": "user", "content": long}], "input": null}),
            400,
            json!("context_length_exceeded"),
            Value::Null,
        ),
    ] {
        let answer = chat(&server, more);
        let error = &json(&answer)["error"];
        assert_eq!((answer.status, &error["code"], &error["param"]), (status, &code, &param), "{answer:?}");
        assert_eq!(error["type"], "invalid_request_error");
    }
    for answer in [
        complete(&server, json!({"model": "no-such-model"})),
        respond(&server, json!({"model": "no-such-model"})),
        server.get("/v1/models/no-such-model", &[]),
    ] {
        assert_eq!((answer.status, &json(&answer)["error"]["code"]), (404, &json!("model_not_found")));
    }
    for path in ["/v1/moderations", "/v1/threads/t/runs", "/v1/vector_stores/v", "/v1/uploads/u/parts"] {
        let answer = server.send("POST", path, &[], "{}");
        assert_eq!((answer.status, &json(&answer)["error"]["code"]), (400, &json!("unsupported")), "{path}");
    }
    let list = json(&server.get("/v1/models", &[]));
    assert_eq!(list["object"], "list");
}

#[test]
fn an_error_inside_a_stream_is_in_it() {
    let server = Running::start(|options| options.request_timeout = Duration::from_millis(250));
    // Loaded first: what goes wrong before the first event still has a status. Then nothing that could end the answer is drawn.
    let loaded = (0..40).any(|_| chat(&server, json!({"max_tokens": 1})).status == 200);
    assert!(loaded, "the model never loaded within the time of a request");
    let endless: Value = (315..320).map(|id: u32| (id.to_string(), json!(-100))).collect();
    let endless = json!({"stream": true, "logit_bias": endless, "temperature": 2, "max_tokens": null, "max_output_tokens": null});
    let chunks = events(&chat(&server, endless.clone()));
    let last = &chunks.last().unwrap()["error"];
    let message = last["message"].as_str().unwrap_or_else(|| panic!("{:?}", &chunks[chunks.len() - 2..]));
    assert!(message.contains("request-timeout"), "{message}");
    assert_eq!((&last["type"], &last["code"]), (&json!("server_error"), &json!("timeout")));
    let mut asked = endless;
    asked.as_object_mut().unwrap().remove("max_tokens");
    let events = events(&respond(&server, asked));
    let [.., error, failed] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&error["type"], &error["code"]), (&json!("error"), &json!("timeout")));
    assert_eq!(
        (&failed["type"], &failed["response"]["status"]),
        (&json!("response.failed"), &json!("failed"))
    );
    let id = failed["response"]["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{id}"), &[]).status, 404, "what failed is not kept");
}

#[test]
fn a_response_is_streamed_in_order_and_kept() {
    let server = Running::start(|_| {});
    let streamed =
        respond(&server, json!({"stream": true, "instructions": "be brief", "metadata": {"a": "b"}}));
    assert_eq!(streamed.status, 200, "{streamed:?}");
    let events = events(&streamed);
    let kinds: Vec<&str> = events.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!(
        kinds[..4],
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added"
        ]
    );
    assert!(text(&streamed).contains("event: response.created\ndata: {"));
    assert!(!text(&streamed).contains("[DONE]"));
    assert!(events.iter().enumerate().all(|(n, e)| e["sequence_number"] == n));
    let last = &events.last().unwrap()["response"];
    assert_eq!((kinds.last().unwrap(), &last["status"]), (&"response.incomplete", &json!("incomplete")));
    assert_eq!(last["incomplete_details"]["reason"], "max_output_tokens");
    assert_eq!((&last["usage"]["output_tokens"], &last["metadata"]["a"]), (&json!(5), &json!("b")));
    let id = last["id"].as_str().unwrap();
    assert_eq!(&json(&server.get(&format!("/v1/responses/{id}"), &[])), last);
    let items = json(&server.get(&format!("/v1/responses/{id}/input_items?order=asc&limit=1"), &[]));
    assert_eq!(items["data"][0]["content"][0], json!({"type": "input_text", "text": "Hi"}));
    assert_eq!((&items["has_more"], &items["first_id"]), (&json!(false), &items["data"][0]["id"]));
    let cancel = server.send("POST", &format!("/v1/responses/{id}/cancel"), &[], "");
    assert_eq!(
        (cancel.status, json(&cancel)["error"]["type"].as_str()),
        (400, Some("invalid_request_error"))
    );
}

#[test]
fn a_conversation_goes_on_from_what_is_kept_until_it_is_deleted() {
    let server = Running::start(|_| {});
    let first = json(&respond(&server, json!({})));
    let tokens = |response: &Value| response["usage"]["input_tokens"].as_u64().unwrap();
    let id = first["id"].as_str().unwrap().to_owned();
    let second = json(&respond(&server, json!({"previous_response_id": id, "input": "And?"})));
    assert_eq!(second["previous_response_id"], id.as_str());
    // The same conversation sent in full takes as many tokens.
    let output = &first["output"];
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(output.as_array().unwrap().iter().cloned());
    input.push(json!({"role": "user", "content": "And?"}));
    let whole = json(&respond(&server, json!({"input": input, "store": false})));
    assert_eq!(tokens(&second), tokens(&whole), "{second}\n{whole}");
    assert!(tokens(&second) > tokens(&first));
    // So does one that refers to the items by their ids.
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(output.as_array().unwrap().iter().map(|i| json!({"type": "item_reference", "id": i["id"]})));
    input.push(json!({"role": "user", "content": "And?"}));
    let referred = json(&respond(&server, json!({"input": input})));
    assert_eq!(tokens(&referred), tokens(&whole), "{referred}");
    let body = json!({"model": toy(), "previous_response_id": id, "input": "And?"}).to_string();
    let counted = json(&server.send("POST", "/v1/responses/input_tokens", &[], &body));
    assert_eq!(counted["input_tokens"], tokens(&second));
    // What was not to be kept is not.
    let unkept = whole["id"].as_str().unwrap();
    assert_eq!(server.get(&format!("/v1/responses/{unkept}"), &[]).status, 404);
    let deleted = json(&server.send("DELETE", &format!("/v1/responses/{id}"), &[], ""));
    assert_eq!(deleted, json!({"id": id, "object": "response", "deleted": true}));
    assert_eq!(server.get(&format!("/v1/responses/{id}"), &[]).status, 404);
    assert_eq!(server.send("DELETE", &format!("/v1/responses/{id}"), &[], "").status, 404);
    let gone = respond(&server, json!({"previous_response_id": id}));
    assert_eq!(
        (gone.status, &json(&gone)["error"]["param"]),
        (400, &json!("previous_response_id")),
        "{gone:?}"
    );
}

#[test]
fn one_key_does_not_read_what_another_keeps() {
    let server = Running::start(|_| {});
    let key = |name: &str| {
        let secret = server.key(KeyTerms { name: name.into(), ..KeyTerms::default() });
        format!("authorization: Bearer {secret}")
    };
    let (mine, other) = (key("mine"), key("other"));
    let body = json!({"model": toy(), "max_output_tokens": 1, "input": "Hi"}).to_string();
    let made = json(&server.send("POST", "/v1/responses", &[&mine], &body));
    let path = format!("/v1/responses/{}", made["id"].as_str().unwrap());
    for (method, path) in [
        ("GET", path.clone()),
        ("GET", format!("{path}/input_items")),
        ("POST", format!("{path}/cancel")),
        ("DELETE", path.clone()),
    ] {
        assert_eq!(server.send(method, &path, &[&other], "").status, 404, "{method} {path}");
    }
    let body = json!({"model": toy(), "previous_response_id": made["id"], "input": "Hi"}).to_string();
    assert_eq!(server.send("POST", "/v1/responses", &[&other], &body).status, 400);
    assert_eq!(server.get(&path, &[&mine]).status, 200);
}

#[test]
fn models_are_listed_for_what_they_write_and_for_whom() {
    let far = |name: &str, can: &str| RemoteEntry {
        name: name.into(),
        backends: vec![BackendEntry { url: "http://127.0.0.1:9/v1".into(), ..BackendEntry::default() }],
        capabilities: vec![can.into()],
        ..serde_json::from_value(json!({"name": "", "remote": []})).unwrap()
    };
    let remote = vec![far("talks", "chat"), far("goes-on", "complete"), far("hears", "transcribe")];
    let options = ModelsOptions { remote, ..ModelsOptions::default() };
    let server = Running::start_with(|_| {}, parasol_hub::Settings::at, options);
    let names = |path: &str, list: &str, name: &str, headers: &[&str]| -> Vec<String> {
        let answer = json(&server.get(path, headers));
        answer[list].as_array().unwrap().iter().map(|m| m[name].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(names("/v1/models", "data", "id", &[]), ["goes-on", "talks"]);
    assert_eq!(names("/api/tags", "models", "model", &[]), ["goes-on:latest", "talks:latest"]);
    assert_eq!(names("/v1beta/models", "models", "name", &[]), ["models/talks"]);
    let terms = KeyTerms { name: "one".into(), models: vec!["talks".into()], ..KeyTerms::default() };
    let key = format!("authorization: Bearer {}", server.key(terms));
    assert_eq!(names("/v1/models", "data", "id", &[&key]), ["talks"]);
    assert_eq!(server.get("/v1/models/talks", &[&key]).status, 200);
    assert_eq!(server.get("/v1/models/goes-on", &[&key]).status, 403);
}

#[test]
fn a_tool_whose_arguments_are_no_object_is_refused() {
    let server = Running::start(|_| {});
    let chat_with = |parameters: Value, choice: &str| {
        let tools = json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}]);
        chat(
            &server,
            json!({"tools": tools, "tool_choice": choice, "max_tokens": 300, "reasoning_effort": "none",
            "parallel_tool_calls": false}),
        )
    };
    for choice in ["required", "auto"] {
        let answer = chat_with(json!({"type": "array", "items": {"type": "integer"}}), choice);
        assert!(
            answer.status == 400 && answer.body.contains("the tool \\\"f\\\" describe no object"),
            "{answer:?}"
        );
    }
    // Where null would do as well, arguments are still an object.
    let schema = json!({"type": ["null", "object"], "properties": {"on": {"type": "boolean"}}, "required": ["on"],
        "additionalProperties": false});
    let choice = &json(&chat_with(schema, "required"))["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls", "{choice}");
}

#[test]
fn what_responses_do_not_do_is_refused_by_name() {
    let server = Running::start(|_| {});
    for (more, param) in [
        (json!({"background": true}), "background"),
        (json!({"frobnicate": 1}), "frobnicate"),
        (json!({"truncation": "auto"}), "truncation"),
        (json!({"tools": [{"type": "web_search"}]}), "tools.0.type"),
        (json!({"input": [{"type": "item_reference", "id": "msg_ab_0"}]}), "input.0.id"),
    ] {
        let answer = respond(&server, more);
        assert_eq!((answer.status, &json(&answer)["error"]["param"]), (400, &json!(param)), "{answer:?}");
    }
    for (path, param) in
        [("x?stream=true", "stream"), ("x?magic=1", "magic"), ("x/input_items?limit=0", "limit")]
    {
        let answer = server.get(&format!("/v1/responses/{path}"), &[]);
        assert_eq!((answer.status, &json(&answer)["error"]["param"]), (400, &json!(param)), "{answer:?}");
    }
}

#[test]
fn a_forced_call_and_a_schema_are_kept_by_grammar() {
    let server = Running::start(|_| {});
    let parameters = json!({"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
        "additionalProperties": false});
    let tools = json!([{"type": "function", "name": "switch", "parameters": parameters}]);
    let more = json!({"tools": tools, "tool_choice": {"type": "function", "name": "switch"},
        "parallel_tool_calls": false, "max_output_tokens": 200, "reasoning": {"effort": "none"}});
    let response = json(&respond(&server, more));
    let call = response["output"].as_array().unwrap().iter().find(|i| i["type"] == "function_call");
    let call = call.unwrap_or_else(|| panic!("{response}"));
    let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
    assert!(arguments["on"].is_boolean(), "{call}");
    let result = json!([{"type": "function_call_output", "call_id": call["call_id"], "output": "done"}]);
    let next =
        respond(&server, json!({"previous_response_id": response["id"], "input": result, "tools": tools}));
    assert_eq!(next.status, 200, "{next:?}");
    let format = json!({"format": {"type": "json_schema", "name": "x", "schema": parameters}});
    let more = json!({"text": format, "max_output_tokens": 200, "reasoning": {"effort": "none"}});
    let response = json(&respond(&server, more));
    assert_eq!(response["status"], "completed", "{response}");
    let said = response["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!(serde_json::from_str::<Value>(said).unwrap()["on"].is_boolean(), "{response}");
}
