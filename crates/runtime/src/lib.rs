//! The roof: which engine serves a name. It finds a model through the hub, has the engine for it load it, and hands out
//! its capabilities. It knows names and memory and no arithmetic, no protocol and no terminal.

mod any;
mod ceilings;
mod chain;
mod ears;
mod far;
mod far_ears;
mod far_film;
mod far_voice;
pub mod kept;
pub mod machine;
mod model;
mod models;
mod picture;
mod runtime;
pub mod talk;
mod voice;

pub use any::AnyModel;
pub use ceilings::{Ceilings, ceilings};
pub use chain::{ChainModel, OpenChat};
pub use ears::EarsInfo;
pub use far::Far;
pub use far_ears::FarEars;
pub use kept::{KeptVoice, KeptVoices, Owner};
pub use machine::{Cache, Machine, Memory, peak_memory, usable_threads};
pub use model::{LoadOptions, Model};
pub use models::{
    EarsLease, Lease, LoadedModel, LoadedState, ModelCard, Models, ModelsOptions, Policy, VoiceLease,
};
pub use runtime::Runtime;

/// Sound, the models that listen and those that speak.
pub use parasol_audio::{mark, sound, speech, transcription};
/// What doors need of the layers below the roof.
pub use parasol_hub::{Cancel, Licence, ModelRef, PullEvent};
pub use parasol_kernels::{Isa, KvFormat};
pub use parasol_remote::{
    BackendEntry, BackendStatus, By, FilmJob, Films, JobState, Key, Ledger, Limits, Line, Listed, Price,
    Provider, RemoteEntry, RemoteModel, RemoteVoice, Report, Sum,
    ledger::{self, date},
};
pub use parasol_text::engine::{BenchReport, BenchShape, EngineStats};
pub use parasol_text::info::{About, FormatShare, MemoryNeed, ModelInfo};
