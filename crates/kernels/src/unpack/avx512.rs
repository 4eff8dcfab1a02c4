//! Unpackers on AVX-512: a chunk is 128 weights, half a super-block of the K formats. Bytes are picked out of the
//! stored blocks by `vpermb`, scales by `vpermw`.

use super::{Chunk, IQ4_VALUES, Unpack, Unpackers, scales_and_mins, scales_q3};
use crate::format::Format;
use crate::isa::Avx512Vnni;
use crate::simd::Simd;
use std::arch::x86_64::*;

type S = Avx512Vnni;

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

/// Where to pick bytes for the 64 places of a vector (place 16b + j belongs to block b) out of four blocks that two
/// overlapping loads cover: the first 64 bytes, and the last 64.
struct Pick {
    /// Bit 6 chooses the last load.
    index: [u8; 64],
    both: bool,
}

impl Pick {
    /// For place (b, j), byte `at + j / each` of block b, blocks being `size` bytes.
    const fn bytes(size: usize, at: usize, each: usize) -> Self {
        let (mut index, mut both) = ([0; 64], false);
        let mut place = 0;
        while place < 64 {
            let byte = size * (place / 16) + at + place % 16 / each;
            // A block is picked from one load as a whole, so that `each` > 1 stays consistent.
            let last_of_block = size * (place / 16) + at + 15 / each;
            if last_of_block < 64 {
                index[place] = byte as u8;
            } else {
                index[place] = (byte + 64 - size * 4) as u8 | 64;
                both = true;
            }
            place += 1;
        }
        Self { index, both }
    }
}

/// Where to pick the half-precision scale of each of sixteen lanes.
struct PickScale {
    /// Bit 5 chooses the last load.
    index: [u16; 32],
    both: bool,
}

impl PickScale {
    /// Lane l gets the two bytes at `at` of block l / 4.
    const fn halves(size: usize, at: usize) -> Self {
        let (mut index, mut both) = ([0; 32], false);
        let mut lane = 0;
        while lane < 16 {
            let byte = size * (lane / 4) + at;
            if byte + 2 <= 64 {
                index[lane] = (byte / 2) as u16;
            } else {
                index[lane] = ((byte + 64 - size * 4) / 2) as u16 | 32;
                both = true;
            }
            lane += 1;
        }
        Self { index, both }
    }
}

/// Four neighbouring blocks in two overlapping registers.
struct Four {
    first: __m512i,
    last: __m512i,
}

impl Four {
    /// Blocks 4·index ..= 4·index + 3 of a row, `size` (≤ 32) bytes each; zeros behind the row's end.
    #[inline(always)]
    unsafe fn load<const FULL: bool>(row: *const u8, row_bytes: usize, index: usize, size: usize) -> Self {
        let start = index * size * 4;
        let second = size * 4 - 64;
        let p = row.add(start);
        if FULL {
            return Self {
                first: _mm512_loadu_si512(p.cast()),
                last: _mm512_loadu_si512(p.add(second).cast()),
            };
        }
        let left = row_bytes - start;
        let mask = |n: usize| _bzhi_u64(u64::MAX, n.min(64) as u32);
        Self {
            first: _mm512_maskz_loadu_epi8(mask(left), p.cast()),
            // A masked load touches no byte whose bit is clear, so the address may lie behind the row.
            last: _mm512_maskz_loadu_epi8(mask(left.saturating_sub(second)), p.wrapping_add(second).cast()),
        }
    }

    #[inline(always)]
    unsafe fn pick(&self, pick: &'static Pick) -> __m512i {
        let index = _mm512_loadu_si512(pick.index.as_ptr().cast());
        if pick.both {
            _mm512_permutex2var_epi8(self.first, index, self.last)
        } else {
            _mm512_permutexvar_epi8(index, self.first)
        }
    }

    #[inline(always)]
    unsafe fn scale(&self, pick: &'static PickScale) -> __m512 {
        let index = _mm512_loadu_si512(pick.index.as_ptr().cast());
        let picked = if pick.both {
            _mm512_permutex2var_epi16(self.first, index, self.last)
        } else {
            _mm512_permutexvar_epi16(index, self.first)
        };
        _mm512_cvtph_ps(_mm512_castsi512_si256(picked))
    }
}

