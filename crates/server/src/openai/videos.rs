//! `/v1/videos`: jobs of films, their states and their files.

use super::paging::page;
use crate::AppState;
use crate::context::RequestContext;
use crate::form::Form;
use crate::json::{Json, Refused};
use crate::studio::{Segment, asked_for};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Query, Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};
use futures_core::Stream;
use parasol_core::{Error, ErrorKind, FilmRequest, Result as Outcome};
use parasol_runtime::{FilmJob, JobState};
use parasol_wire::openai::videos::{self as wire, Video, VideoCall};
use serde::Deserialize;
use serde_json::Value;
use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;

/// Bytes of a film that are read at once.
const PIECE: usize = 256 << 10;

/// The routes.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/v1/videos", get(list).post(create))
        .route("/v1/videos/{id}", get(read).delete(remove))
        .route("/v1/videos/{id}/content", get(content))
        .route("/v1/videos/{id}/remix", post(remix))
        .route("/v1/videos/edits", any(super::not_offered))
        .route("/v1/videos/extensions", any(super::not_offered))
        .route("/v1/videos/characters", any(super::not_offered))
        .route("/v1/videos/characters/{id}", any(super::not_offered))
        // The server's own limit is kept by the form.
        .layer(DefaultBodyLimit::disable())
}

fn refuse(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}

/// A job as the protocol tells of it.
fn told(job: &FilmJob) -> Value {
    let status = match job.state {
        JobState::Asking | JobState::Queued => "queued",
        JobState::InProgress => "in_progress",
        JobState::Completed => "completed",
        JobState::Failed | JobState::Cancelled => "failed",
    };
    let completed = job.ended.filter(|_| job.state == JobState::Completed);
    let video = Video {
        id: &job.id,
        model: &job.model,
        status,
        progress: job.progress,
        prompt: &job.prompt,
        seconds: job.seconds,
        size: job.size,
        created: job.created.as_second(),
        completed: completed.map(|at| at.as_second()),
        expires: job.expires.map(|at| at.as_second()),
        error: job.failure.as_ref().map(|failure| (failure.code.as_str(), failure.message.as_str())),
        remixed_from: job.remixed_from.as_deref(),
    };
    video.object()
}

fn tell(ctx: &RequestContext, told: Outcome<Value>) -> Result<Response, Refused> {
    told.map(|value| axum::Json(value).into_response()).map_err(|e| ctx.refuse(e))
}

async fn create(
    State(state): State<AppState>,
    ctx: RequestContext,
    request: Request,
) -> Result<Response, Refused> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let call = if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        let mut form = Form::read(&state, &ctx, request, &["input_reference"]).await?;
        let sent = !form.files.is_empty();
        let picture = sent.then(|| form.file("input_reference")).transpose();
        picture.and_then(|picture| VideoCall::read_form(&form.fields, picture))
    } else {
        let Json(body) = Json::<Value>::from_request(request, &state).await?;
        VideoCall::read(body)
    };
    let call = call.map_err(|e| ctx.refuse(e))?;
    match state.film(&ctx, &call.model, call.request, None).await {
        Ok(job) => tell(&ctx, Ok(told(&job))),
        Err(error) => super::unanswered(&ctx, error),
    }
}

async fn remix(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    Json(body): Json<Value>,
) -> Result<Response, Refused> {
    let work = async {
        let prompt = wire::read_remix(body)?;
        let of = state.own_film(&ctx, &id).await?;
        if of.state != JobState::Completed {
            return Err(refuse(format!(
                "the video {id} is {}: only one that is completed is made anew",
                of.state.name()
            )));
        }
        let request = FilmRequest { prompt, ..FilmRequest::default() };
        let model = of.model.clone();
        state.film(&ctx, &model, request, Some(of)).await.map(|job| told(&job))
    };
    tell(&ctx, work.await)
}

/// What stands after the `?` of a list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    limit: Option<usize>,
    after: Option<String>,
    order: Option<String>,
}

async fn list(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Response, Refused> {
    let work = async {
        let asked = asked_for(query)?;
        let mut all = state.own_films(&ctx).await?;
        match asked.order.as_deref() {
            None | Some("desc") => {}
            Some("asc") => all.reverse(),
            Some(other) => {
                let other: String = other.chars().take(40).collect();
                return Err(refuse(format!("order: is {other:?} and must be asc or desc")));
            }
        }
        let wanted = (asked.limit, asked.after.as_deref());
        let (page, more) = page(all, wanted, |job| &job.id, "video of yours")?;
        Ok(wire::page(&page.iter().map(told).collect::<Vec<_>>(), more))
    };
    tell(&ctx, work.await)
}

async fn read(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Response, Refused> {
    tell(&ctx, state.own_film(&ctx, &id).await.map(|job| told(&job)))
}

async fn remove(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
) -> Result<Response, Refused> {
    let work = async {
        let job = state.own_film(&ctx, &id).await?;
        state.remove_film(job).await?;
        Ok(wire::deleted(&id))
    };
    tell(&ctx, work.await)
}

/// What stands after the `?` of a film.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    variant: Option<String>,
}

async fn content(
    State(state): State<AppState>,
    ctx: RequestContext,
    Segment(id): Segment,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Result<Response, Refused> {
    film(&state, &ctx, &id, query).await.map_err(|e| ctx.refuse(e))
}

async fn film(
    state: &AppState,
    ctx: &RequestContext,
    id: &str,
    query: Result<Query<Wanted>, QueryRejection>,
) -> Outcome<Response> {
    match asked_for(query)?.variant.as_deref() {
        None | Some("video") => {}
        Some(other) => {
            let other: String = other.chars().take(40).collect();
            let message = format!("variant: {other:?} is not kept here: the video is");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    let job = state.own_film(ctx, id).await?;
    if job.state != JobState::Completed {
        return Err(refuse(format!(
            "the video {id} is {}: it can be had when it is completed",
            job.state.name()
        )));
    }
    let kind = job.media_type.clone().unwrap_or_else(|| "video/mp4".to_owned());
    let (file, length) = state
        .films(move |films| {
            let file = films.open(&job)?;
            let length = file.metadata()?.len();
            Ok((file, length))
        })
        .await?;
    let headers = [(header::CONTENT_TYPE, kind), (header::CONTENT_LENGTH, length.to_string())];
    Ok((headers, Body::from_stream(Pieces::of(file))).into_response())
}

/// A file as it is read: a piece ahead, by a thread that may wait for the disk, and never for the reader.
struct Pieces(Option<JoinHandle<(File, io::Result<Bytes>)>>);

impl Pieces {
    fn of(mut file: File) -> Self {
        Self(Some(tokio::task::spawn_blocking(move || {
            let mut bytes = Vec::with_capacity(PIECE);
            let read = (&mut file).take(PIECE as u64).read_to_end(&mut bytes);
            (file, read.map(|_| bytes.into()))
        })))
    }
}

impl Stream for Pieces {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(reading) = &mut self.0 else { return Poll::Ready(None) };
        let Poll::Ready(done) = Pin::new(reading).poll(cx) else { return Poll::Pending };
        self.0 = None;
        Poll::Ready(match done {
            Ok((_, Ok(bytes))) if bytes.is_empty() => None,
            Ok((file, Ok(bytes))) => {
                *self = Self::of(file);
                Some(Ok(bytes))
            }
            Ok((_, Err(error))) => Some(Err(error)),
            Err(gone) => Some(Err(io::Error::other(gone))),
        })
    }
}
