//! `POST /v1/images/generations`, and `POST /v1/images/edits`: a form with pictures.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::form::Form;
use crate::json::{Json, Refused};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use parasol_core::Result as Outcome;
use parasol_wire::openai::images::ImagesCall;
use serde_json::Value;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    // The server's own limit of forms is kept below.
    let edits = Router::new().route("/v1/images/edits", post(edit)).layer(DefaultBodyLimit::disable());
    Router::new().route("/v1/images/generations", post(generate)).merge(edits)
}

async fn generate(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let call = ImagesCall::read(body).map_err(|e| ctx.refuse(e))?;
    answer(&state, &ctx, call).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn edit(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    let form = Form::read(&state, &ctx, request, &["image", "mask"]).await?;
    let call = ImagesCall::form(&form.fields, form.files).map_err(|e| ctx.refuse(e))?;
    answer(&state, &ctx, call).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn answer(state: &AppState, ctx: &RequestContext, mut call: ImagesCall) -> Outcome<Response> {
    // The pictures that came with it are needed once.
    let request = parasol_core::ImagineRequest {
        pictures: std::mem::take(&mut call.request.pictures),
        mask: call.request.mask.take(),
        ..call.request.clone()
    };
    let painted = state.imagine(ctx, &call.model, request).await?;
    let told = [call.noted.as_slice(), painted.ignored()].concat();
    let mut response = match call.stream {
        true => painted.streamed(call),
        false => {
            let (pictures, usage) = painted.whole().await?;
            let body = call.answer(super::now(), &pictures, &usage).to_string();
            ([(header::CONTENT_TYPE, "application/json")], body).into_response()
        }
    };
    effect::report(&mut response, &told);
    Ok(response)
}
