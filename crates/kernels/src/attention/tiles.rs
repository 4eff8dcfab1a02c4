//! Attention of many queries on AMX: a block of positions at a time, scores and sums of values are products of bfloat16 tiles, and
//! the softmax between them is computed in f32 with lanes of positions (the tiling of FlashAttention, Dao et al. 2022).

use super::panels::Source;
use super::rows::Rows;
use super::shape::{KV_BLOCK, KvShape};
use crate::isa::{Amx, Avx512Vnni};
use crate::simd::{Simd, math};
use crate::tiles::{self, DEPTH, ROWS, TILE, TileOp, Tiles, to_bf16};
use std::arch::x86_64::*;

/// Positions between two updates of the running softmax.
pub(super) const BLOCK: usize = 4 * KV_BLOCK;

/// Rows that are multiplied at a time, …
const GROUP: usize = 2 * ROWS;

/// … and rows of a task, which meet a block of keys and values while it is in the cache.
pub(super) const TASK_ROWS: usize = 2 * GROUP;

/// The score of a position that a row does not see.
const UNSEEN: f32 = -1e30;

/// Where the parts of one head's block of keys and values lie, in bfloat16 values from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Steps of 32 dimensions. Before all else the keys: (BLOCK / 32, steps, 2, 16 pairs of dimensions, 16 positions, 2).
    steps: usize,
    /// (steps, BLOCK / 32, 2, 16 pairs of positions, 16 dimensions, 2)
    values: usize,
    /// Of all.
    pub(super) size: usize,
}

impl Layout {
    pub(super) fn new(kv: KvShape) -> Self {
        let steps = kv.head_dim.div_ceil(DEPTH);
        let values = steps * DEPTH * BLOCK;
        Self { steps, values, size: 2 * values }
    }
}

/// Rounds one block of keys and values.
pub(super) struct Fill<'a> {
    pub(super) source: Source<'a>,
    /// First position of the block.
    pub(super) at: usize,
    /// What `source` makes of its positions goes here first.
    pub(super) floats: *mut f32,
    /// As [`Layout`] says.
    pub(super) panel: *mut u16,
}

impl TileOp for Fill<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let (s, kv) = (amx.avx512(), self.source.kv);
        let (layout, dim, padded) = (Layout::new(kv), kv.head_dim, kv.padded());
        let each = super::panels::BLOCK;
        for part in (0..BLOCK).step_by(each) {
            self.source.load::<Avx512Vnni, true>(s, self.at + part, self.floats);
            for b in 0..each / KV_BLOCK {
                let from = self.floats.add(b * dim * KV_BLOCK);
                let to = self.panel.add((part / KV_BLOCK + b) * layout.steps * 2 * TILE);
                for d in (0..layout.steps * DEPTH).step_by(2) {
                    for half in 0..2 {
                        let line = from.wrapping_add(d * KV_BLOCK + half * ROWS);
                        let to = to.add((d / DEPTH * 2 + half) * TILE + d % DEPTH * ROWS);
                        pair(line, line.wrapping_add(KV_BLOCK), dim.saturating_sub(d), to);
                    }
                }
            }
            self.source.load::<Avx512Vnni, false>(s, self.at + part, self.floats);
            for b in 0..each / KV_BLOCK {
                for d in (0..layout.steps * DEPTH).step_by(ROWS) {
                    let step = d / DEPTH * (BLOCK / KV_BLOCK) + part / KV_BLOCK + b;
                    let to = self.panel.add(layout.values + (step * 2 + d % DEPTH / ROWS) * TILE);
                    for p in (0..KV_BLOCK).step_by(2) {
                        let line = self.floats.wrapping_add((b * KV_BLOCK + p) * padded + d);
                        let there = if d < padded { 2 } else { 0 };
                        pair(line, line.wrapping_add(padded), there, to.add(p * ROWS));
                    }
                }
            }
        }
    }
}

/// Sixteen values of two lines, of which the first `there` exist, side by side; zeros for a line that does not.
#[inline(always)]
unsafe fn pair(first: *const f32, second: *const f32, there: usize, to: *mut u16) {
    let first = if there > 0 { _mm512_loadu_ps(first) } else { _mm512_setzero_ps() };
    let second = if there > 1 { _mm512_loadu_ps(second) } else { _mm512_setzero_ps() };
    // Words 0 and 16, 1 and 17 …: the sixteen of each line in turn.
    let low = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let turns = _mm512_or_si512(low, _mm512_slli_epi32::<16>(_mm512_add_epi32(low, _mm512_set1_epi32(16))));
    _mm512_storeu_si512(to.cast(), _mm512_permutexvar_epi16(turns, to_bf16(first, second)));
}

