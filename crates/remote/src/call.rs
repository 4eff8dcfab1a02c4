//! One request: a backend is chosen and asked; before the first piece of the answer another may be asked instead, or the
//! same one again after a while; after it an error is told and nothing starts over.

use crate::backend::{Backend, Errand, Verdict, choose, nobody, seconds};
use crate::count;
use crate::failure::{Failure, broke_unanswered, checked, slow, transport, wait_of};
use crate::model::Inner;
use crate::price::most_prompt_tokens;
use crate::reading::{Events, Reading, Stop};
use crate::tally::{Reckoned, Tally};
use parasol_core::{ChatRequest, CompleteRequest, Error, ErrorKind};
use parasol_wire::client::{self, Protocol, Written};
use parasol_wire::openai::client::completion_request;
use reqwest::header::{ACCEPT, CONNECTION, CONTENT_TYPE, HeaderMap};
use reqwest::{Body, RequestBuilder, Response};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The first pause between two tries; doubled with each.
const PAUSE: Duration = Duration::from_millis(500);

/// The kind of most bodies.
pub(crate) const JSON: &str = "application/json";
/// The header that [`once`] stands in.
pub(crate) const ONCE: &str = "idempotency-key";

/// What is asked.
pub(crate) enum Ask {
    Chat(Box<ChatRequest>),
    Complete(Box<CompleteRequest>),
}

impl Ask {
    /// What its tokens can come to.
    fn reckoned(&self) -> Reckoned<'_> {
        match self {
            Self::Chat(request) => Reckoned {
                client: &request.client,
                most_output: request.max_tokens,
                most_prompt: most_prompt_tokens(request),
                counted: false,
            },
            Self::Complete(request) => Reckoned {
                client: &request.client,
                most_output: request.max_tokens,
                most_prompt: request
                    .prompt
                    .len()
                    .saturating_add(request.suffix.as_ref().map_or(0, String::len)),
                counted: false,
            },
        }
    }
}

/// Asks until somebody answers. In a round each backend is tried once; there are as many rounds as the limits allow.
pub(crate) async fn run(inner: &Arc<Inner>, ask: Ask, events: Events) {
    // Without a listener there is nobody to tell.
    if let Err(error) = answer(inner, &ask, &events).await {
        let _ = events.send(Err(error)).await;
    }
}

async fn answer(inner: &Arc<Inner>, ask: &Ask, events: &Events) -> Result<(), Error> {
    let mut tally = account(inner, ask).await?;
    let _place = inner.rate.enter(&inner.entry.name, tally.likely()).await?;
    let once = once();
    let mut rounds = Rounds::new(inner);
    loop {
        let errand = rounds.next().await?;
        match attempt(inner, &errand, ask, events, &mut tally, &once).await {
            Ok(()) => {
                errand.end(Verdict::Good, None);
                return Ok(());
            }
            Err(Stop::Gone) => return Ok(()),
            Err(Stop::Failed(failure)) => {
                tally.failed();
                rounds.failed(errand, failure)?;
            }
        }
    }
}

/// What tells a request from others: the same for every try, so that a provider that knows it does the work once.
pub(crate) fn once() -> String {
    format!("parasol-{:016x}{:016x}", random(), random())
}

/// The tries of one request.
pub(crate) struct Rounds<'a> {
    inner: &'a Inner,
    /// Those that were asked in this round.
    tried: Vec<usize>,
    last: Option<Failure>,
    rounds: u32,
}

impl<'a> Rounds<'a> {
    pub(crate) fn new(inner: &'a Inner) -> Self {
        Self { inner, tried: Vec::new(), last: None, rounds: 0 }
    }

    /// Who is asked next, after the pause that lies before another round.
    ///
    /// # Errors
    /// The last failure, when nobody is to be asked any more.
    pub(crate) async fn next(&mut self) -> Result<Errand, Error> {
        let inner = self.inner;
        loop {
            if let Some((index, errand)) = choose(&inner.backends, &self.tried) {
                self.tried.push(index);
                return Ok(errand);
            }
            let (error, again) = match self.last.take() {
                Some(failure) => (failure.error, failure.again),
                None => (nobody(&inner.entry.name, &inner.backends), true),
            };
            let Some(wait) = pause(inner, self.rounds, &error, again) else { return Err(error) };
            let seconds = wait.as_secs_f64();
            tracing::info!(model = inner.entry.name, seconds, "trying again after a pause");
            tokio::time::sleep(wait).await;
            self.rounds += 1;
            self.tried.clear();
            // Told if nobody can be asked in this round either.
            self.last = Some(Failure { error, verdict: Verdict::Good, elsewhere: true, again: true });
        }
    }

    /// A try failed.
    ///
    /// # Errors
    /// The failure, when nobody else can do better.
    pub(crate) fn failed(&mut self, errand: Errand, failure: Failure) -> Result<(), Error> {
        let note = (failure.verdict != Verdict::Good).then(|| failure.error.message().to_owned());
        let (elsewhere, error) = (failure.elsewhere, failure.error.message());
        tracing::warn!(model = self.inner.entry.name, elsewhere, error, "a try failed");
        errand.end(failure.verdict, note);
        if !elsewhere {
            return Err(failure.error);
        }
        self.last = Some(failure);
        Ok(())
    }
}

