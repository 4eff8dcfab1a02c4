//! `POST /v1/embeddings`.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use parasol_core::Result as Outcome;
use parasol_wire::openai::embeddings::{self, EmbeddingsCall};
use serde_json::Value;

/// Embeds texts.
pub(super) async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    answer(&state, &ctx, body).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn answer(state: &AppState, ctx: &RequestContext, body: Value) -> Outcome<Response> {
    let call = EmbeddingsCall::read(body)?;
    let done = state.embed(ctx, &call.model, call.request).await?;
    let body = embeddings::answer(&call.model, &done.vectors, &done.usage, call.base64)?;
    let mut response = ([(header::CONTENT_TYPE, "application/json")], body).into_response();
    effect::report(&mut response, &call.noted);
    Ok(response)
}
