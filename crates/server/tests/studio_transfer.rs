//! Taking conversations along and bringing them from elsewhere, over the wire: everything that goes out comes in again as it was,
//! foreign files keep their branches, hostile ones harm nothing, and nobody gets what is another's.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Answer, Running};
use parasol_server::KeyTerms;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::time::{Duration, Instant};

const CONVERSATIONS: &str = "/api/parasol/conversations";

fn json_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"))
}

/// Imports a file and returns the report.
fn import(server: &Running, headers: &[&str], file: &str) -> Value {
    let answer = server.send("POST", &format!("{CONVERSATIONS}/import"), headers, file);
    assert_eq!(answer.status, 200, "{answer:?}");
    json_of(&answer)
}

fn refused(server: &Running, file: &str) -> String {
    let answer = server.send("POST", &format!("{CONVERSATIONS}/import"), &[], file);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(json_of(&answer)["error"]["code"], "invalid_request");
    json_of(&answer)["error"]["message"].as_str().unwrap().to_owned()
}

/// The body of an answer in pieces, put together.
fn whole(answer: &Answer) -> String {
    if !answer.head.contains("transfer-encoding: chunked") {
        return answer.body.clone();
    }
    let (mut rest, mut text) = (answer.body.as_bytes(), Vec::new());
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n").expect("the export broke off");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return String::from_utf8(text).unwrap();
        }
        text.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
}

fn export(server: &Running, headers: &[&str]) -> Value {
    let answer = server.get(&format!("{CONVERSATIONS}/export"), headers);
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer.head.contains("content-disposition: attachment; filename=\"parasol-conversations.json\""),
        "{}",
        answer.head
    );
    serde_json::from_str(&whole(&answer)).unwrap()
}

/// A conversation by its title, as the server shows it, which is as it goes out.
fn read(server: &Running, headers: &[&str], title: &str) -> Value {
    let all = export(server, headers);
    let mut each = all["conversations"].as_array().unwrap().iter();
    let found =
        each.find(|it| it["conversation"]["title"] == title).unwrap_or_else(|| panic!("{title}: {all}"));
    let id = found["conversation"]["id"].as_str().unwrap();
    assert_eq!(&json_of(&server.get(&format!("{CONVERSATIONS}/{id}"), headers)), found);
    found.clone()
}

/// A conversation without the ids that are its server's own: messages as (parent by its text, message), in a fixed order.
fn tree(kept: &Value) -> Value {
    let messages = kept["messages"].as_array().unwrap();
    let says: HashMap<&str, &Value> =
        messages.iter().map(|m| (m["id"].as_str().unwrap(), &m["content"])).collect();
    let named = |id: &Value| id.as_str().map_or(Value::Null, |id| says[id].clone());
    let mut all: Vec<Value> = messages
        .iter()
        .map(|message| {
            let mut message: Map<String, Value> = message.as_object().unwrap().clone();
            message.remove("id");
            message["parent"] = named(&message["parent"]);
            Value::Object(message)
        })
        .collect();
    all.sort_by_key(Value::to_string);
    let mut conversation = kept["conversation"].as_object().unwrap().clone();
    conversation.remove("id");
    conversation["head"] = named(&conversation["head"]);
    json!({ "conversation": conversation, "messages": all })
}

/// The branch that is shown, as (role, content).
fn shown(kept: &Value) -> Vec<(String, String)> {
    let messages = kept["messages"].as_array().unwrap();
    let by_id: HashMap<&str, &Value> = messages.iter().map(|m| (m["id"].as_str().unwrap(), m)).collect();
    let text = |m: &Value, name: &str| m[name].as_str().unwrap().to_owned();
    let mut path = Vec::new();
    let mut at = kept["conversation"]["head"].as_str();
    while let Some(message) = at.map(|id| by_id[id]) {
        path.push((text(message, "role"), text(message, "content")));
        at = message["parent"].as_str();
    }
    path.reverse();
    path
}