#[inline(always)]
unsafe fn low_nibbles(x: __m512i) -> __m512i {
    _mm512_and_si512(x, _mm512_set1_epi8(15))
}

#[inline(always)]
unsafe fn high_nibbles(x: __m512i) -> __m512i {
    low_nibbles(_mm512_srli_epi16::<4>(x))
}

/// `x` with 16 added to every byte whose bit in `bits` (one byte for eight places) is set.
#[inline(always)]
unsafe fn add_fifth_bit(x: __m512i, bits: __m512i) -> __m512i {
    let each = _mm512_set1_epi64(0x8040_2010_0804_0201_u64 as i64);
    let set = _mm512_test_epi8_mask(bits, each);
    _mm512_mask_add_epi8(x, set, x, _mm512_set1_epi8(16))
}

#[inline(always)]
unsafe fn plain(q: [__m512i; 2], d: __m512) -> Chunk<S> {
    Chunk { q, d: [d, d], m: [_mm512_setzero_ps(); 2] }
}

/// One half-precision number at `p` in every lane.
#[inline(always)]
unsafe fn half_everywhere(p: *const u8) -> __m512 {
    _mm512_cvtph_ps(_mm256_set1_epi16(p.cast::<i16>().read_unaligned()))
}

/// [block 0, block 1], [block 2, block 3] → [first sixteen of each], [last sixteen of each].
#[inline(always)]
unsafe fn split_blocks(blocks01: __m512i, blocks23: __m512i) -> [__m512i; 2] {
    [
        _mm512_shuffle_i32x4::<0b10_00_10_00>(blocks01, blocks23),
        _mm512_shuffle_i32x4::<0b11_01_11_01>(blocks01, blocks23),
    ]
}

/// [block 0, block 2], [block 1, block 3] → [first sixteen of each], [last sixteen of each].
#[inline(always)]
unsafe fn split_alternating(even: __m512i, odd: __m512i) -> [__m512i; 2] {
    let first = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13);
    let last = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
    [_mm512_permutex2var_epi64(even, first, odd), _mm512_permutex2var_epi64(even, last, odd)]
}

/// Four unsigned bytes as floats, each in four neighbouring lanes.
#[inline(always)]
unsafe fn bytes_each4(bytes: u32) -> __m512 {
    let each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    let wide = _mm512_maskz_permutexvar_epi8(0x1111_1111_1111_1111, each, _mm512_set1_epi32(bytes as i32));
    _mm512_cvtepi32_ps(wide)
}

/// Bytes 0, 2, 4, 6 and bytes 1, 3, 5, 7 of `bytes` as floats, each in four neighbouring lanes.
#[inline(always)]
unsafe fn pairs_each4(bytes: u64) -> [__m512; 2] {
    let all = _mm512_set1_epi64(bytes as i64);
    let even = _mm512_setr_epi32(0, 0, 0, 0, 2, 2, 2, 2, 4, 4, 4, 4, 6, 6, 6, 6);
    let odd = _mm512_setr_epi32(1, 1, 1, 1, 3, 3, 3, 3, 5, 5, 5, 5, 7, 7, 7, 7);
    let wide = |index| _mm512_cvtepi32_ps(_mm512_maskz_permutexvar_epi8(0x1111_1111_1111_1111, index, all));
    [wide(even), wide(odd)]
}

macro_rules! unpacker {
    ($name:ident, $doc:literal, zero $zero:expr $(, $flag:ident)*; |$s:ident, $row:ident, $bytes:ident, $index:ident| $body:block
     $(, pair |$p:ident| $pair:block)?) => {
        #[doc = $doc]
        pub(crate) struct $name;
        impl Unpack<S> for $name {
            const FORMAT: Format = Format::$name;
            const ZERO: i32 = $zero;
            $(const $flag: bool = true;)*
            #[inline(always)]
            unsafe fn chunk<const FULL: bool>($s: S, $row: *const u8, $bytes: usize, $index: usize) -> Chunk<S> $body
            $(
                const PAIRED: bool = true;
                #[inline(always)]
                unsafe fn pair(_: S, row: *const u8, _: usize, index: usize) -> [Chunk<S>; 2] {
                    let $p = row.add(index * const { Format::$name.block_bytes() });
                    $pair
                }
            )?
        }
    };
}

