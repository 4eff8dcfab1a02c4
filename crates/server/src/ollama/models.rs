//! `GET /api/tags` and `/api/ps`, `POST /api/show`, `DELETE /api/delete`.

use super::{checked, rfc3339};
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json as Body, Refused};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use parasol_core::{Error, ErrorKind};
use parasol_runtime::ModelCard;
use parasol_wire::ollama::{models::Listed, request::Named};
use serde_json::{Value, json};
use std::time::SystemTime;

/// A card in the protocol's words; names without a tag get the one that they have there.
fn listed(card: &ModelCard) -> Listed {
    let name = if card.name.contains(':') { card.name.clone() } else { format!("{}:latest", card.name) };
    Listed {
        name,
        modified: rfc3339(card.modified.unwrap_or(SystemTime::UNIX_EPOCH)),
        bytes: card.bytes,
        digest: card.digest.clone().unwrap_or_default(),
        format: card.format.unwrap_or_default().to_owned(),
        family: card.family.clone().unwrap_or_default(),
        parameters: card.parameters,
        quantisation: card.quantisation.clone().unwrap_or_default(),
    }
}

/// What can be asked for.
pub(super) async fn tags(State(state): State<AppState>, ctx: RequestContext) -> Result<Json<Value>, Refused> {
    let cards = effect::text_cards(&state, &ctx).await?;
    let models: Vec<Value> = cards.iter().map(|card| listed(card).tag()).collect();
    Ok(Json(json!({ "models": models })))
}

/// What is loaded.
pub(super) async fn ps(State(state): State<AppState>, ctx: RequestContext) -> Result<Json<Value>, Refused> {
    let cards = effect::text_cards(&state, &ctx).await?;
    let mut models = Vec::new();
    for loaded in state.models().loaded() {
        let Some(card) = cards.iter().find(|card| card.name == loaded.name && !card.remote) else { continue };
        // A model that stays until its room is needed has no time to go: the protocol then says a far one.
        let far = || "9999-12-31T23:59:59Z".to_owned();
        let expires = loaded.expires.map_or_else(far, rfc3339);
        models.push(listed(card).running(loaded.bytes, &expires, loaded.context));
    }
    Ok(Json(json!({ "models": models })))
}

/// What a model is.
pub(super) async fn show(
    State(state): State<AppState>,
    ctx: RequestContext,
    Body(body): Body<Value>,
) -> Result<Json<Value>, Refused> {
    let named = Named::read(body).map_err(|e| ctx.refuse(e))?;
    let name = checked(&ctx, &named.model).map_err(|e| ctx.refuse(e))?;
    let card = effect::card(&state, &ctx, name).await?;
    Ok(Json(listed(&card).shown(&card.capabilities, card.context)))
}

/// Unloads and removes a model from the store.
pub(super) async fn delete(
    State(state): State<AppState>,
    ctx: RequestContext,
    Body(body): Body<Value>,
) -> Result<StatusCode, Refused> {
    let named = Named::read(body).map_err(|e| ctx.refuse(e))?;
    let name = checked(&ctx, &named.model).map_err(|e| ctx.refuse(e))?;
    let models = state.models().clone();
    let work = move || {
        // Also refuses what is no model's name; a model whose answers are still being made stays.
        models.unload(&name)?;
        models.hub().remove(&name)
    };
    let done = tokio::task::spawn_blocking(work).await;
    let fault = || Error::new(ErrorKind::Internal, "removing the model failed: a fault of Parasol's own");
    done.unwrap_or_else(|_| Err(fault())).map_err(|e| ctx.refuse(e))?;
    Ok(StatusCode::OK)
}
