//! Plans of requests: what the model reads, what it is held to, and how its answer is read back.

#![allow(clippy::unwrap_used, missing_docs)]

use parasol_core::{
    AnswerFormat, ChatRequest, Error, ErrorKind, GenerationEvent, Message, Part, Reasoning, Role, ToolCall,
    ToolChoice, ToolSpec,
};
use parasol_text::grammar::{Constraint, GrammarSpec, LazyGrammars};
use parasol_text::prompt::{Plan, chat_plan};
use parasol_text::template::ChatTemplate;
use parasol_text::tokenizer::{Special, Tokenizer};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn tokenizer(name: &str) -> Tokenizer {
    let files = parasol_text::tokenizer::HuggingFaceFiles::read(&fixtures().join("tokenizers").join(name));
    Tokenizer::from_huggingface(&files.unwrap()).unwrap()
}

fn template(name: &str) -> ChatTemplate {
    let path = fixtures().join("templates").join(format!("{name}.json"));
    let file: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let text = |key: &str| file[key].as_str().unwrap();
    ChatTemplate::new(text("template"), "", "").unwrap().at(text("now")).unwrap()
}

fn request() -> ChatRequest {
    let tool =
        |name: &str, parameters| ToolSpec { name: name.into(), description: "Does it.".into(), parameters };
    ChatRequest {
        messages: vec![Message::new(Role::System, "Be brief."), Message::new(Role::User, "Weather?")],
        tools: vec![
            tool(
                "weather",
                json!({"type": "object", "properties": {"city": {"type": "string", "enum": ["Bern", "Rome"]}}, "required": ["city"]}),
            ),
            tool("now", json!({"type": "object", "properties": {}})),
        ],
        ..ChatRequest::default()
    }
}

struct Model {
    tokenizer: Tokenizer,
    grammars: LazyGrammars,
}

impl Model {
    fn new() -> Self {
        Self { tokenizer: tokenizer("toy-gpt2"), grammars: LazyGrammars::new() }
    }

    fn plan(&self, name: &str, request: &ChatRequest) -> Result<Plan, Error> {
        chat_plan(&template(name), &self.tokenizer, &self.grammars, request, 4096)
    }

    fn prompt(&self, plan: &Plan) -> String {
        String::from_utf8(self.tokenizer.decode(&plan.prompt).unwrap()).unwrap()
    }

    /// Draws at random under the constraint until it ends; the text.
    fn draw(&self, constraint: &mut Constraint, seed: u64) -> (Vec<u32>, String) {
        let (mut seed, mut tokens) = (seed, Vec::new());
        let size = self.tokenizer.vocabulary_size();
        while tokens.len() < 4000 {
            let mut logits = vec![0.0_f32; size + 7];
            constraint.mask(&mut logits).unwrap();
            assert!(logits[size..].iter().all(|l| *l == f32::NEG_INFINITY));
            let forced = constraint.forced();
            if let Some(first) = forced.first() {
                assert!(logits[*first as usize].is_finite());
            }
            let allowed: Vec<u32> = (0..size as u32).filter(|t| logits[*t as usize].is_finite()).collect();
            // The end as soon as it may come, so that drawing at random ends.
            let end = allowed.iter().copied().find(|t| self.tokenizer.is_end(*t));
            if constraint.is_accepting() && (end.is_some() || constraint.must_stop()) {
                break;
            }
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let token = allowed[(seed >> 33) as usize % allowed.len()];
            constraint.accept(token).unwrap();
            tokens.push(token);
        }
        assert!(constraint.is_accepting());
        let text = String::from_utf8(self.tokenizer.decode(&tokens).unwrap()).unwrap();
        (tokens, text)
    }
}

