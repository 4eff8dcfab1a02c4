//! Hostile, damaged and merely unsupported `config.json` files: each is refused by the name of its field.
#![allow(clippy::unwrap_used)]

use parasol_core::{Error, ErrorKind};
use parasol_kernels::Format;
use parasol_text::families::{self, Config};
use parasol_text::weights::{Naming, Tensor, Weights};
use std::collections::HashMap;
use std::time::{Duration, Instant};

fn blueprint(text: &str) -> Result<(), Error> {
    let start = Instant::now();
    let weights = Weights::new(Naming::HuggingFace, HashMap::new());
    let result = Config::parse(text.as_bytes()).and_then(|config| families::from_config(&config, &weights));
    assert!(start.elapsed() < Duration::from_secs(1));
    result.map(|_| ())
}

/// A complete Llama description with the given fields put in place or added.
fn llama(fields: &[(&str, &str)]) -> String {
    let mut all: Vec<(&str, &str)> = vec![
        ("model_type", "\"llama\""),
        ("hidden_size", "64"),
        ("num_attention_heads", "4"),
        ("num_key_value_heads", "2"),
        ("num_hidden_layers", "2"),
        ("intermediate_size", "128"),
        ("max_position_embeddings", "512"),
        ("vocab_size", "100"),
    ];
    all.retain(|(name, _)| !fields.iter().any(|(other, _)| other == name));
    all.extend(fields);
    let body: Vec<String> = all.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
    format!("{{{}}}", body.join(","))
}

#[track_caller]
fn refused(fields: &[(&str, &str)], kind: ErrorKind, says: &str) {
    let error = blueprint(&llama(fields)).expect_err("accepted");
    assert_eq!((error.kind(), error.message().contains(says)), (&kind, true), "{error}");
}

#[test]
fn the_plain_description_is_accepted() {
    blueprint(&llama(&[])).unwrap();
    blueprint(&llama(&[
        ("attention_bias", "false"),
        ("rope_scaling", "null"),
        ("_name", "1"),
        ("unheard_of", "null"),
    ]))
    .unwrap();
}

#[test]
fn not_json_or_not_an_object() {
    for text in ["", "[]", "{", "nul", "{\"a\":1}}", "\"x\""] {
        assert_eq!(blueprint(text).unwrap_err().kind(), &ErrorKind::Corrupt, "{text}");
    }
    // Deeper than any recursion may go.
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    assert_eq!(blueprint(&deep).unwrap_err().kind(), &ErrorKind::Corrupt);
}

#[test]
fn numbers_out_of_range() {
    for field in
        ["hidden_size", "num_attention_heads", "num_hidden_layers", "intermediate_size", "vocab_size"]
    {
        for value in
            ["0", "-1", "1.5", "18446744073709551615", "1e300", "\"64\"", "[64]", "{}", "1152921504606846976"]
        {
            refused(&[(field, value)], ErrorKind::Corrupt, field);
        }
        refused(&[(field, "null")], ErrorKind::Corrupt, "is missing");
    }
    for value in ["0", "-1", "\"x\"", "1e300"] {
        refused(&[("rms_norm_eps", value)], ErrorKind::Corrupt, "rms_norm_eps");
        refused(&[("rope_theta", value)], ErrorKind::Corrupt, "rope_theta");
    }
    refused(&[("num_key_value_heads", "3")], ErrorKind::Corrupt, "multiple of the key/value head count");
    refused(&[("head_dim", "7")], ErrorKind::Corrupt, "rotary width");
}

#[test]
fn what_would_change_the_numbers_is_refused_by_name() {
    for (field, value) in [
        ("attention_bias", "true"),
        ("mlp_bias", "true"),
        ("num_local_experts", "8"),
        ("quantization_config", "{\"bits\":4}"),
        ("partial_rotary_factor", "0.5"),
        ("hidden_act", "\"relu\""),
        ("rope_interleaved", "true"),
        ("residual_multiplier", "0.22"),
        ("sliding_window", "128"),
        ("rope_scaling", "{\"rope_type\":\"longrope\"}"),
    ] {
        let says = if field == "rope_scaling" { "longrope" } else { field };
        refused(&[(field, value)], ErrorKind::Unsupported, says);
    }
}

#[test]
fn unknown_model_types_list_the_known_ones() {
    refused(
        &[("model_type", "\"mamba\"")],
        ErrorKind::Unsupported,
        "`mamba` is not one that this build runs; it runs llama",
    );
    refused(&[("model_type", "7")], ErrorKind::Corrupt, "model_type");
}

#[test]
fn rotary_scaling_with_missing_or_impossible_numbers() {
    for (scaling, says) in [
        ("{\"rope_type\":\"linear\"}", "no `factor`"),
        ("{\"rope_type\":\"linear\",\"factor\":0}", "positive"),
        ("{\"rope_type\":\"llama3\",\"factor\":8}", "no `low_freq_factor`"),
        ("{\"type\":\"yarn\",\"factor\":1e308}", "factor"),
        ("7", "not an object"),
    ] {
        refused(&[("rope_scaling", scaling)], ErrorKind::Corrupt, says);
    }
}

#[test]
fn tensors_without_a_role_are_refused_by_name() {
    let tensor = Tensor::owned(Format::F32, 1, 1, vec![0; 4]);
    let names = ["model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.bias"];
    let weights = Weights::new(Naming::HuggingFace, names.map(|n| (n.to_owned(), tensor.clone())).into());
    let error = families::from_config(&Config::parse(llama(&[]).as_bytes()).unwrap(), &weights).unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::Unsupported);
    assert!(error.message().contains("`model.layers.0.self_attn.q_proj.bias`"), "{error}");
}
