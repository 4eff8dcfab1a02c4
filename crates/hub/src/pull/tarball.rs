//! One member out of a tarball (a tar file, packed by gzip), streamed and bounded. No path from the archive is ever written to, and no
//! link in it followed, so an archive cannot reach outside.

use crate::cancel::Cancel;
use crate::files::failed;
use flate2::read::MultiGzDecoder;
use parasol_core::{Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use tar::{Archive, EntryType};

/// Bytes that a tarball unpacks to before its member begins, at most: no package is larger (8 GB).
const LARGEST: u64 = 8 << 30;

/// What is unpacked, until the work is to stop: passing over a large member would otherwise go on.
struct Stoppable<'a, R> {
    from: R,
    cancel: &'a Cancel,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.cancel.check().map_err(io::Error::other)?;
        self.from.read(into)
    }
}

/// Feeds `member` of the tarball at `path` to `sink`, at most `limit` bytes of it.
///
/// # Errors
/// `NotFound` without that member, `Checksum` when it is larger than `limit`, `Corrupt` for a damaged archive, `Cancelled`; what `sink`
/// says.
pub(super) fn extract(
    path: &Path,
    member: &str,
    limit: u64,
    cancel: &Cancel,
    sink: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let file = File::open(path).map_err(|e| failed("read", path, e))?;
    let damaged = |what: &dyn std::fmt::Display| match cancel.check() {
        Err(cancelled) => cancelled,
        Ok(()) => Error::new(ErrorKind::Corrupt, format!("the tarball {name} is damaged: {what}")),
    };
    let from = MultiGzDecoder::new(BufReader::new(file)).take(LARGEST);
    let mut archive = Archive::new(Stoppable { from, cancel });
    // As they lie: extensions would be read into memory, however long they claim to be, and packages' paths need none.
    for entry in archive.entries().map_err(|e| damaged(&e))?.raw(true) {
        let mut entry = entry.map_err(|e| damaged(&e))?;
        if entry.path_bytes().as_ref() != member.as_bytes() {
            continue;
        }
        if entry.header().entry_type() != EntryType::Regular {
            return Err(damaged(&format!("{member} is no file")));
        }
        let size = entry.size();
        if size > limit {
            let what = format!("{member} in the tarball {name} has {size} bytes where {limit} are expected");
            return Err(Error::new(ErrorKind::Checksum, what));
        }
        let (mut buffer, mut left) = (vec![0; 1 << 18], size);
        while left > 0 {
            let n = entry.read(&mut buffer).map_err(|e| damaged(&e))?;
            if n == 0 {
                return Err(damaged(&format!("it ends within {member}")));
            }
            left = left.saturating_sub(n as u64);
            sink(buffer.get(..n).unwrap_or_default())?;
        }
        return Ok(());
    }
    Err(Error::new(ErrorKind::NotFound, format!("the tarball {name} has no member {member:?}")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::path::PathBuf;
    use tar::{Builder, Header};

    fn header(size: u64, kind: EntryType, name: &str) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        // Written as it is: the library itself would refuse a path that leads outside.
        let field = &mut header.as_mut_bytes()[..name.len()];
        field.copy_from_slice(name.as_bytes());
        header.set_cksum();
        header
    }

    fn tarball(dir: &Path, build: impl FnOnce(&mut Builder<GzEncoder<File>>)) -> PathBuf {
        let path = dir.join("t.tgz");
        let mut tar = Builder::new(GzEncoder::new(File::create(&path).unwrap(), Compression::fast()));
        build(&mut tar);
        tar.into_inner().unwrap().finish().unwrap();
        path
    }

    fn take(path: &Path, member: &str, limit: u64) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        extract(path, member, limit, &Cancel::new(), &mut |bytes| {
            out.extend_from_slice(bytes);
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn a_member_comes_out_whole_and_a_missing_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..600_000u32).map(|i| (i * i) as u8).collect();
        let path = tarball(dir.path(), |tar| {
            for (name, bytes) in [("../../evil", &b"x"[..]), ("/evil", b"x"), ("package/b.bin", &bytes)] {
                tar.append(&header(bytes.len() as u64, EntryType::Regular, name), bytes).unwrap();
            }
        });
        assert_eq!(take(&path, "package/b.bin", bytes.len() as u64).unwrap(), bytes);
        let error = take(&path, "package/c.bin", 10).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::NotFound);
        assert!(error.message().contains("package/c.bin") && error.message().contains("t.tgz"), "{error}");
        assert!(!dir.path().join("../../evil").exists());
        assert_eq!(*take(&path, "package/b.bin", 599_999).unwrap_err().kind(), ErrorKind::Checksum);
    }

    #[test]
    fn what_passes_before_a_member_can_be_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let path = tarball(dir.path(), |tar| {
            tar.append(&header(1, EntryType::Regular, "package/a"), &b"a"[..]).unwrap();
        });
        let cancel = Cancel::new();
        cancel.cancel();
        let stopped = extract(&path, "package/b", 1, &cancel, &mut |_| Ok(()));
        assert_eq!(*stopped.unwrap_err().kind(), ErrorKind::Cancelled);
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo] {
            let path = tarball(dir.path(), |tar| {
                let mut header = header(0, kind, "package/a");
                header.set_link_name("/etc/passwd").unwrap();
                header.set_cksum();
                tar.append(&header, &b""[..]).unwrap();
            });
            assert_eq!(*take(&path, "package/a", 10).unwrap_err().kind(), ErrorKind::Corrupt, "{kind:?}");
        }
    }

    #[test]
    fn extensions_are_not_read_into_memory_and_name_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = tarball(dir.path(), |tar| {
            let long = header(60 << 20, EntryType::GNULongName, "././@LongLink");
            tar.append(&long, std::io::repeat(b'a').take(60 << 20)).unwrap();
            tar.append(&header(2, EntryType::Regular, "package/a"), &b"ok"[..]).unwrap();
        });
        assert_eq!(take(&path, "package/a", 2).unwrap(), b"ok");
    }

    #[test]
    fn a_claim_beyond_the_end_is_damage() {
        let dir = tempfile::tempdir().unwrap();
        let path = tarball(dir.path(), |tar| {
            tar.append(&header(1 << 40, EntryType::Regular, "package/big"), &b"few"[..]).unwrap();
        });
        assert!(take(&path, "package/other", 2).is_err());
        let error = take(&path, "package/big", u64::MAX).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Corrupt, "{error}");
    }

    #[test]
    fn damaged_archives_are_errors() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..3_000u32).map(|i| (i * i) as u8).collect();
        let path = tarball(dir.path(), |tar| {
            tar.append(&header(3_000, EntryType::Regular, "m"), &bytes[..]).unwrap();
        });
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() / 2 {
            std::fs::write(&path, &whole[..cut]).unwrap();
            assert!(take(&path, "m", 3_000).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            std::fs::write(&path, bytes).unwrap();
            // Any answer is fine as long as it comes: no panic, no endless loop; checksums are compared afterwards.
            let _ = take(&path, "m", 3_000);
        }
    }
}
