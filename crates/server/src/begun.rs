//! What speech, transcripts and pictures have in common: work that is begun off the threads that serve connections, under the limits
//! that all models share, and whose events are taken until the answer's time is over.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, fault, too_long};
use futures_core::Stream;
use parasol_core::{Error, EventStream, Result};
use parasol_runtime::Models;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

/// Work that has begun, with what it holds while it lasts.
pub(crate) struct Begun<E, M> {
    // Dropped in order: the work ends before its model may be unloaded and its place given away.
    events: EventStream<E>,
    /// What has come before the answer was begun.
    first: Option<E>,
    deadline: Pin<Box<Sleep>>,
    /// What a deadline that has passed means.
    too_long: Option<Error>,
    _model: M,
    _place: Place,
}

impl AppState {
    /// Begins work with a model: `work` gets it by its name and asks it.
    ///
    /// # Errors
    /// Those of `work`; `Denied`, `RateLimited`, `Overloaded`, `Timeout`.
    pub(crate) async fn begin<E: Send + 'static, M: Send + 'static>(
        &self,
        ctx: &RequestContext,
        model: &str,
        work: impl FnOnce(&Arc<Models>, &str) -> Result<(M, EventStream<E>)> + Send + 'static,
    ) -> Result<Begun<E, M>> {
        let deadline = Instant::now() + self.options().request_timeout;
        let place = Place::admit(self, ctx, model)?;
        let (models, name, held) = (self.models().clone(), model.to_owned(), place.clone());
        let work = tokio::task::spawn_blocking(move || {
            // Also when nobody waits any more, the work takes its place.
            let _held = held;
            work(&models, &name)
        });
        let (model, events) = match tokio::time::timeout_at(deadline, work).await {
            Ok(done) => done.unwrap_or_else(|_| Err(fault()))?,
            Err(_) => return Err(too_long(self)),
        };
        Ok(Begun {
            events,
            first: None,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            too_long: Some(too_long(self)),
            _model: model,
            _place: place,
        })
    }
}

impl<E, M> Begun<E, M> {
    /// What comes next; `None` after the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<E>>> {
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

    /// The same, awaited.
    pub(crate) async fn next(&mut self) -> Option<Result<E>> {
        poll_fn(|cx| self.poll(cx)).await
    }

    /// Keeps an event that came before the answer was begun, to come first.
    pub(crate) fn put_back(&mut self, event: E) {
        self.first = Some(event);
    }
}
