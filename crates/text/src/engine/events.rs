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
use std::time::{Duration, Instant};

/// Events that may wait for a reader before its sequence rests.
const WAITING: usize = 64;

/// The longest that a token waits for the next ones, to be handed over together with them. Each waking of a reader takes the
/// processor from the next token, and no screen shows more than some sixty states a second.
const TOGETHER: Duration = Duration::from_millis(12);

/// The scheduler's end.
pub(super) struct EventSender {
    channel: mpsc::Sender<Result<GenerationEvent>>,
    /// What is not handed over yet, in order.
    pending: VecDeque<Result<GenerationEvent>>,
    /// How many of the first of them are to be handed over as soon as the reader has room; those behind may wait for others.
    due: usize,
    /// Whether a token was handed over.
    begun: bool,
    /// Since when a token waits for others.
    since: Option<Instant>,
    closed: bool,
}

/// A fresh channel.
pub(super) fn channel() -> (EventSender, EventStream<GenerationEvent>) {
    let (channel, receiver) = mpsc::channel(WAITING);
    let sender =
        EventSender { channel, pending: VecDeque::new(), due: 0, begun: false, since: None, closed: false };
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

    /// Puts an event in line. A token, but for the first, waits there for the next ones, until anything else comes or [`hurry`]
    /// says so.
    ///
    /// [`hurry`]: Self::hurry
    pub(super) fn send(&mut self, event: Result<GenerationEvent>) {
        let token = matches!(event, Ok(GenerationEvent::Token(_)));
        self.pending.push_back(event);
        if token && self.begun {
            self.since.get_or_insert_with(Instant::now);
        } else {
            self.begun |= token;
            self.release();
        }
    }

    /// Lets no token wait that would wait too long when the next one is there only after `step`.
    pub(super) fn hurry(&mut self, step: Duration) {
        if self.since.is_some_and(|since| since.elapsed() + step > TOGETHER) {
            self.release();
        }
    }

    /// Lets no token wait for others any longer.
    pub(super) fn release(&mut self) {
        self.since = None;
        self.due = self.pending.len();
        self.flush();
    }

    /// Whether everything that is due has been handed over: the reader keeps up.
    pub(super) fn is_flushed(&self) -> bool {
        self.due == 0
    }

    /// Hands over what is due and the reader has room for. When some is left, the calling thread is unparked once there is room,
    /// or nobody.
    pub(super) fn flush(&mut self) {
        if self.due == 0 || self.closed {
            return;
        }
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        while self.due > 0
            && let Some(event) = self.pending.pop_front()
        {
            match self.channel.poll_ready(&mut context) {
                Poll::Ready(Ok(())) => self.closed = self.channel.start_send(event).is_err(),
                Poll::Ready(Err(_)) => self.closed = true,
                Poll::Pending => {
                    self.pending.push_front(event);
                    return;
                }
            }
            self.due -= 1;
            if self.closed {
                self.pending.clear();
                self.due = 0;
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

#[cfg(test)]
mod tests {
    use super::*;
    use parasol_core::{Part, TokenReport};

    fn token() -> Result<GenerationEvent> {
        let report = TokenReport { id: None, text: "a".into(), part: Part::Answer, logprobs: Vec::new() };
        Ok(GenerationEvent::Token(report))
    }

    fn there(stream: &mut EventStream<GenerationEvent>) -> usize {
        let mut context = Context::from_waker(Waker::noop());
        let mut next = || Pin::new(&mut *stream).poll_next(&mut context);
        std::iter::from_fn(|| matches!(next(), Poll::Ready(Some(_))).then_some(())).count()
    }

    #[test]
    fn tokens_that_come_fast_are_handed_over_together() {
        let (mut sender, mut stream) = channel();
        sender.send(token());
        assert_eq!(there(&mut stream), 1, "nothing holds up the first");
        sender.send(token());
        sender.send(token());
        // Not by the clock: this thread may be away for longer than tokens wait.
        sender.since = Some(Instant::now() + TOGETHER);
        sender.hurry(TOGETHER / 2);
        assert_eq!(there(&mut stream), 0);
        assert!(sender.is_flushed(), "who has nothing to take is not behind");
        sender.hurry(2 * TOGETHER);
        assert_eq!(there(&mut stream), 2, "the next would come too late");
        sender.send(token());
        sender.since = Instant::now().checked_sub(TOGETHER);
        sender.hurry(TOGETHER / 2);
        assert_eq!(there(&mut stream), 1, "it has waited long enough");
    }

    #[test]
    fn what_is_no_token_takes_along_what_waits() {
        let (mut sender, mut stream) = channel();
        (0..3).for_each(|_| sender.send(token()));
        assert_eq!(there(&mut stream), 1);
        sender.send(Err(Error::new(ErrorKind::Internal, "over")));
        assert_eq!(there(&mut stream), 3);
    }

    #[test]
    fn a_reader_that_is_behind_finds_all_in_order() {
        let (mut sender, mut stream) = channel();
        (0..2 * WAITING).for_each(|_| {
            sender.send(token());
            sender.release();
        });
        assert!(!sender.is_flushed());
        let mut found = there(&mut stream);
        while !sender.is_flushed() {
            sender.flush();
            found += there(&mut stream);
        }
        assert_eq!(found, 2 * WAITING);
    }
}
