//! Whether somebody speaks: the Silero voice activity detector, version 6 (MIT; its `tinygrad_model.py` names the parts), on
//! 32 ms of sound at a time. A short Fourier transform as a convolution, four convolutions, an LSTM, one output.

use super::checkpoint::{Tensor, Weights};
use super::encoder::Linear;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activations, Compute, Format, Needs, Prepare};
use std::path::Path;
use std::sync::Arc;

/// Samples of a chunk, at 16 kHz.
pub(crate) const CHUNK: usize = 512;
/// Samples of the chunk before that are looked at too.
const CONTEXT: usize = 64;
/// Samples of a frame's transform, and from one to the next.
const FRAME: usize = 256;
const HOP: usize = 128;
/// Frames of a chunk.
const FRAMES: usize = 4;
const BINS: usize = 129;
/// Cells of the LSTM.
const CELLS: usize = 128;

/// The network.
pub(crate) struct Detector {
    compute: Arc<Compute>,
    transform: Tensor,
    convs: [Linear; 4],
    /// (4 · CELLS, CELLS), of the input and of the state, and the sum of their biases.
    from_input: Tensor,
    from_state: Tensor,
    bias: Vec<f32>,
    last: Linear,
}

/// What it remembers of a sound.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    context: [f32; CONTEXT],
    hidden: Vec<f32>,
    cell: Vec<f32>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { context: [0.0; CONTEXT], hidden: vec![0.0; CELLS], cell: vec![0.0; CELLS] }
    }
}

/// Inputs, outputs and stride of the convolutions, each over three frames.
const CONVS: [(usize, usize, usize); 4] = [(BINS, 128, 1), (128, 64, 2), (64, 64, 2), (64, 128, 1)];

