//! Products of a matrix of bytes, or filters along time of them, with activations that become bytes when they are met, one scale and
//! zero point for all of them: what ONNX writes as `DynamicQuantizeLinear` and `MatMulInteger` or `ConvInteger`. Sums are whole
//! numbers, so that every instruction set gives the same ones, and those of other runtimes.

mod block;

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::convolution::{ConvShape, Rows, Shared, lanes};
use crate::finish::{Finish, Finishing, Range};
use crate::isa::Isa;
use crate::simd::dispatch;
use block::{Block, Reading};

/// Rows of a task at most, and where there are tiles.
const BLOCK: usize = 48;
const TILES_BLOCK: usize = 64;

/// Bytes of a task of a filter: its rows, and those of its neighbours that it sees, stay in the second-level cache.
const FILTER_BLOCK: usize = 128 << 10;

/// Rows and columns of sums of tiles.
const GROUP: usize = 32;

/// Weights of one output: with more, a sum could leave 32 bits.
const MOST_DEPTH: usize = 32_768;

/// A matrix of bytes with one zero point, or a filter along time, packed for the vectors of one instruction set: panels of
/// `2 × LANES` columns; in each, for each tap, groups of four inputs, as `LANES` bytes would lie that four vectors of floats become.
pub struct ByteMatrix {
    weights: Aligned<i8>,
    /// For each column Σ (w − 128).
    sums: Vec<i32>,
    shape: ConvShape,
    scales: Vec<f32>,
    /// The zero point − 128, as the weights are stored.
    zero: i32,
    /// What is added to sums that mean something, …
    bias: Vec<f32>,
    /// … and what is added before, in whole steps.
    whole_bias: Vec<f32>,
    lanes: usize,
}

impl std::fmt::Debug for ByteMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ByteMatrix({:?})", self.shape)
    }
}

/// How activations become bytes: round(x / scale) + zero, within 0 ..= 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantisation {
    /// The step.
    pub scale: f32,
    /// The byte that means 0.
    pub zero: u8,
}

impl From<Range> for Quantisation {
    /// As ONNX defines `DynamicQuantizeLinear`.
    fn from(range: Range) -> Self {
        let width = range.high - range.low;
        let scale = if width == 0.0 { 1.0 } else { width / 255.0 };
        // From 0 to 255, also for values that are no numbers.
        let zero = (-range.low / scale).clamp(0.0, 255.0).round_ties_even() as u8;
        Self { scale, zero }
    }
}

impl ByteMatrix {
    /// Packs `weights` (inputs × outputs, row after row), each of which means scale · (weight − zero). `bias` has a value for
    /// each output, or none at all.
    ///
    /// # Panics
    /// When the lengths do not belong together, or the inputs are so many that a sum could leave 32 bits.
    pub fn new(isa: Isa, weights: &[u8], outputs: usize, scale: f32, zero: u8, bias: &[f32]) -> Self {
        assert!(outputs > 0 && weights.len().is_multiple_of(outputs), "{} in {outputs}", weights.len());
        let shape = ConvShape::product(weights.len() / outputs, outputs);
        // Within −128 ..= 127.
        let weight = |output, input, _| (i32::from(weights[input * outputs + output]) - 128) as i8;
        let zero = i32::from(zero) - 128;
        Self { zero, ..Self::filter(isa, shape, &vec![scale; outputs], weight) }.with_bias(bias)
    }

    /// The same with a value for each output, or none at all, that is added to its sums.
    ///
    /// # Panics
    /// When the bias has another length.
    #[must_use]
    pub fn with_bias(mut self, bias: &[f32]) -> Self {
        let outputs = self.shape.outputs;
        assert!(bias.is_empty() || bias.len() == outputs, "{} biases for {outputs} outputs", bias.len());
        self.bias = bias.to_vec();
        self
    }

    /// The same with such values that become whole steps, rounded down, of what sums are counted in, as ONNX's quantiser writes them.
    ///
    /// # Panics
    /// When the bias has another length.
    #[must_use]
    pub fn with_whole_bias(mut self, bias: &[f32]) -> Self {
        let outputs = self.shape.outputs;
        assert!(bias.is_empty() || bias.len() == outputs, "{} biases for {outputs} outputs", bias.len());
        self.whole_bias = bias.to_vec();
        self
    }

    /// Whether a filter of this size can be packed.
    pub fn fits(shape: ConvShape) -> bool {
        let ConvShape { inputs, outputs, taps, dilation, .. } = shape;
        let some = inputs > 0 && outputs > 0 && taps > 0 && dilation > 0;
        some && inputs.checked_mul(taps).is_some_and(|depth| depth <= MOST_DEPTH)
    }

