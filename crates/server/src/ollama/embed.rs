//! `POST /api/embed` and `/api/embeddings`.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use parasol_core::Result as Outcome;
use parasol_wire::ollama::embedding::EmbedCall;
use serde_json::Value;
use std::time::Instant;

/// Embeds texts.
pub(super) async fn embed(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    answer(&state, &ctx, EmbedCall::embed(body)).await.map_err(|e| ctx.refuse(e))
}

/// Embeds a text, as older clients ask for it.
pub(super) async fn embeddings(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    answer(&state, &ctx, EmbedCall::embeddings(body)).await.map_err(|e| ctx.refuse(e))
}

async fn answer(state: &AppState, ctx: &RequestContext, call: Outcome<EmbedCall>) -> Outcome<Response> {
    let (mut call, begun) = (call?, Instant::now());
    let model = super::checked(ctx, &call.model)?;
    let keep = call.keep_alive;
    let context = state.with_model(ctx, &model, move |lease| {
        super::answer::keep(lease, keep);
        Ok(lease.context())
    });
    call.fits(context.await?)?;
    let loading = begun.elapsed();
    let done = state.embed(ctx, &model, std::mem::take(&mut call.request)).await?;
    let body = call.answer(&done.vectors, &done.usage, loading, begun.elapsed())?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    effect::report(&mut response, &call.noted);
    Ok(response)
}
