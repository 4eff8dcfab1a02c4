//! The vector operations that kernels are written against, once, for every instruction set. A kernel is an [`Op`];
//! [`Simd::enter`] compiles it with the features of the token it is given.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
pub(crate) mod math;
pub(crate) mod portable;

use crate::isa::Isa;
use crate::unpack::Unpackers;

/// A kernel for one instruction set.
pub(crate) trait Op<S: Simd> {
    /// What it returns.
    type Out;
    /// Runs it. Implementations are `#[inline(always)]`, so that they compile with the features of `enter`.
    ///
    /// # Safety
    /// Called only from [`Simd::enter`]; the op's own pointers must be valid for what it reads and writes.
    unsafe fn run(self, s: S) -> Self::Out;
}

/// A kernel that exists for every instruction set.
pub(crate) trait AnyOp {
    /// What it returns.
    type Out;
    /// Runs it on `s`.
    ///
    /// # Safety
    /// The op's own pointers must be valid for what it reads and writes.
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> Self::Out;
}

/// Runs `op` with the kernels of `isa`.
///
/// # Safety
/// The op's own pointers must be valid for what it reads and writes.
pub(crate) unsafe fn dispatch<O: AnyOp>(isa: Isa, op: O) -> O::Out {
    match isa {
        #[cfg(target_arch = "x86_64")]
        Isa::Amx(token) => op.run(token.avx512()),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512Vnni(token) => op.run(token),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(token) => op.run(token),
        #[allow(unreachable_patterns)]
        _ => op.run(crate::isa::Portable),
    }
}

