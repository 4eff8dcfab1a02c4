//! Unpackers on AVX2: a chunk is two blocks of 32 weights, a quarter of a super-block of the K formats. Each block has
//! one 128-bit half of a vector, so that nothing but scales has to cross from one half to the other.

use super::{Chunk, IQ4_VALUES, Unpack, Unpackers};
use crate::format::Format;
use crate::isa::Avx2;
use std::arch::x86_64::*;

type S = Avx2;

impl Unpackers for S {
    type Q4_0 = Q4_0;
    type Q4_1 = Q4_1;
    type Q5_0 = Q5_0;
    type Q5_1 = Q5_1;
    type Q8_0 = Q8_0;
    type Q2K = Q2K;
    type Q3K = Q3K;
    type Q4K = Q4K;
    type Q5K = Q5K;
    type Q6K = Q6K;
    type IQ4NL = IQ4NL;
    type IQ4XS = IQ4XS;
}

/// Two neighbouring blocks of a row, of which the second may lie behind the row's end.
#[derive(Clone, Copy)]
struct Two {
    first: *const u8,
    second: Option<*const u8>,
}

impl Two {
    /// Blocks 2·index and 2·index + 1 of a row, `size` bytes each.
    #[inline(always)]
    unsafe fn of<const FULL: bool>(row: *const u8, row_bytes: usize, index: usize, size: usize) -> Self {
        let at = index * 2 * size;
        let there = FULL || at + size < row_bytes;
        // Formed only where it lies inside the row.
        let second = if there { Some(row.add(at + size)) } else { None };
        Self { first: row.add(at), second }
    }

    /// The sixteen bytes from byte `at` of each block.
    #[inline(always)]
    unsafe fn bytes(self, at: usize) -> __m256i {
        let second = match self.second {
            Some(p) => _mm_loadu_si128(p.add(at).cast()),
            None => _mm_setzero_si128(),
        };
        _mm256_set_m128i(second, _mm_loadu_si128(self.first.add(at).cast()))
    }

    /// The four bytes from byte `at` of each block, four times each.
    #[inline(always)]
    unsafe fn words(self, at: usize) -> __m256i {
        let second = match self.second {
            Some(p) => _mm256_set1_epi32(p.add(at).cast::<i32>().read_unaligned()),
            None => _mm256_setzero_si256(),
        };
        let first = _mm256_set1_epi32(self.first.add(at).cast::<i32>().read_unaligned());
        _mm256_blend_epi32::<0xf0>(first, second)
    }

    /// The half-precision number each block begins with, in the lanes of that block.
    #[inline(always)]
    unsafe fn scale(self) -> __m256 {
        let second = match self.second {
            Some(p) => _mm_set1_epi16(p.cast::<i16>().read_unaligned()),
            None => _mm_setzero_si128(),
        };
        let first = _mm_set1_epi16(self.first.cast::<i16>().read_unaligned());
        _mm256_cvtph_ps(_mm_blend_epi16::<0xf0>(first, second))
    }

    /// The two half-precision numbers each block begins with, in the lanes of that block.
    #[inline(always)]
    unsafe fn scale_and_min(self) -> (__m256, __m256) {
        let second = match self.second {
            Some(p) => _mm_set1_epi32(p.cast::<i32>().read_unaligned()),
            None => _mm_setzero_si128(),
        };
        let first = _mm_set1_epi32(self.first.cast::<i32>().read_unaligned());
        let both = _mm256_cvtph_ps(_mm_blend_epi32::<0b1100>(first, second));
        (_mm256_moveldup_ps(both), _mm256_movehdup_ps(both))
    }

    /// Nibbles from byte `at`, each with a fifth bit from the 32 bits at byte `fifth` of its block.
    #[inline(always)]
    unsafe fn five_bits(self, at: usize, fifth: usize) -> [__m256i; 2] {
        let nibbles = self.bytes(at);
        let bits = self.words(fifth);
        // Byte j of a half needs bit j % 8 of byte j / 8, or of byte 2 + j / 8 for the last sixteen weights.
        let spread = _mm256_setr_epi64x(0, 0x0101_0101_0101_0101, 0, 0x0101_0101_0101_0101);
        let two = _mm256_set1_epi8(2);
        let each = _mm256_set1_epi64x(0x8040_2010_0804_0201_u64 as i64);
        let first = if_set(_mm256_shuffle_epi8(bits, spread), each, 16);
        let last = if_set(_mm256_shuffle_epi8(bits, _mm256_add_epi8(spread, two)), each, 16);
        [_mm256_or_si256(low_nibbles(nibbles), first), _mm256_or_si256(high_nibbles(nibbles), last)]
    }
}

