//! The arguments of `parasol film` and `parasol jobs`.

use clap::{Args, Subcommand};
use parasol_core::FilmSize;
use std::path::PathBuf;

/// `parasol film`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  parasol film \"A cat on a roof at dusk\" --model gen4.5 -o film.mp4
  parasol film \"It jumps\" --model gen4_turbo --first-frame cat.png -o film.mp4
  parasol film \"Rain\" --model gen4.5 --detach      print the job's name and leave it to itself

A film takes minutes and costs money: Ctrl-C ends its job at the provider, too. A job goes on without this program:
`parasol jobs` lists them, `parasol jobs wait NAME -o film.mp4` goes on with one.")]
pub(crate) struct FilmArgs {
    /// What is to be seen. Left out: stdin
    #[arg(value_name = "TEXT")]
    pub(crate) text: Option<String>,
    /// The model: `parasol providers` shows those that make films
    #[arg(short, long, env = "PARASOL_FILM_MODEL", hide_env_values = true)]
    pub(crate) model: String,
    /// Write to this file. Left out: to stdout, where that is no terminal
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Width and height, such as 1280x720. Left out: the model's own
    #[arg(long, value_name = "WxH")]
    pub(crate) size: Option<FilmSize>,
    /// How long the film is. Left out: the model's own
    #[arg(long, value_name = "COUNT")]
    pub(crate) seconds: Option<u32>,
    /// The picture that it begins with: a PNG, JPEG or WebP file
    #[arg(long, value_name = "FILE")]
    pub(crate) first_frame: Option<PathBuf>,
    /// What is not to be seen, where the model takes that
    #[arg(long, value_name = "TEXT")]
    pub(crate) negative_prompt: Option<String>,
    /// Draw from this seed, where the model takes one
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Print the job's name as soon as the provider has taken it, and do not wait
    #[arg(long, conflicts_with = "output")]
    pub(crate) detach: bool,
    /// Print a line of what it took and cost on stderr
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
}

/// `parasol jobs`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct JobsArgs {
    /// What to do; without it jobs are listed
    #[command(subcommand)]
    pub(crate) command: Option<JobsCommand>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `parasol jobs` does.
#[derive(Debug, Subcommand)]
pub(crate) enum JobsCommand {
    /// Wait for a film and write it down; Ctrl-C ends the waiting and not the job
    Wait {
        /// The job's name, or its beginning
        name: String,
        /// Write to this file. Left out: to stdout, where that is no terminal
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Print a line of what it took and cost on stderr
        #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
        stats: bool,
    },
    /// End a job, at its provider, too
    Cancel {
        /// The job's name, or its beginning
        name: String,
    },
}
