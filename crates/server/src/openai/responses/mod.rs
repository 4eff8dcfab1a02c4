//! `/v1/responses`: answers that are kept, continued, read again and deleted. The table that they lie in is [`store`]'s.

mod store;
mod stream;

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use crate::keys::random_hex;
use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, Result as Outcome, SamplingChoice};
use parasol_wire::openai::responses::{self as wire, Answer, ResponseCall};
use serde_json::Value;
use std::future::poll_fn;
use std::pin::Pin;
use store::Store;
use stream::Keep;

/// Input items on a page unless told otherwise, and at most.
const PAGE: (usize, usize) = (20, 100);

type Pairs = Result<Query<Vec<(String, String)>>, QueryRejection>;
type Id = Result<Path<String>, PathRejection>;

/// The routes of responses.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/responses", post(create))
        .route("/v1/responses/input_tokens", post(count))
        .route("/v1/responses/{id}", get(read).delete(delete))
        .route("/v1/responses/{id}/input_items", get(input_items))
        .route("/v1/responses/{id}/cancel", post(cancel))
}

/// Answers, whole or streamed.
async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    answer(&state, &ctx, body).await.or_else(|e| super::unanswered(&ctx, e))
}

async fn answer(state: &AppState, ctx: &RequestContext, body: Value) -> Outcome<Response> {
    let mut call = ResponseCall::read(body)?;
    let store = Store::of(state, ctx);
    let history = recall(&store, &mut call).await?;
    let recommended = state.recommended(ctx, &call.model).await?;
    let request = call.request(&history, &recommended)?;
    let key = random_hex::<24>()?;
    let mut answer = Answer::new(&call, &request, &key, super::now());
    let keep = call.store.then(|| Keep { store, previous: call.previous.clone(), input: call.items(&key) });
    let mut events = state.chat(ctx, &call.model, request).await?;
    let mut response = if call.stream {
        stream::response(events, answer, keep)
    } else {
        while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
            answer.push(&event?);
        }
        let mut whole = answer.response(super::now())?;
        if let Some(keep) = keep {
            whole = keep.keep(whole).await?;
        }
        axum::Json(whole).into_response()
    };
    effect::report(&mut response, &call.noted);
    Ok(response)
}

/// What the request speaks of without saying it: items by their ids, and the conversation that it continues.
async fn recall(store: &Store, call: &mut ResponseCall) -> Outcome<Vec<Value>> {
    let references = call.references();
    if !references.is_empty() {
        let found = store.items(&references).await?;
        call.resolve(&found)?;
    }
    match &call.previous {
        Some(previous) => store.history(previous).await,
        None => Ok(Vec::new()),
    }
}

/// Tokens that a request takes as a prompt.
async fn count(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let counted = async {
        let mut call = ResponseCall::read(body)?;
        let history = recall(&Store::of(&state, &ctx), &mut call).await?;
        let request = call.request(&history, &SamplingChoice::default())?;
        let tokens = state.count_tokens(&ctx, &call.model, request).await?;
        let mut response = axum::Json(wire::counted(tokens)).into_response();
        effect::report(&mut response, &call.noted);
        Ok(response)
    };
    counted.await.or_else(|e| super::unanswered(&ctx, e))
}

/// A response again.
async fn read(
    State(state): State<AppState>,
    ctx: RequestContext,
    id: Id,
    query: Pairs,
) -> Result<Response, Refused> {
    let found = async {
        for (name, value) in pairs(query)? {
            match (name.as_str(), value.as_str()) {
                // Whatever was asked to be included when it was made is in it.
                ("include" | "include[]", _) | ("stream", "false") => {}
                ("stream" | "starting_after" | "include_obfuscation", _) => {
                    return Err(invalid(&name, "an answer that is kept is not streamed again: leave it out"));
                }
                _ => return Err(unknown(&name)),
            }
        }
        let (response, _) = Store::of(&state, &ctx).find(&path(id)?).await?;
        Ok(axum::Json(response).into_response())
    };
    found.await.map_err(|e| ctx.refuse(e))
}

/// Forgets a response.
async fn delete(State(state): State<AppState>, ctx: RequestContext, id: Id) -> Result<Response, Refused> {
    let deleted = async {
        let id = path(id)?;
        Store::of(&state, &ctx).delete(&id).await?;
        Ok(axum::Json(wire::deleted(&id)).into_response())
    };
    deleted.await.map_err(|e| ctx.refuse(e))
}

/// What a response was asked with, the conversation before it left out.
async fn input_items(
    State(state): State<AppState>,
    ctx: RequestContext,
    id: Id,
    query: Pairs,
) -> Result<Response, Refused> {
    let page = async {
        let (mut after, mut limit, mut ascending) = (None, PAGE.0, false);
        for (name, value) in pairs(query)? {
            match (name.as_str(), value.as_str()) {
                ("include" | "include[]", _) => {}
                ("after", _) => after = Some(value),
                ("order", "asc" | "desc") => ascending = value == "asc",
                ("order", _) => return Err(invalid(&name, "must be asc or desc")),
                ("limit", text) => match text.parse() {
                    Ok(n @ 1..=100) => limit = n,
                    _ => return Err(invalid(&name, &format!("must be a number from 1 to {}", PAGE.1))),
                },
                _ => return Err(unknown(&name)),
            }
        }
        let (_, mut items) = Store::of(&state, &ctx).find(&path(id)?).await?;
        if !ascending {
            items.reverse();
        }
        if let Some(after) = after {
            match items.iter().position(|item| item["id"] == after.as_str()) {
                Some(at) => drop(items.drain(..=at)),
                None => return Err(invalid("after", "is no item of this response")),
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        Ok(axum::Json(wire::page(items, more)).into_response())
    };
    page.await.map_err(|e| ctx.refuse(e))
}

/// There is never anything to cancel: a response is kept when it is complete.
async fn cancel(State(state): State<AppState>, ctx: RequestContext, id: Id) -> Result<Response, Refused> {
    let cancelled = async {
        let id = path(id)?;
        Store::of(&state, &ctx).find(&id).await?;
        let what = format!(
            "the response {id} is complete: only answers made in the background could be cancelled, and none are; an answer ends when its connection is closed"
        );
        Err(Error::new(ErrorKind::InvalidRequest, what))
    };
    cancelled.await.map_err(|e| ctx.refuse(e))
}

fn pairs(query: Pairs) -> Outcome<Vec<(String, String)>> {
    let Query(pairs) =
        query.map_err(|e| Error::new(ErrorKind::InvalidRequest, format!("the query: {}", e.body_text())))?;
    Ok(pairs)
}

fn path(id: Id) -> Outcome<String> {
    let Path(id) =
        id.map_err(|e| Error::new(ErrorKind::InvalidRequest, format!("the path: {}", e.body_text())))?;
    Ok(id)
}

fn invalid(name: &str, what: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("{name}: {what}"))
}

fn unknown(name: &str) -> Error {
    let name: String = name.chars().take(80).collect();
    invalid(&name, "is not a parameter that Parasol honours: leave it out")
}
