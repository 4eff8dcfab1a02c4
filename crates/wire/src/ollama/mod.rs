//! Ollama's protocol: generate, chat, embed, and what it says of models. Reference: <https://docs.ollama.com/api>. What is not
//! honoured is refused by name.

pub mod answer;
pub mod embedding;
pub mod models;
mod options;
pub mod request;

use parasol_core::Error;
use serde_json::{Value, json};

/// The version of the protocol that is spoken: clients look at it before they use `think`, `format` and tools.
pub const PROTOCOL: &str = "0.12.6";

/// The HTTP status of an error: the same as in OpenAI's protocol. What a model cannot do is the request's fault, and trying
/// again does not help.
pub use crate::openai::error::status;

/// The body, also of an error inside a stream.
pub fn error_body(error: &Error) -> Value {
    json!({ "error": error.message() })
}
