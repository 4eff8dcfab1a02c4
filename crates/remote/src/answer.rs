//! An answer on its way, as the stream that its caller reads: made anew, or given again.

use crate::cache::{Again, Cache};
use crate::threads::Threads;
use futures_core::Stream;
use parasol_core::{EventStream, Result};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Events that may wait for their reader before the backend's connection does.
const BUFFER: usize = 64;

/// An answer on its way. The work is done by whoever reads it, when they read it; dropping it closes the connection to the
/// backend.
struct Answer<E> {
    /// None when it is done.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    events: Receiver<Result<E>>,
    see: Option<See<E>>,
    threads: Arc<Threads>,
}

/// Looks at events on their way.
pub(crate) type See<E> = Box<dyn FnMut(&E) + Send>;

/// An answer that is kept to be given again.
pub(crate) struct Keep<E> {
    cache: Arc<Cache<E>>,
    digest: (u64, u64),
    events: Vec<E>,
}

impl<E: Again> Keep<E> {
    pub(crate) fn new(cache: &Arc<Cache<E>>, digest: (u64, u64)) -> Self {
        Self { cache: Arc::clone(cache), digest, events: Vec::new() }
    }

    /// Keeps what it sees.
    pub(crate) fn eye(mut self) -> See<E> {
        Box::new(move |event| {
            self.events.push(event.clone());
            if self.events.last_mut().and_then(Again::end).is_some() {
                self.cache.put(self.digest, std::mem::take(&mut self.events));
            }
        })
    }
}

/// The stream of what `work` tells.
pub(crate) fn stream<E, F>(
    threads: &Arc<Threads>,
    see: Option<See<E>>,
    work: impl FnOnce(Sender<Result<E>>) -> F,
) -> EventStream<E>
where
    E: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, events) = channel(BUFFER);
    let work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work(sender));
    EventStream::new(Answer { work: Some(work), events, see, threads: Arc::clone(threads) })
}

/// The stream of an answer that was given before.
pub(crate) fn again<E: Again + Unpin>(events: Vec<E>) -> EventStream<E> {
    EventStream::new(Told(events.into()))
}

impl<E> Answer<E> {
    /// What has been told and not been read. Nobody is to be woken for it: who tells it is polled by who reads it.
    fn told(&mut self) -> Option<Result<E>> {
        let event = self.events.try_recv().ok()?;
        if let (Ok(event), Some(see)) = (&event, &mut self.see) {
            see(event);
        }
        Some(event)
    }
}

impl<E> Stream for Answer<E> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if let Some(event) = this.told() {
            return Poll::Ready(Some(event));
        }
        if let Some(work) = &mut this.work {
            // Whoever reads may be no thread of a runtime.
            let _inside = this.threads.enter();
            if work.as_mut().poll(cx).is_ready() {
                this.work = None;
            }
        }
        match this.told() {
            Some(event) => Poll::Ready(Some(event)),
            None if this.work.is_none() => Poll::Ready(None),
            None => Poll::Pending,
        }
    }
}

struct Told<E>(VecDeque<E>);

impl<E: Again + Unpin> Stream for Told<E> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
