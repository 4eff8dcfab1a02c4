//! Gemma 3, text only: five layers with a sliding window for each that sees everything, each kind with a rotary
//! embedding of its own; norms around both halves of a layer and over queries and keys; scaled embeddings.

use super::Family;
use super::config::{Config, Defaults};
use super::gguf_keys::GgufKeys;
use crate::blueprint::{Activation, Blueprint, LayerAttention, Rope, RopePairs};
use parasol_core::Result;

pub(super) const FAMILY: Family =
    Family { architecture: "gemma3", model_types: &["gemma3_text"], from_gguf, from_config };

/// Every sixth layer sees everything, unless the checkpoint says otherwise.
const PATTERN: usize = 6;
const LOCAL_THETA: f32 = 10_000.0;
/// Indices into the blueprint's rotary embeddings.
const GLOBAL: usize = 0;
const LOCAL: usize = 1;

fn from_gguf(keys: &GgufKeys<'_>) -> Result<Blueprint> {
    let mut blueprint = keys.plain_decoder(RopePairs::Halves)?;
    // Converters add the 1 of Gemma's norms to the stored weights.
    blueprint.norm_offset = 0.0;
    if blueprint.layers.len() == 62 {
        // The 27B model scales by its width per head; the file does not say so (llama.cpp does the same).
        blueprint.attention_scale = 1.0 / (blueprint.hidden as f32 / blueprint.heads as f32).sqrt();
    }
    blueprint.logit_softcap = keys.positive("final_logit_softcapping")?;
    let theta = keys.positive("rope.freq_base_swa")?.unwrap_or(LOCAL_THETA);
    let local = Rope { base: theta, factors: Vec::new(), magnitude: 1.0, ..blueprint.ropes[GLOBAL].clone() };
    let window = keys.size("attention.sliding_window", 1 << 30)?;
    let pattern = keys.size("attention.sliding_window_pattern", 1 << 12)?.unwrap_or(PATTERN);
    let sliding = (1..=blueprint.layers.len()).map(|n| !n.is_multiple_of(pattern)).collect();
    Ok(gemma(blueprint, local, window, sliding))
}

fn from_config(config: &Config) -> Result<Blueprint> {
    let defaults = Defaults {
        head_dim: Some(256),
        norm_eps: 1e-6,
        activation_field: "hidden_activation",
        activation: Activation::GeluTanh,
        tied: true,
        theta: 1_000_000.0,
    };
    let mut blueprint = config.plain_decoder(&defaults)?;
    if config.bool("use_bidirectional_attention")? == Some(true) {
        return config.refuse("use_bidirectional_attention");
    }
    blueprint.norm_offset = 1.0;
    blueprint.attention_scale = 1.0 / config.positive("query_pre_attn_scalar")?.unwrap_or(256.0).sqrt();
    // The class still has this field of Gemma 2's and computes without it (transformers 5.23).
    config.positive("attn_logit_softcapping")?;
    blueprint.logit_softcap = config.positive("final_logit_softcapping")?;
    let (dim, context, layers) = (blueprint.head_dim, blueprint.context, blueprint.layers.len());
    blueprint.ropes[GLOBAL] = config.rope(Some("full_attention"), defaults.theta, dim, context)?;
    let local = config.local_rope("rope_local_base_freq", LOCAL_THETA, dim, context)?;
    let default = (!config.says("sliding_window")).then_some(4096);
    let window = config.size("sliding_window", 1 << 30)?.or(default);
    let pattern = config.size("sliding_window_pattern", 1 << 12)?.unwrap_or(PATTERN);
    let sliding = config.sliding_layers(layers)?;
    let sliding = sliding.unwrap_or_else(|| (1..=layers).map(|n| !n.is_multiple_of(pattern)).collect());
    Ok(gemma(blueprint, local, window, sliding))
}

/// What both sources share.
fn gemma(mut blueprint: Blueprint, local: Rope, window: Option<usize>, sliding: Vec<bool>) -> Blueprint {
    blueprint.activation = Activation::GeluTanh;
    blueprint.embedding_scale = (blueprint.hidden as f32).sqrt();
    blueprint.qk_norm = true;
    blueprint.post_norms = true;
    blueprint.ropes.push(local);
    blueprint.layers = sliding
        .into_iter()
        .map(|sliding| match sliding {
            true => LayerAttention { window, rope: Some(LOCAL) },
            false => LayerAttention { window: None, rope: Some(GLOBAL) },
        })
        .collect();
    blueprint
}
