//! A tile of many queries of one key/value head in 8-bit integers: queries, keys, values and the weights between them are
//! bytes with scales, sums are exact.
//!
//! Lanes are rows (query, head), so that a row's largest score, its weights and its sum need nothing from other lanes, and
//! four weights of a row lie side by side, as products take them. Keys and values are read from panels (`panels.rs`), a
//! block at a time. Weights are bytes with a scale for each row and block, so that what is small everywhere is
//! not lost beside what is large elsewhere.

// An index into several register arrays at once says more than a zip of them.
#![allow(clippy::needless_range_loop)]

use super::panels::{BLOCK, Layout};
use super::rows::Rows;
use crate::simd::{AnyOp, Op, Simd, math};
use crate::unpack::Unpackers;

/// Powers of two by which a block's weights may exceed what sums are relative to before these are scaled down.
const HEADROOM: f32 = 8.0;

/// A block in which no row has a weight above 2 to this power, relative to what it has seen, adds nothing.
const NOTHING: f32 = -28.0;

/// Taken from scores that are not to be seen, for each position beyond; large beside any score and far from infinite.
const UNSEEN: f32 = -1e25;

/// Vectors of rows, and keys or dimensions, of which sums are held in registers.
const V: usize = 3;
const N: usize = 8;

/// Lanes of the vectors that this is written for: see [`Tile::run`].
const LANES: usize = 16;

/// Rows of a tile.
pub(super) const ROWS: usize = V * LANES;

/// The attention of some rows.
#[derive(Clone, Copy)]
pub(super) struct Tile<'a> {
    pub(super) of: Rows<'a>,
    /// (head_dim): what each dimension of queries is multiplied with.
    pub(super) factors: &'a [f32],
    /// Blocks of the span's panels from position `from` on, a multiple of [`BLOCK`].
    pub(super) panels: &'a [u8],
    pub(super) from: usize,
}

impl AnyOp for Tile<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        // Products of any unsigned and any signed byte, in as many registers as sums take.
        assert!(S::LANES == LANES && S::WIDE_OFFSET == 128, "8-bit attention is for AVX-512");
        let layout = Layout::new(self.of.rules.kv);
        let bytes = Memory::<S>::bytes(layout);
        crate::scratch::with(bytes, |memory| {
            let memory = Memory::new(layout, memory);
            s.enter(Run::<S> { tile: self, layout, memory });
        });
    }
}

/// Where a task keeps what it works on; `rows` are those of a whole tile.
struct Memory<S: Simd> {
    /// (dims / 4, rows, 4) bytes, offset by 128.
    q: *mut u8,
    /// (BLOCK, rows), then weights: (BLOCK / 4, rows, 4) bytes.
    scores: *mut f32,
    weights: *mut u8,
    /// (padded, rows)
    sums: *mut f32,
    /// (rows, padded or more): queries before, results after they are transposed.
    lines: *mut f32,
    /// (rows): what makes integer scores, times the key's scale, the argument of tanh; only with a soft cap.
    inner: *mut f32,
    /// (rows): what makes scores powers of two.
    scale: *mut f32,
    /// (rows): first and last position that a row sees, counted from the first row's.
    first: *mut f32,
    last: *mut f32,
    of: std::marker::PhantomData<S>,
}

impl<S: Simd> Memory<S> {
    /// Bytes of a row of queries: whole vectors.
    fn line(layout: Layout) -> usize {
        layout.dims.next_multiple_of(4 * S::LANES)
    }

    fn bytes(layout: Layout) -> usize {
        let (rows, line) = (ROWS, Self::line(layout));
        rows * (line + BLOCK * 5 + layout.padded * 4 + (layout.padded * 4).max(line) + 4 * 4)
    }

    unsafe fn new(layout: Layout, memory: *mut u8) -> Self {
        let (rows, line) = (ROWS, Self::line(layout));
        let scores = memory.add(rows * line).cast::<f32>();
        let weights = scores.add(rows * BLOCK).cast::<u8>();
        let sums = weights.add(rows * BLOCK).cast::<f32>();
        let inner = sums.add(rows * layout.padded);
        let (scale, first, last) = (inner.add(rows), inner.add(2 * rows), inner.add(3 * rows));
        let lines = inner.add(4 * rows);
        Self {
            q: memory,
            scores,
            weights,
            sums,
            lines,
            inner,
            scale,
            first,
            last,
            of: std::marker::PhantomData,
        }
    }
}

