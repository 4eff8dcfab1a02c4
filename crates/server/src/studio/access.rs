//! Who may do what in the studio, and names in paths: extractors that handlers of its routes take as arguments.

use crate::AppState;
use crate::admin::token_is_right;
use crate::context::RequestContext;
use crate::dialect::Dialect;
use crate::json::Refused;
use axum::extract::{FromRequestParts, Path};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use parasol_core::{Error, ErrorKind, Result};
use std::net::IpAddr;

/// Proof that the request may change what belongs to the whole server: models, pulls, keys, settings.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Admin;

impl FromRequestParts<AppState> for Admin {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refused> {
        let ctx = <RequestContext as FromRequestParts<AppState>>::from_request_parts(parts, state).await?;
        if is_admin(state, &ctx, &parts.headers) {
            return Ok(Self);
        }
        let says = match ctx.key() {
            Some(key) => format!(
                "the key {} may not administer this server: `parasol keys create --admin` makes one that may",
                key.name
            ),
            None => "without API keys this server is administered from its own machine only: \
                     `parasol keys create --admin` makes a key that works from elsewhere"
                .to_owned(),
        };
        Err(ctx.refuse(Error::new(ErrorKind::Denied, says)))
    }
}

/// Whether the request comes from an administrator: an admin key, the user that runs the server, or, where there are no keys,
/// anybody on this machine.
pub(crate) fn is_admin(state: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> bool {
    let nearby = || !state.keys().required() && ctx.peer().is_none_or(|peer: IpAddr| peer.is_loopback());
    token_is_right(state, headers) || ctx.key().map_or_else(nearby, |key| key.admin)
}

/// A part of the path, percent-decoded.
#[derive(Debug, Clone)]
pub(crate) struct Segment(pub(crate) String);

impl FromRequestParts<AppState> for Segment {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Refused> {
        let dialect = parts.extensions.get::<Dialect>().copied().unwrap_or(Dialect::Parasol);
        let wrong = |e: axum::extract::rejection::PathRejection| {
            let says = format!("the name in the path cannot be read: {e}");
            Refused::new(dialect, Error::new(ErrorKind::InvalidRequest, says))
        };
        Path::<String>::from_request_parts(parts, state).await.map(|Path(text)| Self(text)).map_err(wrong)
    }
}

/// Runs what reads disks or waits, off the threads that serve connections.
///
/// # Errors
/// Those of `work`.
pub(crate) async fn blocking<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce(&AppState) -> Result<T> + Send + 'static,
) -> Result<T> {
    let state = state.clone();
    let done = tokio::task::spawn_blocking(move || work(&state)).await;
    let fault = || Error::new(ErrorKind::Internal, "the request's work failed: a fault of Parasol's own");
    done.unwrap_or_else(|_| Err(fault()))
}
