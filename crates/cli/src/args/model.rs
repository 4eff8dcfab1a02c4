//! Which model, and how it is loaded: the options that `run`, `chat` and `bench` share.

use clap::{Args, ValueEnum};
use parasol_runtime::KvFormat;
use serde::{Deserialize, Serialize};

/// The long help of every MODEL argument.
pub(crate) const MODEL_HELP: &str = "\
The model: a name that `parasol list` shows, hf:owner/repo[:file or quantisation], a path to a .gguf file, or a path to a \
folder with config.json and safetensors. A file of your own is used where it lies. Left out: the default model";

/// How a model is loaded.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// Tokens that the context holds [default: what the model was made for, as far as memory allows]
    #[arg(short, long, value_name = "TOKENS", env = "PARASOL_CONTEXT", hide_env_values = true, value_parser = positive)]
    pub(crate) context: Option<usize>,
    /// How the cache keeps keys and values: q8_0 takes little more than half the memory of f16
    #[arg(long, value_name = "TYPE", env = "PARASOL_CACHE_TYPE", hide_env_values = true)]
    pub(crate) cache_type: Option<CacheType>,
    /// Threads to compute with [default: one per core]
    #[arg(short, long, value_name = "COUNT", env = "PARASOL_THREADS", hide_env_values = true, value_parser = threads)]
    pub(crate) threads: Option<usize>,
    /// Quantise a safetensors model while it loads, such as q8_0 or q4_0 [default: keep the precision of its files]
    #[arg(long, value_name = "FORMAT", env = "PARASOL_QUANTIZE", hide_env_values = true)]
    pub(crate) quantize: Option<String>,
}

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CacheType {
    /// In half precision
    F16,
    /// As they were computed, in twice the memory
    F32,
    /// In 8 bits, with a scale for 32 values
    #[value(name = "q8_0")]
    #[serde(rename = "q8_0")]
    Q8,
}

impl From<CacheType> for KvFormat {
    fn from(choice: CacheType) -> Self {
        match choice {
            CacheType::F16 => Self::F16,
            CacheType::F32 => Self::F32,
            CacheType::Q8 => Self::Q8,
        }
    }
}

/// A whole number from one up.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("must be a whole number from 1 up".into()),
    }
}

/// A count of threads. Far more than a machine runs at once spend their time on waiting for each other.
pub(crate) fn threads(text: &str) -> Result<usize, String> {
    let most = most_threads();
    match positive(text)? {
        n if n > most => Err(format!("must be at most {most} on this machine")),
        n => Ok(n),
    }
}

/// The most threads that may be asked for here.
pub(crate) fn most_threads() -> usize {
    parasol_runtime::usable_threads().saturating_mul(4).max(64)
}
