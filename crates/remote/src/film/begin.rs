//! Beginning a job. It is written down before its provider is asked, so that whatever happens somebody knows of it, and nobody asks
//! twice for what may have been taken the first time.

use super::job::{FilmJob, JobState};
use super::store::{Films, Hold};
use super::{accounts, aside};
use crate::backend::{Backend, Verdict, seconds};
use crate::call::{ONCE, Rounds, once, post, sent};
use crate::failure::{Failure, refusal};
use crate::model::Inner;
use crate::whole::Whole;
use parasol_core::{Error, ErrorKind, FilmRequest, Result};
use parasol_wire::filming::{self, FilmState, Shot};
use reqwest::Response;
use serde_json::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More bytes than this are no answer about a job.
const LARGEST: usize = 1 << 20;

/// How a try to begin a job failed.
struct Missed {
    failure: Failure,
    /// Whether the provider may have taken the job all the same.
    perhaps: bool,
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self { failure, perhaps: false }
    }
}

/// Begins a job, or one that makes the film of another anew.
///
/// # Errors
/// `Unsupported` or `InvalidRequest`, naming what the model cannot do; those of budgets, limits, the store and the provider.
pub(super) async fn begin(
    inner: &Arc<Inner>,
    films: &Arc<Films>,
    request: &FilmRequest,
    of: Option<&FilmJob>,
) -> Result<(FilmJob, Hold)> {
    request.check()?;
    // There is one: an entry without is refused.
    let manner = inner.backends.first().map(|backend| backend.manner.clone()).unwrap_or_default();
    let shot =
        of.map_or_else(|| Shot::of(request, &manner), |of| Shot { seconds: of.seconds, size: of.size });
    let mut job = FilmJob::new(request, shot, &inner.entry.name, inner.provider());
    job.remixed_from = of.map(|of| of.id.clone());
    let (store, new) = (Arc::clone(films), job.clone());
    let hold = aside(move || store.create(&new)).await??;
    let mut perhaps = false;
    match asked(inner, &mut job, request, of, &mut perhaps).await {
        Ok(()) => {}
        Err(error) => return Err(given_up(inner, films, job, error, perhaps).await),
    }
    let (store, taken) = (Arc::clone(films), job.clone());
    match aside(move || store.write(&taken)).await? {
        Ok(()) => Ok((job, hold)),
        Err(error) => {
            // What cannot be found again is not to go on.
            super::end::best_effort(inner, &job).await;
            Err(given_up(inner, films, job, error, true).await)
        }
    }
}

/// The job was not begun, or nobody knows: what is to be paid for, and what stays written down.
async fn given_up(inner: &Inner, films: &Arc<Films>, mut job: FilmJob, error: Error, perhaps: bool) -> Error {
    let settled = match perhaps {
        true => accounts::pay(inner, &mut job, true).await,
        false => accounts::release(inner, &job).await,
    };
    let store = Arc::clone(films);
    let kept = aside(move || {
        if !perhaps {
            return store.forget(&job.id);
        }
        job.end(JobState::Failed, "unknown", super::end::UNKNOWN);
        store.write(&job)
    });
    for failed in [settled.err(), kept.await.and_then(|kept| kept).err()].into_iter().flatten() {
        tracing::error!(error = failed.message(), "a job that was not begun could not be settled");
    }
    match perhaps {
        true => error.within("the film may have been begun, and may be charged for"),
        false => error,
    }
}

/// Promises what it costs, and asks until somebody takes it.
async fn asked(
    inner: &Arc<Inner>,
    job: &mut FilmJob,
    request: &FilmRequest,
    of: Option<&FilmJob>,
    perhaps: &mut bool,
) -> Result<()> {
    accounts::promise(inner, job).await?;
    let _place = inner.rate.enter(&inner.entry.name, 0).await?;
    let once = once();
    let mut rounds = Rounds::new(inner);
    loop {
        let errand = rounds.next().await?;
        match attempt(inner, &errand.backend, request, of, &once).await {
            Ok((id, state)) => {
                errand.backend.address.shown().clone_into(&mut job.address);
                (job.remote, job.state) = (Some(id), JobState::Queued);
                see(job, &state);
                errand.end(Verdict::Good, None);
                return Ok(());
            }
            Err(missed) => {
                *perhaps |= missed.perhaps;
                rounds.failed(errand, missed.failure)?;
            }
        }
    }
}

/// Takes in how a job does that is under way; whether that is news.
pub(super) fn see(job: &mut FilmJob, state: &FilmState) -> bool {
    let before = (job.state, job.progress);
    if let FilmState::Running(percent) = state {
        (job.state, job.worked_on) = (JobState::InProgress, true);
        // It does not go back.
        job.progress = percent.unwrap_or(0).min(99).max(job.progress);
    }
    before != (job.state, job.progress)
}

async fn attempt(
    inner: &Inner,
    backend: &Backend,
    request: &FilmRequest,
    of: Option<&FilmJob>,
    once: &str,
) -> Result<(String, FilmState), Missed> {
    let call = match of {
        None => filming::create(backend.protocol, &backend.model, request, &backend.manner, once),
        Some(of) if of.address == backend.address.shown() => {
            filming::remix(backend.protocol, of.remote.as_deref().unwrap_or_default(), &request.prompt)
        }
        Some(_) => Err(Error::new(ErrorKind::InvalidRequest, "remix: the film was made at another address")),
    };
    let call = call.map_err(Failure::unwritable)?;
    let post = post(inner, backend, &call.path, &call.content_type, call.body).header(ONCE, once);
    let asked = Instant::now();
    let response = sent(inner, backend, post).await.map_err(unsure)?;
    if !response.status().is_success() {
        return Err(refusal(backend, &inner.entry.name, response).await.into());
    }
    let limit = seconds(inner.entry.limits.first_token);
    let body = json(inner, backend, response, limit, asked).await.map_err(unsure)?;
    let wrong = |kind: ErrorKind, what: &str| {
        let error = backend.address.explain(&inner.entry.name, kind, what);
        unsure(Failure { error, verdict: Verdict::Bad, elsewhere: false, again: false })
    };
    let (id, state) =
        filming::accepted(backend.protocol, &body).map_err(|e| wrong(e.kind().clone(), e.message()))?;
    // It is written down, and no key is.
    match backend.address.struck(&id) == id {
        true => Ok((id, state)),
        false => Err(wrong(ErrorKind::Network, "it calls the job by the key, which is not written down")),
    }
}

/// What failed after a connection was there may have been done: it is asked for nowhere again.
fn unsure(failure: Failure) -> Missed {
    match failure.verdict {
        Verdict::Unreachable => failure.into(),
        _ => Missed { failure: Failure { elsewhere: false, again: false, ..failure }, perhaps: true },
    }
}

/// An answer that is JSON of a bounded size, `limit` after it was asked for at the latest.
pub(super) async fn json(
    inner: &Inner,
    backend: &Backend,
    response: Response,
    limit: Duration,
    asked: Instant,
) -> Result<Value, Failure> {
    let name = inner.entry.name.as_str();
    let body = Whole { what: "answer about the film", most: LARGEST, limit, asked };
    let body = body.read(backend, name, response).await?;
    serde_json::from_slice(&body).map_err(|e| {
        let message = format!("it sent what is no JSON about the film: {e}");
        let error = backend.address.explain(name, ErrorKind::Network, &message);
        Failure { error, verdict: Verdict::Bad, elsewhere: false, again: false }
    })
}