/// The attention of at most [`TASK_ROWS`] rows.
pub(super) struct Tile<'a> {
    pub(super) of: Rows<'a>,
    /// Blocks of the span's panels from position `from` on, a multiple of [`BLOCK`].
    pub(super) panels: *const u16,
    pub(super) from: usize,
    pub(super) memory: *mut u8,
}

impl Tile<'_> {
    /// Bytes of `memory`.
    pub(super) fn bytes(kv: KvShape) -> usize {
        let dims = Layout::new(kv).steps * DEPTH;
        TASK_ROWS * (dims * 6 + ROWS * 4 + 4) + GROUP * BLOCK * 6
    }
}

/// Where a task keeps what it works on.
#[derive(Clone, Copy)]
struct Memory {
    /// (dimensions): those of a head in whole steps.
    dims: usize,
    /// (TASK_ROWS / 32, steps, 2, 16 rows, 32 dimensions)
    q: *mut u16,
    /// (TASK_ROWS, dims)
    sums: *mut f32,
    /// (TASK_ROWS, 16): Σ weights, in lanes.
    total: *mut f32,
    /// (TASK_ROWS): what weights are relative to, as a power of two.
    largest: *mut f32,
    /// (GROUP, BLOCK)
    scores: *mut f32,
    /// (BLOCK / 32, 2, 16 rows, 32 positions)
    weights: *mut u16,
}

impl Memory {
    unsafe fn new(kv: KvShape, memory: *mut u8) -> Self {
        let dims = Layout::new(kv).steps * DEPTH;
        // Whole cache lines each but for the last.
        let sums = memory.add(TASK_ROWS * dims * 2).cast::<f32>();
        let total = sums.add(TASK_ROWS * dims);
        let scores = total.add(TASK_ROWS * ROWS);
        let weights = scores.add(GROUP * BLOCK).cast::<u16>();
        let largest = weights.add(GROUP * BLOCK).cast();
        Self { dims, q: memory.cast(), sums, total, largest, scores, weights }
    }
}

impl TileOp for Tile<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let (s, rows) = (amx.avx512(), self.of.len());
        let memory = Memory::new(self.of.rules.kv, self.memory);
        let layout = Layout::new(self.of.rules.kv);
        let run = Run { of: &self.of, layout, memory };
        run.load_queries(s);
        let tiles = Tiles::new(amx);
        let mut start = self.of.first(self.of.position(0)) / BLOCK * BLOCK;
        while start <= self.of.position(rows - 1) {
            let panel = self.panels.add((start - self.from) / BLOCK * layout.size);
            for row in (0..rows).step_by(GROUP) {
                run.block(s, &tiles, panel, start, (row, rows.min(row + GROUP)));
            }
            start += BLOCK;
        }
        drop(tiles);
        run.finish(s);
    }
}

struct Run<'a> {
    of: &'a Rows<'a>,
    layout: Layout,
    memory: Memory,
}

