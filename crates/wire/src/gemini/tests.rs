//! Samples written by hand from the public documentation, and round trips through both directions.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::client::Manner;
use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, FinishReason, GenerationEvent, Part, Reasoning, Role,
    SamplingChoice, Timings, TokenLogprob, TokenReport, ToolCallDelta, ToolCallStart, ToolChoice, Usage,
};
use serde_json::{Value, json};

fn parse(body: Value) -> ChatRequest {
    GenerateRequest::parse("m", body).unwrap().chat(&SamplingChoice::default(), 0)
}

fn with(field: &str, value: Value) -> Value {
    let mut body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    body[field] = value;
    body
}

fn functions() -> Value {
    json!([{"functionDeclarations": [
        {"name": "a", "description": "d", "parameters": {"type": "OBJECT",
            "properties": {"x": {"type": "STRING", "nullable": true, "format": "enum", "enum": ["p"]}, "n": {"type": "integer", "minimum": 1}},
            "propertyOrdering": ["n", "x"], "required": ["n"]}},
        {"name": "b", "parametersJsonSchema": {"type": "object"}}]}])
}

#[test]
fn a_conversation_with_functions_becomes_messages() {
    let chat = parse(json!({
        "system_instruction": {"parts": [{"text": "S"}]},
        "contents": [
            {"parts": [{"text": "q"}]},
            {"role": "model", "parts": [{"text": "hm", "thought": true}, {"text": "I look."},
                {"functionCall": {"name": "a", "args": {"n": 1}}, "thoughtSignature": "xx"},
                {"functionCall": {"name": "a", "args": {"n": 2}}}]},
            {"role": "user", "parts": [
                {"functionResponse": {"name": "a", "response": {"result": "one"}}},
                {"function_response": {"name": "a", "response": {"x": 2}}}]},
        ],
        "tools": functions(),
        "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["a"]}},
        "generationConfig": {"temperature": 0.5, "topK": 40.0, "max_output_tokens": 7, "stopSequences": ["E"], "seed": -1,
            "thinkingConfig": {"thinkingBudget": 0}, "responseLogprobs": true, "logprobs": 2},
    }));
    let said: Vec<_> = chat.messages.iter().map(|m| (m.role, m.content.as_str())).collect();
    assert_eq!(
        said,
        [
            (Role::System, "S"),
            (Role::User, "q"),
            (Role::Assistant, "I look."),
            (Role::Tool, "one"),
            (Role::Tool, "{\"x\":2}"),
        ]
    );
    assert_eq!(chat.messages[2].reasoning.as_deref(), Some("hm"));
    let ids: Vec<_> = chat.messages[3..].iter().map(|m| m.tool_call_id.clone().unwrap()).collect();
    assert_eq!(ids, ["call_1", "call_2"]);
    assert_eq!(chat.tools.len(), 1, "what is not allowed is not offered");
    assert_eq!(
        chat.tools[0].parameters,
        json!({"type": "object", "properties": {
        "n": {"type": "integer", "minimum": 1}, "x": {"type": ["string", "null"], "enum": ["p", null]}}, "required": ["n"]})
    );
    let order: Vec<_> = chat.tools[0].parameters["properties"].as_object().unwrap().keys().collect();
    assert_eq!(order, ["n", "x"]);
    assert_eq!(chat.tool_choice, ToolChoice::Named("a".into()));
    assert_eq!((chat.max_tokens, chat.logprobs, chat.reasoning), (Some(7), Some(2), Some(Reasoning::Off)));
    assert_eq!(
        (chat.sampling.temperature, chat.sampling.top_k, chat.sampling.seed),
        (0.5, Some(40), Some(u64::MAX))
    );
}

#[test]
fn modes_say_what_may_be_called() {
    let choice = |config: Value| {
        let mut body = with("tools", functions());
        body["toolConfig"] = json!({"functionCallingConfig": config});
        parse(body).tool_choice
    };
    assert_eq!(choice(json!({"mode": "ANY"})), ToolChoice::Required);
    assert_eq!(choice(json!({"mode": "NONE"})), ToolChoice::None);
    assert_eq!(choice(json!({"mode": "VALIDATED", "allowedFunctionNames": ["b"]})), ToolChoice::Auto);
    assert_eq!(choice(json!({"mode": "ANY", "allowed_function_names": ["a", "b"]})), ToolChoice::Required);
}

