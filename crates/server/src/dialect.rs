//! Which protocol a request speaks, so that what the door refuses is refused in the words that its client understands.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use parasol_core::{Error, ErrorKind};
use serde_json::json;

/// A protocol that the server speaks. The door puts it into the request's extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    /// OpenAI: `/v1/…`.
    OpenAi,
    /// Anthropic: `/v1/messages…`, `/anthropic/…`, and `/v1/models` with an `anthropic-version` header.
    Anthropic,
    /// Gemini: `/v1beta/…`.
    Gemini,
    /// Ollama: `/api/…`.
    Ollama,
    /// Parasol's own pages and `/api/parasol/…`.
    Parasol,
}

/// Where only Google's clients go.
const GOOGLES: [&str; 5] = ["/v1beta", "/v1alpha", "/v1beta1", "/gemini", "/upload"];
/// Where they never go, whatever header a key was put into.
const NEVER_GOOGLES: [&str; 4] = ["/v1/chat", "/v1/completions", "/v1/responses", "/v1/messages"];

impl Dialect {
    /// The dialect of a request, from its address and headers.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let path = uri.path();
        let under = |prefix: &str| {
            path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
        };
        if under("/api/parasol") {
            Self::Parasol
        } else if under("/api") {
            Self::Ollama
        } else if GOOGLES.iter().any(|prefix| under(prefix))
            || (under("/v1") && is_googles(uri, headers) && !NEVER_GOOGLES.iter().any(|prefix| under(prefix)))
            // Google's clients with the stable version of the API.
            || names_a_gemini_method(path)
        {
            Self::Gemini
        } else if under("/v1/messages")
            || under("/v1/complete")
            || under("/anthropic")
            || (under("/v1") && headers.contains_key("anthropic-version"))
        {
            Self::Anthropic
        } else if under("/v1") {
            Self::OpenAi
        } else {
            Self::Parasol
        }
    }

    /// Its name in logs and metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
            Self::Ollama => "ollama",
            Self::Parasol => "parasol",
        }
    }

    /// An error in this dialect's shape, with `retry-after` where it is known when to come back.
    pub(crate) fn error(self, error: &Error) -> Response {
        let mut response = match self {
            Self::OpenAi => crate::openai::error(error),
            Self::Anthropic => crate::anthropic::error(error),
            Self::Gemini => crate::gemini::error(error),
            Self::Ollama => crate::ollama::error(error),
            Self::Parasol => plain(error),
        };
        let seconds = match error.kind() {
            ErrorKind::RateLimited { retry_after } => Some((*retry_after).max(1)),
            ErrorKind::Overloaded => Some(1),
            _ => None,
        };
        if let Some(seconds) = seconds {
            response.headers_mut().entry(header::RETRY_AFTER).or_insert_with(|| HeaderValue::from(seconds));
        }
        response
    }

    /// [`Self::error`] with a status that no kind of error has, such as 405 or 413.
    pub(crate) fn error_with(self, status: StatusCode, error: &Error) -> Response {
        let mut response = match self {
            Self::Anthropic => crate::anthropic::error_with(status, error),
            Self::Gemini => crate::gemini::error_with(status, error),
            Self::OpenAi => crate::openai::error_with(status, error),
            Self::Ollama | Self::Parasol => self.error(error),
        };
        *response.status_mut() = status;
        response
    }
}

/// Where a request goes that means a dialect whose paths are another's: Anthropic's and Gemini's `/v1/models` beside OpenAI's.
/// `None` leaves it where it is.
///
/// `anthropic::routes()` therefore serves its models at `/anthropic/v1/models…`, `gemini::routes()` everything at
/// `/v1beta/…`. What comes as `/anthropic/v1/messages` or `/gemini/v1beta/…` (a base URL with that prefix) is handed to the
/// same routes.
pub(crate) fn rewritten(dialect: Dialect, uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let to = match dialect {
        Dialect::Anthropic if path == "/v1/models" || path.starts_with("/v1/models/") => {
            format!("/anthropic{path}")
        }
        Dialect::Anthropic => {
            path.strip_prefix("/anthropic").filter(|rest| rest.starts_with("/v1/messages"))?.to_owned()
        }
        Dialect::Gemini => {
            // `/v1/models` means Google's when its client's key comes along.
            let rest = path.strip_prefix("/gemini").or_else(|| path.starts_with("/v1/").then_some(path))?;
            match rest.strip_prefix("/v1/") {
                Some(rest) => format!("/v1beta/{rest}"),
                None => rest.to_owned(),
            }
        }
        _ => return None,
    };
    let query = uri.query().map(|q| format!("?{q}")).unwrap_or_default();
    format!("{to}{query}").parse().ok()
}

/// Whether a request below `/v1` comes from a client of Google's: it says so, or carries the key as only they do.
fn is_googles(uri: &Uri, headers: &HeaderMap) -> bool {
    let key = || uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("key=")));
    headers.contains_key("x-goog-api-key")
        || headers.contains_key("x-goog-api-client")
        || (uri.path().starts_with("/v1/models") && key())
}

