//! The products of a convolution: tiles of rows against panels of weights, or dot products.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use crate::finish::load;
use crate::simd::{Op, Simd};

/// What is multiplied: rows `a`, `stride` apart, of `taps` pieces of `depth` values, `between` apart, against `weights`.
#[derive(Clone, Copy)]
pub(super) struct Job {
    pub(super) a: *const f32,
    pub(super) stride: usize,
    pub(super) taps: usize,
    pub(super) between: usize,
    pub(super) depth: usize,
    pub(super) weights: *const f32,
    /// Rows of `outputs` values without gaps.
    pub(super) out: *mut f32,
    pub(super) outputs: usize,
}

/// All panels against `rows` rows.
///
/// # Safety
/// The job's pointers are valid for its sizes.
pub(super) unsafe fn panels<S: Simd>(s: S, job: Job, rows: usize) {
    let (wide, depth) = (2 * S::LANES, job.taps * job.depth);
    for panel in 0..job.outputs.div_ceil(wide) {
        let from = panel * wide;
        let job = Job { weights: job.weights.add(panel * depth * wide), ..job };
        let columns = (from, wide.min(job.outputs - from));
        let mut row = 0;
        while row < rows {
            let left = rows - row;
            // Twelve rows need 24 sums in registers, which 512-bit vectors have.
            row += match left {
                12.. if S::LANES >= 16 => s.enter(Tile::<4, 3> { job, row, columns }),
                6.. => s.enter(Tile::<2, 3> { job, row, columns }),
                3.. => s.enter(Tile::<1, 3> { job, row, columns }),
                _ => s.enter(Tile::<1, 1> { job, row, columns }),
            };
        }
    }
}

/// `G · R` rows against a panel. Rows are addressed in groups, so that their addresses fit the registers.
struct Tile<const G: usize, const R: usize> {
    job: Job,
    row: usize,
    /// The first column and how many.
    columns: (usize, usize),
}

impl<S: Simd, const G: usize, const R: usize> Op<S> for Tile<G, R> {
    /// Rows that were computed.
    type Out = usize;
    #[inline(always)]
    unsafe fn run(self, s: S) -> usize {
        let Self { job, row, columns } = self;
        let stride = job.stride;
        let mut total = [[[s.splat(0.0); 2]; R]; G];
        let mut w = job.weights;
        for tap in 0..job.taps {
            let mut a = [job.a; G];
            for g in 0..G {
                a[g] = job.a.add((row + g * R) * stride + tap * job.between);
            }
            for _ in 0..job.depth {
                let weights = [s.load(w), s.load(w.add(S::LANES))];
                w = w.add(2 * S::LANES);
                for g in 0..G {
                    for r in 0..R {
                        let x = s.splat(*a[g].add(r * stride));
                        for side in 0..2 {
                            total[g][r][side] = s.fma(x, weights[side], total[g][r][side]);
                        }
                    }
                    a[g] = a[g].add(1);
                }
            }
        }
        for g in 0..G {
            for r in 0..R {
                let out = job.out.add((row + g * R + r) * job.outputs + columns.0);
                put(s, out, columns.1, total[g][r]);
            }
        }
        G * R
    }
}

/// Stores the first `n` of two vectors.
#[inline(always)]
unsafe fn put<S: Simd>(s: S, out: *mut f32, n: usize, values: [S::F; 2]) {
    for (side, value) in values.into_iter().enumerate() {
        let from = side * S::LANES;
        if n >= from + S::LANES {
            s.store(out.add(from), value);
        } else if n > from {
            s.store_first(out.add(from), n - from, value);
        }
    }
}

/// One dot product for each row and output; what a row sees lies without gaps.
pub(super) struct Dots {
    pub(super) job: Job,
    pub(super) rows: usize,
}

impl<S: Simd> Op<S> for Dots {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { job, rows } = self;
        let depth = job.taps * job.depth;
        for row in 0..rows {
            let a = job.a.add(row * job.stride);
            for output in 0..job.outputs {
                let w = job.weights.add(output * depth);
                let mut sums = [s.splat(0.0); 4];
                let mut at = 0;
                while at + 4 * S::LANES <= depth {
                    for (i, sum) in sums.iter_mut().enumerate() {
                        let at = at + i * S::LANES;
                        *sum = s.fma(s.load(w.add(at)), s.load(a.add(at)), *sum);
                    }
                    at += 4 * S::LANES;
                }
                while at < depth {
                    let n = S::LANES.min(depth - at);
                    sums[0] = s.fma(load(s, w.add(at), n), load(s, a.add(at), n), sums[0]);
                    at += n;
                }
                let sum = s.sum(s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
                *job.out.add(row * job.outputs + output) = sum;
            }
        }
    }
}
