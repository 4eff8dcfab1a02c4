//! Attention of the tokens of many sequences over their paged keys and values.
//!
//! Few queries are computed in f32: what takes the time is reading the cache, which all threads share. Many queries of a
//! model whose weights are quantised are computed in 8 bits (`bulk`, `balance`, `panels`, `int8`) or in bfloat16 tiles (`tiles`),
//! which is arithmetic, and others' in f32 (`plan`, `tile`).

mod balance;
mod bulk;
mod int8;
mod panels;
mod plan;
mod rows;
mod shape;
mod store;
mod tile;
#[cfg(target_arch = "x86_64")]
mod tiles;
mod widen;

pub use shape::{KV_BLOCK, KvFormat, KvShape, KvSpan};

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::isa::Isa;
use crate::simd::dispatch;
use plan::{Plan, Target};
use std::cell::RefCell;
use tile::Tile;

/// The rules of one attention.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    /// Query heads, a multiple of the key/value heads; head h reads key/value head h · kv_heads / heads.
    pub heads: usize,
    /// Shape of the cache.
    pub kv: KvShape,
    /// `Some(w)`: a query sees itself and the w − 1 positions before it.
    pub window: Option<usize>,
    /// Multiplies q·k.
    pub scale: f32,
    /// tanh soft cap on the scaled scores.
    pub softcap: Option<f32>,
    /// Where there are many queries, they, keys, values and the weights between them may be rounded to 8 bits, or to bfloat16: for
    /// models whose weights are quantised too, and where the processor is faster at it.
    pub int8: bool,
}

/// A layer's keys and values, `capacity` blocks of each.
#[derive(Clone, Copy)]
struct Cache<'a> {
    keys: &'a [u16],
    values: &'a [u16],
    capacity: usize,
}

thread_local! {
    /// Partial results of split positions, kept between calls.
    static PARTIAL: RefCell<Aligned<f32>> = RefCell::default();
}

