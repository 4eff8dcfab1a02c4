//! Reading text that may be no valid UTF-8, the way llama.cpp does, so that broken input gives the same tokens.

use std::borrow::Cow;

/// The code point at `at` and its length in bytes; `None` where no (even overlong or surrogate) sequence is well formed.
/// `at` must be inside `text`; past the end the answer is `None` too.
pub(crate) fn lenient_char(text: &[u8], at: usize) -> Option<(u32, usize)> {
    let lead = u32::from(*text.get(at)?);
    if lead < 0x80 {
        return Some((lead, 1));
    }
    let (bits, more) = match lead {
        0xC0..=0xDF => (lead & 0x1F, 1),
        0xE0..=0xEF => (lead & 0x0F, 2),
        0xF0..=0xF7 => (lead & 0x07, 3),
        _ => return None,
    };
    let mut code = bits;
    for &byte in text.get(at + 1..at + 1 + more)? {
        if byte & 0xC0 != 0x80 {
            return None;
        }
        code = code << 6 | u32::from(byte & 0x3F);
    }
    // Where llama.cpp would abort, the sequence is as broken as any other.
    (code <= 0x10_FFFF).then_some((code, more + 1))
}

/// How many bytes the character at a lead byte claims (1 for a stray continuation byte).
pub(crate) fn claimed_len(lead: u8) -> usize {
    match lead {
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xFF => 4,
        _ => 1,
    }
}

/// Appends a code point; a surrogate becomes the three bytes that UTF-8 would use if it allowed them.
fn push_code(out: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let byte = |shift: u32, mark: u32| (mark | (code >> shift & 0x3F)) as u8;
            out.extend([0xE0 | (code >> 12 & 0x0F) as u8, byte(6, 0x80), byte(0, 0x80)]);
        }
    }
}

/// Replaces every broken byte by U+FFFD and writes overlong sequences in their shortest form. Surrogates stay, as three
/// bytes. Valid text is passed through.
pub(crate) fn repaired(text: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(text).is_ok() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    let mut at = 0;
    while at < text.len() {
        let (code, len) = lenient_char(text, at).unwrap_or((0xFFFD, 1));
        push_code(&mut out, code);
        at += len;
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_bytes_become_replacement_characters() {
        assert_eq!(repaired(b"a\xffb").as_ref(), "a\u{FFFD}b".as_bytes());
        assert_eq!(repaired(b"\xc0\x80").as_ref(), b"\0");
        assert_eq!(repaired(b"\xed\xa0\x80").as_ref(), b"\xed\xa0\x80");
        assert_eq!(repaired(b"\xf4\x90\x80\x80").as_ref(), "\u{FFFD}".repeat(4).as_bytes());
        assert!(matches!(repaired("中".as_bytes()), Cow::Borrowed(_)));
    }
}
