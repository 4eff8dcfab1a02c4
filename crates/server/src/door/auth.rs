//! Which key came with a request, and whether one is needed.

use super::Peer;
use super::host::is_own_page;
use crate::AppState;
use crate::keys::{Key, digest};
use crate::options::ServerOptions;
use crate::studio::session;
use axum::body::Body;
use axum::http::{Request, header};
use parasol_core::{Error, ErrorKind, Result};
use std::net::IpAddr;
use std::sync::Arc;

/// Paths that need no key: they tell nothing that is worth one.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/favicon.ico"];

/// Who a request comes from.
#[derive(Debug, Default)]
pub(super) struct Identity {
    /// The key; `None` where keys are not in use, or not needed.
    pub(super) key: Option<Arc<Key>>,
    /// The key was not sent: a session of the studio stands for it.
    pub(super) session: bool,
}

/// Who a request comes from.
///
/// # Errors
/// `Unauthenticated` without a right key, `RateLimited` for an address that has sent too many wrong ones, `Denied` for a
/// session that another page uses.
pub(super) fn identify(state: &AppState, peer: Peer, request: &Request<Body>) -> Result<Identity> {
    let path = request.uri().path();
    if !state.keys().required() || OPEN.contains(&path) {
        return Ok(Identity::default());
    }
    if let Some(secret) = secret(request) {
        let key = check_secret(state, peer.address, &secret)?;
        return Ok(Identity { key: Some(key), session: false });
    }
    // The pages themselves tell nothing: what they show they ask for, with a session.
    if crate::studio::is_page(request.method(), path) {
        return Ok(Identity::default());
    }
    if path.starts_with("/api/parasol/") {
        if crate::admin::token_is_right(state, request.headers()) {
            return Ok(Identity::default());
        }
        let signing_in = path == session::PATH;
        match session::key_of(state, request.headers()) {
            Some(_) if !signing_in && !is_own_page(request) => {
                let says = "a session serves only the page that began it, and this request does not say that it comes from there: \
                            send an API key instead";
                return Err(Error::new(ErrorKind::Denied, says));
            }
            Some(key) => return Ok(Identity { key: Some(key), session: true }),
            None if signing_in => return Ok(Identity::default()),
            None => {}
        }
    }
    Err(Error::new(
        ErrorKind::Unauthenticated,
        "this server needs an API key: send one as Authorization: Bearer, x-api-key or x-goog-api-key \
         (`parasol keys create` makes one)",
    ))
}

/// The key with this secret, unless the address has sent too many wrong ones.
///
/// # Errors
/// `Unauthenticated` for a wrong key, `RateLimited` for a guesser.
pub(crate) fn check_secret(state: &AppState, address: Option<IpAddr>, secret: &str) -> Result<Arc<Key>> {
    let Some(address) = address else { return found(state, secret) };
    let sum = digest(secret);
    if let Some(retry_after) = state.throttle().wait(address, &sum) {
        let says = format!("too many wrong API keys came from {address}: try again in {retry_after} s");
        return Err(Error::new(ErrorKind::RateLimited { retry_after }, says));
    }
    match found(state, secret) {
        Ok(key) => {
            state.throttle().right(address, &sum);
            Ok(key)
        }
        Err(error) => {
            state.throttle().wrong(address);
            Err(error)
        }
    }
}

fn found(state: &AppState, secret: &str) -> Result<Arc<Key>> {
    let unknown =
        "the API key is not known here, has expired or was revoked: `parasol keys create` makes one";
    state.keys().find(secret).ok_or_else(|| Error::new(ErrorKind::Unauthenticated, unknown))
}

/// The key wherever the four dialects put it.
fn secret(request: &Request<Body>) -> Option<String> {
    let headers = request.headers();
    let text =
        |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim).filter(|v| !v.is_empty());
    let bearer = text(header::AUTHORIZATION.as_str()).and_then(|value| {
        let (scheme, key) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
    });
    let query = || {
        let pairs = request.uri().query()?.split('&');
        pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == "key").map(|(_, value)| value)
    };
    // How pages send it with a WebSocket, for which they cannot set headers.
    let protocol = || {
        let offered = text("sec-websocket-protocol")?.split(',').map(str::trim);
        offered.filter_map(|name| name.strip_prefix("openai-insecure-api-key.")).next()
    };
    bearer
        .or_else(|| text("x-api-key"))
        .or_else(|| text("xi-api-key"))
        .or_else(|| text("x-goog-api-key"))
        .or_else(query)
        .or_else(protocol)
        .filter(|key| !key.is_empty())
        .map(str::to_owned)
}

/// Whether these addresses may be listened on: others than loopback only with a key, or on the user's own word.
///
/// # Errors
/// `Denied`, with the ways out.
pub(crate) fn listening_is_safe(options: &ServerOptions, keys: bool) -> Result<()> {
    match options.listen.iter().find(|a| !a.ip().is_loopback()) {
        Some(open) if !keys && !options.insecure => Err(Error::new(
            ErrorKind::Denied,
            format!(
                "{open} can be reached from other machines and there is no API key: make one with `parasol keys create`, \
                 listen on 127.0.0.1, or pass --insecure to let everyone in"
            ),
        )),
        _ => Ok(()),
    }
}
