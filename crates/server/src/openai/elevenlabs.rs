//! ElevenLabs' `POST /v1/text-to-speech/{voice}` and its voices, among them those that were added; errors are worded as OpenAI's.

use super::speech::format;
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::form::Form;
use crate::json::{Json, Refused};
use crate::studio::{Segment, blocking};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use parasol_core::{Error, ErrorKind, Result as Outcome, Voice};
use parasol_runtime::KeptVoice;
use parasol_runtime::kept::NewVoice;
use parasol_runtime::sound::SoundFormat;
use parasol_wire::elevenlabs::{self, AddVoice, TextToSpeech};
use serde::Deserialize;
use serde_json::Value;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/text-to-speech/{voice}", post(convert))
        .route("/v1/text-to-speech/{voice}/stream", post(convert))
        .route("/v1/voices", get(voices))
        .route("/v1/voices/add", post(add))
        .route("/v1/voices/{voice}", get(voice).delete(remove))
        // The server's own limit is kept by the form.
        .layer(DefaultBodyLimit::disable())
}

/// What stands in the address.
#[derive(Deserialize)]
struct Asked {
    output_format: Option<String>,
}

async fn convert(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(voice): Segment,
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
        None => {
            let (owner, voice) = (ctx.owner(), voice.clone());
            blocking(state, move |state| state.models().runtime().voice_model(&owner, Some(&voice))).await?
        }
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

/// A voice that was added, with the models that can imitate it.
fn cloned(voice: &KeptVoice, models: &[&str]) -> Value {
    elevenlabs::cloned(&voice.id, &voice.name, &voice.description, voice.created, models)
}

/// The voices of the default model, and those that were added.
async fn voices(State(state): State<AppState>, ctx: RequestContext) -> Result<Response, Refused> {
    let find = async {
        let model = state.models().runtime().default_voice()?;
        let (own, _) = state.voices(&ctx, &model).await?;
        let added = state.kept(&ctx, |kept, owner| kept.list(owner)).await?;
        let models: Vec<_> = state.models().runtime().imitators().collect();
        let mut all: Vec<_> = own.iter().map(|voice| elevenlabs::voice(&model, voice)).collect();
        all.extend(added.iter().map(|voice| cloned(voice, &models)));
        Ok(axum::Json(elevenlabs::voices(&all)).into_response())
    };
    find.await.map_err(|e| ctx.refuse(e))
}

/// One of them.
async fn voice(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(name): Segment,
) -> Result<Response, Refused> {
    let find = async {
        let wanted = name.clone();
        if let Some(voice) = state.kept(&ctx, move |kept, owner| kept.find(owner, &wanted)).await? {
            let models: Vec<_> = state.models().runtime().imitators().collect();
            return Ok(axum::Json(cloned(&voice, &models)).into_response());
        }
        let model = state.models().runtime().default_voice()?;
        let (own, _) = state.voices(&ctx, &model).await?;
        let found = Voice::named(&own, &name).and_then(|at| own.get(at)).ok_or_else(|| {
            let shown: String = name.chars().take(80).collect();
            Error::new(ErrorKind::NotFound, format!("there is no voice {shown:?}: GET /v1/voices lists them"))
        })?;
        Ok(axum::Json(elevenlabs::voice(&model, found)).into_response())
    };
    find.await.map_err(|e| ctx.refuse(e))
}

async fn add(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    let form = Form::read(&state, &ctx, request, &["files"]).await?;
    let work = async {
        let asked = AddVoice::read(&form.fields)?;
        let new = NewVoice {
            name: asked.name,
            owner: ctx.owner(),
            files: form.files.into_iter().map(|(_, bytes)| bytes).collect(),
            transcript: None,
            description: asked.description,
            way: "the field consent".into(),
            recorded: None,
        };
        let added = state.kept(&ctx, |kept, _| kept.add(new)).await?;
        let mut response = axum::Json(elevenlabs::added(&added.id)).into_response();
        effect::report(&mut response, &asked.noted);
        Ok(response)
    };
    work.await.map_err(|e| ctx.refuse(e))
}

async fn remove(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(name): Segment,
) -> Result<Response, Refused> {
    let gone = state.kept(&ctx, move |kept, owner| kept.remove(owner, &name)).await;
    gone.map(|_| axum::Json(elevenlabs::removed()).into_response()).map_err(|e| ctx.refuse(e))
}
