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

/// tanh(x) as a ratio of polynomials (the one of Eigen, which onnxruntime has, too): networks that round what follows to bytes
/// repeat onnxruntime's numbers with it. Absolute error below 3e-7.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn tanh_by_ratio<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.max(s.min(x, s.splat(9.0)), s.splat(-9.0));
    let square = s.mul(x, x);
    let mut p = s.splat(-2.760_768_4e-16);
    for c in [2.000_188e-13, -8.604_672e-11, 5.122_297_3e-8, 1.485_722_35e-5, 6.372_619_5e-4, 4.893_524_6e-3]
    {
        p = s.fma(p, square, s.splat(c));
    }
    let mut q = s.splat(1.198_258_4e-6);
    for c in [1.185_347_1e-4, 2.268_434_7e-3, 4.893_525e-3] {
        q = s.fma(q, square, s.splat(c));
    }
    s.div(s.mul(p, x), q)
}

/// 1 / (1 + e⁻ˣ) in the same way.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn sigmoid_by_ratio<S: Simd>(s: S, x: S::F) -> S::F {
    let x = s.max(s.min(x, s.splat(18.0)), s.splat(-18.0));
    let square = s.mul(x, x);
    let mut p = s.splat(4.370_31e-11);
    for c in [1.156_273_2e-7, 6.085_749e-5, 8.513_771e-3, 0.248_287_95] {
        p = s.fma(p, square, s.splat(c));
    }
    let mut q = s.splat(6.102_473_7e-13);
    for c in [5.761_021_4e-9, 6.291_068e-6, 1.701_988_2e-3, 0.116_817_65, 0.993_151_9] {
        q = s.fma(q, square, s.splat(c));
    }
    let y = s.add(s.div(s.mul(p, x), q), s.splat(0.5));
    s.max(s.min(y, s.splat(1.0)), s.splat(0.0))
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

/// eˣ by the coefficients of a polynomial of degree 6 without its last two, which are 1; x within −87 … 88.
#[inline(always)]
unsafe fn exp_by<S: Simd>(s: S, x: S::F, coefficients: [f32; 5]) -> S::F {
    // Adding one and a half times 2²³ rounds to an integer.
    let round = s.splat(12_582_912.0);
    let n = s.sub(s.fma(x, s.splat(std::f32::consts::LOG2_E), round), round);
    let r = s.fma(n, s.splat(-0.693_145_75), x);
    let r = s.fma(n, s.splat(-1.428_606_8e-6), r);
    let mut p = s.splat(coefficients[0]);
    for c in [coefficients[1], coefficients[2], coefficients[3], coefficients[4], 1.0, 1.0] {
        p = s.fma(p, r, s.splat(c));
    }
    s.times_pow2(p, n)
}

/// eˣ for x ≤ 0, faithfully rounded (coefficients: N. Juffa's minimax polynomial for expf, as onnxruntime has it); below −87 it is
/// next to nothing.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn exp_below<S: Simd>(s: S, x: S::F) -> S::F {
    let coefficients = [1.378_059_4e-3, 8.373_124_5e-3, 4.166_953_7e-2, 0.166_664_72, 0.499_999_85];
    exp_by(s, s.max(x, s.splat(-87.0)), coefficients)
}

/// ½x(1 + erf(x / √2)) with a faithfully rounded erf (coefficients: N. Juffa's minimax polynomials for erff): networks that round
/// what follows to bytes repeat onnxruntime's numbers with it, where [`gelu`]'s 1.5e-7 would now and then give the next byte.
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn gelu_by_erf<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    // erf is ±1 from 3.925 on.
    let z = s.mul(x, s.splat(std::f32::consts::FRAC_1_SQRT_2));
    let z = s.max(s.min(z, s.splat(3.925)), s.splat(-3.925));
    let (size, square) = (s.abs(z), s.mul(z, z));
    let mut near = s.splat(-5.991_049_7e-4);
    for c in [4.993_396e-3, -2.676_673_4e-2, 0.112_818_025, -0.376_124_86, 0.128_379_15] {
        near = s.fma(near, square, s.splat(c));
    }
    let near = s.fma(near, z, z);
    let mut far = s.splat(1.729_489_3e-5);
    for c in [-3.832_086_8e-4, 3.883_934_3e-3, -2.425_456e-2, 0.106_777_85, 0.634_846_7, 0.128_717_51] {
        far = s.fma(far, size, s.splat(c));
    }
    let exponent = s.sub(s.splat(0.0), s.fma(far, size, size));
    let coefficients = [1.383_198_1e-3, 8.375_5e-3, 4.166_895e-2, 0.166_664_47, 0.499_999_85];
    let far = s.sub(one, exp_by(s, exponent, coefficients));
    // Exactly 0 up to the boundary and 1 behind it; and there −1 or 1.
    let behind = s.mul(s.sub(size, s.splat(0.921_875)), s.splat(1e30));
    let behind = s.max(s.min(behind, one), s.splat(0.0));
    let sign = s.max(s.min(s.mul(z, s.splat(1e30)), one), s.splat(-1.0));
    let erf = s.fma(s.mul(far, sign), behind, s.mul(near, s.sub(one, behind)));
    s.mul(s.mul(x, s.splat(0.5)), s.add(erf, one))
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

/// sin(x) but for its sign, |x| up to some ten thousands: what is left after whole quarter turns, then one of two polynomials, without
/// fused products (those of Eigen, as onnxruntime's packages have them).
///
/// # Safety
/// As for every method of [`Simd`].
#[inline(always)]
pub(crate) unsafe fn sin_but_sign<S: Simd>(s: S, x: S::F) -> S::F {
    let mut r = s.abs(x);
    let n = s.round(s.mul(r, s.splat(std::f32::consts::FRAC_2_PI)));
    for c in [-1.570_312_5, -4.839_897_2e-4, 1.628_650_4e-7, 5.564_431_5e-11] {
        r = s.add(s.mul(n, s.splat(c)), r);
    }
    let square = s.mul(r, r);
    let mut even = s.splat(-1.959_234e-4);
    for c in [8.332_687e-3, -0.166_666_62] {
        even = s.add(s.mul(even, square), s.splat(c));
    }
    let even = s.add(s.mul(s.mul(even, square), r), r);
    let mut odd = s.splat(2.437_226_6e-5);
    for c in [-1.388_652e-3, 4.166_662e-2, -0.5, 1.0] {
        odd = s.add(s.mul(odd, square), s.splat(c));
    }
    // 0 or a half: the products are exact.
    let half = s.fraction(s.mul(n, s.splat(0.5)));
    let is_odd = s.add(half, half);
    s.add(s.mul(odd, is_odd), s.mul(even, s.sub(s.splat(1.0), is_odd)))
}
