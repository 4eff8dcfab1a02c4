//! Products for one to eight tokens: reading the weights is what takes the time, so every row is read once, unpacked in
//! registers and multiplied with all tokens. Up to four tokens fit the registers together with four rows, which share what the
//! tokens bring; more have it worked out once for each task (`Many`).

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use super::{Job, float, spans};
use crate::activations::Activations;
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch, prefetch};
use crate::unpack::{Chunk, Unpack, Unpackers, with_unpacker};
use std::marker::PhantomData;

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
            1 => s.enter(Few::<U<S>, 1>(self, PhantomData)),
            2 => s.enter(Few::<U<S>, 2>(self, PhantomData)),
            3 => s.enter(Few::<U<S>, 3>(self, PhantomData)),
            4 => s.enter(Few::<U<S>, 4>(self, PhantomData)),
            5 | 6 => many::<S, U<S>, 6>(s, self),
            _ => many::<S, U<S>, 8>(s, self),
        }, else s.enter(float::Rows(self)))
    }
}

/// Columns that are multiplied in one step: a chunk, or a pair of them.
const fn columns<S: Simd, U: Unpack<S>>() -> usize {
    if U::PAIRED { 16 * S::LANES } else { 8 * S::LANES }
}

impl Rows<'_> {
    /// The first byte of a row of weights.
    #[inline(always)]
    fn weights(&self, row: usize) -> *const u8 {
        self.job.matrix.bytes.as_ptr().wrapping_add(row * self.job.matrix.row_bytes)
    }

    /// Asks for what follows behind one step of a row: the row that follows in each stream is read next; the hardware alone
    /// stops at the end of every page.
    #[inline(always)]
    unsafe fn ask<S: Simd, U: Unpack<S>>(&self, w: *const u8, step: usize) {
        let bytes = const { U::FORMAT.block_bytes() * columns::<S, U>() / U::FORMAT.block_len() };
        let ahead = w.wrapping_add(step * bytes + PREFETCH);
        for line in 0..bytes.div_ceil(64) {
            prefetch(ahead.wrapping_add(line * 64));
        }
    }

    /// Writes the sums of `R` rows, `stream` rows apart, and `T` tokens.
    #[inline(always)]
    unsafe fn put<S: Simd, const R: usize, const T: usize>(
        &self,
        s: S,
        row: usize,
        stream: usize,
        acc: &[[S::F; T]; R],
    ) {
        for t in 0..T.min(self.x.tokens) {
            if R == 4 {
                let sums = s.sum4(std::array::from_fn(|r| acc[r % R][t]));
                for (r, sum) in sums.into_iter().enumerate() {
                    self.job.out.put(t, row + r * stream, sum);
                }
            } else {
                for r in 0..R {
                    self.job.out.put(t, row + r * stream, s.sum(acc[r][t]));
                }
            }
        }
    }
}

/// What one chunk of columns of one token brings to every row.
#[derive(Clone, Copy)]
struct Input<S: Simd> {
    a: [S::I; 2],
    scale: S::F,
    /// What a sum starts from, to undo the offset of weights.
    start: [S::I; 2],
    /// scale · Σ a in each lane, for minimums.
    sums: [S::F; 2],
}

impl<S: Simd> Input<S> {
    #[inline(always)]
    unsafe fn of<U: Unpack<S>>(s: S, x: &Activations, token: usize, chunk: usize) -> Self {
        let padded = x.padded();
        let q = x.q.as_slice().as_ptr().add(token * padded + chunk * 8 * S::LANES).cast::<u8>();
        let a = [s.load_i(q), s.load_i(q.add(4 * S::LANES))];
        let scale = s.load_each4(x.scale.as_slice().as_ptr().add(token * padded / 32 + chunk * S::LANES / 4));
        let mut input = Self { a, scale, start: [s.zero_i(); 2], sums: [s.splat(0.0); 2] };
        if U::ZERO == 0 && !U::MIN {
            return input;
        }
        let ones = s.splat_byte(1);
        let mut lanes = [s.dot(s.zero_i(), ones, a[0]), s.zero_i()];
        if U::SPLIT {
            lanes[1] = s.dot(s.zero_i(), ones, a[1]);
        } else {
            lanes[0] = s.dot(lanes[0], ones, a[1]);
        }
        for part in 0..if U::SPLIT { 2 } else { 1 } {
            if U::MIN {
                input.sums[part] = s.mul(s.to_float(lanes[part]), scale);
            }
            if U::ZERO != 0 {
                input.start[part] = s.mul_i(lanes[part], s.splat_i(-U::ZERO));
            }
        }
        input
    }

