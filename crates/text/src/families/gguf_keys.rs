//! Reading a family's description out of GGUF metadata: keys under the architecture's prefix, bounded numbers, and the
//! parts that every Llama-like family shares. Keys that nobody asked for are refused in the end.

use super::rope::{FACTORS_TENSOR, Scaling};
use crate::blueprint::{Activation, Blueprint, LayerAttention, Rope, RopePairs};
use crate::gguf::{Metadata, Value};
use crate::names::Names;
use crate::weights::Weights;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Format;
use std::cell::RefCell;
use std::collections::HashSet;

/// Keys that do not change the decoder's numbers.
const HARMLESS: [&str; 6] = [
    "vocab_size",
    "rope.scaling.finetuned",
    "tensor_data_layout",
    "pooling_type",
    "expert_used_count",
    "context_length",
];

/// The metadata of a GGUF model under its architecture's prefix, with its tensors.
pub struct GgufKeys<'a> {
    architecture: &'a str,
    metadata: Metadata<'a>,
    weights: &'a Weights,
    asked: RefCell<HashSet<String>>,
}

impl<'a> GgufKeys<'a> {
    pub(super) fn new(architecture: &'a str, metadata: Metadata<'a>, weights: &'a Weights) -> Self {
        Self { architecture, metadata, weights, asked: RefCell::default() }
    }

    fn key(&self, key: &str) -> String {
        let key = format!("{}.{key}", self.architecture);
        self.asked.borrow_mut().insert(key.clone());
        key
    }

    fn corrupt(&self, message: impl std::fmt::Display) -> Error {
        Error::new(ErrorKind::Corrupt, format!("{} model: {message}", self.architecture))
    }

