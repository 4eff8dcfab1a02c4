//! What stands between the products of a convolutional network: filters of one channel each, the layer norm, softmax, and
//! functions of every value.

use crate::buffer::Parts;
use crate::compute::Compute;
use crate::convolution::{Rows, Shared};
use crate::finish::{Range, load, store};
use crate::simd::{AnyOp, Op, Simd, dispatch, math};
use crate::unpack::Unpackers;

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
        self.ranged(rows.div_ceil(BLOCK), |task| {
            let (first, count) = (task * BLOCK, BLOCK.min(rows - task * BLOCK));
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(first * channels, count * channels) }.as_mut_ptr();
            let job = Norm { depthwise, norm, start, rows, first, count, out };
            // SAFETY: the shapes were checked above.
            unsafe { dispatch(self.isa(), job) }
        })
    }

    /// Softmax of every row of `x` (rows × cols), each value divided by `divisor` first.
    ///
    /// # Panics
    /// When `x` is not whole rows.
    pub fn softmax(&self, x: &mut [f32], cols: usize, divisor: f32) {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} values in rows of {cols}", x.len());
        let rows = x.len() / cols;
        let parts = Parts::new(x);
        self.pool().run(rows.div_ceil(BLOCK), |task| {
            let (first, count) = (task * BLOCK, BLOCK.min(rows - task * BLOCK));
            // SAFETY: tasks take different rows.
            let x = unsafe { parts.part(first * cols, count * cols) };
            for row in x.chunks_exact_mut(cols) {
                // SAFETY: the op works on this row alone.
                unsafe { dispatch(self.isa(), Softmax { row, divisor }) };
            }
        });
    }

    /// Puts the function of every value in its place, on the caller's thread.
    pub fn apply(&self, function: Function, x: &mut [f32]) {
        // SAFETY: the op works on this slice alone.
        unsafe { dispatch(self.isa(), Apply { function, x }) };
    }

    /// tanh of the first half of each row of `x` (rows, 2 × width), times the sigmoid of its second half (rows, width).
    ///
    /// # Panics
    /// When the slices are not of these shapes.
    pub fn gates(&self, x: &[f32], width: usize, out: &mut [f32]) {
        assert!(width > 0 && out.len().is_multiple_of(width) && x.len() == 2 * out.len(), "{width} gates");
        let rows = out.len() / width;
        let parts = Parts::new(out);
        self.pool().run(rows.div_ceil(BLOCK), |task| {
            let (first, count) = (task * BLOCK, BLOCK.min(rows - task * BLOCK));
            let x = &x[first * 2 * width..(first + count) * 2 * width];
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(first * width, count * width) };
            // SAFETY: both slices have `count` rows.
            unsafe { dispatch(self.isa(), Gates { x, out, width }) };
        });
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
            let mut at = 0;
            while at < channels {
                let n = S::LANES.min(channels - at);
                store(s, out.add(at), n, self.filtered(s, self.first + row, at, n));
                at += n;
            }
            let (mean, variance) = moments(s, std::slice::from_raw_parts(out, channels));
            let inverse = 1.0 / (variance + self.norm.eps).sqrt();
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

