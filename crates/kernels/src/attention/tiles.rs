//! Attention of many queries on AMX: a block of positions at a time, scores and sums of values are products of bfloat16 tiles, and
//! the softmax between them is computed in f32 with lanes of positions (the tiling of FlashAttention, Dao et al. 2022).

use super::panels::Source;
use super::rows::Rows;
use super::shape::{KV_BLOCK, KvShape};
use crate::isa::{Amx, Avx512Vnni};
use crate::simd::{Simd, math};
use crate::tiles::{self, DEPTH, ROWS, TILE, TileOp, Tiles, to_bf16};
use std::arch::x86_64::*;

/// Positions that all rows of a task meet before the next ones: what is worked on then is about as large as the first-level cache.
pub(super) const BLOCK: usize = 2 * KV_BLOCK;

/// Scores of [`GROUP`] rows and a block of the cache, and where the weights that are made of them lie, in values of theirs.
const SCORES: usize = GROUP * KV_BLOCK;
const WEIGHTS: usize = SCORES * 2;

/// Rows that are multiplied at a time, …
const GROUP: usize = 2 * ROWS;

/// … and rows of a task, which meet a block of keys and values while it is in the cache.
pub(super) const TASK_ROWS: usize = 2 * GROUP;

/// The score of a position that a row does not see.
const UNSEEN: f32 = -1e30;

/// By how many powers of two a row's weights may outgrow what they are relative to before that is brought up to the largest score.
/// Sums of floats bear far more.
const HEADROOM: f32 = 24.0;

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
        TASK_ROWS * (dims * 6 + ROWS * 4 + 4 + BLOCK * 4)
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
    /// (TASK_ROWS / 32, BLOCK / 32, 32 rows, 32 positions). Row by row they become weights, bfloat16 in two tiles of 16 rows × 32
    /// positions at the beginning of each 32 rows: where scores lay that are weights already.
    scores: *mut f32,
}

impl Memory {
    unsafe fn new(kv: KvShape, memory: *mut u8) -> Self {
        let dims = Layout::new(kv).steps * DEPTH;
        // Whole cache lines each but for the last.
        let sums = memory.add(TASK_ROWS * dims * 2).cast::<f32>();
        let total = sums.add(TASK_ROWS * dims);
        let scores = total.add(TASK_ROWS * ROWS);
        let largest = scores.add(TASK_ROWS * BLOCK);
        Self { dims, q: memory.cast(), sums, total, largest, scores }
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
            // Each step for all rows before the next one: what vectors have just written can't be loaded as a tile at once.
            let groups = [0, GROUP].map(|row| run.seen(start, (row, rows.min(row + GROUP))));
            for group in groups.iter().flatten() {
                run.score(&tiles, panel, group);
            }
            for group in groups.iter().flatten() {
                run.weigh(s, start, group);
            }
            for group in groups.iter().flatten() {
                run.add_values(&tiles, panel, group);
            }
            start += BLOCK;
        }
        drop(tiles);
        run.finish(s);
    }
}

/// Rows of a task that are multiplied together, and what they see of a block of positions.
struct Group {
    /// First row, and behind the last.
    rows: (usize, usize),
    /// Blocks of 32 positions of which some row sees something.
    blocks: (usize, usize),
    /// Each row sees all of these.
    all: bool,
}

