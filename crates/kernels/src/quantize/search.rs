//! Scales by search: try grids somewhat finer and coarser than the one the extremes ask for, fit scale (and minimum) to
//! each by weighted least squares, keep the best. What a group's scale is then rounded to is the format's business.

/// Below this magnitude a value is nearer to zero than to the least step of any binary16 scale (2⁻²⁴ ≈ 6e-8).
pub(super) const NOTHING: f32 = 1e-9;

/// Above this the sums of a search would overflow f32; no scale in binary16 reaches it either.
pub(super) const MOST: f32 = 1e9;

/// Sums that run side by side.
const LANES: usize = 8;

/// `value` to the nearest whole number, ties to even, for |value| < 2²²: adding 1.5 · 2²³ leaves no bits for a
/// fraction. Unlike `f32::round` it is no library call on processors without SSE4.1, and vectorises.
pub(super) fn nearest(value: f32) -> f32 {
    const SHIFT: f32 = 12_582_912.0;
    (value + SHIFT) - SHIFT
}

/// How much the error of each value counts: the block's root mean square plus the value's own magnitude. Large weights
/// carry most of a product; the first term keeps small ones from being forgotten.
pub(super) fn importance<const N: usize>(values: &[f32; N]) -> [f32; N] {
    let rms = (values.iter().map(|v| v * v).sum::<f32>() / N as f32).sqrt();
    values.map(|v| rms + v.abs())
}

/// The sums over all values and weights of the `K` terms that `terms` makes of one. Eight running sums side by side:
/// float addition is not associative, so one running sum could not use the processor's lanes.
pub(super) fn sums<const K: usize, const N: usize>(
    values: &[f32; N],
    weights: &[f32; N],
    terms: impl Fn(f32, f32) -> [f32; K],
) -> [f32; K] {
    const { assert!(N.is_multiple_of(LANES)) };
    let mut running = [[0.0f32; LANES]; K];
    for (values, weights) in values.as_chunks::<LANES>().0.iter().zip(weights.as_chunks::<LANES>().0) {
        for lane in 0..LANES {
            let made = terms(values[lane], weights[lane]);
            for k in 0..K {
                running[k][lane] += made[k];
            }
        }
    }
    running.map(|lanes| lanes.iter().sum())
}

/// The whole-number grid of value ≈ scale · q, q from `low` to −`low` − 1.
#[derive(Clone, Copy)]
pub(super) struct Centred {
    /// The least number, negative: −32 for six bits.
    pub(super) low: f32,
}

impl Centred {
    /// The number whose multiple of `scale` is nearest to `value`; 0 when there is no scale.
    pub(super) fn number(self, value: f32, scale: f32) -> f32 {
        if scale == 0.0 { 0.0 } else { nearest(value / scale).clamp(self.low, -self.low - 1.0) }
    }

    /// The scale with the least weighted error among those tried; negative where that serves the greatest value
    /// better, as the grid reaches one step further down than up.
    pub(super) fn fit<const N: usize>(self, values: &[f32; N], weights: &[f32; N]) -> f32 {
        let peak = values.iter().copied().fold(0.0f32, |most, v| if v.abs() > most.abs() { v } else { most });
        if peak.abs() < NOTHING {
            return 0.0;
        }
        let (mut best, mut scale) = (0.0, 0.0);
        for step in -9..=9 {
            let inverse = (self.low + 0.1 * step as f32) / peak;
            let [product, square] = sums(values, weights, |v, w| {
                let q = nearest(v * inverse).clamp(self.low, -self.low - 1.0);
                [w * v * q, w * q * q]
            });
            // The fitted scale is product / square, and takes product² / square off the error. (Multiplied in this
            // order, as product² alone may overflow.)
            let fitted = product / square;
            if square > 0.0 && product * fitted > best {
                (best, scale) = (product * fitted, fitted);
            }
        }
        scale
    }
}

/// The whole-number grid of value ≈ scale · q − minimum, q from 0 to `top`, scale and minimum at least 0.
#[derive(Clone, Copy)]
pub(super) struct Affine {
    /// The greatest number: 15 for four bits.
    pub(super) top: f32,
}

impl Affine {
    /// The number nearest to `value` on the grid; 0 when there is no scale.
    pub(super) fn number(self, value: f32, scale: f32, minimum: f32) -> f32 {
        if scale == 0.0 { 0.0 } else { self.nearest(value, 1.0 / scale, minimum) }
    }

    /// The same by the scale's inverse.
    fn nearest(self, value: f32, inverse: f32, minimum: f32) -> f32 {
        nearest((value + minimum) * inverse).clamp(0.0, self.top)
    }

    /// (scale, minimum) with the least weighted error among those tried.
    pub(super) fn fit<const N: usize>(self, values: &[f32; N], weights: &[f32; N]) -> (f32, f32) {
        let (low, high) = values.iter().fold((0.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
        if high - low < NOTHING {
            return (0.0, 0.0);
        }
        let mut best = ((high - low) / self.top, -low);
        let mut least = self.error(values, weights, best.0, best.1);
        // Six grids. Twenty-one err 0.3 % less (Q4_K, weights of a language model) and take two and a half times as long.
        for step in 0..=5 {
            let inverse = (self.top - 1.0 + 0.4 * step as f32) / (high - low);
            let fitted = self.refit(values, weights, 1.0 / inverse, -low);
            let error = self.error(values, weights, fitted.0, fitted.1);
            if error < least {
                (best, least) = (fitted, error);
            }
        }
        best
    }

    /// Σ weight · (value − nearest grid point)².
    pub(super) fn error<const N: usize>(
        self,
        values: &[f32; N],
        weights: &[f32; N],
        scale: f32,
        minimum: f32,
    ) -> f32 {
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let [error] = sums(values, weights, |v, w| {
            let miss = v - (scale * self.nearest(v, inverse, minimum) - minimum);
            [w * miss * miss]
        });
        error
    }

    /// The weighted least-squares line through the values and the numbers that the given grid assigns to them; through
    /// the origin when the line asks for a negative minimum.
    fn refit<const N: usize>(
        self,
        values: &[f32; N],
        weights: &[f32; N],
        scale: f32,
        minimum: f32,
    ) -> (f32, f32) {
        let inverse = 1.0 / scale;
        let [sum, x, q1, q2, xq] = sums(values, weights, |v, w| {
            let q = self.nearest(v, inverse, minimum);
            [w, w * v, w * q, w * q * q, w * v * q]
        });
        let determinant = sum * q2 - q1 * q1;
        let (slope, offset) = ((sum * xq - x * q1) / determinant, (q2 * x - q1 * xq) / determinant);
        if determinant > 0.0 && offset <= 0.0 && slope > 0.0 {
            return (slope, -offset);
        }
        if q2 > 0.0 && xq > 0.0 { (xq / q2, 0.0) } else { (scale, minimum) }
    }
}
