//! An answer as it is sent back: one response, or a stream of responses that each hold what is new. A function call is sent
//! when it is whole.
//!
//! Spec: <https://ai.google.dev/api/generate-content#generatecontentresponse>.

use super::{Style, citations};
use crate::outcome::{Call, Outcome, Piece, likeliest};
use crate::seal;
use parasol_core::{
    Citation, Error, ErrorKind, FinishReason, GenerationEvent, Part, Result, Signature, SignedPart, Signer,
    TokenLogprob, TokenReport, Usage,
};
use serde_json::{Value, json};

/// A part of text.
fn text_part(part: Part, text: &str) -> Value {
    match part {
        Part::Answer | Part::Refusal => json!({ "text": text }),
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
    let (mut parts, mut cut, mut calls) = (Vec::new(), None, 0);
    for (at, piece) in outcome.pieces.iter().enumerate() {
        let sealed = outcome.signatures.iter().find(|(place, _)| *place == Some(at)).map(|(_, seal)| seal);
        match piece {
            Piece::Reasoning(text) if style.include_thoughts => {
                parts.push(signed(text_part(Part::Reasoning, text), sealed));
            }
            // Whoever does not want to read the thoughts has to send their seals back all the same.
            Piece::Reasoning(_) => parts.extend(sealed.map(seal_part)),
            Piece::Text(text) | Piece::Refusal(text) => parts.push(text_part(Part::Answer, text)),
            Piece::Call(call) => {
                let sealed = of_call(outcome.signatures.iter().map(|(_, seal)| seal), calls);
                calls += 1;
                match call_part(call) {
                    Ok(part) => parts.push(signed(part, sealed)),
                    Err(message) => cut = Some(message),
                }
            }
        }
    }
    let rest = outcome.signatures.iter().map(|(_, seal)| seal);
    parts.extend(rest.filter(|seal| stands_alone(seal)).map(seal_part));
    let mut candidate = json!({
        "content": { "parts": parts, "role": "model" },
        "finishReason": finish_reason(reason, cut.is_some()),
        "index": index,
    });
    if let Some(message) = cut {
        candidate["finishMessage"] = message.into();
    }
    logprobs(&outcome.tokens, &mut candidate);
    citations::write(outcome.citations.iter().map(|(_, one)| one), &mut candidate);
    candidate
}

/// A part with its seal.
fn signed(mut part: Value, signature: Option<&Signature>) -> Value {
    if let Some(signature) = signature {
        part["thoughtSignature"] = seal::written(signature, Signer::Google).into();
    }
    part
}

/// A seal without the part that it belongs to.
fn seal_part(signature: &Signature) -> Value {
    let kind = if matches!(signature.part, SignedPart::Thought(_)) { Part::Reasoning } else { Part::Answer };
    signed(text_part(kind, ""), Some(signature))
}

/// Whether a seal has a part of its own, since what it belongs to is no part.
fn stands_alone(signature: &Signature) -> bool {
    matches!(signature.part, SignedPart::Hidden | SignedPart::Answer)
}

fn of_call<'s>(seals: impl IntoIterator<Item = &'s Signature>, index: usize) -> Option<&'s Signature> {
    seals.into_iter().find(|seal| seal.part == SignedPart::Call(index))
}

/// Turns the events of answers into the responses of a stream.
#[derive(Debug, Clone)]
pub struct Encoder {
    id: String,
    style: Style,
    model: String,
    prompt_tokens: usize,
    /// By candidate.
    open: Vec<Open>,
    usages: Vec<Usage>,
}

/// What waits to be sent.
#[derive(Debug, Clone, Default)]
struct Open {
    /// The call that is being written, and its index.
    call: Option<(usize, Call)>,
    seals: Vec<Signature>,
    citations: Vec<Citation>,
}

impl Encoder {
    /// For a stream with this id and as many candidates.
    #[must_use]
    pub fn new(id: impl Into<String>, style: Style, candidates: usize) -> Self {
        let (open, usages) = (vec![Open::default(); candidates], Vec::new());
        Self { id: id.into(), style, model: String::new(), prompt_tokens: 0, open, usages }
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
                let shown = token.part != Part::Reasoning || self.style.include_thoughts;
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
                let Some(open) = self.open.get_mut(index) else { return Vec::new() };
                let mut done = None;
                if let Some(start) = &delta.start {
                    let call =
                        Call { id: start.id.clone(), name: start.name.clone(), arguments: String::new() };
                    done = open.call.replace((delta.index, call));
                }
                if let Some((_, call)) = &mut open.call {
                    call.arguments.push_str(&delta.arguments);
                }
                // The call before was ended by this one, so it is whole.
                let done = done
                    .and_then(|(at, call)| Some(signed(call_part(&call).ok()?, of_call(&open.seals, at))));
                done.map(|part| self.part(index, part)).into_iter().collect()
            }
            GenerationEvent::Signature(signature) => self.sign(index, signature),
            GenerationEvent::Citation(citation) => {
                if let Some(open) = self.open.get_mut(index) {
                    open.citations.push(citation.clone());
                }
                Vec::new()
            }
            // It is told beside the answer.
            GenerationEvent::Ignored { .. } => Vec::new(),
            GenerationEvent::Finished { reason, usage, .. } => self.finish(index, *reason, usage),
        }
    }

    /// A seal on a thought is sent at once; the others wait for what they belong to, or for the end.
    fn sign(&mut self, index: usize, signature: &Signature) -> Vec<Value> {
        if matches!(signature.part, SignedPart::Thought(_)) {
            return vec![self.part(index, seal_part(signature))];
        }
        if let Some(open) = self.open.get_mut(index) {
            open.seals.push(signature.clone());
        }
        Vec::new()
    }

    fn finish(&mut self, index: usize, reason: FinishReason, usage: &Usage) -> Vec<Value> {
        self.usages.push(*usage);
        let mut out = Vec::new();
        let mut cut = None;
        let open = self.open.get_mut(index).map(std::mem::take).unwrap_or_default();
        if let Some((at, call)) = &open.call {
            match call_part(call) {
                Ok(part) => out.push(self.part(index, signed(part, of_call(&open.seals, *at)))),
                Err(message) => cut = Some(message),
            }
        }
        for signature in open.seals.iter().filter(|seal| stands_alone(seal)) {
            out.push(self.part(index, seal_part(signature)));
        }
        let mut candidate = json!({
            "content": { "parts": [{ "text": "" }], "role": "model" },
            "finishReason": finish_reason(reason, cut.is_some()),
            "index": index,
        });
        if let Some(message) = cut {
            candidate["finishMessage"] = message.into();
        }
        citations::write(&open.citations, &mut candidate);
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
