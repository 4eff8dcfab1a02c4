//! Chat templates against `transformers` (fixtures made by tools/reference/template_cases.py), and templates that misbehave.

#![allow(clippy::unwrap_used, missing_docs)]

use parasol_core::{ErrorKind, Message, Role, ToolCall, ToolSpec};
use parasol_text::template::{ChatTemplate, Conversation};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/templates").join(name);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

fn check(name: &str) {
    let file = fixture(name);
    let template =
        ChatTemplate::new(text(&file, "template"), text(&file, "bos_token"), text(&file, "eos_token"));
    let template = template.unwrap().at(text(&file, "now")).unwrap();
    let mut wrong = Vec::new();
    let list = |case: &Value, key: &str| case[key].as_array().cloned().unwrap_or_default();
    for case in file["cases"].as_array().unwrap() {
        let rendered = template.render(&Conversation {
            messages: &list(case, "messages"),
            tools: &list(case, "tools"),
            documents: &list(case, "documents"),
            add_generation_prompt: case["add_generation_prompt"] == true,
            arguments: case["variables"].as_object(),
        });
        let ours = rendered.as_ref().map_err(|e| e.to_string());
        match (case["output"].as_str(), case["error"].as_str()) {
            (Some(theirs), _) if ours == Ok(&theirs.to_owned()) => {}
            // Python's own type errors have no counterpart in words; an error it must be all the same.
            (None, Some(error)) if error.starts_with("TypeError") && ours.is_err() => {}
            (None, Some(error)) if ours.as_ref().is_err_and(|ours| ours.contains(error)) => {
                assert_eq!(*rendered.unwrap_err().kind(), ErrorKind::InvalidRequest);
            }
            (theirs, error) => {
                wrong.push(format!("{}:\n  ours   {ours:?}\n  theirs {theirs:?} {error:?}", case["name"]))
            }
        }
    }
    assert!(wrong.is_empty(), "{} cases of {name} differ:\n{}", wrong.len(), wrong.join("\n"));
}

