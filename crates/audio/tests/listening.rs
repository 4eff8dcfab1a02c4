//! What is asked of a model that listens: languages, silence, long and broken sounds, cancelling, bad requests.

#![allow(clippy::unwrap_used)]

mod common;

use common::{events, language, model, segments, speech};
use parasol_core::{
    Error, ErrorKind, SoundStream, Timestamps, Transcribe, TranscribeRequest, TranscriptEvent,
};
use parasol_kernels::Format;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn english() -> TranscribeRequest {
    TranscribeRequest { beam: Some(1), ..TranscribeRequest::default() }
}

#[test]
fn speech_is_found_in_silence_and_timed_where_it_is() {
    let model = model("whisper-tiny", Some(Format::Q8_0));
    // Ten minutes of silence around twenty seconds of speech, in pieces.
    let silence = || std::iter::repeat_n(vec![0.0; 16_000], 300);
    let before = 300.0;
    let pieces = silence().chain([speech()]).chain(silence()).map(Ok);
    let sound = SoundStream::new(16_000, None, pieces);
    let heard = events(&model, sound, english()).unwrap();
    let said = segments(&heard);
    assert!(!said.is_empty());
    let text: String = said.iter().map(|s| s.text.to_lowercase()).collect();
    assert!(text.contains("sister") && text.contains("book"), "{text}");
    assert!(said.iter().all(|s| s.start >= before && s.end <= before + 25.0 && s.start < s.end), "{said:?}");
    let Some(TranscriptEvent::Finished { usage, .. }) = heard.last() else { panic!("{heard:?}") };
    assert!(usage.seconds > 600.0 && usage.speech_seconds < 40.0, "{usage:?}");
    assert_eq!(language(&heard), Some(("en".into(), None)));
}

#[test]
fn hours_of_silence_need_no_more_memory_than_minutes() {
    let model = model("whisper-tiny", Some(Format::Q8_0));
    // One of them here, a minute at a time.
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let pieces = (0..60).map(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        Ok(vec![0.0; 60 * 8_000])
    });
    let heard = events(&model, SoundStream::new(8_000, None, pieces), english()).unwrap();
    assert_eq!(taken.load(Ordering::Relaxed), 60);
    assert!(segments(&heard).is_empty());
    assert!(heard.iter().filter(|e| matches!(e, TranscriptEvent::Progress { .. })).count() > 100);
    let Some(TranscriptEvent::Finished { usage, .. }) = heard.last() else { panic!() };
    assert_eq!((usage.seconds.round(), usage.speech_seconds), (3_600.0, 0.0));
}

#[test]
fn no_sound_and_a_moment_of_it_are_answered() {
    let model = model("whisper-tiny", Some(Format::Q8_0));
    for (samples, voice_activity) in
        [(0, true), (0, false), (1, true), (100, false), (1000, false), (3000, true)]
    {
        let sound = SoundStream::from_samples(16_000, vec![0.01; samples]);
        let request = TranscribeRequest { voice_activity, timestamps: Timestamps::Word, ..english() };
        let heard = events(&model, sound, request).unwrap();
        assert!(matches!(heard.last(), Some(TranscriptEvent::Finished { .. })), "{samples}");
    }
}

#[test]
fn a_sound_that_breaks_ends_in_its_error_after_what_was_heard() {
    let model = model("whisper-tiny", Some(Format::Q8_0));
    let error = || Err(Error::new(ErrorKind::Corrupt, "the disk is broken"));
    let pieces = [Ok(speech()), Ok(vec![0.0; 160_000]), error()];
    let mut stream = model.transcribe(SoundStream::new(16_000, None, pieces.into_iter()), english()).unwrap();
    let mut heard = Vec::new();
    let next = |stream: &mut parasol_core::EventStream<TranscriptEvent>| {
        pollster::block_on(std::future::poll_fn(|cx| {
            futures_core::Stream::poll_next(std::pin::Pin::new(stream), cx)
        }))
    };
    while let Some(event) = next(&mut stream) {
        heard.push(event);
    }
    assert!(heard.iter().any(|e| matches!(e, Ok(TranscriptEvent::Segment(_)))));
    assert!(matches!(heard.last(), Some(Err(e)) if e.message().contains("broken")), "{heard:?}");
    let nan = SoundStream::from_samples(16_000, vec![f32::NAN; 16_000]);
    let error = events(&model, nan, english()).unwrap_err();
    assert!(error.message().contains("sample 0 of the sound is NaN"), "{error}");
}

#[test]
fn dropping_the_answer_stops_the_work() {
    let model = model("whisper-tiny", Some(Format::Q8_0));
    let taken = Arc::new(AtomicUsize::new(0));
    let counter = taken.clone();
    let pieces = std::iter::from_fn(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Some(Ok(speech()))
    });
    // Without end: only cancelling ends it. In silence too.
    let silence = SoundStream::new(16_000, None, std::iter::repeat_with(|| Ok(vec![0.0; 16_000])));
    drop(model.transcribe(silence, english()).unwrap());
    drop(model.transcribe(SoundStream::new(16_000, None, pieces), english()).unwrap());
    let heard = events(&model, SoundStream::from_samples(16_000, speech()), english()).unwrap();
    assert!(!segments(&heard).is_empty());
    assert!(taken.load(Ordering::Relaxed) < 50);
}

#[test]
fn requests_that_make_no_sense_are_refused() {
    let model = model("whisper-tiny", Some(Format::Q8_0));
    let refuse = |request: TranscribeRequest, says: &str| {
        let error = model.transcribe(SoundStream::from_samples(16_000, speech()), request).unwrap_err();
        assert!(*error.kind() == ErrorKind::InvalidRequest && error.message().contains(says), "{error}");
    };
    refuse(TranscribeRequest { language: Some("klingon".into()), ..english() }, "klingon");
    refuse(TranscribeRequest { language: Some("de".into()), ..english() }, "English only");
    refuse(TranscribeRequest { temperature: Some(f32::NAN), ..english() }, "temperature");
    refuse(TranscribeRequest { beam: Some(0), ..english() }, "side by side");
    refuse(TranscribeRequest { beam: Some(1000), ..english() }, "side by side");
    refuse(TranscribeRequest { prompt: Some("word ".repeat(3000)), ..english() }, "prompt");
    let zero = model.transcribe(SoundStream::from_samples(0, speech()), english());
    let error = zero.and_then(|mut stream| {
        let next =
            std::future::poll_fn(|cx| futures_core::Stream::poll_next(std::pin::Pin::new(&mut stream), cx));
        pollster::block_on(next).unwrap()
    });
    assert!(error.unwrap_err().message().contains("0 samples a second"));
}

#[test]
fn a_multilingual_model_finds_the_language() {
    let model = model("whisper-base", Some(Format::Q8_0));
    let heard =
        events(&model, SoundStream::from_samples(16_000, speech()), TranscribeRequest::default()).unwrap();
    let (language, probability) = language(&heard).unwrap();
    assert!(language == "en" && probability.is_some_and(|p| p > 0.5), "{language} {probability:?}");
    // A prompt steers how names are spelt, and changes nothing else.
    let request = TranscribeRequest { prompt: Some("A tale of Alys.".into()), ..english() };
    let said = segments(&events(&model, SoundStream::from_samples(16_000, speech()), request).unwrap());
    assert!(!said.is_empty());
}
