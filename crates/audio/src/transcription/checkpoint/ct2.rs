//! CTranslate2's `model.bin` (its `python/ctranslate2/specs/model_spec.py`): a version, the kind and revision of the model, then
//! variables with name, shape, type and bytes, then other names of some of them.

use super::names::Style;
use super::tensor::{Tensor, Weights};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::Format;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Versions of the container that are read: since 6 types are numbered as below.
const VERSIONS: std::ops::RangeInclusive<u32> = 5..=6;
/// More variables than this are no model of this kind.
const MOST: u32 = 100_000;

/// The weights, and the heads of the encoder and the decoder.
pub(super) fn open(path: &Path) -> Result<(Weights, (usize, usize))> {
    let file = Arc::new(MappedFile::open(path)?);
    let mut cursor = Cursor { bytes: &file, at: 0 };
    let version = cursor.u32()?;
    if !VERSIONS.contains(&version) {
        let message = format!(
            "model.bin has version {version}: {} to {} are read; is it CTranslate2's?",
            VERSIONS.start(),
            VERSIONS.end()
        );
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let kind = cursor.string()?;
    if kind != "WhisperSpec" {
        let message = format!("model.bin holds a {kind}: WhisperSpec is read");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let _revision = cursor.u32()?;
    let count = cursor.u32()?;
    if count > MOST {
        return Err(Error::new(ErrorKind::Corrupt, format!("model.bin claims {count} variables")));
    }
    let mut tensors = HashMap::new();
    let mut heads = HashMap::new();
    for _ in 0..count {
        let name = cursor.string()?;
        variable(&mut cursor, &name, &file, &mut tensors, &mut heads)
            .map_err(|e| e.within(format!("`{name}`")))?;
    }
    let aliases = cursor.u32()?;
    for _ in 0..aliases.min(MOST) {
        let (alias, name) = (cursor.string()?, cursor.string()?);
        if let Some(tensor) = tensors.get(&name).cloned() {
            tensors.insert(alias, tensor);
        }
    }
    let head = |side: &str| {
        let message = format!("model.bin does not say how many heads the {side} has");
        heads
            .get(&format!("{side}/num_heads"))
            .copied()
            .ok_or_else(|| Error::new(ErrorKind::Corrupt, message))
    };
    let heads = (head("encoder")?, head("decoder")?);
    Ok((Weights::new(Style::CTranslate2, tensors), heads))
}

fn variable(
    cursor: &mut Cursor<'_>,
    name: &str,
    file: &Arc<MappedFile>,
    tensors: &mut HashMap<String, Tensor>,
    numbers: &mut HashMap<String, usize>,
) -> Result<()> {
    let rank = cursor.byte()?;
    let mut shape = Vec::new();
    for _ in 0..rank {
        shape.push(cursor.u32()? as usize);
    }
    let kind = cursor.byte()?;
    let size = cursor.u32()? as usize;
    let start = cursor.at;
    let bytes = cursor.take(size)?;
    if shape.is_empty() {
        // Settings: little-endian whole numbers of one to four bytes.
        let mut value = [0; 4];
        if let Some(place) = value.get_mut(..bytes.len()) {
            place.copy_from_slice(bytes);
            numbers.insert(name.to_owned(), u32::from_le_bytes(value) as usize);
        }
        return Ok(());
    }
    let format = match kind {
        0 => Format::F32,
        4 => Format::F16,
        5 => Format::BF16,
        other => {
            let message = format!(
                "it is stored as type {other}: float32, float16 and bfloat16 are read; convert the model without --quantization int8"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    };
    let (rows, cols) = match shape.as_slice() {
        [cols] => (1, *cols),
        [rows, rest @ ..] => {
            let cols = rest.iter().try_fold(1_usize, |product, n| product.checked_mul(*n));
            (*rows, cols.ok_or_else(|| Error::new(ErrorKind::Corrupt, "its size overflows"))?)
        }
        [] => return Ok(()),
    };
    tensors.insert(name.to_owned(), Tensor::mapped(format, rows, cols, file, start..start + size)?);
    Ok(())
}

/// Reads from the front.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len()).ok_or_else(|| {
            let message = format!("it ends after {} bytes, in the middle of its variables", self.bytes.len());
            Error::new(ErrorKind::Corrupt, message)
        })?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// A length of two bytes, and as many with a zero at the end.
    fn string(&mut self) -> Result<String> {
        let length = self.take(2)?;
        let length = usize::from(u16::from_le_bytes([length[0], length[1]]));
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes.strip_suffix(&[0]).unwrap_or(bytes));
        text.map(str::to_owned).map_err(|_| Error::new(ErrorKind::Corrupt, "a name in it is no text"))
    }
}
