//! Products for one to eight tokens: reading the weights is what takes the time, so every row is read once, unpacked in
//! registers and multiplied with up to four tokens at once. Rows go in groups, which share the loads of activations.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::{Job, float, spans};
use crate::activations::Activations;
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch, prefetch};
use crate::unpack::{Chunk, Unpack, Unpackers, with_unpacker};

/// Tasks are at least this many bytes of weights, so that taking one costs little beside reading it …
const LEAST_BYTES: usize = 8 << 10;
/// … and there are about this many for each thread, so that none waits long for the last.
const TASKS_PER_THREAD: usize = 6;

/// How far ahead of what is multiplied weights are asked for, in bytes.
const PREFETCH: usize = 2 << 10;

/// Runs all jobs on the threads of `compute`.
pub(super) fn run(compute: &Compute, x: &Activations, jobs: &[Job<'_>]) {
    let rows: usize = jobs.iter().map(|j| j.matrix.rows).sum();
    let bytes = jobs.iter().map(|j| j.matrix.row_bytes).max().unwrap_or(1);
    let each = rows.div_ceil(compute.pool().threads() * TASKS_PER_THREAD).max(LEAST_BYTES / bytes);
    let spans = spans(jobs, each.next_multiple_of(4));
    compute.pool().run(spans.len(), |i| {
        let span = spans[i];
        let task = Rows { x, job: &jobs[span.job], row: span.row, rows: span.rows };
        // SAFETY: `linear` has checked all sizes; spans do not overlap, so each output is written by one task.
        unsafe { dispatch(compute.isa(), task) }
    });
}

/// Rows `row .. row + rows` of one job, for all tokens.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) x: &'a Activations,
    pub(super) job: &'a Job<'a>,
    pub(super) row: usize,
    pub(super) rows: usize,
}

impl AnyOp for Rows<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        with_unpacker!(self.job.matrix.format, S, U => match self.x.tokens {
            1 => s.enter(Int8::<U<S>, 1, 0>(self, std::marker::PhantomData)),
            2 => s.enter(Int8::<U<S>, 2, 0>(self, std::marker::PhantomData)),
            3 => s.enter(Int8::<U<S>, 3, 0>(self, std::marker::PhantomData)),
            4 => s.enter(Int8::<U<S>, 4, 0>(self, std::marker::PhantomData)),
            5 | 6 => s.enter(Int8::<U<S>, 3, 3>(self, std::marker::PhantomData)),
            _ => s.enter(Int8::<U<S>, 4, 4>(self, std::marker::PhantomData)),
        }, else s.enter(float::Rows(self)))
    }
}

/// The kernel for int8 activations of `A` and then `B` tokens and weights that `U` unpacks: rows are met by the second
/// tokens while they are in the first-level cache. Where there are fewer tokens the last is computed twice.
struct Int8<'a, U, const A: usize, const B: usize>(Rows<'a>, std::marker::PhantomData<U>);

impl<S: Simd, U: Unpack<S>, const A: usize, const B: usize> Op<S> for Int8<'_, U, A, B> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        // Four streams of rows, each contiguous, so that the hardware's prefetch can follow every one.
        let (row, stream) = (self.0.row, self.0.rows / 4);
        for at in row..row + stream {
            self.group::<S, 4, A>(s, at, stream, 0);
            if B > 0 {
                self.group::<S, 4, B>(s, at, stream, A);
            }
        }
        for at in row + stream * 4..row + self.0.rows {
            self.group::<S, 1, A>(s, at, 0, 0);
            if B > 0 {
                self.group::<S, 1, B>(s, at, 0, A);
            }
        }
    }
}

/// What one chunk of columns of all tokens brings to every row.
struct Inputs<S: Simd, const T: usize> {
    a: [[S::I; 2]; T],
    scale: [S::F; T],
    /// What a sum starts from, to undo the offset of weights.
    start: [[S::I; 2]; T],
    /// scale · Σ a in each lane, for minimums.
    sums: [[S::F; 2]; T],
}

impl<S: Simd, const T: usize> Inputs<S, T> {
    #[inline(always)]
    unsafe fn of<U: Unpack<S>>(s: S, x: &Activations, first: usize, chunk: usize) -> Self {
        let padded = x.padded();
        let ones = s.splat_byte(1);
        let zero = [s.splat(0.0); 2];
        let mut inputs = Self {
            a: [[s.zero_i(); 2]; T],
            scale: [zero[0]; T],
            start: [[s.zero_i(); 2]; T],
            sums: [zero; T],
        };
        for t in 0..T {
            let token = (first + t).min(x.tokens - 1);
            let q = x.q.as_slice().as_ptr().add(token * padded + chunk * 8 * S::LANES).cast::<u8>();
            let a = [s.load_i(q), s.load_i(q.add(4 * S::LANES))];
            let scale =
                s.load_each4(x.scale.as_slice().as_ptr().add(token * padded / 32 + chunk * S::LANES / 4));
            (inputs.a[t], inputs.scale[t]) = (a, scale);
            if U::ZERO == 0 && !U::MIN {
                continue;
            }
            let mut lanes = [s.dot(s.zero_i(), ones, a[0]), s.zero_i()];
            if U::SPLIT {
                lanes[1] = s.dot(s.zero_i(), ones, a[1]);
            } else {
                lanes[0] = s.dot(lanes[0], ones, a[1]);
            }
            for part in 0..if U::SPLIT { 2 } else { 1 } {
                if U::MIN {
                    inputs.sums[t][part] = s.mul(s.to_float(lanes[part]), scale);
                }
                if U::ZERO != 0 {
                    inputs.start[t][part] = s.mul_i(lanes[part], s.splat_i(-U::ZERO));
                }
            }
        }
        inputs
    }

