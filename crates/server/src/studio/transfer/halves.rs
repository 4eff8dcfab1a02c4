//! Halves of characters in JSON texts. JavaScript can cut an emoji in two, and `JSON.stringify` then writes one half as an escape
//! such as `\ud83d`, which is no character (RFC 8259, section 8.2): files of programs written in it have them.

use std::borrow::Cow;

/// What stands in the place of one; as long as what it replaces.
const BROKEN: &str = "\\ufffd";

/// The text with U+FFFD in place of each half, and how many there were.
pub(super) fn mend(json: &str) -> (Cow<'_, str>, usize) {
    let mut mended = String::new();
    let mut count = 0;
    let (mut from, mut at) = (0, 0);
    while let Some(found) = json.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        let length = match (half(json, at), half(json, at + 6)) {
            (Some(false), Some(true)) => 12,
            (Some(_), _) => {
                mended.push_str(json.get(from..at).unwrap_or_default());
                mended.push_str(BROKEN);
                count += 1;
                from = at + 6;
                6
            }
            // An escape is two bytes or begins with two; a backslash that is escaped begins none.
            (None, _) => {
                1 + json.get(at + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
            }
        };
        at += length;
    }
    if count == 0 {
        return (Cow::Borrowed(json), 0);
    }
    mended.push_str(json.get(from..).unwrap_or_default());
    (Cow::Owned(mended), count)
}

/// Whether half a character stands at `at` as an escape, and if so whether it is a second one.
fn half(json: &str, at: usize) -> Option<bool> {
    let digits = json.get(at..at.checked_add(6)?)?.strip_prefix("\\u")?;
    match u16::from_str_radix(digits, 16).ok()? {
        0xd800..=0xdbff => Some(false),
        0xdc00..=0xdfff => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn halves_are_replaced_and_whole_characters_are_not() {
        for (json, text, count) in [
            (r#""\ud83d\ude00""#, "😀", 0),
            (r#""\ud83d""#, "\u{fffd}", 1),
            (r#""a\uDE00\ud83db""#, "a\u{fffd}\u{fffd}b", 2),
            (r#""\ud83d\ud83d\ude00""#, "\u{fffd}😀", 1),
            // No escape: a backslash and letters.
            (r#""\\ud83d \\\ud83d é""#, "\\ud83d \\\u{fffd} é", 1),
            (r#""\n\u00e9\"\ud800""#, "\né\"\u{fffd}", 1),
        ] {
            let (mended, found) = mend(json);
            assert_eq!(
                (serde_json::from_str::<String>(&mended).unwrap().as_str(), found),
                (text, count),
                "{json}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_left_as_it_is() {
        for text in ["\\", "\\u", "\\ud8", "\\uzzzz", "\\ud83", "a\\é", "\\u+d83", ""] {
            assert_eq!(mend(text), (Cow::Borrowed(text), 0));
        }
    }
}
