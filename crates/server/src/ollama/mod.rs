//! The routes of the Ollama dialect. Types and translation are `parasol-wire`'s; who may ask and how much is the door's.

mod answer;
mod embed;
mod models;
mod pull;

use crate::AppState;
use crate::context::RequestContext;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use axum::{Json, Router};
use futures_core::Stream;
use jiff::Timestamp;
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_wire::ollama as wire;
use serde_json::{Value, json};
use std::convert::Infallible;
use std::time::SystemTime;

/// What this protocol has and this server does not.
const NOT_OFFERED: [&str; 4] = ["/api/create", "/api/copy", "/api/push", "/api/blobs/{*digest}"];

/// The routes of this dialect.
pub(crate) fn routes() -> Router<AppState> {
    let offered = Router::new()
        .route("/api/generate", post(answer::generate))
        .route("/api/chat", post(answer::chat))
        .route("/api/embed", post(embed::embed))
        .route("/api/embeddings", post(embed::embeddings))
        .route("/api/tags", get(models::tags))
        .route("/api/ps", get(models::ps))
        .route("/api/show", post(models::show))
        .route("/api/delete", delete(models::delete))
        .route("/api/pull", post(pull::pull))
        .route("/api/version", get(version));
    NOT_OFFERED.iter().fold(offered, |router, path| router.route(path, any(not_offered)))
}

/// An error as this dialect reports it, with the status that belongs to its kind.
pub(crate) fn error(error: &Error) -> Response {
    let status =
        StatusCode::from_u16(wire::status(error.kind())).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, Json(wire::error_body(error))).into_response()
}

async fn version() -> Json<Value> {
    Json(json!({ "version": wire::PROTOCOL, "parasol": env!("CARGO_PKG_VERSION") }))
}

async fn not_offered(request: axum::extract::Request) -> Response {
    let path = request.uri().path();
    let message = format!("{path} is not offered: this server does not do that yet");
    error(&Error::new(ErrorKind::Unsupported, message))
}

/// A time as the protocol writes it.
fn rfc3339(time: SystemTime) -> String {
    Timestamp::try_from(time).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}

/// Lines of JSON as they are made.
fn lines(stream: impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static) -> Response {
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(stream)).into_response()
}

/// A line of a stream.
fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// The name without the tag that means none here, refused when the request's key may not use it or it is a path: over the
/// network models are named, never files.
fn checked(ctx: &RequestContext, name: &str) -> Outcome<String> {
    let name = name.strip_suffix(":latest").unwrap_or(name);
    if let Some(key) = ctx.key().filter(|key| !key.allows_model(name)) {
        let message = format!("the key {} may not use {name}", key.name);
        return Err(Error::new(ErrorKind::Denied, message));
    }
    Ok(name.to_owned())
}