unpacker!(Q4_0, "d: f16, 16 bytes of nibbles (low: first sixteen).", zero 8; |_s, row, bytes, index| {
    const Q: Pick = Pick::bytes(18, 2, 1);
    const D: PickScale = PickScale::halves(18, 0);
    let four = Four::load::<FULL>(row, bytes, index, 18);
    let nibbles = four.pick(&Q);
    plain([low_nibbles(nibbles), high_nibbles(nibbles)], four.scale(&D))
});

unpacker!(Q4_1, "d, m: f16, 16 bytes of nibbles.", zero 0, MIN; |_s, row, bytes, index| {
    const Q: Pick = Pick::bytes(20, 4, 1);
    const D: PickScale = PickScale::halves(20, 0);
    const M: PickScale = PickScale::halves(20, 2);
    let four = Four::load::<FULL>(row, bytes, index, 20);
    let nibbles = four.pick(&Q);
    Chunk {
        q: [low_nibbles(nibbles), high_nibbles(nibbles)],
        d: [four.scale(&D); 2],
        m: [four.scale(&M); 2],
    }
});

unpacker!(Q5_0, "d: f16, 32 fifth bits, 16 bytes of nibbles.", zero 16; |_s, row, bytes, index| {
    const Q: Pick = Pick::bytes(22, 6, 1);
    const FIRST: Pick = Pick::bytes(22, 2, 8);
    const LAST: Pick = Pick::bytes(22, 4, 8);
    const D: PickScale = PickScale::halves(22, 0);
    let four = Four::load::<FULL>(row, bytes, index, 22);
    let nibbles = four.pick(&Q);
    let first = add_fifth_bit(low_nibbles(nibbles), four.pick(&FIRST));
    let last = add_fifth_bit(high_nibbles(nibbles), four.pick(&LAST));
    plain([first, last], four.scale(&D))
});

unpacker!(Q5_1, "d, m: f16, 32 fifth bits, 16 bytes of nibbles.", zero 0, MIN; |_s, row, bytes, index| {
    const Q: Pick = Pick::bytes(24, 8, 1);
    const FIRST: Pick = Pick::bytes(24, 4, 8);
    const LAST: Pick = Pick::bytes(24, 6, 8);
    const D: PickScale = PickScale::halves(24, 0);
    const M: PickScale = PickScale::halves(24, 2);
    let four = Four::load::<FULL>(row, bytes, index, 24);
    let nibbles = four.pick(&Q);
    let first = add_fifth_bit(low_nibbles(nibbles), four.pick(&FIRST));
    let last = add_fifth_bit(high_nibbles(nibbles), four.pick(&LAST));
    Chunk { q: [first, last], d: [four.scale(&D); 2], m: [four.scale(&M); 2] }
});

unpacker!(Q8_0, "d: f16, 32 signed bytes.", zero 128, WIDE; |_s, row, bytes, index| {
    let p = row.add(index * 136);
    let left = if FULL { 136 } else { bytes - index * 136 };
    // Blocks are whole: block b is there or not. An absent one keeps scale 0 and any bytes.
    let block = |b: usize| {
        if FULL || left > b * 34 { _mm256_loadu_si256(p.add(b * 34 + 2).cast()) } else { _mm256_setzero_si256() }
    };
    let scale = |b: usize| {
        let bits = if FULL || left > b * 34 { p.add(b * 34).cast::<u16>().read_unaligned() } else { 0 };
        u64::from(bits) << (16 * b)
    };
    let pair = |b: usize| _mm512_inserti64x4::<1>(_mm512_castsi256_si512(block(b)), block(b + 1));
    let sign = _mm512_set1_epi8(-128);
    let [first, last] = split_blocks(pair(0), pair(2));
    let four = _mm_cvtph_ps(_mm_cvtsi64_si128((scale(0) | scale(1) | scale(2) | scale(3)) as i64));
    let each = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    let d = _mm512_permutevar_ps(_mm512_broadcast_f32x4(four), each);
    plain([_mm512_xor_si512(first, sign), _mm512_xor_si512(last, sign)], d)
});

