//! Products with F32, F16 and BF16 weights, in f32.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::panel::{Panel, ROWS, TILE};
use super::{Job, matvec};
use crate::format::Format;
use crate::simd::{Op, Simd, prefetch};

/// Columns of a panel at a time: 32 KiB of floats on AVX-512.
const STRETCH: usize = 256;

/// Most rows of a task: 256 KiB of panels on AVX-512.
const MOST_ROWS: usize = 256;

/// How far ahead of what is multiplied weights are asked for, in bytes.
const PREFETCH: usize = 2 << 10;

/// LANES values from column `col` of a row; `n` of them are inside it.
#[inline(always)]
pub(super) unsafe fn load<S: Simd>(s: S, format: Format, row: *const u8, col: usize, n: usize) -> S::F {
    let short = |bytes: usize| {
        // The row's rest, zeros behind: at most one vector.
        let mut rest = [0u8; 64];
        std::ptr::copy_nonoverlapping(row.add(col * bytes), rest.as_mut_ptr(), n * bytes);
        rest
    };
    match format {
        Format::F32 if n == S::LANES => s.load(row.cast::<f32>().add(col)),
        Format::F16 if n == S::LANES => s.load_f16(row.cast::<u16>().add(col)),
        Format::BF16 if n == S::LANES => s.load_bf16(row.cast::<u16>().add(col)),
        Format::F32 => s.load(short(4).as_ptr().cast()),
        Format::F16 => s.load_f16(short(2).as_ptr().cast()),
        _ => s.load_bf16(short(2).as_ptr().cast()),
    }
}

/// Rows of float weights for few tokens: each vector of weights is widened once and meets all tokens, up to five of them with
/// four rows in registers.
pub(super) struct Rows<'a>(pub(super) matvec::Rows<'a>);

impl<S: Simd> Op<S> for Rows<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        // One loop for each format, so that the choice is not made for each vector.
        match self.0.job.matrix.format {
            Format::F32 => self.all(s, Format::F32),
            Format::F16 => self.all(s, Format::F16),
            _ => self.all(s, Format::BF16),
        }
    }
}

impl Rows<'_> {
    #[inline(always)]
    unsafe fn all<S: Simd>(&self, s: S, format: Format) {
        match self.0.x.tokens {
            1 => self.tokens::<S, 1, 0>(s, format),
            2 => self.tokens::<S, 2, 0>(s, format),
            3 => self.tokens::<S, 3, 0>(s, format),
            4 => self.tokens::<S, 4, 0>(s, format),
            5 if S::LANES == 16 => self.tokens::<S, 5, 0>(s, format),
            5 | 6 => self.tokens::<S, 3, 3>(s, format),
            _ => self.tokens::<S, 4, 4>(s, format),
        }
    }

    /// `A` tokens, then `B`, for which rows are still in the first-level cache.
    #[inline(always)]
    unsafe fn tokens<S: Simd, const A: usize, const B: usize>(&self, s: S, format: Format) {
        // Four streams of rows, each contiguous, so that the hardware's prefetch can follow every one.
        let (row, stream) = (self.0.row, self.0.rows / 4);
        for at in row..row + stream {
            self.group::<S, 4, A>(s, format, at, stream, 0);
            if B > 0 {
                self.group::<S, 4, B>(s, format, at, stream, A);
            }
        }
        for at in row + stream * 4..row + self.0.rows {
            self.group::<S, 1, A>(s, format, at, 0, 0);
            if B > 0 {
                self.group::<S, 1, B>(s, format, at, 0, A);
            }
        }
    }

    /// The products of `R` rows, `stream` rows apart, with `T` tokens from `first` on; where there are fewer tokens the last is
    /// computed twice.
    #[inline(always)]
    unsafe fn group<S: Simd, const R: usize, const T: usize>(
        &self,
        s: S,
        format: Format,
        row: usize,
        stream: usize,
        first: usize,
    ) {
        let matvec::Rows { x, job, .. } = self.0;
        let (matrix, out) = (&job.matrix, &job.out);
        let mut weights = [matrix.bytes.as_ptr(); R];
        let mut values = [x.float.as_slice().as_ptr(); T];
        for r in 0..R {
            weights[r] = weights[r].add((row + r * stream) * matrix.row_bytes);
        }
        for t in 0..T {
            values[t] = values[t].add((first + t).min(x.tokens - 1) * x.padded());
        }
        let mut acc = [[s.splat(0.0); T]; R];
        let whole = matrix.cols / S::LANES * S::LANES;
        for col in (0..whole).step_by(S::LANES) {
            columns::<S, R, T>(s, format, &weights, &values, (col, S::LANES), &mut acc);
        }
        if whole < matrix.cols {
            columns::<S, R, T>(s, format, &weights, &values, (whole, matrix.cols - whole), &mut acc);
        }
        for t in 0..T.min(x.tokens - first) {
            if R == 4 {
                let sums = s.sum4(std::array::from_fn(|r| acc[r % R][t]));
                for (r, sum) in sums.into_iter().enumerate() {
                    out.put(first + t, row + r * stream, sum);
                }
            } else {
                for r in 0..R {
                    out.put(first + t, row + r * stream, s.sum(acc[r][t]));
                }
            }
        }
    }
}

