//! The calling direction: a provider's responses, one or a stream of them, as the events of the vocabulary. Of several
//! candidates the first is read, since one request of the vocabulary asks for one answer.

use super::error_from;
use crate::outcome::{call_event, text_event};
use parasol_core::{Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, Timings, ToolCall, Usage};
use serde_json::{Map, Value};

fn count(value: &Value, name: &str) -> Option<usize> {
    value.get(name).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok())
}

/// Reads a provider's responses; a whole answer is a stream of one.
#[derive(Debug, Clone, Default)]
pub struct Decoder {
    started: bool,
    usage: Usage,
    calls: usize,
    end: Option<FinishReason>,
}

impl Decoder {
    /// The events for the next response.
    ///
    /// # Errors
    /// The provider's error, when the stream carries one; `InvalidRequest` when it refused the prompt.
    pub fn push(&mut self, response: &Value) -> Result<Vec<GenerationEvent>> {
        if response.get("error").is_some() {
            return Err(error_from(500, response));
        }
        let mut events = Vec::new();
        if let Some(usage) = response.get("usageMetadata") {
            self.count(usage);
        }
        if !self.started {
            self.started = true;
            let model = response.get("modelVersion").and_then(Value::as_str).unwrap_or_default().to_owned();
            // Providers draw no seed that they would tell.
            events.push(GenerationEvent::Started { model, prompt_tokens: self.usage.prompt_tokens, seed: 0 });
        }
        if let Some(why) = response.pointer("/promptFeedback/blockReason").and_then(Value::as_str) {
            let what = format!("the provider refused the prompt: {why}");
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
        let candidate = response.pointer("/candidates/0").unwrap_or(&Value::Null);
        for part in candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten() {
            events.extend(self.part(part));
        }
        if let Some(reason) = candidate.get("finishReason").and_then(Value::as_str) {
            self.end = Some(match reason {
                "STOP" if self.calls > 0 => FinishReason::ToolCalls,
                "STOP" | "FINISH_REASON_UNSPECIFIED" | "OTHER" => FinishReason::Stop,
                "MAX_TOKENS" => FinishReason::Length,
                "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" => {
                    let what = format!("the provider's answer ended with {reason}: ask again");
                    return Err(Error::new(ErrorKind::Network, what));
                }
                _ => FinishReason::ContentFilter,
            });
        }
        Ok(events)
    }

    /// The last event, once the stream has ended: usage may come after the reason.
    ///
    /// # Errors
    /// `Network` when the answer broke off.
    pub fn finish(self) -> Result<GenerationEvent> {
        let Some(reason) = self.end else {
            return Err(Error::new(ErrorKind::Network, "the provider's answer broke off before its end"));
        };
        Ok(GenerationEvent::Finished { reason, stop: None, usage: self.usage, timings: Timings::default() })
    }

    fn count(&mut self, usage: &Value) {
        let thought = count(usage, "thoughtsTokenCount").unwrap_or(0);
        self.usage = Usage {
            prompt_tokens: count(usage, "promptTokenCount").unwrap_or(self.usage.prompt_tokens),
            cached_tokens: count(usage, "cachedContentTokenCount").unwrap_or(0),
            generated_tokens: count(usage, "candidatesTokenCount").unwrap_or(0).saturating_add(thought),
            reasoning_tokens: thought,
        };
    }

    fn part(&mut self, part: &Value) -> Option<GenerationEvent> {
        if let Some(call) = part.get("functionCall") {
            let index = self.calls;
            self.calls += 1;
            let text = |name: &str| call.get(name).and_then(Value::as_str).map(str::to_owned);
            let call = ToolCall {
                // Providers may leave ids out; the vocabulary pairs by them.
                id: text("id").unwrap_or_else(|| format!("call_{index}")),
                name: text("name").unwrap_or_default(),
                arguments: call.get("args").cloned().unwrap_or_else(|| Value::Object(Map::new())),
            };
            return Some(call_event(index, &call));
        }
        let text = part.get("text").and_then(Value::as_str).filter(|t| !t.is_empty())?;
        let thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        Some(text_event(if thought { Part::Reasoning } else { Part::Answer }, text))
    }
}
