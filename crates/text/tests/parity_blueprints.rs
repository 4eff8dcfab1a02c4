//! One model, three descriptions: GGUF metadata, the `config.json` of transformers 5 and the keys that most published
//! files carry must fill the same blueprint.
#![allow(clippy::unwrap_used)]

use parasol_text::blueprint::{Activation, Blueprint, RopePairs};
use parasol_text::families::{self, Config};
use parasol_text::gguf::GgufFile;
use parasol_text::huggingface::Folder;
use std::path::PathBuf;

fn toy(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(format!("toy-{name}"))
}

fn from_gguf(name: &str) -> Blueprint {
    let file = GgufFile::open(&toy(name).join("model.gguf")).unwrap();
    families::from_gguf(file.metadata(), &file.weights().unwrap()).unwrap()
}

fn from_config(name: &str, config: &str) -> Blueprint {
    let folder = Folder::open(&toy(name)).unwrap();
    let config = Config::parse(&std::fs::read(toy(name).join(config)).unwrap()).unwrap();
    families::from_config(&config, &folder.weights).unwrap()
}

#[test]
fn three_descriptions_of_each_toy_agree() {
    for name in ["llama", "llama3", "gemma3", "gemma3-softcap", "qwen3"] {
        let (gguf, mut config) = (from_gguf(name), from_config(name, "config.json"));
        assert_eq!(config, from_config(name, "config.hub.json"), "{name}");
        // Where the two kinds of file differ on purpose.
        let gemma = name.starts_with("gemma3");
        assert_eq!((config.norm_offset, gguf.norm_offset), (if gemma { 1.0 } else { 0.0 }, 0.0), "{name}");
        config.norm_offset = 0.0;
        config.architecture.clone_from(&gguf.architecture);
        if name == "gemma3" {
            // GGUF has no key for `query_pre_attn_scalar`; the converter folds it into the weights of the query norm.
            assert_eq!((config.attention_scale, gguf.attention_scale), (1.0 / 24_f32.sqrt(), 0.25));
            config.attention_scale = gguf.attention_scale;
        }
        if name.starts_with("llama") {
            assert_eq!(gguf.ropes[0].pairs, RopePairs::Adjacent);
            assert_eq!(config.ropes[0].pairs, RopePairs::Halves);
            config.ropes[0].pairs = RopePairs::Adjacent;
        }
        for (ours, theirs) in config.ropes.iter_mut().zip(&gguf.ropes) {
            // The converter computed the factors in another precision.
            let pairs = ours.factors.iter().zip(&theirs.factors);
            assert!(
                pairs.clone().all(|(a, b)| (a / b - 1.0).abs() < 1e-5),
                "{name}: {:?}",
                pairs.collect::<Vec<_>>()
            );
            assert_eq!(ours.factors.len(), theirs.factors.len(), "{name}");
            ours.factors.clone_from(&theirs.factors);
        }
        assert_eq!(config, gguf, "{name}");
    }
}

#[test]
fn gemma_alternates_windows_and_rotary_bases() {
    let gemma = from_gguf("gemma3");
    let windows: Vec<_> = gemma.layers.iter().map(|l| l.window).collect();
    assert_eq!(windows, [Some(8), Some(8), Some(8), Some(8), Some(8), None, Some(8)]);
    let bases: Vec<_> = gemma.layers.iter().map(|l| gemma.ropes[l.rope.unwrap()].base).collect();
    assert_eq!(bases, [1e4, 1e4, 1e4, 1e4, 1e4, 1e6, 1e4]);
    assert_eq!((gemma.activation, gemma.qk_norm, gemma.post_norms), (Activation::GeluTanh, true, true));
    assert!(gemma.tied_output && gemma.embedding_scale == 32_f32.sqrt());
    assert!(from_gguf("gemma3-softcap").logit_softcap.is_some());
}

#[test]
fn llama3_scaling_becomes_factors() {
    let llama = from_config("llama3", "config.json");
    let factors = &llama.ropes[0].factors;
    assert!(factors[0] == 1.0 && factors.contains(&8.0), "{factors:?}");
}
