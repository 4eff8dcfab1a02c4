//! Transcription over HTTP: asking a speech model under the same limits as other models, and its answer as a whole or as events.

use crate::AppState;
use crate::begun::Begun;
use crate::context::RequestContext;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, Result, TranscriptEvent};
use parasol_runtime::{EarsLease, Models, sound, transcription::language_name};
use parasol_wire::openai::error;
use parasol_wire::openai::transcription::{Transcript, TranscriptionCall};
use parasol_wire::sse::SseEvent;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A transcription that has begun.
pub(crate) struct Heard {
    begun: Begun<TranscriptEvent, EarsLease>,
    answer: Transcript,
}

impl AppState {
    /// Writes down what is said in a file. What goes wrong before the first event is an error here, so that it still can have a
    /// status.
    ///
    /// # Errors
    /// Those of the sound and the model; `Denied`, `RateLimited`, `Overloaded`, `Timeout`.
    pub(crate) async fn transcribe(
        &self,
        ctx: &RequestContext,
        call: &TranscriptionCall,
        file: Vec<u8>,
    ) -> Result<Heard> {
        let mut request = call.request.clone();
        ctx.client().clone_into(&mut request.client);
        let ask = move |models: &Arc<Models>, name: &str| {
            // What a client sends is its own fault, not a damaged file of ours.
            let wrong = |e: Error| Error::new(ErrorKind::InvalidRequest, format!("file: {e}"));
            let sound = sound::from_bytes(file).map_err(wrong)?;
            let lease = models.ears(name)?;
            let events = lease.model().transcribe(sound, request)?;
            Ok((lease, events))
        };
        let mut begun = self.begin(ctx, &call.model, ask).await?;
        match begun.next().await {
            Some(Ok(event)) => begun.put_back(event),
            Some(Err(error)) => return Err(of_client(error)),
            None => return Err(Error::new(ErrorKind::Internal, "the model ended without an answer")),
        }
        Ok(Heard { begun, answer: call.answer() })
    }
}

/// A sound that turns out to be damaged later is its sender's, too.
pub(crate) fn of_client(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => Error::new(ErrorKind::InvalidRequest, format!("file: {error}")),
        _ => error,
    }
}

impl Heard {
    /// What comes next; `None` after the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<TranscriptEvent>>> {
        self.begun.poll(cx)
    }

    /// The whole answer, in the form that was asked for.
    ///
    /// # Errors
    /// Those of the model and the sound, and `Timeout`.
    pub(crate) async fn whole(mut self, call: &TranscriptionCall) -> Result<Response> {
        while let Some(event) = self.begun.next().await {
            self.answer.push(event.map_err(of_client)?, language_name);
        }
        Ok(([(header::CONTENT_TYPE, call.form.media_type())], self.answer.finish()).into_response())
    }

    /// The answer as server-sent events while it is written. When the client goes, it is dropped, which ends the work.
    pub(crate) fn streamed(self) -> Response {
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
        (headers, Body::from_stream(Frames(Some(self)))).into_response()
    }
}

struct Frames(Option<Heard>);

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(heard) = &mut self.0 else { return Poll::Ready(None) };
            let events = match heard.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(event))) => heard.answer.push(event, language_name),
                Poll::Ready(Some(Err(e))) => {
                    self.0 = None;
                    vec![SseEvent::json(&error::body(&of_client(e)))]
                }
                Poll::Ready(None) => {
                    self.0 = None;
                    vec![SseEvent::data("[DONE]")]
                }
            };
            if !events.is_empty() {
                let text: String = events.iter().map(SseEvent::encode).collect();
                return Poll::Ready(Some(Ok(text.into())));
            }
        }
    }
}
