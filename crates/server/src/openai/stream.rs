//! An answer as server-sent events, whatever makes its chunks.

use super::several::Several;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, GenerationEvent};
use parasol_wire::openai::{completions::CompletionAnswers, encode::ChatStream, error};
use parasol_wire::sse::SseEvent;
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// What turns events into the events of a stream.
pub(super) trait Encode: Send + Unpin + 'static {
    /// What the next event of the answer of `index` is on the wire.
    fn push(&mut self, index: usize, event: &GenerationEvent) -> Vec<SseEvent>;
    /// What ends a stream that went well.
    fn end(&mut self) -> Vec<SseEvent>;
    /// What ends a stream that went wrong.
    fn fail(&mut self, error: &Error) -> Vec<SseEvent> {
        vec![SseEvent::json(&error::body(error))]
    }
}

fn done(chunks: &[Value]) -> Vec<SseEvent> {
    chunks.iter().map(SseEvent::json).chain([SseEvent::data("[DONE]")]).collect()
}

impl Encode for ChatStream {
    fn push(&mut self, index: usize, event: &GenerationEvent) -> Vec<SseEvent> {
        ChatStream::push(self, index, event).iter().map(SseEvent::json).collect()
    }

    fn end(&mut self) -> Vec<SseEvent> {
        done(&ChatStream::end(self))
    }
}

impl Encode for CompletionAnswers {
    fn push(&mut self, index: usize, event: &GenerationEvent) -> Vec<SseEvent> {
        CompletionAnswers::push(self, index, event).iter().map(SseEvent::json).collect()
    }

    fn end(&mut self) -> Vec<SseEvent> {
        done(&CompletionAnswers::end(self))
    }
}

/// The response that streams `answers`. When the client goes, they are dropped with it, which ends their work.
pub(super) fn response(answers: Several, encoder: impl Encode) -> Response {
    let frames = Frames { answers: Some(answers), encoder };
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

struct Frames<E> {
    answers: Option<Several>,
    encoder: E,
}

impl<E: Encode> Stream for Frames<E> {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(answers) = &mut this.answers else { return Poll::Ready(None) };
            let events = match Pin::new(answers).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok((index, event)))) => this.encoder.push(index, &event),
                Poll::Ready(Some(Err(error))) => {
                    this.answers = None;
                    this.encoder.fail(&error)
                }
                Poll::Ready(None) => {
                    this.answers = None;
                    this.encoder.end()
                }
            };
            if !events.is_empty() {
                let text: String = events.iter().map(SseEvent::encode).collect();
                return Poll::Ready(Some(Ok(text.into())));
            }
        }
    }
}
