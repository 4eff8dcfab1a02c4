//! A response under way: the model and the voice are taken, then text and sound come until both have ended. Dropping it ends the work.

use super::book::Mark;
use super::voice::voice;
use crate::AppState;
use crate::context::RequestContext;
use crate::generate::Place;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use parasol_core::{ChatRequest, Error, ErrorKind, FinishReason, Message, Result, Role, SpeakRequest};
use parasol_runtime::talk::{Reply, ReplyEvent, Saying};
use parasol_wire::openai::realtime::{Answer, End, Ids, Modality, ResponseCall, Speech};
use serde_json::Value;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Seconds of sound in an event, at most.
const PIECE: f64 = 0.2;

/// A response under way.
pub(super) struct Answering {
    // Dropped in order: the work ends before its place is given away.
    stage: Stage,
    answer: Answer,
    marks: Vec<Mark>,
    samples: u64,
    reason: Option<FinishReason>,
    _place: Place,
}

type Beginning = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

enum Stage {
    Beginning(Beginning),
    Running(Box<Reply>),
}

/// What came of a response.
pub(super) enum Step {
    /// Events.
    Events(Vec<Value>),
    /// Something was left out, for this reason.
    LeftOut(String),
    /// It has ended.
    Ended(End),
}

impl Answering {
    /// Begins a response to `messages`.
    ///
    /// # Errors
    /// `Overloaded` when there is no place for it.
    pub(super) fn begin(
        state: &AppState,
        ctx: &RequestContext,
        (model, truncates): (&str, bool),
        answer: Answer,
        messages: Vec<Message>,
    ) -> Result<Self> {
        let place = Place::take(state).inspect_err(|_| state.metrics().limited())?;
        let speech = answer.call().speech.clone();
        let asking = Asking {
            state: state.clone(),
            ctx: ctx.clone(),
            model: model.to_owned(),
            truncates,
            // The text is written in the place of the whole.
            place: place.clone(),
        };
        let stage = Stage::Beginning(Box::pin(asking.ask(speech, messages)));
        Ok(Self { stage, answer, marks: Vec::new(), samples: 0, reason: None, _place: place })
    }

    /// The response as it is told of.
    pub(super) fn answer(&self) -> &Answer {
        &self.answer
    }

    /// How it was asked for.
    pub(super) fn call(&self) -> &ResponseCall {
        self.answer.call()
    }

    /// What happens next.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, ids: &mut Ids) -> Poll<Step> {
        loop {
            match &mut self.stage {
                Stage::Beginning(beginning) => match beginning.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(reply)) => self.stage = Stage::Running(Box::new(reply)),
                    Poll::Ready(Err(error)) => return Poll::Ready(Step::Ended(End::Failed(error))),
                },
                Stage::Running(reply) => {
                    let event = match Pin::new(&mut **reply).poll_next(cx) {
                        Poll::Pending => return Poll::Pending,
                        Poll::Ready(event) => event,
                    };
                    if let Some(step) = self.see(event, ids) {
                        return Poll::Ready(step);
                    }
                }
            }
        }
    }

    fn see(&mut self, event: Option<Result<ReplyEvent>>, ids: &mut Ids) -> Option<Step> {
        Some(match event {
            None => Step::Ended(End::Finished(self.reason.unwrap_or(FinishReason::Stop))),
            Some(Err(error)) => Step::Ended(End::Failed(error)),
            Some(Ok(ReplyEvent::Text(text))) => Step::Events(self.answer.text(ids, &text)),
            Some(Ok(ReplyEvent::ToolCall(delta))) => Step::Events(self.answer.tool_call(ids, &delta)),
            Some(Ok(ReplyEvent::Unspoken(why))) => Step::LeftOut(why),
            Some(Ok(ReplyEvent::Written { reason, usage })) => {
                self.reason = Some(reason);
                self.answer.took(usage);
                return None;
            }
            Some(Ok(ReplyEvent::Sound(sound))) => {
                self.samples += sound.samples.len() as u64;
                self.marks.push((sound.until, self.samples));
                let rate = self.answer.call().speech.voicing.format.rate;
                let piece = ((f64::from(rate) * PIECE) as usize).max(1);
                let mut events = Vec::new();
                for samples in sound.samples.chunks(piece) {
                    let bytes = parasol_runtime::sound::wav::pcm(samples);
                    events.extend(self.answer.sound(ids, STANDARD.encode(bytes)));
                }
                Step::Events(events)
            }
        })
    }

    /// The last events, and where the sound came to; the work ends.
    pub(super) fn end(mut self, end: &End) -> (Vec<Value>, Answer, Vec<Mark>) {
        let events = self.answer.end(end);
        (events, self.answer, self.marks)
    }
}

struct Asking {
    state: AppState,
    ctx: RequestContext,
    model: String,
    truncates: bool,
    place: Place,
}

impl Asking {
    async fn ask(self, speech: Speech, messages: Vec<Message>) -> Result<Reply> {
        let saying = match speech.modality {
            Modality::Text => None,
            Modality::Audio => {
                let voicing = &speech.voicing;
                let (lease, name) = voice(&self.state, &self.ctx, voicing.own_voice()).await?;
                let client = self.ctx.client().to_owned();
                let request =
                    SpeakRequest { voice: name, speed: voicing.speed, client, ..SpeakRequest::default() };
                Some(Saying::new(Arc::new(lease), request, voicing.format.rate))
            }
        };
        let recommended = self.state.recommended(&self.ctx, &self.model).await?;
        let mut request = speech.request(messages, &recommended);
        loop {
            let place = Some(self.place.clone());
            match self.state.chat_in(&self.ctx, &self.model, request.clone(), place).await {
                Ok(text) => return Ok(Reply::new(text, saying)),
                Err(error) if self.truncates && is_overflow(&error) && shorten(&mut request) => {
                    tracing::info!(
                        request = self.ctx.id(),
                        messages = request.messages.len(),
                        "conversation shortened"
                    );
                }
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_overflow(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::ContextOverflow { .. })
}

/// Leaves out the oldest quarter of a conversation, but neither its instructions nor what was said last; whether something went.
fn shorten(request: &mut ChatRequest) -> bool {
    let messages = &mut request.messages;
    let first = usize::from(messages.first().is_some_and(|m| m.role == Role::System));
    let left = messages.len().saturating_sub(first);
    if left <= 1 {
        return false;
    }
    let mut gone = (left / 4).max(1);
    // A result without its call would mean nothing.
    while messages.get(first + gone).is_some_and(|m| m.role == Role::Tool) && gone + 1 < left {
        gone += 1;
    }
    messages.drain(first..first + gone);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_the_instructions_and_the_last_word_stay() {
        let say = |role, text: &str| Message::new(role, text);
        let mut request = ChatRequest {
            messages: vec![
                say(Role::System, "s"),
                say(Role::User, "1"),
                say(Role::Tool, "2"),
                say(Role::User, "3"),
            ],
            ..ChatRequest::default()
        };
        assert!(shorten(&mut request));
        let left: Vec<&str> = request.messages.iter().map(|m| m.content.as_str()).collect();
        assert_eq!(left, ["s", "3"]);
        assert!(!shorten(&mut request));
    }
}
