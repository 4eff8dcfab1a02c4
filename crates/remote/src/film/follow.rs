//! Looking after a job until it is over: how it does is asked again and again, written down, and its film fetched when it is there. One
//! process does so at a time; others watch what it writes.

use super::begin::see;
use super::fetch::fetch;
use super::job::{FilmJob, JobState};
use super::pace::Pace;
use super::store::{Films, Hold, KEPT};
use super::{accounts, end};
use crate::backend::{Backend, Verdict, seconds};
use crate::failure::{Failure, refusal, retry_after, wait_of};
use crate::model::Inner;
use jiff::{Timestamp, ToSpan};
use parasol_core::{Error, ErrorKind, Result};
use parasol_wire::filming::{self, FilmState, Place};
use reqwest::Method;
use reqwest::header::HeaderMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two looks at what another process writes, and at whether the job is to be ended.
const WATCH: Duration = Duration::from_millis(250);
/// Refusals in a row after which a job is given up.
const REFUSALS: u32 = 3;
/// Times that a film is fetched, at least.
const FETCHES: u32 = 3;

/// Tells how a job does; whether anybody listens.
pub(super) type Tell<'t> = &'t mut (dyn FnMut(&FilmJob) -> bool + Send + Sync);

/// Looks after a job until it is over, or watches who does.
///
/// # Errors
/// When it is not there, cannot be asked for, or its film cannot be fetched.
pub(super) async fn follow(
    inner: &Arc<Inner>,
    films: &Arc<Films>,
    id: &str,
    tell: Tell<'_>,
) -> Result<FilmJob> {
    let mut told = None;
    loop {
        let job = films.get(id)?;
        if job.state.is_over() {
            return Ok(job);
        }
        if told.replace((job.state, job.progress)) != Some((job.state, job.progress)) && !tell(&job) {
            return Ok(job);
        }
        if let Some(hold) = films.hold(id)? {
            // Whoever had it may have ended it.
            let job = films.get(id)?;
            return match job.state.is_over() {
                true => Ok(job),
                false => Follower::new(inner, films, job, hold, tell)?.run().await,
            };
        }
        sleep(WATCH).await;
    }
}

/// The address that has a job: the settings have to name it still, so that no key goes anywhere else.
///
/// # Errors
/// `InvalidRequest` when they do not.
pub(super) fn backend_of(inner: &Inner, job: &FilmJob) -> Result<Arc<Backend>> {
    let has = |backend: &&Arc<Backend>| job.remote.is_none() || backend.address.shown() == job.address;
    inner.backends.iter().find(has).cloned().ok_or_else(|| {
        let message = format!(
            "{} is at {}, which is not where {} is asked now: set its address back to look after the job",
            job.id, job.address, inner.entry.name
        );
        Error::new(ErrorKind::InvalidRequest, message)
    })
}

/// Somebody who looks after a job.
pub(super) struct Follower<'a> {
    inner: &'a Arc<Inner>,
    films: &'a Arc<Films>,
    backend: Arc<Backend>,
    job: FilmJob,
    tell: Tell<'a>,
    pace: Pace,
    /// Looks in a row that were refused for good.
    refusals: u32,
    _hold: Hold,
}

/// How a look failed.
struct Missed {
    failure: Failure,
    /// The provider does not know the job.
    gone: bool,
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self { failure, gone: false }
    }
}

impl<'a> Follower<'a> {
    pub(super) fn new(
        inner: &'a Arc<Inner>,
        films: &'a Arc<Films>,
        job: FilmJob,
        hold: Hold,
        tell: Tell<'a>,
    ) -> Result<Self> {
        let backend = backend_of(inner, &job)?;
        let pace = Pace::new(seconds(inner.entry.limits.poll));
        Ok(Self { inner, films, backend, job, tell, pace, refusals: 0, _hold: hold })
    }

    async fn write(&self) -> Result<()> {
        end::write(self.films, &self.job).await
    }

    /// Ends it because somebody wants that.
    pub(super) async fn end_now(mut self) -> Result<FilmJob> {
        let how = ("cancelled", JobState::Cancelled, "it was ended as asked for");
        end::end(self.inner, self.films, &mut self.job, how).await?;
        Ok(self.job)
    }

