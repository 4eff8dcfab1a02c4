//! The routes of presets.

use super::access::Segment;
use super::events::owner;
use super::store::{self, Parameters, Preset};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const LONGEST: usize = 100;

/// All presets.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PresetList {
    /// By name.
    presets: Vec<Preset>,
}

/// What a preset holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPreset {
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    system: Option<String>,
    #[serde(default)]
    parameters: Parameters,
}

/// The routes of presets.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/presets", get(list))
        .route("/api/parasol/presets/{name}", put(keep).delete(remove))
}

async fn list(State(state): State<AppState>, ctx: RequestContext) -> Result<Json<PresetList>, Refused> {
    let owner = owner(&ctx).to_owned();
    let presets = state.storage().run(move |db| store::presets(db, &owner)).await;
    presets.map(|presets| Json(PresetList { presets })).map_err(|e| ctx.refuse(e))
}

async fn keep(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(name): Segment,
    Body(NewPreset { model, system, parameters }): Body<NewPreset>,
) -> Result<Json<Preset>, Refused> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > LONGEST {
        let says =
            format!("the preset's name has {length} characters: it needs 1 to {LONGEST}, not only spaces");
        return Err(ctx.refuse(Error::new(ErrorKind::InvalidRequest, says)));
    }
    parameters.check().map_err(|e| ctx.refuse(e))?;
    let preset = Preset { name, model, system, parameters };
    let (owner, kept) = (owner(&ctx).to_owned(), preset.clone());
    let done = state.storage().run(move |db| store::preset_keep(db, &owner, &kept)).await;
    done.map(|()| Json(preset)).map_err(|e| ctx.refuse(e))
}

async fn remove(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(name): Segment,
) -> Result<StatusCode, Refused> {
    let owner = owner(&ctx).to_owned();
    let unknown = Error::new(ErrorKind::NotFound, format!("there is no preset {name}"));
    let removed = state.storage().run(move |db| store::preset_delete(db, &owner, &name)).await;
    match removed.map_err(|e| ctx.refuse(e))? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ctx.refuse(unknown)),
    }
}
