//! GGUF files whose container is right and whose model is not: impossible descriptions and tokenizers are refused by
//! name, or do no harm.
#![allow(clippy::unwrap_used)]

mod gguf_builder;

use gguf_builder::Builder;
use parasol_core::{Error, ErrorKind};
use parasol_text::families;
use parasol_text::gguf::{GgufFile, Header};
use parasol_text::tokenizer::{Special, Tokenizer, TokenizerSource};
use std::time::{Duration, Instant};

/// A Llama description whose numbers are right.
fn llama() -> Builder {
    Builder::default()
        .str("general.architecture", "llama")
        .u32("llama.embedding_length", 8)
        .u32("llama.attention.head_count", 2)
        .u32("llama.attention.head_count_kv", 1)
        .u32("llama.block_count", 1)
        .u32("llama.feed_forward_length", 16)
        .u32("llama.context_length", 64)
        .f32_tensor("token_embd.weight", &[8, 4], &[0.5; 32])
}

/// The same with the value of one key replaced.
fn with(key: &str, value: Builder) -> Builder {
    let mut builder = llama();
    let prefix = gguf_builder::string(key);
    builder.values.retain(|entry| !entry.starts_with(&prefix));
    builder.values.extend(value.values);
    builder
}

fn blueprint(builder: &Builder) -> Result<(), Error> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), builder.build()).unwrap();
    let gguf = GgufFile::open(file.path()).unwrap();
    let start = Instant::now();
    let result = families::from_gguf(gguf.metadata(), &gguf.weights().unwrap());
    assert!(start.elapsed() < Duration::from_secs(1));
    result.map(|_| ())
}

#[track_caller]
fn refused(builder: &Builder, kind: ErrorKind, says: &str) {
    let error = blueprint(builder).expect_err("accepted");
    assert_eq!((error.kind(), error.message().contains(says)), (&kind, true), "{error}");
}

#[test]
fn the_plain_description_is_accepted() {
    blueprint(&llama()).unwrap();
    blueprint(&llama().u32("llama.expert_count", 0).bool("llama.rope.scaling.finetuned", true)).unwrap();
}

#[test]
fn impossible_numbers_are_refused_by_key() {
    for key in
        ["embedding_length", "attention.head_count", "block_count", "feed_forward_length", "context_length"]
    {
        let key = format!("llama.{key}");
        refused(&with(&key, Builder::default()), ErrorKind::Corrupt, "is missing");
        for value in [0, u64::MAX, 1 << 62, 1 << 32] {
            let value = Builder::default().raw_value(&key, 10, &value.to_le_bytes());
            refused(&with(&key, value), ErrorKind::Corrupt, &key);
        }
        let negative = Builder::default().raw_value(&key, 5, &(-1_i32).to_le_bytes());
        refused(&with(&key, negative), ErrorKind::Corrupt, &key);
        refused(&with(&key, Builder::default().str(&key, "8")), ErrorKind::Corrupt, &key);
        refused(
            &with(&key, Builder::default().i32s(&key, &[8, 9])),
            ErrorKind::Unsupported,
            "differs from layer to layer",
        );
        refused(&with(&key, Builder::default().i32s(&key, &[])), ErrorKind::Corrupt, &key);
    }
    for value in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        refused(&llama().f32("llama.rope.freq_base", value), ErrorKind::Corrupt, "rope.freq_base");
        refused(&llama().f32("llama.attention.layer_norm_rms_epsilon", value), ErrorKind::Corrupt, "epsilon");
        refused(&llama().f32("llama.rope.scaling.factor", value), ErrorKind::Corrupt, "scaling.factor");
    }
    refused(&llama().u32("llama.rope.dimension_count", 3), ErrorKind::Corrupt, "rotary width");
    refused(&llama().u32("llama.rope.dimension_count", 6_000), ErrorKind::Corrupt, "dimension_count");
}

#[test]
fn what_would_change_the_numbers_is_refused_by_name() {
    refused(&llama().u32("llama.expert_count", 8), ErrorKind::Unsupported, "llama.expert_count");
    refused(&llama().f32("llama.logit_scale", 0.5), ErrorKind::Unsupported, "llama.logit_scale");
    refused(&llama().str("llama.rope.scaling.type", "longrope"), ErrorKind::Unsupported, "longrope");
    refused(&llama().u32("llama.attention.value_length", 8), ErrorKind::Unsupported, "values of 8");
    let bias = llama().f32_tensor("blk.0.attn_q.bias", &[8], &[0.0; 8]);
    refused(&bias, ErrorKind::Unsupported, "`blk.0.attn_q.bias`");
    refused(&with("general.architecture", Builder::default()), ErrorKind::Corrupt, "general.architecture");
    let other = with("general.architecture", Builder::default().str("general.architecture", "mamba"));
    refused(
        &other,
        ErrorKind::Unsupported,
        "`mamba` is not one that this build runs; it runs llama, gemma3, qwen3",
    );
}

