//! A server in front of another: our client against our server over real HTTP, in every pair of dialects.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running, toy};
use parasol_runtime::Policy;
use serde_json::{Value, json};

const PROTOCOLS: [(&str, &str); 4] =
    [("openai", "v1"), ("responses", "v1"), ("anthropic", "v1"), ("gemini", "v1beta")];

/// A server whose folder holds this `remote.toml`.
fn server(settings: String) -> Running {
    let write = move |home: std::path::PathBuf| {
        std::fs::write(home.join("remote.toml"), settings).unwrap();
        parasol_hub::Settings::at(home)
    };
    Running::start_over(|_| {}, write, Policy::Allowed)
}

/// The far server, whose toy model has a plain name, and one in front of it that reaches it in every protocol.
fn pair() -> (Running, Running) {
    let far = server(format!("[[chain]]\nname = \"toy\"\nmodels = [{:?}]\n", toy()));
    let mut settings = String::new();
    for (protocol, base) in PROTOCOLS {
        settings.push_str(&format!(
            "[[provider]]\nname = \"p-{protocol}\"\nprotocol = \"{protocol}\"\nurl = \"http://{}/{base}\"\nkey_optional = true\n\
             [[model]]\nname = \"by-{protocol}\"\nprovider = \"p-{protocol}\"\nid = \"toy\"\ncontext = 65536\nmax_output = 512\n\
             price = {{ input = 1.0, output = 2.0, dated = \"2025-11-27\" }}\n",
            far.address
        ));
    }
    settings.push_str("[[provider]]\nname = \"keyless\"\nurl = \"http://127.0.0.1:9\"\nkey_env = [\"PARASOL_TEST_NO_KEY\"]\n");
    settings.push_str("[[chain]]\nname = \"best\"\nmodels = [\"keyless/x\", \"by-anthropic\"]\n");
    (far, server(settings))
}

const VERSION: &str = "anthropic-version: 2023-06-01";

/// What one dialect asks, and where the answer's text stands.
struct Client {
    name: &'static str,
    ask: fn(&Running, &str, bool, &Wish) -> Answer,
    text: fn(&Value) -> String,
    call: fn(&Value) -> Value,
}

/// What is asked for.
enum Wish {
    Text,
    Json,
    Call,
}

/// Enough for what is forced, which the toy writes letter by letter.
fn most(wish: &Wish) -> usize {
    if matches!(wish, Wish::Text) { 24 } else { 256 }
}

fn schema() -> Value {
    json!({ "type": "object", "properties": { "n": { "enum": [1, 2] } }, "required": ["n"], "additionalProperties": false })
}

fn openai(server: &Running, model: &str, stream: bool, wish: &Wish) -> Answer {
    let mut body = json!({ "model": model, "messages": [{ "role": "system", "content": "s" }, { "role": "user", "content": "Hi" }],
        "max_tokens": most(wish), "temperature": 0, "reasoning_effort": "none", "stream": stream });
    match wish {
        Wish::Text => {}
        Wish::Json => {
            body["response_format"] =
                json!({ "type": "json_schema", "json_schema": { "name": "x", "schema": schema() } });
        }
        Wish::Call => {
            body["tools"] =
                json!([{ "type": "function", "function": { "name": "f", "parameters": schema() } }]);
            body["tool_choice"] = json!("required");
        }
    }
    server.send("POST", "/v1/chat/completions", &[], &body.to_string())
}

fn anthropic(server: &Running, model: &str, stream: bool, wish: &Wish) -> Answer {
    let mut body = json!({ "model": model, "system": "s", "messages": [{ "role": "user", "content": "Hi" }],
        "max_tokens": most(wish), "temperature": 0, "thinking": { "type": "disabled" }, "stream": stream });
    match wish {
        Wish::Text => {}
        Wish::Json => {
            body["output_config"] = json!({ "format": { "type": "json_schema", "schema": schema() } })
        }
        Wish::Call => {
            body["tools"] = json!([{ "name": "f", "input_schema": schema() }]);
            body["tool_choice"] = json!({ "type": "any" });
        }
    }
    server.send("POST", "/v1/messages", &[VERSION], &body.to_string())
}

