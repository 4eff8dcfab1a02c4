//! Passes over the logits of a whole vocabulary, as drawing a token needs them. They are written in plain arithmetic that
//! the compiler turns into the vectors of each instruction set, always sixteen sums side by side, and so round alike on
//! every machine: the same seed draws the same tokens everywhere.

use crate::Isa;
use crate::simd::{AnyOp, Op, Simd, dispatch};
use crate::unpack::Unpackers;

/// Values of which one sum in 32 bits is made.
pub const LOGITS_CHUNK: usize = 1024;

/// Values that are looked at together.
const BLOCK: usize = 64;

/// eˣ for x ≤ 0, to about one part in 10⁷; below −87 it is 0.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    // eˣ = 2ⁿ · eʳ with n the nearest integer to x / ln 2 and |r| ≤ ln 2 / 2 (Cody and Waite's two-step reduction).
    const TO_INTEGER: f32 = 12_582_912.0; // 1.5 · 2²³: adding it rounds to an integer
    let kept = if x > -87.0 { x } else { -87.0 };
    let shifted = kept * std::f32::consts::LOG2_E + TO_INTEGER;
    let n = shifted - TO_INTEGER;
    let r = (kept - n * 0.693_359_4) + n * 2.121_944_4e-4;
    let series = 0.5
        + r * (0.166_666_65
            + r * (0.041_665_795 + r * (0.008_333_452 + r * (0.001_398_2 + r * 0.000_198_756_9))));
    let value = 1.0 + r + r * r * series;
    // The low bits of `shifted` hold n: moved into the exponent field they multiply by 2ⁿ.
    let power = f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if x > -87.0 { value * power } else { 0.0 }
}

impl Isa {
    /// Σ exp((x − max) · scale) over each [`LOGITS_CHUNK`] of `values`; `max` is at least each of them.
    pub fn exp_sums(self, values: &[f32], max: f32, scale: f32) -> Vec<f32> {
        let mut sums = vec![0.0; values.len().div_ceil(LOGITS_CHUNK)];
        // SAFETY: the op reads and writes by its slices alone.
        unsafe { dispatch(self, ExpSums { values, max, scale, sums: &mut sums }) };
        sums
    }

    /// The greatest of `values` that is a number (−∞ when none is), and whether one is not.
    pub fn greatest(self, values: &[f32]) -> (f32, bool) {
        // SAFETY: the op reads by its slice alone.
        unsafe { dispatch(self, Greatest { values }) }
    }

    /// Calls `keep` with the place and the value of each value above the bound that the last call returned.
    pub fn above(self, values: &[f32], bound: f32, keep: impl FnMut(usize, f32) -> f32) {
        // SAFETY: the op reads by its slice alone.
        unsafe { dispatch(self, Above { values, bound, keep }) }
    }
}

struct ExpSums<'a> {
    values: &'a [f32],
    max: f32,
    scale: f32,
    sums: &'a mut [f32],
}

impl AnyOp for ExpSums<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for ExpSums<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, _: S) {
        for (chunk, sum) in self.values.chunks(LOGITS_CHUNK).zip(self.sums) {
            let mut lanes = [0.0f32; 16];
            let (blocks, rest) = chunk.as_chunks::<16>();
            for block in blocks {
                for i in 0..16 {
                    lanes[i] += exp((block[i] - self.max) * self.scale);
                }
            }
            for (lane, &x) in lanes.iter_mut().zip(rest) {
                *lane += exp((x - self.max) * self.scale);
            }
            *sum = lanes.iter().sum();
        }
    }
}

struct Greatest<'a> {
    values: &'a [f32],
}

impl AnyOp for Greatest<'_> {
    type Out = (f32, bool);
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> (f32, bool) {
        s.enter(self)
    }
}

