//! Every weight format against blocks that `gguf.quants` dequantised (tools/reference/formats.py).
#![allow(clippy::unwrap_used)]

use parasol_kernels::{Format, reference};

/// Distance in representable f32 values; equal zeros are 0 apart whatever their sign.
fn ulps(a: f32, b: f32) -> u32 {
    let order = |v: f32| {
        let magnitude = i64::from(v.to_bits() & 0x7fff_ffff);
        if v.is_sign_negative() { -magnitude } else { magnitude }
    };
    u32::try_from((order(a) - order(b)).abs()).unwrap()
}

fn fixture(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/fixtures/formats/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

#[test]
fn every_format_dequantises_to_the_reference_values() {
    for format in Format::ALL {
        let file = fixture(&format!("{format}.bin"));
        let blocks = file.len() / (format.block_bytes() + 4 * format.block_len());
        let (bytes, expected) = file.split_at(blocks * format.block_bytes());
        let expected = floats(expected);
        assert_eq!(expected.len(), blocks * format.block_len());
        assert!(blocks >= 4, "{format}: only {blocks} blocks in the fixture");
        let mut out = vec![f32::NAN; expected.len()];
        reference::dequantize_row(format, bytes, &mut out);
        for (i, (&got, &want)) in out.iter().zip(&expected).enumerate() {
            assert!(ulps(got, want) <= 1, "{format}: value {i} is {got:e}, the reference says {want:e}");
        }
    }
}

#[test]
#[should_panic(expected = "does not take 17 bytes")]
fn a_row_of_the_wrong_size_is_refused() {
    reference::dequantize_row(Format::Q4_0, &[0; 17], &mut [0.0; 32]);
}
