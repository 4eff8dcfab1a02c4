//! The routes of pulls: HTTP in, [`super::Pulls`] behind it.

use super::Pull;
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use crate::studio::access::{Admin, Segment, blocking};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// All pulls.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PullList {
    /// The oldest first.
    pulls: Vec<Pull>,
}

/// What to fetch.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPull {
    /// A name of the catalogue, or `hf:owner/repo` with `:file` or `:quantisation`.
    model: String,
    /// Whether its terms are accepted, where it has some that must be.
    #[serde(default)]
    accept_licence: bool,
}

/// The routes of pulls.
pub(in crate::studio) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/pulls", get(list).post(start))
        .route("/api/parasol/pulls/{id}", delete(remove))
        .route("/api/parasol/pulls/{id}/pause", post(pause))
        .route("/api/parasol/pulls/{id}/resume", post(resume))
}

async fn list(State(state): State<AppState>) -> Json<PullList> {
    Json(PullList { pulls: state.house().pulls.list() })
}

async fn start(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Body(NewPull { model, accept_licence }): Body<NewPull>,
) -> Result<(StatusCode, Json<Pull>), Refused> {
    let key = ctx.key().cloned();
    let started = blocking(&state, move |s| {
        if key.is_some_and(|key| !key.allows_model(&model)) {
            return Err(Error::new(ErrorKind::Denied, format!("the key may not use {model}")));
        }
        s.house().pulls.start(s, &model, accept_licence)
    });
    started.await.map(|pull| (StatusCode::ACCEPTED, Json(pull))).map_err(|e| ctx.refuse(e))
}

async fn pause(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Json<Pull>, Refused> {
    let paused = blocking(&state, move |s| s.house().pulls.pause(s, &id)).await;
    paused.map(Json).map_err(|e| ctx.refuse(e))
}

async fn resume(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Json<Pull>, Refused> {
    let resumed = blocking(&state, move |s| s.house().pulls.resume(s, &id)).await;
    resumed.map(Json).map_err(|e| ctx.refuse(e))
}

async fn remove(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<StatusCode, Refused> {
    let removed = blocking(&state, move |s| s.house().pulls.remove(s, &id)).await;
    removed.map(|()| StatusCode::NO_CONTENT).map_err(|e| ctx.refuse(e))
}
