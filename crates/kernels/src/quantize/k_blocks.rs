//! The formats of 256 values. Each group gets its own best scale (and minimum) by search; the block's binary16 scale is
//! the one that the largest group needs, the groups' integers are then chosen against what binary16 made of it. The
//! layouts are told in `reference::k_blocks`.

use super::search::{Affine, Centred, MOST, importance, nearest};
use super::{TooLarge, finite_half};
use crate::half::f16_to_f32;

/// A block on an affine grid: binary16 scale and minimum as stored, the groups' integers, a number for each value.
struct AffineBlock<const GROUPS: usize> {
    scale: [u8; 2],
    minimum: [u8; 2],
    scales: [u8; GROUPS],
    minimums: [u8; GROUPS],
    numbers: [u8; 256],
}

/// A block on a centred grid; `scales` as signed numbers, `numbers` from 0 (the grid's least) up.
struct CentredBlock {
    scale: [u8; 2],
    scales: [i8; 16],
    numbers: [u8; 256],
}

/// What a stored binary16 says.
pub(super) fn widened(bytes: [u8; 2]) -> f32 {
    f16_to_f32(u16::from_le_bytes(bytes))
}

/// Refuses values whose sums would overflow.
pub(super) fn within_reach(values: &[f32]) -> Result<(), TooLarge> {
    if values.iter().all(|v| v.abs() <= MOST) { Ok(()) } else { Err(TooLarge) }
}

/// `GROUPS` groups of `LEN` values, numbers up to `top`, group integers up to `most`.
fn affine<const GROUPS: usize, const LEN: usize>(
    values: &[f32; 256],
    top: f32,
    most: f32,
) -> Result<AffineBlock<GROUPS>, TooLarge> {
    const { assert!(GROUPS * LEN == 256) };
    within_reach(values)?;
    let grid = Affine { top };
    let groups = values.as_chunks::<LEN>().0;
    let mut fits = [(0.0, 0.0); GROUPS];
    for (fit, group) in fits.iter_mut().zip(groups) {
        *fit = grid.fit(group, &importance(group));
    }
    let greatest = |part: fn(&(f32, f32)) -> f32| fits.iter().map(part).fold(0.0f32, f32::max);
    let scale = finite_half(greatest(|f| f.0) / most)?;
    let minimum = finite_half(greatest(|f| f.1) / most)?;
    let (wide_scale, wide_minimum) = (widened(scale), widened(minimum));

    let mut block =
        AffineBlock { scale, minimum, scales: [0; GROUPS], minimums: [0; GROUPS], numbers: [0; 256] };
    let numbers = block.numbers.as_chunks_mut::<LEN>().0;
    for (i, (group, numbers)) in groups.iter().zip(numbers).enumerate() {
        let (s, m) = rounded_pair(grid, group, fits[i], (wide_scale, wide_minimum), most);
        (block.scales[i], block.minimums[i]) = (s as u8, m as u8);
        for (number, &value) in numbers.iter_mut().zip(group) {
            *number = grid.number(value, wide_scale * s, wide_minimum * m) as u8;
        }
    }
    Ok(block)
}

/// The whole numbers near `fit ÷ unit` with the least error: rounding scale and minimum each on its own is not best for
/// both together (trying the neighbours takes 1.2 to 2.8 % off the error).
fn rounded_pair<const LEN: usize>(
    grid: Affine,
    group: &[f32; LEN],
    fit: (f32, f32),
    unit: (f32, f32),
    most: f32,
) -> (f32, f32) {
    let near = |value: f32, unit: f32| if unit == 0.0 { 0.0 } else { nearest(value / unit).clamp(0.0, most) };
    let (s, m) = (near(fit.0, unit.0), near(fit.1, unit.1));
    let weights = importance(group);
    let (mut best, mut least) = ((s, m), f32::INFINITY);
    for s in [s, s - 1.0, s + 1.0] {
        for m in [m, m - 1.0, m + 1.0] {
            if (0.0..=most).contains(&s) && (0.0..=most).contains(&m) {
                let error = grid.error(group, &weights, unit.0 * s, unit.1 * m);
                if error < least {
                    (best, least) = ((s, m), error);
                }
            }
        }
    }
    best
}

/// Sixteen groups of sixteen, numbers from `low`, group integers from `scale_low`.
fn centred(values: &[f32; 256], low: f32, scale_low: f32) -> Result<CentredBlock, TooLarge> {
    within_reach(values)?;
    let grid = Centred { low };
    let scale_grid = Centred { low: scale_low };
    let groups = values.as_chunks::<16>().0;
    let mut fits = [0.0f32; 16];
    for (fit, group) in fits.iter_mut().zip(groups) {
        *fit = grid.fit(group, &importance(group));
    }
    let peak = fits.iter().copied().fold(0.0f32, |most, f| if f.abs() > most.abs() { f } else { most });
    let scale = finite_half(peak / scale_low)?;
    let unit = widened(scale);

    let mut block = CentredBlock { scale, scales: [0; 16], numbers: [0; 256] };
    let numbers = block.numbers.as_chunks_mut::<16>().0;
    for (i, (group, numbers)) in groups.iter().zip(numbers).enumerate() {
        let s = scale_grid.number(fits[i], unit);
        block.scales[i] = s as i8;
        for (number, &value) in numbers.iter_mut().zip(group) {
            *number = (grid.number(value, unit * s) - low) as u8;
        }
    }
    Ok(block)
}

