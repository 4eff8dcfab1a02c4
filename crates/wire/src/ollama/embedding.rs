//! `POST /api/embed` and the older `/api/embeddings`: the requests, and their answers. Reference: <https://docs.ollama.com/api/embed>.

use super::answer::nanoseconds;
use super::options::{self, KeepAlive, Options};
use crate::fields::string;
use crate::trace;
use parasol_core::{EmbedInput, EmbedRequest, Error, ErrorKind, Result, Usage};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;

/// More at once are refused here.
const MOST_INPUTS: usize = crate::openai::embeddings::MOST_INPUTS;

/// Embeddings as they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbedCall {
    /// The model asked for.
    pub model: String,
    /// The request.
    pub request: EmbedRequest,
    /// How long the model is to stay loaded.
    pub keep_alive: Option<KeepAlive>,
    /// Tokens that the context has to hold at least.
    pub context: Option<usize>,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
    /// The answer is one vector, as `/api/embeddings` has it.
    alone: bool,
}

impl EmbedCall {
    /// Reads a request to `/api/embed`. What does not fit is cut where that is asked for; where nothing is said it is an error,
    /// since nobody would learn of it.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn embed(body: Value) -> Result<Self> {
        let mut f = options::body(body)?;
        let (model, keep_alive) = (options::model(&mut f)?, options::keep_alive(&mut f)?);
        let mut noted = Vec::new();
        let context = context(Options::take(&mut f, &mut noted)?, &mut noted);
        let text = json!({ "type": "string" });
        let texts = json!({ "type": "array", "minItems": 1, "maxItems": MOST_INPUTS, "items": text });
        trace::asked(|| f.at("input"), || json!({ "anyOf": [text, texts] }));
        let inputs = match f.need("input")? {
            Value::String(text) => vec![EmbedInput::Text(text)],
            Value::Array(list) if list.len() > MOST_INPUTS => {
                let what = format!("has {} texts: at most {MOST_INPUTS} are embedded at once", list.len());
                return Err(f.wrong("input", what));
            }
            Value::Array(list) => {
                let text = |(at, value)| string(value, &format!("input.{at}")).map(EmbedInput::Text);
                list.into_iter().enumerate().map(text).collect::<Result<_>>()?
            }
            _ => return Err(f.wrong("input", "must be a text or a list of texts")),
        };
        let request = EmbedRequest {
            inputs,
            dimensions: f.count("dimensions", 1)?,
            truncate: f.bool("truncate")?.unwrap_or(false),
            ..EmbedRequest::default()
        };
        f.finish()?;
        Ok(Self { model, request, keep_alive, context, noted, alone: false })
    }

    /// Reads a request to `/api/embeddings`.
    ///
    /// # Errors
    /// As [`Self::embed`].
    pub fn embeddings(body: Value) -> Result<Self> {
        let mut f = options::body(body)?;
        let (model, keep_alive) = (options::model(&mut f)?, options::keep_alive(&mut f)?);
        let mut noted = Vec::new();
        let context = context(Options::take(&mut f, &mut noted)?, &mut noted);
        let request = EmbedRequest::texts([f.need_string("prompt")?]);
        f.finish()?;
        Ok(Self { model, request, keep_alive, context, noted, alone: true })
    }

    /// What is wrong with the request for a model whose context holds so much.
    ///
    /// # Errors
    /// `InvalidRequest` for a larger `num_ctx`.
    pub fn fits(&self, context: Option<usize>) -> Result<()> {
        Options::fits(self.context, context)
    }

    /// The answer's body.
    ///
    /// # Errors
    /// Those of writing JSON, which a vector does not make.
    pub fn answer(
        &self,
        vectors: &[Vec<f32>],
        usage: &Usage,
        loading: Duration,
        total: Duration,
    ) -> Result<Vec<u8>> {
        let written = match (self.alone, vectors) {
            (true, [embedding]) => serde_json::to_vec(&One { embedding }),
            _ => serde_json::to_vec(&Many {
                model: &self.model,
                embeddings: vectors,
                total_duration: nanoseconds(total),
                load_duration: nanoseconds(loading),
                prompt_eval_count: usage.prompt_tokens,
            }),
        };
        written.map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))
    }
}

/// What options mean for an embedding: the context alone.
fn context(options: Options, noted: &mut Vec<String>) -> Option<usize> {
    let context = options.context;
    if options != (Options { context, ..Options::default() }) {
        noted.push("options".into());
    }
    context
}

#[derive(Serialize)]
struct One<'a> {
    embedding: &'a [f32],
}

#[derive(Serialize)]
struct Many<'a> {
    model: &'a str,
    embeddings: &'a [Vec<f32>],
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: usize,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_requests_are_read() {
        let call =
            EmbedCall::embed(json!({ "model": "m", "input": ["a", "b"], "dimensions": 8, "truncate": true,
            "keep_alive": "5m", "options": { "num_ctx": 64, "temperature": 0.5 } }))
            .unwrap();
        let wanted = EmbedRequest { dimensions: Some(8), truncate: true, ..EmbedRequest::texts(["a", "b"]) };
        assert_eq!((&call.request, call.noted.as_slice()), (&wanted, &["options".to_owned()][..]));
        assert!(call.fits(Some(64)).is_ok() && call.fits(None).is_ok());
        assert!(call.fits(Some(63)).unwrap_err().message().contains("num_ctx"));
        let call = EmbedCall::embeddings(json!({ "model": "m", "prompt": "a" })).unwrap();
        assert_eq!((call.request, call.alone), (EmbedRequest::texts(["a"]), true));
        for (body, part) in [
            (json!({ "model": "m" }), "input"),
            (json!({ "model": "m", "input": [1] }), "input.0"),
            (json!({ "model": "m", "input": vec!["a"; 2049] }), "2049"),
            (json!({ "model": "m", "input": "a", "dimensions": 0 }), "dimensions"),
            (json!({ "model": "m", "input": "a", "frobnicate": 0 }), "frobnicate"),
            (json!({ "input": "a" }), "model"),
        ] {
            assert!(EmbedCall::embed(body).unwrap_err().message().contains(part), "{part}");
        }
    }

    #[test]
    fn answers_have_the_shape_of_their_request() {
        let usage = Usage { prompt_tokens: 3, ..Usage::default() };
        let vectors = [vec![0.5f32, 1.0]];
        let of = |call: EmbedCall| {
            let body =
                call.answer(&vectors, &usage, Duration::from_nanos(5), Duration::from_nanos(9)).unwrap();
            serde_json::from_slice::<Value>(&body).unwrap()
        };
        let embed = of(EmbedCall::embed(json!({ "model": "m", "input": "a" })).unwrap());
        assert_eq!(
            embed,
            json!({ "model": "m", "embeddings": [[0.5, 1.0]], "total_duration": 9, "load_duration": 5,
            "prompt_eval_count": 3 })
        );
        let older = of(EmbedCall::embeddings(json!({ "model": "m", "prompt": "a" })).unwrap());
        assert_eq!(older, json!({ "embedding": [0.5, 1.0] }));
    }
}
