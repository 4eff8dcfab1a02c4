//! The slow, obvious form of everything this crate computes: what the fast kernels are tested against, and what a
//! reader reads first. Clear beats quick here; sums are f64. Nothing outside tests and rare conversions should call it.

mod attention;
mod blocks;
mod convolution;
mod dense;
mod k_blocks;
mod pointwise;
mod product;
mod rope;

use crate::Format;
use crate::half::{bf16_to_f32, f16_to_f32};
pub use attention::{Attention, attention};
pub use blocks::IQ4_LEVELS;
pub use convolution::{byte_product, conv1d, depthwise};
pub use dense::{causal_attention, dense_attention, gelu, layer_norm};
pub use k_blocks::{q3_k_scale, scale_and_min};
pub use pointwise::{gated, gelu_tanh, rms_norm, silu, softcap, softmax};
pub use product::matmul;
pub use rope::{Pairs, Rope, rope};

/// The values of a row stored as `format`: `bytes` (whole blocks) to `out` (one f32 per value).
///
/// # Panics
/// When `bytes` is not exactly `format.row_bytes(out.len())` long: a caller checks sizes where a file is read.
pub fn dequantize_row(format: Format, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(
        Some(bytes.len()),
        format.row_bytes(out.len()),
        "a {format} row of {} values does not take {} bytes",
        out.len(),
        bytes.len()
    );
    match format {
        Format::F32 => each(bytes, out, |b, v: &mut [f32; 1]| v[0] = f32::from_le_bytes(*b)),
        Format::F16 => each(bytes, out, |b, v: &mut [f32; 1]| v[0] = f16_to_f32(u16::from_le_bytes(*b))),
        Format::BF16 => each(bytes, out, |b, v: &mut [f32; 1]| v[0] = bf16_to_f32(u16::from_le_bytes(*b))),
        Format::Q4_0 => each(bytes, out, blocks::q4_0),
        Format::Q4_1 => each(bytes, out, blocks::q4_1),
        Format::Q5_0 => each(bytes, out, blocks::q5_0),
        Format::Q5_1 => each(bytes, out, blocks::q5_1),
        Format::Q8_0 => each(bytes, out, blocks::q8_0),
        Format::IQ4NL => each(bytes, out, blocks::iq4_nl),
        Format::Q2K => each(bytes, out, k_blocks::q2_k),
        Format::Q3K => each(bytes, out, k_blocks::q3_k),
        Format::Q4K => each(bytes, out, k_blocks::q4_k),
        Format::Q5K => each(bytes, out, k_blocks::q5_k),
        Format::Q6K => each(bytes, out, k_blocks::q6_k),
        Format::IQ4XS => each(bytes, out, k_blocks::iq4_xs),
    }
}

/// Applies `decode` to each block of `BYTES` bytes and its `LEN` values.
fn each<const BYTES: usize, const LEN: usize>(
    bytes: &[u8],
    out: &mut [f32],
    decode: impl Fn(&[u8; BYTES], &mut [f32; LEN]),
) {
    let (blocks, rest) = bytes.as_chunks::<BYTES>();
    let (values, left) = out.as_chunks_mut::<LEN>();
    assert!(rest.is_empty() && left.is_empty() && blocks.len() == values.len());
    for (block, values) in blocks.iter().zip(values) {
        decode(block, values);
    }
}
