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
    /// (depth / 4, 32 columns, 4) signed bytes.
    pub(crate) right: *const i8,
    /// (rows, 32 columns) sums.
    pub(crate) out: *mut i32,
    /// Only the first 16 rows.
    pub(crate) half: bool,
}

/// out = left · right
///
/// # Safety
/// All of the block can be read and written, and its depth is at least 64.
#[inline(always)]
pub(crate) unsafe fn byte_product(_: &Tiles, block: &ByteBlock) {
    debug_assert!(block.depth > 0 && block.depth.is_multiple_of(STEP));
    if block.half {
        asm!(
            "tilezero tmm0", "tilezero tmm1",
            "2:",
            "tileloadd tmm4, [{left} + {depth}]",
            "tileloadd tmm6, [{right} + {line}]",
            "tileloadd tmm7, [{right} + {line} + 64]",
            "tdpbusd tmm0, tmm4, tmm6",
            "tdpbusd tmm1, tmm4, tmm7",
            "add {left}, {step}",
            "add {right}, {lines}",
            "dec {steps}",
            "jnz 2b",
            "tilestored [{out} + {line}], tmm0",
            "tilestored [{out} + {line} + 64], tmm1",
            left = inout(reg) block.left => _,
            right = inout(reg) block.right => _,
            steps = inout(reg) block.depth / STEP => _,
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
        "dec {steps}",
        "jnz 2b",
        "tilestored [{out} + {line}], tmm0",
        "tilestored [{out} + {line} + 64], tmm1",
        "tilestored [{out} + {line} + {lines}], tmm2",
        "tilestored [{out} + {line} + {lines} + 64], tmm3",
        left = inout(reg) block.left => _,
        low = inout(reg) block.left.wrapping_add(ROWS * block.depth) => _,
        right = inout(reg) block.right => _,
        steps = inout(reg) block.depth / STEP => _,
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
