//! A message as it is sent back: one object, or a stream of events in the order that clients rely on.
//!
//! Spec: <https://docs.anthropic.com/en/docs/build-with-claude/streaming>.

use super::{Style, citation, error_object};
use crate::outcome::{Outcome, Piece};
use crate::seal;
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, Signature, SignedPart, Signer,
    ToolCallDelta, Usage,
};
use serde_json::{Value, json};

/// What stands where Anthropic puts the signature of a thinking block. Nothing is signed here and nothing is checked.
pub const UNSIGNED: &str = "unsigned";

/// One server-sent event: its name and its JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamEvent {
    /// The `event:` line; the same as the data's `type`.
    pub name: &'static str,
    /// The `data:` line.
    pub data: Value,
}

impl StreamEvent {
    fn new(name: &'static str, mut data: Value) -> Self {
        if let Value::Object(map) = &mut data {
            map.shift_insert(0, "type".into(), name.into());
        }
        Self { name, data }
    }

    /// An error inside a stream, after which it ends.
    #[must_use]
    pub fn error(error: &Error) -> Self {
        Self::new("error", json!({ "error": error_object(error) }))
    }
}

/// Gathers an answer into one message.
#[derive(Debug, Clone)]
pub struct Collector {
    id: String,
    style: Style,
    outcome: Outcome,
}

impl Collector {
    /// For an answer with this id (`msg_…`).
    #[must_use]
    pub fn new(id: impl Into<String>, style: Style) -> Self {
        Self { id: id.into(), style, outcome: Outcome::default() }
    }

    /// Takes the next event in.
    pub fn push(&mut self, event: &GenerationEvent) {
        self.outcome.push(event);
    }

    /// The message.
    ///
    /// # Errors
    /// `Internal` when the answer has not ended.
    pub fn finish(self) -> Result<Value> {
        let Some((reason, stop, usage)) = &self.outcome.end else {
            return Err(Error::new(ErrorKind::Internal, "the model's answer broke off without an end"));
        };
        let content = content(&self.outcome, self.style);
        let reason = stop_reason(*reason, stop.as_deref(), usage, self.outcome.calls_tools(), self.style);
        Ok(message(
            &self.id,
            &self.outcome.model,
            content,
            Some((reason, stop.as_deref())),
            usage_object(usage),
        ))
    }
}

fn message(
    id: &str,
    model: &str,
    content: Vec<Value>,
    end: Option<(&str, Option<&str>)>,
    usage: Value,
) -> Value {
    json!({
        "id": id,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": end.map(|(reason, _)| reason),
        "stop_sequence": end.and_then(|(_, stop)| stop),
        "usage": usage,
    })
}

/// The blocks of an answer; seals that belong to no thought come last.
fn content(outcome: &Outcome, style: Style) -> Vec<Value> {
    let mut blocks: Vec<Value> = outcome.pieces.iter().map(|p| block(p, style)).collect();
    for (place, citation) in &outcome.citations {
        if let Some(block) = blocks.get_mut(*place).filter(|block| block["type"] == "text") {
            match block["citations"].as_array_mut() {
                Some(list) => list.push(citation::write(citation)),
                None => block["citations"] = json!([citation::write(citation)]),
            }
        }
    }
    for (place, signature) in &outcome.signatures {
        match place.and_then(|place| blocks.get_mut(place)) {
            Some(block) => block["signature"] = seal::written(signature, Signer::Anthropic).into(),
            None => blocks.push(hidden(signature)),
        }
    }
    blocks
}

/// A seal that belongs to nothing that is shown: clients send such blocks back as they are.
fn hidden(signature: &Signature) -> Value {
    json!({ "type": "redacted_thinking", "data": seal::written(signature, Signer::Anthropic) })
}

fn block(piece: &Piece, style: Style) -> Value {
    match piece {
        Piece::Reasoning(text) => {
            let text = if style.omit_thinking { "" } else { text };
            json!({ "type": "thinking", "thinking": text, "signature": UNSIGNED })
        }
        Piece::Text(text) | Piece::Refusal(text) => json!({ "type": "text", "text": text }),
        Piece::Call(call) => {
            // Arguments that were cut are kept as they are, in the field that the protocol has for them.
            let input = call.object().unwrap_or_else(|cut| json!({ "INVALID_JSON": cut }));
            json!({ "type": "tool_use", "id": call.id, "name": call.name, "input": input })
        }
    }
}

fn stop_reason(
    reason: FinishReason,
    stop: Option<&str>,
    usage: &Usage,
    calls: bool,
    style: Style,
) -> &'static str {
    match reason {
        FinishReason::Stop if stop.is_some() => "stop_sequence",
        FinishReason::Stop if !calls => "end_turn",
        FinishReason::Stop | FinishReason::ToolCalls => "tool_use",
        FinishReason::Length if style.max_tokens.is_some_and(|most| usage.generated_tokens < most) => {
            "model_context_window_exceeded"
        }
        FinishReason::Length => "max_tokens",
        FinishReason::ContentFilter => "refusal",
    }
}

fn usage_object(usage: &Usage) -> Value {
    let mut object = json!({
        "input_tokens": usage
            .prompt_tokens
            .saturating_sub(usage.cached_tokens)
            .saturating_sub(usage.cache_written_tokens),
        "cache_creation_input_tokens": usage.cache_written_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.generated_tokens,
    });
    if usage.reasoning_tokens > 0 {
        object["output_tokens_details"] = json!({ "thinking_tokens": usage.reasoning_tokens });
    }
    object
}

/// The block that is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    Thinking,
    Text,
    Call(usize),
}

