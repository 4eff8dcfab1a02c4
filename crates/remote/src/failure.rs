//! How a try failed: what that says about the backend, about trying elsewhere or again, and to the caller.

use crate::backend::{Backend, Verdict};
use parasol_core::{Error, ErrorKind};
use parasol_wire::client;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
use std::time::Duration;
use tokio::time::timeout;

/// As much of an error's body is read.
const LARGEST_ERROR: usize = 64 << 10;

/// How a try failed.
pub(crate) struct Failure {
    pub(crate) error: Error,
    pub(crate) verdict: Verdict,
    /// Whether another backend may do better.
    pub(crate) elsewhere: bool,
    /// Whether the same backend may do better after a while.
    pub(crate) again: bool,
}

impl Failure {
    /// A request that a backend's protocol has no words for: another's may.
    pub(crate) fn unwritable(error: Error) -> Self {
        Self { error, verdict: Verdict::Good, elsewhere: true, again: false }
    }
}

/// A response that is a stream, or what else it says.
pub(crate) async fn checked(backend: &Backend, name: &str, response: Response) -> Result<Response, Failure> {
    let status = response.status();
    let kind = response.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if status == StatusCode::OK && kind.trim_start().to_ascii_lowercase().starts_with("text/event-stream") {
        return Ok(response);
    }
    let explain = |kind, message: &str| backend.address.explain(name, kind, message);
    if status.is_success() || status.is_redirection() {
        let message = format!(
            "it answered with status {} and {:?} where a stream of events was due: is the address right?",
            status.as_u16(),
            kind.chars().take(100).collect::<String>()
        );
        let error = explain(ErrorKind::Network, &message);
        return Err(Failure { error, verdict: Verdict::Bad, elsewhere: true, again: false });
    }
    Err(refusal(backend, name, response).await)
}

/// What a response says that is no success.
pub(crate) async fn refusal(backend: &Backend, name: &str, mut response: Response) -> Failure {
    let status = response.status();
    let explain = |kind, message: &str| backend.address.explain(name, kind, message);
    let wait = retry_after(response.headers());
    let body = small_body(&mut response).await;
    let told = client::error(backend.protocol, status.as_u16(), &body, wait);
    refused(backend, status, wait, &told, &explain)
}

/// The seconds that a backend asks to wait, rounded up: as a number, in Google's and OpenAI's milliseconds, or as a date.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    if let Some(milliseconds) = text("retry-after-ms").and_then(|t| t.parse::<f64>().ok()) {
        return Some((milliseconds / 1000.0).ceil().clamp(0.0, 86_400.0) as u64);
    }
    let wanted = text(RETRY_AFTER.as_str())?;
    if let Ok(seconds) = wanted.parse::<f64>() {
        return Some(seconds.ceil().clamp(0.0, 86_400.0) as u64);
    }
    let at = date(wanted)?;
    let seconds = at.as_second().saturating_sub(jiff::Timestamp::now().as_second());
    Some(u64::try_from(seconds).unwrap_or(0).min(86_400))
}

/// How long a refusal asks to wait.
pub(crate) fn wait_of(error: &Error) -> Option<Duration> {
    match error.kind() {
        ErrorKind::RateLimited { retry_after } => Some(Duration::from_secs(*retry_after)),
        _ => None,
    }
}

