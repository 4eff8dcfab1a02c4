//! `POST /v1/audio/transcriptions` and `POST /v1/audio/translations`: a form with a file.

use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::response::Response;
use axum::routing::post;
use axum::{Router, http::StatusCode};
use parasol_core::{Error, ErrorKind, Result as Outcome, TranscribeTask};
use parasol_wire::openai::transcription::TranscriptionCall;

/// The longest field that is no file.
const LONGEST_FIELD: usize = 64 << 10;

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
    let patience = state.options().body_timeout;
    let (call, file) = match tokio::time::timeout(patience, form(state, request, task)).await {
        Ok(Ok(read)) => read,
        Ok(Err((status, error))) => {
            return match status {
                Some(status) => Ok(ctx.dialect().error_with(status, &error)),
                None => Err(ctx.refuse(error)),
            };
        }
        Err(_) => {
            let message = format!("the form did not arrive within {} s: send it faster", patience.as_secs());
            let error = Error::new(ErrorKind::InvalidRequest, message);
            return Ok(ctx.dialect().error_with(StatusCode::REQUEST_TIMEOUT, &error));
        }
    };
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

type Wrong = (Option<StatusCode>, Error);

fn wrong(message: impl Into<String>) -> Wrong {
    (None, Error::new(ErrorKind::InvalidRequest, message))
}

/// The fields of the form, and the file.
async fn form(
    state: &AppState,
    request: Request,
    task: TranscribeTask,
) -> Result<(TranscriptionCall, Vec<u8>), Wrong> {
    let limit = state.options().max_body;
    let mut form = Multipart::from_request(request, state)
        .await
        .map_err(|e| wrong(format!("the request is no form with a file (multipart/form-data): {e}")))?;
    let (mut fields, mut file, mut size) = (Vec::new(), None, 0_usize);
    let broken = |e: axum::extract::multipart::MultipartError| {
        wrong(format!("the form is damaged: {}", e.body_text()))
    };
    while let Some(mut field) = form.next_field().await.map_err(broken)? {
        let name = field.name().unwrap_or_default().to_owned();
        let most = if name == "file" { limit } else { LONGEST_FIELD };
        let mut bytes = Vec::new();
        while let Some(piece) = field.chunk().await.map_err(broken)? {
            size = size.saturating_add(piece.len());
            if bytes.len() + piece.len() > most || size > limit {
                let message = format!(
                    "the field {name} is larger than the {} bytes that the server takes: send less or raise its --max-body",
                    most.min(limit)
                );
                let error = Error::new(ErrorKind::InvalidRequest, message);
                return Err((Some(StatusCode::PAYLOAD_TOO_LARGE), error));
            }
            bytes.extend_from_slice(&piece);
        }
        if name == "file" {
            file = Some(bytes);
        } else {
            let text =
                String::from_utf8(bytes).map_err(|_| wrong(format!("the field {name} is no UTF-8")))?;
            fields.push((name, text));
        }
    }
    let file = file.ok_or_else(|| wrong("file is missing: send the sound in a field of that name"))?;
    let call = TranscriptionCall::read(&fields, task).map_err(|e| (None, e))?;
    Ok((call, file))
}
