//! A remote model as the vocabulary's capabilities.

use crate::answer::{self, Keep};
use crate::backend::{Backend, seconds};
use crate::cache::Cache;
use crate::call::{self, Ask};
use crate::client::{client, outside};
use crate::count;
use crate::directory::CacheSettings;
use crate::entry::RemoteEntry;
use crate::film::Films;
use crate::health;
use crate::ledger::Ledger;
use crate::price::Price;
use crate::rate::Rate;
use crate::status::BackendStatus;
use crate::threads::Threads;
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Embed, EmbedEvent, Error, ErrorKind, EventStream,
    GenerationEvent, Result, SamplingChoice,
};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// What the remote models of a process share: threads, the book of what they cost, answers to be given again.
#[derive(Debug, Clone)]
pub struct Remotes {
    threads: Arc<Threads>,
    ledger: Option<Arc<Ledger>>,
    caches: Option<Caches>,
    films: Option<Arc<Films>>,
}

/// Answers to be given again, of each kind.
#[derive(Debug, Clone)]
pub(crate) struct Caches {
    chats: Arc<Cache<GenerationEvent>>,
    pub(crate) vectors: Arc<Cache<EmbedEvent>>,
}

impl Caches {
    fn new(settings: CacheSettings) -> Self {
        Self { chats: Arc::new(Cache::new(settings)), vectors: Arc::new(Cache::new(settings)) }
    }
}

impl Remotes {
    /// Threads for remote models that nobody accounts for: those of the tokio runtime that this is called in, which has to
    /// last as long as the models and to have timers and connections; outside of any, two of their own.
    ///
    /// # Errors
    /// `Io` when they cannot be started.
    pub fn new() -> Result<Self> {
        Ok(Self { threads: Arc::new(Threads::new()?), ledger: None, caches: None, films: None })
    }

    /// The same, with a book of what answers cost, and answers given again where that is wanted.
    #[must_use]
    pub fn accounted(self, ledger: Arc<Ledger>, cache: Option<CacheSettings>) -> Self {
        Self { ledger: Some(ledger), caches: cache.map(Caches::new), ..self }
    }

    /// The same, with a place in which jobs are written down: without one there are no films.
    #[must_use]
    pub fn keeping(self, films: Arc<Films>) -> Self {
        Self { films: Some(films), ..self }
    }

    /// The model of an entry, and the looks at its addresses begun.
    ///
    /// # Errors
    /// `InvalidRequest`, naming what is wrong with the entry: an empty name, no address, an address that is none, a key that
    /// is not in the environment.
    pub fn open(&self, entry: &RemoteEntry) -> Result<Arc<RemoteModel>> {
        Ok(Arc::new(RemoteModel::new(entry, self)?))
    }

    /// The models of these entries, accounted for by nobody.
    ///
    /// # Errors
    /// As [`Self::new`] and [`Self::open`]; `InvalidRequest` for a name that is taken.
    pub fn connect(entries: &[RemoteEntry]) -> Result<Vec<Arc<RemoteModel>>> {
        if entries.is_empty() { Ok(Vec::new()) } else { Self::new()?.open_all(entries) }
    }

    /// The models of these entries.
    ///
    /// # Errors
    /// As [`Self::open`]; `InvalidRequest` for a name that is taken.
    pub fn open_all(&self, entries: &[RemoteEntry]) -> Result<Vec<Arc<RemoteModel>>> {
        let mut models: Vec<Arc<RemoteModel>> = Vec::new();
        for entry in entries {
            if models.iter().any(|model| model.name().eq_ignore_ascii_case(&entry.name)) {
                return Err(invalid(format!("two remote models are called {:?}: rename one", entry.name)));
            }
            models.push(self.open(entry)?);
        }
        Ok(models)
    }
}

/// A model that other machines compute. Clones share it.
#[derive(Debug, Clone)]
pub struct RemoteModel {
    pub(crate) inner: Arc<Inner>,
    pub(crate) threads: Arc<Threads>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) entry: RemoteEntry,
    recommended: SamplingChoice,
    pub(crate) backends: Vec<Arc<Backend>>,
    /// What a backend says its context is; 0 while none has.
    told_context: AtomicUsize,
    pub(crate) rate: Rate,
    pub(crate) ledger: Option<Arc<Ledger>>,
    pub(crate) caches: Option<Caches>,
    pub(crate) films: Option<Arc<Films>>,
    /// Whether the threads that read its answers serve connections, too, and so wait for no book.
    pub(crate) serves: bool,
    local: reqwest::Client,
    far: reqwest::Client,
    /// Made when something is fetched from where a provider says.
    outside: OnceLock<reqwest::Client>,
}

impl Inner {
    /// The client that leads to a backend.
    pub(crate) fn client(&self, backend: &Backend) -> &reqwest::Client {
        if backend.address.is_local() { &self.local } else { &self.far }
    }

    /// The client that leads to addresses which providers name.
    ///
    /// # Errors
    /// `Internal` when TLS cannot be set up.
    pub(crate) fn outside(&self) -> Result<&reqwest::Client> {
        match self.outside.get() {
            Some(client) => Ok(client),
            None => outside(&self.entry.limits).map(|client| self.outside.get_or_init(|| client)),
        }
    }

