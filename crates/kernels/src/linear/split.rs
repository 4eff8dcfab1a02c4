//! Products of many tokens with float weights on AMX, in nearly single precision (`tiles::split`). Some panels of 32 rows are split
//! into tiles that stay in the second-level cache while all tokens pass, 32 at a time.

use super::panel::Panel;
use super::{Job, float, spans};
use crate::activations::Activations;
use crate::compute::Compute;
use crate::format::Format;
use crate::isa::Amx;
use crate::simd::Simd;
use crate::tiles::split::{self, STEP, Split, split};
use crate::tiles::{DEPTH, ROWS, TILE, TileOp, Tiles};
use std::arch::x86_64::*;

/// Tokens, and rows of weights, of a block of sums.
const GROUP: usize = 2 * ROWS;

/// Bytes of panels that stay in the second-level cache beside the tokens that pass.
const PANELS: usize = 1 << 20;

/// Groups of tokens that panels meet before another task may split them again.
const LEAST_GROUPS: usize = 4;

/// Tasks for each thread: each reads all its tokens again.
const TASKS_PER_THREAD: usize = 2;

/// Runs all jobs on the threads of `compute`.
pub(super) fn run(compute: &Compute, amx: Amx, x: &Activations, jobs: &[Job<'_>]) {
    let steps = x.steps();
    let wanted = compute.pool().threads() * TASKS_PER_THREAD;
    let rows: usize = jobs.iter().map(|job| job.matrix.rows).sum();
    let most = (PANELS / (steps * STEP * 2)).max(1) * GROUP;
    let spans = spans(jobs, rows.div_ceil(wanted).next_multiple_of(GROUP).min(most));
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
        let values = span.rows.div_ceil(GROUP) * steps * STEP;
        crate::scratch::with(values * 2 + GROUP * GROUP * 4, |memory| {
            // SAFETY: `linear` has checked all sizes; tasks write disjoint rows or tokens; `memory` has room for the panels and for
            // a block of sums behind them.
            unsafe {
                let panels = memory.cast::<u16>();
                amx.enter(Walk { panel, panels, sums: panels.add(values).cast(), steps });
            }
        });
    });
}

/// Up to 32 rows of floats that become one panel of a product's right side.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) format: Format,
    pub(crate) first: *const u8,
    /// Bytes from one row to the next.
    pub(crate) stride: usize,
    pub(crate) rows: usize,
    pub(crate) cols: usize,
}

/// Sixteen rows of a step before they are transposed.
#[repr(C, align(64))]
struct Lines([[u16; DEPTH]; ROWS]);

impl Rows {
    /// Splits them into (steps, 2 parts of a number, 2, 16 pairs of columns, 16 rows, 2); what is not there becomes zero.
    ///
    /// # Safety
    /// Inside [`Amx::enter`]; rows can be read and whole steps of `to` written.
    #[inline(always)]
    pub(crate) unsafe fn fill(&self, s: crate::isa::Avx512Vnni, to: *mut u16) {
        // One loop for each format, so that the choice is not made for each vector.
        match self.format {
            Format::F32 => self.fill_from(s, Format::F32, to),
            Format::F16 => self.fill_from(s, Format::F16, to),
            _ => self.fill_from(s, Format::BF16, to),
        }
    }

    #[inline(always)]
    unsafe fn fill_from(&self, s: crate::isa::Avx512Vnni, format: Format, to: *mut u16) {
        let mut parts = [const { Lines([[0; DEPTH]; ROWS]) }; 2];
        for step in 0..self.cols.div_ceil(DEPTH) {
            for side in 0..2 {
                for r in 0..ROWS {
                    let mut values = [_mm512_setzero_ps(); 2];
                    if side * ROWS + r < self.rows {
                        let row = self.first.add((side * ROWS + r) * self.stride);
                        for (half, values) in values.iter_mut().enumerate() {
                            let col = step * DEPTH + half * ROWS;
                            if col < self.cols {
                                *values = float::load(s, format, row, col, ROWS.min(self.cols - col));
                            }
                        }
                    }
                    for (part, values) in parts.iter_mut().zip(split(values[0], values[1])) {
                        s.store_i(part.0[r].as_mut_ptr().cast(), values);
                    }
                }
                for (part, lines) in parts.iter().enumerate() {
                    let to = to.add(step * STEP + (2 * part + side) * TILE);
                    s.transpose(lines.0.as_ptr().cast(), 64, to.cast(), 64, 256);
                }
            }
        }
    }
}

/// Some panels and all tokens of a task.
struct Walk<'a> {
    panel: Panel<'a>,
    /// (panels, steps, STEP)
    panels: *mut u16,
    /// (GROUP, GROUP): sums of blocks that reach over the end of tokens or rows.
    sums: *mut f32,
    steps: usize,
}

impl TileOp for Walk<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, amx: Amx) {
        let Self { panel, panels, sums, steps } = self;
        let (s, out, matrix) = (amx.avx512(), &panel.job.out, &panel.job.matrix);
        for at in (0..panel.rows).step_by(GROUP) {
            let rows = Rows {
                format: matrix.format,
                first: matrix.bytes.as_ptr().add((panel.row + at) * matrix.row_bytes),
                stride: matrix.row_bytes,
                rows: GROUP.min(panel.rows - at),
                cols: matrix.cols,
            };
            rows.fill(s, panels.add(at / GROUP * steps * STEP));
        }
        let tiles = Tiles::new(amx);
        for group in 0..panel.tokens.div_ceil(GROUP) {
            let (token, tokens) = (panel.first + group * GROUP, GROUP.min(panel.tokens - group * GROUP));
            let left = panel.x.tiles.as_slice().as_ptr().add(token / GROUP * steps * STEP);
            for at in (0..panel.rows).step_by(GROUP) {
                let part = Panel { row: panel.row + at, rows: GROUP.min(panel.rows - at), ..panel };
                let block = Split {
                    left,
                    right: panels.add(at / GROUP * steps * STEP),
                    steps,
                    out: out.values.pointer(token * out.stride + part.row),
                    stride: out.stride,
                    add: out.add,
                };
                if part.rows == GROUP && tokens == GROUP {
                    split::product(&tiles, &block);
                    continue;
                }
                split::product(&tiles, &Split { out: sums, stride: GROUP, add: false, ..block });
                for t in 0..tokens {
                    let sums = sums.add(t * GROUP);
                    part.store(s, token + t, [_mm512_loadu_ps(sums), _mm512_loadu_ps(sums.add(ROWS))], false);
                }
            }
        }
    }
}
