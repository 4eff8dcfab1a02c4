//! Models on disk: the catalogue, where a model comes from, the store, and files mapped into memory.

pub mod map;

pub use map::MappedFile;
