//! The routes of the models: what there is, loading and unloading, pins, removing. What is shown of a model is [`view`]'s.

pub(super) mod view;

use super::access::{Admin, Segment, blocking, is_admin};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use crate::keys::Key;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use view::{Model, ModelDetails, ModelList};

/// Whether a model is kept.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pin {
    /// Never unload it for others.
    pinned: bool,
}

/// The routes of the models.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/models", get(list))
        .route("/api/parasol/models/{name}", get(details).delete(remove))
        .route("/api/parasol/models/{name}/load", post(load))
        .route("/api/parasol/models/{name}/unload", post(unload))
        .route("/api/parasol/models/{name}/pin", post(pin))
}

async fn list(State(state): State<AppState>, ctx: RequestContext) -> Result<Json<ModelList>, Refused> {
    let key = ctx.key().cloned();
    let list = blocking(&state, move |s| view::list(s, key.as_deref())).await;
    list.map(Json).map_err(|e| ctx.refuse(e))
}

async fn details(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    Segment(name): Segment,
) -> Result<Json<ModelDetails>, Refused> {
    let (key, path) = (ctx.key().cloned(), is_admin(&state, &ctx, &headers));
    let details = blocking(&state, move |s| view::details(s, key.as_deref(), &name, path)).await;
    details.map(Json).map_err(|e| ctx.refuse(e))
}

/// Runs `work` on a model that is there, tells that models changed, and shows the model.
async fn change(
    state: &AppState,
    ctx: &RequestContext,
    name: String,
    work: impl FnOnce(&AppState, &Model) -> Result<()> + Send + 'static,
) -> Result<Json<Model>, Refused> {
    let key: Option<Arc<Key>> = ctx.key().cloned();
    let changed = blocking(state, move |s| {
        let model = view::one(s, key.as_deref(), &name)?;
        let done = work(s, &model);
        super::publish_models(s);
        done?;
        view::one(s, key.as_deref(), &model.name)
    });
    changed.await.map(Json).map_err(|e| ctx.refuse(e))
}

async fn load(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(name): Segment,
) -> Result<Json<Model>, Refused> {
    let load = |s: &AppState, model: &Model| {
        here(model)?;
        s.models().acquire(&model.name).map(drop)
    };
    change(&state, &ctx, name, load).await
}

async fn unload(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(name): Segment,
) -> Result<Json<Model>, Refused> {
    let unload = |s: &AppState, model: &Model| s.models().unload(&model.name).map(drop);
    change(&state, &ctx, name, unload).await
}

async fn pin(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(name): Segment,
    Body(Pin { pinned }): Body<Pin>,
) -> Result<Json<Model>, Refused> {
    let pin = move |s: &AppState, model: &Model| {
        here(model)?;
        if model.remote {
            let says = format!("{} is computed elsewhere: there is nothing to keep here", model.name);
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        s.models().pin(&model.name, pinned)
    };
    change(&state, &ctx, name, pin).await
}

async fn remove(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(name): Segment,
) -> Result<StatusCode, Refused> {
    let key = ctx.key().cloned();
    let removed = blocking(&state, move |s| {
        view::refuse_path(&name)?;
        let model = view::one(s, key.as_deref(), &name)?;
        if model.remote {
            let says = format!("{} is computed elsewhere: there is nothing to remove here", model.name);
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        here(&model)?;
        if s.house().pulls.is_running(&model.name) {
            let says = format!("{} is being fetched: pause or remove its pull first", model.name);
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        // A model whose answers are still being made stays.
        s.models().unload(&model.name)?;
        let removed = s.models().hub().remove(&model.name).map(drop);
        super::publish_models(s);
        removed
    });
    removed.await.map(|()| StatusCode::NO_CONTENT).map_err(|e| ctx.refuse(e))
}

/// Refuses a model that has not been fetched.
fn here(model: &Model) -> Result<()> {
    if model.installed || model.remote {
        return Ok(());
    }
    let says = format!("{} is not on this disk: fetch it first", model.name);
    Err(Error::new(ErrorKind::NotFound, says))
}
