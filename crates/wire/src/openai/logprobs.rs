//! Log-probabilities as this protocol writes them, and back.

use crate::outcome::likeliest;
use parasol_core::{TokenLogprob, TokenReport};
use serde_json::{Map, Value, json};

/// What stands for a token of a provider that tells no ids.
pub const NO_ID: u32 = u32::MAX;

/// JSON has no infinity; the protocol writes this for a token that could not be drawn.
const IMPOSSIBLE: f32 = -9999.0;

fn finite(logprob: f32) -> f32 {
    if logprob.is_finite() { logprob } else { IMPOSSIBLE }
}

fn entry(one: &TokenLogprob) -> Value {
    json!({
        "token": String::from_utf8_lossy(&one.bytes),
        "logprob": finite(one.logprob),
        "bytes": one.bytes,
    })
}

/// An item of `logprobs.content`: the token and its alternatives.
pub fn item(token: &TokenReport) -> Option<Value> {
    let mut item = entry(token.logprobs.first()?);
    item["top_logprobs"] = likeliest(token).into_iter().map(entry).collect();
    Some(item)
}

/// The older shape of `/v1/completions`, gathered over an answer or a chunk of one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    tokens: Vec<Value>,
    own: Vec<f32>,
    top: Vec<Value>,
    offsets: Vec<usize>,
}

impl Columns {
    /// Adds a token whose text begins at `offset` characters.
    pub(crate) fn push(&mut self, token: &TokenReport, offset: usize) {
        let Some(chosen) = token.logprobs.first() else { return };
        self.tokens.push(String::from_utf8_lossy(&chosen.bytes).into());
        self.own.push(finite(chosen.logprob));
        let mut top = Map::new();
        // This older shape lists the chosen token even where others are likelier.
        for one in likeliest(token).into_iter().chain([chosen]) {
            top.insert(String::from_utf8_lossy(&one.bytes).into(), json!(finite(one.logprob)));
        }
        self.top.push(Value::Object(top));
        self.offsets.push(offset);
    }

    /// The object, or null when no token had log-probabilities.
    pub(crate) fn value(&self) -> Value {
        if self.tokens.is_empty() {
            return Value::Null;
        }
        json!({
            "tokens": self.tokens, "token_logprobs": self.own,
            "top_logprobs": self.top, "text_offset": self.offsets,
        })
    }
}

/// The way back: an item of `logprobs.content`.
pub(crate) fn read(item: &Value) -> Vec<TokenLogprob> {
    let one = |v: &Value| -> Option<TokenLogprob> {
        let text = v["token"].as_str()?;
        let byte = |b: &Value| b.as_u64().and_then(|b| u8::try_from(b).ok());
        let bytes = v["bytes"].as_array().and_then(|list| list.iter().map(byte).collect::<Option<Vec<u8>>>());
        Some(TokenLogprob {
            id: NO_ID,
            bytes: bytes.unwrap_or_else(|| text.as_bytes().to_vec()),
            logprob: v["logprob"].as_f64()? as f32,
        })
    };
    let rest = item["top_logprobs"].as_array().into_iter().flatten();
    std::iter::once(item).chain(rest).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(logprobs: &[(&str, f32)]) -> TokenReport {
        let one = |(text, logprob): &(&str, f32)| TokenLogprob {
            id: NO_ID,
            bytes: text.as_bytes().to_vec(),
            logprob: *logprob,
        };
        TokenReport {
            id: None,
            text: String::new(),
            part: parasol_core::Part::Answer,
            logprobs: logprobs.iter().map(one).collect(),
        }
    }

    fn top(logprobs: &[(&str, f32)]) -> Vec<String> {
        let item = item(&token(logprobs)).unwrap_or_default();
        let list = item["top_logprobs"].as_array().cloned().unwrap_or_default();
        list.iter().map(|one| one["token"].as_str().unwrap_or_default().to_owned()).collect()
    }

    #[test]
    fn the_chosen_token_is_listed_where_it_ranks() {
        assert_eq!(top(&[("a", -0.1), ("b", -2.0), ("c", -3.0)]), ["a", "b"]);
        assert_eq!(top(&[("b", -2.0), ("a", -0.1), ("c", -3.0)]), ["a", "b"]);
        assert_eq!(top(&[("d", -9.0), ("a", -0.1), ("b", -2.0)]), ["a", "b"]);
        assert!(top(&[("a", -0.1)]).is_empty());
    }

    #[test]
    fn what_was_read_is_written_alike() {
        for alternatives in [&[("a", -0.1), ("b", -2.0)][..], &[("c", -9.0), ("a", -0.1), ("b", -2.0)]] {
            let written = item(&token(alternatives)).unwrap_or_default();
            let again = TokenReport { logprobs: read(&written), ..token(&[]) };
            assert_eq!(item(&again).unwrap_or_default(), written);
        }
    }

    #[test]
    fn the_older_shape_lists_the_chosen_token_besides_the_likeliest() {
        let mut columns = Columns::default();
        columns.push(&token(&[("d", -9.0), ("a", -0.1), ("b", -2.0)]), 0);
        let listed = columns.value()["top_logprobs"][0].as_object().cloned().unwrap_or_default();
        assert_eq!(listed.keys().collect::<Vec<_>>(), ["a", "b", "d"]);
    }
}
