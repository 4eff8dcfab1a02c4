//! `GET /v1/models` and `/v1/models/{id}`.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::Refused;
use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use parasol_runtime::ModelCard;
use parasol_wire::openai::models;
use serde_json::Value;
use std::time::UNIX_EPOCH;

/// What can be asked for.
pub(super) async fn list(State(state): State<AppState>, ctx: RequestContext) -> Result<Json<Value>, Refused> {
    let cards = effect::text_cards(&state, &ctx).await?;
    Ok(Json(models::list(cards.iter().map(|card| entry(&card.name, card)).collect())))
}

/// One model, under the name that it was asked for by.
pub(super) async fn one(
    State(state): State<AppState>,
    ctx: RequestContext,
    Path(id): Path<String>,
) -> Result<Response, Refused> {
    match effect::card(&state, &ctx, id.clone()).await {
        Ok(card) => Ok(Json(entry(&id, &card)).into_response()),
        Err(refused) => super::unanswered(&ctx, refused.into_error()),
    }
}

fn entry(name: &str, card: &ModelCard) -> Value {
    let created = card.modified.and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map_or(0, |d| d.as_secs());
    models::model(name, created)
}
