//! Speech and transcription for the page: the work that is done under `/v1/audio`, told event by event, so that a text is heard and
//! a sound is read while the rest is still being made. Who goes away ends the work.

use super::access::blocking;
use super::conversations::{asked_for, invalid};
use super::events::response;
use crate::AppState;
use crate::context::RequestContext;
use crate::dialect::Dialect;
use crate::generate::allow_model;
use crate::json::{self, Json as Body, Refused};
use crate::speak::{Spoken, wrong_model};
use crate::transcribe::{Heard, of_client};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{
    Error, ErrorKind, Result, Segment, SpeakRequest, SpeechEvent, TranscribeTask, TranscriptEvent,
};
use parasol_runtime::sound::{SoundFormat, wav};
use parasol_wire::openai::transcription::TranscriptionCall;
use parasol_wire::sse::SseEvent;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::future::poll_fn;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

/// How much larger than any other request a sound may be, and how much longer it may take: recordings last hours.
const LARGER: usize = 16;
const LONGER: u32 = 10;

/// Sounds that are larger than any other request are taken one after another, since each lies in memory as a whole.
static LARGE: Semaphore = Semaphore::const_new(1);

/// The models that speak and listen when none is named. They may not be here yet.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SoundModels {
    /// The one that speaks; null when the catalogue has none.
    speak: Option<String>,
    /// The one that listens.
    listen: Option<String>,
}

/// The voices of a model.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VoiceList {
    /// The model.
    model: String,
    /// Its voices; the first is its default. Where it imitates, those that were added follow.
    voices: Vec<VoiceName>,
}

/// A voice.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VoiceName {
    name: String,
    /// The language that it speaks, as a tag such as `en-US`.
    language: String,
    /// What it sounds like; may be empty.
    description: String,
}

/// A text to be read aloud.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSpeech {
    /// What is said.
    text: String,
    /// The model; the default one without.
    #[serde(default)]
    model: Option<String>,
    /// One of its voices.
    #[serde(default)]
    voice: Option<String>,
    /// 1 is the voice's own pace.
    #[serde(default = "usual")]
    speed: f32,
    /// The same seed gives the same sound.
    #[serde(default)]
    seed: Option<u64>,
    /// `wav`, `flac`, `opus` or `pcm` for a file; without it events tell the sound as it is made.
    #[serde(default)]
    format: Option<String>,
}

fn usual() -> f32 {
    1.0
}

/// The routes of speech and transcription.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/sound", get(defaults))
        .route("/api/parasol/voices", get(voices))
        .route("/api/parasol/speech", post(speak))
        .route("/api/parasol/transcriptions", post(transcribe))
}

async fn defaults(State(state): State<AppState>) -> Json<SoundModels> {
    let runtime = state.models().runtime();
    Json(SoundModels { speak: runtime.default_voice().ok(), listen: runtime.default_ears().ok() })
}

/// What stands after the `?`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    model: Option<String>,
    language: Option<String>,
    task: Option<String>,
}

impl Asked {
    fn model(&self) -> Option<String> {
        self.model.clone().filter(|name| !name.is_empty())
    }
}

async fn voices(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<VoiceList>, Refused> {
    let find = async {
        let asked = asked_for(query)?;
        let model = match asked.model() {
            Some(model) => model,
            None => state.models().runtime().default_voice()?,
        };
        let (found, imitates) = state.voices(&ctx, &model).await.map_err(wrong_model("model"))?;
        let named = |voice: parasol_core::Voice| VoiceName {
            name: voice.name,
            language: voice.language,
            description: voice.description,
        };
        let mut voices: Vec<_> = found.into_iter().map(named).collect();
        if imitates {
            let added = state.kept(&ctx, |kept, owner| kept.list(owner)).await?;
            // A name means the model's own voice before an added one, and the caller's before the house's.
            let mut names: HashSet<_> = voices.iter().map(|voice| voice.name.to_lowercase()).collect();
            let heard = added.into_iter().filter(|voice| names.insert(voice.name.to_lowercase()));
            voices.extend(heard.map(|voice| VoiceName {
                name: voice.name,
                language: String::new(),
                description: "added".into(),
            }));
        }
        Ok(Json(VoiceList { model, voices }))
    };
    find.await.map_err(|e: Error| ctx.refuse(e))
}

async fn speak(
    State(state): State<AppState>,
    ctx: RequestContext,
    Body(asked): Body<NewSpeech>,
) -> Result<Response, Refused> {
    say(&state, &ctx, asked).await.map_err(|e| ctx.refuse(e))
}

async fn say(state: &AppState, ctx: &RequestContext, asked: NewSpeech) -> Result<Response> {
    let format = asked.format.as_deref().map(str::parse::<SoundFormat>).transpose();
    let format = format.map_err(|e| invalid(format!("format: {}", e.message())))?;
    let model = match asked.model.filter(|name| !name.is_empty()) {
        Some(model) => model,
        None => {
            let (owner, voice) = (ctx.owner(), asked.voice.clone());
            let find = move |state: &AppState| state.models().runtime().voice_model(&owner, voice.as_deref());
            blocking(state, find).await?
        }
    };
    let total = asked.text.len();
    let request = SpeakRequest {
        text: asked.text,
        voice: asked.voice.filter(|name| !name.is_empty()),
        speed: asked.speed,
        seed: asked.seed,
        ..SpeakRequest::default()
    };
    let spoken = state.speak(ctx, &model, request).await.map_err(wrong_model("model"))?;
    match format {
        Some(format) => spoken.response(format, false),
        None => Ok(told(state, move |send| tell_speech(spoken, total, send))),
    }
}

/// An answer whose events `tell` sends, until it ends, nobody listens any more, or the server ends.
fn told<F: Future<Output = ()> + Send + 'static>(
    state: &AppState,
    tell: impl FnOnce(mpsc::Sender<Bytes>) -> F,
) -> Response {
    let (send, lines) = mpsc::channel(16);
    let (work, gone, state) = (tell(send.clone()), send, state.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            () = gone.closed() => {}
            () = state.house().events.ended() => {}
        }
    });
    response(lines)
}

