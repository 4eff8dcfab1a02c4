//! The arguments of `parasol providers` and `parasol usage`.

use clap::{Args, Subcommand, ValueEnum};

/// `parasol providers`.
#[derive(Debug, Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Settings of providers, prices, budgets and chains are in remote.toml in Parasol's folder: see docs/remote.md."
)]
pub(crate) struct ProvidersArgs {
    /// What to do; without it they are listed with their models
    #[command(subcommand)]
    pub(crate) command: Option<ProvidersCommand>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `parasol providers` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Keep a provider's key, which is read from stdin, in a file that only you may read
    Login {
        /// The provider
        provider: String,
        /// Keep it in the operating system's keyring instead of a file
        #[arg(long)]
        keyring: bool,
    },
    /// Forget a key that was kept
    Logout {
        /// The provider
        provider: String,
    },
}

/// `parasol usage`.
#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// How many days back, today included (days begin at midnight UTC)
    #[arg(long, value_name = "COUNT", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3660))]
    pub(crate) days: u16,
    /// What is summed up together
    #[arg(long, value_name = "WHAT", default_value = "model")]
    pub(crate) by: UsageBy,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `parasol usage` sums up together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum UsageBy {
    /// Answers of one day
    Day,
    /// Answers of one model
    Model,
    /// Answers of one provider
    Provider,
    /// Answers to one API key
    Key,
}
