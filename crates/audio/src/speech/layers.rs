//! The layers of which voices are built, taken from an ONNX file by name: ConvNeXt blocks, transformer layers, and products
//! with floats or bytes as weights.

use super::onnx::{Graph, Node};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{
    Activation, ByteMatrix, Compute, Conv1d, ConvShape, Depthwise, Finish, LayerNorm, Range, Rows,
};

/// More frames of 25 ms than these (five minutes) in one sentence come from no voice.
const MOST_FRAMES: usize = 12_000;

/// Rows from the first to the last that a filter sees: known voices reach 72.
pub(crate) const MOST_REACH: usize = 1 << 10;

/// The weights of a layer norm. ONNX files of most voices say 1e-5 for what is added to a variance.
pub(crate) struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    eps: f32,
}

impl Norm {
    pub(crate) fn open(graph: &Graph<'_>, name: &str, channels: usize) -> Result<Self> {
        Self::of(graph, &format!("{name}.weight"), &format!("{name}.bias"), channels)
    }

    /// The norm with the weights and the bias of these names.
    pub(crate) fn of(graph: &Graph<'_>, weight: &str, bias: &str, channels: usize) -> Result<Self> {
        let (weight, bias) = (graph.floats(weight, &[channels])?, graph.floats(bias, &[channels])?);
        Ok(Self { weight, bias, eps: 1e-5 })
    }

    /// The same with this added to a variance.
    pub(crate) fn with_eps(self, eps: f32) -> Self {
        Self { eps, ..self }
    }

    pub(crate) fn view(&self) -> LayerNorm<'_> {
        LayerNorm { weight: &self.weight, bias: &self.bias, eps: self.eps }
    }

    /// Norms each row of `x` into `out`.
    pub(crate) fn run(&self, compute: &Compute, x: &[f32], out: &mut Vec<f32>) -> Range {
        resize(out, x.len());
        compute.filtered_norm(None, self.view(), x, out)
    }

    /// The same with mean and variance by Welford's updates (1962), as onnxruntime computes a norm that stands behind a sum
    /// which nothing else reads: its last digits are those of the updates' order.
    pub(crate) fn run_after_sum(&self, x: &[f32]) -> Vec<f32> {
        let channels = self.weight.len();
        let mut out = Vec::with_capacity(x.len());
        for row in x.chunks_exact(channels) {
            let (mut mean, mut squares) = (0f32, 0f32);
            for (i, x) in row.iter().enumerate() {
                let less = x - mean;
                mean += less / (i + 1) as f32;
                squares += less * (x - mean);
            }
            let deviation = (squares / channels as f32 + self.eps).sqrt();
            let each = row.iter().zip(&self.weight).zip(&self.bias);
            out.extend(each.map(|((x, weight), bias)| (x - mean) / deviation * weight + bias));
        }
        out
    }
}

/// Inputs whose products onnxruntime adds up before it rounds them into what it has, for a product with so many columns: a sum
/// over more inputs has its last digits only in the same blocks. They matter where pitch is told, whose phase adds up.
pub(crate) fn block_of(columns: usize) -> usize {
    match columns {
        0..=16 => 1024,
        17..=32 => 512,
        33..=64 => 256,
        _ => 128,
    }
}

/// The dimension `axis` of the weights of this name.
pub(crate) fn size(graph: &Graph<'_>, name: &str, axis: usize) -> Result<usize> {
    let tensor = graph.tensor(name)?;
    match tensor.dims().get(axis) {
        Some(&size) if size > 0 && size <= 1 << 14 => Ok(size),
        _ => Err(Error::new(ErrorKind::Corrupt, format!("the weights {name:?} are {:?}", tensor.dims()))),
    }
}

/// A vector of `len` numbers, of which all will be written.
pub(crate) fn resize(out: &mut Vec<f32>, len: usize) {
    out.resize(len, 0.0);
}

