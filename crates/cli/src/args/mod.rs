//! The command line: the one declaration from which parsing, `--help`, environment variables, shell completions, the
//! man pages and `docs/cli.md` are made. What a command does lives in `commands`.

mod embed;
mod film;
mod generation;
mod imagine;
mod listen;
mod model;
mod providers;
mod serve;
mod speak;
mod transcribe;
mod units;
mod voices;

pub(crate) use embed::EmbedArgs;
pub(crate) use film::{FilmArgs, JobsArgs, JobsCommand};
pub(crate) use generation::GenerationArgs;
pub(crate) use imagine::ImagineArgs;
pub(crate) use listen::{LineForm, ListenArgs};
pub(crate) use model::{CacheType, EngineArgs, MODEL_HELP, most_threads};
pub(crate) use providers::{ProvidersArgs, ProvidersCommand, UsageArgs, UsageBy};
pub(crate) use serve::{
    ConfigArgs, ConfigCommand, KeyCreateArgs, KeysArgs, KeysCommand, LogForm, PsArgs, RemoteArgs, ServeArgs,
    StopArgs,
};
pub(crate) use speak::SpeakArgs;
pub(crate) use transcribe::{TranscribeArgs, TranscriptForm};
pub(crate) use voices::{VoicesArgs, VoicesCommand};

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Every kind of generative model under one roof.
///
/// Runs open-weight models on this machine. The first run of a model fetches it and checks it; later runs need no
/// network.
#[derive(Debug, Parser)]
#[command(name = "parasol", bin_name = "parasol", version, max_term_width = 100, after_help = EXAMPLES, after_long_help = AFTER_LONG)]
pub(crate) struct Cli {
    /// Say nothing on stderr but errors
    #[arg(short, long, global = true, env = "PARASOL_QUIET", hide_env_values = true)]
    pub(crate) quiet: bool,

