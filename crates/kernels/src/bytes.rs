//! Products of a matrix of bytes with activations that become bytes when they are met, one scale and zero point for all of
//! them: what ONNX writes as `DynamicQuantizeLinear` and `MatMulInteger`. Sums are whole numbers, so that every instruction
//! set gives the same ones, and those of other runtimes.

// Loops over a tile of registers name the register: iterators would hide which of several arrays the index is shared by.
#![allow(clippy::needless_range_loop)]

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::convolution::{Rows, Shared, lanes};
use crate::finish::{Finish, Finishing, Range, Run, load};
#[cfg(target_arch = "x86_64")]
use crate::isa::Amx;
use crate::isa::Isa;
use crate::simd::{AnyOp, Op, Simd, dispatch};
#[cfg(target_arch = "x86_64")]
use crate::tiles::{self, ByteBlock, ROWS, TileOp, Tiles};
use crate::unpack::Unpackers;
use std::sync::{Mutex, PoisonError};

/// Rows of a task at most, and where there are tiles.
const BLOCK: usize = 48;
const TILES_BLOCK: usize = 64;

/// Rows and columns of sums of tiles.
const GROUP: usize = 32;

/// A matrix of unsigned bytes with one scale and zero point, packed for the vectors of one instruction set: panels of
/// `2 × LANES` columns; in each, groups of four inputs, as `LANES` bytes would lie that four vectors of floats become.
pub struct ByteMatrix {
    weights: Aligned<i8>,
    /// For each column Σ (w − 128).
    sums: Vec<i32>,
    inputs: usize,
    outputs: usize,
    scale: f32,
    /// The zero point − 128, as the weights are stored.
    zero: i32,
    bias: Vec<f32>,
    lanes: usize,
}

impl std::fmt::Debug for ByteMatrix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ByteMatrix({} × {})", self.inputs, self.outputs)
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
        let inputs = weights.len() / outputs;
        assert!((1..=16_384).contains(&inputs), "{inputs} inputs");
        assert!(bias.is_empty() || bias.len() == outputs, "{} biases for {outputs} outputs", bias.len());
        let lanes = lanes(isa);
        let (depth, wide) = (inputs.next_multiple_of(4 * lanes), 2 * lanes);
        let mut packed = Aligned::default();
        packed.resize(outputs.div_ceil(wide) * wide * depth);
        let all: &mut [i8] = packed.as_mut_slice();
        all.fill(0);
        let mut sums = vec![0; outputs.next_multiple_of(wide)];
        for (input, row) in weights.chunks_exact(outputs).enumerate() {
            // Group and place in it: byte i of lane l is what lane l of vector i becomes.
            let (chunk, rest) = (input / (4 * lanes), input % (4 * lanes));
            let (group, byte) = (chunk * lanes + rest % lanes, rest / lanes);
            for (output, &weight) in row.iter().enumerate() {
                let weight = (i32::from(weight) - 128) as i8; // within −128 ..= 127
                let at = (output / wide * depth / 4 + group) * 4 * wide + output % wide * 4 + byte;
                all[at] = weight;
                sums[output] += i32::from(weight);
            }
        }
        let zero = i32::from(zero) - 128;
        Self { weights: packed, sums, inputs, outputs, scale, zero, bias: bias.to_vec(), lanes }
    }

    /// Inputs and outputs.
    pub fn shape(&self) -> (usize, usize) {
        (self.inputs, self.outputs)
    }

    fn depth(&self) -> usize {
        self.inputs.next_multiple_of(4 * self.lanes)
    }
}