    /// Adds the product with one chunk of a row to `sum`.
    #[inline(always)]
    unsafe fn add<U: Unpack<S>>(&self, s: S, w: &Chunk<S>, mut sum: S::F) -> S::F {
        let dot = |acc, q, a| if U::WIDE { s.dot_wide(acc, q, a) } else { s.dot(acc, q, a) };
        if U::SPLIT {
            for part in 0..2 {
                let products = s.to_float(dot(self.start[part], w.q[part], self.a[part]));
                sum = s.fma(products, s.mul(w.d[part], self.scale), sum);
            }
        } else {
            let products = s.to_float(dot(dot(self.start[0], w.q[0], self.a[0]), w.q[1], self.a[1]));
            sum = s.fma(products, s.mul(w.d[0], self.scale), sum);
        }
        if U::MIN {
            for part in 0..if U::SPLIT { 2 } else { 1 } {
                sum = s.fma(self.sums[part], w.m[part], sum);
            }
        }
        sum
    }
}

/// The kernel for `T` tokens, few enough for registers.
struct Few<'a, U, const T: usize>(Rows<'a>, PhantomData<U>);

impl<S: Simd, U: Unpack<S>, const T: usize> Op<S> for Few<'_, U, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        // Four streams of rows, each contiguous, so that the hardware's prefetch can follow every one.
        let (row, stream) = (self.0.row, self.0.rows / 4);
        for at in row..row + stream {
            self.group::<S, 4>(s, at, stream);
        }
        for at in row + stream * 4..row + self.0.rows {
            self.group::<S, 1>(s, at, 0);
        }
    }
}

impl<U, const T: usize> Few<'_, U, T> {
    /// The products of `R` rows, `stream` rows apart.
    #[inline(always)]
    unsafe fn group<S: Simd, const R: usize>(&self, s: S, row: usize, stream: usize)
    where
        U: Unpack<S>,
    {
        let cols = self.0.job.matrix.cols;
        let steps = cols / const { columns::<S, U>() };
        let mut acc = [[s.splat(0.0); T]; R];
        for step in 0..steps {
            self.step::<S, R, true>(s, row, stream, step, &mut acc);
        }
        if cols > steps * columns::<S, U>() {
            self.step::<S, R, false>(s, row, stream, steps, &mut acc);
        }
        self.0.put(s, row, stream, &acc);
    }

    /// Adds the products of one chunk of `R` rows, or of a pair of chunks, to `acc`.
    #[inline(always)]
    unsafe fn step<S: Simd, const R: usize, const FULL: bool>(
        &self,
        s: S,
        row: usize,
        stream: usize,
        step: usize,
        acc: &mut [[S::F; T]; R],
    ) where
        U: Unpack<S>,
    {
        let row_bytes = self.0.job.matrix.row_bytes;
        // The same for all rows.
        let first = self.inputs::<S>(s, if U::PAIRED { 2 * step } else { step });
        let second = U::PAIRED.then(|| self.inputs::<S>(s, 2 * step + 1));
        for r in 0..R {
            let w = self.0.weights(row + r * stream);
            self.0.ask::<S, U>(w, step);
            if let Some(second) = &second {
                let pair = U::pair(s, w, row_bytes, step);
                Self::add(s, &first, &pair[0], &mut acc[r]);
                Self::add(s, second, &pair[1], &mut acc[r]);
            } else {
                Self::add(s, &first, &U::chunk::<FULL>(s, w, row_bytes, step), &mut acc[r]);
            }
        }
    }

    #[inline(always)]
    unsafe fn inputs<S: Simd>(&self, s: S, chunk: usize) -> [Input<S>; T]
    where
        U: Unpack<S>,
    {
        let mut inputs = [Input::of::<U>(s, self.0.x, 0, chunk); T];
        for t in 1..T {
            inputs[t] = Input::of::<U>(s, self.0.x, t, chunk);
        }
        inputs
    }

    #[inline(always)]
    unsafe fn add<S: Simd>(s: S, inputs: &[Input<S>; T], w: &Chunk<S>, sums: &mut [S::F; T])
    where
        U: Unpack<S>,
    {
        for t in 0..T {
            sums[t] = inputs[t].add::<U>(s, w, sums[t]);
        }
    }
}

