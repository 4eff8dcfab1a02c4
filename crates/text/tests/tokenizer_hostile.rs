//! Tokenizer data that is damaged or hostile: a clear error or defined behaviour, quickly.

#![allow(clippy::unwrap_used, missing_docs)]

use parasol_core::ErrorKind;
use parasol_text::tokenizer::{
    HuggingFaceFiles, Special, SpecialIds, Strings, TokenKind, Tokenizer, TokenizerSource,
};
use std::time::{Duration, Instant};

fn strings(items: &[&str]) -> Strings {
    Strings::collect(items.iter().map(|item| item.as_bytes())).unwrap()
}

/// A byte-level vocabulary with a few merges and two control tokens.
fn bpe() -> TokenizerSource {
    let tokens = ["a", "b", "c", "ab", "abc", "Ġ", "Ċ", "<s>", "</s>", "<", "s", ">", "<s", "<think>"];
    let types = [1, 1, 1, 1, 1, 1, 1, 3, 3, 1, 1, 1, 1, 4];
    TokenizerSource {
        model: "gpt2".into(),
        pre: "gpt-2".into(),
        tokens: strings(&tokens),
        types: types.to_vec(),
        merges: strings(&["a b", "ab c", "< s", "<s >"]),
        special: SpecialIds { bos: Some(7), eos: Some(8), ..SpecialIds::default() },
        ..TokenizerSource::default()
    }
}

fn spm() -> TokenizerSource {
    let tokens = ["<unk>", "<s>", "</s>", "<0x61>", "▁", "b", "▁b", "bb", "<", "s", ">", "<s"];
    TokenizerSource {
        model: "llama".into(),
        tokens: strings(&tokens),
        scores: vec![0.0, 0.0, 0.0, 0.0, -1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0],
        types: vec![2, 3, 3, 6, 1, 1, 1, 1, 1, 1, 1, 1],
        ..TokenizerSource::default()
    }
}

fn refused(source: TokenizerSource, kind: ErrorKind, words: &str) {
    let error = Tokenizer::from_source(source).unwrap_err();
    assert!(*error.kind() == kind && error.message().contains(words), "{error}");
}

fn ids(tokenizer: &Tokenizer, text: &[u8], special: Special) -> Vec<u32> {
    tokenizer.encode(text, special, false).unwrap()
}

#[test]
fn damaged_lists_are_refused_by_name() {
    let corrupt = ErrorKind::Corrupt;
    refused(TokenizerSource { tokens: Strings::default(), ..bpe() }, corrupt.clone(), "0 tokens");
    refused(
        TokenizerSource { types: vec![1; 3], ..bpe() },
        corrupt.clone(),
        "14 tokens and only 3 token types",
    );
    refused(TokenizerSource { merges: strings(&["a b", "ab"]), ..bpe() }, corrupt.clone(), "merge 1, `ab`");
    refused(TokenizerSource { merges: strings(&[""]), ..bpe() }, corrupt.clone(), "merge 0");
    refused(
        TokenizerSource { tokens: strings(&["a", "b", "a"]), types: vec![], ..bpe() },
        corrupt.clone(),
        "`a` has two ids, 0 and 2",
    );
    refused(
        TokenizerSource { tokens: strings(&[&"x".repeat(5000)]), types: vec![], ..bpe() },
        corrupt.clone(),
        "5000 bytes",
    );
    refused(
        TokenizerSource { scores: vec![0.0; 4], ..spm() },
        corrupt.clone(),
        "12 tokens and only 4 scores",
    );
    refused(TokenizerSource { scores: vec![f32::NAN; 12], ..spm() }, corrupt.clone(), "score of token 0");
    refused(TokenizerSource { pre: "future".into(), ..bpe() }, ErrorKind::Unsupported, "`future`");
    refused(TokenizerSource { model: "rwkv".into(), ..bpe() }, ErrorKind::Unsupported, "`rwkv`");
    let no_bos = SpecialIds::default();
    refused(TokenizerSource { special: no_bos, add_bos: Some(true), ..bpe() }, corrupt.clone(), "bos");
    let t5 = TokenizerSource { model: "t5".into(), precompiled_charsmap: vec![9, 0, 0, 0, 1], ..spm() };
    refused(t5, corrupt, "precompiled_charsmap");
}

#[test]
fn ids_out_of_range_are_dropped_or_refused() {
    let special = SpecialIds { bos: Some(7), eos: Some(99), pad: Some(u32::MAX), ..SpecialIds::default() };
    let tokenizer = Tokenizer::from_source(TokenizerSource { special, ..bpe() }).unwrap();
    assert_eq!((tokenizer.special().eos, tokenizer.special().pad), (None, None));
    assert!(tokenizer.decode(&[0, 14]).unwrap_err().message().contains("14"));
    assert!(tokenizer.token_bytes(u32::MAX).is_err());
    assert_eq!(tokenizer.kind(14), None);
}

#[test]
fn empty_tokens_get_names() {
    let source = TokenizerSource {
        tokens: strings(&["", "a", ""]),
        types: vec![],
        merges: Strings::default(),
        special: SpecialIds::default(),
        ..bpe()
    };
    let tokenizer = Tokenizer::from_source(source).unwrap();
    assert_eq!(tokenizer.token_text(2).unwrap(), b"[EMPTY_2]");
    assert_eq!(ids(&tokenizer, b"a", Special::Parse), [1]);
}

