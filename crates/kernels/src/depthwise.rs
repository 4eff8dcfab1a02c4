//! What stands between the products of a convolutional network: filters of one channel each, the layer norm, softmax, and
//! functions of every value.

use crate::buffer::Parts;
use crate::compute::Compute;
use crate::convolution::{Rows, Shared};
use crate::finish::{Range, load, store};
use crate::simd::{AnyOp, Op, Simd, dispatch, math};
use crate::unpack::Unpackers;
use std::sync::{Mutex, PoisonError};

/// The layer norm (Ba, Kiros and Hinton, 2016): (x − mean) / √(variance + eps) · weight + bias.
#[derive(Debug, Clone, Copy)]
pub struct LayerNorm<'a> {
    /// A factor for each channel.
    pub weight: &'a [f32],
    /// A value for each channel.
    pub bias: &'a [f32],
    /// Keeps rows of equal values from becoming infinite.
    pub eps: f32,
}

/// Filters of one channel each: tap t of channel c is `weights[t · channels + c]`, and the middle tap is the output's own
/// row. An even number of taps sees one row more before than behind.
#[derive(Debug, Clone, Copy)]
pub struct Depthwise<'a> {
    /// (taps, channels)
    pub weights: &'a [f32],
    /// A value for each channel.
    pub bias: &'a [f32],
    /// Rows that one output sees …
    pub taps: usize,
    /// … each so many after the one before.
    pub dilation: usize,
}

/// A function of every value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    /// eˣ, at most e⁸⁸.
    Exp,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e⁻ˣ)
    Sigmoid,
}

/// Rows of a task.
const BLOCK: usize = 32;

impl Compute {
    /// The layer norm of each row of `x` (rows × channels), of what `depthwise` makes of it where there is one, into `out`.
    /// Tells the range of what comes out.
    ///
    /// # Panics
    /// When a slice is not of this shape.
    pub fn filtered_norm(
        &self,
        depthwise: Option<Depthwise<'_>>,
        norm: LayerNorm<'_>,
        x: &[f32],
        out: &mut [f32],
    ) -> Range {
        let channels = norm.weight.len();
        assert!(channels > 0 && norm.bias.len() == channels && out.len() == x.len(), "{channels} channels");
        let x = Rows::new(x, channels);
        if let Some(it) = depthwise {
            assert!(it.weights.len() == it.taps * channels && it.bias.len() == channels && it.dilation > 0);
        }
        let (rows, start) = (x.rows(), Shared(x.checked(x.rows(), channels)));
        let parts = Parts::new(out);
        let whole = Mutex::new(Range::default());
        self.pool().run(rows.div_ceil(BLOCK), |task| {
            let (first, count) = (task * BLOCK, BLOCK.min(rows - task * BLOCK));
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(first * channels, count * channels) }.as_mut_ptr();
            let job = Norm { depthwise, norm, start, rows, first, count, out };
            // SAFETY: the shapes were checked above.
            let range = unsafe { dispatch(self.isa(), job) };
            let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
            *whole = whole.and(range);
        });
        whole.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Softmax of every row of `x` (rows × cols), each value times `scale` first.
    ///
    /// # Panics
    /// When `x` is not whole rows.
    pub fn softmax(&self, x: &mut [f32], cols: usize, scale: f32) {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} values in rows of {cols}", x.len());
        let rows = x.len() / cols;
        let parts = Parts::new(x);
        self.pool().run(rows.div_ceil(BLOCK), |task| {
            let (first, count) = (task * BLOCK, BLOCK.min(rows - task * BLOCK));
            // SAFETY: tasks take different rows.
            let x = unsafe { parts.part(first * cols, count * cols) };
            for row in x.chunks_exact_mut(cols) {
                // SAFETY: the op works on this row alone.
                unsafe { dispatch(self.isa(), Softmax { row, scale }) };
            }
        });
    }

    /// Puts the function of every value in its place, on the caller's thread.
    pub fn apply(&self, function: Function, x: &mut [f32]) {
        // SAFETY: the op works on this slice alone.
        unsafe { dispatch(self.isa(), Apply { function, x }) };
    }

    /// The sine and the cosine of every value, on the caller's thread.
    ///
    /// # Panics
    /// When the slices differ in length.
    pub fn sin_cos(&self, x: &[f32], sin: &mut [f32], cos: &mut [f32]) {
        assert!(x.len() == sin.len() && x.len() == cos.len());
        // SAFETY: the op works on these slices alone, which are of one length.
        unsafe { dispatch(self.isa(), SinCos { x, sin, cos }) };
    }
}

/// `count` rows from row `first` on.
struct Norm<'a> {
    depthwise: Option<Depthwise<'a>>,
    norm: LayerNorm<'a>,
    start: Shared,
    rows: usize,
    first: usize,
    count: usize,
    out: *mut f32,
}

