//! GGUF files (versions 2 and 3), whole or split. The reader trusts nothing: no allocation comes from a number that
//! the file's length cannot back, and every range is checked before anything uses it. What the metadata *means* is
//! left to [`crate::families`] and [`crate::tokenizer`].

mod cursor;
mod header;
mod lookup;
mod metadata;
mod open;
mod tensors;
mod value;

pub use header::Header;
pub use metadata::{Metadata, Strings};
pub use open::GgufFile;
pub use tensors::TensorEntry;
pub use value::{Value, ValueType};
