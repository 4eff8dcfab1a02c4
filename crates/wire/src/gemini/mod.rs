//! Google's Gemini API: requests, answers, streams, errors and the list of models, in both directions. Who may ask is the
//! server's business; where a provider is reached, and with which key, is that of the crate that calls it.

mod call;
mod citations;
mod config;
mod contents;
mod decode;
pub mod embedding;
mod error;
pub(crate) mod films;
mod models;
pub(crate) mod picture;
pub mod pictures;
mod request;
mod response;
mod schema;
pub mod speech;
#[cfg(test)]
mod tests;
mod tools;

pub use call::request_body;
pub use decode::Decoder;
pub use error::{error_body, error_from, status};
pub use models::{Model, page, token_count};
pub use request::{GenerateRequest, Style};
pub use response::{Collector, Encoder};