#[inline(always)]
unsafe fn low_nibbles(x: __m256i) -> __m256i {
    _mm256_and_si256(x, _mm256_set1_epi8(15))
}

#[inline(always)]
unsafe fn high_nibbles(x: __m256i) -> __m256i {
    low_nibbles(_mm256_srli_epi16::<4>(x))
}

/// `value` in each byte of `x` that has its one bit of `bits` set, else 0.
#[inline(always)]
unsafe fn if_set(x: __m256i, bits: __m256i, value: i8) -> __m256i {
    _mm256_and_si256(_mm256_cmpeq_epi8(_mm256_and_si256(x, bits), bits), _mm256_set1_epi8(value))
}

/// The sixteen bytes at `p` for both blocks.
#[inline(always)]
unsafe fn for_both(p: *const u8) -> __m256i {
    _mm256_broadcastsi128_si256(_mm_loadu_si128(p.cast()))
}

/// `first` for block 0, `second` for block 1: how far to shift.
#[inline(always)]
unsafe fn shifts(first: usize, second: usize) -> __m256i {
    _mm256_setr_epi64x(first as i64, first as i64, second as i64, second as i64)
}

/// Bit 2·quarter of each byte for block 0, the next bit for block 1.
#[inline(always)]
unsafe fn bit_of_block(quarter: usize) -> __m256i {
    let bit = _mm256_set1_epi8(1i8.wrapping_shl(2 * quarter as u32));
    _mm256_blend_epi32::<0xf0>(bit, _mm256_add_epi8(bit, bit))
}

/// The half-precision number at `p`, four times.
#[inline(always)]
unsafe fn half_everywhere(p: *const u8) -> __m128 {
    _mm_cvtph_ps(_mm_set1_epi16(p.cast::<i16>().read_unaligned()))
}

/// Four unsigned bytes as floats.
#[inline(always)]
unsafe fn unsigned_bytes(bytes: u32) -> __m128 {
    _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes as i32)))
}

/// (first half of block 0, last half of it, first half of block 1, last half of it) → [first halves, last halves].
#[inline(always)]
unsafe fn for_halves(scales: __m128) -> [__m256; 2] {
    let all = _mm256_castps128_ps256(scales);
    [
        _mm256_permutevar8x32_ps(all, _mm256_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2)),
        _mm256_permutevar8x32_ps(all, _mm256_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3)),
    ]
}

#[inline(always)]
unsafe fn plain(q: [__m256i; 2], d: __m256) -> Chunk<S> {
    Chunk { q, d: [d, d], m: [_mm256_setzero_ps(); 2] }
}

macro_rules! unpacker {
    // Formats of 32: `$two` is the chunk's blocks of `$size` bytes.
    ($name:ident, $doc:literal, blocks of $size:literal, zero $zero:expr $(, $flag:ident)*; |$two:ident| $body:block) => {
        #[doc = $doc]
        pub(crate) struct $name;
        impl Unpack<S> for $name {
            const FORMAT: Format = Format::$name;
            const ZERO: i32 = $zero;
            $(const $flag: bool = true;)*
            #[inline(always)]
            unsafe fn chunk<const FULL: bool>(_s: S, row: *const u8, row_bytes: usize, index: usize) -> Chunk<S> {
                let $two = Two::of::<FULL>(row, row_bytes, index, $size);
                $body
            }
        }
    };
    // Super-blocks of 256 weights in `$size` bytes at `$p`; `$quarter` of it is the chunk.
    ($name:ident, $doc:literal, super-blocks of $size:literal, zero $zero:expr $(, $flag:ident)*; |$p:ident, $quarter:ident| $body:block) => {
        #[doc = $doc]
        pub(crate) struct $name;
        impl Unpack<S> for $name {
            const FORMAT: Format = Format::$name;
            const ZERO: i32 = $zero;
            $(const $flag: bool = true;)*
            #[inline(always)]
            unsafe fn chunk<const FULL: bool>(_s: S, row: *const u8, _row_bytes: usize, index: usize) -> Chunk<S> {
                let ($p, $quarter) = (row.add(index / 4 * $size), index % 4);
                $body
            }
        }
    };
}

