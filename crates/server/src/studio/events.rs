//! What happens, told to every page that listens: one broadcaster for all of the studio, and `GET /events` as server-sent events.
//! Those who publish say for whom; what the events mean is theirs.

use crate::AppState;
use crate::context::RequestContext;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_core::Stream;
use serde::Serialize;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::mpsc;

/// Events that a listener may be behind with before it is sent away, to come back and read everything anew.
const BEHIND: usize = 256;

/// How often a line that says nothing keeps the connection, and whether the listener may still listen is looked at.
const PULSE: Duration = Duration::from_secs(15);

/// Who stored things belong to where there are no keys.
const LOCAL: &str = "local";

/// Tells pages what happens. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Events(broadcast::Sender<Told>);

/// Something to tell.
#[derive(Debug, Clone)]
enum Told {
    /// An event for this owner, or for everyone.
    Event { owner: Option<Arc<str>>, text: Arc<str> },
    /// The server ends.
    End,
}

impl Default for Events {
    fn default() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }
}

impl Events {
    /// Tells the owner's pages, or everyone's, of `data` under `name`.
    pub(crate) fn publish(&self, owner: Option<&str>, name: &str, data: &impl Serialize) {
        match serde_json::to_string(data) {
            Ok(data) => {
                let text = format!("event: {name}\ndata: {data}\n\n").into();
                // Without listeners there is nobody to tell.
                let _ = self.0.send(Told::Event { owner: owner.map(Into::into), text });
            }
            Err(error) => tracing::error!(%error, name, "an event cannot be written"),
        }
    }

    /// Waits for the end of the server.
    pub(super) async fn ended(&self) {
        let mut told = self.0.subscribe();
        loop {
            if let Ok(Told::End) | Err(RecvError::Closed) = told.recv().await {
                return;
            }
        }
    }

    /// Sends all listeners away, for the end of the server.
    pub(crate) fn end(&self) {
        let _ = self.0.send(Told::End);
    }
}

/// Who stored things of this request belong to: the key's id, else `local`.
pub(crate) fn owner(ctx: &RequestContext) -> &str {
    ctx.key().map_or(LOCAL, |key| key.id.as_str())
}

/// The route of the events.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/api/parasol/events", get(listen))
}

async fn listen(State(state): State<AppState>, ctx: RequestContext) -> Response {
    let events = state.house().events.0.subscribe();
    let (send, lines) = mpsc::channel(16);
    tokio::spawn(forward(state, ctx, events, send));
    response(lines)
}

/// Events as they are sent, as an answer.
pub(super) fn response(lines: mpsc::Receiver<Bytes>) -> Response {
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, Body::from_stream(Lines(lines))).into_response()
}

/// Hands on what concerns the listener until it goes, falls behind, may no longer listen, or the server ends.
async fn forward(
    state: AppState,
    ctx: RequestContext,
    mut events: broadcast::Receiver<Told>,
    send: mpsc::Sender<Bytes>,
) {
    let own = owner(&ctx).to_owned();
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        let text = tokio::select! {
            told = events.recv() => match told {
                Ok(Told::Event { owner, text }) if owner.as_deref().is_none_or(|owner| owner == own) => text,
                Ok(Told::Event { .. }) => continue,
                Ok(Told::End) | Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            },
            // The first comes at once, so that the page knows that it listens.
            _ = pulse.tick() => ": listening\n\n".into(),
            () = send.closed() => return,
        };
        if !may_listen(&state, &ctx) || send.send(Bytes::from(text.to_string())).await.is_err() {
            return;
        }
    }
}

/// Whether the key that the listener came with is still good.
fn may_listen(state: &AppState, ctx: &RequestContext) -> bool {
    match ctx.key() {
        Some(key) => state.keys().by_id(&key.id).is_some(),
        None => !state.keys().required(),
    }
}

/// The body of the answer.
struct Lines(mpsc::Receiver<Bytes>);

impl Stream for Lines {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx).map(|next| next.map(Ok))
    }
}