#[test]
fn the_form_of_the_answer_is_read() {
    let form = |config: Value| parse(with("generationConfig", config)).format;
    assert_eq!(form(json!({"responseMimeType": "application/json"})), Some(AnswerFormat::JsonObject));
    let schema =
        Some(AnswerFormat::JsonSchema { schema: json!({"type": "array", "items": {"type": "number"}}) });
    let google = json!({"type": "ARRAY", "items": {"type": "NUMBER"}});
    assert_eq!(form(json!({"responseMimeType": "application/json", "responseSchema": google})), schema);
    let plain = json!({"type": "array", "items": {"type": "number"}});
    assert_eq!(form(json!({"response_mime_type": "application/json", "responseJsonSchema": plain})), schema);
    let words = json!({"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["a.b", "c"]}});
    assert_eq!(form(words), Some(AnswerFormat::Regex { pattern: "(a\\.b|c)".into() }));
}

#[test]
fn what_is_not_honoured_is_refused_by_name() {
    let part = |part: Value| json!([{"role": "user", "parts": [part]}]);
    for (field, value, says) in [
        ("frobnicate", json!(1), "frobnicate: is not a parameter"),
        ("contents", json!([]), "contents: is empty"),
        (
            "contents",
            part(json!({"inlineData": {"mimeType": "image/png", "data": ""}})),
            "contents.0.parts.0.inlineData.data: is no standard base64",
        ),
        ("contents", part(json!({"fileData": {}})), "fileData"),
        ("contents", part(json!({})), "contents.0.parts.0: is empty"),
        (
            "contents",
            part(json!({"functionResponse": {"name": "z", "response": {}}})),
            "no open functionCall",
        ),
        ("contents", json!([{"role": "model", "parts": [{"text": "x"}]}]), "continuing a begun answer"),
        ("contents", json!([{"role": "robot", "parts": [{"text": "x"}]}]), "contents.0.role"),
        ("tools", json!([{"googleSearch": {}}]), "tools.0.googleSearch: is not offered"),
        (
            "tools",
            json!([{"functionDeclarations": [{"name": "a", "parameters": {"type": "BLOB"}}]}]),
            "parameters.type: is \"BLOB\"",
        ),
        (
            "tools",
            json!([{"functionDeclarations": [{"name": "a", "parameters": {"not": {}}}]}]),
            "parameters.not: is not a parameter",
        ),
        ("toolConfig", json!({"functionCallingConfig": {"mode": "ANY"}}), "mode: ANY asks"),
        (
            "toolConfig",
            json!({"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["z"]}}),
            "allowedFunctionNames.0: no function",
        ),
        ("generationConfig", json!({"speechConfig": {}}), "generationConfig.speechConfig"),
        ("generationConfig", json!({"responseModalities": ["AUDIO"]}), "responseModalities: \"AUDIO\""),
        ("generationConfig", json!({"topP": 2}), "generationConfig.topP: is 2"),
        ("generationConfig", json!({"candidateCount": 99}), "candidateCount: is 99"),
        ("generationConfig", json!({"logprobs": 3}), "logprobs: goes with"),
        ("cachedContent", json!("cachedContents/x"), "cachedContent: no cached"),
        ("model", json!("models/other"), "model: is \"models/other\""),
        ("serviceTier", json!("flex"), "serviceTier: \"flex\""),
    ] {
        let error = GenerateRequest::parse("m", with(field, value)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(says), "{field}: {error}");
    }
}

#[test]
fn what_changes_nothing_is_reported_and_counting_takes_both_forms() {
    let body =
        with("safetySettings", json!([{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]));
    let request = GenerateRequest::parse("m", body.clone()).unwrap();
    assert_eq!(request.without_effect, ["safetySettings"]);
    let counted = GenerateRequest::parse_count("m", json!({"generateContentRequest": body})).unwrap();
    assert_eq!(counted.without_effect, ["generateContentRequest.safetySettings"]);
    let chat = |r: &GenerateRequest| r.chat(&SamplingChoice::default(), 0);
    assert_eq!(chat(&counted), chat(&request));
    assert!(GenerateRequest::parse_count("m", with("model", json!("models/m"))).is_ok());
}

fn answer(reason: FinishReason) -> Vec<GenerationEvent> {
    let token = |part, text: &str| {
        let logprob = TokenLogprob { id: 1, bytes: text.into(), logprob: -0.5 };
        let logprobs = if part == Part::Answer { vec![logprob.clone(), logprob] } else { Vec::new() };
        GenerationEvent::Token(TokenReport { id: Some(1), text: text.into(), part, logprobs })
    };
    let call = |index, id: Option<&str>, arguments: &str| {
        let start = id.map(|id| ToolCallStart { id: id.into(), name: "a".into() });
        GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments: arguments.into() })
    };
    let usage = Usage {
        prompt_tokens: 10,
        cached_tokens: 4,
        generated_tokens: 6,
        reasoning_tokens: 2,
        ..Usage::default()
    };
    vec![
        GenerationEvent::Started { model: "m".into(), prompt_tokens: 10, seed: 1 },
        token(Part::Reasoning, "hm"),
        token(Part::Answer, "I "),
        token(Part::Answer, "look."),
        call(0, Some("t1"), "{\"n\":"),
        call(0, None, "1}"),
        call(1, Some("t2"), ""),
        GenerationEvent::Finished { reason, stop: None, usage, timings: Timings::default() },
    ]
}

fn collect(events: &[GenerationEvent], style: Style) -> Value {
    let mut collector = Collector::new("r", style, 1);
    events.iter().for_each(|e| collector.push(0, e));
    collector.finish().unwrap()
}

const SHOWN: Style = Style { include_thoughts: true };

#[test]
fn a_response_has_its_parts_counts_and_log_probabilities() {
    let response = collect(&answer(FinishReason::ToolCalls), Style::default());
    let candidate = &response["candidates"][0];
    assert_eq!(
        candidate["content"]["parts"],
        json!([
        {"text": "I look."},
        {"functionCall": {"id": "t1", "name": "a", "args": {"n": 1}}},
        {"functionCall": {"id": "t2", "name": "a", "args": {}}}])
    );
    assert_eq!((&candidate["finishReason"], &candidate["avgLogprobs"]), (&json!("STOP"), &json!(-0.5)));
    assert_eq!(candidate["logprobsResult"]["chosenCandidates"].as_array().unwrap().len(), 2);
    let usage = &response["usageMetadata"];
    let counts: Vec<_> = [
        "promptTokenCount",
        "candidatesTokenCount",
        "thoughtsTokenCount",
        "totalTokenCount",
        "cachedContentTokenCount",
    ]
    .iter()
    .map(|n| usage[n].as_u64().unwrap())
    .collect();
    assert_eq!(counts, [10, 4, 2, 16, 4]);
    assert_eq!(
        collect(&answer(FinishReason::Stop), SHOWN)["candidates"][0]["content"]["parts"][0]["thought"],
        true
    );
}

#[test]
fn a_call_that_was_cut_is_told() {
    let mut events = answer(FinishReason::Length);
    events.retain(|e| !matches!(e, GenerationEvent::ToolCall(d) if d.arguments == "1}" || d.index == 1));
    let whole = collect(&events, Style::default());
    let mut encoder = Encoder::new("r", Style::default(), 1);
    let streamed = events.iter().flat_map(|e| encoder.push(0, e)).last().unwrap();
    for response in [whole, streamed] {
        let candidate = &response["candidates"][0];
        assert_eq!(candidate["finishReason"], "MAX_TOKENS");
        assert!(candidate["finishMessage"].as_str().unwrap().contains("the call of a was cut"));
    }
}

fn joined(events: Vec<GenerationEvent>) -> (String, String, Vec<String>, FinishReason, Usage) {
    let (mut thought, mut said, mut calls, mut end) = (String::new(), String::new(), Vec::new(), None);
    for event in events {
        match event {
            GenerationEvent::Token(t) if t.part == Part::Reasoning => thought += &t.text,
            GenerationEvent::Token(t) => said += &t.text,
            GenerationEvent::ToolCall(d) => {
                if let Some(start) = d.start {
                    calls.push(format!("{} {} ", start.id, start.name));
                }
                calls[d.index] += &d.arguments;
            }
            GenerationEvent::Finished { reason, usage, .. } => end = Some((reason, usage)),
            _ => {}
        }
    }
    let (reason, usage) = end.unwrap();
    (thought, said, calls, reason, usage)
}

#[test]
fn an_answer_survives_the_round_trip() {
    let sent = answer(FinishReason::ToolCalls);
    let mut wanted = joined(sent.clone());
    // No arguments are an empty object to the API.
    wanted.2[1] += "{}";
    let back = |responses: Vec<Value>| {
        let mut decoder = Decoder::default();
        let mut events: Vec<_> = responses.iter().flat_map(|r| decoder.push(r).unwrap()).collect();
        events.push(decoder.finish().unwrap());
        joined(events)
    };
    let mut encoder = Encoder::new("r", SHOWN, 1);
    assert_eq!(back(sent.iter().flat_map(|e| encoder.push(0, e)).collect()), wanted);
    assert_eq!(back(vec![collect(&sent, SHOWN)]), wanted);
}

#[test]
fn a_request_survives_the_round_trip() {
    let mut body = with("tools", functions());
    body["toolConfig"] = json!({"functionCallingConfig": {"mode": "ANY"}});
    body["systemInstruction"] = json!({"parts": [{"text": "S"}]});
    body["contents"] = json!([
        {"role": "user", "parts": [{"text": "q"}]},
        {"role": "model", "parts": [{"text": "hm", "thought": true}, {"functionCall": {"id": "t", "name": "a", "args": {"n": 1}}}]},
        {"role": "user", "parts": [{"functionResponse": {"id": "t", "name": "a", "response": {"output": "r"}}}, {"text": "And?"}]},
    ]);
    body["generationConfig"] = json!({"temperature": 0.0, "topP": 0.5, "topK": 3, "seed": -7, "maxOutputTokens": 9,
        "stopSequences": ["x"], "presencePenalty": 0.5, "responseLogprobs": true, "logprobs": 1,
        "responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}, "thinkingConfig": {"thinkingBudget": 0}});
    let chat = parse(body);
    let written = request_body(&chat, &Manner::default(), &mut Vec::new()).unwrap();
    assert_eq!(parse(written), chat);
}

#[test]
fn errors_have_their_names_both_ways() {
    for kind in [
        ErrorKind::Unauthenticated,
        ErrorKind::Denied,
        ErrorKind::NotFound,
        ErrorKind::RateLimited { retry_after: 3 },
        ErrorKind::Overloaded,
        ErrorKind::Timeout,
        ErrorKind::InvalidRequest,
        ErrorKind::Unsupported,
        ErrorKind::Cancelled,
    ] {
        let error = Error::new(kind.clone(), "said");
        assert_eq!(*error_from(status(&error), &error_body(&error, None), None).kind(), kind);
    }
    let full = Error::context_overflow(9120, 8192);
    let body = error_body(&full, None);
    let message = body["error"]["message"].as_str().unwrap();
    assert!(message.contains("(9120)") && message.contains("(8192)"), "{message}");
    assert_eq!(error_from(400, &body, None).kind(), full.kind());
    assert_eq!(error_body(&full, Some(413))["error"]["code"], 413);
}

#[test]
fn models_are_listed_in_pages() {
    let model = |name: &str| Model {
        name: name.into(),
        display_name: name.into(),
        description: String::new(),
        context: Some(8192),
        thinking: false,
        recommended: SamplingChoice { temperature: Some(0.2), ..SamplingChoice::default() },
    };
    let models = [model("a"), model("b"), model("c")];
    let list = |query: &[(&str, &str)]| page(&models, query.iter().copied());
    let first = list(&[("pageSize", "2")]).unwrap();
    assert_eq!((&first["models"][1]["name"], &first["nextPageToken"]), (&json!("models/b"), &json!("2")));
    let next = list(&[("pageSize", "2"), ("pageToken", "2")]).unwrap();
    assert_eq!((next["models"].as_array().unwrap().len(), next.get("nextPageToken")), (1, None));
    assert!(list(&[("pageToken", "9")]).is_err() && list(&[("x", "1")]).is_err());
}

#[test]
fn candidates_differ_in_their_seed_alone() {
    let mut body = with("generationConfig", json!({"seed": 7, "candidateCount": 3}));
    let recommended = SamplingChoice::default();
    let request = GenerateRequest::parse("m", body.clone()).unwrap();
    let first = request.chat(&recommended, 0);
    assert_eq!(request.reseeded(&first, 2), request.chat(&recommended, 2));
    assert_eq!(request.reseeded(&first, 2).sampling.seed, Some(9));
    // What has become of the messages stays.
    let mut heard = first.clone();
    heard.messages[0].content = "heard".into();
    assert_eq!(request.reseeded(&heard, 1).messages, heard.messages);
    body["generationConfig"] = json!({"candidateCount": 3});
    let drawn = GenerateRequest::parse("m", body).unwrap();
    assert_eq!(drawn.reseeded(&drawn.chat(&recommended, 0), 1).sampling.seed, None);
}

#[test]
fn base64_comes_in_both_alphabets() {
    for (data, kept) in [("-_8=", "+/8="), ("-_8", "+/8="), ("AAAA", "AAAA"), ("AA", "AA==")] {
        let part = json!({"inlineData": {"mimeType": "audio/wav", "data": data}});
        let request = GenerateRequest::parse("m", json!({"contents": [{"parts": [part]}]})).unwrap();
        let chat = request.chat(&SamplingChoice::default(), 0);
        let source = &chat.messages[0].attachments[0].source;
        assert_eq!(*source, parasol_core::MediaSource::Base64(kept.into()), "{data}");
    }
    for data in ["A", "A-+*", ""] {
        let part = json!({"inlineData": {"mimeType": "audio/wav", "data": data}});
        assert!(GenerateRequest::parse("m", json!({"contents": [{"parts": [part]}]})).is_err(), "{data}");
    }
}
