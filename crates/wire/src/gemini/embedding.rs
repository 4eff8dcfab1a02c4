//! `models/…:embedContent` and `:batchEmbedContents`: the requests, and their answers. Reference: <https://ai.google.dev/api/embeddings>.

use crate::embedding::task;
use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{EmbedPurpose, EmbedRequest, Error, ErrorKind, Result, Usage};
use serde::Serialize;
use serde_json::Value;

/// More at once are refused here.
const MOST_INPUTS: usize = crate::openai::embeddings::MOST_INPUTS;

/// Embeddings as they were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbedCall {
    /// The request.
    pub request: EmbedRequest,
    /// Many contents at once: the answer is a list.
    pub batch: bool,
}

impl EmbedCall {
    /// Reads the body of `:embedContent`, for the model that the path names.
    ///
    /// # Errors
    /// `InvalidRequest` that names the field, when one is missing, wrong, or not honoured.
    pub fn one(model: &str, body: Value) -> Result<Self> {
        let request = content(model, Fields::new(body, "", Spelling::Protobuf)?)?;
        Ok(Self { request, batch: false })
    }

    /// Reads the body of `:batchEmbedContents`.
    ///
    /// # Errors
    /// As [`Self::one`]; `InvalidRequest` when its requests want different things.
    pub fn batch(model: &str, body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Protobuf)?;
        let Some(requests) = f.objects("requests")? else { return Err(f.wrong("requests", "is required")) };
        f.finish()?;
        if requests.len() > MOST_INPUTS {
            let what = format!("has {}: at most {MOST_INPUTS} are embedded at once", requests.len());
            return Err(invalid("requests", what));
        }
        let mut all: Option<EmbedRequest> = None;
        for (at, request) in requests.into_iter().enumerate() {
            let one = content(model, request)?;
            let Some(all) = &mut all else {
                all = Some(one);
                continue;
            };
            let wants = |it: &EmbedRequest| (it.purpose, it.dimensions, it.truncate);
            if wants(&one) != wants(all) {
                let what =
                    "differs from the first in its task, its dimensions or in being cut: ask for them apart";
                return Err(invalid(format!("requests.{at}"), what));
            }
            all.inputs.extend(one.inputs);
        }
        let request = all.ok_or_else(|| invalid("requests", "is empty: at least one is required"))?;
        Ok(Self { request, batch: true })
    }

    /// The answer's body.
    ///
    /// # Errors
    /// Those of writing JSON, which a vector does not make.
    pub fn answer(&self, vectors: &[Vec<f32>], usage: &Usage) -> Result<Vec<u8>> {
        let count = usage.prompt_tokens;
        let usage_metadata = Counted { prompt_token_count: count, total_token_count: count };
        let written = match (self.batch, vectors) {
            (false, [values]) => serde_json::to_vec(&One { embedding: Values { values }, usage_metadata }),
            _ => {
                let embeddings = vectors.iter().map(|values| Values { values }).collect();
                serde_json::to_vec(&Many { embeddings, usage_metadata })
            }
        };
        written.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))
    }
}

#[derive(Serialize)]
struct Values<'a> {
    values: &'a [f32],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    embedding: Values<'a>,
    usage_metadata: Counted,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Many<'a> {
    embeddings: Vec<Values<'a>>,
    usage_metadata: Counted,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Counted {
    prompt_token_count: usize,
    total_token_count: usize,
}

/// One content and what is wanted of it.
fn content(model: &str, mut f: Fields) -> Result<EmbedRequest> {
    if let Some(named) = f.string("model")?
        && named.strip_prefix("models/").unwrap_or(&named) != model.strip_prefix("models/").unwrap_or(model)
    {
        return Err(f.wrong("model", format_args!("is {named:?} and the path names {model:?}")));
    }
    let Some(mut content) = f.object("content")? else { return Err(f.wrong("content", "is required")) };
    content.string("role")?;
    let Some(parts) = content.objects("parts")? else { return Err(content.wrong("parts", "is required")) };
    let mut texts = Vec::new();
    for mut part in parts {
        let Some(text) = part.string("text")? else {
            return Err(part.wrong("text", "is required: what is no text is not embedded here"));
        };
        part.finish()?;
        texts.push(text);
    }
    content.finish()?;
    let mut request = EmbedRequest::texts([texts.join("\n")]);
    settings(&mut f, &mut request)?;
    // The newer place of the same.
    if let Some(mut config) = f.object("embedContentConfig")? {
        settings(&mut config, &mut request)?;
        request.truncate = config.bool("autoTruncate")?.unwrap_or(false);
        config.finish()?;
    }
    f.finish()?;
    Ok(request)
}

