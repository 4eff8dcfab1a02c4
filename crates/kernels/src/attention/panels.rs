//! Keys and values of many positions rounded to 8 bits, once for all queries that read them, in the order in which integer
//! products take them: keys in groups of four dimensions, values in groups of four positions.
//!
//! Keys have a scale for each position, values one for each dimension of a block. What is not seen by any query is zero. Before
//! they are rounded, the dimensions of keys and queries are balanced (`balance.rs`).

use super::shape::{KV_BLOCK, KvShape};
use super::{Cache, widen};
use crate::simd::{AnyOp, Op, Simd};
use crate::unpack::Unpackers;

/// Positions of a block of panels: its weights share a scale for each query.
pub(super) const BLOCK: usize = 2 * KV_BLOCK;

/// Where the parts of one head's block lie, in bytes from its start.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Dimensions of keys in whole groups of four.
    pub(super) dims: usize,
    /// Dimensions of values.
    pub(super) padded: usize,
    /// (BLOCK): scales of keys.
    pub(super) key_scale: usize,
    /// (BLOCK), integers: what sums start from, to undo that queries are offset.
    pub(super) start: usize,
    /// (BLOCK / 4, padded, 4) bytes.
    pub(super) values: usize,
    /// (padded): scales of values.
    pub(super) value_scale: usize,
    /// Of all.
    pub(super) bytes: usize,
}

impl Layout {
    pub(super) fn new(kv: KvShape) -> Self {
        let (dims, padded) = (kv.head_dim.next_multiple_of(4), kv.padded());
        // First the keys: (dims / 4, BLOCK, 4) bytes.
        let key_scale = dims * BLOCK;
        let start = key_scale + 4 * BLOCK;
        let values = start + 4 * BLOCK;
        let value_scale = values + padded * BLOCK;
        let bytes = value_scale + 4 * padded;
        Self { dims, padded, key_scale, start, values, value_scale, bytes }
    }
}

/// Where one head's keys and values of a sequence come from.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) kv: KvShape,
    pub(super) cache: Cache<'a>,
    /// The sequence's blocks in the cache.
    pub(super) blocks: &'a [u32],
    pub(super) kv_head: usize,
    /// Positions that are seen, first and end.
    pub(super) seen: (usize, usize),
}

impl Source<'_> {
    /// Bytes of the keys or values of [`BLOCK`] positions as floats.
    pub(super) fn float_bytes(&self) -> usize {
        4 * BLOCK * self.kv.padded()
    }

    /// Keys or values of the positions `at .. at + BLOCK` as floats, (BLOCK / KV_BLOCK) blocks as `widen` makes them; zeros
    /// where nobody looks.
    #[inline(always)]
    pub(super) unsafe fn load<S: Simd, const KEYS: bool>(&self, s: S, at: usize, floats: *mut f32) {
        let (kv, seen, cache) = (self.kv, self.seen, self.cache);
        let size = KV_BLOCK * if KEYS { kv.head_dim } else { kv.padded() };
        for b in 0..BLOCK / KV_BLOCK {
            let (to, at) = (floats.add(b * size), at + b * KV_BLOCK);
            let (from, end) = (seen.0.clamp(at, at + KV_BLOCK) - at, seen.1.clamp(at, at + KV_BLOCK) - at);
            if from >= end {
                std::ptr::write_bytes(to, 0, size);
                continue;
            }
            let place = self.kv_head * cache.capacity + *self.blocks.get_unchecked(at / KV_BLOCK) as usize;
            if KEYS {
                widen::keys(s, kv, cache.keys.as_ptr().add(place * kv.key_part()), to);
            } else {
                widen::values(s, kv, cache.values.as_ptr().add(place * kv.value_part()), to);
            }
            if end - from == KV_BLOCK {
                continue;
            }
            let floats = std::slice::from_raw_parts_mut(to, size);
            if KEYS {
                for row in floats.chunks_exact_mut(KV_BLOCK) {
                    row[..from].fill(0.0);
                    row[end..].fill(0.0);
                }
            } else {
                floats[..from * kv.padded()].fill(0.0);
                floats[end * kv.padded()..].fill(0.0);
            }
        }
    }
}

