//! OpenAI's custom voices: recordings of consent and the voices that are made with them. Each key has its own.

use super::paging::page;
use crate::AppState;
use crate::context::RequestContext;
use crate::form::Form;
use crate::json::{Json, Refused};
use crate::studio::{Segment, asked_for};
use axum::Router;
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, Query, Request, State};
use axum::routing::{delete, get, post};
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_runtime::kept::{ConsentRecording, NewVoice};
use parasol_runtime::{KeptVoices, Owner};
use parasol_wire::openai::voices as wire;
use serde::Deserialize;
use serde_json::Value;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/audio/voice_consents", get(list_consents).post(add_consent))
        .route("/v1/audio/voice_consents/{id}", get(read_consent).post(rename_consent).delete(delete_consent))
        .route("/v1/audio/voices", post(add))
        .route("/v1/audio/voices/{id}", delete(remove))
        // The server's own limit is kept by the form.
        .layer(DefaultBodyLimit::disable())
}

/// What is told of a request, or what is wrong with it.
type Told = Result<axum::Json<Value>, Refused>;

fn tell(ctx: &RequestContext, told: Outcome<Value>) -> Told {
    told.map(axum::Json).map_err(|e| ctx.refuse(e))
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

fn told(consent: &ConsentRecording) -> Value {
    wire::consent(&consent.id, &consent.name, &consent.language, consent.created)
}

async fn add_consent(State(state): State<AppState>, ctx: RequestContext, request: Request) -> Told {
    let mut form = Form::read(&state, &ctx, request, &["recording"]).await?;
    let work = async {
        let new = wire::NewConsent::read(&form.fields)?;
        let file = form.file("recording")?;
        let add = move |kept: &KeptVoices, owner: &Owner| {
            kept.add_consent(owner.clone(), &new.name, &new.language, file)
        };
        state.kept(&ctx, add).await.map(|added| told(&added))
    };
    tell(&ctx, work.await)
}

/// What stands after the `?`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<usize>,
    after: Option<String>,
}

async fn list_consents(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Asked>, QueryRejection>,
) -> Told {
    let work = async {
        let asked = asked_for(query)?;
        let all = state.kept(&ctx, |kept, owner| kept.consents(owner)).await?;
        let wanted = (asked.limit, asked.after.as_deref());
        let (page, more) = page(all, wanted, |consent| &consent.id, "recording of consent")?;
        Ok(wire::consents(&page.iter().map(told).collect::<Vec<_>>(), more))
    };
    tell(&ctx, work.await)
}

async fn read_consent(State(state): State<AppState>, ctx: RequestContext, Segment(id): Segment) -> Told {
    let found = state.kept(&ctx, move |kept, owner| kept.consent(owner, &id)).await;
    tell(&ctx, found.map(|consent| told(&consent)))
}

async fn rename_consent(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    Json(body): Json<Value>,
) -> Told {
    let work = async {
        let fields = body.as_object().ok_or_else(|| refuse("the body must be an object"))?;
        if let Some(name) = fields.keys().find(|name| *name != "name") {
            let name: String = name.chars().take(80).collect();
            return Err(refuse(format!("{name}: is not a field that Parasol honours: leave it out")));
        }
        let name = fields.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| refuse("name: is required, a string"))?.to_owned();
        let renamed = state.kept(&ctx, move |kept, owner| kept.rename_consent(owner, &id, &name));
        renamed.await.map(|consent| told(&consent))
    };
    tell(&ctx, work.await)
}

async fn delete_consent(State(state): State<AppState>, ctx: RequestContext, Segment(id): Segment) -> Told {
    let told = wire::consent_deleted(&id);
    let gone = state.kept(&ctx, move |kept, owner| kept.remove_consent(owner, &id)).await;
    tell(&ctx, gone.map(|()| told))
}

async fn add(State(state): State<AppState>, ctx: RequestContext, request: Request) -> Told {
    let mut form = Form::read(&state, &ctx, request, &["audio_sample"]).await?;
    let work = async {
        let asked = wire::NewVoice::read(&form.fields)?;
        let new = NewVoice {
            name: asked.name,
            owner: ctx.owner(),
            files: vec![form.file("audio_sample")?],
            transcript: None,
            description: String::new(),
            way: "the recording of consent".into(),
            recorded: Some(asked.consent),
        };
        let added = state.kept(&ctx, |kept, _| kept.add(new)).await?;
        Ok(wire::voice(&added.id, &added.name, added.created))
    };
    tell(&ctx, work.await)
}

async fn remove(State(state): State<AppState>, ctx: RequestContext, Segment(id): Segment) -> Told {
    let gone = state.kept(&ctx, move |kept, owner| kept.remove(owner, &id)).await;
    tell(&ctx, gone.map(|voice| wire::voice_deleted(&voice.id)))
}
