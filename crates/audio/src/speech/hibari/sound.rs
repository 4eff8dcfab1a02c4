//! Spectra to sound. What a frame says is three sounds in one: pulses at the pitch, shaped and turned; noise, shaped; and a free
//! part with a phase of its own:
//!
//! S = e^min(h, 7) · e^(iπ tanh θ) · STFT(pulses) + e^min(n, 7) · Z + e^min(r, 7) · e^(iφ)
//!
//! then an inverse STFT (window 1 200, step 300, Hann, 24 kHz), as the voice's reference program does it.

use super::network::{BINS, Spectrum};
use crate::speech::noise::Noise;
use parasol_kernels::{Compute, Function};
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::f32::consts::{PI, TAU};
use std::sync::{Arc, Mutex, PoisonError};

/// Samples per second.
pub(super) const RATE: u32 = 24_000;
const WINDOW: usize = 1200;
const HOP: usize = 300;
/// Below this pitch a frame has no pulses; above `CEILING` no harmonic is made.
const VOICED: f32 = 40.0;
const CEILING: f32 = 11_000.0;
/// Frames of one task.
const BLOCK: usize = 16;

/// What is the same for every sentence.
pub(super) struct Synthesis {
    window: Vec<f32>,
    forward: Arc<dyn RealToComplex<f32>>,
    inverse: Arc<dyn ComplexToReal<f32>>,
}

impl Synthesis {
    pub(super) fn new() -> Self {
        let mut planner = RealFftPlanner::new();
        // Periodic Hann.
        let angle = |n: usize| 2.0 * std::f64::consts::PI * n as f64 / WINDOW as f64;
        Self {
            window: (0..WINDOW).map(|n| (0.5 - 0.5 * angle(n).cos()) as f32).collect(),
            forward: planner.plan_fft_forward(WINDOW),
            inverse: planner.plan_fft_inverse(WINDOW),
        }
    }

    /// The sound of a sentence, [`HOP`] samples for each frame.
    pub(super) fn run(&self, compute: &Compute, spectrum: &Spectrum, noise: &mut Noise) -> Vec<f32> {
        let frames = spectrum.pitch.len();
        if frames == 0 {
            return Vec::new();
        }
        // (bins, frames) complex numbers: the order in which the reference program draws them.
        let mut deviates = vec![0.0; 2 * BINS * frames];
        let mut source = Vec::new();
        {
            let (draw, pulse) = (Mutex::new((noise, &mut deviates)), Mutex::new(&mut source));
            compute.pool().run(2, |task| match task {
                0 => {
                    let mut draw = draw.lock().unwrap_or_else(PoisonError::into_inner);
                    let (noise, deviates) = &mut *draw;
                    noise.fill(deviates);
                }
                _ => {
                    **pulse.lock().unwrap_or_else(PoisonError::into_inner) = pulses(compute, &spectrum.pitch);
                }
            });
        }
        let mut windows = vec![0.0; frames * WINDOW];
        let blocks: Vec<_> = windows.chunks_mut(BLOCK * WINDOW).map(Mutex::new).collect();
        compute.pool().run(blocks.len(), |task| {
            let mut block = blocks[task].lock().unwrap_or_else(PoisonError::into_inner);
            let mut one = Frame::new(self);
            for (i, out) in block.chunks_exact_mut(WINDOW).enumerate() {
                one.run(compute, spectrum, &source, &deviates, task * BLOCK + i, out);
            }
        });
        drop(blocks);
        self.overlap(&windows, frames)
    }

    /// Adds the windows where they overlap and divides by the sum of the squared windows there.
    fn overlap(&self, windows: &[f32], frames: usize) -> Vec<f32> {
        let steps = WINDOW / HOP;
        let mut out = vec![0.0; (frames + steps - 1) * HOP];
        let mut weight = out.clone();
        for (frame, window) in windows.chunks_exact(WINDOW).enumerate() {
            let at = frame * HOP..frame * HOP + WINDOW;
            out[at.clone()].iter_mut().zip(window).for_each(|(out, x)| *out += x);
            weight[at].iter_mut().zip(&self.window).for_each(|(weight, w)| *weight += w * w);
        }
        out.iter_mut().zip(&weight).for_each(|(out, weight)| *out /= weight.max(1e-11));
        out.drain(..WINDOW / 2);
        out.truncate(frames * HOP);
        out
    }
}

