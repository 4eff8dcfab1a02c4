//! Products for many tokens on AMX. 32 rows of weights of any format are unpacked into bfloat16 tiles, once, and meet all tokens,
//! 32 at a time; sums stay in tile registers from the first to the last column, so that no scale is applied to them.

// An index into several register arrays at once says more than a zip of them.
#![allow(clippy::needless_range_loop)]

use super::panel::Panel;
use super::{Job, spans};
use crate::activations::Activations;
use crate::compute::Compute;
use crate::isa::{Amx, Avx512Vnni};
use crate::simd::{Simd, dispatch, prefetch_l2};
use crate::tiles::{self, Block, DEPTH, ROWS, TILE, TileOp, Tiles, to_bf16};
use crate::unpack::{Chunk, Unpack, with_unpacker};
use std::arch::x86_64::*;
use std::marker::PhantomData;

/// Tokens, and rows of weights, of a block of sums.
pub(crate) const GROUP: usize = 2 * ROWS;

/// Columns of a chunk of weights.
const CHUNK: usize = 8 * Avx512Vnni::LANES;

/// Groups of tokens that a panel meets before another task may unpack it again.
const LEAST_GROUPS: usize = 4;

/// Groups of tokens that share the asking for the next panel's weights.
const ASKING: usize = 4;

/// Runs all jobs on the threads of `compute`.
pub(super) fn run(compute: &Compute, amx: Amx, x: &Activations, jobs: &[Job<'_>]) {
    let spans = spans(jobs, GROUP);
    let wanted = compute.pool().threads() * 4;
    let parts = wanted.div_ceil(spans.len()).min(x.tokens.div_ceil(GROUP * LEAST_GROUPS)).max(1);
    let tokens = x.tokens.div_ceil(parts).next_multiple_of(GROUP);
    compute.pool().run(spans.len() * parts, |i| {
        let (span, first) = (spans[i / parts], (i % parts * tokens).min(x.tokens));
        let panel = Panel {
            x,
            job: &jobs[span.job],
            row: span.row,
            rows: span.rows,
            first,
            tokens: tokens.min(x.tokens - first),
        };
        // SAFETY: `linear` has checked all sizes; tasks write disjoint rows or tokens.
        unsafe {
            with_unpacker!(panel.job.matrix.format, Avx512Vnni, U => {
                let steps = panel.job.matrix.cols / DEPTH;
                crate::scratch::with(Memory::bytes(steps), |memory| {
                    let memory = Memory::new(steps, memory.cast());
                    amx.enter(Fill::<U<Avx512Vnni>> { panel, memory, of: PhantomData });
                    amx.enter(Walk { panel, memory, steps });
                });
            }, else dispatch(compute.isa(), panel));
        }
    });
}

/// Where a task keeps what it works on.
#[derive(Clone, Copy)]
struct Memory {
    /// (steps, 2, 16 pairs of columns, 16 rows, 2): the panel.
    panel: *mut u16,
    /// (16 rows, CHUNK) before they are transposed.
    rows: *mut u16,
    /// (GROUP, GROUP): sums of blocks that reach over the end of tokens or rows.
    sums: *mut f32,
}

impl Memory {
    fn bytes(steps: usize) -> usize {
        2 * (steps * 2 * TILE + ROWS * CHUNK) + 4 * GROUP * GROUP
    }

    unsafe fn new(steps: usize, panel: *mut u16) -> Self {
        let rows = panel.add(steps * 2 * TILE);
        Self { panel, rows, sums: rows.add(ROWS * CHUNK).cast() }
    }
}

/// Unpacks the rows of a panel; those behind the last are zero.
struct Fill<'a, U> {
    panel: Panel<'a>,
    memory: Memory,
    of: PhantomData<U>,
}

impl<U: Unpack<Avx512Vnni>> TileOp for Fill<'_, U> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let cols = self.panel.job.matrix.cols;
        for side in 0..2 {
            for chunk in 0..cols / CHUNK {
                self.chunk::<true>(amx.avx512(), side, chunk);
            }
            if !cols.is_multiple_of(CHUNK) {
                self.chunk::<false>(amx.avx512(), side, cols / CHUNK);
            }
        }
    }
}

