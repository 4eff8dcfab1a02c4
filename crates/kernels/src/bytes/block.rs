//! A block of rows against a matrix of bytes: rows become bytes once, then meet panels of columns.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::{ByteMatrix, GROUP, Quantisation};
use crate::convolution::{ConvShape, Shared};
use crate::finish::{Finishing, Range, Run, load};
#[cfg(target_arch = "x86_64")]
use crate::isa::Amx;
use crate::simd::{AnyOp, Op, Simd};
#[cfg(target_arch = "x86_64")]
use crate::tiles::{self, ByteBlock, ROWS, TileOp, Tiles};
use crate::unpack::Unpackers;

/// Rows that are multiplied.
#[derive(Clone, Copy)]
pub(super) struct Input {
    pub(super) start: Shared,
    pub(super) rows: usize,
    pub(super) stride: usize,
}

/// `count` rows of the output from row `first` on.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    pub(super) matrix: &'a ByteMatrix,
    pub(super) input: Input,
    pub(super) by: Quantisation,
    /// As [`ByteMatrix::columns`] says.
    pub(super) columns: &'a [i32],
    pub(super) scales: &'a [f32],
    pub(super) first: usize,
    pub(super) count: usize,
}

/// A block and its memory.
pub(super) struct Reading<'a> {
    pub(super) job: Block<'a>,
    pub(super) finishing: Finishing<'a>,
    pub(super) memory: *mut u8,
    pub(super) group: *mut i32,
    pub(super) sums: *mut i32,
    pub(super) out: *mut f32,
}

impl AnyOp for Reading<'_> {
    type Out = Range;
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> Range {
        let Self { job, finishing, memory, sums, out, .. } = self;
        s.enter(Bytes { job, memory, sums });
        let wide = 2 * S::LANES;
        for panel in 0..job.matrix.shape.outputs.div_ceil(wide) {
            let mut row = 0;
            while row < job.count {
                row += match job.count - row {
                    12.. if S::LANES >= 16 => s.enter(Tile::<4, 3> { job, memory, sums, out, row, panel }),
                    6.. => s.enter(Tile::<2, 3> { job, memory, sums, out, row, panel }),
                    3.. => s.enter(Tile::<1, 3> { job, memory, sums, out, row, panel }),
                    _ => s.enter(Tile::<1, 1> { job, memory, sums, out, row, panel }),
                };
            }
        }
        s.enter(Run { finishing: &finishing, first: job.first, count: job.count, out })
    }
}

#[cfg(target_arch = "x86_64")]
impl TileOp for Reading<'_> {
    type Out = Range;
    #[inline(always)]
    unsafe fn run(self, amx: Amx) -> Range {
        let Self { job, finishing, memory, group, sums, out } = self;
        let (s, depth, ConvShape { taps, dilation, .. }) =
            (amx.avx512(), job.matrix.depth(), job.matrix.shape);
        s.enter(Bytes { job, memory, sums });
        let tiles = Tiles::new(amx);
        for panel in 0..job.matrix.shape.outputs.div_ceil(GROUP) {
            let right = job.matrix.weights.as_slice().as_ptr().add(panel * GROUP * taps * depth);
            for row in (0..job.count).step_by(GROUP) {
                let rows = GROUP.min(job.count - row);
                let left = memory.add(row * depth);
                let half = rows <= ROWS;
                let block = ByteBlock { left, depth, taps, apart: dilation * depth, right, out: group, half };
                tiles::byte_product(&tiles, &block);
                s.enter(Settle { job, group, sums, out, row, rows, panel });
            }
        }
        drop(tiles);
        s.enter(Run { finishing: &finishing, first: job.first, count: job.count, out })
    }
}

/// Turns a group's sums into floats.
#[cfg(target_arch = "x86_64")]
struct Settle<'a> {
    job: Block<'a>,
    group: *const i32,
    sums: *const i32,
    out: *mut f32,
    row: usize,
    rows: usize,
    panel: usize,
}

#[cfg(target_arch = "x86_64")]
impl<S: Simd> Op<S> for Settle<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { job, group, sums, out, row, rows, panel } = self;
        for side in 0..GROUP / S::LANES {
            let from = panel * GROUP + side * S::LANES;
            let n = S::LANES.min(job.matrix.shape.outputs.saturating_sub(from));
            if n == 0 {
                break;
            }
            let columns = job.columns(s, from);
            for i in 0..rows {
                let total = s.load_i(group.add(i * GROUP + side * S::LANES).cast());
                let value = job.settled(s, total, columns, *sums.add(row + i));
                crate::finish::store(s, out.add((row + i) * job.matrix.shape.outputs + from), n, value);
            }
        }
    }
}

