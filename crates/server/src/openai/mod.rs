//! The routes of the OpenAI dialect. Types and translation are `parasol-wire`'s; who may ask and how much is the door's.

mod chat;
mod completions;
mod elevenlabs;
mod embeddings;
mod images;
mod models;
mod paging;
mod realtime;
mod responses;
pub(crate) mod several;
mod speech;
mod stream;
mod transcription;
mod videos;
mod voices;

use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use parasol_core::{Error, ErrorKind};
use parasol_wire::openai::{encode::Head, error as wire};
use std::time::{SystemTime, UNIX_EPOCH};

/// What this protocol has and no engine offers yet.
const NOT_OFFERED: [&str; 21] = [
    "/v1/moderations",
    "/v1/images",
    "/v1/audio",
    "/v1/files",
    "/v1/uploads",
    "/v1/batches",
    "/v1/fine_tuning",
    "/v1/assistants",
    "/v1/threads",
    "/v1/vector_stores",
    "/v1/conversations",
    "/v1/containers",
    "/v1/evals",
    "/v1/realtime/calls",
    "/v1/realtime/client_secrets",
    "/v1/realtime/sessions",
    "/v1/realtime/transcription_sessions",
    "/v1/realtime/translations",
    "/v1/chatkit",
    "/v1/skills",
    "/v1/responses/compact",
];

/// The routes of this dialect.
pub(crate) fn routes() -> Router<AppState> {
    let offered = Router::new()
        .route("/v1/models", get(models::list))
        .route("/v1/models/{*id}", get(models::one))
        .route("/v1/chat/completions", post(chat::create))
        .route("/v1/completions", post(completions::create))
        .route("/v1/embeddings", post(embeddings::create))
        .merge(realtime::routes())
        .merge(responses::routes())
        .merge(speech::routes())
        .merge(elevenlabs::routes())
        .merge(images::routes())
        .merge(transcription::routes())
        .merge(videos::routes())
        .merge(voices::routes());
    NOT_OFFERED.iter().fold(offered, |router, path| {
        router.route(path, any(not_offered)).route(&format!("{path}/{{*rest}}"), any(not_offered))
    })
}

/// An error as this dialect reports it, with the status that belongs to its kind.
pub(crate) fn error(error: &Error) -> Response {
    let status =
        StatusCode::from_u16(wire::status(error.kind())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, [(header::CONTENT_TYPE, "application/json")], wire::body(error).to_string()).into_response()
}

/// [`error`] with a status that no kind of error has, such as 413.
pub(crate) fn error_with(status: StatusCode, error: &Error) -> Response {
    let body = wire::body_with(error, status.as_u16());
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

/// What asking a model ended with instead of an answer: that there is no such model has a code of its own.
fn unanswered(ctx: &RequestContext, error: Error) -> Result<Response, Refused> {
    match error.kind() {
        ErrorKind::NotFound => Ok(model_missing(&error)),
        _ => Err(ctx.refuse(error)),
    }
}

fn model_missing(error: &Error) -> Response {
    let head = [(header::CONTENT_TYPE, "application/json")];
    (StatusCode::NOT_FOUND, head, wire::model_body(error).to_string()).into_response()
}

/// A status that clients do not try again, in the request's dialect: other protocols have some of these paths, too.
async fn not_offered(ctx: RequestContext, request: axum::extract::Request) -> Refused {
    let path = request.uri().path();
    let message = format!("{path} is not offered: no engine of this server does that yet");
    ctx.refuse(Error::new(ErrorKind::Unsupported, message))
}

/// What the parts of an answer have in common.
fn head(ctx: &RequestContext, prefix: &str, model: &str) -> Head {
    let fingerprint = concat!("parasol-", env!("CARGO_PKG_VERSION")).to_owned();
    Head { id: format!("{prefix}-{}", ctx.id()), created: now(), model: model.to_owned(), fingerprint }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