macro_rules! golden {
    ($($test:ident: $file:literal;)*) => { $(#[test] fn $test() { check($file); })* };
}

golden! {
    chatml: "chatml.json";
    constructs: "constructs.json";
    gemma: "gemma.json";
    llama3: "llama3.json";
    mistral: "mistral.json";
    qwen3: "qwen3.json";
    smollm2: "smollm2.json";
}

#[test]
fn messages_and_tools_of_the_vocabulary_look_like_openais() {
    let template = ChatTemplate::new(
        "{{ messages | tojson }}|{{ tools | tojson }}|{{ add_generation_prompt }} {{ x }}",
        "",
        "",
    );
    let mut call = Message::new(Role::Assistant, "");
    call.tool_calls.push(ToolCall { id: "1".into(), name: "f".into(), arguments: json!({"a": 1.0}) });
    let result =
        Message { tool_call_id: Some("1".into()), name: Some("f".into()), ..Message::new(Role::Tool, "é") };
    let tool =
        ToolSpec { name: "f".into(), description: "<d>".into(), parameters: json!({"type": "object"}) };
    let mut extra = Map::new();
    extra.insert("x".into(), json!(7));
    extra.insert("messages".into(), json!("not these"));
    let prompt = template.unwrap().render_chat(&[call, result], &[tool], &extra).unwrap();
    assert_eq!(
        prompt,
        concat!(
            r#"[{"role": "assistant", "content": "", "tool_calls": [{"id": "1", "type": "function", "#,
            r#""function": {"name": "f", "arguments": {"a": 1.0}}}]}, "#,
            r#"{"role": "tool", "content": "é", "tool_call_id": "1", "name": "f"}]|"#,
            r#"[{"type": "function", "function": {"name": "f", "description": "<d>", "parameters": {"type": "object"}}}]|True 7"#,
        )
    );
}

#[test]
fn a_separate_template_serves_tools() {
    let template = ChatTemplate::new("plain", "", "").unwrap().with_tool_template("tools").unwrap();
    let with = Conversation { tools: &[json!({})], ..Conversation::default() };
    assert_eq!(template.render(&Conversation::default()).unwrap(), "plain");
    assert_eq!(template.render(&with).unwrap(), "tools");
}

fn outcome(source: &str) -> Result<String, String> {
    let started = Instant::now();
    let messages = [json!({"role": "user", "content": "hi"})];
    let rendered = ChatTemplate::new(source, "", "")
        .and_then(|t| t.render(&Conversation { messages: &messages, ..Conversation::default() }));
    assert!(started.elapsed() < Duration::from_secs(1), "{:?} for {source:.80}", started.elapsed());
    rendered.map_err(|e| e.to_string())
}

/// What Python's methods and Jinja's filters give (rendered by `transformers` 5.24).
#[test]
fn methods_of_python_are_there() {
    for (template, rendered) in [
        ("{{ 'abcabc'.rsplit('b', 1) }} {{ ' a  b c '.rsplit(none, 1) }}", "['abca', 'c'] [' a  b', 'c']"),
        ("{{ 'a-b-c'.partition('-') }} {{ 'a-b-c'.rpartition('-') }}", "('a', '-', 'b-c') ('a-b', '-', 'c')"),
        ("{{ 'x'.partition('-') }} {{ 'x'.rpartition('-') }}", "('x', '', '') ('', '', 'x')"),
        ("{{ 'ab'.removeprefix('a') }} {{ 'ab'.removesuffix('b') }} {{ 'ab'.removeprefix('b') }}", "b a ab"),
        ("{{ 'tEst ß'.swapcase() }} {{ 'éa'.index('a') }} {{ 'aba'.rindex('a') }}", "TeST SS 1 2"),
        (
            "{{ '-7'.zfill(4) }}|{{ 'ab'.center(5) }}|{{ 'abc'.center(6, '*') }}|{{ 'é'.rjust(3) }}|",
            "-007|  ab |*abc**|  é|",
        ),
        ("{{ [1, 2].index(2) }} {{ 'x' | int }} {{ 'x' | int(default=7) }} {{ '' | float }}", "1 0 7 0.0"),
        ("{{ 'a b'.split(' ', 1) }} {{ '3' | int + 1 }}", "['a', 'b'] 4"),
    ] {
        assert_eq!(outcome(template).as_deref(), Ok(rendered), "{template}");
    }
    for wrong in
        ["{{ 'a'.rsplit('') }}", "{{ 'a'.index('b') }}", "{{ [1].index(2) }}", "{{ 'a'.ljust(99999999) }}"]
    {
        assert!(outcome(wrong).is_err(), "{wrong}");
    }
    let long =
        "{% set s = 'a b ' * 100000 %}{% for a in range(9999) %}{% set x = s.rsplit(' ') %}{% endfor %}";
    assert!(outcome(long).unwrap_err().contains("did not end"));
}

#[test]
fn templates_that_misbehave_end_within_a_second() {
    let loops =
        "{% for a in range(99999) %}{% for b in range(99999) %}{% set c = a %}{% endfor %}{% endfor %}";
    assert!(outcome(loops).unwrap_err().contains("did not end"));
    let explodes = "{% set ns = namespace(s='x' * 1000) %}{% for a in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}";
    assert!(outcome(explodes).is_err());
    assert!(outcome("{{ 'x' * 99999999999 }}").is_err());
    assert!(outcome("{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}").is_err());
    assert!(outcome("{% macro m(n) %}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}").is_err());
    assert!(outcome("{{ messages | tojson(indent=4000000000) }}").is_err());
    assert!(outcome(&format!("{{{{ {}1{} }}}}", "(".repeat(50_000), ")".repeat(50_000))).is_err());
    assert!(outcome(&"{% if true %}".repeat(20_000)).is_err());
    assert!(outcome(&" ".repeat(2_000_000)).unwrap_err().contains("2000000"));
}

#[test]
fn errors_say_what_and_where() {
    assert!(
        outcome("a\n{% if %}").unwrap_err().contains("line 2")
            || outcome("a\n{% if %}").unwrap_err().contains(":2")
    );
    assert!(
        outcome("{{ raise_exception('only tea') }}")
            .unwrap_err()
            .ends_with("refuses this conversation: only tea")
    );
    assert!(outcome("{{ nothing.at.all }}").is_err());
    assert!(outcome("{{ strftime_now('%Y') }}").unwrap().starts_with("20"));
    assert!(outcome("{{ strftime_now('%Q%') }}").is_err());
    let missing = ChatTemplate::missing("gemma3:270m");
    assert!(missing.message().contains("gemma3:270m") && missing.message().contains("completion"));
}