async fn send(to: &mpsc::Sender<Bytes>, name: &str, data: Value) -> bool {
    to.send(SseEvent::json(&data).named(name).encode().into()).await.is_ok()
}

async fn tell_speech(mut spoken: Spoken, total: usize, to: mpsc::Sender<Bytes>) {
    if !send(&to, "started", json!({ "rate": spoken.rate(), "total": total })).await {
        return;
    }
    while let Some(event) = poll_fn(|cx| spoken.next(cx)).await {
        let (name, data) = match event {
            Ok(SpeechEvent::Started { .. }) => continue,
            Ok(SpeechEvent::Audio { samples, done }) => {
                ("audio", json!({ "pcm": STANDARD.encode(wav::pcm(&samples)), "done": done }))
            }
            Ok(SpeechEvent::Finished { usage, .. }) => {
                let (seconds, unspoken) = (usage.audio.as_secs_f64(), usage.unspoken);
                ("done", json!({ "seconds": seconds, "unspoken": unspoken }))
            }
            Err(error) => ("error", json!({ "message": error.message() })),
        };
        if !send(&to, name, data).await || name != "audio" {
            return;
        }
    }
}

async fn transcribe(
    State(state): State<AppState>,
    ctx: RequestContext,
    query: Result<Query<Asked>, QueryRejection>,
    request: Request,
) -> Result<Response, Refused> {
    let call = read(&state, query).map_err(|e| ctx.refuse(e))?;
    // Before a large sound is waited for.
    allow_model(&ctx, &call.model).map_err(|e| ctx.refuse(e))?;
    let (head, body) = request.into_parts();
    let options = state.options();
    let small = axum::body::HttpBody::size_hint(&body).upper().is_some_and(|n| n <= options.max_body as u64);
    let turn =
        if small { None } else { Some(turn(options.request_timeout).await.map_err(|e| ctx.refuse(e))?) };
    let most = options.max_body.saturating_mul(LARGER);
    let patience = options.body_timeout.saturating_mul(LONGER);
    let file = json::read(&head.headers, body, most, patience, Dialect::Parasol).await?;
    let heard = state.transcribe(&ctx, &call, file).await.map_err(wrong_model("model"));
    let heard = heard.map_err(|e| ctx.refuse(e))?;
    Ok(told(&state, move |send| async move {
        let _turn = turn;
        tell_transcript(heard, send).await;
    }))
}

/// Waits until no other large sound is here.
async fn turn(most: Duration) -> Result<SemaphorePermit<'static>> {
    let busy = || {
        Error::new(ErrorKind::Overloaded, "other large recordings are being written down: try again later")
    };
    // The semaphore is never closed.
    tokio::time::timeout(most, LARGE.acquire()).await.ok().and_then(|turn| turn.ok()).ok_or_else(busy)
}

/// What is asked for beside the sound.
fn read(state: &AppState, query: Result<Query<Asked>, QueryRejection>) -> Result<TranscriptionCall> {
    let asked = asked_for(query)?;
    let task = match asked.task.as_deref() {
        None | Some("" | "transcribe") => TranscribeTask::Transcribe,
        Some("translate") => TranscribeTask::Translate,
        Some(other) => return Err(invalid(format!("task is {other:?}: it is transcribe or translate"))),
    };
    let model = match asked.model() {
        Some(model) => model,
        None => state.models().runtime().default_ears()?,
    };
    let fields = [
        ("model", model),
        ("language", asked.language.unwrap_or_default()),
        ("response_format", "verbose_json".to_owned()),
        ("timestamp_granularities", "word".to_owned()),
    ];
    TranscriptionCall::read(&fields.map(|(name, value)| (name.to_owned(), value)), task)
}

async fn tell_transcript(mut heard: Heard, to: mpsc::Sender<Bytes>) {
    while let Some(event) = poll_fn(|cx| heard.poll(cx)).await {
        let (name, data) = match event {
            Ok(TranscriptEvent::Started { language, duration, .. }) => {
                ("started", json!({ "language": language, "duration": duration }))
            }
            Ok(TranscriptEvent::Progress { done, total }) => {
                ("progress", json!({ "done": done, "total": total }))
            }
            Ok(TranscriptEvent::Segment(segment)) => ("segment", shown(&segment)),
            Ok(TranscriptEvent::Finished { usage, .. }) => ("done", json!({ "seconds": usage.seconds })),
            Err(error) => ("error", json!({ "message": of_client(error).message() })),
        };
        if !send(&to, name, data).await || matches!(name, "done" | "error") {
            return;
        }
    }
}

/// What the page shows of a segment.
fn shown(segment: &Segment) -> Value {
    let words: Vec<_> = segment
        .words
        .iter()
        .map(|word| json!({ "word": word.word, "start": word.start, "end": word.end }))
        .collect();
    json!({ "start": segment.start, "end": segment.end, "text": segment.text, "words": words })
}
