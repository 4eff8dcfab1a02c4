//! Answers of chat completions: events to chunks of a stream, or to one object.

use super::{citations, logprobs, seals};
use crate::outcome::{Outcome, Piece};
use crate::sse;
use parasol_core::{Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, TokenReport, Usage};
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// What the parts of one answer have in common.
#[derive(Debug, Clone, Default)]
pub struct Head {
    /// `chatcmpl-…`, `cmpl-…`.
    pub id: String,
    /// Seconds since 1970.
    pub created: u64,
    /// The model asked for.
    pub model: String,
    /// What computes: changes when answers to the same seed may.
    pub fingerprint: String,
}

impl Head {
    /// An object of this answer with its choices.
    pub(crate) fn object(&self, object: &str, choices: Vec<Value>) -> Value {
        json!({
            "id": self.id, "object": object, "created": self.created, "model": self.model,
            "system_fingerprint": self.fingerprint, "choices": choices,
        })
    }
}

/// The word for why an answer ended.
pub(crate) fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}

/// The counts of several answers together: answers to one prompt share it.
pub(crate) fn sum(usages: impl IntoIterator<Item = (usize, Usage)>) -> Usage {
    let mut prompts: Vec<usize> = Vec::new();
    let mut all = Usage::default();
    for (prompt, usage) in usages {
        if !prompts.contains(&prompt) {
            prompts.push(prompt);
            all.prompt_tokens = all.prompt_tokens.saturating_add(usage.prompt_tokens);
            all.cached_tokens = all.cached_tokens.saturating_add(usage.cached_tokens);
        }
        all.generated_tokens = all.generated_tokens.saturating_add(usage.generated_tokens);
        all.reasoning_tokens = all.reasoning_tokens.saturating_add(usage.reasoning_tokens);
        all.cache_written_tokens = all.cache_written_tokens.saturating_add(usage.cache_written_tokens);
        all.cost = match (all.cost, usage.cost) {
            (Some(one), Some(other)) => Some(one.plus(other)),
            (one, other) => one.or(other),
        };
    }
    all
}

/// `usage`; with what the answer costs in dollars where that is known, as OpenRouter has it.
pub(crate) fn usage(usage: &Usage) -> Value {
    let mut object = json!({
        "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.generated_tokens,
        "total_tokens": usage.prompt_tokens.saturating_add(usage.generated_tokens),
        "prompt_tokens_details": { "cached_tokens": usage.cached_tokens },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
    });
    if usage.cache_written_tokens > 0 {
        object["prompt_tokens_details"]["cache_write_tokens"] = usage.cache_written_tokens.into();
    }
    if let Some(cost) = usage.cost {
        object["cost"] = json!(cost.as_dollars());
    }
    object
}

const CHUNK: &str = "chat.completion.chunk";

/// A chunk of text, as [`ChatStream::chunk`] makes it of any event.
#[derive(Serialize)]
struct TextChunk<'a> {
    id: &'a str,
    object: &'a str,
    created: u64,
    model: &'a str,
    system_fingerprint: &'a str,
    choices: [TextChoice<'a>; 1],
    /// Null where it comes at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<()>,
}

#[derive(Serialize)]
struct TextChoice<'a> {
    index: usize,
    delta: TextDelta<'a>,
    logprobs: (),
    finish_reason: (),
}

#[derive(Serialize)]
struct TextDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
}

/// Turns the events of one or several answers into the chunks of one stream.
#[derive(Debug)]
pub struct ChatStream {
    head: Head,
    include_usage: bool,
    usages: Vec<Usage>,
    /// The answers in which the model declines.
    refused: BTreeSet<usize>,
}

impl ChatStream {
    /// A stream without a chunk yet.
    pub fn new(head: Head, include_usage: bool) -> Self {
        Self { head, include_usage, usages: Vec::new(), refused: BTreeSet::new() }
    }

    /// The next event of the answer of `index` as events of a stream, written behind what is there.
    pub fn write(&mut self, index: usize, event: &GenerationEvent, out: &mut Vec<u8>) {
        match event {
            // Nearly all events are text and nothing else: written as they are, without a tree in between.
            GenerationEvent::Token(token) if token.logprobs.is_empty() => {
                if !token.text.is_empty() {
                    self.see(index, token);
                    sse::write_json(out, &self.text(index, token));
                }
            }
            _ => self.push(index, event).iter().for_each(|chunk| sse::write_json(out, chunk)),
        }
    }

