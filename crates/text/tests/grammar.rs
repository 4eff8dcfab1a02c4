//! Grammars: what they let through, what they refuse by name, and that none costs more than it may.

#![allow(clippy::unwrap_used, missing_docs)]

use parasol_core::{AnswerFormat, ErrorKind, Result};
use parasol_text::grammar::{Constraint, GrammarFactory, GrammarSpec};
use parasol_text::tokenizer::{HuggingFaceFiles, Special, Tokenizer};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

struct Model {
    tokenizer: Tokenizer,
    factory: GrammarFactory,
}

fn model(name: &str) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tokenizers").join(name);
    let tokenizer = Tokenizer::from_huggingface(&HuggingFaceFiles::read(&folder).unwrap()).unwrap();
    let factory = GrammarFactory::new(&tokenizer).unwrap();
    Model { tokenizer, factory }
}

impl Model {
    fn compile(&self, format: &AnswerFormat) -> Result<Constraint> {
        self.factory.compile(&GrammarSpec::from_format(format))
    }

    /// Whether the text is let through as a whole.
    fn takes(&self, format: &AnswerFormat, text: &str) -> bool {
        let mut constraint = self.compile(format).unwrap();
        for token in self.tokenizer.encode(text, Special::AsText, false).unwrap() {
            let mut logits = vec![0.0; self.tokenizer.vocabulary_size()];
            constraint.mask(&mut logits).unwrap();
            // A forced text may have to be written as the tokenizer would, so the mask may be narrower than the grammar.
            if constraint.accept(token).is_err() {
                return false;
            }
        }
        constraint.is_accepting()
    }
}

fn schema(schema: Value) -> AnswerFormat {
    AnswerFormat::JsonSchema { schema }
}

