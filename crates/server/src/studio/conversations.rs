//! The routes of conversations: what there is, what is said, what is changed. Answers are [`super::answers`]'.

use super::access::Segment;
use super::events::owner;
use super::store::{
    self, Conversation, Folder, FoundConversation, LONGEST_TITLE, Message, MessageRole, MessageState, Page,
    Parameters, Wanted,
};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{Json as Body, Refused};
use crate::keys::random_hex;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::json;

/// Conversations on one page of the list, unless asked otherwise, and at most.
const PAGE: usize = 50;
const MOST: usize = 200;

/// The most words that are looked for.
const MOST_WORDS: usize = 16;

/// A page of the list.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ConversationPage {
    /// Pinned ones first, then what was last touched.
    conversations: Vec<FoundConversation>,
    folders: Vec<Folder>,
    /// Answers that are being written, wherever they stand.
    running: Vec<RunningAnswer>,
    /// What to send as `before` for the next page.
    next: Option<String>,
}

/// An answer that is being written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RunningAnswer {
    conversation: String,
    message: String,
}

/// A conversation and all that was said in it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WholeConversation {
    conversation: Conversation,
    messages: Vec<Message>,
}

/// What a conversation begins with.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct NewConversation {
    title: Option<String>,
    folder: Option<String>,
    model: Option<String>,
    system: Option<String>,
    parameters: Parameters,
}

/// What changes of a conversation; what is left out stays.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConversationChange {
    title: Option<String>,
    #[serde(deserialize_with = "present")]
    folder: Option<Option<String>>,
    pinned: Option<bool>,
    #[serde(deserialize_with = "present")]
    model: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    system: Option<Option<String>>,
    parameters: Option<Parameters>,
    head: Option<String>,
}

/// Something that is said.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMessage {
    /// What it follows; null begins the conversation, or another beginning of it.
    parent: Option<String>,
    content: String,
}

/// Tells null, which clears a field, from a field that is not there.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    query: Option<String>,
    folder: Option<String>,
    limit: Option<usize>,
    before: Option<String>,
}

/// The routes of conversations.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/conversations", get(list).post(create))
        .route("/api/parasol/conversations/{id}", get(read).patch(change).delete(remove))
        .route("/api/parasol/conversations/{id}/restore", post(restore))
        .route("/api/parasol/conversations/{id}/messages", post(say))
}

/// That an owner has no such conversation.
pub(super) fn unknown(id: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("there is no conversation {id}"))
}

/// That something asked for is wrong.
pub(super) fn invalid(says: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, says)
}

/// Tells the owner's pages that a conversation changed.
pub(super) fn publish(state: &AppState, owner: &str, id: &str, change: &str) {
    let data = json!({ "id": id, "change": change });
    state.house().events.publish(Some(owner), "conversation", &data);
}

async fn list(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Listing>, QueryRejection>,
) -> Result<Json<ConversationPage>, Refused> {
    let wanted = wanted(query).map_err(|e| ctx.refuse(e))?;
    let of = owner(&ctx).to_owned();
    let page = state.storage().run(move |db| store::list(db, &of, &wanted)).await;
    let Page { found: (conversations, more), folders } = page.map_err(|e| ctx.refuse(e))?;
    let running = state.house().answers.of(owner(&ctx)).into_iter();
    let running = running.map(|(conversation, message)| RunningAnswer { conversation, message }).collect();
    let last = conversations.last().map(|it| &it.conversation).filter(|_| more);
    let next = last.map(|it| format!("{}~{}~{}", u8::from(it.pinned), it.updated, it.id));
    Ok(Json(ConversationPage { conversations, folders, running, next }))
}

/// What a query asks for.
fn wanted(query: Result<Query<Listing>, QueryRejection>) -> Result<Wanted> {
    let it = asked_for(query)?;
    let limit = it.limit.unwrap_or(PAGE);
    if !(1..=MOST).contains(&limit) {
        return Err(invalid(format!("limit is {limit} and must be between 1 and {MOST}")));
    }
    let after = it.before.as_deref().map(cursor).transpose()?;
    let asked = it.query.unwrap_or_default().replace('\0', "");
    let words: Vec<String> = asked.split_whitespace().map(str::to_owned).collect();
    if words.len() > MOST_WORDS {
        return Err(invalid(format!("the query has {} words and may have {MOST_WORDS}", words.len())));
    }
    Ok(Wanted { words, folder: it.folder, after, limit })
}

/// What stands after the `?`.
pub(crate) fn asked_for<T>(query: Result<Query<T>, QueryRejection>) -> Result<T> {
    query.map(|Query(it)| it).map_err(|e| invalid(format!("the query cannot be read: {e}")))
}

fn cursor(text: &str) -> Result<(bool, String, String)> {
    let mut parts = text.splitn(3, '~');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(pinned @ ("0" | "1")), Some(updated), Some(id)) => {
            Ok((pinned == "1", updated.into(), id.into()))
        }
        _ => Err(invalid("before is no cursor: send what an earlier page gave as next")),
    }
}

/// A title or name of a folder, if it is short enough.
fn short(what: &str, text: String) -> Result<String> {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.chars().count() {
        0 => Err(invalid(format!("the {what} is empty"))),
        n if n > LONGEST_TITLE => {
            Err(invalid(format!("the {what} has {n} characters and may have {LONGEST_TITLE}")))
        }
        _ => Ok(text),
    }
}

