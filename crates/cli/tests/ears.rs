//! `transcribe` and `show` with the smallest speech model, which is pulled into the user's own store as a user would.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Home, fails, works};
use parasol_hub::{Cancel, Hub, Licence};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The folder of whisper-tiny.
fn tiny() -> String {
    let pulled =
        Hub::open().unwrap().pull("whisper-tiny", Licence::Refuse, &Cancel::new(), &mut |_| {}).unwrap();
    pulled.model.path().to_str().unwrap().to_owned()
}

fn speech() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/whisper/speech.flac")
}

#[test]
fn speech_becomes_text_in_every_format() {
    let (home, model, speech) = (Home::new(), tiny(), speech());
    let file = speech.to_str().unwrap();
    let hear = |more: &[&str]| home.run(&[&["transcribe", file, "--model", &model], more].concat());
    let text = hear(&[]);
    assert!(works(&text).to_lowercase().contains("sister"), "{text:?}");
    // From a pipe the same.
    let piped = home.run_with(&["transcribe", "-", "--model", &model], &std::fs::read(&speech).unwrap());
    assert_eq!(works(&piped), works(&text));
    let srt = hear(&["--format", "srt"]);
    assert!(works(&srt).starts_with("1\n00:00:0") && srt.out.contains(" --> "), "{srt:?}");
    let vtt = hear(&["--format", "vtt"]);
    assert!(works(&vtt).starts_with("WEBVTT\n\n00:0"), "{vtt:?}");
    let tsv = hear(&["--format", "tsv"]);
    assert!(works(&tsv).starts_with("start\tend\ttext\n"), "{tsv:?}");
    let whole = json(works(&hear(&["--format", "json", "--word-timestamps", "--language", "en"])));
    let words: Vec<&Value> =
        whole["segments"].as_array().unwrap().iter().flat_map(|s| s["words"].as_array().unwrap()).collect();
    assert!(words.len() > 30, "{whole}");
    let start = |word: &Value| word["start"].as_f64().unwrap();
    assert!(words.windows(2).all(|pair| start(pair[0]) <= start(pair[1])), "{words:?}");
    let lines = text.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(whole["text"].as_str().unwrap().split_whitespace().collect::<Vec<_>>().join(" "), lines);
}

#[test]
fn what_cannot_be_heard_is_said() {
    let (home, model) = (Home::new(), tiny());
    let empty = home.path("empty.wav");
    std::fs::write(&empty, b"").unwrap();
    let text = home.path("text.wav");
    std::fs::write(&text, "no sound at all ".repeat(100)).unwrap();
    let hear = |file: &Path| home.run(&["transcribe", file.to_str().unwrap(), "--model", &model]);
    fails(&hear(&empty), 5, &["empty.wav", "empty"]);
    fails(&hear(&text), 10, &["text.wav", "no sound"]);
    fails(&hear(Path::new("nowhere.mp3")), 3, &["nowhere.mp3"]);
    let speech = speech();
    let deaf = home.run(&["transcribe", speech.to_str().unwrap(), "--model", &home.toy()]);
    fails(&deaf, 10, &["whisper-base"]);
}

#[test]
fn a_speech_model_is_shown() {
    let (home, model) = (Home::new(), tiny());
    let shown = json(works(&home.run(&["show", &model, "--json"])));
    assert_eq!(
        (shown["architecture"].as_str(), shown["encoder_layers"].as_u64()),
        (Some("whisper"), Some(4))
    );
    // The catalogue says 37 760 256; this file has zeros for biases that keys do not have. What has two names counts once.
    assert_eq!(shown["parameters"], 37_760_256 + 12 * 384, "{shown}");
    assert!(shown["memory"]["total_bytes"].as_u64() > shown["bytes"].as_u64(), "{shown}");
    let text = home.run(&["show", &model]);
    assert!(works(&text).contains("4 encoder and 4 decoder layers"), "{text:?}");
    fails(&home.run(&["show", &model, "--template"]), 3, &["no chat template"]);
    // As a language model it is refused, and the way out is named.
    fails(&home.run(&["run", &model, "hello"]), 10, &["parasol transcribe"]);
}
