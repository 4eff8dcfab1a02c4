//! The HTTP door: one listener that speaks the protocols of OpenAI, Anthropic, Gemini and Ollama.
//!
//! A request passes the [`door`] (who asks, from where, how much), is routed to its dialect (`openai`, `anthropic`,
//! `gemini`, `ollama`), which translates it with `parasol-wire` and asks [`AppState`] for an answer. The server knows HTTP,
//! keys and limits; it knows no model and no arithmetic, which are the roof's.

mod admin;
mod anthropic;
mod begun;
mod context;
mod dialect;
mod door;
mod effect;
mod embed;
mod film;
mod form;
mod gemini;
mod generate;
mod hear;
mod imagine;
mod json;
mod keys;
mod listen;
mod logs;
mod metrics;
mod ollama;
mod openai;
mod openapi;
mod options;
mod pages;
mod router;
mod speak;
mod state;
mod storage;
mod studio;
mod transcribe;

pub use admin::{RunFile, Running};
pub use keys::{Key, KeyFile, KeyTerms};
pub use listen::Server;
pub use logs::{LogFormat, start_logging};
pub use options::{DEFAULT_PORT, ServerOptions, Setting, TlsFiles};
pub use state::AppState;
