//! Cutting the attention of a batch into tasks of similar size, for all spans but those that are computed in 8 bits.

use super::shape::{KV_BLOCK, KvSpan};
use super::{Attention, bulk};

/// Rows (query, head) that a task works on at once when there are many queries.
const TILE_ROWS: usize = 96;

/// Spans with up to this number of queries are split along the positions instead, so that all threads read the cache.
pub(super) const FEW_QUERIES: usize = 4;

/// Positions below which splitting costs more than it gains.
const LEAST_SPLIT: usize = 128;

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

/// A span whose positions were split: partial rows are (kv_heads, parts, rows) from `row` on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) span: usize,
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
        let few = spans.iter().filter(|span| (1..=FEW_QUERIES).contains(&span.tokens)).count();
        let wanted = (threads * 4).div_ceil(rules.kv.kv_heads * few.max(1));
        let mut row = 0;
        for (index, span) in spans.iter().enumerate() {
            plan.rows.push(row);
            row += span.tokens;
            match span.tokens {
                0 => {}
                _ if bulk::takes(rules, span) => {}
                1..=FEW_QUERIES => plan.split(rules, index, span, wanted),
                _ => plan.tile(rules, index, span),
            }
        }
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

    fn split(&mut self, rules: &Attention, index: usize, span: &KvSpan<'_>, wanted: usize) {
        let (first, last) = (Self::first(rules, span, 0), span.end());
        let parts = (last - first).div_ceil(LEAST_SPLIT).min(wanted).max(1);
        // Split at whole blocks, counted from the block of the first position.
        let from = first / KV_BLOCK * KV_BLOCK;
        let each = (last - from).div_ceil(parts).next_multiple_of(KV_BLOCK);
        let parts = (last - from).div_ceil(each);
        let rows = rules.heads / rules.kv.kv_heads * span.tokens;
        if parts > 1 {
            self.splits.push(Split { span: index, row: self.partial_rows, parts });
        }
        for kv_head in 0..rules.kv.kv_heads {
            for part in 0..parts {
                let start = from + part * each;
                let target = match parts {
                    1 => Target::Output,
                    _ => {
                        self.partial_rows += rows;
                        Target::Partial(self.partial_rows - rows)
                    }
                };
                self.works.push(Work {
                    span: index,
                    kv_head,
                    tokens: (0, span.tokens),
                    positions: (start.max(first), last.min(start + each)),
                    target,
                });
            }
        }
    }
}
