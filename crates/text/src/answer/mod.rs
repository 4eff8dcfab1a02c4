//! From generated tokens to events: whole characters, what the model thinks apart from what it answers, calls to tools, stop
//! strings. Which of these an answer can have is [`crate::prompt`]'s to say; each stage is a file that knows nothing of the others.
//!
//! Stop strings are looked for in the answer's text only, neither in thinking nor inside a call: a reader who is shown those
//! apart could not see what stopped them.

mod calls;
mod json;
mod object;
mod python;
mod stream;
mod syntax;
mod thinking;
mod xml;

pub use stream::{AnswerOptions, AnswerStream, Ending, Step};
pub use syntax::CallSyntax;
pub use thinking::{ThinkingMarks, ThinkingStart};

/// What the splitting of calls yields, in order.
#[derive(Debug, Clone, PartialEq)]
enum Piece {
    /// Text of the answer.
    Text(String),
    /// A call to this tool begins.
    Start(String),
    /// More of its arguments.
    Arguments(String),
    /// The call is complete.
    End,
}

/// What was read is no call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Broken;
