//! The voice's source: sines at the pitch and its overtones, and their short spectra as size and phase (Kaneko et al., "iSTFTNet",
//! 2022); and the way back from such spectra to sound.
//!
//! Where a voice makes no tone the source is one number, whose spectrum is nothing but the last digits of how it is computed; yet its
//! phases are what the network was exported with. So spectra are computed as onnxruntime's `STFT` does: a chirp transform (Bluestein,
//! 1970) of 64 values in single precision, in the same order.

use super::parts::From;
use parasol_core::Result;
use parasol_kernels::{Compute, Function};
use std::sync::{Mutex, PoisonError};

/// Samples of a window and between two; samples of one frame of the pitch.
const WINDOW: usize = 20;
const HOP: usize = 5;
const FRAME: usize = 300;
/// Values of a spectrum.
pub(super) const BINS: usize = WINDOW / 2 + 1;
/// Samples per second.
pub(super) const RATE: u32 = 24_000;
/// Below this a frame has no tone.
const VOICED: f32 = 10.0;
const OVERTONES: usize = 9;
/// Values of the chirp transform.
const CHIRP: usize = 64;
/// From here on the parts of a quarter turn have too few digits.
const FAR: f32 = 25_966.0;
/// Spectra of a task.
const BLOCK: usize = 256;

type Complex = (f32, f32);

fn product(a: Complex, b: Complex) -> Complex {
    (a.0 * b.0 - a.1 * b.1, a.0 * b.1 + a.1 * b.0)
}

fn sum(a: Complex, b: Complex) -> Complex {
    (a.0 + b.0, a.1 + b.1)
}

/// cos and sin of a single number, rounded once.
fn turned(angle: f32) -> Complex {
    let (sin, cos) = f64::from(angle).sin_cos();
    (cos as f32, sin as f32)
}

/// The lowest `bits` of a number in reverse.
fn reversed(number: usize, bits: u32) -> usize {
    number.reverse_bits() >> (usize::BITS - bits)
}

pub(super) struct Source {
    window: Vec<f32>,
    /// The share of each overtone, and what is added.
    shares: Vec<f32>,
    bias: f32,
    turns: [Complex; CHIRP],
    chirp: [Complex; WINDOW],
    /// The transform of the chirp.
    filter: [Complex; CHIRP],
    /// (2 × BINS, WINDOW)
    inverse: Vec<f32>,
    /// What the first samples of a sound are divided by.
    ends: Vec<f32>,
}

