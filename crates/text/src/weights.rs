//! Tensors under the names that their checkpoint gives them.

use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::Format;
use std::collections::HashMap;
use std::sync::Arc;

/// Where a tensor's bytes are.
#[derive(Debug, Clone)]
enum Bytes {
    Mapped { file: Arc<MappedFile>, start: usize, end: usize },
    Owned(Arc<[u8]>),
}

/// A tensor: rows of `cols` values in one storage format. A vector has one row.
#[derive(Debug, Clone)]
pub struct Tensor {
    /// Storage format.
    pub format: Format,
    /// Rows (the product of all dimensions but the fastest).
    pub rows: usize,
    /// Values in a row (the fastest dimension).
    pub cols: usize,
    bytes: Bytes,
}

impl Tensor {
    /// A tensor that lies in a mapped file at `start..end`. The caller has checked that the range is inside the file
    /// and as long as the shape needs.
    pub fn mapped(
        format: Format,
        rows: usize,
        cols: usize,
        file: Arc<MappedFile>,
        start: usize,
        end: usize,
    ) -> Self {
        Self { format, rows, cols, bytes: Bytes::Mapped { file, start, end } }
    }

    /// A tensor with bytes of its own (made by quantising on load, for example).
    pub fn owned(format: Format, rows: usize, cols: usize, bytes: impl Into<Arc<[u8]>>) -> Self {
        Self { format, rows, cols, bytes: Bytes::Owned(bytes.into()) }
    }

    /// The bytes, row after row.
    pub fn bytes(&self) -> &[u8] {
        match &self.bytes {
            Bytes::Mapped { file, start, end } => &file[*start..*end],
            Bytes::Owned(bytes) => bytes,
        }
    }
}

/// Which names a checkpoint uses. The decoder asks by these two tables' columns; no file is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `blk.0.attn_q.weight`
    Gguf,
    /// `model.layers.0.self_attn.q_proj.weight`
    HuggingFace,
}

/// All tensors of a checkpoint.
#[derive(Debug, Clone)]
pub struct Weights {
    /// Which names it uses.
    pub naming: Naming,
    tensors: HashMap<String, Tensor>,
}

impl Weights {
    /// Collects tensors under their checkpoint names.
    pub fn new(naming: Naming, tensors: HashMap<String, Tensor>) -> Self {
        Self { naming, tensors }
    }

    /// The tensor `name`, if there.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.tensors.get(name)
    }

    /// The tensor `name` with exactly this shape.
    pub fn expect(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor> {
        let tensor = self.get(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("the checkpoint has no tensor `{name}`, which its architecture needs"),
            )
        })?;
        if (tensor.rows, tensor.cols) != (rows, cols) {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!(
                    "tensor `{name}` is {} × {} and the model's description needs {rows} × {cols}",
                    tensor.rows, tensor.cols
                ),
            ));
        }
        Ok(tensor.clone())
    }

    /// Every tensor with its name, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.tensors.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}