/// Adds the products of the `n` columns from `col` on; values are padded with zeros to whole vectors.
#[inline(always)]
unsafe fn columns<S: Simd, const R: usize, const T: usize>(
    s: S,
    format: Format,
    weights: &[*const u8; R],
    values: &[*const f32; T],
    (col, n): (usize, usize),
    acc: &mut [[S::F; T]; R],
) {
    let bytes = format.block_bytes();
    let mut w = [s.splat(0.0); R];
    for r in 0..R {
        // The row that follows in each stream is read next; the hardware alone stops at the end of every page.
        prefetch(weights[r].wrapping_add(col * bytes + PREFETCH));
        w[r] = load(s, format, weights[r], col, n);
    }
    for t in 0..T {
        let a = s.load(values[t].add(col));
        for r in 0..R {
            acc[r][t] = s.fma(w[r], a, acc[r][t]);
        }
    }
}

/// Rows of a task where all weights are floats: many, so that tokens come from far away once for all of these rows.
pub(super) fn rows_of_a_task(threads: usize, jobs: &[Job<'_>]) -> Option<usize> {
    let floats = jobs.iter().all(|job| job.matrix.format.block_len() == 1);
    let rows: usize = jobs.iter().map(|job| job.matrix.rows).sum();
    floats.then(|| rows.div_ceil(threads * 2).next_multiple_of(ROWS).min(MOST_ROWS))
}

/// Panels of float weights for many tokens: (panels, columns, 2 × LANES rows). A stretch of all panels lies in the second-level
/// cache; a tile of tokens stays in the first-level cache while it meets them.
#[inline(always)]
pub(super) unsafe fn panel<S: Simd>(s: S, panel: Panel<'_>) {
    let (width, cols) = (2 * S::LANES, panel.job.matrix.cols);
    let size = STRETCH * width * 4;
    let panels = panel.rows.div_ceil(width);
    crate::scratch::with(panels * size + S::LANES * width * 4, |memory| {
        // Rows before they are transposed.
        let rows = memory.add(panels * size);
        for col in (0..cols).step_by(STRETCH) {
            let stretch = (col, cols.min(col + STRETCH));
            for p in 0..panels {
                s.enter(Fill { panel: part(&panel, p, width), memory: memory.add(p * size), rows, stretch });
            }
            for token in (panel.first..panel.first + panel.tokens).step_by(TILE) {
                let tokens = TILE.min(panel.first + panel.tokens - token);
                for p in 0..panels {
                    let (panel, memory) = (part(&panel, p, width), memory.add(p * size));
                    match tokens {
                        1 => s.enter(Tile::<1> { panel, memory, stretch, token }),
                        2 => s.enter(Tile::<2> { panel, memory, stretch, token }),
                        3 => s.enter(Tile::<3> { panel, memory, stretch, token }),
                        4 => s.enter(Tile::<4> { panel, memory, stretch, token }),
                        5 => s.enter(Tile::<5> { panel, memory, stretch, token }),
                        _ => s.enter(Tile::<TILE> { panel, memory, stretch, token }),
                    }
                }
            }
        }
    });
}

/// Panel `p` of `width` rows.
fn part<'a>(panel: &Panel<'a>, p: usize, width: usize) -> Panel<'a> {
    Panel { row: panel.row + p * width, rows: width.min(panel.rows - p * width), ..*panel }
}

/// Unpacks a stretch of columns.
struct Fill<'a> {
    panel: Panel<'a>,
    memory: *mut u8,
    /// (LANES, LANES)
    rows: *mut u8,
    stretch: (usize, usize),
}

impl<S: Simd> Op<S> for Fill<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { panel, memory, rows, stretch: (from, to) } = self;
        let (matrix, vector) = (&panel.job.matrix, 4 * S::LANES);
        for side in 0..2 {
            for col in (from..to).step_by(S::LANES) {
                for r in 0..S::LANES {
                    let row = side * S::LANES + r;
                    let values = if row < panel.rows {
                        let w = matrix.bytes.as_ptr().add((panel.row + row) * matrix.row_bytes);
                        load(s, matrix.format, w, col, S::LANES.min(to - col))
                    } else {
                        s.splat(0.0)
                    };
                    s.store(rows.add(r * vector).cast(), values);
                }
                s.transpose(
                    rows,
                    vector,
                    memory.add((col - from) * 2 * vector + side * vector),
                    2 * vector,
                    8 * vector,
                );
            }
        }
    }
}

/// `T` tokens against a stretch of columns.
struct Tile<'a, const T: usize> {
    panel: Panel<'a>,
    memory: *const u8,
    stretch: (usize, usize),
    token: usize,
}

impl<S: Simd, const T: usize> Op<S> for Tile<'_, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let x = self.panel.x;
        let padded = x.padded();
        let values = x.float.as_slice().as_ptr().add(self.token * padded);
        let mut total = [[s.splat(0.0); 2]; T];
        for col in self.stretch.0..self.stretch.1 {
            let w = self.memory.cast::<f32>().add((col - self.stretch.0) * 2 * S::LANES);
            let w = [s.load(w), s.load(w.add(S::LANES))];
            for t in 0..T {
                let a = s.splat(*values.add(t * padded + col));
                for side in 0..2 {
                    total[t][side] = s.fma(a, w[side], total[t][side]);
                }
            }
        }
        for t in 0..T {
            self.panel.store(s, self.token + t, total[t], self.stretch.0 > 0);
        }
    }
}
