//! Attention of the spans with many queries in 8 bits, or in bfloat16 tiles on AMX: which blocks are rounded to panels when, and who works on which tile.
//!
//! A *unit* is one key/value head of one span. Panels of a few units are filled at a time, so that what they take stays
//! bounded, then all their tiles are computed.

use super::balance::Measure;
use super::int8::{ROWS, Tile};
use super::panels::{BLOCK, Fill, Layout, Source};
use super::plan::FEW_QUERIES;
use super::rows::Rows;
use super::shape::KvSpan;
#[cfg(target_arch = "x86_64")]
use super::tiles;
use super::{Attention, Cache};
use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
#[cfg(target_arch = "x86_64")]
use crate::isa::{Amx, Isa};
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

/// All units, in rounds. A block of panels is `block` positions and takes `bytes` bytes.
fn rounds(rules: &Attention, spans: &[KvSpan<'_>], block: usize, bytes: usize) -> Vec<Vec<Unit>> {
    let (mut rounds, mut at, limit) = (vec![Vec::new()], 0, ROUND / bytes);
    for (index, span) in spans.iter().enumerate().filter(|(_, span)| takes(rules, span)) {
        let first = rules.window.map_or(0, |w| (span.offset + 1).saturating_sub(w));
        let from = first / block * block;
        let blocks = (span.end() - from).div_ceil(block);
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
pub(super) fn run<'a>(
    compute: &'a Compute,
    rules: &'a Attention,
    q: &'a [f32],
    spans: &'a [KvSpan<'a>],
    rows: &'a [usize],
    cache: Cache<'a>,
    out: Parts<'a, f32>,
) {
    let bulk = Bulk { compute, rules, q, spans, rows, cache };
    PANELS.with_borrow_mut(|panels| {
        #[cfg(target_arch = "x86_64")]
        if let Isa::Amx(amx) = compute.isa() {
            for units in rounds(rules, spans, tiles::BLOCK, tiles::Layout::new(rules.kv).size * 2) {
                bulk.fill_tiles(amx, &units, panels);
                bulk.multiply_tiles(amx, &units, panels.as_slice(), out);
            }
            return;
        }
        for units in rounds(rules, spans, BLOCK, Layout::new(rules.kv).bytes) {
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

    fn tiles(&self, units: &[Unit], factors: &[f32], panels: &[u8], out: Parts<'a, f32>) {
        let (rules, isa, dim) = (self.rules, self.compute.isa(), self.rules.kv.head_dim);
        let bytes = Layout::new(rules.kv).bytes;
        let tiles = self.cut(units, ROWS, out);
        self.compute.pool().run(tiles.len(), |index| {
            let (at, of) = tiles[index];
            let unit = &units[at];
            let tile = Tile {
                of,
                factors: &factors[at * 2 * dim..][..dim],
                panels: &panels[unit.at * bytes..(unit.at + unit.blocks) * bytes],
                from: unit.from,
            };
            // SAFETY: the unit's panels reach from the first position that its first query sees to the last one's own;
            // tiles write different rows.
            unsafe { dispatch(isa, tile) }
        });
    }
    /// The units' rows, at most `each` together, with the index of their unit.
    fn cut(&self, units: &[Unit], each: usize, out: Parts<'a, f32>) -> Vec<(usize, Rows<'a>)> {
        let (rules, mut pieces) = (self.rules, Vec::new());
        for (at, unit) in units.iter().enumerate() {
            let span = &self.spans[unit.span];
            let all = span.tokens * (rules.heads / rules.kv.kv_heads);
            let out = out.part_from(self.rows[unit.span] * rules.heads * rules.kv.head_dim);
            let (q, offset, kv_head) = (self.queries(unit), span.offset, unit.kv_head);
            // The last of a unit see the most positions: they go first.
            for first in (0..all).step_by(each).rev() {
                let rows = (first, all.min(first + each));
                pieces.push((at, Rows { rules, q, offset, kv_head, rows, out }));
            }
        }
        pieces
    }

    #[cfg(target_arch = "x86_64")]
    fn fill_tiles(&self, amx: Amx, units: &[Unit], panels: &mut Aligned<u8>) {
        let bytes = tiles::Layout::new(self.rules.kv).size * 2;
        let places: Vec<_> =
            units.iter().flat_map(|unit| (0..unit.blocks).map(move |block| (unit, block))).collect();
        panels.resize(places.len() * bytes);
        let parts = Parts::new(panels.as_mut_slice());
        self.compute.pool().run(places.len(), |index| {
            let (unit, block) = places[index];
            let source = self.source(unit);
            crate::scratch::with(source.float_bytes(), |floats| {
                // SAFETY: each block of panels is filled by one task, and begins on a cache line; the span lies inside the cache.
                unsafe {
                    let panel = parts.part(index * bytes, bytes).as_mut_ptr().cast();
                    let at = unit.from + block * tiles::BLOCK;
                    amx.enter(tiles::Fill { source, at, floats: floats.cast(), panel });
                }
            });
        });
    }

    #[cfg(target_arch = "x86_64")]
    fn multiply_tiles(&self, amx: Amx, units: &[Unit], panels: &[u8], out: Parts<'a, f32>) {
        let bytes = tiles::Layout::new(self.rules.kv).size * 2;
        let pieces = self.cut(units, tiles::TASK_ROWS, out);
        self.compute.pool().run(pieces.len(), |index| {
            let (at, of) = pieces[index];
            let panels = &panels[units[at].at * bytes..(units[at].at + units[at].blocks) * bytes];
            crate::scratch::with(tiles::Tile::bytes(self.rules.kv), |memory| {
                let (panels, from) = (panels.as_ptr().cast(), units[at].from);
                // SAFETY: the unit's panels reach from the first position that its first query sees to the last one's own;
                // tasks write different rows.
                unsafe { amx.enter(tiles::Tile { of, panels, from, memory }) }
            });
        });
    }
}