#[test]
fn forms_let_through_what_they_describe() {
    fn send<T: Send>() {}
    send::<Constraint>();
    for name in ["toy-gpt2", "toy-spm-gemma"] {
        let model = model(name);
        let person = schema(json!({
            "$defs": {"Age": {"type": "integer", "minimum": 0}},
            "type": "object",
            "title": "Person",
            "properties": {"name": {"type": "string", "minLength": 1}, "age": {"$ref": "#/$defs/Age"}},
            "required": ["name", "age"],
        }));
        assert!(model.takes(&person, r#"{"name": "Ann", "age": 3}"#), "{name}");
        assert!(model.takes(&person, "{\n  \"name\": \"A\",\n  \"age\": 30\n}"));
        assert!(!model.takes(&person, r#"{"name": "", "age": 3}"#));
        assert!(!model.takes(&person, r#"{"name": "Ann", "age": -3}"#));
        assert!(!model.takes(&person, r#"{"name": "Ann", "age": 3, "x": 1}"#));
        assert!(!model.takes(&person, "{\n\n\n\"name\""));
        assert!(model.takes(&AnswerFormat::JsonObject, r#"{"a": [1, {"b": null}], "c": {}}"#));
        assert!(!model.takes(&AnswerFormat::JsonObject, "[1]"));
        let date = AnswerFormat::Regex { pattern: r"\d{4}-\d\d/[a-c]+".into() };
        assert!(model.takes(&date, "2026-01/abc") && !model.takes(&date, "2026-01/abd"));
        let sum = AnswerFormat::Lark { grammar: "start: NUM (\"+\" NUM)*\nNUM: /[0-9]+/".into() };
        assert!(model.takes(&sum, "1+22+3") && !model.takes(&sum, "1+"));
    }
}

#[test]
fn the_end_comes_only_where_the_form_is_complete() {
    let model = model("toy-gpt2");
    let mut constraint = model.compile(&AnswerFormat::Regex { pattern: "[ab]+[!]?".into() }).unwrap();
    let end = model.tokenizer.ends()[0];
    let token = |text: &str| model.tokenizer.encode(text, Special::AsText, false).unwrap()[0];
    let mut logits = vec![0.0; model.tokenizer.vocabulary_size() + 3];
    constraint.mask(&mut logits).unwrap();
    assert!(logits[end as usize] == f32::NEG_INFINITY && logits[token("a") as usize] == 0.0);
    assert!(constraint.accept(end).is_err());
    let mut constraint = model.compile(&AnswerFormat::Regex { pattern: "[ab]+[!]?".into() }).unwrap();
    for c in ["a", "b"] {
        constraint.accept(token(c)).unwrap();
    }
    assert!(constraint.is_accepting() && !constraint.must_stop());
    constraint.accept(token("!")).unwrap();
    assert!(constraint.must_stop() && constraint.forced().is_empty());
    logits.fill(0.0);
    constraint.mask(&mut logits).unwrap();
    let left: Vec<u32> = (0..logits.len() as u32).filter(|i| logits[*i as usize] == 0.0).collect();
    assert_eq!(left, model.tokenizer.ends());
    assert!(constraint.accept(end).is_ok() && constraint.accept(token("a")).is_err());
}

#[test]
fn what_is_forced_is_given_as_tokens() {
    let model = model("toy-gpt2");
    let only = schema(json!({"const": {"answer": "forty-two"}}));
    let mut constraint = model.compile(&only).unwrap();
    let mut tokens = Vec::new();
    while !constraint.must_stop() {
        let mut logits = vec![0.0; model.tokenizer.vocabulary_size()];
        constraint.mask(&mut logits).unwrap();
        let forced = constraint.forced();
        let first =
            forced.first().copied().unwrap_or_else(|| logits.iter().position(|l| *l == 0.0).unwrap() as u32);
        constraint.accept(first).unwrap();
        tokens.push(first);
    }
    let text = String::from_utf8(model.tokenizer.decode(&tokens).unwrap()).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!({"answer": "forty-two"}));
}

#[test]
fn what_is_not_enforced_is_refused_by_name() {
    let model = model("toy-gpt2");
    for (schema_json, words) in [
        (json!({"type": "array", "uniqueItems": true}), "`uniqueItems` at #/uniqueItems"),
        (json!({"properties": {"a": {"items": {"not": {}}}}}), "`not` at #/properties/a/items/not"),
        (json!({"if": {}, "then": {}}), "`if` at #/if"),
        (
            json!({"anyOf": [{"type": "string"}, {"propertyNames": {}}]}),
            "`propertyNames` at #/anyOf/propertyNames",
        ),
        (json!({"$ref": "https://example.com/schema"}), "`$ref` at #/$ref"),
        (json!({"type": "string", "format": "made-up"}), "made-up"),
        (json!({"type": "string", "nullable": true}), "`nullable`"),
        (json!({"x-guidance": {"lenient": true}}), "`x-guidance`"),
        (json!({"$ref": "#/$defs/missing"}), "missing"),
        (json!({"type": "strong"}), "strong"),
        (json!({"oneOf": [{"type": "integer"}, {"type": "number"}]}), "use `anyOf`"),
        (json!(false), "true"),
        (json!([]), "object"),
    ] {
        let error = model.compile(&schema(schema_json)).unwrap_err();
        assert!(*error.kind() == ErrorKind::InvalidRequest && error.message().contains(words), "{error}");
    }
    assert!(model.compile(&schema(json!({"type": "array", "uniqueItems": false, "x-note": 1}))).is_ok());
    for (pattern, how) in [("(?=a)b", "look-around"), ("a(", "unclosed group"), ("\\1", "backreferences")] {
        let error = model.compile(&AnswerFormat::Regex { pattern: pattern.into() }).unwrap_err();
        assert!(*error.kind() == ErrorKind::InvalidRequest && error.message().contains(how), "{error}");
    }
    for grammar in ["", "start: missing", "start: \"a", "start: @nowhere", "nonsense"] {
        let error = model.compile(&AnswerFormat::Lark { grammar: grammar.into() }).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{grammar}");
    }
}

fn deep(levels: usize) -> Value {
    (0..levels).fold(json!({"type": "string"}), |inner, _| json!({"type": "array", "items": inner}))
}

fn hostile() -> Vec<(&'static str, AnswerFormat)> {
    let regex = |pattern: String| AnswerFormat::Regex { pattern };
    let lark = |grammar: String| AnswerFormat::Lark { grammar };
    let names: Vec<String> = (0..40_000).map(|i| format!("value number {i}")).collect();
    let fields: serde_json::Map<String, Value> = (0..3_000)
        .map(|i| (format!("f{i}"), json!({"type": "string", "pattern": format!("^[a-z]{{{i}}}$")})))
        .collect();
    let doubling: serde_json::Map<String, Value> = (0..40)
        .map(|i| {
            let next = json!({"$ref": format!("#/$defs/d{}", i + 1)});
            (format!("d{i}"), json!({"anyOf": [{"properties": {"a": next}}, {"properties": {"b": next}}]}))
        })
        .chain([("d40".into(), json!({"type": "null"}))])
        .collect();
    let crossing: Vec<Value> = (0..12)
        .map(|i| json!({"anyOf": (0..8).map(|j| json!({"type": "object", "properties": {format!("p{i}{j}"): {"type": "string"}}})).collect::<Vec<_>>()}))
        .collect();
    vec![
        ("deep schema", schema(deep(100))),
        ("as deep as allowed", schema(deep(47))),
        ("recursion", schema(json!({"$ref": "#"}))),
        (
            "recursion with a sibling",
            schema(json!({"$defs": {"a": {"$ref": "#/$defs/a", "type": "object"}}, "$ref": "#/$defs/a"})),
        ),
        ("huge enum", schema(json!({"enum": names}))),
        ("many patterns", schema(json!({"type": "object", "properties": fields}))),
        ("doubling references", schema(json!({"$defs": doubling, "$ref": "#/$defs/d0"}))),
        ("crossing choices", schema(json!({"allOf": crossing}))),
        ("long strings", schema(json!({"type": "string", "minLength": 1_000_000, "maxLength": 100_000_000}))),
        (
            "long lists",
            schema(
                json!({"type": "array", "minItems": 1_000_000, "items": {"type": "array", "minItems": 1_000_000}}),
            ),
        ),
        ("multiples", schema(json!({"type": "integer", "multipleOf": 999_999_937}))),
        (
            "numbers",
            schema(json!({"type": "number", "minimum": 1e-300, "maximum": 1e300, "multipleOf": 1e-12})),
        ),
        ("nested repetition", regex("((a{1,1000}){1,1000}){1,1000}".into())),
        ("catastrophe", regex("(a|a|aa|aaa)*b(a*)*c(.*a){30}".into())),
        ("blow-up", regex("(a|b)*a(a|b){200}".into())),
        ("blow-up of sets", regex("(.*x.{40}){20}".into())),
        ("parentheses", regex("(".repeat(5_000) + "a" + &")".repeat(5_000))),
        ("unicode", regex("\\p{L}{500}\\P{Lu}*\\w{1000}".into())),
        ("long pattern", regex("a|".repeat(100_000))),
        ("groups", lark("start: ".to_owned() + &"(".repeat(10_000) + "\"a\"" + &")".repeat(10_000))),
        ("right recursion", lark("start: a\na: \"x\" a a a | \"x\" | ".into())),
        ("ambiguity", lark("start: s\ns: s s | s s s | \"a\" | \"\"".into())),
        (
            "negation",
            lark("start: A\nA: /(?s:.*)/ & ~(/(?s:.*)a.{60}(?s:.*)/ & ~/(?s:.*)b.{60}c(?s:.*)/)".into()),
        ),
        ("counted", lark("start: (\"a\" | \"b\"){1,1000000}".into())),
        ("cycle", lark("start: A\nA: B\nB: A".into())),
        (
            "rules",
            lark(
                "start: r0\n".to_owned()
                    + &(0..4_000).map(|i| format!("r{i}: r{} r{} \"k\"\n", i + 1, i + 1)).collect::<String>()
                    + "r4000: \"z\"\n",
            ),
        ),
    ]
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0) / 1024
}

/// Whether it compiles or is refused, it does so in about a second; what compiles can be followed or is given up with a clear
/// error, step by step in bounded time.
#[test]
fn hostile_grammars_end_in_time() {
    let model = model("toy-gpt2");
    for (name, format) in hostile() {
        let (begun, before) = (Instant::now(), resident());
        let compiled = model.compile(&format);
        let took = begun.elapsed();
        let mut slowest = Duration::ZERO;
        let mut end = "followed".to_owned();
        match compiled {
            Err(e) => {
                assert_eq!(*e.kind(), ErrorKind::InvalidRequest, "{name}: {e}");
                end = e.message().to_owned();
            }
            Ok(mut constraint) => {
                let mut seed = 1_u64;
                for _ in 0..60 {
                    let mut logits = vec![0.0; model.tokenizer.vocabulary_size()];
                    let begun = Instant::now();
                    if let Err(e) = constraint.mask(&mut logits) {
                        end = e.message().to_owned();
                        break;
                    }
                    let allowed: Vec<u32> =
                        (0..logits.len() as u32).filter(|i| logits[*i as usize] == 0.0).collect();
                    seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    if let Err(e) = constraint.accept(allowed[(seed >> 33) as usize % allowed.len()]) {
                        end = e.message().to_owned();
                        break;
                    }
                    slowest = slowest.max(begun.elapsed());
                    if constraint.must_stop() {
                        break;
                    }
                }
            }
        }
        let grown = resident().saturating_sub(before);
        println!(
            "{name:26} compiled in {took:>9.1?}, slowest step {slowest:>9.1?}, grown {grown:>3} MiB: {end}"
        );
        assert!(
            took < Duration::from_millis(1500) && slowest < Duration::from_secs(1),
            "{name}: {took:?} {slowest:?}"
        );
        assert!(grown < 600, "{name} took {grown} MiB");
    }
}