    /// Remembers whether the model declines.
    fn see(&mut self, index: usize, token: &TokenReport) {
        if token.part == Part::Refusal {
            self.refused.insert(index);
        }
    }

    fn text<'a>(&'a self, index: usize, token: &'a TokenReport) -> TextChunk<'a> {
        let text = Some(token.text.as_str());
        let delta = match token.part {
            Part::Reasoning => TextDelta { reasoning_content: text, content: None, refusal: None },
            Part::Answer => TextDelta { reasoning_content: None, content: text, refusal: None },
            Part::Refusal => TextDelta { reasoning_content: None, content: None, refusal: text },
        };
        TextChunk {
            id: &self.head.id,
            object: CHUNK,
            created: self.head.created,
            model: &self.head.model,
            system_fingerprint: &self.head.fingerprint,
            choices: [TextChoice { index, delta, logprobs: (), finish_reason: () }],
            usage: self.include_usage.then_some(()),
        }
    }

    /// The chunks of the next event of the answer of `index`.
    pub fn push(&mut self, index: usize, event: &GenerationEvent) -> Vec<Value> {
        let (delta, logprobs, reason) = match event {
            GenerationEvent::Started { .. } => {
                (json!({ "role": "assistant", "content": "" }), Value::Null, None)
            }
            // What was ignored is told beside the answer.
            GenerationEvent::Prefill { .. } | GenerationEvent::Ignored { .. } => return Vec::new(),
            GenerationEvent::Signature(signature) => (seals::delta(signature), Value::Null, None),
            GenerationEvent::Citation(citation) => {
                (json!({ "annotations": [citations::write(citation)] }), Value::Null, None)
            }
            GenerationEvent::Token(token) => {
                let item = logprobs::item(token).filter(|_| token.part == Part::Answer);
                if token.text.is_empty() && item.is_none() {
                    return Vec::new();
                }
                self.see(index, token);
                let field = match token.part {
                    Part::Reasoning => "reasoning_content",
                    Part::Answer => "content",
                    Part::Refusal => "refusal",
                };
                let logprobs = item.map_or(Value::Null, |item| json!({ "content": [item], "refusal": null }));
                (json!({ field: token.text }), logprobs, None)
            }
            GenerationEvent::ToolCall(call) => {
                let mut one = json!({ "index": call.index, "function": { "arguments": call.arguments } });
                if let Some(start) = &call.start {
                    one["id"] = json!(start.id);
                    one["type"] = json!("function");
                    one["function"] = json!({ "name": start.name, "arguments": call.arguments });
                }
                (json!({ "tool_calls": [one] }), Value::Null, None)
            }
            GenerationEvent::Finished { reason, usage, .. } => {
                self.usages.push(*usage);
                (json!({}), Value::Null, Some(ended(*reason, self.refused.contains(&index))))
            }
        };
        let choice = json!({ "index": index, "delta": delta, "logprobs": logprobs, "finish_reason": reason });
        vec![self.chunk(vec![choice], None)]
    }

    /// The chunks after the last answer: the usage, when it was asked for.
    pub fn end(&mut self) -> Vec<Value> {
        if !self.include_usage {
            return Vec::new();
        }
        let all = sum(self.usages.iter().map(|u| (0, *u)));
        vec![self.chunk(Vec::new(), Some(usage(&all)))]
    }

    fn chunk(&self, choices: Vec<Value>, usage: Option<Value>) -> Value {
        let mut chunk = self.head.object(CHUNK, choices);
        if self.include_usage {
            chunk["usage"] = usage.unwrap_or_default();
        }
        chunk
    }
}

/// Gathers one or several answers into one object.
#[derive(Debug)]
pub struct ChatWhole {
    head: Head,
    answers: Vec<Outcome>,
}

impl ChatWhole {
    /// An object that waits for `n` answers.
    pub fn new(head: Head, n: usize) -> Self {
        Self { head, answers: vec![Outcome::default(); n] }
    }

    /// Takes the next event of the answer of `index` in.
    pub fn push(&mut self, index: usize, event: &GenerationEvent) {
        if let Some(answer) = self.answers.get_mut(index) {
            answer.push(event);
        }
    }

