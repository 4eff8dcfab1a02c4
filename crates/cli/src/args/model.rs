//! Which model, and how it is loaded: the options that `run`, `chat` and `bench` share.

use clap::Args;

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
    /// Threads to compute with [default: one per core]
    #[arg(short, long, value_name = "COUNT", env = "PARASOL_THREADS", hide_env_values = true, value_parser = positive)]
    pub(crate) threads: Option<usize>,
    /// Quantise a safetensors model while it loads, such as q8_0 or q4_0 [default: keep the precision of its files]
    #[arg(long, value_name = "FORMAT", env = "PARASOL_QUANTIZE", hide_env_values = true)]
    pub(crate) quantize: Option<String>,
}

/// A whole number from one up.
pub(super) fn positive(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(0) => Err("must be at least 1".into()),
        Ok(n) => Ok(n),
        Err(_) => Err("must be a whole number from 1 up".into()),
    }
}
