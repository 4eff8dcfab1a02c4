//! What a sent file is before its conversations are looked for: JSON, or a zip archive with such files in it, as ChatGPT hands its
//! export out. Nothing of an archive is written to a disk, and no more of it is unpacked than is taken.

use parasol_core::{Error, ErrorKind, Result};
use std::borrow::Cow;
use std::io::{Cursor, Read};
use zip::ZipArchive;

/// A JSON file that was sent, or that lay in what was sent.
#[derive(Debug)]
pub(super) struct Sent {
    /// Its name in the archive; empty where it came by itself.
    pub(super) name: String,
    pub(super) text: String,
}

fn wrong(says: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidRequest, says)
}

/// The JSON files in `bytes`, at most `most` bytes of text in all.
///
/// # Errors
/// When it is neither text nor an archive with JSON files in it, or larger than `most` once unpacked.
pub(super) fn files(bytes: Vec<u8>, most: usize) -> Result<Vec<Sent>> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06") {
        return unzip(bytes, most);
    }
    Ok(vec![Sent { name: String::new(), text: text(bytes, "the file")? }])
}

/// Text without the mark that some editors put before it.
fn text(mut bytes: Vec<u8>, what: &str) -> Result<String> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        wrong(format!("{what} is no UTF-8: byte {at} begins no character. Save it as UTF-8 and import again"))
    })?;
    if text.trim().is_empty() {
        return Err(wrong(format!("{what} is empty: send an export of conversations")));
    }
    Ok(text)
}

fn unzip(bytes: Vec<u8>, most: usize) -> Result<Vec<Sent>> {
    let damaged = |e: zip::result::ZipError| wrong(format!("the zip archive is damaged: {e}"));
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
    // A name that cannot be read is none of those that are looked for.
    let names: Vec<String> =
        archive.file_names().filter_map(std::result::Result::ok).map(Cow::into_owned).collect();
    let mut unpacked = Vec::new();
    let mut left = most;
    for name in chosen(&names) {
        let file = archive
            .by_name(name)
            .map_err(|e| wrong(format!("{name} in the zip archive cannot be unpacked: {e}")))?;
        // The size that an archive claims is only a claim: what is unpacked is what counts.
        let mut bytes = Vec::new();
        let bound = u64::try_from(left).unwrap_or(u64::MAX).saturating_add(1);
        file.take(bound)
            .read_to_end(&mut bytes)
            .map_err(|e| wrong(format!("{name} in the zip archive is damaged: {e}")))?;
        left = left.checked_sub(bytes.len()).ok_or_else(|| {
            wrong(format!(
                "the zip archive holds more than {most} bytes of conversations, and that is the most that is taken: send less or \
                 raise the server's --max-body"
            ))
        })?;
        unpacked.push(Sent { name: name.to_owned(), text: text(bytes, name)? });
    }
    if unpacked.is_empty() {
        let some: Vec<&str> = names.iter().take(5).map(String::as_str).collect();
        return Err(wrong(format!(
            "the zip archive holds no JSON file, such as ChatGPT's conversations.json. It has: {}",
            if some.is_empty() { "nothing".to_owned() } else { some.join(", ") }
        )));
    }
    Ok(unpacked)
}

/// The files that hold conversations: those that ChatGPT calls `conversations.json` or, where there are many, `conversations-000.json` and
/// so on; where none is called so, every JSON file.
fn chosen(names: &[String]) -> Vec<&str> {
    let base = |name: &str| name.rsplit(['/', '\\']).next().unwrap_or_default().to_ascii_lowercase();
    // macOS puts a file of notes, `._NAME`, beside each that it packs.
    let json = |name: &&str| base(name).ends_with(".json") && !base(name).starts_with("._");
    let mut all: Vec<&str> = names.iter().map(String::as_str).filter(json).collect();
    all.sort_unstable();
    let named: Vec<&str> =
        all.iter().copied().filter(|name| base(name).starts_with("conversations")).collect();
    if named.is_empty() { all } else { named }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;
    use zip::write::{SimpleFileOptions, ZipWriter};

    fn packed(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in files {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn names(bytes: Vec<u8>) -> Vec<String> {
        files(bytes, 1 << 20).unwrap().into_iter().map(|sent| sent.name).collect()
    }

    #[test]
    fn conversations_are_found_in_an_archive_in_their_order() {
        let export: [(&str, &[u8]); 5] = [
            ("user.json", b"{}"),
            ("conversations-001.json", b"[1]"),
            ("chat.html", b"<p>"),
            ("conversations-000.json", b"[0]"),
            ("__MACOSX/._conversations-000.json", b"\0"),
        ];
        assert_eq!(names(packed(&export)), ["conversations-000.json", "conversations-001.json"]);
        assert_eq!(
            names(packed(&[("a/Chats.JSON", b"[]"), ("b.txt", b""), ("c.json", b"[]")])),
            ["a/Chats.JSON", "c.json"]
        );
        assert_eq!(names(b"[]".to_vec()), [""]);
    }

    #[test]
    fn a_mark_before_the_text_is_no_part_of_it() {
        let read = |bytes: Vec<u8>| files(bytes, 100).unwrap().remove(0).text;
        assert_eq!(read(b"\xef\xbb\xbf[]".to_vec()), "[]");
        assert_eq!(read(packed(&[("conversations.json", b"\xef\xbb\xbf[1]")])), "[1]");
    }

    #[test]
    fn what_cannot_be_unpacked_is_told() {
        let says = |bytes: Vec<u8>| files(bytes, 1000).unwrap_err().message().to_owned();
        assert!(says(b"\xff\xfe[\0".to_vec()).contains("no UTF-8"));
        assert!(says(b" \n".to_vec()).contains("empty"));
        assert!(says(b"PK\x03\x04nonsense".to_vec()).contains("damaged"));
        assert!(says(packed(&[])).contains("has: nothing"));
        assert!(says(packed(&[("a.png", b"x")])).contains("a.png"));
        // A kilobyte that becomes a megabyte.
        let bomb = packed(&[("conversations.json", &[b' '; 1 << 20])]);
        assert!(bomb.len() < 2000, "{}", bomb.len());
        assert!(says(bomb).contains("more than 1000 bytes"));
        let mut cut = packed(&[("conversations.json", b"[\"some text that is long enough to be cut\"]")]);
        // The text of the file stands behind its head of 30 bytes and its name.
        cut[50] ^= 0xff;
        assert!(says(cut).contains("damaged"));
    }
}