impl<U: Unpack<Avx512Vnni>> Fill<'_, U> {
    /// Chunk `chunk` of the sixteen rows on one side of the panel.
    #[inline(always)]
    unsafe fn chunk<const FULL: bool>(&self, s: Avx512Vnni, side: usize, chunk: usize) {
        let matrix = &self.panel.job.matrix;
        for r in 0..ROWS {
            let (row, to) = (side * ROWS + r, self.memory.rows.add(r * CHUNK));
            if row < self.panel.rows {
                let w = matrix.bytes.as_ptr().add((self.panel.row + row) * matrix.row_bytes);
                let chunk = U::chunk::<FULL>(s, w, matrix.row_bytes, chunk);
                block::<U, 0>(&chunk, to);
                block::<U, 1>(&chunk, to);
                block::<U, 2>(&chunk, to);
                block::<U, 3>(&chunk, to);
            } else {
                to.write_bytes(0, CHUNK);
            }
        }
        let step = chunk * (CHUNK / DEPTH);
        for at in 0..if FULL { CHUNK / DEPTH } else { matrix.cols / DEPTH - step } {
            let from = self.memory.rows.add(at * DEPTH);
            let to = self.memory.panel.add(((step + at) * 2 + side) * TILE);
            s.transpose(from.cast(), CHUNK * 2, to.cast(), 64, 256);
        }
    }
}

/// Block `B` (32 weights) of a chunk as bfloat16.
#[inline(always)]
unsafe fn block<U: Unpack<Avx512Vnni>, const B: i32>(chunk: &Chunk<Avx512Vnni>, to: *mut u16) {
    // Byte 16 · B + i of the chunk's sixteens goes to lane i.
    let first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let index = _mm512_add_epi32(first, _mm512_set1_epi32(16 * B));
    let (mut d, mut start, mut values) = (_mm512_setzero_ps(), _mm512_setzero_ps(), [_mm512_setzero_ps(); 2]);
    for part in 0..2 {
        if part == 0 || U::SPLIT {
            d = spread::<B>(chunk.d[part]);
            start = if U::MIN {
                spread::<B>(chunk.m[part])
            } else {
                _mm512_mul_ps(d, _mm512_set1_ps(-U::ZERO as f32))
            };
        }
        let q = _mm512_maskz_permutexvar_epi8(0x1111_1111_1111_1111, index, chunk.q[part]);
        // Scales have at most 17 bits and q eight: what is rounded to bfloat16 is at most one rounding from exact.
        values[part] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(q), d, start);
    }
    _mm512_storeu_si512(to.add(B as usize * DEPTH).cast(), to_bf16(values[0], values[1]));
}

/// Part `B` of four lanes, of which all are equal, everywhere.
#[inline(always)]
unsafe fn spread<const B: i32>(x: __m512) -> __m512 {
    match B {
        0 => _mm512_shuffle_f32x4::<0x00>(x, x),
        1 => _mm512_shuffle_f32x4::<0x55>(x, x),
        2 => _mm512_shuffle_f32x4::<0xaa>(x, x),
        _ => _mm512_shuffle_f32x4::<0xff>(x, x),
    }
}

/// All tokens against the unpacked panel.
struct Walk<'a> {
    panel: Panel<'a>,
    memory: Memory,
    steps: usize,
}

impl TileOp for Walk<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let Self { panel, memory, steps } = self;
        let (tiles, out, matrix) = (Tiles::new(amx), &panel.job.out, &panel.job.matrix);
        let next = matrix.bytes.as_ptr().wrapping_add((panel.row + GROUP) * matrix.row_bytes);
        let lines = (GROUP * matrix.row_bytes).div_ceil(64 * panel.tokens.div_ceil(GROUP).clamp(1, ASKING));
        for group in 0..panel.tokens.div_ceil(GROUP) {
            if group < ASKING {
                for line in 0..lines {
                    prefetch_l2(next.wrapping_add((group * lines + line) * 64));
                }
            }
            let (token, tokens) = (panel.first + group * GROUP, GROUP.min(panel.tokens - group * GROUP));
            let left = panel.x.tiles.as_slice().as_ptr().add(token / GROUP * steps * 2 * TILE);
            let block = Block {
                left,
                left_step: tiles::STEP,
                right: memory.panel,
                steps,
                out: out.values.pointer(token * out.stride + panel.row),
                stride: out.stride,
                add: out.add,
                half: tokens <= ROWS,
            };
            if panel.rows == GROUP && (tokens == GROUP || tokens == ROWS) {
                tiles::product(&tiles, &block);
                continue;
            }
            tiles::product(&tiles, &Block { out: memory.sums, stride: GROUP, add: false, ..block });
            for t in 0..tokens {
                let sums = memory.sums.add(t * GROUP);
                let sums = [_mm512_loadu_ps(sums), _mm512_loadu_ps(sums.add(ROWS))];
                panel.store(amx.avx512(), token + t, sums, false);
            }
        }
    }
}
