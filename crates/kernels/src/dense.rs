//! Attention of every row to every row, in f32, over keys and values that lie in memory as they were computed: what encoders
//! do once with a whole picture or sound. Keys are turned so that one vector holds neighbouring rows; a task keeps the
//! scores of some queries in its second-level cache, between the two products that are its work.

// An index into several register arrays at once says more than a zip of them.
#![allow(clippy::needless_range_loop)]

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
#[cfg(target_arch = "x86_64")]
use crate::isa::Isa;
use crate::simd::{AnyOp, Op, Simd, dispatch, math};
use crate::unpack::Unpackers;
use std::cell::RefCell;

/// Floats in a line of a panel, whatever the width of vectors.
const WIDE: usize = 32;
/// Queries whose sums are held in registers.
const TILE: usize = 6;
/// Queries of a task.
const QUERIES: usize = 8 * TILE;
/// Rows of values that stay in the first-level cache: 32 KiB.
const STRETCH: usize = 256;

/// Queries from which on tiles are faster.
#[cfg(target_arch = "x86_64")]
const LEAST_TILED: usize = 17;

/// The shape of one attention.
#[derive(Debug, Clone, Copy)]
pub struct DenseAttention {
    /// Heads; queries, keys and values have the same number.
    pub heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// Multiplies q·k.
    pub scale: f32,
}

thread_local! {
    /// Keys and values as panels, kept between calls.
    static PANELS: RefCell<[Aligned<f32>; 2]> = RefCell::default();
}

impl Compute {
    /// softmax(q · kᵀ · scale) · v for each head: `q` and `out` are (queries, heads, head_dim), `k` and `v` (rows, heads,
    /// head_dim). Every query sees every row. On AMX, many queries meet 16 of the 24 bits of each number.
    ///
    /// # Panics
    /// When sizes do not agree, or there are no rows.
    pub fn dense_attention(&self, shape: DenseAttention, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let DenseAttention { heads, head_dim: dim, .. } = shape;
        let width = heads * dim;
        assert!(width > 0 && q.len().is_multiple_of(width) && q.len() == out.len());
        assert!(!k.is_empty() && k.len().is_multiple_of(width) && k.len() == v.len());
        let (queries, rows) = (q.len() / width, k.len() / width);
        #[cfg(target_arch = "x86_64")]
        if let Isa::Amx(amx) = self.isa()
            && queries >= LEAST_TILED
        {
            return crate::dense_tiles::run(self, amx, shape, [q, k, v], out);
        }
        let it = Sizes { shape, rows, panels: rows.div_ceil(WIDE), sides: dim.div_ceil(WIDE) };
        PANELS.with_borrow_mut(|[keys, values]| {
            keys.resize(heads * it.key_size());
            values.resize(heads * it.value_size());
            let (key_parts, value_parts) =
                (Parts::new(keys.as_mut_slice()), Parts::new(values.as_mut_slice()));
            self.pool().run(heads * it.panels, |task| {
                let (head, panel) = (task / it.panels, task % it.panels);
                // SAFETY: a head's panel belongs to one task, and so do its rows of values.
                unsafe {
                    it.fill_keys(
                        k,
                        head,
                        panel,
                        key_parts.part(head * it.key_size(), it.key_size()).as_mut_ptr(),
                    );
                    it.fill_values(v, head, panel, value_parts.pointer(head * it.value_size()));
                }
            });
            let (keys, values) = (keys.as_slice(), values.as_slice());
            let out = Parts::new(out);
            let blocks = queries.div_ceil(QUERIES);
            self.pool().run(heads * blocks, |task| {
                let (head, first) = (task / blocks, task % blocks * QUERIES);
                let task = Task {
                    it,
                    q,
                    keys: &keys[head * it.key_size()..][..it.key_size()],
                    values: &values[head * it.value_size()..][..it.value_size()],
                    head,
                    first,
                    count: QUERIES.min(queries - first),
                    out,
                };
                // SAFETY: the assertions above give every slice its length; tasks write different queries or heads.
                unsafe { dispatch(self.isa(), task) };
            });
        });
    }
}

