//! The work of one task: rows (query, head) of one key/value head over a range of positions, with a running softmax
//! (Milakov & Gimelshein 2018; the tiling of FlashAttention, Dao et al. 2022).

// An index into several register arrays at once says more than a zip of them.
#![allow(clippy::needless_range_loop)]

use super::Attention;
use super::shape::{KV_BLOCK, KvFormat};
use super::widen;
use crate::buffer::Parts;
use crate::simd::{AnyOp, Op, Simd, math, prefetch};
use crate::unpack::Unpackers;

/// Positions between two updates of the running softmax.
const STRETCH: usize = 4 * KV_BLOCK;

/// Rows whose sums are held in registers.
const ROWS: usize = 6;

/// From this number of rows on, keys and values are converted to f32 once for all of them.
const CONVERT_ROWS: usize = 13;

/// All queries `tokens` of the heads that share `kv_head`, over `positions`.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) rules: &'a Attention,
    pub(super) q: &'a [f32],
    pub(super) keys: &'a [u16],
    pub(super) values: &'a [u16],
    /// Blocks in the cache.
    pub(super) capacity: usize,
    /// Those of the sequence.
    pub(super) blocks: &'a [u32],
    /// Position of the first of the span's tokens.
    pub(super) offset: usize,
    pub(super) kv_head: usize,
    pub(super) tokens: (usize, usize),
    pub(super) positions: (usize, usize),
}

/// A tile that sees all positions of its queries: normalised results go to `out`, (tokens, heads, head_dim).
pub(super) struct Whole<'a> {
    pub(super) tile: Tile<'a>,
    pub(super) out: Parts<'a, f32>,
}

/// A tile that sees some positions: for each row (largest score, Σ exp, Σ exp · value) goes to `partial`.
pub(super) struct Partial<'a> {
    pub(super) tile: Tile<'a>,
    pub(super) partial: &'a mut [f32],
}

impl AnyOp for Whole<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        let tile = self.tile;
        crate::scratch::with(tile.memory_bytes(), |memory| {
            let memory = Memory::new(&tile, memory);
            s.enter(Run { tile, memory });
            let (group, dim) = (tile.group(), tile.rules.kv.head_dim);
            for row in 0..tile.rows() {
                let (token, head) = (tile.tokens.0 + row / group, tile.kv_head * group + row % group);
                let out = self.out.part((token * tile.rules.heads + head) * dim, dim);
                let sums = std::slice::from_raw_parts(memory.sums.add(row * memory.padded), dim);
                let total = *memory.total.add(row);
                out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum / total);
            }
        });
    }
}

impl AnyOp for Partial<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        let tile = self.tile;
        crate::scratch::with(tile.memory_bytes(), |memory| {
            let memory = Memory::new(&tile, memory);
            s.enter(Run { tile, memory });
            for (row, out) in self.partial.chunks_exact_mut(memory.padded + 2).enumerate() {
                out[0] = *memory.largest.add(row);
                out[1] = *memory.total.add(row);
                out[2..].copy_from_slice(std::slice::from_raw_parts(
                    memory.sums.add(row * memory.padded),
                    memory.padded,
                ));
            }
        });
    }
}

impl Tile<'_> {
    fn group(&self) -> usize {
        self.rules.heads / self.rules.kv.kv_heads
    }

    pub(super) fn rows(&self) -> usize {
        self.group() * (self.tokens.1 - self.tokens.0)
    }

    /// One head's keys of the sequence's block `index`.
    #[inline(always)]
    unsafe fn keys_of(&self, index: usize) -> *const u16 {
        let place = self.kv_head * self.capacity + *self.blocks.get_unchecked(index) as usize;
        self.keys.as_ptr().add(place * self.rules.kv.key_part())
    }

    /// One head's values of the sequence's block `index`.
    #[inline(always)]
    unsafe fn values_of(&self, index: usize) -> *const u16 {
        let place = self.kv_head * self.capacity + *self.blocks.get_unchecked(index) as usize;
        self.values.as_ptr().add(place * self.rules.kv.value_part())
    }

    fn memory_bytes(&self) -> usize {
        let kv = self.rules.kv;
        let rows = self.rows().next_multiple_of(16);
        4 * (rows * (kv.head_dim + kv.padded() + STRETCH + 2) + STRETCH * (kv.head_dim + kv.padded()) + 64)
    }
}

