//! The safetensors files of a Hugging Face folder.

use super::names::Style;
use super::tensor::{Tensor, Weights};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::Format;
use safetensors::SafeTensors;
use safetensors::tensor::Dtype;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Maps every `model*.safetensors` of a folder.
pub(super) fn open(folder: &Path) -> Result<Weights> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::from(e).within("cannot read the folder"))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("model")))
        .collect();
    files.sort();
    let mut tensors = HashMap::new();
    for path in &files {
        tensors.extend(file(path).map_err(|e| e.within(path.display()))?);
    }
    if tensors.is_empty() {
        let message = "the folder holds no weights: neither model.bin nor model.safetensors";
        return Err(Error::new(ErrorKind::NotFound, message));
    }
    Ok(Weights::new(Style::HuggingFace, tensors))
}

/// The tensors of one file.
pub(crate) fn file(path: &Path) -> Result<HashMap<String, Tensor>> {
    let file = Arc::new(MappedFile::open(path)?);
    let corrupt = |e: &dyn std::fmt::Display| {
        Error::new(ErrorKind::Corrupt, format!("the safetensors header is wrong ({e}): fetch the file again"))
    };
    let (header, metadata) = SafeTensors::read_metadata(&file).map_err(|e| corrupt(&e))?;
    let start = header + 8;
    let mut tensors = HashMap::new();
    for (name, info) in metadata.tensors() {
        let format = match info.dtype {
            Dtype::F32 => Format::F32,
            Dtype::F16 => Format::F16,
            Dtype::BF16 => Format::BF16,
            other => {
                let message = format!("tensor `{name}` is stored as {other:?}: F32, F16 and BF16 are read");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        };
        let (rows, cols) = match info.shape.as_slice() {
            [] => (1, 1),
            [cols] => (1, *cols),
            [rows, rest @ ..] => (*rows, rest.iter().product()),
        };
        let (from, to) = info.data_offsets;
        let tensor = Tensor::mapped(format, rows, cols, &file, start + from..start + to)
            .map_err(|e| e.within(format!("`{name}`")))?;
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}
