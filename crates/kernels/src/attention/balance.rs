//! Factors that spread what rounding costs evenly over the dimensions of keys and queries.
//!
//! In many models some dimensions of all keys are much larger than the rest, so that a scale for the whole key leaves little
//! of these. Keys divided and queries multiplied by √(largest key / largest query) of each dimension have the same products
//! (SmoothQuant, Xiao et al. 2023, does so with weights).

use super::Attention;
use super::panels::{BLOCK, Source};
use super::shape::KV_BLOCK;
use crate::simd::{AnyOp, Op, Simd};
use crate::unpack::Unpackers;

/// Blocks of keys and tokens of queries that are looked at, spread over all.
const SAMPLES: usize = 16;

/// Finds the factors of one key/value head of one span.
pub(super) struct Measure<'a> {
    pub(super) rules: &'a Attention,
    pub(super) source: Source<'a>,
    /// (tokens, heads, head_dim): the span's queries.
    pub(super) q: &'a [f32],
    /// (2, head_dim): what queries, then what keys are to be multiplied with.
    pub(super) factors: &'a mut [f32],
}

impl AnyOp for Measure<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        let dim = self.source.kv.head_dim;
        assert!(self.factors.len() == 2 * dim);
        crate::scratch::with(self.source.float_bytes(), |memory| {
            let (query, key) = self.factors.split_at_mut(dim);
            largest_queries(self.rules, self.source.kv_head, self.q, query);
            key.fill(0.0);
            s.enter(Keys { source: self.source, floats: memory.cast(), largest: key });
            for (query, key) in query.iter_mut().zip(key) {
                let factor = if *query > 1e-12 && *key > 1e-12 { (*key / *query).sqrt() } else { 1.0 };
                (*query, *key) = (factor, 1.0 / factor);
            }
        });
    }
}

/// The largest magnitude of each dimension of one key/value head's queries.
fn largest_queries(rules: &Attention, kv_head: usize, q: &[f32], largest: &mut [f32]) {
    let (dim, group) = (rules.kv.head_dim, rules.heads / rules.kv.kv_heads);
    let width = rules.heads * dim;
    largest.fill(0.0);
    for token in q.chunks_exact(width).step_by((q.len() / width).div_ceil(SAMPLES * group).max(1)) {
        for row in token[kv_head * group * dim..(kv_head + 1) * group * dim].chunks_exact(dim) {
            largest.iter_mut().zip(row).for_each(|(largest, x)| *largest = largest.max(x.abs()));
        }
    }
}

/// The largest magnitude of each dimension of keys.
struct Keys<'a> {
    source: Source<'a>,
    floats: *mut f32,
    largest: &'a mut [f32],
}

impl<S: Simd> Op<S> for Keys<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (seen, dim) = (self.source.seen, self.source.kv.head_dim);
        let first = seen.0 / BLOCK;
        let blocks = seen.1.div_ceil(BLOCK) - first;
        for block in (0..blocks).step_by(blocks.div_ceil(SAMPLES)) {
            self.source.load::<S, true>(s, (first + block) * BLOCK, self.floats);
            for (d, largest) in self.largest.iter_mut().enumerate() {
                let mut most = s.splat(*largest);
                for b in 0..BLOCK / KV_BLOCK {
                    let row = self.floats.add((b * dim + d) * KV_BLOCK);
                    for at in (0..KV_BLOCK).step_by(S::LANES) {
                        most = s.max(most, s.abs(s.load(row.add(at))));
                    }
                }
                *largest = s.largest(most);
            }
        }
    }
}
