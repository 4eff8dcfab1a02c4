//! Published models reproduce llama.cpp's numbers on the same file and text (`tools/reference/llama_logits.py`), on every
//! instruction set that this processor has. A model that is neither on this machine nor within reach is skipped aloud.
#![allow(clippy::unwrap_used)]

mod fixture_files;

use fixture_files::Numbers;
use parasol_hub::{Cancel, Hub, Licence};
use parasol_kernels::Isa;
use parasol_text::engine::{LoadOptions, PositionScore, TextModel, perplexity};
use std::path::PathBuf;

/// The model's file, pulled if it has to be and its licence lets it.
fn file(name: &str) -> Option<PathBuf> {
    let hub = Hub::open().unwrap();
    let located = match hub.locate(name).unwrap() {
        Some(located) => Ok(located),
        None => hub.pull(name, Licence::Refuse, &Cancel::new(), &mut |_| {}),
    };
    match located {
        Ok(located) => Some(located.model.path().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: {name} is not on this machine ({e}); `parasol pull {name}` fetches it");
            None
        }
    }
}

/// What llama.cpp wrote down.
struct Reference {
    tokens: Vec<u32>,
    windows: Vec<usize>,
    top: Vec<u32>,
    columns: Vec<u32>,
    logits: Vec<f32>,
    logsumexp: Vec<f32>,
    nll: Vec<f32>,
}

impl Reference {
    fn read(name: &str) -> Self {
        let numbers = Numbers::read(name);
        Self {
            tokens: numbers.i32("tokens"),
            windows: numbers.i32("windows").into_iter().map(|w| w as usize).collect(),
            top: numbers.i32("top"),
            columns: numbers.i32("columns"),
            logits: numbers.f16("logits"),
            logsumexp: numbers.f32("logsumexp"),
            nll: numbers.f32("nll"),
        }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |x: &[f32], y: &[f32]| x.iter().zip(y).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Compares the first `windows` windows.
fn compare(name: &str, reference: &Reference, path: PathBuf, isa: Isa, windows: usize) {
    let options = LoadOptions { isa: Some(isa), context: Some(512), ..LoadOptions::default() };
    let model = TextModel::load(&path, options).unwrap();
    let (mut ours, mut end): (Vec<PositionScore>, usize) = (Vec::new(), 0);
    for window in reference.windows.windows(2).take(windows) {
        end = window[1];
        ours.extend(model.score(&reference.tokens[window[0]..end], &reference.columns).unwrap());
    }
    let width = reference.columns.len();
    let raw = |row: &[f32], scale: f32| row.iter().map(|x| x + scale).collect::<Vec<f32>>();
    let cosines: Vec<f64> = ours
        .iter()
        .enumerate()
        .map(|(i, score)| {
            let theirs = raw(&reference.logits[i * width..][..width], reference.logsumexp[i]);
            cosine(&raw(&score.columns, score.logsumexp), &theirs)
        })
        .collect();
    let mean = cosines.iter().sum::<f64>() / cosines.len() as f64;
    let same =
        ours.iter().zip(&reference.top).filter(|(a, b)| a.top == **b).count() as f64 / ours.len() as f64;
    let known: Vec<f64> =
        (0..end).filter(|i| ours[*i].next.is_some()).map(|i| f64::from(reference.nll[i])).collect();
    let (our_ppl, their_ppl) = (perplexity(&ours), (known.iter().sum::<f64>() / known.len() as f64).exp());
    let told = format!(
        "{name} on {}: {end} positions, cosine {mean:.6}, same top {same:.4}, perplexity {our_ppl:.4} and {their_ppl:.4}",
        isa.name()
    );
    eprintln!("{told}");
    assert!(mean >= 0.999 && same >= 0.97 && (our_ppl / their_ppl - 1.0).abs() <= 0.01, "{told}");
}

fn parity(name: &str, fixture: &str) {
    let Some(path) = file(name) else { return };
    let reference = Reference::read(fixture);
    for isa in Isa::available() {
        // Plain loops are slow: a part of the text will do.
        let windows = if isa.name() == "portable" { 1 } else { reference.windows.len() };
        compare(name, &reference, path.clone(), isa, windows);
    }
}

#[test]
fn smollm2_matches_llama_cpp() {
    parity("smollm2", "logits-smollm2.safetensors");
}

#[test]
fn gemma3_matches_llama_cpp() {
    parity("gemma3-270m", "logits-gemma3.safetensors");
}