impl Compute {
    /// Multiplies `x` (rows × inputs), quantised for values within `range`, with the matrix into `out` (rows × outputs, without
    /// gaps). Tells the range of what comes out.
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
        let outputs = matrix.outputs;
        assert_eq!(matrix.lanes, lanes(self.isa()), "the matrix was packed for another instruction set");
        assert!(out.len().is_multiple_of(outputs), "{} values in rows of {outputs}", out.len());
        let rows = out.len() / outputs;
        let start = Shared(x.checked(rows, matrix.inputs));
        let finishing = Finishing::new(&matrix.bias, finish, rows, outputs);
        if rows == 0 {
            return Range::default();
        }
        let (each, most) = match self.isa() {
            Isa::Amx(_) => (GROUP, TILES_BLOCK),
            _ => (12, BLOCK),
        };
        let block = rows.div_ceil(self.pool().threads() * 2).next_multiple_of(each).min(most);
        let parts = Parts::new(out);
        let whole = Mutex::new(Range::default());
        self.pool().run(rows.div_ceil(block), |task| {
            let (first, count) = (task * block, block.min(rows - task * block));
            // SAFETY: tasks take different rows.
            let out = unsafe { parts.part(first * outputs, count * outputs) };
            // The bytes of whole groups of rows, a group's sums, then for each row Σ (a − zero).
            let bytes = count.next_multiple_of(each) * matrix.depth();
            let range = crate::scratch::with(bytes + 4 * (GROUP * GROUP + count), |memory| {
                let job = Block { matrix, start, stride: x.stride(), by: range.into(), first, count };
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
            });
            let mut whole = whole.lock().unwrap_or_else(PoisonError::into_inner);
            *whole = whole.and(range);
        });
        whole.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `count` rows from row `first` on.
#[derive(Clone, Copy)]
struct Block<'a> {
    matrix: &'a ByteMatrix,
    start: Shared,
    stride: usize,
    by: Quantisation,
    first: usize,
    count: usize,
}

/// A block and its memory.
struct Reading<'a> {
    job: Block<'a>,
    finishing: Finishing<'a>,
    memory: *mut u8,
    group: *mut i32,
    sums: *mut i32,
    out: *mut f32,
}

impl AnyOp for Reading<'_> {
    type Out = Range;
    unsafe fn run<S: Simd + Unpackers>(self, s: S) -> Range {
        let Self { job, finishing, memory, sums, out, .. } = self;
        s.enter(Bytes { job, memory, sums });
        let wide = 2 * S::LANES;
        for panel in 0..job.matrix.outputs.div_ceil(wide) {
            let mut row = 0;
            while row < job.count {
                row += match job.count - row {
                    12.. if S::LANES >= 16 => s.enter(Tile::<4, 3> { job, memory, sums, out, row, panel }),
                    6.. => s.enter(Tile::<2, 3> { job, memory, sums, out, row, panel }),
                    3.. => s.enter(Tile::<1, 3> { job, memory, sums, out, row, panel }),
                    _ => s.enter(Tile::<1, 1> { job, memory, sums, out, row, panel }),
                };
            }
        }
        s.enter(Run { finishing: &finishing, first: job.first, count: job.count, out })
    }
}

#[cfg(target_arch = "x86_64")]
impl TileOp for Reading<'_> {
    type Out = Range;
    #[inline(always)]
    unsafe fn run(self, amx: Amx) -> Range {
        let Self { job, finishing, memory, group, sums, out } = self;
        let (s, depth) = (amx.avx512(), job.matrix.depth());
        s.enter(Bytes { job, memory, sums });
        let tiles = Tiles::new(amx);
        for panel in 0..job.matrix.outputs.div_ceil(GROUP) {
            let right = job.matrix.weights.as_slice().as_ptr().add(panel * GROUP * depth);
            for row in (0..job.count).step_by(GROUP) {
                let rows = GROUP.min(job.count - row);
                let left = memory.add(row * depth);
                tiles::byte_product(
                    &tiles,
                    &ByteBlock { left, depth, right, out: group, half: rows <= ROWS },
                );
                s.enter(Settle { job, group, sums, out, row, rows, panel });
            }
        }
        drop(tiles);
        s.enter(Run { finishing: &finishing, first: job.first, count: job.count, out })
    }
}

/// Turns a group's sums into floats.
#[cfg(target_arch = "x86_64")]
struct Settle<'a> {
    job: Block<'a>,
    group: *const i32,
    sums: *const i32,
    out: *mut f32,
    row: usize,
    rows: usize,
    panel: usize,
}

#[cfg(target_arch = "x86_64")]
impl<S: Simd> Op<S> for Settle<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { job, group, sums, out, row, rows, panel } = self;
        for side in 0..GROUP / S::LANES {
            let from = panel * GROUP + side * S::LANES;
            let n = S::LANES.min(job.matrix.outputs.saturating_sub(from));
            if n == 0 {
                break;
            }
            let columns = job.columns(s, from);
            for i in 0..rows {
                let total = s.load_i(group.add(i * GROUP + side * S::LANES).cast());
                let value = job.settled(s, total, columns, *sums.add(row + i));
                crate::finish::store(s, out.add((row + i) * job.matrix.outputs + from), n, value);
            }
        }
    }
}

