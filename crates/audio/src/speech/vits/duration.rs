//! How long each phoneme takes: a stochastic predictor that is run backwards, from noise to the logarithm of frames, through rational
//! quadratic splines (Durkan et al., 2019), or a plain one, which draws nothing.

use super::parts::{Condition, Dilated, From, run};
use crate::speech::layers::Norm;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Activation, Compute, Conv1d, Finish, Rows};

/// The splines' ends, and the least width, height and slope of a bin.
const BOUND: f32 = 5.0;
const LEAST: f32 = 1e-3;

/// More bins than this would leave them hardly more than the least: known voices have ten.
const MOST_BINS: usize = 1 << 9;

struct Spline {
    pre: Conv1d,
    convs: Dilated,
    project: Conv1d,
    bins: usize,
}

/// The predictor of either kind.
pub(super) enum Durations {
    Stochastic(Box<Stochastic>),
    Plain(Box<Plain>),
}

impl Durations {
    /// The predictor for rows of so many channels.
    pub(super) fn open(from: &From<'_, '_>, channels: usize) -> Result<Self> {
        match from.has("dp.conv_1") {
            true => Ok(Self::Plain(Box::new(Plain::open(from, channels)?))),
            false => Ok(Self::Stochastic(Box::new(Stochastic::open(from, channels)?))),
        }
    }

    /// The logarithm of each phoneme's frames; `noise` has two numbers for each, scaled.
    pub(super) fn run(
        &self,
        compute: &Compute,
        rows: &[f32],
        noise: &[[f32; 2]],
        speaker: Option<&[f32]>,
    ) -> Vec<f32> {
        match self {
            Self::Stochastic(it) => it.run(compute, rows, noise, speaker),
            Self::Plain(it) => it.run(compute, rows, speaker),
        }
    }
}

/// Two filters with norms after them (Ren et al., "FastSpeech", 2019).
pub(super) struct Plain {
    condition: Condition,
    layers: [(Conv1d, Norm); 2],
    project: Conv1d,
}

impl Plain {
    fn open(from: &From<'_, '_>, channels: usize) -> Result<Self> {
        let layer = |i: usize, inputs: usize| -> Result<_> {
            let conv = from.conv(&format!("dp.conv_{i}"), inputs, None)?;
            let norm = from.norm(&format!("dp.norm_{i}"), conv.shape().outputs)?;
            Ok((conv, norm))
        };
        let first = layer(1, channels)?;
        let second = layer(2, first.0.shape().outputs)?;
        Ok(Self {
            condition: from.condition("dp.cond", channels)?,
            project: from.conv("dp.proj", second.0.shape().outputs, 1)?,
            layers: [first, second],
        })
    }

    fn run(&self, compute: &Compute, rows: &[f32], speaker: Option<&[f32]>) -> Vec<f32> {
        let mut x = rows.to_vec();
        self.condition.add(compute, speaker, &mut x);
        for (conv, norm) in &self.layers {
            let filtered = run(conv, compute, &x, Finish::with(Activation::Relu));
            norm.run(compute, &filtered, &mut x);
        }
        run(&self.project, compute, &x, Finish::default())
    }
}

/// The predictor that draws.
pub(super) struct Stochastic {
    pre: Conv1d,
    condition: Condition,
    convs: Dilated,
    project: Conv1d,
    /// In the order in which they are run.
    splines: Vec<Spline>,
    shift: f32,
    scale: f32,
}

