//! Unpackers in plain Rust: a chunk is two blocks of 32 weights.

use super::{Chunk, IQ4_VALUES, Unpack, Unpackers, scales_and_mins, scales_q3};
use crate::format::Format;
use crate::half::f16_to_f32;
use crate::isa::Portable;

type S = Portable;

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

/// One block: 32 values of `q` in order, scale and minimum of its two halves.
type Block = ([u8; 32], [f32; 2], [f32; 2]);

const NOTHING: Block = ([0; 32], [0.0; 2], [0.0; 2]);

#[inline(always)]
unsafe fn half(p: *const u8) -> f32 {
    f16_to_f32(p.cast::<u16>().read_unaligned())
}

/// Two blocks as a chunk.
#[inline(always)]
fn chunk(blocks: [Block; 2]) -> Chunk<S> {
    let q = std::array::from_fn(|part: usize| {
        std::array::from_fn(|lane: usize| {
            let at = part * 16 + lane % 4 * 4;
            let b = &blocks[lane / 4].0;
            i32::from_ne_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
        })
    });
    Chunk {
        q,
        d: std::array::from_fn(|part| std::array::from_fn(|lane| blocks[lane / 4].1[part])),
        m: std::array::from_fn(|part| std::array::from_fn(|lane| blocks[lane / 4].2[part])),
    }
}

/// The 16 bytes at `p` as nibbles: low ones first.
#[inline(always)]
unsafe fn nibbles(p: *const u8) -> [u8; 32] {
    std::array::from_fn(|i| (*p.add(i % 16) >> (i / 16 * 4)) & 15)
}

/// Nibbles with a fifth bit each, from the 32 bits at `bits`.
#[inline(always)]
unsafe fn five_bits(p: *const u8, bits: *const u8) -> [u8; 32] {
    let fifth = bits.cast::<u32>().read_unaligned();
    let low = nibbles(p);
    std::array::from_fn(|i| low[i] | (((fifth >> i) & 1) as u8) << 4)
}

/// Nibble `shift / 4` of the 32 bytes at `p`.
#[inline(always)]
unsafe fn nibbles32(p: *const u8, shift: usize) -> [u8; 32] {
    std::array::from_fn(|i| (*p.add(i) >> shift) & 15)
}

macro_rules! unpacker {
    // Formats of 32: `|p|` is one block of `$size` bytes.
    ($name:ident, blocks of $size:literal, zero $zero:expr $(, $flag:ident)*; |$p:ident| $body:expr) => {
        pub(crate) struct $name;
        impl Unpack<S> for $name {
            const FORMAT: Format = Format::$name;
            const ZERO: i32 = $zero;
            $(const $flag: bool = true;)*
            #[inline(always)]
            unsafe fn chunk<const FULL: bool>(_s: S, row: *const u8, row_bytes: usize, index: usize) -> Chunk<S> {
                chunk(std::array::from_fn(|b| {
                    let at = (index * 2 + b) * $size;
                    if !FULL && at >= row_bytes {
                        return NOTHING;
                    }
                    let $p = row.add(at);
                    $body
                }))
            }
        }
    };
    // Super-blocks of 256: `|p, b|` is the super-block and the number (0 ..= 7) of the block in it.
    ($name:ident, super-blocks of $size:literal, zero $zero:expr $(, $flag:ident)*; |$p:ident, $b:ident| $body:expr) => {
        pub(crate) struct $name;
        impl Unpack<S> for $name {
            const FORMAT: Format = Format::$name;
            const ZERO: i32 = $zero;
            $(const $flag: bool = true;)*
            #[inline(always)]
            unsafe fn chunk<const FULL: bool>(_s: S, row: *const u8, _row_bytes: usize, index: usize) -> Chunk<S> {
                let $p = row.add(index / 4 * $size);
                chunk(std::array::from_fn(|i| {
                    let $b: usize = index % 4 * 2 + i;
                    $body
                }))
            }
        }
    };
}

