//! `POST /v1/audio/speech`, and ElevenLabs' `POST /v1/text-to-speech/{voice}` and `GET /v1/voices`, which share its errors.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_runtime::sound::SoundFormat;
use parasol_wire::elevenlabs::{self, TextToSpeech};
use parasol_wire::openai::speech::SpeechCall;
use serde::Deserialize;
use serde_json::Value;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/audio/speech", post(create))
        .route("/v1/text-to-speech/{voice}", post(convert))
        .route("/v1/text-to-speech/{voice}/stream", post(convert))
        .route("/v1/voices", get(voices))
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
fn format(name: Option<&str>) -> Outcome<SoundFormat> {
    name.map_or(Ok(SoundFormat::Wav), |name| {
        let wrong = |e: Error| Error::new(ErrorKind::InvalidRequest, e.message().to_owned());
        name.parse().map_err(wrong)
    })
}

/// What stands in the address.
#[derive(Deserialize)]
struct Asked {
    output_format: Option<String>,
}

async fn convert(
    State(state): State<AppState>,
    ctx: RequestContext,
    Path(voice): Path<String>,
    Query(asked): Query<Asked>,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    converted(&state, &ctx, voice, asked, body).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn converted(
    state: &AppState,
    ctx: &RequestContext,
    voice: String,
    asked: Asked,
    body: Value,
) -> Outcome<Response> {
    let mut call = TextToSpeech::read(body)?;
    if !call.model.as_deref().is_some_and(|model| state.models().reaches(model)) {
        call.at_home();
    }
    let output = asked.output_format.as_deref().map(elevenlabs::output_format).transpose()?;
    let format = format(output.as_ref().map(|(name, _)| name.as_str()))?;
    let model = match call.model.take() {
        Some(model) => model,
        None => state.models().runtime().default_voice()?,
    };
    call.request.voice = Some(voice);
    let spoken = state.speak(ctx, &model, call.request).await?;
    // A rate of Opus is that of its decoder, which is any.
    if let Some((name, Some(rate))) = output
        && format != SoundFormat::Opus
        && rate != spoken.rate()
    {
        let message = format!(
            "output_format: {name} has {rate} Hz and the voice has {}: ask for {name}_{}",
            spoken.rate(),
            spoken.rate()
        );
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    let mut response = spoken.response(format, false)?;
    effect::report(&mut response, &call.noted);
    Ok(response)
}

/// The voices of the default model.
async fn voices(State(state): State<AppState>, ctx: RequestContext) -> Result<Response, Refused> {
    let find = async {
        let model = state.models().runtime().default_voice()?;
        let found = state.voices(&ctx, &model).await?;
        let all: Vec<_> = found.into_iter().map(|voice| (model.clone(), voice)).collect();
        Ok(axum::Json(elevenlabs::voices(&all)).into_response())
    };
    find.await.map_err(|e| ctx.refuse(e))
}
