//! One request: a backend is chosen and asked; before the first piece of the answer another may be asked instead; after it
//! an error is told and nothing starts over.

use crate::backend::{Backend, Errand, Verdict, choose, nobody, seconds};
use crate::model::Inner;
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind, GenerationEvent, Result, Timings};
use parasol_wire::openai::client::{StreamDecoder, chat_request, completion_request, error};
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// As much of an error's body is read.
const LARGEST_ERROR: usize = 64 << 10;
/// How long the end of a finished stream is waited for, so that its connection can serve again.
const TAIL: Duration = Duration::from_secs(1);

/// What is asked.
pub(crate) enum Ask {
    Chat(ChatRequest),
    Complete(CompleteRequest),
}

pub(crate) type Events = Sender<Result<GenerationEvent>>;

/// How a try failed.
struct Failure {
    error: Error,
    verdict: Verdict,
    /// Whether another backend may do better.
    elsewhere: bool,
}

/// Nobody listens any more.
struct Gone;

enum Stop {
    Failed(Failure),
    Gone,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Asks until somebody answers. Each backend is tried once.
pub(crate) async fn run(inner: &Inner, ask: Ask, events: Events) {
    let mut tried = Vec::new();
    let mut last = None;
    loop {
        let Some((index, errand)) = choose(&inner.backends, &tried) else {
            let error = last.unwrap_or_else(|| nobody(&inner.entry.name, &inner.backends));
            // Without a listener there is nobody to tell.
            let _ = events.send(Err(error)).await;
            return;
        };
        tried.push(index);
        match attempt(inner, &errand, &ask, &events).await {
            Ok(()) => return errand.end(Verdict::Good, None),
            Err(Stop::Gone) => return,
            Err(Stop::Failed(Failure { error, verdict, elsewhere })) => {
                let note = (verdict != Verdict::Good).then(|| error.message().to_owned());
                tracing::warn!(model = inner.entry.name, elsewhere, error = error.message(), "a try failed");
                errand.end(verdict, note);
                if !elsewhere {
                    let _ = events.send(Err(error)).await;
                    return;
                }
                last = Some(error);
            }
        }
    }
}

async fn attempt(inner: &Inner, errand: &Errand, ask: &Ask, events: &Events) -> Result<(), Stop> {
    let backend = &*errand.backend;
    let asked = Instant::now();
    let name = inner.entry.name.as_str();
    let body = match ask {
        Ask::Chat(request) => chat_request(&backend.model, request, backend.flavour),
        Ask::Complete(request) => completion_request(&backend.model, request, backend.flavour),
    };
    // Another backend may take fields that this one does not.
    let body = body.map_err(|error| Failure { error, verdict: Verdict::Good, elsewhere: true })?;
    let path = match ask {
        Ask::Chat(_) => "chat/completions",
        Ask::Complete(_) => "completions",
    };
    let mut request = inner
        .client(backend)
        .post(backend.address.endpoint(path))
        .header(CONTENT_TYPE, "application/json")
        .header(ACCEPT, "text/event-stream")
        .body(body.to_string());
    if let Some(value) = backend.address.authorization() {
        request = request.header(AUTHORIZATION, value);
    }
    let first = seconds(inner.entry.limits.first_token);
    let response = match timeout(first, request.send()).await {
        Err(_) => return Err(slow(backend, name, "sent nothing", first, true).into()),
        Ok(Err(e)) => return Err(transport(backend, name, &e, true).into()),
        Ok(Ok(response)) => response,
    };
    let response = checked(backend, name, response).await?;
    Reading { inner, backend, events, asked, first_token: None, held: Vec::new() }.read(response).await
}

/// An answer that is being read.
struct Reading<'a> {
    inner: &'a Inner,
    backend: &'a Backend,
    events: &'a Events,
    asked: Instant,
    first_token: Option<Duration>,
    /// Events that came before the first piece of the answer. Only this backend's are told if it gets there.
    held: Vec<GenerationEvent>,
}

