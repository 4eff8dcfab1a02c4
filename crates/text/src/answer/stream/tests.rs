//! Answers in each family's syntax, whole, broken and hostile, in any pieces.

#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::{Value as Json, json};

fn tools() -> Vec<ToolSpec> {
    let tool = |name: &str| ToolSpec {
        name: name.into(),
        description: String::new(),
        parameters: json!({"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}),
    };
    vec![tool("weather"), tool("time-of.day")]
}

/// What a reader sees of an answer.
#[derive(Debug, Default, Clone, PartialEq)]
struct Seen {
    text: String,
    reasoning: String,
    calls: Vec<(String, String)>,
    complete: usize,
    stopped: Option<String>,
}

impl Seen {
    fn take(&mut self, outs: Vec<Out>) {
        for out in outs {
            match out {
                Out::Text(Part::Answer | Part::Refusal, text) => self.text.push_str(&text),
                Out::Text(Part::Reasoning, text) => self.reasoning.push_str(&text),
                Out::Call(delta) => {
                    if let Some(start) = delta.start {
                        assert_eq!(delta.index, self.calls.len());
                        assert!(start.id.starts_with("call_"));
                        self.calls.push((start.name, String::new()));
                    }
                    self.calls[delta.index].1.push_str(&delta.arguments);
                }
            }
        }
    }
}

fn read(options: &AnswerOptions, stops: &[&str], pieces: &[&str]) -> Seen {
    let stops: Vec<String> = stops.iter().map(|s| (*s).to_owned()).collect();
    let mut stream = AnswerStream::new(&stops, options.clone()).unwrap();
    let mut seen = Seen::default();
    for piece in pieces {
        let mut outs = Vec::new();
        stream.text(piece, &mut outs);
        seen.take(outs);
        if stream.stops.met.is_some() {
            break;
        }
    }
    let ending = stream.finish().unwrap();
    seen.complete = ending.calls;
    seen.stopped = ending.stopped;
    seen.take(
        ending
            .events
            .into_iter()
            .map(|event| match event {
                GenerationEvent::Token(report) => Out::Text(report.part, report.text),
                GenerationEvent::ToolCall(delta) => Out::Call(delta),
                other => panic!("{other:?}"),
            })
            .collect(),
    );
    seen
}

/// The answer in one piece, after checking that no other way to cut it gives anything else.
fn seen(options: &AnswerOptions, stops: &[&str], text: &str) -> Seen {
    let whole = read(options, stops, &[text]);
    let single: Vec<String> = text.chars().map(String::from).collect();
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    assert_eq!(read(options, stops, &single), whole, "{text}");
    let mut random = Random(text.len() as u64 + 1);
    for _ in 0..30 {
        let mut pieces = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let count = 1 + random.below(12);
            let end = rest.char_indices().nth(count).map_or(rest.len(), |(at, _)| at);
            let (piece, after) = rest.split_at(end);
            pieces.push(piece);
            rest = after;
        }
        assert_eq!(read(options, stops, &pieces), whole, "{pieces:?}");
    }
    whole
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }
}

fn with(syntax: CallSyntax) -> AnswerOptions {
    AnswerOptions { calls: Some((syntax, tools())), ..AnswerOptions::default() }
}

fn calls(syntax: CallSyntax, text: &str) -> Vec<(String, Json)> {
    let seen = seen(&with(syntax), &[], text);
    assert_eq!(seen.complete, seen.calls.len(), "{seen:?}");
    assert_eq!(seen.text, "", "{seen:?}");
    seen.calls.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).unwrap())).collect()
}

