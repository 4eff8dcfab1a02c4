//! From one rate to another: a polyphase bank of Kaiser-windowed sinc filters (J. O. Smith, "Digital Audio Resampling", 2002),
//! piece by piece, so that a stream of any length needs the memory of one filter.

use super::check_rate;
use parasol_core::Result;
use std::f64::consts::PI;

/// Zero crossings of the sinc on either side.
const CROSSINGS: f64 = 24.0;
/// Share of the lower Nyquist frequency that passes. As much as ffmpeg lets through, whose sounds models have been trained on: with 0.94
/// Whisper base gives its texts a third less probability where a voice reaches to 8 kHz.
const PASS: f64 = 0.97;
/// Kaiser's β: what should be stopped is 90 dB down.
const BETA: f64 = 9.0;
/// Positions between two samples for which there is a filter; where the ratio of the rates has more, two are mixed.
const MOST_PHASES: usize = 512;

/// Changes the rate of one channel.
pub struct Resampler {
    /// Input position of output n is n · `step` / `parts`.
    step: u64,
    parts: u64,
    /// Samples on either side that a filter reads.
    half: usize,
    phases: usize,
    /// (phases + 1, 2 · half)
    filters: Vec<f32>,
    /// Input from position `start` − half on.
    input: Vec<f32>,
    start: u64,
    /// Outputs so far, and samples that came in.
    outputs: u64,
    taken: u64,
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Resampler({} for {}, {} taps)", self.parts, self.step, 2 * self.half)
    }
}

impl Resampler {
    /// From `from` to `to` samples a second.
    ///
    /// # Errors
    /// `Corrupt` for rates outside [`super::RATES`].
    pub fn new(from: u32, to: u32) -> Result<Self> {
        check_rate(from)?;
        check_rate(to)?;
        let common = gcd(from, to);
        let (step, parts) = (u64::from(from / common), u64::from(to / common));
        let narrow = (f64::from(to) / f64::from(from)).min(1.0);
        let half = (CROSSINGS / narrow).ceil() as usize;
        // At most 768 000: the cast holds it.
        let phases = (parts as usize).min(MOST_PHASES);
        let cutoff = narrow * PASS;
        let mut filters = Vec::with_capacity((phases + 1) * 2 * half);
        for phase in 0..=phases {
            let offset = phase as f64 / phases as f64;
            filters.extend((0..2 * half).map(|tap| {
                // Distance of this tap's sample from the output.
                let x = tap as f64 - (half as f64 - 1.0) - offset;
                (cutoff * sinc(cutoff * x) * kaiser(x / half as f64)) as f32
            }));
        }
        let input = vec![0.0; half];
        Ok(Self { step, parts, half, phases, filters, input, start: 0, outputs: 0, taken: 0 })
    }

    /// Takes a piece and appends what can be computed so far.
    pub fn push(&mut self, piece: &[f32], out: &mut Vec<f32>) {
        self.taken += piece.len() as u64;
        self.input.extend_from_slice(piece);
        self.run(u64::MAX, out);
    }

    /// Appends the rest: silence follows the last sample.
    pub fn finish(&mut self, out: &mut Vec<f32>) {
        let all = (self.taken * self.parts).div_ceil(self.step);
        self.input.resize(self.input.len() + self.half + 1, 0.0);
        self.run(all, out);
    }

    fn run(&mut self, all: u64, out: &mut Vec<f32>) {
        let taps = 2 * self.half;
        while self.outputs < all {
            let position = self.outputs * self.step;
            let (whole, part) = (position / self.parts, position % self.parts);
            // The filter reads positions whole − half + 1 ..= whole + half; `input` begins at `start` − half.
            let at = (whole - self.start) as usize + 1;
            let Some(input) = self.input.get(at..at + taps) else { break };
            let exact = part as f64 * self.phases as f64 / self.parts as f64;
            let phase = (exact as usize).min(self.phases - 1);
            let mut value = dot(input, &self.filters[phase * taps..][..taps]);
            if self.parts as usize > self.phases {
                let next = dot(input, &self.filters[(phase + 1) * taps..][..taps]);
                value += (next - value) * (exact - phase as f64) as f32;
            }
            out.push(value);
            self.outputs += 1;
        }
        // What no later output reads goes.
        let next = self.outputs * self.step / self.parts;
        let gone = ((next - self.start) as usize).min(self.input.len().saturating_sub(self.half));
        self.input.drain(..gone);
        self.start += gone as u64;
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn sinc(x: f64) -> f64 {
    if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) }
}

