//! The routes of answers.

use super::super::access::Segment;
use super::super::conversations::{invalid, publish, unknown};
use super::super::events::{self, owner};
use super::super::store::{self, Conversation, Message, MessageRole, MessageState, Parameters};
use super::compute::{self, Question};
use super::live::{Live, whole};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, Result};
use parasol_runtime::LoadedState;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

/// How often a line that says nothing keeps a connection.
const PULSE: Duration = Duration::from_secs(15);

/// How long whoever stops an answer waits for its end.
const PATIENCE: Duration = Duration::from_secs(10);

/// What answer is wanted. What is left out is the conversation's.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAnswer {
    /// The message to answer.
    parent: String,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    parameters: Option<Parameters>,
    #[serde(default)]
    system: Option<String>,
    /// Whether the conversation ends with it from now on.
    #[serde(default = "yes")]
    head: bool,
}

fn yes() -> bool {
    true
}

/// A prompt to be counted.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Prompt {
    /// What it follows.
    parent: Option<String>,
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    model: Option<String>,
    #[serde(default)]
    system: Option<String>,
}

/// How much of its context a prompt takes; null where the model is not loaded.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ContextCount {
    prompt_tokens: Option<usize>,
    context: Option<usize>,
}

/// The routes of answers.
pub(in crate::studio) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/conversations/{id}/answers", post(ask))
        .route("/api/parasol/conversations/{id}/context", post(count))
        .route("/api/parasol/answers/{message}/events", get(listen))
        .route("/api/parasol/answers/{message}/stop", post(stop))
}

/// The model that answers when nobody chose one.
fn model_of(state: &AppState, chosen: Option<String>, it: &Conversation) -> Result<String> {
    match chosen.or_else(|| it.model.clone()).or_else(|| state.options().default_model.clone()) {
        Some(model) => Ok(model),
        None => state.models().runtime().default_model(),
    }
}

async fn ask(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    Body(new): Body<NewAnswer>,
) -> Result<(StatusCode, Json<Message>), Refused> {
    begin(&state, &ctx, &id, new).await.map(|it| (StatusCode::ACCEPTED, Json(it))).map_err(|e| ctx.refuse(e))
}

async fn begin(state: &AppState, ctx: &RequestContext, id: &str, new: NewAnswer) -> Result<Message> {
    new.parameters.as_ref().map_or(Ok(()), Parameters::check)?;
    let owner = owner(ctx).to_owned();
    let (conversation, path) = branch(state, &owner, id, Some(new.parent.clone())).await?;
    if path.last().is_none_or(|last| last.role != MessageRole::User) {
        return Err(invalid(format!(
            "parent is {}, which is an answer: only what a person says is answered",
            new.parent
        )));
    }
    let model = model_of(state, new.model, &conversation)?;
    let asked = Message::new(MessageRole::Assistant, Some(new.parent), String::new())?;
    let message = Message { model: Some(model.clone()), state: MessageState::Running, ..asked };
    // Before it is kept: whoever deletes the conversation from here on finds it and stops it.
    let live = state.house().answers.begin(owner.clone(), id.to_owned(), message.clone());
    let kept = keep(state, &owner, id, message.clone(), new.head).await;
    if let Err(error) = kept {
        state.house().answers.forget(&message.id);
        return Err(error);
    }
    let question = Question {
        model,
        system: new.system.or(conversation.system),
        path,
        parameters: new.parameters.unwrap_or(conversation.parameters),
    };
    tokio::spawn(compute::run(state.clone(), ctx.clone(), live, question));
    let told = json!({ "conversation": id, "message": message.id, "state": message.state });
    state.house().events.publish(Some(&owner), "answer", &told);
    publish(state, &owner, id, "updated");
    Ok(message)
}

/// Adds an answer that is to be written to its conversation, unless that was deleted since it was read.
async fn keep(state: &AppState, owner: &str, id: &str, message: Message, head: bool) -> Result<()> {
    let (owner, to) = (owner.to_owned(), id.to_owned());
    let add = move |db: &mut rusqlite::Connection| {
        let work = db.transaction()?;
        let there = store::conversation(&work, &owner, &to)?.is_some();
        if there {
            store::add_message(&work, &to, &message, head)?;
        }
        work.commit().map(|()| there)
    };
    if state.storage().run(add).await? { Ok(()) } else { Err(unknown(id)) }
}

/// A conversation and its branch up to a message, which must be one of its.
async fn branch(
    state: &AppState,
    owner: &str,
    id: &str,
    last: Option<String>,
) -> Result<(Conversation, Vec<Message>)> {
    let (owner, wanted, end) = (owner.to_owned(), id.to_owned(), last.clone());
    let read = move |db: &mut rusqlite::Connection| {
        let Some(it) = store::conversation(db, &owner, &wanted)? else { return Ok(None) };
        let path = end.map_or_else(|| Ok(Vec::new()), |end| store::path(db, &it.id, &end))?;
        Ok(Some((it, path)))
    };
    let (it, path) = state.storage().run(read).await?.ok_or_else(|| unknown(id))?;
    match last.filter(|_| path.is_empty()) {
        Some(last) => Err(invalid(format!("parent is {last}, which is no message of this conversation"))),
        None => Ok((it, path)),
    }
}

