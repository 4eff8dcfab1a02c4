//! The channel between the worker and whoever reads the answer: bounded, blocking on the worker's side, and closed by
//! dropping the stream.

use futures_channel::mpsc;
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, GenerationEvent, Result};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Events that may wait for a reader before the worker waits too.
const WAITING: usize = 256;

/// The reader has gone: stop working for it.
#[derive(Debug)]
pub(super) struct Closed;

/// The worker's end.
pub(super) struct EventSender(mpsc::Sender<Result<GenerationEvent>>);

/// A fresh channel.
pub(super) fn channel() -> (EventSender, EventStream<GenerationEvent>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (EventSender(sender), EventStream::new(Events { receiver, over: false }))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

impl EventSender {
    /// Whether the reader has gone.
    pub(super) fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Sends, waiting while the reader is behind.
    pub(super) fn send(&mut self, event: Result<GenerationEvent>) -> Result<(), Closed> {
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match self.0.poll_ready(&mut context) {
                Poll::Ready(Ok(())) => return self.0.start_send(event).map_err(|_| Closed),
                Poll::Ready(Err(_)) => return Err(Closed),
                Poll::Pending => std::thread::park(),
            }
        }
    }
}

/// The reader's end. A worker that dies without an end event is reported, not mistaken for a short answer.
struct Events {
    receiver: mpsc::Receiver<Result<GenerationEvent>>,
    over: bool,
}

impl Stream for Events {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.receiver).poll_next(cx);
        match &next {
            Poll::Ready(None) if !self.over => {
                self.over = true;
                let error = Error::new(
                    ErrorKind::Internal,
                    "the engine stopped in the middle of an answer; load the model again",
                );
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(Some(Ok(GenerationEvent::Finished { .. }) | Err(_))) => {
                self.over = true;
                next
            }
            _ => next,
        }
    }
}
