//! A hub on the loopback interface: real HTTP over real sockets, with the faults that a network has.
#![allow(dead_code, clippy::unwrap_used, unreachable_pub)]

use parasol_core::{ErrorKind, Result};
use parasol_hub::{Cancel, Hub, Licence, Located, PullEvent, Settings};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How a path is served.
#[derive(Clone)]
pub struct Served {
    pub body: Vec<u8>,
    pub etag: Option<String>,
    pub status: u16,
    /// Close the connection after this many bytes of a body, for so many requests.
    pub cut: Option<(usize, usize)>,
    /// Sleep between pieces of this many bytes.
    pub slow: Option<(usize, Duration)>,
    /// Answer ranges; else always send everything.
    pub ranges: bool,
    /// Answer with this status and header line for so many requests.
    pub busy: Option<(u16, &'static str, usize)>,
}

impl Served {
    pub fn new(body: impl Into<Vec<u8>>) -> Self {
        let body = body.into();
        let etag = Some(format!("\"{}\"", &sha256(&body)[..16]));
        Self { body, etag, status: 200, cut: None, slow: None, ranges: true, busy: None }
    }
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub path: String,
    pub headers: HashMap<String, String>,
}

impl Seen {
    pub fn range(&self) -> Option<&str> {
        self.headers.get("range").map(String::as_str)
    }
}

#[derive(Default)]
struct State {
    paths: HashMap<String, Served>,
    seen: Vec<Seen>,
}

/// The server. It ends with the test process.
#[derive(Clone)]
pub struct Server {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(State::default()));
        let shared = state.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = shared.clone();
                std::thread::spawn(move || drop(answer(stream, &state)));
            }
        });
        Self { url, state }
    }

    pub fn serve(&self, path: &str, served: Served) {
        self.state.lock().unwrap().paths.insert(path.into(), served);
    }

    /// Serves a repository: its listing (with the checksums that the hub would state for large files) and its files.
    pub fn repo(&self, repo: &str, files: &[(&str, &[u8])]) {
        let siblings: Vec<serde_json::Value> = files
            .iter()
            .map(|(name, body)| {
                let mut file = serde_json::json!({ "rfilename": name, "size": body.len() });
                if name.ends_with(".gguf") || name.ends_with(".safetensors") {
                    file["lfs"] = serde_json::json!({ "sha256": sha256(body), "size": body.len() });
                }
                self.serve(&format!("/{repo}/resolve/main/{name}"), Served::new(*body));
                file
            })
            .collect();
        let listing =
            serde_json::json!({ "id": repo, "cardData": { "license": "mit" }, "siblings": siblings });
        self.listing(repo, listing.to_string());
    }

    pub fn listing(&self, repo: &str, body: impl Into<Vec<u8>>) {
        self.serve(&format!("/api/models/{repo}/revision/main"), Served::new(body));
    }

    pub fn change(&self, path: &str, change: impl FnOnce(&mut Served)) {
        change(self.state.lock().unwrap().paths.get_mut(path).unwrap());
    }

    /// The requests for paths that end like this.
    pub fn seen(&self, end: &str) -> Vec<Seen> {
        self.state.lock().unwrap().seen.iter().filter(|seen| seen.path.ends_with(end)).cloned().collect()
    }
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or("/").split('?').next().unwrap_or("/").to_owned();
    let mut headers = HashMap::new();
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let served = {
        let mut state = state.lock().unwrap();
        state.seen.push(Seen { path: path.clone(), headers: headers.clone() });
        let served = state.paths.get(&path).cloned();
        if let Some((_, left)) = state.paths.get_mut(&path).and_then(|served| served.cut.as_mut()) {
            *left = left.saturating_sub(1);
        }
        if let Some((_, _, left)) = state.paths.get_mut(&path).and_then(|served| served.busy.as_mut()) {
            *left = left.saturating_sub(1);
        }
        served
    };
    respond(stream, served, &headers)
}