/// The calls, text and thoughts of an answer in tokens.
fn read(model: &Model, plan: &mut Plan, tokens: &[u32]) -> (Vec<(String, Value)>, String, String) {
    let (mut calls, mut text, mut thoughts) = (Vec::<(String, String)>::new(), String::new(), String::new());
    let mut events = Vec::new();
    for &token in tokens {
        let step = plan.answer.push(&model.tokenizer, token, Vec::new()).unwrap();
        let own = |e: &&GenerationEvent| matches!(e, GenerationEvent::Token(t) if t.id == Some(token));
        assert_eq!(step.events.iter().filter(own).count(), 1);
        events.extend(step.events);
    }
    let ending = plan.answer.finish().unwrap();
    events.extend(ending.events);
    for event in events {
        match event {
            GenerationEvent::Token(t) if t.part == Part::Reasoning => thoughts.push_str(&t.text),
            GenerationEvent::Token(t) => text.push_str(&t.text),
            GenerationEvent::ToolCall(delta) => {
                if let Some(start) = delta.start {
                    calls.push((start.name, String::new()));
                }
                calls[delta.index].1.push_str(&delta.arguments);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(calls.len(), ending.calls);
    let parsed = calls.into_iter().map(|(name, text)| (name, serde_json::from_str(&text).unwrap()));
    (parsed.collect(), text, thoughts)
}

#[test]
fn a_demanded_call_is_made_in_every_family_and_read_back() {
    let model = Model::new();
    for name in ["qwen3", "smollm2", "chatml", "llama3", "mistral", "gemma"] {
        for (seed, choice) in
            [ToolChoice::Required, ToolChoice::Named("weather".into())].into_iter().enumerate()
        {
            let parallel_tool_calls = (seed == 0).then_some(false);
            let reasoning = Some(Reasoning::Off);
            let asked =
                ChatRequest { tool_choice: choice.clone(), parallel_tool_calls, reasoning, ..request() };
            let mut plan = model.plan(name, &asked).unwrap();
            assert!(model.prompt(&plan).contains("weather"), "{name}");
            let mut constraint = plan.constraint.take().unwrap();
            let (tokens, written) = model.draw(&mut constraint, seed as u64 + 1);
            let (calls, text, _) = read(&model, &mut plan, &tokens);
            assert_eq!((calls.len(), text.as_str()), (1, ""), "{name}: {written}");
            if calls[0].0 == "weather" {
                assert!(calls[0].1["city"] == "Bern" || calls[0].1["city"] == "Rome", "{name}: {written}");
            }
            assert!(choice != ToolChoice::Named("weather".into()) || calls[0].0 == "weather");
        }
    }
}

#[test]
fn no_choice_means_no_tools() {
    let model = Model::new();
    let asked = ChatRequest { tool_choice: ToolChoice::None, ..request() };
    for name in ["qwen3", "smollm2"] {
        let plan = model.plan(name, &asked).unwrap();
        assert!(!model.prompt(&plan).contains("weather") && plan.constraint.is_none());
    }
}

#[test]
fn bad_choices_are_refused() {
    let model = Model::new();
    let refused = |request: ChatRequest, kind: ErrorKind, words: &str| {
        let error = model.plan("smollm2", &request).unwrap_err();
        assert!(*error.kind() == kind && error.message().contains(words), "{error}");
    };
    let invalid = ErrorKind::InvalidRequest;
    refused(
        ChatRequest { tool_choice: ToolChoice::Named("rm".into()), ..request() },
        invalid.clone(),
        "\"rm\"",
    );
    refused(
        ChatRequest { tool_choice: ToolChoice::Required, tools: vec![], ..request() },
        invalid.clone(),
        "no tools",
    );
    let mut twice = request();
    twice.tools[1].name = "weather".into();
    refused(twice, invalid.clone(), "weather");
    let mut lying = ChatRequest { tool_choice: ToolChoice::Required, ..request() };
    lying.tools[0].parameters = json!({"type": "object", "properties": {"a": {"not": {}}}});
    refused(lying.clone(), invalid, "`not` at #/properties/a/not");
    // Where nothing was promised, such a tool can be offered.
    assert!(model.plan("smollm2", &ChatRequest { tool_choice: ToolChoice::Auto, ..lying }).is_ok());
    refused(ChatRequest { reasoning: Some(Reasoning::On), ..request() }, ErrorKind::Unsupported, "think");
}

#[test]
fn thinking_is_switched_by_the_template() {
    let model = Model::new();
    let ask = |reasoning| ChatRequest { reasoning, tools: vec![], ..request() };
    let off = model.plan("qwen3", &ask(Some(Reasoning::Off))).unwrap();
    assert!(model.prompt(&off).ends_with("<think>\n\n</think>\n\n"));
    let on = model.plan("qwen3", &ask(Some(Reasoning::On))).unwrap();
    assert!(model.prompt(&on).ends_with("assistant\n"));
    let mut both = ask(Some(Reasoning::On));
    both.template_arguments.insert("enable_thinking".into(), json!(false));
    assert_eq!(*model.plan("qwen3", &both).unwrap_err().kind(), ErrorKind::InvalidRequest);
    assert!(model.plan("smollm2", &ask(Some(Reasoning::Off))).is_ok());
}

#[test]
fn a_form_holds_after_thinking_and_as_an_alternative_to_calls() {
    let model = Model::new();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}, "required": ["n"]});
    let format = Some(AnswerFormat::JsonSchema { schema });
    let asked = ChatRequest { format: format.clone(), tools: vec![], ..request() };
    let written = |asked: &ChatRequest, text: &str| {
        let mut plan = model.plan("qwen3", asked).unwrap();
        let tokens = model.tokenizer.encode(text, Special::AsText, false).unwrap();
        let mut constraint = plan.constraint.take().unwrap();
        if tokens.iter().any(|t| constraint.accept(*t).is_err()) || !constraint.is_accepting() {
            return None;
        }
        Some(read(&model, &mut plan, &tokens))
    };
    let (_, text, thoughts) = written(&asked, "<think>\nHm {x}\n</think>\n\n{\"n\": 3}").unwrap();
    assert_eq!((text.as_str(), thoughts.as_str()), ("{\"n\": 3}", "Hm {x}"));
    assert!(written(&asked, "{\"n\": 3}").is_some());
    assert!(written(&asked, "{\"n\": 30}").is_none() && written(&asked, "<think>a</think>Well").is_none());
    let with_tools = ChatRequest { format, ..request() };
    assert!(written(&with_tools, "{\"n\": 3}").is_some());
    let call = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";
    assert_eq!(written(&with_tools, call).unwrap().0[0].1, json!({"city": "Rome"}));
}

