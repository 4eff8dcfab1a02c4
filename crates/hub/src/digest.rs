//! SHA-256 of files, in the notation of the catalogue.

use crate::files::failed;
use parasol_core::Result;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The SHA-256 of a file. `progress` gets the bytes read so far and may stop the work.
pub(crate) fn hash_file(path: &Path, progress: &mut dyn FnMut(u64) -> Result<()>) -> Result<String> {
    let mut hash = Sha256::new();
    update_from(&mut hash, path, progress)?;
    Ok(hex(&hash.finalize()))
}

/// Feeds a file to `hash` and returns its length.
pub(crate) fn update_from(
    hash: &mut Sha256,
    path: &Path,
    progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<u64> {
    let read = |e| failed("read", path, e);
    let mut file = File::open(path).map_err(read)?;
    let mut buffer = vec![0; 1 << 20];
    let mut done = 0u64;
    loop {
        let n = match file.read(&mut buffer) {
            Ok(0) => return Ok(done),
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(read(e)),
        };
        hash.update(buffer.get(..n).unwrap_or_default());
        done = done.saturating_add(n as u64);
        progress(done)?;
    }
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_digest_of_abc_is_that_of_fips_180() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        assert_eq!(
            hash_file(&path, &mut |_| Ok(())).unwrap(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
