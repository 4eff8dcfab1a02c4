//! Convolutions along time in f32. Rows are moments, columns are channels, so that a filter is a matrix product whose
//! inputs are neighbouring rows: nothing is copied but each task's rows and their margin, once, with what lies outside as
//! zeros. A filter of one tap is a plain product.

mod enter;
mod tile;
#[cfg(target_arch = "x86_64")]
mod tiles;

pub use enter::Enter;

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::finish::{Finish, Finishing};
use crate::isa::Isa;
use crate::simd::{AnyOp, Simd, dispatch};
use crate::unpack::Unpackers;
use enter::Gather;

/// Floats of a task's own rows: they stay in the second-level cache beside a panel of weights.
const BLOCK: usize = 48 << 10;

/// Some rows of a matrix, `stride` values apart.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    values: &'a [f32],
    rows: usize,
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows without gaps.
    ///
    /// # Panics
    /// When `values` is not whole rows of `cols`.
    pub fn new(values: &'a [f32], cols: usize) -> Self {
        assert!(cols > 0 && values.len().is_multiple_of(cols), "{} values in rows of {cols}", values.len());
        Self { values, rows: values.len() / cols, stride: cols }
    }

    /// `rows` rows, of which the first begins at number `from` and each `stride` after the one before. Whoever reads `cols`
    /// columns checks that they lie inside.
    pub fn strided(values: &'a [f32], from: usize, rows: usize, stride: usize) -> Self {
        Self { values: values.get(from..).unwrap_or_default(), rows, stride }
    }

    /// How many there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// The address of the first, after checking that `rows` rows of `cols` columns lie inside.
    pub(crate) fn checked(&self, rows: usize, cols: usize) -> *const f32 {
        let last = self.stride.checked_mul(rows.saturating_sub(1)).and_then(|at| at.checked_add(cols));
        let inside = rows == 0 || (cols <= self.stride && last.is_some_and(|last| last <= self.values.len()));
        assert!(inside && rows <= self.rows, "{rows} rows of {cols} in {} of {}", self.rows, self.stride);
        self.values.as_ptr()
    }
}

/// The size of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Channels that come in.
    pub inputs: usize,
    /// Channels that go out.
    pub outputs: usize,
    /// Rows that one output sees …
    pub taps: usize,
    /// … each so many after the one before.
    pub dilation: usize,
    /// The first of them lies so many rows before the output's own.
    pub before: usize,
}

impl ConvShape {
    /// A plain product.
    pub fn product(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, taps: 1, dilation: 1, before: 0 }
    }

    /// A filter whose outputs lie in the middle of what they see.
    pub fn centred(inputs: usize, outputs: usize, taps: usize, dilation: usize) -> Self {
        Self { inputs, outputs, taps, dilation, before: (taps.saturating_sub(1) * dilation) / 2 }
    }
}

/// A filter, packed for the vectors of one instruction set: panels of `2 × LANES` outputs, (taps, inputs, outputs of the
/// panel) each; or, where there are hardly any outputs, one row of (taps, inputs) for each.
pub struct Conv1d {
    weights: Aligned<f32>,
    #[cfg(target_arch = "x86_64")]
    tiles: Option<tiles::Weights>,
    bias: Vec<f32>,
    shape: ConvShape,
    lanes: usize,
    dots: bool,
}

/// How exactly a filter has to be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exactness {
    /// In single precision, always in the same order.
    Single,
    /// Sixteen bits of each number are enough.
    Near,
}

impl std::fmt::Debug for Conv1d {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Conv1d({:?})", self.shape)
    }
}

impl Conv1d {
    /// Packs the weights that `weight(output, input, tap)` tells, for single precision. `bias` has a value for each output, or
    /// none at all.
    ///
    /// # Panics
    /// When a size is zero or the bias has another length.
    pub fn new(
        isa: Isa,
        shape: ConvShape,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        Self::exact(isa, Exactness::Single, shape, bias, weight)
    }

