//! Elementary functions on vectors.

use super::Simd;

/// eˣ for x ≤ 88; below −87 it is 0. Cody–Waite reduction and a polynomial of degree 6; relative error below 2e-7.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.max(x, s.splat(-87.0));
    let x = s.min(x, s.splat(88.0));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.fma(n, s.splat(-0.693_359_4), x);
    let r = s.fma(n, s.splat(2.121_944_4e-4), r);
    let mut p = s.splat(1.0 / 720.0);
    for c in [1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.times_pow2(p, n)
}

/// 2ˣ for finite x ≤ 127; far below −126 it is 0 or next to nothing. A polynomial of degree 6 on −½ … ½ (that of Moshier's Cephes,
/// `exp2f.c`); relative error below 2e-7.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    let n = s.round(x);
    let r = s.sub(x, n);
    let mut p = s.splat(1.535_336_2e-4);
    for c in [1.339_887_4e-3, 9.618_437e-3, 5.550_332_5e-2, 0.240_226_48, std::f32::consts::LN_2, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.times_pow2_floor(p, n)
}

/// largest · 2ˣ for x ≤ 0, which becomes a byte: a polynomial of degree 2 with a relative error below 0.0018, less than what
/// rounding to 255 steps adds.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp2_for_bytes<S: Simd>(s: S, x: S::F, largest: f32) -> S::F {
    let f = s.fraction(x);
    let p = s.fma(s.splat(0.337_189_7 * largest), f, s.splat(0.657_636_6 * largest));
    s.times_pow2_floor(s.fma(p, f, s.splat(1.001_724_6 * largest)), x)
}

/// x · sigmoid(x)
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn silu<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.sub(s.splat(0.0), x));
    s.div(x, s.add(s.splat(1.0), e))
}

/// tanh(x) = 1 − 2 / (e²ˣ + 1), which keeps full absolute accuracy.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let e = exp(s, s.add(x, x));
    s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))))
}

/// ½x(1 + tanh(√(2/π)(x + 0.044715x³))), Hendrycks & Gimpel's approximation of GELU, which Gemma uses.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn gelu_tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let cube = s.mul(s.mul(x, x), x);
    let inner = s.mul(s.splat(0.797_884_6), s.fma(cube, s.splat(0.044_715), x));
    let half = s.mul(x, s.splat(0.5));
    s.fma(half, tanh(s, inner), half)
}

/// x · Φ(x), the exact GELU: max(x, 0) − ½ |x| erfc(|x| / √2), with Abramowitz and Stegun's 7.1.26 for erfc (error below 1.5e-7).
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn gelu<S: Simd>(s: S, x: S::F) -> S::F {
    // Behind 12 the result is x, or less than 1e-31, which is not to become a denormal number: products take a hundred cycles for each.
    let size = s.min(s.abs(x), s.splat(12.0));
    let z = s.mul(size, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let t = s.div(s.splat(1.0), s.fma(z, s.splat(0.327_591_1), s.splat(1.0)));
    let mut p = s.splat(1.061_405_4);
    for c in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        p = s.fma(p, t, s.splat(c));
    }
    let tail = s.mul(s.mul(p, t), exp(s, s.mul(s.sub(s.splat(0.0), z), z)));
    s.sub(s.max(x, s.splat(0.0)), s.mul(s.mul(size, s.splat(0.5)), tail))
}

/// sin(x) and cos(x) for |x| up to some ten thousands: what is left of x after whole half turns, in three parts, then
/// Taylor polynomials on ±π/2; absolute error below 3e-7 near 0.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn sin_cos<S: Simd>(s: S, x: S::F) -> (S::F, S::F) {
    let n = s.round(s.mul(x, s.splat(std::f32::consts::FRAC_1_PI)));
    // π in three parts of few bits, so that the first two products are exact.
    let r = s.fma(n, s.splat(-3.140_625), x);
    let r = s.fma(n, s.splat(-9.675_026e-4), r);
    let r = s.fma(n, s.splat(-1.509_958e-7), r);
    // An odd number of half turns changes the sign: the fraction of n / 2 is 0 or a half.
    let sign = s.fma(s.fraction(s.mul(n, s.splat(0.5))), s.splat(-4.0), s.splat(1.0));
    let square = s.mul(r, r);
    let mut sin = s.splat(-1.0 / 39_916_800.0);
    for c in [1.0 / 362_880.0, -1.0 / 5_040.0, 1.0 / 120.0, -1.0 / 6.0, 1.0] {
        sin = s.fma(sin, square, s.splat(c));
    }
    let mut cos = s.splat(1.0 / 479_001_600.0);
    for c in [-1.0 / 3_628_800.0, 1.0 / 40_320.0, -1.0 / 720.0, 1.0 / 24.0, -0.5, 1.0] {
        cos = s.fma(cos, square, s.splat(c));
    }
    (s.mul(s.mul(sin, r), sign), s.mul(cos, sign))
}
