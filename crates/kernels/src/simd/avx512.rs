//! [`Simd`] on AVX-512: 16 lanes, `vpdpbusd` for int8 dot products.

use super::{Op, Simd};
use crate::isa::Avx512Vnni;
use std::arch::x86_64::*;

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512vbmi,fma,bmi2,f16c")]
unsafe fn with_features<O: Op<Avx512Vnni>>(s: Avx512Vnni, op: O) -> O::Out {
    op.run(s)
}

impl Simd for Avx512Vnni {
    const LANES: usize = 16;
    const TILE: usize = 6;
    const WIDE_OFFSET: i32 = 128;
    type F = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn enter<O: Op<Self>>(self, op: O) -> O::Out {
        with_features(self, op)
    }

    #[inline(always)]
    unsafe fn splat(self, x: f32) -> __m512 {
        _mm512_set1_ps(x)
    }
    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        _mm512_loadu_ps(p)
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, x: __m512) {
        _mm512_storeu_ps(p, x);
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m512 {
        _mm512_maskz_loadu_ps((1u16 << n) - 1, p)
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize, x: __m512) {
        _mm512_mask_storeu_ps(p, (1u16 << n) - 1, x);
    }
    #[inline(always)]
    unsafe fn add(self, a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }
    #[inline(always)]
    unsafe fn sub(self, a: __m512, b: __m512) -> __m512 {
        _mm512_sub_ps(a, b)
    }
    #[inline(always)]
    unsafe fn mul(self, a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }
    #[inline(always)]
    unsafe fn div(self, a: __m512, b: __m512) -> __m512 {
        _mm512_div_ps(a, b)
    }
    #[inline(always)]
    unsafe fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }
    #[inline(always)]
    unsafe fn max(self, a: __m512, b: __m512) -> __m512 {
        _mm512_max_ps(a, b)
    }
    #[inline(always)]
    unsafe fn min(self, a: __m512, b: __m512) -> __m512 {
        _mm512_min_ps(a, b)
    }
    #[inline(always)]
    unsafe fn abs(self, a: __m512) -> __m512 {
        _mm512_abs_ps(a)
    }
    #[inline(always)]
    unsafe fn sum(self, a: __m512) -> f32 {
        _mm512_reduce_add_ps(a)
    }
    #[inline(always)]
    unsafe fn sum4(self, [a, b, c, d]: [__m512; 4]) -> [f32; 4] {
        let pairs = |a, b| _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
        let (ab, cd) = (_mm512_castps_pd(pairs(a, b)), _mm512_castps_pd(pairs(c, d)));
        // Each 128-bit part now holds a sum of every vector.
        let low = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
        let parts = _mm512_add_ps(low, _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd)));
        let two = _mm256_add_ps(_mm512_castps512_ps256(parts), _mm512_extractf32x8_ps::<1>(parts));
        let one = _mm_add_ps(_mm256_castps256_ps128(two), _mm256_extractf128_ps::<1>(two));
        let mut sums = [0.0; 4];
        _mm_storeu_ps(sums.as_mut_ptr(), one);
        sums
    }
    #[inline(always)]
    unsafe fn largest(self, a: __m512) -> f32 {
        _mm512_reduce_max_ps(a)
    }
    #[inline(always)]
    unsafe fn round(self, a: __m512) -> __m512 {
        _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn times_pow2(self, a: __m512, n: __m512) -> __m512 {
        _mm512_scalef_ps(a, n)
    }
    #[inline(always)]
    unsafe fn fraction(self, a: __m512) -> __m512 {
        _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a)
    }
    #[inline(always)]
    unsafe fn times_pow2_floor(self, a: __m512, n: __m512) -> __m512 {
        _mm512_scalef_ps(a, n)
    }
    #[inline(always)]
    unsafe fn load_f16(self, p: *const u16) -> __m512 {
        _mm512_cvtph_ps(_mm256_loadu_si256(p.cast()))
    }
    #[inline(always)]
    unsafe fn store_f16(self, p: *mut u16, x: __m512) {
        _mm256_storeu_si256(p.cast(), _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x));
    }
    #[inline(always)]
    unsafe fn load_i8(self, p: *const i8) -> __m512 {
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(p.cast())))
    }
    #[inline(always)]
    unsafe fn load_bf16(self, p: *const u16) -> __m512 {
        let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(p.cast()));
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
    }
    #[inline(always)]
    unsafe fn load_each4(self, p: *const f32) -> __m512 {
        let four = _mm512_broadcast_f32x4(_mm_loadu_ps(p));
        let each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        _mm512_permutevar_ps(four, each)
    }

    #[inline(always)]
    unsafe fn zero_i(self) -> __m512i {
        _mm512_setzero_si512()
    }
    #[inline(always)]
    unsafe fn splat_i(self, x: i32) -> __m512i {
        _mm512_set1_epi32(x)
    }
    #[inline(always)]
    unsafe fn load_i(self, p: *const u8) -> __m512i {
        _mm512_loadu_si512(p.cast())
    }
    #[inline(always)]
    unsafe fn store_i(self, p: *mut u8, x: __m512i) {
        _mm512_storeu_si512(p.cast(), x);
    }
    #[inline(always)]
    unsafe fn splat_bytes(self, p: *const i8) -> __m512i {
        _mm512_set1_epi32(p.cast::<i32>().read_unaligned())
    }
    #[inline(always)]
    unsafe fn add_i(self, a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn mul_i(self, a: __m512i, b: __m512i) -> __m512i {
        _mm512_mullo_epi32(a, b)
    }
    #[inline(always)]
    unsafe fn to_float(self, a: __m512i) -> __m512 {
        _mm512_cvtepi32_ps(a)
    }
    #[inline(always)]
    unsafe fn store_i8(self, p: *mut i8, x: __m512) {
        _mm_storeu_si128(p.cast(), _mm512_cvtsepi32_epi8(_mm512_cvtps_epi32(x)));
    }
    #[inline(always)]
    unsafe fn pack_bytes(self, [a, b, c, d]: [__m512; 4]) -> __m512i {
        let ab = _mm512_packs_epi32(_mm512_cvtps_epi32(a), _mm512_cvtps_epi32(b));
        let cd = _mm512_packs_epi32(_mm512_cvtps_epi32(c), _mm512_cvtps_epi32(d));
        // Each 128-bit part now holds four lanes of a, then of b, c and d.
        let each = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        _mm512_shuffle_epi8(_mm512_packus_epi16(ab, cd), _mm512_broadcast_i32x4(each))
    }
    #[inline(always)]
    unsafe fn dot(self, acc: __m512i, u: __m512i, s: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(acc, u, s)
    }
    #[inline(always)]
    unsafe fn dot_any(self, acc: __m512i, u: __m512i, s: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(acc, u, s)
    }
    #[inline(always)]
    unsafe fn dot_wide(self, acc: __m512i, w: __m512i, s: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(acc, w, s)
    }
    #[inline(always)]
    unsafe fn dot_wide_panel(self, acc: __m512i, a: __m512i, w: __m512i) -> __m512i {
        _mm512_dpbusd_epi32(acc, a, w)
    }
    #[inline(always)]
    unsafe fn sub_bytes(self, a: __m512i, b: __m512i) -> __m512i {
        _mm512_sub_epi8(a, b)
    }
    #[inline(always)]
    unsafe fn splat_byte(self, x: i8) -> __m512i {
        _mm512_set1_epi8(x)
    }

    #[inline(always)]
    unsafe fn transpose(self, rows: *const u8, stride: usize, out: *mut u8, group: usize, block: usize) {
        // Rows r, r+4, r+8, r+12 share a register as 128-bit parts; two rounds of unpacking transpose each 4 × 4 tile.
        let part = |row: usize, at: usize| _mm_loadu_si128(rows.add(row * stride + at * 16).cast());
        for at in 0..4 {
            let quad = |row: usize| {
                let low = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(part(row, at)), part(row + 4, at));
                let high = _mm512_inserti32x4::<2>(low, part(row + 8, at));
                _mm512_inserti32x4::<3>(high, part(row + 12, at))
            };
            let (a, b, c, d) = (quad(0), quad(1), quad(2), quad(3));
            let (ab0, ab1) = (_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
            let (cd0, cd1) = (_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
            let to = |j: usize| out.add(at * block + j * group);
            self.store_i(to(0), _mm512_unpacklo_epi64(ab0, cd0));
            self.store_i(to(1), _mm512_unpackhi_epi64(ab0, cd0));
            self.store_i(to(2), _mm512_unpacklo_epi64(ab1, cd1));
            self.store_i(to(3), _mm512_unpackhi_epi64(ab1, cd1));
        }
    }

    #[inline(always)]
    unsafe fn transpose_each4(self, rows: *const f32, out: *mut u8, block: usize) {
        // Row r of four gives lane r of every part of four lanes …
        let row = |r: usize| _mm512_loadu_ps(rows.add(r * 16));
        let four = |r: usize| {
            let two = _mm512_mask_blend_ps(0x2222, row(r), row(r + 1));
            _mm512_mask_blend_ps(0x8888, _mm512_mask_blend_ps(0x4444, two, row(r + 2)), row(r + 3))
        };
        let (a, b, c, d) = (four(0), four(4), four(8), four(12));
        // … and the 4 × 4 matrix of parts is transposed.
        let (ab0, ab1) = (_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
        let (cd0, cd1) = (_mm512_shuffle_f32x4::<0x88>(c, d), _mm512_shuffle_f32x4::<0xdd>(c, d));
        let to = |b: usize| out.add(b * block).cast();
        self.store(to(0), _mm512_shuffle_f32x4::<0x88>(ab0, cd0));
        self.store(to(1), _mm512_shuffle_f32x4::<0x88>(ab1, cd1));
        self.store(to(2), _mm512_shuffle_f32x4::<0xdd>(ab0, cd0));
        self.store(to(3), _mm512_shuffle_f32x4::<0xdd>(ab1, cd1));
    }
}