    /// The same for a computation as exact as is said.
    ///
    /// # Panics
    /// As [`Conv1d::new`].
    pub fn exact(
        isa: Isa,
        exactness: Exactness,
        shape: ConvShape,
        bias: &[f32],
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        #[cfg(not(target_arch = "x86_64"))]
        let _ = exactness;
        let ConvShape { inputs, outputs, taps, dilation, .. } = shape;
        assert!(inputs > 0 && outputs > 0 && taps > 0 && dilation > 0, "{shape:?}");
        assert!(bias.is_empty() || bias.len() == outputs, "{} biases for {outputs} outputs", bias.len());
        let lanes = lanes(isa);
        // A panel of which most is empty costs more than as many dot products.
        let dots = outputs <= 2 && (dilation == 1 || taps == 1);
        let mut weights = Aligned::default();
        #[cfg(target_arch = "x86_64")]
        if let Some(tiles) = tiles::Weights::new(isa, exactness, shape, &weight) {
            return Self { weights, tiles: Some(tiles), bias: bias.to_vec(), shape, lanes, dots: false };
        }
        let depth = taps * inputs;
        weights.resize(if dots { outputs * depth } else { outputs.div_ceil(2 * lanes) * 2 * lanes * depth });
        let all = weights.as_mut_slice();
        all.fill(0.0);
        for output in 0..outputs {
            for tap in 0..taps {
                for input in 0..inputs {
                    let at = match dots {
                        true => output * depth + tap * inputs + input,
                        false => {
                            let (panel, column) = (output / (2 * lanes), output % (2 * lanes));
                            (panel * depth + tap * inputs + input) * 2 * lanes + column
                        }
                    };
                    all[at] = weight(output, input, tap);
                }
            }
        }
        Self {
            weights,
            #[cfg(target_arch = "x86_64")]
            tiles: None,
            bias: bias.to_vec(),
            shape,
            lanes,
            dots,
        }
    }

    /// Its size.
    pub fn shape(&self) -> ConvShape {
        self.shape
    }
}

/// 32-bit values in a vector of `isa`.
pub(crate) fn lanes(isa: Isa) -> usize {
    struct Lanes;
    impl AnyOp for Lanes {
        type Out = usize;
        unsafe fn run<S: Simd + Unpackers>(self, _: S) -> usize {
            S::LANES
        }
    }
    // SAFETY: the op has no pointers.
    unsafe { dispatch(isa, Lanes) }
}

impl Compute {
    /// Filters `x` (rows × inputs) into `out` (rows × outputs, without gaps): row t sees the rows `t − before + tap · dilation`
    /// of `x`, those outside being zero.
    ///
    /// # Panics
    /// When a slice is not of these shapes, or the filter was packed for another instruction set.
    pub fn conv1d(&self, conv: &Conv1d, x: Rows<'_>, finish: Finish<'_>, out: &mut [f32]) {
        self.conv1d_from(conv, x, 0, Enter::Plain, finish, out);
    }

