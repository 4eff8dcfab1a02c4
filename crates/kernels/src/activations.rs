//! The input of matrix products: int8 with a scale for every block of 32 values, in the order in which panels hold
//! weights (see `unpack`), bfloat16 where products are made of tiles, and the plain floats where weights are floats.

use crate::buffer::{Aligned, Parts};
use crate::compute::Compute;
use crate::format::Format;
use crate::isa::Isa;
use crate::simd::{AnyOp, Op, Simd, dispatch};
#[cfg(target_arch = "x86_64")]
use crate::tiles::{RoundRow, split};
use crate::unpack::Unpackers;

/// Up to this many tokens, weights are unpacked once and multiplied as they come; above, through panels.
pub(crate) const MATVEC_TOKENS: usize = 8;

/// From this many tokens on, tiles pay for rounding weights to bfloat16.
pub(crate) const TILE_TOKENS: usize = 25;

/// Columns are padded with zeros to a multiple of this, the longest chunk of any instruction set.
pub(crate) const PAD: usize = 128;

/// What panels read of a block of 32 columns of one token: its bytes, offset by 128 …
pub(crate) const RECORD: usize = 48;
/// … its scale (f32), …
pub(crate) const RECORD_SCALE: usize = 32;
/// … scale · Σ of its bytes (f32), and the same of each half (two f32), where a format has minimums.
pub(crate) const RECORD_SUM: usize = 36;
pub(crate) const RECORD_HALF_SUMS: usize = 40;

/// How the input of products with quantised weights is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// int8 beside its scales, for few tokens.
    #[default]
    Chunks,
    /// int8 with its scales between, for panels.
    Records,
    /// bfloat16 in tiles of 16 tokens × 32 columns, for AMX.
    Tiles,
    /// Float weights only: each number as two bfloat16 values in such tiles.
    Split,
}

impl Form {
    /// What kernels of `isa` take for so many tokens.
    pub(crate) fn of(isa: Isa, tokens: usize, needs: Needs) -> Self {
        match isa {
            _ if tokens <= MATVEC_TOKENS => Self::Chunks,
            Isa::Amx(_) if tokens >= TILE_TOKENS && needs.near && !needs.quantised => Self::Split,
            Isa::Amx(_) if tokens >= TILE_TOKENS => Self::Tiles,
            _ => Self::Records,
        }
    }
}

/// Which forms of its input a product needs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    pub(crate) quantised: bool,
    float: bool,
    /// Sums of blocks, which weights with minimums are multiplied with.
    sums: bool,
    /// Float products may keep 16 bits of each number.
    near: bool,
}

impl Needs {
    /// What products with weights of these formats need.
    pub fn of(formats: impl IntoIterator<Item = Format>) -> Self {
        formats.into_iter().fold(Self::default(), |needs, format| match format.block_len() {
            1 => Self { float: true, ..needs },
            _ => Self { quantised: true, sums: needs.sums || format.has_minimums(), ..needs },
        })
    }

    /// Products of many tokens with float weights may keep 16 of the 24 bits of each number, where the processor is faster at
    /// that (AMX): beside the rounding of sums, Σ w · x is then off by at most 2⁻¹⁶ Σ |w · x|. Numbers are finite and
    /// below 3.38 · 10³⁸.
    #[must_use]
    pub fn near(self) -> Self {
        Self { near: true, ..self }
    }
}

/// `tokens × cols` values, prepared for matrix products.
#[derive(Default)]
pub struct Activations {
    pub(crate) tokens: usize,
    pub(crate) cols: usize,
    pub(crate) needs: Needs,
    pub(crate) form: Form,
    /// (tokens, padded) as [`Form::Chunks`]: signed bytes in the order of chunks (see `unpack`).
    pub(crate) q: Aligned<i8>,
    /// (tokens, padded / 32) beside `q`.
    pub(crate) scale: Aligned<f32>,
    /// (tokens, padded / 32, RECORD) as [`Form::Records`].
    pub(crate) records: Aligned<u8>,
    /// (tokens / 32, cols / 32, 2, 16 tokens, 32 columns) as [`Form::Tiles`], (tokens / 32, cols / 32, 2 parts of a number, 2, 16
    /// tokens, 32 columns) as [`Form::Split`]; behind the last token is anything.
    pub(crate) tiles: Aligned<u16>,
    /// (tokens, padded)
    pub(crate) float: Aligned<f32>,
}

impl Activations {
    /// Room for nothing yet; it grows to what it is given and keeps that.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many tokens it holds.
    pub fn tokens(&self) -> usize {
        self.tokens
    }

    /// Values of each token.
    pub fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn covers(&self, needs: Needs) -> bool {
        (self.needs.quantised || !needs.quantised)
            && (self.needs.float || !needs.float)
            && (self.needs.sums || !needs.sums)
    }

