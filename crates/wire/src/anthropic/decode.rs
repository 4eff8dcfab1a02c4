//! The calling direction: a provider's message, whole or streamed, as the events of the vocabulary. Unknown fields and
//! events are passed over, as the API asks of its clients.

use super::{citation, error_from};
use crate::outcome::{call_event, text_event};
use crate::seal;
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, SignedPart, Signer, Timings, ToolCall,
    ToolCallDelta, ToolCallStart, Usage,
};
use serde_json::Value;

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn count(value: &Value, pointer: &str) -> Option<usize> {
    value.pointer(pointer).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
}

fn broken(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Network, format!("the provider's answer is no Anthropic message: {what}"))
}

/// Takes over the counts that are there; later ones are totals, not additions.
fn count_usage(usage: &mut Usage, object: &Value) {
    let cached = count(object, "/cache_read_input_tokens");
    let written = count(object, "/cache_creation_input_tokens").unwrap_or(0);
    if let Some(input) = count(object, "/input_tokens") {
        usage.cached_tokens = cached.unwrap_or(usage.cached_tokens);
        usage.cache_written_tokens = written;
        usage.prompt_tokens = input.saturating_add(written).saturating_add(usage.cached_tokens);
    }
    usage.generated_tokens = count(object, "/output_tokens").unwrap_or(usage.generated_tokens);
    let thought = count(object, "/output_tokens_details/thinking_tokens");
    usage.reasoning_tokens = thought.unwrap_or(usage.reasoning_tokens);
}

fn reason(name: &str) -> FinishReason {
    match name {
        "max_tokens" | "model_context_window_exceeded" => FinishReason::Length,
        "tool_use" => FinishReason::ToolCalls,
        "refusal" => FinishReason::ContentFilter,
        _ => FinishReason::Stop,
    }
}

fn finished(end: &Value, usage: Usage) -> GenerationEvent {
    GenerationEvent::Finished {
        reason: reason(text(end, "/stop_reason")),
        stop: end.get("stop_sequence").and_then(Value::as_str).map(str::to_owned),
        usage,
        timings: Timings::default(),
    }
}

fn started(message: &Value, usage: &Usage) -> GenerationEvent {
    let model = text(message, "/model").to_owned();
    // Providers draw no seed that they would tell.
    GenerationEvent::Started { model, prompt_tokens: usage.prompt_tokens, seed: 0 }
}

/// The events of a whole message.
///
/// # Errors
/// `Network` when it is none; what an error object says, when it is one.
pub fn response_events(message: &Value) -> Result<Vec<GenerationEvent>> {
    if text(message, "/type") == "error" {
        return Err(error_from(500, message, None));
    }
    let Some(content) = message.get("content").and_then(Value::as_array) else {
        return Err(broken("it has no content"));
    };
    let mut usage = Usage::default();
    count_usage(&mut usage, message.get("usage").unwrap_or(&Value::Null));
    let mut events = vec![started(message, &usage)];
    let mut calls = 0;
    for block in content {
        match text(block, "/type") {
            "text" => {
                events.push(text_event(Part::Answer, text(block, "/text")));
                let cited = block.get("citations").and_then(Value::as_array).into_iter().flatten();
                events.extend(cited.map(|one| GenerationEvent::Citation(citation::read(one))));
            }
            "thinking" => {
                events.push(text_event(Part::Reasoning, text(block, "/thinking")));
                let part = SignedPart::Thought(text(block, "/thinking").to_owned());
                events.extend(sealed(text(block, "/signature"), part));
            }
            "redacted_thinking" => events.extend(sealed(text(block, "/data"), SignedPart::Hidden)),
            "tool_use" => {
                let call = ToolCall {
                    id: text(block, "/id").to_owned(),
                    name: text(block, "/name").to_owned(),
                    arguments: block.get("input").cloned().unwrap_or_default(),
                };
                events.push(call_event(calls, &call));
                calls += 1;
            }
            _ => {}
        }
    }
    events.push(finished(message, usage));
    Ok(events)
}

fn sealed(data: &str, part: SignedPart) -> Option<GenerationEvent> {
    let told = !data.is_empty() && data != super::UNSIGNED;
    told.then(|| GenerationEvent::Signature(seal::read(data.to_owned(), Signer::Anthropic, part)))
}

