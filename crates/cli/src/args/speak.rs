//! What `parasol speak` takes.

use clap::Args;
use std::path::PathBuf;

/// `parasol speak`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  parasol speak \"Hello there\" -o hello.wav
  parasol speak < book.txt -o book.flac
  parasol speak \"Hello there\" | aplay              WAV goes to a pipe as it is made
  parasol speak --list-voices

Parasol plays nothing itself: pipe to a player such as aplay, paplay or ffplay -i -.")]
pub(crate) struct SpeakArgs {
    /// The text, or SSML that begins with <speak>. Left out: stdin
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// The voice's model: a name or a path. Left out: the default voice
    #[arg(short, long, env = "PARASOL_SPEAK_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,
    /// Which of the model's voices, by name or a speaker's number, or one that `parasol voices` keeps, where the model can imitate
    #[arg(long, value_name = "NAME", env = "PARASOL_VOICE", hide_env_values = true)]
    pub(crate) voice: Option<String>,
    /// The language of the text, such as en-US; refused when the voice does not speak it
    #[arg(long, value_name = "TAG")]
    pub(crate) language: Option<String>,
    /// Write to this file, in the format of its ending. Left out: to stdout, where that is no terminal
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// wav, flac, opus or pcm (16 bits), whatever the file is called
    #[arg(short, long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// The pace: 1 is the voice's own, 2 twice as fast
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) speed: f32,
    /// The volume: 1 leaves it as it is
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0)]
    pub(crate) volume: f32,
    /// Draw from this seed: the same text sounds the same
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Print the phonemes of each sentence and no sound
    #[arg(long, conflicts_with_all = ["output", "format"])]
    pub(crate) phonemes: bool,
    /// List the voices of the model
    #[arg(long, conflicts_with_all = ["text", "output", "format", "phonemes"])]
    pub(crate) list_voices: bool,
    /// Print a line of timings on stderr
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,
    /// Threads to compute with
    #[arg(short, long, value_name = "COUNT", env = "PARASOL_THREADS", hide_env_values = true, value_parser = super::model::threads)]
    pub(crate) threads: Option<usize>,
}
