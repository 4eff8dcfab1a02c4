//! `POST /v1/messages` and its token count.

use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::json::{Json, Refused};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, GenerationEvent, Result as Outcome};
use parasol_wire::anthropic::{Collector, Encoder, MessagesRequest, StreamEvent};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Answers a conversation.
pub(super) async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let request = MessagesRequest::parse(body).map_err(|e| ctx.refuse(e))?;
    let (model, stream, style) = (request.model.clone(), request.stream, request.style);
    let without_effect = request.without_effect.clone();
    let recommended = state.recommended(&ctx, &model).await.map_err(|e| ctx.refuse(e))?;
    let chat = request.into_chat(&recommended);
    let events = state.chat(&ctx, &model, chat).await.map_err(|e| ctx.refuse(e))?;
    let id = format!("msg_{}", ctx.id());
    let mut response = if stream {
        let frames = Frames { events: Some(events), encoder: Encoder::new(id, style), ended: false };
        let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
        (headers, Body::from_stream(frames)).into_response()
    } else {
        let message = whole(events, Collector::new(id, style)).await.map_err(|e| ctx.refuse(e))?;
        super::answer(axum::http::StatusCode::OK, &message)
    };
    effect::report(&mut response, &without_effect);
    Ok(response)
}

/// Counts the tokens of a conversation.
pub(super) async fn count(
    State(state): State<AppState>,
    ctx: RequestContext,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let request = MessagesRequest::parse_count(body).map_err(|e| ctx.refuse(e))?;
    let (model, without_effect) = (request.model.clone(), request.without_effect.clone());
    let chat = request.into_chat(&parasol_core::SamplingChoice::default());
    let tokens = state.count_tokens(&ctx, &model, chat).await.map_err(|e| ctx.refuse(e))?;
    let mut response = super::answer(axum::http::StatusCode::OK, &json!({ "input_tokens": tokens }));
    effect::report(&mut response, &without_effect);
    Ok(response)
}

async fn whole(mut events: EventStream<GenerationEvent>, mut collector: Collector) -> Outcome<Value> {
    while let Some(event) = poll_fn(|cx| Pin::new(&mut events).poll_next(cx)).await {
        collector.push(&event?);
    }
    collector.finish()
}

/// The answer's events as the lines of a stream. Dropping it ends the work.
struct Frames {
    events: Option<EventStream<GenerationEvent>>,
    encoder: Encoder,
    ended: bool,
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(events) = &mut self.events else { return Poll::Ready(None) };
            let frames = match Pin::new(events).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(event))) => {
                    self.ended |= matches!(event, GenerationEvent::Finished { .. });
                    self.encoder.push(&event)
                }
                Poll::Ready(Some(Err(error))) => {
                    self.events = None;
                    vec![StreamEvent::error(&error)]
                }
                Poll::Ready(None) => {
                    self.events = None;
                    if self.ended {
                        return Poll::Ready(None);
                    }
                    let what = "the model's answer broke off without an end";
                    vec![StreamEvent::error(&Error::new(ErrorKind::Internal, what))]
                }
            };
            if !frames.is_empty() {
                let lines = frames.iter().map(|f| format!("event: {}\ndata: {}\n\n", f.name, f.data));
                return Poll::Ready(Some(Ok(lines.collect::<String>().into())));
            }
        }
    }
}
