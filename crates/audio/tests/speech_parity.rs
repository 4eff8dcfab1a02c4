//! The voice Hibari reads and sounds as its own package does (`tools/reference/speech.py`), from files that our hub pulls. Where they
//! are neither here nor within reach it is skipped aloud.
#![allow(clippy::unwrap_used)]

use parasol_audio::speech::Speaker;
use parasol_core::{ErrorKind, EventStream, Speak, SpeakRequest, SpeechEvent};
use parasol_hub::{Cancel, Hub, Licence};
use parasol_kernels::{Compute, Isa};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech");

fn folder() -> Option<PathBuf> {
    pulled("hibari")
}

fn pulled(name: &str) -> Option<PathBuf> {
    let hub = Hub::open().unwrap();
    match hub.pull(name, Licence::Refuse, &Cancel::new(), &mut |_| {}) {
        Ok(located) => Some(located.model.path().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: {name} is not on this machine ({e}); `parasol pull {name}` fetches it");
            None
        }
    }
}

fn open(isa: Isa) -> Option<Speaker> {
    Some(Speaker::open(&folder()?, "hibari", Arc::new(Compute::new(isa, 2))).unwrap())
}

/// The voice, loaded once.
static VOICE: LazyLock<Option<Speaker>> = LazyLock::new(|| open(Isa::detect()));

fn all(stream: EventStream<SpeechEvent>) -> Vec<SpeechEvent> {
    let mut stream = stream;
    let next = |stream: &mut EventStream<SpeechEvent>| {
        pollster::block_on(std::future::poll_fn(|cx| {
            futures_core::Stream::poll_next(std::pin::Pin::new(&mut *stream), cx)
        }))
    };
    std::iter::from_fn(|| next(&mut stream)).map(Result::unwrap).collect()
}

fn request(text: &str) -> SpeakRequest {
    SpeakRequest { text: text.to_owned(), seed: Some(7), ..SpeakRequest::default() }
}

#[test]
fn phonemes_are_those_of_the_package() {
    let Some(voice) = &*VOICE else { return };
    let fixture = std::fs::read_to_string(format!("{FIXTURES}/phonemes.tsv")).unwrap();
    let (mut words, mut equal, mut sentences, mut whole) = (0, 0, 0, 0);
    let mut shown = 0;
    for line in fixture.lines() {
        let (sentence, want) = line.split_once('\t').unwrap();
        let got = voice.phonemes(sentence).unwrap().join(" ");
        sentences += 1;
        whole += usize::from(got == want);
        let (got, want): (Vec<_>, Vec<_>) = (got.split(' ').collect(), want.split(' ').collect());
        words += want.len();
        equal += common(&got, &want);
        if got != want && shown < 40 {
            shown += 1;
            let differing = want.iter().zip(&got).find(|(want, got)| want != got);
            eprintln!("{sentence}\n  {differing:?}");
        }
    }
    let share = equal as f64 / words as f64;
    eprintln!("{equal} of {words} words equal ({:.2} %), {whole} of {sentences} sentences", share * 100.0);
    assert!(sentences == 2000 && share >= 0.98, "{share}");
}

/// The length of the longest common subsequence.
fn common(a: &[&str], b: &[&str]) -> usize {
    let mut row = vec![0; b.len() + 1];
    for x in a {
        let mut diagonal = 0;
        for (j, y) in b.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = if x == y { diagonal + 1 } else { above.max(row[j]) };
            diagonal = above;
        }
    }
    row[b.len()]
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn halves(name: &str) -> Vec<f32> {
    let bytes = std::fs::read(format!("{FIXTURES}/{name}")).unwrap();
    let half = |b: &[u8; 2]| parasol_kernels::half::f16_to_f32(u16::from_le_bytes(*b));
    bytes.as_chunks::<2>().0.iter().map(half).collect()
}

#[test]
fn a_piper_voice_sounds_as_onnxruntime_computes_it() {
    let Some(folder) = pulled("piper-joe") else { return };
    let want = halves("piper.f16");
    for isa in Isa::available() {
        let voice = Speaker::open(&folder, "joe", Arc::new(Compute::new(isa, 2))).unwrap();
        assert_eq!(voice.rate(), 22_050);
        let got = voice.quiet_sound("ðə kwˈɪk bɹˈaʊn fˈɑːks.", 1.0).unwrap();
        assert_eq!(got.len(), want.len(), "{isa:?}");
        let r = correlation(&got, &want);
        eprintln!("piper on {}: correlation {r:.6}", isa.name());
        assert!(r >= 0.999, "{isa:?}: {r}");
    }
}

#[test]
fn sound_is_that_of_the_package_on_every_instruction_set() {
    let want = halves("sound.f16");
    for isa in Isa::available() {
        let Some(voice) = open(isa) else { return };
        let phonemes = voice.phonemes("The quick brown fox jumps over the lazy dog.").unwrap();
        let [phonemes] = &phonemes[..] else { panic!("{phonemes:?}") };
        let got = voice.sound(phonemes, 1.0, 7).unwrap();
        assert_eq!(got.len(), want.len(), "{isa:?}");
        let r = correlation(&got, &want);
        let loud = correlation(&loudness(&got), &loudness(&want));
        eprintln!("{}: correlation {r:.6}, of the loudness {loud:.6}", isa.name());
        // Pitch's phase adds up over the sentence, so a byte that is rounded the other way makes another wave of the same sound.
        // That happens without fused products, which onnxruntime's numbers come from.
        assert!(loud >= 0.99 && (r >= 0.999 || matches!(isa, Isa::Portable(_))), "{isa:?}: {r}, {loud}");
    }
}

