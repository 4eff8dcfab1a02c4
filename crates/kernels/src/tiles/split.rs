//! Products in nearly single precision from bfloat16 tiles: each number is the sum of two bfloat16 values, the number rounded and
//! what rounding left of it, which together hold 16 to 17 of its 24 bits. Of the four products of such sums the three larger
//! ones are computed (Henry, Tang and Heinecke, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
//! Computations", 2019); what is dropped is smaller than 2⁻¹⁶ of the product.

use super::{ROWS, TILE, TileOp, Tiles, to_bf16};
use crate::isa::Amx;
use crate::simd::Simd;
use std::arch::asm;
use std::arch::x86_64::*;

/// bfloat16 values of a step on either side: two tiles of numbers, then two of what rounding left of them.
pub(crate) const STEP: usize = 4 * TILE;

/// 32 rows against 32 columns.
#[derive(Clone, Copy)]
pub(crate) struct Split {
    /// (steps, 2 parts of a number, 2, 16 rows, 32 values): the left side.
    pub(crate) left: *const u16,
    /// (steps, 2 parts of a number, 2, 16 pairs of values, 16 columns, 2): the right side.
    pub(crate) right: *const u16,
    /// Steps of 32 values.
    pub(crate) steps: usize,
    /// (rows, 32) floats, …
    pub(crate) out: *mut f32,
    /// … whose rows are so many floats apart.
    pub(crate) stride: usize,
    /// Add to what is there.
    pub(crate) add: bool,
}

/// The four lines of assembly that begin with the sums of a block. The smaller products come first, so that a step loads eight
/// tiles for its twelve products.
macro_rules! steps {
    ($block:expr, $a:literal, $b:literal, $c:literal, $d:literal) => {
        asm!(
            $a, $b, $c, $d,
            "2:",
            "tileloadd tmm4, [{left} + {line} + 2048]",
            "tileloadd tmm6, [{right} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm7, [{right} + {line} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{left} + {line} + 3072]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm4, [{left} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tileloadd tmm5, [{left} + {line} + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "tileloadd tmm6, [{right} + {line} + 2048]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tileloadd tmm7, [{right} + {line} + 3072]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left}, {step}",
            "add {right}, {step}",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{out} + {stride}], tmm0",
            "tilestored [{out} + {stride} + 64], tmm1",
            "tilestored [{low} + {stride}], tmm2",
            "tilestored [{low} + {stride} + 64], tmm3",
            left = inout(reg) $block.left => _,
            right = inout(reg) $block.right => _,
            steps = inout(reg) $block.steps => _,
            out = in(reg) $block.out,
            low = in(reg) $block.out.wrapping_add(ROWS * $block.stride),
            stride = in(reg) $block.stride * 4,
            line = in(reg) 64usize,
            step = const STEP * 2,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// out = left · right, or added to it.
///
/// # Safety
/// All of the block can be read and written, and there is at least one step.
#[inline(always)]
pub(crate) unsafe fn product(_: &Tiles, block: &Split) {
    debug_assert!(block.steps > 0);
    if block.add {
        steps!(
            block,
            "tileloadd tmm0, [{out} + {stride}]",
            "tileloadd tmm1, [{out} + {stride} + 64]",
            "tileloadd tmm2, [{low} + {stride}]",
            "tileloadd tmm3, [{low} + {stride} + 64]"
        );
    } else {
        steps!(block, "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3");
    }
}

/// 32 floats as bfloat16, and what rounding left of them.
///
/// # Safety
/// Inside [`Amx::enter`].
#[inline(always)]
pub(crate) unsafe fn split(first: __m512, last: __m512) -> [__m512i; 2] {
    let high = to_bf16(first, last);
    let first = _mm512_sub_ps(first, widen(_mm512_castsi512_si256(high)));
    let last = _mm512_sub_ps(last, widen(_mm512_extracti64x4_epi64::<1>(high)));
    [high, to_bf16(first, last)]
}

/// Sixteen bfloat16 values as floats.
#[inline(always)]
unsafe fn widen(half: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(half)))
}

/// One row of floats to the left side: `row` holds whole steps, `to` is where its first step lies.
pub(crate) struct SplitRow {
    pub(crate) row: *const f32,
    pub(crate) steps: usize,
    pub(crate) to: *mut u16,
}

impl TileOp for SplitRow {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let s = amx.avx512();
        for step in 0..self.steps {
            let from = self.row.add(step * 32);
            let to = self.to.add(step * STEP);
            let [high, low] = split(s.load(from), s.load(from.add(16)));
            s.store_i(to.cast(), high);
            s.store_i(to.add(2 * TILE).cast(), low);
        }
    }
}
