//! An answer as it is sent back: one response, or a stream of responses that each hold what is new. A function call is sent
//! when it is whole.
//!
//! Spec: <https://ai.google.dev/api/generate-content#generatecontentresponse>.

use super::Style;
use crate::outcome::{Call, Outcome, Piece, likeliest};
use parasol_core::{
    Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, TokenLogprob, TokenReport, Usage,
};
use serde_json::{Value, json};

/// A part of text.
fn text_part(part: Part, text: &str) -> Value {
    match part {
        Part::Answer => json!({ "text": text }),
        Part::Reasoning => json!({ "text": text, "thought": true }),
    }
}

/// A whole call, or what is to be told about one that was cut.
fn call_part(call: &Call) -> Result<Value, String> {
    match call.object() {
        Ok(args) => Ok(json!({ "functionCall": { "id": call.id, "name": call.name, "args": args } })),
        Err(cut) => Err(format!("the call of {} was cut: its arguments end with {cut}", call.name)),
    }
}

fn finish_reason(reason: FinishReason, cut: bool) -> &'static str {
    match reason {
        FinishReason::Length => "MAX_TOKENS",
        _ if cut => "MALFORMED_FUNCTION_CALL",
        FinishReason::Stop | FinishReason::ToolCalls => "STOP",
        FinishReason::ContentFilter => "SAFETY",
    }
}

/// `usageMetadata` of one or several candidates, whose prompt is the same.
fn usage_object(usages: &[Usage]) -> Value {
    let first = usages.first().copied().unwrap_or_default();
    let generated: usize = usages.iter().map(|u| u.generated_tokens).sum();
    let thought: usize = usages.iter().map(|u| u.reasoning_tokens).sum();
    let mut object = json!({
        "promptTokenCount": first.prompt_tokens,
        "candidatesTokenCount": generated.saturating_sub(thought),
        "totalTokenCount": first.prompt_tokens.saturating_add(generated),
        "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": first.prompt_tokens }],
    });
    if thought > 0 {
        object["thoughtsTokenCount"] = thought.into();
    }
    if first.cached_tokens > 0 {
        object["cachedContentTokenCount"] = first.cached_tokens.into();
    }
    object
}

fn candidate_logprob(token: &TokenLogprob) -> Value {
    let text = String::from_utf8_lossy(&token.bytes);
    json!({ "token": text, "tokenId": token.id, "logProbability": token.logprob })
}

/// `avgLogprobs` and `logprobsResult` of tokens that have log-probabilities.
fn logprobs(tokens: &[TokenReport], candidate: &mut Value) {
    let chosen: Vec<&TokenLogprob> = tokens.iter().filter_map(|t| t.logprobs.first()).collect();
    if chosen.is_empty() {
        return;
    }
    let sum: f64 = chosen.iter().map(|t| f64::from(t.logprob)).sum();
    let top = tokens.iter().map(
        |t| json!({ "candidates": likeliest(t).into_iter().map(candidate_logprob).collect::<Vec<_>>() }),
    );
    candidate["avgLogprobs"] = json!(sum / chosen.len() as f64);
    candidate["logprobsResult"] = json!({
        "topCandidates": top.collect::<Vec<_>>(),
        "chosenCandidates": chosen.into_iter().map(candidate_logprob).collect::<Vec<_>>(),
        "logProbabilitySum": sum,
    });
}

/// Gathers answers into one response.
#[derive(Debug, Clone)]
pub struct Collector {
    id: String,
    style: Style,
    candidates: Vec<Outcome>,
}

impl Collector {
    /// For a response with this id and as many candidates.
    #[must_use]
    pub fn new(id: impl Into<String>, style: Style, candidates: usize) -> Self {
        Self { id: id.into(), style, candidates: vec![Outcome::default(); candidates] }
    }

    /// Takes the next event of a candidate in.
    pub fn push(&mut self, candidate: usize, event: &GenerationEvent) {
        if let Some(outcome) = self.candidates.get_mut(candidate) {
            outcome.push(event);
        }
    }

    /// The response.
    ///
    /// # Errors
    /// `Internal` when a candidate has not ended.
    pub fn finish(self) -> Result<Value> {
        let mut usages = Vec::new();
        let mut candidates = Vec::new();
        for (index, outcome) in self.candidates.iter().enumerate() {
            let Some((reason, _, usage)) = &outcome.end else {
                return Err(Error::new(ErrorKind::Internal, "the model's answer broke off without an end"));
            };
            usages.push(*usage);
            candidates.push(whole(index, outcome, *reason, self.style));
        }
        let model = self.candidates.first().map(|o| o.model.as_str()).unwrap_or_default();
        Ok(json!({
            "candidates": candidates,
            "usageMetadata": usage_object(&usages),
            "modelVersion": model,
            "responseId": self.id,
        }))
    }
}