/// A product with weights of either kind.
pub(crate) enum Linear {
    Bytes(ByteMatrix),
    Floats(Conv1d),
}

impl Linear {
    /// The product whose bias has this name: in the graph, what the bias is added to comes from a product with floats, or from
    /// a product of bytes through a cast and a scale.
    pub(crate) fn open(
        graph: &Graph<'_>,
        compute: &Compute,
        bias: &str,
        (inputs, outputs): (usize, usize),
    ) -> Result<Self> {
        let unlike = || {
            let message =
                format!("this voice computes what stands before {bias:?} in a way that is not known");
            Error::new(ErrorKind::Unsupported, message)
        };
        let values = graph.floats(bias, &[outputs])?;
        let before = graph.reader(bias)?.inputs.iter().find_map(|value| graph.maker(value));
        let before = before.ok_or_else(unlike)?;
        match (before.operation, &before.inputs[..]) {
            ("MatMul", [_, weights]) => {
                let weights = graph.floats(weights, &[inputs, outputs])?;
                let shape = ConvShape::product(inputs, outputs);
                let weight = |output: usize, input: usize, _: usize| weights[input * outputs + output];
                Ok(Self::Floats(Conv1d::new(compute.isa(), shape, &values, weight)))
            }
            ("Mul", [integers, scales]) => {
                let product = graph.maker(integers).and_then(|cast| graph.maker(cast.inputs.first()?));
                let product = product.filter(|node| node.operation == "MatMulInteger");
                let scales = graph.maker(scales).map(|node| &node.inputs[..]);
                let (Some([_, weights, _, zero]), Some([_, scale])) =
                    (product.map(|node| &node.inputs[..]), scales)
                else {
                    return Err(unlike());
                };
                let weights = graph.tensor(weights)?.shaped(&[inputs, outputs])?.bytes()?;
                let scale = graph.floats(scale, &[])?;
                let zero = graph.tensor(zero)?.shaped(&[])?.bytes()?;
                // One value each, as their empty dimensions say.
                let (scale, zero) = (scale.first().ok_or_else(unlike)?, zero.first().ok_or_else(unlike)?);
                let matrix = ByteMatrix::new(compute.isa(), &weights, outputs, *scale, *zero, &values);
                Ok(Self::Bytes(matrix))
            }
            _ => Err(unlike()),
        }
    }

    /// Inputs and outputs.
    pub(crate) fn shape(&self) -> (usize, usize) {
        match self {
            Self::Bytes(matrix) => (matrix.shape().inputs, matrix.shape().outputs),
            Self::Floats(conv) => (conv.shape().inputs, conv.shape().outputs),
        }
    }

    /// Multiplies rows whose values lie within `range`; tells the range of what comes out, where the next product needs it.
    pub(crate) fn run(
        &self,
        compute: &Compute,
        x: &[f32],
        range: Range,
        finish: Finish<'_>,
        out: &mut [f32],
    ) -> Range {
        let x = Rows::new(x, self.shape().0);
        match self {
            Self::Bytes(matrix) => compute.byte_product(matrix, x, range, finish, out),
            Self::Floats(conv) => {
                compute.conv1d(conv, x, finish, out);
                Range::default()
            }
        }
    }
}

/// How many rows lie between those that the filter called `name` sees. Only the graph knows it: weights of one shape are
/// filters of many.
///
/// # Errors
/// `Unsupported` as [`dilation_of`] says.
pub(crate) fn dilation(graph: &Graph<'_>, name: &str, taps: usize) -> Result<usize> {
    dilation_of(graph.reader(&format!("{name}.weight"))?, taps, false).ok_or_else(|| {
        let message = format!("the voice's layer {name} is no filter that keeps the number of rows");
        Error::new(ErrorKind::Unsupported, message)
    })
}