/// A date in one of the three forms that HTTP has (RFC 9110, section 5.6.7).
fn date(text: &str) -> Option<jiff::Timestamp> {
    if let Ok(date) = jiff::fmt::rfc2822::parse(text) {
        return Some(date.timestamp());
    }
    let older = ["%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];
    let date = older.iter().find_map(|form| jiff::civil::DateTime::strptime(form, text).ok())?;
    jiff::tz::TimeZone::UTC.to_timestamp(date).ok()
}

/// What a refusal says about the backend, and to the caller.
fn refused(
    backend: &Backend,
    status: StatusCode,
    wait: Option<u64>,
    told: &Error,
    explain: &dyn Fn(ErrorKind, &str) -> Error,
) -> Failure {
    let code = status.as_u16();
    let failure = |error, verdict, elsewhere, again| Failure { error, verdict, elsewhere, again };
    match code {
        429 | 503 | 529 => {
            let told_to = match told.kind() {
                ErrorKind::RateLimited { retry_after } if wait.is_none() => Some(*retry_after),
                _ => wait,
            };
            let verdict = match (code, told_to) {
                (503 | 529, None) => Verdict::Bad,
                (_, wait) => Verdict::Busy(Duration::from_secs(wait.unwrap_or(1))),
            };
            failure(explain(told.kind().clone(), told.message()), verdict, true, true)
        }
        // Some filters refuse with this status what is asked for, and not who asks.
        403 if *told.kind() == ErrorKind::InvalidRequest => {
            failure(explain(told.kind().clone(), told.message()), Verdict::Good, false, false)
        }
        // The caller did nothing wrong with its own key, or with its own name for the model.
        401 | 403 => {
            let way_out = match backend.address.key_name() {
                Some(name) => format!("check the key in {name}"),
                None => "it wants a key: name its variable in api_key_env".to_owned(),
            };
            let message = format!("{}; {way_out}", told.message());
            failure(explain(ErrorKind::Network, &message), Verdict::Bad, true, false)
        }
        404 | 410 => {
            let ends = backend.ends.as_ref().map(|day| format!(", which its provider ends on {day}"));
            let message = format!(
                "{} (it was asked for the model {:?}{})",
                told.message(),
                backend.model,
                ends.unwrap_or_default()
            );
            failure(explain(ErrorKind::Network, &message), Verdict::Bad, true, false)
        }
        400..=499 if code != 408 => {
            failure(explain(told.kind().clone(), told.message()), Verdict::Good, false, false)
        }
        _ => failure(explain(told.kind().clone(), told.message()), Verdict::Bad, true, true),
    }
}

/// The beginning of a body, within a moment.
pub(crate) async fn small_body(response: &mut Response) -> Vec<u8> {
    let mut body = Vec::new();
    let read = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend(chunk.iter().take(LARGEST_ERROR.saturating_sub(body.len())));
            if body.len() >= LARGEST_ERROR {
                break;
            }
        }
    };
    // What has come until then says enough.
    let _ = timeout(Duration::from_secs(5), read).await;
    body
}

pub(crate) fn slow(backend: &Backend, name: &str, what: &str, limit: Duration, fresh: bool) -> Failure {
    let message = format!("it {what} within {:.1} s", limit.as_secs_f64());
    let error = backend.address.explain(name, ErrorKind::Timeout, &message);
    // Somebody has waited long enough; another address may be quicker, the same one will not.
    Failure { error, verdict: Verdict::Bad, elsewhere: fresh, again: false }
}

pub(crate) fn transport(backend: &Backend, name: &str, error: &reqwest::Error, fresh: bool) -> Failure {
    let verdict = if error.is_connect() { Verdict::Unreachable } else { Verdict::Bad };
    let what = if error.is_connect() { "it cannot be reached" } else { "the connection broke" };
    let message = format!("{what}: {}", innermost(error));
    let error = backend.address.explain(name, ErrorKind::Network, &message);
    Failure { error, verdict, elsewhere: fresh, again: fresh }
}

/// Whether a connection that had been made ended without a byte of an answer.
pub(crate) fn broke_unanswered(error: &reqwest::Error) -> bool {
    let mut inner: &dyn std::error::Error = error;
    while let Some(source) = inner.source() {
        inner = source;
        if let Some(http) = inner.downcast_ref::<hyper::Error>()
            && (http.is_incomplete_message() || http.is_canceled() || http.is_closed())
        {
            return true;
        }
    }
    let gone = |kind| matches!(kind, ConnectionReset | ConnectionAborted | BrokenPipe | UnexpectedEof);
    !error.is_connect() && inner.downcast_ref::<std::io::Error>().is_some_and(|e| gone(e.kind()))
}

/// The cause that says something: the outer ones repeat the URL.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(source) = inner.source() {
        inner = source;
    }
    inner.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use reqwest::header::HeaderValue;

    #[test]
    fn waits_are_read_in_every_form() {
        let wait = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_str(value).unwrap());
            retry_after(&headers)
        };
        assert_eq!(wait("retry-after", "7"), Some(7));
        assert_eq!(wait("retry-after", "0.2"), Some(1));
        assert_eq!(wait("retry-after-ms", "1500"), Some(2));
        assert_eq!(wait("retry-after", "soon"), None);
        assert_eq!(wait("retry-after", "-5"), Some(0));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), Some(0));
        assert!(wait("retry-after", "Wed, 21 Oct 2099 07:28:00 GMT") == Some(86_400));
        // The older forms, which servers may still write.
        assert_eq!(wait("retry-after", "Wednesday, 21-Oct-15 07:28:00 GMT"), Some(0));
        assert_eq!(wait("retry-after", "Thursday, 21-Oct-66 07:28:00 GMT"), Some(86_400));
        assert_eq!(wait("retry-after", "Sun Nov  6 08:49:37 1994"), Some(0));
        assert_eq!(wait("retry-after", "Wed Oct 21 07:28:00 2099"), Some(86_400));
    }
}
