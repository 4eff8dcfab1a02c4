//! Taking conversations along and bringing them from elsewhere: what files look like, and the routes that read and write them. How
//! conversations are kept is the store's.
#![cfg_attr(not(test), expect(dead_code, reason = "the routes that use it follow with the store"))]

mod archive;
mod bounded;
mod chatgpt;
mod details;
mod kept;
mod kinds;
mod markdown;
mod name;
mod open_webui;
mod parasol;
mod shape;
mod time;
mod tree;

use kept::Kept;
use shape::{Item, Origin};

/// One conversation of a file, ready to be stored, or why it cannot be.
fn read(item: &Item<'_>) -> Result<Kept, String> {
    match item.origin {
        Some(Origin::Parasol) => parasol::parse(item.text),
        Some(Origin::OpenWebUi) => open_webui::parse(item.text).and_then(kept::keep),
        Some(Origin::ChatGpt) => chatgpt::parse(item.text).and_then(kept::keep),
        None => Err("it is no conversation of Parasol, Open WebUI or ChatGPT".to_owned()),
    }
}

#[cfg(test)]
mod tests;