/// The same of a filter's node. `None` when it leaves out rows of its output, or has another number of them than came in, or sees
/// further than [`MOST_REACH`]. Where it is `padded` a node before it adds the rows, of which only that node knows how many.
pub(crate) fn dilation_of(node: &Node<'_>, taps: usize, padded: bool) -> Option<usize> {
    let dilation = match node.ints("dilations") {
        [] => 1,
        [dilation] => usize::try_from(*dilation).ok().filter(|d| (1..=64).contains(d))?,
        _ => return None,
    };
    let reach = taps.saturating_sub(1).saturating_mul(dilation);
    let pads = node.ints("pads");
    let centred = match padded {
        true => reach > 0 && pads.iter().all(|pad| *pad == 0),
        false => {
            let half =
                |pad: &i64| usize::try_from(*pad).ok().and_then(|pad| pad.checked_mul(2)) == Some(reach);
            pads.iter().all(half) && (reach == 0 || !pads.is_empty())
        }
    };
    let whole = node.operation == "Conv" && matches!(node.ints("strides"), [] | [1]);
    (whole && centred && reach <= MOST_REACH).then_some(dilation)
}

/// A filter from the weights (outputs, inputs, taps) and the bias of this name; its outputs lie in the middle of what they see.
pub(crate) fn conv(
    graph: &Graph<'_>,
    compute: &Compute,
    name: &str,
    (inputs, outputs, taps): (usize, usize, usize),
) -> Result<Conv1d> {
    let weights = graph.floats(&format!("{name}.weight"), &[outputs, inputs, taps])?;
    let dilation = dilation(graph, name, taps)?;
    let bias_name = format!("{name}.bias");
    let bias = if graph.has(&bias_name) { graph.floats(&bias_name, &[outputs])? } else { Vec::new() };
    let shape = ConvShape::centred(inputs, outputs, taps, dilation);
    Ok(Conv1d::new(compute.isa(), shape, &bias, |output, input, tap| {
        weights[(output * inputs + input) * taps + tap]
    }))
}

/// Filters of one channel each.
pub(crate) struct Separate {
    /// (taps, channels)
    weights: Vec<f32>,
    bias: Vec<f32>,
    taps: usize,
    dilation: usize,
}

impl Separate {
    /// The filters of this name.
    pub(crate) fn open(
        graph: &Graph<'_>,
        name: &str,
        (channels, taps, dilation): (usize, usize, usize),
    ) -> Result<Self> {
        let stored = graph.floats(&format!("{name}.weight"), &[channels, 1, taps])?;
        Ok(Self {
            weights: (0..taps * channels).map(|i| stored[i % channels * taps + i / channels]).collect(),
            bias: graph.floats(&format!("{name}.bias"), &[channels])?,
            taps,
            dilation,
        })
    }

    pub(crate) fn view(&self) -> Depthwise<'_> {
        Depthwise { weights: &self.weights, bias: &self.bias, taps: self.taps, dilation: self.dilation }
    }
}

/// Rows, and room for what is made of them.
#[derive(Default)]
pub(crate) struct Work {
    /// What the layers take and leave.
    pub(crate) x: Vec<f32>,
    normed: Vec<f32>,
    hidden: Vec<f32>,
    /// Queries, keys and values; what all heads give.
    qkv: Vec<f32>,
    heads: Vec<f32>,
}

/// A ConvNeXt block (Liu et al., 2022) along time: a filter of one channel each, a norm, two products with GELU between, a
/// scale for each channel, and what came in.
pub(crate) struct ConvNext {
    filter: Separate,
    norm: Norm,
    wide: Linear,
    narrow: Linear,
    gamma: Vec<f32>,
}

impl ConvNext {
    /// The block of this name with these channels, inside and taps.
    pub(crate) fn open(
        graph: &Graph<'_>,
        compute: &Compute,
        name: &str,
        (channels, inside, taps): (usize, usize, usize),
    ) -> Result<Self> {
        let filter = format!("{name}.dw");
        let dilation = dilation(graph, &filter, taps)?;
        let matrix = |of: &str, sizes| Linear::open(graph, compute, &format!("{name}.{of}.bias"), sizes);
        Ok(Self {
            filter: Separate::open(graph, &filter, (channels, taps, dilation))?,
            norm: Norm::open(graph, &format!("{name}.norm"), channels)?,
            wide: matrix("pw1", (channels, inside))?,
            narrow: matrix("pw2", (inside, channels))?,
            gamma: graph.floats(&format!("{name}.gamma"), &[channels])?,
        })
    }