unpacker!(Q4_0, blocks of 18, zero 8; |p| (nibbles(p.add(2)), [half(p); 2], [0.0; 2]));
unpacker!(Q4_1, blocks of 20, zero 0, MIN; |p| (nibbles(p.add(4)), [half(p); 2], [half(p.add(2)); 2]));
unpacker!(Q5_0, blocks of 22, zero 16; |p| (five_bits(p.add(6), p.add(2)), [half(p); 2], [0.0; 2]));
unpacker!(Q5_1, blocks of 24, zero 0, MIN; |p| {
    (five_bits(p.add(8), p.add(4)), [half(p); 2], [half(p.add(2)); 2])
});
unpacker!(Q8_0, blocks of 34, zero 0, WIDE; |p| (std::array::from_fn(|i| *p.add(2 + i)), [half(p); 2], [0.0; 2]));
unpacker!(IQ4NL, blocks of 18, zero 0, WIDE; |p| {
    (nibbles(p.add(2)).map(|i| IQ4_VALUES[usize::from(i)] as u8), [half(p); 2], [0.0; 2])
});

unpacker!(Q2K, super-blocks of 84, zero 0, SPLIT, MIN; |p, b| {
    let (d, dmin) = (half(p.add(80)), half(p.add(82)));
    let q = std::array::from_fn(|i| (*p.add(16 + b / 4 * 32 + i) >> (b % 4 * 2)) & 3);
    let scale = |part: usize| *p.add(b * 2 + part);
    (
        q,
        std::array::from_fn(|part| d * f32::from(scale(part) & 15)),
        std::array::from_fn(|part| -dmin * f32::from(scale(part) >> 4)),
    )
});
unpacker!(Q3K, super-blocks of 110, zero 4, SPLIT; |p, b| {
    let d = half(p.add(108));
    let q = std::array::from_fn(|i| {
        let low = (*p.add(32 + b / 4 * 32 + i) >> (b % 4 * 2)) & 3;
        low | ((*p.add(i) >> b) & 1) << 2
    });
    let words = scales_q3(p.add(96));
    let scale = |i: usize| f32::from((words[i / 4] >> (i % 4 * 8)) as u8) - 32.0;
    (q, std::array::from_fn(|part| d * scale(b * 2 + part)), [0.0; 2])
});

/// Scale and minimum of block `b` of a Q4_K or Q5_K super-block.
#[inline(always)]
unsafe fn scale_k(p: *const u8, b: usize) -> ([f32; 2], [f32; 2]) {
    let (scales, mins) = scales_and_mins(p.add(4));
    let byte = |words: [u32; 2]| f32::from((words[b / 4] >> (b % 4 * 8)) as u8);
    ([half(p) * byte(scales); 2], [-half(p.add(2)) * byte(mins); 2])
}

unpacker!(Q4K, super-blocks of 144, zero 0, MIN; |p, b| {
    let (d, m) = scale_k(p, b);
    (nibbles32(p.add(16 + b / 2 * 32), b % 2 * 4), d, m)
});
unpacker!(Q5K, super-blocks of 176, zero 0, MIN; |p, b| {
    let (d, m) = scale_k(p, b);
    let low = nibbles32(p.add(48 + b / 2 * 32), b % 2 * 4);
    (std::array::from_fn(|i| low[i] | ((*p.add(16 + i) >> b) & 1) << 4), d, m)
});
unpacker!(Q6K, super-blocks of 210, zero 32, SPLIT; |p, b| {
    let d = half(p.add(208));
    let low = nibbles32(p.add(b / 4 * 64 + b % 2 * 32), b % 4 / 2 * 4);
    let q = std::array::from_fn(|i| low[i] | ((*p.add(128 + b / 4 * 32 + i) >> (b % 4 * 2)) & 3) << 4);
    (q, std::array::from_fn(|part| d * f32::from(*p.add(192 + b * 2 + part) as i8)), [0.0; 2])
});
unpacker!(IQ4XS, super-blocks of 136, zero 0, WIDE; |p, b| {
    let low = (*p.add(4 + b / 2) >> (b % 2 * 4)) & 15;
    let high = (p.add(2).cast::<u16>().read_unaligned() >> (2 * b)) & 3;
    let d = half(p) * (f32::from(low | (high as u8) << 4) - 32.0);
    (nibbles(p.add(8 + b * 16)).map(|i| IQ4_VALUES[usize::from(i)] as u8), [d; 2], [0.0; 2])
});
