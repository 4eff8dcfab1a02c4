//! What encoders and heads do with rows of floats besides products: layer norm, the exact GELU, biases, log Σ exp.

use crate::buffer::Parts;
use crate::compute::Compute;
use crate::simd::{AnyOp, Op, Simd, dispatch, math};
use crate::unpack::Unpackers;

/// Values of one task: 64 KiB.
const EACH: usize = 16 << 10;

impl Compute {
    /// Adds `bias` to each row of `x`, (rows, bias.len()).
    ///
    /// # Panics
    /// When `x` is not whole rows.
    pub fn add_bias(&self, x: &mut [f32], bias: &[f32]) {
        let cols = bias.len();
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} values are no rows of {cols}", x.len());
        let rows = x.len() / cols;
        let each = (EACH / cols).max(1);
        let parts = Parts::new(x);
        self.pool().run(rows.div_ceil(each), |task| {
            let (from, to) = (task * each, rows.min((task + 1) * each));
            // SAFETY: tasks take different rows; the op stays inside the slices.
            unsafe {
                let x = parts.part(from * cols, (to - from) * cols);
                dispatch(self.isa(), AddBias { x, bias });
            }
        });
    }

    /// GELU of each value, in place: x · Φ(x) (Hendrycks and Gimpel, 2016), not its tanh approximation.
    pub fn gelu(&self, x: &mut [f32]) {
        let len = x.len();
        let parts = Parts::new(x);
        self.pool().run(len.div_ceil(EACH), |task| {
            // SAFETY: tasks take different parts; the op stays inside its slice.
            unsafe {
                let x = parts.part(task * EACH, EACH.min(len - task * EACH));
                dispatch(self.isa(), Gelu { x });
            }
        });
    }

    /// The largest value; −∞ for nothing.
    pub fn largest(&self, x: &[f32]) -> f32 {
        // SAFETY: the op reads inside the slice.
        unsafe { dispatch(self.isa(), Largest { x }) }
    }

    /// log Σ exp(x); −∞ for nothing.
    pub fn log_sum_exp(&self, x: &[f32]) -> f32 {
        let largest = self.largest(x);
        if largest == f32::NEG_INFINITY {
            return largest;
        }
        // SAFETY: the op reads inside the slice.
        largest + unsafe { dispatch(self.isa(), SumExp { x, largest }) }.ln()
    }
}

struct AddBias<'a> {
    x: &'a mut [f32],
    bias: &'a [f32],
}

impl AnyOp for AddBias<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for AddBias<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let cols = self.bias.len();
        for row in self.x.chunks_exact_mut(cols) {
            let (row, bias) = (row.as_mut_ptr(), self.bias.as_ptr());
            for at in (0..cols).step_by(S::LANES) {
                let n = cols - at;
                if n >= S::LANES {
                    s.store(row.add(at), s.add(s.load(row.add(at)), s.load(bias.add(at))));
                } else {
                    let sum = s.add(s.load_first(row.add(at), n), s.load_first(bias.add(at), n));
                    s.store_first(row.add(at), n, sum);
                }
            }
        }
    }
}

struct Gelu<'a> {
    x: &'a mut [f32],
}

impl AnyOp for Gelu<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for Gelu<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (len, x) = (self.x.len(), self.x.as_mut_ptr());
        for at in (0..len).step_by(S::LANES) {
            let n = len - at;
            if n >= S::LANES {
                s.store(x.add(at), math::gelu(s, s.load(x.add(at))));
            } else {
                s.store_first(x.add(at), n, math::gelu(s, s.load_first(x.add(at), n)));
            }
        }
    }
}

struct Largest<'a> {
    x: &'a [f32],
}

impl AnyOp for Largest<'_> {
    type Out = f32;
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> f32 {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Largest<'_> {
    type Out = f32;
    #[inline(always)]
    unsafe fn run(self, s: S) -> f32 {
        let (len, x) = (self.x.len(), self.x.as_ptr());
        let whole = len / S::LANES * S::LANES;
        let mut most = s.splat(f32::NEG_INFINITY);
        for at in (0..whole).step_by(S::LANES) {
            most = s.max(most, s.load(x.add(at)));
        }
        let mut largest = s.largest(most);
        for at in whole..len {
            largest = largest.max(*x.add(at));
        }
        largest
    }
}

struct SumExp<'a> {
    x: &'a [f32],
    largest: f32,
}

impl AnyOp for SumExp<'_> {
    type Out = f32;
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> f32 {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for SumExp<'_> {
    type Out = f32;
    #[inline(always)]
    unsafe fn run(self, s: S) -> f32 {
        let (len, x, largest) = (self.x.len(), self.x.as_ptr(), s.splat(self.largest));
        let mut total = s.splat(0.0);
        let whole = len / S::LANES * S::LANES;
        for at in (0..whole).step_by(S::LANES) {
            total = s.add(total, math::exp(s, s.sub(s.load(x.add(at)), largest)));
        }
        let mut sum = s.sum(total);
        for at in whole..len {
            sum += (*x.add(at) - self.largest).exp();
        }
        sum
    }
}
