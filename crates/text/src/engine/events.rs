//! The channel between the scheduler and whoever reads the answer: bounded, never waited for by the scheduler, and closed by
//! dropping the stream.

use futures_channel::mpsc;
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, GenerationEvent, Result};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

/// Events that may wait for a reader before its sequence rests.
const WAITING: usize = 64;

/// The scheduler's end.
pub(super) struct EventSender {
    channel: mpsc::Sender<Result<GenerationEvent>>,
    /// What the reader has no room for yet.
    pending: VecDeque<Result<GenerationEvent>>,
    closed: bool,
}

/// A fresh channel.
pub(super) fn channel() -> (EventSender, EventStream<GenerationEvent>) {
    let (channel, receiver) = mpsc::channel(WAITING);
    let sender = EventSender { channel, pending: VecDeque::new(), closed: false };
    (sender, EventStream::new(Events { receiver, over: false }))
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
        self.closed || self.channel.is_closed()
    }

    /// Puts an event in line.
    pub(super) fn send(&mut self, event: Result<GenerationEvent>) {
        self.pending.push_back(event);
        self.flush();
    }

    /// Whether everything has been handed over.
    pub(super) fn is_flushed(&self) -> bool {
        self.pending.is_empty()
    }

    /// Hands over what the reader has room for. When some is left, the calling thread is unparked once there is room, or
    /// nobody.
    pub(super) fn flush(&mut self) {
        if self.pending.is_empty() || self.closed {
            return;
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        while let Some(event) = self.pending.pop_front() {
            match self.channel.poll_ready(&mut context) {
                Poll::Ready(Ok(())) => self.closed = self.channel.start_send(event).is_err(),
                Poll::Ready(Err(_)) => self.closed = true,
                Poll::Pending => {
                    self.pending.push_front(event);
                    return;
                }
            }
            if self.closed {
                self.pending.clear();
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
