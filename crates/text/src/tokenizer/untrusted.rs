//! What stands between a stranger's tokenizer.json and the `tokenizers` crate, which (in 0.23) panics on JSON that is broken inside
//! a decoder, on a character map that is no map, and while it normalises with one that points outside itself.

use parasol_core::{Error, ErrorKind, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use tokenizers::normalizers::Precompiled;

/// Refuses a tokenizer.json that the reader would not survive.
///
/// # Errors
/// `Corrupt`, with line and column where there is one.
pub(crate) fn check(file: &[u8]) -> Result<()> {
    let corrupt =
        |e: serde_json::Error| Error::new(ErrorKind::Corrupt, format!("tokenizer.json cannot be read: {e}"));
    serde_json::from_slice::<Sound>(file).map_err(corrupt)?;
    let Normalizer { normalizer } = serde_json::from_slice(file).map_err(corrupt)?;
    check_maps(&normalizer)
}

/// Runs the crate's code on what a file made of it: a panic in there is the file's fault and becomes an error.
///
/// # Errors
/// `Corrupt`, when it panics.
pub(crate) fn guarded<T>(run: impl FnOnce() -> T) -> Result<T> {
    // What is used afterwards is only read by `run`, so nothing half-changed is left.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|_| {
        Error::new(ErrorKind::Corrupt, "tokenizer.json is damaged: what it describes cannot be carried out")
    })
}

/// Any JSON value, read to the last escape of its strings and then forgotten.
struct Sound;

impl<'de> Deserialize<'de> for Sound {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_any(Sound)
    }
}

impl<'de> Visitor<'de> for Sound {
    type Value = Sound;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_bool<E>(self, _: bool) -> std::result::Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_i64<E>(self, _: i64) -> std::result::Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_u64<E>(self, _: u64) -> std::result::Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_f64<E>(self, _: f64) -> std::result::Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_str<E>(self, _: &str) -> std::result::Result<Sound, E> {
        Ok(Sound)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> std::result::Result<Sound, A::Error> {
        while items.next_element::<Sound>()?.is_some() {}
        Ok(Sound)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> std::result::Result<Sound, A::Error> {
        while fields.next_entry::<Sound, Sound>()?.is_some() {}
        Ok(Sound)
    }
}

/// The part of the file that may hold a character map.
#[derive(Deserialize)]
struct Normalizer {
    #[serde(default)]
    normalizer: Value,
}

fn check_maps(normalizer: &Value) -> Result<()> {
    if normalizer["type"] == "Precompiled" {
        // From text, as the crate reads it: it borrows the map.
        serde_json::from_str::<Precompiled>(&normalizer.to_string()).map_err(|e| {
            let message =
                format!("tokenizer.json cannot be read: its `precompiled_charsmap` is damaged ({e})");
            Error::new(ErrorKind::Corrupt, message)
        })?;
    }
    normalizer["normalizers"].as_array().into_iter().flatten().try_for_each(check_maps)
}