/// Fills one block of panels.
pub(super) struct Fill<'a> {
    pub(super) source: Source<'a>,
    /// First position of the block.
    pub(super) at: usize,
    /// (head_dim): what each dimension of keys is multiplied with.
    pub(super) factors: &'a [f32],
    pub(super) panel: &'a mut [u8],
}

impl AnyOp for Fill<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        let layout = Layout::new(self.source.kv);
        assert!(self.panel.len() == layout.bytes && self.factors.len() == self.source.kv.head_dim);
        crate::scratch::with(self.source.float_bytes(), |memory| {
            let panel = self.panel.as_mut_ptr();
            s.enter(Filling { fill: self, layout, floats: memory.cast(), panel });
        });
    }
}

struct Filling<'a> {
    fill: Fill<'a>,
    layout: Layout,
    /// Keys, then values.
    floats: *mut f32,
    panel: *mut u8,
}

impl<S: Simd> Op<S> for Filling<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        self.fill.source.load::<S, true>(s, self.fill.at, self.floats);
        self.keys(s);
        self.fill.source.load::<S, false>(s, self.fill.at, self.floats);
        self.values(s);
    }
}

impl Filling<'_> {
    #[inline(always)]
    unsafe fn keys<S: Simd>(&self, s: S) {
        let (layout, dim, panel) = (self.layout, self.fill.source.kv.head_dim, self.panel);
        let factors = self.fill.factors.as_ptr();
        let (ones, offset) = (s.splat_byte(1), s.splat_i(-128));
        for at in (0..BLOCK).step_by(S::LANES) {
            let from = self.floats.add(at / KV_BLOCK * KV_BLOCK * dim + at % KV_BLOCK);
            let mut most = s.splat(0.0);
            for d in 0..dim {
                let x = s.mul(s.load(from.add(d * KV_BLOCK)), s.splat(*factors.add(d)));
                most = s.max(most, s.abs(x));
            }
            s.store(panel.add(layout.key_scale).cast::<f32>().add(at), s.mul(most, s.splat(1.0 / 127.0)));
            let inverse = inverse(s, most);
            let mut sum = s.zero_i();
            for group in 0..layout.dims / 4 {
                let mut x = [s.splat(0.0); 4];
                for (i, x) in x.iter_mut().enumerate() {
                    let d = group * 4 + i;
                    if d < dim {
                        *x = s.mul(s.load(from.add(d * KV_BLOCK)), s.splat(*factors.add(d)));
                    }
                }
                let bytes = pack(s, x, inverse);
                sum = s.dot(sum, ones, bytes);
                s.store_i(panel.add((group * BLOCK + at) * 4), bytes);
            }
            s.store_i(panel.add(layout.start + at * 4), s.mul_i(sum, offset));
        }
    }

    #[inline(always)]
    unsafe fn values<S: Simd>(&self, s: S) {
        let (layout, panel) = (self.layout, self.panel);
        let padded = layout.padded;
        for d in (0..padded).step_by(S::LANES) {
            let from = self.floats.add(d);
            let mut most = s.splat(0.0);
            for p in 0..BLOCK {
                most = s.max(most, s.abs(s.load(from.add(p * padded))));
            }
            s.store(panel.add(layout.value_scale).cast::<f32>().add(d), s.mul(most, s.splat(1.0 / 127.0)));
            let inverse = inverse(s, most);
            for group in 0..BLOCK / 4 {
                let mut x = [s.splat(0.0); 4];
                for (i, x) in x.iter_mut().enumerate() {
                    *x = s.load(from.add((group * 4 + i) * padded));
                }
                s.store_i(panel.add(layout.values + (group * padded + d) * 4), pack(s, x, inverse));
            }
        }
    }
}

/// 127 / most, finite where `most` is next to nothing.
#[inline(always)]
unsafe fn inverse<S: Simd>(s: S, most: S::F) -> S::F {
    s.div(s.splat(127.0), s.max(most, s.splat(1e-30)))
}

/// Four vectors, scaled, as signed bytes.
#[inline(always)]
unsafe fn pack<S: Simd>(s: S, mut x: [S::F; 4], scale: S::F) -> S::I {
    let middle = s.splat(128.0);
    for x in &mut x {
        *x = s.fma(*x, scale, middle);
    }
    s.sub_bytes(s.pack_bytes(x), s.splat_byte(-128))
}