impl Source {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let (place, name) = ("/decoder/decoder/generator", "decoder.decoder.generator");
        let mut turns = [(0.0, 0.0); CHIRP];
        let step = -(2.0 * std::f32::consts::PI) / CHIRP as f32;
        for i in 0..CHIRP {
            turns[reversed(i, CHIRP.ilog2())] = turned(i as f32 * step);
        }
        let mut chirp = [(0.0, 0.0); WINDOW];
        let mut filter = [(0.0, 0.0); CHIRP];
        for (n, value) in chirp.iter_mut().enumerate() {
            let n = n as f32;
            *value = turned(-std::f32::consts::PI * n * n / WINDOW as f32);
        }
        for (n, value) in chirp.iter().enumerate() {
            filter[n] = (value.0, -value.1);
            if n > 0 {
                filter[CHIRP - n] = filter[n];
            }
        }
        let filter = transform(&turns, &filter);
        Ok(Self {
            window: from.graph.floats(&format!("{place}/Constant_17_output_0"), &[WINDOW])?,
            shares: from.graph.floats("onnx::MatMul_6993", &[OVERTONES, 1])?,
            bias: from.graph.floats(&format!("{name}.m_source.l_linear.bias"), &[1])?[0],
            turns,
            chirp,
            filter,
            inverse: from
                .graph
                .floats(&format!("{name}.stft.istft.stft.inverse_basis"), &[2 * BINS, 1, WINDOW])?,
            ends: from.graph.floats(&format!("{name}.stft.istft.stft.window_sum"), &[WINDOW])?,
        })
    }

    /// The source's spectra for a pitch in Hz of each frame: (spectra, 2 × BINS), sizes and phases.
    pub(super) fn run(&self, compute: &Compute, pitch: &[f32]) -> Vec<f32> {
        self.spectra(compute, &self.wave(compute, pitch))
    }

    fn spectra(&self, compute: &Compute, wave: &[f32]) -> Vec<f32> {
        let pad = WINDOW / 2;
        let mirrored: Vec<f32> = (1..=pad)
            .rev()
            .map(|i| wave[i])
            .chain(wave.iter().copied())
            .chain((1..=pad).map(|i| wave[wave.len() - 1 - i]))
            .collect();
        let mut out = vec![0.0; (wave.len() / HOP + 1) * 2 * BINS];
        let blocks: Vec<_> = out.chunks_mut(BLOCK * 2 * BINS).map(Mutex::new).collect();
        compute.pool().run(blocks.len(), |task| {
            let mut block = blocks[task].lock().unwrap_or_else(PoisonError::into_inner);
            for (i, row) in block.chunks_exact_mut(2 * BINS).enumerate() {
                let from = (task * BLOCK + i) * HOP;
                let (sizes, phases) = row.split_at_mut(BINS);
                for (k, (re, im)) in self.spectrum(&mirrored[from..from + WINDOW]).into_iter().enumerate() {
                    sizes[k] = (re * re + im * im).sqrt();
                    let angle = (im / re).atan();
                    phases[k] = match (re < 0.0, im > 0.0) {
                        (false, _) => angle,
                        (true, true) => angle + std::f32::consts::PI,
                        (true, false) => angle - std::f32::consts::PI,
                    };
                }
            }
        });
        drop(blocks);
        out
    }

    /// [`FRAME`] samples for each frame.
    fn wave(&self, compute: &Compute, pitch: &[f32]) -> Vec<f32> {
        // Turns so far at each frame, in radians of a sample.
        let mut phases = vec![0f32; OVERTONES * pitch.len()];
        for (overtone, phases) in phases.chunks_exact_mut(pitch.len()).enumerate() {
            let mut turns = 0f32;
            for (phase, pitch) in phases.iter_mut().zip(pitch) {
                let step = pitch * (overtone + 1) as f32 / RATE as f32;
                turns += step - step.floor();
                *phase = turns * 2.0 * std::f32::consts::PI * FRAME as f32;
            }
        }
        let mut out = vec![0.0; FRAME * pitch.len()];
        let frames: Vec<_> = out.chunks_mut(FRAME).map(Mutex::new).collect();
        compute.pool().run(frames.len(), |frame| {
            let mut out = frames[frame].lock().unwrap_or_else(PoisonError::into_inner);
            for (i, out) in out.iter_mut().enumerate() {
                let mut value = 0f32;
                if pitch[frame] > VOICED {
                    let at = (((frame * FRAME + i) as f32 + 0.5) / FRAME as f32 - 0.5)
                        .clamp(0.0, (pitch.len() - 1) as f32);
                    let first = at.floor() as usize;
                    let second = (first + 1).min(pitch.len() - 1);
                    let (share, rest) = match first == second {
                        true => (0.5, 0.5),
                        false => (at - first as f32, second as f32 - at),
                    };
                    for (overtone, weight) in self.shares.iter().enumerate() {
                        let phases = &phases[overtone * pitch.len()..(overtone + 1) * pitch.len()];
                        let times = if overtone + 1 == OVERTONES { 4 } else { 2 };
                        let phase = between(rest, phases[first], share, phases[second], times);
                        let sine = f64::from(sine(phase) * 0.1);
                        // The product is exact in double precision, so that the sum is that of a fused one.
                        value = (sine * f64::from(*weight) + f64::from(value)) as f32;
                    }
                }
                *out = value + self.bias;
            }
            compute.apply(Function::Tanh, &mut out);
        });
        drop(frames);
        out
    }

    /// The spectrum of a window of samples.
    fn spectrum(&self, samples: &[f32]) -> [Complex; BINS] {
        let mut a = [(0.0, 0.0); CHIRP];
        for (((a, x), window), chirp) in a.iter_mut().zip(samples).zip(&self.window).zip(&self.chirp) {
            let x = x * window;
            *a = (x * chirp.0, x * chirp.1);
        }
        let mut a = transform(&self.turns, &a);
        a.iter_mut().zip(&self.filter).for_each(|(a, b)| *a = product(*a, *b));
        // The way back is the way there, with what comes out in reverse.
        let back = transform(&self.turns, &a).map(|(re, im)| (re / CHIRP as f32, im / CHIRP as f32));
        std::array::from_fn(|i| product(back[(CHIRP - i) % CHIRP], self.chirp[i]))
    }

    /// Samples of (spectra, 2 × BINS): the logarithm of sizes, and what phases are the sine of.
    pub(super) fn back(&self, compute: &Compute, spectra: &[f32]) -> Vec<f32> {
        let rows = spectra.len() / (2 * BINS);
        let mut sizes: Vec<f32> =
            spectra.chunks_exact(2 * BINS).flat_map(|row| &row[..BINS]).copied().collect();
        compute.apply(Function::Exp, &mut sizes);
        let turns: Vec<f32> = spectra.chunks_exact(2 * BINS).flat_map(|row| &row[BINS..]).copied().collect();
        let (mut phases, mut unused) = (vec![0.0; turns.len()], vec![0.0; turns.len()]);
        compute.sin_cos(&turns, &mut phases, &mut unused);
        let (mut sin, mut cos) = (vec![0.0; phases.len()], unused);
        compute.sin_cos(&phases, &mut sin, &mut cos);
        let mut sound = vec![0.0f32; rows.saturating_sub(1) * HOP + WINDOW];
        for (row, sizes) in sizes.chunks_exact(BINS).enumerate() {
            let out = &mut sound[row * HOP..row * HOP + WINDOW];
            for (k, size) in sizes.iter().enumerate() {
                let (re, im) = (size * cos[row * BINS + k], size * sin[row * BINS + k]);
                let (real, imaginary) =
                    (&self.inverse[k * WINDOW..][..WINDOW], &self.inverse[(BINS + k) * WINDOW..][..WINDOW]);
                for ((out, real), imaginary) in out.iter_mut().zip(real).zip(imaginary) {
                    *out += re * real + im * imaginary;
                }
            }
        }
        for (x, end) in sound.iter_mut().zip(&self.ends) {
            if *end > f32::MIN_POSITIVE {
                *x /= end;
            }
        }
        let share = WINDOW as f32 / HOP as f32;
        let kept = sound.len().saturating_sub(WINDOW / 2);
        sound.truncate(kept);
        sound.drain(..(WINDOW / 2).min(kept));
        sound.iter_mut().for_each(|x| *x *= share);
        sound
    }
}

