//! Products for many tokens. `2 × LANES` rows of weights are unpacked into a panel of signed bytes, four columns of
//! each row side by side, which stays in cache while all tokens pass: six tokens at a time hold their sums in registers
//! (12 integer, 12 float). Panels are walked in stretches of columns that fit the first-level cache.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::{Job, float, spans};
use crate::activations::{Activations, PAD, RECORD, RECORD_HALF_SUMS, RECORD_SCALE, RECORD_SUM};
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch, prefetch_l2};
use crate::unpack::{Unpack, Unpackers, with_unpacker};
use std::hint::black_box;
use std::marker::PhantomData;

/// Most tokens of a tile, on any instruction set ([`Simd::TILE`]).
pub(super) const TILE: usize = 6;

/// Columns of a panel that are walked before the next tokens come: 20 to 28 KiB of the first-level cache on AVX-512.
const STRETCH: usize = 512;

/// Rows of a task: a panel on AVX-512.
pub(super) const ROWS: usize = 32;

/// Groups of tokens that share the asking for the next panel's weights: sixteen short streams at once defeat the hardware's
/// prefetch, and while a panel meets its tokens memory has nothing to do.
const ASKING: usize = 4;

/// Runs all jobs on the threads of `compute`.
pub(super) fn run(compute: &Compute, x: &Activations, jobs: &[Job<'_>]) {
    let spans = spans(jobs, float::rows_of_a_task(compute.pool().threads(), jobs).unwrap_or(ROWS));
    // Enough tasks for every thread to have several; the price of splitting tokens is unpacking a panel again.
    let wanted = compute.pool().threads() * 4;
    let token_parts = wanted.div_ceil(spans.len()).min(x.tokens.div_ceil(TILE * 8)).max(1);
    let tokens = x.tokens.div_ceil(token_parts).next_multiple_of(TILE);
    compute.pool().run(spans.len() * token_parts, |i| {
        let span = spans[i / token_parts];
        let first = (i % token_parts * tokens).min(x.tokens);
        let task = Panel {
            x,
            job: &jobs[span.job],
            row: span.row,
            rows: span.rows,
            first,
            tokens: tokens.min(x.tokens - first),
        };
        // SAFETY: `linear` has checked all sizes; tasks write disjoint rows or tokens.
        unsafe { dispatch(compute.isa(), task) }
    });
}

/// Rows `row .. row + rows` (at most 32, but for float weights) of one job, for tokens `first .. first + tokens`.
#[derive(Clone, Copy)]
pub(super) struct Panel<'a> {
    pub(super) x: &'a Activations,
    pub(super) job: &'a Job<'a>,
    pub(super) row: usize,
    pub(super) rows: usize,
    pub(super) first: usize,
    pub(super) tokens: usize,
}

impl AnyOp for Panel<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        if self.job.matrix.format.block_len() == 1 {
            return float::panel(s, self);
        }
        let width = 2 * S::LANES;
        for at in (0..self.rows).step_by(width) {
            let part = Panel { row: self.row + at, rows: width.min(self.rows - at), ..self };
            with_unpacker!(self.job.matrix.format, S, U => {
                let layout = Layout::new::<S, U<S>>(part.job.matrix.cols);
                crate::scratch::with(layout.bytes, |memory| {
                    s.enter(Fill::<U<S>> { panel: part, layout, memory, of: PhantomData });
                    part.multiply::<S, U<S>>(s, layout, memory);
                });
            }, else unreachable!("float weights are multiplied above"))
        }
    }
}

/// Where the parts of an unpacked panel lie in scratch memory: a record for each block of 32 columns, and room for rows.
/// With W = 8 · LANES bytes, one vector for each side of the panel, a record is
///
/// - 8 groups of W bytes: group g holds columns 4g ..= 4g+3 of every row, four side by side,
/// - W bytes that sums start from, to undo the offset of activations,
/// - W bytes of scales, and W bytes of minimums where the format has them,
///
/// the latter three twice where scales change every 16 weights.
#[derive(Clone, Copy)]
struct Layout {
    record: usize,
    /// Within a record.
    start: usize,
    d: usize,
    m: usize,
    /// LANES rows before they are transposed, and their scales.
    rows: usize,
    bytes: usize,
}

impl Layout {
    #[inline(always)]
    fn new<S: Simd, U: Unpack<S>>(cols: usize) -> Self {
        let width = 8 * S::LANES;
        let halves = if U::SPLIT { 2 } else { 1 };
        let start = 8 * width;
        let d = start + halves * width;
        let m = d + halves * width;
        let record = if U::MIN { m + halves * width } else { m };
        let rows = cols.next_multiple_of(PAD) / 32 * record;
        Self { record, start, d, m, rows, bytes: rows + S::LANES * S::LANES * 4 * 6 }
    }
}

/// Unpacks the rows of a panel.
struct Fill<'a, U> {
    panel: Panel<'a>,
    layout: Layout,
    memory: *mut u8,
    of: PhantomData<U>,
}

