//! The quantisers against gguf's (byte for byte where they have no search) and against the error of ggml's search
//! (fixtures from tools/reference/formats.py).
#![allow(clippy::unwrap_used)]

use parasol_core::ErrorKind;
use parasol_kernels::quantize::quantize_row;
use parasol_kernels::{Format, reference};

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/formats/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn there_and_back(format: Format, values: &[f32]) -> Vec<f32> {
    let mut bytes = Vec::new();
    quantize_row(format, values, &mut bytes).unwrap();
    let mut out = vec![f32::NAN; values.len()];
    reference::dequantize_row(format, &bytes, &mut out);
    out
}

fn rms_error(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let sum: f64 = a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
    (sum / a.len() as f64).sqrt()
}

#[test]
fn formats_without_a_search_have_the_bytes_of_the_reference() {
    let values = floats(&fixture("inputs.bin"));
    for format in
        [Format::F16, Format::BF16, Format::Q4_0, Format::Q4_1, Format::Q5_0, Format::Q5_1, Format::Q8_0]
    {
        let mut bytes = vec![7]; // what is there already stays
        quantize_row(format, &values, &mut bytes).unwrap();
        let expected = fixture(&format!("{format}.quantized.bin"));
        assert_eq!(bytes.len(), expected.len() + 1);
        let differs = bytes[1..].iter().zip(&expected).position(|(a, b)| a != b);
        assert_eq!(
            differs.map(|at| (at / format.block_bytes(), at % format.block_bytes())),
            None,
            "{format}"
        );
    }
}

#[test]
fn formats_with_a_search_err_less_than_ggml() {
    let values = floats(&fixture("weights.bin"));
    let errors = String::from_utf8(fixture("errors.txt")).unwrap();
    let mut seen = 0;
    for line in errors.lines() {
        let (name, error) = line.split_once(' ').unwrap();
        let (format, theirs): (_, f64) = (Format::from_name(name).unwrap(), error.parse().unwrap());
        let ours = rms_error(&there_and_back(format, &values), &values);
        // Without the search over grids, or over neighbouring integers, this does not hold.
        assert!(ours <= 0.995 * theirs, "{format}: {ours:e} against ggml's {theirs:e}");
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// Blocks of the kinds that searches stumble over, each 256 values.
fn odd_blocks() -> Vec<(&'static str, Vec<f32>)> {
    let made = |f: fn(usize) -> f32| (0..256).map(f).collect::<Vec<f32>>();
    vec![
        ("zeros", made(|_| 0.0)),
        ("signed zeros", made(|i| if i % 2 == 0 { 0.0 } else { -0.0 })),
        ("one value", made(|_| 0.7)),
        ("one negative value", made(|_| -0.7)),
        ("all positive", made(|i| 1.0 + (i * 37 % 256) as f32 / 256.0)),
        ("all negative", made(|i| -1.0 - (i * 37 % 256) as f32 / 256.0)),
        ("one spike", made(|i| if i == 77 { 1.0 } else { 0.0 })),
        ("one negative spike", made(|i| if i == 200 { -1.0 } else { 0.0 })),
        ("ramp", made(|i| i as f32 / 128.0 - 1.0)),
        (
            "groups of very different size",
            made(|i| (i * 37 % 31) as f32 * 4f32.powi(-((i / 32) as i32)) - 0.2),
        ),
    ]
}

#[test]
fn odd_blocks_come_back_within_the_step_of_their_format_at_any_magnitude() {
    for format in Format::ALL {
        // Half a step of a block without structure, as a share of its greatest magnitude, and half of that again for
        // what is lost on rounded scales and on clipping.
        let bound = match format {
            Format::F32 => 0.0,
            Format::F16 => 1.0 / 2048.0,
            Format::BF16 => 1.0 / 256.0,
            Format::Q8_0 => 0.006,
            Format::Q6K => 0.03,
            Format::Q5K | Format::Q5_0 | Format::Q5_1 => 0.075,
            Format::Q4_0 | Format::Q4_1 | Format::Q4K | Format::IQ4NL | Format::IQ4XS => 0.15,
            Format::Q3K => 0.3,
            Format::Q2K => 0.5,
        };
        for (what, block) in odd_blocks() {
            for magnitude in [1e-3f32, 1.0, 1e3] {
                let values: Vec<f32> = block.iter().map(|v| v * magnitude).collect();
                let greatest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
                for (i, (got, want)) in there_and_back(format, &values).iter().zip(&values).enumerate() {
                    let miss = (got - want).abs();
                    assert!(
                        miss <= bound * greatest,
                        "{format}, {what} × {magnitude}: value {i}, {want} is {got}"
                    );
                }
            }
        }
    }
}

#[test]
fn values_too_small_for_a_scale_become_nearly_zero() {
    for format in Format::ALL.into_iter().filter(|f| f.block_len() > 1) {
        for magnitude in [f32::MIN_POSITIVE, 1e-40, 1e-30, 1e-12, 1e-9, 3e-8, 1e-6] {
            let values: Vec<f32> = (0..256).map(|i| (i as f32 / 128.0 - 1.0) * magnitude).collect();
            for value in there_and_back(format, &values) {
                assert!(value.abs() <= 2.0 * magnitude + 1.5e-5, "{format}: {value:e} at {magnitude:e}");
            }
        }
    }
}

#[test]
fn a_value_that_is_not_finite_is_named_with_its_position() {
    for format in Format::ALL {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut values = vec![0.25; 512];
            values[300] = bad;
            let mut out = vec![1, 2, 3];
            let error = quantize_row(format, &values, &mut out).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::Corrupt);
            assert!(error.message().contains("value 300 "), "{error}");
            assert!(error.message().contains(format.name()), "{error}");
            assert_eq!(out, [1, 2, 3]);
        }
    }
}

