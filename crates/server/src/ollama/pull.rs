//! `POST /api/pull`: fetches a model through the hub, with its progress as a stream.

use super::{checked, line, lines};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json, Refused};
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_hub::{Cancel, Licence, ModelRef, PullEvent};
use parasol_wire::ollama::{error_body, models::progress, request::Named};
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{Receiver, channel};

/// Progress is told this often; a client that reads slower does not slow the pull down.
const PACE: Duration = Duration::from_millis(100);

/// Fetches a model.
pub(super) async fn pull(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let (named, name) = read(&ctx, body).map_err(|e| ctx.refuse(e))?;
    let (send, lines_of) = channel::<Outcome<Value>>(64);
    let cancel = Cancel::new();
    let (models, stop) = (state.models().clone(), cancel.clone());
    tokio::task::spawn_blocking(move || {
        let mut last: Option<Instant> = None;
        let mut tell = |event: PullEvent| {
            let steady = matches!(event, PullEvent::Downloading { .. } | PullEvent::Verifying { .. });
            if steady && last.is_some_and(|at| at.elapsed() < PACE) {
                return;
            }
            last = steady.then(Instant::now);
            // Lost progress is made up for by the next; the end is sent below and waits for room.
            if let Some(value) = said(&event) {
                let _ = send.try_send(Ok(value));
            }
        };
        // Terms that must be asked for are a person's to accept, at the command line.
        let pulled = models.hub().pull(&name, Licence::Refuse, &stop, &mut tell);
        let _ = send.blocking_send(pulled.map(|_| progress("success", None)));
    });
    let mut pulling = Pulling { lines: lines_of, cancel };
    if named.stream {
        return Ok(lines(pulling));
    }
    let mut end = progress("success", None);
    while let Some(next) = pulling.lines.recv().await {
        end = next.map_err(|e| ctx.refuse(e))?;
    }
    Ok(axum::Json(end).into_response())
}

fn read(ctx: &RequestContext, body: Value) -> Outcome<(Named, String)> {
    let named = Named::read(body)?;
    let name = checked(ctx, &named.model)?;
    match ModelRef::parse(&name)? {
        ModelRef::Path(_) => {
            let message =
                format!("model: {name:?} is a path; a model is pulled by its name or as hf:owner/repo");
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
        _ => Ok((named, name)),
    }
}

/// An event in the protocol's words.
fn said(event: &PullEvent) -> Option<Value> {
    Some(match event {
        PullEvent::Resolving { .. } => progress("pulling manifest", None),
        PullEvent::Downloading { file, done, total } => {
            progress(&format!("pulling {file}"), Some((file, *done, *total)))
        }
        PullEvent::Verifying { file, done, total } => {
            progress("verifying sha256 digest", Some((file, *done, Some(*total))))
        }
        PullEvent::Waiting { .. } => progress("waiting for another pull of this model", None),
        PullEvent::Retrying { file, reason } => progress(&format!("retrying {file}: {reason}"), None),
        PullEvent::Done { .. } => progress("writing manifest", None),
        _ => return None,
    })
}

/// The lines of a pull. Dropping it stops the pull, which goes on where it was when asked for again.
struct Pulling {
    lines: Receiver<Outcome<Value>>,
    cancel: Cancel,
}

impl Drop for Pulling {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl Stream for Pulling {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.lines.poll_recv(cx).map(|next| {
            let value = next?.unwrap_or_else(|error| error_body(&error));
            Some(Ok(line(&value).into()))
        })
    }
}