/// Asks for the cache line at `p`, which need not be valid.
#[inline(always)]
pub(crate) fn prefetch(p: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Asks for the cache line at `p`, which need not be valid, to come as near as the second-level cache.
#[inline(always)]
pub(crate) fn prefetch_l2(p: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 processor has the instruction, and it never faults.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Vectors of `LANES` 32-bit values: floats `F`, or integers `I` that are also seen as `4 × LANES` bytes.
///
/// # Safety
/// Every method may be called only inside [`Simd::enter`] of the same token, and pointers must be valid for the whole
/// vector; no alignment is asked for.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// 32-bit values in a vector.
    const LANES: usize;
    /// Tokens whose sums fit the registers beside two vectors of weights: at most 6.
    const TILE: usize;
    /// See [`Simd::dot_wide_panel`].
    const WIDE_OFFSET: i32;
    /// A vector of f32.
    type F: Copy;
    /// A vector of i32, or of bytes.
    type I: Copy;

    /// Compiles and runs `op` with this token's processor features.
    unsafe fn enter<O: Op<Self>>(self, op: O) -> O::Out;

    unsafe fn splat(self, x: f32) -> Self::F;
    unsafe fn load(self, p: *const f32) -> Self::F;
    unsafe fn store(self, p: *mut f32, x: Self::F);
    /// The first `n < LANES` values, zeros behind.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::F;
    /// Stores the first `n < LANES` values.
    unsafe fn store_first(self, p: *mut f32, n: usize, x: Self::F);
    unsafe fn add(self, a: Self::F, b: Self::F) -> Self::F;
    unsafe fn sub(self, a: Self::F, b: Self::F) -> Self::F;
    unsafe fn mul(self, a: Self::F, b: Self::F) -> Self::F;
    unsafe fn div(self, a: Self::F, b: Self::F) -> Self::F;
    /// a · b + c
    unsafe fn fma(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F;
    unsafe fn max(self, a: Self::F, b: Self::F) -> Self::F;
    unsafe fn min(self, a: Self::F, b: Self::F) -> Self::F;
    unsafe fn abs(self, a: Self::F) -> Self::F;
    unsafe fn sum(self, a: Self::F) -> f32;
    /// The sum of each of four vectors: cheaper together, and with less waiting.
    unsafe fn sum4(self, a: [Self::F; 4]) -> [f32; 4];
    unsafe fn largest(self, a: Self::F) -> f32;
    /// Nearest integer, ties to even, as a float.
    unsafe fn round(self, a: Self::F) -> Self::F;
    /// a · 2ⁿ for integral n in −126 ..= 127.
    unsafe fn times_pow2(self, a: Self::F, n: Self::F) -> Self::F;
    /// a − ⌊a⌋, or 1 where that rounds up.
    unsafe fn fraction(self, a: Self::F) -> Self::F;
    /// a · 2^⌊n⌋ for n ≤ 127; below −126 next to nothing.
    unsafe fn times_pow2_floor(self, a: Self::F, n: Self::F) -> Self::F;
    /// LANES half-precision values.
    unsafe fn load_f16(self, p: *const u16) -> Self::F;
    /// Stores LANES values in half precision, rounded to the nearest even.
    unsafe fn store_f16(self, p: *mut u16, x: Self::F);
    /// LANES signed bytes as floats.
    unsafe fn load_i8(self, p: *const i8) -> Self::F;
    /// LANES bfloat16 values.
    unsafe fn load_bf16(self, p: *const u16) -> Self::F;
    /// LANES / 4 floats, each in four neighbouring lanes.
    unsafe fn load_each4(self, p: *const f32) -> Self::F;

    unsafe fn zero_i(self) -> Self::I;
    unsafe fn splat_i(self, x: i32) -> Self::I;
    unsafe fn load_i(self, p: *const u8) -> Self::I;
    unsafe fn store_i(self, p: *mut u8, x: Self::I);
    /// Four bytes, repeated in every lane.
    unsafe fn splat_bytes(self, p: *const i8) -> Self::I;
    unsafe fn add_i(self, a: Self::I, b: Self::I) -> Self::I;
    unsafe fn mul_i(self, a: Self::I, b: Self::I) -> Self::I;
    unsafe fn to_float(self, a: Self::I) -> Self::F;
    /// Rounds to the nearest integers and stores them as LANES signed bytes; values lie within ±127.
    unsafe fn store_i8(self, p: *mut i8, x: Self::F);
    /// Rounds four vectors to the nearest integers and packs them as unsigned bytes, those beyond 0 ..= 255 as the nearest of
    /// these: the bytes of a lane are that lane of each vector.
    unsafe fn pack_bytes(self, x: [Self::F; 4]) -> Self::I;
    /// a − b in each byte, wrapping.
    unsafe fn sub_bytes(self, a: Self::I, b: Self::I) -> Self::I;
    /// One byte everywhere.
    unsafe fn splat_byte(self, x: i8) -> Self::I;
    /// acc + Σ of four u·s products in each lane, for unsigned bytes `u` and signed bytes `s`, one side of which stays
    /// within seven bits (|s| ≤ 63 or u ≤ 63), so that no pair of products leaves 16 bits.
    unsafe fn dot(self, acc: Self::I, u: Self::I, s: Self::I) -> Self::I;
    /// acc + Σ of four u·s products in each lane, for any unsigned bytes `u` and signed bytes `s`.
    unsafe fn dot_any(self, acc: Self::I, u: Self::I, s: Self::I) -> Self::I;
    /// The same for weights of eight bits: `w` holds value + the `ZERO` of its unpacker, `s` signed activations.
    unsafe fn dot_wide(self, acc: Self::I, w: Self::I, s: Self::I) -> Self::I;
    /// acc + Σ of four (a − 128 + [`Simd::WIDE_OFFSET`]) · w products: activations `a` offset by 128, signed weights `w`.
    unsafe fn dot_wide_panel(self, acc: Self::I, a: Self::I, w: Self::I) -> Self::I;
    /// Reads `4 × LANES` bytes of each of LANES rows, `stride` bytes apart, and writes the LANES × LANES matrix of
    /// 32-bit groups transposed: group 4b + j of all rows goes to `out + b · block + j · group`.
    unsafe fn transpose(self, rows: *const u8, stride: usize, out: *mut u8, group: usize, block: usize);
    /// Reads LANES rows of LANES floats, of which every four neighbours are equal, and writes the LANES / 4 different
    /// columns: column b of all rows goes to `out + b · block`.
    #[inline(always)]
    unsafe fn transpose_each4(self, rows: *const f32, out: *mut u8, block: usize) {
        for b in 0..Self::LANES / 4 {
            for row in 0..Self::LANES {
                *out.add(b * block).cast::<f32>().add(row) = *rows.add(row * Self::LANES + b * 4);
            }
        }
    }
}
