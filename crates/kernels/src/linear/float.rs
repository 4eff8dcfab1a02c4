//! Products with F32, F16 and BF16 weights, in f32.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::matvec;
use super::panel::{Panel, TILE};
use crate::format::Format;
use crate::simd::{Op, Simd};

/// Columns of a panel at a time: 32 KiB of floats on AVX-512.
const STRETCH: usize = 256;

/// LANES values from column `col` of a row; `n` of them are inside it.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, format: Format, row: *const u8, col: usize, n: usize) -> S::F {
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

/// Rows of float weights for few tokens.
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
        let matvec::Rows { x, job, row, rows } = self.0;
        let (matrix, out) = (&job.matrix, &job.out);
        for row in row..row + rows {
            let w = matrix.bytes.as_ptr().add(row * matrix.row_bytes);
            for t in 0..x.tokens {
                let x = x.float.as_slice().as_ptr().add(t * x.padded());
                out.put(t, row, dot(s, format, w, x, matrix.cols));
            }
        }
    }
}

/// Σ w · x over `cols` columns; `x` is padded with zeros to whole vectors.
#[inline(always)]
unsafe fn dot<S: Simd>(s: S, format: Format, w: *const u8, x: *const f32, cols: usize) -> f32 {
    let mut acc = [s.splat(0.0); 4];
    let mut col = 0;
    while col + 4 * S::LANES <= cols {
        for (i, acc) in acc.iter_mut().enumerate() {
            let at = col + i * S::LANES;
            *acc = s.fma(load(s, format, w, at, S::LANES), s.load(x.add(at)), *acc);
        }
        col += 4 * S::LANES;
    }
    while col < cols {
        let n = S::LANES.min(cols - col);
        acc[0] = s.fma(load(s, format, w, col, n), s.load(x.add(col)), acc[0]);
        col += n;
    }
    s.sum(s.add(s.add(acc[0], acc[1]), s.add(acc[2], acc[3])))
}

/// A panel of float weights for many tokens: (columns, 2 × LANES rows), walked as the int8 panel is.
#[inline(always)]
pub(super) unsafe fn panel<S: Simd>(s: S, panel: Panel<'_>) {
    let bytes = (STRETCH + S::LANES) * 2 * S::LANES * 4;
    crate::scratch::with(bytes, |memory| {
        let cols = panel.job.matrix.cols;
        for col in (0..cols).step_by(STRETCH) {
            let stretch = (col, cols.min(col + STRETCH));
            s.enter(Fill { panel, memory, stretch });
            let mut token = panel.first;
            let end = panel.first + panel.tokens;
            while token < end {
                match end - token {
                    1 => s.enter(Tile::<1> { panel, memory, stretch, token }),
                    2 => s.enter(Tile::<2> { panel, memory, stretch, token }),
                    3 => s.enter(Tile::<3> { panel, memory, stretch, token }),
                    4 => s.enter(Tile::<4> { panel, memory, stretch, token }),
                    5 => s.enter(Tile::<5> { panel, memory, stretch, token }),
                    _ => s.enter(Tile::<TILE> { panel, memory, stretch, token }),
                }
                token += TILE.min(end - token);
            }
        }
    });
}

/// Unpacks a stretch of columns.
struct Fill<'a> {
    panel: Panel<'a>,
    memory: *mut u8,
    stretch: (usize, usize),
}

impl<S: Simd> Op<S> for Fill<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { panel, memory, stretch: (from, to) } = self;
        let (matrix, vector) = (&panel.job.matrix, 4 * S::LANES);
        let rows = memory.add(STRETCH * 2 * vector);
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
