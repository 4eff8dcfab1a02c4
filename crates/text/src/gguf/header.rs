//! The header of one GGUF file: version, metadata and tensor table, as the specification of ggml (`gguf.md`,
//! versions 2 and 3) lays them out.

use super::cursor::{Cursor, corrupt};
use super::metadata::Metadata;
use super::tensors::{self, TensorEntry};
use super::value::Value;
use parasol_core::{Error, ErrorKind, Result};
use std::collections::BTreeMap;

/// The specification's bound on the length of a key.
const LONGEST_KEY: usize = 65_535;
/// Key length, value type and one byte of value: the least that a metadata entry takes.
const SMALLEST_VALUE: usize = 8 + 4 + 1;
const DEFAULT_ALIGNMENT: usize = 32;

/// A checked header: every range in it lies inside the bytes that it was read from.
#[derive(Debug, Clone)]
pub struct Header {
    /// 2 or 3.
    pub version: u32,
    /// What tensor offsets are multiples of.
    pub alignment: usize,
    /// All tensors, in file order.
    pub tensors: Vec<TensorEntry>,
    values: BTreeMap<String, Value>,
}

impl Header {
    /// Reads and checks the header of a whole file.
    ///
    /// # Errors
    /// `Corrupt` for anything malformed, truncated, overlapping or out of range, `Unsupported` for version 1, big-endian
    /// files and tensor types that are not ours. Memory stays proportional to the header's bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let mut cursor = Cursor::new(bytes);
        let version = read_version(&mut cursor, bytes)?;
        let tensor_count = cursor.count(tensors::SMALLEST_ENTRY, &|| "the tensor count".into())?;
        let value_count = cursor.count(SMALLEST_VALUE, &|| "the metadata count".into())?;
        let mut values = BTreeMap::new();
        for i in 0..value_count {
            let key = cursor.name(LONGEST_KEY, &|| format!("metadata key {i} of {value_count}"))?;
            let value = Value::read(&mut cursor, bytes, &key)?;
            if values.contains_key(&key) {
                return Err(corrupt(format!("metadata `{key}` is in the file twice")));
            }
            values.insert(key, value);
        }
        let alignment = read_alignment(Metadata::new(bytes, &values))?;
        let raw = tensors::read_table(&mut cursor, tensor_count)?;
        // A position is at most isize::MAX and an alignment at most 2^20: the sum cannot overflow.
        let start = cursor.position().next_multiple_of(alignment);
        let tensors = tensors::place(raw, start, bytes.len(), alignment)?;
        Ok(Self { version, alignment, tensors, values })
    }

    /// Typed access to the metadata; `bytes` are those that the header was read from.
    pub fn metadata<'a>(&'a self, bytes: &'a [u8]) -> Metadata<'a> {
        Metadata::new(bytes, &self.values)
    }
}

fn read_version(cursor: &mut Cursor<'_>, bytes: &[u8]) -> Result<u32> {
    let magic = cursor.skip(4, &|| "the GGUF magic".into())?;
    if bytes[magic.clone()] != *b"GGUF" {
        return Err(corrupt(format!(
            "this is not a GGUF file: it begins with {:02x?}, not with `GGUF`",
            &bytes[magic]
        )));
    }
    let refuse =
        |what: String, way_out: &str| Err(Error::new(ErrorKind::Unsupported, format!("{what}; {way_out}")));
    match cursor.u32(&|| "the GGUF version".into())? {
        version @ (2 | 3) => Ok(version),
        1 => refuse("this GGUF file has version 1, which was replaced in 2023".into(), "convert it again"),
        swapped if matches!(swapped.swap_bytes(), 1..=3) => refuse(
            "this GGUF file is big-endian".into(),
            "convert it to little-endian (gguf-convert-endian does)",
        ),
        other => refuse(format!("this GGUF file has version {other}"), "this build reads versions 2 and 3"),
    }
}

fn read_alignment(metadata: Metadata<'_>) -> Result<usize> {
    let Some(alignment) = metadata.unsigned("general.alignment")? else { return Ok(DEFAULT_ALIGNMENT) };
    usize::try_from(alignment).ok().filter(|a| a.is_power_of_two() && (8..=1 << 20).contains(a)).ok_or_else(
        || {
            corrupt(format!(
                "metadata `general.alignment` is {alignment}; it must be a power of two from 8 to 2^20"
            ))
        },
    )
}