/// Mean and variance. Squares are summed in eight places whatever the instruction set, so that all give the same numbers, and
/// those of onnxruntime 1.32 on AVX2 and later.
#[inline(always)]
unsafe fn moments<S: Simd>(s: S, x: &[f32]) -> (f32, f32) {
    let (eights, rest) = x.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for eight in eights {
        sums.iter_mut().zip(eight).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let rest_sum: f64 = rest.iter().map(|x| f64::from(*x)).sum();
    let mean = ((sums.iter().sum::<f64>() + rest_sum) / x.len() as f64) as f32;
    let mut squares = [0f32; 8];
    if S::LANES == 8 {
        let (mean, mut sums) = (s.splat(mean), s.splat(0.0));
        for eight in eights {
            let less = s.sub(s.load(eight.as_ptr()), mean);
            sums = s.fma(less, less, sums);
        }
        s.store(squares.as_mut_ptr(), sums);
    } else {
        // Where vectors are longer there is an instruction for it.
        for eight in eights {
            squares.iter_mut().zip(eight).for_each(|(sum, x)| *sum = (x - mean).mul_add(x - mean, *sum));
        }
    }
    let [a, b, c, d, e, f, g, h] = squares;
    let sum = ((a + e) + (c + g)) + ((b + f) + (d + h));
    let sum = rest.iter().fold(sum, |sum, x| sum + (x - mean) * (x - mean));
    (mean, sum / x.len() as f32)
}

impl Norm<'_> {
    /// `n` channels from `at` of a row, after the filter. Products are rounded and added in the order in which onnxruntime does it:
    /// four after each other, then two at once, then what is left, and the bias last.
    #[inline(always)]
    unsafe fn filtered<S: Simd>(&self, s: S, row: usize, at: usize, n: usize) -> S::F {
        let channels = self.norm.weight.len();
        let Some(it) = self.depthwise else { return load(s, self.start.0.add(row * channels + at), n) };
        let before = it.taps / 2 * it.dilation;
        let product = |tap: usize| match (row + tap * it.dilation).checked_sub(before) {
            Some(from) if from < self.rows => {
                let weight = load(s, it.weights.as_ptr().add(tap * channels + at), n);
                s.mul(load(s, self.start.0.add(from * channels + at), n), weight)
            }
            _ => s.splat(0.0),
        };
        let fours = it.taps / 4 * 4;
        let mut sum = s.splat(0.0);
        for tap in 0..fours {
            sum = s.add(sum, product(tap));
        }
        let mut tap = fours;
        if it.taps - tap >= 2 {
            sum = s.add(sum, s.add(product(tap), product(tap + 1)));
            tap += 2;
        }
        if tap < it.taps {
            sum = s.add(sum, product(tap));
        }
        s.add(sum, load(s, it.bias.as_ptr().add(at), n))
    }
}

struct Softmax<'a> {
    row: &'a mut [f32],
    divisor: f32,
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
        let Self { row, divisor } = self;
        row.iter_mut().for_each(|x| *x /= divisor);
        let largest = s.splat(row.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
        for at in (0..row.len()).step_by(S::LANES) {
            let (n, x) = (S::LANES.min(row.len() - at), row.as_mut_ptr().add(at));
            store(s, x, n, math::exp_below(s, s.sub(load(s, x, n), largest)));
        }
        // Summed in sixteen places whatever the instruction set, so that all give the same numbers.
        let mut sums = [0f32; 16];
        for sixteen in row.chunks(16) {
            sums.iter_mut().zip(sixteen).for_each(|(sum, x)| *sum += x);
        }
        let half = |i: usize| sums[i] + sums[i + 8];
        let four = |i: usize| (half(i) + half(i + 1)) + (half(i + 2) + half(i + 3));
        let share = 1.0 / (four(0) + four(4));
        row.iter_mut().for_each(|x| *x *= share);
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
        let (start, len) = (self.x.as_mut_ptr(), self.x.len());
        for at in (0..len).step_by(S::LANES) {
            let n = S::LANES.min(len - at);
            store(s, start.add(at), n, self.function.of(s, load(s, start.add(at), n)));
        }
    }
}

impl Function {
    /// Of a vector. A closure would not do: what is not inlined has none of the processor's features.
    #[inline(always)]
    unsafe fn of<S: Simd>(self, s: S, x: S::F) -> S::F {
        match self {
            Self::Exp => math::exp(s, x),
            Self::Tanh => math::tanh_by_ratio(s, x),
            Self::Sigmoid => math::sigmoid_by_ratio(s, x),
        }
    }
}

/// Some rows of gates.
struct Gates<'a> {
    x: &'a [f32],
    out: &'a mut [f32],
    width: usize,
}

impl AnyOp for Gates<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Gates<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let width = self.width;
        for row in 0..self.out.len() / width {
            let (x, out) = (self.x.as_ptr().add(row * 2 * width), self.out.as_mut_ptr().add(row * width));
            for at in (0..width).step_by(S::LANES) {
                let n = S::LANES.min(width - at);
                let tanh = Function::Tanh.of(s, load(s, x.add(at), n));
                let gate = Function::Sigmoid.of(s, load(s, x.add(width + at), n));
                store(s, out.add(at), n, s.mul(tanh, gate));
            }
        }
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
