//! The scheduler's thread and the way to it.

use super::scheduler::{Scheduler, Sequence};
use futures_channel::oneshot;
use parasol_core::{Error, ErrorKind, Result};
use std::sync::mpsc::{self, Receiver, Sender, TryRecvError};
use std::thread::Thread;

type Job = Box<dyn FnOnce() + Send>;

/// What the thread is asked for.
enum Command {
    /// To generate.
    Generate(Box<Sequence>),
    /// To compute something else with the processor to itself, between two steps.
    Alone(Job),
}

/// Hands work to the thread. When it goes, the thread ends after the requests that it has.
#[derive(Debug)]
pub(super) struct Worker {
    commands: Option<Sender<Command>>,
    thread: Thread,
}

impl Worker {
    /// Starts the thread.
    pub(super) fn start(scheduler: Scheduler) -> Result<Self> {
        let (sender, commands) = mpsc::channel();
        let handle = std::thread::Builder::new()
            .name("parasol-text".into())
            .spawn(move || run(scheduler, &commands))
            .map_err(|e| Error::from(e).within("cannot start the engine's thread"))?;
        Ok(Self { commands: Some(sender), thread: handle.thread().clone() })
    }

    /// Queues a generation.
    pub(super) fn generate(&self, sequence: Sequence) -> Result<()> {
        self.send(Command::Generate(Box::new(sequence)))
    }

    /// Runs a job between two steps and waits for its result.
    pub(super) fn alone<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, result) = mpsc::sync_channel(1);
        self.send(Command::Alone(Box::new(move || {
            // The caller waits below; if it is gone there is nobody to tell.
            let _ = sender.send(job());
        })))?;
        result.recv().map_err(|_| gone())?
    }

    /// Runs a job between two steps, unless nobody waits for its result any more by then.
    pub(super) fn ask<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<oneshot::Receiver<Result<T>>> {
        let (sender, result) = oneshot::channel();
        self.send(Command::Alone(Box::new(move || {
            if !sender.is_canceled() {
                // Whoever asked may go meanwhile.
                let _ = sender.send(job());
            }
        })))?;
        Ok(result)
    }

    fn send(&self, command: Command) -> Result<()> {
        self.commands.as_ref().and_then(|commands| commands.send(command).ok()).ok_or_else(gone)?;
        self.thread.unpark();
        Ok(())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.commands = None;
        self.thread.unpark();
    }
}

fn run(mut scheduler: Scheduler, commands: &Receiver<Command>) {
    loop {
        let open = take_all(&mut scheduler, commands);
        if scheduler.step() {
            continue;
        }
        if scheduler.is_idle() {
            scheduler.rest();
            if !open {
                return;
            }
        }
        // Whoever sends a command, makes room for events or drops a stream unparks; an unpark that comes before is kept.
        std::thread::park();
    }
}

/// Takes every command that has come; `false` when no more can.
fn take_all(scheduler: &mut Scheduler, commands: &Receiver<Command>) -> bool {
    loop {
        match commands.try_recv() {
            Ok(Command::Generate(sequence)) => scheduler.add(*sequence),
            Ok(Command::Alone(job)) => {
                // It may take longer than tokens wait for each other.
                scheduler.release();
                // One that panics is this project's fault, not the next request's problem; its caller is told by the channel.
                drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(job)));
            }
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Disconnected) => return false,
        }
    }
}

fn gone() -> Error {
    Error::new(ErrorKind::Internal, "the engine's thread has stopped; load the model again")
}
