//! Frames to samples: a flow that is run backwards, from noise around the phonemes' means to what the sound is made of, and HiFi-GAN
//! (Kong et al., 2020).

use super::parts::{From, Upsample, run};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activation, Compute, Conv1d, Finish, Function, Rows};

/// What negative values are multiplied by before a filter, and before the last one.
const LEAKY: f32 = 0.1;
const LAST_LEAKY: f32 = 0.01;

/// One coupling: half of the channels says what is taken off the other half, through gated filters (WaveNet).
struct Coupling {
    pre: Conv1d,
    layers: Vec<(Conv1d, Conv1d)>,
    post: Conv1d,
}

/// The flow.
pub(super) struct Flow {
    /// In the order in which they are run.
    couplings: Vec<Coupling>,
}

impl Flow {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let mut couplings = Vec::new();
        // Between them channels are turned round, which counts as a flow of its own.
        while from.graph.has(&format!("flow.flows.{}.pre.bias", 2 * couplings.len())) && couplings.len() < 64
        {
            let name = format!("flow.flows.{}", 2 * couplings.len());
            let mut layers = Vec::new();
            while from.graph.has(&format!("{name}.enc.in_layers.{}.bias", layers.len())) && layers.len() < 64
            {
                let i = layers.len();
                layers.push((
                    from.conv(&format!("{name}.enc.in_layers.{i}"), 1.0)?,
                    from.conv(&format!("{name}.enc.res_skip_layers.{i}"), 1.0)?,
                ));
            }
            couplings.push(Coupling {
                pre: from.conv(&format!("{name}.pre"), 1.0)?,
                layers,
                post: from.conv(&format!("{name}.post"), 1.0)?,
            });
        }
        couplings.reverse();
        Ok(Self { couplings })
    }

    /// z (frames, channels) in place.
    pub(super) fn run(&self, compute: &Compute, z: &mut [f32], channels: usize) {
        for coupling in &self.couplings {
            z.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
            let taken = coupling.run(compute, z, channels);
            let half = channels / 2;
            for (row, taken) in z.chunks_exact_mut(channels).zip(taken.chunks_exact(half)) {
                row[half..].iter_mut().zip(taken).for_each(|(x, taken)| *x -= taken);
            }
        }
    }
}

impl Coupling {
    fn run(&self, compute: &Compute, z: &[f32], channels: usize) -> Vec<f32> {
        let (rows, width) = (z.len() / channels, self.pre.shape().outputs);
        let mut x = vec![0.0; rows * width];
        compute.conv1d(&self.pre, Rows::strided(z, 0, rows, channels), None, Finish::default(), &mut x);
        let mut sum = vec![0.0; rows * width];
        for (gate, split) in &self.layers {
            let gates = run(gate, compute, &x, None, Finish::default());
            let opened = open_gates(compute, &gates, width);
            let both = run(split, compute, &opened, None, Finish::default());
            match split.shape().outputs == width {
                // The last has no next.
                true => compute.add(&mut sum, &both),
                false => {
                    for (i, both) in both.chunks_exact(2 * width).enumerate() {
                        let row = i * width..(i + 1) * width;
                        x[row.clone()].iter_mut().zip(&both[..width]).for_each(|(x, y)| *x += y);
                        sum[row].iter_mut().zip(&both[width..]).for_each(|(x, y)| *x += y);
                    }
                }
            }
        }
        run(&self.post, compute, &sum, None, Finish::default())
    }
}

/// tanh of the first half of each row times sigmoid of the second.
fn open_gates(compute: &Compute, gates: &[f32], width: usize) -> Vec<f32> {
    let half = |from: usize| -> Vec<f32> {
        gates.chunks_exact(2 * width).flat_map(|row| &row[from..from + width]).copied().collect()
    };
    let (mut a, mut b) = (half(0), half(width));
    compute.apply(Function::Tanh, &mut a);
    compute.apply(Function::Sigmoid, &mut b);
    a.iter_mut().zip(&b).for_each(|(a, b)| *a *= b);
    a
}

/// Filters whose sum with what came in is kept, one after the other; in pairs where the voice is of the larger kind.
struct Residual {
    convs: Vec<(Conv1d, Option<Conv1d>)>,
}

