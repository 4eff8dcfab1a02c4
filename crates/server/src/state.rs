//! What every handler can reach: the models, the options, keys, metrics, storage.

use crate::context::RequestContext;
use crate::keys::Keys;
use crate::keys::limits::Limits;
use crate::keys::throttle::Throttle;
use crate::metrics::Metrics;
use crate::options::ServerOptions;
use crate::storage::Storage;
use crate::studio::{House, blocking};
use parasol_core::Result;
use parasol_runtime::{KeptVoices, Models, Owner};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

/// The server's state. Clones share it.
#[derive(Clone)]
pub struct AppState(Arc<Inner>);

struct Inner {
    options: ServerOptions,
    models: Arc<Models>,
    keys: Keys,
    storage: Storage,
    answers: AtomicUsize,
    talks: AtomicUsize,
    limits: Limits,
    throttle: Throttle,
    metrics: Metrics,
    token: OnceLock<String>,
    house: House,
}

impl AppState {
    /// A server's state over `models`.
    ///
    /// # Errors
    /// When the keys or the database under the home folder cannot be read.
    pub fn new(models: Arc<Models>, options: ServerOptions) -> Result<Self> {
        let keys = Keys::open(&options.home)?;
        let storage = Storage::at(&options.home);
        Ok(Self(Arc::new(Inner {
            options,
            models,
            keys,
            storage,
            answers: AtomicUsize::new(0),
            talks: AtomicUsize::new(0),
            limits: Limits::default(),
            throttle: Throttle::default(),
            metrics: Metrics::new(),
            token: OnceLock::new(),
            house: House::default(),
        })))
    }

    /// How the server is set up.
    pub(crate) fn options(&self) -> &ServerOptions {
        &self.0.options
    }

    /// Waits until what answers took and cost is written down, for the end of the process.
    pub fn finish(&self) {
        self.models().runtime().far().ledger().finish();
    }

    /// The models: cards of what can be asked for, what is loaded, pins, and the hub for pulling and removing. Its functions
    /// block; call those that load or fetch from `tokio::task::spawn_blocking`.
    pub(crate) fn models(&self) -> &Arc<Models> {
        &self.0.models
    }

    /// Does something with the voices that were added, for whoever asks, off the threads that serve connections.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn kept<T: Send + 'static>(
        &self,
        ctx: &RequestContext,
        work: impl FnOnce(&KeptVoices, &Owner) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let owner = ctx.owner();
        blocking(self, move |state| work(&state.models().runtime().kept_voices(), &owner)).await
    }

    /// The API keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.0.keys
    }

    /// What is kept across restarts.
    pub(crate) fn storage(&self) -> &Storage {
        &self.0.storage
    }

    /// What keys have used.
    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Who has sent wrong keys.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.0.throttle
    }

    /// What is measured.
    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Opens the administration to who sends this token; the first one stays.
    pub fn accept_token(&self, token: &str) {
        self.0.token.get_or_init(|| token.to_owned());
    }

    /// The token of the administration, where there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        self.0.token.get().map(String::as_str)
    }

    /// Sessions, pulls and measurements of the studio.
    pub(crate) fn house(&self) -> &House {
        &self.0.house
    }

    /// Open sessions in which people talk.
    pub(crate) fn talks(&self) -> &AtomicUsize {
        &self.0.talks
    }

    /// Answers that are being made or wait to be.
    pub(crate) fn answers(&self) -> &AtomicUsize {
        &self.0.answers
    }
}

impl std::fmt::Debug for AppState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AppState").field("options", &self.0.options).finish_non_exhaustive()
    }
}
