//! Attention over a cache of half-precision keys and values.
//!
//! The cache holds blocks of [`KV_BLOCK`] positions. Within a block keys lie as (kv_heads, head_dim, positions), so that
//! one vector holds the same dimension of neighbouring positions and scores need no horizontal sums; values lie as
//! (kv_heads, positions, padded head_dim), so that one vector holds neighbouring dimensions.

mod store;
mod tile;

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::simd::dispatch;
use std::cell::RefCell;
use tile::Tile;

/// Positions in a block of the cache.
pub const KV_BLOCK: usize = 32;

/// Rows (query, head) that a task works on at once when there are many queries.
const TILE_ROWS: usize = 96;

/// Queries up to this number are split along the positions instead, so that all threads read the cache.
const FEW_QUERIES: usize = 4;

/// Positions below which splitting costs more than it gains.
const LEAST_SPLIT: usize = 128;

/// The shape of the keys and values of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvShape {
    /// Key/value heads.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
}

impl KvShape {
    /// Head size in the value cache: whole vectors of every instruction set.
    pub(crate) fn padded(self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    /// Halves (u16) that the keys of a block take.
    pub fn key_block(self) -> usize {
        self.kv_heads * self.head_dim * KV_BLOCK
    }

    /// Halves (u16) that the values of a block take.
    pub fn value_block(self) -> usize {
        self.kv_heads * self.padded() * KV_BLOCK
    }
}

/// The rules of one attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Query heads, a multiple of the key/value heads; head h reads key/value head h · kv_heads / heads.
    pub heads: usize,
    /// Shape of the cache.
    pub kv: KvShape,
    /// Position of the first query; the cache holds this many positions and those of the queries.
    pub offset: usize,
    /// `Some(w)`: a query sees itself and the w − 1 positions before it.
    pub window: Option<usize>,
    /// Multiplies q·k.
    pub scale: f32,
    /// tanh soft cap on the scaled scores.
    pub softcap: Option<f32>,
}

thread_local! {
    /// Partial results of split positions, kept between calls.
    static PARTIAL: RefCell<Aligned<f32>> = RefCell::default();
}

impl Compute {
    /// Puts `k` and `v`, (tokens, kv_heads, head_dim), at positions `offset ..` of a layer's cache.
    ///
    /// # Panics
    /// When the cache has no room for them, or sizes do not agree.
    pub fn store_kv(
        &self,
        kv: KvShape,
        k: &[f32],
        v: &[f32],
        offset: usize,
        keys: &mut [u16],
        values: &mut [u16],
    ) {
        let width = kv.kv_heads * kv.head_dim;
        assert!(k.len() == v.len() && k.len().is_multiple_of(width));
        let (tokens, blocks) = (k.len() / width, (offset + k.len() / width).div_ceil(KV_BLOCK));
        assert!(keys.len() >= blocks * kv.key_block() && values.len() >= blocks * kv.value_block());
        let (keys, values) = (Parts::new(keys), Parts::new(values));
        let first = offset / KV_BLOCK;
        self.pool().run(blocks.saturating_sub(first), |task| {
            let block = first + task;
            let start = offset.max(block * KV_BLOCK);
            let end = (offset + tokens).min((block + 1) * KV_BLOCK);
            let rows = (start - offset) * width..(end - offset) * width;
            // SAFETY: the assertion above covers both parts; a block belongs to one task.
            unsafe {
                let keys = keys.part(block * kv.key_block(), kv.key_block());
                let values = values.part(block * kv.value_block(), kv.value_block());
                let (k, v) = (&k[rows.clone()], &v[rows]);
                dispatch(self.isa(), store::Block { kv, k, v, at: start % KV_BLOCK, keys, values });
            }
        });
    }