impl Block<'_> {
    /// −za · Σ w of the columns from `from` on.
    #[inline(always)]
    unsafe fn columns<S: Simd>(&self, s: S, from: usize) -> S::I {
        let sums = s.load_i(self.matrix.sums.as_ptr().add(from).cast());
        s.mul_i(sums, s.splat_i(-i32::from(self.by.zero)))
    }

    /// Σ (a − za)(w − zw) = Σ a·w − za·Σ w − zw·Σ (a − za), scaled; `sum` is the last of these.
    #[inline(always)]
    unsafe fn settled<S: Simd>(&self, s: S, total: S::I, columns: S::I, sum: i32) -> S::F {
        let sum = s.add_i(s.add_i(total, columns), s.splat_i(-self.matrix.zero * sum));
        s.mul(s.to_float(sum), s.splat(self.by.scale * self.matrix.scale))
    }
}

/// Turns the block's rows into bytes.
struct Bytes<'a> {
    job: Block<'a>,
    memory: *mut u8,
    sums: *mut i32,
}

impl<S: Simd> Op<S> for Bytes<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let Self { job, memory, sums } = self;
        let (inputs, depth) = (job.matrix.inputs, job.matrix.depth());
        let (scale, zero) = (s.splat(job.by.scale), s.splat(f32::from(job.by.zero)));
        let one = s.splat_byte(1);
        for row in 0..job.count {
            let from = job.start.0.add((job.first + row) * job.stride);
            let to = memory.add(row * depth);
            let mut sum = s.zero_i();
            for at in (0..depth).step_by(4 * S::LANES) {
                let mut four = [s.splat(0.0); 4];
                for i in 0..4 {
                    let at = at + i * S::LANES;
                    let n = S::LANES.min(inputs.saturating_sub(at));
                    if n > 0 {
                        four[i] = load(s, from.add(at), n);
                    }
                    // The zero point is added after rounding, as the definition says.
                    four[i] = s.add(s.round(s.div(four[i], scale)), zero);
                }
                let bytes = s.pack_bytes(four);
                s.store_i(to.add(at), bytes);
                sum = s.dot(sum, bytes, one);
            }
            // Exact: at most 255 times the inputs. What pads the row is `zero` each.
            let sum = s.sum(s.to_float(sum)) as i32;
            *sums.add(row) = sum - i32::from(job.by.zero) * depth as i32;
        }
    }
}

/// `G · R` rows against a panel.
struct Tile<'a, const G: usize, const R: usize> {
    job: Block<'a>,
    memory: *const u8,
    sums: *const i32,
    out: *mut f32,
    row: usize,
    panel: usize,
}

impl<S: Simd, const G: usize, const R: usize> Op<S> for Tile<'_, G, R> {
    type Out = usize;
    #[inline(always)]
    unsafe fn run(self, s: S) -> usize {
        let Self { job, memory, sums, out, row, panel } = self;
        let (depth, wide, vector) = (job.matrix.depth(), 2 * S::LANES, 4 * S::LANES);
        let mut total = [[[s.zero_i(); 2]; R]; G];
        let mut w = job.matrix.weights.as_slice().as_ptr().add(panel * wide * depth).cast::<u8>();
        let mut a = [memory; G];
        for g in 0..G {
            a[g] = memory.add((row + g * R) * depth);
        }
        for _ in 0..depth / 4 {
            let weights = [s.load_i(w), s.load_i(w.add(vector))];
            w = w.add(2 * vector);
            for g in 0..G {
                for r in 0..R {
                    let x = s.splat_bytes(a[g].add(r * depth).cast());
                    for side in 0..2 {
                        total[g][r][side] = s.dot_any(total[g][r][side], x, weights[side]);
                    }
                }
                a[g] = a[g].add(4);
            }
        }
        for side in 0..2 {
            let from = panel * wide + side * S::LANES;
            let n = S::LANES.min(job.matrix.outputs.saturating_sub(from));
            if n == 0 {
                continue;
            }
            let columns = job.columns(s, from);
            for g in 0..G {
                for r in 0..R {
                    let at = row + g * R + r;
                    let value = job.settled(s, total[g][r][side], columns, *sums.add(at));
                    crate::finish::store(s, out.add(at * job.matrix.outputs + from), n, value);
                }
            }
        }
        G * R
    }
}
