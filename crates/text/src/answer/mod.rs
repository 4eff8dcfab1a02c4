//! From generated tokens to events: whole characters, what the model thinks apart from what it answers, calls to tools, stop
//! strings. Which of these an answer can have is [`crate::prompt`]'s to say.

mod stream;

pub use stream::{AnswerOptions, AnswerStream, Ending, Step};
