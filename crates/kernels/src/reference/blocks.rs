//! The formats of 32 values a block: one scale (and, in the `_1` formats, one minimum) for all of them. In the 4- and
//! 5-bit ones byte `j` of the nibbles holds value `j` in its low half and value `j + 16` in its high half.

use crate::half::f16_to_f32;

/// The sixteen levels of the IQ4 formats: closer together near zero, where weights are.
pub const IQ4_LEVELS: [i8; 16] = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The binary16 at byte `at`, widened.
pub(super) fn half_at<const N: usize>(block: &[u8; N], at: usize) -> f32 {
    f16_to_f32(u16::from_le_bytes([block[at], block[at + 1]]))
}

/// `[scale f16][32 × i8]`: value = scale · q.
pub(super) fn q8_0(block: &[u8; 34], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (j, value) in out.iter_mut().enumerate() {
        *value = scale * f32::from(block[2 + j] as i8);
    }
}

/// `[scale f16][16 bytes of nibbles]`: value = scale · (q − 8).
pub(super) fn q4_0(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for j in 0..16 {
        let byte = block[2 + j];
        out[j] = scale * (f32::from(byte & 15) - 8.0);
        out[j + 16] = scale * (f32::from(byte >> 4) - 8.0);
    }
}

/// `[scale f16][minimum f16][16 bytes of nibbles]`: value = scale · q + minimum.
pub(super) fn q4_1(block: &[u8; 20], out: &mut [f32; 32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for j in 0..16 {
        let byte = block[4 + j];
        out[j] = scale * f32::from(byte & 15) + minimum;
        out[j + 16] = scale * f32::from(byte >> 4) + minimum;
    }
}

/// The 5-bit numbers of a block: nibbles at `nibbles`, and at `high` a little-endian u32 whose bit `j` is the fifth
/// bit of value `j`.
fn five_bits<const N: usize>(block: &[u8; N], high: usize, nibbles: usize) -> [u8; 32] {
    let bits = u32::from_le_bytes([block[high], block[high + 1], block[high + 2], block[high + 3]]);
    std::array::from_fn(|j| {
        let byte = block[nibbles + j % 16];
        let low = if j < 16 { byte & 15 } else { byte >> 4 };
        low | (((bits >> j) & 1) as u8) << 4
    })
}

/// `[scale f16][32 fifth bits][16 bytes of nibbles]`: value = scale · (q − 16).
pub(super) fn q5_0(block: &[u8; 22], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for (value, q) in out.iter_mut().zip(five_bits(block, 2, 6)) {
        *value = scale * (f32::from(q) - 16.0);
    }
}

/// `[scale f16][minimum f16][32 fifth bits][16 bytes of nibbles]`: value = scale · q + minimum.
pub(super) fn q5_1(block: &[u8; 24], out: &mut [f32; 32]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    for (value, q) in out.iter_mut().zip(five_bits(block, 4, 8)) {
        *value = scale * f32::from(q) + minimum;
    }
}

/// `[scale f16][16 bytes of nibbles]`: value = scale · [`IQ4_LEVELS`]`[q]`.
pub(super) fn iq4_nl(block: &[u8; 18], out: &mut [f32; 32]) {
    let scale = half_at(block, 0);
    for j in 0..16 {
        let byte = block[2 + j];
        out[j] = scale * f32::from(IQ4_LEVELS[usize::from(byte & 15)]);
        out[j + 16] = scale * f32::from(IQ4_LEVELS[usize::from(byte >> 4)]);
    }
}
