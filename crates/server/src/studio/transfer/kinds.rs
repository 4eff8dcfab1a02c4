//! A conversation and its messages as they stand in an export.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Conversation {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) folder: Option<String>,
    pub(crate) pinned: bool,
    pub(crate) created: String,
    pub(crate) updated: String,
    pub(crate) model: Option<String>,
    pub(crate) system: Option<String>,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) head: Option<String>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) parent: Option<String>,
    pub(crate) role: MessageRole,
    pub(crate) content: String,
    pub(crate) reasoning: Option<String>,
    pub(crate) tool_calls: Vec<ToolCall>,
    pub(crate) model: Option<String>,
    pub(crate) created: String,
    pub(crate) state: MessageState,
    pub(crate) error: Option<String>,
    pub(crate) finish_reason: Option<String>,
    pub(crate) usage: Option<Value>,
    pub(crate) timings: Option<Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct ToolCall {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) arguments: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageRole {
    User,
    Assistant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum MessageState {
    Complete,
    Running,
    Stopped,
    Interrupted,
    Failed,
}
