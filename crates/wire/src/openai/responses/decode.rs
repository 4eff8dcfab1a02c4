//! A provider's stream of typed events, as events of the vocabulary.

use super::super::client::error;
use super::super::{citations, logprobs};
use crate::client::told_count as count;
use crate::outcome::text_event;
use crate::seal;
use crate::sse::{SseEvent, SseParser};
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, SignedPart, Signer, Timings, TokenReport,
    ToolCallDelta, ToolCallStart, Usage,
};
use serde_json::Value;

/// Reads a stream of responses, however it is cut. Times are left to whoever has a clock.
#[derive(Debug, Default)]
pub struct StreamDecoder {
    model: String,
    parser: SseParser,
    started: bool,
    ended: bool,
    /// The items that are calls, in the order in which they began, and whether arguments of theirs have come.
    calls: Vec<(String, bool)>,
    /// The model declines to answer …
    refused: bool,
    /// … and words of that have come whose end has not.
    declining: bool,
}

impl StreamDecoder {
    /// A decoder for an answer of `model`, for streams that do not name theirs.
    pub fn new(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }

    /// The events that are complete with `bytes`. After `Finished` (or an error) whatever follows is not read.
    ///
    /// # Errors
    /// The provider's own when it reports one inside the stream; `Network` for events that are none of this protocol.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<GenerationEvent>> {
        let mut out = Vec::new();
        for event in self.parser.push(bytes)? {
            self.event(&event, &mut out)?;
        }
        Ok(out)
    }

    /// The events that were waiting for the stream's end.
    ///
    /// # Errors
    /// `Network` when the stream broke off before the answer was complete.
    pub fn finish(&mut self) -> Result<Vec<GenerationEvent>> {
        let mut out = Vec::new();
        if let Some(event) = self.parser.finish()? {
            self.event(&event, &mut out)?;
        }
        if self.ended {
            return Ok(out);
        }
        Err(Error::new(ErrorKind::Network, "the provider's stream broke off before the answer was complete"))
    }

    /// Whether the answer is complete.
    pub fn is_finished(&self) -> bool {
        self.ended
    }

    fn event(&mut self, event: &SseEvent, out: &mut Vec<GenerationEvent>) -> Result<()> {
        if self.ended || event.data.trim() == "[DONE]" {
            return Ok(());
        }
        let data: Value = serde_json::from_str(&event.data).map_err(|e| {
            Error::new(ErrorKind::Network, format!("the provider sent an event that is no JSON: {e}"))
        })?;
        if !self.started && data["response"].is_object() {
            self.started = true;
            if let Some(model) = data["response"]["model"].as_str().filter(|m| !m.is_empty()) {
                model.clone_into(&mut self.model);
            }
            // The size of the prompt comes with the usage, at the end.
            out.push(GenerationEvent::Started { model: self.model.clone(), prompt_tokens: 0, seed: 0 });
        }
        let kind = data["type"].as_str().or(event.event.as_deref()).unwrap_or_default();
        let delta = || data["delta"].as_str().unwrap_or_default().to_owned();
        match kind {
            "response.output_text.delta" => out.push(token(&data, delta())),
            "response.refusal.delta" => out.extend(self.refusal(delta(), true)),
            // Some providers send it in one piece only.
            "response.refusal.done" => {
                let all = data["refusal"].as_str().unwrap_or_default().to_owned();
                out.extend(self.refusal(all, false));
            }
            "response.reasoning_text.delta" | "response.reasoning_summary_text.delta" => {
                out.push(text_event(Part::Reasoning, delta()));
            }
            "response.output_text.annotation.added" => {
                out.extend(citations::read(&data["annotation"]).map(GenerationEvent::Citation));
            }
            "response.output_item.done" if data["item"]["type"] == "reasoning" => {
                out.extend(sealed(&data["item"]));
            }
            "response.output_item.added" if data["item"]["type"] == "function_call" => {
                out.push(self.begin(&data["item"]));
            }
            "response.function_call_arguments.delta" => {
                out.extend(self.arguments(&data["item_id"], delta(), true));
            }
            // Some providers send arguments in one piece only.
            "response.function_call_arguments.done" => {
                let all = data["arguments"].as_str().unwrap_or_default().to_owned();
                out.extend(self.arguments(&data["item_id"], all, false));
            }
            "response.completed" | "response.incomplete" => {
                self.ended = true;
                out.push(end(&data["response"], !self.calls.is_empty(), self.refused));
            }
            "response.failed" => return Err(failed(&data["response"])),
            "error" => return Err(failed(&data)),
            // Other events repeat in whole what came in pieces.
            _ => {}
        }
        Ok(())
    }

    fn refusal(&mut self, text: String, piece: bool) -> Option<GenerationEvent> {
        let begun = self.declining;
        self.declining = piece && (begun || !text.is_empty());
        if (begun && !piece) || text.is_empty() {
            return None;
        }
        self.refused = true;
        Some(text_event(Part::Refusal, text))
    }

    fn begin(&mut self, item: &Value) -> GenerationEvent {
        let text = |name: &str| item[name].as_str().unwrap_or_default().to_owned();
        let arguments = text("arguments");
        let index = self.calls.len();
        self.calls.push((text("id"), !arguments.is_empty()));
        let start = Some(ToolCallStart { id: text("call_id"), name: text("name") });
        GenerationEvent::ToolCall(ToolCallDelta { index, start, arguments })
    }

    fn arguments(&mut self, item: &Value, arguments: String, piece: bool) -> Option<GenerationEvent> {
        let index = self.calls.iter().position(|(id, _)| item == id.as_str())?;
        let (_, begun) = self.calls.get_mut(index)?;
        if (*begun && !piece) || arguments.is_empty() {
            return None;
        }
        *begun = true;
        Some(GenerationEvent::ToolCall(ToolCallDelta { index, start: None, arguments }))
    }
}

