//! Transcription over HTTP: asking a speech model under the same limits as other models, and its answer as a whole or as events.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, allow_model, fault, too_long};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, Result, TranscriptEvent};
use parasol_runtime::{EarsLease, sound, transcription::language_name};
use parasol_wire::openai::error;
use parasol_wire::openai::transcription::{Transcript, TranscriptionCall};
use parasol_wire::sse::SseEvent;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

/// A transcription that has begun.
pub(crate) struct Heard {
    // Dropped in order: the work ends before its model may be unloaded and its place given away.
    events: EventStream<TranscriptEvent>,
    first: Option<TranscriptEvent>,
    deadline: Pin<Box<Sleep>>,
    /// What a deadline that has passed means.
    too_long: Option<Error>,
    answer: Transcript,
    _lease: EarsLease,
    _place: Place,
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
        allow_model(ctx, &call.model)?;
        let begun = Instant::now();
        if let Some(key) = ctx.key() {
            self.limits().may_generate(key).inspect_err(|_| self.metrics().limited())?;
        }
        let place = Place::take(self).inspect_err(|_| self.metrics().limited())?;
        let deadline = begun + self.options().request_timeout;
        let (models, name, mut request) = (self.models().clone(), call.model.clone(), call.request.clone());
        ctx.client().clone_into(&mut request.client);
        let work = tokio::task::spawn_blocking(move || {
            // What a client sends is its own fault, not a damaged file of ours.
            let wrong = |e: Error| Error::new(ErrorKind::InvalidRequest, format!("file: {e}"));
            let sound = sound::from_bytes(file).map_err(wrong)?;
            let lease = models.ears(&name)?;
            let events = lease.model().transcribe(sound, request)?;
            Ok((lease, events))
        });
        let (lease, events) = match tokio::time::timeout_at(deadline, work).await {
            Ok(done) => done.unwrap_or_else(|_| Err(fault()))?,
            Err(_) => return Err(too_long(self)),
        };
        let mut heard = Heard {
            events,
            first: None,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            too_long: Some(too_long(self)),
            answer: call.answer(),
            _lease: lease,
            _place: place,
        };
        match poll_fn(|cx| heard.poll(cx)).await {
            Some(Ok(event)) => heard.first = Some(event),
            Some(Err(error)) => return Err(of_client(error)),
            None => return Err(Error::new(ErrorKind::Internal, "the model ended without an answer")),
        }
        Ok(heard)
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
        if let Some(event) = self.first.take() {
            return Poll::Ready(Some(Ok(event)));
        }
        if let Poll::Ready(event) = Pin::new(&mut self.events).poll_next(cx) {
            return Poll::Ready(event);
        }
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(self.too_long.take().map(Err)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// The whole answer, in the form that was asked for.
    ///
    /// # Errors
    /// Those of the model and the sound, and `Timeout`.
    pub(crate) async fn whole(mut self, call: &TranscriptionCall) -> Result<Response> {
        while let Some(event) = poll_fn(|cx| self.poll(cx)).await {
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
