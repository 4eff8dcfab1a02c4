//! [`Simd`] on AVX2: eight lanes, `vpmaddubsw` and `vpmaddwd` for int8 dot products. Bytes of eight bits on both sides
//! would overflow the 16-bit sums of the former, so that wide products move the weight's sign to the activation.

use super::{Op, Simd};
use crate::isa::Avx2;
use std::arch::x86_64::*;

#[target_feature(enable = "avx2,fma,f16c,bmi1,bmi2")]
unsafe fn with_features<O: Op<Avx2>>(s: Avx2, op: O) -> O::Out {
    op.run(s)
}

/// All bits set in the first `n` lanes.
#[inline(always)]
unsafe fn first_lanes(n: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const TILE: usize = 3;
    const WIDE_OFFSET: i32 = 0;
    type F = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn enter<O: Op<Self>>(self, op: O) -> O::Out {
        with_features(self, op)
    }

    #[inline(always)]
    unsafe fn splat(self, x: f32) -> __m256 {
        _mm256_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        _mm256_loadu_ps(p)
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: __m256) {
        _mm256_storeu_ps(p, x);
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
        _mm256_maskload_ps(p, first_lanes(n))
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, x: __m256) {
        _mm256_maskstore_ps(p, first_lanes(n), x);
    }
    #[inline(always)]
    unsafe fn add(self, a: __m256, b: __m256) -> __m256 {
        _mm256_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(self, a: __m256, b: __m256) -> __m256 {
        _mm256_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(self, a: __m256, b: __m256) -> __m256 {
        _mm256_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(self, a: __m256, b: __m256) -> __m256 {
        _mm256_div_ps(a, b)
    }
    #[inline(always)]
    unsafe fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        _mm256_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn max(self, a: __m256, b: __m256) -> __m256 {
        _mm256_max_ps(a, b)
    }
    #[inline(always)]
    unsafe fn min(self, a: __m256, b: __m256) -> __m256 {
        _mm256_min_ps(a, b)
    }
    #[inline(always)]
    unsafe fn abs(self, a: __m256) -> __m256 {
        _mm256_andnot_ps(_mm256_set1_ps(-0.0), a)
    }
    #[inline(always)]
    unsafe fn sum(self, a: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }
    #[inline(always)]
    unsafe fn sum4(self, [a, b, c, d]: [__m256; 4]) -> [f32; 4] {
        let parts = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        let one = _mm_add_ps(_mm256_castps256_ps128(parts), _mm256_extractf128_ps::<1>(parts));
        let mut sums = [0.0; 4];
        _mm_storeu_ps(sums.as_mut_ptr(), one);
        sums
    }
    #[inline(always)]
    unsafe fn largest(self, a: __m256) -> f32 {
        let four = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)))
    }
    #[inline(always)]
    unsafe fn round(self, a: __m256) -> __m256 {
        _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn times_pow2(self, a: __m256, n: __m256) -> __m256 {
        // 2ⁿ is an exponent and no mantissa; a product, so that zeros and results below the normal numbers come out.
        let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
        _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
    }
    #[inline(always)]
    unsafe fn fraction(self, a: __m256) -> __m256 {
        _mm256_sub_ps(a, _mm256_floor_ps(a))
    }
    #[inline(always)]
    unsafe fn times_pow2_floor(self, a: __m256, n: __m256) -> __m256 {
        self.times_pow2(a, _mm256_floor_ps(_mm256_max_ps(n, _mm256_set1_ps(-126.0))))
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> __m256 {
        _mm256_cvtph_ps(_mm_loadu_si128(p.cast()))
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16, x: __m256) {
        _mm_storeu_si128(p.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x));
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const i8) -> __m256 {
        _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(p.cast())))
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> __m256 {
        let wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(p.cast()));
        _mm256_castsi256_ps(_mm256_slli_epi32::<16>(wide))
    }
    #[inline(always)]
    unsafe fn load_each4(self, p: *const f32) -> __m256 {
        _mm256_blend_ps::<0xf0>(_mm256_set1_ps(*p), _mm256_set1_ps(*p.add(1)))
    }

    #[inline(always)]
    unsafe fn zero_i(self) -> __m256i {
        _mm256_setzero_si256()
    }
    #[inline(always)]
    unsafe fn splat_i(self, x: i32) -> __m256i {
        _mm256_set1_epi32(x)
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> __m256i {
        _mm256_loadu_si256(p.cast())
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, x: __m256i) {
        _mm256_storeu_si256(p.cast(), x);
    }
    #[inline(always)]
    unsafe fn splat_bytes(self, p: *const i8) -> __m256i {
        _mm256_set1_epi32(p.cast::<i32>().read_unaligned())
    }
    #[inline(always)]
    unsafe fn add_i(self, a: __m256i, b: __m256i) -> __m256i {
        _mm256_add_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn mul_i(self, a: __m256i, b: __m256i) -> __m256i {
        _mm256_mullo_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn to_float(self, a: __m256i) -> __m256 {
        _mm256_cvtepi32_ps(a)
    }
    #[inline(always)]
    unsafe fn store_i8(self, p: *mut i8, x: __m256) {
        let wide = _mm256_cvtps_epi32(x);
        let words = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256::<1>(wide));
        _mm_storel_epi64(p.cast(), _mm_packs_epi16(words, words));
    }
    #[inline(always)]
    unsafe fn pack_bytes(self, [a, b, c, d]: [__m256; 4]) -> __m256i {
        let ab = _mm256_packs_epi32(_mm256_cvtps_epi32(a), _mm256_cvtps_epi32(b));
        let cd = _mm256_packs_epi32(_mm256_cvtps_epi32(c), _mm256_cvtps_epi32(d));
        // Each 128-bit part now holds four lanes of a, then of b, c and d.
        let each = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm256_shuffle_epi8(_mm256_packus_epi16(ab, cd), _mm256_broadcastsi128_si256(each))
    }
    #[inline(always)]
    unsafe fn dot(self, acc: __m256i, u: __m256i, s: __m256i) -> __m256i {
        let pairs = _mm256_maddubs_epi16(u, s);
        _mm256_add_epi32(acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
    }
    #[inline(always)]
    unsafe fn dot_any(self, acc: __m256i, u: __m256i, s: __m256i) -> __m256i {
        // Even and odd bytes apart, as 16 bits each: no pair of products leaves 32 bits.
        let even = _mm256_madd_epi16(
            _mm256_and_si256(u, _mm256_set1_epi16(255)),
            _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(s)),
        );
        let odd = _mm256_madd_epi16(_mm256_srli_epi16::<8>(u), _mm256_srai_epi16::<8>(s));
        _mm256_add_epi32(acc, _mm256_add_epi32(even, odd))
    }
    #[inline(always)]
    unsafe fn dot_wide(self, acc: __m256i, w: __m256i, s: __m256i) -> __m256i {
        // |−128| is 128 as an unsigned byte, and two products of 128 · 127 still fit 16 bits.
        self.dot(acc, _mm256_abs_epi8(w), _mm256_sign_epi8(s, w))
    }
    #[inline(always)]
    unsafe fn dot_wide_panel(self, acc: __m256i, a: __m256i, w: __m256i) -> __m256i {
        self.dot_wide(acc, w, _mm256_xor_si256(a, _mm256_set1_epi8(-128)))
    }
    #[inline(always)]
    unsafe fn sub_bytes(self, a: __m256i, b: __m256i) -> __m256i {
        _mm256_sub_epi8(a, b)
    }
    #[inline(always)]
    unsafe fn splat_byte(self, x: i8) -> __m256i {
        _mm256_set1_epi8(x)
    }

    #[inline(always)]
    unsafe fn transpose(self, rows: *const u8, stride: usize, out: *mut u8, group: usize, block: usize) {
        // Rows r and r+4 share a register as 128-bit halves; two rounds of unpacking transpose each 4 × 4 tile.
        let part = |row: usize, at: usize| _mm_loadu_si128(rows.add(row * stride + at * 16).cast());
        for at in 0..2 {
            let pair = |row: usize| _mm256_set_m128i(part(row + 4, at), part(row, at));
            let (a, b, c, d) = (pair(0), pair(1), pair(2), pair(3));
            let (ab0, ab1) = (_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
            let (cd0, cd1) = (_mm256_unpacklo_epi32(c, d), _mm256_unpackhi_epi32(c, d));
            let to = |j: usize| out.add(at * block + j * group);
            self.store_i(to(0), _mm256_unpacklo_epi64(ab0, cd0));
            self.store_i(to(1), _mm256_unpackhi_epi64(ab0, cd0));
            self.store_i(to(2), _mm256_unpacklo_epi64(ab1, cd1));
            self.store_i(to(3), _mm256_unpackhi_epi64(ab1, cd1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isa::Portable;

    /// What `Probe` computes with one instruction set of eight lanes.
    #[derive(Debug, PartialEq)]
    struct Results {
        floats: Vec<(&'static str, [f32; 8])>,
        bytes: Vec<(&'static str, [u8; 32])>,
        sums: [f32; 2],
        transposed: Vec<u8>,
        ints: [i8; 8],
    }

    /// Every operation that is more than one instruction, on numbers whose results are exact.
    struct Probe;

    impl<S: Simd> Op<S> for Probe {
        type Out = Results;
        unsafe fn run(self, s: S) -> Results {
            let x = [1.5f32, -2.5, 0.5, -0.5, 100.0, -126.5, 0.0, 3.25];
            let n = [-126f32, 127.0, 0.0, 1.0, -1.0, 10.0, -20.0, 23.0];
            let halves = [0x3c00u16, 0xbc00, 0x0001, 0x7bff, 0x8000, 0x3555, 0x0400, 0x4248];
            let bytes: [u8; 32] = std::array::from_fn(|i| (i * 37 + 5) as u8);
            let small = bytes.map(|b| b & 63);
            let signed = bytes.map(|b| b.wrapping_mul(91).max(129)); // −127 ..= −1
            let (vx, vn) = (s.load(x.as_ptr()), s.load(n.as_ptr()));
            let float = |v: S::F| {
                let mut out = [0.0; 8];
                s.store(out.as_mut_ptr(), v);
                out
            };
            let byte = |v: S::I| {
                let mut out = [0; 32];
                s.store_i(out.as_mut_ptr(), v);
                out
            };
            let int = |b: &[u8; 32]| s.load_i(b.as_ptr());
            let mut floats = vec![
                ("abs", float(s.abs(vx))),
                ("max", float(s.max(vx, vn))),
                ("min", float(s.min(vx, vn))),
                ("round", float(s.round(vx))),
                ("times_pow2", float(s.times_pow2(vx, vn))),
                ("fraction", float(s.fraction(vx))),
                ("times_pow2_floor", float(s.times_pow2_floor(vn, vx))),
                ("load_f16", float(s.load_f16(halves.as_ptr()))),
                ("load_bf16", float(s.load_bf16(halves.as_ptr()))),
                ("load_each4", float(s.load_each4(x.as_ptr().add(3)))),
                ("to_float", float(s.to_float(int(&bytes)))),
            ];
            for count in 0..8 {
                floats.push(("load_first", float(s.load_first(x.as_ptr().add(8 - count), count))));
                let mut out = [7.0; 8];
                s.store_first(out.as_mut_ptr(), count, vx);
                floats.push(("store_first", out));
            }
            let rows: Vec<u8> = (0..8 * 40).map(|i| (i % 251) as u8).collect();
            let mut transposed = vec![0; 8 * 48];
            s.transpose(rows.as_ptr(), 40, transposed.as_mut_ptr(), 48, 4 * 48);
            let mut ints = [0; 8];
            s.store_i8(ints.as_mut_ptr(), vx);
            Results {
                floats,
                bytes: vec![
                    ("dot", byte(s.dot(s.splat_i(-3), int(&small), int(&signed)))),
                    ("dot_wide", byte(s.dot_wide(s.splat_i(9), int(&bytes), int(&signed)))),
                    ("dot_wide_panel", byte(s.dot_wide_panel(s.zero_i(), int(&bytes), int(&signed)))),
                    ("sub_bytes", byte(s.sub_bytes(int(&small), s.splat_byte(40)))),
                    ("pack_bytes", byte(s.pack_bytes([vx, vn, s.mul(vn, vn), s.abs(vn)]))),
                    ("mul_i", byte(s.mul_i(int(&bytes), int(&signed)))),
                    ("splat_bytes", byte(s.splat_bytes(bytes.as_ptr().cast()))),
                ],
                sums: [s.sum(vx), s.largest(vx)],
                transposed,
                ints,
            }
        }
    }

    #[test]
    fn every_operation_agrees_with_plain_rust() {
        let Some(token) = Avx2::detect() else { return };
        // SAFETY: the token proves the features, and the probe reads and writes its own arrays only.
        let (ours, plain) = unsafe { (token.enter(Probe), Portable.enter(Probe)) };
        assert_eq!(ours, plain);
    }

    /// The first lane of both wide products of four equal weights with four equal activations.
    struct Wide {
        w: i8,
        a: i8,
    }

    impl<S: Simd> Op<S> for Wide {
        type Out = [i32; 2];
        unsafe fn run(self, s: S) -> [i32; 2] {
            let (w, a) = (s.splat_byte(self.w), s.splat_byte(self.a));
            let offset = s.splat_byte(self.a ^ i8::MIN);
            let first = |v: S::I| {
                let mut out = [0; 64];
                s.store_i(out.as_mut_ptr(), v);
                i32::from_ne_bytes([out[0], out[1], out[2], out[3]])
            };
            [first(s.dot_wide(s.splat_i(5), w, a)), first(s.dot_wide_panel(s.splat_i(5), offset, w))]
        }
    }

    #[test]
    fn wide_products_are_exact_up_to_the_last_weight() {
        let Some(token) = Avx2::detect() else { return };
        for w in i8::MIN..=i8::MAX {
            for a in [-127, -126, -1, 0, 1, 126, 127] {
                let expected = 5 + 4 * i32::from(w) * i32::from(a);
                // SAFETY: the token proves the features, and the op has no pointers.
                assert_eq!(unsafe { token.enter(Wide { w, a }) }, [expected; 2], "{w} · {a}");
            }
        }
    }
}
