//! A remote model that makes films. Films take minutes, so that all of them are jobs: begun (`begin.rs`), written down (`job.rs`,
//! `store.rs`), looked at until they are over (`follow.rs`) and fetched (`fetch.rs`), by whichever process is there.

mod accounts;
mod begin;
mod end;
mod fetch;
mod follow;
mod job;
mod pace;
mod proof;
mod store;

pub use job::{FilmJob, JobFailure, JobState};
pub use store::Films;

use crate::answer;
use crate::model::{Inner, RemoteModel};
use crate::threads::Threads;
use parasol_core::{
    Error, ErrorKind, EventStream, Film, FilmEvent, FilmRequest, FilmTimings, FilmUsage, Result,
};
use std::fs::File;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// Bytes of a film that are read at once.
const PIECE: usize = 256 << 10;

/// Steps that are told of a film: per cent.
const STEPS: u32 = 100;

type Events = Sender<Result<FilmEvent>>;

impl Film for RemoteModel {
    fn film(&self, request: FilmRequest) -> Result<EventStream<FilmEvent>> {
        self.can("film")?;
        request.check()?;
        let (inner, films) = (Arc::clone(&self.inner), self.films()?);
        Ok(answer::stream(&self.threads, None, |events| async move {
            let work = async {
                let begun = Instant::now();
                let (job, hold) = begin::begin(&inner, &films, &request, None).await?;
                // Given away before it is taken again by the following.
                drop(hold);
                tell_all(&inner, &films, &job, begun, &events).await
            };
            // Without a listener there is nobody to tell.
            if let Err(error) = work.await {
                drop(events.send(Err(error)).await);
            }
        }))
    }
}

impl RemoteModel {
    /// Begins a film, or another one of `of` as the request's prompt says, and returns as soon as its job is accepted and written down.
    /// What follows it is [`Self::follow_film`]. To be awaited to its end: a job whose begin is given up may be there all the same.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidRequest`, naming what the model cannot do; those of budgets, limits and the provider.
    pub async fn begin_film(&self, request: &FilmRequest, of: Option<&FilmJob>) -> Result<FilmJob> {
        self.can("film")?;
        let films = self.films()?;
        begin::begin(&self.inner, &films, request, of).await.map(|(job, _)| job)
    }

    /// Looks after a job of this model until it is over: its film is in the store then, or it has failed, or it was ended. Where
    /// another process does so already, watches how it does.
    ///
    /// # Errors
    /// When the job is not there, cannot be asked for, or its film cannot be fetched: then it is still not over, and may be followed again.
    pub async fn follow_film(&self, job: &str) -> Result<FilmJob> {
        follow::follow(&self.inner, &self.films()?, job, &mut |_| true).await
    }

    /// The events of a job of this model that was begun earlier, by this process or another.
    ///
    /// # Errors
    /// `Unsupported` where no jobs are kept. In the stream: as [`Self::follow_film`], and why a job has failed.
    pub fn wait_for_film(&self, job: &FilmJob) -> Result<EventStream<FilmEvent>> {
        let (inner, films, job) = (Arc::clone(&self.inner), self.films()?, job.clone());
        Ok(answer::stream(&self.threads, None, |events| async move {
            // Without a listener there is nobody to tell.
            if let Err(error) = tell_all(&inner, &films, &job, Instant::now(), &events).await {
                drop(events.send(Err(error)).await);
            }
        }))
    }

    /// Ends a job of this model, at its provider, too, and returns how it ended. One that is over stays as it is.
    ///
    /// # Errors
    /// When the job is not there, or its provider cannot be told: it goes on then.
    pub async fn cancel_film(&self, job: &str) -> Result<FilmJob> {
        end::cancel(&self.inner, &self.films()?, job).await
    }

    /// Has the provider of a job that is over forget it. Nobody can do more if it does not.
    pub async fn discard_film(&self, job: &FilmJob) {
        end::best_effort(&self.inner, job).await;
    }