#[test]
fn control_tokens_come_only_when_parsed() {
    let tokenizer = Tokenizer::from_source(bpe()).unwrap();
    assert_eq!(ids(&tokenizer, b"a<s>b", Special::Parse), [0, 7, 1]);
    assert_eq!(ids(&tokenizer, b"a<s>b", Special::AsText), [0, 9, 10, 11, 1]);
    assert_eq!(ids(&tokenizer, b"<think>a", Special::AsText), [13, 0]);
    let tokenizer = Tokenizer::from_source(spm()).unwrap();
    assert_eq!(ids(&tokenizer, b"<s>", Special::Parse), [1]);
    assert_eq!(ids(&tokenizer, b"<s>", Special::AsText), [4, 11, 10]);
    assert_eq!(tokenizer.kind(1), Some(TokenKind::Control));
    assert_eq!(tokenizer.encode("b", Special::AsText, true).unwrap(), [1, 6]);
}

#[test]
fn merges_of_unknown_strings_still_merge() {
    // As llama.cpp does it: `ca` is no token, so it blocks `ab` and is written as its parts.
    let source = TokenizerSource { merges: strings(&["c a", "a b"]), ..bpe() };
    let tokenizer = Tokenizer::from_source(source).unwrap();
    assert_eq!(ids(&tokenizer, b"cab", Special::AsText), [2, 0, 1]);
    assert_eq!(ids(&tokenizer, b"ab", Special::AsText), [3]);
    // Merges that name each other in a circle end all the same: every merge makes the text one symbol shorter.
    let source = TokenizerSource { merges: strings(&["ab a", "a ab", "a b", "aba ab"]), ..bpe() };
    let tokenizer = Tokenizer::from_source(source).unwrap();
    assert!(!ids(&tokenizer, "ab".repeat(5000).as_bytes(), Special::AsText).is_empty());
}

#[test]
fn what_the_vocabulary_cannot_write_is_an_error() {
    let tokenizer = Tokenizer::from_source(bpe()).unwrap();
    let error = tokenizer.encode("abcz", Special::AsText, false).unwrap_err();
    assert!(*error.kind() == ErrorKind::InvalidRequest && error.message().contains("0x7A"), "{error}");
    let spm = Tokenizer::from_source(spm()).unwrap();
    assert_eq!(ids(&spm, b"az", Special::AsText), [4, 3, 0]);
}

#[test]
fn long_texts_take_linear_time() {
    let bpe = Tokenizer::from_source(bpe()).unwrap();
    let spm = Tokenizer::from_source(spm()).unwrap();
    for text in
        ["ab".repeat(500_000), " ".repeat(1_000_000), "<think>".repeat(150_000), "<".repeat(1_000_000)]
    {
        let started = Instant::now();
        let _ = bpe.encode(&text, Special::Parse, true).unwrap();
        let _ = spm.encode(&text, Special::Parse, true).unwrap();
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }
    assert_eq!(bpe.fewest_tokens(7000), 1000);
}

#[test]
fn broken_json_is_refused() {
    for content in [
        "",
        "{",
        "[]",
        "{\"model\": {\"type\": \"BPE\"}}",
        "{\"version\":\"1.0\",\"model\":{\"type\":\"Odd\",\"vocab\":{}}}",
    ] {
        let files = HuggingFaceFiles { tokenizer: content.into(), ..HuggingFaceFiles::default() };
        let error = Tokenizer::from_huggingface(&files).unwrap_err();
        assert!(*error.kind() == ErrorKind::Corrupt, "{error}");
    }
    // The reader's own parser does not survive these.
    let with = |key: &str, value: &str| {
        format!(
            r#"{{"version":"1.0","{key}":{value},"model":{{"type":"BPE","vocab":{{"a":0}},"merges":[]}}}}"#
        )
    };
    for content in [
        with("decoder", r#"{"type" "ByteLevel"}"#),
        with("decoder", r#"{"type":"ByteLevel","x":"\ud800"}"#),
        with("decoder", r#"{"type":"Byte"#),
        with("normalizer", r#"{"type":"Precompiled","precompiled_charsmap":"AAA"}"#),
        with("normalizer", r#"{"type":"Precompiled","precompiled_charsmap":"/////w=="}"#),
        with(
            "normalizer",
            r#"{"type":"Sequence","normalizers":[{"type":"Precompiled","precompiled_charsmap":7}]}"#,
        ),
    ] {
        let files = HuggingFaceFiles { tokenizer: content.clone().into(), ..HuggingFaceFiles::default() };
        let error = Tokenizer::from_huggingface(&files).unwrap_err();
        assert!(
            *error.kind() == ErrorKind::Corrupt && error.message().contains("tokenizer.json"),
            "{content} {error}"
        );
    }
    // A map of one node that points far outside itself: found out when it is followed.
    let astray = with("normalizer", r#"{"type":"Precompiled","precompiled_charsmap":"BAAAAAD///8="}"#);
    let files = HuggingFaceFiles { tokenizer: astray.into(), ..HuggingFaceFiles::default() };
    let outcome = Tokenizer::from_huggingface(&files).and_then(|t| t.encode("a", Special::AsText, false));
    assert_eq!(*outcome.unwrap_err().kind(), ErrorKind::Corrupt);
    let huge = r#"{"version":"1.0","added_tokens":[],"model":{"type":"WordLevel","vocab":{"a":4294967295},"unk_token":"a"}}"#;
    let files = HuggingFaceFiles { tokenizer: huge.into(), ..HuggingFaceFiles::default() };
    assert!(Tokenizer::from_huggingface(&files).unwrap_err().message().contains("4294967295"));
    let missing = Tokenizer::from_folder(std::path::Path::new("no-such-folder")).unwrap_err();
    assert_eq!(*missing.kind(), ErrorKind::NotFound);
}
