//! Pictures over HTTP: asking a model for them under the same limits as other models, and its answer as a whole or as events.

use crate::AppState;
use crate::begun::Begun;
use crate::context::RequestContext;
use crate::generate::{fault, log_prompt};
use crate::openai::now;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, Imagine, ImagineEvent, ImagineRequest, ImagineUsage, Imagined, Result};
use parasol_runtime::Models;
use parasol_wire::openai::{error, images::ImagesCall};
use parasol_wire::sse::SseEvent;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Pictures that are being made.
pub(crate) struct Painted {
    begun: Begun<ImagineEvent, Arc<dyn Imagine>>,
    /// Fields that have no effect.
    ignored: Vec<String>,
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
        ctx.client().clone_into(&mut request.client);
        if self.options().log_prompts {
            log_prompt(ctx, request.prompt.clone());
        }
        let ask = move |models: &Arc<Models>, name: &str| {
            let model = models.painter(name)?;
            let events = model.imagine(request)?;
            Ok((model, events))
        };
        let (mut begun, mut ignored) = (self.begin(ctx, model, ask).await?, Vec::new());
        loop {
            match begun.next().await.unwrap_or_else(|| Err(fault()))? {
                ImagineEvent::Ignored { field, .. } => ignored.push(field),
                ImagineEvent::Started { .. } => {}
                event => {
                    begun.put_back(event);
                    return Ok(Painted { begun, ignored });
                }
            }
        }
    }
}

impl Painted {
    /// Fields that have no effect, as far as is known when the first picture is on its way.
    pub(crate) fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// All pictures, and what they took.
    ///
    /// # Errors
    /// Those of the model, and `Timeout`.
    pub(crate) async fn whole(mut self) -> Result<(Vec<Imagined>, ImagineUsage)> {
        let mut all = Vec::new();
        loop {
            match self.begun.next().await.unwrap_or_else(|| Err(fault()))? {
                ImagineEvent::Image(image) => all.push(image),
                ImagineEvent::Finished { usage, .. } => return Ok((all, usage)),
                _ => {}
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
            let told = match painted.begun.poll(cx) {
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