    /// The same as [`Self::cancel_film`], waited for by a thread that is none of a runtime's.
    ///
    /// # Errors
    /// As [`Self::cancel_film`].
    pub fn cancel_film_now(&self, job: &str) -> Result<FilmJob> {
        let (inner, films, job) = (Arc::clone(&self.inner), self.films()?, job.to_owned());
        wait(&self.threads, async move { end::cancel(&inner, &films, &job).await })
    }

    fn films(&self) -> Result<Arc<Films>> {
        self.inner.films.clone().ok_or_else(|| {
            let message =
                format!("{} makes films, and nothing is set up here to keep their jobs", self.name());
            Error::new(ErrorKind::Unsupported, message)
        })
    }
}

fn wait<T: Send + 'static>(
    threads: &Threads,
    work: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    let (sender, done) = std::sync::mpsc::channel();
    threads.spawn(async move {
        // Without a listener there is nobody to tell.
        let _ = sender.send(work.await);
    });
    let lost = || Error::new(ErrorKind::Internal, "the thread that speaks with the provider failed");
    done.recv().unwrap_or_else(|_| Err(lost()))
}

/// Tells all events of a job: how it does, and then its film.
async fn tell_all(
    inner: &Arc<Inner>,
    films: &Arc<Films>,
    job: &FilmJob,
    begun: Instant,
    events: &Events,
) -> Result<()> {
    let (name, seconds, size) = (inner.entry.name.clone(), job.seconds, job.size);
    let started = FilmEvent::Started { model: name, job: Some(job.id.clone()), seconds, size };
    if events.send(Ok(started)).await.is_err() {
        return Ok(());
    }
    let mut tell = |job: &FilmJob| {
        let event = match job.state {
            JobState::Asking | JobState::Queued => FilmEvent::Queued,
            _ => FilmEvent::Step { done: u32::from(job.progress), total: STEPS },
        };
        // A reader that is behind misses a step; one that is gone ends the looking.
        !matches!(events.try_send(Ok(event)), Err(tokio::sync::mpsc::error::TrySendError::Closed(_)))
    };
    let job = follow::follow(inner, films, &job.id, &mut tell).await?;
    if !job.state.is_over() {
        return Ok(());
    }
    if let Some(error) = job.error(&inner.entry.name) {
        return Err(error);
    }
    pass_on(films, &job, begun, events).await
}

/// Passes the film on that lies in the store.
async fn pass_on(films: &Arc<Films>, job: &FilmJob, begun: Instant, events: &Events) -> Result<()> {
    let mut file = films.open(job)?;
    let media_type = job.media_type.clone().unwrap_or_default();
    let ready = FilmEvent::Ready { media_type, bytes: job.bytes.unwrap_or_default() };
    if events.send(Ok(ready)).await.is_err() {
        return Ok(());
    }
    loop {
        let (piece, back) = aside(move || (read(&mut file), file)).await?;
        file = back;
        let bytes =
            piece.map_err(|e| Error::from(e).within(format!("cannot read the film of {}", job.id)))?;
        if bytes.is_empty() {
            break;
        }
        if events.send(Ok(FilmEvent::Piece { bytes })).await.is_err() {
            return Ok(());
        }
    }
    let usage = FilmUsage { seconds: job.seconds, size: job.size, cost: job.cost };
    let timings = FilmTimings { total: begun.elapsed() };
    // Nobody waits for an answer to the last event.
    let _ = events.send(Ok(FilmEvent::Finished { usage, timings })).await;
    Ok(())
}

fn read(file: &mut File) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(PIECE);
    file.take(PIECE as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Has a disk waited for by a thread that may.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let failed = |_| Error::new(ErrorKind::Internal, "a thread that keeps the jobs of films failed");
    tokio::task::spawn_blocking(work).await.map_err(failed)
}
