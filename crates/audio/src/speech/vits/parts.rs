//! The parts of which VITS is built, with weights found in the graph by the name of their bias.

use crate::speech::layers::{Norm, Separate, size};
use crate::speech::onnx::Graph;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Compute, Conv1d, ConvShape, Enter, Exactness, Finish, Rows};
use std::ops::Range;

/// What says where a layer's weights are.
pub(super) struct From<'a, 'g> {
    pub(super) graph: &'g Graph<'a>,
    pub(super) compute: &'g Compute,
}

impl From<'_, '_> {
    /// The filter with the bias `NAME.bias`, or with the weights `NAME.weight` where it has none. Exported files fold weights
    /// together and give them new names, so the node that reads the bias tells; it also tells dilation and padding. Weights are
    /// multiplied by `scale`.
    pub(super) fn conv(&self, name: &str, scale: f32) -> Result<Conv1d> {
        self.filter(name, scale, Exactness::Single)
    }

    /// The same where 16 bits of each number are enough: what comes after it is heard and decides nothing.
    pub(super) fn near(&self, name: &str, scale: f32) -> Result<Conv1d> {
        self.filter(name, scale, Exactness::Near)
    }

    fn filter(&self, name: &str, scale: f32, exactness: Exactness) -> Result<Conv1d> {
        let bias_name = format!("{name}.bias");
        let with_bias = self.graph.has(&bias_name);
        let read = if with_bias { bias_name.clone() } else { format!("{name}.weight") };
        let node = self.graph.reader(&read)?;
        let wrong =
            || Error::new(ErrorKind::Unsupported, format!("the voice's layer {name} is no plain filter"));
        let ("Conv", Some(weights)) = (node.operation, node.inputs.get(1)) else { return Err(wrong()) };
        let tensor = self.graph.tensor(weights)?;
        let &[outputs, inputs, taps] = tensor.dims() else { return Err(wrong()) };
        let one = |values: &[i64], default: i64| values.first().copied().unwrap_or(default);
        if one(node.ints("group"), 1) != 1 || one(node.ints("strides"), 1) != 1 || tensor.dims().contains(&0)
        {
            return Err(wrong());
        }
        let dilation = usize::try_from(one(node.ints("dilations"), 1)).ok().filter(|d| (1..=64).contains(d));
        let dilation = dilation.ok_or_else(wrong)?;
        let values = tensor.floats()?;
        let bias = if with_bias { self.graph.floats(&bias_name, &[outputs])? } else { Vec::new() };
        // Whatever pads the rows, here or in a node before, keeps their number.
        let shape = ConvShape::centred(inputs, outputs, taps, dilation);
        Ok(Conv1d::exact(self.compute.isa(), exactness, shape, &bias, |output, input, tap| {
            values[(output * inputs + input) * taps + tap] * scale
        }))
    }

    /// The norm called `NAME.gamma` and `NAME.beta`.
    pub(super) fn norm(&self, name: &str) -> Result<Norm> {
        let channels = size(self.graph, &format!("{name}.gamma"), 0)?;
        Norm::of(self.graph, &format!("{name}.gamma"), &format!("{name}.beta"), channels)
    }

    /// Filters of one channel each, (taps, channels).
    fn depthwise(&self, name: &str, dilation: usize) -> Result<Separate> {
        let weights = format!("{name}.weight");
        let (channels, taps) = (size(self.graph, &weights, 0)?, size(self.graph, &weights, 2)?);
        Separate::open(self.graph, name, (channels, taps, dilation))
    }

