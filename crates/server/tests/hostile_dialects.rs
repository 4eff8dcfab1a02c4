//! Requests that mean harm, in every dialect: each is refused in the dialect's own shape, soon, and the server serves on.

#![allow(clippy::unwrap_used)]

mod common;

use common::Running;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A dialect's chat: where it is, what its body looks like around `EXTRA`, and how one tells its errors.
struct Door {
    path: &'static str,
    body: &'static str,
    is_error: fn(&Value) -> bool,
}

const DOORS: [Door; 4] = [
    Door {
        path: "/v1/chat/completions",
        body: r#"{"model":"MODEL","messages":[{"role":"user","content":"Hi"}]EXTRA}"#,
        is_error: |v| v["error"]["message"].is_string() && v["error"]["type"].is_string(),
    },
    Door {
        path: "/v1/messages",
        body: r#"{"model":"MODEL","max_tokens":4,"messages":[{"role":"user","content":"Hi"}]EXTRA}"#,
        is_error: |v| v["type"] == "error" && v["error"]["type"].is_string(),
    },
    Door {
        path: "/v1beta/models/MODEL:generateContent",
        body: r#"{"contents":[{"parts":[{"text":"Hi"}]}]EXTRA}"#,
        is_error: |v| v["error"]["status"].is_string() && v["error"]["code"].is_number(),
    },
    Door {
        path: "/api/chat",
        body: r#"{"model":"MODEL","messages":[{"role":"user","content":"Hi"}]EXTRA}"#,
        is_error: |v| v["error"].is_string(),
    },
];

/// Sends raw bytes to every door, each with `model` in its place, and expects a refusal in the dialect within a second.
fn refused(server: &Running, model: &str, extra: &str, doors: &[usize]) {
    let toy = common::toy();
    for door in doors.iter().map(|i| &DOORS[*i]) {
        let model = if model.is_empty() { &toy } else { model };
        let in_path = model.replace('%', "%25").replace('/', "%2F").replace('\\', "%5C");
        let path = door.path.replace("MODEL", &in_path.replace("%5Cu0000", "%00"));
        let body = door.body.replace("MODEL", model).replace("EXTRA", extra);
        let began = Instant::now();
        let answer = server.send("POST", &path, &[], &body);
        let shown: String = extra.chars().take(100).collect();
        assert!(began.elapsed() < Duration::from_secs(1), "{path} took {:?}: {shown}", began.elapsed());
        assert!((400..600).contains(&answer.status), "{path} {shown}: {answer:?}");
        let body: Value =
            serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{path} {shown}: {e}: {answer:?}"));
        assert!((door.is_error)(&body), "{path} {shown}: {body}");
    }
    let well = server.get("/healthz", &[]);
    assert_eq!(well.status, 200, "{well:?}");
}

const ALL: [usize; 4] = [0, 1, 2, 3];

#[test]
fn malformed_json_is_refused_in_every_dialect() {
    let server = Running::start(|_| {});
    let deep = format!(",\"tools\":{}", "[".repeat(200_000));
    let deeper = format!(",\"tools\":[{}1{}]", "{\"a\":".repeat(50_000), "}".repeat(50_000));
    for extra in
        [",", ",\"temperature\":NaN", ",\"temperature\":1e999", ",\"x\":\"\\ud800\"", "}}", &deep, &deeper]
    {
        refused(&server, "", extra, &ALL);
    }
}

#[test]
fn unknown_parameters_and_wrong_types_are_refused() {
    let server = Running::start(|_| {});
    for extra in [",\"frobnicate\":1", ",\"tools\":3", ",\"tools\":[3]", ",\"tools\":{\"a\":[]}"] {
        refused(&server, "", extra, &[0, 1, 2]);
    }
    for extra in [
        ",\"max_tokens\":-1",
        ",\"max_tokens\":99999999999999999999",
        ",\"temperature\":-1",
        ",\"temperature\":\"hot\"",
        ",\"top_p\":7",
    ] {
        refused(&server, "", extra, &[0, 1]);
        refused(
            &server,
            "",
            &format!(",\"generationConfig\":{{{}}}", extra[1..].replace("max_tokens", "maxOutputTokens")),
            &[2],
        );
    }
}

