//! Typed access to a GGUF file's metadata. A key that is absent is `None`; a key of the wrong type is an error that
//! names it.

use super::cursor::corrupt;
use super::value::{Value, ValueType, scalar_at};
use parasol_core::Result;
use std::collections::BTreeMap;

/// The metadata of a GGUF file together with the bytes that its strings and arrays lie in.
#[derive(Debug, Clone, Copy)]
pub struct Metadata<'a> {
    bytes: &'a [u8],
    values: &'a BTreeMap<String, Value>,
}

impl<'a> Metadata<'a> {
    pub(super) fn new(bytes: &'a [u8], values: &'a BTreeMap<String, Value>) -> Self {
        Self { bytes, values }
    }

    /// Every key with its value, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// The value under `key`, undecoded.
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.values.get(key)
    }

    /// A non-negative integer of any width.
    pub fn unsigned(&self, key: &str) -> Result<Option<u64>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Integer(n)) => match u64::try_from(*n) {
                Ok(n) => Ok(Some(n)),
                Err(_) => Err(corrupt(format!("metadata `{key}` is {n} and must not be negative"))),
            },
            Some(other) => Err(wrong(key, other, "an integer")),
        }
    }

    /// A float of either width (an integer counts as one).
    pub fn float(&self, key: &str) -> Result<Option<f32>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Float(x)) => Ok(Some(*x as f32)),
            Some(Value::Integer(n)) => Ok(Some(*n as f32)),
            Some(other) => Err(wrong(key, other, "a float")),
        }
    }

    /// A truth value.
    pub fn bool(&self, key: &str) -> Result<Option<bool>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Bool(x)) => Ok(Some(*x)),
            Some(other) => Err(wrong(key, other, "a bool")),
        }
    }

    /// A string, which must be UTF-8.
    pub fn str(&self, key: &str) -> Result<Option<&'a str>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::String(range)) => {
                match std::str::from_utf8(self.bytes.get(range.clone()).unwrap_or_default()) {
                    Ok(text) => Ok(Some(text)),
                    Err(_) => Err(corrupt(format!("metadata `{key}` is not valid UTF-8"))),
                }
            }
            Some(other) => Err(wrong(key, other, "a string")),
        }
    }

    /// An array of strings, as the bytes of each.
    pub fn strings(&self, key: &str) -> Result<Option<Strings<'a>>> {
        match self.get(key) {
            None => Ok(None),
            Some(Value::Array { of: ValueType::String, len, range }) => {
                Ok(Some(Strings { bytes: self.bytes.get(range.clone()).unwrap_or_default(), left: *len }))
            }
            Some(other) => Err(wrong(key, other, "an array of strings")),
        }
    }

    /// An array of floats of either width.
    pub fn floats(&self, key: &str) -> Result<Option<Vec<f32>>> {
        self.scalars(key, "an array of floats", |value| match value {
            Value::Float(x) => Some(x as f32),
            _ => None,
        })
    }

    /// An array of integers of any width.
    pub fn integers(&self, key: &str) -> Result<Option<Vec<i64>>> {
        self.scalars(key, "an array of integers", |value| match value {
            Value::Integer(n) => i64::try_from(n).ok(),
            _ => None,
        })
    }

    /// An array of truth values.
    pub fn bools(&self, key: &str) -> Result<Option<Vec<bool>>> {
        self.scalars(key, "an array of bools", |value| match value {
            Value::Bool(x) => Some(x),
            _ => None,
        })
    }

    fn scalars<T>(
        &self,
        key: &str,
        wanted: &str,
        take: impl Fn(Value) -> Option<T>,
    ) -> Result<Option<Vec<T>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        let Value::Array { of, range, .. } = value else { return Err(wrong(key, value, wanted)) };
        let (Some(size), Some(bytes)) = (of.size(), self.bytes.get(range.clone())) else {
            return Err(wrong(key, value, wanted));
        };
        bytes
            .chunks_exact(size)
            .map(|item| scalar_at(*of, item).and_then(&take))
            .collect::<Option<Vec<T>>>()
            .map(Some)
            .ok_or_else(|| wrong(key, value, wanted))
    }
}

fn wrong(key: &str, value: &Value, wanted: &str) -> parasol_core::Error {
    corrupt(format!("metadata `{key}` is {} and must be {wanted}", value.type_name()))
}

/// The strings of an array, in order. Their lengths were checked when the header was read.
#[derive(Debug, Clone)]
pub struct Strings<'a> {
    bytes: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.left == 0 {
            return None;
        }
        let (length, rest) = self.bytes.split_first_chunk::<8>()?;
        let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
        let (text, rest) = rest.split_at_checked(length)?;
        (self.bytes, self.left) = (rest, self.left - 1);
        Some(text)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}
