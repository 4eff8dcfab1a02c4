//! Qwen 3, dense: Llama's shape with a head size of its own and norms over queries and keys.

use super::Family;
use super::config::{Config, Defaults};
use super::gguf_keys::GgufKeys;
use crate::blueprint::{Activation, Blueprint, RopePairs};
use parasol_core::Result;

pub(super) const FAMILY: Family =
    Family { architecture: "qwen3", model_types: &["qwen3"], from_gguf, from_config };

fn from_gguf(keys: &GgufKeys<'_>) -> Result<Blueprint> {
    let mut blueprint = keys.plain_decoder(RopePairs::Halves)?;
    blueprint.qk_norm = true;
    Ok(blueprint)
}

fn from_config(config: &Config) -> Result<Blueprint> {
    let mut blueprint = config.plain_decoder(&Defaults {
        head_dim: Some(128),
        norm_eps: 1e-6,
        activation_field: "hidden_act",
        activation: Activation::Silu,
        tied: false,
        theta: 10_000.0,
    })?;
    blueprint.qk_norm = true;
    let layers = blueprint.layers.len();
    let first = config.size("max_window_layers", 1 << 20)?.unwrap_or(28);
    let window = config.size("sliding_window", 1 << 30)?;
    if config.bool("use_sliding_window")? == Some(true) {
        let window = window.or((!config.says("sliding_window")).then_some(4096));
        let sliding =
            config.sliding_layers(layers)?.unwrap_or_else(|| (0..layers).map(|i| i >= first).collect());
        for (layer, sliding) in blueprint.layers.iter_mut().zip(sliding) {
            layer.window = window.filter(|_| sliding);
        }
    } else if config.sliding_layers(layers)?.is_some_and(|sliding| sliding.contains(&true)) {
        return config.refuse("layer_types");
    }
    Ok(blueprint)
}