    /// The same from row `from` on: row t of `out` sees what row `from + t` of the whole would see. `enter` is what happens to
    /// values of `x` before the filter meets them; rows outside stay zero.
    ///
    /// # Panics
    /// As [`Compute::conv1d`].
    pub fn conv1d_from(
        &self,
        conv: &Conv1d,
        x: Rows<'_>,
        from: usize,
        enter: Enter,
        finish: Finish<'_>,
        out: &mut [f32],
    ) {
        let ConvShape { inputs, outputs, taps, dilation, before } = conv.shape;
        assert_eq!(conv.lanes, lanes(self.isa()), "the filter was packed for another instruction set");
        assert!(out.len().is_multiple_of(outputs), "{} values in rows of {outputs}", out.len());
        let rows = out.len() / outputs;
        let start = x.checked(x.rows(), inputs);
        let finishing = Finishing::new(&conv.bias, finish, rows, outputs);
        if rows == 0 {
            return;
        }
        let inside = from.saturating_add(rows) <= x.rows();
        let direct = taps == 1 && before == 0 && enter == Enter::Plain && inside;
        let input = Input { start: Shared(start), rows: x.rows(), stride: x.stride(), enter, direct, from };
        let most = (BLOCK / inputs.max(outputs.min(4 * inputs))).clamp(24, 1536);
        let threads = self.pool().at_hand();
        let wanted = if threads == 1 { rows } else { rows.div_ceil(threads * 4) };
        let parts = Parts::new(out);
        #[cfg(target_arch = "x86_64")]
        if let (Some(weights), Isa::Amx(amx)) = (&conv.tiles, self.isa()) {
            let block = wanted.next_multiple_of(tiles::GROUP).min(most.next_multiple_of(tiles::GROUP));
            self.pool().run(rows.div_ceil(block), |task| {
                let (first, count) = (task * block, block.min(rows - task * block));
                // SAFETY: tasks take different rows.
                let out = unsafe { parts.part(first * outputs, count * outputs) };
                weights.run(amx, Block { conv, input, finishing, first, count, out });
            });
            return;
        }
        let block = wanted.next_multiple_of(12).min(most / 12 * 12);
        self.pool().run(rows.div_ceil(block), |task| {
            let (first, count) = (task * block, block.min(rows - task * block));
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(first * outputs, count * outputs) };
            let job = Block { conv, input, finishing, first, count, out };
            if direct {
                // SAFETY: the rows of `x` and `out` were checked above.
                return unsafe { dispatch(self.isa(), job.reading(std::ptr::null_mut())) };
            }
            crate::scratch::with((count + (taps - 1) * dilation) * inputs * 4, |memory| {
                // SAFETY: as above; the scratch holds all rows that the block sees.
                unsafe { dispatch(self.isa(), job.reading(memory.cast())) };
            });
        });
    }
}

/// A pointer that tasks share: they only read behind it.
#[derive(Clone, Copy)]
pub(crate) struct Shared(pub(crate) *const f32);
// SAFETY: it points into a slice that is borrowed for as long as the job runs, and is only read.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

/// Where a block's rows come from.
#[derive(Clone, Copy)]
struct Input {
    start: Shared,
    rows: usize,
    stride: usize,
    enter: Enter,
    direct: bool,
    /// What lies before the first row of the output.
    from: usize,
}

/// `count` rows of the output from row `first` on.
struct Block<'a> {
    conv: &'a Conv1d,
    input: Input,
    finishing: Finishing<'a>,
    first: usize,
    count: usize,
    out: &'a mut [f32],
}

/// A block and the memory for the rows that it sees.
struct Reading<'a>(Block<'a>, *mut f32);

impl<'a> Block<'a> {
    fn reading(self, memory: *mut f32) -> Reading<'a> {
        Reading(self, memory)
    }
}

impl AnyOp for Reading<'_> {
    type Out = ();
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        let Self(block, memory) = self;
        let ConvShape { inputs, outputs, taps, dilation, .. } = block.conv.shape;
        let (a, stride) = if block.input.direct {
            let first = block.input.from + block.first;
            (block.input.start.0.add(first * block.input.stride), block.input.stride)
        } else {
            s.enter(Gather { block: &block, memory });
            (memory.cast_const(), inputs)
        };
        let weights = block.conv.weights.as_slice().as_ptr();
        let out = block.out.as_mut_ptr();
        // Neighbouring rows without gaps are one long row.
        let (taps, between, depth) = match dilation == 1 && stride == inputs {
            true => (1, 0, taps * inputs),
            false => (taps, dilation * stride, inputs),
        };
        let job = tile::Job { a, stride, taps, between, depth, weights, out, outputs };
        if block.conv.dots {
            s.enter(tile::Dots { job, rows: block.count });
        } else {
            tile::panels(s, job, block.count);
        }
        s.enter(crate::finish::Run {
            finishing: &block.finishing,
            first: block.first,
            count: block.count,
            out,
        });
    }
}