/// The products of up to `T` tokens, too many for registers: what they bring lies ready in the cache.
#[inline(always)]
unsafe fn many<S: Simd, U: Unpack<S>, const T: usize>(s: S, rows: Rows<'_>) {
    let chunks = rows.x.padded() / (8 * S::LANES);
    crate::scratch::with(chunks * T * size_of::<Input<S>>(), |memory| {
        s.enter(Many::<S, U, T> { rows, inputs: memory.cast(), chunks, of: PhantomData });
    });
}

/// The kernel behind [`many`].
struct Many<'a, S: Simd, U, const T: usize> {
    rows: Rows<'a>,
    /// (chunks, T)
    inputs: *mut Input<S>,
    chunks: usize,
    of: PhantomData<U>,
}

impl<S: Simd, U: Unpack<S>, const T: usize> Op<S> for Many<'_, S, U, T> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let rows = &self.rows;
        for chunk in 0..self.chunks {
            for t in 0..T {
                // Where there are fewer tokens the last is computed twice.
                let token = t.min(rows.x.tokens - 1);
                self.inputs.add(chunk * T + t).write(Input::of::<U>(s, rows.x, token, chunk));
            }
        }
        let stream = rows.rows / 4;
        for at in rows.row..rows.row + stream {
            // As many rows at once as leave their sums in registers.
            let mut acc = [[s.splat(0.0); T]; 4];
            if S::LANES == 16 {
                for r in [0, 2] {
                    [acc[r], acc[r + 1]] = self.group::<2>(s, at + r * stream, stream);
                }
            } else {
                for r in 0..4 {
                    [acc[r]] = self.group::<1>(s, at + r * stream, 0);
                }
            }
            rows.put(s, at, stream, &acc);
        }
        for at in rows.row + stream * 4..rows.row + rows.rows {
            let acc = self.group::<1>(s, at, 0);
            rows.put(s, at, 0, &acc);
        }
    }
}

impl<S: Simd, U: Unpack<S>, const T: usize> Many<'_, S, U, T> {
    /// The sums of `R` rows, `stream` rows apart.
    #[inline(always)]
    unsafe fn group<const R: usize>(&self, s: S, row: usize, stream: usize) -> [[S::F; T]; R] {
        let (cols, row_bytes) = (self.rows.job.matrix.cols, self.rows.job.matrix.row_bytes);
        let steps = cols / const { columns::<S, U>() };
        let mut acc = [[s.splat(0.0); T]; R];
        for step in 0..steps {
            for r in 0..R {
                self.rows.ask::<S, U>(self.rows.weights(row + r * stream), step);
            }
            if U::PAIRED {
                let mut w = [U::pair(s, self.rows.weights(row), row_bytes, step); R];
                for r in 1..R {
                    w[r] = U::pair(s, self.rows.weights(row + r * stream), row_bytes, step);
                }
                self.add(s, 2 * step, &w, 0, &mut acc);
                self.add(s, 2 * step + 1, &w, 1, &mut acc);
            } else {
                self.chunk::<R, true>(s, row, stream, step, &mut acc);
            }
        }
        if cols > steps * columns::<S, U>() {
            self.chunk::<R, false>(s, row, stream, steps, &mut acc);
        }
        acc
    }

    /// Adds the products of chunk `chunk` of `R` rows to `acc`.
    #[inline(always)]
    unsafe fn chunk<const R: usize, const FULL: bool>(
        &self,
        s: S,
        row: usize,
        stream: usize,
        chunk: usize,
        acc: &mut [[S::F; T]; R],
    ) {
        let row_bytes = self.rows.job.matrix.row_bytes;
        let mut w = [[U::chunk::<FULL>(s, self.rows.weights(row), row_bytes, chunk)]; R];
        for r in 1..R {
            w[r] = [U::chunk::<FULL>(s, self.rows.weights(row + r * stream), row_bytes, chunk)];
        }
        self.add(s, chunk, &w, 0, acc);
    }

    /// Adds the products with `w[..][which]`, chunk `chunk` of `R` rows, to `acc`.
    #[inline(always)]
    unsafe fn add<const R: usize, const N: usize>(
        &self,
        s: S,
        chunk: usize,
        w: &[[Chunk<S>; N]; R],
        which: usize,
        acc: &mut [[S::F; T]; R],
    ) {
        for t in 0..T {
            let input = *self.inputs.add(chunk * T + t);
            for r in 0..R {
                acc[r][t] = input.add::<U>(s, &w[r][which], acc[r][t]);
            }
        }
    }
}
