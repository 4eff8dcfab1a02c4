//! The routes of API keys: who has one and what it may do, making and revoking them. Keys themselves are [`crate::keys`]'.

use super::access::{Admin, Segment, blocking};
use super::session;
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use crate::keys::{Key, KeyTerms, now};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use jiff::Timestamp;
use parasol_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;

/// The longest name of a key, in characters.
const LONGEST: usize = 64;

/// Models that a key may be restricted to at most.
const MOST_MODELS: usize = 256;

/// The keys.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct KeyList {
    /// The oldest first.
    keys: Vec<ApiKey>,
}

/// A key, without its secret.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ApiKey {
    /// Names it for revoking it.
    id: String,
    /// What a person calls it.
    name: String,
    /// May change models, keys and settings.
    admin: bool,
    /// When it was made.
    created: String,
    /// When it ends.
    expires: Option<String>,
    /// Whether it has ended.
    expired: bool,
    /// Whether this request came with it.
    current: bool,
    /// Requests in a minute.
    requests_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, in a minute.
    tokens_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, in a day (UTC).
    tokens_per_day: Option<u64>,
    /// The models that it may use; empty means all.
    models: Vec<String>,
}

/// A key that was just made.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MadeKey {
    #[serde(flatten)]
    key: ApiKey,
    /// The key itself: told this once and kept nowhere.
    secret: String,
}

/// What a new key may do.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// What a person calls it; no other key may be called so.
    #[schemars(length(min = 1, max = 64))]
    name: String,
    /// May change models, keys and settings.
    #[serde(default)]
    admin: bool,
    /// Requests in a minute.
    #[serde(default)]
    #[schemars(range(min = 1))]
    requests_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, in a minute.
    #[serde(default)]
    #[schemars(range(min = 1))]
    tokens_per_minute: Option<u64>,
    /// Tokens, of prompts and answers, in a day (UTC).
    #[serde(default)]
    #[schemars(range(min = 1))]
    tokens_per_day: Option<u64>,
    /// The models that it may use; none named means all.
    #[serde(default)]
    models: Vec<String>,
    /// When it ends, as RFC 3339 writes times.
    #[serde(default)]
    expires: Option<String>,
}

/// The routes of keys.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/keys", get(list).post(make))
        .route("/api/parasol/keys/{id}", delete(revoke))
}

fn shown(key: &Key, ctx: &RequestContext) -> ApiKey {
    let time = |seconds: u64| {
        let at = i64::try_from(seconds).ok().and_then(|s| Timestamp::from_second(s).ok());
        at.unwrap_or(Timestamp::MAX).to_string()
    };
    ApiKey {
        id: key.id.clone(),
        name: key.name.clone(),
        admin: key.admin,
        created: time(key.created),
        expires: key.expires.map(time),
        expired: key.expired(),
        current: ctx.key().is_some_and(|own| own.id == key.id),
        requests_per_minute: key.requests_per_minute,
        tokens_per_minute: key.tokens_per_minute,
        tokens_per_day: key.tokens_per_day,
        models: key.models.clone(),
    }
}

async fn list(State(state): State<AppState>, _: Admin, ctx: RequestContext) -> Json<KeyList> {
    let keys = state.keys().all().iter().map(|key| shown(key, &ctx)).collect();
    Json(KeyList { keys })
}

async fn make(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Body(new): Body<NewKey>,
) -> Result<Response, Refused> {
    let first = !state.keys().required();
    let terms = new.terms().map_err(|e| ctx.refuse(e))?;
    if first && !terms.admin {
        let says =
            "the first key closes this server to everyone who has none: make it one that may administer";
        return Err(ctx.refuse(Error::new(ErrorKind::InvalidRequest, says)));
    }
    let made = blocking(&state, move |s| {
        let (key, secret) = Key::create(terms)?;
        s.keys().file().add(key.clone())?;
        s.keys().refresh();
        Ok((key, secret))
    });
    let (key, secret) = made.await.map_err(|e| ctx.refuse(e))?;
    let body = Json(MadeKey { key: shown(&key, &ctx), secret });
    let mut response = (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], body).into_response();
    if first {
        // Else the page that made the key would be locked out before anyone has read it.
        let cookie = session::begin(&state, &Arc::new(key)).await.map_err(|e| ctx.refuse(e))?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    Ok(response)
}

async fn revoke(
    State(state): State<AppState>,
    _: Admin,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<StatusCode, Refused> {
    let revoked = blocking(&state, move |s| {
        let keys = s.keys().all();
        let unknown = || Error::new(ErrorKind::NotFound, format!("there is no key {id}"));
        let key = keys.iter().find(|key| key.id == id).ok_or_else(unknown)?;
        let others = keys.iter().any(|k| k.id != id && k.admin && !k.expired());
        if key.admin && !key.expired() && !others {
            let says = format!(
                "{} is the last key that may administer: make another first, or take it back with `parasol keys revoke`",
                key.name
            );
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        s.keys().file().remove(&id)?;
        s.keys().refresh();
        s.house().sessions.end_all_of(s.storage(), &id)
    });
    revoked.await.map(|()| StatusCode::NO_CONTENT).map_err(|e| ctx.refuse(e))
}

impl NewKey {
    fn terms(self) -> Result<KeyTerms> {
        let wrong = |says: String| Error::new(ErrorKind::InvalidRequest, says);
        let name = self.name.trim().to_owned();
        let length = name.chars().count();
        if length == 0 || length > LONGEST || name.chars().any(char::is_control) {
            return Err(wrong(format!(
                "a key's name has 1 to {LONGEST} characters, none of them a control character: this has {length}"
            )));
        }
        let counts = [
            ("requests_per_minute", self.requests_per_minute),
            ("tokens_per_minute", self.tokens_per_minute),
            ("tokens_per_day", self.tokens_per_day),
        ];
        if let Some((field, _)) = counts.iter().find(|(_, count)| *count == Some(0)) {
            return Err(wrong(format!(
                "{field} is 0, which would let nothing through: leave it out or raise it"
            )));
        }
        if self.models.len() > MOST_MODELS || self.models.iter().any(|m| m.trim().is_empty() || m.len() > 512)
        {
            return Err(wrong(format!("models: at most {MOST_MODELS} names of 1 to 512 bytes")));
        }
        let lifetime = self.expires.as_deref().map(lifetime).transpose()?;
        Ok(KeyTerms {
            name,
            lifetime,
            admin: self.admin,
            requests_per_minute: self.requests_per_minute,
            tokens_per_minute: self.tokens_per_minute,
            tokens_per_day: self.tokens_per_day,
            models: self.models.iter().map(|m| m.trim().to_owned()).collect(),
        })
    }
}

/// How long it is until then.
fn lifetime(expires: &str) -> Result<Duration> {
    let wrong = |says: String| Error::new(ErrorKind::InvalidRequest, says);
    let at: Timestamp = expires
        .parse()
        .map_err(|e| wrong(format!("expires: {expires:?} is no time such as 2030-01-31T12:00:00Z: {e}")))?;
    let seconds = u64::try_from(at.as_second()).ok().and_then(|at| at.checked_sub(now())).filter(|s| *s > 0);
    seconds.map(Duration::from_secs).ok_or_else(|| wrong(format!("expires: {expires} has passed")))
}
