//! Sums of products of bfloat16 tiles that stay in tile registers from the first to the last column.

use super::{TILE, Tiles};
use std::arch::asm;

/// Values of a step of [`Block`], where nothing lies between: two tiles.
pub(crate) const STEP: usize = 2 * TILE;

/// 32 (or 16) rows against 32 columns.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    /// (steps, 2, 16 rows, 32 values): the left side.
    pub(crate) left: *const u16,
    /// How far apart its steps are, in values: [`STEP`] or more.
    pub(crate) left_step: usize,
    /// (steps, 2, 16 pairs of values, 16 columns, 2): the right side.
    pub(crate) right: *const u16,
    /// Steps of 32 values.
    pub(crate) steps: usize,
    /// (rows, 32) floats, …
    pub(crate) out: *mut f32,
    /// … whose rows are so many floats apart.
    pub(crate) stride: usize,
    /// Add to what is there.
    pub(crate) add: bool,
    /// Only the first 16 rows.
    pub(crate) half: bool,
}

/// The four lines of assembly that begin, and those that end, with the sums of a whole block.
macro_rules! whole {
    ($block:expr, $a:literal, $b:literal, $c:literal, $d:literal) => {
        asm!(
            $a, $b, $c, $d,
            "2:",
            "tileloadd tmm6, [{right} + {line}]",
            "tileloadd tmm4, [{left} + {line}]",
            "tileloadd tmm7, [{right} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tileloadd tmm5, [{left} + {line} + 1024]",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "tdpbf16ps tmm2, tmm5, tmm6",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {left}, {left_step}",
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
            low = in(reg) $block.out.wrapping_add(16 * $block.stride),
            stride = in(reg) $block.stride * 4,
            line = in(reg) 64usize,
            left_step = in(reg) $block.left_step * 2,
            step = const STEP * 2,
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// The same of the first 16 rows.
macro_rules! half {
    ($block:expr, $a:literal, $b:literal) => {
        asm!(
            $a, $b,
            "2:",
            "tileloadd tmm6, [{right} + {line}]",
            "tileloadd tmm4, [{left} + {line}]",
            "tileloadd tmm7, [{right} + {line} + 1024]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "tdpbf16ps tmm1, tmm4, tmm7",
            "add {left}, {left_step}",
            "add {right}, {step}",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{out} + {stride}], tmm0",
            "tilestored [{out} + {stride} + 64], tmm1",
            left = inout(reg) $block.left => _,
            right = inout(reg) $block.right => _,
            steps = inout(reg) $block.steps => _,
            out = in(reg) $block.out,
            stride = in(reg) $block.stride * 4,
            line = in(reg) 64usize,
            left_step = in(reg) $block.left_step * 2,
            step = const STEP * 2,
            out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        )
    };
}

/// out = left · right, or added to it.
///
/// # Safety
/// All of the block can be read and written, and there is at least one step.
#[inline(always)]
pub(crate) unsafe fn product(_: &Tiles, block: &Block) {
    debug_assert!(block.steps > 0);
    match (block.half, block.add) {
        (false, false) => whole!(block, "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3"),
        (false, true) => whole!(
            block,
            "tileloadd tmm0, [{out} + {stride}]",
            "tileloadd tmm1, [{out} + {stride} + 64]",
            "tileloadd tmm2, [{low} + {stride}]",
            "tileloadd tmm3, [{low} + {stride} + 64]"
        ),
        (true, false) => half!(block, "tilezero tmm0", "tilezero tmm1"),
        (true, true) => {
            half!(block, "tileloadd tmm0, [{out} + {stride}]", "tileloadd tmm1, [{out} + {stride} + 64]")
        }
    }
}
