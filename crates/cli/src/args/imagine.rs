//! What `parasol imagine` takes.

use clap::Args;
use std::path::PathBuf;

/// `parasol imagine`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  parasol imagine \"A lighthouse at dusk\" --model gpt-image-2 -o lighthouse.png
  parasol imagine \"A lighthouse\" -m flux-2-pro --size 1440x816 --seed 7 -n 3 -o lighthouse.jpg
  parasol imagine \"Make it night\" -m gpt-image-2 --image day.png -o night.png
  parasol providers                            shows which models make pictures

No model on this machine makes pictures yet: they are asked of providers, which charge for them.")]
pub(crate) struct ImagineArgs {
    /// What is to be seen, or to be changed. Left out: stdin
    #[arg(value_name = "PROMPT")]
    pub(crate) prompt: Option<String>,
    /// The model
    #[arg(short, long, env = "PARASOL_IMAGINE_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,
    /// Write to this file, in the format of its ending (png, jpg, webp); several get numbers. Left out: one to stdout, where that is no terminal
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Replace files that are there
    #[arg(long)]
    pub(crate) force: bool,
    /// How many pictures
    #[arg(short = 'n', long, value_name = "COUNT", default_value_t = 1)]
    pub(crate) count: usize,
    /// Pixels as 1536x1024, or a shape as 3:2, as the model takes it
    #[arg(long, value_name = "SIZE")]
    pub(crate) size: Option<String>,
    /// How good, in the model's own word, such as low, medium or high
    #[arg(long, value_name = "WORD")]
    pub(crate) quality: Option<String>,
    /// What is not to be seen
    #[arg(long, value_name = "TEXT")]
    pub(crate) negative: Option<String>,
    /// Draw from this seed: the same request gives the same picture; the next of several takes the next seed
    #[arg(long, value_name = "NUMBER")]
    pub(crate) seed: Option<u64>,
    /// Steps of denoising
    #[arg(long, value_name = "COUNT")]
    pub(crate) steps: Option<u32>,
    /// How closely the prompt is followed
    #[arg(long, value_name = "NUMBER")]
    pub(crate) guidance: Option<f32>,
    /// A picture to change or to go by (may be repeated)
    #[arg(long, value_name = "FILE")]
    pub(crate) image: Vec<PathBuf>,
    /// Where the first of them may change: where this picture is transparent
    #[arg(long, value_name = "FILE", requires = "image")]
    pub(crate) mask: Option<PathBuf>,
    /// How far from the first of them: 0 is the picture itself, 1 takes nothing from it
    #[arg(long, value_name = "NUMBER", requires = "image")]
    pub(crate) strength: Option<f32>,
    /// transparent or opaque
    #[arg(long, value_name = "WORD")]
    pub(crate) background: Option<String>,
    /// png, jpeg, webp or gif, whatever the file is called
    #[arg(long, value_name = "FORMAT")]
    pub(crate) format: Option<String>,
    /// Print a JSON object about the pictures at the end; needs --output
    #[arg(long, requires = "output")]
    pub(crate) json: bool,
    /// Print a line of timings and cost on stderr
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
}
