//! The thread that owns the cache: it takes one job after the other. A job that panics is this project's fault, not the
//! next job's problem: the worker forgets the conversation and goes on.

use super::session::Session;
use parasol_core::{Error, ErrorKind, Result};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

type Job = Box<dyn FnOnce(&mut Session) + Send>;

/// Hands jobs to the worker. When the last handle goes, the worker ends after the jobs that it has.
#[derive(Debug)]
pub(super) struct Worker(mpsc::Sender<Job>);

impl Worker {
    /// Starts the thread.
    pub(super) fn start(mut session: Session) -> Result<Self> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let run = move || {
            for job in jobs {
                // After a panic the session may be half-way through a step: it starts over from nothing.
                if catch_unwind(AssertUnwindSafe(|| job(&mut session))).is_err() {
                    session.truncate(0);
                }
            }
        };
        std::thread::Builder::new()
            .name("parasol-text".into())
            .spawn(run)
            .map_err(|e| Error::from(e).within("cannot start the engine's thread"))?;
        Ok(Self(sender))
    }

    /// Queues a job.
    pub(super) fn submit(&self, job: impl FnOnce(&mut Session) + Send + 'static) -> Result<()> {
        self.0.send(Box::new(job)).map_err(|_| gone())
    }

    /// Runs a job and waits for its result.
    pub(super) fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, result) = mpsc::sync_channel(1);
        self.submit(move |session| {
            // The caller waits below; if it is gone there is nobody to tell.
            let _ = sender.send(job(session));
        })?;
        result.recv().map_err(|_| gone())?
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Internal, "the engine's thread has stopped; load the model again")
}
