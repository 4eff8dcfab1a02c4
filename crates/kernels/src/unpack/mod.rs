//! From stored blocks to one shape of panel: every weight is `d · (q − zero) + m` with an unsigned byte `q`, so that the
//! integer product `Σ q·a` serves every format.
//!
//! A *chunk* is `8 × LANES` neighbouring weights of a row, in two byte vectors: `q[0]` holds the first sixteen of each
//! block of 32, `q[1]` the last sixteen. Thus lanes 4b ..= 4b+3 of both belong to block b and share its scale.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use crate::format::Format;
use crate::simd::Simd;

/// One chunk of a row.
#[derive(Clone, Copy)]
pub(crate) struct Chunk<S: Simd> {
    /// Bytes within 0 ..= 63, or offset by `Unpack::ZERO` for formats of eight bits.
    pub(crate) q: [S::I; 2],
    /// Scale of each lane; `d[1]` belongs to `q[1]` where scales change every 16 weights, else it equals `d[0]`.
    pub(crate) d: [S::F; 2],
    /// Minimum of each lane, where the format has one.
    pub(crate) m: [S::F; 2],
}

/// How one format unpacks on one instruction set.
pub(crate) trait Unpack<S: Simd> {
    /// What it unpacks.
    const FORMAT: Format;
    /// What `q` is offset by.
    const ZERO: i32;
    /// Scales change every 16 weights.
    const SPLIT: bool = false;
    /// Blocks have a minimum.
    const MIN: bool = false;
    /// `q` needs all eight bits.
    const WIDE: bool = false;

    /// Chunk `index` of the row of `row_bytes` bytes at `row`. With `FULL` false the row may end inside the chunk;
    /// what lies behind its end comes out with scale and minimum 0.
    ///
    /// # Safety
    /// Inside [`Simd::enter`]; `row` is valid for `row_bytes` bytes and has whole blocks.
    unsafe fn chunk<const FULL: bool>(s: S, row: *const u8, row_bytes: usize, index: usize) -> Chunk<S>;

    /// Two neighbouring chunks are a super-block, and unpacking them together costs less than twice one.
    const PAIRED: bool = false;

    /// Chunks 2 · `index` and 2 · `index` + 1 of a row.
    ///
    /// # Safety
    /// As [`Unpack::chunk`], and both chunks lie inside the row.
    #[inline(always)]
    unsafe fn pair(s: S, row: *const u8, row_bytes: usize, index: usize) -> [Chunk<S>; 2] {
        [
            Self::chunk::<true>(s, row, row_bytes, 2 * index),
            Self::chunk::<true>(s, row, row_bytes, 2 * index + 1),
        ]
    }
}

/// The unpacker of every quantised format.
#[allow(missing_docs)]
pub(crate) trait Unpackers: Simd {
    type Q4_0: Unpack<Self>;
    type Q4_1: Unpack<Self>;
    type Q5_0: Unpack<Self>;
    type Q5_1: Unpack<Self>;
    type Q8_0: Unpack<Self>;
    type Q2K: Unpack<Self>;
    type Q3K: Unpack<Self>;
    type Q4K: Unpack<Self>;
    type Q5K: Unpack<Self>;
    type Q6K: Unpack<Self>;
    type IQ4NL: Unpack<Self>;
    type IQ4XS: Unpack<Self>;
}

/// Runs `$body` with `$U` bound to the unpacker of `$format` on `$S`; `$other` for float formats.
macro_rules! with_unpacker {
    ($format:expr, $S:ty, $U:ident => $body:expr, else $other:expr) => {
        match $format {
            $crate::Format::Q4_0 => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q4_0;
                $body
            }
            $crate::Format::Q4_1 => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q4_1;
                $body
            }
            $crate::Format::Q5_0 => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q5_0;
                $body
            }
            $crate::Format::Q5_1 => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q5_1;
                $body
            }
            $crate::Format::Q8_0 => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q8_0;
                $body
            }
            $crate::Format::Q2K => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q2K;
                $body
            }
            $crate::Format::Q3K => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q3K;
                $body
            }
            $crate::Format::Q4K => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q4K;
                $body
            }
            $crate::Format::Q5K => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q5K;
                $body
            }
            $crate::Format::Q6K => {
                type $U<T> = <T as $crate::unpack::Unpackers>::Q6K;
                $body
            }
            $crate::Format::IQ4NL => {
                type $U<T> = <T as $crate::unpack::Unpackers>::IQ4NL;
                $body
            }
            $crate::Format::IQ4XS => {
                type $U<T> = <T as $crate::unpack::Unpackers>::IQ4XS;
                $body
            }
            $crate::Format::F32 | $crate::Format::F16 | $crate::Format::BF16 => $other,
        }
    };
}
pub(crate) use with_unpacker;

/// The sixteen values of the non-linear 4-bit formats IQ4_NL and IQ4_XS (ggml's `kvalues_iq4nl`).
pub(crate) const IQ4_VALUES: [i8; 16] =
    [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

/// The 6-bit scales and minimums of a Q4_K or Q5_K block: ([scales 0–3, scales 4–7], [minimums 0–3, minimums 4–7]),
/// one a byte, from the twelve bytes at `p`.
///
/// # Safety
/// `p` is valid for twelve bytes.
#[inline(always)]
pub(crate) unsafe fn scales_and_mins(p: *const u8) -> ([u32; 2], [u32; 2]) {
    let word = |i: usize| p.cast::<u32>().add(i).read_unaligned();
    let (a, b, c) = (word(0), word(1), word(2));
    let upper = |x: u32| ((x >> 6) & 0x0303_0303) << 4;
    ([a & 0x3f3f_3f3f, (c & 0x0f0f_0f0f) | upper(a)], [b & 0x3f3f_3f3f, ((c >> 4) & 0x0f0f_0f0f) | upper(b)])
}

/// The sixteen 6-bit scales of a Q3_K block (stored plus 32), one a byte, from the twelve bytes at `p`.
///
/// # Safety
/// `p` is valid for twelve bytes.
#[inline(always)]
pub(crate) unsafe fn scales_q3(p: *const u8) -> [u32; 4] {
    let word = |i: usize| p.cast::<u32>().add(i).read_unaligned();
    let (a, b, c) = (word(0), word(1), word(2));
    let upper = |shift: u32| ((c >> shift) & 0x0303_0303) << 4;
    [
        (a & 0x0f0f_0f0f) | upper(0),
        (b & 0x0f0f_0f0f) | upper(2),
        ((a >> 4) & 0x0f0f_0f0f) | upper(4),
        ((b >> 4) & 0x0f0f_0f0f) | upper(6),
    ]
}
