//! GGUF metadata as the tokenizer asks for it: a key that is missing, or holds another type, is `None`.

use super::{Metadata, Value, ValueType};
use crate::tokenizer::MetadataLookup;

impl MetadataLookup for Metadata<'_> {
    fn string(&self, key: &str) -> Option<&str> {
        self.str(key).ok().flatten()
    }

    fn strings(&self, key: &str) -> Option<Box<dyn Iterator<Item = &[u8]> + '_>> {
        let strings = Metadata::strings(self, key).ok().flatten()?;
        Some(Box::new(strings))
    }

    fn floats(&self, key: &str) -> Option<Vec<f32>> {
        Metadata::floats(self, key).ok().flatten().or_else(|| {
            let integers = self.integers(key).ok().flatten()?;
            Some(integers.into_iter().map(|n| n as f32).collect())
        })
    }

    fn ints(&self, key: &str) -> Option<Vec<i32>> {
        self.integers(key).ok().flatten()?.into_iter().map(|n| i32::try_from(n).ok()).collect()
    }

    fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        match self.get(key)? {
            Value::Array { of: ValueType::U8 | ValueType::I8, .. } => {
                // An i8 array holds the same bytes; the tokenizer's normalisation rules are written as one.
                Some(self.integers(key).ok().flatten()?.into_iter().map(|n| n as u8).collect())
            }
            _ => None,
        }
    }

    fn u32(&self, key: &str) -> Option<u32> {
        self.unsigned(key).ok().flatten().and_then(|n| u32::try_from(n).ok())
    }

    fn bool(&self, key: &str) -> Option<bool> {
        Metadata::bool(self, key).ok().flatten()
    }
}
