//! What keys and values in 8 bits cost on published weights, against those in half precision: the same texts as for parity with llama.cpp.
#![allow(clippy::unwrap_used)]

mod fixture_files;

use fixture_files::{Numbers, published};
use parasol_kernels::KvFormat;
use parasol_text::engine::{LoadOptions, PositionScore, TextModel, perplexity};

/// What 8 bits may cost at most: the rise of the perplexity, and the share of positions whose likeliest token changes. Near ties
/// change with anything: between itself and its float32 file, llama.cpp finds another likeliest token in 3.4 % of such texts.
const MOST: (f64, f64) = (0.01, 0.06);

/// Compares the first texts, up to about `positions`.
fn compare(name: &str, fixture: &str, positions: u32) {
    let Some(path) = published(name) else { return };
    let numbers = Numbers::read(fixture);
    let (tokens, windows) = (numbers.i32("tokens"), numbers.i32("windows"));
    let [half, eight] = [KvFormat::F16, KvFormat::Q8].map(|cache_format| {
        let options = LoadOptions { context: Some(512), cache_format, ..LoadOptions::default() };
        let model = TextModel::load(&path, options).unwrap();
        let score = |w: &[u32]| model.score(&tokens[w[0] as usize..w[1] as usize], &[]).unwrap();
        windows.windows(2).take_while(|w| w[0] < positions).flat_map(score).collect::<Vec<PositionScore>>()
    });
    let changed = half.iter().zip(&eight).filter(|(a, b)| a.top != b.top).count() as f64 / half.len() as f64;
    let (before, after) = (perplexity(&half), perplexity(&eight));
    let told = format!(
        "{name}: {} positions, another likeliest token at {:.2} %, perplexity {before:.4} and {after:.4} ({:+.3} %)",
        half.len(),
        100.0 * changed,
        100.0 * (after / before - 1.0)
    );
    eprintln!("{told}");
    assert!(after / before - 1.0 <= MOST.0 && changed <= MOST.1, "{told}");
    assert!(half != eight, "{name}: the format of the cache changes nothing");
}

#[test]
fn eight_bits_of_cache_cost_smollm2_little() {
    compare("smollm2", "logits-smollm2.safetensors", 2500);
}

#[test]
fn eight_bits_of_cache_cost_gemma3_little() {
    compare("gemma3-270m", "logits-gemma3.safetensors", 700);
}