/// Blocks in a layer's cache, after checking that it has whole ones and that all spans lie inside.
fn checked_capacity(kv: KvShape, spans: &[KvSpan<'_>], keys: usize, values: usize) -> usize {
    assert!(kv.fits(), "heads of {} values in an 8-bit cache", kv.head_dim);
    let capacity = keys / kv.key_block();
    assert!(keys == capacity * kv.key_block() && values == capacity * kv.value_block());
    assert!(spans.iter().all(|span| span.is_inside(capacity)), "a span lies outside its cache");
    capacity
}

impl Compute {
    /// Puts `k` and `v`, (tokens, kv_heads, head_dim), at the spans' positions of a layer's cache.
    ///
    /// # Panics
    /// When the cache has no room for them, or sizes do not agree.
    pub fn store_kv(
        &self,
        kv: KvShape,
        k: &[f32],
        v: &[f32],
        spans: &[KvSpan<'_>],
        keys: &mut [u16],
        values: &mut [u16],
    ) {
        let width = kv.kv_heads * kv.head_dim;
        let tokens: usize = spans.iter().map(|span| span.tokens).sum();
        assert!(k.len() == v.len() && k.len() == tokens * width);
        let capacity = checked_capacity(kv, spans, keys.len(), values.len());
        // (row of k and v, rows, position in the block, block)
        let mut pieces = Vec::new();
        let mut row = 0;
        for span in spans {
            let mut position = span.offset;
            while position < span.end() {
                let end = span.end().min((position / KV_BLOCK + 1) * KV_BLOCK);
                pieces.push((
                    row,
                    end - position,
                    position % KV_BLOCK,
                    span.blocks[position / KV_BLOCK] as usize,
                ));
                row += end - position;
                position = end;
            }
        }
        assert!(disjoint(&pieces), "two spans write to the same positions of a block");
        let (keys, values) = (Parts::new(keys), Parts::new(values));
        let task = |task: usize| {
            let (head, (row, rows, at, block)) = (task % kv.kv_heads, pieces[task / kv.kv_heads]);
            let rows = row * width..(row + rows) * width;
            let place = head * capacity + block;
            // SAFETY: `checked_capacity` covers both parts. Spans of different sequences never write to the same block
            // (who shares a block only reads it), and a head of a block belongs to one task.
            unsafe {
                let keys = keys.part(place * kv.key_part(), kv.key_part());
                let values = values.part(place * kv.value_part(), kv.value_part());
                let (k, v) = (&k[rows.clone()], &v[rows]);
                dispatch(self.isa(), store::Block { kv, head, k, v, at, keys, values });
            }
        };
        if tokens == 1 {
            // Less work than starting the threads.
            return (0..kv.kv_heads).for_each(task);
        }
        self.pool().run(pieces.len() * kv.kv_heads, task);
    }

    /// Scaled dot-product attention, causal: `q` and `out` are (tokens, heads, head_dim), `keys` and `values` a layer's
    /// cache, into which the tokens' own positions have been stored.
    ///
    /// # Panics
    /// When sizes do not agree.
    pub fn attention(
        &self,
        rules: &Attention,
        q: &[f32],
        spans: &[KvSpan<'_>],
        keys: &[u16],
        values: &[u16],
        out: &mut [f32],
    ) {
        // Elsewhere a product of bytes takes several instructions, and less than eight bits of a weight fit it.
        let int8 = rules.int8 && matches!(self.isa(), Isa::Amx(_) | Isa::Avx512Vnni(_));
        let rules = &Attention { int8, ..*rules };
        let Attention { heads, kv, .. } = *rules;
        let width = heads * kv.head_dim;
        let tokens: usize = spans.iter().map(|span| span.tokens).sum();
        assert!(heads.is_multiple_of(kv.kv_heads) && q.len() == tokens * width && q.len() == out.len());
        let capacity = checked_capacity(kv, spans, keys.len(), values.len());
        let plan = Plan::new(rules, spans, self.pool().threads());
        let out = Parts::new(out);
        bulk::run(self, rules, q, spans, &plan.rows, Cache { keys, values, capacity }, out);
        PARTIAL.with_borrow_mut(|partial| {
            partial.resize(plan.partial_rows * (kv.padded() + 2));
            let parts = Parts::new(partial.as_mut_slice());
            self.pool().run(plan.works.len(), |index| {
                let work = &plan.works[index];
                let span = &spans[work.span];
                let first = plan.rows[work.span] * width;
                let rows = first..first + span.tokens * width;
                let tile = Tile {
                    rules,
                    q: &q[rows.clone()],
                    keys,
                    values,
                    capacity,
                    blocks: span.blocks,
                    offset: span.offset,
                    kv_head: work.kv_head,
                    tokens: work.tokens,
                    positions: work.positions,
                };
                // SAFETY: `checked_capacity` covers all that the tile reads; tasks write different tokens, heads or
                // partial rows.
                unsafe {
                    match work.target {
                        Target::Output => {
                            dispatch(self.isa(), tile::Whole { tile, out: out.part_from(rows.start) });
                        }
                        Target::Partial(row) => {
                            let size = kv.padded() + 2;
                            let partial = parts.part(row * size, tile.rows() * size);
                            dispatch(self.isa(), tile::Partial { tile, partial });
                        }
                    }
                }
            });
            self.combine(rules, spans, &plan, partial.as_slice(), out);
        });
    }

    /// Joins the parts of the heads whose positions were split.
    fn combine(
        &self,
        rules: &Attention,
        spans: &[KvSpan<'_>],
        plan: &Plan,
        partial: &[f32],
        out: Parts<'_, f32>,
    ) {
        let Attention { heads, kv, .. } = *rules;
        let (group, size) = (heads / kv.kv_heads, kv.padded() + 2);
        for split in &plan.splits {
            let rows = group * spans[split.span].tokens;
            for row in 0..rows {
                let token = plan.rows[split.span] + row / group;
                let head = split.kv_head * group + row % group;
                let parts =
                    (0..split.parts).map(|part| &partial[(split.row + part * rows + row) * size..][..size]);
                // SAFETY: each (token, head) is written once, after the tasks are done.
                let out = unsafe { out.part((token * heads + head) * kv.head_dim, kv.head_dim) };
                join(parts, out);
            }
        }
    }
}

/// No two pieces write to the same positions of a block.
fn disjoint(pieces: &[(usize, usize, usize, usize)]) -> bool {
    let mut places: Vec<_> = pieces.iter().map(|&(_, rows, at, block)| (block, at, at + rows)).collect();
    places.sort_unstable();
    places.windows(2).all(|pair| pair[0].0 != pair[1].0 || pair[0].2 <= pair[1].1)
}

/// Joins partial results of one row: each is (largest score, Σ exp, Σ exp · value).
fn join<'a>(parts: impl Iterator<Item = &'a [f32]> + Clone, out: &mut [f32]) {
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