/// Where a task keeps what it works on.
#[derive(Clone, Copy)]
struct Memory {
    padded: usize,
    /// (rows, head_dim), scaled.
    q: *mut f32,
    /// (rows, STRETCH)
    scores: *mut f32,
    /// (rows, padded)
    sums: *mut f32,
    /// (rows)
    largest: *mut f32,
    /// (rows)
    total: *mut f32,
    /// (blocks, head_dim, KV_BLOCK)
    keys: *mut f32,
    /// (STRETCH, padded)
    values: *mut f32,
}

impl Memory {
    unsafe fn new(tile: &Tile<'_>, memory: *mut u8) -> Self {
        let (dim, padded) = (tile.rules.kv.head_dim, tile.rules.kv.padded());
        let rows = tile.rows().next_multiple_of(16);
        let scores = memory.cast::<f32>();
        let sums = scores.add(rows * STRETCH);
        let largest = sums.add(rows * padded);
        let total = largest.add(rows);
        let values = total.add(rows);
        let keys = values.add(STRETCH * padded);
        Self { padded, q: keys.add(STRETCH * dim), scores, sums, largest, total, keys, values }
    }
}

struct Run<'a> {
    tile: Tile<'a>,
    memory: Memory,
}

impl<S: Simd> Op<S> for Run<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { tile, memory } = &self;
        let (rows, kv) = (tile.rows(), tile.rules.kv);
        for row in 0..rows {
            *memory.largest.add(row) = f32::NEG_INFINITY;
            *memory.total.add(row) = 0.0;
        }
        std::ptr::write_bytes(memory.sums, 0, rows * memory.padded);
        let convert = kv.format != KvFormat::F16 || rows >= CONVERT_ROWS;
        let (key_size, value_size) = (kv.head_dim * KV_BLOCK, memory.padded * KV_BLOCK);
        let last = (tile.positions.1 - 1) / KV_BLOCK;
        let mut start = tile.positions.0 / KV_BLOCK * KV_BLOCK;
        let first = start / KV_BLOCK;
        for b in first..if convert { first } else { (last + 1).min(first + STRETCH / KV_BLOCK) } {
            let keys = tile.keys_of(b);
            for d in 0..kv.head_dim {
                prefetch(keys.wrapping_add(d * KV_BLOCK).cast());
            }
        }
        self.load_queries();
        while start < tile.positions.1 {
            let end = tile.positions.1.min(start + STRETCH);
            let block = start / KV_BLOCK;
            let blocks = (end - start).div_ceil(KV_BLOCK);
            // Loops, not closures: a closure would be compiled without the features of `enter`.
            for b in 0..if convert { blocks } else { 0 } {
                let (keys, values) = (tile.keys_of(block + b), tile.values_of(block + b));
                let (to_keys, to_values) = (memory.keys.add(b * key_size), memory.values.add(b * value_size));
                widen::keys(s, kv, keys, to_keys);
                widen::values(s, kv, values, to_values);
            }
            for b in 0..blocks {
                let scores = memory.scores.add(b * KV_BLOCK);
                // A block is a short stream, which the hardware does not foresee where the next one lies elsewhere: while
                // scores are computed, values are asked for, and while these are added up, the keys of the next stretch.
                let ahead = tile.values_of(block + b);
                for row in (0..rows).step_by(ROWS) {
                    let n = ROWS.min(rows - row);
                    if convert {
                        self.scores::<S, f32>(s, memory.keys.add(b * key_size), ahead, scores, row, n);
                    } else {
                        self.scores::<S, u16>(s, tile.keys_of(block + b), ahead, scores, row, n);
                    }
                }
            }
            for row in 0..rows {
                self.softmax(s, row, start, end);
            }
            for b in 0..blocks {
                let positions = KV_BLOCK.min(end - start - b * KV_BLOCK);
                let weights = memory.scores.add(b * KV_BLOCK);
                let ahead = tile.keys_of(last.min(block + b + STRETCH / KV_BLOCK));
                for row in (0..rows).step_by(ROWS) {
                    let n = ROWS.min(rows - row);
                    if convert {
                        let values = memory.values.add(b * value_size);
                        self.mix::<S, f32>(s, values, ahead, weights, positions, (row, n));
                    } else {
                        self.mix::<S, u16>(s, tile.values_of(block + b), ahead, weights, positions, (row, n));
                    }
                }
            }
            start += STRETCH;
        }
    }
}

