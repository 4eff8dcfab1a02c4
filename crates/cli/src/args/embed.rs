//! What `parasol embed` takes.

use super::model::EngineArgs;
use clap::{Args, ValueEnum};
use parasol_core::EmbedPurpose;

/// `parasol embed`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  parasol embed \"A cat on a mat\" --model text-embedding-3-small
  parasol embed --purpose document --json < lines.txt > vectors.json

Each text becomes a line of numbers, in order. Texts come from the arguments, or one a line from stdin.")]
pub(crate) struct EmbedArgs {
    /// The texts. Left out: the lines of stdin
    #[arg(value_name = "TEXT")]
    pub(crate) texts: Vec<String>,
    /// The model: a name, hf:owner/repo[:file], a path, or a provider's. Left out: the default model
    #[arg(short, long, env = "PARASOL_EMBED_MODEL", hide_env_values = true)]
    pub(crate) model: Option<String>,
    /// What the vectors are for, where the model makes a difference
    #[arg(short, long, value_name = "PURPOSE")]
    pub(crate) purpose: Option<Purpose>,
    /// Values of each vector, of which the model may have more
    #[arg(short, long, value_name = "COUNT", value_parser = super::model::positive)]
    pub(crate) dimensions: Option<usize>,
    /// Cut texts that are longer than the model reads, instead of refusing them
    #[arg(long)]
    pub(crate) truncate: bool,
    /// Print one JSON object at the end
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a line of timings on stderr
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,

    /// How the model is loaded
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// What vectors are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// They are searched for
    Query,
    /// They are searched in
    Document,
    /// Texts are compared with each other
    Similarity,
    /// Texts are sorted into given classes
    Classification,
    /// Texts are grouped by what they have in common
    Clustering,
    /// The texts are questions whose answers are searched for
    Question,
    /// The texts are statements for which evidence is searched
    Claim,
    /// The texts say what code is searched for
    CodeQuery,
}

impl From<Purpose> for EmbedPurpose {
    fn from(purpose: Purpose) -> Self {
        match purpose {
            Purpose::Query => Self::Query,
            Purpose::Document => Self::Document,
            Purpose::Similarity => Self::Similarity,
            Purpose::Classification => Self::Classification,
            Purpose::Clustering => Self::Clustering,
            Purpose::Question => Self::Question,
            Purpose::Claim => Self::Claim,
            Purpose::CodeQuery => Self::CodeQuery,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_can_be_asked_for() {
        let offered: Vec<EmbedPurpose> =
            Purpose::value_variants().iter().map(|purpose| (*purpose).into()).collect();
        assert_eq!(offered, EmbedPurpose::ALL);
    }
}
