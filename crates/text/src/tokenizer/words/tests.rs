//! Each hand-written matcher against the regular expression that it stands for.

#![allow(clippy::unwrap_used)]

use super::*;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const DEEPSEEK3: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;
const MODERN: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const QWEN35: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

/// Pieces that make trouble next to each other.
const PIECES: &[&str] = &[
    "a",
    "B",
    "Hello",
    "WORLD",
    "é",
    "É",
    "ß",
    "中",
    "文字",
    "ǅ",
    "ʰ",
    "\u{301}",
    "\u{903}",
    "ก",
    "1",
    "23",
    "٣",
    "½",
    "Ⅳ",
    " ",
    "  ",
    "\t",
    "\n",
    "\r\n",
    "\n\n",
    "\u{a0}",
    "\u{3000}",
    "\u{2028}",
    "\u{85}",
    "'s",
    "'T",
    "'re",
    "'LL",
    "'",
    "''",
    "d",
    "!",
    "...",
    "/",
    "//",
    "$",
    "€",
    "😀",
    "\u{200d}",
    "\u{200b}",
    "\0",
    "\u{7f}",
    "_",
    "-",
    "(",
    "\"",
    "\\",
    "。",
    "\u{e000}",
    "\u{10ffff}",
    "\u{378}",
];

fn compare(stage: &Stage, source: &str) {
    let pattern = Stage::Pattern(Box::new(Regex::new(source).unwrap()));
    let mut state = 7u64;
    for round in 0..20_000 {
        let mut text = String::new();
        for _ in 0..1 + round % 9 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(PIECES[(state >> 33) as usize % PIECES.len()]);
        }
        let (fast, slow) = (
            cut(std::slice::from_ref(stage), text.as_bytes()),
            cut(std::slice::from_ref(&pattern), text.as_bytes()),
        );
        assert_eq!(fast.unwrap(), slow.unwrap(), "{text:?}");
    }
}

fn stages(pre: &str) -> Vec<Stage> {
    family(pre).unwrap().stages
}

#[test]
fn matchers_cut_like_their_patterns() {
    compare(&Stage::Gpt2, GPT2);
    compare(&stages("llama-bpe")[0], MODERN);
    compare(&stages("qwen2")[0], &MODERN.replace("{1,3}", ""));
    compare(&stages("qwen35")[0], QWEN35);
    compare(&stages("gpt-4o")[0], GPT4O);
    compare(&stages("tekken")[0], &GPT4O.replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)?", "").replace("{1,3}", ""));
    compare(&Stage::DeepSeek3, DEEPSEEK3);
}

#[test]
fn every_known_family_compiles_and_loses_nothing() {
    let names = [
        "default",
        "gpt-2",
        "smollm",
        "llama-bpe",
        "dbrx",
        "qwen2",
        "qwen35",
        "seed-coder",
        "ufakzeka",
        "minicpm5",
        "laguna",
        "tekken",
        "gpt-4o",
        "tiny_aya",
        "deepseek-v3",
        "falcon",
        "deepseek-llm",
        "deepseek-coder",
        "poro-chat",
        "viking",
        "jais-2",
        "exaone-moe",
        "superbpe",
        "chameleon",
        "kimi-k2",
    ];
    let text = PIECES.concat() + "x = 1234567; // déjà VU 你好\n\n\tend  ";
    for name in names {
        let ends = cut(&stages(name), text.as_bytes()).unwrap();
        assert!(ends.windows(2).all(|w| w[0] < w[1]) && ends.last() == Some(&text.len()), "{name}");
    }
    let error = family("no-such-family").map(|_| ()).unwrap_err();
    assert!(error.message().contains("no-such-family"));
}