impl Reading<'_> {
    async fn read(mut self, mut response: Response) -> Result<(), Stop> {
        let name = self.inner.entry.name.as_str();
        let mut decoder = StreamDecoder::new(name);
        loop {
            let (limit, what) = self.limit();
            let chunk = match timeout(limit, response.chunk()).await {
                Err(_) => return Err(slow(self.backend, name, what, limit, self.fresh()).into()),
                Ok(Err(e)) => return Err(transport(self.backend, name, &e, self.fresh()).into()),
                Ok(Ok(chunk)) => chunk,
            };
            let (decoded, ended) = match &chunk {
                Some(bytes) => (decoder.push(bytes), false),
                None => (decoder.finish(), true),
            };
            let decoded = decoded.map_err(|e| self.broken(&e))?;
            self.tell(decoded).await?;
            if decoder.is_finished() {
                // The connection is used again if its end comes soon; if not, closing it costs nothing. On its own, because the
                // caller may be gone by then and the backend has earned its verdict.
                tokio::spawn(timeout(TAIL, async move { while let Ok(Some(_)) = response.chunk().await {} }));
                return Ok(());
            }
            if ended {
                let error = Error::new(ErrorKind::Network, "the stream ended before the answer was complete");
                return Err(self.broken(&error).into());
            }
        }
    }

    /// Whether nothing has been told yet, so that another backend may answer instead.
    fn fresh(&self) -> bool {
        self.first_token.is_none()
    }

    fn limit(&self) -> (Duration, &'static str) {
        let limits = &self.inner.entry.limits;
        match self.first_token {
            None => (
                seconds(limits.first_token).saturating_sub(self.asked.elapsed()),
                "sent no part of the answer",
            ),
            Some(_) => (seconds(limits.idle), "stopped in the middle of the answer"),
        }
    }

    fn broken(&self, error: &Error) -> Failure {
        let error =
            self.backend.address.explain(&self.inner.entry.name, error.kind().clone(), error.message());
        Failure { error, verdict: Verdict::Bad, elsewhere: self.fresh() }
    }

    async fn tell(&mut self, decoded: Vec<GenerationEvent>) -> Result<(), Gone> {
        for mut event in decoded {
            match &mut event {
                GenerationEvent::Started { model, .. } => model.clone_from(&self.inner.entry.name),
                GenerationEvent::Prefill { .. } => {}
                GenerationEvent::Token(_) | GenerationEvent::ToolCall(_) => self.begin(),
                GenerationEvent::Finished { timings, .. } => {
                    self.begin();
                    *timings = self.timings();
                }
            }
            self.held.push(event);
        }
        if self.fresh() {
            return Ok(());
        }
        for event in self.held.drain(..) {
            self.events.send(Ok(event)).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        let elapsed = self.asked.elapsed();
        self.first_token.get_or_insert(elapsed);
    }

    /// How long the prompt took by itself nobody tells.
    fn timings(&self) -> Timings {
        let first_token = self.first_token.unwrap_or_default();
        let decode = self.asked.elapsed().saturating_sub(first_token);
        Timings { first_token, prefill: Duration::ZERO, decode }
    }
}

/// A response that is a stream, or what else it says.
async fn checked(backend: &Backend, name: &str, mut response: Response) -> Result<Response, Failure> {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if status == StatusCode::OK && kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
        return Ok(response);
    }
    let explain = |kind, message: &str| backend.address.explain(name, kind, message);
    if status.is_success() || status.is_redirection() {
        let message = format!(
            "it answered with status {} and {:?} where a stream of events was due: is the address right?",
            status.as_u16(),
            kind.chars().take(100).collect::<String>()
        );
        let error = explain(ErrorKind::Network, &message);
        return Err(Failure { error, verdict: Verdict::Bad, elsewhere: true });
    }
    let wait = response.headers().get(RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
    let body = small_body(&mut response).await;
    let told = error(status.as_u16(), &body, wait);
    Err(refused(backend, status, wait, &told, &explain))
}

/// What a refusal says about the backend, and to the caller.
fn refused(
    backend: &Backend,
    status: StatusCode,
    wait: Option<u64>,
    told: &Error,
    explain: &dyn Fn(ErrorKind, &str) -> Error,
) -> Failure {
    let code = status.as_u16();
    match code {
        429 | 503 => {
            let verdict = match (code, wait) {
                (503, None) => Verdict::Bad,
                (_, wait) => Verdict::Busy(Duration::from_secs(wait.unwrap_or(1))),
            };
            Failure { error: explain(told.kind().clone(), told.message()), verdict, elsewhere: true }
        }
        // The caller did nothing wrong with its own key, or with its own name for the model.
        401 | 403 => {
            let way_out = match backend.address.key_env() {
                Some(name) => format!("check the key in {name}"),
                None => "it wants a key: name its variable in api_key_env".to_owned(),
            };
            let message = format!("{}; {way_out}", told.message());
            Failure { error: explain(ErrorKind::Network, &message), verdict: Verdict::Bad, elsewhere: true }
        }
        404 => {
            let message = format!("{} (it was asked for the model {:?})", told.message(), backend.model);
            Failure { error: explain(ErrorKind::Network, &message), verdict: Verdict::Bad, elsewhere: true }
        }
        400..=499 if code != 408 => {
            let error = explain(told.kind().clone(), told.message());
            Failure { error, verdict: Verdict::Good, elsewhere: false }
        }
        _ => {
            let error = explain(told.kind().clone(), told.message());
            Failure { error, verdict: Verdict::Bad, elsewhere: true }
        }
    }
}

/// The beginning of a body, within a moment.
async fn small_body(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend(chunk.iter().take(LARGEST_ERROR.saturating_sub(body.len())));
            if body.len() >= LARGEST_ERROR {
                break;
            }
        }
    };
    // What has come until then says enough.
    let _ = timeout(Duration::from_secs(5), read).await;
    body
}

fn slow(backend: &Backend, name: &str, what: &str, limit: Duration, fresh: bool) -> Failure {
    let message = format!("it {what} within {:.1} s", limit.as_secs_f64());
    let error = backend.address.explain(name, ErrorKind::Timeout, &message);
    Failure { error, verdict: Verdict::Bad, elsewhere: fresh }
}

fn transport(backend: &Backend, name: &str, error: &reqwest::Error, fresh: bool) -> Failure {
    let verdict = if error.is_connect() { Verdict::Unreachable } else { Verdict::Bad };
    let what = if error.is_connect() { "it cannot be reached" } else { "the connection broke" };
    let message = format!("{what}: {}", innermost(error));
    let error = backend.address.explain(name, ErrorKind::Network, &message);
    Failure { error, verdict, elsewhere: fresh }
}

/// The cause that says something: the outer ones repeat the URL.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}
