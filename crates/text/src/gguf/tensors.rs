//! The tensor table of a GGUF file: names, shapes, types and places, each checked against the file.

use super::cursor::{Cursor, corrupt};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Format;
use std::collections::HashSet;
use std::ops::Range;

/// ggml allows four dimensions.
const MOST_DIMENSIONS: u32 = 4;
/// ggml allows 64 bytes; some converters write more.
const LONGEST_NAME: usize = 1024;
/// Name length, dimension count, type and offset: the least that an entry takes.
pub(super) const SMALLEST_ENTRY: usize = 8 + 4 + 4 + 8;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorEntry {
    /// Its name.
    pub name: String,
    /// Storage format.
    pub format: Format,
    /// Product of all dimensions but the fastest.
    pub rows: usize,
    /// The fastest dimension.
    pub cols: usize,
    /// Where its bytes lie in the file.
    pub range: Range<usize>,
}

/// A table entry before the place of the data section is known.
pub(super) struct RawEntry {
    name: String,
    format: Format,
    rows: usize,
    cols: usize,
    size: u64,
    offset: u64,
}

/// Reads `count` entries (the count has been checked against the file's length).
pub(super) fn read_table(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<RawEntry>> {
    let mut names = HashSet::new();
    let mut entries = Vec::new();
    for i in 0..count {
        let name = cursor.name(LONGEST_NAME, &|| format!("the name of tensor {i}"))?;
        if !names.insert(name.clone()) {
            return Err(corrupt(format!("tensor `{name}` is in the file twice")));
        }
        entries.push(read_entry(cursor, name).map_err(|e| e.within(format!("tensor {i} of {count}")))?);
    }
    Ok(entries)
}

fn read_entry(cursor: &mut Cursor<'_>, name: String) -> Result<RawEntry> {
    let dimensions = cursor.u32(&|| format!("the dimension count of `{name}`"))?;
    if dimensions > MOST_DIMENSIONS {
        return Err(corrupt(format!("`{name}` has {dimensions} dimensions; GGUF allows {MOST_DIMENSIONS}")));
    }
    let mut cols = 1;
    let mut rows = 1_usize;
    for axis in 0..dimensions {
        let length = cursor.u64(&|| format!("dimension {axis} of `{name}`"))?;
        let length = usize::try_from(length).ok().filter(|n| *n > 0 && *n < 1 << 40).ok_or_else(|| {
            corrupt(format!("dimension {axis} of `{name}` is {length}; it must be between 1 and 2^40"))
        })?;
        match axis {
            0 => cols = length,
            _ => {
                rows = rows
                    .checked_mul(length)
                    .ok_or_else(|| corrupt(format!("the size of `{name}` overflows")))?
            }
        }
    }
    let number = cursor.u32(&|| format!("the type of `{name}`"))?;
    let offset = cursor.u64(&|| format!("the offset of `{name}`"))?;
    let format = Format::from_ggml(number).ok_or_else(|| refused_type(&name, number))?;
    let row = format.row_bytes(cols).ok_or_else(|| {
        corrupt(format!(
            "`{name}` has rows of {cols} values, which are no whole {format} blocks of {}",
            format.block_len()
        ))
    })?;
    let size =
        row.checked_mul(rows).ok_or_else(|| corrupt(format!("the size of `{name}` overflows")))? as u64;
    Ok(RawEntry { name, format, rows, cols, size, offset })
}

/// Places the entries in a file of `length` bytes whose data section begins at `start`: inside the file, aligned, and
/// no two on the same bytes.
pub(super) fn place(
    raw: Vec<RawEntry>,
    start: usize,
    length: usize,
    alignment: usize,
) -> Result<Vec<TensorEntry>> {
    let mut entries = Vec::with_capacity(raw.len());
    for RawEntry { name, format, rows, cols, size, offset } in raw {
        if !offset.is_multiple_of(alignment as u64) {
            return Err(corrupt(format!(
                "the offset {offset} of tensor `{name}` is no multiple of {alignment}"
            )));
        }
        let from = (start as u64).checked_add(offset);
        let to = from.and_then(|from| from.checked_add(size)).filter(|to| *to <= length as u64);
        let (Some(from), Some(to)) = (from, to) else {
            return Err(corrupt(format!(
                "tensor `{name}` ({size} bytes at offset {offset}) reaches beyond the file's {length} bytes; \
                 it is cut short or damaged, fetch it again"
            )));
        };
        // Both are at most `length`, which is a usize.
        entries.push(TensorEntry { name, format, rows, cols, range: from as usize..to as usize });
    }
    let mut order: Vec<&TensorEntry> = entries.iter().collect();
    order.sort_by_key(|e| e.range.start);
    for pair in order.windows(2) {
        if let [a, b] = pair
            && a.range.end > b.range.start
        {
            return Err(corrupt(format!("tensors `{}` and `{}` lie on the same bytes", a.name, b.name)));
        }
    }
    Ok(entries)
}

fn refused_type(name: &str, number: u32) -> Error {
    let ours = Format::ALL.map(Format::name).join(", ");
    let named = ggml_type_name(number).map_or_else(|| "an unknown type".to_owned(), str::to_owned);
    Error::new(
        ErrorKind::Unsupported,
        format!(
            "`{name}` is stored as {named} (type {number}), which this build does not run; it runs {ours}"
        ),
    )
}

/// Names of the ggml types that are not ours (`ggml.h`, `enum ggml_type`, with those that it has dropped).
fn ggml_type_name(number: u32) -> Option<&'static str> {
    Some(match number {
        4 => "Q4_2",
        5 => "Q4_3",
        9 => "Q8_1",
        15 => "Q8_K",
        16 => "IQ2_XXS",
        17 => "IQ2_XS",
        18 => "IQ3_XXS",
        19 => "IQ1_S",
        21 => "IQ3_S",
        22 => "IQ2_S",
        24 => "I8",
        25 => "I16",
        26 => "I32",
        27 => "I64",
        28 => "F64",
        29 => "IQ1_M",
        31 => "Q4_0_4_4",
        32 => "Q4_0_4_8",
        33 => "Q4_0_8_8",
        34 => "TQ1_0",
        35 => "TQ2_0",
        36 => "IQ4_NL_4_4",
        37 => "IQ4_NL_4_8",
        38 => "IQ4_NL_8_8",
        39 => "MXFP4",
        40 => "NVFP4",
        _ => return None,
    })
}
