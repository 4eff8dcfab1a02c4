//! `POST /api/generate` and `/api/chat`.

use super::{line, lines, rfc3339};
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, GenerationEvent, Result as Outcome};
use parasol_wire::ollama::answer::{Encoder, Shape, loaded};
use parasol_wire::ollama::error_body;
use parasol_wire::ollama::request::{Ask, Call, KeepAlive};
use serde_json::Value;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

/// Continues a text, or answers it.
pub(super) async fn generate(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let call = Call::generate(body).map_err(|e| ctx.refuse(e))?;
    run(&state, &ctx, Shape::Generate, call).await.map_err(|e| ctx.refuse(e))
}

/// Answers a conversation.
pub(super) async fn chat(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let call = Call::chat(body).map_err(|e| ctx.refuse(e))?;
    run(&state, &ctx, Shape::Chat, call).await.map_err(|e| ctx.refuse(e))
}

async fn run(state: &AppState, ctx: &RequestContext, shape: Shape, call: Call) -> Outcome<Response> {
    let begun = Instant::now();
    let created = rfc3339(SystemTime::now());
    let model = super::checked(ctx, &call.model)?;
    if call.ask == Ask::Load && call.keep_alive == Some(KeepAlive::For(Duration::ZERO)) {
        unload(state, model).await?;
        return Ok(axum::Json(loaded(shape, &call.model, &created, "unload")).into_response());
    }
    let keep = call.keep_alive;
    let facts = move |lease: &parasol_runtime::Lease| {
        self::keep(lease, keep);
        Ok((*lease.recommended(), lease.context()))
    };
    let (recommended, context) = state.with_model(ctx, &model, facts).await?;
    let loading = begun.elapsed();
    let events = match call.ask(&recommended, context)? {
        Ask::Load => return Ok(axum::Json(loaded(shape, &call.model, &created, "load")).into_response()),
        Ask::Chat(request) => state.chat(ctx, &model, *request).await?,
        Ask::Complete(request) => state.complete(ctx, &model, *request).await?,
    };
    let lines_of =
        Lines { events: Some(events), encoder: Encoder::new(shape, &call.model, created), begun, loading };
    let mut response = if call.stream { lines(lines_of) } else { lines_of.whole().await? };
    effect::report(&mut response, &call.noted);
    Ok(response)
}

/// Has a model stay loaded for as long as a request wants it.
pub(super) fn keep(lease: &parasol_runtime::Lease, wanted: Option<KeepAlive>) {
    match wanted {
        None => {}
        Some(KeepAlive::Always) => lease.keep_alive(None),
        Some(KeepAlive::For(time)) => lease.keep_alive(Some(time)),
    }
}

async fn unload(state: &AppState, model: String) -> Outcome<()> {
    let models = state.models().clone();
    let done = tokio::task::spawn_blocking(move || models.unload(&model)).await;
    done.unwrap_or_else(|_| {
        Err(Error::new(ErrorKind::Internal, "unloading failed: a fault of Parasol's own"))
    })?;
    Ok(())
}

/// An answer as lines. Dropping it ends the work.
struct Lines {
    events: Option<EventStream<GenerationEvent>>,
    encoder: Encoder,
    begun: Instant,
    loading: Duration,
}

impl Lines {
    /// The answer as one object.
    async fn whole(self) -> Outcome<Response> {
        let Self { events, mut encoder, begun, loading } = self;
        let mut timings = parasol_core::Timings::default();
        if let Some(mut events) = events {
            while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
                if let Some((_, took)) = encoder.gather(&event?) {
                    timings = took;
                }
            }
        }
        Ok(axum::Json(encoder.finish(&timings, loading, begun.elapsed())?).into_response())
    }
}

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let Some(events) = &mut this.events else { return Poll::Ready(None) };
            let values = match Pin::new(events).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(event))) => this.encoder.push(&event, this.loading, this.begun.elapsed()),
                Poll::Ready(Some(Err(error))) => {
                    this.events = None;
                    vec![error_body(&error)]
                }
                Poll::Ready(None) => {
                    this.events = None;
                    Vec::new()
                }
            };
            if !values.is_empty() {
                return Poll::Ready(Some(Ok(values.iter().map(line).collect::<String>().into())));
            }
        }
    }
}