    /// Scaled dot-product attention, causal: `q` and `out` are (tokens, heads, head_dim), `keys` and `values` a layer's
    /// cache, into which the queries' own positions have been stored.
    ///
    /// # Panics
    /// When sizes do not agree.
    pub fn attention(&self, rules: &Attention, q: &[f32], keys: &[u16], values: &[u16], out: &mut [f32]) {
        let Attention { heads, kv, offset, window, .. } = *rules;
        let width = heads * kv.head_dim;
        assert!(heads.is_multiple_of(kv.kv_heads) && q.len().is_multiple_of(width) && q.len() == out.len());
        let tokens = q.len() / width;
        let blocks = (offset + tokens).div_ceil(KV_BLOCK);
        assert!(keys.len() >= blocks * kv.key_block() && values.len() >= blocks * kv.value_block());
        let group = heads / kv.kv_heads;
        let base = Tile { rules, q, keys, values, kv_head: 0, tokens: (0, tokens), positions: (0, 0) };
        let first_of = |token: usize| window.map_or(0, |w| (offset + token + 1).saturating_sub(w));
        let out = Parts::new(out);

        if tokens > FEW_QUERIES {
            let each = (TILE_ROWS / group).clamp(1, tokens);
            let tiles = tokens.div_ceil(each);
            self.pool().run(tiles * kv.kv_heads, |task| {
                // The last tiles see the most positions: they go first.
                let tile = tiles - 1 - task / kv.kv_heads;
                let tokens = (tile * each, tokens.min((tile + 1) * each));
                let positions = (first_of(tokens.0), offset + tokens.1);
                let tile = Tile { kv_head: task % kv.kv_heads, tokens, positions, ..base };
                // SAFETY: the assertions above cover all that the tile reads; tasks write different tokens or heads.
                unsafe { dispatch(self.isa(), tile::Whole { tile, out }) };
            });
            return;
        }

        let (first, last) = (first_of(0), offset + tokens);
        let wanted = (self.pool().threads() * 4).div_ceil(kv.kv_heads);
        let splits = (last - first).div_ceil(LEAST_SPLIT).min(wanted).max(1);
        // Split at whole blocks, counted from the block of the first position.
        let from = first / KV_BLOCK * KV_BLOCK;
        let each = (last - from).div_ceil(splits).next_multiple_of(KV_BLOCK);
        let splits = (last - from).div_ceil(each);
        let rows = group * tokens;
        let row_size = kv.padded() + 2;
        PARTIAL.with_borrow_mut(|partial| {
            partial.resize(kv.kv_heads * splits * rows * row_size);
            let parts = Parts::new(partial.as_mut_slice());
            self.pool().run(kv.kv_heads * splits, |task| {
                let start = from + task / kv.kv_heads * each;
                let positions = (start.max(first), last.min(start + each));
                let tile = Tile { kv_head: task % kv.kv_heads, positions, ..base };
                // SAFETY: as above; each task has a part of its own.
                unsafe {
                    let partial = parts.part(task * rows * row_size, rows * row_size);
                    dispatch(self.isa(), tile::Partial { tile, partial });
                }
            });
            let partial = partial.as_slice();
            for kv_head in 0..kv.kv_heads {
                for row in 0..rows {
                    let (token, head) = (row / group, kv_head * group + row % group);
                    let parts = (0..splits).map(|split| {
                        &partial[((split * kv.kv_heads + kv_head) * rows + row) * row_size..][..row_size]
                    });
                    // SAFETY: each (token, head) is written once, after the tasks are done.
                    let out = unsafe { out.part((token * heads + head) * kv.head_dim, kv.head_dim) };
                    combine(parts, out);
                }
            }
        });
    }
}

/// Joins partial results of one row: each is (largest score, Σ exp, Σ exp · value).
fn combine<'a>(parts: impl Iterator<Item = &'a [f32]> + Clone, out: &mut [f32]) {
    let largest = parts.clone().map(|p| p[0]).fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    out.fill(0.0);
    for part in parts {
        let weight = (part[0] - largest).exp();
        total += weight * part[1];
        for (out, value) in out.iter_mut().zip(&part[2..]) {
            *out += weight * value;
        }
    }
    out.iter_mut().for_each(|out| *out /= total);
}
