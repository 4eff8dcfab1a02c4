//! What `parasol transcribe` takes.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// `parasol transcribe`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  parasol transcribe talk.mp3
  parasol transcribe talk.mp3 --format srt > talk.srt
  ffmpeg -i film.avi -f wav - | parasol transcribe - --translate")]
pub(crate) struct TranscribeArgs {
    /// The sound: WAV, MP3, FLAC, OGG, Opus, M4A, WebM …; - reads it from stdin
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    /// The model: a name that `parasol list` shows, a CTranslate2 or Hugging Face folder, or a ggml file [default: whisper-base]
    #[arg(short, long, env = "PARASOL_TRANSCRIBE_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,
    /// What is printed
    #[arg(short, long, value_name = "FORM", default_value = "text")]
    pub(crate) format: TranscriptForm,
    /// The language that is spoken, such as en or german [default: found by listening]
    #[arg(short, long, value_name = "LANGUAGE")]
    pub(crate) language: Option<String>,
    /// Translate into English
    #[arg(long)]
    pub(crate) translate: bool,
    /// Tell when each word is said
    #[arg(short, long)]
    pub(crate) word_timestamps: bool,
    /// Text that may have come before: names and spellings in it are preferred
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,
    /// Follow this many texts side by side; 1 is fastest [default: 5]
    #[arg(long, value_name = "COUNT", value_parser = super::model::positive)]
    pub(crate) beam: Option<usize>,
    /// Draw words at this temperature instead of trying warmer ones where the text looks wrong
    #[arg(long, value_name = "NUMBER")]
    pub(crate) temperature: Option<f32>,
    /// Let what was written guide what comes next
    #[arg(long)]
    pub(crate) previous_text: bool,
    /// Transcribe everything, in windows of 30 seconds, instead of the stretches with speech in them
    #[arg(long)]
    pub(crate) no_voice_activity: bool,
    /// Repeat a draw: the same seed gives the same text
    #[arg(long, value_name = "NUMBER", env = "PARASOL_SEED", hide_env_values = true)]
    pub(crate) seed: Option<u64>,
    /// Threads to compute with [default: one per core]
    #[arg(short, long, value_name = "COUNT", env = "PARASOL_THREADS", hide_env_values = true, value_parser = super::model::threads)]
    pub(crate) threads: Option<usize>,
    /// Print a line of timings on stderr
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,
}

/// What `transcribe` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TranscriptForm {
    /// One line for each segment
    Text,
    /// One object with segments, words and what it took
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// Start, end (milliseconds) and text, separated by tabs
    Tsv,
}