/// The root of the mean square of every 12.5 ms.
fn loudness(x: &[f32]) -> Vec<f32> {
    x.chunks(300).map(|x| (x.iter().map(|x| x * x).sum::<f32>() / 300.0).sqrt()).collect()
}

#[test]
fn a_text_streams_sentence_by_sentence_and_repeats_with_its_seed() {
    let Some(voice) = &*VOICE else { return };
    let text = "One sentence. And another one, which is longer! A third?";
    let events = all(voice.speak(request(text)).unwrap());
    let [SpeechEvent::Started { rate, total, seed, .. }, middle @ .., SpeechEvent::Finished { usage, .. }] =
        &events[..]
    else {
        panic!("{events:?}")
    };
    assert_eq!((*rate, *total, *seed, middle.len()), (24_000, text.len(), 7, 3));
    let done: Vec<usize> = middle
        .iter()
        .map(|event| match event {
            SpeechEvent::Audio { samples, done } => {
                assert!(samples.len() > 4_000 && samples.iter().all(|x| x.abs() <= 1.0));
                *done
            }
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(done.is_sorted() && done.last() == Some(&text.len()), "{done:?}");
    assert!(usage.phonemes > 30 && usage.unspoken.is_empty());
    let sound = |events: &[SpeechEvent]| -> Vec<f32> {
        let samples = events.iter().filter_map(|event| match event {
            SpeechEvent::Audio { samples, .. } => Some(samples.clone()),
            _ => None,
        });
        samples.flatten().collect()
    };
    let first = sound(&events);
    assert_eq!(first, sound(&all(voice.speak(request(text)).unwrap())));
    let fast = sound(&all(voice.speak(SpeakRequest { speed: 2.0, ..request(text) }).unwrap()));
    assert!(fast.len() < first.len() * 2 / 3, "{} and {}", fast.len(), first.len());
    let quiet = sound(&all(voice.speak(SpeakRequest { volume: 0.5, ..request(text) }).unwrap()));
    assert!(first.iter().zip(&quiet).all(|(a, b)| (a * 0.5 - b).abs() < 1e-6));
}

#[test]
fn what_cannot_be_spoken_is_said() {
    let Some(voice) = &*VOICE else { return };
    for text in ["", "  \n", "😀🎉", "...", "שלום עולם", "\u{1}\u{2}"] {
        let error = voice.speak(request(text)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{text:?}: {error}");
    }
    let error = voice.speak(request("שלום")).unwrap_err();
    assert!(error.message().contains("en-US") && error.message().contains('ש'), "{error}");
    let events = all(voice.speak(request("Hello שלום, 😀 world!")).unwrap());
    let Some(SpeechEvent::Finished { usage, .. }) = events.last() else { panic!() };
    assert_eq!(usage.unspoken, "שלום😀");
    for (request, part) in [
        (SpeakRequest { speed: f32::NAN, ..request("Hi") }, "speed"),
        (SpeakRequest { speed: 9.0, ..request("Hi") }, "9"),
        (SpeakRequest { volume: -1.0, ..request("Hi") }, "volume"),
        (SpeakRequest { voice: Some("nobody".into()), ..request("Hi") }, "heart"),
        (SpeakRequest { language: Some("de".into()), ..request("Hi") }, "en-US"),
    ] {
        let error = voice.speak(request).unwrap_err();
        assert!(error.message().contains(part), "{error}");
    }
    assert!(voice.speak(SpeakRequest { language: Some("en-GB".into()), ..request("Hi") }).is_ok());
}

#[test]
fn a_megabyte_without_a_space_begins_at_once_and_ends_with_its_stream() {
    let Some(voice) = &*VOICE else { return };
    for text in [
        "x".repeat(1 << 20),
        "(".repeat(1 << 20) + "a",
        "9".repeat(1 << 20),
        "ab-'".repeat(1 << 18),
        "a1".repeat(1 << 19),
    ] {
        let begun = std::time::Instant::now();
        let mut stream = voice.speak(request(&text)).unwrap();
        for _ in 0..2 {
            let event = pollster::block_on(std::future::poll_fn(|cx| {
                futures_core::Stream::poll_next(std::pin::Pin::new(&mut stream), cx)
            }));
            event.unwrap().unwrap();
        }
        drop(stream);
        assert!(begun.elapsed().as_secs() < 10, "{:?} for {}…", begun.elapsed(), &text[..8]);
    }
}

#[test]
fn a_damaged_voice_is_refused_by_name() {
    let Some(folder) = folder() else { return };
    let compute = Arc::new(Compute::new(Isa::detect(), 1));
    let empty = tempfile::tempdir().unwrap();
    let error = Speaker::open(empty.path(), "none", Arc::clone(&compute)).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(&folder).unwrap() {
        let file = file.unwrap().path();
        std::fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    for name in ["hibari.onnx", "vocab.json", "tagger.json.gz", "oov.onnx", "lexicon_us_gold.json.gz"] {
        let path = copy.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let error = Speaker::open(copy.path(), "half", Arc::clone(&compute)).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Io), "{name}: {error}");
        std::fs::remove_file(&path).unwrap();
        let error = Speaker::open(copy.path(), "gone", Arc::clone(&compute)).unwrap_err();
        assert!(error.message().contains(name) || name == "hibari.onnx", "{name}: {error}");
        std::fs::write(&path, whole).unwrap();
    }
}
