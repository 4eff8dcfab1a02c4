//! Toy models of every family reproduce the logits that `transformers` computed (`tools/reference/toy_models.py`), from
//! their folder and from GGUF, on every instruction set that this processor has: with a cache in full precision its own, with one in
//! half precision those that it computes when its cache is rounded so (`toy_half_cache.py`).
#![allow(clippy::unwrap_used)]

mod fixture_files;

use fixture_files::{Numbers, fixtures};
use parasol_kernels::{Format, Isa, KvFormat};
use parasol_text::engine::{LoadOptions, TextModel};
use parasol_text::quantize::Quantize;
use std::path::Path;

const TOYS: [&str; 5] = ["llama", "llama3", "gemma3", "gemma3-softcap", "qwen3"];

/// Raw logits at every position, (positions, vocab).
fn logits(path: &Path, options: LoadOptions, tokens: &[u32]) -> Vec<f32> {
    let model =
        TextModel::load(path, LoadOptions { threads: Some(2), context: Some(128), ..options }).unwrap();
    let all: Vec<u32> = (0..model.info().vocab as u32).collect();
    let scores = model.score(tokens, &all).unwrap();
    scores.into_iter().flat_map(|s| s.columns.into_iter().map(move |x| x + s.logsumexp)).collect()
}

/// Largest difference relative to the largest reference value.
fn difference(ours: &[f32], theirs: &[f32]) -> f32 {
    assert_eq!(ours.len(), theirs.len());
    assert!(ours.iter().all(|x| x.is_finite()));
    let most = theirs.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
    ours.iter().zip(theirs).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs())) / most
}

/// Half precision moves the logits of the toys by at most this (measured by `toy_half_cache.py`).
const HALF_CACHE: f32 = 2e-3;

#[test]
fn toys_match_transformers_on_every_instruction_set() {
    let mut wrong = Vec::new();
    for name in TOYS {
        let numbers = Numbers::read(&format!("toy-{name}/logits.safetensors"));
        let (tokens, exact) = (numbers.i64("input_ids"), numbers.f32("logits"));
        let half = Numbers::read(&format!("toy-{name}/logits-half-cache.safetensors")).f32("logits");
        let folder = fixtures().join(format!("toy-{name}"));
        for path in [folder.join("model.gguf"), folder] {
            for isa in Isa::available() {
                let with = |cache_format| {
                    let options = LoadOptions { isa: Some(isa), cache_format, ..LoadOptions::default() };
                    logits(&path, options, &tokens)
                };
                let (ours, full) = (with(KvFormat::F16), with(KvFormat::F32));
                let like = [difference(&ours, &half), difference(&full, &exact)];
                let off = difference(&ours, &exact);
                let told = format!(
                    "{name} {} on {}: {:.1e}, with a cache in full precision {:.1e}; {off:.1e} between them",
                    path.display(),
                    isa.name(),
                    like[0],
                    like[1]
                );
                eprintln!("{told}");
                if !(like.iter().all(|&like| like <= 1e-4) && off <= HALF_CACHE) {
                    wrong.push(told);
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn quantised_on_load_stays_near_and_shrinks() {
    for name in ["llama", "qwen3"] {
        let numbers = Numbers::read(&format!("toy-{name}/logits.safetensors"));
        let (tokens, theirs) = (numbers.i64("input_ids"), numbers.f32("logits"));
        let folder = fixtures().join(format!("toy-{name}"));
        let mut last = 0.0;
        for (format, bound) in [(Format::F16, 5e-3), (Format::Q8_0, 0.1), (Format::Q4_0, 0.8)] {
            let quantize = Some(Quantize { format, embedding: Some(format) });
            let worst = difference(
                &logits(&folder, LoadOptions { quantize, ..LoadOptions::default() }, &tokens),
                &theirs,
            );
            // Coarser formats differ more; no difference at all would mean that nothing was converted.
            assert!(worst <= bound && worst > last, "{name} as {format}: {worst:e}, before {last:e}");
            last = worst;
        }
    }
}