/// A value on the line between two, as onnxruntime's trilinear `Resize` adds it up: a corner's share counts twice in a dimension of one
/// value and at the last value of another.
fn between(rest: f32, first: f32, share: f32, second: f32, times: usize) -> f32 {
    let (a, b) = (rest / times as f32 * first, share / times as f32 * second);
    (1..times).fold(a + b, |sum, _| sum + a + b)
}

/// sin(x) as onnxruntime's packages compute it (the polynomials of Eigen, without fused products): what is left of x after whole quarter
/// turns decides, from [`FAR`] on in double precision.
fn sine(x: f32) -> f32 {
    let size = x.abs();
    let (turns, rest) = if size < FAR {
        let turns = (size * std::f32::consts::FRAC_2_PI).round_ties_even();
        let parts = [-1.570_312_5, -4.839_897_2e-4, 1.628_650_4e-7, 5.564_431_5e-11];
        (f64::from(turns), parts.iter().fold(size, |rest, part| turns * part + rest))
    } else {
        let size = f64::from(size);
        let turns = (size * std::f64::consts::FRAC_2_PI).round_ties_even();
        // π / 2 in three parts, of which the first two have few digits.
        let rest = (size - turns * 1.570_796_310_901_641_8) - turns * 1.589_325_471_229_585_7e-8;
        (turns, (rest - turns * 6.123_233_995_736_766e-17) as f32)
    };
    let square = rest * rest;
    let turns = turns as i64;
    let value = if turns & 1 == 0 {
        let p = (-1.959_234e-4 * square + 8.332_687e-3) * square - 0.166_666_62;
        p * square * rest + rest
    } else {
        let p = (2.437_226_6e-5 * square - 1.388_652e-3) * square + 4.166_662e-2;
        (p * square - 0.5) * square + 1.0
    };
    if (turns & 2 != 0) != x.is_sign_negative() { -value } else { value }
}

/// A transform of [`CHIRP`] values by halves (Cooley and Tukey, 1965).
fn transform(turns: &[Complex; CHIRP], x: &[Complex; CHIRP]) -> [Complex; CHIRP] {
    let mut y: [Complex; CHIRP] = std::array::from_fn(|i| x[reversed(i, CHIRP.ilog2())]);
    let mut length = 2;
    while length <= CHIRP {
        let (half, bits) = (length / 2, length.ilog2());
        for k in 0..half {
            let (first, second) = (turns[reversed(k, bits)], turns[reversed(half + k, bits)]);
            for even in (k..CHIRP).step_by(length) {
                let (a, b) = (y[even], y[even + half]);
                y[even] = sum(a, product(first, b));
                y[even + half] = sum(a, product(second, b));
            }
        }
        length *= 2;
    }
    y
}
