//! Pictures over HTTP: asking a model for them under the same limits as other models, and its answer as a whole or as events.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, allow_model, fault, log_prompt, too_long};
use crate::openai::now;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{
    Error, EventStream, Imagine, ImagineEvent, ImagineRequest, ImagineUsage, Imagined, Result,
};
use parasol_wire::openai::{error, images::ImagesCall};
use parasol_wire::sse::SseEvent;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

/// Pictures that are being made.
pub(crate) struct Painted {
    // Dropped in order: the work ends before its place is given away.
    events: EventStream<ImagineEvent>,
    /// What has come before the answer was begun.
    first: Option<ImagineEvent>,
    /// Fields that have no effect.
    ignored: Vec<String>,
    deadline: Pin<Box<Sleep>>,
    /// What a deadline that has passed means.
    too_long: Option<Error>,
    _model: Arc<dyn Imagine>,
    _place: Place,
}

impl AppState {
    /// Asks for pictures. What goes wrong before the first of them is on its way is an error here, so that it still can have a status.
    ///
    /// # Errors
    /// Those of the model; `Denied`, `RateLimited`, `Overloaded`, `Timeout`.
    pub(crate) async fn imagine(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: ImagineRequest,
    ) -> Result<Painted> {
        allow_model(ctx, model)?;
        ctx.client().clone_into(&mut request.client);
        if self.options().log_prompts {
            log_prompt(ctx, request.prompt.clone());
        }
        let begun = Instant::now();
        if let Some(key) = ctx.key() {
            self.limits().may_generate(key).inspect_err(|_| self.metrics().limited())?;
        }
        let place = Place::take(self).inspect_err(|_| self.metrics().limited())?;
        let deadline = begun + self.options().request_timeout;
        let (models, name) = (self.models().clone(), model.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let model = models.painter(&name)?;
            let events = model.imagine(request)?;
            Ok((model, events))
        });
        let (model, events) = match tokio::time::timeout_at(deadline, work).await {
            Ok(done) => done.unwrap_or_else(|_| Err(fault()))?,
            Err(_) => return Err(too_long(self)),
        };
        let mut painted = Painted {
            events,
            first: None,
            ignored: Vec::new(),
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            too_long: Some(too_long(self)),
            _model: model,
            _place: place,
        };
        loop {
            match poll_fn(|cx| painted.next(cx)).await {
                Some(Ok(ImagineEvent::Ignored { field, .. })) => painted.ignored.push(field),
                Some(Ok(ImagineEvent::Started { .. })) => {}
                Some(Ok(event)) => {
                    painted.first = Some(event);
                    return Ok(painted);
                }
                Some(Err(error)) => return Err(error),
                None => return Err(fault()),
            }
        }
    }
}

impl Painted {
    /// Fields that have no effect, as far as is known when the first picture is on its way.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What comes next; `None` after the end.
    pub(crate) fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<ImagineEvent>>> {
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

    /// All pictures, and what they took.
    ///
    /// # Errors
    /// Those of the model, and `Timeout`.
    pub(crate) async fn whole(mut self) -> Result<(Vec<Imagined>, ImagineUsage)> {
        let mut all = Vec::new();
        loop {
            match poll_fn(|cx| self.next(cx)).await {
                Some(Ok(ImagineEvent::Image(image))) => all.push(image),
                Some(Ok(ImagineEvent::Finished { usage, .. })) => return Ok((all, usage)),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(fault()),
            }
        }
    }

    /// The answer as events while it is made. When the client goes, it is dropped, which ends the work.
    pub(crate) fn streamed(self, call: ImagesCall) -> Response {
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
        let frames = Frames { painted: Some(self), call, held: None };
        (headers, Body::from_stream(frames)).into_response()
    }
}

struct Frames {
    painted: Option<Painted>,
    call: ImagesCall,
    /// A picture that is done: what all took is told with the last.
    held: Option<Imagined>,
}

impl Frames {
    /// The picture that was held, as an event.
    fn release(&mut self, usage: &ImagineUsage) -> Option<SseEvent> {
        self.held.take().map(|image| self.call.done(now(), &image, usage))
    }

    fn event(&mut self, event: ImagineEvent) -> Option<SseEvent> {
        match event {
            ImagineEvent::Preview { number, picture, .. } => Some(self.call.preview(now(), number, &picture)),
            ImagineEvent::Image(image) => {
                let before = self.release(&ImagineUsage::default());
                self.held = Some(image);
                before
            }
            ImagineEvent::Finished { usage, .. } => {
                self.painted = None;
                self.release(&usage)
            }
            ImagineEvent::Ignored { .. } | ImagineEvent::Started { .. } | ImagineEvent::Step { .. } => None,
        }
    }

    fn fail(&mut self, error: &Error) -> SseEvent {
        self.painted = None;
        SseEvent::json(&error::body(error)).named("error")
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(painted) = &mut self.painted else { return Poll::Ready(None) };
            let told = match painted.next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(event))) => self.event(event),
                Poll::Ready(Some(Err(error))) => Some(self.fail(&error)),
                // No end was told: the work broke down.
                Poll::Ready(None) => Some(self.fail(&fault())),
            };
            if let Some(event) = told {
                return Poll::Ready(Some(Ok(event.encode().into())));
            }
        }
    }
}
