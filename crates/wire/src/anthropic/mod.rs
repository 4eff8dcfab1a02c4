//! Anthropic's Messages API: requests, answers, streams, errors and the list of models, in both directions. Who may ask is
//! the server's business; where a provider is reached, and with which key, is that of the crate that calls it.

mod blocks;
mod blocks_out;
mod call;
mod citation;
mod decode;
mod error;
mod messages;
mod models;
mod request;
mod response;
#[cfg(test)]
mod tests;
mod tools;

pub use call::request_body;
pub use decode::{Decoder, response_events};
pub use error::{error_body, error_from, status};
pub use models::{Model, Page};
pub use request::{MessagesRequest, Style};
pub use response::{Collector, Encoder, StreamEvent, UNSIGNED};

use error::error_object;
