//! A remote model as the vocabulary's capabilities.

use crate::backend::{Backend, seconds};
use crate::call::{self, Ask};
use crate::client::client;
use crate::entry::RemoteEntry;
use crate::health;
use crate::status::BackendStatus;
use futures_core::Stream;
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Error, ErrorKind, EventStream, GenerationEvent, Result,
    SamplingChoice,
};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::{Receiver, channel};
use tokio::task::AbortHandle;

/// Events that may wait for their reader before the backend's connection does.
const BUFFER: usize = 64;

/// The threads that speak with other machines, shared by all remote models of a process.
#[derive(Debug)]
struct Threads(Mutex<Option<Runtime>>, tokio::runtime::Handle);

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where this may be dropped: inside another runtime.
        if let Some(runtime) = self.0.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}

/// All remote models of a process.
#[derive(Debug)]
pub struct Remotes;

impl Remotes {
    /// The models of these entries, and the looks at their addresses begun.
    ///
    /// # Errors
    /// `InvalidRequest`, naming what is wrong with an entry: an empty or taken name, no address, an address that is none, a
    /// key that is not in the environment; `Io` when threads cannot be started.
    pub fn connect(entries: &[RemoteEntry]) -> Result<Vec<Arc<RemoteModel>>> {
        if entries.is_empty() {
            return Ok(Vec::new());
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("parasol-remote")
            .enable_all()
            .build()
            .map_err(|e| Error::from(e).within("cannot start the threads for remote models"))?;
        let handle = runtime.handle().clone();
        let threads = Arc::new(Threads(Mutex::new(Some(runtime)), handle));
        let mut models: Vec<Arc<RemoteModel>> = Vec::new();
        for entry in entries {
            if models.iter().any(|model| model.name().eq_ignore_ascii_case(&entry.name)) {
                return Err(invalid(format!("two remote models are called {:?}: rename one", entry.name)));
            }
            models.push(Arc::new(RemoteModel::new(entry, &threads)?));
        }
        Ok(models)
    }
}

/// A model that other machines compute. Clones share it.
#[derive(Debug, Clone)]
pub struct RemoteModel {
    inner: Arc<Inner>,
    threads: Arc<Threads>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) entry: RemoteEntry,
    recommended: SamplingChoice,
    pub(crate) backends: Vec<Arc<Backend>>,
    /// What a backend says its context is; 0 while none has.
    told_context: AtomicUsize,
    local: reqwest::Client,
    far: reqwest::Client,
}

impl Inner {
    /// The client that leads to a backend.
    pub(crate) fn client(&self, backend: &Backend) -> &reqwest::Client {
        if backend.address.is_local() { &self.local } else { &self.far }
    }

    pub(crate) fn learn_context(&self, tokens: usize) {
        self.told_context.store(tokens, Ordering::Relaxed);
    }
}

impl RemoteModel {
    fn new(entry: &RemoteEntry, threads: &Arc<Threads>) -> Result<Self> {
        check(entry)?;
        let env = |name: &str| std::env::var(name).ok();
        let backend = |b| Backend::new(b, &entry.name, &entry.limits, env);
        let backends: Vec<_> = entry
            .backends
            .iter()
            .map(backend)
            .collect::<Result<_>>()
            .map_err(|e| e.within(format!("the remote model {:?}", entry.name)))?;
        let inner = Arc::new(Inner {
            recommended: entry.sampling.or(&neutral()),
            backends,
            told_context: AtomicUsize::new(0),
            local: client(&entry.limits, true)?,
            far: client(&entry.limits, false)?,
            entry: entry.clone(),
        });
        threads.1.spawn(health::watch(Arc::downgrade(&inner)));
        Ok(Self { inner, threads: Arc::clone(threads) })
    }

    /// What it is called here.
    pub fn name(&self) -> &str {
        &self.inner.entry.name
    }

    /// What it can do.
    pub fn capabilities(&self) -> &[String] {
        &self.inner.entry.capabilities
    }

