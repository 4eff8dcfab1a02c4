//! The server's commands. Each option of `serve` is, from this one declaration, a flag, an environment variable and a key of
//! the configuration file (the flag's name without its dashes); `config` reads the file by it.

use super::model::CacheType;
use super::units::{length, size, time};
use crate::config::ModelEntry;
use clap::{Args, Subcommand, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// `parasol serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// The configuration file [default: config.toml in Parasol's home folder, if it is there]
    #[arg(long, value_name = "FILE", env = "PARASOL_CONFIG", hide_env_values = true)]
    pub(crate) config: Option<PathBuf>,

    /// Where to listen (may be repeated). Port 11435 is beside Ollama's 11434, so that both can run
    #[arg(
        short,
        long,
        value_name = "ADDRESS:PORT",
        env = "PARASOL_LISTEN",
        hide_env_values = true,
        value_delimiter = ',',
        default_value = "127.0.0.1:11435",
        help_heading = "Listening"
    )]
    pub(crate) listen: Vec<SocketAddr>,
    /// Listen on a Unix socket as well
    #[arg(
        long,
        value_name = "PATH",
        env = "PARASOL_UNIX_SOCKET",
        hide_env_values = true,
        help_heading = "Listening"
    )]
    pub(crate) unix_socket: Option<PathBuf>,
    /// Let everyone in who can reach an address that is not this machine's own, without an API key
    #[arg(long, env = "PARASOL_INSECURE", hide_env_values = true, help_heading = "Listening")]
    pub(crate) insecure: bool,
    /// A name by which clients may call the server, besides localhost; * allows any (may be repeated)
    #[arg(
        long,
        value_name = "NAME",
        env = "PARASOL_HOST",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Listening"
    )]
    pub(crate) host: Vec<String>,
    /// An origin whose web pages may call the server, such as https://app.example; * allows all (may be repeated)
    #[arg(
        long,
        value_name = "ORIGIN",
        env = "PARASOL_CORS_ORIGIN",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Listening"
    )]
    pub(crate) cors_origin: Vec<String>,
    /// Serve HTTPS with this certificate chain (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "PARASOL_TLS_CERT",
        hide_env_values = true,
        help_heading = "Listening"
    )]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The private key of the certificate (PEM)
    #[arg(
        long,
        value_name = "FILE",
        env = "PARASOL_TLS_KEY",
        hide_env_values = true,
        help_heading = "Listening"
    )]
    pub(crate) tls_key: Option<PathBuf>,

    /// Memory that models may take together [default: three quarters of what is free]
    #[arg(long, value_name = "SIZE", env = "PARASOL_MEMORY", hide_env_values = true, value_parser = size, help_heading = "Models")]
    pub(crate) memory: Option<u64>,
    /// Unload a model that nobody has used for this long [default: only when others need its memory]
    #[arg(long, value_name = "TIME", env = "PARASOL_KEEP_ALIVE", hide_env_values = true, value_parser = time, help_heading = "Models")]
    pub(crate) keep_alive: Option<Duration>,
    /// Never unload this model for another (may be repeated)
    #[arg(
        long,
        value_name = "MODEL",
        env = "PARASOL_PIN",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Models"
    )]
    pub(crate) pin: Vec<String>,
    /// Tokens that the context of a model holds [default: the model's own, as far as memory allows]
    #[arg(short, long, value_name = "TOKENS", env = "PARASOL_CONTEXT", hide_env_values = true, value_parser = super::model::positive, help_heading = "Models")]
    pub(crate) context: Option<usize>,
    /// Tokens that the cache of a model holds for all its sequences together [default: 65536, or what 2 GiB or a quarter
    /// of the models' memory holds if that is less, and at least one context]
    #[arg(long, value_name = "TOKENS", env = "PARASOL_CACHE_TOKENS", hide_env_values = true, value_parser = super::model::positive, help_heading = "Models")]
    pub(crate) cache_tokens: Option<usize>,
    /// How the cache keeps keys and values: q8_0 takes little more than half the memory of f16
    #[arg(
        long,
        value_name = "TYPE",
        env = "PARASOL_CACHE_TYPE",
        hide_env_values = true,
        default_value = "f16",
        help_heading = "Models"
    )]
    pub(crate) cache_type: CacheType,
    /// Sequences of a model that are computed together; more wait for their turn
    #[arg(long, value_name = "COUNT", env = "PARASOL_SEQUENCES", hide_env_values = true, value_parser = super::model::positive, default_value = "64", help_heading = "Models")]
    pub(crate) sequences: usize,
    /// Threads to compute with [default: one per core]
    #[arg(short, long, value_name = "COUNT", env = "PARASOL_THREADS", hide_env_values = true, value_parser = super::model::threads, help_heading = "Models")]
    pub(crate) threads: Option<usize>,
    /// Let requests name model files by their path
    #[arg(long, env = "PARASOL_ALLOW_PATHS", hide_env_values = true, help_heading = "Models")]
    pub(crate) allow_paths: bool,
    /// Let a request for a model that is not here fetch it
    #[arg(long, env = "PARASOL_ALLOW_PULL", hide_env_values = true, help_heading = "Models")]
    pub(crate) allow_pull: bool,
    /// Settings of single models and models that other servers compute: [[models]] in the file, here a JSON array
    #[arg(long, value_name = "JSON", env = "PARASOL_MODELS", hide_env_values = true, value_parser = crate::config::model_entries, help_heading = "Models")]
    pub(crate) models: Option<Entries>,

    /// The largest body of a request
    #[arg(long, value_name = "SIZE", env = "PARASOL_MAX_BODY", hide_env_values = true, value_parser = length, default_value = "32MiB", help_heading = "Limits")]
    pub(crate) max_body: usize,
    /// The most bytes of a request's head
    #[arg(long, value_name = "SIZE", env = "PARASOL_MAX_HEADER_BYTES", hide_env_values = true, value_parser = length, default_value = "32KiB", help_heading = "Limits")]
    pub(crate) max_header_bytes: usize,
    /// The most headers of a request
    #[arg(long, value_name = "COUNT", env = "PARASOL_MAX_HEADERS", hide_env_values = true, value_parser = super::model::positive, default_value = "100", help_heading = "Limits")]
    pub(crate) max_headers: usize,
    /// How long a request's head may take, and how long a connection may be idle
    #[arg(long, value_name = "TIME", env = "PARASOL_HEADER_TIMEOUT", hide_env_values = true, value_parser = time, default_value = "30s", help_heading = "Limits")]
    pub(crate) header_timeout: Duration,
    /// How long a body may take to arrive
    #[arg(long, value_name = "TIME", env = "PARASOL_BODY_TIMEOUT", hide_env_values = true, value_parser = time, default_value = "60s", help_heading = "Limits")]
    pub(crate) body_timeout: Duration,
    /// How long a client may leave an answer unread
    #[arg(long, value_name = "TIME", env = "PARASOL_WRITE_TIMEOUT", hide_env_values = true, value_parser = time, default_value = "60s", help_heading = "Limits")]
    pub(crate) write_timeout: Duration,
    /// How long an answer may take, waiting included
    #[arg(long, value_name = "TIME", env = "PARASOL_REQUEST_TIMEOUT", hide_env_values = true, value_parser = time, default_value = "1h", help_heading = "Limits")]
    pub(crate) request_timeout: Duration,
    /// The most connections; the one that is idle longest makes room for a new one
    #[arg(long, value_name = "COUNT", env = "PARASOL_MAX_CONNECTIONS", hide_env_values = true, value_parser = super::model::positive, default_value = "1024", help_heading = "Limits")]
    pub(crate) max_connections: usize,
    /// The most answers that are being made or wait
    #[arg(long, value_name = "COUNT", env = "PARASOL_MAX_QUEUE", hide_env_values = true, value_parser = super::model::positive, default_value = "256", help_heading = "Limits")]
    pub(crate) max_queue: usize,
    /// How long what runs may go on after SIGTERM or Ctrl-C; a second one ends it at once
    #[arg(long, value_name = "TIME", env = "PARASOL_GRACE", hide_env_values = true, value_parser = time, default_value = "30s", help_heading = "Limits")]
    pub(crate) grace: Duration,

    /// How log lines look
    #[arg(
        long,
        value_name = "FORMAT",
        env = "PARASOL_LOG_FORMAT",
        hide_env_values = true,
        default_value = "text",
        help_heading = "Logs"
    )]
    pub(crate) log_format: LogForm,
    /// How much is logged
    #[arg(long, value_name = "LEVEL", env = "PARASOL_LOG_LEVEL", hide_env_values = true, default_value = "info",
          value_parser = ["off", "error", "warn", "info", "debug", "trace"], help_heading = "Logs")]
    pub(crate) log_level: String,
    /// Put prompts and answers into the log; without this it holds none
    #[arg(long, env = "PARASOL_LOG_PROMPTS", hide_env_values = true, help_heading = "Logs")]
    pub(crate) log_prompts: bool,
}

