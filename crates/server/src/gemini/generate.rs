//! `POST /v1beta/models/MODEL:METHOD`.

use super::stream::{Form, Frames, Several};
use super::{embed, picture, speech};
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_wire::gemini::embedding::EmbedCall;
use parasol_wire::gemini::pictures::asks_for_pictures;
use parasol_wire::gemini::speech::asks_for_sound;
use parasol_wire::gemini::{Collector, Encoder, GenerateRequest, token_count};
use serde_json::Value;
use std::future::poll_fn;

/// Calls a method of a model.
pub(super) async fn call(
    State(state): State<AppState>,
    ctx: RequestContext,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let invalid = |e: String| ctx.refuse(Error::new(ErrorKind::InvalidRequest, e));
    let Path(path) = path.map_err(|e| invalid(e.body_text()))?;
    let Query(query) = query.map_err(|e| invalid(e.body_text()))?;
    let form = form(&query).map_err(|e| ctx.refuse(e))?;
    let (model, method) = path.rsplit_once(':').unwrap_or((&path, ""));
    match method {
        "generateContent" => generate(&state, &ctx, model, body, None).await,
        "streamGenerateContent" => generate(&state, &ctx, model, body, Some(form)).await,
        "countTokens" => count(&state, &ctx, model, body).await,
        "embedContent" | "batchEmbedContents" => {
            let call = match method {
                "embedContent" => EmbedCall::one(model, body),
                _ => EmbedCall::batch(model, body),
            };
            embed::answer(&state, &ctx, model, call).await.map_err(|e| ctx.refuse(e))
        }
        _ => Err(ctx.refuse(no_method(method))),
    }
}

/// What other methods of Google's answer with.
fn no_method(method: &str) -> Error {
    let offered = "this server offers generateContent, streamGenerateContent, countTokens, embedContent and batchEmbedContents";
    match method {
        "asyncBatchEmbedContent"
        | "batchGenerateContent"
        | "predict"
        | "predictLongRunning"
        | "generateAnswer" => {
            Error::new(ErrorKind::Unsupported, format!("{method} is not offered yet: {offered}"))
        }
        _ => {
            let method: String = method.chars().take(80).collect();
            Error::new(ErrorKind::NotFound, format!("models have no method {method:?}: {offered}"))
        }
    }
}

/// How a stream is written; other parameters of the query only concern the key or the look.
fn form(query: &[(String, String)]) -> Outcome<Form> {
    let mut form = Form::List;
    for (name, value) in query {
        match (name.as_str(), value.as_str()) {
            ("alt" | "$alt", "sse") => form = Form::Events,
            ("alt" | "$alt", "json") | ("key" | "prettyPrint" | "$prettyPrint", _) => {}
            (name, value) => {
                let field: String = name.chars().take(80).collect();
                let value: String = value.chars().take(80).collect();
                let what = format!("{field}={value:?} is not a parameter that Parasol honours: leave it out");
                return Err(Error::new(ErrorKind::InvalidRequest, what));
            }
        }
    }
    Ok(form)
}

async fn generate(
    state: &AppState,
    ctx: &RequestContext,
    model: &str,
    body: Value,
    stream: Option<Form>,
) -> Result<Response, Refused> {
    if asks_for_sound(&body) {
        return speech::speak(state, ctx, model, body, stream).await.map_err(|e| ctx.refuse(e));
    }
    if asks_for_pictures(&body) {
        return picture::imagine(state, ctx, model, body, stream).await.map_err(|e| ctx.refuse(e));
    }
    let request = GenerateRequest::parse(model, body).map_err(|e| ctx.refuse(e))?;
    let recommended = state.recommended(ctx, model).await.map_err(|e| ctx.refuse(e))?;
    let mut heard = request.chat(&recommended, 0);
    state.hear(ctx, model, &mut heard).await.map_err(|e| ctx.refuse(e))?;
    let others =
        (1..request.candidates).map(|candidate| request.reseeded(&heard, candidate)).collect::<Vec<_>>();
    let mut several = Several::default();
    for chat in std::iter::once(heard).chain(others) {
        several.add(state.chat(ctx, model, chat).await.map_err(|e| ctx.refuse(e))?);
    }
    let mut response = match stream {
        Some(form) => {
            let encoder = Encoder::new(ctx.id(), request.style, request.candidates);
            let headers = [(header::CONTENT_TYPE, form.media_type()), (header::CACHE_CONTROL, "no-cache")];
            (headers, Body::from_stream(Frames::new(several, encoder, form))).into_response()
        }
        None => {
            let collector = Collector::new(ctx.id(), request.style, request.candidates);
            let whole = whole(several, collector).await.map_err(|e| ctx.refuse(e))?;
            super::answer(StatusCode::OK, &whole)
        }
    };
    effect::report(&mut response, &request.without_effect);
    Ok(response)
}

async fn whole(mut several: Several, mut collector: Collector) -> Outcome<Value> {
    while let Some((candidate, event)) = poll_fn(|cx| several.poll_next(cx)).await {
        collector.push(candidate, &event?);
    }
    collector.finish()
}

async fn count(
    state: &AppState,
    ctx: &RequestContext,
    model: &str,
    body: Value,
) -> Result<Response, Refused> {
    let request = GenerateRequest::parse_count(model, body).map_err(|e| ctx.refuse(e))?;
    let mut chat = request.chat(&parasol_core::SamplingChoice::default(), 0);
    state.hear(ctx, model, &mut chat).await.map_err(|e| ctx.refuse(e))?;
    let tokens = state.count_tokens(ctx, model, chat).await.map_err(|e| ctx.refuse(e))?;
    let mut response = super::answer(StatusCode::OK, &token_count(tokens));
    effect::report(&mut response, &request.without_effect);
    Ok(response)
}
