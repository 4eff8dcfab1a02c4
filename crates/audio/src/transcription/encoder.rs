//! The encoder: 30 seconds of log-mel frames to what the decoder attends to. All in f32, whatever the weights' format.

use super::checkpoint::{Checkpoint, Config, Part, Side, Tensor, Weights};
use parasol_core::Result;
use parasol_kernels::{Activations, Compute, DenseAttention, Format, Needs, Prepare};
use std::sync::Arc;

/// ε of every norm.
pub(super) const EPSILON: f32 = 1e-5;

/// Weights and biases of a norm.
pub(super) type Norm = (Vec<f32>, Vec<f32>);

/// A product and its biases.
pub(super) struct Linear {
    pub(super) weight: Tensor,
    pub(super) bias: Vec<f32>,
}

struct Layer {
    attn_norm: Norm,
    query: Linear,
    key: Tensor,
    value: Linear,
    out: Linear,
    ffn_norm: Norm,
    up: Linear,
    down: Linear,
}

/// Loads what both stacks are made of.
pub(super) struct Loader<'a> {
    pub(super) weights: &'a Weights,
    pub(super) width: usize,
}

impl Loader<'_> {
    pub(super) fn norm(&self, side: Side, n: usize, part: Part) -> Result<Norm> {
        let place = self.weights.style().layer(side, n, part);
        self.norm_at(&place.weight(), &place.bias())
    }

    pub(super) fn last_norm(&self, side: Side) -> Result<Norm> {
        let place = self.weights.style().last_norm(side);
        self.norm_at(&place.weight(), &place.bias())
    }

    fn norm_at(&self, weight: &str, bias: &str) -> Result<Norm> {
        let vector = |name: &str| self.weights.vector(name, (0, 1), self.width);
        Ok((vector(weight)?, vector(bias)?))
    }

    pub(super) fn weight(
        &self,
        side: Side,
        n: usize,
        part: Part,
        rows: usize,
        cols: usize,
    ) -> Result<Tensor> {
        self.weights.weight(&self.weights.style().layer(side, n, part), rows, cols)
    }

    pub(super) fn linear(
        &self,
        side: Side,
        n: usize,
        part: Part,
        rows: usize,
        cols: usize,
    ) -> Result<Linear> {
        let place = self.weights.style().layer(side, n, part);
        let bias = self.weights.vector(&place.bias(), place.share, rows)?;
        Ok(Linear { weight: self.weight(side, n, part, rows, cols)?, bias })
    }

    /// A convolution over three frames, its weights (out, in, 3) turned to (out, 3, in), so that it is a product with three
    /// neighbouring frames.
    fn conv(&self, n: usize, inputs: usize) -> Result<Linear> {
        let place = self.weights.style().conv(n);
        let stored = self.weights.weight(&place, self.width, inputs * 3)?.floats();
        let mut turned = vec![0.0; stored.len()];
        for (from, to) in stored.chunks_exact(inputs * 3).zip(turned.chunks_exact_mut(inputs * 3)) {
            for (i, taps) in from.chunks_exact(3).enumerate() {
                for (tap, value) in taps.iter().enumerate() {
                    to[tap * inputs + i] = *value;
                }
            }
        }
        let bias = self.weights.vector(&place.bias(), (0, 1), self.width)?;
        Ok(Linear { weight: Tensor::of_floats(self.width, inputs * 3, &turned), bias })
    }
}

/// What a product with these weights needs of its input. Sixteen bits of a float are enough: the encoder stays within 1e-4 of single
/// precision.
pub(super) fn needs<'a>(tensors: impl IntoIterator<Item = &'a Tensor>) -> Needs {
    Needs::of(tensors.into_iter().map(Tensor::format)).near()
}

/// The encoder of one model.
pub(crate) struct Encoder {
    compute: Arc<Compute>,
    config: Config,
    conv: [Linear; 2],
    positions: Vec<f32>,
    layers: Vec<Layer>,
    norm: Norm,
}

/// Buffers that are kept from window to window.
#[derive(Default)]
pub(crate) struct EncoderWork {
    input: Activations,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
    attended: Vec<f32>,
    hidden: Vec<f32>,
}

impl Encoder {
    pub(crate) fn new(checkpoint: &Checkpoint, compute: Arc<Compute>) -> Result<Self> {
        let (config, weights) = (checkpoint.config.clone(), &checkpoint.weights);
        let (width, side) = (config.width, Side::Encoder);
        let loader = Loader { weights, width };
        let layers = (0..config.encoder_layers).map(|n| {
            Ok(Layer {
                attn_norm: loader.norm(side, n, Part::AttnNorm)?,
                query: loader.linear(side, n, Part::Query, width, width)?,
                key: loader.weight(side, n, Part::Key, width, width)?,
                value: loader.linear(side, n, Part::Value, width, width)?,
                out: loader.linear(side, n, Part::Out, width, width)?,
                ffn_norm: loader.norm(side, n, Part::FfnNorm)?,
                up: loader.linear(side, n, Part::Up, 4 * width, width)?,
                down: loader.linear(side, n, Part::Down, width, 4 * width)?,
            })
        });
        Ok(Self {
            conv: [loader.conv(1, config.mels)?, loader.conv(2, width)?],
            positions: weights.expect(weights.style().positions(side), config.audio_context, width)?.floats(),
            layers: layers.collect::<Result<_>>()?,
            norm: loader.last_norm(side)?,
            compute,
            config,
        })
    }