#[test]
fn every_family_is_read() {
    use CallSyntax::{Gemma, Hermes, Llama3, Mistral, MistralNamed, Xml};
    let (a, b) = (json!({"city": "Zürich \"}{\\", "days": 3}), json!({}));
    let both = vec![("weather".to_owned(), a.clone()), ("time-of.day".to_owned(), b.clone())];
    let one = vec![both[0].clone()];
    let hermes = |call: &str, args: &Json| {
        format!("<tool_call>\n{{\"name\": \"{call}\", \"arguments\": {args}}}\n</tool_call>")
    };
    assert_eq!(calls(Hermes, &format!("{}\n{}", hermes("weather", &a), hermes("time-of.day", &b))), both);
    assert_eq!(
        calls(
            Hermes,
            &format!(
                "\n<tool_call>[{{\"arguments\": {a}, \"name\": \"weather\"}}, {{\"name\":\"time-of.day\"}}]</tool_call>\n"
            )
        ),
        both
    );
    let wrapped = json!({"name": "weather", "id": "x", "arguments": a.to_string()});
    assert_eq!(calls(Hermes, &format!("<tool_call>{wrapped}")), one);
    assert_eq!(
        calls(
            Llama3,
            &format!(
                "{{\"name\": \"weather\", \"parameters\": {a}}}; {{\"name\": \"time-of.day\", \"parameters\": {{}}}}"
            )
        ),
        both
    );
    assert_eq!(
        calls(
            Llama3,
            &format!("<|python_tag|>{{\"type\": \"function\", \"name\": \"weather\", \"parameters\": {a}}}")
        ),
        one
    );
    assert_eq!(
        calls(
            Mistral,
            &format!(
                "[TOOL_CALLS] [{{\"name\": \"weather\", \"arguments\": {a}}}, {{\"name\": \"time-of.day\", \"arguments\": {{}}, \"id\": \"123456789\"}}]"
            )
        ),
        both
    );
    assert_eq!(
        calls(
            MistralNamed,
            &format!("[TOOL_CALLS]weather[ARGS]{a}[TOOL_CALLS]time-of.day[CALL_ID]123456789[ARGS]{{}}")
        ),
        both
    );
    assert_eq!(
        calls(
            Gemma,
            &format!(
                "```tool_call\n{{\"name\": \"weather\", \"parameters\": {a}}}\n```\n```tool_call\n{{\"name\": \"time-of.day\", \"parameters\": {{}}}}\n```"
            )
        ),
        both
    );
    let python = "```tool_code\nprint(weather(city='Z\u{fc}rich \"}{\\\\', days=3))\ntime-of.day()\n```";
    assert_eq!(calls(Gemma, python), both);
    let nested = calls(Gemma, "```tool_code\n[weather(city=[1, -2.5, True, None, {'a': ('b',)}])]\n```");
    assert_eq!(nested[0].1, json!({"city": [1, -2.5, true, null, {"a": ["b"]}]}));
    let tags = "<tool_call>\n<function=weather>\n<parameter=city>\nZürich \"}{\\\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>";
    assert_eq!(
        calls(Xml, &format!("{tags}\n<tool_call><function=time-of.day></function></tool_call>")),
        both
    );
}

#[test]
fn text_around_calls_stays() {
    let seen = seen(
        &with(CallSyntax::Hermes),
        &[],
        "Let me see. <b>\n<tool_call>{\"name\": \"weather\"}</tool_call> \nSo < far.",
    );
    assert_eq!((seen.text.as_str(), seen.complete), ("Let me see. <b>\n \nSo < far.", 1));
    assert_eq!(seen.calls[0].1, "{}");
}

#[test]
fn what_is_no_call_is_text() {
    use CallSyntax::{Gemma, Hermes, Llama3, Mistral, MistralNamed, Xml};
    let texts = [
        (Hermes, "<tool_call>{\"name\": \"rm\", \"arguments\": {}}</tool_call>"),
        (Hermes, "<tool_call>never mind"),
        (Hermes, "<tool_call>{\"name\": weather}"),
        (Hermes, "  <tool_call"),
        (Hermes, "<tool_call><tool_call><tool_call>{"),
        (Hermes, "{\"name\": \"weather\", \"arguments\": {}}"),
        (Llama3, " {\"city\": \"Paris\", \"days\": [1, 2]}"),
        (Llama3, "Answer: {\"name\": \"weather\", \"parameters\": {}}"),
        (Llama3, "<|python_tag|>import os"),
        (Mistral, "[TOOL_CALLS] []"),
        (Mistral, "[TOOL_CALLS] [ 1]"),
        (MistralNamed, "[TOOL_CALLS]rm[ARGS]{}"),
        (Gemma, "```tool_code\nimport os\n```"),
        (Gemma, "```python\nweather(city='x')\n```"),
        (Gemma, "```tool_code\nweather('x')\n```"),
        (Gemma, "```tool_code\nweather(city=open('x'))\n```"),
        (Xml, "<tool_call><function=rm></function></tool_call>"),
        (Xml, "<tool_call><b>"),
    ];
    for (syntax, text) in texts {
        let seen = seen(&with(syntax), &[], text);
        assert_eq!((seen.text.as_str(), seen.calls.len()), (text, 0), "{syntax:?}");
    }
    // A broken call does not hide the next one.
    let seen = seen(&with(Hermes), &[], "<tool_call>no <tool_call>{\"name\": \"weather\"}</tool_call>");
    assert_eq!((seen.text.as_str(), seen.complete), ("<tool_call>no ", 1));
}

#[test]
fn a_call_that_is_cut_is_not_complete() {
    let seen = seen(
        &with(CallSyntax::Hermes),
        &[],
        "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Par",
    );
    assert_eq!((seen.calls.len(), seen.complete), (1, 0));
    assert_eq!(seen.calls[0].1, "{\"city\": \"Par");
}