impl<S: Simd, U: Unpack<S>> Op<S> for Fill<'_, U> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let matrix = &self.panel.job.matrix;
        let (full, columns) = (matrix.cols / (8 * S::LANES), 8 * S::LANES);
        for side in 0..2 {
            for chunk in 0..full {
                self.chunk::<S, true>(s, side, chunk);
            }
            if matrix.cols > full * columns {
                self.chunk::<S, false>(s, side, full);
            }
            // Padding beyond: weights 0 with scale 0.
            for chunk in matrix.cols.div_ceil(columns)..matrix.cols.next_multiple_of(PAD) / columns {
                self.nothing(s, side, chunk);
            }
        }
        self.starts(s);
    }
}

impl<U> Fill<'_, U> {
    /// One side of the record of the first block of chunk `chunk`.
    #[inline(always)]
    unsafe fn records<S: Simd>(&self, side: usize, chunk: usize) -> *mut u8 {
        self.memory.add(chunk * S::LANES / 4 * self.layout.record + side * 4 * S::LANES)
    }

    /// Chunk `chunk` of the LANES rows on one side of the panel.
    #[inline(always)]
    unsafe fn chunk<S: Simd, const FULL: bool>(&self, s: S, side: usize, chunk: usize)
    where
        U: Unpack<S>,
    {
        let (panel, vector) = (&self.panel, 4 * S::LANES);
        let matrix = &panel.job.matrix;
        let rows = self.memory.add(self.layout.rows);
        let at = |kind: usize, row: usize| rows.add((kind * S::LANES + row) * vector);
        let zero = s.splat_byte(U::ZERO as u8 as i8);
        for r in 0..S::LANES {
            let row = side * S::LANES + r;
            if row >= panel.rows {
                (0..6).for_each(|kind| s.store_i(at(kind, r), s.zero_i()));
                continue;
            }
            let w = matrix.bytes.as_ptr().add((panel.row + row) * matrix.row_bytes);
            let w = U::chunk::<FULL>(s, w, matrix.row_bytes, chunk);
            for part in 0..2 {
                s.store_i(at(part, r), s.sub_bytes(w.q[part], zero));
                if part == 0 || U::SPLIT {
                    s.store(at(2 + part, r).cast(), w.d[part]);
                    if U::MIN {
                        s.store(at(4 + part, r).cast(), w.m[part]);
                    }
                }
            }
        }
        let (layout, width, to) = (&self.layout, 2 * vector, self.records::<S>(side, chunk));
        for part in 0..2 {
            s.transpose(at(part, 0), vector, to.add(part * 4 * width), width, layout.record);
            if part == 0 || U::SPLIT {
                s.transpose_each4(at(2 + part, 0).cast(), to.add(layout.d + part * width), layout.record);
                if U::MIN {
                    s.transpose_each4(at(4 + part, 0).cast(), to.add(layout.m + part * width), layout.record);
                }
            }
        }
    }

    /// A chunk behind the last column.
    #[inline(always)]
    unsafe fn nothing<S: Simd>(&self, s: S, side: usize, chunk: usize) {
        for block in 0..S::LANES / 4 {
            let record = self.records::<S>(side, chunk).add(block * self.layout.record);
            for at in (0..self.layout.record).step_by(8 * S::LANES) {
                s.store_i(record.add(at), s.zero_i());
            }
        }
    }

    /// For each row −128 · Σ weights, which undoes that activations are offset by 128.
    #[inline(always)]
    unsafe fn starts<S: Simd>(&self, s: S)
    where
        U: Unpack<S>,
    {
        let width = 8 * S::LANES;
        let offset = s.splat_i(if U::WIDE { -S::WIDE_OFFSET } else { -128 });
        let ones = s.splat_byte(1);
        let padded = self.panel.job.matrix.cols.next_multiple_of(PAD);
        for block in 0..padded / 32 {
            for side in 0..2 {
                let record = self.memory.add(block * self.layout.record + side * 4 * S::LANES);
                let mut sum = s.zero_i();
                for group in 0..8 {
                    sum = s.dot(sum, ones, s.load_i(record.add(group * width)));
                    if U::SPLIT && group == 3 {
                        s.store_i(record.add(self.layout.start), s.mul_i(sum, offset));
                        sum = s.zero_i();
                    }
                }
                let half = if U::SPLIT { width } else { 0 };
                s.store_i(record.add(self.layout.start + half), s.mul_i(sum, offset));
            }
        }
    }
}