/// Kaiser's window at `x` within −1 ..= 1.
fn kaiser(x: f64) -> f64 {
    if x.abs() >= 1.0 { 0.0 } else { bessel(BETA * (1.0 - x * x).sqrt()) / bessel(BETA) }
}

/// The modified Bessel function I₀, from its series.
fn bessel(x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, 1.0);
    while term > 1e-17 * sum {
        term *= (x / 2.0 / n) * (x / 2.0 / n);
        sum += term;
        n += 1.0;
    }
    sum
}

/// Σ a · b; eight sums side by side, which the compiler turns into vectors.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tone(rate: u32, hertz: f64, n: usize) -> Vec<f32> {
        (0..n).map(|i| (2.0 * PI * hertz * i as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn resample(from: u32, to: u32, x: &[f32], piece: usize) -> Vec<f32> {
        let (mut it, mut out) = (Resampler::new(from, to).unwrap(), Vec::new());
        x.chunks(piece).for_each(|piece| it.push(piece, &mut out));
        it.finish(&mut out);
        out
    }

    #[test]
    fn a_tone_stays_that_tone_at_any_rate_and_in_any_pieces() {
        for (from, to) in
            [(44_100, 16_000), (48_000, 16_000), (8_000, 16_000), (44_101, 16_000), (16_000, 24_000)]
        {
            let x = tone(from, 440.0, from as usize / 2);
            let out = resample(from, to, &x, 1 << 20);
            assert_eq!(out.len(), (x.len() as u64 * u64::from(to)).div_ceil(u64::from(from)) as usize);
            let want = tone(to, 440.0, out.len());
            let edge = 200;
            for (got, want) in out.iter().zip(&want).skip(edge).take(out.len() - 2 * edge) {
                assert!((got - want).abs() < 2e-4, "{from} to {to}: {got} and {want}");
            }
            assert_eq!(resample(from, to, &x, 137), out);
        }
    }

    #[test]
    fn what_the_lower_rate_cannot_hold_is_stopped() {
        let out = resample(48_000, 16_000, &tone(48_000, 11_000.0, 24_000), 4096);
        assert!(out[200..out.len() - 200].iter().all(|x| x.abs() < 1e-3));
    }

    #[test]
    fn what_the_lower_rate_holds_stays() {
        for (hertz, least) in [(7_000.0, 0.98), (7_400.0, 0.85)] {
            let out = resample(48_000, 16_000, &tone(48_000, hertz, 24_000), 4096);
            let loudest = out[200..out.len() - 200].iter().fold(0.0f32, |most, x| most.max(x.abs()));
            assert!(loudest > least, "{hertz} Hz: {loudest}");
        }
    }

    #[test]
    fn extreme_rates_and_no_samples_are_fine() {
        for (from, to) in [(1_000, 16_000), (768_000, 16_000), (767_999, 16_000), (16_000, 16_000)] {
            assert!(resample(from, to, &[], 1).is_empty());
            let out = resample(from, to, &vec![0.5; 9_000], 1000);
            assert!(out.iter().all(|x| x.is_finite()));
        }
        for rate in [0, 999, 768_001, u32::MAX] {
            assert!(Resampler::new(rate, 16_000).is_err());
        }
    }

    #[test]
    fn a_constant_stays_one() {
        let out = resample(22_050, 16_000, &vec![0.5; 22_050], 500);
        assert!(out[100..out.len() - 100].iter().all(|x| (x - 0.5).abs() < 1e-4));
    }
}
