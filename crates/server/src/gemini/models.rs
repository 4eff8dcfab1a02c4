//! `GET /v1beta/models` and one of them.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::Refused;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use parasol_core::{Error, ErrorKind, SamplingChoice};
use parasol_runtime::ModelCard;
use parasol_wire::gemini::{Model, page};

/// A page of the models that can be asked for.
pub(super) async fn list(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Refused> {
    let invalid = |e: String| ctx.refuse(Error::new(ErrorKind::InvalidRequest, e));
    let Query(query) = query.map_err(|e| invalid(e.body_text()))?;
    let models: Vec<Model> = effect::chat_cards(&state, &ctx).await?.iter().map(model).collect();
    let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let list = page(&models, query).map_err(|e| ctx.refuse(e))?;
    Ok(super::answer(StatusCode::OK, &list))
}

/// One model.
pub(super) async fn one(
    State(state): State<AppState>,
    ctx: RequestContext,
    name: Result<Path<String>, PathRejection>,
) -> Result<Response, Refused> {
    let Path(name) = name.map_err(|e| ctx.refuse(Error::new(ErrorKind::InvalidRequest, e.body_text())))?;
    let card = effect::card(&state, &ctx, name).await?;
    Ok(super::answer(StatusCode::OK, &model(&card).object()))
}

fn model(card: &ModelCard) -> Model {
    let known = [card.family.clone(), card.quantisation.clone()];
    Model {
        name: card.name.clone(),
        display_name: card.title.clone().unwrap_or_else(|| card.name.clone()),
        description: known.into_iter().flatten().collect::<Vec<_>>().join(", "),
        context: card.context,
        thinking: card.capabilities.iter().any(|c| c == "thinking" || c == "reasoning"),
        // A card knows no recommended sampling, and the model is not loaded for a list.
        recommended: SamplingChoice::default(),
    }
}