    /// A filter that makes `stride` rows of one: see [`Upsample`]. Weights are multiplied by `scale`.
    pub(super) fn upsample(&self, name: &str, scale: f32) -> Result<Upsample> {
        let (bias_name, weights) = (format!("{name}.bias"), format!("{name}.weight"));
        let node = self.graph.reader(&weights)?;
        let wrong = || {
            Error::new(ErrorKind::Unsupported, format!("the voice's layer {name} upsamples in another way"))
        };
        let tensor = self.graph.tensor(&weights)?;
        let &[inputs, outputs, kernel] = tensor.dims() else { return Err(wrong()) };
        let of = |name: &str| node.ints(name).first().and_then(|n| usize::try_from(*n).ok());
        let (stride, pad) = (of("strides").ok_or_else(wrong)?, of("pads").unwrap_or(0));
        let plain = node.operation == "ConvTranspose"
            && of("group").unwrap_or(1) == 1
            && of("output_padding").unwrap_or(0) == 0;
        if !plain
            || stride == 0
            || stride > 64
            || kernel < stride
            || pad >= kernel
            || tensor.dims().contains(&0)
        {
            return Err(wrong());
        }
        let (values, bias) = (tensor.floats()?, self.graph.floats(&bias_name, &[outputs])?);
        let taps = kernel.div_ceil(stride);
        let shape = ConvShape { inputs, outputs: stride * outputs, taps, dilation: 1, before: taps - 1 };
        let bias: Vec<f32> = bias.iter().cycle().take(stride * outputs).copied().collect();
        let conv = Conv1d::exact(self.compute.isa(), Exactness::Near, shape, &bias, |output, input, tap| {
            // Tap 0 sees the oldest row, whose share lies furthest into the kernel.
            let at = output / outputs + (taps - 1 - tap) * stride;
            let weight = (at < kernel).then(|| values[(input * outputs + output % outputs) * kernel + at]);
            weight.unwrap_or(0.0) * scale
        });
        Ok(Upsample { conv, stride, pad, kernel, outputs })
    }
}

/// Rows through a filter.
pub(super) fn run(conv: &Conv1d, compute: &Compute, x: &[f32], finish: Finish<'_>) -> Vec<f32> {
    let shape = conv.shape();
    let mut out = vec![0.0; x.len() / shape.inputs * shape.outputs];
    compute.conv1d(conv, Rows::new(x, shape.inputs), finish, &mut out);
    out
}

/// Dilated filters of one channel each, with products between (the duration predictor's "DDSConv").
pub(super) struct Dilated {
    layers: Vec<(Separate, Norm, Conv1d, Norm)>,
}

impl Dilated {
    pub(super) fn open(from: &From<'_, '_>, name: &str) -> Result<Self> {
        let (mut layers, mut dilation) = (Vec::new(), 1);
        while from.graph.has(&format!("{name}.convs_sep.{}.weight", layers.len())) {
            let i = layers.len();
            let separate = from.depthwise(&format!("{name}.convs_sep.{i}"), dilation)?;
            dilation = dilation.saturating_mul(separate.taps);
            if !(1..=1 << 20).contains(&dilation) {
                let message = format!("the voice's filters {name} look further than any sound reaches");
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
            layers.push((
                separate,
                from.norm(&format!("{name}.norms_1.{i}"))?,
                from.conv(&format!("{name}.convs_1x1.{i}"), 1.0)?,
                from.norm(&format!("{name}.norms_2.{i}"))?,
            ));
            if i > 8 {
                break;
            }
        }
        Ok(Self { layers })
    }

    /// x in place.
    pub(super) fn run(&self, compute: &Compute, x: &mut [f32]) {
        let mut y = vec![0.0; x.len()];
        for (separate, norm1, product, norm2) in &self.layers {
            compute.filtered_norm(Some(separate.view()), norm1.view(), x, &mut y);
            compute.gelu(&mut y);
            let product = run(product, compute, &y, Finish::default());
            let mut z = Vec::new();
            norm2.run(compute, &product, &mut z);
            compute.gelu(&mut z);
            compute.add(x, &z);
        }
    }
}

/// A transposed convolution: each row becomes `stride` rows, into which its neighbours reach. As a product, one row of it holds
/// `stride` rows of the output.
pub(super) struct Upsample {
    conv: Conv1d,
    stride: usize,
    pad: usize,
    kernel: usize,
    outputs: usize,
}

impl Upsample {
    /// Rows that each becomes.
    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Channels that come in.
    pub(super) fn inputs(&self) -> usize {
        self.conv.shape().inputs
    }

    /// Channels that go out.
    pub(super) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Rows that go out where `values` numbers come in.
    pub(super) fn length(&self, values: usize) -> usize {
        match values / self.conv.shape().inputs {
            0 => 0,
            rows => ((rows - 1) * self.stride + self.kernel).saturating_sub(2 * self.pad),
        }
    }

    /// The rows `wanted` of (rows, outputs), of `x` (rows, inputs), which `enter` before.
    pub(super) fn run(
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
