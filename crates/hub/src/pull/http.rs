//! HTTP without an async runtime, for `hf:` and `https:` sources: one request at a time, on a thread of its own so that
//! whoever waits can be cancelled at any moment, whatever the network does.
//!
//! Why `ureq` and not the `hf-hub` crate: hf-hub 1.0 stands on reqwest and tokio (its blocking client starts a runtime),
//! writes into the hash-named blobs of the Hugging Face cache, and does not check the SHA-256 that our catalogue states. What
//! is left of its job (one listing, one address per file) is small.

use crate::cancel::Cancel;
use parasol_core::{Error, ErrorKind, Result};
use std::io::Read;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response};
use ureq::tls::{RootCerts, TlsConfig};

/// Bytes per message from the network thread.
const CHUNK: usize = 256 << 10;
/// A connection that gives nothing for this long is given up.
const STALL: Duration = Duration::from_secs(60);
/// Establishing one takes no longer.
const CONNECT: Duration = Duration::from_secs(30);

/// Attempts in a row that bring nothing new before a request is given up.
pub(crate) const PATIENCE: u32 = 4;
/// A server that asks for a longer pause is not waited for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What to ask for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Request {
    pub(crate) url: String,
    /// Sent to the address's own host only.
    pub(crate) token: Option<String>,
    /// Start at this byte …
    pub(crate) from: u64,
    /// … if the file still has this mark; else the whole file is sent.
    pub(crate) if_range: Option<String>,
}

/// The start of an answer.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The byte at which the body starts.
    pub(crate) start: u64,
    /// Bytes of the whole file, when the server says.
    pub(crate) total: Option<u64>,
    pub(crate) etag: Option<String>,
    /// Seconds after which to ask again, when the server says.
    pub(crate) retry_after: Option<u64>,
}

impl Head {
    /// For a server that may answer a moment later (overloaded, rate-limited): how long to wait after so many `attempts`.
    /// `None` for any other status, and when it asks for more patience than a pull has.
    pub(crate) fn wait(&self, attempts: u32) -> Option<Duration> {
        if !matches!(self.status, 429 | 500 | 502..=504) || attempts >= PATIENCE {
            return None;
        }
        let own = Duration::from_millis(200 << attempts);
        let asked = Duration::from_secs(self.retry_after.unwrap_or(0));
        (asked <= LONGEST_WAIT).then(|| own.max(asked))
    }
}

enum Message {
    Head(Head),
    Data(Vec<u8>),
    Failed(Error),
}

/// An answer that is arriving.
pub(crate) struct Answer {
    messages: Receiver<Message>,
    cancel: Cancel,
    url: String,
}

/// Makes requests.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    agent: ureq::Agent,
}

impl Client {
    /// Proxies are taken from the environment, trusted certificates from the system: both matter behind a company's mirror.
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(STALL))
            .timeout_per_read(Some(STALL))
            .user_agent(concat!("parasol/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .build();
        Self { agent: config.new_agent() }
    }

    /// Sends a request and waits for the answer's head.
    pub(crate) fn get(&self, request: &Request, cancel: &Cancel) -> Result<(Head, Answer)> {
        // Addresses of the catalogue were looked at when it was read, so this is the hub's.
        if !request.url.starts_with("https://") && !request.url.starts_with("http://") {
            let what =
                format!("{} is no address: HF_ENDPOINT must begin with https:// or http://", request.url);
            return Err(Error::new(ErrorKind::InvalidRequest, what));
        }
        let (sender, messages) = sync_channel(4);
        let (agent, job) = (self.agent.clone(), request.clone());
        // Not joined: when nobody listens any more it ends at its next message, or after STALL at the latest.
        std::thread::Builder::new()
            .name("parasol-download".into())
            .spawn(move || run(&agent, &job, &sender))
            .map_err(|e| Error::from(e).within("cannot start a thread for the download"))?;
        let mut answer = Answer { messages, cancel: cancel.clone(), url: request.url.clone() };
        match answer.next()? {
            Some(Message::Head(head)) => Ok((head, answer)),
            _ => Err(answer.broken()),
        }
    }

    /// The whole body of a small answer. A busy server is asked again.
    pub(crate) fn get_small(
        &self,
        request: &Request,
        limit: usize,
        cancel: &Cancel,
    ) -> Result<(Head, Vec<u8>)> {
        let mut attempts = 0;
        let (head, mut answer) = loop {
            let (head, answer) = self.get(request, cancel)?;
            let Some(wait) = head.wait(attempts) else { break (head, answer) };
            cancel.sleep(wait)?;
            attempts += 1;
        };
        let mut body = Vec::new();
        while let Some(data) = answer.data()? {
            body.extend_from_slice(&data);
            if body.len() > limit {
                return Err(Error::new(
                    ErrorKind::Corrupt,
                    format!(
                        "{} sends more than {limit} bytes where a short answer was expected",
                        request.url
                    ),
                ));
            }
        }
        Ok((head, body))
    }
}

impl Answer {
    /// The next bytes; `None` at the end.
    pub(crate) fn data(&mut self) -> Result<Option<Vec<u8>>> {
        match self.next()? {
            Some(Message::Data(data)) => Ok(Some(data)),
            Some(_) => Err(self.broken()),
            None => Ok(None),
        }
    }

