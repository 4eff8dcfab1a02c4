//! Quantising on load: the projections of a checkpoint (and, at choice, its embedding) from floats to a format that
//! runs faster and takes less memory. One tensor at a time, its rows shared out over threads; norms stay as they are.

use crate::blueprint::Blueprint;
use crate::names::Names;
use crate::weights::{Tensor, Weights};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Format;
use std::collections::HashMap;
use std::sync::Arc;

/// What to convert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quantize {
    /// The format of the projections.
    pub format: Format,
    /// The format of the embedding and the output head; `None` leaves them.
    pub embedding: Option<Format>,
}

/// How far a conversion has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Tensors converted.
    pub done: usize,
    /// Tensors to convert.
    pub total: usize,
}

/// Converts `weights`, calling `progress` after each tensor; an error of its own ends the work. Tensors that are not F32, F16 or BF16 stay as they are. A row
/// that is no whole number of blocks takes the next format of blocks of 32 (Q4_K becomes Q5_0, as other quantisers have it).
///
/// # Errors
/// `Corrupt`, with the tensor's name, for values that are not finite; what `progress` says.
pub fn quantize(
    weights: Weights,
    blueprint: &Blueprint,
    choice: Quantize,
    threads: usize,
    progress: &mut dyn FnMut(Progress) -> Result<()>,
) -> Result<Weights> {
    let plan = plan(&weights, blueprint, choice);
    let naming = weights.naming;
    let mut tensors: HashMap<String, Tensor> =
        weights.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
    let total = plan.len();
    for (i, (name, format)) in plan.into_iter().enumerate() {
        if let Some(tensor) = tensors.get_mut(&name) {
            *tensor = convert(tensor, format, threads)
                .map_err(|e| e.within(format!("quantising tensor `{name}`")))?;
        }
        progress(Progress { done: i + 1, total })?;
    }
    Ok(Weights::new(naming, tensors))
}

/// Which tensors become which format, in the order of the layers.
fn plan(weights: &Weights, blueprint: &Blueprint, choice: Quantize) -> Vec<(String, Format)> {
    let names = Names::new(weights.naming, blueprint.post_norms);
    let mut wanted = Vec::new();
    if let Some(format) = choice.embedding {
        wanted.extend([(names.token_embd(), format), (names.output(), format)]);
    }
    for layer in 0..blueprint.layers.len() {
        let projections = [Names::attn_q, Names::attn_k, Names::attn_v, Names::attn_output];
        let feed_forward = [Names::ffn_gate, Names::ffn_up, Names::ffn_down];
        wanted.extend(
            projections.into_iter().chain(feed_forward).map(|name| (name(names, layer), choice.format)),
        );
    }
    let fitting = wanted.into_iter().filter_map(|(name, format)| {
        let tensor = weights.get(&name)?;
        let floats = matches!(tensor.format, Format::F32 | Format::F16 | Format::BF16);
        let format = fit(format, tensor.cols)?;
        (floats && format != tensor.format).then_some((name, format))
    });
    fitting.collect()
}

/// The format itself or, for rows that its blocks do not divide, its neighbour with smaller blocks.
fn fit(format: Format, cols: usize) -> Option<Format> {
    if cols.is_multiple_of(format.block_len()) {
        return Some(format);
    }
    let smaller = match format {
        Format::Q2K | Format::Q3K | Format::IQ4XS => Format::IQ4NL,
        Format::Q4K => Format::Q5_0,
        Format::Q5K => Format::Q5_1,
        _ => Format::Q8_0,
    };
    cols.is_multiple_of(smaller.block_len()).then_some(smaller)
}

fn convert(tensor: &Tensor, format: Format, threads: usize) -> Result<Tensor> {
    let too_large = || Error::new(ErrorKind::Corrupt, "its size overflows");
    let from = tensor.format.row_bytes(tensor.cols).ok_or_else(too_large)?;
    let to = format.row_bytes(tensor.cols).ok_or_else(too_large)?;
    let size = to.checked_mul(tensor.rows).ok_or_else(too_large)?;
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    let Some(target) = Arc::get_mut(&mut bytes) else {
        return Err(Error::new(ErrorKind::Internal, "a fresh allocation is shared"));
    };
    let rows_each = tensor.rows.div_ceil(threads.max(1)).max(1);
    let source = tensor.bytes();
    let convert_rows = |source: &[u8], target: &mut [u8]| -> Result<()> {
        let (mut values, mut row) = (vec![0.0; tensor.cols], Vec::with_capacity(to));
        for (source, target) in source.chunks_exact(from).zip(target.chunks_exact_mut(to)) {
            parasol_kernels::reference::dequantize_row(tensor.format, source, &mut values);
            row.clear();
            parasol_kernels::quantize::quantize_row(format, &values, &mut row)?;
            target.copy_from_slice(&row);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let parts = source.chunks(rows_each * from).zip(target.chunks_mut(rows_each * to));
        let running: Vec<_> =
            parts.map(|(source, target)| scope.spawn(|| convert_rows(source, target))).collect();
        running.into_iter().try_for_each(|part| {
            part.join()
                .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "a quantising thread panicked")))
        })
    })?;
    Ok(Tensor::owned(format, tensor.rows, tensor.cols, bytes))
}
