//! Signing in with an API key: a cookie stands for the key from then on, for the studio's own routes only. Which requests a
//! cookie is good for is the door's decision; here sessions begin, are found and end.

use super::access::is_admin;
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json, Refused};
use crate::keys::{Key, digest, now, random_hex};
use crate::storage::Storage;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use parasol_core::{Error, ErrorKind, Result};
use rusqlite::Connection;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The path of its routes, which the door lets everyone reach.
pub(crate) const PATH: &str = "/api/parasol/session";

/// The name of the cookie.
const COOKIE: &str = "parasol_session";

/// How long a session lasts, in seconds: 30 days.
const LIFETIME: i64 = 30 * 86_400;

/// Sessions that one key may have at once; the oldest ends for a new one.
const MOST: i64 = 64;

/// Who is using the page.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Session {
    /// Whether the server wants an API key.
    required: bool,
    /// Whether one was given.
    signed_in: bool,
    /// What the key is called.
    name: Option<String>,
    /// Whether models, keys and settings may be changed.
    admin: bool,
}

/// What signing in takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignIn {
    /// The API key.
    key: String,
}

/// The sessions, read from the database when one is first asked for. Only hashes of their tokens are kept.
#[derive(Default)]
pub(crate) struct Sessions(Mutex<Option<HashMap<String, Begun>>>);

struct Begun {
    /// The key's id.
    key: String,
    created: i64,
    expires: i64,
}

/// The routes of the session.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/api/parasol/session", get(show).post(sign_in).delete(sign_out))
}

impl Sessions {
    /// The id of the key that a session stands for.
    fn key_of(&self, storage: &Storage, token: &str) -> Option<String> {
        self.with(storage, |all| {
            let begun = all.get(&digest(token))?;
            (begun.expires > clock()).then(|| begun.key.clone())
        })
        .flatten()
    }

    /// Begins a session of this key and returns its token. Blocks on the database.
    ///
    /// # Errors
    /// When the system gives no randomness, or the database cannot be written.
    fn begin(&self, storage: &Storage, key: &Key) -> Result<String> {
        let token = random_hex::<32>()?;
        let (sum, created) = (digest(&token), clock());
        let expires = created.saturating_add(LIFETIME);
        let (key, most) = (key.id.clone(), MOST);
        storage.run_blocking(move |db| {
            prepare(db)?;
            db.execute("DELETE FROM studio_session WHERE expires <= ?1", [created])?;
            db.execute(
                "INSERT INTO studio_session (hash, key, created, expires) VALUES (?1, ?2, ?3, ?4)",
                (&sum, &key, created, expires),
            )?;
            db.execute(
                "DELETE FROM studio_session WHERE key = ?1 AND hash NOT IN \
                 (SELECT hash FROM studio_session WHERE key = ?1 ORDER BY created DESC, rowid DESC LIMIT ?2)",
                (&key, most),
            )
        })?;
        // Read again, so that memory and database agree whatever was deleted.
        *self.lock() = None;
        self.with(storage, |_| ());
        Ok(token)
    }

    /// Ends a session. Blocks on the database.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn end(&self, storage: &Storage, token: &str) -> Result<()> {
        let sum = digest(token);
        self.with(storage, |all| all.remove(&sum));
        storage.run_blocking(move |db| {
            prepare(db)?;
            db.execute("DELETE FROM studio_session WHERE hash = ?1", [sum])
        })?;
        Ok(())
    }

    /// Forgets the sessions of a key that was revoked. Blocks on the database.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub(super) fn end_all_of(&self, storage: &Storage, key: &str) -> Result<()> {
        self.with(storage, |all| all.retain(|_, begun| begun.key != key));
        let key = key.to_owned();
        storage.run_blocking(move |db| {
            prepare(db)?;
            db.execute("DELETE FROM studio_session WHERE key = ?1", [key])
        })?;
        Ok(())
    }

    /// Works on the sessions; `None` when they cannot be read.
    fn with<T>(&self, storage: &Storage, work: impl FnOnce(&mut HashMap<String, Begun>) -> T) -> Option<T> {
        let mut slot = self.lock();
        if slot.is_none() {
            match storage.run_blocking(read) {
                Ok(all) => *slot = Some(all),
                Err(error) => tracing::error!(%error, "the sessions cannot be read: nobody is signed in"),
            }
        }
        slot.as_mut().map(work)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<HashMap<String, Begun>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970, as the database keeps them.
fn clock() -> i64 {
    i64::try_from(now()).unwrap_or(i64::MAX)
}

fn prepare(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "CREATE TABLE IF NOT EXISTS studio_session \
         (hash TEXT PRIMARY KEY, key TEXT NOT NULL, created INTEGER NOT NULL, expires INTEGER NOT NULL)",
    )
}

fn read(db: &mut Connection) -> rusqlite::Result<HashMap<String, Begun>> {
    prepare(db)?;
    let mut rows = db.prepare("SELECT hash, key, created, expires FROM studio_session WHERE expires > ?1")?;
    let begun = |row: &rusqlite::Row<'_>| {
        Ok((row.get(0)?, Begun { key: row.get(1)?, created: row.get(2)?, expires: row.get(3)? }))
    };
    let mut all = rows.query_map([clock()], begun)?.collect::<rusqlite::Result<HashMap<_, _>>>()?;
    // A clock that was set back leaves sessions from the future: they are not trusted.
    all.retain(|_, begun: &mut Begun| begun.created <= clock().saturating_add(86_400));
    Ok(all)
}

