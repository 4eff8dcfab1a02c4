//! Content that is sound: a text that is read aloud, as a whole or while it is made.

use super::stream::Form;
use crate::AppState;
use crate::context::RequestContext;
use crate::effect;
use crate::speak::{Spoken, wrong_model};
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use parasol_core::{Error, Result as Outcome, SpeechEvent};
use parasol_runtime::sound::wav;
use parasol_wire::gemini::{error_body, speech};
use serde_json::Value;
use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Reads the text of a request aloud.
pub(super) async fn speak(
    state: &AppState,
    ctx: &RequestContext,
    model: &str,
    body: Value,
    stream: Option<Form>,
) -> Outcome<Response> {
    let call = speech::SpeechCall::read(body)?;
    let spoken = state.speak(ctx, model, call.request).await.map_err(wrong_model("responseModalities"))?;
    let mut response = match stream {
        Some(form) => {
            let pieces =
                Pieces { spoken: Some(spoken), id: ctx.id().into(), model: model.into(), form, begun: false };
            let headers = [(header::CONTENT_TYPE, form.media_type()), (header::CACHE_CONTROL, "no-cache")];
            (headers, Body::from_stream(pieces)).into_response()
        }
        None => super::answer(StatusCode::OK, &whole(ctx, model, spoken).await?),
    };
    effect::report(&mut response, &call.without_effect);
    Ok(response)
}

async fn whole(ctx: &RequestContext, model: &str, mut spoken: Spoken) -> Outcome<Value> {
    let (rate, mut sound) = (spoken.rate(), Vec::new());
    loop {
        match poll_fn(|cx| spoken.next(cx)).await {
            Some(Ok(SpeechEvent::Audio { samples, .. })) => sound.extend(wav::pcm(&samples)),
            Some(Ok(SpeechEvent::Finished { usage, .. })) => {
                let end = Some((usage.characters, usage.phonemes));
                return Ok(speech::sound(ctx.id(), model, (Some(STANDARD.encode(sound)), rate), end));
            }
            Some(Ok(SpeechEvent::Started { .. })) => {}
            Some(Err(error)) => return Err(error),
            None => return Err(crate::generate::fault()),
        }
    }
}

/// A response for every piece of sound.
struct Pieces {
    spoken: Option<Spoken>,
    id: String,
    model: String,
    form: Form,
    begun: bool,
}

impl Pieces {
    fn write(&mut self, response: &Value) -> String {
        self.form.frame(&mut self.begun, response)
    }

    fn end(&mut self, last: &Value) -> String {
        self.spoken = None;
        self.write(last) + self.form.close(self.begun)
    }

    fn fail(&mut self, error: &Error) -> String {
        self.end(&error_body(error, None))
    }
}

impl Stream for Pieces {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(spoken) = &mut self.spoken else { return Poll::Ready(None) };
            let rate = spoken.rate();
            let text = match spoken.next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(SpeechEvent::Audio { samples, .. }))) => {
                    let data = STANDARD.encode(wav::pcm(&samples));
                    let response = speech::sound(&self.id, &self.model, (Some(data), rate), None);
                    self.write(&response)
                }
                Poll::Ready(Some(Ok(SpeechEvent::Finished { usage, .. }))) => {
                    let end = Some((usage.characters, usage.phonemes));
                    let last = speech::sound(&self.id, &self.model, (None, rate), end);
                    self.end(&last)
                }
                Poll::Ready(Some(Ok(SpeechEvent::Started { .. }))) => continue,
                Poll::Ready(Some(Err(error))) => self.fail(&error),
                Poll::Ready(None) => self.fail(&crate::generate::fault()),
            };
            return Poll::Ready(Some(Ok(text.into())));
        }
    }
}
