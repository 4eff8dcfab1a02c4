//! A session: one task that reads what the client sends, hears, thinks and speaks, until either side hangs up. Everything that it has
//! begun ends with it.

use super::answering::{Answering, Step};
use super::book::Book;
use super::hearing::{Hearing, Understood};
use crate::AppState;
use crate::context::RequestContext;
use crate::listen::HeldLine;
use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, Message as Said, Result};
use parasol_wire::openai::realtime::{
    Answer, ClientEvent, End, Ids, Kind, Received, ResponseCall, Session, conversation, events,
};
use serde_json::Value;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A session in which nothing is sent and nothing done for so long ends.
const IDLE: Duration = Duration::from_secs(600);

/// A session.
pub(super) struct Talk {
    pub(super) state: AppState,
    pub(super) ctx: RequestContext,
    pub(super) session: Session,
    pub(super) ids: Ids,
    pub(super) book: Book,
    pub(super) hearing: Hearing,
    answering: Option<Answering>,
    /// A response that the client has asked for and that waits until what was said is written down, with the id of its event.
    pub(super) wanted: Option<(ResponseCall, Option<String>)>,
    /// The answer to turns that have ended.
    pub(super) due: Option<Due>,
    /// How many of the oldest messages have no room in the model's context, as the last answer to the conversation found …
    left_out: usize,
    /// … unless the conversation has been changed since it began, elsewhere than at its end.
    edited: bool,
    pub(super) out: Vec<Value>,
    /// Work goes before messages: the other way round every second time.
    turn: bool,
}

/// An answer to turns that have ended. It is given once they are written down, if anything was understood in one of them.
pub(super) struct Due {
    pub(super) call: ResponseCall,
    pub(super) understood: bool,
}

/// What the task was woken by.
enum Woken {
    Message(Option<Result<Message, axum::Error>>),
    Understood(Understood),
    Answer(Step),
    Idle,
    Closing,
}

