//! Errors in the shape of `google.rpc.Status`, and what a provider's errors mean here.
//!
//! Spec: <https://ai.google.dev/gemini-api/docs/troubleshooting>.

use parasol_core::{Error, ErrorKind};
use serde_json::{Value, json};

/// The HTTP status of a kind of error, and its canonical name.
fn kind(kind: &ErrorKind) -> (u16, &'static str) {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. } => (400, "INVALID_ARGUMENT"),
        ErrorKind::Unauthenticated => (401, "UNAUTHENTICATED"),
        ErrorKind::Denied => (403, "PERMISSION_DENIED"),
        ErrorKind::NotFound => (404, "NOT_FOUND"),
        ErrorKind::RateLimited { .. } => (429, "RESOURCE_EXHAUSTED"),
        ErrorKind::Cancelled => (499, "CANCELLED"),
        ErrorKind::Unsupported => (501, "UNIMPLEMENTED"),
        ErrorKind::Overloaded | ErrorKind::OutOfMemory | ErrorKind::Network => (503, "UNAVAILABLE"),
        ErrorKind::Timeout => (504, "DEADLINE_EXCEEDED"),
        _ => (500, "INTERNAL"),
    }
}

/// The HTTP status of an error.
#[must_use]
pub fn status(error: &Error) -> u16 {
    kind(error.kind()).0
}

/// The body of an error response; `status` where no kind of error has it (413, 408, 405).
#[must_use]
pub fn error_body(error: &Error, status: Option<u16>) -> Value {
    let (code, name) = match (status, kind(error.kind())) {
        (Some(408), (code, _)) => (code, "DEADLINE_EXCEEDED"),
        (Some(405 | 413 | 415 | 421), (code, _)) => (code, "INVALID_ARGUMENT"),
        (_, kind) => kind,
    };
    let message = match error.kind() {
        // Google's own words, which clients look for.
        ErrorKind::ContextOverflow { needed, limit } => format!(
            "The input token count ({needed}) exceeds the maximum number of tokens allowed ({limit}). {}",
            error.message()
        ),
        _ => error.message().to_owned(),
    };
    let mut body = json!({ "code": status.unwrap_or(code), "message": message, "status": name });
    if let ErrorKind::RateLimited { retry_after } = error.kind() {
        body["details"] = json!([{
            "@type": "type.googleapis.com/google.rpc.RetryInfo",
            "retryDelay": format!("{retry_after}s"),
        }]);
    }
    json!({ "error": body })
}

/// What an error response of a provider means: its status, its body and the seconds of its `retry-after`.
#[must_use]
pub fn error_from(status: u16, body: &Value, retry_after: Option<u64>) -> Error {
    // A stream's error may come as the only element of a list.
    let body = body.get(0).unwrap_or(body);
    let error = body.get("error").unwrap_or(body);
    let name = error.get("status").and_then(Value::as_str).unwrap_or_default();
    let said = error.get("message").and_then(Value::as_str).unwrap_or("no message");
    let kind = match (name, status) {
        ("UNAUTHENTICATED", _) | (_, 401) => ErrorKind::Unauthenticated,
        ("PERMISSION_DENIED", _) | (_, 403) => ErrorKind::Denied,
        ("NOT_FOUND", _) | (_, 404) => ErrorKind::NotFound,
        // The longer of what the head and the body say.
        ("RESOURCE_EXHAUSTED", _) | (_, 429) => {
            ErrorKind::RateLimited { retry_after: retry_delay(error).max(retry_after.unwrap_or(0)) }
        }
        ("UNIMPLEMENTED", _) | (_, 501) => ErrorKind::Unsupported,
        ("UNAVAILABLE", _) | (_, 503 | 529) => ErrorKind::Overloaded,
        ("DEADLINE_EXCEEDED", _) | (_, 408 | 504) => ErrorKind::Timeout,
        ("CANCELLED", _) | (_, 499) => ErrorKind::Cancelled,
        ("INVALID_ARGUMENT" | "FAILED_PRECONDITION" | "OUT_OF_RANGE", _) | (_, 400..=499) => {
            overflow(said).unwrap_or(ErrorKind::InvalidRequest)
        }
        _ => ErrorKind::Network,
    };
    Error::new(kind, format!("the provider answered {status} {name}: {said}"))
}

/// Whole seconds of `RetryInfo`, rounded up.
fn retry_delay(error: &Value) -> u64 {
    let details = error.get("details").and_then(Value::as_array);
    let delay = details.and_then(|list| list.iter().find_map(|d| d.get("retryDelay")?.as_str()));
    let seconds = delay.and_then(|d| d.strip_suffix('s')?.parse::<f64>().ok());
    seconds.filter(|s| (0.0..86_400.0).contains(s)).map_or(1, |s| s.ceil() as u64)
}

/// The numbers of `The input token count (N) exceeds the maximum number of tokens allowed (M)`.
fn overflow(message: &str) -> Option<ErrorKind> {
    let rest = message.strip_prefix("The input token count (")?;
    let (needed, rest) = rest.split_once(')')?;
    let (_, rest) = rest.split_once("allowed (")?;
    let (limit, _) = rest.split_once(')')?;
    Some(ErrorKind::ContextOverflow { needed: needed.parse().ok()?, limit: limit.parse().ok()? })
}
