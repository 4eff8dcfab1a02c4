//! A response under way: the model and the voice are taken, then text and sound come until both have ended. Dropping it ends the work.

use super::book::Mark;
use super::voice::voice;
use crate::AppState;
use crate::context::RequestContext;
use crate::generate::Place;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use parasol_core::{ErrorKind, FinishReason, Message, Result, Role, SpeakRequest};
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
    left_out: usize,
    _place: Place,
}

type Beginning = Pin<Box<dyn Future<Output = Result<(Reply, usize)>> + Send>>;

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
    /// Begins a response to `messages`, of which `left_out` of the oldest have been found to have no room.
    ///
    /// # Errors
    /// `Overloaded` when there is no place for it.
    pub(super) fn begin(
        state: &AppState,
        ctx: &RequestContext,
        (model, truncates, left_out): (&str, bool, usize),
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
            left_out,
            // The text is written in the place of the whole.
            place: place.clone(),
        };
        let stage = Stage::Beginning(Box::pin(asking.ask(speech, messages)));
        Ok(Self { stage, answer, marks: Vec::new(), samples: 0, reason: None, left_out, _place: place })
    }

    /// How many of the oldest messages have no room in the model's context.
    pub(super) fn left_out(&self) -> usize {
        self.left_out
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
                    Poll::Ready(Ok((reply, left_out))) => {
                        self.left_out = left_out;
                        self.stage = Stage::Running(Box::new(reply));
                    }
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
    left_out: usize,
    place: Place,
}

impl Asking {
    /// The answer, and how many of the oldest messages it leaves out.
    async fn ask(self, speech: Speech, messages: Vec<Message>) -> Result<(Reply, usize)> {
        let saying = match speech.modality {
            Modality::Text => None,
            Modality::Audio => {
                let voicing = &speech.voicing;
                let (lease, request) = voice(&self.state, &self.ctx, voicing.own_voice()).await?;
                let client = self.ctx.client().to_owned();
                let request = SpeakRequest { speed: voicing.speed, client, ..request };
                Some(Saying::new(Arc::new(lease), request, voicing.format.rate))
            }
        };
        let recommended = self.state.recommended(&self.ctx, &self.model).await?;
        let mut request = speech.request(messages, &recommended);
        let mut left_out = leave_out(&mut request.messages, self.left_out);
        loop {
            let place = Some(self.place.clone());
            let error = match self.state.chat_in(&self.ctx, &self.model, request.clone(), place).await {
                Ok(text) => return Ok((Reply::new(text, saying), left_out)),
                Err(error) => error,
            };
            let more = match *error.kind() {
                ErrorKind::ContextOverflow { needed, limit } if self.truncates => {
                    too_many(&request.messages, needed, limit)
                }
                _ => 0,
            };
            if more == 0 {
                return Err(error);
            }
            left_out += leave_out(&mut request.messages, more);
            let messages = request.messages.len();
            tracing::info!(request = self.ctx.id(), messages, left_out, "conversation shortened");
        }
    }
}

/// How many of the oldest messages go where a request needs `needed` tokens of `limit`, by their share of its bytes; never its
/// instructions, nor what was said last. 0 when none may go.
fn too_many(messages: &[Message], needed: usize, limit: usize) -> usize {
    let first = usize::from(messages.first().is_some_and(|m| m.role == Role::System));
    let bytes = |message: &Message| {
        let calls = message.tool_calls.iter().map(|call| call.name.len() + call.arguments.to_string().len());
        message.content.len() + calls.sum::<usize>() + FRAME
    };
    let sizes: Vec<usize> = messages.iter().map(bytes).collect();
    let mut rest = sizes.iter().sum::<usize>() as f64;
    // Some more than has to: not every byte takes as many tokens as another, and more will be said.
    let most = rest * (limit as f64 / needed.max(1) as f64).min(1.0) * 0.9;
    let mut gone = 0;
    for (place, (message, size)) in messages.iter().zip(sizes).enumerate().skip(first) {
        // A result without its call would mean nothing.
        if (rest <= most && message.role != Role::Tool) || place + 1 == messages.len() {
            break;
        }
        rest -= size as f64;
        gone += 1;
    }
    gone
}

/// Bytes that a message takes beside what it says.
const FRAME: usize = 16;

/// Leaves out so many of the oldest messages, but neither the instructions nor what was said last; returns how many went.
fn leave_out(messages: &mut Vec<Message>, many: usize) -> usize {
    let first = usize::from(messages.first().is_some_and(|m| m.role == Role::System));
    let mut end = first.saturating_add(many).min(messages.len().saturating_sub(1));
    while many > 0 && end + 1 < messages.len() && messages[end].role == Role::Tool {
        end += 1;
    }
    messages.drain(first..end.max(first)).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(all: &[(Role, usize)]) -> Vec<Message> {
        all.iter().map(|(role, length)| Message::new(*role, "x".repeat(*length))).collect()
    }

    #[test]
    fn as_many_of_the_oldest_go_as_do_not_fit_and_the_instructions_and_the_last_word_stay() {
        let mut messages =
            said(&[(Role::System, 100), (Role::User, 100), (Role::Assistant, 100), (Role::User, 100)]);
        assert_eq!(too_many(&messages, 1000, 999), 1);
        assert_eq!(too_many(&messages, 4000, 2400), 2);
        // Neither the first nor the last goes, however little there is room for.
        assert_eq!(too_many(&messages, 4000, 1), 2);
        assert_eq!(leave_out(&mut messages, 9), 2);
        assert_eq!((messages.len(), too_many(&messages, 4000, 1), leave_out(&mut messages, 1)), (2, 0, 0));
        assert_eq!(too_many(&said(&[(Role::User, 100)]), 2, 1), 0);
        assert_eq!(leave_out(&mut Vec::new(), 3), 0);
        // A thousand of the same length, twice too many: about half of them go at once.
        let long = said(&[(Role::User, 50); 1000]);
        assert!((500..=600).contains(&too_many(&long, 20_000, 10_000)));
    }

    #[test]
    fn no_result_stays_without_its_call() {
        let mut messages = said(&[(Role::User, 9), (Role::Tool, 9), (Role::Tool, 9), (Role::User, 9)]);
        assert_eq!(too_many(&messages, 100, 99), 3);
        assert_eq!((leave_out(&mut messages, 1), messages.len()), (3, 1));
    }
}
