//! Reading a family's description out of a Hugging Face `config.json`: typed fields, bounded numbers, rotary scaling in
//! its old and new spelling, and the parts that every Llama-like family shares. Fields that nobody asked for are
//! refused in the end, unless they are known not to change the numbers.

use super::rope::Scaling;
use crate::blueprint::{Activation, Blueprint, LayerAttention, Rope, RopePairs};
use parasol_core::{Error, ErrorKind, Result};
use serde_json::{Map, Value};
use std::cell::RefCell;
use std::collections::HashSet;

/// Fields that do not change the decoder's numbers: training, bookkeeping, tokens, output options.
const HARMLESS: &[&str] = &[
    "architectures",
    "attention_dropout",
    "bos_token_id",
    "cache_implementation",
    "dtype",
    "eos_token_id",
    "id2label",
    "initializer_range",
    "is_llama_config",
    "label2id",
    "model_type",
    "pad_token_id",
    "pretraining_tp",
    "return_dict",
    "torch_dtype",
    "transformers.js_config",
    "transformers_version",
    "unsloth_fixed",
    "unsloth_version",
    "use_cache",
    "vocab_size",
];

/// What a family assumes when its `config.json` leaves a field out.
pub(super) struct Defaults {
    pub(super) head_dim: Option<usize>,
    pub(super) norm_eps: f32,
    pub(super) activation_field: &'static str,
    pub(super) activation: Activation,
    pub(super) tied: bool,
    pub(super) theta: f32,
}

/// A `config.json`.
pub struct Config {
    fields: Map<String, Value>,
    asked: RefCell<HashSet<String>>,
}

fn corrupt(message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("config.json: {message}"))
}

fn unsupported(message: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Unsupported, format!("config.json: {message}"))
}

fn positive_number(value: &Value) -> Option<f64> {
    value.as_f64().filter(|x| x.is_finite() && *x > 0.0)
}