/// Reads a provider's stream, event by event.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    usage: Usage,
    calls: usize,
    delta: Value,
    /// The thinking of the open block, and its seal as far as it came.
    thought: String,
    seal: String,
    /// The arguments of the open call, where they came whole with its beginning.
    whole: Option<String>,
}

impl Decoder {
    /// The events for the next `data:` of the stream.
    ///
    /// # Errors
    /// The provider's error, when the stream carries one.
    pub fn push(&mut self, data: &Value) -> Result<Vec<GenerationEvent>> {
        Ok(match text(data, "/type") {
            "message_start" => {
                let message = data.get("message").ok_or_else(|| broken("message_start has no message"))?;
                count_usage(&mut self.usage, message.get("usage").unwrap_or(&Value::Null));
                vec![started(message, &self.usage)]
            }
            "content_block_start" => self.block(data.get("content_block").unwrap_or(&Value::Null)),
            "content_block_delta" => self.delta(data.get("delta").unwrap_or(&Value::Null)),
            "content_block_stop" => self.end_block(),
            "message_delta" => {
                count_usage(&mut self.usage, data.get("usage").unwrap_or(&Value::Null));
                self.delta = data.get("delta").cloned().unwrap_or_default();
                Vec::new()
            }
            "message_stop" => vec![finished(&self.delta, self.usage)],
            "error" => return Err(error_from(500, data, None)),
            _ => Vec::new(),
        })
    }

    fn end_block(&mut self) -> Vec<GenerationEvent> {
        let mut out = Vec::new();
        if let (Some(arguments), Some(index)) = (self.whole.take(), self.calls.checked_sub(1)) {
            out.push(GenerationEvent::ToolCall(ToolCallDelta { index, start: None, arguments }));
        }
        let part = SignedPart::Thought(std::mem::take(&mut self.thought));
        out.extend(sealed(&std::mem::take(&mut self.seal), part));
        out
    }

    fn block(&mut self, block: &Value) -> Vec<GenerationEvent> {
        match text(block, "/type") {
            "thinking" => {
                text(block, "/signature").clone_into(&mut self.seal);
                self.think(text(block, "/thinking"))
            }
            "redacted_thinking" => sealed(text(block, "/data"), SignedPart::Hidden).into_iter().collect(),
            "tool_use" => {
                // Arguments come in pieces; servers that imitate the API may send them whole with the beginning.
                let whole =
                    block.get("input").filter(|input| input.as_object().is_some_and(|o| !o.is_empty()));
                self.whole = whole.map(Value::to_string);
                let (id, name) = (text(block, "/id").to_owned(), text(block, "/name").to_owned());
                let start = Some(ToolCallStart { id, name });
                let index = self.calls;
                self.calls += 1;
                vec![GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments: String::new() })]
            }
            "text" if !text(block, "/text").is_empty() => {
                vec![text_event(Part::Answer, text(block, "/text"))]
            }
            _ => Vec::new(),
        }
    }

    fn think(&mut self, thought: &str) -> Vec<GenerationEvent> {
        self.thought.push_str(thought);
        if thought.is_empty() { Vec::new() } else { vec![text_event(Part::Reasoning, thought)] }
    }

    fn delta(&mut self, delta: &Value) -> Vec<GenerationEvent> {
        match text(delta, "/type") {
            "text_delta" => vec![text_event(Part::Answer, text(delta, "/text"))],
            "thinking_delta" => self.think(text(delta, "/thinking")),
            "signature_delta" => {
                self.seal.push_str(text(delta, "/signature"));
                Vec::new()
            }
            "citations_delta" => {
                let cited = delta.get("citation").unwrap_or(&Value::Null);
                vec![GenerationEvent::Citation(citation::read(cited))]
            }
            "input_json_delta" if self.calls > 0 => {
                let arguments = text(delta, "/partial_json").to_owned();
                if !arguments.is_empty() {
                    self.whole = None;
                }
                vec![GenerationEvent::ToolCall(ToolCallDelta {
                    index: self.calls - 1,
                    start: None,
                    arguments,
                })]
            }
            _ => Vec::new(),
        }
    }
}