    pub(super) async fn run(mut self) -> Result<FilmJob> {
        if self.job.remote.is_none() {
            // Who asked has ended before there was an answer.
            accounts::pay(self.inner, &mut self.job, true).await?;
            self.job.end(JobState::Failed, "unknown", end::UNKNOWN);
            self.write().await?;
            return Ok(self.job);
        }
        let begun = Instant::now();
        loop {
            if self.films.is_to_end(&self.job.id) {
                match self.end_or_go_on().await? {
                    None => return Ok(self.job),
                    Some(error) => {
                        tracing::warn!(job = self.job.id, error = error.message(), "a job goes on")
                    }
                }
            }
            let pause = match self.look().await {
                Ok((FilmState::Done(place, seconds), _)) => return self.done(place, seconds).await,
                Ok((FilmState::Failed { code, message }, _)) => return self.failed(&code, &message).await,
                Ok((FilmState::Cancelled, _)) => return self.ended_there().await,
                Ok((state, asked)) => {
                    self.refusals = 0;
                    let news = see(&mut self.job, &state) | self.job.note.take().is_some();
                    if news {
                        self.write().await?;
                    }
                    if news && !(self.tell)(&self.job) {
                        return Ok(self.job);
                    }
                    if self.is_overdue() {
                        return self.overdue().await;
                    }
                    self.pace.after(asked)
                }
                Err(missed) => self.missed(missed, begun.elapsed()).await?,
            };
            if self.job.state.is_over() {
                return Ok(self.job);
            }
            self.nap(pause).await;
        }
    }

    /// Ends the job as somebody asked for; the error that keeps it going, if one does.
    async fn end_or_go_on(&mut self) -> Result<Option<Error>> {
        let how = ("cancelled", JobState::Cancelled, "it was ended as asked for");
        match end::end(self.inner, self.films, &mut self.job, how).await {
            Ok(()) => Ok(None),
            // It is written down as it was.
            Err(error) if self.job.note.is_some() => Ok(Some(error)),
            Err(error) => Err(error),
        }
    }

    /// Sleeps, unless the job is to be ended.
    async fn nap(&self, pause: Duration) {
        let begun = Instant::now();
        while !self.films.is_to_end(&self.job.id) {
            let left = pause.saturating_sub(begun.elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(WATCH)).await;
        }
    }

    /// How the job does, and how long the provider wants not to be asked.
    async fn look(&self) -> Result<(FilmState, Option<Duration>), Missed> {
        let (inner, backend) = (&**self.inner, &*self.backend);
        let name = inner.entry.name.as_str();
        let explain = |e: &Error| Failure {
            error: backend.address.explain(name, e.kind().clone(), e.message()),
            verdict: Verdict::Bad,
            elsewhere: false,
            again: true,
        };
        let id = self.job.remote.as_deref().unwrap_or_default();
        let path =
            filming::look(backend.protocol, id).map_err(|e| Failure { again: false, ..explain(&e) })?;
        inner.rate.turn(name, 0).await.map_err(|e| Failure { verdict: Verdict::Good, ..explain(&e) })?;
        let response = end::ask(inner, backend, Method::GET, &path).await?;
        if !response.status().is_success() {
            let gone = matches!(response.status().as_u16(), 404 | 410);
            return Err(Missed { failure: refusal(backend, name, response).await, gone });
        }
        let asked = asked_to_wait(response.headers());
        let body = end::read(inner, backend, response).await?;
        let state = filming::state(backend.protocol, id, &body).map_err(|e| explain(&e))?;
        backend.judge(Verdict::Good, None);
        Ok((state, asked))
    }

    /// A look failed: how long to wait before the next.
    ///
    /// # Errors
    /// The failure, where no other look will do better.
    async fn missed(&mut self, missed: Missed, since: Duration) -> Result<Duration> {
        let Missed { failure, gone } = missed;
        let note = (failure.verdict != Verdict::Good).then(|| failure.error.message().to_owned());
        // That a job is not known, or a key is not good, says nothing about the address.
        let verdict = if failure.again { failure.verdict } else { Verdict::Good };
        self.backend.judge(verdict, note.filter(|_| failure.again));
        tracing::info!(job = self.job.id, error = failure.error.message(), "a look at a job failed");
        let pause = self.pace.after_failure(wait_of(&failure.error));
        self.refusals = if failure.again { 0 } else { self.refusals.saturating_add(1) };
        if self.refusals >= REFUSALS {
            if !gone {
                return Err(self.noted(failure.error).await);
            }
            accounts::pay(self.inner, &mut self.job, true).await?;
            self.job.end(JobState::Failed, "gone", "its provider does not know it any more");
            self.write().await?;
        } else if since > seconds(self.inner.entry.limits.job) {
            return Err(self.noted(failure.error).await);
        }
        Ok(pause)
    }

