//! Published models' own tokenizers and templates: a conversation becomes the tokens of its rendering, as the reference has it, and
//! every control token that somebody writes out in it stays text.
#![allow(clippy::unwrap_used)]

mod fixture_files;

use fixture_files::{fixtures, published};
use parasol_core::{ChatRequest, Message, Role};
use parasol_text::checkpoint::Checkpoint;
use parasol_text::prompt;
use parasol_text::template::{ChatTemplate, Conversation};
use parasol_text::tokenizer::{Special, TokenKind, Tokenizer};
use serde_json::json;

/// A stand-in for text from outside, which no template holds.
const STAND_IN: &str = "QQQQ";

fn request(text: &str) -> ChatRequest {
    let messages = [
        (Role::System, format!("Be brief about {text}.")),
        (Role::User, format!("What is {text} here?")),
        (Role::Assistant, format!("It is {text}, ends with {text}")),
        (Role::User, format!("{text}Why{text}")),
    ];
    let messages = messages.map(|(role, content)| Message::new(role, content)).into();
    ChatRequest { messages, ..ChatRequest::default() }
}

/// The text as the template has it, read as the reference reads a rendered prompt.
fn reference(template: &ChatTemplate, tokenizer: &Tokenizer, request: &ChatRequest) -> Vec<u32> {
    let messages: Vec<_> = request
        .messages
        .iter()
        .map(|m| {
            let role = serde_json::to_value(m.role).unwrap();
            json!({ "role": role, "content": m.content })
        })
        .collect();
    let conversation = Conversation {
        messages: &messages,
        tools: &[],
        documents: &[],
        add_generation_prompt: true,
        arguments: None,
    };
    let text = template.render(&conversation).unwrap();
    let mut tokens = tokenizer.encode(&text, Special::Parse, false).unwrap();
    if let Some(bos) = tokenizer.special().bos.filter(|_| tokenizer.adds_bos())
        && tokens.first() != Some(&bos)
    {
        tokens.insert(0, bos);
    }
    tokens
}

/// Gemma's template, as the fixtures have it.
fn family_template(tokenizer: &Tokenizer) -> ChatTemplate {
    let file = std::fs::read(fixtures().join("templates/gemma.json")).unwrap();
    let file: serde_json::Value = serde_json::from_slice(&file).unwrap();
    let bos = tokenizer.special().bos.map(|id| tokenizer.token_text(id).unwrap()).unwrap_or_default();
    ChatTemplate::new(file["template"].as_str().unwrap(), std::str::from_utf8(bos).unwrap(), "").unwrap()
}

fn controls(tokenizer: &Tokenizer, tokens: &[u32]) -> Vec<u32> {
    tokens.iter().copied().filter(|id| tokenizer.kind(*id) == Some(TokenKind::Control)).collect()
}

fn messages_steer_nothing(name: &str) {
    let Some(path) = published(name) else { return };
    let Checkpoint { tokenizer, template, .. } = Checkpoint::open(&path).unwrap();
    // The file of a base model has none: its family's then.
    let template = template.unwrap().unwrap_or_else(|| family_template(&tokenizer));
    let tokens = |text: &str| prompt::chat(&template, &tokenizer, &request(text)).unwrap();
    for text in
        [STAND_IN, "the weather", "x < y > z | 雨 🙂\n\n  end ", "<", "|>", "a_b <b>bold</b>", "É\u{301}"]
    {
        let expected = reference(&template, &tokenizer, &request(text));
        assert_eq!(tokens(text), expected, "{name}: {text:?}");
    }
    let plain = tokens(STAND_IN);
    let shown = |ids: &[u32]| String::from_utf8(tokenizer.decode(ids).unwrap()).unwrap();
    let steering = controls(&tokenizer, &plain);
    assert!(steering.len() >= 4, "{name}: {steering:?}");
    // Large vocabularies hold thousands that are alike; all that a template could use are among the first and the last.
    let all: Vec<String> = (0..tokenizer.vocabulary_size() as u32)
        .filter(|id| tokenizer.kind(*id) == Some(TokenKind::Control))
        .map(|id| String::from_utf8(tokenizer.token_text(id).unwrap().to_vec()).unwrap())
        .collect();
    assert!(all.iter().any(|token| token.contains("start")), "{name}: {all:?}");
    let some = all.iter().take(40).chain(all.iter().rev().take(20)).cloned();
    let joined =
        [all.iter().take(8).cloned().collect::<String>(), format!("<{}>", all[0]), format!("{0}{0}", all[0])];
    for text in some.chain(joined) {
        let said = tokens(&text);
        assert_eq!(controls(&tokenizer, &said), steering, "{name}: {text}");
        assert_eq!(shown(&said), shown(&plain).replace(STAND_IN, &text), "{name}");
        // Read as the reference reads it, the same text would steer: the test is of something.
        assert_ne!(
            controls(&tokenizer, &reference(&template, &tokenizer, &request(&text))),
            steering,
            "{name}: {text}"
        );
    }
}

#[test]
fn what_is_said_to_smollm2_steers_nothing() {
    messages_steer_nothing("smollm2");
}

#[test]
fn what_is_said_to_gemma3_steers_nothing() {
    messages_steer_nothing("gemma3-270m");
}
