//! [`Compute::dense_attention`] on AMX: scores and sums of values are products in nearly single precision (`tiles::split`), and the
//! softmax between them is computed in f32. A task keeps the scores and weights of 32 queries, and one head's keys and values, in
//! its second-level cache.

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::dense::DenseAttention;
use crate::format::Format;
use crate::isa::{Amx, Avx512Vnni};
use crate::linear::SplitRows;
use crate::simd::{Simd, math};
use crate::tiles::split::{self, STEP, Split, SplitRow, split};
use crate::tiles::{DEPTH, ROWS, TILE, TileOp, Tiles};
use std::arch::x86_64::*;
use std::cell::RefCell;

/// Queries, keys and dimensions of a block of sums.
const GROUP: usize = 2 * ROWS;
/// Groups of queries of a task.
const GROUPS: usize = 4;
/// The score of a row that is not there.
const UNSEEN: f32 = -1e30;

thread_local! {
    /// Keys and values as panels, kept between calls.
    static PANELS: RefCell<[Aligned<u16>; 2]> = RefCell::default();
}

/// As [`Compute::dense_attention`], whose sizes have been checked.
pub(crate) fn run(
    compute: &Compute,
    amx: Amx,
    shape: DenseAttention,
    [q, k, v]: [&[f32]; 3],
    out: &mut [f32],
) {
    let width = shape.heads * shape.head_dim;
    let (queries, rows) = (q.len() / width, k.len() / width);
    let it = Sizes { shape, rows, panels: rows.div_ceil(GROUP), steps: shape.head_dim.div_ceil(DEPTH) };
    PANELS.with_borrow_mut(|[keys, values]| {
        keys.resize(shape.heads * it.size());
        values.resize(shape.heads * it.size());
        let (key_parts, value_parts) = (Parts::new(keys.as_mut_slice()), Parts::new(values.as_mut_slice()));
        compute.pool().run(shape.heads * it.panels, |task| {
            let (head, panel) = (task / it.panels, task % it.panels);
            let (keys, values) = (key_parts.pointer(head * it.size()), value_parts.pointer(head * it.size()));
            // SAFETY: a panel of a head belongs to one task, and both buffers have room for all of them.
            unsafe { amx.enter(Fill { it, k, v, head, panel, keys, values }) };
        });
        let (keys, values) = (keys.as_slice(), values.as_slice());
        let out = Parts::new(out);
        let each = GROUP * GROUPS;
        let blocks = queries.div_ceil(each);
        compute.pool().run(shape.heads * blocks, |task| {
            let (head, first) = (task / blocks, task % blocks * each);
            crate::scratch::with(Memory::bytes(&it), |memory| {
                let (keys, values) = (&keys[head * it.size()..], &values[head * it.size()..]);
                let queries = (first, queries.min(first + each));
                // SAFETY: the caller has checked every slice's length; tasks write different queries or heads; `memory` is as
                // large as `Memory` says.
                unsafe {
                    let memory = Memory::new(&it, memory.cast());
                    amx.enter(Task { it, q, keys, values, head, queries, out, memory });
                }
            });
        });
    });
}

#[derive(Clone, Copy)]
struct Sizes {
    shape: DenseAttention,
    rows: usize,
    /// Panels of 32 rows.
    panels: usize,
    /// Steps of 32 dimensions.
    steps: usize,
}

impl Sizes {
    /// Of one head: keys are (panels, steps, STEP), values (steps, panels, STEP).
    fn size(&self) -> usize {
        self.panels * self.steps * STEP
    }
}

/// Splits one panel of a head's keys and values.
struct Fill<'a> {
    it: Sizes,
    k: &'a [f32],
    v: &'a [f32],
    head: usize,
    panel: usize,
    keys: *mut u16,
    values: *mut u16,
}