    /// Steps of 32 columns, the last filled up with zeros.
    pub(crate) fn steps(&self) -> usize {
        self.cols.div_ceil(32)
    }

    pub(crate) fn padded(&self) -> usize {
        self.cols.next_multiple_of(PAD)
    }

    fn reshape(&mut self, tokens: usize, cols: usize, needs: Needs, form: Form) {
        (self.tokens, self.cols, self.needs, self.form) = (tokens, cols, needs, form);
        let size = tokens * self.padded();
        if needs.quantised {
            assert!(cols.is_multiple_of(32), "quantised weights come in blocks of 32, not {cols} columns");
            match form {
                Form::Chunks => {
                    self.q.resize(size);
                    self.scale.resize(size / 32);
                }
                Form::Records => self.records.resize(size / 32 * RECORD),
                Form::Tiles => self.tiles.resize(tokens.next_multiple_of(32) * cols),
                Form::Split => {}
            }
        }
        if form == Form::Split {
            self.tiles.resize(tokens.next_multiple_of(32) * self.steps() * 32 * 2);
        } else if needs.float {
            self.float.resize(size);
        }
    }
}

/// What happens to a row of values before it is quantised.
#[derive(Clone, Copy)]
pub enum Prepare<'a> {
    /// Nothing.
    Plain,
    /// RMS norm (Zhang & Sennrich 2019) with these weights, one for each column, and this ε.
    RmsNorm(&'a [f32], f32),
    /// Layer norm (Ba, Kiros & Hinton 2016) with these weights and biases, one for each column, and this ε.
    LayerNorm(&'a [f32], &'a [f32], f32),
    /// The exact GELU of x plus these biases, one for each column.
    BiasGelu(&'a [f32]),
    /// The tanh approximation of GELU.
    GeluTanh,
    /// activation(x) · up, `up` being (tokens, cols): the gated linear unit.
    Gated(Gate, &'a [f32]),
}

/// The activation of a gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// x · sigmoid(x)
    Silu,
    /// The tanh approximation of GELU.
    GeluTanh,
}

impl Compute {
    /// Prepares `x`, (tokens, cols), as the input of products that need `needs`.
    ///
    /// # Panics
    /// When lengths do not agree with `cols`, or a product with quantised weights is asked for columns that are no multiple of 32.
    pub fn activations(
        &self,
        x: &[f32],
        cols: usize,
        prepare: Prepare<'_>,
        needs: Needs,
        out: &mut Activations,
    ) {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} values are no rows of {cols}", x.len());
        match prepare {
            Prepare::Plain | Prepare::GeluTanh => {}
            Prepare::RmsNorm(weight, _) | Prepare::BiasGelu(weight) => assert_eq!(weight.len(), cols),
            Prepare::LayerNorm(weight, bias, _) => assert!(weight.len() == cols && bias.len() == cols),
            Prepare::Gated(_, up) => assert_eq!(up.len(), x.len()),
        }
        let tokens = x.len() / cols;
        let form = Form::of(self.isa(), tokens, needs);
        out.reshape(tokens, cols, needs, form);
        let (padded, steps) = (out.padded(), out.steps());
        let q = Parts::new(out.q.as_mut_slice());
        let scale = Parts::new(out.scale.as_mut_slice());
        let records = Parts::new(out.records.as_mut_slice());
        let tiles = Parts::new(out.tiles.as_mut_slice());
        let float = Parts::new(out.float.as_mut_slice());
        let each = tokens.div_ceil(self.pool().threads() * 4).max(1);
        self.pool().run(tokens.div_ceil(each), |task| {
            crate::scratch::with(padded * 4, |row| {
                for token in task * each..tokens.min((task + 1) * each) {
                    let row = row.cast::<f32>();
                    // SAFETY: `row` holds `padded` floats; each token's parts are written by one task only; the
                    // assertions above and `reshape` give every slice the length that the op reads or writes.
                    unsafe {
                        let x = &x[token * cols..(token + 1) * cols];
                        dispatch(self.isa(), PrepareRow { x, token, prepare, row, padded });
                        #[cfg(target_arch = "x86_64")]
                        if let (Form::Split, Isa::Amx(amx)) = (form, self.isa()) {
                            let first = token / 32 * steps * split::STEP + token % 32 * 32;
                            amx.enter(split::SplitRow { row, steps, to: tiles.pointer(first) });
                            continue;
                        }
                        if needs.float {
                            float
                                .part(token * padded, padded)
                                .copy_from_slice(std::slice::from_raw_parts(row, padded));
                        }
                        if needs.quantised {
                            let blocks = padded / 32;
                            let to = match (form, self.isa()) {
                                (Form::Chunks, _) => Int8Row::Chunks {
                                    q: q.part(token * padded, padded),
                                    scale: scale.part(token * blocks, blocks),
                                },
                                #[cfg(target_arch = "x86_64")]
                                (Form::Tiles, Isa::Amx(amx)) => {
                                    let first = token / 32 * cols * 32 + token % 32 * 32;
                                    let to = tiles.pointer(first);
                                    amx.enter(RoundRow { row, steps: cols / 32, to });
                                    continue;
                                }
                                _ => Int8Row::Records(records.part(token * blocks * RECORD, blocks * RECORD)),
                            };
                            dispatch(self.isa(), QuantizeRow { row, padded, sums: needs.sums, to });
                        }
                    }
                }
            });
        });
    }

    /// Layer norm of each row of `x`, (rows, weight.len()), in place.
    ///
    /// # Panics
    /// When `x` is not whole rows.
    pub fn layer_norm(&self, x: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
        assert_eq!(weight.len(), bias.len());
        self.norm(x, weight.len(), Prepare::LayerNorm(weight, bias, eps));
    }

    /// RMS norm of each row of `x`, (rows, weight.len()), in place.
    ///
    /// # Panics
    /// When `x` is not whole rows.
    pub fn rms_norm(&self, x: &mut [f32], weight: &[f32], eps: f32) {
        self.norm(x, weight.len(), Prepare::RmsNorm(weight, eps));
    }

    fn norm(&self, x: &mut [f32], cols: usize, prepare: Prepare<'_>) {
        assert!(cols > 0 && x.len().is_multiple_of(cols), "{} values are no rows of {cols}", x.len());
        let rows = x.len() / cols;
        let each = rows.div_ceil(self.pool().threads() * 4).max(8);
        let parts = Parts::new(x);
        self.pool().run(rows.div_ceil(each), |task| {
            for row in task * each..rows.min((task + 1) * each) {
                // SAFETY: rows do not overlap and belong to one task; the op reads and writes `cols` values in place.
                unsafe {
                    let x = parts.part(row * cols, cols);
                    let row = x.as_mut_ptr();
                    dispatch(self.isa(), PrepareRow { x, token: 0, prepare, row, padded: cols });
                }
            }
        });
    }
}

