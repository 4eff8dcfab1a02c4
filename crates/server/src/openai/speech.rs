//! `POST /v1/audio/speech`.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_runtime::sound::SoundFormat;
use parasol_wire::openai::speech::SpeechCall;
use serde_json::Value;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/v1/audio/speech", post(create))
}

async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    answer(&state, &ctx, body).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn answer(state: &AppState, ctx: &RequestContext, body: Value) -> Outcome<Response> {
    let mut call = SpeechCall::read(body)?;
    if !state.models().reaches(&call.model) {
        call.at_home();
    }
    let format = format(call.format.as_deref())?;
    let spoken = state.speak(ctx, &call.model, call.request).await?;
    let mut response = spoken.response(format, call.events)?;
    effect::report(&mut response, &call.noted);
    Ok(response)
}

/// WAV where nothing is said: the protocols' own default is MP3, which is not written here.
pub(super) fn format(name: Option<&str>) -> Outcome<SoundFormat> {
    name.map_or(Ok(SoundFormat::Wav), |name| {
        let wrong = |e: Error| Error::new(ErrorKind::InvalidRequest, e.message().to_owned());
        name.parse().map_err(wrong)
    })
}