impl TileOp for Fill<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let (s, it) = (amx.avx512(), self.it);
        let DenseAttention { heads, head_dim: dim, .. } = it.shape;
        let first = (self.panel * GROUP * heads + self.head) * dim;
        let (stride, rows) = (heads * dim, GROUP.min(it.rows - self.panel * GROUP));
        let keys = SplitRows {
            format: Format::F32,
            first: self.k[first..].as_ptr().cast(),
            stride: stride * 4,
            rows,
            cols: dim,
        };
        keys.fill(s, self.keys.add(self.panel * it.steps * STEP));
        let v = self.v[first..].as_ptr();
        for d in (0..it.steps * DEPTH).step_by(ROWS) {
            let tile = (d / DEPTH * it.panels + self.panel) * STEP + d % DEPTH / ROWS * TILE;
            let to = self.values.add(tile);
            for row in (0..GROUP).step_by(2) {
                let mut lines = [_mm512_setzero_ps(); 2];
                for (i, line) in lines.iter_mut().enumerate() {
                    if row + i < rows && d < dim {
                        let from = v.add((row + i) * stride + d);
                        *line = if dim - d < ROWS { s.load_first(from, dim - d) } else { s.load(from) };
                    }
                }
                for (part, values) in split(lines[0], lines[1]).into_iter().enumerate() {
                    s.store_i(to.add(part * 2 * TILE + row * ROWS).cast(), alternate(values));
                }
            }
        }
    }
}

/// Words 0 and 16, 1 and 17 …: the sixteen of each half in turn.
#[inline(always)]
unsafe fn alternate(words: __m512i) -> __m512i {
    let low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let turns = _mm512_or_si512(low, _mm512_slli_epi32::<16>(_mm512_add_epi32(low, _mm512_set1_epi32(16))));
    _mm512_permutexvar_epi16(turns, words)
}

/// Where a task keeps what it works on.
#[derive(Clone, Copy)]
struct Memory {
    /// (steps, STEP): 32 queries.
    query: *mut u16,
    /// (panels, STEP)
    weights: *mut u16,
    /// (panels, 32 queries, 32 rows)
    scores: *mut f32,
    /// (32 queries, steps · 32)
    sums: *mut f32,
    /// (32 queries, 16): the largest score and Σ weights, in lanes.
    largest: *mut f32,
    totals: *mut f32,
}

impl Memory {
    fn bytes(it: &Sizes) -> usize {
        (it.steps + it.panels) * STEP * 2 + (it.panels + it.steps + 1) * GROUP * GROUP * 4
    }

    unsafe fn new(it: &Sizes, memory: *mut u16) -> Self {
        let weights = memory.add(it.steps * STEP);
        let scores = weights.add(it.panels * STEP).cast::<f32>();
        let sums = scores.add(it.panels * GROUP * GROUP);
        let largest = sums.add(it.steps * GROUP * GROUP);
        Self { query: memory, weights, scores, sums, largest, totals: largest.add(GROUP * ROWS) }
    }
}

/// Some queries of one head.
struct Task<'a> {
    it: Sizes,
    q: &'a [f32],
    keys: &'a [u16],
    values: &'a [u16],
    head: usize,
    /// First and end.
    queries: (usize, usize),
    out: Parts<'a, f32>,
    memory: Memory,
}

impl TileOp for Task<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let Self { it, memory, .. } = self;
        let s = amx.avx512();
        let tiles = Tiles::new(amx);
        for first in (self.queries.0..self.queries.1).step_by(GROUP) {
            let count = GROUP.min(self.queries.1 - first);
            self.load(amx, first, count);
            for panel in 0..it.panels {
                let block = Split {
                    left: memory.query,
                    right: self.keys.as_ptr().add(panel * it.steps * STEP),
                    steps: it.steps,
                    out: memory.scores.add(panel * GROUP * GROUP),
                    stride: GROUP,
                    add: false,
                };
                split::product(&tiles, &block);
                self.see(s, panel);
            }
            self.weigh(s);
            for step in 0..it.steps {
                let block = Split {
                    left: memory.weights,
                    right: self.values.as_ptr().add(step * it.panels * STEP),
                    steps: it.panels,
                    out: memory.sums.add(step * GROUP),
                    stride: it.steps * GROUP,
                    add: false,
                };
                split::product(&tiles, &block);
            }
            self.store(s, first, count);
        }
    }
}

