//! How a server is set up. The command fills this from flags, environment and the configuration file.

use schemars::JsonSchema;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a server listens unless told otherwise: beside Ollama's 11434, so that both can run.
pub const DEFAULT_PORT: u16 = 11435;

/// Everything that a server can be told.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// A Unix socket to listen on as well.
    pub unix_socket: Option<PathBuf>,
    /// Serve other addresses than loopback without an API key.
    pub insecure: bool,
    /// Names besides `localhost` and loopback addresses by which clients may call the server; `*` allows every name.
    pub hosts: Vec<String>,
    /// Origins whose pages may call the server from a browser (`https://app.example`); `*` allows all.
    pub cors_origins: Vec<String>,
    /// Certificate chain and private key, PEM files: serves HTTPS.
    pub tls: Option<TlsFiles>,
    /// The largest body, in bytes.
    pub max_body: usize,
    /// The most bytes of a request's head.
    pub max_header_bytes: usize,
    /// The most headers of a request.
    pub max_headers: usize,
    /// How long a request's head may take to arrive, and how long a connection may be idle.
    pub header_timeout: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a client may leave what was sent to it unread.
    pub write_timeout: Duration,
    /// How long an answer may take, waiting included.
    pub request_timeout: Duration,
    /// The most connections at once; the one that is idle longest makes room for a new one.
    pub max_connections: usize,
    /// The most answers that are being made or wait at once.
    pub max_queue: usize,
    /// How long what runs may go on after the first SIGTERM or Ctrl-C.
    pub grace: Duration,
    /// Where keys, stored answers and the running server's address lie.
    pub home: PathBuf,
    /// The model that pages and health checks speak of.
    pub default_model: Option<String>,
    /// Put prompts and answers into the log, at the level `info`.
    pub log_prompts: bool,
    /// All settings as they were given, for administrators to read.
    pub settings: Vec<Setting>,
}

/// A setting as a person set it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Setting {
    /// What it is called in the configuration file.
    pub key: String,
    /// What it is set to; empty where it is left open.
    pub value: String,
    /// Where that was said: a flag, a variable, a line of the file, or `default`.
    pub source: String,
    /// What it does.
    pub meaning: String,
}

/// The files of a TLS identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, the server's own first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

impl ServerOptions {
    /// The defaults, with state kept under `home`.
    pub fn at(home: impl Into<PathBuf>) -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], DEFAULT_PORT))],
            unix_socket: None,
            insecure: false,
            hosts: Vec::new(),
            cors_origins: Vec::new(),
            tls: None,
            max_body: 32 << 20,
            max_header_bytes: 32 << 10,
            max_headers: 100,
            header_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            request_timeout: Duration::from_secs(3600),
            max_connections: 1024,
            max_queue: 256,
            grace: Duration::from_secs(30),
            home: home.into(),
            default_model: None,
            log_prompts: false,
            settings: Vec::new(),
        }
    }
}
