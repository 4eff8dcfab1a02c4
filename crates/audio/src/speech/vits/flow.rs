//! A flow that is run backwards, from noise around the phonemes' means to what the sound is made of.

use super::parts::{Condition, From, at_least_one, run};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Conv1d, Finish, Rows};

/// One coupling: half of the channels says what is taken off the other half, through gated filters (WaveNet).
struct Coupling {
    pre: Conv1d,
    layers: Vec<(Conv1d, Conv1d)>,
    /// What a speaker adds to the gates of all layers, one after the other.
    condition: Condition,
    post: Conv1d,
}

/// The flow.
pub(super) struct Flow {
    /// In the order in which they are run.
    couplings: Vec<Coupling>,
}

impl Flow {
    /// The flow of rows of so many channels.
    pub(super) fn open(from: &From<'_, '_>, channels: usize) -> Result<Self> {
        if !channels.is_multiple_of(2) {
            let message = format!("the voice's flow has {channels} channels, which have no halves");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        // Between them channels are turned round, which counts as a flow of its own.
        let name = |i: usize| format!("flow.flows.{}", 2 * i);
        let count = at_least_one(from.count(|i| format!("{}.pre", name(i)))?, "flow")?;
        let couplings = (0..count).rev().map(|i| Coupling::open(from, &name(i), channels / 2));
        Ok(Self { couplings: couplings.collect::<Result<_>>()? })
    }

    /// z (frames, channels) in place.
    pub(super) fn run(&self, compute: &Compute, z: &mut [f32], channels: usize, speaker: Option<&[f32]>) {
        for coupling in &self.couplings {
            z.chunks_exact_mut(channels).for_each(<[f32]>::reverse);
            let taken = coupling.run(compute, z, channels, speaker);
            let half = channels / 2;
            for (row, taken) in z.chunks_exact_mut(channels).zip(taken.chunks_exact(half)) {
                row[half..].iter_mut().zip(taken).for_each(|(x, taken)| *x -= taken);
            }
        }
    }
}

impl Coupling {
    fn open(from: &From<'_, '_>, name: &str, half: usize) -> Result<Self> {
        let pre = from.near(&format!("{name}.pre"), 1.0, half, None)?;
        let width = pre.shape().outputs;
        let count = at_least_one(from.count(|i| format!("{name}.enc.in_layers.{i}"))?, name)?;
        let layer = |i: usize| -> Result<_> {
            // The last has no next.
            let both = if i + 1 == count { width } else { 2 * width };
            Ok((
                from.near(&format!("{name}.enc.in_layers.{i}"), 1.0, width, 2 * width)?,
                from.near(&format!("{name}.enc.res_skip_layers.{i}"), 1.0, width, both)?,
            ))
        };
        Ok(Self {
            layers: (0..count).map(layer).collect::<Result<_>>()?,
            condition: from.condition(&format!("{name}.enc.cond_layer"), 2 * width * count)?,
            post: from.near(&format!("{name}.post"), 1.0, width, half)?,
            pre,
        })
    }

    fn run(&self, compute: &Compute, z: &[f32], channels: usize, speaker: Option<&[f32]>) -> Vec<f32> {
        let (rows, width) = (z.len() / channels, self.pre.shape().outputs);
        let mut x = vec![0.0; rows * width];
        compute.conv1d(&self.pre, Rows::strided(z, 0, rows, channels), Finish::default(), &mut x);
        let mut sum = vec![0.0; rows * width];
        let said = self.condition.of(compute, speaker);
        for (layer, (gate, split)) in self.layers.iter().enumerate() {
            let mut gates = run(gate, compute, &x, Finish::default());
            if let Some(said) = &said {
                compute.add_bias(&mut gates, &said[2 * width * layer..2 * width * (layer + 1)]);
            }
            let mut opened = vec![0.0; rows * width];
            compute.gates(&gates, width, &mut opened);
            let both = run(split, compute, &opened, Finish::default());
            match split.shape().outputs == width {
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
        run(&self.post, compute, &sum, Finish::default())
    }
}