/// `row` ← prepared `x`, zeros up to `padded`. `row` may be `x` itself.
struct PrepareRow<'a> {
    x: &'a [f32],
    token: usize,
    prepare: Prepare<'a>,
    row: *mut f32,
    padded: usize,
}

/// One vector from `p`, where `n` values are left.
#[inline(always)]
pub(crate) unsafe fn load_n<S: Simd>(s: S, p: *const f32, n: usize) -> S::F {
    if n >= S::LANES { s.load(p) } else { s.load_first(p, n) }
}

/// Stores one vector to `p`, where `n` values are left.
#[inline(always)]
pub(crate) unsafe fn store_n<S: Simd>(s: S, p: *mut f32, n: usize, x: S::F) {
    if n >= S::LANES { s.store(p, x) } else { s.store_first(p, n, x) }
}

impl AnyOp for PrepareRow<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for PrepareRow<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let (cols, x, row) = (self.x.len(), self.x.as_ptr(), self.row);
        // Loops, not closures: a closure would be compiled without the features of `enter`.
        match self.prepare {
            Prepare::Plain => std::ptr::copy(x, row, cols),
            Prepare::RmsNorm(weight, eps) => {
                let mut squares = s.splat(0.0);
                for at in (0..cols).step_by(S::LANES) {
                    let v = load_n(s, x.add(at), cols - at);
                    squares = s.fma(v, v, squares);
                }
                let scale = s.splat(1.0 / (s.sum(squares) / cols as f32 + eps).sqrt());
                for at in (0..cols).step_by(S::LANES) {
                    let n = cols - at;
                    let w = load_n(s, weight.as_ptr().add(at), n);
                    store_n(s, row.add(at), n, s.mul(s.mul(load_n(s, x.add(at), n), scale), w));
                }
            }
            Prepare::LayerNorm(weight, bias, eps) => {
                let mut total = s.splat(0.0);
                for at in (0..cols).step_by(S::LANES) {
                    total = s.add(total, load_n(s, x.add(at), cols - at));
                }
                let mean = s.sum(total) / cols as f32;
                // Differences from the mean first: squares of what lies far from zero would lose the small ones.
                let mut squares = s.splat(0.0);
                let whole = cols / S::LANES * S::LANES;
                for at in (0..whole).step_by(S::LANES) {
                    let v = s.sub(s.load(x.add(at)), s.splat(mean));
                    squares = s.fma(v, v, squares);
                }
                let mut variance = s.sum(squares);
                for at in whole..cols {
                    variance += (*x.add(at) - mean) * (*x.add(at) - mean);
                }
                let scale = s.splat(1.0 / (variance / cols as f32 + eps).sqrt());
                for at in (0..cols).step_by(S::LANES) {
                    let n = cols - at;
                    let v = s.mul(s.sub(load_n(s, x.add(at), n), s.splat(mean)), scale);
                    let (w, b) = (load_n(s, weight.as_ptr().add(at), n), load_n(s, bias.as_ptr().add(at), n));
                    store_n(s, row.add(at), n, s.fma(v, w, b));
                }
            }
            Prepare::BiasGelu(bias) => {
                for at in (0..cols).step_by(S::LANES) {
                    let n = cols - at;
                    let v = s.add(load_n(s, x.add(at), n), load_n(s, bias.as_ptr().add(at), n));
                    store_n(s, row.add(at), n, crate::simd::math::gelu(s, v));
                }
            }
            Prepare::GeluTanh => {
                for at in (0..cols).step_by(S::LANES) {
                    let n = cols - at;
                    let v = load_n(s, x.add(at), n);
                    store_n(s, row.add(at), n, crate::simd::math::gelu_tanh(s, v));
                }
            }
            Prepare::Gated(gate, up) => {
                let up = up.as_ptr().add(self.token * cols);
                for at in (0..cols).step_by(S::LANES) {
                    let n = cols - at;
                    let v = load_n(s, x.add(at), n);
                    let v = match gate {
                        Gate::Silu => crate::simd::math::silu(s, v),
                        Gate::GeluTanh => crate::simd::math::gelu_tanh(s, v),
                    };
                    store_n(s, row.add(at), n, s.mul(v, load_n(s, up.add(at), n)));
                }
            }
        }
        std::ptr::write_bytes(row.add(cols), 0, self.padded - cols);
    }
}

