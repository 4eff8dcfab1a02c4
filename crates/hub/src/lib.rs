//! Models on disk: the catalogue, where a model comes from, the store, and files mapped into memory.
//!
//! A model is called by a catalogue name (`smollm2`), a path (`./model.gguf`) or a repository (`hf:owner/repo:Q4_K_M`).
//! Files that the user already has are used where they lie; others are fetched into `models/<name>/` under readable names.
//! No file gets its name before its size and SHA-256 are right. What is inside a model file is the engines' affair.
//!
//! ```no_run
//! use parasol_hub::{Cancel, Hub, Licence, LocalModel, PullEvent};
//!
//! # fn main() -> parasol_core::Result<()> {
//! let hub = Hub::open()?;
//! let name = hub.catalogue().default_for("chat").map_or("smollm2", |entry| &entry.name);
//! // On disk already? `pull` finds it as well; `locate` never touches the network.
//! let model = match hub.locate(name)? {
//!     Some(model) => model,
//!     None => {
//!         let cancel = Cancel::new(); // clone it into a Ctrl-C handler
//!         let mut ask = |terms: &parasol_hub::Terms, text: Option<&std::path::Path>| {
//!             eprintln!("{} {:?} {text:?}: accept? [y/N]", terms.name, terms.url);
//!             false
//!         };
//!         hub.pull(name, Licence::Ask(&mut ask), &cancel, &mut |event| {
//!             if let PullEvent::Downloading { file, done, total } = event {
//!                 eprintln!("{file}: {done} of {total:?}");
//!             }
//!         })?
//!     }
//! };
//! match model.model {
//!     LocalModel::Gguf(file) => println!("load {}", file.display()),
//!     LocalModel::HuggingFace(folder) => println!("load {}", folder.display()),
//!     LocalModel::Whisper(path) => println!("listen with {}", path.display()),
//!     LocalModel::Voice(folder) => println!("speak with {}", folder.display()),
//! }
//! # Ok(())
//! # }
//! ```

pub mod cancel;
pub mod catalogue;
mod digest;
pub mod event;
mod files;
pub mod format;
mod hf;
pub mod hub;
pub mod map;
mod names;
mod pull;
pub mod reference;
pub mod settings;
pub mod source;
mod store;

pub use cancel::Cancel;
pub use catalogue::{Catalogue, Entry, FileRole, FileSpec, Memory, Terms};
pub use event::{Licence, PullEvent};
pub use files::human_bytes;
pub use format::{Format, LocalModel, local_model, sniff};
pub use hub::{Hub, Located, Origin, Removed};
pub use map::MappedFile;
pub use reference::{HfRef, ModelRef, Pick};
pub use settings::Settings;
pub use source::{RepoId, Source};
pub use store::{Contents, Installed, LicenceRecord};
