//! The studio: the page and the routes under `/api/parasol` that it lives on. Who comes in is the door's, computing the roof's.

mod access;
mod added;
mod answers;
mod assets;
mod conversations;
pub(crate) mod events;
mod house;
mod keys;
mod models;
mod presets;
mod pulls;
pub(crate) mod session;
mod sound;
mod stats;
mod store;
mod system;
mod transfer;
mod usage;

pub(crate) use access::{Segment, blocking};
pub(crate) use assets::{is_page, page};
pub(crate) use conversations::asked_for;
pub(crate) use house::{House, close, end, keep, take_up};

use crate::AppState;
use axum::Router;
use pulls::Pull;

/// The types that the OpenAPI document describes.
pub(crate) mod described {
    pub(crate) use super::added::{AddedVoice, AddedVoices};
    pub(crate) use super::answers::{ContextCount, NewAnswer, Prompt};
    pub(crate) use super::conversations::{
        ConversationChange, ConversationPage, NewConversation, NewMessage, WholeConversation,
    };
    pub(crate) use super::keys::{KeyList, MadeKey, NewKey};
    pub(crate) use super::models::Pin;
    pub(crate) use super::models::view::{Model, ModelDetails, ModelList};
    pub(crate) use super::presets::{NewPreset, PresetList};
    pub(crate) use super::pulls::{NewPull, Pull, PullList};
    pub(crate) use super::session::{Session, SignIn};
    pub(crate) use super::sound::{NewSpeech, SoundModels, VoiceList};
    pub(crate) use super::stats::Stats;
    pub(crate) use super::store::{Conversation, Message, Preset};
    pub(crate) use super::system::System;
    pub(crate) use super::transfer::{Exported, ImportReport};
    pub(crate) use super::usage::UsageReport;
}

/// The routes of the studio.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .merge(added::routes())
        .merge(answers::routes())
        .merge(assets::routes())
        .merge(conversations::routes())
        .merge(events::routes())
        .merge(keys::routes())
        .merge(models::routes())
        .merge(presets::routes())
        .merge(pulls::routes())
        .merge(session::routes())
        .merge(sound::routes())
        .merge(stats::routes())
        .merge(system::routes())
        .merge(transfer::routes())
        .merge(usage::routes())
}

/// Tells of a pull.
fn publish_pull(state: &AppState, pull: &Pull) {
    state.house().events.publish(None, "pull", pull);
}

/// Tells that a model was loaded, unloaded, pinned, fetched or removed.
fn publish_models(state: &AppState) {
    state.house().events.publish(None, "models", &serde_json::json!({}));
}