/// Two bits (`shift` 0) or the bits above them of each number, four numbers a byte, as Q2_K and Q3_K lay them.
fn pack_pairs(numbers: &[u8; 256], shift: u32, out: &mut [u8]) {
    for (i, &number) in numbers.iter().enumerate() {
        out[32 * (i / 128) + i % 32] |= (number >> shift & 3) << (2 * (i % 128 / 32));
    }
}

/// Low nibbles of numbers 64 h + l in the low, of 64 h + 32 + l in the high halves, as Q4_K and Q5_K lay them.
fn pack_nibbles(numbers: &[u8; 256], out: &mut [u8]) {
    for (i, &number) in numbers.iter().enumerate() {
        out[32 * (i / 64) + i % 32] |= (number & 15) << (4 * (i / 32 % 2));
    }
}

/// The twelve bytes of eight 6-bit scales and minimums; `reference::scale_and_min` reads them.
fn pack_scales(scales: &[u8; 8], minimums: &[u8; 8], out: &mut [u8]) {
    for j in 0..4 {
        out[j] = scales[j] | scales[j + 4] >> 4 << 6;
        out[j + 4] = minimums[j] | minimums[j + 4] >> 4 << 6;
        out[j + 8] = scales[j + 4] & 15 | (minimums[j + 4] & 15) << 4;
    }
}

pub(super) fn q2_k(values: &[f32; 256], out: &mut [u8; 84]) -> Result<(), TooLarge> {
    let block = affine::<16, 16>(values, 3.0, 15.0)?;
    for (byte, (scale, minimum)) in out.iter_mut().zip(block.scales.iter().zip(&block.minimums)) {
        *byte = scale | minimum << 4;
    }
    pack_pairs(&block.numbers, 0, &mut out[16..80]);
    out[80..82].copy_from_slice(&block.scale);
    out[82..].copy_from_slice(&block.minimum);
    Ok(())
}

pub(super) fn q3_k(values: &[f32; 256], out: &mut [u8; 110]) -> Result<(), TooLarge> {
    let block = centred(values, -4.0, -32.0)?;
    for (i, &number) in block.numbers.iter().enumerate() {
        out[i % 32] |= (number >> 2) << (i / 32);
    }
    pack_pairs(&block.numbers, 0, &mut out[32..96]);
    for (i, &scale) in block.scales.iter().enumerate() {
        let scale = (scale + 32) as u8;
        out[96 + i % 8] |= (scale & 15) << (4 * (i / 8));
        out[104 + i % 4] |= (scale >> 4) << (2 * (i / 4));
    }
    out[108..].copy_from_slice(&block.scale);
    Ok(())
}

pub(super) fn q4_k(values: &[f32; 256], out: &mut [u8; 144]) -> Result<(), TooLarge> {
    let block = affine::<8, 32>(values, 15.0, 63.0)?;
    out[..2].copy_from_slice(&block.scale);
    out[2..4].copy_from_slice(&block.minimum);
    pack_scales(&block.scales, &block.minimums, &mut out[4..16]);
    pack_nibbles(&block.numbers, &mut out[16..]);
    Ok(())
}

pub(super) fn q5_k(values: &[f32; 256], out: &mut [u8; 176]) -> Result<(), TooLarge> {
    let block = affine::<8, 32>(values, 31.0, 63.0)?;
    out[..2].copy_from_slice(&block.scale);
    out[2..4].copy_from_slice(&block.minimum);
    pack_scales(&block.scales, &block.minimums, &mut out[4..16]);
    for (i, &number) in block.numbers.iter().enumerate() {
        out[16 + i % 32] |= (number >> 4) << (i / 32);
    }
    pack_nibbles(&block.numbers, &mut out[48..]);
    Ok(())
}

pub(super) fn q6_k(values: &[f32; 256], out: &mut [u8; 210]) -> Result<(), TooLarge> {
    let block = centred(values, -32.0, -128.0)?;
    for (i, &number) in block.numbers.iter().enumerate() {
        let (half, k, l) = (i / 128, i % 128 / 32, i % 32);
        out[64 * half + 32 * (k % 2) + l] |= (number & 15) << (4 * (k / 2));
    }
    pack_pairs(&block.numbers, 4, &mut out[128..192]);
    for (byte, scale) in out[192..208].iter_mut().zip(block.scales) {
        *byte = scale as u8;
    }
    out[208..].copy_from_slice(&block.scale);
    Ok(())
}
