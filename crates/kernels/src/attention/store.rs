//! Putting new keys and values into a block of the cache.

use super::{KV_BLOCK, KvShape};
use crate::simd::{AnyOp, Op, Simd};
use crate::unpack::Unpackers;

/// Positions `at ..` of one block become `k` and `v`, (tokens, kv_heads, head_dim).
pub(super) struct Block<'a> {
    pub(super) kv: KvShape,
    pub(super) k: &'a [f32],
    pub(super) v: &'a [f32],
    pub(super) at: usize,
    pub(super) keys: &'a mut [u16],
    pub(super) values: &'a mut [u16],
}

impl AnyOp for Block<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Block<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (dim, padded) = (self.kv.head_dim, self.kv.padded());
        let heads = self.k.chunks_exact(dim).zip(self.v.chunks_exact(dim));
        for (index, (k, v)) in heads.enumerate() {
            let (position, head) = (self.at + index / self.kv.kv_heads, index % self.kv.kv_heads);
            let keys = &mut self.keys[head * dim * KV_BLOCK..][..dim * KV_BLOCK];
            let values = &mut self.values[(head * KV_BLOCK + position) * padded..][..dim];
            let mut halves = [0u16; 16];
            for from in (0..dim).step_by(S::LANES) {
                let n = S::LANES.min(dim - from);
                s.store_f16(halves.as_mut_ptr(), load(s, &k[from..from + n]));
                for (column, &half) in keys[from * KV_BLOCK..].chunks_exact_mut(KV_BLOCK).zip(&halves[..n]) {
                    column[position] = half;
                }
                s.store_f16(halves.as_mut_ptr(), load(s, &v[from..from + n]));
                values[from..from + n].copy_from_slice(&halves[..n]);
            }
        }
    }
}

/// At most LANES values, zeros behind.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, x: &[f32]) -> S::F {
    if x.len() == S::LANES { s.load(x.as_ptr()) } else { s.load_first(x.as_ptr(), x.len()) }
}