    /// Tokens that its context holds: as configured, or as a backend tells.
    pub fn context(&self) -> Option<usize> {
        let told = self.inner.told_context.load(Ordering::Relaxed);
        self.inner.entry.context.or(Some(told).filter(|tokens| *tokens > 0))
    }

    /// The sampling that is recommended for it; what nobody has configured is the protocol's default.
    pub fn recommended(&self) -> &SamplingChoice {
        &self.inner.recommended
    }

    /// How its addresses do.
    pub fn status(&self) -> Vec<BackendStatus> {
        self.inner.backends.iter().map(|backend| backend.status()).collect()
    }

    /// Its chat.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn chat(&self) -> Result<Arc<dyn Chat>> {
        self.can("chat")?;
        Ok(Arc::new(self.clone()))
    }

    /// Its completion.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn complete(&self) -> Result<Arc<dyn Complete>> {
        self.can("complete")?;
        Ok(Arc::new(self.clone()))
    }

    fn can(&self, capability: &str) -> Result<()> {
        if self.capabilities().iter().any(|c| c == capability) {
            return Ok(());
        }
        let can = self.capabilities().join(", ");
        let message = format!("{} cannot {capability}: its entry says that it can {can}", self.name());
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn ask(&self, ask: Ask) -> EventStream<GenerationEvent> {
        let (sender, events) = channel(BUFFER);
        let inner = Arc::clone(&self.inner);
        let task = self.threads.1.spawn(async move { call::run(&inner, ask, sender).await });
        let answer = Answer { events, task: task.abort_handle(), _threads: Arc::clone(&self.threads) };
        EventStream::new(answer)
    }

    fn uncounted(&self) -> Error {
        let message = format!("{} is remote, and its protocol has no way to count tokens", self.name());
        Error::new(ErrorKind::Unsupported, message)
    }
}

impl Chat for RemoteModel {
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>> {
        Ok(self.ask(Ask::Chat(request)))
    }

    fn count_tokens(&self, _: &ChatRequest) -> Result<usize> {
        Err(self.uncounted())
    }
}

impl Complete for RemoteModel {
    fn complete(&self, request: CompleteRequest) -> Result<EventStream<GenerationEvent>> {
        Ok(self.ask(Ask::Complete(request)))
    }

    fn count_tokens(&self, _: &CompleteRequest) -> Result<usize> {
        Err(self.uncounted())
    }
}

/// An answer on its way. Dropping it closes the connection to the backend.
struct Answer {
    events: Receiver<Result<GenerationEvent>>,
    task: AbortHandle,
    _threads: Arc<Threads>,
}

impl Stream for Answer {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.events.poll_recv(cx)
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the protocol does where a request says nothing.
fn neutral() -> SamplingChoice {
    SamplingChoice {
        temperature: Some(1.0),
        top_k: Some(0),
        top_p: Some(1.0),
        min_p: Some(0.0),
        typical_p: Some(1.0),
        repetition_penalty: Some(1.0),
        presence_penalty: Some(0.0),
        frequency_penalty: Some(0.0),
    }
}

fn check(entry: &RemoteEntry) -> Result<()> {
    let name = &entry.name;
    if name.trim() != name || name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err(invalid(format!("a remote model cannot be called {name:?}: give it a plain name")));
    }
    if entry.backends.is_empty() {
        return Err(invalid(format!("the remote model {name:?} has no address: add one under `remote`")));
    }
    if let Some(other) = entry.capabilities.iter().find(|c| !matches!(c.as_str(), "chat" | "complete")) {
        return Err(invalid(format!(
            "the remote model {name:?} cannot be used for {other:?}: chat and complete are what there is"
        )));
    }
    let limits = entry.limits;
    let times = [("connect", limits.connect), ("first_token", limits.first_token), ("idle", limits.idle)];
    if let Some((which, value)) = times.into_iter().find(|(_, value)| seconds(*value).is_zero()) {
        return Err(invalid(format!(
            "the limit {which} = {value} of {name:?} leaves no time: seconds above 0"
        )));
    }
    Ok(())
}

fn invalid(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
