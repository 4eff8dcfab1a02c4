//! Asking a model: what handlers call instead of the roof. Here a request meets its key's limits and the queue's, and its
//! stream carries the lease of the model, the deadline and the metrics along, so that dropping it gives everything back.

use crate::AppState;
use crate::context::RequestContext;
use crate::metrics::ByAnswer;
use futures_core::Stream;
use parasol_core::{
    ChatRequest, CompleteRequest, Error, ErrorKind, EventStream, FinishReason, GenerationEvent, Result,
    SamplingChoice, Timings, Usage,
};
use parasol_runtime::{Cancel, Lease, Models};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
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
        request: ChatRequest,
    ) -> Result<EventStream<GenerationEvent>> {
        self.chat_in(ctx, model, request, None).await
    }

    /// The same in a place that whoever asks has taken already, for more than the text.
    ///
    /// # Errors
    /// As [`Self::chat`].
    pub(crate) async fn chat_in(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: ChatRequest,
        place: Option<Place>,
    ) -> Result<EventStream<GenerationEvent>> {
        ctx.client().clone_into(&mut request.client);
        if self.options().log_prompts {
            log_prompt(ctx, serde_json::to_string(&request.messages).unwrap_or_default());
        }
        self.generate(ctx, model, place, move |lease| lease.chat()?.chat(request)).await
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
        if self.options().log_prompts {
            log_prompt(ctx, request.prompt.clone());
        }
        self.generate(ctx, model, None, move |lease| lease.complete()?.complete(request)).await
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
        allow_model(ctx, model)?;
        if let Some(lease) = self.models().ready(model) {
            return Ok(*lease.recommended());
        }
        self.with_model(ctx, model, |lease| Ok(*lease.recommended())).await
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
        self.with_lease(model, move |lease| work(&lease)).await
    }

    /// The same with the lease itself, whoever asks. What waits for a model ends when this future is dropped, as it is when the
    /// client hangs up.
    pub(crate) async fn with_lease<T: Send + 'static>(
        &self,
        model: &str,
        work: impl FnOnce(Lease) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let waiting = Waiting { models: self.models().clone(), cancel: Cancel::new() };
        let (models, name, cancel) = (self.models().clone(), model.to_owned(), waiting.cancel.clone());
        let done = tokio::task::spawn_blocking(move || {
            let lease = models.acquire_unless(&name, &cancel)?;
            if cancel.is_cancelled() {
                return Err(Error::new(ErrorKind::Cancelled, "the client is gone"));
            }
            work(lease)
        });
        done.await.unwrap_or_else(|_| Err(fault()))
    }

    async fn generate(
        &self,
        ctx: &RequestContext,
        model: &str,
        place: Option<Place>,
        ask: impl FnOnce(&Lease) -> Result<EventStream<GenerationEvent>> + Send + 'static,
    ) -> Result<EventStream<GenerationEvent>> {
        let begun = Instant::now();
        within_limits(self, ctx, model)?;
        let place = match place {
            Some(place) => place,
            None => Place::take(self).inspect_err(|_| self.metrics().limited())?,
        };
        let deadline = begun + self.options().request_timeout;
        let (events, lease) = match self.models().ready(model).filter(Lease::is_elsewhere) {
            // Nothing is waited for and nothing computed: no other thread is needed.
            Some(lease) => (ask(&lease)?, lease),
            None => {
                let work = self.with_lease(model, move |lease| Ok((ask(&lease)?, lease)));
                match tokio::time::timeout_at(deadline, work).await {
                    Ok(done) => done?,
                    Err(_) => return Err(too_long(self)),
                }
            }
        };
        let mut answer = Answer {
            events,
            first: None,
            deadline: Box::pin(tokio::time::sleep_until(deadline)),
            too_long: Some(too_long(self)),
            record: Record::new(self, ctx, lease.name(), begun),
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

/// A request that waits for its model. Dropping it says that nobody waits any more.
struct Waiting {
    models: Arc<Models>,
    cancel: Cancel,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.models.give_up(&self.cancel);
    }
}

/// A key may be limited to some models.
pub(crate) fn allow_model(ctx: &RequestContext, model: &str) -> Result<()> {
    match ctx.key() {
        Some(key) if !key.allows_model(model) => Err(Error::new(
            ErrorKind::Denied,
            format!("the key {} may not use {model}: it is limited to {}", key.name, key.models.join(", ")),
        )),
        _ => Ok(()),
    }
}

/// Whether the key may use the model, and now.
fn within_limits(state: &AppState, ctx: &RequestContext, model: &str) -> Result<()> {
    allow_model(ctx, model)?;
    match ctx.key() {
        Some(key) => state.limits().may_generate(key).inspect_err(|_| state.metrics().limited()),
        None => Ok(()),
    }
}

pub(crate) fn log_prompt(ctx: &RequestContext, prompt: String) {
    tracing::info!(request = ctx.id(), prompt, "prompt");
}

pub(crate) fn fault() -> Error {
    Error::new(ErrorKind::Internal, "the model's thread failed: this is a fault of Parasol's own")
}

pub(crate) fn too_long(state: &AppState) -> Error {
    let seconds = state.options().request_timeout.as_secs();
    Error::new(
        ErrorKind::Timeout,
        format!(
            "the answer took more than {seconds} s: ask for fewer tokens or raise the server's --request-timeout"
        ),
    )
}

/// A place among the answers that are being made or wait; given back when the last of its clones is dropped.
#[derive(Clone)]
pub(crate) struct Place {
    _taken: Arc<Taken>,
}

struct Taken(AppState);

impl Place {
    /// A place for an answer of this model, which the key has to be allowed.
    pub(crate) fn admit(state: &AppState, ctx: &RequestContext, model: &str) -> Result<Self> {
        within_limits(state, ctx, model)?;
        Self::take(state).inspect_err(|_| state.metrics().limited())
    }

    pub(crate) fn take(state: &AppState) -> Result<Self> {
        let most = state.options().max_queue;
        let taken = state
            .answers()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        match taken {
            Ok(_) => Ok(Self { _taken: Arc::new(Taken(state.clone())) }),
            Err(_) => Err(Error::new(
                ErrorKind::Overloaded,
                format!(
                    "{most} answers are being made or wait, which is all that --max-queue allows: try again later"
                ),
            )),
        }
    }
}

impl Drop for Taken {
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
    record: Record,
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
        let mut next = Pin::new(&mut self.events).poll_next(cx);
        while let Poll::Ready(Some(Ok(GenerationEvent::Ignored { field, why }))) = next {
            tracing::info!(
                request = self.record.ctx.id(),
                model = self.record.of.model,
                field,
                why,
                "ignored"
            );
            self.record.ctx.ignore(field);
            next = Pin::new(&mut self.events).poll_next(cx);
        }
        match next {
            Poll::Ready(event) => {
                self.record.see(event.as_ref());
                Poll::Ready(event)
            }
            Poll::Pending => match self.deadline.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(self.too_long.take().map(Err)),
                Poll::Pending => Poll::Pending,
            },
        }
    }
}

