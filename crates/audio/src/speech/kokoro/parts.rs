//! The layers of which Kokoro is built, with the bytes and scales that its file has for them. What a layer takes becomes bytes while it
//! runs, one scale and zero point for all of it, as ONNX's `DynamicQuantizeLinear` defines it; products are of whole numbers.

use crate::speech::onnx::Graph;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{Bend, ByteMatrix, Compute, ConvShape, Finish, Function, Modulation, Range, Rows};
use std::sync::{Mutex, PoisonError};

/// Numbers of a style, of which there are two: the sound's and the prosody's.
pub(super) const STYLE: usize = 128;

/// What says where a layer's weights are.
pub(super) struct From<'a, 'g> {
    pub(super) graph: &'g Graph<'a>,
    pub(super) compute: &'g Compute,
}

/// Whole numbers and what one of them means for each output.
struct Whole {
    /// As stored, less their zero points.
    values: Vec<i8>,
    dims: Vec<usize>,
    scales: Vec<f32>,
}

fn unlike(name: &str) -> Error {
    Error::new(
        ErrorKind::Unsupported,
        format!("the voice's layer {name} is computed in a way that is not known"),
    )
}

/// Whether a layer has the sizes that Kokoro-82M's has: what follows relies on them.
pub(super) fn check(name: &str, has: &[usize], wanted: &[usize]) -> Result<()> {
    if has == wanted {
        return Ok(());
    }
    let message = format!("the voice's layer {name} has the sizes {has:?} and Kokoro-82M's has {wanted:?}");
    Err(Error::new(ErrorKind::Unsupported, message))
}

impl From<'_, '_> {
    /// The weights of this name with one scale and zero point, or one for each of `axis`.
    fn whole(&self, weights: &str, zero: &str, axis: usize) -> Result<Whole> {
        let tensor = self.graph.tensor(weights)?;
        let dims = tensor.dims().to_vec();
        let outputs =
            dims.get(axis).copied().filter(|n| (1..=1 << 14).contains(n)).ok_or_else(|| unlike(weights))?;
        let inner: usize = dims[axis + 1..].iter().product();
        let (bytes, zeros) = (tensor.bytes()?, self.graph.tensor(zero)?.bytes()?);
        let base = weights.strip_suffix("_quantized").ok_or_else(|| unlike(weights))?;
        let scales = self.graph.tensor(&format!("{base}_scale"))?.floats()?;
        let each = |n: usize| n == 1 || n == outputs;
        if !each(zeros.len()) || !each(scales.len()) {
            return Err(unlike(weights));
        }
        let of = |i: usize, n: usize| if n == 1 { 0 } else { i / inner % outputs };
        let value = |(i, byte): (usize, &u8)| {
            i8::try_from(i16::from(*byte) - i16::from(zeros[of(i, zeros.len())])).ok()
        };
        // Files whose bytes lie further from their zero point than a signed byte reaches are not known.
        let values: Option<Vec<i8>> = bytes.iter().enumerate().map(value).collect();
        let values = values.ok_or_else(|| unlike(weights))?;
        let scales = (0..outputs).map(|i| scales[if scales.len() == 1 { 0 } else { i }]).collect();
        Ok(Whole { values, dims, scales })
    }

    /// The product that makes this value, and its weights.
    fn product(&self, value: &str, operation: &str, axis: usize) -> Result<Whole> {
        let node = self.graph.maker(value).filter(|node| node.operation == operation);
        match node.map(|node| &node.inputs[..]) {
            Some([_, weights, _, zero]) => self.whole(weights, zero, axis),
            _ => Err(unlike(value)),
        }
    }

    /// The filter at this place of the graph with so many inputs and outputs, and the bias of this name; it keeps the number of rows.
    pub(super) fn conv(&self, place: &str, bias: Option<&str>, sizes: (usize, usize)) -> Result<Filter> {
        self.strided(place, bias, sizes, None)
    }

