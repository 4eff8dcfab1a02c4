//! Hostile GGUF files: each is refused with an error that names what is wrong, at once and without a panic.
#![allow(clippy::unwrap_used)]

mod gguf_builder;

use gguf_builder::{Builder, string};
use parasol_core::ErrorKind;
use parasol_text::gguf::Header;
use std::time::{Duration, Instant};

/// Parses and expects an error of `kind` whose message holds `says`, within a second.
#[track_caller]
fn refused(bytes: &[u8], kind: ErrorKind, says: &str) {
    let start = Instant::now();
    let error = Header::parse(bytes).expect_err("a hostile file was accepted");
    assert_eq!((error.kind(), error.message().contains(says)), (&kind, true), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

fn small() -> Builder {
    Builder::default()
        .str("general.architecture", "llama")
        .u32("llama.block_count", 1)
        .bool("flag", true)
        .strings("tokenizer.ggml.tokens", &["a", "b"])
        .f32s("tokenizer.ggml.scores", &[0.0, 1.0])
        .f32_tensor("a", &[4], &[1.0; 4])
        .tensor("b", &[32, 2], 2, &[0; 36])
}

#[test]
fn cut_at_every_byte() {
    let whole = small().build();
    Header::parse(&whole).unwrap();
    for length in 0..whole.len() {
        refused(&whole[..length], ErrorKind::Corrupt, "");
    }
}

#[test]
fn every_single_byte_changed() {
    let whole = small().build();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            // Some changes are harmless (a letter of a name); none may panic.
            if let Ok(header) = Header::parse(&bytes) {
                assert!(header.tensors.iter().all(|t| t.range.end <= bytes.len()));
            }
        }
    }
}

#[test]
fn not_a_gguf_file() {
    refused(b"PK\x03\x04 something else", ErrorKind::Corrupt, "not a GGUF file");
    refused(b"", ErrorKind::Corrupt, "GGUF magic");
}

#[test]
fn old_future_and_big_endian_versions() {
    for (version, says) in [(1, "version 1"), (4, "version 4"), (3_u32.swap_bytes(), "big-endian")] {
        refused(&Builder { version, ..small() }.build(), ErrorKind::Unsupported, says);
    }
}

#[test]
fn counts_near_the_end_of_the_number_range() {
    for count in [u64::MAX, u64::MAX / 2, 1 << 63, 1 << 40, 1_000] {
        refused(&small().build_with_counts(count, 5), ErrorKind::Corrupt, "the tensor count");
        refused(&small().build_with_counts(2, count), ErrorKind::Corrupt, "the metadata count");
        for of in [4_u32, 8] {
            let array = [&of.to_le_bytes()[..], &count.to_le_bytes()].concat();
            refused(
                &Builder::default().raw_value("k", 9, &array).build(),
                ErrorKind::Corrupt,
                "length of metadata `k`",
            );
        }
    }
}

#[test]
fn strings_longer_than_the_file() {
    for length in [u64::MAX, 1 << 62, 1 << 33] {
        let bytes = Builder::default().raw_value("k", 8, &length.to_le_bytes()).build();
        refused(&bytes, ErrorKind::Corrupt, "metadata `k`");
    }
    let array = [&8_u32.to_le_bytes()[..], &1_u64.to_le_bytes(), &u64::MAX.to_le_bytes()].concat();
    refused(
        &Builder::default().raw_value("k", 9, &array).build(),
        ErrorKind::Corrupt,
        "entry 0 of metadata `k`",
    );
}

#[test]
fn keys_and_names_that_are_too_long_or_not_text() {
    refused(&Builder::default().u32(&"k".repeat(70_000), 1).build(), ErrorKind::Corrupt, "at most 65535");
    let named = Builder::default().data(64).raw_tensor(&"n".repeat(2_000), &[1], 0, 0);
    refused(&named.build(), ErrorKind::Corrupt, "at most 1024");
    let mut bytes = Builder::default().u32("kk", 1).build();
    bytes[32] = 0xff;
    refused(&bytes, ErrorKind::Corrupt, "UTF-8");
}

#[test]
fn dimensions_near_the_end_of_the_number_range() {
    let tensor = |dimensions: &[u64]| Builder::default().data(64).raw_tensor("t", dimensions, 0, 0).build();
    refused(&tensor(&[u64::MAX]), ErrorKind::Corrupt, "dimension 0 of `t`");
    refused(&tensor(&[1 << 39, 1 << 39, 1 << 39]), ErrorKind::Corrupt, "overflows");
    refused(&tensor(&[1 << 39, 1 << 24]), ErrorKind::Corrupt, "overflows");
    refused(&tensor(&[1 << 31, 1 << 31]), ErrorKind::Corrupt, "`t`");
    refused(&tensor(&[0, 4]), ErrorKind::Corrupt, "dimension 0 of `t` is 0");
    refused(&tensor(&[1, 1, 1, 1, 1]), ErrorKind::Corrupt, "5 dimensions");
}

