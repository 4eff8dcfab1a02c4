//! Piper voices of several speakers: toys with the graph of Piper's own exporter sound as onnxruntime computes them (see
//! `tools/reference/piper_toys.py`), each speaker is found by name and by number, and files that name what is not there are refused.
#![allow(clippy::unwrap_used)]

use parasol_audio::speech::Speaker;
use parasol_core::{ErrorKind, EventStream, Result, Speak, SpeakRequest, SpeechEvent};
use parasol_kernels::{Compute, Isa};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, LazyLock};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech/piper");
const PHONEMES: &str = "hˈeloː wˈorld, an ˈaparaː.";

static COMPUTE: LazyLock<Arc<Compute>> = LazyLock::new(|| Arc::new(Compute::new(Isa::detect(), 2)));

fn toy(name: &str, isa: Isa) -> Speaker {
    let path = format!("{FIXTURES}/{name}.onnx");
    Speaker::open(Path::new(&path), name, Arc::new(Compute::new(isa, 2))).unwrap()
}

/// The small toy with another configuration.
fn changed(change: impl FnOnce(&mut Value)) -> Result<Speaker> {
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(format!("{FIXTURES}/small.onnx.json")).unwrap()).unwrap();
    change(&mut config);
    with(&config.to_string())
}

fn with(config: &str) -> Result<Speaker> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(format!("{FIXTURES}/small.onnx"), folder.path().join("small.onnx")).unwrap();
    std::fs::write(folder.path().join("small.onnx.json"), config).unwrap();
    Speaker::open(folder.path(), "toy", Arc::clone(&COMPUTE))
}

fn halves(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(format!("{FIXTURES}/{name}")).unwrap();
    let half = |b: &[u8; 2]| parasol_kernels::half::f16_to_f32(u16::from_le_bytes(*b));
    bytes.as_chunks::<2>().0.iter().map(half).collect()
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn names(speaker: &Speaker) -> Vec<String> {
    speaker.voices().into_iter().map(|voice| voice.name).collect()
}

#[test]
fn every_speaker_sounds_as_onnxruntime_computes_it() {
    // Both decoders, both predictors of durations; a name, and the number where the file has none.
    for (toy_name, speakers) in [("small", &["ada", "Bo", "5"][..]), ("large", &["0", "cy"])] {
        for isa in Isa::available() {
            let voice = toy(toy_name, isa);
            for (number, speaker) in speakers.iter().enumerate() {
                let want = halves(&format!("{toy_name}.{number}.f16"));
                let got = voice.quiet_sound_by(speaker, PHONEMES, 1.0).unwrap();
                assert_eq!(got.len(), want.len(), "{toy_name}, {speaker}, {isa:?}");
                let r = correlation(&got, &want);
                eprintln!("{toy_name}, {speaker} on {}: correlation {r:.6}", isa.name());
                assert!(r >= 0.999, "{toy_name}, {speaker}, {isa:?}: {r}");
            }
        }
    }
}

#[test]
fn speakers_are_found_by_name_and_then_by_number() {
    let voice = toy("small", Isa::detect());
    assert_eq!(names(&voice), ["ada", "Bo", "5"]);
    assert_eq!((voice.rate(), voice.voices()[1].description.as_str()), (16_000, "speaker 1 of small"));
    let found = |name: &str| voice.voice(name).map(|voice| voice.name);
    for (word, name) in
        [("ada", "ada"), ("ADA", "ada"), ("bo", "Bo"), ("5", "5"), ("0", "ada"), ("1", "Bo"), ("2", "5")]
    {
        assert_eq!(found(word).as_deref(), Some(name), "{word}");
    }
    for nobody in ["3", "-1", "", "ad", "1e0", "18446744073709551616"] {
        assert_eq!(found(nobody), None, "{nobody}");
    }
    let large = toy("large", Isa::detect());
    assert_eq!(names(&large), ["0", "cy"], "a speaker without a name has its number");
}

fn request(voice: &str) -> SpeakRequest {
    SpeakRequest { text: "hello".into(), voice: Some(voice.into()), seed: Some(3), ..SpeakRequest::default() }
}

fn all(mut stream: EventStream<SpeechEvent>) -> Vec<SpeechEvent> {
    let mut events = Vec::new();
    while let Some(event) = pollster::block_on(std::future::poll_fn(|cx| {
        futures_core::Stream::poll_next(std::pin::Pin::new(&mut stream), cx)
    })) {
        events.push(event.unwrap());
    }
    events
}

/// The voice that spoke, and its samples.
fn spoken(voice: &Speaker, name: &str) -> (String, Vec<f32>) {
    let (mut who, mut sound) = (String::new(), Vec::new());
    for event in all(voice.speak(request(name)).unwrap()) {
        match event {
            SpeechEvent::Started { voice, .. } => who = voice,
            SpeechEvent::Audio { samples, .. } => sound.extend(samples),
            SpeechEvent::Finished { .. } => {}
        }
    }
    (who, sound)
}

#[test]
fn requests_choose_a_speaker_and_are_told_some_names_when_there_is_none() {
    // Letters, so that no other program is needed.
    let voice = changed(|config| config["phoneme_type"] = json!("text")).unwrap();
    let (by_name, by_number) = (spoken(&voice, "bo"), spoken(&voice, "1"));
    assert_eq!(by_name.0, "Bo");
    assert!(by_name.1.len() > 1_000 && by_name == by_number);
    assert_ne!(by_name.1, spoken(&voice, "ada").1);
    let error = voice.speak(request("eve")).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::InvalidRequest);
    assert!(error.message().contains("toy has no voice \"eve\": it has ada, Bo, 5"), "{error}");
}