impl Run<'_> {
    /// Rounds the rows' queries; nothing has been seen.
    #[inline(always)]
    unsafe fn load_queries(&self, s: Avx512Vnni) {
        let (of, memory, dim) = (self.of, &self.memory, self.of.rules.kv.head_dim);
        let line = memory.sums;
        line.write_bytes(0, memory.dims);
        for row in 0..of.len() {
            line.copy_from_nonoverlapping(of.q[of.place(row)..][..dim].as_ptr(), dim);
            for step in 0..self.layout.steps {
                let tile = (row / GROUP * self.layout.steps + step) * 2 + row % GROUP / ROWS;
                let values = to_bf16(s.load(line.add(step * DEPTH)), s.load(line.add(step * DEPTH + ROWS)));
                s.store_i(memory.q.add(tile * TILE + row % ROWS * DEPTH).cast(), values);
            }
            *memory.largest.add(row) = f32::NEG_INFINITY;
        }
        memory.sums.write_bytes(0, of.len() * memory.dims);
        memory.total.write_bytes(0, of.len() * ROWS);
    }

    /// Rows `rows.0 .. rows.1` meet the block of positions at `start`.
    #[inline(always)]
    unsafe fn block(
        &self,
        s: Avx512Vnni,
        tiles: &Tiles,
        panel: *const u16,
        start: usize,
        rows: (usize, usize),
    ) {
        let (of, memory, steps) = (self.of, &self.memory, self.layout.steps);
        // Positions of the block that some row sees, in whole blocks of the cache.
        let first = of.first(of.position(rows.0)).max(start) - start;
        let end = (of.position(rows.1 - 1) + 1).saturating_sub(start).min(BLOCK);
        if first >= end {
            return;
        }
        let (first, end) = (first / KV_BLOCK, end.div_ceil(KV_BLOCK));
        let half = rows.1 - rows.0 <= ROWS;
        for b in first..end {
            tiles::product(
                tiles,
                &tiles::Block {
                    left: memory.q.add(rows.0 / GROUP * steps * 2 * TILE),
                    right: panel.add(b * steps * 2 * TILE),
                    steps,
                    out: memory.scores.add(b * KV_BLOCK),
                    stride: BLOCK,
                    add: false,
                    half,
                },
            );
        }
        for row in rows.0..rows.1 {
            let own = of.position(row);
            let from = of.first(own).max(start) - start;
            let to = (own + 1).saturating_sub(start).min(BLOCK);
            if from <= first * KV_BLOCK && to >= end * KV_BLOCK {
                self.weigh::<true>(s, row, (from, to), (first, end));
            } else {
                self.weigh::<false>(s, row, (from, to), (first, end));
            }
        }
        for step in 0..steps {
            tiles::product(
                tiles,
                &tiles::Block {
                    left: memory.weights.add(first * 2 * TILE),
                    right: panel.add(self.layout.values + (step * (BLOCK / KV_BLOCK) + first) * 2 * TILE),
                    steps: end - first,
                    out: memory.sums.add(rows.0 * memory.dims + step * DEPTH),
                    stride: memory.dims,
                    add: true,
                    half,
                },
            );
        }
    }

    /// A row's scores of the cache's blocks `blocks` become weights, and its sums are brought to its largest score. It sees the
    /// positions `seen`; `ALL`: all of the blocks.
    #[inline(always)]
    unsafe fn weigh<const ALL: bool>(
        &self,
        s: Avx512Vnni,
        row: usize,
        seen: (usize, usize),
        blocks: (usize, usize),
    ) {
        let (memory, rules) = (&self.memory, self.of.rules);
        let scores = memory.scores.add(row % GROUP * BLOCK);
        let weights = memory.weights.add(row % GROUP / ROWS * TILE + row % ROWS * DEPTH);
        if seen.0 >= seen.1 {
            for b in blocks.0..blocks.1 {
                s.store_i(weights.add(b * 2 * TILE).cast(), s.zero_i());
            }
            return;
        }
        let (inner, scale) = match rules.softcap {
            Some(cap) => (s.splat(rules.scale / cap), cap * std::f32::consts::LOG2_E),
            None => (s.splat(1.0), rules.scale * std::f32::consts::LOG2_E),
        };
        let mut most = s.splat(UNSEEN);
        for at in (blocks.0 * KV_BLOCK..blocks.1 * KV_BLOCK).step_by(ROWS) {
            let mut x = s.load(scores.add(at));
            if rules.softcap.is_some() {
                x = math::tanh(s, s.mul(x, inner));
            }
            if !ALL {
                x = _mm512_mask_mov_ps(s.splat(UNSEEN), lanes(seen.0, seen.1, at), x);
            }
            if rules.softcap.is_some() || !ALL {
                s.store(scores.add(at), x);
            }
            most = s.max(most, x);
        }
        let (before, most) = (*memory.largest.add(row), s.largest(most) * scale);
        let total = memory.total.add(row * ROWS);
        if most > before {
            *memory.largest.add(row) = most;
            let keep = s.splat((before - most).exp2());
            s.store(total, s.mul(s.load(total), keep));
            let sums = memory.sums.add(row * memory.dims);
            for d in (0..memory.dims).step_by(ROWS) {
                s.store(sums.add(d), s.mul(s.load(sums.add(d)), keep));
            }
        }
        let (scale, shift) = (s.splat(scale), s.splat(-before.max(most)));
        let mut sum = s.load(total);
        for b in blocks.0..blocks.1 {
            let line = scores.add(b * KV_BLOCK);
            let first = math::exp2_for_bytes(s, s.fma(s.load(line), scale, shift), 1.0);
            let last = math::exp2_for_bytes(s, s.fma(s.load(line.add(ROWS)), scale, shift), 1.0);
            s.store_i(weights.add(b * 2 * TILE).cast(), to_bf16(first, last));
            sum = s.add(sum, s.add(first, last));
        }
        s.store(total, sum);
    }

    /// Sums over totals go to the output.
    #[inline(always)]
    unsafe fn finish(&self, s: Avx512Vnni) {
        let (of, memory, dim) = (self.of, &self.memory, self.of.rules.kv.head_dim);
        for row in 0..of.len() {
            let share = 1.0 / s.sum(s.load(memory.total.add(row * ROWS)));
            let sums = std::slice::from_raw_parts(memory.sums.add(row * memory.dims), dim);
            let out = of.out.part(of.place(row), dim);
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum * share);
        }
    }
}

/// Which of the sixteen positions from `at` on lie within `from .. to`.
#[inline(always)]
fn lanes(from: usize, to: usize, at: usize) -> u16 {
    let below = |end: usize| (1u32 << end.saturating_sub(at).min(ROWS)) - 1;
    (below(to) & !below(from)) as u16
}