/// `/v1/models/NAME:generateContent` and kin.
fn names_a_gemini_method(path: &str) -> bool {
    let method = path.strip_prefix("/v1/models/").and_then(|rest| rest.rsplit_once(':')).map(|(_, m)| m);
    let known =
        ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"];
    method.is_some_and(|method| known.contains(&method))
}

/// An error of Parasol's own pages: `{"error": {"code": …, "message": …}}`.
pub(crate) fn plain(error: &Error) -> Response {
    let body = json!({ "error": { "code": kind_name(error.kind()), "message": error.message() } });
    (status(error.kind()), Json(body)).into_response()
}

/// The HTTP status of a kind of error, where a dialect has none of its own.
pub(crate) fn status(kind: &ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. } => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        ErrorKind::Overloaded | ErrorKind::OutOfMemory => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Unsupported => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Network => StatusCode::BAD_GATEWAY,
        ErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::NoSpace => StatusCode::INSUFFICIENT_STORAGE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A kind of error in one word, for logs, metrics and Parasol's own errors.
pub(crate) fn kind_name(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "invalid_request",
        ErrorKind::ContextOverflow { .. } => "context_overflow",
        ErrorKind::NotFound => "not_found",
        ErrorKind::Corrupt => "corrupt",
        ErrorKind::Unsupported => "unsupported",
        ErrorKind::Denied => "denied",
        ErrorKind::Checksum => "checksum",
        ErrorKind::Network => "network",
        ErrorKind::NoSpace => "no_space",
        ErrorKind::OutOfMemory => "out_of_memory",
        ErrorKind::Unauthenticated => "unauthenticated",
        ErrorKind::RateLimited { .. } => "rate_limited",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Timeout => "timeout",
        ErrorKind::Cancelled => "cancelled",
        ErrorKind::Io => "io",
        _ => "internal",
    }
}

/// Whether a response is a refusal of the router's own: a 404 and 405 without a body, or what is wrong with a path or a query
/// as plain text.
pub(crate) fn is_the_routers(dialect: Dialect, response: &Response<Body>) -> bool {
    use hyper::body::Body as _;
    let refused = response.status().is_client_error();
    match response.headers().get(header::CONTENT_TYPE) {
        None => response.body().size_hint().exact() == Some(0),
        // Parasol's own pages are plain text, too.
        Some(kind) => refused && dialect != Dialect::Parasol && kind.as_bytes().starts_with(b"text/plain"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn of(path: &str) -> Dialect {
        Dialect::of(&path.parse().unwrap(), &HeaderMap::new())
    }

    fn with(name: &'static str, path: &str) -> Dialect {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_static("x"));
        Dialect::of(&path.parse().unwrap(), &headers)
    }

    #[test]
    fn paths_say_the_dialect() {
        assert_eq!(of("/v1/chat/completions"), Dialect::OpenAi);
        assert_eq!(of("/v1/messages"), Dialect::Anthropic);
        assert_eq!(of("/v1/messagesx"), Dialect::OpenAi);
        assert_eq!(of("/v1beta/models"), Dialect::Gemini);
        assert_eq!(of("/api/chat"), Dialect::Ollama);
        assert_eq!(of("/api/parasol/ps"), Dialect::Parasol);
        assert_eq!(of("/metrics"), Dialect::Parasol);
        assert_eq!(of("/v1alpha/models"), Dialect::Gemini);
        assert_eq!(of("/v1/models?key=k"), Dialect::Gemini);
        assert_eq!(of("/v1/chat/completions?key=k"), Dialect::OpenAi);
        assert_eq!(with("anthropic-version", "/v1/models"), Dialect::Anthropic);
        assert_eq!(with("x-goog-api-key", "/v1/files"), Dialect::Gemini);
        assert_eq!(with("x-goog-api-key", "/v1/chat/completions"), Dialect::OpenAi);
        assert_eq!(with("x-goog-api-key", "/v1/messages"), Dialect::Anthropic);
    }

    #[test]
    fn shared_paths_are_told_apart() {
        let to = |dialect, uri: &str| rewritten(dialect, &uri.parse().unwrap()).map(|u| u.to_string());
        assert_eq!(to(Dialect::Anthropic, "/v1/models?limit=2").unwrap(), "/anthropic/v1/models?limit=2");
        assert_eq!(to(Dialect::Anthropic, "/anthropic/v1/messages").unwrap(), "/v1/messages");
        assert_eq!(to(Dialect::Anthropic, "/v1/messages"), None);
        assert_eq!(to(Dialect::OpenAi, "/v1/models/a"), None);
        let stable = "/v1/models/a:countTokens";
        assert_eq!(to(of(stable), stable).unwrap(), "/v1beta/models/a:countTokens");
        assert_eq!(to(Dialect::Gemini, "/gemini/v1beta/models").unwrap(), "/v1beta/models");
    }
}