    /// Packs a filter of signed bytes, as `weight(output, input, tap)` tells them: each means so many of its output's scale.
    ///
    /// # Panics
    /// When there is not a scale for each output, or it is larger than [`ByteMatrix::fits`] says.
    pub fn filter(
        isa: Isa,
        shape: ConvShape,
        scales: &[f32],
        weight: impl Fn(usize, usize, usize) -> i8,
    ) -> Self {
        let ConvShape { inputs, outputs, taps, .. } = shape;
        assert!(Self::fits(shape), "{shape:?}");
        assert!(scales.len() == outputs, "{} scales for {outputs} outputs", scales.len());
        let lanes = lanes(isa);
        let (depth, wide) = (inputs.next_multiple_of(4 * lanes), 2 * lanes);
        let mut packed = Aligned::default();
        packed.resize(outputs.div_ceil(wide) * wide * taps * depth);
        let all: &mut [i8] = packed.as_mut_slice();
        all.fill(0);
        let mut sums = vec![0; outputs.next_multiple_of(wide)];
        for output in 0..outputs {
            for input in 0..inputs {
                // Group and place in it: byte i of lane l is what lane l of vector i becomes.
                let (chunk, rest) = (input / (4 * lanes), input % (4 * lanes));
                let (group, byte) = (chunk * lanes + rest % lanes, rest / lanes);
                for tap in 0..taps {
                    let weight = weight(output, input, tap);
                    let group = (output / wide * taps + tap) * depth / 4 + group;
                    all[group * 4 * wide + output % wide * 4 + byte] = weight;
                    sums[output] += i32::from(weight);
                }
            }
        }
        let (scales, bias, whole_bias) = (scales.to_vec(), Vec::new(), Vec::new());
        Self { weights: packed, sums, shape, scales, zero: 0, bias, whole_bias, lanes }
    }

    /// Its size; of a matrix, that of a filter of one tap.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }

    /// Bytes of a row of inputs.
    fn depth(&self) -> usize {
        self.shape.inputs.next_multiple_of(4 * self.lanes)
    }

    /// For each column, for activations of this kind, what is added to Σ a·w so that it counts from their zero point, and what one of
    /// the sum then means.
    fn columns(&self, by: Quantisation) -> (Vec<i32>, Vec<f32>) {
        let mut scales: Vec<f32> = self.scales.iter().map(|scale| by.scale * scale).collect();
        let mut columns: Vec<i32> =
            self.sums.iter().map(|sum| sum.wrapping_mul(-i32::from(by.zero))).collect();
        for ((column, bias), scale) in columns.iter_mut().zip(&self.whole_bias).zip(&scales) {
            *column = column.wrapping_add((bias / scale).floor() as i32);
        }
        scales.resize(columns.len(), 0.0);
        (columns, scales)
    }

    /// Rows of a task.
    fn block(&self, compute: &Compute, rows: usize) -> usize {
        let (each, most) = match compute.isa() {
            Isa::Amx(_) => (GROUP, TILES_BLOCK),
            _ => (12, BLOCK),
        };
        let most = match self.shape.taps {
            1 => most,
            _ => (FILTER_BLOCK / self.depth()).clamp(most, 16 * most),
        };
        let threads = compute.pool().at_hand();
        let wanted = if threads == 1 { rows } else { rows.div_ceil(threads * 2) };
        wanted.next_multiple_of(each).min(most.next_multiple_of(each))
    }
}

impl Compute {
    /// Multiplies `x` (rows × inputs), quantised for values within `range`, with the matrix into `out` (rows × outputs, without
    /// gaps); a filter's row t sees the rows `t − before + tap · dilation` of `x`, those outside being zero. Tells the range of
    /// what comes out.
    ///
    /// # Panics
    /// When a slice is not of these shapes, or the matrix was packed for another instruction set.
    pub fn byte_product(
        &self,
        matrix: &ByteMatrix,
        x: Rows<'_>,
        range: Range,
        finish: Finish<'_>,
        out: &mut [f32],
    ) -> Range {
        let ConvShape { inputs, outputs, taps, dilation, .. } = matrix.shape;
        assert_eq!(matrix.lanes, lanes(self.isa()), "the matrix was packed for another instruction set");
        assert!(out.len().is_multiple_of(outputs), "{} values in rows of {outputs}", out.len());
        let rows = out.len() / outputs;
        let input =
            block::Input { start: Shared(x.checked(x.rows(), inputs)), rows: x.rows(), stride: x.stride() };
        let finishing = Finishing::new(&matrix.bias, finish, rows, outputs);
        if rows == 0 {
            return Range::default();
        }
        let by = Quantisation::from(range);
        let (columns, scales) = matrix.columns(by);
        let block = matrix.block(self, rows);
        let parts = Parts::new(out);
        self.ranged(rows.div_ceil(block), |task| {
            let (first, count) = (task * block, block.min(rows - task * block));
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(first * outputs, count * outputs) };
            // The bytes of whole groups of rows and those that they see, a group's sums, then for each row seen Σ (a − zero).
            let seen = count.next_multiple_of(GROUP) + (taps - 1) * dilation;
            let bytes = seen * matrix.depth();
            crate::scratch::with(bytes + 4 * (GROUP * GROUP + seen), |memory| {
                let job = Block { matrix, input, by, columns: &columns, scales: &scales, first, count };
                let group = memory.wrapping_add(bytes).cast::<i32>();
                let sums = group.wrapping_add(GROUP * GROUP);
                let reading = Reading { job, finishing, memory, group, sums, out: out.as_mut_ptr() };
                // SAFETY: the rows of `x` and `out` were checked above, and the scratch holds what is said.
                unsafe {
                    match self.isa() {
                        #[cfg(target_arch = "x86_64")]
                        Isa::Amx(amx) => amx.enter(reading),
                        isa => dispatch(isa, reading),
                    }
                }
            })
        })
    }
}
