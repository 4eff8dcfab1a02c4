//! A response as typed server-sent events: the last of them is sent when the response is kept.

use super::store::{Kept, Store};
use crate::openai::now;
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_core::Stream;
use parasol_core::{EventStream, GenerationEvent, Result as Outcome};
use parasol_wire::openai::responses::Answer;
use parasol_wire::sse::SseEvent;
use serde_json::Value;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Where a finished response goes, and with what.
pub(super) struct Keep {
    /// The responses of who asked.
    pub(super) store: Store,
    /// What the response continues.
    pub(super) previous: Option<String>,
    /// What it answers.
    pub(super) input: Vec<Value>,
}

impl Keep {
    /// Keeps the response and hands it back.
    ///
    /// # Errors
    /// Those of the database.
    pub(super) async fn keep(self, response: Value) -> Outcome<Value> {
        let id = response["id"].as_str().unwrap_or_default().to_owned();
        let kept = Kept { id, previous: self.previous, response: response.clone(), input: self.input };
        self.store.keep(kept).await?;
        Ok(response)
    }
}

/// The response that streams `events`; it is kept unless `keep` is none. When the client goes, they are dropped with it, which
/// ends their work.
pub(super) fn response(events: EventStream<GenerationEvent>, answer: Answer, keep: Option<Keep>) -> Response {
    let frames = Frames { answer, stage: Stage::Answering(events, keep) };
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(frames)).into_response()
}

enum Stage {
    Answering(EventStream<GenerationEvent>, Option<Keep>),
    Keeping(Pin<Box<dyn Future<Output = Outcome<Value>> + Send>>),
    Done,
}

struct Frames {
    answer: Answer,
    stage: Stage,
}

impl Frames {
    /// What follows when the model has said everything.
    fn ended(&mut self, keep: Option<Keep>) {
        let response = self.answer.response(now());
        self.stage = Stage::Keeping(Box::pin(async move {
            match keep {
                Some(keep) => keep.keep(response?).await,
                None => response,
            }
        }));
    }

    fn last(&mut self, response: Outcome<Value>) -> Vec<Value> {
        self.stage = Stage::Done;
        match response {
            Ok(response) => vec![self.answer.last(&response)],
            Err(error) => self.answer.fail(&error),
        }
    }
}

impl Stream for Frames {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            let events = match &mut this.stage {
                Stage::Done => return Poll::Ready(None),
                Stage::Keeping(keeping) => match keeping.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(response) => this.last(response),
                },
                Stage::Answering(stream, keep) => match Pin::new(stream).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(Ok(event))) => this.answer.push(&event),
                    Poll::Ready(Some(Err(error))) => this.last(Err(error)),
                    Poll::Ready(None) => {
                        let keep = keep.take();
                        this.ended(keep);
                        continue;
                    }
                },
            };
            if !events.is_empty() {
                return Poll::Ready(Some(Ok(events.iter().map(encode).collect::<String>().into())));
            }
        }
    }
}

/// The type stands beside the data as well as in it.
fn encode(event: &Value) -> String {
    SseEvent::json(event).named(event["type"].as_str().unwrap_or_default()).encode()
}
