//! What a model file says about itself and what running it takes: everything that `parasol show` prints.

use crate::blueprint::Blueprint;
use crate::weights::Weights;
use parasol_core::SamplingChoice;
use parasol_kernels::Format;
use std::collections::BTreeMap;

/// What a checkpoint states about its origin. Each field is `None` where the file does not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// The model's name.
    pub name: Option<String>,
    /// Who made it.
    pub author: Option<String>,
    /// Its licence.
    pub licence: Option<String>,
    /// Where it is described.
    pub url: Option<String>,
    /// The languages that it is for.
    pub languages: Vec<String>,
}

/// A share of a model's tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FormatShare {
    /// Storage format.
    pub format: Format,
    /// Tensors in this format.
    pub tensors: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// How the states of a text's tokens become its vector, where a model was made to embed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token.
    First,
    /// That of the last token.
    Last,
    /// None: the model judges pairs of texts.
    Rank,
    /// In a way that is not known here, such as several joined.
    Other,
}

/// A checkpoint in numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// Architecture, as the file names it.
    pub architecture: String,
    /// What the file says of its origin.
    pub about: About,
    /// Parameters in all tensors.
    pub parameters: u64,
    /// Formats, the largest share of bytes first.
    pub formats: Vec<FormatShare>,
    /// Longest context that the model was trained for, in tokens.
    pub context: usize,
    /// Layers of the decoder.
    pub layers: usize,
    /// Heads of the attention that ask.
    pub heads: usize,
    /// Width of the residual stream.
    pub hidden: usize,
    /// Tokens in the vocabulary.
    pub vocab: usize,
    /// The chat template as the checkpoint writes it.
    pub chat_template: Option<String>,
    /// The sampling that the checkpoint itself recommends (`general.sampling.*` of a GGUF).
    pub sampling: SamplingChoice,
    /// How it embeds (`pooling_type` of a GGUF, `1_Pooling` of a folder); `None` where it says nothing.
    pub pooling: Option<Pooling>,
    /// Bytes of the weight files.
    pub file_bytes: u64,
    /// Bytes of keys and values for one token of context, all layers.
    pub cache_bytes_per_token: u64,
    ffn: usize,
}

/// Memory that a model takes at some context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryNeed {
    /// The tensors.
    pub weights: u64,
    /// Keys and values in 16 bits.
    pub cache: u64,
    /// Intermediate values of a prompt chunk, and one row of logits.
    pub activations: u64,
}

impl MemoryNeed {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.weights.saturating_add(self.cache).saturating_add(self.activations)
    }
}

impl ModelInfo {
    /// Counts what is in `weights`.
    pub fn new(
        blueprint: &Blueprint,
        weights: &Weights,
        about: About,
        chat_template: Option<String>,
        file_bytes: u64,
    ) -> Self {
        let mut formats = BTreeMap::new();
        let mut parameters = 0_u64;
        for (_, tensor) in weights.iter() {
            parameters = parameters.saturating_add((tensor.rows as u64).saturating_mul(tensor.cols as u64));
            let share = formats.entry(tensor.format.name()).or_insert(FormatShare {
                format: tensor.format,
                tensors: 0,
                bytes: 0,
            });
            share.tensors += 1;
            share.bytes += tensor.bytes().len() as u64;
        }
        let mut formats: Vec<FormatShare> = formats.into_values().collect();
        formats.sort_by_key(|share| std::cmp::Reverse(share.bytes));
        let values_per_token =
            2 * blueprint.layers.len() as u64 * (blueprint.kv_heads * blueprint.head_dim) as u64;
        Self {
            architecture: blueprint.architecture.clone(),
            about,
            parameters,
            formats,
            context: blueprint.context,
            layers: blueprint.layers.len(),
            heads: blueprint.heads,
            hidden: blueprint.hidden,
            vocab: blueprint.vocab,
            chat_template,
            sampling: SamplingChoice::default(),
            pooling: None,
            file_bytes,
            cache_bytes_per_token: 2 * values_per_token,
            ffn: blueprint.ffn,
        }
    }

    /// What a process takes besides [`ModelInfo::memory`]: the program, the file's metadata and the tables of the tokenizer. Measured
    /// with vocabularies of 49 152, 151 936 and 262 144 tokens, it lies within 12 MB.
    pub fn besides(&self) -> u64 {
        const PROGRAM: u64 = 8_000_000;
        const OF_A_TOKEN: u64 = 130;
        let tensors: u64 = self.formats.iter().map(|share| share.bytes).sum();
        PROGRAM + OF_A_TOKEN * self.vocab as u64 + self.file_bytes.saturating_sub(tensors)
    }

    /// The memory that running the model with `context` tokens takes.
    pub fn memory(&self, context: usize) -> MemoryNeed {
        // Residual, normalised input and attention in f32, and both feed-forward halves, for each token of a chunk.
        let per_token = 4 * (4 * self.hidden as u64 + 2 * self.ffn as u64);
        let chunk = context.min(crate::engine::CHUNK) as u64;
        MemoryNeed {
            weights: self.formats.iter().map(|share| share.bytes).sum(),
            cache: self.cache_bytes_per_token.saturating_mul(context as u64),
            activations: per_token * chunk + 4 * self.vocab as u64,
        }
    }
}
