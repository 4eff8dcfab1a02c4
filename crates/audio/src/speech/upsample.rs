//! Filters that make a sound longer: the transposed convolutions of HiFi-GAN and iSTFTNet.

use super::onnx::{Node, Tensor};
use parasol_core::Result;
use parasol_kernels::{Compute, Conv1d, ConvShape, Enter, Exactness, Finish, Rows};
use std::ops::Range;

/// A transposed convolution: each row becomes `stride` rows, into which its neighbours reach. As a product, one row of it holds
/// `stride` rows of the output.
pub(crate) struct Upsample {
    conv: Conv1d,
    stride: usize,
    pad: usize,
    kernel: usize,
    outputs: usize,
}

impl Upsample {
    /// The filter of this node with these weights (inputs, outputs, rows that one reaches over), each multiplied by a scale, and a bias for
    /// each output; `None` where it is of another kind.
    ///
    /// # Errors
    /// `Corrupt` when the weights are no floats.
    pub(crate) fn open(
        compute: &Compute,
        tensor: Tensor<'_>,
        node: &Node<'_>,
        bias: &[f32],
        (scale, exactness): (f32, Exactness),
    ) -> Result<Option<Self>> {
        let (&[inputs, outputs, kernel], &[stride]) = (tensor.dims(), node.ints("strides")) else {
            return Ok(None);
        };
        let small = |n: i64| usize::try_from(n).ok().filter(|n| *n <= 64);
        let pad = match node.ints("pads") {
            [] => Some(0),
            [before, after] if before == after => small(*before),
            _ => None,
        };
        let (Some(stride), Some(pad)) = (small(stride).filter(|stride| *stride > 0), pad) else {
            return Ok(None);
        };
        let plain = node.operation == "ConvTranspose"
            && matches!(node.ints("group"), [] | [1])
            && matches!(node.ints("dilations"), [] | [1])
            && matches!(node.ints("output_padding"), [] | [0])
            && node.ints("output_shape").is_empty();
        let some = inputs > 0 && outputs > 0 && bias.len() == outputs;
        // Rows that reach over more than four of those that come in would make more than `stride` of each.
        if !plain || !some || !(stride..=4 * stride).contains(&kernel) || 2 * pad > kernel {
            return Ok(None);
        }
        let values = tensor.floats()?;
        let taps = kernel.div_ceil(stride);
        let shape = ConvShape { inputs, outputs: stride * outputs, taps, dilation: 1, before: taps - 1 };
        let bias: Vec<f32> = bias.iter().cycle().take(stride * outputs).copied().collect();
        let conv = Conv1d::exact(compute.isa(), exactness, shape, &bias, |output, input, tap| {
            // Tap 0 sees the oldest row, whose share lies furthest into the kernel.
            let at = output / outputs + (taps - 1 - tap) * stride;
            let weight = (at < kernel).then(|| values[(input * outputs + output % outputs) * kernel + at]);
            weight.unwrap_or(0.0) * scale
        });
        Ok(Some(Self { conv, stride, pad, kernel, outputs }))
    }

    /// Rows that each becomes.
    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// Channels that go out.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Rows that go out where `values` numbers come in.
    pub(crate) fn length(&self, values: usize) -> usize {
        match values / self.conv.shape().inputs {
            0 => 0,
            rows => ((rows - 1) * self.stride + self.kernel).saturating_sub(2 * self.pad),
        }
    }

    /// The rows `wanted` of (rows, outputs), of `x` (rows, inputs), which `enter` before.
    pub(crate) fn run(
        &self,
        compute: &Compute,
        x: &[f32],
        enter: Enter,
        wanted: Range<usize>,
        out: &mut Vec<f32>,
    ) {
        // The product's rows begin `pad` rows before the first.
        let (from, to) = (wanted.start + self.pad, wanted.end + self.pad);
        let rows = from / self.stride..to.div_ceil(self.stride);
        out.resize(rows.len() * self.stride * self.outputs, 0.0);
        let x = Rows::new(x, self.conv.shape().inputs);
        compute.conv1d_from(&self.conv, x, rows.start, enter, Finish::default(), out);
        out.truncate((to - rows.start * self.stride) * self.outputs);
        out.drain(..(from - rows.start * self.stride) * self.outputs);
    }
}