    pub(crate) fn run(&self, compute: &Compute, work: &mut Work) {
        let (channels, inside) = self.wide.shape();
        let rows = work.x.len() / channels;
        resize(&mut work.normed, rows * channels);
        resize(&mut work.hidden, rows * inside);
        let range =
            compute.filtered_norm(Some(self.filter.view()), self.norm.view(), &work.x, &mut work.normed);
        let gelu = Finish::with(Activation::Gelu);
        let range = self.wide.run(compute, &work.normed, range, gelu, &mut work.hidden);
        let finish =
            Finish { scale: Some(&self.gamma), add: Some(Rows::new(&work.x, channels)), ..Finish::default() };
        self.narrow.run(compute, &work.hidden, range, finish, &mut work.normed);
        std::mem::swap(&mut work.x, &mut work.normed);
    }
}

/// A transformer layer (Vaswani et al., 2017) with norms before its parts.
pub(crate) struct Transformer {
    heads: usize,
    norm1: Norm,
    qkv: Linear,
    out: Linear,
    norm2: Norm,
    wide: Linear,
    narrow: Linear,
}

impl Transformer {
    /// The layer of this name with these channels, inside and heads.
    pub(crate) fn open(
        graph: &Graph<'_>,
        compute: &Compute,
        name: &str,
        (channels, inside, heads): (usize, usize, usize),
    ) -> Result<Self> {
        if channels < heads || !channels.is_multiple_of(heads) {
            let message = format!("the voice's {name} has {channels} channels for {heads} heads");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let matrix = |of: &str, sizes| Linear::open(graph, compute, &format!("{name}.{of}"), sizes);
        Ok(Self {
            heads,
            norm1: Norm::open(graph, &format!("{name}.norm1"), channels)?,
            qkv: matrix("self_attn.in_proj_bias", (channels, 3 * channels))?,
            out: matrix("self_attn.out_proj.bias", (channels, channels))?,
            norm2: Norm::open(graph, &format!("{name}.norm2"), channels)?,
            wide: matrix("linear1.bias", (channels, inside))?,
            narrow: matrix("linear2.bias", (inside, channels))?,
        })
    }

    pub(crate) fn run(&self, compute: &Compute, work: &mut Work) {
        let (channels, inside) = self.wide.shape();
        let rows = work.x.len() / channels;
        let range = self.norm1.run(compute, &work.x, &mut work.normed);
        resize(&mut work.qkv, rows * 3 * channels);
        self.qkv.run(compute, &work.normed, range, Finish::default(), &mut work.qkv);
        resize(&mut work.heads, rows * channels);
        let part = |i: usize| Part { values: &work.qkv, from: i * channels, stride: 3 * channels };
        let divisor = ((channels / self.heads) as f32).sqrt();
        let parts = [part(0), part(1), part(2)];
        attend(compute, parts, (channels, self.heads), divisor, &mut work.heads);

        let add = Finish { add: Some(Rows::new(&work.x, channels)), ..Finish::default() };
        self.out.run(compute, &work.heads, compute.range(&work.heads), add, &mut work.normed);
        std::mem::swap(&mut work.x, &mut work.normed);

        let range = self.norm2.run(compute, &work.x, &mut work.normed);
        resize(&mut work.hidden, rows * inside);
        let gelu = Finish::with(Activation::Gelu);
        let range = self.wide.run(compute, &work.normed, range, gelu, &mut work.hidden);
        let add = Finish { add: Some(Rows::new(&work.x, channels)), ..Finish::default() };
        self.narrow.run(compute, &work.hidden, range, add, &mut work.normed);
        std::mem::swap(&mut work.x, &mut work.normed);
    }
}

/// Rows of queries, keys or values: row i begins at `from + i · stride`.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) from: usize,
    pub(crate) stride: usize,
}