fn whole(index: usize, outcome: &Outcome, reason: FinishReason, style: Style) -> Value {
    let (mut parts, mut cut) = (Vec::new(), None);
    for piece in &outcome.pieces {
        match piece {
            Piece::Reasoning(text) if style.include_thoughts => parts.push(text_part(Part::Reasoning, text)),
            Piece::Reasoning(_) => {}
            Piece::Text(text) => parts.push(text_part(Part::Answer, text)),
            Piece::Call(call) => match call_part(call) {
                Ok(part) => parts.push(part),
                Err(message) => cut = Some(message),
            },
        }
    }
    let mut candidate = json!({
        "content": { "parts": parts, "role": "model" },
        "finishReason": finish_reason(reason, cut.is_some()),
        "index": index,
    });
    if let Some(message) = cut {
        candidate["finishMessage"] = message.into();
    }
    logprobs(&outcome.tokens, &mut candidate);
    candidate
}

/// Turns the events of answers into the responses of a stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    id: String,
    style: Style,
    model: String,
    prompt_tokens: usize,
    /// The call that is being written, by candidate.
    calls: Vec<Option<Call>>,
    usages: Vec<Usage>,
}

impl Encoder {
    /// For a stream with this id and as many candidates.
    #[must_use]
    pub fn new(id: impl Into<String>, style: Style, candidates: usize) -> Self {
        let (calls, usages) = (vec![None; candidates], Vec::new());
        Self { id: id.into(), style, model: String::new(), prompt_tokens: 0, calls, usages }
    }

    /// The stream's responses for the next event of a candidate.
    pub fn push(&mut self, index: usize, event: &GenerationEvent) -> Vec<Value> {
        match event {
            GenerationEvent::Started { model, prompt_tokens, .. } => {
                self.model.clone_from(model);
                self.prompt_tokens = *prompt_tokens;
                Vec::new()
            }
            GenerationEvent::Prefill { .. } => Vec::new(),
            GenerationEvent::Token(token) => {
                let shown = token.part == Part::Answer || self.style.include_thoughts;
                if (token.text.is_empty() || !shown) && token.logprobs.is_empty() {
                    return Vec::new();
                }
                let mut parts = Vec::new();
                if shown && !token.text.is_empty() {
                    parts.push(text_part(token.part, &token.text));
                }
                let mut candidate = json!({ "content": { "parts": parts, "role": "model" }, "index": index });
                logprobs(std::slice::from_ref(token), &mut candidate);
                vec![self.response(candidate)]
            }
            GenerationEvent::ToolCall(delta) => {
                let Some(open) = self.calls.get_mut(index) else { return Vec::new() };
                let mut done = None;
                if let Some(start) = &delta.start {
                    let call =
                        Call { id: start.id.clone(), name: start.name.clone(), arguments: String::new() };
                    done = open.replace(call);
                }
                if let Some(call) = open {
                    call.arguments.push_str(&delta.arguments);
                }
                // The call before was ended by this one, so it is whole.
                done.and_then(|call| call_part(&call).ok()).map(|p| self.part(index, p)).into_iter().collect()
            }
            GenerationEvent::Finished { reason, usage, .. } => self.finish(index, *reason, usage),
        }
    }

    fn finish(&mut self, index: usize, reason: FinishReason, usage: &Usage) -> Vec<Value> {
        self.usages.push(*usage);
        let mut out = Vec::new();
        let mut cut = None;
        if let Some(call) = self.calls.get_mut(index).and_then(Option::take) {
            match call_part(&call) {
                Ok(part) => out.push(self.part(index, part)),
                Err(message) => cut = Some(message),
            }
        }
        let mut candidate = json!({
            "content": { "parts": [{ "text": "" }], "role": "model" },
            "finishReason": finish_reason(reason, cut.is_some()),
            "index": index,
        });
        if let Some(message) = cut {
            candidate["finishMessage"] = message.into();
        }
        let mut last = self.response(candidate);
        last["usageMetadata"] = usage_object(&self.usages);
        out.push(last);
        out
    }

    fn part(&self, index: usize, part: Value) -> Value {
        self.response(json!({ "content": { "parts": [part], "role": "model" }, "index": index }))
    }

    fn response(&self, candidate: Value) -> Value {
        let so_far = Usage { prompt_tokens: self.prompt_tokens, ..Usage::default() };
        json!({
            "candidates": [candidate],
            "usageMetadata": usage_object(&[so_far]),
            "modelVersion": self.model,
            "responseId": self.id,
        })
    }
}
