//! Cutting the attention of a batch into tasks of similar size, for all spans but those that are computed in 8 bits.

use super::shape::{KV_BLOCK, KvSpan};
use super::{Attention, bulk};

/// Rows (query, head) that a task works on at once when there are many queries.
const TILE_ROWS: usize = 96;

/// Spans with up to this number of queries are split along the positions instead, so that all threads read the cache.
pub(super) const FEW_QUERIES: usize = 4;

/// Blocks below which splitting costs more than it gains, …
const LEAST_SPLIT: usize = 4;

/// … and above which a piece is cut, so that a thread that was held up leaves some for the others.
const MOST_SPLIT: usize = 32;

/// Where a task's result goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target {
    /// It saw all positions: straight to the output.
    Output,
    /// It saw some: to this row of the partial results.
    Partial(usize),
}

/// One task.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) span: usize,
    pub(super) kv_head: usize,
    /// Tokens of the span, first and end.
    pub(super) tokens: (usize, usize),
    pub(super) positions: (usize, usize),
    pub(super) target: Target,
}

/// A head of a span whose positions were split: partial rows are (parts, rows) from `row` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) span: usize,
    pub(super) kv_head: usize,
    pub(super) row: usize,
    pub(super) parts: usize,
}

/// The tasks of one attention.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// First row of each span in the batch.
    pub(super) rows: Vec<usize>,
    pub(super) works: Vec<Work>,
    pub(super) splits: Vec<Split>,
    pub(super) partial_rows: usize,
}

impl Plan {
    pub(super) fn new(rules: &Attention, spans: &[KvSpan<'_>], threads: usize) -> Self {
        let mut plan = Self::default();
        let mut row = 0;
        for (index, span) in spans.iter().enumerate() {
            plan.rows.push(row);
            row += span.tokens;
            if span.tokens > FEW_QUERIES && !bulk::takes(rules, span) {
                plan.tile(rules, index, span);
            }
        }
        plan.split(rules, spans, threads);
        plan
    }

    /// First position that the span's query `token` sees.
    fn first(rules: &Attention, span: &KvSpan<'_>, token: usize) -> usize {
        rules.window.map_or(0, |w| (span.offset + token + 1).saturating_sub(w))
    }

    fn tile(&mut self, rules: &Attention, index: usize, span: &KvSpan<'_>) {
        let group = rules.heads / rules.kv.kv_heads;
        let each = (TILE_ROWS / group).clamp(1, span.tokens);
        // The last tiles see the most positions: they go first.
        for tile in (0..span.tokens.div_ceil(each)).rev() {
            let tokens = (tile * each, span.tokens.min((tile + 1) * each));
            let positions = (Self::first(rules, span, tokens.0), span.offset + tokens.1);
            let work = Work { span: index, kv_head: 0, tokens, positions, target: Target::Output };
            self.works.extend((0..rules.kv.kv_heads).map(|kv_head| Work { kv_head, ..work }));
        }
    }

    /// Cuts the blocks of all few-query spans and their heads, one after the other, into a share for each thread, at heads and
    /// where a piece grows long: threads read neighbouring memory and are done together.
    fn split(&mut self, rules: &Attention, spans: &[KvSpan<'_>], threads: usize) {
        let few = |span: &KvSpan<'_>| (1..=FEW_QUERIES).contains(&span.tokens);
        let range = |span: &KvSpan<'_>| {
            let first = Self::first(rules, span, 0);
            (first, first / KV_BLOCK, span.end().div_ceil(KV_BLOCK))
        };
        let blocks = |span| range(span).2 - range(span).1;
        let all: usize = spans.iter().filter(|span| few(span)).map(blocks).sum::<usize>() * rules.kv.kv_heads;
        let share = all.div_ceil(threads).max(LEAST_SPLIT);
        let mut left = share;
        for (index, span) in spans.iter().enumerate().filter(|(_, span)| few(span)) {
            let (first, from, end) = range(span);
            let rows = rules.heads / rules.kv.kv_heads * span.tokens;
            for kv_head in 0..rules.kv.kv_heads {
                let (start, row, mut at) = (self.works.len(), self.partial_rows, from);
                while at < end {
                    let mut to = end.min(at + left.min(MOST_SPLIT));
                    if end - to < LEAST_SPLIT {
                        to = end;
                    }
                    left = left.saturating_sub(to - at);
                    if left < LEAST_SPLIT {
                        left += share;
                    }
                    let target = Target::Partial(self.partial_rows);
                    self.partial_rows += rows;
                    let positions = (first.max(at * KV_BLOCK), span.end().min(to * KV_BLOCK));
                    let tokens = (0, span.tokens);
                    self.works.push(Work { span: index, kv_head, tokens, positions, target });
                    at = to;
                }
                let parts = self.works.len() - start;
                if parts > 1 {
                    self.splits.push(Split { span: index, kv_head, row, parts });
                } else {
                    self.works[start].target = Target::Output;
                    self.partial_rows = row;
                }
            }
        }
    }
}
