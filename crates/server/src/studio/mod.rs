//! The studio: the page and the routes under `/api/parasol` that it lives on. Who comes in is the door's, computing the roof's.

mod access;
mod assets;
mod house;
mod keys;
mod models;
mod pulls;
pub(crate) mod session;
mod stats;
mod system;

pub(crate) use assets::{is_page, page};
pub(crate) use house::{House, end, keep};

use crate::AppState;
use axum::Router;
use pulls::Pull;

/// The types that the OpenAPI document describes.
pub(crate) mod described {
    pub(crate) use super::keys::{KeyList, MadeKey, NewKey};
    pub(crate) use super::models::Pin;
    pub(crate) use super::models::view::{Model, ModelDetails, ModelList};
    pub(crate) use super::pulls::{NewPull, Pull, PullList};
    pub(crate) use super::session::{Session, SignIn};
    pub(crate) use super::stats::Stats;
    pub(crate) use super::system::System;
}

/// The routes of the studio.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .merge(assets::routes())
        .merge(keys::routes())
        .merge(models::routes())
        .merge(pulls::routes())
        .merge(session::routes())
        .merge(stats::routes())
        .merge(system::routes())
}

/// Something that every page wants to know, whoever looks at it.
#[derive(Debug, Clone)]
pub(crate) enum News {
    /// A pull has come further, or ended.
    Pull(Pull),
    /// A model was loaded, unloaded, pinned, fetched or removed.
    Models,
}

/// Tells of a pull.
fn publish_pull(state: &AppState, pull: &Pull) {
    // Without listeners there is nobody to tell.
    let _ = state.house().news.send(News::Pull(pull.clone()));
}

/// Tells that something about models changed.
fn publish_models(state: &AppState) {
    let _ = state.house().news.send(News::Models);
}