/// The value of `--models`.
pub(crate) type Entries = Box<[ModelEntry]>;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogForm {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// `parasol config`.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

/// What `parasol config` does.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say what is wrong with the configuration file, and in which line
    Check {
        /// The file [default: that of `parasol serve`]
        #[arg(value_name = "FILE", env = "PARASOL_CONFIG", hide_env_values = true)]
        file: Option<PathBuf>,
    },
    /// Print every setting of `parasol serve` and where it comes from
    Show(Box<ServeArgs>),
}

/// `parasol keys`.
#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    /// What to do
    #[command(subcommand)]
    pub(crate) command: KeysCommand,
}

/// What `parasol keys` does.
#[derive(Debug, Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, this once
    Create(KeyCreateArgs),
    /// List the keys
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take keys back; running servers refuse them at once
    Revoke {
        /// Names or ids
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
}

/// `parasol keys create`.
#[derive(Debug, Args)]
pub(crate) struct KeyCreateArgs {
    /// What to call it
    pub(crate) name: String,
    /// Requests that it may send in a minute
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) requests_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, that it may use in a minute
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) tokens_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, that it may use in a day
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) tokens_per_day: Option<u64>,
    /// A model that it may use; without this, all (may be repeated)
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// How long it works, such as 12h or 30d [default: until it is revoked]
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) expires: Option<Duration>,
    /// Let it use `parasol ps` and `parasol stop`
    #[arg(long)]
    pub(crate) admin: bool,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which server `ps` and `stop` speak to.
#[derive(Debug, Args)]
pub(crate) struct RemoteArgs {
    /// The server's base URL [default: the one that this user runs here]
    #[arg(long, value_name = "URL", env = "PARASOL_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,
    /// A key made with `parasol keys create --admin`, for another user's server
    #[arg(long, value_name = "KEY", env = "PARASOL_API_KEY", hide_env_values = true)]
    pub(crate) api_key: Option<String>,
}

/// `parasol ps`.
#[derive(Debug, Args)]
pub(crate) struct PsArgs {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Which server
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}

/// `parasol stop`.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The model to unload once its answers are done
    pub(crate) model: String,
    /// Which server
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
}
