//! The formats of 32 values with one scale from the block's extremes and no search. Each step rounds as ggml's
//! reference (`quantize_row_*_ref` in ggml-quants.c) does, so that files made here equal files made there. The layouts
//! are told in `reference::blocks`.

use super::{TooLarge, finite_half};

/// 1 / `scale`, or 0 for a block without any.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The value of greatest magnitude, the first of equals, with its sign.
fn peak(values: &[f32; 32]) -> f32 {
    values.iter().copied().fold(0.0f32, |most, v| if v.abs() > most.abs() { v } else { most })
}

/// (least, greatest).
fn extremes(values: &[f32; 32]) -> (f32, f32) {
    values.iter().fold((f32::MAX, f32::MIN), |(low, high), &v| (low.min(v), high.max(v)))
}

/// Low halves of the bytes for the first sixteen numbers, high halves for the others.
fn pack_nibbles(numbers: &[u8; 32], out: &mut [u8; 16]) {
    for (j, byte) in out.iter_mut().enumerate() {
        *byte = numbers[j] & 15 | (numbers[j + 16] & 15) << 4;
    }
}

/// Bit `j` is the fifth bit of number `j`.
fn fifth_bits(numbers: &[u8; 32]) -> [u8; 4] {
    let bits = numbers.iter().enumerate().fold(0u32, |bits, (j, &q)| bits | u32::from(q >> 4 & 1) << j);
    bits.to_le_bytes()
}

/// The greatest magnitude becomes ±127; halves round away from zero.
pub(super) fn q8_0(values: &[f32; 32], out: &mut [u8; 34]) -> Result<(), TooLarge> {
    let scale = peak(values).abs() / 127.0;
    let inverse = inverse(scale);
    out[..2].copy_from_slice(&finite_half(scale)?);
    for (byte, value) in out[2..].iter_mut().zip(values) {
        let scaled = value * inverse;
        let whole = scaled as i32;
        // `scaled − whole` is exact, so this is rounding proper, without a call into the maths library.
        let rest = scaled - whole as f32;
        *byte = (whole + i32::from(rest >= 0.5) - i32::from(rest <= -0.5)) as u8;
    }
    Ok(())
}

/// The numbers 0..=`2 · middle − 1` of values scaled so that the peak lands on 0.
fn centred(values: &[f32; 32], middle: f32) -> (f32, [u8; 32]) {
    let scale = peak(values) / -middle;
    let inverse = inverse(scale);
    // The sum is never below 0.5, and the cast cuts towards zero: this rounds half up.
    (scale, values.map(|v| (v * inverse + (middle + 0.5)).min(2.0 * middle - 1.0) as u8))
}

pub(super) fn q4_0(values: &[f32; 32], out: &mut [u8; 18]) -> Result<(), TooLarge> {
    let (scale, numbers) = centred(values, 8.0);
    let (head, nibbles) = split(out);
    pack_nibbles(&numbers, nibbles);
    head.copy_from_slice(&finite_half(scale)?);
    Ok(())
}

pub(super) fn q5_0(values: &[f32; 32], out: &mut [u8; 22]) -> Result<(), TooLarge> {
    let (scale, numbers) = centred(values, 16.0);
    let (head, nibbles) = split(out);
    pack_nibbles(&numbers, nibbles);
    head[..2].copy_from_slice(&finite_half(scale)?);
    head[2..].copy_from_slice(&fifth_bits(&numbers));
    Ok(())
}

/// Scale, minimum and the numbers 0..=`top` of values spread from least to greatest.
fn spread(values: &[f32; 32], top: f32) -> (f32, f32, [u8; 32]) {
    let (least, greatest) = extremes(values);
    let scale = (greatest - least) / top;
    let inverse = inverse(scale);
    (scale, least, values.map(|v| ((v - least) * inverse + 0.5).min(top) as u8))
}

pub(super) fn q4_1(values: &[f32; 32], out: &mut [u8; 20]) -> Result<(), TooLarge> {
    let (scale, minimum, numbers) = spread(values, 15.0);
    let (head, nibbles) = split(out);
    pack_nibbles(&numbers, nibbles);
    head[..2].copy_from_slice(&finite_half(scale)?);
    head[2..].copy_from_slice(&finite_half(minimum)?);
    Ok(())
}

pub(super) fn q5_1(values: &[f32; 32], out: &mut [u8; 24]) -> Result<(), TooLarge> {
    let (scale, minimum, numbers) = spread(values, 31.0);
    let (head, nibbles) = split(out);
    pack_nibbles(&numbers, nibbles);
    head[..2].copy_from_slice(&finite_half(scale)?);
    head[2..4].copy_from_slice(&finite_half(minimum)?);
    head[4..].copy_from_slice(&fifth_bits(&numbers));
    Ok(())
}

/// A block's head and its sixteen bytes of nibbles.
pub(super) fn split<const BYTES: usize>(out: &mut [u8; BYTES]) -> (&mut [u8], &mut [u8; 16]) {
    const { assert!(BYTES > 16) };
    // Cannot fail: a block is longer than its sixteen bytes of nibbles, as asserted when this is compiled.
    let Some((head, nibbles)) = out.split_last_chunk_mut::<16>() else { unreachable!() };
    (head, nibbles)
}