impl Config {
    /// Reads the JSON text of a `config.json`.
    pub fn parse(text: &[u8]) -> Result<Self> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => Ok(Self { fields, asked: RefCell::default() }),
            Ok(_) => Err(corrupt("it is not a JSON object")),
            Err(e) => Err(corrupt(format!("it is not JSON: {e}"))),
        }
    }

    /// The field, if it is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<&Value> {
        self.asked.borrow_mut().insert(field.to_owned());
        self.fields.get(field).filter(|v| !v.is_null())
    }

    /// Whether the field is spelled out, be it as null.
    pub(super) fn says(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// A string that must be there.
    pub(super) fn required_str(&self, field: &str) -> Result<&str> {
        self.get(field).and_then(Value::as_str).ok_or_else(|| corrupt(format!("`{field}` must be a string")))
    }

    /// A size between 1 and `most`.
    pub(super) fn size(&self, field: &str, most: usize) -> Result<Option<usize>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = value.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| (1..=most).contains(n));
        number
            .map(Some)
            .ok_or_else(|| corrupt(format!("`{field}` is {}; it must be between 1 and {most}", brief(value))))
    }

    /// A size that must be there.
    pub(super) fn required(&self, field: &str, most: usize) -> Result<usize> {
        self.size(field, most)?.ok_or_else(|| corrupt(format!("`{field}` is missing")))
    }

    /// A positive finite number.
    pub(super) fn positive(&self, field: &str) -> Result<Option<f32>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let number = positive_number(value).map(|x| x as f32).filter(|x| x.is_finite() && *x > 0.0);
        number
            .map(Some)
            .ok_or_else(|| corrupt(format!("`{field}` is {}; it must be a positive number", brief(value))))
    }

    /// A truth value.
    pub(super) fn bool(&self, field: &str) -> Result<Option<bool>> {
        let Some(value) = self.get(field) else { return Ok(None) };
        value
            .as_bool()
            .map(Some)
            .ok_or_else(|| corrupt(format!("`{field}` is {}; it must be a bool", brief(value))))
    }

    /// Refuses a field whose value asks for something that this build does not run.
    pub(super) fn refuse<T>(&self, field: &str) -> Result<T> {
        let value = self.get(field).map(brief).unwrap_or_default();
        Err(unsupported(format!("`{field}` is {value}, which this build does not run")))
    }

    /// The kind of each layer (`full_attention`, `sliding_attention`), if spelled out.
    pub(super) fn sliding_layers(&self, layers: usize) -> Result<Option<Vec<bool>>> {
        let Some(value) = self.get("layer_types") else { return Ok(None) };
        let kinds = value.as_array().filter(|kinds| kinds.len() == layers);
        let kinds = kinds.ok_or_else(|| corrupt(format!("`layer_types` must list all {layers} layers")))?;
        let sliding = |kind: &Value| match kind.as_str() {
            Some("sliding_attention") => Ok(true),
            Some("full_attention") => Ok(false),
            _ => Err(unsupported(format!("layers of the type {} are not supported", brief(kind)))),
        };
        kinds.iter().map(sliding).collect::<Result<_>>().map(Some)
    }

    /// The description of a plain Llama-like decoder: one rotary embedding, full attention in every layer, no norms
    /// but the two. A family changes what differs.
    pub(super) fn plain_decoder(&self, defaults: &Defaults) -> Result<Blueprint> {
        for field in ["attention_bias", "mlp_bias"] {
            if self.bool(field)?.unwrap_or(false) {
                return Err(unsupported(format!("`{field}` is true, and biases are not supported")));
            }
        }
        if self.get("quantization_config").is_some() {
            return Err(unsupported(
                "`quantization_config`: checkpoints quantised by other tools are not supported",
            ));
        }
        let hidden = self.required("hidden_size", 1 << 20)?;
        let heads = self.required("num_attention_heads", 1 << 12)?;
        let default_dim = defaults.head_dim.unwrap_or((hidden / heads).max(1));
        let head_dim = self.size("head_dim", 1 << 12)?.unwrap_or(default_dim);
        let context = self.required("max_position_embeddings", 1 << 30)?;
        let layers = self.required("num_hidden_layers", 1 << 12)?;
        Ok(Blueprint {
            architecture: self.required_str("model_type")?.to_owned(),
            vocab: self.required("vocab_size", 1 << 24)?,
            hidden,
            heads,
            kv_heads: self.size("num_key_value_heads", heads)?.unwrap_or(heads),
            head_dim,
            ffn: self.required("intermediate_size", 1 << 22)?,
            context,
            norm_eps: self.positive("rms_norm_eps")?.unwrap_or(defaults.norm_eps),
            norm_offset: 0.0,
            embedding_scale: 1.0,
            attention_scale: 1.0 / (head_dim as f32).sqrt(),
            attention_softcap: None,
            logit_softcap: None,
            activation: self.activation(defaults)?,
            qk_norm: false,
            post_norms: false,
            tied_output: self.bool("tie_word_embeddings")?.unwrap_or(defaults.tied),
            ropes: vec![self.rope(None, defaults.theta, head_dim, context)?],
            layers: vec![LayerAttention { window: None, rope: Some(0) }; layers],
        })
    }

    fn activation(&self, defaults: &Defaults) -> Result<Activation> {
        match self.get(defaults.activation_field).map(|v| v.as_str().unwrap_or_default()) {
            None => Ok(defaults.activation),
            Some("silu") => Ok(Activation::Silu),
            Some("gelu_pytorch_tanh") => Ok(Activation::GeluTanh),
            Some(other) => Err(unsupported(format!(
                "`{}` is `{other}`; silu and gelu_pytorch_tanh are supported",
                defaults.activation_field
            ))),
        }
    }

    /// The rotary embedding of a kind of layer (`Some("sliding_attention")`), or of all layers. Understands
    /// `rope_parameters`, flat or by kind of layer, and the older `rope_theta` with `rope_scaling`.
    pub(super) fn rope(
        &self,
        kind: Option<&str>,
        theta: f32,
        head_dim: usize,
        context: usize,
    ) -> Result<Rope> {
        let old_theta = self.positive("rope_theta")?;
        let parameters = self.get("rope_parameters").or_else(|| self.get("rope_scaling"));
        let parameters = match (parameters, kind) {
            (Some(all), Some(kind)) if all.get(kind).is_some() => all.get(kind),
            (all, _) => all,
        };
        let parameters = match parameters {
            None | Some(Value::Null) => &Map::new(),
            Some(Value::Object(map)) => map,
            Some(other) => {
                return Err(corrupt(format!("the rotary parameters are {}, not an object", brief(other))));
            }
        };
        let partial = self.positive("partial_rotary_factor")?.map(f64::from);
        let partial =
            parameters.get("partial_rotary_factor").and_then(positive_number).or(partial).unwrap_or(1.0);
        if partial != 1.0 {
            return Err(unsupported(format!("`partial_rotary_factor` is {partial}; only 1 is supported")));
        }
        let theta = number(parameters, "rope_theta", Some(f64::from(old_theta.unwrap_or(theta))))? as f32;
        let (factors, magnitude) = scaling(parameters, context)?.factors(theta, head_dim)?;
        Ok(Rope { base: theta, factors, magnitude, pairs: RopePairs::Halves, rotated: head_dim })
    }

    /// The rotary embedding of sliding layers, whose older spelling is a bare θ under `field` and knows no scaling.
    pub(super) fn local_rope(
        &self,
        field: &str,
        theta: f32,
        head_dim: usize,
        context: usize,
    ) -> Result<Rope> {
        let theta = self.positive(field)?.unwrap_or(theta);
        match self.get("rope_parameters").and_then(|all| all.get("sliding_attention")) {
            Some(Value::Object(parameters)) => {
                let theta = number(parameters, "rope_theta", Some(f64::from(theta)))? as f32;
                let (factors, magnitude) = scaling(parameters, context)?.factors(theta, head_dim)?;
                Ok(Rope { base: theta, factors, magnitude, pairs: RopePairs::Halves, rotated: head_dim })
            }
            _ => Ok(Rope {
                base: theta,
                factors: Vec::new(),
                magnitude: 1.0,
                pairs: RopePairs::Halves,
                rotated: head_dim,
            }),
        }
    }

    /// Refuses fields that no family asked for, that are neither null nor false nor known to be harmless.
    pub(super) fn finish(&self) -> Result<()> {
        let asked = self.asked.borrow();
        for (field, value) in &self.fields {
            let known = asked.contains(field) || field.starts_with('_') || HARMLESS.contains(&field.as_str());
            if !known && !matches!(value, Value::Null | Value::Bool(false)) {
                return Err(unsupported(format!(
                    "`{field}` is {}, and this build does not know the field; if it does not change the model's numbers, \
                     take it out of the file",
                    brief(value)
                )));
            }
        }
        Ok(())
    }
}

