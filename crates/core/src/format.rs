//! The form that an answer must have, kept token by token by a grammar.

use serde::{Deserialize, Serialize};

/// What every text that ends by itself is guaranteed to match. An answer that its length cut is reported as such.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum AnswerFormat {
    /// Any JSON object.
    JsonObject,
    /// JSON that this schema accepts.
    JsonSchema {
        /// JSON Schema, draft 2020-12.
        schema: serde_json::Value,
    },
    /// A text that this regular expression matches as a whole.
    Regex {
        /// Rust syntax, without look-around.
        pattern: String,
    },
    /// A text of this grammar.
    Lark {
        /// Lark syntax as `llguidance` reads it.
        grammar: String,
    },
}
