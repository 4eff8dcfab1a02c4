//! Who asks: what the door found out about a request, for handlers to take as an argument.

use crate::dialect::Dialect;
use crate::json::Refused;
use crate::keys::Key;
use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;
use parasol_core::{Error, ErrorKind};
use parasol_runtime::Owner;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// A request's identity. The door makes it; clones are cheap.
#[derive(Debug, Clone)]
pub(crate) struct RequestContext(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: String,
    dialect: Dialect,
    peer: Option<IpAddr>,
    key: Option<Arc<Key>>,
    client: String,
    /// What whoever answered had no way to express.
    ignored: Mutex<Vec<String>>,
}

impl RequestContext {
    /// What the door knows.
    pub(crate) fn new(id: String, dialect: Dialect, peer: Option<IpAddr>, key: Option<Arc<Key>>) -> Self {
        let client = match (&key, peer) {
            (Some(key), _) => key.id.clone(),
            (None, Some(peer)) => peer.to_string(),
            (None, None) => String::new(),
        };
        Self(Arc::new(Inner { id, dialect, peer, key, client, ignored: Mutex::default() }))
    }

    /// The request's id, as `x-request-id` tells it.
    pub(crate) fn id(&self) -> &str {
        &self.0.id
    }

    /// The protocol that the request speaks.
    pub(crate) fn dialect(&self) -> Dialect {
        self.0.dialect
    }

    /// The address that it comes from; none through a Unix socket.
    pub(crate) fn peer(&self) -> Option<IpAddr> {
        self.0.peer
    }

    /// The key that came with it, where keys are in use.
    pub(crate) fn key(&self) -> Option<&Arc<Key>> {
        self.0.key.as_ref()
    }

    /// Who asks, for taking turns and for telling stored things of different people apart: the key's id, else the address.
    pub(crate) fn client(&self) -> &str {
        &self.0.client
    }

    /// Whose added voices it may use: the key's and the house's, or, where there are no keys, the house's.
    pub(crate) fn owner(&self) -> Owner {
        self.key().map_or(Owner::House, |key| Owner::Key(key.id.clone()))
    }

    /// Remembers a field that had no effect, for the response's head.
    pub(crate) fn ignore(&self, field: String) {
        let mut ignored = self.0.ignored.lock().unwrap_or_else(PoisonError::into_inner);
        if !ignored.contains(&field) {
            ignored.push(field);
        }
    }

    /// The fields that had no effect, as far as they are known.
    pub(crate) fn ignored(&self) -> Vec<String> {
        self.0.ignored.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// `error` in the dialect of the request: what a handler returns, as in `.map_err(|e| ctx.refuse(e))?`.
    pub(crate) fn refuse(&self, error: Error) -> Refused {
        Refused::new(self.0.dialect, error)
    }
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| {
            // The door puts it into every request that it lets through.
            let error = Error::new(ErrorKind::Internal, "the request did not come through the door");
            Refused::new(Dialect::Parasol, error)
        })
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get::<Self>().cloned())
    }
}