    /// Whose it is.
    pub(crate) fn provider(&self) -> &str {
        let address = || self.backends.first().map_or("", |backend| backend.address.shown());
        self.entry.provider.as_deref().unwrap_or_else(address)
    }

    pub(crate) fn learn_context(&self, tokens: usize) {
        self.told_context.store(tokens, Ordering::Relaxed);
    }
}

impl RemoteModel {
    fn new(entry: &RemoteEntry, shared: &Remotes) -> Result<Self> {
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
            recommended: entry.sampling.or(&SamplingChoice::neutral()),
            backends,
            told_context: AtomicUsize::new(0),
            rate: Rate::new(&entry.limits),
            ledger: shared.ledger.clone(),
            caches: shared.caches.clone(),
            films: shared.films.clone(),
            serves: shared.threads.are_shared(),
            local: client(&entry.limits, true)?,
            far: client(&entry.limits, false)?,
            outside: OnceLock::new(),
            entry: entry.clone(),
        });
        let threads = Arc::clone(&shared.threads);
        threads.spawn(health::watch(Arc::downgrade(&inner)));
        Ok(Self { inner, threads })
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

    /// Whose it is: a provider's name, or an address.
    pub fn provider(&self) -> &str {
        self.inner.provider()
    }

    /// What it costs, where that is known.
    pub fn price(&self) -> Option<&Price> {
        self.inner.entry.price.as_ref()
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

    /// Its embedding.
    ///
    /// # Errors
    /// `Unsupported` when it has none.
    pub fn embedder(&self) -> Result<Arc<dyn Embed>> {
        self.can("embed")?;
        Ok(Arc::new(self.clone()))
    }

    pub(crate) fn can(&self, capability: &str) -> Result<()> {
        if self.capabilities().iter().any(|c| c == capability) {
            return Ok(());
        }
        let can = self.capabilities().join(", ");
        let message = format!("{} cannot {capability}: its entry says that it can {can}", self.name());
        Err(Error::new(ErrorKind::Unsupported, message))
    }

    fn ask(&self, ask: Ask, keep: Option<Keep<GenerationEvent>>) -> EventStream<GenerationEvent> {
        let inner = Arc::clone(&self.inner);
        answer::stream(&self.threads, keep.map(Keep::eye), |events| async move {
            call::run(&inner, ask, events).await
        })
    }

    fn uncounted(&self) -> Error {
        let message = format!("{} is remote, and its protocol has no way to count tokens", self.name());
        Error::new(ErrorKind::Unsupported, message)
    }

    /// Asks the first address that can count.
    fn count(&self, request: ChatRequest) -> Result<usize> {
        let (sender, counted) = std::sync::mpsc::channel();
        let inner = Arc::clone(&self.inner);
        // A thread may wait here that belongs to another runtime, where waiting for a future is not allowed.
        self.threads.spawn(async move {
            // Without a listener there is nobody to tell.
            let _ = sender.send(count::tokens(&inner, &request).await);
        });
        match counted.recv() {
            Ok(counted) => counted?.ok_or_else(|| self.uncounted()),
            Err(_) => Err(Error::new(ErrorKind::Internal, "the thread that counts tokens failed")),
        }
    }
}

impl Chat for RemoteModel {
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>> {
        let ask = |request, keep| Ok(self.ask(Ask::Chat(Box::new(request)), keep));
        let Some(cache) = self.inner.caches.as_ref().map(|caches| &caches.chats) else {
            return ask(request, None);
        };
        let digest = cache.digest(self.name(), &request);
        if let Some(events) = cache.get(digest) {
            return Ok(answer::again(events));
        }
        ask(request, Some(Keep::new(cache, digest)))
    }

    fn count_tokens(&self, request: &ChatRequest) -> Result<usize> {
        self.count(request.clone())
    }
}

impl Complete for RemoteModel {
    fn complete(&self, request: CompleteRequest) -> Result<EventStream<GenerationEvent>> {
        Ok(self.ask(Ask::Complete(Box::new(request)), None))
    }

    fn count_tokens(&self, _: &CompleteRequest) -> Result<usize> {
        Err(self.uncounted())
    }
}

/// What remote models can do.
const KNOWN: [&str; 7] = ["chat", "complete", "embed", "transcribe", "speak", "imagine", "film"];

fn check(entry: &RemoteEntry) -> Result<()> {
    let name = &entry.name;
    if name.trim() != name || name.is_empty() || name.len() > 256 || name.chars().any(char::is_control) {
        return Err(invalid(format!("a remote model cannot be called {name:?}: give it a plain name")));
    }
    if entry.backends.is_empty() {
        return Err(invalid(format!("the remote model {name:?} has no address: add one under `remote`")));
    }
    if let Some(other) = entry.capabilities.iter().find(|c| !KNOWN.contains(&c.as_str())) {
        return Err(invalid(format!(
            "the remote model {name:?} cannot be used for {other:?}: {} are what there is",
            KNOWN.join(", ")
        )));
    }
    let limits = entry.limits;
    let times = [
        ("connect", limits.connect),
        ("first_token", limits.first_token),
        ("idle", limits.idle),
        ("poll", limits.poll),
        ("job", limits.job),
    ];
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