    /// Adds the products with one chunk of a row to `sums`.
    #[inline(always)]
    unsafe fn add<U: Unpack<S>>(&self, s: S, w: &Chunk<S>, sums: &mut [S::F; T]) {
        let dot = |acc, q, a| if U::WIDE { s.dot_wide(acc, q, a) } else { s.dot(acc, q, a) };
        for t in 0..T {
            let (start, a, scale) = (self.start[t], self.a[t], self.scale[t]);
            let mut sum = sums[t];
            if U::SPLIT {
                for part in 0..2 {
                    let products = s.to_float(dot(start[part], w.q[part], a[part]));
                    sum = s.fma(products, s.mul(w.d[part], scale), sum);
                }
            } else {
                let products = s.to_float(dot(dot(start[0], w.q[0], a[0]), w.q[1], a[1]));
                sum = s.fma(products, s.mul(w.d[0], scale), sum);
            }
            if U::MIN {
                for part in 0..if U::SPLIT { 2 } else { 1 } {
                    sum = s.fma(self.sums[t][part], w.m[part], sum);
                }
            }
            sums[t] = sum;
        }
    }
}

/// Columns that are multiplied in one step: a chunk, or a pair of them.
const fn columns<S: Simd, U: Unpack<S>>() -> usize {
    if U::PAIRED { 16 * S::LANES } else { 8 * S::LANES }
}

impl<U, const A: usize, const B: usize> Int8<'_, U, A, B> {
    /// The products of `R` rows, `stream` rows apart, with `T` tokens from `first` on.
    #[inline(always)]
    unsafe fn group<S: Simd, const R: usize, const T: usize>(
        &self,
        s: S,
        row: usize,
        stream: usize,
        first: usize,
    ) where
        U: Unpack<S>,
    {
        let matrix = &self.0.job.matrix;
        let columns = const { columns::<S, U>() };
        let steps = matrix.cols / columns;
        let mut acc = [[s.splat(0.0); T]; R];
        for step in 0..steps {
            self.step::<S, R, T, true>(s, row, stream, first, step, &mut acc);
        }
        if matrix.cols > steps * columns {
            self.step::<S, R, T, false>(s, row, stream, first, steps, &mut acc);
        }
        let out = &self.0.job.out;
        for t in 0..T.min(self.0.x.tokens - first) {
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

    /// Adds the products of one chunk of `R` rows, or of a pair of chunks, to `acc`.
    #[inline(always)]
    unsafe fn step<S: Simd, const R: usize, const T: usize, const FULL: bool>(
        &self,
        s: S,
        row: usize,
        stream: usize,
        first: usize,
        step: usize,
        acc: &mut [[S::F; T]; R],
    ) where
        U: Unpack<S>,
    {
        let (x, matrix) = (self.0.x, &self.0.job.matrix);
        let bytes = const { U::FORMAT.block_bytes() * columns::<S, U>() / U::FORMAT.block_len() };
        // The same for all rows.
        let inputs = Inputs::of::<U>(s, x, first, if U::PAIRED { 2 * step } else { step });
        let second = U::PAIRED.then(|| Inputs::of::<U>(s, x, first, 2 * step + 1));
        for r in 0..R {
            let w = matrix.bytes.as_ptr().add((row + r * stream) * matrix.row_bytes);
            // The row that follows in each stream is read next; the hardware alone stops at the end of every page.
            let ahead = w.wrapping_add(step * bytes + PREFETCH);
            for line in 0..if first == 0 { bytes.div_ceil(64) } else { 0 } {
                prefetch(ahead.wrapping_add(line * 64));
            }
            if let Some(second) = &second {
                let pair = U::pair(s, w, matrix.row_bytes, step);
                inputs.add::<U>(s, &pair[0], &mut acc[r]);
                second.add::<U>(s, &pair[1], &mut acc[r]);
            } else {
                inputs.add::<U>(s, &U::chunk::<FULL>(s, w, matrix.row_bytes, step), &mut acc[r]);
            }
        }
    }
}
