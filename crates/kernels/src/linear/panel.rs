//! Products for many tokens. `2 × LANES` rows of weights are unpacked into a panel of signed bytes, four columns of
//! each row side by side, which stays in cache while all tokens pass: six tokens at a time hold their sums in registers
//! (12 integer, 12 float). Panels are walked in stretches of columns that fit the first-level cache.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::{Job, float, spans};
use crate::activations::{Activations, PAD};
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch, prefetch_l2};
use crate::unpack::{Unpack, Unpackers, with_unpacker};
use std::marker::PhantomData;

/// Tokens whose sums fit the registers beside two vectors of weights.
pub(super) const TILE: usize = 6;

/// Columns of a panel that are walked before the next tokens come: 16 KiB of the first-level cache on AVX-512.
const STRETCH: usize = 512;

/// Groups of tokens that share the asking for the next panel's weights: sixteen short streams at once defeat the hardware's
/// prefetch, and while a panel meets its tokens memory has nothing to do.
const ASKING: usize = 4;

/// Runs all jobs on the threads of `compute`.
pub(super) fn run(compute: &Compute, x: &Activations, jobs: &[Job<'_>]) {
    let rows = 32;
    let spans = spans(jobs, rows);
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

/// Rows `row .. row + rows` (at most 32) of one job, for tokens `first .. first + tokens`.
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
        let width = 2 * S::LANES;
        for at in (0..self.rows).step_by(width) {
            let part = Panel { row: self.row + at, rows: width.min(self.rows - at), ..self };
            with_unpacker!(self.job.matrix.format, S, U => {
                let layout = Layout::new::<S>(part.job.matrix.cols, <U<S> as Unpack<S>>::SPLIT);
                crate::scratch::with(layout.bytes, |memory| {
                    s.enter(Fill::<U<S>> { panel: part, layout, memory, of: PhantomData });
                    part.multiply::<S, U<S>>(s, layout, memory);
                });
            }, else float::panel(s, part))
        }
    }
}

/// Where the parts of an unpacked panel lie in scratch memory.
#[derive(Clone, Copy)]
struct Layout {
    /// Bytes (padded / 4 groups, 2 × LANES rows, 4); group g holds columns as `Activations::q` orders them.
    q: usize,
    /// (groups of 16 or 32 columns, 2 × LANES): what a sum starts from, to undo the offset of activations.
    start: usize,
    /// (groups, 2 × LANES) scales, then minimums.
    d: usize,
    m: usize,
    /// LANES rows before they are transposed, and their scales.
    rows: usize,
    bytes: usize,
}

impl Layout {
    fn new<S: Simd>(cols: usize, split: bool) -> Self {
        let padded = cols.next_multiple_of(PAD);
        let width = 2 * S::LANES;
        let groups = padded / if split { 16 } else { 32 };
        let start = padded * width;
        let d = start + groups * width * 4;
        let m = d + groups * width * 4;
        let rows = m + groups * width * 4;
        Self { q: 0, start, d, m, rows, bytes: rows + S::LANES * S::LANES * 4 * 6 }
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
        let width = 2 * vector;
        for part in 0..2 {
            let to = self.memory.add((chunk * 2 + part) * S::LANES * width + side * vector);
            s.transpose(at(part, 0), vector, to, width);
            if part == 0 || U::SPLIT {
                self.scales(s, at(2 + part, 0), self.layout.d, side, chunk, part);
                if U::MIN {
                    self.scales(s, at(4 + part, 0), self.layout.m, side, chunk, part);
                }
            }
        }
    }

    /// Lays the scales of LANES rows, four equal lanes for each block, as one vector for each block.
    #[inline(always)]
    unsafe fn scales<S: Simd>(&self, s: S, rows: *const u8, to: usize, side: usize, chunk: usize, part: usize)
    where
        U: Unpack<S>,
    {
        let width = 2 * S::LANES;
        let to = self.memory.add(to).cast::<f32>();
        for b in 0..S::LANES / 4 {
            let block = chunk * (S::LANES / 4) + b;
            let group = if U::SPLIT { block * 2 + part } else { block };
            for r in 0..S::LANES {
                *to.add(group * width + side * S::LANES + r) = *rows.cast::<f32>().add(r * S::LANES + b * 4);
            }
        }
        let _ = s;
    }

    /// A chunk behind the last column.
    #[inline(always)]
    unsafe fn nothing<S: Simd>(&self, s: S, side: usize, chunk: usize)
    where
        U: Unpack<S>,
    {
        let (vector, width) = (4 * S::LANES, 8 * S::LANES);
        for group in chunk * 2 * S::LANES..(chunk + 1) * 2 * S::LANES {
            s.store_i(self.memory.add(group * width + side * vector), s.zero_i());
        }
        let blocks = S::LANES / 4 * if U::SPLIT { 2 } else { 1 };
        for group in chunk * blocks..(chunk + 1) * blocks {
            for to in [self.layout.d, self.layout.m] {
                s.store_i(self.memory.add(to + group * width + side * vector), s.zero_i());
            }
        }
    }

