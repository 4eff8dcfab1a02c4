//! Models behind other people's addresses.

pub mod entry;
mod model;
pub mod status;

pub use entry::{BackendEntry, Limits, RemoteEntry};
pub use model::{RemoteModel, Remotes};
pub use status::{BackendStatus, Health};
