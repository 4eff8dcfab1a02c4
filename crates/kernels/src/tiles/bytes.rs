//! Sums of products of bytes in tiles: unsigned ones on the left, signed ones on the right (`TDPBUSD` of the same reference).

use super::{ROWS, Tiles};
use std::arch::asm;

/// Bytes in a row of a tile.
const STEP: usize = 64;

/// 32 (or 16) rows of unsigned bytes against 32 columns of signed ones.
#[derive(Clone, Copy)]
pub(crate) struct ByteBlock {
    /// Rows of `depth` unsigned bytes without gaps.
    pub(crate) left: *const u8,
    /// A multiple of 64.
    pub(crate) depth: usize,
    /// So many times as many rows are multiplied, …
    pub(crate) taps: usize,
    /// … each so many bytes further on.
    pub(crate) apart: usize,
    /// (taps, depth / 4, 32 columns, 4) signed bytes.
    pub(crate) right: *const i8,
    /// (rows, 32 columns) sums.
    pub(crate) out: *mut i32,
    /// Only the first 16 rows.
    pub(crate) half: bool,
}

/// out = Σ left · right, over the taps
///
/// # Safety
/// All of the block can be read and written, its depth is at least 64, and there is at least one tap.
#[inline(always)]
pub(crate) unsafe fn byte_product(_: &Tiles, block: &ByteBlock) {
    debug_assert!(block.taps > 0 && block.depth > 0 && block.depth.is_multiple_of(STEP));
    // From the end of a tap's rows to where those of the next begin.
    let jump = block.apart.wrapping_sub(block.depth);
    if block.half {
        asm!(
            "tilezero tmm0", "tilezero tmm1",
            "2:",
            "mov {left_of_tap}, {steps}",
            "3:",
            "tileloadd tmm4, [{left} + {depth}]",
            "tileloadd tmm6, [{right} + {line}]",
            "tileloadd tmm7, [{right} + {line} + 64]",
            "tdpbusd tmm0, tmm4, tmm6",
            "tdpbusd tmm1, tmm4, tmm7",
            "add {left}, {step}",
            "add {right}, {lines}",
            "dec {left_of_tap}",
            "jnz 3b",
            "add {left}, {jump}",
            "dec {taps}",
            "jnz 2b",
            "tilestored [{out} + {line}], tmm0",
            "tilestored [{out} + {line} + 64], tmm1",
            left = inout(reg) block.left => _,
            right = inout(reg) block.right => _,
            left_of_tap = out(reg) _,
            steps = in(reg) block.depth / STEP,
            taps = inout(reg) block.taps => _,
            jump = in(reg) jump,
            depth = in(reg) block.depth,
            out = in(reg) block.out,
            line = in(reg) 2 * STEP,
            step = const STEP,
            lines = const ROWS * 2 * STEP,
            out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
            options(nostack),
        );
        return;
    }
    asm!(
        "tilezero tmm0", "tilezero tmm1", "tilezero tmm2", "tilezero tmm3",
        "2:",
        "mov {left_of_tap}, {steps}",
        "3:",
        "tileloadd tmm4, [{left} + {depth}]",
        "tileloadd tmm6, [{right} + {line}]",
        "tileloadd tmm7, [{right} + {line} + 64]",
        "tdpbusd tmm0, tmm4, tmm6",
        "tileloadd tmm5, [{low} + {depth}]",
        "tdpbusd tmm1, tmm4, tmm7",
        "tdpbusd tmm2, tmm5, tmm6",
        "tdpbusd tmm3, tmm5, tmm7",
        "add {left}, {step}",
        "add {low}, {step}",
        "add {right}, {lines}",
        "dec {left_of_tap}",
        "jnz 3b",
        "add {left}, {jump}",
        "add {low}, {jump}",
        "dec {taps}",
        "jnz 2b",
        "tilestored [{out} + {line}], tmm0",
        "tilestored [{out} + {line} + 64], tmm1",
        "tilestored [{out} + {line} + {lines}], tmm2",
        "tilestored [{out} + {line} + {lines} + 64], tmm3",
        left = inout(reg) block.left => _,
        low = inout(reg) block.left.wrapping_add(ROWS * block.depth) => _,
        right = inout(reg) block.right => _,
        left_of_tap = out(reg) _,
        steps = in(reg) block.depth / STEP,
        taps = inout(reg) block.taps => _,
        jump = in(reg) jump,
        depth = in(reg) block.depth,
        out = in(reg) block.out,
        line = in(reg) 2 * STEP,
        step = const STEP,
        lines = const ROWS * 2 * STEP,
        out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
        out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
        options(nostack),
    );
}
