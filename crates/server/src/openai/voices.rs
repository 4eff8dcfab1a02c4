//! OpenAI's custom voices: recordings of consent and the voices that are made with them. Each key has its own.

use crate::AppState;
use crate::context::RequestContext;
use crate::form::Form;
use crate::json::{Json, Refused};
use crate::studio::blocking;
use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use parasol_core::{Error, ErrorKind, Result as Outcome};
use parasol_runtime::kept::{ConsentRecording, NewVoice};
use parasol_wire::openai::voices as wire;
use serde::Deserialize;
use serde_json::Value;

/// Recordings on a page unless told otherwise, and at most.
const PAGE: (usize, usize) = (20, 100);

type Id = Result<Path<String>, PathRejection>;

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

fn id(path: Id) -> Outcome<String> {
    let refuse = |e: PathRejection| {
        Error::new(
            ErrorKind::InvalidRequest,
            format!("the name in the path cannot be read: {}", e.body_text()),
        )
    };
    path.map(|Path(id)| id).map_err(refuse)
}

fn told(consent: &ConsentRecording) -> Value {
    wire::consent(&consent.id, &consent.name, &consent.language, consent.created)
}

/// The one file of a form.
pub(super) fn file(form: &mut Form, name: &str) -> Outcome<Vec<u8>> {
    let missing = || Error::new(ErrorKind::InvalidRequest, format!("{name}: is required, a sound file"));
    form.files.pop().map(|(_, bytes)| bytes).ok_or_else(missing)
}

async fn add_consent(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    let mut form = match Form::read(&state, request, &["recording"]).await {
        Ok(form) => form,
        Err(wrong) => return wrong.answer(&ctx),
    };
    let work = async {
        let new = wire::NewConsent::read(&form.fields)?;
        let (file, owner) = (file(&mut form, "recording")?, ctx.owner());
        let kept = blocking(&state, move |state| {
            state.kept_voices().add_consent(owner, &new.name, &new.language, file)
        });
        Ok(axum::Json(told(&kept.await?)).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
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
) -> Result<Response, Refused> {
    let work = async {
        let refuse = |message: String| Error::new(ErrorKind::InvalidRequest, message);
        let Query(asked) = query.map_err(|e| refuse(format!("the query: {}", e.body_text())))?;
        let limit = asked.limit.unwrap_or(PAGE.0);
        if !(1..=PAGE.1).contains(&limit) {
            return Err(refuse(format!("limit: is {limit} and must be between 1 and {}", PAGE.1)));
        }
        let owner = ctx.owner();
        let mut all = blocking(&state, move |state| state.kept_voices().consents(&owner)).await?;
        if let Some(after) = asked.after {
            match all.iter().position(|consent| consent.id == after) {
                Some(at) => drop(all.drain(..=at)),
                None => return Err(refuse("after: is no recording of consent".into())),
            }
        }
        let page: Vec<_> = all.iter().take(limit).map(told).collect();
        Ok(axum::Json(wire::consents(&page, all.len() > limit)).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
}

async fn read_consent(
    State(state): State<AppState>,
    ctx: RequestContext,
    path: Id,
) -> Result<Response, Refused> {
    let work = async {
        let (id, owner) = (id(path)?, ctx.owner());
        let found = blocking(&state, move |state| state.kept_voices().consent(&owner, &id)).await?;
        Ok(axum::Json(told(&found)).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
}

async fn rename_consent(
    State(state): State<AppState>,
    ctx: RequestContext,
    path: Id,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let work = async {
        let refuse = |message: String| Error::new(ErrorKind::InvalidRequest, message);
        let fields = body.as_object().ok_or_else(|| refuse("the body must be an object".into()))?;
        if let Some(name) = fields.keys().find(|name| *name != "name") {
            let name: String = name.chars().take(80).collect();
            return Err(refuse(format!("{name}: is not a field that Parasol honours: leave it out")));
        }
        let name = fields.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| refuse("name: is required, a string".into()))?.to_owned();
        let (id, owner) = (id(path)?, ctx.owner());
        let kept = blocking(&state, move |state| state.kept_voices().rename_consent(&owner, &id, &name));
        Ok(axum::Json(told(&kept.await?)).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
}

async fn delete_consent(
    State(state): State<AppState>,
    ctx: RequestContext,
    path: Id,
) -> Result<Response, Refused> {
    let work = async {
        let (id, owner) = (id(path)?, ctx.owner());
        let gone = wire::consent_deleted(&id);
        blocking(&state, move |state| state.kept_voices().remove_consent(&owner, &id)).await?;
        Ok(axum::Json(gone).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
}

async fn add(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    let mut form = match Form::read(&state, request, &["audio_sample"]).await {
        Ok(form) => form,
        Err(wrong) => return wrong.answer(&ctx),
    };
    let work = async {
        let asked = wire::NewVoice::read(&form.fields)?;
        let new = NewVoice {
            name: asked.name,
            owner: ctx.owner(),
            files: vec![file(&mut form, "audio_sample")?],
            transcript: None,
            description: String::new(),
            way: "the recording of consent".into(),
            recorded: Some(asked.consent),
        };
        let kept = blocking(&state, move |state| state.kept_voices().add(new)).await?;
        Ok(axum::Json(wire::voice(&kept.id, &kept.name, kept.created)).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
}

async fn remove(State(state): State<AppState>, ctx: RequestContext, path: Id) -> Result<Response, Refused> {
    let work = async {
        let (id, owner) = (id(path)?, ctx.owner());
        let gone = blocking(&state, move |state| state.kept_voices().remove(&owner, &id)).await?;
        Ok(axum::Json(wire::voice_deleted(&gone.id)).into_response())
    };
    work.await.map_err(|e| ctx.refuse(e))
}
