//! Who the request was addressed to and which page sent it: against DNS rebinding (a foreign name that points at loopback) and
//! against web pages that call a server on the visitor's machine.

use super::Peer;
use crate::options::ServerOptions;
use axum::body::Body;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use parasol_core::{Error, ErrorKind};
use std::net::IpAddr;

type Refusal = (StatusCode, Error);

/// Refuses a request to a name that is not ours, or from a page that may not call us.
pub(super) fn check(options: &ServerOptions, peer: Peer, request: &Request<Body>) -> Result<(), Refusal> {
    let authority = authority(request)?;
    check_host(options, peer, authority.host())?;
    let headers = request.headers();
    match headers.get(header::ORIGIN) {
        Some(origin) => check_origin(options, origin, &authority),
        // A page's request without `Origin`: an image, a script, a form that only reads.
        None => match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
            Some(b"cross-site" | b"same-site")
                if headers.get("sec-fetch-mode").is_none_or(|mode| mode != "navigate") =>
            {
                Err(denied("a page of another site may not call this server".into()))
            }
            _ => Ok(()),
        },
    }
}

/// The one name that the request is addressed to.
fn authority(request: &Request<Body>) -> Result<Authority, Refusal> {
    let bad = |says: &str| (StatusCode::BAD_REQUEST, Error::new(ErrorKind::InvalidRequest, says));
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next().ok_or_else(|| bad("the request has no Host header: send one"))?;
    if hosts.next().is_some() {
        return Err(bad("the request has several Host headers: send one"));
    }
    let host = Authority::try_from(host.as_bytes()).map_err(|_| bad("the Host header is no host"))?;
    match request.uri().authority() {
        Some(other) if *other != host => Err(bad("the Host header and the address of the request differ")),
        _ if host.as_str().contains('@') => Err(bad("the Host header is no host")),
        _ => Ok(host),
    }
}

fn check_host(options: &ServerOptions, peer: Peer, host: &str) -> Result<(), Refusal> {
    let bare = host.trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    let own = match bare.parse::<IpAddr>() {
        // A rebound name is a name: an address in its place comes from who knows the server.
        Ok(address) => address.is_loopback() || !peer.loopback || listens_at(options, address),
        Err(_) => bare == "localhost" || bare.ends_with(".localhost"),
    };
    let configured = options.hosts.iter().any(|name| name == "*" || name.eq_ignore_ascii_case(&bare));
    if own || configured {
        return Ok(());
    }
    let says =
        format!("this server does not answer to the name {host:?}: start it with --host {bare} if it should");
    Err((StatusCode::MISDIRECTED_REQUEST, Error::new(ErrorKind::Denied, says)))
}

fn listens_at(options: &ServerOptions, address: IpAddr) -> bool {
    options.listen.iter().any(|own| own.ip() == address)
}

fn check_origin(options: &ServerOptions, origin: &HeaderValue, host: &Authority) -> Result<(), Refusal> {
    if is_open_to(options, origin) {
        return Ok(());
    }
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let text = origin.to_str().unwrap_or_default();
    if text.eq_ignore_ascii_case(&format!("{scheme}://{host}")) {
        return Ok(());
    }
    Err(denied(format!(
        "pages of {origin:?} may not call this server: start it with --cors-origin and that origin if they should"
    )))
}

/// Whether the request says that it comes from this server's own page, as browsers do. [`check`] has looked at it before.
pub(super) fn is_own_page(request: &Request<Body>) -> bool {
    let headers = request.headers();
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    match (text("origin"), text("sec-fetch-site")) {
        (Some(origin), _) => {
            // The scheme may be another in front of a proxy that speaks TLS.
            let host = text("host").unwrap_or_default();
            !host.is_empty()
                && origin.split_once("://").is_some_and(|(_, from)| from.eq_ignore_ascii_case(host))
        }
        (None, Some(site)) => site == "same-origin" || (site == "none" && request.method().is_safe()),
        (None, None) => request.method().is_safe(),
    }
}

fn denied(says: String) -> Refusal {
    (StatusCode::FORBIDDEN, Error::new(ErrorKind::Denied, says))
}

fn is_open_to(options: &ServerOptions, origin: &HeaderValue) -> bool {
    options.cors_origins.iter().any(|o| o == "*" || o.trim_end_matches('/').as_bytes() == origin.as_bytes())
}

/// Lets a page of an allowed origin read the answer.
pub(super) fn open_to(options: &ServerOptions, origin: &HeaderValue, headers: &mut HeaderMap) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if is_open_to(options, origin) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, request-id, retry-after, x-parasol-without-effect"),
        );
    }
}

/// The answer to a browser that asks beforehand; [`check`] has let it through, and [`open_to`] adds who may.
pub(super) fn preflight(asked: &HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    );
    if let Some(wanted) = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
    }
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}
