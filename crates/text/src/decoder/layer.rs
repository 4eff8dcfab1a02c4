//! The tensors of one layer, with their shapes checked once, when the model is loaded.

use crate::blueprint::Blueprint;
use crate::names::Names;
use crate::weights::{Tensor, Weights};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Format, Matrix, Needs, reference};

/// One transformer layer.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) attn_norm: Vec<f32>,
    pub(super) q: Tensor,
    pub(super) k: Tensor,
    pub(super) v: Tensor,
    pub(super) attn_output: Tensor,
    /// Norms of each head's query and key.
    pub(super) qk_norm: Option<(Vec<f32>, Vec<f32>)>,
    /// Norms before the two residual additions: attention, feed-forward.
    pub(super) post_norms: Option<(Vec<f32>, Vec<f32>)>,
    pub(super) ffn_norm: Vec<f32>,
    pub(super) gate: Tensor,
    pub(super) up: Tensor,
    pub(super) down: Tensor,
}

impl Layer {
    pub(super) fn new(b: &Blueprint, weights: &Weights, names: Names, layer: usize) -> Result<Self> {
        let (queries, keys) = (b.heads * b.head_dim, b.kv_heads * b.head_dim);
        let matrix = |name: String, rows, cols| weight_matrix(weights, &name, rows, cols);
        let norm = |name: String, cols| vector(weights, &name, cols, b.norm_offset);
        let qk_norm = match b.qk_norm {
            true => Some((
                norm(names.attn_q_norm(layer), b.head_dim)?,
                norm(names.attn_k_norm(layer), b.head_dim)?,
            )),
            false => None,
        };
        let post_norms = match b.post_norms {
            true => Some((
                norm(names.post_attention_norm(layer), b.hidden)?,
                norm(names.post_ffw_norm(layer), b.hidden)?,
            )),
            false => None,
        };
        Ok(Self {
            attn_norm: norm(names.attn_norm(layer), b.hidden)?,
            q: matrix(names.attn_q(layer), queries, b.hidden)?,
            k: matrix(names.attn_k(layer), keys, b.hidden)?,
            v: matrix(names.attn_v(layer), keys, b.hidden)?,
            attn_output: matrix(names.attn_output(layer), b.hidden, queries)?,
            qk_norm,
            post_norms,
            ffn_norm: norm(names.ffn_norm(layer), b.hidden)?,
            gate: matrix(names.ffn_gate(layer), b.ffn, b.hidden)?,
            up: matrix(names.ffn_up(layer), b.ffn, b.hidden)?,
            down: matrix(names.ffn_down(layer), b.hidden, b.ffn)?,
        })
    }

    fn matrices(&self) -> [&Tensor; 7] {
        [&self.q, &self.k, &self.v, &self.attn_output, &self.gate, &self.up, &self.down]
    }

    /// Its matrices are quantised, so that their inputs are rounded to 8 bits.
    pub(super) fn is_quantised(&self) -> bool {
        [&self.q, &self.k, &self.v].into_iter().all(|tensor| tensor.format.block_len() > 1)
    }

    /// Bytes of all matrices.
    pub(super) fn bytes(&self) -> usize {
        self.matrices().iter().map(|tensor| tensor.bytes().len()).sum()
    }

    /// Values of all matrices.
    pub(super) fn products(&self) -> u64 {
        self.matrices().iter().map(|tensor| tensor.rows as u64 * tensor.cols as u64).sum()
    }
}

/// The tensor as the kernels see it.
pub(super) fn matrix(tensor: &Tensor) -> Matrix<'_> {
    Matrix::new(tensor.format, tensor.rows, tensor.cols, tensor.bytes())
        .expect("`weight_matrix` has checked every tensor of the model when it was loaded")
}

/// What products with these tensors need of their input.
pub(super) fn needs<const N: usize>(tensors: [&Tensor; N]) -> Needs {
    Needs::of(tensors.map(|tensor| tensor.format))
}

/// The matrix `name` with this shape and as many bytes as that takes.
pub(super) fn weight_matrix(weights: &Weights, name: &str, rows: usize, cols: usize) -> Result<Tensor> {
    let tensor = weights.expect(name, rows, cols)?;
    if Matrix::new(tensor.format, rows, cols, tensor.bytes()).is_none() {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!(
                "tensor `{name}` has {} bytes, which are not {rows} × {cols} values of {}",
                tensor.bytes().len(),
                tensor.format
            ),
        ));
    }
    Ok(tensor)
}

/// The vector `name` as floats, `offset` added to each.
pub(super) fn vector(weights: &Weights, name: &str, len: usize, offset: f32) -> Result<Vec<f32>> {
    let tensor = weight_matrix(weights, name, 1, len)?;
    let mut values = vec![0.0; len];
    if tensor.format == Format::F32 {
        for (value, bytes) in values.iter_mut().zip(tensor.bytes().chunks_exact(4)) {
            *value = f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
    } else {
        reference::dequantize_row(tensor.format, tensor.bytes(), &mut values);
    }
    values.iter_mut().for_each(|value| *value += offset);
    Ok(values)
}