#[test]
fn rows_that_are_no_whole_blocks() {
    let bytes = Builder::default().data(64).raw_tensor("t", &[33], 2, 0).build();
    refused(&bytes, ErrorKind::Corrupt, "rows of 33 values");
}

#[test]
fn tensors_outside_the_file() {
    for offset in [64, 1 << 40, u64::MAX - 31, 1 << 63] {
        let bytes = Builder::default().data(64).raw_tensor("t", &[4], 0, offset).build();
        refused(&bytes, ErrorKind::Corrupt, "reaches beyond the file's");
    }
}

#[test]
fn tensors_on_the_same_bytes() {
    let bytes =
        Builder::default().data(256).raw_tensor("a", &[16], 0, 0).raw_tensor("b", &[16], 0, 32).build();
    refused(&bytes, ErrorKind::Corrupt, "`a` and `b` lie on the same bytes");
    let bytes =
        Builder::default().data(256).raw_tensor("a", &[16], 0, 32).raw_tensor("b", &[16], 0, 32).build();
    refused(&bytes, ErrorKind::Corrupt, "same bytes");
}

#[test]
fn wrong_alignments() {
    for alignment in [0, 3, 4, 48, u32::MAX, 1 << 21] {
        let bytes = Builder::default().u32("general.alignment", alignment).build();
        refused(&bytes, ErrorKind::Corrupt, "general.alignment");
    }
    refused(
        &Builder::default().str("general.alignment", "32").build(),
        ErrorKind::Corrupt,
        "must be an integer",
    );
    let bytes = Builder::default().data(64).raw_tensor("t", &[1], 0, 4).build();
    refused(&bytes, ErrorKind::Corrupt, "no multiple of 32");
}

#[test]
fn duplicate_names() {
    refused(
        &Builder::default().u32("k", 1).u32("k", 1).build(),
        ErrorKind::Corrupt,
        "metadata `k` is in the file twice",
    );
    let bytes = Builder::default().f32_tensor("t", &[1], &[1.0]).f32_tensor("t", &[1], &[1.0]).build();
    refused(&bytes, ErrorKind::Corrupt, "tensor `t` is in the file twice");
}

#[test]
fn nested_arrays() {
    // An array of arrays, nested as deep as the file is long.
    let level = [&9_u32.to_le_bytes()[..], &1_u64.to_le_bytes()].concat();
    let bytes = Builder::default().raw_value("k", 9, &level.repeat(10_000)).build();
    refused(&bytes, ErrorKind::Corrupt, "array of arrays");
}

#[test]
fn unknown_value_types_and_impossible_bools() {
    for kind in [13, 255, u32::MAX] {
        refused(
            &Builder::default().raw_value("k", kind, &[0; 16]).build(),
            ErrorKind::Corrupt,
            "the type of metadata `k`",
        );
    }
    refused(&Builder::default().raw_value("k", 7, &[2]).build(), ErrorKind::Corrupt, "neither 0 nor 1");
}

#[test]
fn tensor_types_that_this_build_does_not_run() {
    for (kind, name) in
        [(16, "IQ2_XXS (type 16)"), (9, "Q8_1"), (39, "MXFP4"), (4_000, "an unknown type (type 4000)")]
    {
        let bytes = Builder::default().data(1024).raw_tensor("blk.0.x", &[256], kind, 0).build();
        refused(&bytes, ErrorKind::Unsupported, name);
        refused(&bytes, ErrorKind::Unsupported, "`blk.0.x` is stored as");
    }
}

#[test]
fn ten_megabytes_of_tiny_entries_stay_quick() {
    // As many metadata keys as fit: nothing is quadratic.
    let mut bytes = Builder::default();
    for i in 0..300_000 {
        bytes = bytes.raw_value(&format!("{i}"), 0, &[0]);
    }
    let bytes = bytes.build();
    let start = Instant::now();
    Header::parse(&bytes).unwrap();
    assert!(start.elapsed() < Duration::from_secs(1));
    refused(&[&bytes[..24], &string("x")[..]].concat(), ErrorKind::Corrupt, "the metadata count");
}
