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
