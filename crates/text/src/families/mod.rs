//! Which model families there are, and how each fills a [`Blueprint`]: one small file per family. To add one, write its
//! file (at most 150 lines) and add it to [`FAMILIES`]. Tensors and arithmetic are left to the decoder.

mod config;
mod gemma3;
mod gguf_keys;
mod llama;
mod qwen3;
mod rope;

pub use config::Config;
pub use gguf_keys::GgufKeys;

use crate::blueprint::Blueprint;
use crate::gguf::Metadata;
use crate::names::Names;
use crate::weights::Weights;
use parasol_core::{Error, ErrorKind, Result};

/// A family of models that share a description.
pub struct Family {
    /// `general.architecture` of its GGUF files.
    pub architecture: &'static str,
    /// `model_type` of its Hugging Face checkpoints.
    pub model_types: &'static [&'static str],
    /// Fills a blueprint from GGUF metadata.
    pub from_gguf: fn(&GgufKeys<'_>) -> Result<Blueprint>,
    /// Fills a blueprint from a `config.json`.
    pub from_config: fn(&Config) -> Result<Blueprint>,
}

/// Every family that this build runs.
pub const FAMILIES: &[Family] = &[llama::FAMILY, gemma3::FAMILY, qwen3::FAMILY];

/// The checked blueprint of a GGUF model.
///
/// # Errors
/// `Unsupported` names an architecture, a feature or a field that this build does not run; `Corrupt` a missing or
/// impossible number.
pub fn from_gguf(metadata: Metadata<'_>, weights: &Weights) -> Result<Blueprint> {
    let architecture = metadata.str("general.architecture")?.ok_or_else(|| {
        Error::new(ErrorKind::Corrupt, "the file has no `general.architecture`; it is no model")
    })?;
    let family = FAMILIES.iter().find(|f| f.architecture == architecture);
    let family = family
        .ok_or_else(|| unknown("architecture", architecture, FAMILIES.iter().map(|f| f.architecture)))?;
    let keys = GgufKeys::new(architecture, metadata, weights);
    let blueprint = (family.from_gguf)(&keys)?;
    keys.finish()?;
    finish(blueprint, weights)
}

/// The checked blueprint of a Hugging Face checkpoint. Errors are those of [`from_gguf`].
pub fn from_config(config: &Config, weights: &Weights) -> Result<Blueprint> {
    let model_type = config.required_str("model_type")?;
    let family = FAMILIES.iter().find(|f| f.model_types.contains(&model_type));
    let all = FAMILIES.iter().flat_map(|f| f.model_types.iter().copied());
    let family = family.ok_or_else(|| unknown("model_type", model_type, all))?;
    let blueprint = (family.from_config)(config)?;
    config.finish()?;
    finish(blueprint, weights)
}

fn finish(mut blueprint: Blueprint, weights: &Weights) -> Result<Blueprint> {
    let names = Names::new(weights.naming, blueprint.post_norms);
    blueprint.tied_output |= weights.get(&names.output()).is_none();
    blueprint.check()?;
    refuse_unused(&blueprint, names, weights)?;
    Ok(blueprint)
}

fn unknown(field: &str, value: &str, known: impl Iterator<Item = &'static str>) -> Error {
    let known = known.collect::<Vec<_>>().join(", ");
    Error::new(
        ErrorKind::Unsupported,
        format!("{field} `{value}` is not one that this build runs; it runs {known}"),
    )
}

/// A tensor without a role (a bias, an expert, an adapter) would change the numbers: it is refused by name.
fn refuse_unused(blueprint: &Blueprint, names: Names, weights: &Weights) -> Result<()> {
    let known = names.all(blueprint);
    let mut strangers: Vec<&str> = weights
        .iter()
        .map(|(name, _)| name)
        .filter(|name| {
            !known.contains(*name) && *name != rope::FACTORS_TENSOR && !name.ends_with(".inv_freq")
        })
        .collect();
    strangers.sort_unstable();
    match strangers.first() {
        None => Ok(()),
        Some(first) => Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "the checkpoint has {} tensors that the {} decoder of this build has no use for, `{first}` first; \
                 to leave them out would change the model's numbers",
                strangers.len(),
                blueprint.architecture
            ),
        )),
    }
}
