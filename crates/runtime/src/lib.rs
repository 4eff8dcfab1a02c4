//! Parasol runtime.
