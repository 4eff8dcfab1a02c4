//! A flow that is run backwards, from noise around the phonemes' means to what the sound is made of.

use super::parts::{From, run};
use parasol_core::Result;
use parasol_kernels::{Compute, Conv1d, Finish, Rows};

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
                    from.near(&format!("{name}.enc.in_layers.{i}"), 1.0)?,
                    from.near(&format!("{name}.enc.res_skip_layers.{i}"), 1.0)?,
                ));
            }
            couplings.push(Coupling {
                pre: from.near(&format!("{name}.pre"), 1.0)?,
                layers,
                post: from.near(&format!("{name}.post"), 1.0)?,
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
        compute.conv1d(&self.pre, Rows::strided(z, 0, rows, channels), Finish::default(), &mut x);
        let mut sum = vec![0.0; rows * width];
        for (gate, split) in &self.layers {
            let gates = run(gate, compute, &x, Finish::default());
            let mut opened = vec![0.0; rows * width];
            compute.gates(&gates, width, &mut opened);
            let both = run(split, compute, &opened, Finish::default());
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
        run(&self.post, compute, &sum, Finish::default())
    }
}
