//! What `parasol listen` takes.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `parasol listen`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  arecord -q -t raw -f S16_LE -r 16000 -c 1 | parasol listen - --raw 16000
  parasol listen talk.wav --format json
  parasol listen                                the microphone, in builds with the feature `microphone`")]
pub(crate) struct ListenArgs {
    /// The sound: a file, or - for stdin [default: the microphone]
    #[arg(value_name = "FILE", conflicts_with = "file_flag")]
    pub(crate) file: Option<PathBuf>,
    /// The sound, instead of the argument
    #[arg(long = "file", value_name = "FILE", hide = true)]
    pub(crate) file_flag: Option<PathBuf>,
    /// The sound is plain 16-bit numbers, little-endian, one channel, so many a second
    #[arg(long, value_name = "RATE")]
    pub(crate) raw: Option<u32>,
    /// The model: a name that `parasol list` shows, a CTranslate2 or Hugging Face folder, or a ggml file [default: whisper-base]
    #[arg(short, long, env = "PARASOL_TRANSCRIBE_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,
    /// What is printed
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub(crate) format: LineForm,
    /// The language that is spoken, such as en or german [default: found by listening]
    #[arg(short, long, value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,
    /// Text that may have come before: names and spellings in it are preferred
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Silence that ends a line, in milliseconds
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(50..=10_000))]
    pub(crate) pause: u32,
    /// Threads to compute with [default: one per core]
    #[arg(short, long, value_name = "COUNT", env = "PARASOL_THREADS", hide_env_values = true, value_parser = super::model::threads)]
    pub(crate) threads: Option<usize>,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,
}

/// What `listen` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LineForm {
    /// One line for each turn; on a terminal it grows while it is said
    Text,
    /// One object a line: `partial` with new words while they are said, `line` when they are all there, `nothing` when they
    /// turn out to be none
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// Start, end (milliseconds) and text, separated by tabs
    Tsv,
}
