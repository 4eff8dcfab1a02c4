//! Reading little-endian values from bytes that nobody vouches for. Every read is bounded by what is left, and a
//! failed read says which field of which file part it was.

use parasol_core::{Error, ErrorKind, Result};
use std::ops::Range;

/// Damage found in a file: what is wrong, as a full sentence.
pub(super) fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

/// A position in the bytes of a file.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Bytes read so far.
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Bytes left.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// The next `n` bytes as a range of the file; `what` names them in the error.
    pub(super) fn skip(&mut self, n: u64, what: &dyn Fn() -> String) -> Result<Range<usize>> {
        let left = self.remaining();
        match usize::try_from(n).ok().filter(|n| *n <= left) {
            Some(n) => {
                let start = self.at;
                self.at += n;
                Ok(start..self.at)
            }
            None => Err(corrupt(format!(
                "{} needs {n} bytes at byte {} and the file has {left} left; it is cut short or damaged, fetch it again",
                what(),
                self.at
            ))),
        }
    }

    fn array<const N: usize>(&mut self, what: &dyn Fn() -> String) -> Result<[u8; N]> {
        let range = self.skip(N as u64, what)?;
        let mut out = [0; N];
        out.copy_from_slice(&self.bytes[range]);
        Ok(out)
    }

    pub(super) fn u32(&mut self, what: &dyn Fn() -> String) -> Result<u32> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &dyn Fn() -> String) -> Result<u64> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    /// A count of things that take at least `each` bytes apiece: more than the file can hold is damage.
    pub(super) fn count(&mut self, each: usize, what: &dyn Fn() -> String) -> Result<usize> {
        let n = self.u64(what)?;
        let most = self.remaining() / each.max(1);
        usize::try_from(n).ok().filter(|n| *n <= most).ok_or_else(|| {
            corrupt(format!(
                "{} is {n}, and the rest of the file has room for {most} at most; it is damaged",
                what()
            ))
        })
    }

    /// A length-prefixed string as a range of the file.
    pub(super) fn string(&mut self, what: &dyn Fn() -> String) -> Result<Range<usize>> {
        let n = self.u64(what)?;
        self.skip(n, what)
    }

    /// A length-prefixed name of at most `most` bytes of UTF-8.
    pub(super) fn name(&mut self, most: usize, what: &dyn Fn() -> String) -> Result<String> {
        let range = self.string(what)?;
        if range.len() > most {
            return Err(corrupt(format!(
                "{} is {} bytes long; at most {most} are allowed",
                what(),
                range.len()
            )));
        }
        match std::str::from_utf8(&self.bytes[range]) {
            Ok(name) => Ok(name.to_owned()),
            Err(_) => Err(corrupt(format!("{} is not valid UTF-8; the file is damaged", what()))),
        }
    }
}
