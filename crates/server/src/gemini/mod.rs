//! The routes of the Gemini dialect. Types and translation are `parasol-wire`'s; who may ask and how much is the door's.

mod embed;
mod generate;
mod models;
mod picture;
mod speech;
mod stream;

use crate::AppState;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parasol_core::Error;
use parasol_wire::gemini as wire;

/// The routes of this dialect. A model's name may hold slashes and colons, so that what follows it is told apart by hand.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1beta/models", get(models::list))
        .route("/v1beta/models/{*rest}", get(models::one).post(generate::call))
}

/// An error as this dialect reports it, with the status that belongs to its kind.
pub(crate) fn error(error: &Error) -> Response {
    let status = StatusCode::from_u16(wire::status(error)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer(status, &wire::error_body(error, None))
}

/// [`error`] with a status that no kind of error has, such as 413.
pub(crate) fn error_with(status: StatusCode, error: &Error) -> Response {
    answer(status, &wire::error_body(error, Some(status.as_u16())))
}

fn answer(status: StatusCode, body: &serde_json::Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body.to_string()).into_response()
}
