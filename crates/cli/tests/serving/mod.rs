//! A `parasol serve` of the real binary, and a client that sends bytes as they are: for tests that kill one of them.

#![allow(unreachable_pub, dead_code, clippy::unwrap_used)]

use crate::common::{Home, signal, wait};
use serde_json::Value;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// A running server.
pub struct Serving {
    child: Child,
    pub address: SocketAddr,
    pub token: String,
}

/// An answer that came to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Serving {
    /// Starts one on a port of the system's choice and waits until it has announced itself.
    pub fn start(home: &Home, args: &[&str], variables: &[(&str, String)]) -> Self {
        let log = home.path("server.log");
        let mut command = home.parasol(&["serve", "--listen", "127.0.0.1:0", "--allow-paths"]);
        command.args(args).envs(variables.iter().map(|(name, value)| (name, value)));
        command.stdout(Stdio::null()).stderr(File::options().create(true).append(true).open(&log).unwrap());
        let mut child = command.spawn().unwrap();
        let announced = home.path("store").join("run").join(format!("{}.json", child.id()));
        let begun = Instant::now();
        loop {
            let told = std::fs::read(&announced).ok().and_then(|b| serde_json::from_slice::<Value>(&b).ok());
            if let Some(told) = told {
                let address = told["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap();
                return Self { child, address, token: told["token"].as_str().unwrap().to_owned() };
            }
            let says = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none(), "the server ended: {}", says());
            assert!(begun.elapsed() < Duration::from_secs(30), "the server is not ready: {}", says());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and returns how it did.
    pub fn end(mut self) -> ExitStatus {
        signal(self.pid(), "TERM");
        wait(&mut self.child)
    }

    /// Ends it without a warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        wait(&mut self.child);
    }

    /// Bytes of memory that it holds.
    pub fn resident(&self) -> u64 {
        let text = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }

    /// An answer that has to come.
    pub fn ask(&self, method: &str, path: &str, body: &Value) -> Reply {
        send(self.address, method, path, body).unwrap_or_else(|| panic!("{method} {path}: no answer"))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that was killed already is gone; nothing is left to do about it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request and its whole answer; nothing when the server went away before its end.
pub fn send(address: SocketAddr, method: &str, path: &str, body: &Value) -> Option<Reply> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    // The older version of HTTP: bodies come as they are, and the connection's end is theirs.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let announced =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
    // A killed server may leave the beginning of a body.
    (announced.is_none_or(|n| n == body.len())).then(|| Reply { status, body: body.to_owned() })
}
