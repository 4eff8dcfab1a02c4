//! The routes of the Anthropic dialect. Types and translation are `parasol-wire`'s; who may ask and how much is the door's.

mod messages;
mod models;

use crate::AppState;
use crate::context::RequestContext;
use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use parasol_core::{Error, ErrorKind};
use parasol_wire::anthropic as wire;

/// The header in which clients look for the request's id.
const REQUEST_ID: &str = "request-id";

/// The routes of this dialect.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/messages", post(messages::create))
        .route("/v1/messages/count_tokens", post(messages::count))
        .route("/v1/messages/batches", any(no_batches))
        .route("/v1/messages/batches/{*rest}", any(no_batches))
        .route("/anthropic/v1/models", get(models::list))
        .route("/anthropic/v1/models/{*id}", get(models::one))
        .layer(from_fn(name_request))
}

/// An error as this dialect reports it, with the status that belongs to its kind.
pub(crate) fn error(error: &Error) -> Response {
    let status = StatusCode::from_u16(wire::status(error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(status, &wire::error_body(error, None, None))
}

/// [`error`] with a status that no kind of error has, such as 413.
pub(crate) fn error_with(status: StatusCode, error: &Error) -> Response {
    answer(status, &wire::error_body(error, Some(status.as_u16()), None))
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}

async fn no_batches(ctx: RequestContext) -> Response {
    let what = "message batches are not offered: send the messages one by one to /v1/messages";
    ctx.refuse(Error::new(ErrorKind::Unsupported, what)).into_response()
}

/// Anthropic's clients report the request's id from a header of their own.
async fn name_request(ctx: Option<RequestContext>, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if let Some(id) = ctx.and_then(|ctx| HeaderValue::from_str(ctx.id()).ok()) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}
