//! Errors in Anthropic's shape, and what a provider's errors mean here.
//!
//! Spec: <https://docs.anthropic.com/en/api/errors>.

use parasol_core::{Error, ErrorKind};
use serde_json::{Value, json};

/// The status and the `type` of a kind of error.
fn kind(kind: &ErrorKind) -> (u16, &'static str) {
    match kind {
        // A feature that is missing is no passing state: with a 5xx, clients would ask again.
        ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. } | ErrorKind::Unsupported => {
            (400, "invalid_request_error")
        }
        ErrorKind::Unauthenticated => (401, "authentication_error"),
        ErrorKind::Denied => (403, "permission_error"),
        ErrorKind::NotFound => (404, "not_found_error"),
        ErrorKind::RateLimited { .. } => (429, "rate_limit_error"),
        ErrorKind::Cancelled => (499, "api_error"),
        ErrorKind::Network => (502, "api_error"),
        ErrorKind::Timeout => (504, "timeout_error"),
        ErrorKind::Overloaded => (529, "overloaded_error"),
        _ => (500, "api_error"),
    }
}

/// The HTTP status of an error.
#[must_use]
pub fn status(error: &Error) -> u16 {
    kind(error.kind()).0
}

/// `{type, message}` of an error.
pub(super) fn error_object(error: &Error) -> Value {
    json!({ "type": kind(error.kind()).1, "message": message(error) })
}

/// Clients look for these words to know that a conversation has to be shortened.
fn message(error: &Error) -> String {
    match error.kind() {
        ErrorKind::ContextOverflow { needed, limit } => {
            format!("prompt is too long: {needed} tokens > {limit} maximum ({})", error.message())
        }
        _ => error.message().to_owned(),
    }
}

/// The body of an error response. A status that no kind of error has (413, 408, 405) is named by its own type.
#[must_use]
pub fn error_body(error: &Error, status: Option<u16>, request_id: Option<&str>) -> Value {
    let mut object = error_object(error);
    match status {
        Some(413) => object["type"] = "request_too_large".into(),
        Some(408) => object["type"] = "timeout_error".into(),
        Some(404) => object["type"] = "not_found_error".into(),
        Some(405 | 415 | 421) => object["type"] = "invalid_request_error".into(),
        _ => {}
    }
    let mut body = json!({ "type": "error", "error": object });
    if let Some(id) = request_id {
        body["request_id"] = id.into();
    }
    body
}

/// What an error response of a provider means: its status, its body and the seconds of its `retry-after`.
#[must_use]
pub fn error_from(status: u16, body: &Value, retry_after: Option<u64>) -> Error {
    let error = body.get("error").unwrap_or(body);
    let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
    let name = text("type");
    let kind = match (name, status) {
        ("authentication_error", _) | (_, 401) => ErrorKind::Unauthenticated,
        ("permission_error" | "billing_error", _) | (_, 402 | 403) => ErrorKind::Denied,
        ("not_found_error", _) | (_, 404) => ErrorKind::NotFound,
        ("rate_limit_error", _) | (_, 429) => {
            ErrorKind::RateLimited { retry_after: retry_after.unwrap_or(1) }
        }
        ("overloaded_error", _) | (_, 503 | 529) => ErrorKind::Overloaded,
        ("timeout_error", _) | (_, 408 | 504) => ErrorKind::Timeout,
        ("invalid_request_error" | "request_too_large", _) | (_, 400..=499) => {
            overflow(text("message")).unwrap_or(ErrorKind::InvalidRequest)
        }
        _ => ErrorKind::Network,
    };
    let said = match text("message") {
        "" => "no message".to_owned(),
        said => said.to_owned(),
    };
    Error::new(kind, format!("the provider answered {status} {name}: {said}"))
}

/// The numbers of `prompt is too long: N tokens > M maximum`.
fn overflow(message: &str) -> Option<ErrorKind> {
    let rest = message.strip_prefix("prompt is too long: ")?;
    let (needed, rest) = rest.split_once(" tokens > ")?;
    let limit = rest.split(' ').next()?;
    Some(ErrorKind::ContextOverflow { needed: needed.parse().ok()?, limit: limit.parse().ok()? })
}
