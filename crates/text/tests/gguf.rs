//! Right GGUF files are read right: values, tensors, versions, alignments, split models, and quickly.
#![allow(clippy::unwrap_used)]

mod gguf_builder;

use gguf_builder::Builder;
use parasol_core::ErrorKind;
use parasol_text::gguf::{GgufFile, Header, Metadata, Value};
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[test]
fn values_and_tensors_come_back_as_written() {
    for version in [2, 3] {
        let builder = Builder { version, ..Builder::default() };
        let bytes = builder
            .str("general.name", "toy")
            .u32("a.count", 7)
            .f32("a.scale", 0.5)
            .bool("a.flag", true)
            .raw_value("a.big", 10, &u64::MAX.to_le_bytes())
            .raw_value("a.negative", 5, &(-3_i32).to_le_bytes())
            .strings("words", &["", "zwei", "😀"])
            .i32s("kinds", &[1, -2])
            .f32s("scores", &[0.25, -1.0])
            .f32_tensor("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
            .tensor("q", &[32, 2], 8, &[7; 68])
            .build();
        let header = Header::parse(&bytes).unwrap();
        let metadata: Metadata<'_> = header.metadata(&bytes);
        assert_eq!(header.version, version);
        assert_eq!(metadata.str("general.name").unwrap(), Some("toy"));
        assert_eq!(metadata.unsigned("a.count").unwrap(), Some(7));
        assert_eq!(metadata.unsigned("a.big").unwrap(), Some(u64::MAX));
        assert_eq!(metadata.get("a.negative"), Some(&Value::Integer(-3)));
        assert_eq!(metadata.float("a.scale").unwrap(), Some(0.5));
        assert_eq!(metadata.bool("a.flag").unwrap(), Some(true));
        let words: Vec<_> = metadata.strings("words").unwrap().unwrap().collect();
        assert_eq!(words, ["".as_bytes(), b"zwei", "😀".as_bytes()]);
        assert_eq!(metadata.integers("kinds").unwrap(), Some(vec![1, -2]));
        assert_eq!(metadata.floats("scores").unwrap(), Some(vec![0.25, -1.0]));
        assert_eq!(metadata.unsigned("absent").unwrap(), None);

        let [w, q] = &header.tensors[..] else { panic!("two tensors") };
        assert_eq!((w.name.as_str(), w.rows, w.cols, w.range.len()), ("w", 3, 2, 24));
        assert_eq!(&bytes[w.range.clone()][4..8], &2.0_f32.to_le_bytes());
        assert_eq!((q.rows, q.cols, q.range.len()), (2, 32, 68));
        assert!(bytes[q.range.clone()].iter().all(|b| *b == 7));
    }
}

#[test]
fn a_value_of_the_wrong_type_is_named() {
    let bytes = Builder::default().str("n", "x").raw_value("m", 5, &(-1_i32).to_le_bytes()).build();
    let header = Header::parse(&bytes).unwrap();
    let metadata = header.metadata(&bytes);
    assert_eq!(
        metadata.unsigned("n").unwrap_err().message(),
        "metadata `n` is a string and must be an integer"
    );
    assert!(metadata.unsigned("m").unwrap_err().message().contains("must not be negative"));
    assert!(metadata.floats("n").is_err() && metadata.strings("n").is_err() && metadata.bool("m").is_err());
}

#[test]
fn the_alignment_that_the_file_names_is_used() {
    let bytes = Builder { alignment: 64, ..Builder::default() }
        .u32("general.alignment", 64)
        .f32_tensor("a", &[1], &[1.0])
        .f32_tensor("b", &[1], &[2.0])
        .build();
    let header = Header::parse(&bytes).unwrap();
    assert_eq!(header.tensors[1].range.start - header.tensors[0].range.start, 64);
    assert_eq!(&bytes[header.tensors[1].range.clone()], &2.0_f32.to_le_bytes());
}

/// Two parts as `llama-gguf-split` writes them.
fn split_model(folder: &std::path::Path) -> Vec<PathBuf> {
    (0..2)
        .map(|part: u16| {
            let mut builder = Builder::default().u16("split.no", part).u16("split.count", 2);
            if part == 0 {
                builder = builder.str("general.name", "whole").u32("split.tensors.count", 2);
            }
            let bytes = builder.f32_tensor(["a", "b"][usize::from(part)], &[1], &[f32::from(part)]).build();
            let path = folder.join(format!("m-0000{}-of-00002.gguf", part + 1));
            std::fs::write(&path, bytes).unwrap();
            path
        })
        .collect()
}

#[test]
fn any_part_of_a_split_model_opens_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for path in split_model(folder.path()) {
        let file = GgufFile::open(&path).unwrap();
        assert_eq!(file.metadata().str("general.name").unwrap(), Some("whole"));
        let weights = file.weights().unwrap();
        assert_eq!(weights.get("b").unwrap().bytes(), 1.0_f32.to_le_bytes());
        assert_eq!(weights.get("a").unwrap().bytes(), 0.0_f32.to_le_bytes());
    }
}

#[test]
fn a_missing_swapped_or_renamed_part_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let parts = split_model(folder.path());
    let renamed = folder.path().join("other.gguf");
    std::fs::copy(&parts[0], &renamed).unwrap();
    let error = GgufFile::open(&renamed).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::InvalidRequest);
    assert!(error.message().contains("must keep its name"), "{error}");

    std::fs::copy(&parts[0], &parts[1]).unwrap();
    let error = GgufFile::open(&parts[0]).unwrap_err();
    assert!(error.message().contains("m-00002-of-00002.gguf"), "{error}");

    std::fs::remove_file(&parts[1]).unwrap();
    let error = GgufFile::open(&parts[0]).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::NotFound);
    assert!(error.message().contains("m-00002-of-00002.gguf"), "{error}");
}

#[test]
fn a_vocabulary_of_a_quarter_million_tokens_parses_in_milliseconds() {
    let words: Vec<String> = (0..262_144).map(|i| format!("token{i}")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let bytes = Builder::default()
        .strings("tokenizer.ggml.tokens", &words)
        .f32s("tokenizer.ggml.scores", &vec![-1.0; words.len()])
        .i32s("tokenizer.ggml.token_type", &vec![1; words.len()])
        .build();
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            let header = Header::parse(&bytes).unwrap();
            assert_eq!(
                header.metadata(&bytes).strings("tokenizer.ggml.tokens").unwrap().unwrap().len(),
                262_144
            );
            start.elapsed()
        })
        .min()
        .unwrap();
    assert!(best < Duration::from_millis(15), "took {best:?}");
}