#[derive(Clone, Copy)]
struct Sizes {
    shape: DenseAttention,
    rows: usize,
    /// Panels of [`WIDE`] rows.
    panels: usize,
    /// Panels of [`WIDE`] dimensions.
    sides: usize,
}

impl Sizes {
    /// Floats of one head's keys: (panels, head_dim, WIDE).
    fn key_size(&self) -> usize {
        self.panels * self.shape.head_dim * WIDE
    }

    /// Floats of one head's values: (sides, panels · WIDE rows, WIDE).
    fn value_size(&self) -> usize {
        self.sides * self.panels * WIDE * WIDE
    }

    /// Turns the keys of a panel; rows that are not there become zero.
    ///
    /// # Safety
    /// `to` is valid for a head's keys, and nobody else writes this panel.
    unsafe fn fill_keys(&self, k: &[f32], head: usize, panel: usize, to: *mut f32) {
        let DenseAttention { heads, head_dim: dim, .. } = self.shape;
        let to = std::slice::from_raw_parts_mut(to.add(panel * dim * WIDE), dim * WIDE);
        let count = WIDE.min(self.rows - panel * WIDE);
        if count < WIDE {
            to.fill(0.0);
        }
        for row in 0..count {
            let key = &k[((panel * WIDE + row) * heads + head) * dim..][..dim];
            for (d, &value) in key.iter().enumerate() {
                to[d * WIDE + row] = value;
            }
        }
    }

    /// Copies the values of a panel's rows; what is not there becomes zero.
    ///
    /// # Safety
    /// `to` is valid for a head's values, and nobody else writes these rows.
    unsafe fn fill_values(&self, v: &[f32], head: usize, panel: usize, to: *mut f32) {
        let DenseAttention { heads, head_dim: dim, .. } = self.shape;
        for side in 0..self.sides {
            let count = WIDE.min(dim - side * WIDE);
            for row in panel * WIDE..(panel + 1) * WIDE {
                let line = to.add((side * self.panels * WIDE + row) * WIDE);
                let line = std::slice::from_raw_parts_mut(line, WIDE);
                line.fill(0.0);
                if row < self.rows {
                    let value = &v[(row * heads + head) * dim + side * WIDE..][..count];
                    line[..count].copy_from_slice(value);
                }
            }
        }
    }
}

/// Some queries of one head.
struct Task<'a> {
    it: Sizes,
    q: &'a [f32],
    keys: &'a [f32],
    values: &'a [f32],
    head: usize,
    first: usize,
    count: usize,
    out: Parts<'a, f32>,
}

impl AnyOp for Task<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        let (lines, dim) = (self.it.panels * WIDE, self.it.shape.head_dim);
        // (queries, lines) scores, (queries, head_dim) queries, (queries, sides · WIDE) sums, (queries) totals.
        let floats = QUERIES * (lines + dim + self.it.sides * WIDE + 1);
        crate::scratch::with(floats * 4, |memory| {
            let scores = memory.cast::<f32>();
            let query = scores.add(QUERIES * lines);
            let sums = query.add(QUERIES * dim);
            let totals = sums.add(QUERIES * self.it.sides * WIDE);
            s.enter(Run { task: &self, scores, query, sums, totals });
        });
    }
}

struct Run<'a> {
    task: &'a Task<'a>,
    scores: *mut f32,
    query: *mut f32,
    sums: *mut f32,
    totals: *mut f32,
}

impl<S: Simd> Op<S> for Run<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Task { it, count, .. } = *self.task;
        let DenseAttention { heads, head_dim: dim, scale } = it.shape;
        for at in 0..count {
            let row = (self.task.first + at) * heads + self.task.head;
            for d in 0..dim {
                *self.query.add(at * dim + d) = self.task.q[row * dim + d] * scale;
            }
        }
        // Rows of a last tile that are no query: their sums are computed and not used.
        std::ptr::write_bytes(self.query.add(count * dim), 0, (QUERIES - count) * dim);
        for panel in 0..it.panels {
            for tile in 0..count.div_ceil(TILE) {
                self.score(s, panel, tile * TILE);
            }
        }
        for at in 0..count {
            self.softmax(s, at);
        }
        let lines = it.panels * WIDE;
        for side in 0..it.sides {
            for from in (0..it.rows).step_by(STRETCH) {
                for tile in 0..count.div_ceil(TILE) {
                    self.gather(s, side, (from, it.rows.min(from + STRETCH)), tile * TILE, lines);
                }
            }
        }
        for at in 0..count {
            let row = (self.task.first + at) * heads + self.task.head;
            let out = self.task.out.part(row * dim, dim);
            let total = 1.0 / *self.totals.add(at);
            for (d, out) in out.iter_mut().enumerate() {
                *out = *self.sums.add(at * it.sides * WIDE + d) * total;
            }
        }
    }
}

