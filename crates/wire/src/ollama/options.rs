//! `options`, `format`, `think` and `keep_alive`, which generate and chat share.

use crate::fields::{Fields, Spelling, invalid};
use parasol_core::{AnswerFormat, Reasoning, Result, Sampling, SamplingChoice};
use serde_json::Value;
use std::time::Duration;

/// Accepted without effect: how a model is laid out on the machine is decided when the server loads it.
const HARMLESS: &[&str] = &[
    "num_gpu",
    "main_gpu",
    "num_batch",
    "num_thread",
    "low_vram",
    "use_mmap",
    "use_mlock",
    "numa",
    "num_keep",
];

/// `options`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Options {
    pub(crate) choice: SamplingChoice,
    pub(crate) seed: Option<u64>,
    pub(crate) window: Option<i64>,
    pub(crate) max_tokens: Option<usize>,
    pub(crate) stop: Vec<String>,
    /// `num_ctx`: the context must hold at least this.
    pub(crate) context: Option<usize>,
}

impl Options {
    pub(crate) fn take(f: &mut Fields, noted: &mut Vec<String>) -> Result<Self> {
        let Some(mut o) = f.object("options")? else { return Ok(Self::default()) };
        let mut options = Self {
            choice: SamplingChoice {
                temperature: o.number("temperature", 0.0, 100.0)?,
                top_k: o.count("top_k", 0)?,
                top_p: o.number("top_p", 0.0, 1.0)?,
                min_p: o.number("min_p", 0.0, 1.0)?,
                typical_p: o.number("typical_p", 0.0, 1.0)?,
                repetition_penalty: o.number("repeat_penalty", 0.01, 10.0)?,
                presence_penalty: o.number("presence_penalty", -2.0, 2.0)?,
                frequency_penalty: o.number("frequency_penalty", -2.0, 2.0)?,
            },
            context: o.count("num_ctx", 1)?,
            ..Self::default()
        };
        // -1 draws a seed; other negative numbers are seeds like any.
        options.seed = o.integer("seed")?.filter(|seed| *seed != -1).map(i64::cast_unsigned);
        options.window = match o.integer("repeat_last_n")? {
            Some(n) if n < -1 => {
                return Err(o.wrong("repeat_last_n", "must be -1 (all), 0 (off) or a number of tokens"));
            }
            n => n,
        };
        options.max_tokens = match o.integer("num_predict")? {
            // Until the model ends, or the context is full: the same here.
            None | Some(-1 | -2) => None,
            Some(n) => match usize::try_from(n) {
                Ok(n) => Some(n),
                Err(_) => return Err(o.wrong("num_predict", "must be -1, -2 or a number of tokens")),
            },
        };
        options.stop = match o.take("stop") {
            None => Vec::new(),
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(list)) => {
                let each = list.into_iter().enumerate();
                each.map(|(i, v)| crate::fields::string(v, &format!("options.stop.{i}")))
                    .collect::<Result<_>>()?
            }
            Some(_) => return Err(o.wrong("stop", "must be a string or a list of strings")),
        };
        for (name, usual) in [("mirostat", 0.0), ("tfs_z", 1.0)] {
            if o.number(name, f32::MIN, f32::MAX)?.is_some_and(|v| v != usual) {
                return Err(o.wrong(name, "is not supported here: leave it out"));
            }
        }
        o.note(HARMLESS, noted);
        o.finish()?;
        Ok(options)
    }

    /// # Errors
    /// `InvalidRequest` when `num_ctx` asks for a larger context than the model's, where that is known.
    pub(crate) fn fits(asked: Option<usize>, holds: Option<usize>) -> Result<()> {
        match (asked, holds) {
            (Some(asked), Some(holds)) if asked > holds => Err(invalid(
                "options.num_ctx",
                format_args!(
                    "is {asked} and the context holds {holds}: ask for less or start the server with --context {asked}"
                ),
            )),
            _ => Ok(()),
        }
    }

    pub(crate) fn sampling(&self, recommended: &SamplingChoice) -> Sampling {
        let mut sampling = self.choice.or(recommended).sampling();
        sampling.seed = self.seed;
        if let Some(n) = self.window {
            // -1 looks at all tokens.
            sampling.penalty_window = usize::try_from(n).unwrap_or(usize::MAX);
        }
        sampling
    }
}

