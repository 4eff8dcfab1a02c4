//! Ollama's protocol: generate, chat, and what it says of models. Reference: <https://docs.ollama.com/api>. What is not
//! honoured is refused by name.

pub mod answer;
pub mod models;
mod options;
pub mod request;

use parasol_core::{Error, ErrorKind};
use serde_json::{Value, json};

/// The version of the protocol that is spoken: clients look at it before they use `think`, `format` and tools.
pub const PROTOCOL: &str = "0.12.6";

/// The HTTP status of an error.
pub fn status(kind: &ErrorKind) -> u16 {
    match kind {
        // What a model cannot do is the request's fault in this protocol, and trying again does not help.
        ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. } | ErrorKind::Unsupported => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Denied => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::RateLimited { .. } => 429,
        ErrorKind::Cancelled => 499,
        ErrorKind::Network => 502,
        ErrorKind::Overloaded | ErrorKind::OutOfMemory => 503,
        ErrorKind::Timeout => 504,
        _ => 500,
    }
}

/// The body, also of an error inside a stream.
pub fn error_body(error: &Error) -> Value {
    json!({ "error": error.message() })
}
