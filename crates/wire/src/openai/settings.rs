//! How tokens are chosen, as requests of this protocol and of the servers that extend it say it.

use crate::fields::{Fields, invalid};
use parasol_core::{AnswerFormat, Error, ErrorKind, Result, Sampling, SamplingChoice};
use serde_json::Value;
use std::collections::BTreeMap;

/// The most answers to one request.
pub(crate) const MOST_ANSWERS: usize = 32;

/// Sampling as far as a request speaks of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub(crate) choice: SamplingChoice,
    pub(crate) seed: Option<u64>,
    pub(crate) logit_bias: BTreeMap<u32, f32>,
    pub(crate) penalty_window: Option<usize>,
}

impl Settings {
    /// The sampling in full: what the request leaves open is `recommended` for the model. The answer of `index` among
    /// several has a seed of its own, so that they differ and can be repeated.
    pub fn sampling(&self, recommended: &SamplingChoice, index: usize) -> Sampling {
        let sampling = self.choice.or(recommended).sampling();
        Sampling {
            seed: self.seed.map(|seed| seed.wrapping_add(index as u64)),
            logit_bias: self.logit_bias.clone(),
            penalty_window: self.penalty_window.unwrap_or(sampling.penalty_window),
            ..sampling
        }
    }

    /// Takes the fields of chat completions and completions.
    pub(crate) fn take(f: &mut Fields) -> Result<Self> {
        // vLLM's name for it and llama.cpp's; both only when they agree.
        let names = ["repetition_penalty", "repeat_penalty"];
        let penalty = match names.map(|name| f.number(name, 0.01, 10.0)) {
            [Ok(Some(one)), Ok(Some(other))] if one != other => {
                return Err(f.wrong(
                    names[1],
                    format_args!("is {other} and {} is {one}: give one of them", names[0]),
                ));
            }
            [one, other] => one?.or(other?),
        };
        Ok(Self {
            choice: SamplingChoice {
                temperature: f.number("temperature", 0.0, 2.0)?,
                top_k: top_k(f)?,
                top_p: f.number("top_p", 0.0, 1.0)?,
                min_p: f.number("min_p", 0.0, 1.0)?,
                typical_p: f.number("typical_p", 0.0, 1.0)?,
                repetition_penalty: penalty,
                presence_penalty: f.number("presence_penalty", -2.0, 2.0)?,
                frequency_penalty: f.number("frequency_penalty", -2.0, 2.0)?,
            },
            // The protocol's seeds are signed; all 64 bits count.
            seed: f.integer("seed")?.map(i64::cast_unsigned),
            logit_bias: logit_bias(f)?,
            penalty_window: f.count("repeat_last_n", 0)?,
        })
    }
}

/// 0 and -1 turn it off, as with vLLM and llama.cpp.
fn top_k(f: &mut Fields) -> Result<Option<usize>> {
    match f.integer("top_k")? {
        Some(-1) => Ok(Some(0)),
        Some(k) => match usize::try_from(k) {
            Ok(k) => Ok(Some(k)),
            Err(_) => {
                Err(f.wrong("top_k", format_args!("is {k} and must be at least 0 (or -1, which is off)")))
            }
        },
        None => Ok(None),
    }
}

fn logit_bias(f: &mut Fields) -> Result<BTreeMap<u32, f32>> {
    let path = f.at("logit_bias");
    let Some(map) = f.object("logit_bias")? else { return Ok(BTreeMap::new()) };
    let each = map.into_rest().into_iter().map(|(key, value)| {
        let id = key.parse().map_err(|_| invalid(&path, "must have token ids as its keys"))?;
        let bias = value.as_f64().map(|b| b as f32).filter(|b| (-100.0..=100.0).contains(b));
        let bias =
            bias.ok_or_else(|| invalid(format_args!("{path}.{id}"), "must be between -100 and 100"))?;
        Ok((id, bias))
    });
    each.collect()
}

/// `stop`: a string or up to 16 of them.
pub(crate) fn stop(f: &mut Fields) -> Result<Vec<String>> {
    let stop = match f.take("stop") {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(Value::Array(list)) => {
            let each = list.into_iter().enumerate();
            each.map(|(i, v)| crate::fields::string(v, &format!("stop.{i}"))).collect::<Result<_>>()?
        }
        Some(_) => return Err(f.wrong("stop", "must be a string or a list of strings")),
    };
    match stop.len() {
        0..=16 => Ok(stop),
        n => Err(f.wrong("stop", format_args!("holds {n} strings; at most 16 are watched for"))),
    }
}

/// `n`.
pub(crate) fn answers(f: &mut Fields) -> Result<usize> {
    match f.count("n", 1)?.unwrap_or(1) {
        n if n <= MOST_ANSWERS => Ok(n),
        n => {
            Err(f.wrong("n", format_args!("is {n}; at most {MOST_ANSWERS} answers are given to one request")))
        }
    }
}

/// The forms that vLLM and llama.cpp know beyond `response_format`.
pub(crate) fn guided(f: &mut Fields) -> Result<Option<AnswerFormat>> {
    let schema = match f.take("guided_json") {
        Some(Value::String(text)) => {
            let schema = serde_json::from_str(&text);
            Some(
                schema
                    .map_err(|e| f.wrong("guided_json", format_args!("is a string that is no JSON: {e}")))?,
            )
        }
        given => given,
    };
    let grammar = match f.string("guided_grammar")? {
        None => f.string("grammar")?,
        some => some,
    };
    let forms = [
        schema.map(|schema| AnswerFormat::JsonSchema { schema }),
        f.string("guided_regex")?.map(|pattern| AnswerFormat::Regex { pattern }),
        grammar.map(|grammar| AnswerFormat::Lark { grammar }),
    ];
    one(forms.into_iter().flatten())
}

/// At most one form can hold.
pub(crate) fn one(forms: impl IntoIterator<Item = AnswerFormat>) -> Result<Option<AnswerFormat>> {
    let mut forms = forms.into_iter();
    match (forms.next(), forms.next()) {
        (_, Some(_)) => Err(Error::new(
            ErrorKind::InvalidRequest,
            "response_format: and the guided_* fields exclude each other: give one of them",
        )),
        (form, None) => Ok(form),
    }
}
