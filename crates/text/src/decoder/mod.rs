//! The one decoder: a transformer whose every choice comes from a [`Blueprint`]. It knows tensors and arithmetic, no
//! family names, no tokens' meaning and no sampling.

mod cache;
mod forward;
mod layer;

pub use cache::{KvCache, KvPool};
pub use forward::{Logits, Span, Workspace};

use crate::blueprint::Blueprint;
use crate::names::Names;
use crate::weights::{Tensor, Weights};
use layer::{Layer, vector, weight_matrix};
use parasol_core::Result;
use parasol_kernels::{Compute, KvFormat, KvShape};
use std::sync::Arc;

/// A model's weights and description, ready to compute. Immutable: any number of caches may use it.
#[derive(Debug)]
pub struct Decoder {
    blueprint: Blueprint,
    compute: Arc<Compute>,
    embedding: Tensor,
    /// `None`: tied to the embedding.
    output: Option<Tensor>,
    output_norm: Vec<f32>,
    layers: Vec<Layer>,
    /// Radians that each pair turns by for one position, for each of the blueprint's rotary embeddings.
    frequencies: Vec<Vec<f64>>,
}

impl Decoder {
    /// Collects the tensors that `blueprint` describes.
    ///
    /// # Errors
    /// `Corrupt` when a tensor is missing or has another shape than the blueprint needs.
    pub fn new(blueprint: Blueprint, weights: &Weights, compute: Arc<Compute>) -> Result<Self> {
        blueprint.check()?;
        let b = &blueprint;
        let names = Names::new(weights.naming, b.post_norms);
        let embedding = weight_matrix(weights, &names.token_embd(), b.vocab, b.hidden)?;
        let output = match b.tied_output {
            true => None,
            false => Some(weight_matrix(weights, &names.output(), b.vocab, b.hidden)?),
        };
        let output_norm = vector(weights, &names.output_norm(), b.hidden, b.norm_offset)?;
        let layers =
            (0..b.layers.len()).map(|layer| Layer::new(b, weights, names, layer)).collect::<Result<_>>()?;
        let frequencies = b
            .ropes
            .iter()
            .map(|rope| {
                (0..rope.rotated / 2)
                    .map(|pair| {
                        let frequency = f64::from(rope.base).powf(-2.0 * pair as f64 / rope.rotated as f64);
                        frequency / rope.factors.get(pair).map_or(1.0, |&factor| f64::from(factor))
                    })
                    .collect()
            })
            .collect();
        Ok(Self { blueprint, compute, embedding, output, output_norm, layers, frequencies })
    }

    /// The description it was built from.
    pub fn blueprint(&self) -> &Blueprint {
        &self.blueprint
    }

    /// What it computes on.
    pub fn compute(&self) -> &Arc<Compute> {
        &self.compute
    }

    /// Bytes of weights that generating one token reads.
    pub fn bytes_per_token(&self) -> u64 {
        let head = self.output.as_ref().unwrap_or(&self.embedding).bytes().len();
        (head + self.layers.iter().map(Layer::bytes).sum::<usize>()) as u64
    }

    /// Multiply-adds with weights for one token of a prompt, the output head left out.
    pub fn products_per_token(&self) -> u64 {
        self.layers.iter().map(Layer::products).sum()
    }

    fn kv_shape(&self, format: KvFormat) -> KvShape {
        KvShape { kv_heads: self.blueprint.kv_heads, head_dim: self.blueprint.head_dim, format }
    }
}