struct Run<'a, S: Simd> {
    tile: Tile<'a>,
    layout: Layout,
    memory: Memory<S>,
}

/// What rows have seen so far.
struct Seen<S: Simd> {
    /// What sums are relative to, as a power of two.
    largest: [S::F; V],
    /// Σ weights
    total: [S::F; V],
}

impl<S: Simd> Op<S> for Run<'_, S> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let tile = &self.tile;
        let rows = V * S::LANES;
        self.load_queries(s);
        std::ptr::write_bytes(self.memory.sums, 0, rows * self.layout.padded);
        let mut seen = Seen { largest: [s.splat(-1e38); V], total: [s.splat(0.0); V] };
        let (first, last) = (tile.of.position(0), tile.of.position(rows));
        let mut start = tile.of.first(first) / BLOCK * BLOCK;
        while start <= last {
            let panel = tile.panels.as_ptr().add((start - tile.from) / BLOCK * self.layout.bytes);
            // Keys of the block that some row sees, in whole groups.
            let from = (tile.of.first(first).max(start) - start) / N * N;
            let to = (last + 1 - start).min(BLOCK).next_multiple_of(N);
            let mut largest = self.scores(s, panel, from, to);
            if first + 1 < start + to || tile.of.first(last) > start + from {
                largest = self.hide(s, start, from, to);
            }
            for v in 0..V {
                largest[v] = s.mul(largest[v], s.load(self.memory.scale.add(v * S::LANES)));
            }
            if self.rebase(s, &largest, &mut seen) {
                let factors = self.weigh(s, from, to, &largest, &mut seen);
                self.mix(s, panel, from, to, &factors);
            }
            start += BLOCK;
        }
        self.finish(s, &seen);
    }
}

/// Adds Σ left · right: `groups` of V vectors of unsigned bytes and of N times four signed bytes, `stride` bytes apart.
#[inline(always)]
unsafe fn products<S: Simd>(
    s: S,
    mut acc: [[S::I; V]; N],
    left: *const u8,
    right: *const u8,
    stride: usize,
    groups: usize,
) -> [[S::I; V]; N] {
    for group in 0..groups {
        let mut a = [s.zero_i(); V];
        for v in 0..V {
            a[v] = s.load_i(left.add((group * V + v) * 4 * S::LANES));
        }
        for n in 0..N {
            let b = s.splat_bytes(right.add(group * stride + n * 4).cast());
            for v in 0..V {
                acc[n][v] = s.dot_wide_panel(acc[n][v], a[v], b);
            }
        }
    }
    acc
}

