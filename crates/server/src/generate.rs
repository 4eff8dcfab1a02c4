//! Asking a model: what handlers call instead of the roof. Here a request meets its key's limits and the queue's, and its
//! stream carries the lease of the model, the deadline and the metrics along, so that dropping it gives everything back.

use crate::AppState;
use crate::context::RequestContext;
use crate::roof::Lease;
use futures_core::Stream;
use parasol_core::{
    ChatRequest, CompleteRequest, Error, ErrorKind, EventStream, GenerationEvent, Result, SamplingChoice,
};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::time::{Instant, Sleep};

impl AppState {
    /// Answers a conversation. What goes wrong before the first event (no such model, no room in the context, a queue that is
    /// full, a limit of the key's) is an error here, so that it still can have a status; later errors are in the stream. The
    /// request's `client` is filled in.
    ///
    /// # Errors
    /// Those of the model; `Denied`, `RateLimited`, `Overloaded`, `Timeout`.
    pub(crate) async fn chat(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: ChatRequest,
    ) -> Result<EventStream<GenerationEvent>> {
        ctx.client().clone_into(&mut request.client);
        self.generate(ctx, model, move |lease| lease.chat()?.chat(request)).await
    }

    /// Continues a text. Errors are those of [`Self::chat`].
    ///
    /// # Errors
    /// As [`Self::chat`].
    pub(crate) async fn complete(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: CompleteRequest,
    ) -> Result<EventStream<GenerationEvent>> {
        ctx.client().clone_into(&mut request.client);
        self.generate(ctx, model, move |lease| lease.complete()?.complete(request)).await
    }

    /// Tokens that a conversation takes as a prompt.
    ///
    /// # Errors
    /// Those of the model; `Denied`.
    pub(crate) async fn count_tokens(
        &self,
        ctx: &RequestContext,
        model: &str,
        request: ChatRequest,
    ) -> Result<usize> {
        self.with_model(ctx, model, move |lease| lease.chat()?.count_tokens(&request)).await
    }

    /// The sampling that is recommended for a model, which fills what a request leaves open. Loads the model, which the request
    /// is about to do anyway.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be loaded.
    pub(crate) async fn recommended(&self, ctx: &RequestContext, model: &str) -> Result<SamplingChoice> {
        self.with_model(ctx, model, |lease| Ok(lease.recommended().clone())).await
    }

    /// Runs `work` on a loaded model, off the threads that serve connections.
    ///
    /// # Errors
    /// When there is no such model, or it cannot be loaded, and those of `work`.
    pub(crate) async fn with_model<T: Send + 'static>(
        &self,
        ctx: &RequestContext,
        model: &str,
        work: impl FnOnce(&Lease) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        allow_model(ctx, model)?;
        let (models, name) = (self.models().clone(), model.to_owned());
        let done = tokio::task::spawn_blocking(move || work(&models.acquire(&name)?)).await;
        done.unwrap_or_else(|_| Err(fault()))
    }

    async fn generate(
        &self,
        ctx: &RequestContext,
        model: &str,
        ask: impl FnOnce(&Lease) -> Result<EventStream<GenerationEvent>> + Send + 'static,
    ) -> Result<EventStream<GenerationEvent>> {
        allow_model(ctx, model)?;
        let place = Place::take(self)?;
        let deadline = Instant::now() + self.options().request_timeout;
        let (models, name) = (self.models().clone(), model.to_owned());
        let work = tokio::task::spawn_blocking(move || {
            let lease = models.acquire(&name)?;
            let events = ask(&lease)?;
            Ok((lease, events))
        });
        let (lease, events) = match tokio::time::timeout_at(deadline, work).await {
            Ok(done) => done.unwrap_or_else(|_| Err(fault()))?,
            Err(_) => return Err(too_long(self)),
        };
        let mut answer = Answer {
            events,
            first: None,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            too_long: Some(too_long(self)),
            _lease: lease,
            _place: place,
        };
        // A prompt that does not fit is refused by the first event: wait for it while there is still a status to choose.
        match poll_fn(|cx| Pin::new(&mut answer).poll_next(cx)).await {
            Some(Ok(event)) => answer.first = Some(event),
            Some(Err(error)) => return Err(error),
            None => return Err(Error::new(ErrorKind::Internal, "the model ended without an answer")),
        }
        Ok(EventStream::new(answer))
    }
}

/// A key may be limited to some models.
fn allow_model(ctx: &RequestContext, model: &str) -> Result<()> {
    match ctx.key() {
        Some(key) if !key.allows_model(model) => Err(Error::new(
            ErrorKind::Denied,
            format!("the key {} may not use {model}: it is limited to {}", key.name, key.models.join(", ")),
        )),
        _ => Ok(()),
    }
}

fn fault() -> Error {
    Error::new(ErrorKind::Internal, "the model's thread failed: this is a fault of Parasol's own")
}

fn too_long(state: &AppState) -> Error {
    let seconds = state.options().request_timeout.as_secs();
    Error::new(
        ErrorKind::Timeout,
        format!(
            "the answer took more than {seconds} s: ask for fewer tokens or raise the server's --request-timeout"
        ),
    )
}

/// A place among the answers that are being made or wait; given back when dropped.
struct Place(AppState);

impl Place {
    fn take(state: &AppState) -> Result<Self> {
        let most = state.options().max_queue;
        let taken = state
            .answers()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        match taken {
            Ok(_) => Ok(Self(state.clone())),
            Err(_) => Err(Error::new(
                ErrorKind::Overloaded,
                format!(
                    "{most} answers are being made or wait, which is all that --max-queue allows: try again later"
                ),
            )),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.answers().fetch_sub(1, Ordering::Relaxed);
    }
}

/// The events of an answer, with what it holds while it lasts.
struct Answer {
    // Fields are dropped in order: the work ends before the model may be evicted and the place given away.
    events: EventStream<GenerationEvent>,
    first: Option<GenerationEvent>,
    deadline: Pin<Box<Sleep>>,
    too_long: Option<Error>,
    _lease: Lease,
    _place: Place,
}

impl Stream for Answer {
    type Item = Result<GenerationEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(event) = self.first.take() {
            return Poll::Ready(Some(Ok(event)));
        }
        if self.too_long.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut self.events).poll_next(cx) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => match self.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(self.too_long.take().map(Err)),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}