unpacker!(Q2K, "16 bytes of scale and minimum, 64 bytes of 2-bit values, d and dmin: f16.", zero 0, SPLIT, MIN; |_s, row, _bytes, index| {
    let p = row.add(index / 2 * 84);
    let half = index % 2;
    let both = p.add(half * 8).cast::<u64>().read_unaligned();
    let d = half_everywhere(p.add(80));
    let dmin = _mm512_sub_ps(_mm512_setzero_ps(), half_everywhere(p.add(82)));
    let scales = pairs_each4(both & 0x0f0f_0f0f_0f0f_0f0f);
    let mins = pairs_each4((both >> 4) & 0x0f0f_0f0f_0f0f_0f0f);
    Chunk {
        q: two_bits(p.add(16 + half * 32)),
        d: scales.map(|x| _mm512_mul_ps(x, d)),
        m: mins.map(|x| _mm512_mul_ps(x, dmin)),
    }
});

/// 32 bytes that hold 2-bit values of blocks 0, 1, 2, 3 from the lowest bits up.
#[inline(always)]
unsafe fn two_bits(p: *const u8) -> [__m512i; 2] {
    let all = _mm512_broadcast_i64x4(_mm256_loadu_si256(p.cast()));
    let three = _mm512_set1_epi8(3);
    let low = _mm512_and_si512(_mm512_srlv_epi64(all, _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2)), three);
    let high = _mm512_and_si512(_mm512_srlv_epi64(all, _mm512_setr_epi64(4, 4, 4, 4, 6, 6, 6, 6)), three);
    split_blocks(low, high)
}

unpacker!(Q3K, "32 bytes of third bits, 64 bytes of 2-bit values, 12 bytes of 6-bit scales, d: f16.", zero 4, SPLIT; |_s, row, _bytes, index| {
    let p = row.add(index / 2 * 110);
    let half = index % 2;
    let third = _mm512_broadcast_i64x4(_mm256_loadu_si256(p.cast()));
    // Bit 4·half + b of byte j belongs to weight j of block b.
    let bit = |b: usize| 1i8.wrapping_shl((4 * half + b) as u32);
    let pair = |b: usize| _mm512_inserti64x4::<1>(_mm512_set1_epi8(bit(b)), _mm256_set1_epi8(bit(b + 1)));
    let four = _mm512_set1_epi8(4);
    let high = |b: usize| _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(third, pair(b)), four);
    let high = split_blocks(high(0), high(2));
    let low = two_bits(p.add(32 + half * 32));
    let words = scales_q3(p.add(96));
    let scales = u64::from(words[half * 2]) | u64::from(words[half * 2 + 1]) << 32;
    let (d, offset) = (half_everywhere(p.add(108)), _mm512_set1_ps(32.0));
    let d = pairs_each4(scales).map(|x| _mm512_mul_ps(_mm512_sub_ps(x, offset), d));
    Chunk {
        q: [_mm512_or_si512(low[0], high[0]), _mm512_or_si512(low[1], high[1])],
        d,
        m: [_mm512_setzero_ps(); 2],
    }
});

/// Eight bytes as floats.
#[inline(always)]
unsafe fn eight(bytes: u64) -> __m256 {
    _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(bytes as i64)))
}

/// Eight numbers, each in four neighbouring lanes.
#[inline(always)]
unsafe fn each4(x: __m256) -> [__m512; 2] {
    let x = _mm512_castps256_ps512(x);
    let first = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
    [_mm512_permutexvar_ps(first, x), _mm512_permutexvar_ps(_mm512_add_epi32(first, _mm512_set1_epi32(4)), x)]
}

