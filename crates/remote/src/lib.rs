//! Models behind other people's addresses: which of them is asked, for how long, and what happens when it fails. What is
//! said on the line is `parasol-wire`'s.

mod address;
mod backend;
mod call;
mod circuit;
mod client;
pub mod entry;
mod health;
mod model;
pub mod status;

pub use entry::{BackendEntry, Limits, RemoteEntry};
pub use model::{RemoteModel, Remotes};
pub use status::{BackendStatus, Health};
