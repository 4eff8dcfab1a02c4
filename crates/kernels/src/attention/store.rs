//! Putting new keys and values into a block of the cache.

use super::shape::{GROUP, KV_BLOCK, KvFormat, KvShape};
use crate::half::{f16_to_f32, f32_to_f16};
use crate::simd::{AnyOp, Op, Simd};
use crate::unpack::Unpackers;

/// Positions `at ..` of one head in one block become `k` and `v`, (tokens, kv_heads, head_dim), of which `head` is taken.
pub(super) struct Block<'a> {
    pub(super) kv: KvShape,
    pub(super) head: usize,
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
        let Self { kv, head, k, v, at, keys, values } = self;
        let width = kv.kv_heads * kv.head_dim;
        let own = head * kv.head_dim..(head + 1) * kv.head_dim;
        for (index, (k, v)) in k.chunks_exact(width).zip(v.chunks_exact(width)).enumerate() {
            let (k, v) = (&k[own.clone()], &v[own.clone()]);
            match kv.format {
                KvFormat::F16 => put_halves(s, kv, k, v, at + index, keys, values),
                KvFormat::F32 => put_floats(kv, k, v, at + index, keys, values),
                KvFormat::Q8 => put_bytes(s, kv, k, v, at + index, keys, values),
            }
        }
    }
}

/// One position in half precision.
#[inline(always)]
unsafe fn put_halves<S: Simd>(
    s: S,
    kv: KvShape,
    k: &[f32],
    v: &[f32],
    position: usize,
    keys: &mut [u16],
    values: &mut [u16],
) {
    let (dim, padded) = (kv.head_dim, kv.padded());
    let values = &mut values[position * padded..][..dim];
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

/// One position as it is, in pairs of halves.
fn put_floats(kv: KvShape, k: &[f32], v: &[f32], position: usize, keys: &mut [u16], values: &mut [u16]) {
    let put = |pair: &mut [u16], x: f32| {
        pair.copy_from_slice(&[0, 2].map(|at| {
            let bytes = x.to_ne_bytes();
            u16::from_ne_bytes([bytes[at], bytes[at + 1]])
        }));
    };
    for (column, &x) in keys.chunks_exact_mut(2 * KV_BLOCK).zip(k) {
        put(&mut column[2 * position..][..2], x);
    }
    for (pair, &x) in values[2 * position * kv.padded()..].chunks_exact_mut(2).zip(v) {
        put(pair, x);
    }
}

/// One position in 8 bits: (dimensions, positions) bytes then (groups, positions) scales for keys, (positions, dimensions)
/// bytes then (positions, groups) scales for values.
#[inline(always)]
unsafe fn put_bytes<S: Simd>(
    s: S,
    kv: KvShape,
    k: &[f32],
    v: &[f32],
    position: usize,
    keys: &mut [u16],
    values: &mut [u16],
) {
    let (key_bytes, key_scales) = keys.split_at_mut(kv.head_dim * KV_BLOCK / 2);
    let (value_bytes, value_scales) = values.split_at_mut(kv.head_dim * KV_BLOCK / 2);
    let (key_bytes, value_bytes) =
        (key_bytes.as_mut_ptr().cast::<i8>(), value_bytes.as_mut_ptr().cast::<i8>());
    let mut bytes = [0i8; GROUP];
    for group in 0..kv.groups() {
        let from = group * GROUP;
        key_scales[group * KV_BLOCK + position] =
            quantize_group(s, &k[from..from + GROUP], bytes.as_mut_ptr());
        for (d, &byte) in bytes.iter().enumerate() {
            *key_bytes.add((from + d) * KV_BLOCK + position) = byte;
        }
        let to = value_bytes.add(position * kv.head_dim + from);
        value_scales[position * kv.groups() + group] = quantize_group(s, &v[from..from + GROUP], to);
    }
}

/// 32 values as bytes; returns their scale, a half.
#[inline(always)]
unsafe fn quantize_group<S: Simd>(s: S, x: &[f32], to: *mut i8) -> u16 {
    let mut most = s.splat(0.0);
    for at in (0..GROUP).step_by(S::LANES) {
        most = s.max(most, s.abs(s.load(x.as_ptr().add(at))));
    }
    let scale = f32_to_f16(s.largest(most) / 127.0);
    let rounded = f16_to_f32(scale);
    // A scale that rounds down must not push the largest value past a byte.
    let inverse = s.splat(if rounded > 0.0 { 1.0 / rounded } else { 0.0 });
    for at in (0..GROUP).step_by(S::LANES) {
        let value = s.mul(s.load(x.as_ptr().add(at)), inverse);
        s.store_i8(to.add(at), s.max(s.min(value, s.splat(127.0)), s.splat(-127.0)));
    }
    scale
}

/// At most LANES values, zeros behind.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, x: &[f32]) -> S::F {
    if x.len() == S::LANES { s.load(x.as_ptr()) } else { s.load_first(x.as_ptr(), x.len()) }
}
