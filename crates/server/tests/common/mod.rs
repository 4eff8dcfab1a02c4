//! What the tests of the door share: a real listener over an empty store, and a client that sends bytes as they are.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

use parasol_runtime::{Models, ModelsOptions, Policy, Runtime};
use parasol_server::{AppState, Key, KeyFile, KeyTerms, Server, ServerOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::watch;

/// Opens the administration of every test server.
pub const TOKEN: &str = "the-token-of-the-tests";

/// A running server.
pub struct Running {
    pub home: TempDir,
    pub address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: Option<std::thread::JoinHandle<usize>>,
}

/// An answer, as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// The toy Qwen3 of the fixtures as a folder that can chat, think and call tools, with a long context; it says nonsense.
/// The fixture itself is a base model.
pub fn toy() -> String {
    static MADE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    MADE.get_or_init(|| make_toy("toy-chat-65536", "<|end|>")).clone()
}

/// The same with no token that ends an answer: it says nonsense until its context is full.
pub fn endless_toy() -> String {
    static MADE: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    MADE.get_or_init(|| make_toy("toy-endless-65536", "<|comma|>")).clone()
}

fn make_toy(name: &str, end: &str) -> String {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/toy-qwen3");
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    // Other tests may be making the same: the folder gets its name when it is complete.
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::copy(from.join("model.safetensors"), made.path().join("model.safetensors")).unwrap();
    let tokenizer = std::fs::read_to_string(from.join("tokenizer.json")).unwrap();
    std::fs::write(made.path().join("tokenizer.json"), tokenizer.replace("<|end|>", end)).unwrap();
    let config = std::fs::read_to_string(from.join("config.json")).unwrap();
    let long = config.replace("\"max_position_embeddings\": 256", "\"max_position_embeddings\": 65536");
    assert_ne!(config, long);
    std::fs::write(made.path().join("config.json"), long).unwrap();
    let template = TEMPLATE.replace("<|end|>", end);
    std::fs::write(made.path().join("chat_template.jinja"), &template).unwrap();
    if std::fs::rename(made.path(), &to).is_err() {
        let there = std::fs::read_to_string(to.join("chat_template.jinja")).unwrap();
        assert_eq!(there, template, "{to:?} is old");
    }
    to.to_str().unwrap().to_owned()
}

const TEMPLATE: &str = "{%- if tools %}<tools>{% for t in tools %}{{ t | tojson }}{% endfor %}</tools>\
Call as <tool_call>{\"name\": ..., \"arguments\": ...}</tool_call>{% endif -%}\
{%- for m in messages %}<|user|>{{ m['role'] }}: {{ m['content'] }}\
{%- for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}<|end|>{% endfor -%}\
<|begin|>{% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}";

/// The options of a server on a port of the system's choice.
pub fn options(home: &Path) -> ServerOptions {
    ServerOptions { listen: vec!["127.0.0.1:0".parse().unwrap()], ..ServerOptions::at(home) }
}

/// A server's state over an empty store.
pub fn state(options: ServerOptions) -> AppState {
    let settings = parasol_hub::Settings::at(&options.home);
    state_over(options, settings, Policy::Allowed)
}

/// A server's state over the store and the sources of these settings; `paths` says whether requests may name files.
pub fn state_over(options: ServerOptions, settings: parasol_hub::Settings, paths: Policy) -> AppState {
    state_with(options, settings, ModelsOptions { paths, ..ModelsOptions::default() })
}

fn state_with(options: ServerOptions, settings: parasol_hub::Settings, models: ModelsOptions) -> AppState {
    let models = Models::new(Runtime::new(settings).unwrap(), models);
    let state = AppState::new(models.unwrap(), options).unwrap();
    state.accept_token(TOKEN);
    state
}

impl Running {
    /// Starts a server with options changed by `change`.
    pub fn start(change: impl FnOnce(&mut ServerOptions)) -> Self {
        Self::start_over(change, parasol_hub::Settings::at, Policy::Allowed)
    }

    /// Starts one whose models come from where `settings`, given the home folder, say; [`Running::start`] allows paths, for
    /// models of the fixtures.
    pub fn start_over(
        change: impl FnOnce(&mut ServerOptions),
        settings: impl FnOnce(std::path::PathBuf) -> parasol_hub::Settings,
        paths: Policy,
    ) -> Self {
        Self::start_with(change, settings, ModelsOptions { paths, ..ModelsOptions::default() })
    }

    /// Starts one that keeps its models so.
    pub fn start_with(
        change: impl FnOnce(&mut ServerOptions),
        settings: impl FnOnce(std::path::PathBuf) -> parasol_hub::Settings,
        models: ModelsOptions,
    ) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut options = options(home.path());
        change(&mut options);
        let state = state_with(options.clone(), settings(options.home), models);
        let (stop, stopping) = watch::channel(false);
        let (tell, told) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            runtime.block_on(async {
                let server = Server::bind(state).await.unwrap();
                tell.send(server.addresses().unwrap()[0]).unwrap();
                server.serve(stopping).await
            })
        });
        let address = told.recv().unwrap();
        Self { home, address, stop, thread: Some(thread) }
    }

    /// Makes a key and waits until the server has seen it.
    pub fn key(&self, terms: KeyTerms) -> String {
        let (key, secret) = Key::create(terms).unwrap();
        KeyFile::under(self.home.path()).add(key).unwrap();
        std::thread::sleep(Duration::from_millis(400));
        secret
    }

    /// A connection.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    /// Sends bytes and reads until the server closes.
    pub fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = self.connect();
        // A server that has seen enough may close before everything is sent.
        let _ = stream.write_all(bytes);
        read(&mut stream)
    }

    /// A request with these header lines.
    pub fn get(&self, path: &str, headers: &[&str]) -> Answer {
        self.send("GET", path, headers, "")
    }

    /// A request with a body.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Answer {
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|h| h.to_lowercase().starts_with("host:")) {
            text.push_str(&format!("host: {}\r\n", self.address));
        }
        headers.iter().for_each(|h| text.push_str(&format!("{h}\r\n")));
        self.raw(format!("{text}\r\n{body}").as_bytes())
    }

    /// Asks the server to end.
    pub fn ask_to_end(&self) {
        self.stop.send(true).unwrap();
    }

    /// Waits for the end and returns how many requests were cut off.
    pub fn ended(&mut self) -> usize {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.stop.send(true);
    }
}

/// Reads until the server closes.
pub fn read(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    // A reset after the answer is an end too.
    while let Ok(n @ 1..) = stream.read(&mut piece) {
        bytes.extend_from_slice(&piece[..n]);
    }
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}