impl Group {
    fn half(&self) -> bool {
        self.rows.1 - self.rows.0 <= ROWS
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

    /// What rows `rows.0 .. rows.1` see of the block of positions at `start`, when they do.
    #[inline(always)]
    fn seen(&self, start: usize, rows: (usize, usize)) -> Option<Group> {
        if rows.0 >= rows.1 {
            return None;
        }
        let (of, last) = (self.of, self.of.position(rows.1 - 1));
        let first = of.first(of.position(rows.0)).max(start) - start;
        let end = (last + 1).saturating_sub(start).min(BLOCK);
        let blocks = (first / KV_BLOCK, end.div_ceil(KV_BLOCK));
        // What the first row sees last and the last row sees first.
        let (to, from) = (of.position(rows.0) + 1, of.first(last));
        let all = start + blocks.1 * KV_BLOCK <= to && from <= start + blocks.0 * KV_BLOCK;
        (first < end).then_some(Group { rows, blocks, all })
    }

    /// Scores of the group's rows.
    #[inline(always)]
    unsafe fn score(&self, tiles: &Tiles, panel: *const u16, group: &Group) {
        let (memory, steps) = (&self.memory, self.layout.steps);
        for b in group.blocks.0..group.blocks.1 {
            tiles::product(
                tiles,
                &tiles::Block {
                    left: memory.q.add(group.rows.0 / GROUP * steps * 2 * TILE),
                    left_step: tiles::STEP,
                    right: panel.add(b * steps * 2 * TILE),
                    steps,
                    out: memory.scores.add(group.rows.0 * BLOCK + b * SCORES),
                    stride: KV_BLOCK,
                    add: false,
                    half: group.half(),
                },
            );
        }
    }

    /// Scores become weights, in each row relative to about its largest score.
    #[inline(always)]
    unsafe fn weigh(&self, s: Avx512Vnni, start: usize, group: &Group) {
        let of = self.of;
        let plain = group.all && group.blocks == (0, BLOCK / KV_BLOCK) && of.rules.softcap.is_none();
        for row in group.rows.0..group.rows.1 {
            if plain && self.weigh_plainly(s, row) {
                continue;
            }
            if group.all {
                self.weigh_row::<true>(s, row, (0, BLOCK), group.blocks);
            } else {
                let own = of.position(row);
                let seen = (of.first(own).max(start) - start, (own + 1).saturating_sub(start).min(BLOCK));
                self.weigh_row::<false>(s, row, seen, group.blocks);
            }
        }
    }

    /// Adds the values by their weights.
    #[inline(always)]
    unsafe fn add_values(&self, tiles: &Tiles, panel: *const u16, group: &Group) {
        let (memory, steps, (first, end)) = (&self.memory, self.layout.steps, group.blocks);
        for step in 0..steps {
            tiles::product(
                tiles,
                &tiles::Block {
                    left: memory.scores.add(group.rows.0 * BLOCK + first * SCORES).cast(),
                    left_step: WEIGHTS,
                    right: panel.add(self.layout.values + (step * (BLOCK / KV_BLOCK) + first) * 2 * TILE),
                    steps: end - first,
                    out: memory.sums.add(group.rows.0 * memory.dims + step * DEPTH),
                    stride: memory.dims,
                    add: true,
                    half: group.half(),
                },
            );
        }
    }

    /// The row's scores of the first block of the cache, and where its weights go.
    #[inline(always)]
    unsafe fn line(&self, row: usize) -> (*mut f32, *mut u16) {
        let scores = self.memory.scores.add(row / GROUP * GROUP * BLOCK);
        (scores.add(row % GROUP * KV_BLOCK), scores.cast::<u16>().add(row % GROUP * DEPTH))
    }

    /// The weights of a row that sees the whole block, when their largest score is not far above what its weights were relative to
    /// before: scores are read once, and sums stay as they are. Nothing has changed when the answer is no.
    #[inline(always)]
    unsafe fn weigh_plainly(&self, s: Avx512Vnni, row: usize) -> bool {
        let (scores, weights) = self.line(row);
        let scale = s.splat(self.of.rules.scale * std::f32::consts::LOG2_E);
        let shift = s.splat(*self.memory.largest.add(row));
        let line = [scores, scores.add(ROWS), scores.add(SCORES), scores.add(SCORES + ROWS)];
        let mut x = [shift; BLOCK / ROWS];
        for (x, line) in x.iter_mut().zip(line) {
            *x = _mm512_fmsub_ps(s.load(line), scale, shift);
        }
        let most = s.max(s.max(x[0], x[1]), s.max(x[2], x[3]));
        if _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(most, s.splat(HEADROOM)) != 0 {
            return false;
        }
        let mut w = x;
        for w in &mut w {
            *w = math::exp2_for_bytes(s, *w, 1.0);
        }
        s.store_i(weights.cast(), to_bf16(w[0], w[1]));
        s.store_i(weights.add(WEIGHTS).cast(), to_bf16(w[2], w[3]));
        let total = self.memory.total.add(row * ROWS);
        s.store(total, s.add(s.load(total), s.add(s.add(w[0], w[1]), s.add(w[2], w[3]))));
        true
    }

    /// A row's scores of the cache's blocks `blocks` become weights, and its sums are brought to its largest score. It sees the
    /// positions `seen`; `ALL`: all of the blocks.
    #[inline(always)]
    unsafe fn weigh_row<const ALL: bool>(
        &self,
        s: Avx512Vnni,
        row: usize,
        seen: (usize, usize),
        blocks: (usize, usize),
    ) {
        let (memory, rules) = (&self.memory, self.of.rules);
        let (scores, weights) = self.line(row);
        if seen.0 >= seen.1 {
            for b in blocks.0..blocks.1 {
                s.store_i(weights.add(b * WEIGHTS).cast(), s.zero_i());
            }
            return;
        }
        let (inner, scale) = match rules.softcap {
            Some(cap) => (s.splat(rules.scale / cap), cap * std::f32::consts::LOG2_E),
            None => (s.splat(1.0), rules.scale * std::f32::consts::LOG2_E),
        };
        let mut most = s.splat(UNSEEN);
        for at in (blocks.0 * KV_BLOCK..blocks.1 * KV_BLOCK).step_by(ROWS) {
            let line = scores.add(at / KV_BLOCK * SCORES + at % KV_BLOCK);
            let mut x = s.load(line);
            if rules.softcap.is_some() {
                x = math::tanh(s, s.mul(x, inner));
            }
            if !ALL {
                x = _mm512_mask_mov_ps(s.splat(UNSEEN), lanes(seen.0, seen.1, at), x);
            }
            if rules.softcap.is_some() || !ALL {
                s.store(line, x);
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
            let line = scores.add(b * SCORES);
            let first = math::exp2_for_bytes(s, s.fma(s.load(line), scale, shift), 1.0);
            let last = math::exp2_for_bytes(s, s.fma(s.load(line.add(ROWS)), scale, shift), 1.0);
            s.store_i(weights.add(b * WEIGHTS).cast(), to_bf16(first, last));
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
