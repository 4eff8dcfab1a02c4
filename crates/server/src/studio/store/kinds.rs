//! What is kept: conversations, messages and how answers are asked for, in the shapes in which the page sees them.

use crate::keys::random_hex;
use parasol_core::{Error, ErrorKind, FinishReason, Reasoning, Result, SamplingChoice};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// The longest title and name of a folder, in characters.
pub(crate) const LONGEST_TITLE: usize = 200;

/// What a conversation is called in which nothing was said yet, and to which nobody gave a title.
pub(crate) const UNTITLED: &str = "New conversation";

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    /// Empty until somebody gives one or something is said; told as words that say so.
    #[serde(serialize_with = "titled")]
    #[schemars(with = "String")]
    pub(crate) title: String,
    pub(crate) folder: Option<String>,
    /// Whether it stands above the others.
    pub(crate) pinned: bool,
    pub(crate) created: String,
    /// When something was last said in it.
    pub(crate) updated: String,
    /// Which model is asked; null is the server's default.
    pub(crate) model: Option<String>,
    /// The system prompt.
    pub(crate) system: Option<String>,
    pub(crate) parameters: Parameters,
    /// The id of the message that the shown branch ends with.
    pub(crate) head: Option<String>,
}

impl Conversation {
    /// The title, or words that stand for one.
    pub(crate) fn shown_title(&self) -> &str {
        if self.title.is_empty() { UNTITLED } else { &self.title }
    }
}

fn titled<S: Serializer>(title: &str, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.serialize_str(if title.is_empty() { UNTITLED } else { title })
}

/// How answers are asked for. What is left out is what is recommended for the model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Parameters {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_k: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) min_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) repetition_penalty: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<ReasoningChoice>,
    /// Texts that end the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stop: Option<Vec<String>>,
}

/// Whether a model that can think does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReasoningChoice {
    On,
    Off,
}

/// A message. Messages are a tree by `parent`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) role: MessageRole,
    pub(crate) content: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    /// Which model wrote it.
    pub(crate) model: Option<String>,
    pub(crate) created: String,
    pub(crate) state: MessageState,
    /// What went wrong.
    pub(crate) error: Option<String>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Option<AnswerUsage>,
    pub(crate) timings: Option<AnswerTimings>,
}

/// A tool that a model wants to be called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON, as the model wrote it.
    pub(crate) arguments: String,
}

/// Who says something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageRole {
    User,
    Assistant,
}

/// How far a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageState {
    Complete,
    /// It is being written.
    Running,
    /// Somebody stopped it.
    Stopped,
    /// The server ended before it did.
    Interrupted,
    Failed,
}

/// Tokens that an answer took, and what they cost.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AnswerUsage {
    pub(crate) prompt_tokens: usize,
    /// Of the prompt, those that were known from before.
    pub(crate) cached_tokens: usize,
    pub(crate) generated_tokens: usize,
    pub(crate) reasoning_tokens: usize,
    /// What a provider charges for it, in US dollars, where its price is known.
    #[serde(default)]
    pub(crate) cost_usd: Option<f64>,
}

/// Time that an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct AnswerTimings {
    pub(crate) first_token_ms: f64,
    pub(crate) prefill_ms: f64,
    pub(crate) decode_ms: f64,
}

impl Message {
    /// What `role` says after `parent`, with an id of its own.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub(crate) fn new(role: MessageRole, parent: Option<String>, content: String) -> Result<Self> {
        Ok(Self {
            id: random_hex::<16>()?,
            parent,
            role,
            content,
            reasoning: None,
            tool_calls: Vec::new(),
            model: None,
            created: super::now(),
            state: MessageState::Complete,
            error: None,
            finish_reason: None,
            usage: None,
            timings: None,
        })
    }
}

impl Parameters {
    /// Refuses what no sampler can do.
    ///
    /// # Errors
    /// `InvalidRequest` naming the parameter, its value and its bounds.
    pub(crate) fn check(&self) -> Result<()> {
        let bounds = [
            ("temperature", self.temperature, 0.0, 10.0),
            ("top_p", self.top_p, 0.0, 1.0),
            ("min_p", self.min_p, 0.0, 1.0),
            ("repetition_penalty", self.repetition_penalty, 0.01, 10.0),
        ];
        for (name, value, least, most) in bounds {
            if let Some(value) = value.filter(|v| !(least..=most).contains(v)) {
                let says = format!("parameters.{name} is {value} and must be between {least} and {most}");
                return Err(Error::new(ErrorKind::InvalidRequest, says));
            }
        }
        if self.max_tokens == Some(0) {
            return Err(Error::new(
                ErrorKind::InvalidRequest,
                "parameters.max_tokens is 0 and must be at least 1",
            ));
        }
        if let Some(stop) =
            self.stop.as_ref().filter(|stop| stop.len() > 16 || stop.iter().any(String::is_empty))
        {
            let says = format!("parameters.stop has {} texts: at most 16 and none of them empty", stop.len());
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        Ok(())
    }

    /// What is chosen of the sampling.
    pub(crate) fn sampling(&self) -> SamplingChoice {
        SamplingChoice {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            repetition_penalty: self.repetition_penalty,
            ..SamplingChoice::default()
        }
    }

    /// Whether the model thinks.
    pub(crate) fn thinks(&self) -> Option<Reasoning> {
        self.reasoning.map(|choice| match choice {
            ReasoningChoice::On => Reasoning::On,
            ReasoningChoice::Off => Reasoning::Off,
        })
    }
}

/// The word for why an answer ended.
pub(crate) fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter => "content_filter",
    }
}
