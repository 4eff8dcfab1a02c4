//! The administration at `/api/parasol/…`, for `parasol ps` and `parasol stop`: open to a key made with `--admin`, and to who can
//! read the file in which the running server keeps its address and a token.

use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json, Refused};
use crate::keys::{digest, random_hex};
use crate::storage::own_only;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use parasol_core::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq;

/// The header that carries the token.
pub(crate) const TOKEN_HEADER: &str = "x-parasol-token";

/// What a running server tells the commands of the same user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// Its base URL.
    pub url: String,
    /// Opens its administration.
    pub token: String,
}

/// The file of a running server; removed when dropped.
#[derive(Debug)]
pub struct RunFile(PathBuf);

impl Running {
    /// Describes a server of this process at `url`.
    ///
    /// # Errors
    /// `Internal` when the system has no randomness to give.
    pub fn here(url: String) -> Result<Self> {
        Ok(Self { pid: std::process::id(), url, token: random_hex::<32>()? })
    }

    /// Writes the file, which only this user may read.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn announce(&self, home: &Path) -> Result<RunFile> {
        let folder = home.join("run");
        let path = folder.join(format!("{}.json", self.pid));
        let write = || -> std::io::Result<()> {
            fs::create_dir_all(&folder)?;
            fs::write(&path, b"")?;
            own_only(&path);
            fs::write(&path, serde_json::to_vec(self)?)
        };
        write().map_err(|e| Error::from(e).within(format!("cannot write {}", path.display())))?;
        Ok(RunFile(path))
    }

    /// The servers that have announced themselves under `home`. One that was killed may be among them.
    pub fn all(home: &Path) -> Vec<Self> {
        let entries = fs::read_dir(home.join("run")).into_iter().flatten().flatten();
        entries.filter_map(|e| serde_json::from_slice(&fs::read(e.path()).ok()?).ok()).collect()
    }
}

impl Drop for RunFile {
    fn drop(&mut self) {
        // One that stays behind names a server that does not answer, which commands notice.
        let _ = fs::remove_file(&self.0);
    }
}

/// The routes of the administration.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/api/parasol/ps", get(ps)).route("/api/parasol/stop", post(stop))
}

/// Whether the request carries the running server's own token.
pub(crate) fn token_is_right(state: &AppState, headers: &HeaderMap) -> bool {
    let token = headers.get(TOKEN_HEADER).and_then(|v| v.to_str().ok());
    match (token, state.token()) {
        (Some(given), Some(own)) => bool::from(digest(given).as_bytes().ct_eq(digest(own).as_bytes())),
        _ => false,
    }
}

/// Refuses who is neither the server's own user nor an administrator.
fn allow(state: &AppState, ctx: &RequestContext, headers: &HeaderMap) -> Result<(), Refused> {
    if token_is_right(state, headers) || ctx.key().is_some_and(|key| key.admin) {
        return Ok(());
    }
    let says = "the administration needs a key made with `parasol keys create --admin`, or the user that runs the server";
    Err(ctx.refuse(Error::new(ErrorKind::Denied, says)))
}

async fn ps(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
) -> Result<axum::Json<serde_json::Value>, Refused> {
    allow(&state, &ctx, &headers)?;
    let models = state.models();
    Ok(axum::Json(serde_json::json!({
        "models": models.loaded(),
        "memory": { "budget": models.budget(), "used": models.used() },
        "answers": state.answers().load(std::sync::atomic::Ordering::Relaxed),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    model: String,
}

async fn stop(
    State(state): State<AppState>,
    ctx: RequestContext,
    headers: HeaderMap,
    Json(Stop { model }): Json<Stop>,
) -> Result<axum::Json<serde_json::Value>, Refused> {
    allow(&state, &ctx, &headers)?;
    let (models, name) = (state.models().clone(), model.clone());
    let freed = tokio::task::spawn_blocking(move || models.unload(&name)).await;
    let freed = freed.unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "unloading failed")));
    match freed.map_err(|e| ctx.refuse(e))? {
        Some(bytes) => Ok(axum::Json(serde_json::json!({ "model": model, "freed": bytes }))),
        None => {
            let says = format!("{model} is not loaded: `parasol ps` shows what is");
            Err(ctx.refuse(Error::new(ErrorKind::NotFound, says)))
        }
    }
}
