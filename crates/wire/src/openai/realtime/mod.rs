//! `GET /v1/realtime`, a WebSocket: what a client sends ([`ClientEvent`]), a session's settings ([`Session`]), the items of its
//! conversation ([`Item`]), and what is sent back ([`events`], [`Answer`]). The names are those of the protocol's general
//! availability; those of its beta are not spoken.
//! Reference: <https://platform.openai.com/docs/api-reference/realtime>.

mod answer;
mod client;
pub mod events;
mod items;
mod listening;
mod session;
#[cfg(test)]
mod tests;

pub use answer::{Answer, End};
pub use client::{ClientEvent, Received};
pub use items::{Author, Item, Kind, Part, conversation};
pub use listening::{Hearing, Pcm, TurnDetection};
pub use session::{Modality, ResponseCall, Session, Speech, Voicing};

/// Ids that no other of their kind has: a beginning that belongs to the session, and a number.
#[derive(Debug, Clone)]
pub struct Ids {
    session: String,
    next: u64,
}

impl Ids {
    /// Ids of a session; `session` is what tells it from all others.
    pub fn new(session: impl Into<String>) -> Self {
        Self { session: session.into(), next: 0 }
    }

    /// The session's own id.
    pub fn session(&self) -> String {
        format!("sess_{}", self.session)
    }

    /// The conversation's id.
    pub fn conversation(&self) -> String {
        format!("conv_{}", self.session)
    }

    /// The next id that begins with `kind`, as in `item_…`.
    pub fn next(&mut self, kind: &str) -> String {
        self.next = self.next.wrapping_add(1);
        format!("{kind}_{}{:04x}", self.session, self.next)
    }
}
