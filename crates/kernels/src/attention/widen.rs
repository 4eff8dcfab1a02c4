//! One head's keys or values of a block of the cache as floats, whatever the cache holds.

use super::shape::{GROUP, KV_BLOCK, KvFormat, KvShape};
use crate::half::f16_to_f32;
use crate::simd::Simd;

/// Keys, (head_dim, positions).
#[inline(always)]
pub(super) unsafe fn keys<S: Simd>(s: S, kv: KvShape, from: *const u16, to: *mut f32) {
    match kv.format {
        KvFormat::F16 => halves(s, from, to, kv.head_dim * KV_BLOCK),
        KvFormat::F32 => floats(from, to, kv.head_dim * KV_BLOCK),
        KvFormat::Q8 => byte_keys(s, from, to, kv.head_dim),
    }
}

/// Values, (positions, padded head_dim).
#[inline(always)]
pub(super) unsafe fn values<S: Simd>(s: S, kv: KvShape, from: *const u16, to: *mut f32) {
    match kv.format {
        KvFormat::F16 => halves(s, from, to, kv.padded() * KV_BLOCK),
        KvFormat::F32 => floats(from, to, kv.padded() * KV_BLOCK),
        KvFormat::Q8 => byte_values(s, from, to, kv.head_dim),
    }
}

/// `n` halves (whole vectors) to floats.
#[inline(always)]
unsafe fn halves<S: Simd>(s: S, from: *const u16, to: *mut f32, n: usize) {
    let mut at = 0;
    while at < n {
        s.store(to.add(at), s.load_f16(from.add(at)));
        at += S::LANES;
    }
}

/// `n` floats, which lie where halves may: their place is only that of a u16.
#[inline(always)]
unsafe fn floats(from: *const u16, to: *mut f32, n: usize) {
    std::ptr::copy_nonoverlapping(from.cast::<u8>(), to.cast::<u8>(), n * size_of::<f32>());
}

/// One head's 8-bit keys of a block, (dimensions, positions) with a scale for 32 dimensions of a position, to floats.
#[inline(always)]
unsafe fn byte_keys<S: Simd>(s: S, from: *const u16, to: *mut f32, dim: usize) {
    let (bytes, scales) = (from.cast::<i8>(), from.add(dim * KV_BLOCK / 2));
    for group in 0..dim / GROUP {
        for at in (0..KV_BLOCK).step_by(S::LANES) {
            let scale = s.load_f16(scales.add(group * KV_BLOCK + at));
            for d in group * GROUP..(group + 1) * GROUP {
                let place = d * KV_BLOCK + at;
                s.store(to.add(place), s.mul(s.load_i8(bytes.add(place)), scale));
            }
        }
    }
}

/// One head's 8-bit values of a block, (positions, dimensions) with a scale for 32 dimensions of a position, to floats.
#[inline(always)]
unsafe fn byte_values<S: Simd>(s: S, from: *const u16, to: *mut f32, dim: usize) {
    let (bytes, scales) = (from.cast::<i8>(), from.add(dim * KV_BLOCK / 2));
    for group in 0..dim * KV_BLOCK / GROUP {
        let scale = s.splat(f16_to_f32(*scales.add(group)));
        for at in (group * GROUP..(group + 1) * GROUP).step_by(S::LANES) {
            s.store(to.add(at), s.mul(s.load_i8(bytes.add(at)), scale));
        }
    }
}