impl Stochastic {
    fn open(from: &From<'_, '_>, channels: usize) -> Result<Self> {
        let pre = from.conv("dp.pre", channels, None)?;
        let width = pre.shape().outputs;
        let mut splines = Vec::new();
        // The forward pass has one more at its beginning, which the backward pass leaves out.
        for flow in [7, 5, 3] {
            let name = format!("dp.flows.{flow}");
            let project = from.conv(&format!("{name}.proj"), width, None)?;
            let outputs = project.shape().outputs;
            if outputs % 3 != 2 || !(5..3 * MOST_BINS).contains(&outputs) {
                let message =
                    format!("the voice's splines have {outputs} numbers, which makes no whole bins");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            // What the phoneme says is added to what the first of a pair does.
            let pre = from.conv(&format!("{name}.pre"), 1, width)?;
            let convs = Dilated::open(from, &format!("{name}.convs"), width)?;
            splines.push(Spline { pre, convs, project, bins: outputs / 3 + 1 });
        }
        // Of the pair only the first is told as a duration.
        let first = |name: &str| from.graph.floats(name, &[2, 1]).map(|values| values[0]);
        let scale = match from.graph.has("dp.flows.0.logs") {
            true => (-first("dp.flows.0.logs")?).exp(),
            false => scale(from)?,
        };
        Ok(Self {
            pre,
            condition: from.condition("dp.cond", width)?,
            convs: Dilated::open(from, "dp.convs", width)?,
            project: from.conv("dp.proj", width, width)?,
            splines,
            shift: first("dp.flows.0.m")?,
            scale,
        })
    }

    fn run(&self, compute: &Compute, rows: &[f32], noise: &[[f32; 2]], speaker: Option<&[f32]>) -> Vec<f32> {
        let mut x = run(&self.pre, compute, rows, Finish::default());
        self.condition.add(compute, speaker, &mut x);
        self.convs.run(compute, &mut x);
        let x = run(&self.project, compute, &x, Finish::default());
        let mut z = noise.to_vec();
        for spline in &self.splines {
            z.iter_mut().for_each(|pair| pair.swap(0, 1));
            spline.back(compute, &x, &mut z);
        }
        z.iter().map(|pair| (pair[1] - self.shift) * self.scale).collect()
    }
}

/// exp(−logs) of the last flow, of which an exporter folds as much into a constant as it can: what is multiplied with the difference
/// from its shift.
fn scale(from: &From<'_, '_>) -> Result<f32> {
    let unlike = || {
        let message = "the voice's layer dp.flows.0 scales durations in a way that is not known";
        Error::new(ErrorKind::Unsupported, message)
    };
    let shifted = from.graph.reader("dp.flows.0.m")?.outputs.first().ok_or_else(unlike)?;
    let product = from.graph.reader(shifted)?;
    let mut name = *product.inputs.iter().find(|input| *input != shifted).ok_or_else(unlike)?;
    // What is done to the constant, the last first: an exponent, a sign before it.
    let mut done = Vec::new();
    while let Some(node) = from.graph.maker(name) {
        let ("Exp" | "Neg", [input], 0..2) = (node.operation, &node.inputs[..], done.len()) else {
            return Err(unlike());
        };
        done.push(node.operation);
        name = input;
    }
    let value = from.graph.floats(name, &[2, 1])?[0];
    Ok(done.iter().rev().fold(value, |x, what| if *what == "Exp" { x.exp() } else { -x }))
}

impl Spline {
    /// The second of each pair, by what the first and the phoneme say.
    fn back(&self, compute: &Compute, x: &[f32], z: &mut [[f32; 2]]) {
        let first: Vec<f32> = z.iter().map(|pair| pair[0]).collect();
        let width = self.pre.shape().outputs;
        let add = Finish { add: Some(Rows::new(x, width)), ..Finish::default() };
        let mut h = run(&self.pre, compute, &first, add);
        self.convs.run(compute, &mut h);
        let says = run(&self.project, compute, &h, Finish::default());
        let by = 1.0 / (width as f32).sqrt();
        for (pair, says) in z.iter_mut().zip(says.chunks_exact(self.project.shape().outputs)) {
            let (widths, rest) = says.split_at(self.bins);
            let (heights, slopes) = rest.split_at(self.bins);
            let scaled = |values: &[f32]| -> Vec<f32> { values.iter().map(|v| v * by).collect() };
            pair[1] = inverse(pair[1], &edges(&scaled(widths)), &edges(&scaled(heights)), slopes);
        }
    }
}

/// The edges of bins from −[`BOUND`] to [`BOUND`] whose sizes are a softmax, none smaller than [`LEAST`] of the whole.
fn edges(sizes: &[f32]) -> Vec<f32> {
    let largest = sizes.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let grown: Vec<f32> = sizes.iter().map(|s| (s - largest).exp()).collect();
    let total: f32 = grown.iter().sum();
    let share = 1.0 - LEAST * sizes.len() as f32;
    let mut sum = 0.0;
    let mut edges = vec![-BOUND];
    for size in grown {
        sum += LEAST + share * size / total;
        edges.push(2.0 * BOUND * sum - BOUND);
    }
    if let Some(last) = edges.last_mut() {
        *last = BOUND;
    }
    edges
}

/// The x at which the spline has the height `y`.
fn inverse(y: f32, xs: &[f32], ys: &[f32], slopes: &[f32]) -> f32 {
    // Also what is no number stays what it is.
    if !(-BOUND..=BOUND).contains(&y) {
        return y;
    }
    let bins = xs.len() - 1;
    let bin = ys[1..bins].iter().filter(|edge| y >= **edge).count();
    let (x, width) = (xs[bin], xs[bin + 1] - xs[bin]);
    let (low, height) = (ys[bin], ys[bin + 1] - ys[bin]);
    // Slopes at the ends are 1.
    let slope = |edge: usize| match edge {
        0 => 1.0,
        _ if edge == bins => 1.0,
        _ => LEAST + softplus(slopes[edge - 1]),
    };
    let (left, right, delta) = (slope(bin), slope(bin + 1), height / width);
    let (up, bend) = (y - low, left + right - 2.0 * delta);
    let a = up * bend + height * (delta - left);
    let b = height * left - up * bend;
    let c = -delta * up;
    let root = 2.0 * c / (-b - (b * b - 4.0 * a * c).max(0.0).sqrt());
    root * width + x
}

fn softplus(x: f32) -> f32 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spline_goes_through_its_edges_and_rises() {
        let (widths, heights, slopes) = ([0.3, -1.0, 2.0, 0.0], [1.0, 0.5, -0.7, 0.2], [0.1, -2.0, 1.5]);
        let (xs, ys) = (edges(&widths), edges(&heights));
        for (x, y) in xs.iter().zip(&ys) {
            assert!((inverse(*y, &xs, &ys, &slopes) - x).abs() < 1e-4, "{y}");
        }
        let path: Vec<f32> = (-60..=60).map(|i| inverse(i as f32 * 0.1, &xs, &ys, &slopes)).collect();
        assert!(path.is_sorted(), "{path:?}");
        assert_eq!((path[0], path[120]), (-6.0, 6.0));
        assert!(inverse(f32::NAN, &xs, &ys, &slopes).is_nan());
    }
}