fn settings(f: &mut Fields, request: &mut EmbedRequest) -> Result<()> {
    if let Some(name) = f.string("taskType")?.filter(|name| name != "TASK_TYPE_UNSPECIFIED") {
        let found = EmbedPurpose::ALL.into_iter().find(|purpose| task(*purpose) == name);
        let names = || EmbedPurpose::ALL.map(task).join(", ");
        let purpose = found
            .ok_or_else(|| f.wrong("taskType", format_args!("is {name:?} and must be one of {}", names())))?;
        request.purpose = Some(purpose);
    }
    if let Some(dimensions) = f.count("outputDimensionality", 1)? {
        request.dimensions = Some(dimensions);
    }
    f.refuse("title", "is not taken: write it in front of the text")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::EmbedInput;
    use serde_json::json;

    fn body(text: &str) -> Value {
        json!({ "model": "models/m", "content": { "parts": [{ "text": text }], "role": "user" },
            "task_type": "RETRIEVAL_QUERY", "outputDimensionality": 8 })
    }

    #[test]
    fn one_and_many_are_read() {
        let one = EmbedCall::one("m", body("a")).unwrap();
        let wanted = EmbedRequest {
            purpose: Some(EmbedPurpose::Query),
            dimensions: Some(8),
            ..EmbedRequest::texts(["a"])
        };
        assert_eq!((&one.request, one.batch), (&wanted, false));
        let many = EmbedCall::batch("m", json!({ "requests": [body("a"), body("b")] })).unwrap();
        let both = vec![EmbedInput::Text("a".into()), EmbedInput::Text("b".into())];
        assert_eq!((many.request, many.batch), (EmbedRequest { inputs: both, ..wanted }, true));
        let parts = json!({ "content": { "parts": [{ "text": "a" }, { "text": "b" }] },
            "embedContentConfig": { "autoTruncate": true, "taskType": "CLUSTERING" } });
        let it = EmbedCall::one("m", parts).unwrap().request;
        assert_eq!((it.inputs, it.truncate), (vec![EmbedInput::Text("a\nb".into())], true));
        assert_eq!(it.purpose, Some(EmbedPurpose::Clustering));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |field: &str, value: Value| {
            let mut body = body("a");
            body[field] = value;
            EmbedCall::one("m", body).unwrap_err()
        };
        for (field, value) in [
            ("model", json!("models/other")),
            ("taskType", json!("POETRY")),
            ("outputDimensionality", json!(0)),
            ("title", json!("T")),
            ("content", json!({ "parts": [{ "inlineData": {} }] })),
            ("frobnicate", json!(1)),
        ] {
            let error = with(field, value);
            assert!(error.message().contains(field), "{error}");
        }
        let mut other = body("b");
        other["outputDimensionality"] = json!(16);
        for (body, part) in [
            (json!({ "requests": [body("a"), other] }), "requests.1"),
            (json!({ "requests": [] }), "requests"),
            (json!({}), "requests"),
            (json!({ "requests": vec![body("a"); MOST_INPUTS + 1] }), "2049"),
        ] {
            assert!(EmbedCall::batch("m", body).unwrap_err().message().contains(part), "{part}");
        }
    }

    #[test]
    fn answers_are_what_the_client_reads() {
        let vectors = [vec![0.1f32, -2.0], vec![3.0, 4.0]];
        let usage = Usage { prompt_tokens: 3, ..Usage::default() };
        let many = EmbedCall { batch: true, ..EmbedCall::default() };
        let body = many.answer(&vectors, &usage).unwrap();
        let read = crate::embedding::read(crate::client::Protocol::Gemini, 2, &body).unwrap();
        assert_eq!((&read.vectors[..], read.tokens), (&vectors[..], Some(3)));
        let one: Value =
            serde_json::from_slice(&EmbedCall::default().answer(&vectors[1..], &usage).unwrap()).unwrap();
        assert_eq!(one["embedding"]["values"], json!([3.0, 4.0]));
    }
}
