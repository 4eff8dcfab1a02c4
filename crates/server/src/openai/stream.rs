//! An answer as server-sent events, whatever makes its chunks.

use super::several::Several;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, GenerationEvent};
use parasol_wire::openai::{completions::CompletionAnswers, encode::ChatStream, error};
use parasol_wire::sse;
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// More bytes than this are not gathered into one piece of the body.
const LARGEST_PIECE: usize = 32 << 10;

/// What turns events into the events of a stream, written behind what is there.
pub(super) trait Encode: Send + Unpin + 'static {
    /// What the next event of the answer of `index` is on the wire.
    fn push(&mut self, index: usize, event: &GenerationEvent, out: &mut Vec<u8>);
    /// What ends a stream that went well.
    fn end(&mut self, out: &mut Vec<u8>);
    /// What ends a stream that went wrong.
    fn fail(&mut self, error: &Error, out: &mut Vec<u8>) {
        sse::write_json(out, &error::body(error));
    }
}

fn write(chunks: &[Value], out: &mut Vec<u8>) {
    chunks.iter().for_each(|chunk| sse::write_json(out, chunk));
}

fn done(chunks: &[Value], out: &mut Vec<u8>) {
    write(chunks, out);
    out.extend_from_slice(b"data: [DONE]\n\n");
}

impl Encode for ChatStream {
    fn push(&mut self, index: usize, event: &GenerationEvent, out: &mut Vec<u8>) {
        self.write(index, event, out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        done(&ChatStream::end(self), out);
    }
}

impl Encode for CompletionAnswers {
    fn push(&mut self, index: usize, event: &GenerationEvent, out: &mut Vec<u8>) {
        write(&CompletionAnswers::push(self, index, event), out);
    }

    fn end(&mut self, out: &mut Vec<u8>) {
        done(&CompletionAnswers::end(self), out);
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
        // What is there already goes in one piece; nothing waits for what is not.
        let mut out = Vec::new();
        while out.len() < LARGEST_PIECE {
            let Some(answers) = &mut this.answers else { break };
            match Pin::new(answers).poll_next(cx) {
                Poll::Pending if out.is_empty() => return Poll::Pending,
                Poll::Pending => break,
                Poll::Ready(Some(Ok((index, event)))) => this.encoder.push(index, &event, &mut out),
                Poll::Ready(Some(Err(error))) => {
                    this.answers = None;
                    this.encoder.fail(&error, &mut out);
                }
                Poll::Ready(None) => {
                    this.answers = None;
                    this.encoder.end(&mut out);
                }
            }
        }
        Poll::Ready((!out.is_empty()).then(|| Ok(out.into())))
    }
}