impl<S: Simd> Run<'_, S> {
    /// Rounds the rows' queries and lays them for products; where sums will be is used before they are.
    #[inline(always)]
    unsafe fn load_queries(&self, s: S) {
        let (tile, memory, rows) = (&self.tile, &self.memory, V * S::LANES);
        let (dim, line) = (tile.of.rules.kv.head_dim, Memory::<S>::line(self.layout));
        let (lines, origin) = (memory.lines.cast::<i8>(), tile.of.position(0));
        std::ptr::write_bytes(lines, 0, rows * line);
        for row in 0..rows {
            let position = tile.of.position(row);
            *memory.last.add(row) = distance(position, origin);
            *memory.first.add(row) = distance(tile.of.first(position), origin);
            let mut unit = 1.0;
            if tile.of.rows.0 + row < tile.of.rows.1 {
                let q = std::slice::from_raw_parts_mut(memory.sums, dim);
                for ((to, from), factor) in
                    q.iter_mut().zip(&tile.of.q[tile.of.place(row)..]).zip(tile.factors)
                {
                    *to = from * factor;
                }
                let most = largest(s, q);
                // Next to nothing is nothing.
                if most > 1e-12 {
                    unit = most / 127.0;
                    round(s, q, 127.0 / most, lines.add(row * line));
                }
            }
            let scale = unit * tile.of.rules.scale;
            match tile.of.rules.softcap {
                Some(cap) => {
                    *memory.inner.add(row) = scale / cap;
                    *memory.scale.add(row) = cap * std::f32::consts::LOG2_E;
                }
                None => *memory.scale.add(row) = scale * std::f32::consts::LOG2_E,
            }
        }
        let offset = s.splat_byte(-128);
        for v in 0..V {
            for part in (0..line).step_by(4 * S::LANES) {
                let from = lines.add(v * S::LANES * line + part).cast();
                let to = memory.q.add(part * rows + v * 4 * S::LANES);
                s.transpose(from, line, to, 4 * rows, 16 * rows);
            }
        }
        for at in (0..rows * line).step_by(4 * S::LANES) {
            s.store_i(memory.q.add(at), s.sub_bytes(s.load_i(memory.q.add(at)), offset));
        }
    }

    /// Scores of keys `from .. to` of a block, without the rows' scales unless there is a soft cap; returns the largest.
    #[inline(always)]
    unsafe fn scores(&self, s: S, panel: *const u8, from: usize, to: usize) -> [S::F; V] {
        let (layout, memory) = (&self.layout, &self.memory);
        let mut largest = [s.splat(f32::MIN); V];
        // Not known to the compiler, which would unroll the loop until the sums leave the registers.
        let groups = std::hint::black_box(layout.dims / 4);
        for key in (from..to).step_by(N) {
            let mut acc = [[s.zero_i(); V]; N];
            for n in 0..N {
                let start = panel.add(layout.start + (key + n) * 4);
                acc[n] = [s.splat_bytes(start.cast()); V];
            }
            let keys = panel.add(key * 4);
            acc = products(s, acc, memory.q, keys, BLOCK * 4, groups);
            for n in 0..N {
                let unit = s.splat(*panel.add(layout.key_scale).cast::<f32>().add(key + n));
                for v in 0..V {
                    let mut score = s.mul(s.to_float(acc[n][v]), unit);
                    if self.tile.of.rules.softcap.is_some() {
                        score = math::tanh(s, s.mul(score, s.load(memory.inner.add(v * S::LANES))));
                    }
                    s.store(memory.scores.add(((key + n) * V + v) * S::LANES), score);
                    largest[v] = s.max(largest[v], score);
                }
            }
        }
        largest
    }

    /// Lowers the scores of positions that a row does not see; returns the largest of what is left.
    #[inline(always)]
    unsafe fn hide(&self, s: S, start: usize, from: usize, to: usize) -> [S::F; V] {
        let (memory, zero, unseen) = (&self.memory, s.splat(0.0), s.splat(UNSEEN));
        let mut largest = [s.splat(f32::MIN); V];
        let origin = self.tile.of.position(0);
        for key in from..to {
            let position = s.splat(distance(start + key, origin));
            for v in 0..V {
                let (first, last) =
                    (s.load(memory.first.add(v * S::LANES)), s.load(memory.last.add(v * S::LANES)));
                let beyond = s.add(s.max(s.sub(position, last), zero), s.max(s.sub(first, position), zero));
                let at = memory.scores.add((key * V + v) * S::LANES);
                let score = s.fma(beyond, unseen, s.load(at));
                s.store(at, score);
                largest[v] = s.max(largest[v], score);
            }
        }
        largest
    }

    /// Sees that what sums are relative to is not far below the block's largest scores. False: the block adds nothing.
    #[inline(always)]
    unsafe fn rebase(&self, s: S, largest: &[S::F; V], seen: &mut Seen<S>) -> bool {
        let mut most = s.sub(largest[0], seen.largest[0]);
        for v in 1..V {
            most = s.max(most, s.sub(largest[v], seen.largest[v]));
        }
        let most = s.largest(most);
        if most > HEADROOM {
            let mut keep = [s.splat(0.0); V];
            for v in 0..V {
                let now = s.max(seen.largest[v], largest[v]);
                keep[v] = exp2(s, s.sub(seen.largest[v], now));
                seen.total[v] = s.mul(seen.total[v], keep[v]);
                seen.largest[v] = now;
            }
            for d in 0..self.layout.padded {
                for v in 0..V {
                    let sum = self.memory.sums.add((d * V + v) * S::LANES);
                    s.store(sum, s.mul(s.load(sum), keep[v]));
                }
            }
        }
        most > NOTHING
    }

    /// Scores become weights, bytes relative to the row's largest in this block; returns what a unit of them is worth.
    #[inline(always)]
    unsafe fn weigh(
        &self,
        s: S,
        from: usize,
        to: usize,
        largest: &[S::F; V],
        seen: &mut Seen<S>,
    ) -> [S::F; V] {
        let (memory, ones) = (&self.memory, s.splat_byte(1));
        let mut factors = [s.splat(0.0); V];
        for v in 0..V {
            let scale = s.load(memory.scale.add(v * S::LANES));
            let shift = s.sub(s.splat(0.0), largest[v]);
            let mut sum = s.zero_i();
            for group in from / 4..to / 4 {
                let mut weights = [s.splat(0.0); 4];
                for (i, weight) in weights.iter_mut().enumerate() {
                    let score = s.load(memory.scores.add(((group * 4 + i) * V + v) * S::LANES));
                    *weight = math::exp2_for_bytes(s, s.fma(score, scale, shift), 255.0);
                }
                let weights = s.pack_bytes(weights);
                s.store_i(memory.weights.add((group * V + v) * 4 * S::LANES), weights);
                sum = s.dot(sum, weights, ones);
            }
            factors[v] = exp2(s, s.sub(largest[v], seen.largest[v]));
            seen.total[v] = s.fma(s.to_float(sum), factors[v], seen.total[v]);
        }
        factors
    }

    /// Adds weights · values of keys `from .. to`.
    #[inline(always)]
    unsafe fn mix(&self, s: S, panel: *const u8, from: usize, to: usize, factors: &[S::F; V]) {
        let (layout, memory) = (&self.layout, &self.memory);
        let weights = memory.weights.add(from * V * S::LANES);
        let values = panel.add(layout.values + from * layout.padded);
        let groups = std::hint::black_box((to - from) / 4);
        for d in (0..layout.padded).step_by(N) {
            let acc = [[s.zero_i(); V]; N];
            let acc = products(s, acc, weights, values.add(d * 4), layout.padded * 4, groups);
            for n in 0..N {
                let unit = s.splat(*panel.add(layout.value_scale).cast::<f32>().add(d + n));
                for v in 0..V {
                    let sum = memory.sums.add(((d + n) * V + v) * S::LANES);
                    let factor = s.mul(unit, factors[v]);
                    s.store(sum, s.fma(s.to_float(acc[n][v]), factor, s.load(sum)));
                }
            }
        }
    }

    /// Sums over totals go to the output.
    #[inline(always)]
    unsafe fn finish(&self, s: S, seen: &Seen<S>) {
        let (tile, memory, padded) = (&self.tile, &self.memory, self.layout.padded);
        for v in 0..V {
            let share = s.div(s.splat(1.0), seen.total[v]);
            for d in 0..padded {
                let sum = memory.sums.add((d * V + v) * S::LANES);
                s.store(sum, s.mul(s.load(sum), share));
            }
            for d in (0..padded).step_by(S::LANES) {
                let from = memory.sums.add((d * V + v) * S::LANES).cast();
                let to = memory.lines.add(v * S::LANES * padded + d).cast();
                s.transpose(from, V * S::LANES * 4, to, padded * 4, padded * 16);
            }
        }
        for row in 0..tile.of.rows.1 - tile.of.rows.0 {
            let dim = tile.of.rules.kv.head_dim;
            let line = std::slice::from_raw_parts(memory.lines.add(row * padded), dim);
            tile.of.out.part(tile.of.place(row), dim).copy_from_slice(line);
        }
    }
}

