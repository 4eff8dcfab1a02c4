//! Errors as OpenAI's clients expect them: a status and `{"error": {message, type, param, code}}`.

use parasol_core::{Error, ErrorKind};
use serde_json::{Value, json};

/// The HTTP status. Clients try 408, 409, 429 and everything from 500 again, so what cannot succeed later is a 4xx.
pub fn status(kind: &ErrorKind) -> u16 {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. } | ErrorKind::Unsupported => 400,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Denied => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::RateLimited { .. } => 429,
        ErrorKind::Cancelled => 499,
        ErrorKind::Network => 502,
        ErrorKind::Overloaded | ErrorKind::OutOfMemory => 503,
        ErrorKind::Timeout => 504,
        _ => 500,
    }
}

/// The `type` and `code` of a kind.
fn words(kind: &ErrorKind) -> (&'static str, Option<&'static str>) {
    match kind {
        ErrorKind::ContextOverflow { .. } => ("invalid_request_error", Some("context_length_exceeded")),
        ErrorKind::InvalidRequest => ("invalid_request_error", None),
        ErrorKind::Unsupported => ("invalid_request_error", Some("unsupported")),
        ErrorKind::NotFound => ("invalid_request_error", Some("not_found")),
        ErrorKind::Unauthenticated => ("authentication_error", Some("invalid_api_key")),
        ErrorKind::Denied => ("permission_error", Some("permission_denied")),
        ErrorKind::RateLimited { .. } => ("rate_limit_error", Some("rate_limit_exceeded")),
        ErrorKind::Overloaded => ("server_error", Some("overloaded")),
        ErrorKind::OutOfMemory => ("server_error", Some("out_of_memory")),
        ErrorKind::Timeout => ("server_error", Some("timeout")),
        _ => ("server_error", None),
    }
}

/// The body, also of an error inside a stream.
pub fn body(error: &Error) -> Value {
    let (kind, code) = words(error.kind());
    let param = param(error);
    // Clients that start a conversation over look for this code.
    let code = if param == Some("previous_response_id") { Some("previous_response_not_found") } else { code };
    json!({ "error": {
        "message": error.message(), "type": kind, "param": param, "code": code,
    } })
}

/// The body with a status that no kind of error has: clients tell these apart by their codes.
pub fn body_with(error: &Error, status: u16) -> Value {
    let mut body = body(error);
    let code = match status {
        405 => "method_not_allowed",
        408 => "timeout",
        413 => "request_too_large",
        415 => "unsupported_media_type",
        421 => "misdirected_request",
        _ => return body,
    };
    // The request is at fault in all of them, whatever the kind.
    body["error"]["type"] = json!("invalid_request_error");
    body["error"]["code"] = json!(code);
    body
}

/// The body for a model that is not there: clients look for this code.
pub fn model_body(error: &Error) -> Value {
    let mut body = body(error);
    if *error.kind() == ErrorKind::NotFound {
        body["error"]["code"] = json!("model_not_found");
        body["error"]["param"] = json!("model");
    }
    body
}

/// The parameter that a refusal names: complaints begin with its path.
fn param(error: &Error) -> Option<&str> {
    if !matches!(error.kind(), ErrorKind::InvalidRequest | ErrorKind::Unsupported) {
        return None;
    }
    let (path, _) = error.message().split_once(": ")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    Some(path).filter(|p| !p.is_empty() && p.len() <= 200 && p.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_numbers_and_the_code_of_an_overflow_are_told() {
        let error = Error::context_overflow(9120, 8192);
        let body = body(&error);
        assert_eq!(status(error.kind()), 400);
        assert_eq!(body["error"]["code"], "context_length_exceeded");
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(message.contains("9120") && message.contains("8192"), "{message}");
    }

    #[test]
    fn the_refused_parameter_is_named() {
        let error = Error::new(ErrorKind::InvalidRequest, "messages.0.role: must be a string, not a number");
        assert_eq!(body(&error)["error"]["param"], "messages.0.role");
        let error = Error::new(ErrorKind::InvalidRequest, "the body is empty: send a JSON object");
        assert!(body(&error)["error"]["param"].is_null());
    }
}
