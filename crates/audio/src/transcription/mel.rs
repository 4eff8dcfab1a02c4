//! The log-mel spectrogram that Whisper listens to: a short Fourier transform of 400 samples every 160, its power in Slaney's
//! mel bands, logarithms within eight decades below the loudest. The transform is two products with cosines and sines, of
//! what is even and what is odd about the middle of each frame: half the work of the plain matrix and fewer roundings.

use parasol_kernels::{Activations, Compute, Format, Matrix, Needs, Prepare};
use std::f64::consts::PI;

/// Samples a second.
pub(crate) const RATE: u32 = 16_000;
/// Samples from one frame to the next.
pub(crate) const HOP: usize = 160;
/// Samples of a frame's transform.
const FFT: usize = 400;
/// Its bins.
const BINS: usize = FFT / 2 + 1;
/// Values of the even and of the odd half.
const EVEN: usize = FFT / 2 + 1;
const ODD: usize = FFT / 2 - 1;
/// Frames of a window.
pub(crate) const WINDOW: usize = 3_000;

/// Turns samples to frames.
pub(crate) struct Mel {
    bands: usize,
    window: Vec<f32>,
    /// (BINS, EVEN), (BINS, ODD), (bands, BINS), as bytes of f32.
    cosines: Vec<u8>,
    sines: Vec<u8>,
    filters: Vec<u8>,
    input: Activations,
}

fn bytes(values: impl Iterator<Item = f64>) -> Vec<u8> {
    values.flat_map(|x| (x as f32).to_le_bytes()).collect()
}

impl Mel {
    pub(crate) fn new(bands: usize) -> Self {
        let angle = |bin: usize, n: usize| 2.0 * PI * ((bin * n) % FFT) as f64 / FFT as f64;
        let table = |count: usize, first: usize, f: fn(f64) -> f64| {
            bytes((0..BINS).flat_map(move |bin| (0..count).map(move |n| f(angle(bin, n + first)))))
        };
        Self {
            bands,
            window: (0..FFT).map(|n| (0.5 - 0.5 * (2.0 * PI * n as f64 / FFT as f64).cos()) as f32).collect(),
            cosines: table(EVEN, 0, f64::cos),
            sines: table(ODD, 1, f64::sin),
            filters: bytes(filters(bands).into_iter()),
            input: Activations::new(),
        }
    }

    /// The frames of `samples`, (frames, bands): frame i is around sample `first` + 160 · i of it, and needs 200 samples on
    /// either side. What lies before the beginning or behind the end is reflected.
    ///
    /// # Panics
    /// When `samples` are fewer than 201 and frames are asked for.
    pub(crate) fn frames(
        &mut self,
        compute: &Compute,
        samples: &[f32],
        first: usize,
        frames: usize,
    ) -> Vec<f32> {
        if frames == 0 {
            return Vec::new();
        }
        assert!(samples.len() > FFT / 2, "{} samples are too few for a frame", samples.len());
        let (mut even, mut odd) = (vec![0.0; frames * EVEN], vec![0.0; frames * ODD]);
        let mut frame = [0.0; FFT];
        for (i, (even, odd)) in even.chunks_exact_mut(EVEN).zip(odd.chunks_exact_mut(ODD)).enumerate() {
            let start = (first + i * HOP) as isize - FFT as isize / 2;
            for (n, (value, window)) in frame.iter_mut().zip(&self.window).enumerate() {
                *value = samples[reflected(start + n as isize, samples.len())] * window;
            }
            even[0] = frame[0];
            even[FFT / 2] = frame[FFT / 2];
            for n in 1..FFT / 2 {
                even[n] = frame[n] + frame[FFT - n];
                odd[n - 1] = frame[n] - frame[FFT - n];
            }
        }
        let (mut real, mut imaginary) = (vec![0.0; frames * BINS], vec![0.0; frames * BINS]);
        product(compute, &mut self.input, &even, EVEN, &self.cosines, BINS, &mut real);
        product(compute, &mut self.input, &odd, ODD, &self.sines, BINS, &mut imaginary);
        for (real, imaginary) in real.iter_mut().zip(&imaginary) {
            *real = *real * *real + imaginary * imaginary;
        }
        let mut mel = vec![0.0; frames * self.bands];
        product(compute, &mut self.input, &real, BINS, &self.filters, self.bands, &mut mel);
        let mut loudest = f32::NEG_INFINITY;
        for value in &mut mel {
            *value = value.max(1e-10).log10();
            loudest = loudest.max(*value);
        }
        mel.iter_mut().for_each(|value| *value = (value.max(loudest - 8.0) + 4.0) / 4.0);
        mel
    }
}