    /// The same, or one of so many taps that looks at every so-manieth row, after so many of zeros.
    pub(super) fn strided(
        &self,
        place: &str,
        bias: Option<&str>,
        (inputs, outputs): (usize, usize),
        steps: Option<(usize, usize, usize)>,
    ) -> Result<Filter> {
        let value = format!("{place}/Conv_output_0_output_quantized");
        let whole = self.product(&value, "ConvInteger", 0)?;
        let node = self.graph.maker(&value).ok_or_else(|| unlike(place))?;
        let taps = whole.dims.get(2).copied().unwrap_or_default();
        check(place, &whole.dims, &[outputs, inputs, taps])?;
        let of = |name: &str, default: i64| match node.ints(name) {
            [] => Some(default),
            values => values.first().copied().filter(|first| values.iter().all(|value| value == first)),
        };
        let number = |name: &str, default: i64| {
            let value = of(name, default).and_then(|value| usize::try_from(value).ok());
            value.filter(|n| *n <= 64).ok_or_else(|| unlike(place))
        };
        let (dilation, stride, pad) = (number("dilations", 1)?, number("strides", 1)?, number("pads", 0)?);
        let known = match steps {
            Some(steps) => steps == (taps, stride, pad) && dilation == 1,
            None => {
                stride == 1
                    && dilation > 0
                    && taps.checked_sub(1).map(|taps| taps * dilation) == Some(2 * pad)
            }
        };
        if of("group", 1) != Some(1) || !known {
            return Err(unlike(place));
        }
        // With a stride, so many rows are one: the filter then sees fewer, wider ones.
        let shape = match stride {
            1 => ConvShape { inputs, outputs, taps, dilation, before: pad },
            _ => ConvShape {
                inputs: stride * inputs,
                outputs,
                taps: taps.div_ceil(stride),
                dilation: 1,
                before: 0,
            },
        };
        if !ByteMatrix::fits(shape) {
            return Err(unlike(place));
        }
        let values = &whole.values;
        let bias = self.bias(bias, outputs)?;
        let matrix = ByteMatrix::filter(self.compute.isa(), shape, &whole.scales, |output, input, tap| {
            let (tap, input) = (tap * stride + input / inputs, input % inputs);
            if tap < taps { values[(output * inputs + input) * taps + tap] } else { 0 }
        });
        Ok(Filter { matrix: matrix.with_whole_bias(&bias), inputs, taps, stride, pad })
    }

    fn bias(&self, name: Option<&str>, outputs: usize) -> Result<Vec<f32>> {
        name.map_or(Ok(Vec::new()), |name| self.graph.floats(name, &[outputs]))
    }

    /// The product of which this value is the sum with so many inputs and outputs, and the bias of this name.
    pub(super) fn matrix(
        &self,
        value: &str,
        bias: Option<&str>,
        (inputs, outputs): (usize, usize),
    ) -> Result<Matrix> {
        let whole = self.product(value, "MatMulInteger", 1)?;
        check(value, &whole.dims, &[inputs, outputs])?;
        let bias = self.bias(bias, outputs)?;
        self.packed(value, &whole.values, (inputs, outputs), &whole.scales, &bias)
    }

    fn packed(
        &self,
        name: &str,
        values: &[i8],
        (inputs, outputs): (usize, usize),
        scales: &[f32],
        bias: &[f32],
    ) -> Result<Matrix> {
        let shape = ConvShape::product(inputs, outputs);
        if !ByteMatrix::fits(shape) || scales.len() != outputs {
            return Err(unlike(name));
        }
        let weight = |output: usize, input: usize, _: usize| values[input * outputs + output];
        let matrix = ByteMatrix::filter(self.compute.isa(), shape, scales, weight).with_bias(bias);
        Ok(Matrix { matrix })
    }