unpacker!(Q4_0, "d: f16, 16 bytes of nibbles (low: first sixteen).", blocks of 18, zero 8; |two| {
    let nibbles = two.bytes(2);
    plain([low_nibbles(nibbles), high_nibbles(nibbles)], two.scale())
});

unpacker!(Q4_1, "d, m: f16, 16 bytes of nibbles.", blocks of 20, zero 0, MIN; |two| {
    let nibbles = two.bytes(4);
    let (d, m) = two.scale_and_min();
    Chunk { q: [low_nibbles(nibbles), high_nibbles(nibbles)], d: [d; 2], m: [m; 2] }
});

unpacker!(Q5_0, "d: f16, 32 fifth bits, 16 bytes of nibbles.", blocks of 22, zero 16; |two| {
    plain(two.five_bits(6, 2), two.scale())
});

unpacker!(Q5_1, "d, m: f16, 32 fifth bits, 16 bytes of nibbles.", blocks of 24, zero 0, MIN; |two| {
    let (d, m) = two.scale_and_min();
    Chunk { q: two.five_bits(8, 4), d: [d; 2], m: [m; 2] }
});

unpacker!(Q8_0, "d: f16, 32 signed bytes.", blocks of 34, zero 0, WIDE; |two| {
    plain([two.bytes(2), two.bytes(18)], two.scale())
});

unpacker!(IQ4NL, "As Q4_0, nibbles being indices of `IQ4_VALUES`.", blocks of 18, zero 0, WIDE; |two| {
    plain(non_linear(two.bytes(2)), two.scale())
});

/// The value in `IQ4_VALUES` of each low nibble, and of each high one.
#[inline(always)]
unsafe fn non_linear(nibbles: __m256i) -> [__m256i; 2] {
    let table = for_both(IQ4_VALUES.as_ptr().cast());
    [_mm256_shuffle_epi8(table, low_nibbles(nibbles)), _mm256_shuffle_epi8(table, high_nibbles(nibbles))]
}

/// The 2-bit values of a quarter, from the 64 bytes at `p`: half a super-block has 32 bytes, whose bytes hold a value
/// of each of its four blocks from the lowest bits up.
#[inline(always)]
unsafe fn two_bits(p: *const u8, quarter: usize) -> [__m256i; 2] {
    let p = p.add(quarter / 2 * 32);
    let at = quarter % 2 * 4;
    let (shifts, three) = (shifts(at, at + 2), _mm256_set1_epi8(3));
    [
        _mm256_and_si256(_mm256_srlv_epi64(for_both(p), shifts), three),
        _mm256_and_si256(_mm256_srlv_epi64(for_both(p.add(16)), shifts), three),
    ]
}

unpacker!(Q2K, "16 bytes of scale and minimum, 64 bytes of 2-bit values, d and dmin: f16.", super-blocks of 84, zero 0, SPLIT, MIN; |p, quarter| {
    let both = p.add(quarter * 4).cast::<u32>().read_unaligned();
    let dmin = _mm_sub_ps(_mm_setzero_ps(), half_everywhere(p.add(82)));
    let scales = _mm_mul_ps(unsigned_bytes(both & 0x0f0f_0f0f), half_everywhere(p.add(80)));
    let mins = _mm_mul_ps(unsigned_bytes((both >> 4) & 0x0f0f_0f0f), dmin);
    Chunk { q: two_bits(p.add(16), quarter), d: for_halves(scales), m: for_halves(mins) }
});

