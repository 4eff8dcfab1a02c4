//! What text generation streams back, shared by [`crate::Chat`] and [`crate::Complete`].

use crate::{Citation, Money, Signature};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// One event of a generation, in order: `Started`, any number of `Prefill`, `Token`, `ToolCall` and
/// what providers add, one `Finished`. `Ignored` may come before `Started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum GenerationEvent {
    /// The prompt was accepted.
    Started {
        /// Name of the model that answers.
        model: String,
        /// Tokens in the prompt after the template.
        prompt_tokens: usize,
        /// The seed in use, so that a run can be repeated.
        seed: u64,
    },
    /// Part of the prompt has been computed.
    Prefill {
        /// Prompt tokens computed so far.
        done: usize,
        /// Prompt tokens in all.
        total: usize,
    },
    /// A token was generated. `text` holds whole characters only and may be empty while a character is incomplete
    /// or a stop string may be starting.
    Token(TokenReport),
    /// Part of a call to a tool. Text that makes up a call is not reported as `Token` text.
    ToolCall(ToolCallDelta),
    /// A provider's seal on a part of the answer, to be sent back with it.
    Signature(Signature),
    /// A source of the text that came last.
    Citation(Citation),
    /// Something of the request had no effect, because whoever answers has no way to express it.
    Ignored {
        /// The field of the request, by its name in the vocabulary.
        field: String,
        /// Why.
        why: String,
    },
    /// The answer is complete.
    Finished {
        /// Why it ended.
        reason: FinishReason,
        /// The stop string that was met, if one was.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stop: Option<String>,
        /// What it took.
        usage: Usage,
        /// How long it took.
        timings: Timings,
    },
}

/// A generated token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenReport {
    /// Its id in the model's vocabulary; `None` for text flushed at the end, or from a provider that hides ids.
    pub id: Option<u32>,
    /// The text that became whole with it.
    pub text: String,
    /// Which part of the answer the text belongs to.
    #[serde(default)]
    pub part: Part,
    /// Log-probabilities, when asked for: the chosen token first, then the alternatives from the most likely down.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub logprobs: Vec<TokenLogprob>,
}

/// The parts of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The answer itself.
    #[default]
    Answer,
    /// What the model thinks before it answers.
    Reasoning,
    /// Words by which the model declines to answer, where its provider tells them from an answer.
    Refusal,
}

/// A call to a tool as it is written: the first delta of a call has `start`, each may carry a piece of the arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallDelta {
    /// Which call of this answer, from 0.
    pub index: usize,
    /// The call's id and tool, with its first delta only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<ToolCallStart>,
    /// The next piece of the arguments, which together are the text of a JSON object.
    pub arguments: String,
}

/// What begins a tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToolCallStart {
    /// Identifies the call in the conversation.
    pub id: String,
    /// The tool's name.
    pub name: String,
}

/// The log-probability of one candidate token.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenLogprob {
    /// Token id.
    pub id: u32,
    /// Its bytes (a token may hold part of a character).
    pub bytes: Vec<u8>,
    /// Natural logarithm of its probability before sampling filters.
    pub logprob: f32,
}

/// Why a generation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FinishReason {
    /// The model ended its turn, or a stop string was met.
    Stop,
    /// `max_tokens` or the context was reached.
    Length,
    /// The model asks for tools to be called.
    ToolCalls,
    /// A provider withheld the rest, or the model declined to answer.
    ContentFilter,
}

/// Token counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens in the prompt.
    pub prompt_tokens: usize,
    /// Of these, how many came from a cache.
    pub cached_tokens: usize,
    /// Tokens generated, the end-of-turn token not counted.
    pub generated_tokens: usize,
    /// Of these, how many were thinking.
    #[serde(default)]
    pub reasoning_tokens: usize,
    /// Tokens of the prompt that a provider put into its cache, which some charge for.
    #[serde(default)]
    pub cache_written_tokens: usize,
    /// What it costs, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timings {
    /// From the request to the first token.
    pub first_token: Duration,
    /// Computing the prompt.
    pub prefill: Duration,
    /// Generating, after the first token.
    pub decode: Duration,
}
