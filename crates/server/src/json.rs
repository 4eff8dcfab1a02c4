//! JSON bodies within their limits. What is wrong with one becomes a [`Refused`], which the dialect of the request words.

use crate::AppState;
use crate::dialect::Dialect;
use axum::body::Body as HttpBody;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use parasol_core::{Error, ErrorKind};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A request body read as JSON, whatever its `content-type` says (as the clients of all dialects expect) unless that is a form
/// with files. Refuses what is too large, too slow, packed, no UTF-8, malformed, nested deeper than 128 levels or of another shape,
/// each with a 400 (or 413, 408, 415) in the request's dialect.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

/// An error on its way out of a handler, in the dialect of the request. `?` in a handler makes one from an [`Error`] with the
/// help of [`crate::context::RequestContext::refuse`].
#[derive(Debug)]
pub(crate) struct Refused {
    dialect: Dialect,
    status: Option<StatusCode>,
    error: Error,
}

impl Refused {
    /// `error`, to be worded by `dialect`.
    pub(crate) fn new(dialect: Dialect, error: Error) -> Self {
        Self { dialect, status: None, error }
    }

    /// What was wrong.
    pub(crate) fn into_error(self) -> Error {
        self.error
    }

    /// The same, with a status where the kind of error has none of its own.
    pub(crate) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status);
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self.status {
            Some(status) => self.dialect.error_with(status, &self.error),
            None => self.dialect.error(&self.error),
        }
    }
}

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Refused> {
        let (parts, body) = request.into_parts();
        let dialect = parts.extensions.get::<Dialect>().copied().unwrap_or(Dialect::Parasol);
        let options = state.options();
        let bytes = read(&parts.headers, body, options.max_body, options.body_timeout, dialect).await?;
        parse(&bytes).map(Json).map_err(|error| Refused::new(dialect, error))
    }
}

/// The whole body, within `limit` bytes and `patience`.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: HttpBody,
    limit: usize,
    patience: Duration,
    dialect: Dialect,
) -> Result<Vec<u8>, Refused> {
    if let Some(what) = no_plain_json(headers) {
        let error = Error::new(ErrorKind::InvalidRequest, what);
        return Err(Refused::new(dialect, error).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    }
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let refuse = |message: String| Refused::new(dialect, Error::new(ErrorKind::InvalidRequest, message));
    let too_large = |size: String| {
        let message = format!(
            "the body is {size} bytes and the server takes {limit}: send less or raise its --max-body"
        );
        refuse(message).with_status(StatusCode::PAYLOAD_TOO_LARGE)
    };
    if let Some(size) = announced.filter(|n| usize::try_from(*n).map_or(true, |n| n > limit)) {
        return Err(too_large(size.to_string()));
    }
    match tokio::time::timeout(patience, Limited::new(body, limit).collect()).await {
        Ok(Ok(bytes)) => Ok(bytes.to_bytes().into()),
        Ok(Err(e)) if e.is::<LengthLimitError>() || mentions_limit(&*e) => Err(too_large("more".into())),
        Ok(Err(e)) => Err(refuse(format!("the body broke off: {e}"))),
        Err(_) => {
            let seconds = patience.as_secs();
            Err(refuse(format!(
                "the body did not arrive within {seconds} s: send it faster or in smaller parts"
            ))
            .with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

/// What a body is instead of JSON that can be read as it stands, by its headers.
fn no_plain_json(headers: &HeaderMap) -> Option<String> {
    let text =
        |name| headers.get(name).map(|v| String::from_utf8_lossy(v.as_bytes()).trim().to_ascii_lowercase());
    let packed = text(header::CONTENT_ENCODING).filter(|how| !matches!(how.as_str(), "" | "identity"));
    if let Some(how) = packed {
        return Some(format!("the body is packed as {how:?}: send it without a content-encoding"));
    }
    let form = text(header::CONTENT_TYPE).filter(|kind| kind.starts_with("multipart/"))?;
    let kind = form.split(';').next().unwrap_or_default();
    Some(format!("the body is {kind}: send application/json"))
}

/// Whether a limit on lengths is somewhere among the causes.
fn mentions_limit(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(e) = cause {
        if e.is::<LengthLimitError>() {
            return true;
        }
        cause = e.source();
    }
    false
}

/// JSON of the expected shape, or what is wrong with it and where.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let invalid = |message: String| Error::new(ErrorKind::InvalidRequest, message);
    let text = std::str::from_utf8(bytes).map_err(|e| {
        invalid(format!("the body is no UTF-8: byte {} begins no character", e.valid_up_to()))
    })?;
    if text.trim().is_empty() {
        return Err(invalid("the body is empty: send a JSON object".into()));
    }
    serde_json::from_str(text).map_err(|e| match e.classify() {
        serde_json::error::Category::Data => invalid(format!("the body has the wrong shape: {e}")),
        _ => invalid(format!("the body is no valid JSON: {e}")),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::Value;

    #[test]
    fn what_is_wrong_with_a_body_is_said() {
        let says = |bytes: &[u8], part: &str| {
            let e = parse::<Value>(bytes).unwrap_err();
            assert!(e.message().contains(part), "{e}");
            assert_eq!(*e.kind(), ErrorKind::InvalidRequest);
        };
        says(b"", "empty");
        says(b"{", "line 1 column 1");
        says(b"\xff\xfe", "UTF-8");
        says("[".repeat(100_000).as_bytes(), "recursion limit");
        assert!(parse::<Vec<u8>>(b"{}").unwrap_err().message().contains("wrong shape"));
        assert_eq!(parse::<Value>(b" {} ").unwrap(), serde_json::json!({}));
    }
}
