//! Jobs of films in the shapes that providers publish (`tests/fixtures/providers`).

#![allow(clippy::unwrap_used)]

use parasol_wire::client::Protocol;
use parasol_wire::filming::{self, FilmState, Place};
use serde_json::Value;

fn fixture(name: &str) -> Value {
    let path = format!("{}/../../tests/fixtures/providers/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn state(protocol: Protocol, name: &str) -> FilmState {
    filming::state(protocol, "x", &fixture(name)).unwrap()
}

fn failed(code: &str, message: &str) -> FilmState {
    FilmState::Failed { code: code.into(), message: message.into() }
}

#[test]
fn openais() {
    let (id, accepted) = filming::accepted(Protocol::OpenAi, &fixture("openai_video_queued")).unwrap();
    assert_eq!((id.as_str(), accepted), ("video_68f0", FilmState::Queued));
    let done = FilmState::Done(Place::Below("videos/x/content".into()), Some(8));
    assert_eq!(state(Protocol::OpenAi, "openai_video_completed"), done);
    let blocked = failed("moderation_blocked", "Your request was blocked by our moderation system.");
    assert_eq!(state(Protocol::OpenAi, "openai_video_failed"), blocked);
}

#[test]
fn runways() {
    let (id, accepted) = filming::accepted(Protocol::Runway, &fixture("runway_created")).unwrap();
    assert_eq!((id.as_str(), accepted), ("17f20503-6c24-4c16-946b-35dbbce2af2f", FilmState::Queued));
    assert_eq!(state(Protocol::Runway, "runway_running"), FilmState::Running(Some(25)));
    let done = FilmState::Done(Place::At("https://films.example.com/a.mp4?_jwt=abc".into()), None);
    assert_eq!(state(Protocol::Runway, "runway_succeeded"), done);
    let blocked = failed("SAFETY.INPUT.TEXT", "The prompt was not accepted.");
    assert_eq!(state(Protocol::Runway, "runway_failed"), blocked);
}

#[test]
fn googles() {
    let running = fixture("gemini_video_running");
    let (id, accepted) = filming::accepted(Protocol::Gemini, &running).unwrap();
    assert_eq!(accepted, FilmState::Running(None));
    assert_eq!(
        filming::look(Protocol::Gemini, &id).unwrap(),
        "models/veo-3.1-generate-001/operations/abc123"
    );
    let done = FilmState::Done(Place::Below("files/xyz789:download?alt=media".into()), None);
    assert_eq!(state(Protocol::Gemini, "gemini_video_done"), done);
    let filtered = failed("filtered", "We could not make a film of this prompt.");
    assert_eq!(state(Protocol::Gemini, "gemini_video_filtered"), filtered);
}