    /// Writes down what keeps the job from being looked at.
    async fn noted(&mut self, error: Error) -> Error {
        self.job.note = Some(error.message().to_owned());
        match self.write().await {
            Ok(()) => error,
            Err(worse) => worse,
        }
    }

    fn is_overdue(&self) -> bool {
        let age = Timestamp::now().as_second().saturating_sub(self.job.created.as_second());
        age.max(0) as f64 > self.inner.entry.limits.job
    }

    /// It takes longer than jobs may: it is ended.
    async fn overdue(mut self) -> Result<FilmJob> {
        let most = self.inner.entry.limits.job;
        let why = format!(
            "it took longer than the {most} s that a job may take (`job` under limits), and was ended"
        );
        end::end(self.inner, self.films, &mut self.job, ("timeout", JobState::Failed, why.as_str())).await?;
        Ok(self.job)
    }

    async fn failed(mut self, code: &str, message: &str) -> Result<FilmJob> {
        accounts::release(self.inner, &self.job).await?;
        let (code, message) = (self.backend.address.struck(code), self.backend.address.struck(message));
        self.job.end(JobState::Failed, &code, message);
        self.write().await?;
        Ok(self.job)
    }

    /// Somebody ended it with its provider.
    async fn ended_there(mut self) -> Result<FilmJob> {
        match self.job.worked_on {
            true => accounts::pay(self.inner, &mut self.job, true).await?,
            false => accounts::release(self.inner, &self.job).await?,
        }
        self.job.end(JobState::Cancelled, "cancelled", "it was ended with its provider");
        self.write().await?;
        Ok(self.job)
    }

    /// It is made: it is paid for, and fetched.
    async fn done(mut self, mut place: Place, seconds: Option<u32>) -> Result<FilmJob> {
        self.job.seconds = seconds.unwrap_or(self.job.seconds);
        (self.job.state, self.job.progress, self.job.worked_on) = (JobState::InProgress, 99, true);
        accounts::pay(self.inner, &mut self.job, false).await?;
        self.write().await?;
        let most = self.inner.entry.limits.retries.saturating_add(1).max(FETCHES);
        let mut tries = 0;
        loop {
            if self.films.is_to_end(&self.job.id) {
                let how = ("cancelled", JobState::Cancelled, "it was ended as asked for, after it was made");
                end::end(self.inner, self.films, &mut self.job, how).await?;
                return Ok(self.job);
            }
            let trouble = match fetch(self.inner, &self.backend, self.films, &self.job.id, &place).await {
                Ok((kind, bytes)) => return self.completed(kind, bytes).await,
                Err(_) if self.films.is_to_end(&self.job.id) => continue,
                Err(trouble) => trouble,
            };
            let (error, passes) = trouble.told(self.inner, &self.backend);
            tries += 1;
            tracing::info!(job = self.job.id, error = error.message(), "a film could not be fetched");
            if tries >= most && passes {
                return Err(self.noted(error).await);
            }
            if tries >= most {
                self.job.end(JobState::Failed, "no_film", error.message());
                self.write().await?;
                return Ok(self.job);
            }
            let pause = self.pace.after_failure(wait_of(&error));
            self.nap(pause).await;
            // Addresses of films hold for a while only: it is asked for a fresh one.
            if let Ok((FilmState::Done(fresh, _), _)) = self.look().await {
                place = fresh;
            }
        }
    }

    async fn completed(mut self, kind: &str, bytes: u64) -> Result<FilmJob> {
        let now = Timestamp::now();
        let job = &mut self.job;
        (job.state, job.progress, job.ended) = (JobState::Completed, 100, Some(now));
        (job.media_type, job.bytes, job.note) = (Some(kind.to_owned()), Some(bytes), None);
        job.expires = now.checked_add(KEPT.hours()).ok();
        self.write().await?;
        self.films.end_is_seen(&self.job.id);
        Ok(self.job)
    }
}

/// How long an answer asks to wait before the next look.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    let milliseconds =
        headers.get("openai-poll-after-ms").and_then(|v| v.to_str().ok()?.trim().parse::<u64>().ok());
    milliseconds.map(Duration::from_millis).or_else(|| retry_after(headers).map(Duration::from_secs))
}