fn product(
    compute: &Compute,
    input: &mut Activations,
    x: &[f32],
    cols: usize,
    weights: &[u8],
    rows: usize,
    out: &mut [f32],
) {
    compute.activations(x, cols, Prepare::Plain, Needs::of([Format::F32]), input);
    // `new` has made the tables of these sizes.
    let matrix = Matrix::new(Format::F32, rows, cols, weights).expect("tables have their sizes");
    compute.linear(input, [(matrix, out)]);
}

/// Position `at` within 0 .. len, mirrored at the first and the last sample.
fn reflected(at: isize, len: usize) -> usize {
    let last = len as isize - 1;
    let at = at.abs();
    let at = if at > last { 2 * last - at } else { at };
    at.clamp(0, last) as usize
}

/// Slaney's mel bands (Auditory Toolbox, 1998), up to half the rate: (bands, BINS), each with an area of one.
fn filters(bands: usize) -> Vec<f64> {
    // Linear below 1 kHz, logarithmic above.
    let step = 200.0 / 3.0;
    let knee = 1000.0 / step;
    let log_step = 6.4_f64.ln() / 27.0;
    let hertz = |mel: f64| if mel < knee { mel * step } else { 1000.0 * ((mel - knee) * log_step).exp() };
    let top = knee + (f64::from(RATE) / 2.0 / 1000.0).ln() / log_step;
    let edges: Vec<f64> = (0..bands + 2).map(|i| hertz(top * i as f64 / (bands + 1) as f64)).collect();
    let mut filters = Vec::with_capacity(bands * BINS);
    for edge in edges.windows(3) {
        for bin in 0..BINS {
            let frequency = bin as f64 * f64::from(RATE) / FFT as f64;
            let rise = (frequency - edge[0]) / (edge[1] - edge[0]);
            let fall = (edge[2] - frequency) / (edge[2] - edge[1]);
            filters.push(rise.min(fall).max(0.0) * 2.0 / (edge[2] - edge[0]));
        }
    }
    filters
}

#[cfg(test)]
mod tests {
    use super::*;
    use parasol_kernels::Isa;

    #[test]
    fn a_tone_is_loudest_in_its_band_and_silence_is_even() {
        let compute = Compute::new(Isa::detect(), 2);
        let mut mel = Mel::new(80);
        let tone: Vec<f32> =
            (0..16_000).map(|n| (2.0 * PI * 1000.0 * f64::from(n) / 16_000.0).sin() as f32).collect();
        let frames = mel.frames(&compute, &tone, 0, 100);
        let frame = &frames[50 * 80..51 * 80];
        let loudest = (0..80).max_by(|a, b| frame[*a].total_cmp(&frame[*b]));
        // 1 kHz is 15 of 45.2 mels: band 15 / 45.245 · 81 − 1.
        assert!(matches!(loudest, Some(25..=26)), "{loudest:?}");
        let silence = mel.frames(&compute, &vec![0.0; 16_000], 0, 100);
        assert!(silence.iter().all(|x| (x + 1.5).abs() < 1e-6));
    }

    #[test]
    fn what_lies_outside_is_mirrored() {
        assert_eq!([-2, -1, 0, 4, 5, 6].map(|at| reflected(at, 5)), [2, 1, 0, 4, 3, 2]);
        assert_eq!(reflected(999, 5), 0);
    }
}
