//! `GET /v1/realtime`: a WebSocket on which people and models talk with each other, or on which what is said is only written down.
//! What messages mean is `parasol-wire`'s, hearing and speaking `parasol_runtime::talk`'s; here a session puts them together under the
//! limits of the server and of its key.

mod answering;
mod book;
mod hearing;
mod said;
mod session;
mod voice;

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::allow_model;
use crate::json::Refused;
use crate::keys::random_hex;
use crate::listen::Line;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_wire::openai::realtime::{Ids, Session};
use serde::Deserialize;
use session::Talk;
use std::sync::atomic::Ordering;

/// The largest message; the protocol's own bound for a piece of sound.
const LARGEST_MESSAGE: usize = 15 << 20;

/// The route.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/v1/realtime", get(connect))
}

/// What stands in the address.
#[derive(Deserialize)]
struct Asked {
    model: Option<String>,
    intent: Option<String>,
}

async fn connect(
    State(state): State<AppState>,
    ctx: RequestContext,
    Query(asked): Query<Asked>,
    Extension(line): Extension<Line>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refused> {
    let upgrade = upgrade.map_err(|_| {
        let says = "this is spoken over a WebSocket: connect to ws://…/v1/realtime?model=NAME";
        ctx.refuse(Error::new(ErrorKind::InvalidRequest, says))
    })?;
    open(state, &ctx, asked, line, &headers, upgrade).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn open(
    state: AppState,
    ctx: &RequestContext,
    asked: Asked,
    line: Line,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Outcome<Response> {
    if headers.get("openai-beta").is_some_and(|beta| beta.as_bytes().starts_with(b"realtime=")) {
        let says = "the beta form of this protocol is not spoken: leave the header OpenAI-Beta out (and `beta` in clients)";
        return Err(Error::new(ErrorKind::Unsupported, says));
    }
    let session = session(&state, ctx, asked).await?;
    let seat = Seat::take(&state)?;
    let ids = Ids::new(random_hex::<8>()?);
    let most = LARGEST_MESSAGE.min(state.options().max_body.max(64 << 10));
    let ctx = ctx.clone();
    let upgrade = upgrade.max_message_size(most).max_frame_size(most).protocols(["realtime"]);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let line = line.hold();
        let _seat = seat;
        Talk::new(state, ctx, session, ids).run(socket, line).await;
    }))
}

/// The session that is asked for. A model that cannot answer is told of while there is still a status for it.
async fn session(state: &AppState, ctx: &RequestContext, asked: Asked) -> Outcome<Session> {
    let wrong = |says: &str| Err(Error::new(ErrorKind::InvalidRequest, says));
    let runtime = state.models().runtime();
    let defaults = (runtime.default_ears()?, runtime.default_voice()?);
    let model = asked.model.filter(|model| !model.is_empty());
    match asked.intent.as_deref() {
        None | Some("") => {}
        Some("transcription") => {
            let mut session = Session::new(None, defaults);
            if let Some(ears) = model {
                allow_model(ctx, &ears)?;
                session.hearing.model = Some(ears);
            }
            return Ok(session);
        }
        Some(_) => return wrong("intent: must be transcription, or left out"),
    }
    let Some(model) = model else {
        return wrong("model: is required in the address, as in /v1/realtime?model=NAME");
    };
    state.recommended(ctx, &model).await?;
    Ok(Session::new(Some(model), defaults))
}

/// A place among the sessions; given back when dropped.
struct Seat(AppState);

impl Seat {
    fn take(state: &AppState) -> Outcome<Self> {
        let most = state.options().max_queue;
        let taken =
            state.talks().fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < most).then_some(n + 1));
        match taken {
            Ok(_) => Ok(Self(state.clone())),
            Err(_) => Err(Error::new(
                ErrorKind::Overloaded,
                format!("{most} sessions are open, which is all that --max-queue allows: try again later"),
            )),
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.talks().fetch_sub(1, Ordering::Relaxed);
    }
}
