//! Several answers at once, and a stream of responses in its two forms.

use axum::body::Bytes;
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, GenerationEvent, Result as Outcome};
use parasol_wire::gemini::{Encoder, error_body};
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The events of several answers, each with the number of its answer. Dropping it ends the work.
#[derive(Default)]
pub(super) struct Several {
    streams: Vec<Option<EventStream<GenerationEvent>>>,
    /// Whose turn it is, so that no answer waits for another's end.
    turn: usize,
    unfinished: usize,
}

impl Several {
    /// One answer more.
    pub(super) fn add(&mut self, events: EventStream<GenerationEvent>) {
        self.streams.push(Some(events));
        self.unfinished += 1;
    }

    /// Whether every answer has come to its end.
    fn complete(&self) -> bool {
        self.unfinished == 0
    }

    /// The next event of any answer.
    pub(super) fn poll_next(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<(usize, Outcome<GenerationEvent>)>> {
        let count = self.streams.len();
        let mut open = false;
        for step in 0..count {
            let index = (self.turn + step) % count;
            let Some(slot) = self.streams.get_mut(index) else { continue };
            let Some(events) = slot else { continue };
            match Pin::new(events).poll_next(cx) {
                Poll::Pending => open = true,
                Poll::Ready(None) => *slot = None,
                Poll::Ready(Some(event)) => {
                    self.turn = index + 1;
                    if matches!(event, Ok(GenerationEvent::Finished { .. })) {
                        self.unfinished = self.unfinished.saturating_sub(1);
                    }
                    return Poll::Ready(Some((index, event)));
                }
            }
        }
        if open { Poll::Pending } else { Poll::Ready(None) }
    }
}

/// How a stream is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Server-sent events (`alt=sse`).
    Events,
    /// One JSON list, element by element.
    List,
}

impl Form {
    /// The type of its body.
    pub(super) fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::List => "application/json; charset=UTF-8",
        }
    }

    /// A response as it goes over the wire; `begun`, whether one went before, is true from here on.
    pub(super) fn frame(self, begun: &mut bool, response: &Value) -> String {
        let first = !std::mem::replace(begun, true);
        match self {
            Self::Events => format!("data: {response}\r\n\r\n"),
            Self::List => format!("{}{response}", if first { "[" } else { ",\r\n" }),
        }
    }

    /// What ends it.
    pub(super) fn close(self, begun: bool) -> &'static str {
        match (self, begun) {
            (Self::Events, _) => "",
            (Self::List, true) => "]",
            (Self::List, false) => "[]",
        }
    }
}

/// Responses as they go over the wire.
pub(super) struct Frames {
    several: Option<Several>,
    encoder: Encoder,
    form: Form,
    begun: bool,
}

impl Frames {
    /// The stream of `several` in `form`.
    pub(super) fn new(several: Several, encoder: Encoder, form: Form) -> Self {
        Self { several: Some(several), encoder, form, begun: false }
    }

    fn write(&mut self, responses: &[Value]) -> String {
        responses.iter().map(|response| self.form.frame(&mut self.begun, response)).collect()
    }

    /// Ends the stream, with an error if there is one.
    fn end(&mut self, error: Option<&Error>) -> String {
        self.several = None;
        let last: Vec<_> = error.map(|e| error_body(e, None)).into_iter().collect();
        self.write(&last) + self.form.close(self.begun)
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(several) = &mut self.several else { return Poll::Ready(None) };
            let text = match several.poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some((candidate, Ok(event)))) => {
                    let responses = self.encoder.push(candidate, &event);
                    self.write(&responses)
                }
                Poll::Ready(Some((_, Err(error)))) => self.end(Some(&error)),
                Poll::Ready(None) => {
                    let broken =
                        Error::new(ErrorKind::Internal, "the model's answer broke off without an end");
                    let error = (!several.complete()).then_some(broken);
                    self.end(error.as_ref())
                }
            };
            if !text.is_empty() {
                return Poll::Ready(Some(Ok(text.into())));
            }
        }
    }
}
