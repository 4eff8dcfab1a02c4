//! The calling direction: a provider's responses, one or a stream of them, as the events of the vocabulary. Of several
//! candidates the first is read, since one request of the vocabulary asks for one answer.

use super::{citations, error_from};
use crate::openai::logprobs::NO_ID;
use crate::outcome::{call_event, text_event};
use crate::seal;
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, SignedPart, Signer, Timings, TokenLogprob,
    TokenReport, ToolCall, Usage,
};
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
    /// The response's id.
    id: String,
    /// What was thought and not sealed yet.
    thought: String,
    end: Option<FinishReason>,
}

impl Decoder {
    /// The events for the next response.
    ///
    /// # Errors
    /// The provider's error, when the stream carries one; `InvalidRequest` when it refused the prompt.
    pub fn push(&mut self, response: &Value) -> Result<Vec<GenerationEvent>> {
        if response.get("error").is_some() {
            return Err(error_from(500, response, None));
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
        if let Some(id) = response.get("responseId").and_then(Value::as_str) {
            id.clone_into(&mut self.id);
        }
        let candidate = response.pointer("/candidates/0").unwrap_or(&Value::Null);
        let first = events.len();
        for part in candidate.pointer("/content/parts").and_then(Value::as_array).into_iter().flatten() {
            self.part(part, &mut events);
        }
        add_logprobs(candidate, &mut events, first);
        events.extend(citations::received(candidate).into_iter().map(GenerationEvent::Citation));
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
            ..Usage::default()
        };
    }

    fn part(&mut self, part: &Value, out: &mut Vec<GenerationEvent>) {
        let thought = part.get("thought").and_then(Value::as_bool).unwrap_or(false);
        let mut signed = SignedPart::Answer;
        if let Some(call) = part.get("functionCall") {
            let index = self.calls;
            self.calls += 1;
            let text = |name: &str| call.get(name).and_then(Value::as_str).filter(|t| !t.is_empty());
            // Providers may leave ids out; the vocabulary pairs by them, over all of a conversation.
            let id = text("id").map_or_else(|| format!("call_{}_{index}", self.id), str::to_owned);
            let call = ToolCall {
                id,
                name: text("name").unwrap_or_default().to_owned(),
                arguments: call.get("args").cloned().unwrap_or_else(|| Value::Object(Map::new())),
            };
            out.push(call_event(index, &call));
            signed = SignedPart::Call(index);
        } else if let Some(text) = part.get("text").and_then(Value::as_str) {
            if thought {
                self.thought.push_str(text);
            }
            if !text.is_empty() {
                out.push(text_event(if thought { Part::Reasoning } else { Part::Answer }, text));
            }
        }
        if let Some(data) = part.get("thoughtSignature").and_then(Value::as_str).filter(|d| !d.is_empty()) {
            if thought {
                signed = SignedPart::Thought(std::mem::take(&mut self.thought));
            }
            let signature = seal::read(data.to_owned(), Signer::Google, signed);
            out.push(GenerationEvent::Signature(signature));
        }
    }
}

/// Puts log-probabilities to the answer's text among the events from `first`; a response may hold several tokens: its text
/// goes with the first, so that none is told twice.
fn add_logprobs(candidate: &Value, events: &mut Vec<GenerationEvent>, first: usize) {
    let list = |name: &str| candidate.pointer(&format!("/logprobsResult/{name}")).and_then(Value::as_array);
    let Some(chosen) = list("chosenCandidates") else { return };
    let top = list("topCandidates");
    let all: Vec<Vec<TokenLogprob>> = (chosen.iter().enumerate())
        .map(|(i, one)| {
            let rest = top.and_then(|top| top.get(i)?.get("candidates")?.as_array());
            std::iter::once(one).chain(rest.into_iter().flatten()).filter_map(logprob).collect()
        })
        .collect();
    let is_answer = |event: &GenerationEvent| matches!(event, GenerationEvent::Token(token) if token.part == Part::Answer);
    let found = events.iter().skip(first).position(is_answer).map(|i| i.saturating_add(first));
    let at = found.unwrap_or(events.len());
    for (i, logprobs) in all.into_iter().enumerate() {
        match events.get_mut(at) {
            Some(GenerationEvent::Token(token)) if i == 0 => token.logprobs = logprobs,
            _ => {
                let token = TokenReport { id: None, text: String::new(), part: Part::Answer, logprobs };
                let place = at.saturating_add(i).min(events.len());
                events.insert(place, GenerationEvent::Token(token));
            }
        }
    }
}

fn logprob(candidate: &Value) -> Option<TokenLogprob> {
    let id = candidate.get("tokenId").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok());
    Some(TokenLogprob {
        id: id.unwrap_or(NO_ID),
        bytes: candidate.get("token")?.as_str()?.as_bytes().to_vec(),
        logprob: candidate.get("logProbability")?.as_f64()? as f32,
    })
}
