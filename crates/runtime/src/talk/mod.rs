//! Talking together, in three parts that a door puts together: an [`Ear`] takes sound as it comes and finds turns in it, [`Listening`]
//! has a turn written down while it is still being said, a [`Reply`] has a model's answer spoken sentence by sentence while it is
//! still being written; [`Captions`] are lines of a sound that has no answer. Each is plain state over the traits of the vocabulary: no threads, no sockets, no clock of its own.

mod agreement;
mod captions;
mod ear;
mod listening;
mod reply;
mod voice;

pub use captions::{Caption, Captions, Line};
pub use ear::{Ear, Heard};
pub use listening::{Listening, Said};
pub use reply::{Reply, ReplyEvent, Sound};
pub use voice::Saying;

pub use parasol_audio::transcription::TurnSettings;