fn fixture(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/fixtures/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// A file of our own with one conversation of these fields and messages.
fn own(conversation: Value, messages: Value) -> String {
    let mut all = json!({ "id": "c", "title": "T", "folder": null, "pinned": false, "created": "2026-01-02T03:04:05Z",
        "updated": "2026-01-02T03:05:00Z", "model": null, "system": null, "parameters": {}, "head": null });
    for (name, value) in conversation.as_object().unwrap() {
        all[name] = value.clone();
    }
    json!({ "format": "parasol-conversations", "version": 1, "exported": "2026-01-03T00:00:00Z",
            "conversations": [{ "conversation": all, "messages": messages }] })
    .to_string()
}

fn message(id: &str, parent: Option<&str>, role: &str, content: &str) -> Value {
    json!({ "id": id, "parent": parent, "role": role, "content": content, "reasoning": null, "tool_calls": [], "model": null,
            "created": "2026-01-02T03:04:06Z", "state": "complete", "error": null, "finish_reason": null, "usage": null,
            "timings": null })
}

fn with(mut message: Value, changes: Value) -> Value {
    for (name, value) in changes.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

#[test]
fn what_goes_out_comes_in_again_as_it_was() {
    let first = Running::start(|_| {});
    let answer = json!({ "model": "far", "reasoning": "Hm.", "state": "stopped", "finish_reason": "stop",
        "created": "2026-01-02T03:04:07Z", "tool_calls": [{ "id": "t", "name": "look", "arguments": "{\"a\":1}" }],
        "usage": { "prompt_tokens": 9, "cached_tokens": 3, "generated_tokens": 5, "reasoning_tokens": 2 },
        "timings": { "first_token_ms": 1.5, "prefill_ms": 1.25, "decode_ms": 20.0 } });
    let failed = json!({ "model": "far", "state": "failed", "error": "out of memory", "created": "2026-01-02T03:04:08Z" });
    let parameters = json!({ "temperature": 0.5, "top_k": 40, "max_tokens": 99, "seed": 7, "reasoning": "off", "stop": ["END"] });
    let file = own(
        json!({ "title": "Über “Ähren”", "folder": "Field", "pinned": true, "model": "far", "system": "Be brief.",
                "parameters": parameters, "head": "a" }),
        json!([
            message("q", None, "user", "Hi?"),
            with(message("a", Some("q"), "assistant", "Hello."), answer),
            with(message("b", Some("q"), "assistant", ""), failed),
            message("r", None, "user", "A second beginning"),
        ]),
    );
    assert_eq!(import(&first, &[], &file), json!({ "imported": 1, "skipped": [] }));
    assert_eq!(
        import(&first, &[], &own(json!({ "title": "Empty" }), json!([]))),
        json!({ "imported": 1, "skipped": [] })
    );
    let sent: Value = serde_json::from_str(&file).unwrap();
    assert_eq!(tree(&read(&first, &[], "Über “Ähren”"))["conversation"]["parameters"], parameters);

    let all = export(&first, &[]);
    assert_eq!(all["conversations"].as_array().unwrap().len(), 2);
    let second = Running::start(|_| {});
    assert_eq!(import(&second, &[], &all.to_string()), json!({ "imported": 2, "skipped": [] }));
    for title in ["Über “Ähren”", "Empty"] {
        assert_eq!(tree(&read(&second, &[], title)), tree(&read(&first, &[], title)), "{title}");
    }
    // And as it was sent at first, except for how times are written.
    let there = tree(&read(&second, &[], "Über “Ähren”"));
    let meant = tree(&sent["conversations"][0]);
    for (name, value) in meant["conversation"].as_object().unwrap() {
        if !["created", "updated"].contains(&name.as_str()) {
            assert_eq!(&there["conversation"][name], value, "{name}");
        }
    }
    assert!(there["conversation"]["updated"].as_str().unwrap().starts_with("2026-01-02T03:05:00"));
    // What is imported twice is there twice: it may have been changed in between.
    assert_eq!(import(&second, &[], &all.to_string())["imported"], 2);
    assert_eq!(export(&second, &[])["conversations"].as_array().unwrap().len(), 4);
}

#[test]
fn an_export_of_nothing_is_a_file_too() {
    let server = Running::start(|_| {});
    let all = export(&server, &[]);
    assert_eq!((&all["format"], &all["conversations"]), (&json!("parasol-conversations"), &json!([])));
    assert_eq!(import(&server, &[], &all.to_string()), json!({ "imported": 0, "skipped": [] }));
}

#[test]
fn one_conversation_goes_out_as_json_or_markdown() {
    let server = Running::start(|_| {});
    let file = own(
        json!({ "title": "../Größe: “Δ”", "model": "far", "system": "Be\nbrief.", "head": "a" }),
        json!([
            message("q", None, "user", "How?"),
            with(
                message("a", Some("q"), "assistant", "So:\n```sh\nls"),
                json!({ "model": "far", "reasoning": "Hm.\nYes." })
            ),
            with(
                message("b", Some("q"), "assistant", "Otherwise."),
                json!({ "created": "2026-01-02T03:04:09Z" })
            ),
        ]),
    );
    import(&server, &[], &file);
    let id = read(&server, &[], "../Größe: “Δ”")["conversation"]["id"].as_str().unwrap().to_owned();
    let at = |query: &str| server.get(&format!("{CONVERSATIONS}/{id}/export{query}"), &[]);
    let markdown = at("?format=markdown");
    assert_eq!(markdown.status, 200);
    assert!(markdown.head.contains("content-type: text/markdown; charset=utf-8"), "{}", markdown.head);
    let name = "filename=\"gr__e ___.md\"; filename*=utf-8''gr%c3%b6%c3%9fe%20%e2%80%9c%ce%94%e2%80%9d.md";
    assert!(markdown.head.contains(&format!("content-disposition: attachment; {name}")), "{}", markdown.head);
    let text = markdown.body;
    assert!(text.starts_with("# ../Größe: “Δ”\n\nBegun 2026-01-02T03:04:05"), "{text}");
    assert!(text.contains("> **System prompt**\n>\n> Be\n> brief.\n"), "{text}");
    assert!(
        text.contains(
            "## You\n\nHow?\n\n## far\n\n> **Thinking**\n>\n> Hm.\n> Yes.\n\nSo:\n```sh\nls\n```\n"
        ),
        "{text}"
    );
    assert!(!text.contains("Otherwise") && text.contains("1 more message"), "{text}");
    for query in ["", "?format=json"] {
        let json = at(query);
        assert!(json.status == 200 && json.head.contains(".json"), "{json:?}");
        let other = Running::start(|_| {});
        assert_eq!(import(&other, &[], &json.body)["imported"], 1);
        assert_eq!(tree(&read(&other, &[], "../Größe: “Δ”")), tree(&read(&server, &[], "../Größe: “Δ”")));
    }
    assert_eq!(at("?format=pdf").status, 400);
    assert!(at("?format=pdf").body.contains("json and markdown"));
    assert_eq!(at("?shape=json").status, 400);
    assert_eq!(server.get(&format!("{CONVERSATIONS}/none/export"), &[]).status, 404);
}

#[test]
fn chatgpts_file_keeps_its_branches() {
    let server = Running::start(|_| {});
    let report = import(&server, &[], &fixture("chatgpt.json"));
    assert_eq!(
        report,
        json!({ "imported": 2, "skipped": [{ "title": "Nothing said", "why": "it has no messages" }] })
    );
    let boat = read(&server, &[], "Cables and channels");
    let said = shown(&boat);
    let path: Vec<_> = said.iter().map(|(role, content)| (role.as_str(), content.as_str())).collect();
    assert_eq!(path[..2], [("user", "How long is a cable?"), ("assistant", "A tenth of a nautical mile.")]);
    assert!(
        path[2].1.starts_with("How many cables")
            && path[2].1.contains("file-service://file-boat")
            && path[2].1.contains("log.pdf")
    );
    assert_eq!(path[3..], [("assistant", "Four cables.")]);
    let conversation = &boat["conversation"];
    assert_eq!((&conversation["pinned"], &conversation["model"]), (&json!(true), &json!("gpt-4o")));
    assert_eq!(conversation["system"], "I sail.\n\nBe brief.");
    assert!(conversation["created"].as_str().unwrap().starts_with("2024-11-13T12:13:20"), "{conversation}");
    let messages = boat["messages"].as_array().unwrap();
    assert_eq!(messages.len(), 6);
    let last = messages.iter().find(|m| m["content"] == "Four cables.").unwrap();
    let reasoning = last["reasoning"].as_str().unwrap();
    assert!(
        reasoning.contains("740 metres")
            && reasoning.contains("print(740 / 185.2)")
            && reasoning.contains("3.9956")
    );
    assert_eq!(last["model"], "o3");
    let old = read(&server, &[], "Ropes");
    assert_eq!(old["conversation"]["folder"], "Archived");
    assert_eq!(old["messages"][1]["state"], "interrupted");
}

#[test]
fn open_webuis_file_keeps_its_branches() {
    let server = Running::start(|_| {});
    let report = import(&server, &[], &fixture("open_webui.json"));
    let why = "imported without its setting \"num_ctx\"";
    assert_eq!(report, json!({ "imported": 3, "skipped": [{ "title": "Blue sky", "why": why }] }));
    let sky = read(&server, &[], "Blue sky");
    let conversation = &sky["conversation"];
    assert_eq!(
        (&conversation["pinned"], &conversation["parameters"]),
        (&json!(true), &json!({ "temperature": 0.4 }))
    );
    assert_eq!(
        (&conversation["system"], &conversation["model"]),
        (&json!("Answer in one line."), &json!("smollm2:latest"))
    );
    let said = shown(&sky);
    assert!(said[0].1.starts_with("Why is the sky blue?\n\n[picture, not taken along"), "{said:?}");
    assert_eq!(
        said[1..3],
        [("assistant".into(), "Rayleigh scattering.".into()), ("user".into(), "And at dusk?".into())]
    );
    let messages = sky["messages"].as_array().unwrap();
    let of = |content: &str| messages.iter().find(|m| m["content"] == content).unwrap();
    assert_eq!(of("Short waves scatter more.")["reasoning"], "Scattering.\nBlue < red in wavelength.");
    assert_eq!((&of("")["state"], &of("")["error"]), (&json!("failed"), &json!("model not found")));
    // Both answers were written in the same second: the order that the file gives them holds.
    assert!(
        of("Rayleigh scattering.")["created"].as_str() < of("Short waves scatter more.")["created"].as_str()
    );
    let weather = read(&server, &[], "Weather");
    assert_eq!(
        (&weather["conversation"]["folder"], &weather["messages"][1]["content"]),
        (&json!("Archived"), &json!("Sunny, 21 °C."))
    );
    assert!(weather["messages"][1]["reasoning"].as_str().unwrap().contains("{\"city\": \"Oslo\"}"));
    assert_eq!(shown(&read(&server, &[], "From long ago")).len(), 2);
}

#[test]
fn a_hostile_conversation_harms_no_other_and_each_is_told() {
    let server = Running::start(|_| {});
    let own = |conversation: Value, messages: Value| {
        let file: Value = serde_json::from_str(&own(conversation, messages)).unwrap();
        file["conversations"][0].to_string()
    };
    let deep = format!(
        r#"{{"title":"Deep","mapping":{{"a":{{"message":{{"author":{{"role":"user"}},"content":{{"parts":{}{}}}}}}}}}}}"#,
        "[".repeat(9999),
        "]".repeat(9999)
    );
    let q = |parent: Option<&str>| message("q", parent, "user", "x");
    let hostile: Vec<(String, &str)> = vec![
        (r#"{"title":"Circle","mapping":{"a":{"parent":"b"},"b":{"parent":"a"}}}"#.into(), "circle"),
        (r#"{"title":"Own parent","mapping":{"a":{"parent":"a"}}}"#.into(), "circle"),
        (r#"{"title":"Orphan","mapping":{"a":{"parent":"gone"}}}"#.into(), "not in the file"),
        (r#"{"title":"Twins","mapping":{"a":{},"a":{}}}"#.into(), "two of its messages"),
        (r#"{"title":"Types","mapping":{"a":{"message":5}}}"#.into(), "wrong shape"),
        (r#"{"title":["no"],"mapping":{}}"#.into(), "wrong shape"),
        (r#"{"title":"Surrogate \ud800","mapping":{}}"#.into(), "no messages"),
        (deep, "recursion limit"),
        (r#"{"title":"Web circle","chat":{"history":{"messages":{"a":{"parentId":"a","role":"user","content":"x"}}}}}"#.into(), "circle"),
        (r#"{"title":"Web types","chat":{"history":[]}}"#.into(), "wrong shape"),
        (r#"{"milk":2}"#.into(), "no conversation of"),
        ("7".into(), "no conversation of"),
        (own(json!({ "title": "Own circle" }), json!([q(Some("q"))])), "circle"),
        (own(json!({ "title": "Own orphan" }), json!([q(Some("p"))])), "not in the file"),
        (own(json!({ "title": "Own twins" }), json!([q(None), q(None)])), "two of its messages"),
        (own(json!({ "title": "No such head", "head": "z" }), json!([q(None)])), "head"),
        (own(json!({ "title": "No time", "created": "soon" }), json!([])), "soon"),
        (own(json!({ "title": "No role" }), json!([with(q(None), json!({ "role": "wizard" }))])), "wizard"),
        (own(json!({ "title": "No parameter", "parameters": { "heat": 1 } }), json!([])), "heat"),
        (own(json!({ "title": "Too hot", "parameters": { "temperature": -5 } }), json!([])), "temperature"),
        (own(json!({ "title": "Long folder", "folder": "x".repeat(201) }), json!([])), "folder has 201"),
        (own(json!({ "title": 5 }), json!([])), "wrong shape"),
    ];
    let good = own(json!({ "title": "Good" }), json!([q(None)]));
    let texts: Vec<&str> = hostile.iter().map(|(text, _)| text.as_str()).collect();
    let begun = Instant::now();
    let report = import(&server, &[], &format!("[{},{good}]", texts.join(",")));
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert_eq!(report["imported"], 1, "{report}");
    let skipped = report["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), hostile.len(), "{report}");
    for ((text, part), told) in hostile.iter().zip(skipped) {
        assert!(
            told["why"].as_str().unwrap().contains(part),
            "{part}: {told} for {}",
            &text[..text.len().min(200)]
        );
    }
    assert_eq!((&skipped[0]["title"], &skipped[10]["title"]), (&json!("Circle"), &json!("Untitled")));
    assert_eq!(export(&server, &[])["conversations"].as_array().unwrap().len(), 1);
}

#[test]
fn what_is_no_export_is_refused_with_the_reason() {
    let server = Running::start(|o| o.max_body = 1 << 20);
    assert!(refused(&server, r#"{"milk": 2}"#).contains("no export of Parasol, Open WebUI or ChatGPT"));
    assert!(refused(&server, "[1, 2]").contains("no export"));
    assert!(refused(&server, "").contains("empty"));
    assert!(refused(&server, "[{\"mapping\":").contains("JSON"));
    assert!(
        refused(&server, r#"{"format":"parasol-conversations","version":9,"conversations":[]}"#)
            .contains("version 9")
    );
    assert!(refused(&server, &format!("[{}0]", "0,".repeat(200_000))).contains("100000"));
    let large =
        server.send("POST", &format!("{CONVERSATIONS}/import"), &[], &format!("[{}]", " ".repeat(16 << 20)));
    assert_eq!(large.status, 413);
    assert_eq!(export(&server, &[])["conversations"], json!([]));
}

#[test]
fn a_very_large_conversation_is_told_and_a_long_one_is_taken() {
    let server = Running::start(|_| {});
    let nodes = |count: usize| -> String {
        let node = |at: usize| {
            let parent = at.checked_sub(1).map_or("null".to_owned(), |before| format!("\"{before}\""));
            format!(
                r#""{at}":{{"parent":{parent},"message":{{"author":{{"role":"user"}},"content":{{"parts":["x"]}}}}}}"#
            )
        };
        (0..count).map(node).collect::<Vec<_>>().join(",")
    };
    let file = format!(
        r#"[{{"title":"Huge","mapping":{{{}}}}},{{"title":"Long","mapping":{{{}}}}}]"#,
        nodes(100_001),
        nodes(3000)
    );
    let report = import(&server, &[], &file);
    assert_eq!(report["imported"], 1);
    assert!(report["skipped"][0]["why"].as_str().unwrap().contains("100000"), "{report}");
    assert_eq!(read(&server, &[], "Long")["messages"].as_array().unwrap().len(), 3000);
}

#[test]
fn nobody_gets_what_is_anothers() {
    let server = Running::start(|_| {});
    let terms = |name: &str| KeyTerms { name: name.into(), admin: name == "ada", ..KeyTerms::default() };
    let (ada, bob) = (server.key(terms("ada")), server.key(terms("bob")));
    let (ada, bob) = (format!("authorization: Bearer {ada}"), format!("authorization: Bearer {bob}"));
    let file = own(json!({ "title": "Bob's own" }), json!([message("q", None, "user", "A secret")]));
    assert_eq!(import(&server, &[&bob], &file)["imported"], 1);
    // Administrators included.
    assert_eq!(export(&server, &[&ada])["conversations"], json!([]));
    assert!(export(&server, &[&bob]).to_string().contains("A secret"));
    let id = read(&server, &[&bob], "Bob's own")["conversation"]["id"].as_str().unwrap().to_owned();
    for format in ["json", "markdown"] {
        let path = format!("{CONVERSATIONS}/{id}/export?format={format}");
        assert_eq!(server.get(&path, &[&ada]).status, 404);
        assert_eq!(server.get(&path, &[]).status, 401);
        assert!(server.get(&path, &[&bob]).body.contains("A secret"));
    }
    assert_eq!(server.get(&format!("{CONVERSATIONS}/export"), &[]).status, 401);
    assert_eq!(server.send("POST", &format!("{CONVERSATIONS}/import"), &[], &file).status, 401);
    // What was deleted is in no export.
    assert_eq!(server.send("DELETE", &format!("{CONVERSATIONS}/{id}"), &[&bob], "").status, 204);
    assert_eq!(export(&server, &[&bob])["conversations"], json!([]));
}