    /// For each group and row −128 · Σ weights, which undoes that activations are offset by 128.
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
                let mut sum = s.zero_i();
                for part in 0..2 {
                    let group = group_of::<S>(block, part);
                    for j in 0..4 {
                        let w = s.load_i(self.memory.add((group + j) * width + side * 4 * S::LANES));
                        sum = s.dot(sum, ones, w);
                    }
                    let to = |group| self.memory.add(self.layout.start + group * width + side * 4 * S::LANES);
                    if U::SPLIT {
                        s.store_i(to(block * 2 + part), s.mul_i(sum, offset));
                        sum = s.zero_i();
                    } else if part == 1 {
                        s.store_i(to(block), s.mul_i(sum, offset));
                    }
                }
            }
        }
    }
}

/// The first of the four groups of four columns that are half `part` of block `block`.
#[inline(always)]
const fn group_of<S: Simd>(block: usize, part: usize) -> usize {
    let blocks = S::LANES / 4;
    block / blocks * 2 * S::LANES + part * S::LANES + block % blocks * 4
}

impl Panel<'_> {
    /// All tokens against the unpacked panel.
    #[inline(always)]
    unsafe fn multiply<S: Simd, U: Unpack<S>>(self, s: S, layout: Layout, memory: *const u8) {
        let blocks = self.x.padded() / 32;
        let matrix = &self.job.matrix;
        let next = matrix.bytes.as_ptr().wrapping_add((self.row + 2 * S::LANES) * matrix.row_bytes);
        // Lines that each of the first groups asks for beside each block.
        let asking = self.tokens.div_ceil(TILE).clamp(1, ASKING);
        // Groups of nearly the same size: a group of one or two tokens would wait for its sums.
        let each = self.tokens.div_ceil(self.tokens.div_ceil(TILE).max(1));
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
        let padded = x.padded();
        let q = x.q.as_slice().as_ptr().add(self.token * padded);
        let scale = x.scale.as_slice().as_ptr().add(self.token * padded / 32);
        let (sums, sums_each) = if U::SPLIT { (&x.sum16, padded / 16) } else { (&x.sum32, padded / 32) };
        let sums = sums.as_slice().as_ptr().add(self.token * sums_each);
        let vector = 4 * S::LANES;
        let at = |base: usize, group: usize, side: usize| {
            self.memory.add(base + group * 2 * vector + side * vector)
        };
        let mut total = [[s.splat(0.0); 2]; T];
        // A loop that the compiler cannot unroll: unrolled, it moves loads up until the sums leave the registers.
        let quarter = std::hint::black_box(4);
        for block in self.stretch.0..self.stretch.1 {
            for line in 0..self.lines {
                prefetch_l2(self.next.wrapping_add((block * self.lines + line) * 64));
            }
            let mut acc = [[s.zero_i(); 2]; T];
            for part in 0..2 {
                if part == 0 || U::SPLIT {
                    let group = if U::SPLIT { block * 2 + part } else { block };
                    let start = [
                        s.load_i(at(self.layout.start, group, 0)),
                        s.load_i(at(self.layout.start, group, 1)),
                    ];
                    acc = [start; T];
                }
                let first = group_of::<S>(block, part);
                for j in 0..quarter {
                    let w = [
                        s.load_i(at(self.layout.q, first + j, 0)),
                        s.load_i(at(self.layout.q, first + j, 1)),
                    ];
                    for t in 0..T {
                        let a = s.splat_bytes(q.add(t * padded + (first + j) * 4));
                        for side in 0..2 {
                            acc[t][side] = if U::WIDE {
                                s.dot_wide_panel(acc[t][side], a, w[side])
                            } else {
                                s.dot(acc[t][side], a, w[side])
                            };
                        }
                    }
                }
                if part == 1 || U::SPLIT {
                    let group = if U::SPLIT { block * 2 + part } else { block };
                    for side in 0..2 {
                        let d = s.load(at(self.layout.d, group, side).cast());
                        for t in 0..T {
                            let a = s.splat(*scale.add(t * padded / 32 + block));
                            total[t][side] = s.fma(s.mul(s.to_float(acc[t][side]), d), a, total[t][side]);
                        }
                        if U::MIN {
                            let m = s.load(at(self.layout.m, group, side).cast());
                            for t in 0..T {
                                total[t][side] =
                                    s.fma(m, s.splat(*sums.add(t * sums_each + group)), total[t][side]);
                            }
                        }
                    }
                }
            }
        }
        for t in 0..T {
            self.panel.store(s, self.token + t, total[t], self.stretch.0 > 0);
        }
    }
}