#[test]
fn numbers_that_nothing_takes_are_refused_on_the_other_routes_too() {
    let server = Running::start(|_| {});
    for options in [
        r#"{"temperature":-1}"#,
        r#"{"top_p":7}"#,
        r#"{"num_predict":-3}"#,
        r#"{"num_predict":99999999999999999999}"#,
        r#"{"seed":"x"}"#,
        r#"{"num_ctx":-1}"#,
        "3",
    ] {
        refused(&server, "", &format!(",\"options\":{options}"), &[3]);
    }
    let toy = common::toy();
    for (path, body, most) in [
        ("/v1/completions", r#"{"model":"MODEL","prompt":"Hi"EXTRA}"#, "max_tokens"),
        ("/v1/responses", r#"{"model":"MODEL","input":"Hi"EXTRA}"#, "max_output_tokens"),
        ("/api/generate", r#"{"model":"MODEL","prompt":"Hi"EXTRA}"#, "raw"),
    ] {
        for extra in [
            format!(",\"{most}\":-1"),
            format!(",\"{most}\":99999999999999999999"),
            format!(",\"{most}\":\"many\""),
            ",\"temperature\":-1".to_owned(),
            ",\"prompt\":{\"a\":[]}".to_owned(),
            ",\"stream\":7".to_owned(),
            ",".to_owned(),
        ] {
            // Ollama's sampling stands among its options, which were tried above.
            if path == "/api/generate" && extra.contains("temperature") {
                continue;
            }
            let answer =
                server.send("POST", path, &[], &body.replace("MODEL", &toy).replace("EXTRA", &extra));
            assert!((400..500).contains(&answer.status), "{path} {extra}: {answer:?}");
            let told: Value = serde_json::from_str(&answer.body).unwrap();
            assert!(
                told["error"]["message"].is_string() || told["error"].is_string(),
                "{path} {extra}: {told}"
            );
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_refused_in_every_dialect() {
    let server = Running::start(|_| {});
    let toy = common::toy();
    for door in &DOORS {
        for bytes in [&b"\xff\xfe"[..], b"\xc3", b"\xed\xa0\x80", b"\xf0\x9f\x8c"] {
            let body = door.body.replace("MODEL", &toy).replace("EXTRA", "");
            let (before, after) = body.split_once("Hi").unwrap();
            let body = [before.as_bytes(), bytes, after.as_bytes()].concat();
            let path = door.path.replace("MODEL", &toy.replace('/', "%2F"));
            let head = format!(
                "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let answer = server.raw(&[head.as_bytes(), &body].concat());
            assert_eq!(answer.status, 400, "{path}: {answer:?}");
            let told: Value = serde_json::from_str(&answer.body).unwrap();
            assert!((door.is_error)(&told) && answer.body.contains("UTF-8"), "{path}: {told}");
        }
    }
}

/// A tool `f` with this schema, called for where the dialect can demand it, and a bound on the answer.
fn with_tool(door: usize, schema: &str) -> String {
    let openai =
        format!(r#","tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}]"#);
    match door {
        0 => format!(r#"{openai},"tool_choice":"required","max_tokens":20"#),
        1 => format!(r#","tools":[{{"name":"f","input_schema":{schema}}}],"tool_choice":{{"type":"any"}}"#),
        2 => format!(
            r#","tools":[{{"functionDeclarations":[{{"name":"f","parametersJsonSchema":{schema}}}]}}],"toolConfig":{{"functionCallingConfig":{{"mode":"ANY"}}}},"generationConfig":{{"maxOutputTokens":20}}"#
        ),
        _ => format!(r#"{openai},"stream":false,"options":{{"num_predict":20}}"#),
    }
}

/// Schemas of tools that lie, bomb or are none: each is refused in the dialect or kept to as far as the answer goes, soon.
#[test]
fn tools_whose_schemas_lie_harm_nobody_in_any_dialect() {
    let server = Running::start(|_| {});
    let toy = common::toy();
    let schemas = [
        r#"{"type":"object","properties":{"a":{"type":"colour"}},"required":["a"]}"#.to_owned(),
        r#"{"type":"object","properties":7}"#.to_owned(),
        r#"{"type":["object",3]}"#.to_owned(),
        r#"{"type":"object","required":["x"],"additionalProperties":false}"#.to_owned(),
        r##"{"type":"object","properties":{"a":{"$ref":"#/nowhere"}},"required":["a"]}"##.to_owned(),
        r#"{"$ref":"http://127.0.0.1:1/schema.json"}"#.to_owned(),
        r##"{"$ref":"#"}"##.to_owned(),
        r#"{"type":"string"}"#.to_owned(),
        r#""none""#.to_owned(),
        "[]".to_owned(),
        r#"{"type":"object","properties":{"a":{"type":"string","pattern":"^(a+)+$"}},"required":["a"]}"#
            .to_owned(),
        doubling(r#"{"allOf":[BELOW,BELOW]}"#),
    ];
    for (number, door) in DOORS.iter().enumerate() {
        let path = door.path.replace("MODEL", &toy.replace('/', "%2F"));
        for schema in &schemas {
            let shown: String = schema.chars().take(100).collect();
            let body = door.body.replace("MODEL", &toy).replace("EXTRA", &with_tool(number, schema));
            let began = Instant::now();
            let answer = server.send("POST", &path, &[], &body);
            assert!(began.elapsed() < Duration::from_secs(10), "{path} {shown}: {:?}", began.elapsed());
            let told: Value = serde_json::from_str(&answer.body)
                .unwrap_or_else(|e| panic!("{path} {shown}: {e}: {answer:?}"));
            let refused = (400..500).contains(&answer.status) && (door.is_error)(&told);
            assert!(answer.status == 200 || refused, "{path} {shown}: {answer:?}");
        }
    }
    assert_eq!(server.get("/healthz", &[]).status, 200);
}

#[test]
fn names_of_models_reach_no_files() {
    let server = Running::start(|_| {});
    for name in [
        "../../../etc/passwd",
        "/etc/passwd",
        "/dev/zero",
        "a\\u0000b",
        "..",
        "http://127.0.0.1:1/x",
        "%2e%2e/x",
    ] {
        refused(&server, name, "", &ALL);
    }
}

#[test]
fn schemas_that_bomb_or_lie_are_refused() {
    let server = Running::start(|_| {});
    let outside = r##"{"$ref":"http://127.0.0.1:1/schema.json"}"##;
    let lies = r#"{"type":"object","properties":{"a":{"type":"colour"}},"required":["a"]}"#;
    for schema in [outside, lies] {
        let format = format!(r#","output_config":{{"format":{{"type":"json_schema","schema":{schema}}}}}"#);
        refused(&server, "", &format, &[1]);
        let format = format!(
            r#","generationConfig":{{"responseMimeType":"application/json","responseJsonSchema":{schema}}}"#
        );
        refused(&server, "", &format, &[2]);
        let format = format!(
            r#","response_format":{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}"#
        );
        refused(&server, "", &format, &[0]);
    }
}

/// Definitions that double at each of forty levels: `combine` is how a level refers to the one below it.
fn doubling(combine: &str) -> String {
    let mut definitions =
        r#""d0":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}"#.to_owned();
    for n in 1..40 {
        let below = format!("{{\"$ref\":\"#/$defs/d{}\"}}", n - 1);
        definitions += &format!(",\"d{n}\":{}", combine.replace("BELOW", &below));
    }
    format!("{{\"$ref\":\"#/$defs/d39\",\"$defs\":{{{definitions}}}}}")
}

/// Schemas that would unfold to more than any memory holds, refer to themselves without an end, backtrack for ever or cannot be kept to,
/// as the form of an answer and as the arguments of a tool that must be called. Each is refused or kept to, soon, and the others are
/// answered meanwhile.
#[test]
fn schemas_that_recurse_or_explode_hold_nobody_up() {
    let server = Running::start(|_| {});
    let toy = common::toy();
    let ask = |more: &str| {
        let body = format!(
            r#"{{"model":"{toy}","messages":[{{"role":"user","content":"Hi"}}],"max_tokens":20,"reasoning_effort":"none"{more}}}"#
        );
        let began = Instant::now();
        (server.send("POST", "/v1/chat/completions", &[], &body), began.elapsed())
    };
    // The first request with a grammar makes the model's tables.
    ask(r#","response_format":{"type":"json_object"}"#);
    let many = (0..60_000).map(|n| format!("\"x{n}\"")).collect::<Vec<_>>().join(",");
    let schemas = [
        doubling(r#"{"allOf":[BELOW,BELOW]}"#),
        doubling(r#"{"anyOf":[BELOW,{"type":"array","items":BELOW}]}"#),
        doubling(r#"{"type":"object","properties":{"l":BELOW,"r":BELOW},"required":["l","r"]}"#),
        r##"{"$ref":"#"}"##.to_owned(),
        r##"{"$ref":"#/$defs/a","$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}}}"##.to_owned(),
        r##"{"type":"array","minItems":1,"items":{"$ref":"#"}}"##.to_owned(),
        r#"{"type":"array","minItems":1000000000,"items":{"type":"integer"}}"#.to_owned(),
        r#"{"type":"string","minLength":100000000}"#.to_owned(),
        format!("{}{}{}", r#"{"type":"array","items":"#.repeat(100), "{}", "}".repeat(100)),
        format!("{{\"enum\":[{many}]}}"),
        r#"{"type":"string","pattern":"^(a+)+$"}"#.to_owned(),
        r#"{"type":"string","pattern":"^(([a-z])+.)+[A-Z]([a-z])+$"}"#.to_owned(),
        r#"{"type":"string","pattern":"(a|b|ab)*c{1000000}"}"#.to_owned(),
        r#"{"type":"string","pattern":"^(?=.*[A-Z])(?=.*[0-9]).{8,}$"}"#.to_owned(),
        r#"{"type":"object","patternProperties":{"^(a+)+$":{"type":"integer"}}}"#.to_owned(),
        r#"{"type":"integer","multipleOf":0.0000001,"minimum":-1e308,"maximum":1e308}"#.to_owned(),
        r#"{"type":"integer","minimum":5,"maximum":1}"#.to_owned(),
        r#"{"type":"object","required":["x"],"additionalProperties":false}"#.to_owned(),
        r#"{"type":"object","properties":{"a":{"type":"colour"}},"required":["a"]}"#.to_owned(),
    ];
    for schema in &schemas {
        let form = format!(
            r#","response_format":{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}"#
        );
        let tool = format!(
            r#","tools":[{{"type":"function","function":{{"name":"f","parameters":{schema}}}}}],"tool_choice":"required""#
        );
        for more in [form, tool] {
            let shown: String = more.chars().take(200).collect();
            let (answer, took) = ask(&more);
            assert!(took < Duration::from_secs(10), "{took:?}: {shown}");
            let object: Value =
                serde_json::from_str(&answer.body).unwrap_or_else(|e| panic!("{e}: {answer:?}"));
            // Refused in the dialect, or kept to as far as twenty tokens go.
            assert!(
                answer.status == 200 || answer.status == 400 && (DOORS[0].is_error)(&object),
                "{answer:?}: {shown}"
            );
            let (others, took) = ask("");
            assert!(others.status == 200 && took < Duration::from_secs(1), "{took:?}: {others:?}: {shown}");
        }
    }
}

/// Expressions are unfolded as they are needed: such an answer may be refused or cut, and neither takes long.
#[test]
fn a_pattern_that_would_fill_the_memory_is_answered_soon() {
    let server = Running::start(|_| {});
    let schema = r#"{"type":"string","pattern":"^(((a{1,1000}){1,1000}){1,1000}){1,1000}$"}"#;
    let body = format!(
        r#"{{"model":"{}","messages":[{{"role":"user","content":"Hi"}}],"max_tokens":300,"reasoning_effort":"none","response_format":{{"type":"json_schema","json_schema":{{"name":"x","schema":{schema}}}}}}}"#,
        common::toy()
    );
    let began = Instant::now();
    let answer = server.send("POST", "/v1/chat/completions", &[], &body);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let object: Value = serde_json::from_str(&answer.body).unwrap();
    if answer.status == 200 {
        let said = object["choices"][0]["message"]["content"].as_str().unwrap();
        assert!(said.strip_prefix('"').unwrap().trim_end_matches('"').bytes().all(|b| b == b'a'), "{said}");
    } else {
        assert!((DOORS[0].is_error)(&object), "{answer:?}");
    }
    assert_eq!(server.get("/healthz", &[]).status, 200);
}
