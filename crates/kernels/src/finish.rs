//! What happens to the sums of a product before the next layer sees them: a bias, an activation, a scale for each column,
//! and what was there before.

use crate::convolution::{Rows, Shared};
use crate::simd::{Op, Simd, math};

/// A function of one value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Activation {
    /// The value itself.
    #[default]
    None,
    /// What is negative becomes 0.
    Relu,
    /// ½x(1 + erf(x / √2)) (Hendrycks and Gimpel, 2016).
    Gelu,
    /// The hyperbolic tangent.
    Tanh,
}

/// What follows a product, in this order: + bias, the activation, · scale, + add.
#[derive(Debug, Clone, Copy, Default)]
pub struct Finish<'a> {
    /// The activation.
    pub activation: Activation,
    /// A factor for each output.
    pub scale: Option<&'a [f32]>,
    /// What is added: as many rows and columns as the output has.
    pub add: Option<Rows<'a>>,
}

impl Finish<'_> {
    /// Nothing but an activation.
    pub fn with(activation: Activation) -> Self {
        Self { activation, ..Self::default() }
    }
}

/// The smallest and the largest of some values, and 0.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Range {
    /// At most 0.
    pub low: f32,
    /// At least 0.
    pub high: f32,
}

impl Range {
    /// The range of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// A finish whose shapes have been checked.
#[derive(Clone, Copy)]
pub(crate) struct Finishing<'a> {
    bias: &'a [f32],
    activation: Activation,
    scale: &'a [f32],
    add: Option<(Shared, usize)>,
    outputs: usize,
}

impl<'a> Finishing<'a> {
    /// # Panics
    /// When a part does not have the shape of an output of `rows` × `outputs`.
    pub(crate) fn new(bias: &'a [f32], finish: Finish<'a>, rows: usize, outputs: usize) -> Self {
        let scale = finish.scale.unwrap_or_default();
        assert!(bias.is_empty() || bias.len() == outputs, "{} biases for {outputs} outputs", bias.len());
        assert!(scale.is_empty() || scale.len() == outputs, "{} scales for {outputs} outputs", scale.len());
        let add = finish.add.map(|add| (Shared(add.checked(rows, outputs)), add.stride()));
        Self { bias, activation: finish.activation, scale, add, outputs }
    }
}

/// `n ≤ LANES` values, zeros behind.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(s: S, from: *const f32, n: usize) -> S::F {
    if n == S::LANES { s.load(from) } else { s.load_first(from, n) }
}

/// Stores the first `n ≤ LANES` values.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(s: S, to: *mut f32, n: usize, x: S::F) {
    if n == S::LANES { s.store(to, x) } else { s.store_first(to, n, x) }
}

/// Finishes `count` rows at `out`, the first of which is row `first` of the whole.
pub(crate) struct Run<'a, 'b> {
    pub(crate) finishing: &'b Finishing<'a>,
    pub(crate) first: usize,
    pub(crate) count: usize,
    pub(crate) out: *mut f32,
}

impl<S: Simd> Op<S> for Run<'_, '_> {
    type Out = Range;
    #[inline(always)]
    unsafe fn run(self, s: S) -> Range {
        match self.finishing.activation {
            Activation::None => self.all::<S, NONE>(s),
            Activation::Relu => self.all::<S, RELU>(s),
            Activation::Gelu => self.all::<S, GELU>(s),
            Activation::Tanh => self.all::<S, TANH>(s),
        }
    }
}

// One loop for each activation, so that the choice is not made for each vector. A closure would not do: what is not inlined has
// none of the processor's features.
const NONE: u8 = 0;
const RELU: u8 = 1;
const GELU: u8 = 2;
const TANH: u8 = 3;

#[inline(always)]
unsafe fn activate<S: Simd, const ACTIVATION: u8>(s: S, x: S::F) -> S::F {
    match ACTIVATION {
        RELU => s.max(x, s.splat(0.0)),
        GELU => math::gelu_by_erf(s, x),
        TANH => math::tanh(s, x),
        _ => x,
    }
}

impl Run<'_, '_> {
    #[inline(always)]
    unsafe fn all<S: Simd, const ACTIVATION: u8>(&self, s: S) -> Range {
        let it = self.finishing;
        let (mut low, mut high) = (s.splat(0.0), s.splat(0.0));
        for row in 0..self.count {
            let out = self.out.add(row * it.outputs);
            let add = it.add.map(|(add, stride)| add.0.add((self.first + row) * stride));
            let mut at = 0;
            while at < it.outputs {
                let n = S::LANES.min(it.outputs - at);
                let mut x = load(s, out.add(at), n);
                if !it.bias.is_empty() {
                    x = s.add(x, load(s, it.bias.as_ptr().add(at), n));
                }
                x = activate::<S, ACTIVATION>(s, x);
                if !it.scale.is_empty() {
                    x = s.mul(x, load(s, it.scale.as_ptr().add(at), n));
                }
                if let Some(add) = add {
                    x = s.add(x, load(s, add.add(at), n));
                }
                store(s, out.add(at), n, x);
                if n == S::LANES {
                    (low, high) = (s.min(low, x), s.max(high, x));
                } else {
                    // Lanes behind the last are not of the output: the activation of 0 may be anything.
                    let x = s.load_first(out.add(at), n);
                    (low, high) = (s.min(low, x), s.max(high, x));
                }
                at += n;
            }
        }
        let zero = s.splat(0.0);
        Range { low: -s.largest(s.sub(zero, low)), high: s.largest(high) }
    }
}
