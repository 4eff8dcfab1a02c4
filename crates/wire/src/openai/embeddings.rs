//! `POST /v1/embeddings`: the request, and its answer. Reference: <https://platform.openai.com/docs/api-reference/embeddings/create>.

use crate::fields::{Fields, Spelling, invalid, string};
use crate::trace;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{EmbedInput, EmbedPurpose, EmbedRequest, Result, Usage};
use serde::Serialize;
use serde_json::{Value, json};

/// As many inputs the protocol takes at once.
pub const MOST_INPUTS: usize = 2048;

/// Embeddings as they were asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EmbeddingsCall {
    /// The model asked for.
    pub model: String,
    /// The request.
    pub request: EmbedRequest,
    /// Write vectors as base64 of their numbers.
    pub base64: bool,
    /// Fields that were accepted though they change nothing.
    pub noted: Vec<String>,
}

impl EmbeddingsCall {
    /// Reads a request.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field that is wrong or not honoured.
    pub fn read(body: Value) -> Result<Self> {
        let mut f = Fields::new(body, "", Spelling::Exact)?;
        let mut call = Self { model: f.need_string("model")?, ..Self::default() };
        call.request.inputs = inputs(&mut f)?;
        call.request.dimensions = f.count("dimensions", 1)?;
        call.base64 = match f.string("encoding_format")?.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(other) => {
                return Err(
                    f.wrong("encoding_format", format_args!("is {other:?} and must be float or base64"))
                );
            }
        };
        // Beyond the protocol, as Voyage and vLLM have them.
        call.request.purpose = f.string("input_type")?.map(|name| purpose(&f, &name)).transpose()?;
        call.request.truncate = match f.integer("truncate_prompt_tokens")? {
            None => false,
            Some(-1) => true,
            Some(_) => {
                return Err(f.wrong("truncate_prompt_tokens", "must be -1, as many as the model reads"));
            }
        };
        f.note(&["user"], &mut call.noted);
        f.finish()?;
        Ok(call)
    }
}

/// A purpose by the names that providers of OpenAI's form have for it.
fn purpose(f: &Fields, name: &str) -> Result<EmbedPurpose> {
    let known = match name {
        "search_query" => Some(EmbedPurpose::Query),
        "search_document" | "passage" => Some(EmbedPurpose::Document),
        name => EmbedPurpose::from_name(name),
    };
    known.ok_or_else(|| {
        let names = EmbedPurpose::ALL.map(EmbedPurpose::name).join(", ");
        f.wrong("input_type", format_args!("is {name:?} and must be one of {names}"))
    })
}

/// A text or several, ids of tokens or several lists of them.
fn inputs(f: &mut Fields) -> Result<Vec<EmbedInput>> {
    trace::asked(
        || f.at("input"),
        || {
            let ids = json!({ "type": "array", "items": { "type": "integer", "minimum": 0 } });
            let items = json!({ "anyOf": [{ "type": "string" }, { "type": "integer", "minimum": 0 }, ids] });
            json!({ "anyOf": [{ "type": "string" },
                { "type": "array", "minItems": 1, "maxItems": MOST_INPUTS, "items": items }] })
        },
    );
    let (path, input) = (f.at("input"), f.need("input")?);
    let list = match input {
        Value::String(text) => return Ok(vec![EmbedInput::Text(text)]),
        Value::Array(list) if list.first().is_some_and(Value::is_number) => {
            return Ok(vec![EmbedInput::Tokens(ids(list, &path)?)]);
        }
        Value::Array(list) => list,
        _ => return Err(invalid(path, "must be a text, a list of texts, or ids of tokens")),
    };
    if list.len() > MOST_INPUTS {
        let what = format!("has {} inputs: at most {MOST_INPUTS} are embedded at once", list.len());
        return Err(invalid(path, what));
    }
    let each = list.into_iter().enumerate().map(|(at, value)| match value {
        Value::Array(list) => Ok(EmbedInput::Tokens(ids(list, &format!("{path}.{at}"))?)),
        value => string(value, &format!("{path}.{at}")).map(EmbedInput::Text),
    });
    each.collect()
}

fn ids(list: Vec<Value>, path: &str) -> Result<Vec<u32>> {
    let each = list.into_iter().enumerate().map(|(at, value)| {
        let id = value.as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| invalid(format!("{path}.{at}"), "must be the id of a token"))
    });
    each.collect()
}

