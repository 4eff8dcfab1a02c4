//! Llama and what has its shape: SmolLM2, Llama 2 and 3, TinyLlama, and Mistral's dense models (which add a window).

use super::Family;
use super::config::{Config, Defaults};
use super::gguf_keys::GgufKeys;
use crate::blueprint::{Activation, Blueprint, RopePairs};
use parasol_core::Result;

pub(super) const FAMILY: Family =
    Family { architecture: "llama", model_types: &["llama", "mistral"], from_gguf, from_config };

fn from_gguf(keys: &GgufKeys<'_>) -> Result<Blueprint> {
    // Converters reorder the rows of q and k so that pairs are adjacent.
    keys.plain_decoder(RopePairs::Adjacent)
}

fn from_config(config: &Config) -> Result<Blueprint> {
    let mut blueprint = config.plain_decoder(&Defaults {
        head_dim: None,
        norm_eps: 1e-6,
        activation_field: "hidden_act",
        activation: Activation::Silu,
        tied: false,
        theta: 10_000.0,
    })?;
    // SmolLM2 spells this out; true would mean another pairing than the checkpoint format's.
    config
        .bool("rope_interleaved")?
        .filter(|on| *on)
        .map_or(Ok(()), |_| config.refuse("rope_interleaved"))?;
    if config.required_str("model_type")? == "mistral" {
        // The class's own default is 4096; a null means none.
        let default = (!config.says("sliding_window")).then_some(4096);
        let window = config.size("sliding_window", 1 << 30)?.or(default);
        blueprint.layers.iter_mut().for_each(|layer| layer.window = window);
    }
    Ok(blueprint)
}
