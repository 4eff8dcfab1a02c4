//! Residual blocks whose norms follow a style.

use super::parts::{Filter, From, Styled};
use parasol_core::Result;
use parasol_kernels::{Bend, Compute};

const LEAKY: Bend<'_> = Bend::Leaky(0.2);

/// Two filters behind styled norms, and what came in; √2 keeps the size. Some double the rows.
pub(super) struct Block {
    norm1: Styled,
    conv1: Filter,
    norm2: Styled,
    conv2: Filter,
    /// For what came in, where the channels change.
    aside: Option<Filter>,
    double: Option<Double>,
}

/// Each row becomes two, by filters of one channel each: three taps, of which the middle one stands on the first of the two.
struct Double {
    /// (channels, taps)
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Block {
    /// The block at this place of the graph with biases of this name, for so many channels that become so many.
    pub(super) fn open(
        from: &From<'_, '_>,
        place: &str,
        name: &str,
        (inputs, outputs): (usize, usize),
        doubles: bool,
    ) -> Result<Self> {
        let conv = |part: &str, inputs: usize| {
            let bias = format!("{name}.{part}.bias");
            from.conv(&format!("{place}/{part}"), Some(&bias), (inputs, outputs))
        };
        let norm = |part: &str, channels: usize| {
            from.styled(&format!("{place}/{part}"), &format!("{name}.{part}.fc.bias"), channels)
        };
        let (conv1, pool) = (conv("conv1", inputs)?, format!("{name}.pool.bias"));
        let double = match doubles {
            false => None,
            true => Some(Double {
                weights: from.graph.floats(&format!("{place}/Mul_output_0"), &[conv1.inputs, 1, 3])?,
                bias: from.graph.floats(&pool, &[conv1.inputs])?,
            }),
        };
        let place = format!("{place}/conv1x1");
        let aside = (inputs != outputs).then(|| from.conv(&place, None, (inputs, outputs))).transpose()?;
        let (norm1, norm2, conv2) =
            (norm("norm1", inputs)?, norm("norm2", outputs)?, conv("conv2", outputs)?);
        Ok(Self { norm1, norm2, conv2, conv1, aside, double })
    }

    pub(super) fn run(&self, compute: &Compute, style: &[f32], x: &[f32]) -> Vec<f32> {
        let (mut y, mut range) = self.norm1.run(compute, style, LEAKY, x);
        if let Some(double) = &self.double {
            y = double.run(&y);
            range = compute.range(&y);
        }
        let y = self.conv1.run(compute, &y, range, None);
        let (y, range) = self.norm2.run(compute, style, LEAKY, &y);
        let channels = self.conv1.inputs;
        let twice: Vec<f32>;
        let x = match self.double {
            None => x,
            Some(_) => {
                twice = x.chunks_exact(channels).flat_map(|row| row.iter().chain(row)).copied().collect();
                &twice
            }
        };
        let aside = self.aside.as_ref().map(|filter| filter.run(compute, x, compute.range(x), None));
        let mut out = self.conv2.run(compute, &y, range, Some(aside.as_deref().unwrap_or(x)));
        out.iter_mut().for_each(|x| *x /= std::f32::consts::SQRT_2);
        out
    }
}

impl Double {
    fn run(&self, x: &[f32]) -> Vec<f32> {
        let channels = self.bias.len();
        let mut out = Vec::with_capacity(2 * x.len());
        let zeros = vec![0.0; channels];
        let rows: Vec<&[f32]> = x.chunks_exact(channels).collect();
        for (i, row) in rows.iter().enumerate() {
            let next = rows.get(i + 1).copied().unwrap_or(&zeros);
            out.extend((0..channels).map(|c| row[c] * self.weights[3 * c + 1] + self.bias[c]));
            out.extend(
                (0..channels)
                    .map(|c| row[c] * self.weights[3 * c + 2] + next[c] * self.weights[3 * c] + self.bias[c]),
            );
        }
        out
    }
}

/// Three pairs of filters behind styled norms and snakes, each pair's sum with what came in kept.
pub(super) struct Snakes {
    pairs: Vec<[(Styled, Snake, Filter); 2]>,
}

struct Snake {
    alpha: Vec<f32>,
    inverse: Vec<f32>,
}

impl Snakes {
    /// The block of so many channels at this place of the graph, with biases of this name.
    pub(super) fn open(from: &From<'_, '_>, place: &str, name: &str, channels: usize) -> Result<Self> {
        let half = |side: usize, i: usize| -> Result<_> {
            let (part, sizes) = (format!("convs{side}.{i}"), (channels, channels));
            let filter =
                from.conv(&format!("{place}/{part}"), Some(&format!("{name}.{part}.bias")), sizes)?;
            let alpha = from.graph.floats(&format!("{name}.alpha{side}.{i}"), &[1, channels, 1])?;
            let inverse = alpha.iter().map(|alpha| 1.0 / alpha).collect();
            let norm = format!("adain{side}.{i}");
            let styled =
                from.styled(&format!("{place}/{norm}"), &format!("{name}.{norm}.fc.bias"), channels)?;
            Ok((styled, Snake { alpha, inverse }, filter))
        };
        let pair = |i: usize| Ok([half(1, i)?, half(2, i)?]);
        Ok(Self { pairs: (0..3).map(pair).collect::<Result<_>>()? })
    }

    pub(super) fn run(&self, compute: &Compute, style: &[f32], x: &[f32]) -> Vec<f32> {
        let mut now = x.to_vec();
        for [(norm1, snake1, conv1), (norm2, snake2, conv2)] in &self.pairs {
            let bend = Bend::Snake(&snake1.alpha, &snake1.inverse);
            let (y, range) = norm1.run(compute, style, bend, &now);
            let y = conv1.run(compute, &y, range, None);
            let bend = Bend::Snake(&snake2.alpha, &snake2.inverse);
            let (y, range) = norm2.run(compute, style, bend, &y);
            now = conv2.run(compute, &y, range, Some(&now));
        }
        now
    }
}