impl<S: Simd> Op<S> for Greatest<'_> {
    type Out = (f32, bool);
    #[inline(always)]
    unsafe fn run(self, _: S) -> (f32, bool) {
        let mut lanes = [f32::NEG_INFINITY; BLOCK];
        let mut odd = [0u32; BLOCK];
        let (blocks, rest) = self.values.as_chunks::<BLOCK>();
        for block in blocks {
            for i in 0..BLOCK {
                lanes[i] = if block[i] > lanes[i] { block[i] } else { lanes[i] };
                odd[i] |= u32::from(block[i].is_nan());
            }
        }
        for (i, &x) in rest.iter().enumerate() {
            lanes[i] = if x > lanes[i] { x } else { lanes[i] };
            odd[i] |= u32::from(x.is_nan());
        }
        let max = lanes.iter().fold(f32::NEG_INFINITY, |max, &x| if x > max { x } else { max });
        (max, odd.iter().any(|&bits| bits != 0))
    }
}

struct Above<'a, K> {
    values: &'a [f32],
    bound: f32,
    keep: K,
}

impl<K: FnMut(usize, f32) -> f32> AnyOp for Above<'_, K> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd, K: FnMut(usize, f32) -> f32> Op<S> for Above<'_, K> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(mut self, _: S) {
        let mut bound = self.bound;
        let (blocks, rest) = self.values.as_chunks::<BLOCK>();
        for (place, block) in blocks.iter().enumerate() {
            let mut lanes = [f32::NEG_INFINITY; 16];
            for part in block.as_chunks::<16>().0 {
                for i in 0..16 {
                    lanes[i] = if part[i] > lanes[i] { part[i] } else { lanes[i] };
                }
            }
            if lanes.iter().fold(false, |any, &x| any | (x > bound)) {
                for (i, &x) in block.iter().enumerate() {
                    if x > bound {
                        bound = (self.keep)(place * BLOCK + i, x);
                    }
                }
            }
        }
        for (i, &x) in rest.iter().enumerate() {
            if x > bound {
                bound = (self.keep)(blocks.len() * BLOCK + i, x);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize) -> Vec<f32> {
        let mut state = 9u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state as f32 / 2.0f32.powi(32)
        };
        (0..count).map(|_| -60.0 * next() * next()).collect()
    }

    #[test]
    fn the_function_is_close_to_the_library() {
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let (ours, exact) = (f64::from(exp(x)), f64::from(x).exp());
            assert!((ours - exact).abs() <= exact * 4e-7, "exp({x}) = {ours}, not {exact}");
        }
        assert_eq!((exp(0.0), exp(-88.0), exp(f32::NEG_INFINITY)), (1.0, 0.0, 0.0));
    }

    #[test]
    fn sums_are_the_same_bits_on_every_instruction_set() {
        for count in [1, 15, 16, 100, 1024, 1025, 5000] {
            let values = values(count);
            let expected = Isa::by_name("portable").unwrap().exp_sums(&values, 1.0, 0.7);
            let exact: f64 = values.iter().map(|&x| (f64::from(x - 1.0) * f64::from(0.7f32)).exp()).sum();
            let sum: f64 = expected.iter().map(|&x| f64::from(x)).sum();
            assert!((sum / exact - 1.0).abs() < 1e-6, "{count}: {sum}, not {exact}");
            for isa in Isa::available() {
                assert_eq!(isa.exp_sums(&values, 1.0, 0.7), expected, "{} values on {}", count, isa.name());
            }
        }
    }

    #[test]
    fn the_greatest_and_those_above_are_found_wherever_they_stand() {
        for isa in Isa::available() {
            for (count, at) in [(1, 0), (63, 62), (64, 0), (65, 64), (1000, 999), (1000, 500)] {
                let mut values = values(count);
                values[at] = 3.0;
                assert_eq!(isa.greatest(&values), (3.0, false), "{} values on {}", count, isa.name());
                let mut found = Vec::new();
                isa.above(&values, -1.0, |place, x| {
                    found.push((place, x));
                    -1.0
                });
                let expected: Vec<_> =
                    values.iter().copied().enumerate().filter(|(_, x)| *x > -1.0).collect();
                assert_eq!(found, expected, "{} values on {}", count, isa.name());
                // A bound that rises is kept to at once.
                let mut best = Vec::new();
                isa.above(&values, f32::NEG_INFINITY, |place, x| {
                    best.push(place);
                    x
                });
                assert_eq!(best.last(), Some(&at));
                values[at] = f32::NAN;
                assert!(isa.greatest(&values).1, "{} values on {}", count, isa.name());
            }
            assert_eq!(isa.greatest(&[]), (f32::NEG_INFINITY, false));
        }
    }
}