    /// The long short-term memory whose sequence is this value, with so many inputs and states in each direction.
    pub(super) fn lstm(&self, value: &str, (inputs, width): (usize, usize)) -> Result<Lstm> {
        let node = self.graph.maker(value).filter(|node| node.operation == "DynamicQuantizeLSTM");
        let names = node.map(|node| &node.inputs[..]).unwrap_or_default();
        let [_, w, r, b, _, _, _, _, _, w_zero, _, r_zero] = names else { return Err(unlike(value)) };
        let (w, r) = (self.whole(w, w_zero, 0)?, self.whole(r, r_zero, 0)?);
        let gates = 4 * width;
        check(value, &w.dims, &[2, inputs, gates])?;
        check(value, &r.dims, &[2, width, gates])?;
        let bias = self.graph.floats(b, &[2, 2 * gates])?;
        let direction = |i: usize| -> Result<Direction> {
            let part = |all: &Whole, rows: usize| {
                let values = &all.values[i * rows * gates..(i + 1) * rows * gates];
                self.packed(value, values, (rows, gates), &vec![all.scales[i]; gates], &[])
            };
            let bias = &bias[i * 2 * gates..(i + 1) * 2 * gates];
            let bias = bias[..gates].iter().zip(&bias[gates..]).map(|(a, b)| a + b).collect();
            Ok(Direction { input: part(&w, inputs)?, again: part(&r, width)?, bias })
        };
        Ok(Lstm { directions: [direction(0)?, direction(1)?], inputs, width })
    }

    /// The table of this name with rows of so many values, at least one.
    pub(super) fn table(&self, name: &str, width: usize) -> Result<Table> {
        let node = self.graph.reader(&format!("{name}_scale"))?;
        let ("DequantizeLinear", [_, _, zero]) = (node.operation, &node.inputs[..]) else {
            return Err(unlike(name));
        };
        let whole = self.whole(&format!("{name}_quantized"), zero, 0)?;
        let rows = whole.scales.len();
        check(name, &whole.dims, &[rows, width])?;
        let each = whole.values.chunks_exact(width).zip(&whole.scales);
        let values = each.flat_map(|(row, scale)| row.iter().map(move |value| f32::from(*value) * scale));
        Ok(Table { values: values.collect(), rows, width })
    }

    /// What a style says about the channels of a norm.
    pub(super) fn styled(&self, place: &str, bias: &str, channels: usize) -> Result<Styled> {
        let value = format!("{place}/fc/Gemm_output_0_MatMul_output_quantized");
        Ok(Styled { fc: self.matrix(&value, Some(bias), (STYLE, 2 * channels))? })
    }
}

/// Rows of a vocabulary.
pub(super) struct Table {
    values: Vec<f32>,
    pub(super) rows: usize,
    pub(super) width: usize,
}

impl Table {
    /// A row that there is.
    pub(super) fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.width..(i + 1) * self.width]
    }
}

/// A filter of bytes.
pub(super) struct Filter {
    matrix: ByteMatrix,
    pub(super) inputs: usize,
    taps: usize,
    stride: usize,
    pad: usize,
}

impl Filter {
    fn outputs(&self) -> usize {
        self.matrix.shape().outputs
    }

    /// Filters rows whose values lie within `range`.
    pub(super) fn run(&self, compute: &Compute, x: &[f32], range: Range, add: Option<&[f32]>) -> Vec<f32> {
        let (rows, outputs) = (x.len() / self.inputs, self.outputs());
        let mut wide;
        let (x, rows) = match self.stride {
            1 => (x, rows),
            stride => {
                wide = vec![0.0; (rows + self.pad).next_multiple_of(stride) * self.inputs];
                wide[self.pad * self.inputs..][..x.len()].copy_from_slice(x);
                (&wide[..], (rows + 2 * self.pad).saturating_sub(self.taps) / stride + 1)
            }
        };
        let mut out = vec![0.0; rows * outputs];
        let finish = Finish { add: add.map(|add| Rows::new(add, outputs)), ..Finish::default() };
        compute.byte_product(&self.matrix, Rows::new(x, self.matrix.shape().inputs), range, finish, &mut out);
        out
    }
}

/// A matrix of bytes.
pub(super) struct Matrix {
    matrix: ByteMatrix,
}

impl Matrix {
    pub(super) fn outputs(&self) -> usize {
        self.matrix.shape().outputs
    }