/// d and m of the eight blocks of a Q4_K or Q5_K super-block at `p`, for each of its chunks.
#[inline(always)]
unsafe fn scales_k_pair(p: *const u8) -> ([__m512; 2], [__m512; 2]) {
    let (scales, mins) = scales_and_mins(p.add(4));
    let both = |words: [u32; 2]| u64::from(words[0]) | u64::from(words[1]) << 32;
    let halves = _mm_cvtph_ps(_mm_cvtsi32_si128(p.cast::<i32>().read_unaligned()));
    let (d, dmin) = (_mm256_broadcastss_ps(halves), _mm256_broadcastss_ps(_mm_movehdup_ps(halves)));
    let m = _mm256_mul_ps(_mm256_sub_ps(_mm256_setzero_ps(), dmin), eight(both(mins)));
    (each4(_mm256_mul_ps(d, eight(both(scales)))), each4(m))
}

/// d and m of the four blocks of a half of a Q4_K or Q5_K super-block at `p`.
#[inline(always)]
unsafe fn scales_k(p: *const u8, half: usize) -> (__m512, __m512) {
    let (scales, mins) = scales_and_mins(p.add(4));
    // By shifting: an index would send both words through memory.
    let pick = |words: [u32; 2]| ((u64::from(words[0]) | u64::from(words[1]) << 32) >> (32 * half)) as u32;
    let d = _mm512_mul_ps(half_everywhere(p), bytes_each4(pick(scales)));
    let m = _mm512_mul_ps(half_everywhere(p.add(2)), bytes_each4(pick(mins)));
    (d, _mm512_sub_ps(_mm512_setzero_ps(), m))
}

unpacker!(Q4K, "d, dmin: f16, 12 bytes of 6-bit scales and minimums, 128 bytes of nibbles.", zero 0, MIN; |_s, row, _bytes, index| {
    let p = row.add(index / 2 * 144);
    let half = index % 2;
    let (d, m) = scales_k(p, half);
    let nibbles = _mm512_loadu_si512(p.add(16 + half * 64).cast());
    Chunk { q: split_alternating(low_nibbles(nibbles), high_nibbles(nibbles)), d: [d; 2], m: [m; 2] }
}, pair |p| {
    let (d, m) = scales_k_pair(p);
    let nibbles = [_mm512_loadu_si512(p.add(16).cast()), _mm512_loadu_si512(p.add(80).cast())];
    let q0 = split_alternating(low_nibbles(nibbles[0]), high_nibbles(nibbles[0]));
    let q1 = split_alternating(low_nibbles(nibbles[1]), high_nibbles(nibbles[1]));
    [Chunk { q: q0, d: [d[0]; 2], m: [m[0]; 2] }, Chunk { q: q1, d: [d[1]; 2], m: [m[1]; 2] }]
});

/// The bytes of half `half` of the Q5_K super-block at `p`.
#[inline(always)]
unsafe fn five_bits_k(p: *const u8, half: usize) -> [__m512i; 2] {
    let nibbles = _mm512_loadu_si512(p.add(48 + half * 64).cast());
    let fifth = _mm512_broadcast_i64x4(_mm256_loadu_si256(p.add(16).cast()));
    // Bit 4·half + b of byte j belongs to weight j of block b.
    let bit = |b: usize| 1i8.wrapping_shl((4 * half + b) as u32);
    let with_fifth = |x: __m512i, b: usize| {
        let bits = _mm512_inserti64x4::<1>(_mm512_set1_epi8(bit(b)), _mm256_set1_epi8(bit(b + 2)));
        _mm512_mask_add_epi8(x, _mm512_test_epi8_mask(fifth, bits), x, _mm512_set1_epi8(16))
    };
    split_alternating(with_fifth(low_nibbles(nibbles), 0), with_fifth(high_nibbles(nibbles), 1))
}