#[test]
fn values_beyond_a_format_are_refused_and_never_become_infinite() {
    for format in Format::ALL.into_iter().filter(|f| *f != Format::F32) {
        let mut refused = 0;
        for exponent in 2..=38 {
            for sign in [1.0f32, -1.0] {
                let mut values: Vec<f32> = (0..512).map(|i| (i % 7) as f32 - 3.0).collect();
                values[257] = sign * 10f32.powi(exponent);
                let mut out = vec![9];
                match quantize_row(format, &values, &mut out) {
                    Ok(()) => {
                        let back = there_and_back(format, &values);
                        assert!(back.iter().all(|v| v.is_finite()), "{format} at 1e{exponent}");
                        assert!(
                            (back[257] / values[257] - 1.0).abs() < 0.2,
                            "{format} at 1e{exponent}: {}",
                            back[257]
                        );
                    }
                    Err(error) => {
                        refused += 1;
                        assert!(error.message().contains("too large"), "{error}");
                        let named = 257 / format.block_len() * format.block_len();
                        let named = if format.block_len() == 1 {
                            "value 257 ".into()
                        } else {
                            format!("values {named} to ")
                        };
                        assert!(error.message().contains(&named), "{error}");
                        assert_eq!(out, [9]);
                    }
                }
            }
        }
        // bfloat16 reaches as far as f32 up to its last rounding, which the next assertion is about.
        assert!(refused >= 40 || format == Format::BF16, "{format} refused only {refused} of 74");
    }
    assert!(quantize_row(Format::BF16, &[f32::MAX], &mut Vec::new()).is_err());
}

#[test]
fn a_row_that_is_not_whole_blocks_is_refused_with_both_numbers() {
    let error = quantize_row(Format::Q4K, &[0.0; 576], &mut Vec::new()).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("576") && error.message().contains("256"), "{error}");
    quantize_row(Format::Q4K, &[], &mut Vec::new()).unwrap();
}