async fn count(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    Body(prompt): Body<Prompt>,
) -> Result<Json<ContextCount>, Refused> {
    measure(&state, &ctx, &id, prompt).await.map(Json).map_err(|e| ctx.refuse(e))
}

async fn measure(state: &AppState, ctx: &RequestContext, id: &str, prompt: Prompt) -> Result<ContextCount> {
    let (conversation, mut path) = branch(state, owner(ctx), id, prompt.parent).await?;
    let model = model_of(state, prompt.model, &conversation)?;
    let of = model.clone();
    let name = super::super::access::blocking(state, move |s| Ok(s.models().card(&of).map(|card| card.name)))
        .await?;
    let name = name.unwrap_or_else(|_| model.clone());
    let loaded =
        state.models().loaded().into_iter().find(|it| it.name == name && it.state == LoadedState::Ready);
    let Some(loaded) = loaded else { return Ok(ContextCount { prompt_tokens: None, context: None }) };
    if let Some(content) = prompt.content.filter(|content| !content.is_empty()) {
        path.push(Message::new(MessageRole::User, None, content)?);
    }
    let system = prompt.system.or(conversation.system);
    let question = Question { model, system, path, parameters: conversation.parameters };
    let request = question.request();
    let prompt_tokens = match request.messages.is_empty() {
        true => 0,
        false => state.count_tokens(ctx, &question.model, request).await?,
    };
    Ok(ContextCount { prompt_tokens: Some(prompt_tokens), context: loaded.context })
}

/// A message of the owner's: as it is being written, or as it is kept.
async fn find(state: &AppState, ctx: &RequestContext, id: &str) -> Result<(Option<Arc<Live>>, Message)> {
    let absent = || Error::new(ErrorKind::NotFound, format!("there is no answer {id}"));
    let (wanted, own) = (id.to_owned(), owner(ctx).to_owned());
    // Before the database is asked, so that an answer that ends meanwhile is found there with its end.
    let live = state.house().answers.get(id).filter(|live| live.owner == own);
    let read = move |db: &mut rusqlite::Connection| match store::owner_of(db, &wanted)? {
        Some((owner, _)) if owner == own => store::message(db, &wanted),
        _ => Ok(None),
    };
    let kept =
        state.storage().run(read).await?.filter(|it| it.role == MessageRole::Assistant).ok_or_else(absent)?;
    let message = live.as_ref().map_or(kept, |live| live.message());
    Ok((live, message))
}

async fn listen(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Response, Refused> {
    let (live, message) = find(&state, &ctx, &id).await.map_err(|e| ctx.refuse(e))?;
    let (send, lines) = mpsc::channel(64);
    tokio::spawn(async move {
        tokio::select! {
            () = forward(live, message, &send) => {}
            () = send.closed() => {}
            () = state.house().events.ended() => {}
        }
    });
    Ok(events::response(lines))
}

/// Sends the message so far and what follows, to its end.
async fn forward(live: Option<Arc<Live>>, message: Message, send: &mpsc::Sender<Bytes>) {
    let say = async |text: &str| send.send(Bytes::from(text.to_owned())).await.is_ok();
    let mut pulse = tokio::time::interval(PULSE);
    loop {
        let (message, told) = live.as_ref().map_or_else(|| (message.clone(), None), |live| live.join());
        if !say(&whole("snapshot", &message).text).await {
            return;
        }
        let Some(mut told) = told else {
            say(&whole("done", &message).text).await;
            return;
        };
        loop {
            tokio::select! {
                frame = told.recv() => match frame {
                    Ok(frame) => if !say(&frame.text).await || frame.last { return },
                    // Too slow for every piece: begin again with the whole.
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                },
                _ = pulse.tick() => if !say(": writing\n\n").await { return },
            }
        }
    }
}

async fn stop(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Json<Message>, Refused> {
    let (live, message) = find(&state, &ctx, &id).await.map_err(|e| ctx.refuse(e))?;
    let Some(live) = live else { return Ok(Json(message)) };
    let (_, told) = live.join();
    live.stop();
    if let Some(mut told) = told {
        let end = async {
            while !matches!(told.recv().await, Ok(frame) if frame.last) && live.join().1.is_some() {}
        };
        if tokio::time::timeout(PATIENCE, end).await.is_err() {
            let says = format!("the answer did not stop within {} s", PATIENCE.as_secs());
            return Err(ctx.refuse(Error::new(ErrorKind::Timeout, says)));
        }
    }
    Ok(Json(live.message()))
}
