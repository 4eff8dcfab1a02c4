//! The routes that hand conversations out, as files: everything of an owner, or one. Everything is sent as it is read, so that it
//! takes no more memory than its longest conversation.

use super::super::access::Segment;
use super::super::conversations::{asked_for, invalid, unknown};
use super::super::events::owner;
use super::super::store;
use super::{markdown, name, parasol};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::Refused;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::Result;
use serde::Deserialize;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// What the file with everything is called.
const ALL: &str = "parasol-conversations";

/// How a conversation is wanted.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    format: Option<String>,
}

/// Everything of the owner.
pub(super) async fn all(State(state): State<AppState>, ctx: RequestContext) -> Result<Response, Refused> {
    let owner = owner(&ctx).to_owned();
    let mine = owner.clone();
    let ids = state.storage().run(move |db| store::ids(db, &mine)).await.map_err(|e| ctx.refuse(e))?;
    let (send, pieces) = mpsc::channel(1);
    tokio::spawn(async move {
        if let Err(error) = hand_out(&state, &owner, ids, &send).await {
            tracing::error!(%error, "an export broke off");
            // The answer ends without its end, which says to whoever saves it that it is not whole.
            let _ = send.send(Err(io::Error::other(error))).await;
        }
    });
    Ok(file(name::attachment(ALL, "json"), "application/json", Body::from_stream(Pieces(pieces))))
}

async fn hand_out(
    state: &AppState,
    owner: &str,
    ids: Vec<String>,
    send: &mpsc::Sender<io::Result<Bytes>>,
) -> Result<()> {
    let mut before = parasol::opening();
    for id in ids {
        let owner = owner.to_owned();
        // What was deleted meanwhile is not there any more.
        let Some(kept) = state.storage().run(move |db| store::read(db, &owner, &id)).await? else { continue };
        let piece = before + &parasol::one(kept.0, kept.1)?;
        before = ",\n".to_owned();
        if send.send(Ok(piece.into())).await.is_err() {
            return Ok(());
        }
    }
    let end = if before.len() > 2 { before + parasol::CLOSING } else { parasol::CLOSING.to_owned() };
    let _ = send.send(Ok(end.into())).await;
    Ok(())
}

/// One conversation.
pub(super) async fn one(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    let owner = owner(&ctx).to_owned();
    let wanted = asked_for(wanted).map_err(|e| ctx.refuse(e))?;
    let absent = unknown(&id);
    let kept =
        state.storage().run(move |db| store::read(db, &owner, &id)).await.map_err(|e| ctx.refuse(e))?;
    let (conversation, messages) = kept.ok_or_else(|| ctx.refuse(absent))?;
    let title = conversation.shown_title().to_owned();
    match wanted.format.as_deref().unwrap_or("json") {
        "json" => {
            let body = parasol::opening()
                + &parasol::one(conversation, messages).map_err(|e| ctx.refuse(e))?
                + parasol::CLOSING;
            Ok(file(name::attachment(&title, "json"), "application/json", body.into()))
        }
        "markdown" => {
            let body = markdown::write(&conversation, &messages);
            Ok(file(name::attachment(&title, "md"), "text/markdown; charset=utf-8", body.into()))
        }
        other => {
            let says = format!(
                "format is {:?}: json and markdown are what there is",
                other.chars().take(40).collect::<String>()
            );
            Err(ctx.refuse(invalid(says)))
        }
    }
}

fn file(disposition: String, kind: &'static str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, body).into_response()
}

/// The body of the answer.
struct Pieces(mpsc::Receiver<io::Result<Bytes>>);

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(cx)
    }
}
