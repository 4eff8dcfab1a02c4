//! The door: what every request passes before its handler and what happens to its answer after. Hosts and origins are
//! [`host`]'s, keys are [`auth`]'s.

mod auth;
mod host;

pub(crate) use auth::{check_secret, listening_is_safe};

use crate::AppState;
use crate::context::RequestContext;
use crate::dialect::{self, Dialect};
use crate::effect;
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parasol_core::{Error, ErrorKind};
use std::net::IpAddr;
use std::time::Instant;
use tower::ServiceExt;

const REQUEST_ID: &str = "x-request-id";
/// Most bytes of the router's own words; they name a parameter or a part of the path.
const MOST_SAID: usize = 64 << 10;

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// The client's address; none through a Unix socket.
    pub(crate) address: Option<IpAddr>,
    /// Whether the connection reached the server on a loopback address (or a Unix socket).
    pub(crate) loopback: bool,
}

/// Serves one request.
pub(crate) async fn enter(
    state: AppState,
    router: Router,
    peer: Peer,
    mut request: Request<Body>,
) -> Response {
    let begun = Instant::now();
    let id = request_id(request.headers());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let dialect = Dialect::of(request.uri(), request.headers());
    let origin = request.headers().get(header::ORIGIN).cloned();
    let (mut response, key) = match admit(&state, peer, dialect, &id, &mut request) {
        Admitted::Preflight(response) => (response, None),
        Admitted::No(status, error) => (refusal(dialect, status, &error), None),
        Admitted::Yes(context) => {
            let key = context.key().map(|k| k.name.clone());
            let mut response = route(router, dialect, request).await;
            effect::report(&mut response, &context.ignored());
            (response, key)
        }
    };
    if let Some(origin) = origin {
        host::open_to(state.options(), &origin, response.headers_mut());
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        if dialect == Dialect::Anthropic {
            // Where its clients look for the id, of what the door refuses too.
            response.headers_mut().insert("request-id", value.clone());
        }
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response.headers_mut().insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    let status = response.status().as_u16();
    let key = key.as_deref().unwrap_or_default();
    state.metrics().request(dialect.name(), key, status);
    let milliseconds = begun.elapsed().as_secs_f64() * 1000.0;
    let address = peer.address.map(tracing::field::display);
    tracing::info!(request = id, %method, path, status, milliseconds, dialect = dialect.name(), key, peer = address, "request");
    response
}

enum Admitted {
    Yes(RequestContext),
    No(Option<StatusCode>, Error),
    Preflight(Response),
}

/// Bytes of a request's address and headers. The library that reads them stops a while after its limit only, depending on how
/// they arrive.
fn head_bytes(request: &Request<Body>) -> usize {
    let uri = request.uri();
    let address =
        uri.authority().map_or(0, |a| a.as_str().len()) + uri.path().len() + uri.query().map_or(0, str::len);
    request.headers().iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
        + address
}

/// The head's size, host, origin, key and rate, in this order.
fn admit(state: &AppState, peer: Peer, dialect: Dialect, id: &str, request: &mut Request<Body>) -> Admitted {
    let (head, most) = (head_bytes(request), state.options().max_header_bytes);
    if head > most {
        let message = format!("the head of the request is {head} bytes and the server takes {most}");
        let error = Error::new(ErrorKind::InvalidRequest, message);
        return Admitted::No(Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE), error);
    }
    if let Err((status, error)) = host::check(state.options(), peer, request) {
        return Admitted::No(Some(status), error);
    }
    if request.method() == Method::OPTIONS
        && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
    {
        return Admitted::Preflight(host::preflight(request.headers()));
    }
    let identity = match auth::identify(state, peer, request) {
        Ok(identity) => identity,
        Err(error) => return Admitted::No(None, error),
    };
    // A page that looks on asks often and computes nothing: that is not what a key's rate is for.
    let looks = identity.session && request.method().is_safe();
    let key = identity.key;
    if let Some(Err(error)) = key.as_deref().filter(|_| !looks).map(|key| state.limits().request(key)) {
        return Admitted::No(None, error);
    }
    let context = RequestContext::new(id.to_owned(), dialect, peer.address, key);
    request.extensions_mut().insert(dialect);
    request.extensions_mut().insert(context.clone());
    Admitted::Yes(context)
}

/// Hands the request to its handler, and words the router's own refusals in the dialect.
async fn route(router: Router, dialect: Dialect, mut request: Request<Body>) -> Response {
    // What the client asked for is what it is told about.
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    if let Some(uri) = dialect::rewritten(dialect, request.uri()) {
        *request.uri_mut() = uri;
    }
    let response = match router.oneshot(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    if !dialect::is_the_routers(dialect, &response) || method == Method::HEAD {
        return response;
    }
    let status = response.status();
    let allow = response.headers().get(header::ALLOW).cloned();
    let (kind, says) = match status {
        StatusCode::NOT_FOUND => {
            (ErrorKind::NotFound, format!("there is nothing at {path}: / says what this server offers"))
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            let allowed = allow.as_ref().and_then(|v| v.to_str().ok()).unwrap_or("others");
            (ErrorKind::InvalidRequest, format!("{path} does not take {method}: it takes {allowed}"))
        }
        status if status.is_client_error() => {
            let said = axum::body::to_bytes(response.into_body(), MOST_SAID).await.unwrap_or_default();
            (ErrorKind::InvalidRequest, String::from_utf8_lossy(&said).into_owned())
        }
        _ => return response,
    };
    let mut refused = dialect.error_with(status, &Error::new(kind, says));
    if let Some(allow) = allow {
        refused.headers_mut().insert(header::ALLOW, allow);
    }
    refused
}

fn refusal(dialect: Dialect, status: Option<StatusCode>, error: &Error) -> Response {
    match status {
        Some(status) => dialect.error_with(status, error),
        None => dialect.error(error),
    }
    .into_response()
}

/// The client's own id where it is one that can stand in a log, else a new one.
fn request_id(headers: &HeaderMap) -> String {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.' | b':');
    let own = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    match own.filter(|id| (1..=128).contains(&id.len()) && id.bytes().all(plain)) {
        Some(id) => id.to_owned(),
        // Without randomness an id that repeats is better than no answer.
        None => format!("req_{}", crate::keys::random_hex::<12>().unwrap_or_default()),
    }
}