/// One row to int8: scale = largest magnitude / 127 for each block of 32.
struct QuantizeRow<'a> {
    row: *const f32,
    padded: usize,
    /// Records get sums.
    sums: bool,
    to: Int8Row<'a>,
}

/// Where an int8 row goes: see the fields of [`Activations`].
enum Int8Row<'a> {
    Chunks { q: &'a mut [i8], scale: &'a mut [f32] },
    Records(&'a mut [u8]),
}

impl AnyOp for QuantizeRow<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run<S: Simd + Unpackers>(self, s: S) {
        s.enter(self);
    }
}

impl<S: Simd> Op<S> for QuantizeRow<'_> {
    type Out = ();
    #[inline(always)]
    unsafe fn run(self, s: S) {
        let blocks = self.padded / 32;
        match self.to {
            Int8Row::Chunks { q, scale } => {
                for (block, scale) in scale.iter_mut().enumerate().take(blocks) {
                    // Where a chunk keeps this block: first half in its first part, last half in its second.
                    let chunk = q.as_mut_ptr().add(block / (S::LANES / 4) * 8 * S::LANES);
                    let to = chunk.add(block % (S::LANES / 4) * 16);
                    *scale = quantize_block(s, self.row.add(block * 32), to, 4 * S::LANES, false).0;
                }
            }
            Int8Row::Records(records) => {
                for block in 0..blocks {
                    let to = records.as_mut_ptr().add(block * RECORD);
                    let (scale, sums) = quantize_block(s, self.row.add(block * 32), to.cast(), 16, self.sums);
                    for i in 0..32 {
                        *to.add(i) ^= 128;
                    }
                    let all = [scale, scale * (sums[0] + sums[1]), scale * sums[0], scale * sums[1]];
                    to.add(RECORD_SCALE).cast::<[f32; 4]>().write(all);
                }
            }
        }
    }
}

/// The 32 values at `x` as signed bytes, the first sixteen at `to`, the last at `to + apart`; returns their scale and,
/// where asked for, the sums of both halves' bytes.
#[inline(always)]
unsafe fn quantize_block<S: Simd>(
    s: S,
    x: *const f32,
    to: *mut i8,
    apart: usize,
    sum: bool,
) -> (f32, [f32; 2]) {
    let mut largest = s.splat(0.0);
    for i in 0..32 / S::LANES {
        largest = s.max(largest, s.abs(s.load(x.add(i * S::LANES))));
    }
    let largest = s.largest(largest);
    // Below the smallest normal number the reciprocal would overflow; such a block is zero.
    let (scale, inverse) =
        if largest > 1e-30 { (largest / 127.0, s.splat(127.0 / largest)) } else { (0.0, s.splat(0.0)) };
    let mut sums = [0.0; 2];
    for i in 0..32 / S::LANES {
        let (half, within) = (i * S::LANES / 16, i * S::LANES % 16);
        let v = s.round(s.mul(s.load(x.add(i * S::LANES)), inverse));
        s.store_i8(to.add(half * apart + within), v);
        if sum {
            sums[half] += s.sum(v);
        }
    }
    (scale, sums)
}