/// A train of pulses, each the sum of all cosines up to [`CEILING`]: Σ cos(ht) = sin((H + ½)t) / (2 sin(t/2)) − ½. The pitch is
/// interpolated between the middles of frames.
fn pulses(compute: &Compute, pitch: &[f32]) -> Vec<f32> {
    let last = pitch.len() - 1; // the caller has frames
    let mut frequency = Vec::with_capacity(pitch.len() * HOP);
    for frame in 0..pitch.len() {
        for j in 0..HOP {
            // Sample j lies (j + ½) / HOP into the frame; frames stand for their middles.
            let position = (j as f64 + 0.5) / HOP as f64 - 0.5;
            let (before, share) = match j < HOP / 2 {
                true => (frame.saturating_sub(1), (position + 1.0) as f32),
                false => (frame, position as f32),
            };
            let after = if j < HOP / 2 { frame } else { (frame + 1).min(last) };
            frequency.push(pitch[before] * (1.0 - share) + pitch[after] * share);
        }
    }
    let (mut sum, mut half, mut high) = (0f64, Vec::new(), Vec::new());
    for f in &frequency {
        let f = f.max(VOICED);
        sum += f64::from(f);
        let turns = (sum / f64::from(RATE)).fract();
        let t = (turns * std::f64::consts::TAU) as f32;
        half.push(t * 0.5);
        high.push(((CEILING / f).floor() + 0.5) * t);
    }
    let mut unused = vec![0.0; half.len()];
    let (mut below, mut above) = (vec![0.0; half.len()], vec![0.0; half.len()]);
    compute.sin_cos(&half, &mut below, &mut unused);
    compute.sin_cos(&high, &mut above, &mut unused);
    let each = frequency.iter().zip(below).zip(above);
    each.map(|((f, below), above)| {
        // Not a number is not voiced.
        if f.is_nan() || *f <= VOICED {
            return 0.0;
        }
        let below = below * 2.0;
        // The limit where both sines are 0.
        let ratio = if below.abs() <= 2e-3 { (CEILING / f).floor() + 0.5 } else { above / below };
        ratio - 0.5
    })
    .collect()
}

/// Room for one frame at a time.
struct Frame<'a> {
    synthesis: &'a Synthesis,
    real: Vec<f32>,
    spectrum: Vec<Complex32>,
    scratch: Vec<Complex32>,
    angle: Vec<f32>,
    size: Vec<f32>,
    sin: Vec<f32>,
    cos: Vec<f32>,
}

impl<'a> Frame<'a> {
    fn new(synthesis: &'a Synthesis) -> Self {
        let scratch = synthesis.forward.get_scratch_len().max(synthesis.inverse.get_scratch_len());
        let bins = || vec![0.0; BINS];
        Self {
            synthesis,
            real: vec![0.0; WINDOW],
            spectrum: vec![Complex32::default(); BINS],
            scratch: vec![Complex32::default(); scratch],
            angle: bins(),
            size: bins(),
            sin: bins(),
            cos: bins(),
        }
    }

