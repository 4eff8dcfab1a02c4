//! Films over HTTP: asking for one under the same limits as other answers, and looking after jobs, those of an earlier run of the server
//! as well. A job belongs to whoever asked for it.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, fault, log_prompt};
use crate::studio::blocking;
use parasol_core::{Error, ErrorKind, FilmRequest, Result};
use parasol_runtime::{FilmJob, Films, RemoteModel};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Between two looks at whether there are jobs that nobody looks after.
const ROUND: Duration = Duration::from_secs(10);
/// A job that could not be looked after is left alone for so long.
const AGAIN: Duration = Duration::from_secs(60);
/// Between two sweeps.
const SWEEP: Duration = Duration::from_secs(600);

impl AppState {
    /// Asks for a film, or for another one of `of`, and looks after its job from then on.
    ///
    /// # Errors
    /// Those of the model and its provider; `Denied`, `RateLimited`, `Overloaded`.
    pub(crate) async fn film(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: FilmRequest,
        of: Option<FilmJob>,
    ) -> Result<FilmJob> {
        ctx.client().clone_into(&mut request.client);
        let place = Place::admit(self, ctx, model)?;
        if self.options().log_prompts {
            log_prompt(ctx, request.prompt.clone());
        }
        let filmer = self.filmer(model).await?;
        let begun = tokio::spawn(async move {
            // Also when nobody waits any more, the work takes its place; it goes to its end, since it may have to be paid for.
            let _place = place;
            let job = filmer.begin_film(&request, of.as_ref()).await?;
            look_after(filmer, job.id.clone());
            Ok::<_, Error>(job)
        });
        let job = begun.await.unwrap_or_else(|_| Err(fault()))?;
        tracing::info!(
            request = ctx.id(),
            model = job.model,
            job = job.id,
            seconds = job.seconds,
            "a film is begun"
        );
        Ok(job)
    }

    async fn filmer(&self, model: &str) -> Result<Arc<RemoteModel>> {
        let name = model.to_owned();
        blocking(self, move |state| state.models().filmer(&name)).await
    }

    /// Does something with the jobs of films, off the threads that serve connections.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn films<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Films) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        blocking(self, move |state| work(state.models().runtime().far().films())).await
    }

    /// The jobs of whoever asks, the newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub(crate) async fn own_films(&self, ctx: &RequestContext) -> Result<Vec<FilmJob>> {
        let client = ctx.client().to_owned();
        self.films(move |films| {
            let mut all = films.all()?;
            all.retain(|job| job.client == client);
            Ok(all)
        })
        .await
    }

    /// The job of this name, if it belongs to whoever asks.
    ///
    /// # Errors
    /// `NotFound` when there is none, and when it is somebody else's.
    pub(crate) async fn own_film(&self, ctx: &RequestContext, id: &str) -> Result<FilmJob> {
        let (client, name) = (ctx.client().to_owned(), id.to_owned());
        let found = self.films(move |films| films.get(&name)).await;
        let none = || {
            let shown: String = id.chars().take(80).collect();
            Error::new(
                ErrorKind::NotFound,
                format!("there is no video {shown:?}: it was never made, or is gone"),
            )
        };
        match found {
            Ok(job) if job.client == client => Ok(job),
            Ok(_) => Err(none()),
            Err(error) if *error.kind() == ErrorKind::NotFound => Err(none()),
            Err(error) => Err(error),
        }
    }

    /// Removes a job: it is ended first if it is not over, and its provider is to forget it, too.
    ///
    /// # Errors
    /// When its provider cannot be told to end it: it goes on then.
    pub(crate) async fn remove_film(&self, job: FilmJob) -> Result<()> {
        match self.filmer(&job.model).await {
            Ok(filmer) if job.state.is_over() => filmer.discard_film(&job).await,
            Ok(filmer) => drop(filmer.cancel_film(&job.id).await?),
            // What is over can be forgotten here without its provider.
            Err(error) if job.state.is_over() => {
                tracing::warn!(
                    job = job.id,
                    error = error.message(),
                    "a provider keeps a film that was removed"
                );
            }
            Err(error) => return Err(error),
        }
        self.films(move |films| films.forget(&job.id)).await
    }
}

/// Looks after a job until it is over.
fn look_after(filmer: Arc<RemoteModel>, id: String) {
    tokio::spawn(async move {
        match filmer.follow_film(&id).await {
            Ok(job) => tracing::info!(job = id, state = job.state.name(), "a film is over"),
            // It was removed.
            Err(error) if *error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                tracing::warn!(job = id, error = error.message(), "a film cannot be looked after now")
            }
        }
    });
}

/// Looks after the jobs that nobody does: those of an earlier run, and those that were left to themselves.
pub(crate) async fn keep(state: AppState) {
    let mut tried: HashMap<String, Instant> = HashMap::new();
    let mut swept: Option<Instant> = None;
    loop {
        if swept.is_none_or(|at| at.elapsed() > SWEEP) {
            swept = Some(Instant::now());
            if let Err(error) = state.films(Films::sweep).await {
                tracing::warn!(error = error.message(), "films could not be swept");
            }
        }
        let open = state.films(|films| {
            let mut all = films.all()?;
            all.retain(|job| !job.state.is_over() && !films.is_held(&job.id));
            Ok(all)
        });
        tried.retain(|_, at| at.elapsed() < AGAIN);
        for job in open.await.unwrap_or_default() {
            if tried.contains_key(&job.id) {
                continue;
            }
            tried.insert(job.id.clone(), Instant::now());
            match state.filmer(&job.model).await {
                Ok(filmer) => look_after(filmer, job.id),
                Err(error) => {
                    tracing::warn!(job = job.id, error = error.message(), "a film cannot be looked after now")
                }
            }
        }
        tokio::time::sleep(ROUND).await;
    }
}
