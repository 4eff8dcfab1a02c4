//! AMX: eight registers of 16 rows × 64 bytes, and products of them. What is multiplied, and how it comes to lie in tiles, is
//! left to `linear` and `attention`.
//!
//! A product of bfloat16 tiles adds to a tile of 16 × 16 floats the products of 16 rows of 32 values, in the order of memory, with
//! 16 columns of 32 values, of which two neighbours of each column lie side by side (Intel's Architecture Instruction Set
//! Extensions Reference, `TDPBF16PS`).

mod block;
mod bytes;
pub(crate) mod split;
pub(crate) mod walk;

pub(crate) use block::{Block, STEP, product};
pub(crate) use bytes::{ByteBlock, byte_product};

use crate::isa::Amx;
use crate::simd::Simd;
use std::arch::asm;
use std::arch::x86_64::{__m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh};

/// Rows of a tile.
pub(crate) const ROWS: usize = 16;

/// bfloat16 values in a row of a tile.
pub(crate) const DEPTH: usize = 32;

/// bfloat16 values of a tile.
pub(crate) const TILE: usize = ROWS * DEPTH;

/// A kernel that uses tiles, or bfloat16 vectors beside those of AVX-512.
pub(crate) trait TileOp {
    /// What it returns.
    type Out;
    /// Runs it. Implementations are `#[inline(always)]`, so that they compile with the features of [`Amx::enter`].
    ///
    /// # Safety
    /// Called only from [`Amx::enter`]; the op's own pointers must be valid for what it reads and writes.
    unsafe fn run(self, amx: Amx) -> Self::Out;
}

#[target_feature(
    enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,avx512bf16,fma,bmi2,f16c"
)]
unsafe fn with_features<O: TileOp>(amx: Amx, op: O) -> O::Out {
    op.run(amx)
}

impl Amx {
    /// Compiles and runs `op` with the features of AVX-512 and its bfloat16 conversions.
    ///
    /// # Safety
    /// The op's own pointers must be valid for what it reads and writes.
    #[inline(always)]
    pub(crate) unsafe fn enter<O: TileOp>(self, op: O) -> O::Out {
        with_features(self, op)
    }
}

/// What `ldtilecfg` reads.
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static WHOLE: Configuration = {
    let (mut row_bytes, mut rows, mut tile) = ([0; 16], [0; 16], 0);
    while tile < 8 {
        (row_bytes[tile], rows[tile]) = (64, ROWS as u8);
        tile += 1;
    }
    Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// While it lives, this thread has eight whole tiles. Afterwards it has none, so that the system need not save them.
pub(crate) struct Tiles(());

impl Tiles {
    /// Configures this thread's tiles.
    pub(crate) fn new(_: Amx) -> Self {
        // SAFETY: the token proves that processor and system have tiles; the configuration is valid.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const WHOLE, options(nostack, readonly)) };
        Self(())
    }
}

impl Tiles {
    /// Multiplies bfloat16 tiles that are there already, as fast as the processor can; returns how many multiplications and
    /// additions that were, counted apart.
    pub(crate) fn spin(&self) -> u64 {
        const STEPS: usize = 4096;
        // SAFETY: tiles are configured while `self` lives; four sums of their own let products overlap.
        unsafe {
            asm!(
                "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
                "tilezero tmm4", "tilezero tmm5", "tilezero tmm6", "tilezero tmm7",
                "2:",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "dec {steps}",
                "jnz 2b",
                steps = inout(reg) STEPS => _,
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack, nomem),
            );
        }
        (STEPS * 4 * ROWS * 16 * DEPTH * 2) as u64
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: `new` needed the token; nothing that the compiler knows of lives in tiles.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// 32 floats as bfloat16, rounded to the nearest even; what is below the smallest normal number becomes 0.
///
/// # Safety
/// Inside [`Amx::enter`].
#[inline(always)]
pub(crate) unsafe fn to_bf16(first: __m512, last: __m512) -> __m512i {
    std::mem::transmute::<__m512bh, __m512i>(_mm512_cvtne2ps_pbh(last, first))
}

/// One row to bfloat16: 32 columns of every step, two tiles apart.
pub(crate) struct RoundRow {
    pub(crate) row: *const f32,
    pub(crate) steps: usize,
    pub(crate) to: *mut u16,
}

impl TileOp for RoundRow {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let s = amx.avx512();
        for step in 0..self.steps {
            let from = self.row.add(step * 32);
            let values = to_bf16(s.load(from), s.load(from.add(16)));
            s.store_i(self.to.add(step * 2 * TILE).cast(), values);
        }
    }
}