impl AnyOp for Norm<'_> {
    type Out = Range;
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> Range {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Norm<'_> {
    type Out = Range;
    #[inline(always)]
    unsafe fn run(self, s: S) -> Range {
        let channels = self.norm.weight.len();
        let (mut low, mut high) = (s.splat(0.0), s.splat(0.0));
        for row in 0..self.count {
            let out = self.out.add(row * channels);
            let mut sums = s.splat(0.0);
            let mut at = 0;
            while at < channels {
                let n = S::LANES.min(channels - at);
                let x = self.filtered(s, self.first + row, at, n);
                store(s, out.add(at), n, x);
                sums = s.add(sums, x);
                at += n;
            }
            let mean = s.sum(sums) / channels as f32;
            let mut squares = s.splat(0.0);
            let mut at = 0;
            while at < channels {
                let n = S::LANES.min(channels - at);
                // Lanes behind the last stay 0: they get the mean before it is taken away.
                let less = s.sub(load(s, out.add(at), n), mean_lanes(s, mean, n));
                squares = s.fma(less, less, squares);
                at += n;
            }
            let inverse = 1.0 / (s.sum(squares) / channels as f32 + self.norm.eps).sqrt();
            let mut at = 0;
            while at < channels {
                let n = S::LANES.min(channels - at);
                let x = s.mul(s.sub(load(s, out.add(at), n), s.splat(mean)), s.splat(inverse));
                let weight = load(s, self.norm.weight.as_ptr().add(at), n);
                let x = s.fma(x, weight, load(s, self.norm.bias.as_ptr().add(at), n));
                store(s, out.add(at), n, x);
                (low, high) = (s.min(low, x), s.max(high, x));
                at += n;
            }
        }
        Range { low: -s.largest(s.sub(s.splat(0.0), low)), high: s.largest(high) }
    }
}

/// `mean` in the first `n` lanes, zeros behind.
#[inline(always)]
unsafe fn mean_lanes<S: Simd>(s: S, mean: f32, n: usize) -> S::F {
    if n == S::LANES { s.splat(mean) } else { s.load_first([mean; 16].as_ptr(), n) }
}

impl Norm<'_> {
    /// `n` channels from `at` of a row, after the filter.
    #[inline(always)]
    unsafe fn filtered<S: Simd>(&self, s: S, row: usize, at: usize, n: usize) -> S::F {
        let channels = self.norm.weight.len();
        let x = self.start.0.add(at);
        let Some(it) = self.depthwise else { return load(s, x.add(row * channels), n) };
        let before = it.taps / 2 * it.dilation;
        let mut sum = load(s, it.bias.as_ptr().add(at), n);
        for tap in 0..it.taps {
            let Some(from) = (row + tap * it.dilation).checked_sub(before) else { continue };
            if from < self.rows {
                let weight = load(s, it.weights.as_ptr().add(tap * channels + at), n);
                sum = s.fma(load(s, x.add(from * channels), n), weight, sum);
            }
        }
        sum
    }
}

struct Softmax<'a> {
    row: &'a mut [f32],
    scale: f32,
}

impl AnyOp for Softmax<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Softmax<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (x, len) = (self.row.as_mut_ptr(), self.row.len());
        let largest = self.row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b * self.scale));
        let (scale, less) = (s.splat(self.scale), s.splat(-largest));
        let mut total = 0.0;
        let mut sums = s.splat(0.0);
        let mut at = 0;
        while at < len {
            let n = S::LANES.min(len - at);
            let e = math::exp(s, s.fma(load(s, x.add(at), n), scale, less));
            store(s, x.add(at), n, e);
            if n == S::LANES {
                sums = s.add(sums, e);
            } else {
                (0..n).for_each(|i| total += *x.add(at + i));
            }
            at += n;
        }
        total += s.sum(sums);
        self.row.iter_mut().for_each(|x| *x /= total);
    }
}

struct Apply<'a> {
    function: Function,
    x: &'a mut [f32],
}

impl AnyOp for Apply<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Apply<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        match self.function {
            Function::Exp => each(s, self.x, |x| math::exp(s, x)),
            Function::Tanh => each(s, self.x, |x| math::tanh(s, x)),
            Function::Sigmoid => each(s, self.x, |x| {
                let e = math::exp(s, s.sub(s.splat(0.0), x));
                s.div(s.splat(1.0), s.add(s.splat(1.0), e))
            }),
        }
    }
}

#[inline(always)]
unsafe fn each<S: Simd>(s: S, x: &mut [f32], f: impl Fn(S::F) -> S::F) {
    let (start, len) = (x.as_mut_ptr(), x.len());
    let mut at = 0;
    while at < len {
        let n = S::LANES.min(len - at);
        store(s, start.add(at), n, f(load(s, start.add(at), n)));
        at += n;
    }
}

struct SinCos<'a> {
    x: &'a [f32],
    sin: &'a mut [f32],
    cos: &'a mut [f32],
}

impl AnyOp for SinCos<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for SinCos<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let mut at = 0;
        while at < self.x.len() {
            let n = S::LANES.min(self.x.len() - at);
            let (sin, cos) = math::sin_cos(s, load(s, self.x.as_ptr().add(at), n));
            store(s, self.sin.as_mut_ptr().add(at), n, sin);
            store(s, self.cos.as_mut_ptr().add(at), n, cos);
            at += n;
        }
    }
}
