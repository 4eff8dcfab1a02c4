//! Language models: weights, tokenizers, chat templates, one parametric decoder, sampling.

pub mod blueprint;
pub mod decoder;
pub mod families;
pub mod gguf;
pub mod huggingface;
pub mod names;
pub mod quantize;
pub mod safetensors;
pub mod tokenizer;
pub mod weights;
