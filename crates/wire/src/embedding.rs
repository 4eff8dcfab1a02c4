//! Asking a provider to embed texts: what goes out, by protocol, and what comes back. A request here is one of the provider's; how
//! many texts go into one is the caller's to know.
//! References: <https://platform.openai.com/docs/api-reference/embeddings/create>, <https://ai.google.dev/api/embeddings>,
//! <https://ai.google.dev/gemini-api/docs/embeddings> (tasks as prefixes), <https://docs.cohere.com/reference/embed>,
//! <https://docs.mistral.ai/api/endpoint/embeddings>.

use crate::client::{Manner, Protocol, Written, gemini_name};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{EmbedInput, EmbedPurpose, EmbedRequest, Error, ErrorKind, Money, Result};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::{Value, json};

/// The request by which `model` is asked for the vectors of `inputs`, which are some of the request's.
///
/// # Errors
/// `Unsupported` or `InvalidRequest`, naming what the protocol cannot express.
pub fn request(
    protocol: Protocol,
    model: &str,
    inputs: &[EmbedInput],
    request: &EmbedRequest,
    manner: &Manner,
) -> Result<Written> {
    if request.dimensions.is_some() && manner.dimensions_field.is_empty() {
        return Err(unsupported(
            "dimensions: the model's vectors have the one length that they have: leave it out",
        ));
    }
    match protocol {
        Protocol::OpenAi | Protocol::Responses => openai(model, inputs, request, manner),
        Protocol::Gemini => gemini(model, inputs, request, manner),
        Protocol::Cohere => cohere(model, inputs, request),
        Protocol::Anthropic
        | Protocol::ElevenLabs
        | Protocol::Stability
        | Protocol::Bfl
        | Protocol::Runway => {
            Err(unsupported("the protocol of this model's provider has no embeddings: ask another model"))
        }
    }
}

fn unsupported(message: &str) -> Error {
    Error::new(ErrorKind::Unsupported, message)
}

fn openai(model: &str, inputs: &[EmbedInput], request: &EmbedRequest, manner: &Manner) -> Result<Written> {
    let tokens = |input: &&EmbedInput| matches!(input, EmbedInput::Tokens(_));
    let some = inputs.iter().filter(tokens).count();
    if some > 0 && some < inputs.len() {
        return Err(unsupported("input: is texts and token ids, and the protocol takes either"));
    }
    let mut ignored = Vec::new();
    let mut body = json!({ "model": model, "input": inputs, "encoding_format": "float" });
    if let Some(dimensions) = request.dimensions {
        body[&manner.dimensions_field] = dimensions.into();
    }
    match (request.purpose, manner.extended) {
        (Some(purpose), true) => body["input_type"] = purpose.name().into(),
        (Some(_), false) => ignored.push(unheeded("purpose", "the provider embeds every text alike")),
        (None, _) => {}
    }
    match (request.truncate, manner.extended) {
        // As vLLM has it: as many as the model reads.
        (true, true) => body["truncate_prompt_tokens"] = (-1).into(),
        (true, false) => ignored.push(unheeded("truncate", "the provider refuses what is too long")),
        (false, _) => {}
    }
    Ok(Written { path: "embeddings".into(), body, ignored })
}

fn unheeded(field: &str, why: &str) -> (String, String) {
    (field.to_owned(), why.to_owned())
}

/// The texts, where ids of tokens cannot be sent.
fn texts(inputs: &[EmbedInput]) -> Result<Vec<&str>> {
    let texts = inputs.iter().map(|input| match input {
        EmbedInput::Text(text) => Ok(text.as_str()),
        EmbedInput::Tokens(_) => {
            Err(unsupported("input: is token ids, which the model's provider does not take: send the text"))
        }
    });
    texts.collect()
}

fn gemini(model: &str, inputs: &[EmbedInput], request: &EmbedRequest, manner: &Manner) -> Result<Written> {
    let name = gemini_name(model)?;
    let one = |text: &str| {
        let prefix = request.purpose.filter(|_| manner.purpose_prefix).map(prefix).unwrap_or_default();
        let mut one =
            json!({ "model": name, "content": { "parts": [{ "text": format!("{prefix}{text}") }] } });
        if let (Some(purpose), false) = (request.purpose, manner.purpose_prefix) {
            one["taskType"] = task(purpose).into();
        }
        if let Some(dimensions) = request.dimensions {
            one["outputDimensionality"] = dimensions.into();
        }
        one
    };
    let requests: Vec<Value> = texts(inputs)?.into_iter().map(one).collect();
    let cut = unheeded("truncate", "the protocol has no word for it");
    let ignored = request.truncate.then_some(cut).into_iter().collect();
    Ok(Written { path: format!("{name}:batchEmbedContents"), body: json!({ "requests": requests }), ignored })
}