    /// A size between 1 and `most`, if the key is there. An array (one number per layer) must hold one value throughout.
    pub(super) fn size(&self, key: &str, most: usize) -> Result<Option<usize>> {
        let key = self.key(key);
        let number = match self.metadata.get(&key) {
            Some(Value::Array { .. }) => {
                let each = self.metadata.integers(&key)?.unwrap_or_default();
                if each.windows(2).any(|pair| pair[0] != pair[1]) {
                    let message =
                        format!("`{key}` differs from layer to layer, which this build does not run");
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
                each.first().and_then(|n| u64::try_from(*n).ok())
            }
            _ => self.metadata.unsigned(&key)?,
        };
        let Some(number) = number else { return Ok(None) };
        match usize::try_from(number).ok().filter(|n| (1..=most).contains(n)) {
            Some(number) => Ok(Some(number)),
            None => Err(self.corrupt(format!("`{key}` is {number}; it must be between 1 and {most}"))),
        }
    }

    /// As [`GgufKeys::size`], for a key that must be there.
    pub(super) fn required(&self, key: &str, most: usize) -> Result<usize> {
        self.size(key, most)?.ok_or_else(|| self.corrupt(format!("`{}.{key}` is missing", self.architecture)))
    }

    /// A positive finite number, if the key is there.
    pub(super) fn positive(&self, key: &str) -> Result<Option<f32>> {
        let key = self.key(key);
        match self.metadata.float(&key)? {
            Some(x) if !(x.is_finite() && x > 0.0) => {
                Err(self.corrupt(format!("`{key}` is {x}; it must be a positive number")))
            }
            x => Ok(x),
        }
    }

    /// The description of a plain Llama-like decoder: one rotary embedding, full attention in every layer, no norms
    /// but the two. A family changes what differs.
    pub(super) fn plain_decoder(&self, pairs: RopePairs) -> Result<Blueprint> {
        let hidden = self.required("embedding_length", 1 << 20)?;
        let heads = self.required("attention.head_count", 1 << 12)?;
        let head_dim = self.size("attention.key_length", 1 << 12)?.unwrap_or((hidden / heads).max(1));
        let value_dim = self.size("attention.value_length", 1 << 12)?.unwrap_or(head_dim);
        if value_dim != head_dim {
            let message =
                format!("keys of {head_dim} values and values of {value_dim} in a head are not supported");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let rotated = self.size("rope.dimension_count", head_dim)?.unwrap_or(head_dim);
        let base = self.positive("rope.freq_base")?.unwrap_or(10_000.0);
        let layers = self.required("block_count", 1 << 12)?;
        let embedding = self.weights.get(&Names::new(self.weights.naming, false).token_embd());
        Ok(Blueprint {
            architecture: self.architecture.to_owned(),
            vocab: embedding.ok_or_else(|| self.corrupt("there is no tensor `token_embd.weight`"))?.rows,
            hidden,
            heads,
            kv_heads: self.size("attention.head_count_kv", heads)?.unwrap_or(heads),
            head_dim,
            ffn: self.required("feed_forward_length", 1 << 22)?,
            context: self.required("context_length", 1 << 30)?,
            norm_eps: self.positive("attention.layer_norm_rms_epsilon")?.unwrap_or(1e-5),
            norm_offset: 0.0,
            embedding_scale: 1.0,
            attention_scale: self.positive("attention.scale")?.unwrap_or(1.0 / (head_dim as f32).sqrt()),
            attention_softcap: None,
            logit_softcap: None,
            activation: Activation::Silu,
            qk_norm: false,
            post_norms: false,
            tied_output: false,
            ropes: vec![self.rope(base, rotated, pairs)?],
            layers: vec![LayerAttention { window: None, rope: Some(0) }; layers],
        })
    }

    /// The rotary embedding with the scaling that the metadata and the factor tensor describe.
    fn rope(&self, base: f32, rotated: usize, pairs: RopePairs) -> Result<Rope> {
        let (mut factors, magnitude) = self.scaling()?.factors(base, rotated)?;
        if let Some(tensor) = self.weights.get(FACTORS_TENSOR) {
            if tensor.format != Format::F32 || tensor.rows != 1 || tensor.cols != rotated / 2 {
                return Err(self.corrupt(format!(
                    "`{FACTORS_TENSOR}` is {} × {} {}; it must be one row of {} F32 values",
                    tensor.rows,
                    tensor.cols,
                    tensor.format,
                    rotated / 2
                )));
            }
            factors.resize(rotated / 2, 1.0);
            for (factor, bytes) in factors.iter_mut().zip(tensor.bytes().as_chunks::<4>().0) {
                *factor *= f32::from_le_bytes(*bytes);
                if !(factor.is_finite() && *factor > 0.0) {
                    return Err(self.corrupt(format!("`{FACTORS_TENSOR}` holds a factor of {factor}")));
                }
            }
        }
        Ok(Rope { base, factors, magnitude, pairs, rotated })
    }

    fn scaling(&self) -> Result<Scaling> {
        let linear = self.positive("rope.scale_linear")?.map(f64::from);
        let factor = self.positive("rope.scaling.factor")?.map(f64::from).or(linear).unwrap_or(1.0);
        let attention_factor = f64::from(self.positive("rope.scaling.attn_factor")?.unwrap_or(1.0));
        let original = self.size("rope.scaling.original_context_length", 1 << 30)?;
        let (beta_fast, beta_slow) =
            (self.positive("rope.scaling.yarn_beta_fast")?, self.positive("rope.scaling.yarn_beta_slow")?);
        let kind = self.metadata.str(&self.key("rope.scaling.type"))?.unwrap_or("linear");
        match kind {
            "yarn" => Ok(Scaling::Yarn {
                factor,
                beta_fast: f64::from(beta_fast.unwrap_or(32.0)),
                beta_slow: f64::from(beta_slow.unwrap_or(1.0)),
                original: original.map_or_else(|| self.required("context_length", 1 << 30), Ok)? as f64,
                magnitude: Scaling::yarn_magnitude(factor, 1.0) * attention_factor,
                truncate: true,
            }),
            "none" => Ok(Scaling::None),
            "linear" if factor == 1.0 => Ok(Scaling::None),
            "linear" => Ok(Scaling::Linear(factor)),
            other => Err(Error::new(
                ErrorKind::Unsupported,
                format!("rotary scaling `{other}` is not supported; this build runs none, linear and yarn"),
            )),
        }
    }

    /// Refuses keys of the architecture that no family asked for and that are neither zero nor known to be harmless.
    pub(super) fn finish(&self) -> Result<()> {
        let asked = self.asked.borrow();
        for (key, value) in self.metadata.iter() {
            let Some(short) = key.strip_prefix(self.architecture).and_then(|k| k.strip_prefix('.')) else {
                continue;
            };
            let off = match value {
                Value::Integer(n) => *n == 0,
                Value::Float(x) => *x == 0.0,
                Value::Bool(x) => !x,
                _ => false,
            };
            if !off && !asked.contains(key) && !HARMLESS.contains(&short) {
                return Err(Error::new(
                    ErrorKind::Unsupported,
                    format!(
                        "metadata `{key}` is set and this build's {} decoder does not know it; to ignore it could change \
                         the model's numbers",
                        self.architecture
                    ),
                ));
            }
        }
        Ok(())
    }
}
