//! An answer on its way, as the stream that its caller reads: made anew, or given again.

use crate::cache::Cache;
use crate::reading::Events;
use crate::threads::Threads;
use futures_core::Stream;
use parasol_core::{EventStream, GenerationEvent, Result};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc::{Receiver, channel};

/// Events that may wait for their reader before the backend's connection does.
const BUFFER: usize = 64;

/// An answer on its way. The work is done by whoever reads it, when they read it; dropping it closes the connection to the
/// backend.
struct Answer {
    /// None when it is done.
    work: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    events: Receiver<Result<GenerationEvent>>,
    keep: Option<Keep>,
    threads: Arc<Threads>,
}

/// An answer that is kept to be given again.
pub(crate) struct Keep {
    cache: Arc<Cache>,
    digest: (u64, u64),
    events: Vec<GenerationEvent>,
}

impl Keep {
    pub(crate) fn new(cache: &Arc<Cache>, digest: (u64, u64)) -> Self {
        Self { cache: Arc::clone(cache), digest, events: Vec::new() }
    }

    fn see(&mut self, event: &GenerationEvent) {
        self.events.push(event.clone());
        if matches!(event, GenerationEvent::Finished { .. }) {
            self.cache.put(self.digest, std::mem::take(&mut self.events));
        }
    }
}

/// The stream of what `work` tells.
pub(crate) fn stream<F>(
    threads: &Arc<Threads>,
    keep: Option<Keep>,
    work: impl FnOnce(Events) -> F,
) -> EventStream<GenerationEvent>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (sender, events) = channel(BUFFER);
    let work: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(work(sender));
    EventStream::new(Answer { work: Some(work), events, keep, threads: Arc::clone(threads) })
}

/// The stream of an answer that was given before.
pub(crate) fn again(events: Vec<GenerationEvent>) -> EventStream<GenerationEvent> {
    EventStream::new(Again(events.into()))
}

impl Answer {
    /// What has been told and not been read. Nobody is to be woken for it: who tells it is polled by who reads it.
    fn told(&mut self) -> Option<Result<GenerationEvent>> {
        let event = self.events.try_recv().ok()?;
        if let (Ok(event), Some(keep)) = (&event, &mut self.keep) {
            keep.see(event);
        }
        Some(event)
    }
}

impl Stream for Answer {
    type Item = Result<GenerationEvent>;

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

struct Again(VecDeque<GenerationEvent>);

impl Stream for Again {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}
