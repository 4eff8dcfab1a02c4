//! Convolutions along time and products of bytes. f64 inside, f32 outside.

use crate::{ConvShape, Quantisation};

/// A convolution of `x` (rows × inputs), as many rows out: row t sees the rows `t − before + tap · dilation`, those outside
/// being zero. `weight` tells the weight of an output, an input and a tap.
///
/// # Panics
/// When `x` is not whole rows.
pub fn conv1d(
    shape: ConvShape,
    bias: &[f32],
    weight: impl Fn(usize, usize, usize) -> f32,
    x: &[f32],
) -> Vec<f32> {
    assert!(x.len().is_multiple_of(shape.inputs));
    let rows = x.len() / shape.inputs;
    let mut out = Vec::with_capacity(rows * shape.outputs);
    for t in 0..rows {
        for output in 0..shape.outputs {
            let mut sum = bias.get(output).copied().map_or(0.0, f64::from);
            for tap in 0..shape.taps {
                let Some(from) = (t + tap * shape.dilation).checked_sub(shape.before).filter(|f| *f < rows)
                else {
                    continue;
                };
                for input in 0..shape.inputs {
                    sum += f64::from(x[from * shape.inputs + input]) * f64::from(weight(output, input, tap));
                }
            }
            out.push(sum as f32);
        }
    }
    out
}

/// Filters of one channel each, as [`crate::Depthwise`] says.
///
/// # Panics
/// When the slices do not belong together.
pub fn depthwise(x: &[f32], it: crate::Depthwise<'_>) -> Vec<f32> {
    let channels = it.bias.len();
    let rows = x.len() / channels;
    let mut out = Vec::with_capacity(x.len());
    for t in 0..rows {
        for c in 0..channels {
            let mut sum = f64::from(it.bias[c]);
            for tap in 0..it.taps {
                let from = (t + tap * it.dilation).checked_sub(it.taps / 2 * it.dilation);
                if let Some(from) = from.filter(|from| *from < rows) {
                    sum += f64::from(x[from * channels + c]) * f64::from(it.weights[tap * channels + c]);
                }
            }
            out.push(sum as f32);
        }
    }
    out
}

/// The product of `x` (rows × inputs), quantised by `by`, with `weights` (inputs × outputs), each of which means
/// scale · (weight − zero).
pub fn byte_product(
    x: &[f32],
    by: Quantisation,
    weights: &[u8],
    outputs: usize,
    scale: f32,
    zero: u8,
) -> Vec<f32> {
    let inputs = weights.len() / outputs;
    let mut out = Vec::new();
    for row in x.chunks(inputs) {
        let bytes: Vec<i64> = row
            .iter()
            .map(|x| ((x / by.scale).round_ties_even() as i64 + i64::from(by.zero)).clamp(0, 255))
            .collect();
        for output in 0..outputs {
            let sum: i64 = (0..inputs)
                .map(|i| {
                    (bytes[i] - i64::from(by.zero))
                        * (i64::from(weights[i * outputs + output]) - i64::from(zero))
                })
                .sum();
            out.push(sum as f32 * (by.scale * scale));
        }
    }
    out
}