/// The account of a request. Where the most that its prompt could hold does not fit a budget, it is counted, if its provider counts
/// for nothing.
async fn account(inner: &Arc<Inner>, ask: &Ask) -> Result<Tally, Error> {
    let reckoned = ask.reckoned();
    let refused = match Tally::open(inner, &reckoned).await {
        Err(error) if matches!(error.kind(), ErrorKind::RateLimited { .. }) => error,
        opened => return opened,
    };
    let Ask::Chat(request) = ask else { return Err(refused) };
    // Where nothing is left for the answer, its prompt is nobody's business.
    if !Tally::could_open(inner, &reckoned).await? {
        return Err(refused);
    }
    match count::tokens(inner, request).await {
        Ok(Some(tokens)) => {
            Tally::open(inner, &Reckoned { most_prompt: tokens, counted: true, ..reckoned }).await
        }
        Ok(None) => Err(refused),
        Err(error) => {
            tracing::info!(
                model = inner.entry.name,
                error = error.message(),
                "a prompt could not be counted"
            );
            Err(refused)
        }
    }
}

/// How long to wait before another round; `None` when there is none.
fn pause(inner: &Inner, rounds: u32, error: &Error, again: bool) -> Option<Duration> {
    let limits = &inner.entry.limits;
    if !again || rounds >= limits.retries {
        return None;
    }
    let doubled = PAUSE.saturating_mul(1 << rounds.min(10));
    // Between a half and the whole, so that many who were refused together do not come back together.
    let jitter = 0.5 + 0.5 * chance();
    let mut wait = doubled.mul_f64(jitter);
    if let Some(asked) = wait_of(error) {
        wait = wait.max(asked).saturating_add(doubled.mul_f64(jitter / 4.0));
    }
    (wait <= seconds(limits.longest_wait)).then_some(wait)
}

/// A number that nobody can guess: the standard library keys each of its hashers with one.
pub(crate) fn random() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Between 0 and 1.
pub(crate) fn chance() -> f64 {
    (random() >> 11) as f64 / (1u64 << 53) as f64
}

async fn attempt(
    inner: &Inner,
    errand: &Errand,
    ask: &Ask,
    events: &Events,
    tally: &mut Tally,
    once: &str,
) -> Result<(), Stop> {
    let backend = &*errand.backend;
    let asked = Instant::now();
    let name = inner.entry.name.as_str();
    // Another backend may take fields that this one does not.
    let Written { path, body, ignored } = written(backend, ask).map_err(Failure::unwritable)?;
    let request = post(inner, backend, &path, JSON, body.to_string())
        .header(ACCEPT, "text/event-stream")
        .header(ONCE, once);
    tally.asked(None);
    let response = sent(inner, backend, request).await?;
    let response = checked(backend, name, response).await?;
    Reading::new(inner, backend, events, tally, asked, ignored).read(response).await
}

/// A request to a backend, with the key that it wants.
pub(crate) fn post(
    inner: &Inner,
    backend: &Backend,
    path: &str,
    kind: &str,
    body: impl Into<Body>,
) -> RequestBuilder {
    let address = &backend.address;
    let request = inner.client(backend).post(address.endpoint(path)).header(CONTENT_TYPE, kind).body(body);
    address.headers().fold(request, |request, (name, value)| request.header(name, value))
}

/// Sends a request. A server may close a kept connection at the moment at which it is used again: what meets that, and gets not a
/// byte, is sent once more.
pub(crate) async fn sent(
    inner: &Inner,
    backend: &Backend,
    request: RequestBuilder,
) -> Result<Response, Failure> {
    let name = inner.entry.name.as_str();
    let first = seconds(inner.entry.limits.first_token);
    let mut spare = request.try_clone().filter(|_| backend.may_keep_a_connection());
    let mut request = request;
    loop {
        match timeout(first, request.send()).await {
            Err(_) => return Err(slow(backend, name, "sent nothing", first, true)),
            Ok(Err(e)) => match spare.take().filter(|_| broke_unanswered(&e)) {
                None => return Err(transport(backend, name, &e, true)),
                Some(again) => {
                    tracing::debug!(model = name, "a kept connection was closed: asking on a new one");
                    request = again;
                }
            },
            Ok(Ok(response)) => {
                backend.keeps_a_connection(!closes(response.headers()));
                return Ok(response);
            }
        }
    }
}

/// Whether the server says that it closes the connection after its answer.
fn closes(headers: &HeaderMap) -> bool {
    let options = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    options.flat_map(|value| value.split(',')).any(|option| option.trim().eq_ignore_ascii_case("close"))
}

fn written(backend: &Backend, ask: &Ask) -> Result<Written, Error> {
    match ask {
        Ask::Chat(request) => client::chat(backend.protocol, &backend.model, request, &backend.manner),
        Ask::Complete(request) if backend.protocol == Protocol::OpenAi => {
            let mut ignored = Vec::new();
            let body = completion_request(&backend.model, request, &backend.manner, &mut ignored)?;
            Ok(Written { path: "completions".into(), body, ignored })
        }
        Ask::Complete(_) => {
            let message = "the provider's protocol has chats only: ask for a chat";
            Err(Error::new(ErrorKind::Unsupported, message))
        }
    }
}