impl Detector {
    /// Loads `silero_vad_16k.safetensors`.
    ///
    /// # Errors
    /// `Corrupt` when it is another file.
    pub(crate) fn open(path: &Path, compute: Arc<Compute>) -> Result<Self> {
        let load = || -> Result<Self> {
            let weights = Weights::new(
                super::checkpoint::Style::HuggingFace,
                super::checkpoint::safetensors_file(path)?,
            );
            let linear = |name: &str, rows: usize, cols: usize| -> Result<Linear> {
                Ok(Linear {
                    weight: weights.expect(&format!("{name}.weight"), rows, cols)?,
                    bias: weights.vector(&format!("{name}.bias"), (0, 1), rows)?,
                })
            };
            let [a, b, c, d] = CONVS;
            let conv = |n: usize, (inputs, outputs, _): (usize, usize, usize)| {
                linear(&format!("conv{n}"), outputs, inputs * 3)
            };
            let bias = |name: &str| weights.vector(name, (0, 1), 4 * CELLS);
            let (input, state) = (bias("lstm_cell.bias_ih")?, bias("lstm_cell.bias_hh")?);
            Ok(Self {
                compute,
                transform: weights.expect("stft_conv.weight", 2 * BINS, FRAME)?,
                convs: [conv(1, a)?, conv(2, b)?, conv(3, c)?, conv(4, d)?],
                from_input: weights.expect("lstm_cell.weight_ih", 4 * CELLS, CELLS)?,
                from_state: weights.expect("lstm_cell.weight_hh", 4 * CELLS, CELLS)?,
                bias: input.iter().zip(&state).map(|(a, b)| a + b).collect(),
                last: linear("final_conv", 1, CELLS)?,
            })
        };
        let detector = load().map_err(|e| e.within(path.display()))?;
        if detector.from_state.format() != Format::F32 {
            let message =
                format!("{} is stored as {}: F32 is read", path.display(), detector.from_state.format());
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        Ok(detector)
    }

    /// The probability of speech in each whole chunk of `samples`, which follow those that `memory` knows.
    pub(crate) fn listen(&self, samples: &[f32], memory: &mut Memory) -> Vec<f32> {
        let chunks = samples.len() / CHUNK;
        if chunks == 0 {
            return Vec::new();
        }
        let mut input = Activations::new();
        let mut framed = Vec::with_capacity(chunks * FRAMES * FRAME);
        let mut chunk = [0.0; CONTEXT + CHUNK + CONTEXT];
        for next in samples.chunks_exact(CHUNK) {
            chunk[..CONTEXT].copy_from_slice(&memory.context);
            chunk[CONTEXT..CONTEXT + CHUNK].copy_from_slice(next);
            memory.context.copy_from_slice(&next[CHUNK - CONTEXT..]);
            // Mirrored at the last sample.
            for i in 0..CONTEXT {
                chunk[CONTEXT + CHUNK + i] = chunk[CONTEXT + CHUNK - 2 - i];
            }
            (0..FRAMES).for_each(|frame| framed.extend_from_slice(&chunk[frame * HOP..frame * HOP + FRAME]));
        }
        let spectrum = self.product(&mut input, &framed, &self.transform);
        let mut x: Vec<f32> = spectrum
            .chunks_exact(2 * BINS)
            .flat_map(|row| row[..BINS].iter().zip(&row[BINS..]).map(|(a, b)| (a * a + b * b).sqrt()))
            .collect();
        let mut frames = FRAMES;
        for (conv, (inputs, _, stride)) in self.convs.iter().zip(CONVS) {
            x = self.convolve(&mut input, conv, &x, (frames, inputs, stride));
            frames = frames.div_ceil(stride);
        }
        let mut gates = self.product(&mut input, &x, &self.from_input);
        self.compute.add_bias(&mut gates, &self.bias);
        gates.chunks_exact(4 * CELLS).map(|gates| self.step(&mut input, gates, memory)).collect()
    }

    /// A step of the LSTM (Hochreiter & Schmidhuber 1997; gates in the order input, forget, cell, output) and the output.
    fn step(&self, input: &mut Activations, gates: &[f32], memory: &mut Memory) -> f32 {
        let state = self.product(input, &memory.hidden, &self.from_state);
        let gate = |n: usize, i: usize| gates[n * CELLS + i] + state[n * CELLS + i];
        let mut sum = self.last.bias[0];
        let weights = self.last.weight.floats();
        for (i, weight) in weights.iter().enumerate().take(CELLS) {
            let cell = sigmoid(gate(1, i)) * memory.cell[i] + sigmoid(gate(0, i)) * gate(2, i).tanh();
            memory.cell[i] = cell;
            memory.hidden[i] = sigmoid(gate(3, i)) * cell.tanh();
            sum += memory.hidden[i].max(0.0) * weight;
        }
        sigmoid(sum)
    }

    fn product(&self, input: &mut Activations, x: &[f32], weight: &Tensor) -> Vec<f32> {
        self.compute.activations(x, weight.cols(), Prepare::Plain, Needs::of([weight.format()]), input);
        let mut out = vec![0.0; x.len() / weight.cols() * weight.rows()];
        self.compute.linear(input, [(weight.matrix(), &mut out[..])]);
        out
    }

    /// A convolution over three frames of each chunk, zeros around them, and ReLU. Weights are (out, in, 3).
    fn convolve(
        &self,
        input: &mut Activations,
        conv: &Linear,
        x: &[f32],
        (frames, inputs, stride): (usize, usize, usize),
    ) -> Vec<f32> {
        let steps = frames.div_ceil(stride);
        let mut neighbours = vec![0.0; x.len() / frames * steps * 3];
        for (chunk, rows) in
            x.chunks_exact(frames * inputs).zip(neighbours.chunks_exact_mut(steps * inputs * 3))
        {
            for (step, row) in rows.chunks_exact_mut(inputs * 3).enumerate() {
                for tap in 0..3 {
                    let Some(frame) = (step * stride + tap).checked_sub(1).filter(|f| *f < frames) else {
                        continue;
                    };
                    for (i, value) in chunk[frame * inputs..(frame + 1) * inputs].iter().enumerate() {
                        row[i * 3 + tap] = *value;
                    }
                }
            }
        }
        let mut out = self.product(input, &neighbours, &conv.weight);
        self.compute.add_bias(&mut out, &conv.bias);
        out.iter_mut().for_each(|x| *x = x.max(0.0));
        out
    }
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
