//! `POST /v1/responses`: requests made of items, answers as one object or as typed events, and calling a provider that speaks
//! this. Where answers are kept is the server's affair.
//! Reference: <https://platform.openai.com/docs/api-reference/responses>.

mod answer;
mod client;
mod decode;
mod items;
mod request;

#[cfg(test)]
mod tests;

pub use answer::Answer;
pub use client::chat_request;
pub use decode::StreamDecoder;
pub use items::owner_of;
pub use request::ResponseCall;

use serde_json::{Value, json};

/// How the id of a response begins; what follows is common to it and to its items.
pub const PREFIX: &str = "resp_";

/// A page of a response's input items: `data` in the order asked for, and whether there is more.
pub fn page(data: Vec<Value>, more: bool) -> Value {
    let id = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    json!({
        "object": "list", "first_id": id(data.first()), "last_id": id(data.last()), "has_more": more,
        "data": data,
    })
}

/// What deleting a response is answered with.
pub fn deleted(id: &str) -> Value {
    json!({ "id": id, "object": "response", "deleted": true })
}

/// What counting a request's tokens is answered with.
pub fn counted(tokens: usize) -> Value {
    json!({ "object": "response.input_tokens", "input_tokens": tokens })
}