impl Block<'_> {
    /// What is added to the columns from `from` on, and what one of them means.
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, s: S, from: usize) -> (S::I, S::F) {
        (s.load_i(self.columns.as_ptr().add(from).cast()), s.load(self.scales.as_ptr().add(from)))
    }

    /// Σ (a − za)(w − zw) = Σ a·w − za·Σ w − zw·Σ (a − za), scaled; `sum` is the last of these.
    #[inline(always)]
    unsafe fn settled<S: Simd>(&self, s: S, total: S::I, columns: (S::I, S::F), sum: i32) -> S::F {
        let sum = s.add_i(s.add_i(total, columns.0), s.splat_i(-self.matrix.zero * sum));
        s.mul(s.to_float(sum), columns.1)
    }

    /// The address of the input's row that is row `row` of what the block sees, unless it lies outside.
    #[inline(always)]
    unsafe fn seen(&self, row: usize) -> Option<*const f32> {
        let at = (self.first + row).checked_sub(self.matrix.shape.before)?;
        (at < self.input.rows).then(|| self.input.start.0.add(at * self.input.stride))
    }
}

/// Turns the rows that the block sees into bytes.
struct Bytes<'a> {
    job: Block<'a>,
    memory: *mut u8,
    sums: *mut i32,
}

impl<S: Simd> Op<S> for Bytes<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { job, memory, sums } = self;
        let ConvShape { inputs, taps, dilation, .. } = job.matrix.shape;
        let depth = job.matrix.depth();
        let (scale, zero) = (s.splat(job.by.scale), s.splat(f32::from(job.by.zero)));
        let one = s.splat_byte(1);
        for row in 0..job.count + (taps - 1) * dilation {
            let to = memory.add(row * depth);
            let Some(from) = job.seen(row) else {
                std::ptr::write_bytes(to, job.by.zero, depth);
                *sums.add(row) = 0;
                continue;
            };
            let mut sum = s.zero_i();
            for at in (0..depth).step_by(4 * S::LANES) {
                let mut four = [s.splat(0.0); 4];
                for i in 0..4 {
                    let at = at + i * S::LANES;
                    let n = S::LANES.min(inputs.saturating_sub(at));
                    if n > 0 {
                        four[i] = load(s, from.add(at), n);
                    }
                    // The zero point is added after rounding, as the definition says.
                    four[i] = s.add(s.round(s.div(four[i], scale)), zero);
                }
                let bytes = s.pack_bytes(four);
                s.store_i(to.add(at), bytes);
                sum = s.dot(sum, bytes, one);
            }
            // Exact: at most 255 times the inputs. What pads the row is `zero` each.
            let sum = s.sum(s.to_float(sum)) as i32;
            *sums.add(row) = sum - i32::from(job.by.zero) * depth as i32;
        }
        // Each row of the output sees so many; those before it are not needed any more.
        for row in 0..job.count {
            let sum: i32 = (0..taps).map(|tap| *sums.add(row + tap * dilation)).sum();
            *sums.add(row) = sum;
        }
    }
}

/// `G · R` rows against a panel.
struct Tile<'a, const G: usize, const R: usize> {
    job: Block<'a>,
    memory: *const u8,
    sums: *const i32,
    out: *mut f32,
    row: usize,
    panel: usize,
}

impl<S: Simd, const G: usize, const R: usize> Op<S> for Tile<'_, G, R> {
    type Out = usize;
    #[inline(always)]
    unsafe fn run(self, s: S) -> usize {
        let Self { job, memory, sums, out, row, panel } = self;
        let ConvShape { taps, dilation, .. } = job.matrix.shape;
        let (depth, wide, vector) = (job.matrix.depth(), 2 * S::LANES, 4 * S::LANES);
        let mut total = [[[s.zero_i(); 2]; R]; G];
        let mut w = job.matrix.weights.as_slice().as_ptr().add(panel * wide * taps * depth).cast::<u8>();
        for tap in 0..taps {
            let mut a = [memory; G];
            for g in 0..G {
                a[g] = memory.add((row + g * R + tap * dilation) * depth);
            }
            for _ in 0..depth / 4 {
                let weights = [s.load_i(w), s.load_i(w.add(vector))];
                w = w.add(2 * vector);
                for g in 0..G {
                    for r in 0..R {
                        let x = s.splat_bytes(a[g].add(r * depth).cast());
                        for side in 0..2 {
                            total[g][r][side] = s.dot_any(total[g][r][side], x, weights[side]);
                        }
                    }
                    a[g] = a[g].add(4);
                }
            }
        }
        for side in 0..2 {
            let from = panel * wide + side * S::LANES;
            let n = S::LANES.min(job.matrix.shape.outputs.saturating_sub(from));
            if n == 0 {
                continue;
            }
            let columns = job.columns(s, from);
            for g in 0..G {
                for r in 0..R {
                    let at = row + g * R + r;
                    let value = job.settled(s, total[g][r][side], columns, *sums.add(at));
                    crate::finish::store(s, out.add(at * job.matrix.shape.outputs + from), n, value);
                }
            }
        }
        G * R
    }
}