    fn next(&mut self) -> Result<Option<Message>> {
        loop {
            self.cancel.check()?;
            match self.messages.recv_timeout(Duration::from_millis(50)) {
                Ok(Message::Failed(error)) => return Err(error),
                Ok(message) => return Ok(Some(message)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }

    fn broken(&self) -> Error {
        Error::new(ErrorKind::Network, format!("{} gave no sensible answer", self.url))
    }
}

/// The network thread: everything that happened, in order, as messages.
fn run(agent: &ureq::Agent, request: &Request, sender: &SyncSender<Message>) {
    let mut get = agent.get(&request.url);
    if let Some(token) = &request.token {
        get = get.header("Authorization", format!("Bearer {token}"));
    }
    if request.from > 0 {
        get = get.header("Range", format!("bytes={}-", request.from));
        if let Some(mark) = &request.if_range {
            get = get.header("If-Range", mark);
        }
    }
    // A plain-text hop must not slip in behind an address that promises TLS.
    let secure = request.url.starts_with("https://");
    let config = get.config().https_only(secure);
    // A proxy cannot reach this machine's own addresses.
    let config = if is_loopback(&request.url) { config.proxy(None) } else { config };
    let answer = config.build().call();
    let fail = |error: ureq::Error| Message::Failed(explain(&error, &request.url));
    let response = match answer {
        Ok(response) => response,
        Err(error) => return drop(sender.send(fail(error))),
    };
    if sender.send(Message::Head(head(&response))).is_err() {
        return;
    }
    let mut body = response.into_body().into_reader();
    loop {
        let mut chunk = vec![0; CHUNK];
        match body.read(&mut chunk) {
            Ok(0) => return,
            Ok(n) => {
                chunk.truncate(n);
                if sender.send(Message::Data(chunk)).is_err() {
                    return;
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return drop(sender.send(fail(ureq::Error::from(e)))),
        }
    }
}

/// Whether an address is on this machine.
fn is_loopback(url: &str) -> bool {
    let host = url.split('/').nth(2).unwrap_or_default().to_ascii_lowercase();
    host.starts_with("127.") || host.starts_with("[::1]") || host.split(':').next() == Some("localhost")
}

fn head<B>(response: &Response<B>) -> Head {
    let status = response.status().as_u16();
    let headers = response.headers();
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let length: Option<u64> = text("content-length").and_then(|length| length.parse().ok());
    let (start, total) = match (status, content_range(headers)) {
        (206, Some((start, total))) => (start, total),
        _ => (0, length),
    };
    let retry_after = text("retry-after").and_then(|seconds| seconds.parse().ok());
    Head { status, start, total, etag: text("etag").map(str::to_owned), retry_after }
}

/// Start and total of `Content-Range: bytes START-END/TOTAL`.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let text = headers.get("content-range")?.to_str().ok()?;
    let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// A failed request as a sentence.
fn explain(error: &ureq::Error, url: &str) -> Error {
    let host = url.split('/').nth(2).unwrap_or(url);
    // The system's resolver reports an unknown name as an I/O error that only its text tells from others.
    let unknown_host =
        matches!(error, ureq::Error::HostNotFound) || error.to_string().contains("failed to lookup address");
    let what = match error {
        _ if unknown_host => format!(
            "cannot find the host {host}: is this machine connected to the network? (a mirror is set with HF_ENDPOINT, a proxy with HTTPS_PROXY)"
        ),
        ureq::Error::Timeout(_) => format!("{host} does not answer in time ({error})"),
        ureq::Error::Io(e) if e.kind() == std::io::ErrorKind::ConnectionRefused => {
            format!("{host} refuses the connection: is it up, and does a proxy stand between?")
        }
        other => format!("the connection to {host} failed: {other}"),
    };
    Error::new(ErrorKind::Network, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_failed_request_names_the_host_and_the_way_out() {
        // As the system's resolver reports it; asking it in a test would need a network.
        let unknown = io::Error::other("failed to lookup address information: Name or service not known");
        for (error, says) in [
            (ureq::Error::Io(unknown), "connected to the network?"),
            (ureq::Error::HostNotFound, "connected to the network?"),
            (ureq::Error::Io(io::ErrorKind::ConnectionRefused.into()), "refuses the connection"),
            (ureq::Error::Io(io::ErrorKind::ConnectionReset.into()), "failed"),
        ] {
            let error = explain(&error, "https://hub.example/o/r");
            assert_eq!(*error.kind(), ErrorKind::Network);
            assert!(error.message().contains("hub.example") && error.message().contains(says), "{error}");
        }
    }

    #[test]
    fn a_busy_server_is_waited_for_and_not_for_ever() {
        let head = |status, retry_after| Head { status, start: 0, total: None, etag: None, retry_after };
        assert_eq!(head(429, Some(2)).wait(0), Some(Duration::from_secs(2)));
        assert_eq!(head(503, None).wait(1), Some(Duration::from_millis(400)));
        assert_eq!(head(503, None).wait(PATIENCE), None);
        assert_eq!(head(429, Some(3600)).wait(0), None);
        assert_eq!(head(404, Some(1)).wait(0), None);
    }

    #[test]
    fn only_addresses_of_this_machine_go_past_the_proxy() {
        for (url, here) in [
            ("http://127.0.0.1:80/x", true),
            ("http://localhost:1/x", true),
            ("http://[::1]:1/x", true),
            ("https://localhost.example.org/x", false),
            ("https://example.org/127.0.0.1", false),
        ] {
            assert_eq!(is_loopback(url), here, "{url}");
        }
    }
}
