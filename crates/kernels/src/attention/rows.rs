//! Some of the queries of one key/value head of one span: where they are, and what they see.

use super::Attention;
use crate::buffer::Parts;

/// Rows `rows.0 .. rows.1` of a span's queries for one key/value head; row r is head `r % group` of token `r / group`.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) rules: &'a Attention,
    /// (tokens, heads, head_dim) of the span.
    pub(super) q: &'a [f32],
    /// Position of the first of the span's tokens.
    pub(super) offset: usize,
    pub(super) kv_head: usize,
    pub(super) rows: (usize, usize),
    /// (tokens, heads, head_dim) of the span.
    pub(super) out: Parts<'a, f32>,
}

impl Rows<'_> {
    /// How many they are.
    pub(super) fn len(&self) -> usize {
        self.rows.1 - self.rows.0
    }

    fn group(&self) -> usize {
        self.rules.heads / self.rules.kv.kv_heads
    }

    /// Position of a row, those behind the last being like the last.
    pub(super) fn position(&self, row: usize) -> usize {
        self.offset + (self.rows.0 + row).min(self.rows.1 - 1) / self.group()
    }

    /// First position that a query at `position` sees.
    pub(super) fn first(&self, position: usize) -> usize {
        self.rules.window.map_or(0, |w| (position + 1).saturating_sub(w))
    }

    /// Where a row's values begin in queries and output.
    pub(super) fn place(&self, row: usize) -> usize {
        let (row, group) = (self.rows.0 + row, self.group());
        (row / group * self.rules.heads + self.kv_head * group + row % group) * self.rules.kv.head_dim
    }
}
