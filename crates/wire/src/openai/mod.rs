//! OpenAI's protocol: chat completions, completions, responses and models, and calling a provider that speaks it.
//! Reference: <https://platform.openai.com/docs/api-reference>. What is not honoured is refused by name.

pub mod chat;
mod citations;
pub mod client;
pub mod completions;
mod content;
pub(crate) mod drawing;
pub mod embeddings;
pub mod encode;
pub mod error;
pub(crate) mod filming;
pub(crate) mod hearing;
pub mod images;
pub mod logprobs;
mod message;
pub mod models;
mod options;
pub mod realtime;
pub mod responses;
mod seals;
mod settings;
pub mod speech;
mod tools;
pub mod transcription;
pub mod videos;
pub mod voices;

pub(crate) use content::{uncited, unmarked};
pub use settings::Settings;
pub(crate) use tools::unmarked as unmarked_tools;

/// Takes `tools`, which other protocols write as this one does.
pub(crate) fn read_tools(f: &mut crate::fields::Fields) -> parasol_core::Result<Vec<parasol_core::ToolSpec>> {
    tools::take(f, false)
}
