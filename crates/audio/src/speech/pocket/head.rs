//! What draws the next latent: an MLP whose norms are shifted and scaled by a condition (Li et al., "Autoregressive Image
//! Generation without Vector Quantization", 2024), and the ways from noise to latent that voices of this family were trained for.

use super::config::FlowKind;
use super::weights::{Linear, Weights};
use parasol_core::Result;
use parasol_kernels::{Compute, Prepare};

/// Values of a time's sines and cosines.
const TIME_WIDTH: usize = 256;
/// ε of the norms of blocks, and of times.
const EPSILON: f32 = 1e-6;
const TIME_EPSILON: f32 = 1e-5;

struct Block {
    norm: (Vec<f32>, Vec<f32>),
    wide: Linear,
    narrow: Linear,
    modulation: Linear,
}

/// A time becomes a vector.
struct Time {
    frequencies: Vec<f32>,
    first: Linear,
    second: Linear,
    alpha: Vec<f32>,
}

/// The head of one voice.
pub(super) struct Head {
    kind: FlowKind,
    width: usize,
    condition: Linear,
    input: Linear,
    blocks: Vec<Block>,
    last: Linear,
    last_modulation: Linear,
    /// What each step adds to the condition: its times.
    steps: Vec<Vec<f32>>,
}

/// Sizes of a head.
pub(super) struct HeadSizes {
    pub(super) latent: usize,
    pub(super) width: usize,
    pub(super) condition: usize,
    pub(super) depth: usize,
}

impl Head {
    /// The head under `name`.
    ///
    /// # Errors
    /// `Corrupt` when a tensor is missing or has another shape.
    pub(super) fn open(
        weights: &Weights,
        compute: &Compute,
        name: &str,
        sizes: &HeadSizes,
        kind: FlowKind,
    ) -> Result<Self> {
        let &HeadSizes { latent, width, condition, depth } = sizes;
        let linear = |part: &str, sizes| Linear::open(weights, &format!("{name}.{part}"), sizes, true);
        let block = |n: usize| {
            let part = |part: &str| format!("res_blocks.{n}.{part}");
            Ok(Block {
                norm: weights.norm(&format!("{name}.{}", part("in_ln")), width)?,
                wide: linear(&part("mlp.0"), (width, width))?,
                narrow: linear(&part("mlp.2"), (width, width))?,
                modulation: linear(&part("adaLN_modulation.1"), (width, 3 * width))?,
            })
        };
        let time = |n: usize| {
            let part = |part: &str| format!("time_embed.{n}.{part}");
            Ok(Time {
                frequencies: weights.vector(&format!("{name}.{}", part("freqs")), TIME_WIDTH / 2)?,
                first: linear(&part("mlp.0"), (TIME_WIDTH, width))?,
                second: linear(&part("mlp.2"), (width, width))?,
                alpha: weights.vector(&format!("{name}.{}", part("mlp.3.alpha")), width)?,
            })
        };
        let times = (0..kind.times()).map(time).collect::<Result<Vec<_>>>()?;
        let count = kind.steps();
        let steps = (0..count).map(|step| {
            // From this time, to that one.
            let ends = [step, step + 1].map(|step| step as f32 / count as f32);
            embedded(compute, &times, &ends, width)
        });
        Ok(Self {
            kind,
            width,
            condition: linear("cond_embed", (condition, width))?,
            input: linear("input_proj", (latent, width))?,
            blocks: (0..depth).map(block).collect::<Result<_>>()?,
            last: linear("final_layer.linear", (width, latent))?,
            last_modulation: linear("final_layer.adaLN_modulation.1", (width, 2 * width))?,
            steps: steps.collect(),
        })
    }

    /// The latent that becomes of noise under a condition.
    pub(super) fn draw(&self, compute: &Compute, condition: &[f32], noise: &[f32]) -> Vec<f32> {
        let condition = self.condition.run(compute, condition, Prepare::Plain);
        let mut latent = noise.to_vec();
        for time in &self.steps {
            let mut under: Vec<f32> = condition.iter().zip(time).map(|(c, t)| c + t).collect();
            under.iter_mut().for_each(|x| *x = silu(*x));
            let flow = self.flow(compute, &under, &latent);
            if self.kind == FlowKind::Drifting {
                return flow;
            }
            let share = 1.0 / self.steps.len() as f32;
            latent.iter_mut().zip(flow).for_each(|(x, flow)| *x += flow * share);
        }
        latent
    }

    /// The MLP of `x` under the activated condition.
    fn flow(&self, compute: &Compute, under: &[f32], x: &[f32]) -> Vec<f32> {
        let width = self.width;
        let mut x = self.input.run(compute, x, Prepare::Plain);
        let (ones, zeros) = (vec![1.0; width], vec![0.0; width]);
        for block in &self.blocks {
            let modulation = block.modulation.run(compute, under, Prepare::Plain);
            let (shift, rest) = modulation.split_at(width);
            let (scale, gate) = rest.split_at(width);
            let mut hidden = x.clone();
            compute.layer_norm(&mut hidden, &block.norm.0, &block.norm.1, EPSILON);
            modulate(&mut hidden, shift, scale);
            let mut hidden = block.wide.run(compute, &hidden, Prepare::Plain);
            hidden.iter_mut().for_each(|x| *x = silu(*x));
            let hidden = block.narrow.run(compute, &hidden, Prepare::Plain);
            x.iter_mut().zip(hidden.iter().zip(gate)).for_each(|(x, (h, gate))| *x += gate * h);
        }
        let modulation = self.last_modulation.run(compute, under, Prepare::Plain);
        let (shift, scale) = modulation.split_at(width);
        compute.layer_norm(&mut x, &ones, &zeros, EPSILON);
        modulate(&mut x, shift, scale);
        self.last.run(compute, &x, Prepare::Plain)
    }
}

/// The mean of what the times become; zeros where there are none.
fn embedded(compute: &Compute, times: &[Time], at: &[f32], width: usize) -> Vec<f32> {
    let mut mean = vec![0.0; width];
    for (time, at) in times.iter().zip(at) {
        let share = 1.0 / times.len() as f32;
        mean.iter_mut().zip(time.run(compute, *at)).for_each(|(mean, x)| *mean += x * share);
    }
    mean
}

impl Time {
    fn run(&self, compute: &Compute, at: f32) -> Vec<f32> {
        let angles = self.frequencies.iter().map(|f| f * at);
        let waves: Vec<f32> = angles.clone().map(f32::cos).chain(angles.map(f32::sin)).collect();
        let mut hidden = self.first.run(compute, &waves, Prepare::Plain);
        hidden.iter_mut().for_each(|x| *x = silu(*x));
        let mut out = self.second.run(compute, &hidden, Prepare::Plain);
        // The reference divides by the deviation, of n − 1 values, and leaves the mean where it is.
        let count = out.len() as f32;
        let mean = out.iter().sum::<f32>() / count;
        let variance = out.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / (count - 1.0).max(1.0);
        let inverse = 1.0 / (variance + TIME_EPSILON).sqrt();
        out.iter_mut().zip(&self.alpha).for_each(|(x, alpha)| *x *= alpha * inverse);
        out
    }
}

fn modulate(x: &mut [f32], shift: &[f32], scale: &[f32]) {
    x.iter_mut().zip(shift.iter().zip(scale)).for_each(|(x, (shift, scale))| *x = *x * (1.0 + scale) + shift);
}

/// x · sigmoid(x)
fn silu(x: f32) -> f32 {
    x / (1.0 + (-x).exp())
}