    /// Multiplies rows; what they become takes its step from all of them.
    pub(super) fn run(&self, compute: &Compute, x: &[f32]) -> Vec<f32> {
        let shape = self.matrix.shape();
        let mut out = vec![0.0; x.len() / shape.inputs * shape.outputs];
        let rows = Rows::new(x, shape.inputs);
        compute.byte_product(&self.matrix, rows, compute.range(x), Finish::default(), &mut out);
        out
    }
}

/// A long short-term memory in both directions (Hochreiter and Schmidhuber, 1997); gates in ONNX's order: input, output,
/// forget, cell.
pub(super) struct Lstm {
    directions: [Direction; 2],
    inputs: usize,
    width: usize,
}

struct Direction {
    input: Matrix,
    again: Matrix,
    bias: Vec<f32>,
}

impl Lstm {
    /// (rows, inputs) to (rows, 2 × width).
    pub(super) fn run(&self, compute: &Compute, x: &[f32]) -> Vec<f32> {
        let (rows, width) = (x.len() / self.inputs, self.width);
        let gates = self.directions.each_ref().map(|direction| Mutex::new(direction.input.run(compute, x)));
        // A thread for each direction: a step is too little to share.
        compute.pool().run(2, |side| {
            let mut gates = gates[side].lock().unwrap_or_else(PoisonError::into_inner);
            self.directions[side].run(compute, &mut gates, width, side == 1);
        });
        let [forth, back] = gates.map(|gates| gates.into_inner().unwrap_or_else(PoisonError::into_inner));
        let mut out = Vec::with_capacity(rows * 2 * width);
        for (forth, back) in forth.chunks_exact(4 * width).zip(back.chunks_exact(4 * width)) {
            out.extend_from_slice(&forth[..width]);
            out.extend_from_slice(&back[..width]);
        }
        out
    }
}

impl Direction {
    /// Walks over what the inputs say of the gates (rows, 4 × width); states take the place of the first gate.
    fn run(&self, compute: &Compute, gates: &mut [f32], width: usize, backwards: bool) {
        let (mut state, mut cell) = (vec![0.0; width], vec![0.0f32; width]);
        let rows = gates.len() / (4 * width);
        for step in 0..rows {
            let row = if backwards { rows - 1 - step } else { step };
            let gates = &mut gates[row * 4 * width..(row + 1) * 4 * width];
            let more = self.again.run(compute, &state);
            let each = gates.iter_mut().zip(more).zip(&self.bias);
            each.for_each(|((gate, more), bias)| *gate = *gate + more + bias);
            let (sigmoid, tanh) = gates.split_at_mut(3 * width);
            compute.apply(Function::Sigmoid, sigmoid);
            compute.apply(Function::Tanh, tanh);
            for (i, cell) in cell.iter_mut().enumerate() {
                *cell = sigmoid[2 * width + i] * *cell + sigmoid[i] * tanh[i];
            }
            state.copy_from_slice(&cell);
            compute.apply(Function::Tanh, &mut state);
            state.iter_mut().zip(&sigmoid[width..]).for_each(|(state, out)| *state *= out);
            sigmoid[..width].copy_from_slice(&state);
        }
    }
}

/// A norm whose scales and shifts are told by a style.
pub(super) struct Styled {
    fc: Matrix,
}

impl Styled {
    /// 1 + the scales, then the shifts.
    pub(super) fn of(&self, compute: &Compute, style: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let mut both = self.fc.run(compute, style);
        let shift = both.split_off(both.len() / 2);
        both.iter_mut().for_each(|scale| *scale += 1.0);
        (both, shift)
    }

    /// Norms each channel of `x` over time, and bends it.
    pub(super) fn run(
        &self,
        compute: &Compute,
        style: &[f32],
        bend: Bend<'_>,
        x: &[f32],
    ) -> (Vec<f32>, Range) {
        let (scale, shift) = self.of(compute, style);
        let (mean, variance) = compute.moments(x, scale.len());
        let deviation: Vec<f32> = variance.iter().map(|variance| (variance + 1e-5).sqrt()).collect();
        let by = Modulation { mean: &mean, deviation: &deviation, scale: &scale, shift: &shift, bend };
        let mut out = vec![0.0; x.len()];
        let range = compute.modulate(by, x, &mut out);
        (out, range)
    }
}