    /// The object.
    ///
    /// # Errors
    /// `Internal` when an answer has not ended.
    pub fn finish(self) -> Result<Value> {
        let mut usages = Vec::with_capacity(self.answers.len());
        let mut choices = Vec::with_capacity(self.answers.len());
        for (index, answer) in self.answers.iter().enumerate() {
            let (reason, _, usage) = answer.end.as_ref().ok_or_else(unfinished)?;
            usages.push((0, *usage));
            let items: Vec<Value> =
                answer.tokens.iter().filter(|t| t.part == Part::Answer).filter_map(logprobs::item).collect();
            let logprobs =
                if items.is_empty() { Value::Null } else { json!({ "content": items, "refusal": null }) };
            let message = message(answer);
            let reason = ended(*reason, !message["refusal"].is_null());
            choices.push(json!({
                "index": index, "message": message, "logprobs": logprobs, "finish_reason": reason,
            }));
        }
        let mut object = self.head.object("chat.completion", choices);
        object["usage"] = usage(&sum(usages));
        Ok(object)
    }
}

/// Why an answer ended: to this protocol, one in which the model declines has ended as any other.
fn ended(reason: FinishReason, refused: bool) -> &'static str {
    match reason {
        FinishReason::ContentFilter if refused => finish_reason(FinishReason::Stop),
        reason => finish_reason(reason),
    }
}

pub(crate) fn unfinished() -> Error {
    Error::new(
        ErrorKind::Internal,
        "the model's answer broke off without an end: this is a fault of Parasol's own",
    )
}

