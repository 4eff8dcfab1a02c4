//! Sound: reading it from files, writing it, the models that listen and those that speak, the mark of imitated voices.

pub mod mark;
pub mod sound;
pub mod speech;
pub mod transcription;