/// The seal on what was thought.
fn sealed(item: &Value) -> Option<GenerationEvent> {
    let data = item["encrypted_content"].as_str().filter(|data| !data.is_empty())?.to_owned();
    let texts = |name: &str| -> String {
        item[name].as_array().into_iter().flatten().filter_map(|part| part["text"].as_str()).collect()
    };
    let thought = Some(texts("content")).filter(|text| !text.is_empty()).unwrap_or_else(|| texts("summary"));
    let part = if thought.is_empty() { SignedPart::Hidden } else { SignedPart::Thought(thought) };
    Some(GenerationEvent::Signature(seal::read(data, Signer::OpenAi, part)))
}

fn token(data: &Value, text: String) -> GenerationEvent {
    let logprobs = data["logprobs"].get(0).map(logprobs::read).unwrap_or_default();
    GenerationEvent::Token(TokenReport { id: None, text, part: Part::Answer, logprobs })
}

fn end(response: &Value, calls: bool, refused: bool) -> GenerationEvent {
    let reason = match response["incomplete_details"]["reason"].as_str() {
        Some("content_filter") => FinishReason::ContentFilter,
        Some(_) => FinishReason::Length,
        None if calls => FinishReason::ToolCalls,
        // A model that declines ends as any other, to this protocol.
        None if refused => FinishReason::ContentFilter,
        None => FinishReason::Stop,
    };
    let usage = &response["usage"];
    let usage = Usage {
        prompt_tokens: count(&usage["input_tokens"]),
        cached_tokens: count(&usage["input_tokens_details"]["cached_tokens"]),
        cache_written_tokens: count(&usage["input_tokens_details"]["cache_write_tokens"]),
        generated_tokens: count(&usage["output_tokens"]),
        reasoning_tokens: count(&usage["output_tokens_details"]["reasoning_tokens"]),
        ..Usage::default()
    };
    GenerationEvent::Finished { reason, stop: None, usage, timings: Timings::default() }
}

/// What a provider says that went wrong, read as the body of a refusal.
fn failed(data: &Value) -> Error {
    let inner = if data["error"].is_object() { &data["error"] } else { data };
    let status = match inner["code"].as_str() {
        Some("rate_limit_exceeded") => 429,
        Some("invalid_prompt" | "context_length_exceeded") => 400,
        Some("overloaded") => 503,
        Some("timeout") => 504,
        _ => 500,
    };
    error(status, serde_json::json!({ "error": inner }).to_string().as_bytes(), None)
}
