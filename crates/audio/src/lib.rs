//! Sound: reading it from files, writing it, the models that listen and those that speak.

pub mod sound;
pub mod speech;
pub mod transcription;
