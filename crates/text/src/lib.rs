//! Language models: weights, tokenizers, chat templates, one parametric decoder, sampling.

pub mod blueprint;
pub mod gguf;
pub mod names;
pub mod weights;
