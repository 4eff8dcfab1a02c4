//! Vectors of contents, one or many.

use crate::AppState;
use crate::context::RequestContext;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use parasol_core::Result as Outcome;
use parasol_wire::gemini::embedding::EmbedCall;

/// Embeds what the call holds.
pub(super) async fn answer(
    state: &AppState,
    ctx: &RequestContext,
    model: &str,
    call: Outcome<EmbedCall>,
) -> Outcome<Response> {
    let mut call = call?;
    let done = state.embed(ctx, model, std::mem::take(&mut call.request)).await?;
    let body = call.answer(&done.vectors, &done.usage)?;
    Ok(([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response())
}
