//! Answers that are computed here to their end, whoever listens: asking for one, joining it, stopping it, and how much of the
//! context a prompt takes. What is kept is the store's, computing the roof's.

mod compute;
mod live;
mod routes;

pub(super) use live::Answers;
pub(super) use routes::routes;
pub(crate) use routes::{ContextCount, NewAnswer, Prompt};
