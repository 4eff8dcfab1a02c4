//! Lists and objects of JSON that stop being read at the most that is taken: what is small in a file may be large in memory.

use super::archive::MOST_MESSAGES;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::marker::PhantomData;

/// An object as the list of its fields: one that names a field twice shows both.
#[derive(Debug)]
pub(super) struct Pairs<T>(pub(super) Vec<(String, T)>);

/// A list.
#[derive(Debug)]
pub(super) struct List<T>(pub(super) Vec<T>);

fn too_many<E: Error>() -> E {
    E::custom(format_args!(
        "there are more than {MOST_MESSAGES} entries in a list, and that is the most that is taken"
    ))
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Pairs<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Pairs<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<T>, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    if pairs.len() == MOST_MESSAGES {
                        return Err(too_many());
                    }
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Items<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
            type Value = List<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<List<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == MOST_MESSAGES {
                        return Err(too_many());
                    }
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_field_named_twice_is_seen_twice() {
        let pairs: Pairs<u32> = serde_json::from_str(r#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(pairs.0, [("a".to_owned(), 1), ("a".to_owned(), 2)]);
    }

    #[test]
    fn reading_stops_at_the_most() {
        let list = format!("[{}0]", "0,".repeat(MOST_MESSAGES));
        let e = serde_json::from_str::<List<u8>>(&list).unwrap_err().to_string();
        assert!(e.contains("more than 100000"), "{e}");
        assert_eq!(
            serde_json::from_str::<List<u8>>(&list.replacen("0,", "", 1)).unwrap().0.len(),
            MOST_MESSAGES
        );
        let object = format!("{{{}\"a\":0}}", "\"a\":0,".repeat(MOST_MESSAGES));
        assert!(serde_json::from_str::<Pairs<u8>>(&object).is_err());
    }
}
