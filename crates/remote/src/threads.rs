//! The threads that speak with other machines.

use parasol_core::{Error, Result};
use std::sync::{Mutex, PoisonError};
use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};
use tokio::task::JoinHandle;

/// Threads that are shared by all remote models of a process: those of the runtime that they are made in, or else their own.
#[derive(Debug)]
pub(crate) struct Threads {
    own: Mutex<Option<Runtime>>,
    handle: Handle,
}

impl Threads {
    /// Where a server's connections are served already, the same threads speak with other machines: an answer that passes through
    /// wakes no other thread for each of its pieces.
    ///
    /// # Errors
    /// `Io` when none are there and none can be started.
    pub(crate) fn new() -> Result<Self> {
        if let Ok(handle) = Handle::try_current() {
            return Ok(Self { own: Mutex::new(None), handle });
        }
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("parasol-remote")
            .enable_all()
            .build()
            .map_err(|e| Error::from(e).within("cannot start the threads for remote models"))?;
        let handle = runtime.handle().clone();
        Ok(Self { own: Mutex::new(Some(runtime)), handle })
    }

    /// Whether they are those of the runtime that this was made in, which does other things, too.
    pub(crate) fn are_shared(&self) -> bool {
        self.own.lock().unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// Until the guard is dropped, timers and connections that this thread begins are theirs.
    pub(crate) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }

    /// Has them do something.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.handle.spawn(work)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // Waiting for its threads is not allowed where this may be dropped: inside another runtime.
        if let Some(runtime) = self.own.lock().unwrap_or_else(PoisonError::into_inner).take() {
            runtime.shutdown_background();
        }
    }
}
