//! Hostile safetensors files and checkpoint folders: each is refused with an error that names what is wrong.
#![allow(clippy::unwrap_used)]

use parasol_core::ErrorKind;
use parasol_text::huggingface::Folder;
use parasol_text::safetensors;
use std::time::{Duration, Instant};

fn file(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data][..]].concat()
}

#[track_caller]
fn refused(bytes: &[u8], kind: ErrorKind, says: &str) {
    let start = Instant::now();
    let error = safetensors::parse(bytes).expect_err("a hostile file was accepted");
    assert_eq!((error.kind(), error.message().contains(says)), (&kind, true), "{error}");
    assert!(start.elapsed() < Duration::from_secs(1));
}

const GOOD: &str = r#"{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}}"#;

#[test]
fn the_plain_file_is_accepted_and_every_cut_of_it_refused() {
    let whole = file(GOOD, 32);
    let entries = safetensors::parse(&whole).unwrap();
    assert_eq!((entries[0].rows, entries[0].cols, entries[0].range.len()), (2, 3, 24));
    assert_eq!((entries[1].rows, entries[1].cols), (1, 4));
    for length in 0..whole.len() {
        refused(&whole[..length], ErrorKind::Corrupt, "");
    }
}

#[test]
fn header_lengths_beyond_the_file_or_the_bound() {
    for (length, says) in
        [(u64::MAX, "100 MB"), (1 << 40, "100 MB"), (50_000_000, "beyond the end"), (200, "beyond the end")]
    {
        refused(&[&length.to_le_bytes()[..], b"{}"].concat(), ErrorKind::Corrupt, says);
    }
}

#[test]
fn headers_that_are_no_header() {
    for header in
        ["", "[]", "{", "{\"a\":1}", "{\"a\":{\"dtype\":\"F99\",\"shape\":[1],\"data_offsets\":[0,4]}}"]
    {
        refused(&file(header, 4), ErrorKind::Corrupt, "header is malformed");
    }
    refused(&[&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(), ErrorKind::Corrupt, "not UTF-8");
    refused(&file(&"[".repeat(1_000_000), 0), ErrorKind::Corrupt, "malformed");
}

#[test]
fn ranges_that_overlap_leave_gaps_or_miss_the_shape() {
    let two = |a: &str, b: &str| {
        format!(
            r#"{{"a":{{"dtype":"F32","shape":[2],"data_offsets":{a}}},"b":{{"dtype":"F32","shape":[2],"data_offsets":{b}}}}}"#
        )
    };
    refused(&file(&two("[0,8]", "[4,12]"), 12), ErrorKind::Corrupt, "overlap");
    refused(&file(&two("[0,8]", "[12,20]"), 20), ErrorKind::Corrupt, "leave a gap");
    refused(&file(&two("[0,8]", "[8,0]"), 16), ErrorKind::Corrupt, "overlap");
    refused(&file(&two("[0,8]", "[8,12]"), 12), ErrorKind::Corrupt, "does not match its shape");
    refused(&file(&two("[0,8]", "[8,16]"), 12), ErrorKind::Corrupt, "do not cover the file");
    refused(&file(&two("[0,8]", "[8,16]"), 20), ErrorKind::Corrupt, "do not cover the file");
}

#[test]
fn shapes_near_the_end_of_the_number_range() {
    let shaped = |shape: &str, end: u64| {
        file(&format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#), 4)
    };
    refused(&shaped("[4294967296,4294967296]", 4), ErrorKind::Corrupt, "overflows");
    refused(&shaped("[18446744073709551615]", 4), ErrorKind::Corrupt, "overflows");
    refused(&shaped("[18446744073709551616]", 4), ErrorKind::Corrupt, "malformed");
    refused(&shaped("[4611686018427387903]", u64::MAX - 3), ErrorKind::Corrupt, "");
    refused(
        &file(r#"{"a":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}"#, 0),
        ErrorKind::Corrupt,
        "impossible shape",
    );
}

#[test]
fn other_types_of_numbers_are_refused_by_name() {
    for (dtype, bytes) in [("I64", 8), ("F64", 8), ("U8", 1), ("F8_E4M3", 1), ("BOOL", 1)] {
        let header = format!(r#"{{"x.y":{{"dtype":"{dtype}","shape":[1],"data_offsets":[0,{bytes}]}}}}"#);
        refused(&file(&header, bytes), ErrorKind::Unsupported, "tensor `x.y` is stored as");
    }
}

#[test]
fn an_index_may_only_name_files_beside_it() {
    for (named, says) in [
        ("\"../../etc/passwd.safetensors\"", "no .safetensors file beside"),
        ("\"/etc/shadow\"", "no .safetensors file beside"),
        ("\"sub/x.safetensors\"", "no .safetensors file beside"),
        ("7", "no .safetensors file beside"),
        ("\"absent.safetensors\"", "absent.safetensors"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("config.json"), "{}").unwrap();
        let index = format!(r#"{{"weight_map":{{"a":{named}}}}}"#);
        std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
        let error = Folder::open(folder.path()).err().expect("accepted");
        assert!(error.message().contains(says), "{error}");
    }
}

#[test]
fn shards_with_the_same_tensor_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    for name in ["1.safetensors", "2.safetensors"] {
        std::fs::write(folder.path().join(name), file(GOOD, 32)).unwrap();
    }
    let index = r#"{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"#;
    std::fs::write(folder.path().join("model.safetensors.index.json"), index).unwrap();
    let error = Folder::open(folder.path()).err().expect("accepted");
    assert!(error.message().contains("also in another file"), "{error}");
}

#[test]
fn a_folder_without_its_files_says_which() {
    let folder = tempfile::tempdir().unwrap();
    let error = Folder::open(folder.path()).err().unwrap();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
    assert!(error.message().contains("config.json"), "{error}");
    std::fs::write(folder.path().join("config.json"), "{}").unwrap();
    let error = Folder::open(folder.path()).err().unwrap();
    assert_eq!(
        (error.kind(), error.message().contains("model.safetensors")),
        (&ErrorKind::NotFound, true),
        "{error}"
    );
}
