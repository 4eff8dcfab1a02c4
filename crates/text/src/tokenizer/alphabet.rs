//! The 256 characters by which byte-level BPE writes bytes (GPT-2's `bytes_to_unicode`): printable Latin-1 stands for
//! itself, the other bytes for U+0100 onwards.

/// Whether a byte is written as the character of the same number.
const fn printable(byte: u8) -> bool {
    matches!(byte, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF)
}

/// Code point by byte.
const CHARS: [u16; 256] = {
    let mut table = [0; 256];
    let (mut byte, mut extra) = (0, 256);
    while byte < 256 {
        if printable(byte as u8) {
            table[byte] = byte as u16;
        } else {
            table[byte] = extra;
            extra += 1;
        }
        byte += 1;
    }
    table
};

/// Byte by code point; `u16::MAX` for code points that stand for none.
const BYTES: [u16; 324] = {
    let mut table = [u16::MAX; 324];
    let mut byte = 0;
    while byte < 256 {
        table[CHARS[byte] as usize] = byte as u16;
        byte += 1;
    }
    table
};

/// The character that stands for `byte`.
pub(crate) fn char_of(byte: u8) -> char {
    char::from_u32(u32::from(CHARS[usize::from(byte)])).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that `c` stands for, if it does.
pub(crate) fn byte_of(c: char) -> Option<u8> {
    BYTES.get(c as usize).and_then(|&b| u8::try_from(b).ok())
}

/// Writes `bytes` in the alphabet.
pub(crate) fn write(bytes: &[u8], out: &mut String) {
    out.extend(bytes.iter().map(|&b| char_of(b)));
}

/// Reads a token back to bytes; `None` when a character is not of the alphabet.
pub(crate) fn read(token: &str) -> Option<Vec<u8>> {
    token.chars().map(byte_of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_has_one_character() {
        let all: Vec<u8> = (0..=255).collect();
        let mut text = String::new();
        write(&all, &mut text);
        assert_eq!(read(&text), Some(all));
        assert_eq!((char_of(b' '), char_of(b'\n'), char_of(b'A'), char_of(0xAD)), ('Ġ', 'Ċ', 'A', 'Ń'));
        assert_eq!(byte_of('▁'), None);
    }
}