fn respond(
    mut stream: TcpStream,
    served: Option<Served>,
    headers: &HashMap<String, String>,
) -> std::io::Result<()> {
    let Some(served) = served else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    if let Some((status, header, left)) = served.busy
        && left > 0
    {
        let head =
            format!("HTTP/1.1 {status} X\r\n{header}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return stream.write_all(head.as_bytes());
    }
    let total = served.body.len();
    let same = headers.get("if-range").is_none_or(|mark| Some(mark) == served.etag.as_ref());
    let range =
        headers.get("range").and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let (status, from) = match range {
        Some(from) if served.ranges && same && from >= total => (416, total),
        Some(from) if served.ranges && same => (206, from),
        _ => (served.status, 0),
    };
    let body = &served.body[from..];
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    if let Some(etag) = &served.etag {
        head += &format!("ETag: {etag}\r\n");
    }
    if status == 206 {
        head += &format!("Content-Range: bytes {from}-{}/{total}\r\n", total - 1);
    }
    stream.write_all((head + "\r\n").as_bytes())?;
    let end = match served.cut {
        Some((after, left)) if left > 0 => after.min(body.len()),
        _ => body.len(),
    };
    let (piece, pause) = served.slow.unwrap_or((usize::MAX, Duration::ZERO));
    for part in body[..end].chunks(piece.min(1 << 20)) {
        stream.write_all(part)?;
        stream.flush()?;
        std::thread::sleep(pause);
    }
    Ok(())
}

/// A home for one test, and settings that know nothing of this machine.
pub struct Home {
    pub dir: tempfile::TempDir,
    pub settings: Settings,
}

impl Home {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings::at(dir.path().join("home"));
        Self { dir, settings }
    }

    pub fn on(server: &Server) -> Self {
        let mut home = Self::new();
        home.settings.hf_endpoint = server.url.clone();
        home
    }

    /// Adds a catalogue with one model, `m`: the file `m.gguf` with these bytes from these sources (TOML).
    pub fn catalogue(mut self, bytes: &[u8], sources: &str, more: &str) -> Self {
        let path = self.dir.path().join("catalogue.toml");
        let text = format!(
            "[[model]]\nname = \"m\"\ncapabilities = [\"chat\"]\n\
             licence = {{ name = \"Test Terms\", url = \"https://example.org/terms\"{more} }}\n\
             [[model.file]]\nname = \"m.gguf\"\nsize = {}\nsha256 = \"{}\"\nsources = {sources}\n",
            bytes.len(),
            sha256(bytes)
        );
        std::fs::write(&path, text).unwrap();
        self.settings.catalogues.push(path);
        self
    }

    /// The same where programs are looked for in a folder that is empty yet.
    pub fn packaged(bytes: &[u8], sources: &str) -> Self {
        let mut home = Self::new().catalogue(bytes, sources, "");
        let bin = home.dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        home.settings.path = Some(bin.into());
        home
    }

    /// Puts a program there.
    #[cfg(unix)]
    pub fn program(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = self.dir.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\nPATH=/usr/bin:/bin\n{script}\n")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub fn hub(&self) -> Hub {
        Hub::with(self.settings.clone()).unwrap()
    }

    pub fn models(&self) -> PathBuf {
        self.settings.home.join("models")
    }

    /// Pulls without being asked anything, and returns what was reported.
    pub fn pull(&self, reference: &str) -> (Result<Located>, Vec<PullEvent>) {
        let mut events = Vec::new();
        let result =
            self.hub().pull(reference, Licence::Refuse, &Cancel::new(), &mut |event| events.push(event));
        (result, events)
    }

    /// Every file below `models`, relative, in order.
    pub fn files(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut todo = vec![self.models()];
        while let Some(folder) = todo.pop() {
            for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
                match entry.file_type().unwrap().is_dir() {
                    true => todo.push(entry.path()),
                    false => {
                        let path = entry.path();
                        all.push(path.strip_prefix(self.models()).unwrap().to_str().unwrap().to_owned());
                    }
                }
            }
        }
        all.sort();
        all
    }
}

/// A GGUF file as far as the hub looks: the magic, then bytes that never repeat at a distance.
pub fn gguf(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut bytes = b"GGUF".to_vec();
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

pub fn safetensors() -> Vec<u8> {
    [&2u64.to_le_bytes()[..], b"{}"].concat()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

/// Asserts the kind of a failure and that its message says all of these.
#[track_caller]
pub fn assert_error<T: std::fmt::Debug>(result: Result<T>, kind: ErrorKind, says: &[&str]) {
    let error = result.unwrap_err();
    assert_eq!(*error.kind(), kind, "{error}");
    for part in says {
        assert!(error.message().contains(part), "{part:?} is not in {:?}", error.message());
    }
}