/// Google's word for a purpose.
pub(crate) fn task(purpose: EmbedPurpose) -> &'static str {
    match purpose {
        EmbedPurpose::Query => "RETRIEVAL_QUERY",
        EmbedPurpose::Document => "RETRIEVAL_DOCUMENT",
        EmbedPurpose::Similarity => "SEMANTIC_SIMILARITY",
        EmbedPurpose::Classification => "CLASSIFICATION",
        EmbedPurpose::Clustering => "CLUSTERING",
        EmbedPurpose::Question => "QUESTION_ANSWERING",
        EmbedPurpose::Claim => "FACT_VERIFICATION",
        EmbedPurpose::CodeQuery => "CODE_RETRIEVAL_QUERY",
    }
}

/// What stands before the text where a model of Google's reads its task there, and not in a field.
fn prefix(purpose: EmbedPurpose) -> &'static str {
    match purpose {
        EmbedPurpose::Query => "task: search result | query: ",
        EmbedPurpose::Document => "title: none | text: ",
        EmbedPurpose::Similarity => "task: sentence similarity | query: ",
        EmbedPurpose::Classification => "task: classification | query: ",
        EmbedPurpose::Clustering => "task: clustering | query: ",
        EmbedPurpose::Question => "task: question answering | query: ",
        EmbedPurpose::Claim => "task: fact checking | query: ",
        EmbedPurpose::CodeQuery => "task: code retrieval | query: ",
    }
}

fn cohere(model: &str, inputs: &[EmbedInput], request: &EmbedRequest) -> Result<Written> {
    let kind = match request.purpose {
        // The protocol wants one to be named.
        None | Some(EmbedPurpose::Document) => "search_document",
        Some(
            EmbedPurpose::Query | EmbedPurpose::Question | EmbedPurpose::Claim | EmbedPurpose::CodeQuery,
        ) => "search_query",
        Some(EmbedPurpose::Classification) => "classification",
        Some(EmbedPurpose::Clustering) => "clustering",
        Some(EmbedPurpose::Similarity) => {
            return Err(unsupported(
                "purpose: Cohere has none for similarity: query, document, classification or clustering",
            ));
        }
    };
    let mut body = json!({ "model": model, "texts": texts(inputs)?, "input_type": kind,
        "embedding_types": ["float"], "truncate": if request.truncate { "END" } else { "NONE" } });
    if let Some(dimensions) = request.dimensions {
        body["output_dimension"] = dimensions.into();
    }
    Ok(Written { path: "embed".into(), body, ignored: Vec::new() })
}

/// What a provider answers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Vectors {
    /// A vector for each input, in their order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were read, where that is told.
    pub tokens: Option<usize>,
    /// What it costs, where that is told.
    pub cost: Option<Money>,
}

/// Reads an answer to a request for `count` vectors.
///
/// # Errors
/// `Network` when it is none: another number of vectors, vectors of different lengths, what is no number.
pub fn read(protocol: Protocol, count: usize, body: &[u8]) -> Result<Vectors> {
    let read = match protocol {
        Protocol::Gemini => serde_json::from_slice::<GeminiAnswer>(body).map(GeminiAnswer::vectors),
        Protocol::Cohere => serde_json::from_slice::<CohereAnswer>(body).map(CohereAnswer::vectors),
        _ => serde_json::from_slice::<OpenAiAnswer>(body).map(|answer| answer.vectors(count)),
    };
    let wrong = |what: String| Error::new(ErrorKind::Network, what);
    let read = read.map_err(|e| wrong(format!("it answered with what are no embeddings: {e}")))?;
    if read.vectors.len() != count {
        return Err(wrong(format!("it sent {} vectors where {count} were due", read.vectors.len())));
    }
    let length = read.vectors.first().map_or(0, Vec::len);
    let odd = |(_, vector): &(usize, &Vec<f32>)| vector.len() != length || vector.is_empty();
    if let Some((at, vector)) = read.vectors.iter().enumerate().find(odd) {
        let message = format!("its vector {at} has {} values and the first {length}", vector.len());
        return Err(wrong(message));
    }
    match read.vectors.iter().position(|vector| vector.iter().any(|value| !value.is_finite())) {
        Some(at) => Err(wrong(format!("its vector {at} holds what is no number"))),
        None => Ok(read),
    }
}