    /// One frame's windowed sound, [`WINDOW`] samples.
    fn run(
        &mut self,
        compute: &Compute,
        spectrum: &Spectrum,
        source: &[f32],
        deviates: &[f32],
        frame: usize,
        out: &mut [f32],
    ) {
        let frames = spectrum.pitch.len();
        let row = &spectrum.frames[frame * 5 * BINS..(frame + 1) * 5 * BINS];
        let part = |i: usize| &row[i * BINS..(i + 1) * BINS];
        self.source(source, frame);
        // A unit cosine peaks in the transform at half the window's sum.
        let unit = 1.0 / (WINDOW as f32 / 4.0);
        self.angle.copy_from_slice(part(1));
        compute.apply(Function::Tanh, &mut self.angle);
        self.angle.iter_mut().for_each(|x| *x *= PI);
        compute.sin_cos(&self.angle, &mut self.sin, &mut self.cos);
        self.grow(compute, part(0));
        for (((x, size), sin), cos) in self.spectrum.iter_mut().zip(&self.size).zip(&self.sin).zip(&self.cos)
        {
            *x *= Complex32::new(cos * size * unit, sin * size * unit);
        }
        self.grow(compute, part(2));
        for (bin, (x, size)) in self.spectrum.iter_mut().zip(&self.size).enumerate() {
            let at = 2 * (bin * frames + frame);
            *x += Complex32::new(deviates[at], deviates[at + 1]) * size;
        }
        // The free part's phase has no bound: whole turns are taken off first, where that loses nothing.
        self.angle.iter_mut().zip(part(4)).for_each(|(angle, phi)| {
            *angle = if phi.abs() < 1e4 { *phi } else { phi % TAU };
        });
        compute.sin_cos(&self.angle, &mut self.sin, &mut self.cos);
        self.grow(compute, part(3));
        for (((x, size), sin), cos) in self.spectrum.iter_mut().zip(&self.size).zip(&self.sin).zip(&self.cos)
        {
            *x += Complex32::new(cos * size, sin * size);
        }
        // A real signal's first and last bins are real.
        self.spectrum[0].im = 0.0;
        self.spectrum[BINS - 1].im = 0.0;
        let (inverse, scratch) = (&self.synthesis.inverse, &mut self.scratch);
        let fits = inverse.process_with_scratch(&mut self.spectrum, &mut self.real, scratch);
        debug_assert!(fits.is_ok(), "the lengths are those that were planned");
        let by = 1.0 / WINDOW as f32;
        for ((out, x), w) in out.iter_mut().zip(&self.real).zip(&self.synthesis.window) {
            *out = x * by * w;
        }
    }

    /// The transform of the pulses around the frame, mirrored at both ends of the signal.
    fn source(&mut self, source: &[f32], frame: usize) {
        let len = source.len();
        // Position in the signal with half a window of its mirror image in front.
        let first = (frame * HOP) as isize - (WINDOW / 2) as isize;
        let inside = usize::try_from(first).ok().and_then(|first| source.get(first..first + WINDOW));
        let windowed = self.real.iter_mut().zip(&self.synthesis.window);
        match inside {
            Some(inside) => windowed.zip(inside).for_each(|((x, w), source)| *x = source * w),
            None => windowed
                .enumerate()
                .for_each(|(n, (x, w))| *x = source[mirrored(first + n as isize, len)] * w),
        }
        let (forward, scratch) = (&self.synthesis.forward, &mut self.scratch);
        let fits = forward.process_with_scratch(&mut self.real, &mut self.spectrum, scratch);
        debug_assert!(fits.is_ok(), "the lengths are those that were planned");
    }

    /// e^min(x, 7)
    fn grow(&mut self, compute: &Compute, logs: &[f32]) {
        self.size.iter_mut().zip(logs).for_each(|(size, x)| *size = x.min(7.0));
        compute.apply(Function::Exp, &mut self.size);
    }
}

/// The index that a position outside `0 .. len` mirrors, as often as needed; the ends are not repeated.
fn mirrored(at: isize, len: usize) -> usize {
    if len < 2 {
        return 0;
    }
    let period = 2 * (len as isize - 1);
    let at = at.rem_euclid(period);
    at.min(period - at) as usize // below len
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_mirrored() {
        let seen: Vec<_> = (-3..7).map(|at| mirrored(at, 4)).collect();
        assert_eq!(seen, [3, 2, 1, 0, 1, 2, 3, 2, 1, 0]);
        assert_eq!(mirrored(-600, 1), 0);
        assert!((-5000..5000).all(|at| mirrored(at, 300) < 300));
    }
}
