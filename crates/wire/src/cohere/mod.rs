//! Cohere's own protocol, version 2 of its chat: the calling direction. Unlike its endpoint for OpenAI's clients it takes documents
//! and tells what of the answer rests on which of them.
//! References: <https://docs.cohere.com/reference/chat-stream>, <https://docs.cohere.com/v2/docs/streaming>.

mod call;
mod decode;

pub(crate) use call::request_body;
pub(crate) use decode::Decoder;
