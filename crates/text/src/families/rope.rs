//! Scaled rotary embeddings. Every scheme comes down to one factor per inverse frequency and one magnitude, which is
//! all that the decoder knows.

use parasol_core::{Error, ErrorKind, Result};
use std::f64::consts::TAU;

/// The GGUF tensor that holds ready-made factors (Llama 3.1 and later).
pub(super) const FACTORS_TENSOR: &str = "rope_freqs.weight";

/// How a model stretches its rotary embedding beyond the context it was first trained for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scaling {
    None,
    /// All positions divided by the factor (Chen et al. 2023).
    Linear(f64),
    /// Llama 3.1: long wavelengths divided, short ones kept, a ramp between.
    Llama3 {
        factor: f64,
        low: f64,
        high: f64,
        original: f64,
    },
    /// YaRN (Peng et al. 2023), with its attention magnitude.
    Yarn {
        factor: f64,
        beta_fast: f64,
        beta_slow: f64,
        original: f64,
        magnitude: f64,
        truncate: bool,
    },
}

impl Scaling {
    /// YaRN's own choice of magnitude: 0.1 ln(factor) + 1.
    pub(super) fn yarn_magnitude(factor: f64, weight: f64) -> f64 {
        if factor <= 1.0 { 1.0 } else { 0.1 * weight * factor.ln() + 1.0 }
    }

    /// The factors (one per pair of `rotated` values; empty when all are 1) and the magnitude.
    pub(super) fn factors(&self, base: f32, rotated: usize) -> Result<(Vec<f32>, f32)> {
        let base = f64::from(base);
        let pairs = rotated / 2;
        // Inverse frequency i is base^(-2i/rotated).
        let wavelength = |i: usize| TAU * base.powf(2.0 * i as f64 / rotated as f64);
        let (factors, magnitude): (Vec<f64>, f64) = match *self {
            Scaling::None => (Vec::new(), 1.0),
            Scaling::Linear(factor) => (vec![factor; pairs], 1.0),
            Scaling::Llama3 { factor, low, high, original } => {
                let one = |i| {
                    let turns = original / wavelength(i);
                    if turns > high {
                        1.0
                    } else if turns < low {
                        factor
                    } else {
                        blend((turns - low) / (high - low), factor)
                    }
                };
                ((0..pairs).map(one).collect(), 1.0)
            }
            Scaling::Yarn { factor, beta_fast, beta_slow, original, magnitude, truncate } => {
                let pair_of =
                    |turns: f64| rotated as f64 * (original / (turns * TAU)).ln() / (2.0 * base.ln());
                let (mut first, mut last) = (pair_of(beta_fast), pair_of(beta_slow));
                if truncate {
                    (first, last) = (first.floor(), last.ceil());
                }
                let (first, last) = (first.max(0.0), last.min(rotated as f64 - 1.0));
                let span = if first == last { 0.001 } else { last - first };
                let one = |i: usize| blend(1.0 - ((i as f64 - first) / span).clamp(0.0, 1.0), factor);
                ((0..pairs).map(one).collect(), magnitude)
            }
        };
        let factors: Vec<f32> = factors.into_iter().map(|f| f as f32).collect();
        match factors.iter().find(|f| !(f.is_finite() && **f > 0.0)) {
            Some(bad) => Err(Error::new(
                ErrorKind::Corrupt,
                format!("the rotary scaling gives a factor of {bad}; its parameters are damaged"),
            )),
            None if !magnitude.is_finite() => {
                Err(Error::new(ErrorKind::Corrupt, format!("the rotary scaling's magnitude is {magnitude}")))
            }
            None => Ok((factors, magnitude as f32)),
        }
    }
}

/// The factor whose frequency lies `kept` of the way from the divided one to the original.
fn blend(kept: f64, factor: f64) -> f64 {
    1.0 / (kept + (1.0 - kept) / factor)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn llama3_keeps_short_waves_divides_long_ones_and_ramps_between() {
        // Llama 3.1's own parameters; reference: transformers 5.23, `_compute_llama3_parameters`, inverse frequencies
        // of the unscaled embedding divided by the scaled ones.
        let scaling = Scaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 8192.0 };
        let (factors, magnitude) = scaling.factors(500_000.0, 128).unwrap();
        assert_eq!((factors.len(), magnitude, factors[0], factors[63]), (64, 1.0, 1.0, 8.0));
        assert!(factors.is_sorted());
        for (i, expected) in LLAMA3_REFERENCE {
            assert!((factors[i] / expected - 1.0).abs() < 1e-5, "{i}: {} {expected}", factors[i]);
        }
    }

    #[test]
    fn yarn_matches_the_reference() {
        let magnitude = Scaling::yarn_magnitude(4.0, 1.0);
        let scaling = Scaling::Yarn {
            factor: 4.0,
            beta_fast: 32.0,
            beta_slow: 1.0,
            original: 32768.0,
            magnitude,
            truncate: true,
        };
        let (factors, magnitude) = scaling.factors(1_000_000.0, 128).unwrap();
        assert!((magnitude - 1.138_629_4).abs() < 1e-6);
        for (i, expected) in YARN_REFERENCE {
            assert!((factors[i] / expected - 1.0).abs() < 1e-5, "{i}: {} {expected}", factors[i]);
        }
    }

    #[test]
    fn impossible_parameters_are_refused() {
        for scaling in [
            Scaling::Linear(0.0),
            Scaling::Linear(f64::NAN),
            Scaling::Llama3 { factor: -8.0, low: 1.0, high: 4.0, original: 8192.0 },
            Scaling::Yarn {
                factor: 4.0,
                beta_fast: 32.0,
                beta_slow: 1.0,
                original: 4096.0,
                magnitude: f64::INFINITY,
                truncate: true,
            },
        ] {
            assert!(scaling.factors(10_000.0, 64).is_err(), "{scaling:?}");
        }
    }

    const LLAMA3_REFERENCE: [(usize, f32); 8] = [
        (20, 1.0),
        (28, 1.0),
        (29, 1.207484),
        (30, 1.553415),
        (32, 2.69453),
        (34, 5.257327),
        (35, 8.0),
        (40, 8.0),
    ];
    const YARN_REFERENCE: [(usize, f32); 9] = [
        (0, 1.0),
        (20, 1.0),
        (24, 1.046154),
        (28, 1.283019),
        (32, 1.658537),
        (36, 2.344827),
        (39, 3.4),
        (45, 4.0),
        (63, 4.0),
    ];
}
