//! The routes of the OpenAI dialect. Types and translation are `parasol-wire`'s; who may ask and how much is the door's.

use crate::AppState;
use axum::Router;
use axum::response::{IntoResponse, Response};
use parasol_core::Error;

/// The routes of this dialect.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
}

/// An error as this dialect reports it, with the status that belongs to its kind.
pub(crate) fn error(error: &Error) -> Response {
    crate::dialect::plain(error).into_response()
}