struct Stage {
    up: Upsample,
    blocks: Vec<Residual>,
}

/// HiFi-GAN.
pub(super) struct Decoder {
    pre: Conv1d,
    stages: Vec<Stage>,
    post: Conv1d,
}

/// Numbers that a stage may make of one frame: known voices reach 8 192.
const LARGEST_FRAME: usize = 1 << 14;

impl Decoder {
    pub(super) fn open(from: &From<'_, '_>) -> Result<Self> {
        let pieces =
            |name: &dyn Fn(usize) -> String| (0..64).take_while(|i| from.graph.has(&name(*i))).count();
        let ups = pieces(&|i| format!("dec.ups.{i}.weight"));
        let small = |block: usize| format!("dec.resblocks.{block}.convs.0.weight");
        let large = |block: usize| format!("dec.resblocks.{block}.convs1.0.bias");
        let blocks = pieces(&small).max(pieces(&large));
        if ups == 0 || blocks == 0 || blocks % ups != 0 {
            let message = format!("the voice has {blocks} blocks for {ups} stages, which is no HiFi-GAN");
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let each = blocks / ups;
        // A stage's blocks are averaged: the next filter's weights are divided by their number instead.
        let share = 1.0 / each as f32;
        let mut stages = Vec::new();
        let mut grown = 1usize;
        for stage in 0..ups {
            let residual = |block: usize| -> Result<Residual> {
                let name = format!("dec.resblocks.{block}");
                let mut convs = Vec::new();
                for i in 0..64 {
                    if from.graph.has(&format!("{name}.convs.{i}.bias")) {
                        convs.push((from.conv(&format!("{name}.convs.{i}"), 1.0)?, None));
                    } else if from.graph.has(&format!("{name}.convs1.{i}.bias")) {
                        let second = from.conv(&format!("{name}.convs2.{i}"), 1.0)?;
                        convs.push((from.conv(&format!("{name}.convs1.{i}"), 1.0)?, Some(second)));
                    }
                }
                Ok(Residual { convs })
            };
            let up = from.upsample(&format!("dec.ups.{stage}"), if stage == 0 { 1.0 } else { share })?;
            grown = grown.saturating_mul(up.stride());
            if grown.saturating_mul(up.outputs()) > LARGEST_FRAME {
                let message = "the voice makes more of a frame than any HiFi-GAN does";
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            let blocks = (stage * each..(stage + 1) * each).map(residual).collect::<Result<_>>()?;
            stages.push(Stage { up, blocks });
        }
        Ok(Self { pre: from.conv("dec.conv_pre", 1.0)?, stages, post: from.conv("dec.conv_post", share)? })
    }

    /// Samples for (frames, channels).
    pub(super) fn run(&self, compute: &Compute, frames: &[f32]) -> Vec<f32> {
        let mut x = run(&self.pre, compute, frames, None, Finish::default());
        for stage in &self.stages {
            x = stage.up.run(compute, &x, LEAKY);
            let channels = stage.up.outputs();
            let mut sum: Vec<f32> = Vec::new();
            for block in &stage.blocks {
                let y = block.run(compute, &x, channels);
                if sum.is_empty() { sum = y } else { compute.add(&mut sum, &y) }
            }
            x = sum;
        }
        run(&self.post, compute, &x, Some(LAST_LEAKY), Finish::with(Activation::Tanh))
    }
}

impl Residual {
    fn run(&self, compute: &Compute, x: &[f32], channels: usize) -> Vec<f32> {
        let mut now: Option<Vec<f32>> = None;
        for (first, second) in &self.convs {
            let x = now.as_deref().unwrap_or(x);
            let add = Finish { add: Some(Rows::new(x, channels)), ..Finish::default() };
            now = Some(match second {
                None => run(first, compute, x, Some(LEAKY), add),
                Some(second) => {
                    let inner = run(first, compute, x, Some(LEAKY), Finish::default());
                    run(second, compute, &inner, Some(LEAKY), add)
                }
            });
        }
        now.unwrap_or_else(|| x.to_vec())
    }
}