#[derive(Serialize)]
struct Answer<'a> {
    object: &'static str,
    data: Vec<Item<'a>>,
    model: &'a str,
    usage: Value,
}

#[derive(Serialize)]
struct Item<'a> {
    object: &'static str,
    index: usize,
    embedding: Embedding<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Embedding<'a> {
    Floats(&'a [f32]),
    Base64(String),
}

/// The answer's body.
///
/// # Errors
/// Those of writing JSON, which a vector does not make.
pub fn answer(model: &str, vectors: &[Vec<f32>], usage: &Usage, base64: bool) -> Result<Vec<u8>> {
    let embedding = |vector: &'_ Vec<f32>| -> String {
        STANDARD.encode(vector.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())
    };
    let data = vectors.iter().enumerate().map(|(index, vector)| Item {
        object: "embedding",
        index,
        embedding: match base64 {
            true => Embedding::Base64(embedding(vector)),
            false => Embedding::Floats(vector),
        },
    });
    let mut told = json!({ "prompt_tokens": usage.prompt_tokens, "total_tokens": usage.prompt_tokens });
    if let Some(cost) = usage.cost {
        told["cost"] = cost.as_dollars().into();
    }
    let answer = Answer { object: "list", data: data.collect(), model, usage: told };
    serde_json::to_vec(&answer)
        .map_err(|e| parasol_core::Error::new(parasol_core::ErrorKind::Internal, e.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn inputs_have_four_forms() {
        let of = |input: Value| {
            EmbeddingsCall::read(json!({ "model": "m", "input": input })).map(|call| call.request.inputs)
        };
        let text = |text: &str| EmbedInput::Text(text.into());
        assert_eq!(of(json!("a")).unwrap(), [text("a")]);
        assert_eq!(of(json!(["a", "b"])).unwrap(), [text("a"), text("b")]);
        assert_eq!(of(json!([1, 2])).unwrap(), [EmbedInput::Tokens(vec![1, 2])]);
        assert_eq!(
            of(json!([[1], [2]])).unwrap(),
            [EmbedInput::Tokens(vec![1]), EmbedInput::Tokens(vec![2])]
        );
        assert_eq!(of(json!(vec!["a"; MOST_INPUTS])).unwrap().len(), MOST_INPUTS);
        for (input, part) in [
            (json!(vec!["a"; MOST_INPUTS + 1]), "2049"),
            (json!([1, "a"]), "input.1"),
            (json!(["a", 1]), "input.1"),
            (json!([[1], [-1]]), "input.1.0"),
            (json!([1.5]), "input.0"),
            (json!([4294967296u64]), "input.0"),
            (json!({}), "input"),
            (Value::Null, "input"),
        ] {
            let error = of(input).unwrap_err();
            assert!(error.message().contains(part), "{error}");
        }
    }

    #[test]
    fn fields_are_read_and_refused_by_name() {
        let body = json!({ "model": "m", "input": "a", "dimensions": 64, "encoding_format": "base64", "user": "u",
            "input_type": "passage", "truncate_prompt_tokens": -1 });
        let call = EmbeddingsCall::read(body).unwrap();
        assert!(call.base64 && call.request.truncate);
        assert_eq!((call.request.dimensions, call.request.purpose), (Some(64), Some(EmbedPurpose::Document)));
        assert_eq!(call.noted, ["user"]);
        for (field, value) in [
            ("dimensions", json!(0)),
            ("encoding_format", json!("int8")),
            ("input_type", json!("poetry")),
            ("truncate_prompt_tokens", json!(5)),
            ("frobnicate", json!(1)),
        ] {
            let mut body = json!({ "model": "m", "input": "a" });
            body[field] = value;
            assert!(EmbeddingsCall::read(body).unwrap_err().message().contains(field), "{field}");
        }
    }

    #[test]
    fn answers_are_what_the_client_reads() {
        let vectors = [vec![0.1f32, -2.0], vec![3.0, 4.0]];
        for base64 in [false, true] {
            let body =
                answer("m", &vectors, &Usage { prompt_tokens: 3, ..Usage::default() }, base64).unwrap();
            let read = crate::embedding::read(crate::client::Protocol::OpenAi, 2, &body).unwrap();
            assert_eq!((&read.vectors[..], read.tokens), (&vectors[..], Some(3)));
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body["data"][1]["embedding"].is_string(), base64);
            assert_eq!((&body["object"], &body["data"][1]["index"]), (&json!("list"), &json!(1)));
        }
    }
}
