//! Embedding: texts in, a vector of each out. Texts that mean the like have vectors that point the same way.

use crate::{Error, ErrorKind, EventStream, Result, Timings, Usage};
use serde::{Deserialize, Serialize};

/// Anything that embeds texts.
pub trait Embed: Send + Sync {
    /// Embeds the texts. Errors before the first vector come from here or as the stream's first item.
    fn embed(&self, request: EmbedRequest) -> Result<EventStream<EmbedEvent>>;
}

/// What is embedded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum EmbedInput {
    /// A text.
    Text(String),
    /// Ids of the tokens of a text, which mean something to their own model only.
    Tokens(Vec<u32>),
}

impl EmbedInput {
    /// Tokens that it cannot exceed: every token of a text is at least one byte of it.
    #[must_use]
    pub fn most_tokens(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Tokens(tokens) => tokens.len(),
        }
    }
}

/// What the vectors are for: many models embed what is searched for and what is searched in differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbedPurpose {
    /// It is searched for.
    Query,
    /// It is searched in.
    Document,
    /// Texts are compared with each other.
    Similarity,
    /// Texts are sorted into given classes.
    Classification,
    /// Texts are grouped by what they have in common.
    Clustering,
    /// It is a question whose answer is searched for.
    Question,
    /// It is a statement for which evidence is searched.
    Claim,
    /// It says what code is searched for.
    CodeQuery,
}

impl EmbedPurpose {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Query,
        Self::Document,
        Self::Similarity,
        Self::Classification,
        Self::Clustering,
        Self::Question,
        Self::Claim,
        Self::CodeQuery,
    ];

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Document => "document",
            Self::Similarity => "similarity",
            Self::Classification => "classification",
            Self::Clustering => "clustering",
            Self::Question => "question",
            Self::Claim => "claim",
            Self::CodeQuery => "code_query",
        }
    }

    /// The purpose of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.name() == name)
    }
}

/// A request for vectors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbedRequest {
    /// What is embedded, in order.
    pub inputs: Vec<EmbedInput>,
    /// What the vectors are for; `None` leaves it to the model.
    pub purpose: Option<EmbedPurpose>,
    /// Values of a vector; `None` leaves it to the model. A shorter vector is the beginning of the whole one.
    pub dimensions: Option<usize>,
    /// What is longer than the model reads is cut behind the last token that fits. Without this it is an error.
    pub truncate: bool,
    /// Who asks.
    pub client: String,
}

impl EmbedRequest {
    /// Texts to embed.
    pub fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        let inputs = texts.into_iter().map(|text| EmbedInput::Text(text.into())).collect();
        Self { inputs, ..Self::default() }
    }

    /// What is wrong with it whoever embeds.
    ///
    /// # Errors
    /// `InvalidRequest` when there is nothing to embed, an input is empty, or a vector is to have no values.
    pub fn check(&self) -> Result<()> {
        let invalid = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        if self.inputs.is_empty() {
            return invalid("input: there is nothing to embed: give at least one text".into());
        }
        if let Some(at) = self.inputs.iter().position(|input| input.most_tokens() == 0) {
            return invalid(format!("input.{at}: is empty, and nothing has no vector: leave it out"));
        }
        if self.dimensions == Some(0) {
            return invalid("dimensions: is 0 and must be at least 1".into());
        }
        Ok(())
    }
}

/// One event of an embedding, in order: `Started`, an `Embedded` for every input in their order, one `Finished`. `Ignored` may
/// come before `Started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum EmbedEvent {
    /// The texts were accepted.
    Started {
        /// Name of the model that embeds.
        model: String,
    },
    /// Something of the request had no effect, because whoever embeds has no way to express it.
    Ignored {
        /// The field of the request, by its name in the vocabulary.
        field: String,
        /// Why.
        why: String,
    },
    /// An input has been embedded.
    Embedded {
        /// Which input, from 0.
        index: usize,
        /// Its vector. Those of models on this machine have a length of 1.
        vector: Vec<f32>,
    },
    /// All have been.
    Finished {
        /// What it took. Where a provider counts no tokens, they are reckoned.
        usage: Usage,
        /// How long it took: to the first vector, and in all as `prefill`.
        timings: Timings,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_cannot_be_embedded_is_refused_by_its_place() {
        EmbedRequest::texts(["a"]).check().unwrap();
        let empty = EmbedRequest {
            inputs: vec![EmbedInput::Text("a".into()), EmbedInput::Tokens(Vec::new())],
            ..EmbedRequest::default()
        };
        for (request, part) in [
            (EmbedRequest::default(), "nothing to embed"),
            (EmbedRequest::texts(["a", ""]), "input.1"),
            (empty, "input.1"),
            (EmbedRequest { dimensions: Some(0), ..EmbedRequest::texts(["a"]) }, "dimensions"),
        ] {
            let error = request.check().unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn purposes_and_inputs_are_read_as_they_are_written() {
        for purpose in EmbedPurpose::ALL {
            assert_eq!(EmbedPurpose::from_name(purpose.name()), Some(purpose));
            assert_eq!(serde_json::to_value(purpose).unwrap(), purpose.name());
        }
        let inputs: Vec<EmbedInput> = serde_json::from_str(r#"["a", [1, 2]]"#).unwrap();
        assert_eq!(inputs, [EmbedInput::Text("a".into()), EmbedInput::Tokens(vec![1, 2])]);
    }
}
