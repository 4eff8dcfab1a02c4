//! The arguments of `parasol voices`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// `parasol voices`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "\
Examples:
  parasol voices add anna recording.wav --consent    keep Anna's voice, with her permission
  parasol voices                                     list what is kept
  parasol voices check talk.mp3                      does it carry the mark of an imitated voice?

Models that imitate voices speak with it: parasol speak --voice anna. All that they say carries an
inaudible mark: see docs/voices.md."
)]
pub(crate) struct VoicesArgs {
    /// What to do; without it the voices that are kept are listed
    #[command(subcommand)]
    pub(crate) command: Option<VoicesCommand>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `parasol voices` does.
#[derive(Debug, Subcommand)]
pub(crate) enum VoicesCommand {
    /// Keep the voice of a recording, with the permission of the person who speaks
    Add {
        /// What the voice is to be called
        name: String,
        /// Sound files of any kind and rate, 2 to 60 seconds in all, of one person who speaks
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// State that the person who speaks has given permission; without it that is asked on a terminal
        #[arg(long)]
        consent: bool,
        /// What is said in the recording, for models that want to know
        #[arg(long, value_name = "TEXT")]
        transcript: Option<String>,
        /// What the voice sounds like
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// List the voices that are kept, each with its consent
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove voices with their recordings
    Rm {
        /// Their names or ids
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
    /// Tell whether sounds carry the mark of a voice that was imitated here
    Check {
        /// Sound files of any kind; - is stdin
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}