    /// What to do
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The declaration, ready to parse: a variable that is set to nothing counts as not set, and a flag's variable may say
/// `1`, `true`, `yes` or `0`, `false`, `no`.
pub(crate) fn command() -> clap::Command {
    fn lenient(arg: clap::Arg) -> clap::Arg {
        let empty = arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
        match arg.get_action() {
            _ if empty => arg.env(None::<&str>),
            clap::ArgAction::SetTrue => arg.value_parser(clap::builder::FalseyValueParser::new()),
            // A number below zero where none belongs is a wrong number, and no unknown flag.
            clap::ArgAction::Set if !arg.is_positional() => arg.allow_negative_numbers(true),
            _ => arg,
        }
    }
    Cli::command().mut_args(lenient).mut_subcommands(|sub| sub.mut_args(lenient))
}

const EXAMPLES: &str = "\
Examples:
  parasol run \"Write a haiku about rain\"      ask the default model
  git diff | parasol run \"Sum this up\"        a prompt from a pipe
  parasol run ./model.gguf \"Hello\"            a file of your own
  parasol chat                                talk
  parasol transcribe talk.mp3                 write down what is said
  parasol speak \"Hello there\" -o hello.wav    read aloud
  parasol imagine \"A lighthouse\" -o a.png     make a picture (--model says whose)
  parasol list                                what there is";

const AFTER_LONG: &str = "\
Examples:
  parasol run \"Write a haiku about rain\"      ask the default model
  git diff | parasol run \"Sum this up\"        a prompt from a pipe
  parasol run ./model.gguf \"Hello\"            a file of your own
  parasol chat                                talk
  parasol transcribe talk.mp3                 write down what is said
  parasol speak \"Hello there\" -o hello.wav    read aloud
  parasol imagine \"A lighthouse\" -o a.png     make a picture (--model says whose)
  parasol list                                what there is

Exit codes:
    0  done (also when the reader of a pipe leaves early)
    1  a fault of Parasol's own
    2  wrong arguments, or a prompt that is no text
    3  no such model or file
    4  the network, or the tool that reaches it, failed
    5  a file is damaged or its checksum is wrong
    6  the prompt does not fit the context
    7  refused: licence not accepted, or no permission
    8  the disk is full
    9  not enough memory
   10  a format or feature that this build does not run
   11  reading or writing failed
  130  stopped by Ctrl-C

Environment:
  Most options can be set by the variable that their help names, such as PARASOL_MODEL.
  NO_COLOR      no colours
  PARASOL_ISA   which kernels to use: `parasol doctor` lists those that this processor can run";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Answer one prompt
    #[command(long_about = RUN_LONG)]
    Run(RunArgs),
    /// Talk with a model
    Chat(ChatArgs),
    /// Write down what is said in a sound file
    Transcribe(TranscribeArgs),
    /// Write down what is said while it is said
    Listen(ListenArgs),
    /// Read a text aloud into a sound file or a pipe
    Speak(SpeakArgs),
    /// Turn texts into vectors that tell how alike they are
    Embed(EmbedArgs),
    /// Make pictures with a provider's model
    Imagine(Box<ImagineArgs>),
    /// Have a film made by a provider
    Film(FilmArgs),
    /// List the films that are being made, wait for one, or end it
    Jobs(JobsArgs),
    /// Keep voices to be imitated, and tell whether a sound carries the mark of one
    Voices(VoicesArgs),
    /// Fetch models and check them
    Pull(PullArgs),
    /// List the models that are here and those that can be pulled
    #[command(visible_alias = "ls")]
    List(ListArgs),
    /// Tell what a model is and how much memory it takes
    Show(ShowArgs),
    /// Remove pulled models from the disk
    Rm(RmArgs),
    /// Serve applications that speak OpenAI, Anthropic, Gemini or Ollama
    Serve(Box<ServeArgs>),
    /// List the models that a running server has loaded
    Ps(PsArgs),
    /// Unload a model from a running server
    Stop(StopArgs),
    /// List the providers of models elsewhere, and keep their keys
    Providers(ProvidersArgs),
    /// Tell what answers of providers took and cost
    Usage(UsageArgs),
    /// Make, list and revoke the API keys of the server
    Keys(KeysArgs),
    /// Check and show the settings of the server
    Config(ConfigArgs),
    /// Measure how fast a model runs here
    Bench(BenchArgs),
    /// Tell what this machine can do and whether everything is in place
    Doctor(DoctorArgs),
    /// Print the completions for a shell
    Completions(CompletionsArgs),
    /// Print a manual page
    Man(ManArgs),
}

const RUN_LONG: &str = "\
Answer one prompt

The prompt comes from the argument, from stdin, or from both (the argument, a blank line, stdin). Files given with --file \
stand in front of it.

One positional argument is the prompt, unless it names a model: a name that `parasol list` or `parasol providers` shows, an \
existing .gguf file or model folder, or something that starts with hf:. With two, the first is the model. With a model and nothing to say, at a \
terminal, a chat begins.";

/// `parasol run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The model: a name, hf:owner/repo[:file], or a path. Left out: the default model
    #[arg(value_name = "MODEL")]
    pub(crate) first: Option<String>,
    /// The prompt
    #[arg(value_name = "PROMPT")]
    pub(crate) second: Option<String>,

    /// The model, instead of the first argument
    #[arg(short, long, env = "PARASOL_MODEL", hide_env_values = true, long_help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT", env = "PARASOL_SYSTEM", hide_env_values = true)]
    pub(crate) system: Option<String>,
    /// Put a text file in front of the prompt (may be repeated)
    #[arg(short, long, value_name = "FILE")]
    pub(crate) file: Vec<PathBuf>,
    /// Continue the prompt as it is, without a chat template
    #[arg(long, conflicts_with = "system")]
    pub(crate) raw: bool,
    /// Fill in what belongs between the prompt and this text
    #[arg(long, value_name = "TEXT", conflicts_with = "system")]
    pub(crate) suffix: Option<String>,
    /// Print JSON: one object at the end, or with --json=events one per event as it happens
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true, default_missing_value = "answer")]
    pub(crate) json: Option<JsonForm>,
    /// Print a line of timings on stderr
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,

    /// How tokens are chosen
    #[command(flatten)]
    pub(crate) generation: GenerationArgs,
    /// How the model is loaded
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// What `run --json` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum JsonForm {
    /// One object when the answer is complete
    Answer,
    /// One object per event, one event per line
    Events,
}

