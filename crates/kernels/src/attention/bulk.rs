//! Attention of the spans with many queries in 8 bits: which blocks are rounded to panels when, and who works on which tile.
//!
//! A *unit* is one key/value head of one span. Panels of a few units are filled at a time, so that what they take stays
//! bounded, then all their tiles are computed.

use super::balance::Measure;
use super::int8::{ROWS, Tile};
use super::panels::{BLOCK, Fill, Layout, Source};
use super::plan::FEW_QUERIES;
use super::shape::KvSpan;
use super::{Attention, Cache};
use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::simd::dispatch;
use std::cell::RefCell;

/// From this number of rows (query, head) on, rounding keys and values pays.
const LEAST_ROWS: usize = 32;

/// Bytes of panels at which a round is full; one unit is always taken.
const ROUND: usize = 4 << 20;

thread_local! {
    /// Panels of a round, kept between calls.
    static PANELS: RefCell<Aligned<u8>> = RefCell::default();
}

/// Whether the span is computed here.
pub(super) fn takes(rules: &Attention, span: &KvSpan<'_>) -> bool {
    rules.int8 && span.tokens > FEW_QUERIES && span.tokens * (rules.heads / rules.kv.kv_heads) >= LEAST_ROWS
}

/// One key/value head of one span.
#[derive(Clone, Copy)]
struct Unit {
    span: usize,
    kv_head: usize,
    /// First position that is seen, and the first of its block.
    first: usize,
    from: usize,
    /// Blocks of its panels, and where they begin in the round's.
    blocks: usize,
    at: usize,
}

/// All units, in rounds.
fn rounds(rules: &Attention, spans: &[KvSpan<'_>]) -> Vec<Vec<Unit>> {
    let (mut rounds, mut at, limit) = (vec![Vec::new()], 0, ROUND / Layout::new(rules.kv).bytes);
    for (index, span) in spans.iter().enumerate().filter(|(_, span)| takes(rules, span)) {
        let first = rules.window.map_or(0, |w| (span.offset + 1).saturating_sub(w));
        let from = first / BLOCK * BLOCK;
        let blocks = (span.end() - from).div_ceil(BLOCK);
        for kv_head in 0..rules.kv.kv_heads {
            if at > 0 && at + blocks > limit {
                rounds.push(Vec::new());
                at = 0;
            }
            if let Some(round) = rounds.last_mut() {
                round.push(Unit { span: index, kv_head, first, from, blocks, at });
            }
            at += blocks;
        }
    }
    rounds.retain(|round| !round.is_empty());
    rounds
}

/// The attention of all spans that [`takes`] says yes to. `rows` are the spans' first rows in `q` and `out`.
///
/// The caller has checked that all spans lie inside the cache and that `q` and `out` hold all rows.
pub(super) fn run(
    compute: &Compute,
    rules: &Attention,
    q: &[f32],
    spans: &[KvSpan<'_>],
    rows: &[usize],
    cache: Cache<'_>,
    out: Parts<'_, f32>,
) {
    let bulk = Bulk { compute, rules, q, spans, rows, cache };
    PANELS.with_borrow_mut(|panels| {
        for units in rounds(rules, spans) {
            let factors = bulk.measure(&units);
            bulk.fill(&units, &factors, panels);
            bulk.tiles(&units, &factors, panels.as_slice(), out);
        }
    });
}

/// What all tasks know.
struct Bulk<'a> {
    compute: &'a Compute,
    rules: &'a Attention,
    q: &'a [f32],
    spans: &'a [KvSpan<'a>],
    rows: &'a [usize],
    cache: Cache<'a>,
}

impl<'a> Bulk<'a> {
    fn source(&self, unit: &Unit) -> Source<'a> {
        let span = &self.spans[unit.span];
        let seen = (unit.first, span.end());
        Source { kv: self.rules.kv, cache: self.cache, blocks: span.blocks, kv_head: unit.kv_head, seen }
    }

    /// The queries of a unit's span, (tokens, heads, head_dim).
    fn queries(&self, unit: &Unit) -> &'a [f32] {
        let width = self.rules.heads * self.rules.kv.head_dim;
        let row = self.rows[unit.span];
        &self.q[row * width..(row + self.spans[unit.span].tokens) * width]
    }

    /// (units, 2, head_dim): what queries and keys are multiplied with.
    fn measure(&self, units: &[Unit]) -> Vec<f32> {
        let size = 2 * self.rules.kv.head_dim;
        let mut factors = vec![0.0; units.len() * size];
        let parts = Parts::new(&mut factors);
        self.compute.pool().run(units.len(), |index| {
            let unit = &units[index];
            // SAFETY: each unit's factors are written by one task; the span lies inside the cache.
            unsafe {
                let factors = parts.part(index * size, size);
                let (source, q) = (self.source(unit), self.queries(unit));
                dispatch(self.compute.isa(), Measure { rules: self.rules, source, q, factors });
            }
        });
        factors
    }

    fn fill(&self, units: &[Unit], factors: &[f32], panels: &mut Aligned<u8>) {
        let (bytes, dim) = (Layout::new(self.rules.kv).bytes, self.rules.kv.head_dim);
        let places: Vec<_> = (units.iter().zip(factors.chunks_exact(2 * dim)))
            .flat_map(|(unit, factors)| (0..unit.blocks).map(move |block| (unit, &factors[dim..], block)))
            .collect();
        panels.resize(places.len() * bytes);
        let parts = Parts::new(panels.as_mut_slice());
        self.compute.pool().run(places.len(), |index| {
            let (unit, factors, block) = places[index];
            // SAFETY: each block of panels is filled by one task; the span lies inside the cache.
            unsafe {
                let (source, panel) = (self.source(unit), parts.part(index * bytes, bytes));
                let fill = Fill { source, at: unit.from + block * BLOCK, factors, panel };
                dispatch(self.compute.isa(), fill);
            }
        });
    }

    fn tiles(&self, units: &[Unit], factors: &[f32], panels: &[u8], out: Parts<'_, f32>) {
        let (rules, isa) = (self.rules, self.compute.isa());
        let (group, dim) = (rules.heads / rules.kv.kv_heads, rules.kv.head_dim);
        let (bytes, each) = (Layout::new(rules.kv).bytes, ROWS);
        // The last tiles of a unit see the most positions: they go first.
        let tiles: Vec<_> = (units.iter().zip(factors.chunks_exact(2 * dim)))
            .flat_map(|(unit, factors)| {
                let all = self.spans[unit.span].tokens * group;
                let rows = move |i| (i * each, all.min((i + 1) * each));
                (0..all.div_ceil(each)).rev().map(move |i| (unit, &factors[..dim], rows(i)))
            })
            .collect();
        self.compute.pool().run(tiles.len(), |index| {
            let (unit, factors, rows) = tiles[index];
            let tile = Tile {
                rules,
                q: self.queries(unit),
                factors,
                panels: &panels[unit.at * bytes..(unit.at + unit.blocks) * bytes],
                from: unit.from,
                offset: self.spans[unit.span].offset,
                kv_head: unit.kv_head,
                rows,
                out: out.part_from(self.rows[unit.span] * rules.heads * dim),
            };
            // SAFETY: the unit's panels reach from the first position that its first query sees to the last one's own;
            // tiles write different rows.
            unsafe { dispatch(isa, tile) }
        });
    }
}