/// The key that the request's cookie stands for, as long as it is not revoked and has not ended.
pub(crate) fn key_of(state: &AppState, headers: &HeaderMap) -> Option<Arc<Key>> {
    let token = token(headers)?;
    let id = state.house().sessions.key_of(state.storage(), token)?;
    state.keys().by_id(&id)
}

/// The token in the request's cookies. Of several the first one counts, as browsers send the most specific first.
fn token(headers: &HeaderMap) -> Option<&str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|v| v.to_str().ok());
    let pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let value = pairs.filter(|(name, _)| *name == COOKIE).map(|(_, value)| value.trim()).next()?;
    (value.len() == 64 && value.bytes().all(|b| b.is_ascii_hexdigit())).then_some(value)
}

fn describe(state: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> Session {
    let key = ctx.key();
    Session {
        required: state.keys().required(),
        signed_in: key.is_some(),
        name: key.map(|key| key.name.clone()),
        admin: is_admin(state, ctx, headers),
    }
}

async fn show(State(state): State<AppState>, ctx: RequestContext, headers: HeaderMap) -> axum::Json<Session> {
    axum::Json(describe(&state, &ctx, &headers))
}

async fn sign_in(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    Json(SignIn { key }): Json<SignIn>,
) -> Result<Response, Refused> {
    if !state.keys().required() {
        return Ok(axum::Json(describe(&state, &ctx, &headers)).into_response());
    }
    let key = crate::door::check_secret(&state, ctx.peer(), key.trim()).map_err(|e| ctx.refuse(e))?;
    let session = Session { required: true, signed_in: true, name: Some(key.name.clone()), admin: key.admin };
    let cookie = begin(&state, &key).await.map_err(|e| ctx.refuse(e))?;
    Ok(([(header::SET_COOKIE, cookie)], axum::Json(session)).into_response())
}

/// Begins a session of this key: the cookie to send along.
///
/// # Errors
/// When the database cannot be written.
pub(super) async fn begin(state: &AppState, key: &Arc<Key>) -> Result<HeaderValue> {
    let for_key = Arc::clone(key);
    let begin = move |s: &AppState| s.house().sessions.begin(s.storage(), &for_key);
    let token = super::access::blocking(state, begin).await?;
    cookie(state, &token, LIFETIME)
}

async fn sign_out(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<Response, Refused> {
    if let Some(token) = token(&headers).map(str::to_owned) {
        let end = move |s: &AppState| s.house().sessions.end(s.storage(), &token);
        super::access::blocking(&state, end).await.map_err(|e| ctx.refuse(e))?;
    }
    let cookie = cookie(&state, "", 0).map_err(|e| ctx.refuse(e))?;
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response())
}

/// The cookie: no script reads it, no other site sends it, and it goes nowhere but to the studio's routes.
fn cookie(state: &AppState, token: &str, seconds: i64) -> Result<HeaderValue> {
    let secure = if state.options().tls.is_some() { "; Secure" } else { "" };
    let text =
        format!("{COOKIE}={token}; Path=/api/parasol; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::from_str(&text).map_err(|_| Error::new(ErrorKind::Internal, "the cookie is no header"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::KeyTerms;

    fn key(name: &str) -> Key {
        Key::create(KeyTerms { name: name.into(), ..KeyTerms::default() }).unwrap().0
    }

    #[test]
    fn sessions_outlive_the_server_and_end_one_by_one() {
        let home = tempfile::tempdir().unwrap();
        let storage = Storage::at(home.path());
        let (mine, other) = (key("mine"), key("other"));
        let sessions = Sessions::default();
        let (a, b) = (sessions.begin(&storage, &mine).unwrap(), sessions.begin(&storage, &other).unwrap());
        let again = Sessions::default();
        assert_eq!(again.key_of(&storage, &a), Some(mine.id.clone()));
        assert_eq!(again.key_of(&storage, &b), Some(other.id.clone()));
        assert_eq!(again.key_of(&storage, &a.replace(&a[..1], "x")), None);
        again.end(&storage, &a).unwrap();
        assert_eq!((again.key_of(&storage, &a), again.key_of(&storage, &b)), (None, Some(other.id.clone())));
        again.end_all_of(&storage, &other.id).unwrap();
        assert_eq!(Sessions::default().key_of(&storage, &b), None);
        // What lies in the file opens nothing.
        assert!(
            !std::fs::read(home.path().join("server.sqlite3"))
                .unwrap()
                .windows(64)
                .any(|w| w == b.as_bytes())
        );
    }

    #[test]
    fn a_key_has_so_many_sessions_and_no_more() {
        let home = tempfile::tempdir().unwrap();
        let storage = Storage::at(home.path());
        let (mine, sessions) = (key("mine"), Sessions::default());
        let tokens: Vec<String> = (0..MOST + 2).map(|_| sessions.begin(&storage, &mine).unwrap()).collect();
        let alive = |at: i64| sessions.key_of(&storage, &tokens[usize::try_from(at).unwrap()]).is_some();
        assert!(!alive(0) && !alive(1) && alive(2) && alive(MOST + 1));
    }

    #[test]
    fn only_what_can_be_a_token_is_looked_up() {
        let of = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_str(text).unwrap());
            token(&headers).map(str::to_owned)
        };
        let good = "a".repeat(64);
        assert_eq!(of(&format!("x=1; {COOKIE}={good}; y=2")), Some(good.clone()));
        assert_eq!(of(&format!("{COOKIE}=' OR 1=1")), None);
        assert_eq!(of(&format!("other={good}")), None);
        assert_eq!(of(&format!("{COOKIE}={good}a")), None);
    }
}