#[test]
fn rotary_factors_of_the_wrong_shape_or_value() {
    refused(
        &llama().f32_tensor("rope_freqs.weight", &[3], &[1.0; 3]),
        ErrorKind::Corrupt,
        "rope_freqs.weight",
    );
    refused(&llama().f32_tensor("rope_freqs.weight", &[2], &[1.0, 0.0]), ErrorKind::Corrupt, "factor of 0");
    refused(
        &llama().f32_tensor("rope_freqs.weight", &[2], &[f32::NAN, 1.0]),
        ErrorKind::Corrupt,
        "factor of NaN",
    );
    refused(&llama().tensor("rope_freqs.weight", &[2], 1, &[0; 4]), ErrorKind::Corrupt, "F32 values");
}

/// Builds the tokenizer and lets it read a text: right, wrong or strange, it comes back at once.
fn tokenizer(builder: &Builder) -> Result<Vec<u32>, Error> {
    let bytes = builder.build();
    let header = Header::parse(&bytes).unwrap();
    let start = Instant::now();
    let result = TokenizerSource::from_metadata(&header.metadata(&bytes))
        .and_then(Tokenizer::from_source)
        .and_then(|tokenizer| tokenizer.encode("aab <x> \u{1f600} ".repeat(500), Special::Parse, true));
    assert!(start.elapsed() < Duration::from_secs(1));
    result
}

const LIST: &str = "tokenizer.ggml.tokens";

#[test]
fn missing_or_mistyped_tokenizer_data() {
    let model = |name: &str| Builder::default().str("tokenizer.ggml.model", name);
    for builder in [
        Builder::default(),
        Builder::default().strings(LIST, &["a"]),
        model("gpt2"),
        model("gpt2").u32(LIST, 7),
        model("gpt2").i32s(LIST, &[1, 2]),
        model("gpt2").strings(LIST, &[]),
        model("mystery").strings(LIST, &["a"]),
        model("gpt2").strings(LIST, &["a"]).str("tokenizer.ggml.pre", "mystery"),
        model("llama").strings(LIST, &["a", "b"]).i32s("tokenizer.ggml.token_type", &[1]),
        model("llama").strings(LIST, &["a", "b", "c"]).f32s("tokenizer.ggml.scores", &[0.0]),
    ] {
        let error = tokenizer(&builder).expect_err("accepted");
        assert!(
            matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::InvalidRequest),
            "{error}"
        );
    }
}

#[test]
fn circular_and_contradictory_tokenizer_data_do_no_harm() {
    let bpe = || {
        let tokens = ["a", "b", "aa", "ab", "aab", "Ġ", "<x>"];
        Builder::default()
            .str("tokenizer.ggml.model", "gpt2")
            .str("tokenizer.ggml.pre", "gpt-2")
            .strings(LIST, &tokens)
    };
    let spm = || {
        let tokens = ["<unk>", "<s>", "</s>", "a", "aa", "aab", "▁"];
        Builder::default().str("tokenizer.ggml.model", "llama").strings(LIST, &tokens)
    };
    for builder in [
        // Merges that lead back to their own parts, twice the same, to nothing, and of no two parts.
        bpe().strings(
            "tokenizer.ggml.merges",
            &["a a", "aa a", "a aa", "aa aa", "a a", "a b", "x y", "", " ", "a", "a b c"],
        ),
        bpe().strings("tokenizer.ggml.merges", &["aab aab", "aab aab"]),
        // Special tokens outside the vocabulary, or all the same.
        bpe().u32("tokenizer.ggml.bos_token_id", u32::MAX).bool("tokenizer.ggml.add_bos_token", true),
        bpe().u32("tokenizer.ggml.eos_token_id", 7).bool("tokenizer.ggml.add_eos_token", true),
        spm().u32("tokenizer.ggml.unknown_token_id", 99),
        // Scores that order nothing.
        spm().f32s("tokenizer.ggml.scores", &[f32::NAN; 7]),
        spm().f32s("tokenizer.ggml.scores", &[f32::INFINITY; 7]),
        // Every token is a user-defined one, then a byte, then of a type that does not exist.
        spm().i32s("tokenizer.ggml.token_type", &[4; 7]).f32s("tokenizer.ggml.scores", &[0.0; 7]),
        spm().i32s("tokenizer.ggml.token_type", &[6; 7]).f32s("tokenizer.ggml.scores", &[0.0; 7]),
        spm().i32s("tokenizer.ggml.token_type", &[i32::MIN; 7]).f32s("tokenizer.ggml.scores", &[0.0; 7]),
    ] {
        // Refused or read: `tokenizer` checks that either is quick and neither panics.
        match tokenizer(&builder) {
            Ok(ids) => assert!(ids.iter().all(|id| *id < 7), "{ids:?}"),
            Err(e) => assert!(!e.message().is_empty()),
        }
    }
}

#[test]
fn the_same_token_many_times() {
    let words = vec!["same"; 100_000];
    let result = tokenizer(&Builder::default().str("tokenizer.ggml.model", "llama").strings(LIST, &words));
    assert!(result.is_err() || result.unwrap().iter().all(|id| *id < 100_000));
}
