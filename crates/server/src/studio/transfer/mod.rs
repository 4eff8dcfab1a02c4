//! Taking conversations along and bringing them from elsewhere: what files look like, and the routes that read and write them. How
//! conversations are kept is the store's.

mod archive;
mod bounded;
mod chatgpt;
mod details;
mod export;
mod halves;
mod import;
mod kept;
mod markdown;
mod name;
mod open_webui;
mod parasol;
mod shape;
mod time;
mod tree;
mod unpack;

pub(crate) use import::ImportReport;
pub(crate) use parasol::Exported;

use crate::AppState;
use axum::Router;
use axum::routing::{get, post};
use kept::Kept;
use shape::{Item, Origin};

/// The routes of export and import.
pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/parasol/conversations/export", get(export::all))
        .route("/api/parasol/conversations/{id}/export", get(export::one))
        .route("/api/parasol/conversations/import", post(import::import))
}

/// One conversation of a file, ready to be stored, or why it cannot be.
fn read(item: &Item<'_>) -> Result<Kept, String> {
    let mut kept = match item.origin {
        Some(Origin::Parasol) => parasol::parse(&item.text),
        Some(Origin::OpenWebUi) => open_webui::parse(&item.text).and_then(kept::keep),
        Some(Origin::ChatGpt) => chatgpt::parse(&item.text).and_then(kept::keep),
        None => Err("it is no conversation of Parasol, Open WebUI or ChatGPT".to_owned()),
    }?;
    match item.halves {
        0 => {}
        1 => kept.without.push("half a character, which stands as \u{fffd}".to_owned()),
        n => kept.without.push(format!("{n} halves of characters, which stand as \u{fffd}")),
    }
    Ok(kept)
}

#[cfg(test)]
mod tests;
