//! Completion: text in, its continuation out; with a suffix, the text between (fill-in-the-middle).

use crate::{AnswerFormat, EventStream, GenerationEvent, Result, Sampling};
use serde::{Deserialize, Serialize};

/// Anything that continues a text.
pub trait Complete: Send + Sync {
    /// Continues the prompt. With a suffix, fails with `Unsupported` when the model has no fill-in-the-middle tokens.
    fn complete(&self, request: CompleteRequest) -> Result<EventStream<GenerationEvent>>;

    /// Tokens that the request's prompt takes, the suffix and its marks included.
    fn count_tokens(&self, request: &CompleteRequest) -> Result<usize>;
}

/// A request for the continuation of a text.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CompleteRequest {
    /// The text before.
    pub prompt: String,
    /// The text after: asks for what belongs between (fill-in-the-middle).
    pub suffix: Option<String>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// At most this many tokens; `None` generates until the model stops or the context is full.
    pub max_tokens: Option<usize>,
    /// End (without printing it) when the text contains one of these.
    pub stop: Vec<String>,
    /// Report log-probabilities of the chosen token and this many alternatives.
    pub logprobs: Option<usize>,
    /// Send the prompt back in front of the answer.
    pub echo: bool,
    /// The form that the continuation must have.
    pub format: Option<AnswerFormat>,
    /// Who asks: requests of different clients take turns. Empty means nobody in particular.
    pub client: String,
}