#[test]
fn one_call_may_be_all() {
    let call = "<tool_call>{\"name\": \"weather\"}</tool_call>";
    let options = AnswerOptions { most_calls: Some(1), ..with(CallSyntax::Hermes) };
    let seen = seen(&options, &[], &format!("{call}{call} and more"));
    assert_eq!((seen.complete, seen.calls.len(), seen.text.as_str()), (1, 1, ""));
}

#[test]
fn thinking_is_kept_apart() {
    let marks = ThinkingMarks::KNOWN[0];
    let options = |start| AnswerOptions { thinking: Some((marks, start)), ..with(CallSyntax::Hermes) };
    let before = options(ThinkingStart::Before);
    let text =
        "\n<think>\n a </thin <tool_call>{\n\n</think>\n\nHi </think>\n<tool_call>{\"name\": \"weather\"}";
    let all = seen(&before, &["a"], text);
    assert_eq!((all.reasoning.as_str(), all.text.as_str()), ("a </thin <tool_call>{", "Hi </think>\n"));
    assert_eq!((all.complete, all.stopped), (1, None));
    let inside = seen(&options(ThinkingStart::Inside), &["b"], "a b</think>a bc");
    assert_eq!((inside.reasoning.as_str(), inside.text.as_str()), ("a b", "a "));
    assert_eq!(inside.stopped.as_deref(), Some("b"));
    let cut = seen(&before, &[], "<think>never ends </th");
    assert_eq!((cut.reasoning.as_str(), cut.text.as_str()), ("never ends </th", ""));
    let none = seen(&before, &[], " <b>Hi</b> <think>");
    assert_eq!((none.reasoning.as_str(), none.text.as_str()), ("", " <b>Hi</b> <think>"));
}

#[test]
fn the_stop_string_that_was_met_is_named() {
    let plain = AnswerOptions::default();
    for (stops, text, shown, met) in [
        (&["END", "EN"][..], "a b END c", "a b ", Some("EN")),
        (&["xb", "axb"], "--axb", "--", Some("axb")),
        (&["。", "\n\n"], "好\n。", "好\n", Some("。")),
        (&["END"], "a EN", "a EN", None),
    ] {
        let seen = seen(&plain, stops, text);
        assert_eq!((seen.text.as_str(), seen.stopped.as_deref()), (shown, met));
    }
    // Inside a call nothing stops.
    let seen = seen(
        &with(CallSyntax::Hermes),
        &["city"],
        "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": 1}}",
    );
    assert_eq!((seen.complete, seen.stopped), (1, None));
}

#[test]
fn hostile_text_is_read_in_time() {
    let begun = std::time::Instant::now();
    for text in [
        "<tool_call>".repeat(20_000),
        "<tool_call>{\"id\":\"".repeat(5_000),
        format!("<tool_call>{{\"name\":\"weather\",\"arguments\":{}", "{\"a\":".repeat(20_000)),
        "```tool_code\n".to_owned() + &"weather(".repeat(20_000),
        "```tool_code\nweather(city=".to_owned() + &"[".repeat(10_000) + "\n```",
        "[TOOL_CALLS]".to_owned() + &"a".repeat(200_000),
        "<tool_call><function=weather><parameter=city>".to_owned() + &">".repeat(200_000),
        " ".repeat(200_000),
    ] {
        for syntax in [CallSyntax::Hermes, CallSyntax::Gemma, CallSyntax::MistralNamed, CallSyntax::Xml] {
            let seen = read(&with(syntax), &[], &[&text]);
            assert!(seen.complete == 0);
        }
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    let mut random = Random(7);
    let parts = [
        "<tool_call>",
        "</tool_call>",
        "{",
        "}",
        "[",
        "]",
        "\"name\"",
        ":",
        "\"weather\"",
        ",",
        "\"arguments\"",
        " ",
        "\\",
        "é",
        "<think>",
        "</think>",
        "```",
        "tool_code\n",
        "[ARGS]",
        "[TOOL_CALLS]",
        "<function=weather>",
        "<parameter=city>",
    ];
    for _ in 0..300 {
        let text: String = (0..random.below(40)).map(|_| parts[random.below(parts.len())]).collect();
        for syntax in
            [CallSyntax::Hermes, CallSyntax::Gemma, CallSyntax::Mistral, CallSyntax::Llama3, CallSyntax::Xml]
        {
            let thinking = Some((ThinkingMarks::KNOWN[0], ThinkingStart::Before));
            seen(&AnswerOptions { thinking, ..with(syntax) }, &["}}"], &text);
        }
    }
}
