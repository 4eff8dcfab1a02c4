//! Filters on AMX. What a block sees becomes bfloat16 once, in rows as they are; each tap of each 32 channels is a step of a product
//! whose left side is read there.

use super::{Block, ConvShape, Exactness};
use crate::buffer::Aligned;
use crate::finish::{Run, load};
use crate::format::Format;
use crate::isa::{Amx, Isa};
use crate::linear::SplitRows;
use crate::simd::Simd;
use crate::tiles::split::{STEP, split};
use crate::tiles::walk::{self, Walk};
use crate::tiles::{DEPTH, ROWS, TileOp, Tiles};

/// Rows, and outputs, of a block of sums.
pub(super) const GROUP: usize = 2 * ROWS;

/// Bytes that keep rows from beginning at the same place of every page.
const APART: usize = 64;

/// The weights of a filter in tiles.
pub(super) struct Weights {
    /// (panels of 32 outputs, steps, 2 parts of a number, 2, 16 pairs of inputs, 16 outputs, 2)
    panels: Aligned<u16>,
    /// Where each step begins in what a block sees, in bytes from its first row.
    places: Vec<usize>,
    /// Inputs in whole steps.
    padded: usize,
}

impl Weights {
    /// `None` where the filter is not for tiles.
    pub(super) fn new(
        isa: Isa,
        exactness: Exactness,
        shape: ConvShape,
        weight: &impl Fn(usize, usize, usize) -> f32,
    ) -> Option<Self> {
        let (Isa::Amx(amx), ConvShape { inputs, outputs, taps, dilation, .. }) = (isa, shape) else {
            return None;
        };
        // A tile of which most is empty costs more than vectors do.
        if exactness == Exactness::Single || inputs < ROWS || outputs < ROWS {
            return None;
        }
        let padded = inputs.next_multiple_of(DEPTH);
        let row = row_bytes(padded);
        let chunks = padded / DEPTH;
        let places: Vec<usize> = (0..taps * chunks)
            .map(|step| step / chunks * dilation * row + step % chunks * DEPTH * 2)
            .collect();
        let mut panels = Aligned::default();
        let size = places.len() * STEP;
        panels.resize(outputs.div_ceil(GROUP) * size);
        // A panel's outputs, each with (taps, padded) weights.
        let depth = taps * padded;
        let mut lines = vec![0f32; GROUP * depth];
        for (panel, to) in panels.as_mut_slice().chunks_exact_mut(size).enumerate() {
            lines.fill(0.0);
            let rows = GROUP.min(outputs - panel * GROUP);
            for (i, line) in lines.chunks_exact_mut(depth).take(rows).enumerate() {
                for tap in 0..taps {
                    for (input, value) in line[tap * padded..][..inputs].iter_mut().enumerate() {
                        *value = weight(panel * GROUP + i, input, tap);
                    }
                }
            }
            let fill = SplitRows {
                format: Format::F32,
                first: lines.as_ptr().cast(),
                stride: depth * 4,
                rows: GROUP,
                cols: depth,
            };
            // SAFETY: there are 32 rows, and room for all steps.
            unsafe { amx.enter(Fill { rows: fill, to: to.as_mut_ptr() }) };
        }
        Some(Self { panels, places, padded })
    }

    /// Computes a block of the output.
    pub(super) fn run(&self, amx: Amx, block: Block<'_>) {
        let row = row_bytes(self.padded);
        // Products read whole groups of rows; what is no row of the block is computed and left.
        let rows = block.reach() - block.count + block.count.next_multiple_of(GROUP);
        crate::scratch::with(rows * row + GROUP * GROUP * 4, |memory| {
            // SAFETY: the block's rows of input and output were checked; the scratch has room for what the block sees and for a
            // group of sums behind it.
            unsafe {
                let sums = memory.add(rows * row).cast::<f32>();
                amx.enter(Filter { weights: self, block, seen: memory.cast(), row, sums });
            }
        });
    }
}

/// Bytes of a row of what a block sees: (2 parts of a number, channels).
fn row_bytes(padded: usize) -> usize {
    padded * 4 + APART
}

struct Fill {
    rows: SplitRows,
    to: *mut u16,
}

impl TileOp for Fill {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        self.rows.fill(amx.avx512(), self.to);
    }
}

struct Filter<'a> {
    weights: &'a Weights,
    block: Block<'a>,
    /// (rows that the block sees, 2 parts of a number, channels), rows `row` bytes apart.
    seen: *mut u16,
    row: usize,
    /// (GROUP, GROUP): sums that reach over the end of rows or outputs.
    sums: *mut f32,
}

impl TileOp for Filter<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        self.gather(amx);
        let Self { weights, block, seen, row, sums } = self;
        let all = block.out.as_mut_ptr();
        let (s, outputs) = (amx.avx512(), block.conv.shape.outputs);
        let size = weights.places.len() * STEP;
        let tiles = Tiles::new(amx);
        for first in (0..block.count).step_by(GROUP) {
            let rows = GROUP.min(block.count - first);
            let out = all.add(first * outputs);
            for (panel, at) in (0..outputs).step_by(GROUP).enumerate() {
                let columns = GROUP.min(outputs - at);
                let walk = Walk {
                    left: seen.byte_add(first * row),
                    row,
                    places: &weights.places,
                    rest: weights.padded * 2,
                    right: weights.panels.as_slice().as_ptr().add(panel * size),
                    out: out.add(at),
                    stride: outputs,
                };
                if rows == GROUP && columns == GROUP {
                    walk::product(&tiles, &walk);
                    continue;
                }
                walk::product(&tiles, &Walk { out: sums, stride: GROUP, ..walk });
                for i in 0..rows {
                    std::ptr::copy_nonoverlapping(sums.add(i * GROUP), out.add(i * outputs + at), columns);
                }
            }
            let (finishing, first) = (&block.finishing, block.first + first);
            s.enter(Run { finishing, first, count: rows, out });
        }
    }
}

impl Filter<'_> {
    /// What the block sees, as bfloat16.
    #[inline(always)]
    unsafe fn gather(&self, amx: Amx) {
        let (s, inputs, padded) = (amx.avx512(), self.block.conv.shape.inputs, self.weights.padded);
        let enter = self.block.input.enter;
        for row in 0..self.block.reach() {
            let to = self.seen.byte_add(row * self.row);
            let Some(from) = self.block.seen(row) else {
                std::ptr::write_bytes(to, 0, 2 * padded);
                continue;
            };
            for at in (0..padded).step_by(DEPTH) {
                let mut values = [s.splat(0.0); 2];
                for (half, value) in values.iter_mut().enumerate() {
                    let at = at + half * ROWS;
                    if at < inputs {
                        *value = enter.apply(s, load(s, from.add(at), ROWS.min(inputs - at)));
                    }
                }
                let [high, low] = split(values[0], values[1]);
                s.store_i(to.add(at).cast(), high);
                s.store_i(to.add(padded + at).cast(), low);
            }
        }
    }
}
