//! Products of numbers in two parts (see [`super::split`]) whose left side is read where it lies, one place after another: what a
//! filter along time needs, of which each tap sees the same rows further on.

use super::Tiles;
use super::split::STEP;
use std::arch::asm;

/// 32 rows against 32 columns.
#[derive(Clone, Copy)]
pub(crate) struct Walk<'a> {
    /// The first row; rows are `row` bytes apart.
    pub(crate) left: *const u16,
    pub(crate) row: usize,
    /// Where each step of 32 values begins, in bytes from the first row.
    pub(crate) places: &'a [usize],
    /// How many bytes behind a number what rounding left of it lies.
    pub(crate) rest: usize,
    /// (steps, 2 parts of a number, 2, 16 pairs of values, 16 columns, 2): the right side.
    pub(crate) right: *const u16,
    /// (32, 32) floats, …
    pub(crate) out: *mut f32,
    /// … whose rows are so many floats apart.
    pub(crate) stride: usize,
}

/// out = left · right.
///
/// # Safety
/// All of the block can be read and written, and there is at least one step.
#[inline(always)]
pub(crate) unsafe fn product(_: &Tiles, walk: &Walk<'_>) {
    debug_assert!(!walk.places.is_empty());
    // As in `split`, the smaller products come first, so that a step loads eight tiles for its twelve products.
    asm!(
        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
        "2:",
        "mov {at}, [{places}]",
        "add {at}, {left}",
        "lea {low}, [{at} + {rest}]",
        "tileloadd tmm4, [{low} + {row}]",
        "tileloadd tmm6, [{right} + {line}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tileloadd tmm7, [{right} + {line} + 1024]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "add {low}, {half}",
        "tileloadd tmm5, [{low} + {row}]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm4, [{at} + {row}]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "add {at}, {half}",
        "tileloadd tmm5, [{at} + {row}]",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "tileloadd tmm6, [{right} + {line} + 2048]",
        "tdpbf16ps tmm0, tmm4, tmm6",
        "tdpbf16ps tmm2, tmm5, tmm6",
        "tileloadd tmm7, [{right} + {line} + 3072]",
        "tdpbf16ps tmm1, tmm4, tmm7",
        "tdpbf16ps tmm3, tmm5, tmm7",
        "add {places}, 8",
        "add {right}, {step}",
        "dec {steps}",
        "jnz 2b",
        "tilestored [{out} + {stride}], tmm0",
        "tilestored [{out} + {stride} + 64], tmm1",
        "mov {at}, {stride}",
        "shl {at}, 4",
        "add {out}, {at}",
        "tilestored [{out} + {stride}], tmm2",
        "tilestored [{out} + {stride} + 64], tmm3",
        at = out(reg) _,
        low = out(reg) _,
        left = in(reg) walk.left,
        row = in(reg) walk.row,
        half = in(reg) 16 * walk.row,
        rest = in(reg) walk.rest,
        places = inout(reg) walk.places.as_ptr() => _,
        steps = inout(reg) walk.places.len() => _,
        right = inout(reg) walk.right => _,
        out = inout(reg) walk.out => _,
        stride = in(reg) walk.stride * 4,
        line = in(reg) 64usize,
        step = const STEP * 2,
        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
        options(nostack),
    );
}