#[test]
fn history_reads_as_the_template_expects() {
    let model = Model::new();
    let mut asked = request();
    let mut call = Message::new(Role::Assistant, "");
    call.reasoning = Some("Which town?".into());
    for (id, city) in [("call_1", "Bern"), ("call_2", "Rome")] {
        call.tool_calls.push(ToolCall {
            id: id.into(),
            name: "weather".into(),
            arguments: json!({"city": city}),
        });
    }
    asked.messages.push(call);
    for (id, text) in [("call_1", "rain"), ("call_2", "sun")] {
        asked.messages.push(Message { tool_call_id: Some(id.into()), ..Message::new(Role::Tool, text) });
    }
    let prompt = |name: &str, asked: &ChatRequest| model.prompt(&model.plan(name, asked).unwrap());
    let qwen = prompt("qwen3", &asked);
    assert!(
        qwen.contains("<think>\nWhich town?\n</think>")
            && qwen.contains("\"arguments\": {\"city\": \"Bern\"}"),
        "{qwen}"
    );
    let llama = prompt("llama3", &asked);
    let places = ["Bern\"}", "rain", "Rome\"}", "sun"].map(|text| llama.find(text).unwrap());
    assert!(places.is_sorted(), "{llama}");
    let smollm = prompt("smollm2", &asked);
    assert!(smollm.starts_with("<|im_start|>system\nBe brief.\n\nYou can call functions."), "{smollm}");
    assert!(smollm.contains("<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Bern\"}}\n</tool_call>\n<tool_call>"), "{smollm}");
    assert!(
        smollm.contains(
            "user\n<tool_response>\nrain\n</tool_response>\n<tool_response>\nsun\n</tool_response><|im_end|>"
        ),
        "{smollm}"
    );
    assert!(prompt("gemma", &asked).contains("```tool_output\nrain\n```"));
    // Mistral's template takes only ids of nine letters and digits, and one result for each.
    asked.messages.truncate(4);
    asked.messages[2].tool_calls.truncate(1);
    assert!(prompt("mistral", &asked).contains("[TOOL_CALLS]"));
}

#[test]
fn a_sleeping_constraint_wakes_with_its_token_and_sleeps_again() {
    let model = Model::new();
    let grammars = model.grammars.get(&model.tokenizer).unwrap();
    let encode = |text: &str| model.tokenizer.encode(text, Special::AsText, false).unwrap();
    let wake = *encode("@").last().unwrap();
    let spec =
        GrammarSpec::from_format(&AnswerFormat::Regex { pattern: "[0-9]{3}".into() }).asleep_until(wake);
    let mut constraint = grammars.compile(&spec).unwrap();
    for round in 0..2 {
        for token in encode("any text") {
            let mut logits = vec![0.0; model.tokenizer.vocabulary_size()];
            constraint.mask(&mut logits).unwrap();
            assert!(logits.iter().all(|l| *l == 0.0) && constraint.is_accepting(), "round {round}");
            constraint.accept(token).unwrap();
        }
        // Only thought of, it wakes nothing.
        constraint.accept_thought(wake).unwrap();
        assert!(constraint.is_accepting());
        constraint.accept(wake).unwrap();
        assert!(!constraint.is_accepting());
        for token in encode("1").into_iter().chain(encode("2")).chain(encode("3")) {
            constraint.accept(token).unwrap();
        }
    }
}