/// `parasol chat`.
#[derive(Debug, Args)]
#[command(after_help = "Type /help in the chat for its commands.")]
pub(crate) struct ChatArgs {
    /// The model: a name, hf:owner/repo[:file], or a path. Left out: the default model
    #[arg(env = "PARASOL_MODEL", hide_env_values = true, long_help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// The model, instead of the argument
    #[arg(short, long = "model", value_name = "MODEL", conflicts_with = "model", hide = true)]
    pub(crate) model_flag: Option<String>,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT", env = "PARASOL_SYSTEM", hide_env_values = true)]
    pub(crate) system: Option<String>,
    /// Go on with a conversation that /save wrote
    #[arg(long, value_name = "FILE")]
    pub(crate) load: Option<PathBuf>,
    /// Do not keep what is typed in the history file
    #[arg(long, env = "PARASOL_NO_HISTORY", hide_env_values = true)]
    pub(crate) no_history: bool,
    /// Print a line of timings after each answer
    #[arg(long, env = "PARASOL_STATS", hide_env_values = true)]
    pub(crate) stats: bool,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,

    /// How tokens are chosen
    #[command(flatten)]
    pub(crate) generation: GenerationArgs,
    /// How the model is loaded
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// `parasol pull`.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// The models: names from `parasol list`, or hf:owner/repo[:file or quantisation]
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) models: Vec<String>,
    /// Accept the licences without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,
}

/// `parasol list`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `parasol show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// The model
    #[arg(env = "PARASOL_MODEL", hide_env_values = true, long_help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// Work out the memory for this many tokens of context
    #[arg(short, long, value_name = "TOKENS", env = "PARASOL_CONTEXT", hide_env_values = true, value_parser = model::positive)]
    pub(crate) context: Option<usize>,
    /// Print the chat template and nothing else
    #[arg(long, conflicts_with = "json")]
    pub(crate) template: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `parasol rm`.
#[derive(Debug, Args)]
pub(crate) struct RmArgs {
    /// The models to remove
    #[arg(value_name = "MODEL", required = true)]
    pub(crate) models: Vec<String>,
}

/// `parasol bench`.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// The model: a name, hf:owner/repo[:file], or a path. Left out: the default model
    #[arg(env = "PARASOL_MODEL", hide_env_values = true, long_help = MODEL_HELP)]
    pub(crate) model: Option<String>,
    /// Tokens of prompt to compute
    #[arg(short, long, value_name = "TOKENS", default_value_t = 512)]
    pub(crate) prompt: usize,
    /// Tokens to generate
    #[arg(short = 'n', long, value_name = "TOKENS", default_value_t = 128)]
    pub(crate) generate: usize,
    /// Tokens already in the context before either is measured
    #[arg(short, long, value_name = "TOKENS", default_value_t = 0)]
    pub(crate) depth: usize,
    /// Sequences that generate together, each with a context of its own; the speed is that of all
    #[arg(short = 's', long, value_name = "COUNT", default_value_t = 1, value_parser = model::positive)]
    pub(crate) sequences: usize,
    /// How often to measure; the medians are reported
    #[arg(short, long, value_name = "TIMES", default_value_t = 5, value_parser = model::positive)]
    pub(crate) repeat: usize,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Accept the model's licence without being asked
    #[arg(long, visible_alias = "accept-license", env = "PARASOL_ACCEPT_LICENCE", hide_env_values = true)]
    pub(crate) accept_licence: bool,
    /// How the model is loaded
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// `parasol doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// `parasol completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
For example:
  bash   parasol completions bash > ~/.local/share/bash-completion/completions/parasol
  zsh    parasol completions zsh > \"${fpath[1]}/_parasol\"
  fish   parasol completions fish > ~/.config/fish/completions/parasol.fish")]
pub(crate) struct CompletionsArgs {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// `parasol man`.
#[derive(Debug, Args)]
#[command(after_help = "Read it with: parasol man | man -l -")]
pub(crate) struct ManArgs {
    /// The page of one command instead of the whole program's
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
}