/// What an answer takes, told to the metrics and counted against its key when it ends or is given up.
struct Record {
    state: AppState,
    ctx: RequestContext,
    of: ByAnswer,
    begun: Instant,
    prompt: usize,
    tokens: usize,
    /// What was said, where the log holds it.
    said: Option<String>,
    ended: bool,
}

impl Record {
    fn new(state: &AppState, ctx: &RequestContext, model: &str, begun: Instant) -> Self {
        let key = ctx.key().map(|k| k.name.clone()).unwrap_or_default();
        let of = ByAnswer { model: model.to_owned(), key };
        let said = state.options().log_prompts.then(String::new);
        Self { state: state.clone(), ctx: ctx.clone(), of, begun, prompt: 0, tokens: 0, said, ended: false }
    }

    fn see(&mut self, event: Option<&Result<GenerationEvent>>) {
        match event {
            Some(Ok(GenerationEvent::Started { prompt_tokens, .. })) => self.prompt = *prompt_tokens,
            Some(Ok(event @ (GenerationEvent::Token(_) | GenerationEvent::ToolCall(_)))) => {
                if let (Some(said), GenerationEvent::Token(token)) = (&mut self.said, event) {
                    said.push_str(&token.text);
                }
                if self.tokens == 0 {
                    self.state.metrics().first_token(&self.of, self.begun.elapsed());
                }
                self.tokens = self.tokens.saturating_add(1);
            }
            Some(Ok(GenerationEvent::Finished { reason, usage, timings, .. })) => {
                (self.prompt, self.tokens) = (usage.prompt_tokens, usage.generated_tokens);
                let outcome = match reason {
                    FinishReason::Stop => "stop",
                    FinishReason::Length => "length",
                    FinishReason::ToolCalls => "tool_calls",
                    FinishReason::ContentFilter => "content_filter",
                };
                self.end(outcome, Some((*usage, *timings)));
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => self.end(crate::dialect::kind_name(error.kind()), None),
            None => self.end("internal", None),
        }
    }

    fn end(&mut self, outcome: &str, took: Option<(Usage, Timings)>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(key) = self.ctx.key() {
            self.state.limits().tokens(key, self.prompt.saturating_add(self.tokens) as u64);
        }
        self.state.metrics().answered(&self.of, self.ctx.dialect().name(), outcome, took);
        tracing::info!(
            request = self.ctx.id(),
            model = self.of.model,
            key = self.of.key,
            prompt_tokens = self.prompt,
            generated_tokens = self.tokens,
            milliseconds = self.begun.elapsed().as_secs_f64() * 1000.0,
            outcome,
            text = self.said.take(),
            "answer"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end("cancelled", None);
    }
}