/// Attention of every row to every row: `out` is (rows, channels), a head's channels beside each other in it and in the queries, keys
/// and values; scores are divided by `divisor`. Sums are made in onnxruntime's order.
pub(crate) fn attend(
    compute: &Compute,
    [queries, keys, values]: [Part<'_>; 3],
    (channels, heads): (usize, usize),
    divisor: f32,
    out: &mut [f32],
) {
    let (rows, width) = (out.len() / channels, channels / heads);
    let block = block_of(width);
    let (mut scores, mut sums) = (vec![0.0; rows * rows], vec![0.0; rows * width]);
    let mut more = vec![0.0; if rows > block { sums.len() } else { 0 }];
    for at in (0..channels).step_by(width) {
        // Keys and values take the place of weights.
        let of = |part: Part<'_>, row: usize, i: usize| part.values[part.from + row * part.stride + at + i];
        let shape = ConvShape::product(width, rows);
        let filter = Conv1d::new(compute.isa(), shape, &[], |row, i, _| of(keys, row, i));
        let from = Rows::strided(queries.values, queries.from + at, rows, queries.stride);
        compute.conv1d(&filter, from, Finish::default(), &mut scores);
        compute.softmax(&mut scores, rows, divisor);
        for from in (0..rows).step_by(block) {
            let shape = ConvShape::product(block.min(rows - from), width);
            let filter = Conv1d::new(compute.isa(), shape, &[], |i, row, _| of(values, from + row, i));
            let scores = Rows::strided(&scores, from, rows, rows);
            if from == 0 {
                compute.conv1d(&filter, scores, Finish::default(), &mut sums);
            } else {
                let add = Finish { add: Some(Rows::new(&sums, width)), ..Finish::default() };
                compute.conv1d(&filter, scores, add, &mut more);
                std::mem::swap(&mut sums, &mut more);
            }
        }
        for (to, from) in out.chunks_exact_mut(channels).zip(sums.chunks_exact(width)) {
            to[at..at + width].copy_from_slice(from);
        }
    }
}

/// For each frame of 25 ms the phoneme that it belongs to, where phonemes take so many, each at least one.
///
/// # Errors
/// `Unsupported` when the sentence would last minutes, `Corrupt` when a phoneme takes what is no number.
pub(crate) fn owners(frames: impl ExactSizeIterator<Item = f32>) -> Result<Vec<usize>> {
    let phonemes = frames.len();
    let mut owner = Vec::new();
    for (phoneme, frames) in frames.enumerate() {
        if frames.is_nan() {
            let message = "how long the voice's phonemes take is no number: its file is damaged";
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let frames = frames.round_ties_even().clamp(1.0, (MOST_FRAMES + 1) as f32) as usize;
        owner.extend(std::iter::repeat_n(phoneme, frames));
        if owner.len() > MOST_FRAMES {
            let message = format!(
                "a sentence of {phonemes} phonemes would last more than five minutes: divide it, or raise the speed"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
    }
    Ok(owner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn phonemes_take_whole_frames_of_which_there_are_not_too_many() {
        assert_eq!(owners([0.2, 2.5, -1.0, 1.6].into_iter()).unwrap(), [0, 1, 1, 2, 3, 3]);
        assert_eq!(owners([12_000.0].into_iter()).unwrap().len(), 12_000);
        for (frames, kind) in [
            ([f32::INFINITY, 1.0], ErrorKind::Unsupported),
            ([12_000.0, 0.0], ErrorKind::Unsupported),
            ([1.0, f32::NAN], ErrorKind::Corrupt),
        ] {
            assert_eq!(*owners(frames.into_iter()).unwrap_err().kind(), kind, "{frames:?}");
        }
    }
}
