//! The 4-bit formats whose sixteen levels are unevenly spaced. The search is that of the centred grids, with the nearest
//! level in place of rounding. The layouts are told in `reference::blocks` and `reference::k_blocks`.

use super::k_blocks::{widened, within_reach};
use super::plain::split;
use super::search::{Centred, NOTHING, importance, sums};
use super::{TooLarge, finite_half};
use crate::reference::IQ4_LEVELS;

/// The level nearest to each half step from −128 to 127.5. Midpoints between levels are whole or half numbers, so
/// flooring to half steps never crosses one.
static NEAREST: [u8; 512] = nearest_levels();

const fn nearest_levels() -> [u8; 512] {
    let mut table = [0u8; 512];
    let mut step = 0;
    while step < 512 {
        let twice = step as i32 - 256;
        let mut level = 0;
        // Past the midpoint of two levels (their sum is twice that) the higher one is nearer.
        while level < 15 && twice >= IQ4_LEVELS[level] as i32 + IQ4_LEVELS[level + 1] as i32 {
            level += 1;
        }
        table[step] = level as u8;
        step += 1;
    }
    table
}

/// The index of the level nearest to `value`, a value already divided by its scale.
fn level(value: f32) -> u8 {
    // In 0..=511 after the clamp, so the cast is exact and the index in range; the cast cuts, which is flooring here.
    NEAREST[(2.0 * value + 256.0).clamp(0.0, 511.0) as usize]
}

/// 1 / `scale`, or 0 when there is none.
fn inverse(scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { 1.0 / scale }
}

/// The scale with the least weighted error among those tried, of either sign.
fn fit(values: &[f32; 32]) -> f32 {
    let weights = importance(values);
    let peak = values.iter().copied().fold(0.0f32, |most, v| if v.abs() > most.abs() { v } else { most });
    if peak.abs() < NOTHING {
        return 0.0;
    }
    let (mut best, mut scale) = (0.0, 0.0);
    for step in -8..=8 {
        for end in [IQ4_LEVELS[0], IQ4_LEVELS[15]] {
            let inverse = (f32::from(end) + f32::from(end).signum() * 4.0 * step as f32) / peak;
            let [product, square] = sums(values, &weights, |v, w| {
                let q = f32::from(IQ4_LEVELS[usize::from(level(v * inverse))]);
                [w * v * q, w * q * q]
            });
            // The fitted scale is product / square, and takes product² / square off the error. (Multiplied in this
            // order, as product² alone may overflow.)
            let fitted = product / square;
            if square > 0.0 && product * fitted > best {
                (best, scale) = (product * fitted, fitted);
            }
        }
    }
    scale
}

/// Levels of 32 values in 16 bytes.
fn pack(values: &[f32; 32], scale: f32, out: &mut [u8; 16]) {
    let inverse = inverse(scale);
    for (j, byte) in out.iter_mut().enumerate() {
        *byte = level(values[j] * inverse) | level(values[j + 16] * inverse) << 4;
    }
}

pub(super) fn iq4_nl(values: &[f32; 32], out: &mut [u8; 18]) -> Result<(), TooLarge> {
    within_reach(values)?;
    let scale = finite_half(fit(values))?;
    let (head, nibbles) = split(out);
    head.copy_from_slice(&scale);
    pack(values, widened(scale), nibbles);
    Ok(())
}

pub(super) fn iq4_xs(values: &[f32; 256], out: &mut [u8; 136]) -> Result<(), TooLarge> {
    within_reach(values)?;
    let groups = values.as_chunks::<32>().0;
    let mut fits = [0.0f32; 8];
    for (scale, group) in fits.iter_mut().zip(groups) {
        *scale = fit(group);
    }
    let peak = fits.iter().copied().fold(0.0f32, |most, f| if f.abs() > most.abs() { f } else { most });
    let scale = finite_half(peak / -32.0)?;
    let unit = widened(scale);

    let (head, nibbles) = out.split_at_mut(8);
    let mut pairs = 0u16;
    for (i, (group, nibbles)) in groups.iter().zip(nibbles.as_chunks_mut::<16>().0).enumerate() {
        let number = Centred { low: -32.0 }.number(fits[i], unit);
        let stored = (number + 32.0) as u8;
        head[4 + i / 2] |= (stored & 15) << (4 * (i % 2));
        pairs |= u16::from(stored >> 4) << (2 * i);
        pack(group, unit * number, nibbles);
    }
    head[..2].copy_from_slice(&scale);
    head[2..4].copy_from_slice(&pairs.to_le_bytes());
    Ok(())
}