unpacker!(Q5K, "As Q4_K, with 32 bytes of fifth bits before the nibbles.", zero 0, MIN; |_s, row, _bytes, index| {
    let p = row.add(index / 2 * 176);
    let (d, m) = scales_k(p, index % 2);
    Chunk { q: five_bits_k(p, index % 2), d: [d; 2], m: [m; 2] }
}, pair |p| {
    let (d, m) = scales_k_pair(p);
    let (q0, q1) = (five_bits_k(p, 0), five_bits_k(p, 1));
    [Chunk { q: q0, d: [d[0]; 2], m: [m[0]; 2] }, Chunk { q: q1, d: [d[1]; 2], m: [m[1]; 2] }]
});

unpacker!(Q6K, "128 bytes of low nibbles, 64 bytes of upper 2 bits, 16 signed scales, d: f16.", zero 32, SPLIT; |_s, row, _bytes, index| {
    let p = row.add(index / 2 * 210);
    let half = index % 2;
    let nibbles = _mm512_loadu_si512(p.add(half * 64).cast());
    let upper = _mm512_broadcast_i64x4(_mm256_loadu_si256(p.add(128 + half * 32).cast()));
    // Bring the two upper bits of each block to bits 4 and 5.
    let mask = _mm512_set1_epi8(0x30);
    let blocks01 = _mm512_and_si512(_mm512_sllv_epi64(upper, _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2)), mask);
    let blocks23 = _mm512_and_si512(_mm512_srlv_epi64(upper, _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2)), mask);
    let q = split_blocks(
        _mm512_or_si512(low_nibbles(nibbles), blocks01),
        _mm512_or_si512(high_nibbles(nibbles), blocks23),
    );
    // Scales are signed: shifted to unsigned for the byte pick, shifted back as floats.
    let scales = p.add(192 + half * 8).cast::<u64>().read_unaligned() ^ 0x8080_8080_8080_8080;
    let (d, offset) = (half_everywhere(p.add(208)), _mm512_set1_ps(128.0));
    let d = pairs_each4(scales).map(|x| _mm512_mul_ps(_mm512_sub_ps(x, offset), d));
    Chunk { q, d, m: [_mm512_setzero_ps(); 2] }
});

/// The value of each nibble in `IQ4_VALUES`, plus 128.
#[inline(always)]
unsafe fn non_linear(nibbles: __m512i) -> __m512i {
    let table = _mm512_broadcast_i32x4(_mm_loadu_si128(IQ4_VALUES.as_ptr().cast()));
    _mm512_xor_si512(_mm512_shuffle_epi8(table, nibbles), _mm512_set1_epi8(-128))
}

unpacker!(IQ4NL, "As Q4_0, nibbles being indices of `IQ4_VALUES`.", zero 128, WIDE; |_s, row, bytes, index| {
    const Q: Pick = Pick::bytes(18, 2, 1);
    const D: PickScale = PickScale::halves(18, 0);
    let four = Four::load::<FULL>(row, bytes, index, 18);
    let nibbles = four.pick(&Q);
    plain([non_linear(low_nibbles(nibbles)), non_linear(high_nibbles(nibbles))], four.scale(&D))
});

unpacker!(IQ4XS, "d: f16, upper 2 bits of 8 scales, lower 4 bits of 8 scales, 128 bytes of indices.", zero 128, WIDE; |s, row, _bytes, index| {
    let p = row.add(index / 2 * 136);
    let half = index % 2;
    let upper = p.add(2).cast::<u16>().read_unaligned() >> (8 * half);
    let lower = p.add(4 + 2 * half).cast::<u16>().read_unaligned();
    let scale = |b: u32| {
        let bits = ((lower >> (4 * b)) & 15) | (((upper >> (2 * b)) & 3) << 4);
        u32::from(bits) << (8 * b)
    };
    let scales = bytes_each4(scale(0) | scale(1) | scale(2) | scale(3));
    let d = _mm512_mul_ps(half_everywhere(p), _mm512_sub_ps(scales, s.splat(32.0)));
    let nibbles = _mm512_loadu_si512(p.add(8 + half * 64).cast());
    // Block b is bytes 16b ..= 16b + 15: its low nibbles are its first sixteen weights.
    plain([non_linear(low_nibbles(nibbles)), non_linear(high_nibbles(nibbles))], d)
});