fn number(parameters: &Map<String, Value>, field: &str, default: Option<f64>) -> Result<f64> {
    match parameters.get(field).filter(|v| !v.is_null()) {
        Some(value) => positive_number(value).ok_or_else(|| {
            corrupt(format!("rotary `{field}` is {}; it must be a positive number", brief(value)))
        }),
        None => default.ok_or_else(|| corrupt(format!("the rotary parameters have no `{field}`"))),
    }
}

fn scaling(parameters: &Map<String, Value>, context: usize) -> Result<Scaling> {
    let number = |field: &str, default: Option<f64>| number(parameters, field, default);
    let original = || number("original_max_position_embeddings", Some(context as f64));
    let kind = parameters.get("rope_type").or_else(|| parameters.get("type")).and_then(Value::as_str);
    match kind.unwrap_or("default") {
        "default" => Ok(Scaling::None),
        "linear" => Ok(Scaling::Linear(number("factor", None)?)),
        "llama3" => Ok(Scaling::Llama3 {
            factor: number("factor", None)?,
            low: number("low_freq_factor", None)?,
            high: number("high_freq_factor", None)?,
            original: original()?,
        }),
        "yarn" => {
            let factor = number("factor", None)?;
            let both = parameters.contains_key("mscale") && parameters.contains_key("mscale_all_dim");
            let own = match both {
                true => {
                    Scaling::yarn_magnitude(factor, number("mscale", Some(1.0))?)
                        / Scaling::yarn_magnitude(factor, number("mscale_all_dim", Some(1.0))?)
                }
                false => Scaling::yarn_magnitude(factor, 1.0),
            };
            Ok(Scaling::Yarn {
                factor,
                beta_fast: number("beta_fast", Some(32.0))?,
                beta_slow: number("beta_slow", Some(1.0))?,
                original: original()?,
                magnitude: number("attention_factor", Some(own))?,
                truncate: parameters.get("truncate").and_then(Value::as_bool).unwrap_or(true),
            })
        }
        other => Err(unsupported(format!(
            "rotary scaling `{other}` is not supported; this build runs default, linear, llama3 and yarn"
        ))),
    }
}

/// A value short enough for an error message.
fn brief(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
