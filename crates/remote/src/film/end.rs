//! Ending a job: at its provider, where that has a way to, and in the book. Whoever looks after the job does it; who wants it ended asks
//! for it by a file beside the job, and looks after the job where nobody else does.

use super::accounts;
use super::aside;
use super::begin::json;
use super::follow::{Follower, backend_of};
use super::job::{FilmJob, JobState};
use super::pace::Pace;
use super::store::Films;
use crate::backend::{Backend, seconds};
use crate::failure::{Failure, refusal, slow, transport, wait_of};
use crate::model::Inner;
use parasol_core::{Error, ErrorKind, Result};
use parasol_wire::filming;
use reqwest::{Method, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};

/// What is said of a job of which nobody knows whether its provider has taken it.
pub(super) const UNKNOWN: &str =
    "nobody knows whether its provider has taken it: it may be made there, and charged for";
/// A look at a job, and its end, take no longer than this.
pub(super) const LOOK: Duration = Duration::from_secs(60);
/// How long the end of a job is waited for that somebody else looks after.
const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks at whether it has ended.
const WATCH: Duration = Duration::from_millis(100);
/// Tries to tell the provider.
const TRIES: usize = 3;

/// Ends a job, and returns how it ended.
///
/// # Errors
/// When it is not there, or its provider cannot be told.
pub(super) async fn cancel(inner: &Arc<Inner>, films: &Arc<Films>, id: &str) -> Result<FilmJob> {
    let job = films.get(id)?;
    if job.state.is_over() {
        return Ok(job);
    }
    films.ask_to_end(id)?;
    let begun = Instant::now();
    loop {
        let job = films.get(id)?;
        if job.state.is_over() {
            return Ok(job);
        }
        if let Some(hold) = films.hold(id)? {
            let job = films.get(id)?;
            let mut quiet = |_: &FilmJob| true;
            return Follower::new(inner, films, job, hold, &mut quiet)?.end_now().await;
        }
        if !films.is_to_end(id) {
            let job = films.get(id)?;
            if job.state.is_over() {
                return Ok(job);
            }
            let why = job.note.unwrap_or_else(|| "its provider could not be told".to_owned());
            return Err(Error::new(ErrorKind::Network, format!("{id} goes on: {why}")));
        }
        if begun.elapsed() > PATIENCE {
            let message =
                format!("{id} has not ended within {} s: it is asked to, and may yet", PATIENCE.as_secs());
            return Err(Error::new(ErrorKind::Timeout, message));
        }
        sleep(WATCH).await;
    }
}

/// Ends a held job at its provider and in the book, and writes that down.
///
/// # Errors
/// When the provider cannot be told: the job stays as it is, with a note of that.
pub(super) async fn end(
    inner: &Arc<Inner>,
    films: &Arc<Films>,
    job: &mut FilmJob,
    (code, state, why): (&str, JobState, &str),
) -> Result<()> {
    let told = match backend_of(inner, job) {
        Ok(backend) => tell(inner, &backend, job).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(None) if !job.worked_on => {
            accounts::release(inner, job).await?;
            job.end(state, code, why);
        }
        Ok(None) => {
            accounts::pay(inner, job, true).await?;
            job.end(state, code, format!("{why}; its provider may charge for what it had done"));
        }
        Ok(Some(goes_on)) => {
            accounts::pay(inner, job, true).await?;
            job.end(state, code, format!("{why}, but {goes_on}"));
        }
        Err(error) => {
            job.note = Some(error.message().to_owned());
            write(films, job).await?;
            films.end_is_seen(&job.id);
            return Err(error);
        }
    }
    write(films, job).await?;
    films.end_is_seen(&job.id);
    Ok(())
}

/// Tells the provider of a job that cannot be kept; nobody can do more.
pub(super) async fn best_effort(inner: &Inner, job: &FilmJob) {
    let Ok(backend) = backend_of(inner, job) else { return };
    if let Err(error) = tell(inner, &backend, job).await {
        tracing::error!(error = error.message(), "a job could not be ended");
    }
}

/// Tells the provider; `Some` says why it goes on all the same.
async fn tell(inner: &Inner, backend: &Backend, job: &FilmJob) -> Result<Option<String>> {
    let Some(id) = job.remote.as_deref() else { return Ok(Some(UNKNOWN.to_owned())) };
    let Some(path) = filming::end(backend.protocol, id)? else {
        let why = "its provider has no way to end one: it is made there all the same, and charged for";
        return Ok(Some(why.to_owned()));
    };
    let mut pace = Pace::new(seconds(inner.entry.limits.poll));
    for left in (0..TRIES).rev() {
        let failure = match ask(inner, backend, Method::DELETE, &path).await {
            // What it does not know does not go on.
            Ok(response)
                if response.status().is_success() || matches!(response.status().as_u16(), 404 | 410) =>
            {
                return Ok(None);
            }
            Ok(response) => {
                let status = response.status().as_u16();
                let failure = refusal(backend, &inner.entry.name, response).await;
                if matches!(status, 400 | 405 | 409 | 422 | 501) {
                    let why = format!("its provider refuses to end it: {}", failure.error.message());
                    return Ok(Some(why));
                }
                failure
            }
            Err(failure) => failure,
        };
        if left == 0 || !failure.again {
            return Err(failure.error);
        }
        sleep(pace.after_failure(wait_of(&failure.error))).await;
    }
    // The last try returns.
    Ok(None)
}

/// One request about a job, with the key.
pub(super) async fn ask(
    inner: &Inner,
    backend: &Backend,
    method: Method,
    path: &str,
) -> Result<Response, Failure> {
    let name = inner.entry.name.as_str();
    let request = inner.client(backend).request(method, backend.address.endpoint(path));
    let request =
        backend.address.headers().fold(request, |request, (name, value)| request.header(name, value));
    let limit = seconds(inner.entry.limits.first_token).min(LOOK);
    match timeout(limit, request.send()).await {
        Err(_) => {
            Err(Failure { again: true, ..slow(backend, name, "sent nothing about the film", limit, false) })
        }
        Ok(Err(e)) => Err(transport(backend, name, &e, true)),
        Ok(Ok(response)) => Ok(response),
    }
}

/// The JSON of an answer about a job.
pub(super) async fn read(
    inner: &Inner,
    backend: &Backend,
    response: Response,
) -> Result<serde_json::Value, Failure> {
    let limit = seconds(inner.entry.limits.first_token).min(LOOK);
    let read = json(inner, backend, response, limit, Instant::now()).await;
    // A look can be had again, whatever became of one.
    read.map_err(|failure| Failure { again: true, ..failure })
}

/// Writes a held job down.
pub(super) async fn write(films: &Arc<Films>, job: &FilmJob) -> Result<()> {
    let (films, job) = (Arc::clone(films), job.clone());
    aside(move || films.write(&job)).await?
}
