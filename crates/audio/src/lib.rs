//! Sound: reading it from files, writing it, and the models that listen.

pub mod sound;
pub mod transcription;
