//! CPU arithmetic for models: quantised and float matrix products, attention, norms, threads, and what the processor
//! can do. This is the one crate where `unsafe` is at home.

pub mod format;
pub mod half;
pub mod quantize;
pub mod reference;

pub use format::Format;
