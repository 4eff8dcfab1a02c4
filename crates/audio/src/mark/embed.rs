//! Putting the mark in: overlapping frames, whose spectrum is scaled cell by cell.

use super::{BANDS, CELL_MS, CELLS, DEPTH, Signs, band, table};
use realfft::num_complex::Complex32;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use std::f64::consts::PI;
use std::sync::Arc;

/// A hop in seconds: frames are twice as long. What is held back at any moment is less than a frame.
const HOP: f64 = 0.016;

/// Marks one sound, piece by piece. It comes out as long as it went in, at most 32 ms later.
pub struct Marker {
    rate: u32,
    hop: usize,
    /// (2 · hop): a sine, whose square adds up to 1 with itself a hop later.
    window: Vec<f32>,
    /// The band of each bin.
    bands: Vec<Option<usize>>,
    /// What a band is multiplied with, by the table.
    table: Box<[Signs; CELLS]>,
    forward: Arc<dyn RealToComplex<f32>>,
    backward: Arc<dyn ComplexToReal<f32>>,
    spectrum: Vec<Complex32>,
    /// From the first sample on of the next frame.
    input: Vec<f32>,
    /// The second half of the last frame.
    tail: Vec<f32>,
    frames: u64,
    taken: u64,
    given: u64,
}

impl std::fmt::Debug for Marker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Marker({} Hz, {} samples so far)", self.rate, self.taken)
    }
}

impl Marker {
    /// For a sound with `rate` samples a second.
    pub fn new(rate: u32) -> Self {
        let hop = ((HOP * f64::from(rate)).round() as usize).max(1);
        let length = 2 * hop;
        let mut planner = RealFftPlanner::new();
        let forward = planner.plan_fft_forward(length);
        let gains = |signs: &Signs| signs.map(|sign| 10.0_f32.powf(sign * DEPTH / 20.0));
        Self {
            rate,
            hop,
            window: (0..length).map(|n| (PI * (n as f64 + 0.5) / length as f64).sin() as f32).collect(),
            bands: (0..=hop).map(|bin| band(bin as f64 * f64::from(rate) / length as f64)).collect(),
            table: Box::new(table().map(|signs| gains(&signs))),
            spectrum: forward.make_output_vec(),
            forward,
            backward: planner.plan_fft_inverse(length),
            // Half a frame of silence stands before the sound, so that its beginning lies in two frames like all else.
            input: vec![0.0; hop],
            tail: vec![0.0; hop],
            frames: 0,
            taken: 0,
            given: 0,
        }
    }

    /// Takes a piece within ±1 and gives what is complete, within ±1.
    pub fn push(&mut self, piece: &[f32]) -> Vec<f32> {
        self.taken += piece.len() as u64;
        self.input.extend_from_slice(piece);
        let mut out = Vec::with_capacity(piece.len() + self.hop);
        let mut at = 0;
        while let Some(frame) = self.input.get(at..at + 2 * self.hop) {
            let frame = frame.to_vec();
            self.frame(frame, &mut out);
            at += self.hop;
        }
        self.input.drain(..at);
        out
    }

    /// The rest of the sound; the next one begins as a new marker would.
    pub fn finish(&mut self) -> Vec<f32> {
        let mut out = Vec::new();
        while self.given < self.taken {
            let mut frame = std::mem::take(&mut self.input);
            frame.resize(2 * self.hop, 0.0);
            self.input = frame[self.hop..].to_vec();
            self.frame(frame, &mut out);
        }
        let more = (self.given - self.taken) as usize;
        out.truncate(out.len().saturating_sub(more));
        self.input = vec![0.0; self.hop];
        self.tail.fill(0.0);
        (self.frames, self.taken, self.given) = (0, 0, 0);
        out
    }

    /// One frame; appends the half of it that is complete.
    fn frame(&mut self, mut frame: Vec<f32>, out: &mut Vec<f32>) {
        frame.iter_mut().zip(&self.window).for_each(|(x, w)| *x *= w);
        // The lengths are those that the plans were made with.
        let fault = "the lengths of a frame and its spectrum are those of the plan";
        self.forward.process(&mut frame, &mut self.spectrum).expect(fault);
        // The middle of the frame is `frames` hops from the beginning of the sound, since half a frame came before it.
        let middle = self.frames * self.hop as u64 * 1_000 / u64::from(self.rate.max(1));
        let gains: &[f32; BANDS] = &self.table[(middle as usize / CELL_MS) % CELLS];
        // Scaling by a transform's length belongs to the way back.
        let length = (2 * self.hop) as f32;
        for (value, band) in self.spectrum.iter_mut().zip(&self.bands) {
            *value *= band.map_or(1.0, |band| gains[band]) / length;
        }
        self.backward.process(&mut self.spectrum, &mut frame).expect(fault);
        frame.iter_mut().zip(&self.window).for_each(|(x, w)| *x *= w);
        let (ready, tail) = frame.split_at(self.hop);
        let first = self.frames == 0;
        self.frames += 1;
        if !first {
            out.extend(ready.iter().zip(&self.tail).map(|(new, old)| (new + old).clamp(-1.0, 1.0)));
            self.given += self.hop as u64;
        }
        self.tail.copy_from_slice(tail);
    }
}
