//! Models behind other people's addresses: which there are and whose, with which key they are asked, for how long, how often,
//! what that costs, and what happens when it fails. What is said on the line is `parasol-wire`'s.

mod address;
mod alarm;
mod answer;
mod backend;
mod book;
mod cache;
mod call;
mod circuit;
mod client;
mod count;
pub mod directory;
pub mod entry;
mod failure;
pub mod film;
mod health;
mod hear;
mod holder;
mod keyring;
pub mod keys;
pub mod ledger;
mod lines;
mod model;
pub mod price;
mod rate;
mod reading;
mod report;
mod scribe;
mod speak;
pub mod status;
mod tally;
mod threads;

pub use directory::{Chain, Directory, Listed, Provider};
pub use entry::{BackendEntry, Limits, RemoteEntry, RemoteVoice};
pub use film::{FilmJob, Films, JobState};
pub use hear::{Recording, Sounds};
pub use keys::{Key, KeySources};
pub use ledger::{Budget, Ledger, Line};
pub use model::{RemoteModel, Remotes};
pub use price::Price;
pub use report::{By, Report, Sum};
pub use status::{BackendStatus, Health};
