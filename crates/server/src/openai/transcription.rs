//! `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`: a form with a file.

use crate::AppState;
use crate::context::RequestContext;
use crate::form::Form;
use crate::json::Refused;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::Response;
use axum::routing::post;
use parasol_core::{Result as Outcome, TranscribeTask};
use parasol_wire::openai::transcription::TranscriptionCall;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/audio/transcriptions", post(transcribe))
        .route("/v1/audio/translations", post(translate))
        // The server's own limit is kept below.
        .layer(DefaultBodyLimit::disable())
}

async fn transcribe(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    create(&state, &ctx, request, TranscribeTask::Transcribe).await
}

async fn translate(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    create(&state, &ctx, request, TranscribeTask::Translate).await
}

async fn create(
    state: &AppState,
    ctx: &RequestContext,
    request: Request,
    task: TranscribeTask,
) -> Result<Response, Refused> {
    let mut form = Form::read(state, ctx, request, &["file"]).await?;
    let file = form.file("file").map_err(|e| ctx.refuse(e))?;
    let call = TranscriptionCall::read(&form.fields, task).map_err(|e| ctx.refuse(e))?;
    answer(state, ctx, &call, file).await.or_else(|e| super::unanswered(ctx, e))
}

async fn answer(
    state: &AppState,
    ctx: &RequestContext,
    call: &TranscriptionCall,
    file: Vec<u8>,
) -> Outcome<Response> {
    let heard = state.transcribe(ctx, call, file).await?;
    match call.stream {
        true => Ok(heard.streamed()),
        false => heard.whole(call).await,
    }
}