impl Run<'_> {
    /// Scores of `TILE` queries from `at` on with the rows of a panel.
    #[inline(always)]
    unsafe fn score<S: Simd>(&self, s: S, panel: usize, at: usize) {
        let it = &self.task.it;
        let (dim, lines) = (it.shape.head_dim, it.panels * WIDE);
        let query = self.query.add(at * dim);
        for from in (0..WIDE).step_by(2 * S::LANES) {
            let keys = self.task.keys.as_ptr().add(panel * dim * WIDE + from);
            let mut total = [[s.splat(0.0); 2]; TILE];
            for d in 0..dim {
                let line = keys.add(d * WIDE);
                let k = [s.load(line), s.load(line.add(S::LANES))];
                for t in 0..TILE {
                    let a = s.splat(*query.add(t * dim + d));
                    for side in 0..2 {
                        total[t][side] = s.fma(a, k[side], total[t][side]);
                    }
                }
            }
            for t in 0..TILE {
                let to = self.scores.add((at + t) * lines + panel * WIDE + from);
                s.store(to, total[t][0]);
                s.store(to.add(S::LANES), total[t][1]);
            }
        }
    }

    /// exp(score − largest) of a query, and their sum.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, s: S, at: usize) {
        let it = &self.task.it;
        let lines = it.panels * WIDE;
        let scores = self.scores.add(at * lines);
        for line in it.rows..lines {
            *scores.add(line) = f32::NEG_INFINITY;
        }
        let mut largest = s.load(scores);
        for line in (0..lines).step_by(S::LANES) {
            largest = s.max(largest, s.load(scores.add(line)));
        }
        let largest = s.splat(s.largest(largest));
        let mut total = s.splat(0.0);
        for line in (0..lines).step_by(S::LANES) {
            let weight = math::exp(s, s.sub(s.load(scores.add(line)), largest));
            s.store(scores.add(line), weight);
            total = s.add(total, weight);
        }
        // What is behind the last row has weight e⁻⁸⁷, next to nothing.
        *self.totals.add(at) = s.sum(total);
    }

    /// Adds weight · value of rows `from .. to` for `TILE` queries and the dimensions of a side.
    #[inline(always)]
    unsafe fn gather<S: Simd>(&self, s: S, side: usize, (from, to): (usize, usize), at: usize, lines: usize) {
        let it = &self.task.it;
        let scores = self.scores.add(at * lines);
        for part in (0..WIDE).step_by(2 * S::LANES) {
            let values = self.task.values.as_ptr().add(side * lines * WIDE + part);
            let sums = self.sums.add(at * it.sides * WIDE + side * WIDE + part);
            let stride = it.sides * WIDE;
            let mut total = [[s.splat(0.0); 2]; TILE];
            if from > 0 {
                for t in 0..TILE {
                    total[t] = [s.load(sums.add(t * stride)), s.load(sums.add(t * stride + S::LANES))];
                }
            }
            for row in from..to {
                let line = values.add(row * WIDE);
                let v = [s.load(line), s.load(line.add(S::LANES))];
                for t in 0..TILE {
                    let a = s.splat(*scores.add(t * lines + row));
                    for half in 0..2 {
                        total[t][half] = s.fma(a, v[half], total[t][half]);
                    }
                }
            }
            for t in 0..TILE {
                s.store(sums.add(t * stride), total[t][0]);
                s.store(sums.add(t * stride + S::LANES), total[t][1]);
            }
        }
    }
}
