//! Embedding over HTTP: asking a model for vectors under the same limits as for answers. All of them are awaited, since no dialect
//! has a way to send some.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, fault, too_long};
use crate::metrics::ByAnswer;
use futures_core::Stream;
use parasol_core::{EmbedEvent, EmbedInput, EmbedRequest, EventStream, Result, Timings, Usage};
use parasol_runtime::Lease;
use std::future::poll_fn;
use std::pin::Pin;
use tokio::time::Instant;

/// What was asked for.
pub(crate) struct Embedded {
    /// A vector for each input, in their order.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// What it took.
    pub(crate) usage: Usage,
}

impl AppState {
    /// Embeds texts. The request's `client` is filled in, and what has no effect goes into the response's head.
    ///
    /// # Errors
    /// Those of the model; `Denied`, `RateLimited`, `Overloaded`, `Timeout`.
    pub(crate) async fn embed(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: EmbedRequest,
    ) -> Result<Embedded> {
        request.check()?;
        ctx.client().clone_into(&mut request.client);
        if self.options().log_prompts {
            let texts = request.inputs.iter().filter_map(|input| match input {
                EmbedInput::Text(text) => Some(text.as_str()),
                EmbedInput::Tokens(_) => None,
            });
            tracing::info!(request = ctx.id(), texts = ?texts.collect::<Vec<_>>(), "texts");
        }
        let begun = Instant::now();
        let place = Place::admit(self, ctx, model)?;
        let inputs = request.inputs.len();
        let mut record = Record::new(self, ctx, model, begun);
        let work = async {
            let ask = move |lease: Lease| {
                let events = lease.embed()?.embed(request)?;
                Ok((events, lease))
            };
            let (events, _lease) = match self.models().ready(model).filter(Lease::is_elsewhere) {
                // Nothing is waited for and nothing computed: no other thread is needed.
                Some(lease) => ask(lease)?,
                None => self.with_lease(model, ask).await?,
            };
            gather(events, inputs, ctx).await
        };
        let done = match tokio::time::timeout_at(begun + self.options().request_timeout, work).await {
            Ok(done) => done,
            Err(_) => Err(too_long(self)),
        };
        drop(place);
        match &done {
            Ok((embedded, timings)) => record.end("stop", Some((embedded.usage, *timings))),
            Err(error) => record.end(crate::dialect::kind_name(error.kind()), None),
        }
        done.map(|(embedded, _)| embedded)
    }
}

async fn gather(
    mut events: EventStream<EmbedEvent>,
    inputs: usize,
    ctx: &RequestContext,
) -> Result<(Embedded, Timings)> {
    let mut vectors = Vec::with_capacity(inputs);
    while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
        match event? {
            EmbedEvent::Started { .. } => {}
            EmbedEvent::Ignored { field, why } => {
                tracing::info!(request = ctx.id(), field, why, "ignored");
                ctx.ignore(field);
            }
            EmbedEvent::Embedded { vector, .. } => vectors.push(vector),
            EmbedEvent::Finished { usage, timings } => return Ok((Embedded { vectors, usage }, timings)),
        }
    }
    // No end was told: the work broke down.
    Err(fault())
}

/// What an embedding takes, told to the metrics and counted against its key when it ends or is given up.
struct Record {
    state: AppState,
    ctx: RequestContext,
    of: ByAnswer,
    begun: Instant,
    ended: bool,
}

impl Record {
    fn new(state: &AppState, ctx: &RequestContext, model: &str, begun: Instant) -> Self {
        let key = ctx.key().map(|key| key.name.clone()).unwrap_or_default();
        let of = ByAnswer { model: model.to_owned(), key };
        Self { state: state.clone(), ctx: ctx.clone(), of, begun, ended: false }
    }

    fn end(&mut self, outcome: &str, took: Option<(Usage, Timings)>) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let tokens = took.map_or(0, |(usage, _)| usage.prompt_tokens);
        if let Some(key) = self.ctx.key() {
            self.state.limits().tokens(key, tokens as u64);
        }
        self.state.metrics().answered(&self.of, self.ctx.dialect().name(), outcome, took);
        tracing::info!(
            request = self.ctx.id(),
            model = self.of.model,
            key = self.of.key,
            prompt_tokens = tokens,
            milliseconds = self.begun.elapsed().as_secs_f64() * 1000.0,
            outcome,
            "embeddings"
        );
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.end("cancelled", None);
    }
}
