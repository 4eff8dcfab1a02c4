//! Speech over HTTP: asking a voice under the same limits as other models, and its sound as a body that is sent as it is made.

use crate::AppState;
use crate::begun::Begun;
use crate::context::RequestContext;
use crate::generate::{Place, allow_model, fault};
use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, Result, SpeakRequest, SpeechEvent, Voice};
use parasol_runtime::sound::{SoundFormat, SoundWriter};
use parasol_runtime::{Models, VoiceLease};
use parasol_wire::openai::speech;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Speech that has begun.
pub(crate) struct Spoken {
    begun: Begun<SpeechEvent, VoiceLease>,
    /// Samples per second.
    rate: u32,
}

/// A model that cannot do what `field` asks of it is the wrong one to ask, and nothing that a server may offer later.
pub(crate) fn wrong_model(field: &'static str) -> impl Fn(Error) -> Error {
    move |error| match error.kind() {
        ErrorKind::Unsupported => Error::new(ErrorKind::InvalidRequest, format!("{field}: {error}")),
        _ => error,
    }
}

impl AppState {
    /// Reads a text aloud. What goes wrong before the first sound is an error here, so that it still can have a status.
    ///
    /// # Errors
    /// Those of the voice; `Denied`, `RateLimited`, `Overloaded`, `Timeout`.
    pub(crate) async fn speak(
        &self,
        ctx: &RequestContext,
        model: &str,
        mut request: SpeakRequest,
    ) -> Result<Spoken> {
        ctx.client().clone_into(&mut request.client);
        let owner = ctx.owner();
        let ask = move |models: &Arc<Models>, name: &str| {
            let lease = models.speaker(name)?;
            models.runtime().imitate(&owner, name, lease.speaker(), &mut request)?;
            let events = lease.speaker().speak(request)?;
            Ok((lease, events))
        };
        let (mut begun, mut rate) = (self.begin(ctx, model, ask).await?, 0);
        loop {
            match begun.next().await.unwrap_or_else(|| Err(fault()))? {
                SpeechEvent::Started { rate: told, .. } => rate = told,
                event => {
                    begun.put_back(event);
                    return Ok(Spoken { begun, rate });
                }
            }
        }
    }

    /// The voices of a model, which is loaded for that, and whether it imitates others.
    ///
    /// # Errors
    /// When it is not here or is no voice; `Denied`, `Overloaded`.
    pub(crate) async fn voices(&self, ctx: &RequestContext, model: &str) -> Result<(Vec<Voice>, bool)> {
        allow_model(ctx, model)?;
        let place = Place::take(self)?;
        let (models, name) = (self.models().clone(), model.to_owned());
        let look = move || {
            // Also when nobody waits any more, the work takes its place.
            let _place = place;
            models.speaker(&name).map(|lease| (lease.speaker().voices(), lease.speaker().imitates()))
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_else(|_| Err(fault()))
    }
}

impl Spoken {
    /// Samples per second.
    pub(crate) fn rate(&self) -> u32 {
        self.rate
    }

    /// What comes next; `None` after the end.
    pub(crate) fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<SpeechEvent>>> {
        self.begun.poll(cx)
    }

    /// The sound as a body, or as events that hold it.
    ///
    /// # Errors
    /// When the format does not have the voice's rate.
    pub(crate) fn response(self, format: SoundFormat, events: bool) -> Result<Response> {
        let writer = SoundWriter::new(format, self.rate())?;
        let rate = self.rate().to_string();
        let body = Body::from_stream(Sound { spoken: Some(self), writer: Some(writer), events });
        let kind = if events { "text/event-stream" } else { format.media_type() };
        let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "no-cache")];
        // Plain numbers do not tell their rate.
        Ok((headers, [("x-parasol-sample-rate", rate)], body).into_response())
    }
}

/// Bytes as they are made.
struct Sound {
    spoken: Option<Spoken>,
    writer: Option<SoundWriter>,
    events: bool,
}

impl Sound {
    fn wrap(&self, bytes: Vec<u8>) -> Bytes {
        match self.events {
            true => speech::delta(&STANDARD.encode(bytes)).encode().into(),
            false => bytes.into(),
        }
    }

    /// The bytes of an event; `None` when there are none yet.
    fn encode(&mut self, event: SpeechEvent) -> Result<Option<Bytes>> {
        match event {
            SpeechEvent::Started { .. } => Ok(None),
            SpeechEvent::Audio { samples, .. } => {
                let bytes = self.writer.as_mut().map_or(Ok(Vec::new()), |writer| writer.push(&samples))?;
                Ok((!bytes.is_empty()).then(|| self.wrap(bytes)))
            }
            SpeechEvent::Finished { usage, .. } => {
                self.spoken = None;
                let rest = self.writer.take().map_or(Ok(Vec::new()), SoundWriter::finish)?;
                let mut last = if rest.is_empty() { Vec::new() } else { self.wrap(rest).to_vec() };
                if self.events {
                    last.extend(speech::done(usage.characters, usage.phonemes).encode().into_bytes());
                }
                Ok((!last.is_empty()).then(|| last.into()))
            }
        }
    }
}

impl Stream for Sound {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            let Some(spoken) = &mut self.spoken else { return Poll::Ready(None) };
            let done = match spoken.next(cx) {
                Poll::Pending => return Poll::Pending,
                // No end was told: the work broke down.
                Poll::Ready(None) => Err(fault()),
                Poll::Ready(Some(event)) => event.and_then(|event| self.encode(event)),
            };
            match done {
                Ok(None) => {}
                Ok(Some(bytes)) => return Poll::Ready(Some(Ok(bytes))),
                // The connection breaks off, so that nobody takes the piece for the whole.
                Err(error) => {
                    self.spoken = None;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
