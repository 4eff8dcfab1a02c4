//! Safetensors files: where each tensor lies. The header is checked by the `safetensors` crate (bounded header, ranges
//! that follow each other without gaps and match shape and type); here its types become ours and everything else is
//! refused by name.

use crate::weights::Tensor;
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::Format;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, SafeTensorError, TensorInfo};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

/// One tensor of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name.
    pub name: String,
    /// F32, F16 or BF16.
    pub format: Format,
    /// Product of all dimensions but the last.
    pub rows: usize,
    /// The last dimension.
    pub cols: usize,
    /// Where its bytes lie in the file.
    pub range: Range<usize>,
}

/// Reads and checks the header of a whole file; entries come in alphabetical order.
///
/// # Errors
/// `Corrupt` for a malformed header or ranges outside the file, `Unsupported` for a type of number that is not ours.
pub fn parse(bytes: &[u8]) -> Result<Vec<Entry>> {
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(|e| corrupt(explain(&e)))?;
    let start = header.checked_add(8).ok_or_else(|| corrupt("the header's length overflows"))?;
    let mut entries = metadata
        .tensors()
        .into_iter()
        .map(|(name, info)| entry(name, info, start, bytes.len()))
        .collect::<Result<Vec<_>>>()?;
    entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(entries)
}

/// A mapped file and the tensors in it.
pub type Opened = (Arc<MappedFile>, Vec<(String, Tensor)>);

/// Maps a file and returns its tensors under their names.
///
/// # Errors
/// As [`parse`], with the file's name in front.
pub fn open(path: &Path) -> Result<Opened> {
    let file = Arc::new(MappedFile::open(path)?);
    let entries = parse(&file).map_err(|e| e.within(path.display()))?;
    let tensors = entries.into_iter().map(|Entry { name, format, rows, cols, range }| {
        (name, Tensor::mapped(format, rows, cols, file.clone(), range.start, range.end))
    });
    let tensors = tensors.collect();
    Ok((file, tensors))
}

fn entry(name: String, info: &TensorInfo, start: usize, length: usize) -> Result<Entry> {
    let format = match info.dtype {
        Dtype::F32 => Format::F32,
        Dtype::F16 => Format::F16,
        Dtype::BF16 => Format::BF16,
        other => {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "tensor `{name}` is stored as {other:?}; this build reads F32, F16 and BF16 from safetensors"
                ),
            ));
        }
    };
    let (cols, leading) = info.shape.split_last().map_or((1, &[][..]), |(last, leading)| (*last, leading));
    let rows = leading.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
    let rows = rows.filter(|rows| *rows > 0 && cols > 0);
    let rows =
        rows.ok_or_else(|| corrupt(format!("tensor `{name}` has the impossible shape {:?}", info.shape)))?;
    let (from, to) = info.data_offsets;
    match (start.checked_add(from), start.checked_add(to)) {
        (Some(from), Some(to)) if from <= to && to <= length => {
            Ok(Entry { name, format, rows, cols, range: from..to })
        }
        _ => Err(corrupt(format!("tensor `{name}` reaches beyond the file's {length} bytes"))),
    }
}

fn corrupt(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

fn explain(error: &SafeTensorError) -> String {
    match error {
        SafeTensorError::HeaderTooSmall => "the file is shorter than a safetensors header's length".into(),
        SafeTensorError::HeaderTooLarge => "the safetensors header claims more than 100 MB".into(),
        SafeTensorError::InvalidHeaderLength => {
            "the safetensors header reaches beyond the end of the file".into()
        }
        SafeTensorError::InvalidHeader(e) => format!("the safetensors header is not UTF-8: {e}"),
        SafeTensorError::InvalidHeaderDeserialization(e) => {
            format!("the safetensors header is malformed: {e}")
        }
        SafeTensorError::InvalidOffset(name) => {
            format!("the offsets of tensor `{name}` overlap its neighbour's or leave a gap")
        }
        SafeTensorError::TensorInvalidInfo => {
            "a tensor's byte range does not match its shape and type".into()
        }
        SafeTensorError::MetadataIncompleteBuffer => {
            "the tensors do not cover the file exactly; it is cut short or damaged, fetch it again".into()
        }
        SafeTensorError::ValidationOverflow => "a tensor's size overflows".into(),
        other => format!("the safetensors header is malformed: {other}"),
    }
}
