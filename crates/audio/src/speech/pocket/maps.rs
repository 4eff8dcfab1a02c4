//! The maps of characters that tokenizers carry (SentencePiece's `precompiled_charsmap`), checked before the library reads them: it
//! makes room for as much as their first number says, and what stands for a character may be as long as the file.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use parasol_core::{Error, ErrorKind, Result};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// The key of a map in `tokenizer.json`.
const KEY: &str = "precompiled_charsmap";

/// The longest text that may stand for a character, in bytes.
pub(super) const MOST_GROWTH: usize = 1 << 10;

fn damaged() -> Error {
    Error::new(ErrorKind::Corrupt, "the tokenizer's map of characters is damaged: fetch the file again")
}

/// The length of the longest text that stands for a character in a map. The texts lie behind the map, a zero byte between them.
///
/// # Errors
/// `Corrupt` when the map is not as long as its first number says, or a text does not end soon.
pub(super) fn check(map: &[u8]) -> Result<usize> {
    let texts = map.split_first_chunk::<4>().and_then(|(size, rest)| {
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        rest.get(size / 4 * 4..)
    });
    let longest = texts.and_then(|texts| texts.split(|byte| *byte == 0).map(<[u8]>::len).max());
    longest.filter(|longest| *longest <= MOST_GROWTH).ok_or_else(damaged)
}

/// The length of the longest text in all maps of a `tokenizer.json`, wherever they stand in it; 0 without any.
///
/// # Errors
/// As [`check`].
pub(super) fn check_all(json: &[u8]) -> Result<usize> {
    // What is no JSON is for the library to refuse.
    let Ok(Maps(maps)) = serde_json::from_slice(json) else { return Ok(0) };
    maps.iter().try_fold(0, |longest, map| {
        let map = STANDARD.decode(map).map_err(|_| damaged())?;
        Ok(longest.max(check(&map)?))
    })
}

/// The texts of all maps in a value.
struct Maps(Vec<String>);

/// A map's text, or anything else in its place.
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        Ok(Self(value.as_str().map(str::to_owned)))
    }
}

impl<'de> Deserialize<'de> for Maps {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Maps;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Maps, A::Error> {
                let mut all = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    match key == KEY {
                        true => all.extend(map.next_value::<Text>()?.0),
                        false => all.extend(map.next_value::<Maps>()?.0),
                    }
                }
                Ok(Maps(all))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Maps, A::Error> {
                let mut all = Vec::new();
                while let Some(Maps(maps)) = seq.next_element()? {
                    all.extend(maps);
                }
                Ok(Maps(all))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Maps, E> {
                Ok(Maps(Vec::new()))
            }
            fn visit_i64<E>(self, _: i64) -> Result<Maps, E> {
                Ok(Maps(Vec::new()))
            }
            fn visit_u64<E>(self, _: u64) -> Result<Maps, E> {
                Ok(Maps(Vec::new()))
            }
            fn visit_f64<E>(self, _: f64) -> Result<Maps, E> {
                Ok(Maps(Vec::new()))
            }
            fn visit_str<E>(self, _: &str) -> Result<Maps, E> {
                Ok(Maps(Vec::new()))
            }
            fn visit_unit<E>(self) -> Result<Maps, E> {
                Ok(Maps(Vec::new()))
            }
        }
        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn map(size: u32, texts: &[u8]) -> Vec<u8> {
        [&size.to_le_bytes()[..], &[0; 8], texts].concat()
    }

    #[test]
    fn maps_are_as_long_as_they_say_and_their_texts_are_short() {
        assert_eq!(check(&map(8, b"a\0bc\0")).unwrap(), 2);
        assert_eq!(check(&map(8, b"")).unwrap(), 0);
        assert!(check(&map(u32::MAX, b"a")).is_err() && check(&map(16, b"a")).is_err());
        assert!(check(&map(8, &[b'a'; 2_000])).is_err() && check(b"\0\0").is_err());
    }

    #[test]
    fn maps_are_found_wherever_they_stand() {
        let json = |map: &[u8]| {
            let map = STANDARD.encode(map);
            format!(
                r#"{{"a":[1,-1,0.5,null,true,"x"],"normalizer":{{"type":"Sequence","normalizers":[{{"type":"Precompiled","precompiled\u005fcharsmap":"{map}"}}]}}}}"#
            )
        };
        let all = |map: &[u8]| check_all(json(map).as_bytes());
        assert_eq!(all(&map(8, b"a\0bcd\0")).unwrap(), 3);
        assert!(all(&map(u32::MAX, b"")).is_err() && all(&map(8, &[b'a'; 2_000])).is_err());
        assert!(check_all(br#"{"precompiled_charsmap":"?"}"#).is_err());
        assert_eq!(check_all(br#"{"precompiled_charsmap":null}"#).unwrap(), 0);
        assert_eq!(check_all(b"[{}").unwrap(), 0);
    }
}