impl Panel<'_> {
    /// All tokens against the unpacked panel.
    #[inline(always)]
    unsafe fn multiply<S: Simd, U: Unpack<S>>(self, s: S, layout: Layout, memory: *const u8) {
        let blocks = self.x.padded() / 32;
        let matrix = &self.job.matrix;
        let next = matrix.bytes.as_ptr().wrapping_add((self.row + 2 * S::LANES) * matrix.row_bytes);
        // Lines that each of the first groups asks for beside each block.
        let asking = self.tokens.div_ceil(S::TILE).clamp(1, ASKING);
        // Groups of nearly the same size: a group of one or two tokens would wait for its sums.
        let each = self.tokens.div_ceil(self.tokens.div_ceil(S::TILE).max(1));
        let lines = (2 * S::LANES * matrix.row_bytes).div_ceil(64 * asking * blocks);
        for block in (0..blocks).step_by(STRETCH / 32) {
            let stretch = (block, blocks.min(block + STRETCH / 32));
            let mut token = self.first;
            let end = self.first + self.tokens;
            while token < end {
                let tokens = each.min(end - token);
                let index = (token - self.first) / each;
                macro_rules! tile {
                    ($T:literal) => {
                        s.enter(Tile::<U, $T> {
                            panel: self,
                            layout,
                            memory,
                            token,
                            stretch,
                            next: next.wrapping_add(index * lines * blocks * 64),
                            lines: if index < asking { lines } else { 0 },
                            of: PhantomData,
                        })
                    };
                }
                match tokens {
                    1 => tile!(1),
                    2 => tile!(2),
                    3 => tile!(3),
                    4 => tile!(4),
                    5 => tile!(5),
                    _ => tile!(6),
                }
                token += tokens;
            }
        }
    }

    /// Writes one token's sums of the panel's rows, adding to what is there if `add`.
    #[inline(always)]
    pub(super) unsafe fn store<S: Simd>(&self, s: S, token: usize, sums: [S::F; 2], add: bool) {
        let add = add || self.job.out.add;
        let out = self.job.out.values.pointer(token * self.job.out.stride + self.row);
        for (side, sum) in sums.into_iter().enumerate() {
            let Some(rows) = self.rows.checked_sub(side * S::LANES).filter(|&n| n > 0) else { return };
            let to = out.add(side * S::LANES);
            if rows >= S::LANES {
                s.store(to, if add { s.add(s.load(to), sum) } else { sum });
            } else {
                s.store_first(to, rows, if add { s.add(s.load_first(to, rows), sum) } else { sum });
            }
        }
    }
}

/// `T` tokens against one stretch of the panel.
struct Tile<'a, U, const T: usize> {
    panel: Panel<'a>,
    layout: Layout,
    memory: *const u8,
    token: usize,
    /// Blocks from, to.
    stretch: (usize, usize),
    /// What to ask for ahead: this many lines from here beside each block.
    next: *const u8,
    lines: usize,
    of: PhantomData<U>,
}

impl<S: Simd, U: Unpack<S>, const T: usize> Op<S> for Tile<'_, U, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let x = self.panel.x;
        let (layout, vector, width) = (self.layout, 4 * S::LANES, 8 * S::LANES);
        let stride = x.padded() / 32 * RECORD;
        let mut a = x.records.as_slice().as_ptr().add(self.token * stride + self.stretch.0 * RECORD);
        let mut w = self.memory.add(self.stretch.0 * layout.record);
        let mut next = self.next.wrapping_add(self.stretch.0 * self.lines * 64);
        let mut total = [[s.splat(0.0); 2]; T];
        // Loops that the compiler cannot unroll: unrolled, they move loads up until the sums leave the registers.
        let (halves, groups) = if U::SPLIT { (2, black_box(4)) } else { (1, black_box(8)) };
        for _ in self.stretch.0..self.stretch.1 {
            for line in 0..self.lines {
                prefetch_l2(next.wrapping_add(line * 64));
            }
            next = next.wrapping_add(self.lines * 64);
            for half in 0..halves {
                let at = |kind: usize, side: usize| w.add(kind + half * width + side * vector);
                let mut acc = [[s.load_i(at(layout.start, 0)), s.load_i(at(layout.start, 1))]; T];
                let (mut group, mut columns) = (w.add(half * 4 * width), a.add(half * 16));
                for _ in 0..groups {
                    let w = [s.load_i(group), s.load_i(group.add(vector))];
                    for t in 0..T {
                        let a = s.splat_bytes(columns.add(t * stride).cast());
                        for side in 0..2 {
                            acc[t][side] = if U::WIDE {
                                s.dot_wide_panel(acc[t][side], a, w[side])
                            } else {
                                s.dot(acc[t][side], a, w[side])
                            };
                        }
                    }
                    (group, columns) = (group.add(width), columns.add(4));
                }
                let d = [s.load(at(layout.d, 0).cast()), s.load(at(layout.d, 1).cast())];
                for t in 0..T {
                    let scale = s.splat(*a.add(t * stride + RECORD_SCALE).cast::<f32>());
                    for side in 0..2 {
                        let products = s.mul(s.to_float(acc[t][side]), d[side]);
                        total[t][side] = s.fma(products, scale, total[t][side]);
                    }
                }
                if U::MIN {
                    let m = [s.load(at(layout.m, 0).cast()), s.load(at(layout.m, 1).cast())];
                    let which = if U::SPLIT { RECORD_HALF_SUMS + half * 4 } else { RECORD_SUM };
                    for t in 0..T {
                        let sum = s.splat(*a.add(t * stride + which).cast::<f32>());
                        for side in 0..2 {
                            total[t][side] = s.fma(m[side], sum, total[t][side]);
                        }
                    }
                }
            }
            (a, w) = (a.add(RECORD), w.add(layout.record));
        }
        for t in 0..T {
            self.panel.store(s, self.token + t, total[t], self.stretch.0 > 0);
        }
    }
}
