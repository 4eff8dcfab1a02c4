//! The page's added voices: listed, added from a recording with the consent of who speaks, removed.

use super::access::Segment;
use super::conversations::{asked_for, invalid};
use crate::AppState;
use crate::context::RequestContext;
use crate::json::{self, Refused};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use parasol_core::{Error, ErrorKind, VoiceReference};
use parasol_runtime::KeptVoice;
use parasol_runtime::kept::{NOTICE, NewVoice, WORDS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The voices that were added, and what somebody has to know who adds one.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AddedVoices {
    /// Those that the caller may speak with, its own first.
    voices: Vec<AddedVoice>,
    /// Models that can imitate them; they may not be here yet.
    models: Vec<String>,
    /// What is told before a voice is added …
    notice: String,
    /// … and what is stated by adding it.
    words: String,
    /// The shortest and the longest recording that is taken, in seconds.
    shortest: f64,
    longest: f64,
}

/// A voice that was added.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AddedVoice {
    id: String,
    name: String,
    /// How long its recording lasts.
    seconds: f64,
    /// When it was added, in seconds since 1970.
    created: u64,
    /// Whether the caller may remove it.
    own: bool,
}

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/added-voices", get(list).post(add))
        .route("/api/parasol/added-voices/{id}", delete(remove))
}

fn shown(ctx: &RequestContext, voice: KeptVoice) -> AddedVoice {
    let own = voice.owner == ctx.owner();
    AddedVoice { id: voice.id, name: voice.name, seconds: voice.seconds, created: voice.created, own }
}

async fn list(State(state): State<AppState>, ctx: RequestContext) -> Result<Json<AddedVoices>, Refused> {
    let voices = state.kept(&ctx, |kept, owner| kept.list(owner)).await.map_err(|e| ctx.refuse(e))?;
    Ok(Json(AddedVoices {
        voices: voices.into_iter().map(|voice| shown(&ctx, voice)).collect(),
        models: state.models().runtime().imitators().map(str::to_owned).collect(),
        notice: NOTICE.to_owned(),
        words: WORDS.to_owned(),
        shortest: VoiceReference::SHORTEST,
        longest: VoiceReference::LONGEST,
    }))
}

/// What stands after the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    name: Option<String>,
    consent: Option<bool>,
    transcript: Option<String>,
}

async fn add(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<(StatusCode, Json<AddedVoice>), Refused> {
    let check = || {
        let asked = asked_for(query)?;
        if asked.consent != Some(true) {
            let message = "a voice is added with the consent of the person who speaks only: consent=true states that you have it";
            return Err(Error::new(ErrorKind::Denied, message));
        }
        let name = asked.name.ok_or_else(|| invalid("name is missing: what is the voice to be called?"))?;
        Ok((name, asked.transcript))
    };
    let (name, transcript) = check().map_err(|e| ctx.refuse(e))?;
    let (head, body) = request.into_parts();
    let options = state.options();
    let file = json::read(&head.headers, body, options.max_body, options.body_timeout, ctx.dialect()).await?;
    let new = NewVoice {
        name,
        owner: ctx.owner(),
        files: vec![file],
        transcript,
        description: String::new(),
        way: "studio".into(),
        recorded: None,
    };
    let added = state.kept(&ctx, |kept, _| kept.add(new)).await;
    added.map(|voice| (StatusCode::CREATED, Json(shown(&ctx, voice)))).map_err(|e| ctx.refuse(e))
}

async fn remove(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<StatusCode, Refused> {
    let gone = state.kept(&ctx, move |kept, owner| kept.remove(owner, &id)).await;
    gone.map(|_| StatusCode::NO_CONTENT).map_err(|e| ctx.refuse(e))
}
