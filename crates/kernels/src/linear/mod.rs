//! Matrix products with weights of any format: `out = x · Wᵀ`. Few tokens read each row once and multiply it as it is
//! unpacked (`matvec`); many tokens meet rows that were unpacked into a panel (`panel`, `float`, on AMX `tiles` and `split`).

mod float;
mod matvec;
mod panel;
#[cfg(target_arch = "x86_64")]
mod split;
#[cfg(target_arch = "x86_64")]
mod tiles;

#[cfg(target_arch = "x86_64")]
pub(crate) use split::Rows as SplitRows;

use crate::activations::{Activations, Form};
use crate::buffer::Parts;
use crate::compute::Compute;
use crate::format::Format;
#[cfg(target_arch = "x86_64")]
use crate::isa::Isa;

/// A matrix of weights as it is stored: `rows` rows of `cols` values.
#[derive(Debug, Clone, Copy)]
pub struct Matrix<'a> {
    format: Format,
    rows: usize,
    cols: usize,
    row_bytes: usize,
    bytes: &'a [u8],
}

impl<'a> Matrix<'a> {
    /// `None` when `bytes` is not exactly `rows` rows of `cols` values of `format`, or there are no values.
    pub fn new(format: Format, rows: usize, cols: usize, bytes: &'a [u8]) -> Option<Self> {
        let row_bytes = format.row_bytes(cols)?;
        (rows > 0 && cols > 0 && row_bytes.checked_mul(rows)? == bytes.len()).then_some(Self {
            format,
            rows,
            cols,
            row_bytes,
            bytes,
        })
    }

    /// Storage format.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Rows: outputs of a product.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Columns: inputs of a product.
    pub fn cols(&self) -> usize {
        self.cols
    }

    /// The stored bytes of row `row`.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes..(row + 1) * self.row_bytes]
    }
}

/// Where a product's rows go: `(tokens, rows)`.
pub(crate) struct Output<'a> {
    pub(crate) values: Parts<'a, f32>,
    /// Distance between the rows of two tokens.
    pub(crate) stride: usize,
    /// Products are added to what is there.
    pub(crate) add: bool,
}

impl Output<'_> {
    /// Puts the product of one token and one row.
    ///
    /// # Safety
    /// The place exists and belongs to the calling task.
    #[inline(always)]
    unsafe fn put(&self, token: usize, row: usize, value: f32) {
        let place = self.values.pointer(token * self.stride + row);
        *place = if self.add { *place + value } else { value };
    }
}

/// One matrix and the place of its product.
pub(crate) struct Job<'a> {
    pub(crate) matrix: Matrix<'a>,
    pub(crate) out: Output<'a>,
}

/// A contiguous run of rows of one job.
#[derive(Clone, Copy)]
pub(crate) struct Span {
    job: usize,
    row: usize,
    rows: usize,
}

/// Splits all rows into spans of at most `each`.
fn spans(jobs: &[Job<'_>], each: usize) -> Vec<Span> {
    let mut spans = Vec::new();
    for (job, Job { matrix, .. }) in jobs.iter().enumerate() {
        spans.extend((0..matrix.rows).step_by(each).map(|row| Span {
            job,
            row,
            rows: each.min(matrix.rows - row),
        }));
    }
    spans
}

impl Compute {
    /// For each pair, `out = x · Wᵀ`: `x` is (tokens, cols), `out` becomes (tokens, rows). All products share one pass
    /// over the threads.
    ///
    /// # Panics
    /// When `x` was not prepared for the weights' formats, or sizes do not agree.
    pub fn linear<const N: usize>(&self, x: &Activations, products: [(Matrix<'_>, &mut [f32]); N]) {
        self.products(x, products, false);
    }

    fn products<const N: usize>(&self, x: &Activations, products: [(Matrix<'_>, &mut [f32]); N], add: bool) {
        let jobs = products.map(|(matrix, out)| {
            assert_eq!(matrix.cols, x.cols, "weights of {} columns meet inputs of {}", matrix.cols, x.cols);
            assert_eq!(out.len(), x.tokens * matrix.rows, "the product is {} × {}", x.tokens, matrix.rows);
            let (needs, form) =
                (crate::activations::Needs::of([matrix.format]), Form::of(self.isa(), x.tokens, x.needs));
            assert!(
                x.covers(needs) && x.form == form,
                "inputs were not prepared for {} weights on {}",
                matrix.format,
                self.isa().name()
            );
            Job { matrix, out: Output { values: Parts::new(out), stride: matrix.rows, add } }
        });
        if x.tokens == 0 {
            return;
        }
        match (x.form, self.isa()) {
            (Form::Chunks, _) => matvec::run(self, x, &jobs),
            #[cfg(target_arch = "x86_64")]
            (Form::Tiles, Isa::Amx(amx)) if x.needs.quantised => tiles::run(self, amx, x, &jobs),
            #[cfg(target_arch = "x86_64")]
            (Form::Split, Isa::Amx(amx)) => split::run(self, amx, x, &jobs),
            _ => panel::run(self, x, &jobs),
        }
    }

    /// `out += x · Wᵀ`, for the residual stream.
    ///
    /// # Panics
    /// As [`Compute::linear`].
    pub fn linear_add(&self, x: &Activations, matrix: Matrix<'_>, out: &mut [f32]) {
        self.products(x, [(matrix, out)], true);
    }

    /// The rows `ids` of a matrix as floats, times `scale`: the embeddings of tokens. `out` is (ids, cols).
    ///
    /// # Panics
    /// When there is no such row, or `out` has another size.
    pub fn gather(&self, matrix: &Matrix<'_>, ids: &[u32], scale: f32, out: &mut [f32]) {
        let cols = matrix.cols;
        assert_eq!(out.len(), ids.len() * cols);
        let parts = Parts::new(out);
        let each = 16;
        self.pool().run(ids.len().div_ceil(each), |task| {
            let range = task * each..ids.len().min((task + 1) * each);
            for (at, &id) in range.clone().zip(&ids[range]) {
                // SAFETY: each row of the output belongs to one task.
                let out = unsafe { parts.part(at * cols, cols) };
                crate::reference::dequantize_row(matrix.format, matrix.row(id as usize), out);
                if scale != 1.0 {
                    out.iter_mut().for_each(|x| *x *= scale);
                }
            }
        });
    }
}
