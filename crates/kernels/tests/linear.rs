//! Matrix products of random shapes, in every format and on every instruction set, against the slow reference.

mod random;

use parasol_kernels::half::{bf16_to_f32, f32_to_bf16};
use parasol_kernels::{Activations, Compute, Format, Isa, Matrix, Needs, Prepare, quantize, reference};
use random::Random;

/// Values that int8 with a scale for each block of 32 holds exactly, so that only rounding of sums can differ.
fn exact_inputs(random: &mut Random, tokens: usize, cols: usize) -> Vec<f32> {
    let mut x = vec![0.0; tokens * cols];
    for row in x.chunks_mut(cols) {
        for block in row.chunks_mut(32) {
            let scale = 0.01 * 2f32.powi(random.below(6) as i32);
            block.iter_mut().for_each(|x| *x = (random.below(255) as f32 - 127.0) * scale);
            let at = random.below(block.len());
            block[at] = 127.0 * scale;
        }
    }
    x
}

fn weights(random: &mut Random, format: Format, rows: usize, cols: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..rows {
        let row: Vec<f32> = (0..cols).map(|_| random.normal()).collect();
        quantize::quantize_row(format, &row, &mut bytes).unwrap();
    }
    bytes
}

/// Inputs and weights as products in bfloat16 see them: rounded once, sums in full.
fn rounded(x: &[f32], format: Format, bytes: &[u8], rows: usize, cols: usize) -> (Vec<f32>, Vec<u8>) {
    let round = |v: &f32| bf16_to_f32(f32_to_bf16(*v));
    let mut row = vec![0.0; cols];
    let mut weights = Vec::new();
    for bytes in bytes.chunks_exact(bytes.len() / rows) {
        reference::dequantize_row(format, bytes, &mut row);
        weights.extend(row.iter().flat_map(|v| round(v).to_ne_bytes()));
    }
    (x.iter().map(round).collect(), weights)
}

/// Tokens from which on AMX multiplies in bfloat16 tiles.
const TILES: usize = 25;

/// What the reference says, from what the kernels see of the numbers.
fn expected(
    compute: &Compute,
    x: &[f32],
    format: Format,
    bytes: &[u8],
    rows: usize,
    cols: usize,
) -> Vec<f32> {
    if matches!(compute.isa(), Isa::Amx(_)) && x.len() / cols >= TILES && format.block_len() > 1 {
        let (x, weights) = rounded(x, format, bytes, rows, cols);
        return reference::matmul(&x, Format::F32, &weights, rows, cols);
    }
    reference::matmul(x, format, bytes, rows, cols)
}

fn check(compute: &Compute, random: &mut Random, format: Format, tokens: usize, rows: usize, cols: usize) {
    let x = exact_inputs(random, tokens, cols);
    let bytes = weights(random, format, rows, cols);
    let expected = expected(compute, &x, format, &bytes, rows, cols);
    let mut prepared = Activations::new();
    compute.activations(&x, cols, Prepare::Plain, Needs::of([format]), &mut prepared);
    // Poisoned, so that an output which is not written shows.
    let mut out = vec![f32::NAN; tokens * rows];
    let matrix = Matrix::new(format, rows, cols, &bytes).unwrap();
    compute.linear(&prepared, [(matrix, &mut out)]);
    let size = expected.iter().map(|v| v.abs()).fold(0.0, f32::max);
    for (i, (&got, &want)) in out.iter().zip(&expected).enumerate() {
        assert!(
            (got - want).abs() <= 1e-5 * size,
            "{format} {tokens} × {rows} × {cols} on {compute:?}: output {i} is {got}, the reference says {want}"
        );
    }
}

#[test]
fn products_agree_with_the_reference() {
    let mut random = Random(7);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for format in Format::ALL {
            let block = format.block_len().max(32);
            for tokens in [1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 24, 25, 32, 40, 48] {
                let rows = 1 + random.below(70);
                let cols = block * (1 + random.below(if block == 256 { 4 } else { 23 }));
                check(&compute, &mut random, format, tokens, rows, cols);
            }
        }
        // Several stretches of columns, several tasks of tokens, and a shape of a real model.
        for format in [Format::Q4_0, Format::Q4_1, Format::Q8_0, Format::Q6K, Format::F16] {
            check(&compute, &mut random, format, 99, 33, 1536);
            check(&compute, &mut random, format, 300, 64, 256);
            check(&compute, &mut random, format, 1, 200, 1536);
        }
    }
}