/// A vector as numbers, or as base64 of them, 32 bits each, the lowest byte first.
#[derive(Debug, Default)]
struct Vector(Vec<f32>);

impl<'de> Deserialize<'de> for Vector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Values;
        impl<'de> Visitor<'de> for Values {
            type Value = Vector;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list of numbers, or base64")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> std::result::Result<Vector, A::Error> {
                let mut values = Vec::new();
                while let Some(value) = seq.next_element()? {
                    values.push(value);
                }
                Ok(Vector(values))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> std::result::Result<Vector, E> {
                let bytes = STANDARD.decode(text).map_err(E::custom)?;
                let (numbers, rest) = bytes.as_chunks::<4>();
                match rest {
                    [] => Ok(Vector(numbers.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())),
                    _ => Err(E::custom(format!("{} bytes are no numbers of 32 bits", bytes.len()))),
                }
            }
        }
        deserializer.deserialize_any(Values)
    }
}

#[derive(Debug, serde::Deserialize)]
struct OpenAiAnswer {
    data: Vec<OpenAiItem>,
    #[serde(default)]
    usage: Option<OpenAiUsage>,
}

#[derive(Debug, serde::Deserialize)]
struct OpenAiItem {
    #[serde(default)]
    index: Option<usize>,
    embedding: Vector,
}

#[derive(Debug, serde::Deserialize)]
struct OpenAiUsage {
    #[serde(default)]
    prompt_tokens: Option<usize>,
    #[serde(default)]
    total_tokens: Option<usize>,
    #[serde(default)]
    cost: Option<f64>,
}

impl OpenAiAnswer {
    /// In the order that the items name. Where each is not there once, the numbers will not fit.
    fn vectors(self, count: usize) -> Vectors {
        let mut places: Vec<Option<Vec<f32>>> = Vec::new();
        places.resize_with(count.min(self.data.len()), || None);
        for (at, item) in self.data.into_iter().enumerate() {
            match places.get_mut(item.index.unwrap_or(at)) {
                Some(place @ None) => *place = Some(item.embedding.0),
                _ => return Vectors::default(),
            }
        }
        let usage = self.usage;
        Vectors {
            vectors: places.into_iter().flatten().collect(),
            tokens: usage.as_ref().and_then(|usage| usage.prompt_tokens.or(usage.total_tokens)),
            cost: usage.and_then(|usage| usage.cost).filter(|cost| *cost >= 0.0).map(Money::dollars),
        }
    }
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiAnswer {
    embeddings: Vec<GeminiVector>,
    #[serde(default)]
    usage_metadata: Option<GeminiUsage>,
}

#[derive(Debug, serde::Deserialize)]
struct GeminiVector {
    #[serde(default)]
    values: Vector,
}

#[derive(Debug, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct GeminiUsage {
    #[serde(default)]
    prompt_token_count: Option<usize>,
}

impl GeminiAnswer {
    fn vectors(self) -> Vectors {
        Vectors {
            vectors: self.embeddings.into_iter().map(|it| it.values.0).collect(),
            tokens: self.usage_metadata.and_then(|usage| usage.prompt_token_count),
            cost: None,
        }
    }
}

#[derive(Debug, serde::Deserialize)]
struct CohereAnswer {
    embeddings: CohereVectors,
    #[serde(default)]
    meta: Value,
}

#[derive(Debug, serde::Deserialize)]
struct CohereVectors {
    float: Vec<Vector>,
}

impl CohereAnswer {
    fn vectors(self) -> Vectors {
        let tokens = self.meta["billed_units"]["input_tokens"].as_f64();
        Vectors {
            vectors: self.embeddings.float.into_iter().map(|vector| vector.0).collect(),
            // The cast saturates.
            tokens: tokens.filter(|tokens| *tokens >= 0.0).map(|tokens| tokens as usize),
            cost: None,
        }
    }
}

#[cfg(test)]
#[path = "embedding_tests.rs"]
mod tests;
