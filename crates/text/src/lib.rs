//! Language models: weights, tokenizers, chat templates, one parametric decoder, sampling.

pub mod answer;
pub mod blueprint;
pub mod checkpoint;
pub mod decoder;
pub mod engine;
pub mod families;
pub mod gguf;
pub mod grammar;
pub mod huggingface;
pub mod info;
pub mod names;
pub mod prompt;
pub mod quantize;
pub mod safetensors;
pub mod sampler;
pub mod template;
pub mod tokenizer;
pub mod weights;
