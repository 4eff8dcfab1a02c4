//! The formats of 256 values a block: groups of 16 or 32 values, each with a small integer scale (and, in some, an
//! integer minimum) that multiplies the block's binary16 scale (and minimum). Bits of one value are spread over the
//! block so that vector code meets a run of values in each byte lane; each function says where they lie.

use super::blocks::{IQ4_LEVELS, half_at};

/// The 6-bit scale and minimum of group `j` (0..8) of Q4_K and Q5_K, from their 12 packed bytes: bytes 0–3 hold scales
/// 0–3 in six bits, bytes 4–7 minimums 0–3, bytes 8–11 the low nibbles of scales (low half) and minimums (high half)
/// 4–7, whose top two bits are the top two of bytes 0–3 and 4–7.
pub fn scale_and_min(packed: &[u8; 12], j: usize) -> (u8, u8) {
    if j < 4 {
        return (packed[j] & 63, packed[j + 4] & 63);
    }
    (packed[j + 4] & 15 | packed[j - 4] >> 6 << 4, packed[j + 4] >> 4 | packed[j] >> 6 << 4)
}

/// The scale (−32..32) of group `j` (0..16) of Q3_K, from its 12 packed bytes: the low nibbles of scales 0–7 and 8–15
/// are the low and high halves of bytes 0–7; byte `8 + j % 4` holds the two high bits at bit `2 · (j / 4)`.
pub fn q3_k_scale(packed: &[u8; 12], j: usize) -> i8 {
    let low = if j < 8 { packed[j] & 15 } else { packed[j - 8] >> 4 };
    let high = packed[8 + j % 4] >> (2 * (j / 4)) & 3;
    (low | high << 4) as i8 - 32
}

/// `N` bytes of a block from `at`.
fn part<const N: usize, const B: usize>(block: &[u8; B], at: usize) -> [u8; N] {
    std::array::from_fn(|i| block[at + i])
}

/// `[16 × (scale, minimum) nibbles][64 bytes of 2-bit values][scale f16][minimum f16]`, 16 groups of 16:
/// value = scale · s · q − minimum · m. Value `128 h + 32 k + l` is bits `2 k` of byte `32 h + l`.
pub(super) fn q2_k(block: &[u8; 84], out: &mut [f32; 256]) {
    let (scale, minimum) = (half_at(block, 80), half_at(block, 82));
    for (i, value) in out.iter_mut().enumerate() {
        let group = block[i / 16];
        let q = block[16 + 32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32)) & 3;
        *value = scale * f32::from(group & 15) * f32::from(q) - minimum * f32::from(group >> 4);
    }
}

/// `[32 bytes of third bits][64 bytes of 2-bit values][12 bytes of scales][scale f16]`, 16 groups of 16:
/// value = scale · s · (q − 4). Low bits lie as in Q2_K; the third bit of value `32 k + l` is bit `k` of byte `l`.
pub(super) fn q3_k(block: &[u8; 110], out: &mut [f32; 256]) {
    let scale = half_at(block, 108);
    let packed: [u8; 12] = part(block, 96);
    for (i, value) in out.iter_mut().enumerate() {
        let low = block[32 + 32 * (i / 128) + i % 32] >> (2 * (i % 128 / 32)) & 3;
        let high = block[i % 32] >> (i / 32) & 1;
        let q = f32::from(low | high << 2) - 4.0;
        *value = scale * f32::from(q3_k_scale(&packed, i / 16)) * q;
    }
}

/// `[scale f16][minimum f16][12 bytes of scales and minimums][128 bytes of nibbles]`, 8 groups of 32:
/// value = scale · s · q − minimum · m. Value `64 h + l` is the low, `64 h + 32 + l` the high half of byte `32 h + l`.
pub(super) fn q4_k(block: &[u8; 144], out: &mut [f32; 256]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let packed: [u8; 12] = part(block, 4);
    for (i, value) in out.iter_mut().enumerate() {
        let (s, m) = scale_and_min(&packed, i / 32);
        let q = block[16 + 32 * (i / 64) + i % 32] >> (4 * (i / 32 % 2)) & 15;
        *value = scale * f32::from(s) * f32::from(q) - minimum * f32::from(m);
    }
}

/// `[scale f16][minimum f16][12 bytes of scales and minimums][32 bytes of fifth bits][128 bytes of nibbles]`, as Q4_K
/// with a fifth bit: that of value `32 k + l` is bit `k` of byte `l`.
pub(super) fn q5_k(block: &[u8; 176], out: &mut [f32; 256]) {
    let (scale, minimum) = (half_at(block, 0), half_at(block, 2));
    let packed: [u8; 12] = part(block, 4);
    for (i, value) in out.iter_mut().enumerate() {
        let (s, m) = scale_and_min(&packed, i / 32);
        let low = block[48 + 32 * (i / 64) + i % 32] >> (4 * (i / 32 % 2)) & 15;
        let high = block[16 + i % 32] >> (i / 32) & 1;
        *value = scale * f32::from(s) * f32::from(low | high << 4) - minimum * f32::from(m);
    }
}

/// `[128 bytes of nibbles][64 bytes of high pairs][16 × i8 scales][scale f16]`, 16 groups of 16:
/// value = scale · s · (q − 32). Value `128 h + 32 k + l` takes the low (k < 2) or high half of byte
/// `64 h + 32 (k % 2) + l`, and above it bits `2 k` of pair byte `32 h + l`.
pub(super) fn q6_k(block: &[u8; 210], out: &mut [f32; 256]) {
    let scale = half_at(block, 208);
    for (i, value) in out.iter_mut().enumerate() {
        let (half, k, l) = (i / 128, i % 128 / 32, i % 32);
        let low = block[64 * half + 32 * (k % 2) + l] >> (4 * (k / 2)) & 15;
        let high = block[128 + 32 * half + l] >> (2 * k) & 3;
        let s = f32::from(block[192 + i / 16] as i8);
        *value = scale * s * (f32::from(low | high << 4) - 32.0);
    }
}

/// `[scale f16][u16 of high pairs][4 bytes of scale nibbles][128 bytes of nibbles]`, 8 groups of 32:
/// value = scale · (s − 32) · `IQ4_LEVELS[q]`, where group `j`'s 6-bit `s` has its low nibble in half `j % 2` of byte
/// `j / 2` and its high pair at bit `2 j` of the u16. Group `j`'s nibbles lie as in the formats of 32.
pub(super) fn iq4_xs(block: &[u8; 136], out: &mut [f32; 256]) {
    let scale = half_at(block, 0);
    let pairs = u16::from_le_bytes([block[2], block[3]]);
    for (i, value) in out.iter_mut().enumerate() {
        let (group, l) = (i / 32, i % 32);
        let low = block[4 + group / 2] >> (4 * (group % 2)) & 15;
        let high = (pairs >> (2 * group) & 3) as u8;
        let s = f32::from(low | high << 4) - 32.0;
        let q = block[8 + 16 * group + l % 16] >> (4 * (l / 16)) & 15;
        *value = scale * s * f32::from(IQ4_LEVELS[usize::from(q)]);
    }
}
