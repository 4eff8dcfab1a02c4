//! Tensors of a checkpoint under their own names: rows of values in a storage format, in the mapped file or in memory.

use super::names::{Place, Style};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::MappedFile;
use parasol_kernels::{Format, Matrix, quantize, reference};
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

#[derive(Debug, Clone)]
enum Bytes {
    Mapped(Arc<MappedFile>, Range<usize>),
    Owned(Arc<[u8]>),
}

impl Bytes {
    /// Some of them; `None` where they are not all there.
    fn part(&self, part: Range<usize>) -> Option<Self> {
        Some(match self {
            Self::Mapped(file, all) => {
                let end = all.start.checked_add(part.end).filter(|end| *end <= all.end)?;
                Self::Mapped(Arc::clone(file), all.start + part.start..end)
            }
            Self::Owned(bytes) => Self::Owned(bytes.get(part)?.into()),
        })
    }
}

/// Rows of `cols` values. A vector has one row; of more dimensions all but the first are columns.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    format: Format,
    rows: usize,
    cols: usize,
    bytes: Bytes,
}

impl Tensor {
    /// A tensor in a mapped file.
    ///
    /// # Errors
    /// `Corrupt` when the range is not in the file or not as long as the shape needs.
    pub(crate) fn mapped(
        format: Format,
        rows: usize,
        cols: usize,
        file: &Arc<MappedFile>,
        range: Range<usize>,
    ) -> Result<Self> {
        let bytes = file.get(range.clone());
        if bytes.and_then(|bytes| Matrix::new(format, rows, cols, bytes)).is_none() {
            let message = format!(
                "{rows} × {cols} values of {format} do not lie at bytes {} to {} of {}: it is damaged or cut short",
                range.start,
                range.end,
                file.len()
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        Ok(Self { format, rows, cols, bytes: Bytes::Mapped(Arc::clone(file), range) })
    }

    /// A tensor of floats in memory.
    pub(crate) fn of_floats(rows: usize, cols: usize, values: &[f32]) -> Self {
        assert_eq!(values.len(), rows * cols);
        let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
        Self { format: Format::F32, rows, cols, bytes: Bytes::Owned(bytes.into()) }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    pub(crate) fn cols(&self) -> usize {
        self.cols
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    fn bytes(&self) -> &[u8] {
        match &self.bytes {
            // `mapped` has checked the range.
            Bytes::Mapped(file, range) => &file[range.clone()],
            Bytes::Owned(bytes) => bytes,
        }
    }

    /// As a matrix for products.
    pub(crate) fn matrix(&self) -> Matrix<'_> {
        // `mapped` has checked the sizes, and the other constructors make them so.
        Matrix::new(self.format, self.rows, self.cols, self.bytes()).expect("a tensor is whole rows")
    }

    /// All values.
    pub(crate) fn floats(&self) -> Vec<f32> {
        let mut values = vec![0.0; self.rows * self.cols];
        let matrix = self.matrix();
        for (row, values) in values.chunks_exact_mut(self.cols).enumerate() {
            reference::dequantize_row(self.format, matrix.row(row), values);
        }
        values
    }

    /// Some of its rows; `None` where they are not all there.
    pub(crate) fn part(&self, rows: Range<usize>) -> Option<Self> {
        let size = self.format.row_bytes(self.cols)?;
        let count = rows.end.checked_sub(rows.start).filter(|_| rows.end <= self.rows)?;
        let bytes = self.bytes.part(rows.start.checked_mul(size)?..rows.end.checked_mul(size)?)?;
        Some(Self { format: self.format, rows: count, cols: self.cols, bytes })
    }

    /// Share `index` of `of` equal ones of its rows.
    fn share(&self, (index, of): (usize, usize)) -> Option<Self> {
        if of == 1 {
            return Some(self.clone());
        }
        // A vector is cut along its columns.
        let (rows, cols) = if self.rows == 1 { (1, self.cols / of) } else { (self.rows / of, self.cols) };
        let whole = rows * cols * of == self.rows * self.cols;
        let size = self.format.row_bytes(cols)?.checked_mul(rows).filter(|_| whole)?;
        let bytes = self.bytes.part(index * size..(index + 1) * size)?;
        Some(Self { format: self.format, rows, cols, bytes })
    }

    /// The same values rounded to `format`; what is quantised already stays.
    ///
    /// # Errors
    /// `Corrupt` for values that are not finite.
    pub(crate) fn quantized(&self, format: Format, threads: usize) -> Result<Self> {
        let (Some(from), Some(to)) = (self.format.row_bytes(self.cols), format.row_bytes(self.cols)) else {
            return Ok(self.clone());
        };
        if self.format.block_len() > 1 || self.format == format {
            return Ok(self.clone());
        }
        let each = self.rows.div_ceil(threads.max(1)).max(1);
        let convert = |source: &[u8]| -> Result<Vec<u8>> {
            let (mut values, mut out) = (vec![0.0; self.cols], Vec::with_capacity(source.len() / from * to));
            for row in source.chunks_exact(from) {
                reference::dequantize_row(self.format, row, &mut values);
                quantize::quantize_row(format, &values, &mut out)?;
            }
            Ok(out)
        };
        let parts: Result<Vec<Vec<u8>>> = std::thread::scope(|scope| {
            let running: Vec<_> =
                self.bytes().chunks(each * from).map(|part| scope.spawn(|| convert(part))).collect();
            let panicked = || Error::new(ErrorKind::Internal, "a quantising thread panicked");
            running.into_iter().map(|part| part.join().unwrap_or_else(|_| Err(panicked()))).collect()
        });
        Ok(Self { format, rows: self.rows, cols: self.cols, bytes: Bytes::Owned(parts?.concat().into()) })
    }
}

/// All tensors of a checkpoint.
#[derive(Debug)]
pub(crate) struct Weights {
    style: Style,
    tensors: HashMap<String, Tensor>,
}

impl Weights {
    pub(crate) fn new(style: Style, tensors: HashMap<String, Tensor>) -> Self {
        Self { style, tensors }
    }

    pub(crate) fn style(&self) -> Style {
        self.style
    }

    /// The tensors, those with several names once.
    fn distinct(&self) -> impl Iterator<Item = &Tensor> {
        let mut seen = HashSet::new();
        self.tensors.values().filter(move |tensor| seen.insert(tensor.bytes().as_ptr_range()))
    }

    /// Bytes of all tensors.
    pub(crate) fn bytes(&self) -> u64 {
        self.distinct().map(|tensor| tensor.bytes().len() as u64).sum()
    }

    /// Values in all tensors.
    pub(crate) fn values(&self) -> u64 {
        self.distinct().map(|tensor| (tensor.rows * tensor.cols) as u64).sum()
    }

    /// Bytes in each storage format, the largest share first.
    pub(crate) fn formats(&self) -> Vec<(Format, u64)> {
        let mut formats: Vec<(Format, u64)> = Vec::new();
        for tensor in self.distinct() {
            let bytes = tensor.bytes().len() as u64;
            match formats.iter_mut().find(|(format, _)| *format == tensor.format) {
                Some((_, sum)) => *sum += bytes,
                None => formats.push((tensor.format, bytes)),
            }
        }
        formats.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        formats
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.tensors.contains_key(name)
    }

    /// The tensor of this name.
    ///
    /// # Errors
    /// `Corrupt` when there is none.
    pub(crate) fn get(&self, name: &str) -> Result<&Tensor> {
        self.tensors.get(name).ok_or_else(|| {
            Error::new(
                ErrorKind::Corrupt,
                format!("the checkpoint has no tensor `{name}`, which Whisper needs"),
            )
        })
    }

    /// The weight of a place, with exactly this shape.
    pub(crate) fn weight(&self, place: &Place, rows: usize, cols: usize) -> Result<Tensor> {
        self.shaped(&place.weight(), place.share, rows, cols)
    }

    /// The tensor `name` with exactly this shape.
    pub(crate) fn expect(&self, name: &str, rows: usize, cols: usize) -> Result<Tensor> {
        self.shaped(name, (0, 1), rows, cols)
    }

    fn shaped(&self, name: &str, share: (usize, usize), rows: usize, cols: usize) -> Result<Tensor> {
        let tensor = self.get(name)?;
        let part = tensor.share(share).filter(|part| (part.rows, part.cols) == (rows, cols));
        part.ok_or_else(|| {
            let message = format!(
                "tensor `{name}` is {} × {}, and share {} of {} should be {rows} × {cols}",
                tensor.rows, tensor.cols, share.0, share.1
            );
            Error::new(ErrorKind::Corrupt, message)
        })
    }

    /// A vector of `len` values: a norm's weights, with `bias` its biases, or a product's biases.
    pub(crate) fn vector(&self, name: &str, share: (usize, usize), len: usize) -> Result<Vec<f32>> {
        let tensor = self.get(name)?;
        // ggml keeps biases of convolutions as columns.
        let row = Tensor { rows: 1, cols: tensor.rows * tensor.cols, ..tensor.clone() };
        let part = row.share(share).filter(|part| part.cols == len && part.format.block_len() == 1);
        part.map(|part| part.floats()).ok_or_else(|| {
            let message = format!("`{name}` has {} values, and {len} should be share {share:?}", row.cols);
            Error::new(ErrorKind::Corrupt, message)
        })
    }
}
