//! A thread that writes into the book for those that may not wait: for a disk, or for another process that holds it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Something to be written.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// So long the end of a process waits for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// The thread, as soon as there is something for it. It ends when this is dropped and all is done.
#[derive(Debug, Default)]
pub(crate) struct Scribe(Mutex<Option<Sender<Job>>>);

impl Scribe {
    /// Has something written, after all that was asked for before. Where no thread can be had it is done at once.
    pub(crate) fn write(&self, job: Job) {
        let mut jobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = match &mut *jobs {
            Some(sender) => sender,
            none => match start() {
                Ok(sender) => none.insert(sender),
                Err(error) => {
                    drop(jobs);
                    tracing::warn!(%error, "the book has no thread of its own");
                    return job();
                }
            },
        };
        if let Err(unsent) = sender.send(job) {
            // Nothing ends its thread; if something has, the next gets another.
            *jobs = None;
            drop(jobs);
            (unsent.0)();
        }
    }

    /// Waits for what is still to be written.
    pub(crate) fn finish(&self) {
        let begun = self.0.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if begun {
            let (done, told) = channel();
            self.write(Box::new(move || {
                // Whoever waits may have given up.
                let _ = done.send(());
            }));
            if told.recv_timeout(PATIENCE).is_err() {
                tracing::error!("the last answers could not be written down in time");
            }
        }
    }
}

fn start() -> std::io::Result<Sender<Job>> {
    let (sender, jobs) = channel::<Job>();
    std::thread::Builder::new().name("parasol-book".to_owned()).spawn(move || {
        for job in jobs {
            // It says so by itself, and is no reason to lose what others have asked for.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    })?;
    Ok(sender)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::sync::Arc;

    #[test]
    fn jobs_are_done_in_their_order_and_the_end_waits_for_them() {
        let (scribe, written) = (Scribe::default(), Arc::new(Mutex::new(Vec::new())));
        scribe.finish();
        assert!(scribe.0.lock().unwrap().is_none(), "without a job there is no thread");
        for number in 0..20 {
            let written = Arc::clone(&written);
            scribe.write(Box::new(move || {
                std::thread::sleep(Duration::from_millis(2));
                written.lock().unwrap().push(number);
            }));
        }
        assert!(written.lock().unwrap().len() < 20, "nobody has waited");
        scribe.finish();
        assert_eq!(*written.lock().unwrap(), (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_job_that_panics_costs_no_other() {
        let (scribe, (told, heard)) = (Scribe::default(), channel());
        scribe.write(Box::new(|| panic!("as this test wants it")));
        for number in 0..3 {
            let told = told.clone();
            scribe.write(Box::new(move || told.send(number).unwrap()));
        }
        let all: Vec<i32> = (0..3).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
        assert_eq!(all, [0, 1, 2]);
    }
}
