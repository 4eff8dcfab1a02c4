//! Whether a file is a film, and a whole one: by its first bytes, and by the boxes that an MP4 file is made of.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

/// More top-level boxes than this has no film of a minute.
const MOST_BOXES: usize = 100_000;

/// The media type of a film.
///
/// # Errors
/// What is wrong with the file, in words; the reader's own.
pub(super) fn film(file: &mut File) -> std::io::Result<Result<&'static str, String>> {
    let length = file.seek(SeekFrom::End(0))?;
    file.seek(SeekFrom::Start(0))?;
    let mut head = [0u8; 12];
    let mut read = 0;
    while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match file.read(rest)? {
            0 => break,
            n => read += n,
        }
    }
    match head {
        [0x1a, 0x45, 0xdf, 0xa3, ..] => Ok(Ok("video/webm")),
        [_, _, _, _, b'f', b't', b'y', b'p', brand @ ..] => {
            let kind = if brand == *b"qt  " { "video/quicktime" } else { "video/mp4" };
            Ok(whole(file, length)?.map(|()| kind))
        }
        _ => {
            let shown: String = head.iter().take(read).map(|b| format!("{b:02x}")).collect();
            Ok(Err(format!(
                "what came is no MP4, QuickTime or WebM film: it has {length} bytes and begins with {shown}"
            )))
        }
    }
}

/// Whether the boxes of an MP4 file end where it ends, and hold a film.
fn whole(file: &mut File, length: u64) -> std::io::Result<Result<(), String>> {
    let (mut at, mut movie, mut data) = (0u64, false, false);
    for _ in 0..MOST_BOXES {
        if at == length && movie && data {
            return Ok(Ok(()));
        }
        if at == length {
            let missing = if movie { "mdat" } else { "moov" };
            return Ok(Err(format!("what came has no {missing} box: it is no whole film")));
        }
        let cut = || {
            Ok(Err(format!("what came is cut: it has {length} bytes, and the box at {at} ends beyond them")))
        };
        if length - at < 8 {
            return cut();
        }
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0u8; 8];
        file.read_exact(&mut head)?;
        let [a, b, c, d, kind @ ..] = head;
        let size = match u32::from_be_bytes([a, b, c, d]) {
            // To the end of the file.
            0 => length - at,
            1 if length - at < 16 => return cut(),
            1 => {
                let mut long = [0u8; 8];
                file.read_exact(&mut long)?;
                u64::from_be_bytes(long)
            }
            size => u64::from(size),
        };
        if size < 8 {
            return Ok(Err(format!("what came is no whole film: the box at {at} has {size} bytes")));
        }
        if size > length - at {
            return cut();
        }
        movie |= kind == *b"moov";
        data |= kind == *b"mdat";
        at += size;
    }
    Ok(Err("what came has too many boxes for a film".to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;

    fn of(bytes: &[u8]) -> Result<&'static str, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        film(&mut file).unwrap()
    }

    fn boxed(kind: &[u8; 4], inside: &[u8]) -> Vec<u8> {
        let size = u32::try_from(inside.len() + 8).unwrap().to_be_bytes();
        [&size[..], kind, inside].concat()
    }

    #[test]
    fn films_are_told_from_what_is_none_and_from_their_pieces() {
        let mut long = 1u32.to_be_bytes().to_vec();
        long.extend(b"mdat");
        long.extend(20u64.to_be_bytes());
        long.extend(b"1234");
        let mp4 = [boxed(b"ftyp", b"isom\0\0\0\0"), boxed(b"moov", b"x"), boxed(b"free", b""), long].concat();
        assert_eq!(of(&mp4), Ok("video/mp4"));
        for cut in 8..mp4.len() {
            assert!(of(&mp4[..cut]).is_err(), "{cut}");
        }
        let open = [boxed(b"ftyp", b"isom"), boxed(b"moov", b""), b"\0\0\0\0mdatxyz".to_vec()].concat();
        assert_eq!(of(&open), Ok("video/mp4"));
        let quicktime = [boxed(b"ftyp", b"qt  "), boxed(b"mdat", b""), boxed(b"moov", b"")].concat();
        assert_eq!(of(&quicktime), Ok("video/quicktime"));
        assert_eq!(of(b"\x1a\x45\xdf\xa3 matroska"), Ok("video/webm"));
        for none in [&b""[..], b"{}", b"<html>", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0AVI "] {
            let why = of(none).unwrap_err();
            assert!(why.contains("no MP4"), "{why}");
        }
        let tiny = [boxed(b"ftyp", b"isom"), b"\0\0\0\x07moov".to_vec()].concat();
        assert!(of(&tiny).unwrap_err().contains("7 bytes"));
        let endless =
            [boxed(b"ftyp", b"isom"), b"\0\0\0\x01moov\xff\xff\xff\xff\xff\xff\xff\xff".to_vec()].concat();
        assert!(of(&endless).unwrap_err().contains("cut"));
    }
}
