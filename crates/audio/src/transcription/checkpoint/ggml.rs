//! whisper.cpp's ggml files (its `models/convert-pt-to-ggml.py`): magic, eleven numbers, the mel filters, the vocabulary, then
//! tensors with their names, innermost dimension first.

use super::Checkpoint;
use super::config::Config;
use super::names::Style;
use super::tensor::{Tensor, Weights};
use crate::transcription::tokens::Vocabulary;
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::Format;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Opens a file.
pub(super) fn open(path: &Path) -> Result<Checkpoint> {
    let file = Arc::new(MappedFile::open(path)?);
    let mut cursor = Cursor { bytes: &file, at: 4 };
    let [vocabulary, audio_context, width, encoder_heads, encoder_layers, text_context] = cursor.numbers()?;
    let [text_width, decoder_heads, decoder_layers, mels, _precision] = cursor.numbers()?;
    if width != text_width {
        let message = format!("its encoder has {width} values between layers and its decoder {text_width}");
        return Err(Error::new(ErrorKind::Unsupported, message));
    }
    let config = Config {
        mels,
        audio_context,
        width,
        encoder_heads,
        encoder_layers,
        decoder_heads,
        decoder_layers,
        text_context,
        vocabulary,
        alignment_heads: Vec::new(),
    };
    // Our own filters are those that the file carries: only their size is of interest.
    let [bands, bins] = cursor.numbers()?;
    let size = bands.checked_mul(bins).and_then(|n| n.checked_mul(4));
    cursor.take(size.ok_or_else(|| corrupt("its mel filters are too large"))?)?;
    let [count] = cursor.numbers()?;
    let mut tokens = Vec::new();
    for _ in 0..count {
        let [length] = cursor.numbers()?;
        tokens.push(cursor.take(length)?.to_vec());
    }
    let mut tensors = HashMap::new();
    while cursor.at < file.len() {
        let (name, tensor) = tensor(&mut cursor, &file)?;
        tensors.insert(name, tensor);
    }
    let weights = Weights::new(Style::OpenAi, tensors);
    Ok(Checkpoint { bytes: weights.bytes(), config, weights, vocabulary: Vocabulary::new(tokens)? })
}

fn tensor(cursor: &mut Cursor<'_>, file: &Arc<MappedFile>) -> Result<(String, Tensor)> {
    let [rank, length, kind] = cursor.numbers()?;
    if rank == 0 || rank > 4 || length > 256 {
        return Err(corrupt(&format!("a tensor claims {rank} dimensions and a name of {length} bytes")));
    }
    let mut shape = Vec::new();
    for _ in 0..rank {
        let [n] = cursor.numbers()?;
        shape.push(n);
    }
    let name = String::from_utf8_lossy(cursor.take(length)?).into_owned();
    // ggml's numbers of types.
    let number = u32::try_from(kind).ok();
    let format = number.and_then(Format::from_ggml).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("`{name}` is stored as type {kind}, which is not read"))
    })?;
    // The last dimension counts rows.
    let (rows, cols) = match shape.as_slice() {
        [cols] => (1, Some(*cols)),
        [inner @ .., rows] => (*rows, inner.iter().try_fold(1_usize, |product, n| product.checked_mul(*n))),
        [] => (0, None),
    };
    let size = cols.and_then(|cols| format.row_bytes(cols)?.checked_mul(rows));
    let (Some(cols), Some(size)) = (cols, size) else {
        return Err(corrupt(&format!("`{name}` has the impossible shape {shape:?}")));
    };
    let start = cursor.at;
    cursor.take(size).map_err(|e| e.within(format!("`{name}`")))?;
    let tensor = Tensor::mapped(format, rows, cols, file, start..start + size)?;
    Ok((name, tensor))
}

fn corrupt(message: &str) -> Error {
    Error::new(ErrorKind::Corrupt, message)
}

/// Reads from the front.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.bytes.len());
        let end =
            end.ok_or_else(|| corrupt(&format!("it ends after {} bytes, too early", self.bytes.len())))?;
        let taken = &self.bytes[self.at..end];
        self.at = end;
        Ok(taken)
    }

    /// Whole numbers of four bytes that are not negative.
    fn numbers<const N: usize>(&mut self) -> Result<[usize; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            let bytes = self.take(4)?;
            let value = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            *number = usize::try_from(value).map_err(|_| corrupt(&format!("it holds the size {value}")))?;
        }
        Ok(numbers)
    }
}
