//! Log-probabilities as this protocol writes them, and back.

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
    let (chosen, rest) = token.logprobs.split_first()?;
    let mut item = entry(chosen);
    item["top_logprobs"] = rest.iter().map(entry).collect();
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
        let Some((chosen, rest)) = token.logprobs.split_first() else { return };
        self.tokens.push(String::from_utf8_lossy(&chosen.bytes).into());
        self.own.push(finite(chosen.logprob));
        let mut top = Map::new();
        for one in rest {
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