async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    Body(new): Body<NewConversation>,
) -> Result<(StatusCode, Json<Conversation>), Refused> {
    let owner = owner(&ctx).to_owned();
    let it = begin(new).map_err(|e| ctx.refuse(e))?;
    let (kept, of) = (it.clone(), owner.clone());
    state.storage().run(move |db| store::insert(db, &of, &kept, &[])).await.map_err(|e| ctx.refuse(e))?;
    publish(&state, &owner, &it.id, "created");
    Ok((StatusCode::CREATED, Json(it)))
}

fn begin(new: NewConversation) -> Result<Conversation> {
    new.parameters.check()?;
    let now = store::now();
    Ok(Conversation {
        id: random_hex::<16>()?,
        title: new.title.map_or_else(|| Ok(String::new()), |title| short("title", title))?,
        folder: new.folder.map(|folder| short("folder", folder)).transpose()?,
        pinned: false,
        created: now.clone(),
        updated: now,
        model: new.model,
        system: new.system,
        parameters: new.parameters,
        head: None,
    })
}

async fn read(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Json<WholeConversation>, Refused> {
    let (owner, wanted) = (owner(&ctx).to_owned(), id.clone());
    let found = state.storage().run(move |db| store::read(db, &owner, &wanted)).await;
    let (conversation, mut messages) =
        found.map_err(|e| ctx.refuse(e))?.ok_or_else(|| ctx.refuse(unknown(&id)))?;
    // What is being written is further than what was last saved.
    for message in messages.iter_mut().filter(|message| message.state == MessageState::Running) {
        if let Some(now) = state.house().answers.now(&message.id) {
            *message = now;
        }
    }
    Ok(Json(WholeConversation { conversation, messages }))
}

async fn change(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    Body(change): Body<ConversationChange>,
) -> Result<Json<Conversation>, Refused> {
    let owner = owner(&ctx).to_owned();
    let refuse = |e| ctx.refuse(e);
    change.parameters.as_ref().map_or(Ok(()), Parameters::check).map_err(refuse)?;
    let title = change.title.map(|title| short("title", title)).transpose().map_err(refuse)?;
    let folder = match change.folder {
        Some(Some(folder)) => Some(Some(short("folder", folder).map_err(refuse)?)),
        other => other,
    };
    let (of, wanted, head) = (owner.clone(), id.clone(), change.head.clone());
    let changed = state.storage().run(move |db| {
        let work = db.transaction()?;
        let Some(mut it) = store::conversation(&work, &of, &wanted)? else { return Ok(None) };
        if let Some(head) = change.head {
            if !store::head(&work, &it.id, &head)? {
                return Ok(Some(None));
            }
            it.head = Some(head);
        }
        it.title = title.unwrap_or(it.title);
        it.folder = folder.unwrap_or(it.folder);
        it.pinned = change.pinned.unwrap_or(it.pinned);
        it.model = change.model.unwrap_or(it.model);
        it.system = change.system.unwrap_or(it.system);
        it.parameters = change.parameters.unwrap_or(it.parameters);
        store::update(&work, &it)?;
        work.commit()?;
        Ok(Some(Some(it)))
    });
    let changed = changed.await.map_err(refuse)?.ok_or_else(|| ctx.refuse(unknown(&id)))?;
    let it = changed.ok_or_else(|| {
        ctx.refuse(invalid(format!(
            "head is {}, which is no message of this conversation",
            head.unwrap_or_default()
        )))
    })?;
    publish(&state, &owner, &id, "updated");
    Ok(Json(it))
}

async fn remove(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<StatusCode, Refused> {
    let (owner, gone) = (owner(&ctx).to_owned(), id.clone());
    let of = owner.clone();
    let deleted = state.storage().run(move |db| store::delete(db, &of, &gone)).await;
    if !deleted.map_err(|e| ctx.refuse(e))? {
        return Err(ctx.refuse(unknown(&id)));
    }
    state.house().answers.stop_all_of(&id);
    publish(&state, &owner, &id, "deleted");
    Ok(StatusCode::NO_CONTENT)
}

async fn restore(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Json<Conversation>, Refused> {
    let (owner, back) = (owner(&ctx).to_owned(), id.clone());
    let of = owner.clone();
    let restored = state.storage().run(move |db| store::restore(db, &of, &back)).await;
    let it = restored.map_err(|e| ctx.refuse(e))?.ok_or_else(|| ctx.refuse(unknown(&id)))?;
    publish(&state, &owner, &id, "restored");
    Ok(Json(it))
}

async fn say(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    Body(NewMessage { parent, content }): Body<NewMessage>,
) -> Result<(StatusCode, Json<Message>), Refused> {
    let owner = owner(&ctx).to_owned();
    if content.trim().is_empty() {
        return Err(ctx.refuse(invalid("content is empty: say something")));
    }
    let message = Message::new(MessageRole::User, parent, content).map_err(|e| ctx.refuse(e))?;
    let (of, to, kept) = (owner.clone(), id.clone(), message.clone());
    let said = state.storage().run(move |db| {
        let work = db.transaction()?;
        let Some(it) = store::conversation(&work, &of, &to)? else { return Ok(None) };
        if let Some(parent) = &kept.parent
            && !store::head(&work, &it.id, parent)?
        {
            return Ok(Some(false));
        }
        store::add_message(&work, &it.id, &kept, true)?;
        work.commit()?;
        Ok(Some(true))
    });
    match said.await.map_err(|e| ctx.refuse(e))? {
        None => Err(ctx.refuse(unknown(&id))),
        Some(false) => {
            let parent = message.parent.unwrap_or_default();
            Err(ctx.refuse(invalid(format!("parent is {parent}, which is no message of this conversation"))))
        }
        Some(true) => {
            publish(&state, &owner, &id, "updated");
            Ok((StatusCode::CREATED, Json(message)))
        }
    }
}