/// The message of an answer.
fn message(answer: &Outcome) -> Value {
    let (mut text, mut reasoning, mut refusal) = (String::new(), String::new(), String::new());
    let mut calls = Vec::new();
    for piece in &answer.pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Reasoning(piece) => reasoning.push_str(piece),
            Piece::Refusal(piece) => refusal.push_str(piece),
            Piece::Call(call) => calls.push(json!({
                "id": call.id, "type": "function",
                "function": { "name": call.name, "arguments": call.arguments },
            })),
        }
    }
    let mut message = Map::new();
    message.insert("role".into(), "assistant".into());
    let instead = !calls.is_empty() || !refusal.is_empty();
    let content = if text.is_empty() && instead { Value::Null } else { text.into() };
    message.insert("content".into(), content);
    message.insert("refusal".into(), Some(refusal).filter(|it| !it.is_empty()).into());
    if !reasoning.is_empty() {
        message.insert("reasoning_content".into(), reasoning.into());
    }
    if !calls.is_empty() {
        message.insert("tool_calls".into(), calls.into());
    }
    let mut message = Value::Object(message);
    if !answer.citations.is_empty() {
        message["annotations"] = answer.citations.iter().map(|(_, one)| citations::write(one)).collect();
    }
    let signatures: Vec<_> = answer.signatures.iter().map(|(_, one)| one.clone()).collect();
    seals::write(&signatures, &mut message);
    message
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::client::StreamDecoder;
    use super::*;
    use crate::sse::SseEvent;
    use parasol_core::{Timings, TokenLogprob, TokenReport, ToolCallDelta, ToolCallStart};

    fn events() -> Vec<GenerationEvent> {
        let token = |text: &str, part| {
            GenerationEvent::Token(TokenReport { id: None, text: text.into(), part, logprobs: Vec::new() })
        };
        let call = |start: Option<ToolCallStart>, arguments: &str| {
            GenerationEvent::ToolCall(ToolCallDelta { index: 0, start, arguments: arguments.into() })
        };
        let usage = Usage {
            prompt_tokens: 7,
            cached_tokens: 3,
            generated_tokens: 5,
            reasoning_tokens: 2,
            ..Usage::default()
        };
        vec![
            GenerationEvent::Started { model: "m".into(), prompt_tokens: 7, seed: 1 },
            GenerationEvent::Prefill { done: 7, total: 7 },
            token("hm", Part::Reasoning),
            token("so", Part::Answer),
            call(Some(ToolCallStart { id: "c1".into(), name: "f".into() }), ""),
            call(None, "{\"x\":"),
            call(None, "1}"),
            GenerationEvent::Finished {
                reason: FinishReason::ToolCalls,
                stop: None,
                usage,
                timings: Timings::default(),
            },
        ]
    }

    fn head() -> Head {
        Head { id: "chatcmpl-1".into(), created: 5, model: "m".into(), fingerprint: "p".into() }
    }

    #[test]
    fn a_stream_is_read_back_as_the_events_that_it_was_made_of() {
        let mut stream = ChatStream::new(head(), true);
        let mut text: String = String::new();
        for event in events() {
            text.extend(stream.push(0, &event).iter().map(|c| SseEvent::json(c).encode()));
        }
        text.extend(stream.end().iter().map(|c| SseEvent::json(c).encode()));
        text.push_str(&SseEvent::data("[DONE]").encode());
        let mut decoder = StreamDecoder::new("m");
        let mut back = Vec::new();
        for piece in text.as_bytes().chunks(7) {
            back.extend(decoder.push(piece).unwrap());
        }
        back.extend(decoder.finish().unwrap());
        let mut expected = events();
        expected.retain(|e| !matches!(e, GenerationEvent::Prefill { .. }));
        // A provider tells the size of the prompt at the end and no seed.
        expected[0] = GenerationEvent::Started { model: "m".into(), prompt_tokens: 0, seed: 0 };
        assert_eq!(back, expected);
    }

    #[test]
    fn what_is_written_at_once_is_what_its_chunks_are() {
        for include_usage in [false, true] {
            let mut stream = ChatStream::new(head(), include_usage);
            for event in events() {
                let mut out = Vec::new();
                stream.write(1, &event, &mut out);
                let chunks: String =
                    stream.push(1, &event).iter().map(|c| SseEvent::json(c).encode()).collect();
                assert_eq!(String::from_utf8(out).unwrap(), chunks, "{event:?}");
            }
        }
    }

    #[test]
    fn a_whole_answer_holds_all_its_parts() {
        let mut whole = ChatWhole::new(head(), 2);
        for event in events() {
            whole.push(0, &event);
            whole.push(1, &event);
        }
        let object = whole.finish().unwrap();
        let message = &object["choices"][1]["message"];
        assert_eq!(message["content"], "so");
        assert_eq!(message["reasoning_content"], "hm");
        assert_eq!(message["tool_calls"][0]["function"]["arguments"], "{\"x\":1}");
        assert_eq!(object["choices"][0]["finish_reason"], "tool_calls");
        assert_eq!(object["usage"]["prompt_tokens"], 7, "two answers share their prompt");
        assert_eq!(object["usage"]["completion_tokens"], 10);
        assert!(ChatWhole::new(head(), 1).finish().is_err());
    }

    #[test]
    fn a_model_that_declines_does_so_in_the_field_for_it() {
        let token = |text: &str| {
            let (text, part) = (text.into(), Part::Refusal);
            GenerationEvent::Token(TokenReport { id: None, text, part, logprobs: Vec::new() })
        };
        let mut events = events();
        events.splice(2..7, [token("I will "), token("not.")]);
        let Some(GenerationEvent::Finished { reason, .. }) = events.last_mut() else { panic!() };
        *reason = FinishReason::ContentFilter;
        let (mut whole, mut stream) = (ChatWhole::new(head(), 1), ChatStream::new(head(), true));
        let mut written = Vec::new();
        for event in &events {
            whole.push(0, event);
            stream.write(0, event, &mut written);
        }
        let choice = &whole.finish().unwrap()["choices"][0];
        assert_eq!(
            (&choice["message"]["refusal"], &choice["finish_reason"]),
            (&json!("I will not."), &json!("stop"))
        );
        assert!(choice["message"]["content"].is_null());
        let text = String::from_utf8(written.clone()).unwrap();
        assert!(
            text.contains(r#"{"refusal":"not."}"#) && text.contains(r#""finish_reason":"stop""#),
            "{text}"
        );
        written.extend(SseEvent::json(&stream.end()[0]).encode().bytes());
        let mut decoder = StreamDecoder::new("m");
        let mut back = decoder.push(&written).unwrap();
        back.extend(decoder.finish().unwrap());
        assert_eq!(back.get(1..), events.get(2..));
    }

    #[test]
    fn an_impossible_token_is_a_number_in_json() {
        let one = |logprob| TokenLogprob { id: 1, bytes: b"a".to_vec(), logprob };
        let token = TokenReport {
            id: Some(1),
            text: String::new(),
            part: Part::Answer,
            logprobs: vec![one(-0.5), one(f32::NEG_INFINITY)],
        };
        let chunks = ChatStream::new(head(), false).push(0, &GenerationEvent::Token(token));
        let item = &chunks[0]["choices"][0]["logprobs"]["content"][0];
        assert_eq!((&item["logprob"], &item["top_logprobs"][0]["logprob"]), (&json!(-0.5), &json!(-9999.0)));
        assert!(chunks[0].get("usage").is_none());
    }
}
