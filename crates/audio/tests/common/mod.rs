//! Models through our own hub, and answers taken to their end.

#![allow(dead_code, clippy::unwrap_used)]

use futures_core::Stream;
use parasol_audio::sound::{at_rate, open};
use parasol_audio::transcription::{LoadOptions, WhisperModel};
use parasol_core::{Result, Segment, SoundStream, Transcribe, TranscribeRequest, TranscriptEvent};
use parasol_hub::{Cancel, Hub, Licence};
use parasol_kernels::Format;
use std::future::poll_fn;
use std::path::PathBuf;
use std::pin::Pin;

pub(crate) fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures")).join(name)
}

/// The folder of a model of the catalogue.
pub(crate) fn folder(name: &str) -> PathBuf {
    let hub = Hub::open().unwrap();
    hub.pull(name, Licence::Refuse, &Cancel::new(), &mut |_| {}).unwrap().model.path().to_owned()
}

pub(crate) fn model(name: &str, decoder_format: Option<Format>) -> WhisperModel {
    let options = LoadOptions { name: Some(name.into()), decoder_format, ..LoadOptions::default() };
    WhisperModel::load(&folder(name), options).unwrap()
}

/// The speech of the fixtures at 16 kHz.
pub(crate) fn speech() -> Vec<f32> {
    at_rate(open(&fixture("whisper/speech.flac")).unwrap(), 16_000)
        .unwrap()
        .flat_map(|piece| piece.unwrap())
        .collect()
}

pub(crate) fn events(
    model: &WhisperModel,
    sound: SoundStream,
    request: TranscribeRequest,
) -> Result<Vec<TranscriptEvent>> {
    let mut stream = model.transcribe(sound, request)?;
    let mut events = Vec::new();
    while let Some(event) = pollster::block_on(poll_fn(|cx| Pin::new(&mut stream).poll_next(cx))) {
        events.push(event?);
    }
    Ok(events)
}

/// The language that was found or given.
pub(crate) fn language(events: &[TranscriptEvent]) -> Option<(String, Option<f32>)> {
    events.iter().find_map(|event| match event {
        TranscriptEvent::Started { language, language_probability, .. } => {
            Some((language.clone()?, *language_probability))
        }
        _ => None,
    })
}

pub(crate) fn segments(events: &[TranscriptEvent]) -> Vec<Segment> {
    let only = |event: &TranscriptEvent| match event {
        TranscriptEvent::Segment(segment) => Some(segment.clone()),
        _ => None,
    };
    events.iter().filter_map(only).collect()
}