/// Turns the events of an answer into the events of a stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    id: String,
    style: Style,
    open: Option<Open>,
    blocks: usize,
    calls: bool,
    /// Seals that wait for the answer's end, so that they part nothing.
    seals: Vec<Signature>,
}

impl Encoder {
    /// For an answer with this id (`msg_…`).
    #[must_use]
    pub fn new(id: impl Into<String>, style: Style) -> Self {
        Self { id: id.into(), style, open: None, blocks: 0, calls: false, seals: Vec::new() }
    }

    /// The stream's events for the answer's next event.
    pub fn push(&mut self, event: &GenerationEvent) -> Vec<StreamEvent> {
        let mut out = Vec::new();
        match event {
            GenerationEvent::Started { model, prompt_tokens, .. } => {
                let usage = usage_object(&Usage { prompt_tokens: *prompt_tokens, ..Usage::default() });
                let message = message(&self.id, model, Vec::new(), None, usage);
                out.push(StreamEvent::new("message_start", json!({ "message": message })));
                out.push(StreamEvent::new("ping", json!({})));
            }
            // A long prompt is no silence.
            GenerationEvent::Prefill { .. } => out.push(StreamEvent::new("ping", json!({}))),
            GenerationEvent::Token(token) if token.text.is_empty() => {}
            GenerationEvent::Token(token) => self.text(token.part, &token.text, &mut out),
            GenerationEvent::ToolCall(delta) => self.call(delta, &mut out),
            GenerationEvent::Signature(signature) => self.sign(signature, &mut out),
            GenerationEvent::Citation(cited) if self.open == Some(Open::Text) => {
                self.delta(
                    json!({ "type": "citations_delta", "citation": citation::write(cited) }),
                    &mut out,
                );
            }
            // A source of nothing that is open has no place in the protocol; what was ignored is told beside the answer.
            GenerationEvent::Citation(_) | GenerationEvent::Ignored { .. } => {}
            GenerationEvent::Finished { reason, stop, usage, .. } => {
                self.close(&mut out);
                for signature in std::mem::take(&mut self.seals) {
                    let data = json!({ "index": self.blocks, "content_block": hidden(&signature) });
                    out.push(StreamEvent::new("content_block_start", data));
                    self.end_block(&mut out);
                }
                let reason = stop_reason(*reason, stop.as_deref(), usage, self.calls, self.style);
                let delta = json!({ "stop_reason": reason, "stop_sequence": stop });
                let data = json!({ "delta": delta, "usage": usage_object(usage) });
                out.push(StreamEvent::new("message_delta", data));
                out.push(StreamEvent::new("message_stop", json!({})));
            }
        }
        out
    }

    fn sign(&mut self, signature: &Signature, out: &mut Vec<StreamEvent>) {
        if !matches!(signature.part, SignedPart::Thought(_)) {
            self.seals.push(signature.clone());
            return;
        }
        self.open(Open::Thinking, json!({ "type": "thinking", "thinking": "", "signature": "" }), out);
        let data = seal::written(signature, Signer::Anthropic);
        self.delta(json!({ "type": "signature_delta", "signature": data }), out);
        self.end_block(out);
    }

    fn text(&mut self, part: Part, text: &str, out: &mut Vec<StreamEvent>) {
        match part {
            Part::Answer | Part::Refusal => {
                self.open(Open::Text, json!({ "type": "text", "text": "" }), out);
                self.delta(json!({ "type": "text_delta", "text": text }), out);
            }
            Part::Reasoning => {
                let block = json!({ "type": "thinking", "thinking": "", "signature": "" });
                self.open(Open::Thinking, block, out);
                if !self.style.omit_thinking {
                    self.delta(json!({ "type": "thinking_delta", "thinking": text }), out);
                }
            }
        }
    }

    fn call(&mut self, delta: &ToolCallDelta, out: &mut Vec<StreamEvent>) {
        if let Some(start) = &delta.start {
            self.calls = true;
            let block = json!({ "type": "tool_use", "id": start.id, "name": start.name, "input": {} });
            self.open(Open::Call(delta.index), block, out);
        }
        if delta.arguments.is_empty() {
            return;
        }
        if self.open == Some(Open::Call(delta.index)) {
            self.delta(json!({ "type": "input_json_delta", "partial_json": delta.arguments }), out);
        } else {
            let what = format!("a piece of tool call {} came after its block was closed", delta.index);
            out.push(StreamEvent::error(&Error::new(ErrorKind::Internal, what)));
        }
    }

    /// Opens a block unless it is open already; the one before is closed.
    fn open(&mut self, wanted: Open, block: Value, out: &mut Vec<StreamEvent>) {
        if self.open == Some(wanted) {
            return;
        }
        self.close(out);
        self.open = Some(wanted);
        let data = json!({ "index": self.blocks, "content_block": block });
        out.push(StreamEvent::new("content_block_start", data));
    }

    fn close(&mut self, out: &mut Vec<StreamEvent>) {
        match self.open {
            None => return,
            Some(Open::Thinking) => {
                self.delta(json!({ "type": "signature_delta", "signature": UNSIGNED }), out)
            }
            Some(Open::Text | Open::Call(_)) => {}
        }
        self.end_block(out);
    }

    fn end_block(&mut self, out: &mut Vec<StreamEvent>) {
        out.push(StreamEvent::new("content_block_stop", json!({ "index": self.blocks })));
        self.open = None;
        self.blocks += 1;
    }

    fn delta(&self, delta: Value, out: &mut Vec<StreamEvent>) {
        let data = json!({ "index": self.blocks, "delta": delta });
        out.push(StreamEvent::new("content_block_delta", data));
    }
}
