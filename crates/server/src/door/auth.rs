//! Which key came with a request, and whether one is needed.

use super::Peer;
use crate::AppState;
use crate::keys::{Key, digest};
use crate::options::ServerOptions;
use axum::body::Body;
use axum::http::{Request, header};
use parasol_core::{Error, ErrorKind, Result};
use std::sync::Arc;

/// Paths that need no key: they tell nothing that is worth one.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/favicon.ico"];

/// The key of a request; `None` where keys are not in use, or not needed.
///
/// # Errors
/// `Unauthenticated` without a right key, `RateLimited` for an address that has sent too many wrong ones.
pub(super) fn identify(state: &AppState, peer: Peer, request: &Request<Body>) -> Result<Option<Arc<Key>>> {
    if !state.keys().required() || OPEN.contains(&request.uri().path()) {
        return Ok(None);
    }
    let Some(secret) = secret(request) else {
        // The server's own token opens the administration, whose handlers check it.
        if request.headers().contains_key(crate::admin::TOKEN_HEADER)
            && request.uri().path().starts_with("/api/parasol/")
        {
            return Ok(None);
        }
        return Err(Error::new(
            ErrorKind::Unauthenticated,
            "this server needs an API key: send one as Authorization: Bearer, x-api-key or x-goog-api-key \
             (`parasol keys create` makes one)",
        ));
    };
    let Some(address) = peer.address else { return found(state, &secret).map(Some) };
    let sum = digest(&secret);
    if let Some(retry_after) = state.throttle().wait(address, &sum) {
        let says = format!("too many wrong API keys came from {address}: try again in {retry_after} s");
        return Err(Error::new(ErrorKind::RateLimited { retry_after }, says));
    }
    match found(state, &secret) {
        Ok(key) => {
            state.throttle().right(address, &sum);
            Ok(Some(key))
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
    bearer
        .or_else(|| text("x-api-key"))
        .or_else(|| text("x-goog-api-key"))
        .or_else(query)
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