/// `format`: `"json"` or a schema.
pub(crate) fn format(f: &mut Fields) -> Result<Option<AnswerFormat>> {
    match f.take("format") {
        None => Ok(None),
        Some(Value::String(word)) => match word.as_str() {
            "" => Ok(None),
            "json" => Ok(Some(AnswerFormat::JsonObject)),
            _ => Err(f.wrong("format", "must be json or a JSON Schema")),
        },
        Some(schema @ Value::Object(_)) => Ok(Some(AnswerFormat::JsonSchema { schema })),
        Some(_) => Err(f.wrong("format", "must be json or a JSON Schema")),
    }
}

/// `think`: yes, no, or how much, which is the model's own affair.
pub(crate) fn think(f: &mut Fields) -> Result<Option<Reasoning>> {
    match f.take("think") {
        None => Ok(None),
        Some(Value::Bool(on)) => Ok(Some(if on { Reasoning::On } else { Reasoning::Off })),
        Some(Value::String(s)) if matches!(s.as_str(), "low" | "medium" | "high") => Ok(Some(Reasoning::On)),
        Some(_) => Err(f.wrong("think", "must be true, false, low, medium or high")),
    }
}

/// How long a model is asked to stay loaded after the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// For this long; zero unloads it at once.
    For(Duration),
    /// Until its room is needed.
    Always,
}

/// `keep_alive`: seconds, or a duration such as `5m` or `1h30m`; negative means always.
pub(crate) fn keep_alive(f: &mut Fields) -> Result<Option<KeepAlive>> {
    let seconds = match f.take("keep_alive") {
        None => return Ok(None),
        Some(Value::Number(n)) => n.as_f64(),
        Some(Value::String(text)) => duration(&text),
        Some(_) => None,
    };
    match seconds {
        Some(s) if s < 0.0 => Ok(Some(KeepAlive::Always)),
        Some(s) => match Duration::try_from_secs_f64(s) {
            Ok(time) => Ok(Some(KeepAlive::For(time))),
            Err(_) => Err(invalid("keep_alive", "is longer than any clock runs: -1 means always")),
        },
        None => Err(invalid("keep_alive", "must be seconds or a duration such as \"5m\"")),
    }
}

/// Go's notation: numbers with units, one after the other.
fn duration(text: &str) -> Option<f64> {
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text),
    };
    if let Ok(seconds) = rest.parse::<f64>() {
        return Some(sign * seconds).filter(|s| s.is_finite());
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at_checked(unit)?;
        let scale = match unit {
            "ns" => 1e-9,
            "us" | "µs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = tail;
    }
    Some(sign * total).filter(|s| s.is_finite() && !text.is_empty())
}

/// Reads the whole of a request body.
pub(crate) fn body(value: Value) -> Result<Fields> {
    Fields::new(value, "", Spelling::Exact)
}

/// `model`, or `name` as it was called before.
pub(crate) fn model(f: &mut Fields) -> Result<String> {
    let name = match f.string("model")? {
        None => f.string("name")?,
        some => {
            f.take("name");
            some
        }
    };
    name.filter(|n| !n.is_empty()).ok_or_else(|| f.wrong("model", "is required"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_writes_them() {
        assert_eq!(duration("5m"), Some(300.0));
        assert_eq!(duration("1h30m"), Some(5400.0));
        assert_eq!(duration("1.5s"), Some(1.5));
        assert_eq!(duration("-1"), Some(-1.0));
        assert_eq!(duration("0"), Some(0.0));
        for bad in ["", "m", "5x", "1m2", "é", "5 m"] {
            assert_eq!(duration(bad), None, "{bad:?}");
        }
    }
}