impl Task<'_> {
    /// Splits `count` queries, scaled so that scores are powers of two; the rest of 32 is zero.
    #[inline(always)]
    unsafe fn load(&self, amx: Amx, first: usize, count: usize) {
        let (s, it, memory) = (amx.avx512(), self.it, self.memory);
        let DenseAttention { heads, head_dim: dim, scale } = it.shape;
        let (line, scale) = (memory.sums, scale * std::f32::consts::LOG2_E);
        line.write_bytes(0, it.steps * DEPTH);
        for at in 0..GROUP {
            if at < count {
                let query = &self.q[((first + at) * heads + self.head) * dim..][..dim];
                for (d, value) in query.iter().enumerate() {
                    *line.add(d) = value * scale;
                }
            } else {
                line.write_bytes(0, it.steps * DEPTH);
            }
            let to = memory.query.add(at * DEPTH);
            SplitRow { row: line, steps: it.steps, to }.run(amx);
            s.store(memory.largest.add(at * ROWS), s.splat(UNSEEN));
        }
    }

    /// Keeps the largest scores of a panel's rows.
    #[inline(always)]
    unsafe fn see(&self, s: Avx512Vnni, panel: usize) {
        let scores = self.memory.scores.add(panel * GROUP * GROUP);
        let rows = GROUP.min(self.it.rows - panel * GROUP);
        for at in 0..GROUP {
            let line = scores.add(at * GROUP);
            (rows..GROUP).for_each(|row| *line.add(row) = UNSEEN);
            let largest = self.memory.largest.add(at * ROWS);
            let scores = s.max(s.load(line), s.load(line.add(ROWS)));
            s.store(largest, s.max(s.load(largest), scores));
        }
    }

    /// 2^(score − largest), split, and its sum for each query.
    #[inline(always)]
    unsafe fn weigh(&self, s: Avx512Vnni) {
        let memory = self.memory;
        for at in 0..GROUP {
            let largest = memory.largest.add(at * ROWS);
            s.store(largest, s.splat(s.largest(s.load(largest))));
            s.store(memory.totals.add(at * ROWS), s.splat(0.0));
        }
        for panel in 0..self.it.panels {
            let scores = memory.scores.add(panel * GROUP * GROUP);
            let weights = memory.weights.add(panel * STEP);
            for at in 0..GROUP {
                let (line, total) = (scores.add(at * GROUP), memory.totals.add(at * ROWS));
                let largest = s.load(memory.largest.add(at * ROWS));
                let first = math::exp2(s, s.sub(s.load(line), largest));
                let last = math::exp2(s, s.sub(s.load(line.add(ROWS)), largest));
                s.store(total, s.add(s.load(total), s.add(first, last)));
                for (part, values) in split(first, last).into_iter().enumerate() {
                    s.store_i(weights.add(part * 2 * TILE + at * DEPTH).cast(), values);
                }
            }
        }
    }

    /// Divides the sums of `count` queries by their weights' and puts them in their places.
    #[inline(always)]
    unsafe fn store(&self, s: Avx512Vnni, first: usize, count: usize) {
        let DenseAttention { heads, head_dim: dim, .. } = self.it.shape;
        for at in 0..count {
            let out = self.out.part(((first + at) * heads + self.head) * dim, dim).as_mut_ptr();
            let sums = self.memory.sums.add(at * self.it.steps * GROUP);
            let scale = s.splat(1.0 / s.sum(s.load(self.memory.totals.add(at * ROWS))));
            for d in (0..dim).step_by(ROWS) {
                let value = s.mul(s.load(sums.add(d)), scale);
                if dim - d < ROWS {
                    s.store_first(out.add(d), dim - d, value)
                } else {
                    s.store(out.add(d), value)
                }
            }
        }
    }
}
