//! Public protocols: each one's types, and their translation to and from the vocabulary of `parasol-core` in both
//! directions, so that serving a dialect and calling a provider that speaks it are one module. No I/O.

pub mod anthropic;
mod bfl;
pub mod client;
mod cohere;
pub mod describe;
pub mod elevenlabs;
pub mod embedding;
mod fields;
pub mod filming;
pub mod gemini;
pub mod imagining;
pub mod listening;
mod media;
mod multipart;
pub mod ollama;
pub mod openai;
mod outcome;
mod reader;
pub mod runway;
mod seal;
pub mod sound;
pub mod speaking;
pub mod sse;
mod stability;
pub mod subtitles;
mod trace;
