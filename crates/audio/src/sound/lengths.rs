//! WAV files whose header lies about lengths: programs that write to a pipe, or that were ended, leave 0 or the largest number there, and
//! a file that was cut short says more than it has. What lies behind the header is the sound, whatever the header says.

use std::io::{Read, Result, Seek, SeekFrom};
use symphonia::core::io::MediaSource;

/// The length of what has no known end.
const UNKNOWN: u32 = u32::MAX;
/// A header in which the sound begins later than here is left as it is.
const LONGEST_HEADER: usize = 1 << 20;
/// The name and the length of a chunk.
const CHUNK: usize = 8;

/// The same source with lengths that are true, if it is a WAV file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn mended(mut source: Box<dyn MediaSource>) -> Result<Box<dyn MediaSource>> {
    let mut head = Vec::new();
    if fill(&mut *source, &mut head, 12)? && head.starts_with(b"RIFF") && head[8..12] == *b"WAVE" {
        head[4..8].copy_from_slice(&UNKNOWN.to_le_bytes());
        if let Some(data) = data(&mut *source, &mut head)? {
            let says = length(&head, data - CHUNK) as usize;
            if let Some(length) = whole(&mut *source, &mut head, data, says)? {
                head[data - 4..data].copy_from_slice(&length.to_le_bytes());
            }
        }
    }
    let at = head.len() as u64;
    Ok(Box::new(Mended { head, source, position: 0, at }))
}

/// Reads until the head has so many bytes; false when there are not as many.
fn fill(source: &mut dyn MediaSource, head: &mut Vec<u8>, until: usize) -> Result<bool> {
    let missing = until.saturating_sub(head.len()) as u64;
    source.take(missing).read_to_end(head)?;
    Ok(head.len() >= until)
}

/// The length of the chunk whose name begins at this byte of the head.
fn length(head: &[u8], at: usize) -> u32 {
    head.get(at + 4..at + CHUNK).and_then(<[u8]>::first_chunk).map_or(0, |four| u32::from_le_bytes(*four))
}

/// Where the samples begin.
fn data(source: &mut dyn MediaSource, head: &mut Vec<u8>) -> Result<Option<usize>> {
    let mut at = 12;
    while at < LONGEST_HEADER && fill(source, head, at + CHUNK)? {
        if head[at..at + 4] == *b"data" {
            return Ok(Some(at + CHUNK));
        }
        // Chunks begin at even places.
        at += CHUNK + (length(head, at) as usize).next_multiple_of(2);
    }
    Ok(None)
}

/// How long samples are that begin at this byte and of which the header says that they have `says` bytes; `None` where that may be so.
/// What says less than there is, and not nothing, ends where it says: something else may lie behind.
fn whole(source: &mut dyn MediaSource, head: &mut Vec<u8>, data: usize, says: usize) -> Result<Option<u32>> {
    // Without a length it is a pipe, of which only the beginning is known.
    let rest = source.byte_len().map(|all| usize::try_from(all).unwrap_or(usize::MAX).saturating_sub(data));
    if says == 0
        && fill(source, head, data + CHUNK)?
        && !is_chunk(&head[data..], rest.unwrap_or(LONGEST_HEADER))
    {
        return Ok(Some(rest.and_then(|rest| u32::try_from(rest).ok()).unwrap_or(UNKNOWN)));
    }
    Ok(rest.filter(|rest| says > *rest).map(|rest| u32::try_from(rest).unwrap_or(UNKNOWN)))
}

/// Whether these bytes begin a chunk of at most `room` bytes. Zeros do not: they are silence.
fn is_chunk(bytes: &[u8], room: usize) -> bool {
    bytes.iter().take(4).all(|c| (0x20..0x7F).contains(c)) && length(bytes, 0) as usize <= room
}

/// A source whose first bytes are others.
struct Mended {
    head: Vec<u8>,
    source: Box<dyn MediaSource>,
    position: u64,
    /// Where the source is.
    at: u64,
}

impl Read for Mended {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize> {
        let behind = usize::try_from(self.position).ok().and_then(|at| self.head.get(at..));
        let read = match behind {
            Some(mut head) if !head.is_empty() => head.read(buf)?,
            _ => {
                if self.at != self.position {
                    self.at = self.source.seek(SeekFrom::Start(self.position))?;
                }
                let read = self.source.read(buf)?;
                self.at += read as u64;
                read
            }
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Mended {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.position = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::Current(by) => self.position.checked_add_signed(by).ok_or_else(before)?,
            SeekFrom::End(by) => {
                self.at = self.source.seek(SeekFrom::End(0))?;
                self.at.checked_add_signed(by).ok_or_else(before)?
            }
        };
        Ok(self.position)
    }
}

fn before() -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidInput, "a place before the first byte")
}

impl MediaSource for Mended {
    fn is_seekable(&self) -> bool {
        self.source.is_seekable()
    }

    fn byte_len(&self) -> Option<u64> {
        self.source.byte_len()
    }
}