/// a − b
fn distance(a: usize, b: usize) -> f32 {
    if a >= b { (a - b) as f32 } else { -((b - a) as f32) }
}

/// 2ˣ in full precision; 0 or next to nothing far below.
#[inline(always)]
unsafe fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    math::exp(s, s.mul(x, s.splat(std::f32::consts::LN_2)))
}

/// Largest magnitude.
#[inline(always)]
unsafe fn largest<S: Simd>(s: S, x: &[f32]) -> f32 {
    let whole = x.len() / S::LANES * S::LANES;
    let mut most = s.splat(0.0);
    for at in (0..whole).step_by(S::LANES) {
        most = s.max(most, s.abs(s.load(x.as_ptr().add(at))));
    }
    if whole < x.len() {
        most = s.max(most, s.abs(s.load_first(x.as_ptr().add(whole), x.len() - whole)));
    }
    s.largest(most)
}

/// x · scale as bytes; writes whole vectors of LANES bytes.
#[inline(always)]
unsafe fn round<S: Simd>(s: S, x: &[f32], scale: f32, to: *mut i8) {
    let scale = s.splat(scale);
    for at in (0..x.len()).step_by(S::LANES) {
        let n = x.len() - at;
        let from = x.as_ptr().add(at);
        let x = if n >= S::LANES { s.load(from) } else { s.load_first(from, n) };
        s.store_i8(to.add(at), s.mul(x, scale));
    }
}
