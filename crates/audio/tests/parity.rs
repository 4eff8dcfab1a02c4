//! Whisper against faster-whisper in float32 on the same weights: `tools/reference/whisper.py` made the numbers.

#![allow(clippy::unwrap_used)]

mod common;

use common::{events, fixture, model, segments, speech};
use parasol_core::{SoundStream, Timestamps, TranscribeRequest};
use parasol_kernels::Format;
use serde::Deserialize;

#[derive(Deserialize)]
struct Golden {
    mel_frames: Vec<usize>,
    mel: Vec<Vec<f32>>,
    encoder_rows: Vec<usize>,
    encoder: Vec<Vec<f32>>,
    segments: Vec<Said>,
}

#[derive(Deserialize)]
struct Said {
    start: f64,
    end: f64,
    tokens: Vec<u32>,
    text: String,
    words: Vec<(String, f64, f64)>,
}

fn golden(name: &str) -> Golden {
    serde_json::from_slice(&std::fs::read(fixture(&format!("whisper/{name}.json"))).unwrap()).unwrap()
}

fn largest_difference(got: &[f32], width: usize, rows: &[usize], want: &[Vec<f32>]) -> f32 {
    let pairs = rows.iter().zip(want).flat_map(|(row, want)| got[row * width..].iter().zip(want));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn check(name: &str, format: Option<Format>) {
    let (model, golden) = (model(&format!("whisper-{name}"), format), golden(name));
    let (mel, encoded) = model.encode(&speech());
    let (mels, width) = (model.config().mels, model.config().width);
    let mel = largest_difference(&mel, mels, &golden.mel_frames, &golden.mel);
    let encoder = largest_difference(&encoded, width, &golden.encoder_rows, &golden.encoder);
    println!("{name}: mel differs by {mel:e}, the encoder's output by {encoder:e}");
    assert!(
        mel < 1e-3 && encoder < 1e-3,
        "{name}: mel differs by {mel:e}, the encoder's output by {encoder:e}"
    );

    let request = TranscribeRequest {
        language: Some("en".into()),
        timestamps: Timestamps::Word,
        beam: Some(1),
        temperature: Some(0.0),
        voice_activity: false,
        ..TranscribeRequest::default()
    };
    let said = segments(&events(&model, SoundStream::from_samples(16_000, speech()), request).unwrap());
    assert_eq!(said.len(), golden.segments.len(), "{said:?}");
    for (got, want) in said.iter().zip(&golden.segments) {
        assert_eq!(got.text, want.text);
        assert_eq!(got.tokens, want.tokens);
        assert!((got.start - want.start).abs() < 0.11 && (got.end - want.end).abs() < 0.11, "{got:?}");
        assert_eq!(got.words.len(), want.words.len(), "{:?}", got.words);
        for (word, (text, start, end)) in got.words.iter().zip(&want.words) {
            assert_eq!(&word.word, text);
            assert!(
                (word.start - start).abs() < 0.11 && (word.end - end).abs() < 0.11,
                "{word:?}: {start} to {end}"
            );
        }
    }
}

#[test]
fn tiny_hears_what_the_reference_hears() {
    check("tiny", None);
}

#[test]
fn base_hears_what_the_reference_hears() {
    check("base", None);
}

#[test]
fn the_detector_finds_speech_where_the_reference_does() {
    let want: Vec<f32> =
        serde_json::from_slice(&std::fs::read(fixture("whisper/voice_activity.json")).unwrap()).unwrap();
    let mut sound = speech();
    sound.resize(sound.len().next_multiple_of(512), 0.0);
    let got = model("whisper-tiny", None).speech_probabilities(&sound);
    assert_eq!(got.len(), want.len());
    let differs = got.iter().zip(&want).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(differs < 2e-3, "{differs}");
}
