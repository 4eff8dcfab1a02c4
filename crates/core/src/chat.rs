//! Chat: a conversation in, the next message out.

use crate::{
    AnswerFormat, Attachment, CacheHint, Effort, EventStream, GenerationEvent, Result, Sampling, Signature,
};
use serde::{Deserialize, Serialize};

/// Anything that continues a conversation: a local model or a remote provider.
pub trait Chat: Send + Sync {
    /// Answers the conversation. Errors before the first token come from here or as the stream's first item.
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>>;

    /// Tokens that the request's prompt takes: its messages and tools, written as the model reads them.
    fn count_tokens(&self, request: &ChatRequest) -> Result<usize>;
}

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions from the application.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
    /// The result of a tool call.
    Tool,
}

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub content: String,
    /// For an assistant message: what it thought before it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<String>,
    /// Tools that an assistant message calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<ToolCall>,
    /// For a tool message: the call that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// For a tool message: the tool's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Pictures, sounds, films and documents within the text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// For an assistant message: the provider's seals on its parts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<Signature>,
    /// The prompt up to and with this message will be used again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<CacheHint>,
}

impl Message {
    /// A plain message.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        Self {
            role,
            content: content.into(),
            reasoning: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            name: None,
            attachments: Vec::new(),
            signatures: Vec::new(),
            cache: None,
        }
    }
}

/// A call to a tool, as the model wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Identifies the call in the conversation.
    pub id: String,
    /// The tool's name.
    pub name: String,
    /// Its arguments: a JSON object.
    pub arguments: serde_json::Value,
}

/// A tool that the model may call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name.
    pub name: String,
    /// What it does, for the model to read.
    pub description: String,
    /// JSON Schema of its arguments.
    pub parameters: serde_json::Value,
}

/// Which tools the model may or must call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool is called.
    None,
    /// At least one tool is called, whichever.
    Required,
    /// The tool of this name is called.
    Named(String),
}

/// Whether a model that can think before it answers does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reasoning {
    /// It answers at once.
    Off,
    /// It thinks first.
    On,
}

/// A request for the next message of a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// The conversation so far.
    pub messages: Vec<Message>,
    /// Tools on offer.
    pub tools: Vec<ToolSpec>,
    /// The tools will be offered again: their provider may keep them computed.
    pub tools_cache: Option<CacheHint>,
    /// Which of them may or must be called.
    pub tool_choice: ToolChoice,
    /// Whether several tools may be called in one answer; `None` leaves it to the model.
    pub parallel_tool_calls: Option<bool>,
    /// The form that the answer must have.
    pub format: Option<AnswerFormat>,
    /// Whether the model thinks before it answers; `None` leaves it to the model's template.
    pub reasoning: Option<Reasoning>,
    /// How hard it thinks, where it can be told; `None` leaves it to the model.
    pub effort: Option<Effort>,
    /// The most tokens that it thinks, where that can be limited.
    pub thinking_tokens: Option<usize>,
    /// Extra variables for the chat template (for example `enable_thinking`).
    pub template_arguments: serde_json::Map<String, serde_json::Value>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// At most this many tokens; `None` generates until the model stops or the context is full.
    pub max_tokens: Option<usize>,
    /// End (without printing it) when the text contains one of these.
    pub stop: Vec<String>,
    /// Report log-probabilities of the chosen token and this many alternatives.
    pub logprobs: Option<usize>,
    /// Who asks: requests of different clients take turns. Empty means nobody in particular.
    pub client: String,
}