#[test]
fn float_weights_take_any_number_of_columns() {
    let mut random = Random(11);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for format in [Format::F32, Format::F16, Format::BF16] {
            for tokens in [1, 3, 7, 9] {
                let (rows, cols) = (1 + random.below(40), 1 + random.below(300));
                check(&compute, &mut random, format, tokens, rows, cols);
            }
        }
    }
}

#[test]
fn float_products_that_may_be_near_are_off_by_little() {
    let mut random = Random(13);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (tokens, rows, cols) in
            [(1, 5, 64), (24, 40, 96), (25, 1, 1), (32, 32, 32), (33, 31, 45), (70, 150, 240), (300, 97, 513)]
        {
            for format in [Format::F32, Format::F16, Format::BF16] {
                let x: Vec<f32> = (0..tokens * cols).map(|_| random.normal() * 7.0).collect();
                let bytes = weights(&mut random, format, rows, cols);
                let matrix = Matrix::new(format, rows, cols, &bytes).unwrap();
                let mut prepared = Activations::new();
                compute.activations(&x, cols, Prepare::Plain, Needs::of([format]).near(), &mut prepared);
                // Poisoned, so that an output which is not written shows; then added to itself.
                let mut out = vec![f32::NAN; tokens * rows];
                compute.linear(&prepared, [(matrix, &mut out)]);
                let mut twice = out.clone();
                compute.linear_add(&prepared, matrix, &mut twice);
                let want = reference::matmul(&x, format, &bytes, rows, cols);
                let size = want.iter().map(|v| v.abs()).fold(0.0, f32::max);
                for (i, want) in want.iter().enumerate() {
                    let what = format!("{format} {tokens} × {rows} × {cols} on {compute:?}: output {i}");
                    assert!((out[i] - want).abs() <= 2e-5 * size, "{what} is {}, not {want}", out[i]);
                    assert!((twice[i] - 2.0 * out[i]).abs() <= 1e-5 * size, "{what}, added to itself");
                }
            }
        }
    }
}

#[test]
fn products_are_added_to_what_is_there() {
    let mut random = Random(5);
    for isa in Isa::available() {
        let compute = Compute::new(isa, 2);
        for (tokens, rows, format) in [
            (3, 20, Format::Q4_0),
            (26, 32, Format::Q4K),
            (48, 64, Format::Q6K),
            (33, 70, Format::Q8_0),
            (64, 64, Format::Q5_1),
            (7, 33, Format::F16),
        ] {
            let cols = 512;
            let (x, bytes) =
                (exact_inputs(&mut random, tokens, cols), weights(&mut random, format, rows, cols));
            let mut prepared = Activations::new();
            compute.activations(&x, cols, Prepare::Plain, Needs::of([format]), &mut prepared);
            let before: Vec<f32> = (0..tokens * rows).map(|_| random.normal()).collect();
            let mut out = before.clone();
            compute.linear_add(&prepared, Matrix::new(format, rows, cols, &bytes).unwrap(), &mut out);
            let expected = expected(&compute, &x, format, &bytes, rows, cols);
            let size = expected.iter().map(|v| v.abs()).fold(1.0, f32::max);
            for ((got, before), want) in out.iter().zip(&before).zip(&expected) {
                let off = (got - before - want).abs();
                assert!(off <= 1e-5 * size, "{format} {tokens} × {rows} on {compute:?}: off by {off}");
            }
        }
    }
}

#[test]
fn several_products_share_one_pass() {
    let mut random = Random(3);
    for (isa, tokens) in Isa::available().into_iter().flat_map(|isa| [(isa, 1), (isa, 20), (isa, 30)]) {
        let compute = Compute::new(isa, 2);
        let x = exact_inputs(&mut random, tokens, 64);
        let (a, b) = (weights(&mut random, Format::Q8_0, 40, 64), weights(&mut random, Format::F32, 3, 64));
        let mut prepared = Activations::new();
        compute.activations(&x, 64, Prepare::Plain, Needs::of([Format::Q8_0, Format::F32]), &mut prepared);
        let (mut first, mut second) = (vec![0.0; tokens * 40], vec![0.0; tokens * 3]);
        compute.linear(
            &prepared,
            [
                (Matrix::new(Format::Q8_0, 40, 64, &a).unwrap(), &mut first),
                (Matrix::new(Format::F32, 3, 64, &b).unwrap(), &mut second),
            ],
        );
        for (out, format, bytes, rows) in [(first, Format::Q8_0, a, 40), (second, Format::F32, b, 3)] {
            for (got, want) in out.iter().zip(expected(&compute, &x, format, &bytes, rows, 64)) {
                assert!((got - want).abs() < 1e-3);
            }
        }
    }
}
