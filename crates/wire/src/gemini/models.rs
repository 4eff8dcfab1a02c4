//! Models as `GET /v1beta/models` lists them.
//!
//! Spec: <https://ai.google.dev/api/models>.

use crate::fields::invalid;
use parasol_core::{Result, SamplingChoice};
use serde_json::{Value, json};

/// A model as clients are told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// What to ask for, without `models/`.
    pub name: String,
    /// Its name for people.
    pub display_name: String,
    /// What it is, in a sentence.
    pub description: String,
    /// Tokens that its context holds.
    pub context: Option<usize>,
    /// Whether it can think before it answers.
    pub thinking: bool,
    /// The sampling that is recommended for it.
    pub recommended: SamplingChoice,
}

impl Model {
    /// The object of one model.
    #[must_use]
    pub fn object(&self) -> Value {
        let mut object = json!({
            "name": format!("models/{}", self.name),
            "baseModelId": self.name,
            "version": "1",
            "displayName": self.display_name,
            "description": self.description,
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            "thinking": self.thinking,
            "maxTemperature": 2,
        });
        let limits = [("inputTokenLimit", self.context), ("outputTokenLimit", self.context)];
        for (name, value) in limits.into_iter().chain([("topK", self.recommended.top_k)]) {
            if let Some(value) = value {
                object[name] = value.into();
            }
        }
        for (name, value) in [("temperature", self.recommended.temperature), ("topP", self.recommended.top_p)]
        {
            if let Some(value) = value {
                object[name] = json!(value);
            }
        }
        object
    }
}

/// A page of the list: `pageSize` (50 unless told otherwise) models from `pageToken` on.
///
/// # Errors
/// `InvalidRequest` that names a parameter that is wrong or not known.
pub fn page<'a>(models: &[Model], query: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Value> {
    let (mut size, mut from) = (50, 0);
    for (name, value) in query {
        match name {
            "pageSize" | "page_size" => match value.parse() {
                Ok(n @ 1..) => size = std::cmp::min(n, 1000),
                _ => return Err(invalid(name, "must be a whole number of at least 1")),
            },
            "pageToken" | "page_token" if value.is_empty() => {}
            "pageToken" | "page_token" => match value.parse::<usize>() {
                Ok(n) if n < models.len() => from = n,
                _ => return Err(invalid(name, "is none that this list gave")),
            },
            // The key is the door's; the others only say how to write the answer.
            "key" | "alt" | "prettyPrint" | "$alt" => {}
            other => return Err(invalid(other, "is not a parameter that Parasol honours: leave it out")),
        }
    }
    let to = models.len().min(from.saturating_add(size));
    let page = models.get(from..to).unwrap_or_default();
    let mut list = json!({ "models": page.iter().map(Model::object).collect::<Vec<_>>() });
    if to < models.len() {
        list["nextPageToken"] = to.to_string().into();
    }
    Ok(list)
}

/// The answer of `:countTokens`.
#[must_use]
pub fn token_count(tokens: usize) -> Value {
    json!({ "totalTokens": tokens, "promptTokensDetails": [{ "modality": "TEXT", "tokenCount": tokens }] })
}
