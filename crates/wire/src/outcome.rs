//! A whole answer gathered from its events, for protocols that send it in one piece. How it is written is each protocol's.

use parasol_core::{
    Citation, FinishReason, GenerationEvent, Part, Signature, SignedPart, TokenLogprob, TokenReport,
    ToolCall, ToolCallDelta, Usage,
};
use serde_json::Value;

/// A piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    /// What was thought.
    Reasoning(String),
    /// What was said.
    Text(String),
    /// What was said to decline.
    Refusal(String),
    /// A tool that is called, as far as its arguments came.
    Call(Call),
}

/// A call to a tool whose arguments may still be incomplete.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// Its id in the conversation.
    pub(crate) id: String,
    /// The tool.
    pub(crate) name: String,
    /// The text of its arguments.
    pub(crate) arguments: String,
}

impl Call {
    /// The arguments as an object; `Err` with their text when they are none, because the answer was cut.
    pub(crate) fn object(&self) -> Result<Value, &str> {
        match self.arguments.trim() {
            "" => Ok(Value::Object(serde_json::Map::new())),
            text => serde_json::from_str::<Value>(text).ok().filter(Value::is_object).ok_or(text),
        }
    }
}

/// The likeliest tokens at a token's place, as many as were asked for. The chosen one is listed where it ranks among them, as
/// protocols want; where a provider has listed it already, its list stays.
pub(crate) fn likeliest(token: &TokenReport) -> Vec<&TokenLogprob> {
    let Some((chosen, rest)) = token.logprobs.split_first() else { return Vec::new() };
    let mut top: Vec<&TokenLogprob> = rest.iter().collect();
    if !top.iter().any(|one| one.id == chosen.id && one.bytes == chosen.bytes) {
        let rank = top.partition_point(|one| one.logprob > chosen.logprob);
        top.insert(rank, chosen);
        top.truncate(rest.len());
    }
    top
}

/// An answer so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// The model that answers.
    pub(crate) model: String,
    /// Its pieces in order.
    pub(crate) pieces: Vec<Piece>,
    /// Providers' seals; that on a thought with the place of its piece.
    pub(crate) signatures: Vec<(Option<usize>, Signature)>,
    /// Sources, with the place of the piece that rests on them.
    pub(crate) citations: Vec<(usize, Citation)>,
    /// Tokens with log-probabilities.
    pub(crate) tokens: Vec<TokenReport>,
    /// Why it ended, the stop string that was met, what it took.
    pub(crate) end: Option<(FinishReason, Option<String>, Usage)>,
}

impl Outcome {
    /// Takes the next event in.
    pub(crate) fn push(&mut self, event: &GenerationEvent) {
        match event {
            GenerationEvent::Started { model, .. } => self.model.clone_from(model),
            // What was ignored is told beside the answer.
            GenerationEvent::Prefill { .. } | GenerationEvent::Ignored { .. } => {}
            GenerationEvent::Signature(signature) => self.sign(signature),
            GenerationEvent::Citation(citation) => {
                let text = self.pieces.iter().rposition(|piece| matches!(piece, Piece::Text(_)));
                self.citations.push((text.unwrap_or(0), citation.clone()));
            }
            GenerationEvent::Token(token) => {
                self.text(token.part, &token.text);
                if !token.logprobs.is_empty() {
                    self.tokens.push(token.clone());
                }
            }
            GenerationEvent::ToolCall(delta) => self.call(delta),
            GenerationEvent::Finished { reason, stop, usage, .. } => {
                self.end = Some((*reason, stop.clone(), *usage));
            }
        }
    }

    fn sign(&mut self, signature: &Signature) {
        let piece = match &signature.part {
            SignedPart::Thought(_) => {
                // Thinking may be sealed without being shown.
                if !matches!(self.pieces.last(), Some(Piece::Reasoning(_))) || self.is_sealed() {
                    self.pieces.push(Piece::Reasoning(String::new()));
                }
                self.pieces.len().checked_sub(1)
            }
            _ => None,
        };
        self.signatures.push((piece, signature.clone()));
    }

    /// Whether the last piece is a thought that nothing is added to any more.
    fn is_sealed(&self) -> bool {
        let last = self.pieces.len().checked_sub(1);
        last.is_some() && self.signatures.iter().any(|(piece, _)| *piece == last)
    }

    fn text(&mut self, part: Part, text: &str) {
        if text.is_empty() {
            return;
        }
        let sealed = self.is_sealed();
        match (part, self.pieces.last_mut().filter(|_| !sealed)) {
            (Part::Answer, Some(Piece::Text(so_far)))
            | (Part::Reasoning, Some(Piece::Reasoning(so_far)))
            | (Part::Refusal, Some(Piece::Refusal(so_far))) => so_far.push_str(text),
            (Part::Answer, _) => self.pieces.push(Piece::Text(text.to_owned())),
            (Part::Reasoning, _) => self.pieces.push(Piece::Reasoning(text.to_owned())),
            (Part::Refusal, _) => self.pieces.push(Piece::Refusal(text.to_owned())),
        }
    }

    fn call(&mut self, delta: &ToolCallDelta) {
        if let Some(start) = &delta.start {
            let call = Call { id: start.id.clone(), name: start.name.clone(), arguments: String::new() };
            self.pieces.push(Piece::Call(call));
        }
        let calls = self.pieces.iter_mut().filter_map(|p| match p {
            Piece::Call(call) => Some(call),
            _ => None,
        });
        if let Some(call) = calls.into_iter().nth(delta.index) {
            call.arguments.push_str(&delta.arguments);
        }
    }

    /// Whether tools are called.
    pub(crate) fn calls_tools(&self) -> bool {
        self.pieces.iter().any(|p| matches!(p, Piece::Call(_)))
    }
}

/// The events of a whole call, for providers that send calls in one piece.
pub(crate) fn call_event(index: usize, call: &ToolCall) -> GenerationEvent {
    GenerationEvent::ToolCall(ToolCallDelta {
        index,
        start: Some(parasol_core::ToolCallStart { id: call.id.clone(), name: call.name.clone() }),
        arguments: call.arguments.to_string(),
    })
}

/// Text of an answer from a provider that reports no token ids.
pub(crate) fn text_event(part: Part, text: impl Into<String>) -> GenerationEvent {
    GenerationEvent::Token(TokenReport { id: None, text: text.into(), part, logprobs: Vec::new() })
}
