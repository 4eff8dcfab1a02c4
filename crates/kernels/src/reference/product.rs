//! The matrix product: activations in f32 against a weight matrix in any format.

use super::dequantize_row;
use crate::Format;

/// `x` (tokens × cols) against the matrix in `bytes` (rows × cols, stored as `format`, row after row): each output is
/// the dot product of one token and one row, summed in f64. Returns (tokens × rows).
///
/// # Panics
/// When the lengths of `x` and `bytes` do not belong to these shapes.
pub fn matmul(x: &[f32], format: Format, bytes: &[u8], rows: usize, cols: usize) -> Vec<f32> {
    let row_bytes = format.row_bytes(cols).expect("columns must be whole blocks");
    assert_eq!(bytes.len(), rows * row_bytes, "{format} matrix of {rows} × {cols}");
    assert!(cols > 0 && x.len().is_multiple_of(cols), "{} values are not whole tokens of {cols}", x.len());
    let tokens = x.len() / cols;

    let mut out = vec![0.0; tokens * rows];
    let mut weights = vec![0.0; cols];
    for row in 0..rows {
        dequantize_row(format, &bytes[row * row_bytes..(row + 1) * row_bytes], &mut weights);
        for token in 0..tokens {
            out[token * rows + row] = dot(&x[token * cols..(token + 1) * cols], &weights) as f32;
        }
    }
    out
}

/// The dot product of two vectors of one length, in f64.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_tokens_against_three_rows() {
        let weights: Vec<u8> =
            [1.0f32, 2.0, 0.0, -1.0, 3.0, 0.5].iter().flat_map(|w| w.to_le_bytes()).collect();
        let out = matmul(&[1.0, 10.0, -2.0, 4.0], Format::F32, &weights, 3, 2);
        // (tokens, rows)
        assert_eq!(out, [21.0, -10.0, 8.0, 6.0, -4.0, -4.0]);
    }

    #[test]
    fn quantised_rows_are_dequantised_before_the_product() {
        // Two Q8_0 rows of one block: scale 0.5, all 2s; scale 1, value j at j.
        let mut bytes = vec![0x00, 0x38];
        bytes.extend([2u8; 32]);
        bytes.extend([0x00, 0x3c]);
        bytes.extend(0..32u8);
        let out = matmul(&[1.0; 32], Format::Q8_0, &bytes, 2, 32);
        assert_eq!(out, [32.0, 496.0]);
    }

    #[test]
    fn sums_do_not_lose_small_terms_beside_large_ones() {
        let weights: Vec<u8> = [1.0f32; 3].iter().flat_map(|w| w.to_le_bytes()).collect();
        assert_eq!(matmul(&[1e9, 1.0, -1e9], Format::F32, &weights, 1, 3), [1.0]);
    }
}