/// Stored as f32 or as halves.
trait Stored: Copy {
    /// It is read from the cache itself, not from a copy that has just been made.
    const CACHED: bool;
    unsafe fn load<S: Simd>(s: S, p: *const Self) -> S::F;
}

impl Stored for f32 {
    const CACHED: bool = false;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const f32) -> S::F {
        s.load(p)
    }
}

impl Stored for u16 {
    const CACHED: bool = true;
    #[inline(always)]
    unsafe fn load<S: Simd>(s: S, p: *const u16) -> S::F {
        s.load_f16(p)
    }
}

impl Run<'_> {
    /// Copies the rows' queries side by side, scaled.
    #[inline(always)]
    unsafe fn load_queries(&self) {
        let (tile, group, dim) = (&self.tile, self.tile.group(), self.tile.rules.kv.head_dim);
        for row in 0..tile.rows() {
            let (token, head) = (tile.tokens.0 + row / group, tile.kv_head * group + row % group);
            let from = &tile.q[(token * tile.rules.heads + head) * dim..][..dim];
            for (d, q) in from.iter().enumerate() {
                *self.memory.q.add(row * dim + d) = q * tile.rules.scale;
            }
        }
    }

    /// Scores of `n` rows over one block of keys.
    #[inline(always)]
    unsafe fn scores<S: Simd, T: Stored>(
        &self,
        s: S,
        keys: *const T,
        ahead: *const u16,
        out: *mut f32,
        row: usize,
        n: usize,
    ) {
        match n {
            1 => self.scores_of::<S, T, 1>(s, keys, ahead, out, row),
            2 => self.scores_of::<S, T, 2>(s, keys, ahead, out, row),
            3 => self.scores_of::<S, T, 3>(s, keys, ahead, out, row),
            4 => self.scores_of::<S, T, 4>(s, keys, ahead, out, row),
            5 => self.scores_of::<S, T, 5>(s, keys, ahead, out, row),
            _ => self.scores_of::<S, T, ROWS>(s, keys, ahead, out, row),
        }
    }

    #[inline(always)]
    unsafe fn scores_of<S: Simd, T: Stored, const R: usize>(
        &self,
        s: S,
        keys: *const T,
        ahead: *const u16,
        out: *mut f32,
        row: usize,
    ) {
        let dim = self.tile.rules.kv.head_dim;
        let q = self.memory.q.add(row * dim);
        for pair in 0..KV_BLOCK / (2 * S::LANES) {
            let keys = keys.add(pair * 2 * S::LANES);
            let mut acc = [[s.splat(0.0); 2]; R];
            for d in 0..dim {
                if T::CACHED && pair == 0 {
                    prefetch(ahead.wrapping_add(d * KV_BLOCK).cast());
                }
                let k = [T::load(s, keys.add(d * KV_BLOCK)), T::load(s, keys.add(d * KV_BLOCK + S::LANES))];
                for r in 0..R {
                    let q = s.splat(*q.add(r * dim + d));
                    acc[r] = [s.fma(q, k[0], acc[r][0]), s.fma(q, k[1], acc[r][1])];
                }
            }
            for (r, acc) in acc.into_iter().enumerate() {
                let to = out.add((row + r) * STRETCH + pair * 2 * S::LANES);
                for (i, score) in acc.into_iter().enumerate() {
                    let score = match self.tile.rules.softcap {
                        Some(cap) => s.mul(math::tanh(s, s.mul(score, s.splat(1.0 / cap))), s.splat(cap)),
                        None => score,
                    };
                    s.store(to.add(i * S::LANES), score);
                }
            }
        }
    }

    /// Scores of positions `start .. end` become weights; what was summed before is brought to the new largest score.
    #[inline(always)]
    unsafe fn softmax<S: Simd>(&self, s: S, row: usize, start: usize, end: usize) {
        let (tile, memory) = (&self.tile, &self.memory);
        let own = tile.offset + tile.tokens.0 + row / tile.group();
        let first = tile.rules.window.map_or(0, |w| (own + 1).saturating_sub(w)).max(tile.positions.0);
        let (from, to) = (first.max(start) - start, (own + 1).min(end).saturating_sub(start));
        let scores = memory.scores.add(row * STRETCH);
        let used = (end - start).next_multiple_of(KV_BLOCK);
        if from >= to {
            // This row sees nothing here.
            std::ptr::write_bytes(scores, 0, used);
            return;
        }
        (0..from).chain(to..used).for_each(|at| *scores.add(at) = f32::NEG_INFINITY);
        let mut largest = s.splat(*memory.largest.add(row));
        for at in (0..used).step_by(S::LANES) {
            largest = s.max(largest, s.load(scores.add(at)));
        }
        let largest = s.largest(largest);
        let before = *memory.largest.add(row);
        let shift = s.splat(largest);
        let mut total = s.splat(0.0);
        for at in (0..used).step_by(S::LANES) {
            let weight = math::exp(s, s.sub(s.load(scores.add(at)), shift));
            s.store(scores.add(at), weight);
            total = s.add(total, weight);
        }
        // `exp` of −∞ is a tiny number, not 0.
        (0..from).chain(to..used).for_each(|at| *scores.add(at) = 0.0);
        let mut kept = *memory.total.add(row);
        if largest > before {
            let scale = (before - largest).exp();
            kept *= scale;
            let scale = s.splat(scale);
            for at in (0..memory.padded).step_by(S::LANES) {
                let sum = memory.sums.add(row * memory.padded + at);
                s.store(sum, s.mul(s.load(sum), scale));
            }
        }
        *memory.largest.add(row) = largest;
        *memory.total.add(row) = kept + s.sum(total);
    }

    /// Adds weights · values of one block for `n` rows.
    #[inline(always)]
    unsafe fn mix<S: Simd, T: Stored>(
        &self,
        s: S,
        values: *const T,
        ahead: *const u16,
        weights: *const f32,
        positions: usize,
        (row, n): (usize, usize),
    ) {
        match n {
            1 => self.mix_of::<S, T, 1>(s, values, ahead, weights, positions, row),
            2 => self.mix_of::<S, T, 2>(s, values, ahead, weights, positions, row),
            3 => self.mix_of::<S, T, 3>(s, values, ahead, weights, positions, row),
            4 => self.mix_of::<S, T, 4>(s, values, ahead, weights, positions, row),
            5 => self.mix_of::<S, T, 5>(s, values, ahead, weights, positions, row),
            _ => self.mix_of::<S, T, ROWS>(s, values, ahead, weights, positions, row),
        }
    }

    #[inline(always)]
    unsafe fn mix_of<S: Simd, T: Stored, const R: usize>(
        &self,
        s: S,
        values: *const T,
        ahead: *const u16,
        weights: *const f32,
        positions: usize,
        row: usize,
    ) {
        let (padded, sums) = (self.memory.padded, self.memory.sums.add(row * self.memory.padded));
        let mut at = 0;
        while at < padded {
            let second = if at + S::LANES < padded { S::LANES } else { 0 };
            let mut acc = [[s.splat(0.0); 2]; R];
            for (r, acc) in acc.iter_mut().enumerate() {
                let sum = sums.add(r * padded + at);
                *acc = [s.load(sum), s.load(sum.add(second))];
            }
            for p in 0..positions {
                if T::CACHED && at % KV_BLOCK == 0 {
                    prefetch(ahead.wrapping_add((at + p) * KV_BLOCK).cast());
                }
                let v = values.add(p * padded + at);
                let v = [T::load(s, v), T::load(s, v.add(second))];
                for r in 0..R {
                    let weight = s.splat(*weights.add((row + r) * STRETCH + p));
                    acc[r] = [s.fma(weight, v[0], acc[r][0]), s.fma(weight, v[1], acc[r][1])];
                }
            }
            for (r, [first, other]) in acc.into_iter().enumerate() {
                let sum = sums.add(r * padded + at);
                s.store(sum, first);
                // With an odd number of vectors the second is the first again: the same value.
                s.store(sum.add(second), if second > 0 { other } else { first });
            }
            at += 2 * S::LANES;
        }
    }
}