#[test]
fn a_text_voice_says_letters_and_leaves_out_what_it_has_not() {
    let voice = changed(|config| {
        config["phoneme_type"] = json!("text");
        config.as_object_mut().unwrap().remove("espeak");
        config["language"] = json!({ "code": "uk_UA" });
    })
    .unwrap();
    assert_eq!(voice.phonemes("Hello,\n WORLD. xyz").unwrap(), ["hello,", "world."]);
    assert_eq!(voice.voices()[0].language, "uk-UA");
    let request = SpeakRequest { text: "Heло".into(), ..SpeakRequest::default() };
    let events = all(voice.speak(request).unwrap());
    let Some(SpeechEvent::Finished { usage, .. }) = events.last() else { panic!("{events:?}") };
    assert_eq!(usage.unspoken, "ло");
}

#[test]
fn a_default_speaker_goes_first_and_older_files_say_less() {
    let voice = changed(|config| config["default_speaker_id"] = json!(2)).unwrap();
    assert_eq!(names(&voice), ["5", "ada", "Bo"]);
    // The first versions of Piper wrote neither of these.
    let voice = changed(|config| {
        for key in
            ["num_speakers", "speaker_id_map", "phoneme_type", "phoneme_map", "num_symbols", "inference"]
        {
            config.as_object_mut().unwrap().remove(key);
        }
    })
    .unwrap();
    assert_eq!(names(&voice), ["0", "1", "2"]);
    assert_eq!(voice.voices()[0].language, "en-us");
    // Two names for one speaker are two voices.
    let voice =
        changed(|config| config["speaker_id_map"] = json!({ "b": 0, "a": 0, "c": 1, "d": 2 })).unwrap();
    assert_eq!(names(&voice), ["b", "a", "c", "d"]);
    assert_eq!(voice.voice("0").unwrap().name, "b");
}

#[test]
fn speakers_that_are_not_there_are_refused_by_name() {
    let refused = |change: fn(&mut Value)| {
        let error = changed(change).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{error}");
        error.message().to_owned()
    };
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 11] = [
        (|c| c["speaker_id_map"] = json!({ "ada": 3 }), "has 3 as the number of \"ada\" and 3 speakers"),
        (|c| c["speaker_id_map"] = json!({ "ada": -1 }), "-1"),
        (|c| c["speaker_id_map"] = json!({ "ada": 18_446_744_073_709_551_615u64 }), "18446744073709551615"),
        (|c| c["speaker_id_map"] = json!({ "": 0 }), "called \"\""),
        (|c| c["speaker_id_map"] = json!({ "a\u{1b}[31m": 0 }), "called"),
        (|c| c["speaker_id_map"] = json!({ "a".repeat(101): 0 }), "1 to 100 letters"),
        (|c| c["speaker_id_map"] = json!({ "1": 0, "speaker 1": 2 }), "speaker 1"),
        (|c| c["num_speakers"] = json!(1_000_000), "1000000 speakers in its configuration and 3"),
        (|c| c["default_speaker_id"] = json!(3), "speaker 3 as its default"),
        (|c| c["phoneme_type"] = json!("pinyin"), "type \"pinyin\""),
        (|c| c["espeak"] = json!({ "voice": "../../etc/passwd" }), "espeak.voice"),
    ];
    for (change, part) in cases {
        let message = refused(change);
        assert!(message.contains(part) && message.contains("small.onnx"), "{message}");
    }
    // A million names, and one that is there twice, which a parser might take for one.
    let refused = |map: &str| {
        let config = format!(
            r#"{{"audio":{{"sample_rate":16000}},"espeak":{{"voice":"en"}},"phoneme_id_map":{{"a":[3]}},"speaker_id_map":{map}}}"#
        );
        with(&config).unwrap_err().message().to_owned()
    };
    assert!(refused(r#"{"ada":0,"bo":1,"ada":2}"#).contains("two speakers called \"ada\""));
    let million: Vec<String> = (0..1_000_000).map(|i| format!("\"s{i}\":0")).collect();
    let begun = std::time::Instant::now();
    assert!(refused(&format!("{{{}}}", million.join(","))).contains("names 1000000 speakers"));
    assert!(begun.elapsed().as_secs() < 10);
}