/// An error with the code that clients know it by, where it has one of its own.
pub(super) struct Wrong(Error, Option<&'static str>);

impl From<Error> for Wrong {
    fn from(error: Error) -> Self {
        Self(error, None)
    }
}

pub(super) fn wrong(code: &'static str, message: impl Into<String>) -> Wrong {
    Wrong(Error::new(ErrorKind::InvalidRequest, message), Some(code))
}

impl Talk {
    pub(super) fn new(state: AppState, ctx: RequestContext, session: Session, ids: Ids) -> Self {
        let hearing = Hearing::new(&session.hearing);
        Self {
            state,
            ctx,
            session,
            ids,
            book: Book::default(),
            hearing,
            answering: None,
            wanted: None,
            due: None,
            left_out: 0,
            edited: false,
            out: Vec::new(),
            turn: false,
        }
    }

    /// Talks until either side has enough.
    pub(super) async fn run(mut self, mut socket: WebSocket, mut line: HeldLine) {
        let begun = Instant::now();
        self.out.push(events::session("created", &self.session, &self.ids.session()));
        let why = self.talk(&mut socket, &mut line).await;
        let seconds = begun.elapsed().as_secs_f64();
        tracing::info!(request = self.ctx.id(), seconds, why, "session ended");
    }

    async fn talk(&mut self, socket: &mut WebSocket, line: &mut HeldLine) -> &'static str {
        let mut closing = pin!(line.closing());
        let mut idle = Box::pin(tokio::time::sleep(IDLE));
        loop {
            for event in std::mem::take(&mut self.out) {
                let text = events::stamped(event, self.ids.next("event"));
                if socket.send(Message::Text(text.into())).await.is_err() {
                    return "the client is gone";
                }
            }
            let woken = poll_fn(|cx| self.wake(cx, socket, closing.as_mut(), &mut idle)).await;
            match woken {
                Woken::Understood(understood) => self.understood(understood),
                Woken::Answer(step) => self.answered(step),
                Woken::Message(Some(Ok(Message::Text(text)))) => {
                    idle.as_mut().reset(Instant::now() + IDLE);
                    if !self.still_welcome() {
                        close(socket, close_code::POLICY, "the API key has expired or was revoked").await;
                        return "the key has ended";
                    }
                    self.message(&text).await;
                }
                Woken::Message(Some(Ok(Message::Binary(_)))) => {
                    let says = "the message is binary: send JSON as text, with sound in base64";
                    self.out.push(events::error(&Error::new(ErrorKind::InvalidRequest, says), None));
                }
                Woken::Message(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => {}
                Woken::Message(Some(Ok(Message::Close(_)))) => {
                    // Reading on sends the answer to it.
                    let _ = tokio::time::timeout(Duration::from_secs(1), socket.recv()).await;
                    return "the client has ended it";
                }
                Woken::Message(None) => return "the client is gone",
                Woken::Message(Some(Err(error))) => {
                    tracing::debug!(request = self.ctx.id(), %error, "a session broke off");
                    close(socket, close_code::SIZE, "the message is too large, or no WebSocket message")
                        .await;
                    return "a message could not be read";
                }
                Woken::Idle => {
                    close(socket, close_code::NORMAL, "nothing was sent for ten minutes").await;
                    return "idle";
                }
                Woken::Closing => {
                    close(socket, close_code::AWAY, "the server ends").await;
                    return "the server ends";
                }
            }
            self.go_on();
        }
    }

    fn wake(
        &mut self,
        cx: &mut Context<'_>,
        socket: &mut WebSocket,
        closing: Pin<&mut impl Future<Output = ()>>,
        idle: &mut Pin<Box<Sleep>>,
    ) -> Poll<Woken> {
        if closing.poll(cx).is_ready() {
            return Poll::Ready(Woken::Closing);
        }
        self.turn = !self.turn;
        let mut message = Poll::Pending;
        if self.turn {
            message = Pin::new(&mut *socket).poll_next(cx);
        }
        if message.is_pending() {
            if let Some(answering) = &mut self.answering
                && let Poll::Ready(step) = answering.poll(cx, &mut self.ids)
            {
                return Poll::Ready(Woken::Answer(step));
            }
            if let Poll::Ready(understood) = self.hearing.poll(cx) {
                return Poll::Ready(Woken::Understood(understood));
            }
        }
        if message.is_pending() && !self.turn {
            message = Pin::new(&mut *socket).poll_next(cx);
        }
        if let Poll::Ready(message) = message {
            return Poll::Ready(Woken::Message(message));
        }
        let works = self.answering.is_some() || self.hearing.is_busy();
        match idle.as_mut().poll(cx) {
            Poll::Ready(()) if !works => Poll::Ready(Woken::Idle),
            Poll::Ready(()) => {
                idle.as_mut().reset(Instant::now() + IDLE);
                // Asked once more, so that it wakes.
                let _ = idle.as_mut().poll(cx);
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }

    /// A key may end before its sessions do.
    fn still_welcome(&self) -> bool {
        self.ctx.key().is_none_or(|key| self.state.keys().by_id(&key.id).is_some())
    }

    /// A message of the client's: what is wrong with it becomes an event, and the session goes on.
    async fn message(&mut self, text: &str) {
        let Received { event_id, event } = Received::read(text);
        let done = match event {
            Ok(event) => self.event(event, event_id.as_deref()).await,
            Err(error) => Err(error.into()),
        };
        if let Err(Wrong(error, code)) = done {
            let of = event_id.as_deref();
            self.out.push(match code {
                Some(code) => events::error_with(&error, code, of),
                None => events::error(&error, of),
            });
        }
    }

    async fn event(&mut self, event: ClientEvent, id: Option<&str>) -> Result<(), Wrong> {
        match event {
            ClientEvent::SessionUpdate(session) => self.update(session)?,
            ClientEvent::Append(audio) => self.append(&audio).await?,
            ClientEvent::Commit => self.commit().await?,
            ClientEvent::Clear => {
                self.hearing.clear();
                self.out.push(events::cleared());
            }
            ClientEvent::ItemCreate { previous, item } => {
                if previous.is_some() {
                    (self.left_out, self.edited) = (0, true);
                }
                self.create(previous.as_deref(), item).await?;
            }
            ClientEvent::ItemRetrieve(id) => self.out.push(events::item_retrieved(self.book.get(&id)?)),
            ClientEvent::ItemDelete(id) => {
                self.is_settled(&id)?;
                self.book.delete(&id)?;
                (self.left_out, self.edited) = (0, true);
                self.out.push(events::item_deleted(&id));
            }
            ClientEvent::ItemTruncate { id, content_index, audio_end_ms } => {
                self.is_settled(&id)?;
                let rate = self.session.speech.voicing.format.rate;
                self.book.truncate(&id, content_index, audio_end_ms, rate)?;
                self.out.push(events::item_truncated(&id, content_index, audio_end_ms));
            }
            ClientEvent::ResponseCreate(response) => self.respond(response, id)?,
            ClientEvent::ResponseCancel(response) => self.cancel(response.as_deref())?,
        }
        Ok(())
    }

    /// An item of an answer that is still being given changes with every event of it.
    fn is_settled(&self, id: &str) -> Result<()> {
        if self.answering.as_ref().is_some_and(|a| a.answer().items().iter().any(|item| item.id == id)) {
            let says = "item_id: this answer is still being given: send response.cancel first";
            return Err(Error::new(ErrorKind::InvalidRequest, says));
        }
        Ok(())
    }

    fn update(&mut self, session: Value) -> Result<()> {
        let before = self.session.hearing.clone();
        self.session.update(session)?;
        // Shorter instructions may leave more room.
        self.left_out = 0;
        let now = &self.session.hearing;
        if (&before.turns, &before.model, before.format) != (&now.turns, &now.model, now.format) {
            self.hearing.change()?;
        }
        self.out.push(events::session("updated", &self.session, &self.ids.session()));
        Ok(())
    }

    pub(super) fn respond(&mut self, response: Option<Value>, id: Option<&str>) -> Result<(), Wrong> {
        if !self.session.talks() {
            return Err(only_writes().into());
        }
        let call = ResponseCall::read(&self.session, response)?;
        let due = self.due.is_some() && !self.is_spoken_over();
        if self.answering.is_some() || self.wanted.is_some() || due {
            let says = "a response is being made: wait for response.done, or send response.cancel";
            return Err(wrong("conversation_already_has_active_response", says));
        }
        // What is wrong with its input is told at once.
        self.messages(&call)?;
        self.wanted = Some((call, id.map(str::to_owned)));
        Ok(())
    }

    /// What a response answers.
    fn messages(&self, call: &ResponseCall) -> Result<Vec<Said>> {
        let Some(input) = &call.input else { return conversation(self.book.items()) };
        let mut items = Vec::with_capacity(input.len());
        for item in input {
            if item.kind == Kind::Reference {
                items.push(self.book.get(&item.id)?);
                continue;
            }
            if item.unheard().is_some() {
                let says = "response.input: sound is heard as an item of the conversation: create one and refer to it";
                return Err(Error::new(ErrorKind::InvalidRequest, says));
            }
            items.push(item);
        }
        conversation(items)
    }

    fn cancel(&mut self, response: Option<&str>) -> Result<(), Wrong> {
        let none =
            || wrong("response_cancel_not_active", "no response is being made: there is nothing to cancel");
        match &self.answering {
            Some(answering) if response.is_none_or(|id| id == answering.answer().id()) => {
                self.end_answer(&End::Cancelled { spoken_over: false });
                Ok(())
            }
            None if response.is_none() && (self.wanted.is_some() || self.due.is_some()) => {
                (self.wanted, self.due) = (None, None);
                Ok(())
            }
            _ => Err(none()),
        }
    }

    /// Whether somebody is speaking whom no answer interrupts.
    fn is_spoken_over(&self) -> bool {
        self.hearing.open_item().is_some() && self.session.hearing.turns.is_some_and(|turns| turns.interrupts)
    }

    /// Begins the response that is wanted or due, once nothing stands before it.
    pub(super) fn go_on(&mut self) {
        if self.answering.is_some() || self.hearing.is_busy() {
            return;
        }
        if let Some((call, of)) = self.wanted.take() {
            self.begin(call, of.as_deref());
        }
        if self.answering.is_none()
            && !self.is_spoken_over()
            && let Some(Due { call, understood: true }) = self.due.take()
        {
            self.begin(call, None);
        }
    }

    fn begin(&mut self, call: ResponseCall, of: Option<&str>) {
        // An answer to the whole conversation, and a part of it, answers its turns, too.
        let answers_turns = call.kept && call.input.is_none();
        match self.try_begin(call) {
            Ok(()) if answers_turns => self.due = None,
            Ok(()) => {}
            Err(error) => self.out.push(events::error(&error, of)),
        }
    }

    fn try_begin(&mut self, call: ResponseCall) -> Result<()> {
        let messages = self.messages(&call)?;
        if call.kept {
            self.book.has_room()?;
        }
        if let Some(key) = self.ctx.key() {
            self.state.limits().request(key).inspect_err(|_| self.state.metrics().limited())?;
        }
        let model = self.session.model.clone().unwrap_or_default();
        let left_out = if self.is_usual(&call) && self.session.truncates { self.left_out } else { 0 };
        let answer = Answer::new(&mut self.ids, call, self.book.last());
        let created = answer.created();
        let how = (model.as_str(), self.session.truncates, left_out);
        self.answering = Some(Answering::begin(&self.state, &self.ctx, how, answer, messages)?);
        self.edited = false;
        self.out.push(created);
        Ok(())
    }

    /// Whether a response is made as the session has them: others may have more or less room.
    fn is_usual(&self, call: &ResponseCall) -> bool {
        call.input.is_none() && call.speech == self.session.speech
    }

    fn answered(&mut self, step: Step) {
        match step {
            Step::Events(events) => {
                self.out.extend(events);
                self.keep_answer();
            }
            Step::LeftOut(why) => {
                let error = Error::new(ErrorKind::InvalidRequest, why);
                self.out.push(events::error_with(&error, "not_spoken", None));
            }
            Step::Ended(end) => self.end_answer(&end),
        }
    }

    /// What has come of the answer has its place in the conversation; all of its text it gets at the end.
    fn keep_answer(&mut self) {
        let Some(answering) = self.answering.as_ref().filter(|answering| answering.call().kept) else {
            return;
        };
        if let Some(last) = answering.answer().items().last().filter(|item| !self.book.holds(&item.id)) {
            self.book.put(last);
        }
    }

    /// Ends the answer that is being given, if there is one, and the work for it.
    pub(super) fn end_answer(&mut self, end: &End) {
        let Some(answering) = self.answering.take() else { return };
        if self.is_usual(answering.call()) && !self.edited {
            self.left_out = answering.left_out();
        }
        let (events, answer, marks) = answering.end(end);
        self.out.extend(events);
        if answer.call().kept {
            for item in answer.items() {
                self.book.put(item);
                self.book.mark(&item.id, marks.clone());
            }
        }
    }
}

pub(super) fn only_writes() -> Error {
    let says = "this session only writes down what it hears: connect with ?model= to talk";
    Error::new(ErrorKind::InvalidRequest, says)
}

/// Says why and goes. Who does not listen any more is not waited for.
async fn close(socket: &mut WebSocket, code: u16, why: &'static str) {
    let frame = CloseFrame { code, reason: why.into() };
    let _ = tokio::time::timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await;
}