    /// Frames of mel that it takes.
    pub(crate) fn frames(&self) -> usize {
        2 * self.config.audio_context
    }

    /// (frames, mels) to (audio context, width). `mel` has as many frames as [`Encoder::frames`].
    pub(crate) fn encode(&self, mel: &[f32], work: &mut EncoderWork) -> Vec<f32> {
        let (compute, width) = (&*self.compute, self.config.width);
        assert_eq!(mel.len(), self.frames() * self.config.mels);
        let first = self.convolve(&self.conv[0], mel, self.config.mels, 1, work);
        let mut x = self.convolve(&self.conv[1], &first, width, 2, work);
        compute.add(&mut x, &self.positions);
        for layer in &self.layers {
            self.attend(layer, &mut x, work);
            let norm = Prepare::LayerNorm(&layer.ffn_norm.0, &layer.ffn_norm.1, EPSILON);
            compute.activations(&x, width, norm, needs([&layer.up.weight]), &mut work.input);
            work.hidden.resize(x.len() * 4, 0.0);
            compute.linear(&work.input, [(layer.up.weight.matrix(), &mut work.hidden[..])]);
            let gelu = Prepare::BiasGelu(&layer.up.bias);
            compute.activations(&work.hidden, 4 * width, gelu, needs([&layer.down.weight]), &mut work.input);
            compute.linear_add(&work.input, layer.down.weight.matrix(), &mut x);
            compute.add_bias(&mut x, &layer.down.bias);
        }
        compute.layer_norm(&mut x, &self.norm.0, &self.norm.1, EPSILON);
        x
    }

    fn attend(&self, layer: &Layer, x: &mut [f32], work: &mut EncoderWork) {
        let (compute, width, heads) = (&*self.compute, self.config.width, self.config.encoder_heads);
        let norm = Prepare::LayerNorm(&layer.attn_norm.0, &layer.attn_norm.1, EPSILON);
        let weights = [&layer.query.weight, &layer.key, &layer.value.weight];
        compute.activations(x, width, norm, needs(weights), &mut work.input);
        for buffer in [&mut work.q, &mut work.k, &mut work.v, &mut work.attended] {
            buffer.resize(x.len(), 0.0);
        }
        compute.linear(
            &work.input,
            [
                (layer.query.weight.matrix(), &mut work.q[..]),
                (layer.key.matrix(), &mut work.k[..]),
                (layer.value.weight.matrix(), &mut work.v[..]),
            ],
        );
        compute.add_bias(&mut work.q, &layer.query.bias);
        compute.add_bias(&mut work.v, &layer.value.bias);
        let head_dim = width / heads;
        let shape = DenseAttention { heads, head_dim, scale: 1.0 / (head_dim as f32).sqrt() };
        compute.dense_attention(shape, &work.q, &work.k, &work.v, &mut work.attended);
        compute.activations(
            &work.attended,
            width,
            Prepare::Plain,
            needs([&layer.out.weight]),
            &mut work.input,
        );
        compute.linear_add(&work.input, layer.out.weight.matrix(), x);
        compute.add_bias(x, &layer.out.bias);
    }

    /// A convolution over three frames, zeros around them, every `stride` frames, and GELU: (frames, inputs) to (frames /
    /// stride, width).
    fn convolve(
        &self,
        conv: &Linear,
        x: &[f32],
        inputs: usize,
        stride: usize,
        work: &mut EncoderWork,
    ) -> Vec<f32> {
        let compute = &*self.compute;
        let frames = x.len() / inputs / stride;
        let mut neighbours = vec![0.0; frames * 3 * inputs];
        for (frame, row) in neighbours.chunks_exact_mut(3 * inputs).enumerate() {
            let first = frame * stride * inputs;
            // The frame before the first is zero, and so is the one behind the last.
            let (skip, from) = if first == 0 { (inputs, 0) } else { (0, first - inputs) };
            let to = x.len().min(first + 2 * inputs);
            row[skip..skip + to - from].copy_from_slice(&x[from..to]);
        }
        compute.activations(
            &neighbours,
            3 * inputs,
            Prepare::Plain,
            Needs::of([Format::F32]).near(),
            &mut work.input,
        );
        let mut out = vec![0.0; frames * self.config.width];
        compute.linear(&work.input, [(conv.weight.matrix(), &mut out[..])]);
        compute.add_bias(&mut out, &conv.bias);
        compute.gelu(&mut out);
        out
    }
}