unpacker!(Q3K, "32 bytes of third bits, 64 bytes of 2-bit values, 12 bytes of 6-bit scales, d: f16.", super-blocks of 110, zero 4, SPLIT; |p, quarter| {
    let bits = bit_of_block(quarter);
    let low = two_bits(p.add(32), quarter);
    let q = [
        _mm256_or_si256(low[0], if_set(for_both(p), bits, 4)),
        _mm256_or_si256(low[1], if_set(for_both(p.add(16)), bits, 4)),
    ];
    // One word of `scales_q3`, for the reason given at `scales_k`.
    let word = |at: usize| p.add(96 + at).cast::<u32>().read_unaligned();
    let lower = (word(quarter % 2 * 4) >> (quarter / 2 * 4)) & 0x0f0f_0f0f;
    let upper = ((word(8) >> (quarter * 2)) & 0x0303_0303) << 4;
    let scales = _mm_sub_ps(unsigned_bytes(lower | upper), _mm_set1_ps(32.0));
    let d = for_halves(_mm_mul_ps(scales, half_everywhere(p.add(108))));
    Chunk { q, d, m: [_mm256_setzero_ps(); 2] }
});

/// d and m of the two blocks of a quarter of the Q4_K or Q5_K super-block at `p`.
#[inline(always)]
unsafe fn scales_k(p: *const u8, quarter: usize) -> (__m256, __m256) {
    // As `scales_and_mins`, but for one quarter: two scales, then two minimums. An array of all, indexed by the quarter,
    // would go through memory for every chunk and take more time than the products do.
    let two = |at: usize| u32::from(p.add(4 + at + quarter % 2 * 2).cast::<u16>().read_unaligned());
    let lower = two(0) | two(4) << 16;
    let bytes = if quarter < 2 {
        lower & 0x3f3f_3f3f
    } else {
        let nibbles = two(8);
        ((nibbles | nibbles << 12) & 0x0f0f_0f0f) | ((lower >> 2) & 0x3030_3030)
    };
    let bytes = unsigned_bytes(bytes);
    // d, d, −dmin, −dmin: minimums are stored to be subtracted.
    let halves = p.cast::<u32>().read_unaligned() ^ 0x8000_0000;
    let halves = _mm_shufflelo_epi16::<0b01_01_00_00>(_mm_cvtsi32_si128(halves as i32));
    let all = _mm256_castps128_ps256(_mm_mul_ps(bytes, _mm_cvtph_ps(halves)));
    (
        _mm256_permutevar8x32_ps(all, _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)),
        _mm256_permutevar8x32_ps(all, _mm256_setr_epi32(2, 2, 2, 2, 3, 3, 3, 3)),
    )
}

/// A quarter of a Q4_K or Q5_K super-block from its 32 bytes at `p`: low nibbles are block 0, high ones block 1.
#[inline(always)]
unsafe fn nibbles_k(p: *const u8) -> [__m256i; 2] {
    let shifts = shifts(0, 4);
    [
        low_nibbles(_mm256_srlv_epi64(for_both(p), shifts)),
        low_nibbles(_mm256_srlv_epi64(for_both(p.add(16)), shifts)),
    ]
}

unpacker!(Q4K, "d, dmin: f16, 12 bytes of 6-bit scales and minimums, 128 bytes of nibbles.", super-blocks of 144, zero 0, MIN; |p, quarter| {
    let (d, m) = scales_k(p, quarter);
    Chunk { q: nibbles_k(p.add(16 + quarter * 32)), d: [d; 2], m: [m; 2] }
});

unpacker!(Q5K, "As Q4_K, with 32 bytes of fifth bits before the nibbles.", super-blocks of 176, zero 0, MIN; |p, quarter| {
    let (d, m) = scales_k(p, quarter);
    let bits = bit_of_block(quarter);
    let low = nibbles_k(p.add(48 + quarter * 32));
    let q = [
        _mm256_or_si256(low[0], if_set(for_both(p.add(16)), bits, 16)),
        _mm256_or_si256(low[1], if_set(for_both(p.add(32)), bits, 16)),
    ];
    Chunk { q, d: [d; 2], m: [m; 2] }
});