fn gemini(server: &Running, model: &str, stream: bool, wish: &Wish) -> Answer {
    let mut body = json!({ "systemInstruction": { "parts": [{ "text": "s" }] }, "contents": [{ "parts": [{ "text": "Hi" }] }],
        "generationConfig": { "maxOutputTokens": most(wish), "temperature": 0, "thinkingConfig": { "thinkingBudget": 0 } } });
    match wish {
        Wish::Text => {}
        Wish::Json => {
            body["generationConfig"]["responseMimeType"] = json!("application/json");
            body["generationConfig"]["responseJsonSchema"] = schema();
        }
        Wish::Call => {
            body["tools"] =
                json!([{ "functionDeclarations": [{ "name": "f", "parametersJsonSchema": schema() }] }]);
            body["toolConfig"] = json!({ "functionCallingConfig": { "mode": "ANY" } });
        }
    }
    let method = if stream { "streamGenerateContent?alt=sse" } else { "generateContent" };
    server.send("POST", &format!("/v1beta/models/{model}:{method}"), &[], &body.to_string())
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

const CLIENTS: [Client; 3] = [
    Client {
        name: "openai",
        ask: openai,
        text: |v| string(&v["choices"][0]["message"]["content"]),
        call: |v| {
            let arguments = string(&v["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]);
            serde_json::from_str(&arguments).unwrap_or_default()
        },
    },
    Client {
        name: "anthropic",
        ask: anthropic,
        text: |v| string(&v["content"][0]["text"]),
        call: |v| v["content"][0]["input"].clone(),
    },
    Client {
        name: "gemini",
        ask: gemini,
        text: |v| string(&v["candidates"][0]["content"]["parts"][0]["text"]),
        call: |v| v["candidates"][0]["content"]["parts"][0]["functionCall"]["args"].clone(),
    },
];

fn whole(answer: &Answer, what: &str) -> Value {
    assert_eq!(answer.status, 200, "{what}: {answer:?}");
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{what}: {e}: {answer:?}"))
}

#[test]
fn answers_cross_every_pair_of_dialects_whole_and_streamed() {
    let (far, near) = pair();
    for client in &CLIENTS {
        let direct = whole(&(client.ask)(&far, "toy", false, &Wish::Text), client.name);
        let wanted = (client.text)(&direct);
        for (protocol, _) in PROTOCOLS {
            let what = format!("{} by {protocol}", client.name);
            let model = format!("by-{protocol}");
            let crossed = whole(&(client.ask)(&near, &model, false, &Wish::Text), &what);
            assert_eq!((client.text)(&crossed), wanted, "{what}");
            let streamed = (client.ask)(&near, &model, true, &Wish::Text);
            assert!(
                streamed.status == 200 && streamed.head.contains("text/event-stream"),
                "{what}: {streamed:?}"
            );
            assert!(!streamed.body.contains("\"error\":{"), "{what}: {streamed:?}");
            let call = (client.call)(&whole(&(client.ask)(&near, &model, false, &Wish::Call), &what));
            assert!(matches!(call["n"].as_u64(), Some(1 | 2)), "{what}: {call}");
            let text = (client.text)(&whole(&(client.ask)(&near, &model, false, &Wish::Json), &what));
            let value: Value =
                serde_json::from_str(&text).unwrap_or_else(|e| panic!("{what}: {e}: {text:?}"));
            assert!(matches!(value["n"].as_u64(), Some(1 | 2)), "{what}: {value}");
        }
    }
}

#[test]
fn usage_and_cost_come_along_and_are_written_down() {
    let (_far, near) = pair();
    let answer = whole(&openai(&near, "by-gemini", false, &Wish::Text), "usage");
    let usage = &answer["usage"];
    let (prompt, generated) =
        (usage["prompt_tokens"].as_u64().unwrap(), usage["completion_tokens"].as_u64().unwrap());
    assert!(prompt > 0 && generated > 0, "{usage}");
    let cost = usage["cost"].as_f64().unwrap();
    assert!((cost - (prompt as f64 + 2.0 * generated as f64) / 1e6).abs() < 1e-9, "{usage}");
    let book = parasol_runtime::Ledger::new(near.home.path().join("usage"), Default::default());
    let lines = book.lines_of(2).unwrap().1;
    assert!(lines.iter().any(|line| line.model == "by-gemini" && line.provider == "p-gemini"), "{lines:?}");
}

#[test]
fn what_goes_wrong_over_there_is_told_in_the_clients_dialect() {
    let (_far, near) = pair();
    let long = "word ".repeat(80_000);
    for (protocol, _) in PROTOCOLS {
        let body = json!({ "model": format!("by-{protocol}"), "max_tokens": 8, "messages": [{ "role": "user", "content": long }] });
        let answer = near.send("POST", "/v1/messages", &[VERSION], &body.to_string());
        assert_eq!(answer.status, 400, "{protocol}: {}", answer.body);
        assert!(answer.body.contains("prompt is too long"), "{protocol}: {}", answer.body);
        let body = json!({ "model": format!("p-{protocol}/no-such-model"), "messages": [{ "role": "user", "content": "Hi" }] });
        let answer = near.send("POST", "/v1/chat/completions", &[], &body.to_string());
        assert!(answer.status >= 400 && answer.body.contains("no-such-model"), "{protocol}: {}", answer.body);
    }
}

#[test]
fn a_missing_key_is_told_with_its_variable_and_a_chain_goes_on_without() {
    let (far, near) = pair();
    let answer = openai(&near, "keyless/x", false, &Wish::Text);
    assert!(answer.status == 403 && answer.body.contains("PARASOL_TEST_NO_KEY"), "{answer:?}");
    let direct = whole(&openai(&far, "toy", false, &Wish::Text), "direct");
    let chained = whole(&openai(&near, "best", false, &Wish::Text), "chained");
    assert_eq!(chained["choices"][0]["message"]["content"], direct["choices"][0]["message"]["content"]);
    let list = near.get("/v1/models", &[]);
    let ready = ["best", "by-openai", "by-responses", "by-anthropic", "by-gemini"];
    assert!(ready.iter().all(|name| list.body.contains(&format!("\"{name}\""))), "{list:?}");
    assert!(!list.body.contains("keyless"), "{list:?}");
}

#[test]
fn what_the_other_side_cannot_express_is_named_in_the_head() {
    let (_far, near) = pair();
    let body = json!({ "model": "by-anthropic", "messages": [{ "role": "user", "content": "Hi" }], "max_tokens": 4, "seed": 5 });
    let answer = near.send("POST", "/v1/chat/completions", &[], &body.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.head.contains("x-parasol-without-effect: seed"), "{answer:?}");
    let body = json!({ "model": "by-anthropic", "messages": [{ "role": "user", "content": "Hi" }], "logprobs": true });
    let answer = near.send("POST", "/v1/chat/completions", &[], &body.to_string());
    assert!(answer.status == 400 && answer.body.contains("logprobs"), "{answer:?}");
}