unpacker!(Q6K, "128 bytes of low nibbles, 64 bytes of upper 2 bits, 16 signed scales, d: f16.", super-blocks of 210, zero 32, SPLIT; |p, quarter| {
    // Quarters 0 and 1 are the low and the high nibbles of the same 64 bytes, 32 for each block.
    let at = quarter % 2 * 4;
    let nibbles = p.add(quarter / 2 * 64);
    let nibbles = Two { first: nibbles, second: Some(nibbles.add(32)) };
    let (upper, shifts) = (two_bits(p.add(128), quarter), shifts(at, at));
    let low = |part: usize| low_nibbles(_mm256_srlv_epi64(nibbles.bytes(part * 16), shifts));
    let q = [
        _mm256_or_si256(low(0), _mm256_slli_epi16::<4>(upper[0])),
        _mm256_or_si256(low(1), _mm256_slli_epi16::<4>(upper[1])),
    ];
    let scales = p.add(192 + quarter * 4).cast::<i32>().read_unaligned();
    let scales = _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(scales)));
    let d = for_halves(_mm_mul_ps(scales, half_everywhere(p.add(208))));
    Chunk { q, d, m: [_mm256_setzero_ps(); 2] }
});

unpacker!(IQ4XS, "d: f16, upper 2 bits of 8 scales, lower 4 bits of 8 scales, 128 bytes of indices.", super-blocks of 136, zero 0, WIDE; |p, quarter| {
    let upper = u32::from(p.add(2).cast::<u16>().read_unaligned()) >> (4 * quarter);
    let lower = u32::from(*p.add(4 + quarter));
    let first = (lower & 15) | (upper & 3) << 4;
    let second = (lower >> 4) | (upper & 12) << 2;
    let scales = _mm_sub_ps(unsigned_bytes(first | second << 16), _mm_set1_ps(32.0));
    let [d, _] = for_halves(_mm_mul_ps(scales, half_everywhere(p)));
    // Block b is bytes 16b ..= 16b + 15: its low nibbles are its first sixteen weights.
    plain(non_linear(_mm256_loadu_si256(p.add(8 + quarter * 32).cast())), d)
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Op, Simd};
    use std::marker::PhantomData;

    /// The last chunk of a row of three blocks of `size` bytes, behind which other bytes follow: q, d, m of all lanes.
    struct Tail<U>(usize, PhantomData<U>);

    impl<U: Unpack<S>> Op<S> for Tail<U> {
        type Out = ([[u8; 32]; 2], [f32; 8], [f32; 8]);
        unsafe fn run(self, s: S) -> Self::Out {
            let row = [0x35u8; 4 * 34];
            let chunk = U::chunk::<false>(s, row.as_ptr(), 3 * self.0, 1);
            let (mut q, mut d, mut m) = ([[0; 32]; 2], [0.0; 8], [0.0; 8]);
            s.store_i(q[0].as_mut_ptr(), chunk.q[0]);
            s.store_i(q[1].as_mut_ptr(), chunk.q[1]);
            s.store(d.as_mut_ptr(), chunk.d[0]);
            s.store(m.as_mut_ptr(), chunk.m[0]);
            (q, d, m)
        }
    }

    fn check<U: Unpack<S>>(token: S, size: usize) {
        // SAFETY: the token proves the features, and four blocks of at most 34 bytes fit the op's row.
        let (q, d, m) = unsafe { token.enter(Tail::<U>(size, PhantomData)) };
        let there = crate::half::f16_to_f32(0x3535);
        assert_eq!((&d[..4], &d[4..]), ([there; 4].as_slice(), [0.0; 4].as_slice()), "blocks of {size}");
        assert_eq!(&m[4..], [0.0; 4], "blocks of {size}");
        for part in q {
            let absent = &part[16..];
            assert!(absent.iter().all(|b| b == &absent[0]), "blocks of {size}: {absent:?}");
            assert_ne!(&part[..16], absent, "blocks of {size}");
        }
    }

    #[test]
    fn what_lies_behind_a_row_is_no_weight() {
        let Some(token) = Avx2::detect() else { return };
        check::<Q4_0>(token, 18);
        check::<Q4_1>(token, 20);
        check::<Q5_0>(token, 22);
        check::<Q5_1>(token, 24);
        check::<Q8_0>(token, 34);
        check::<IQ4NL>(token, 18);
    }
}
