//! Kokoro-82M sounds as onnxruntime computes it (`tools/reference/speech.py`), from files that our hub pulls. Where they are neither here
//! nor within reach it is skipped aloud.
#![allow(clippy::unwrap_used)]

use parasol_audio::speech::Speaker;
use parasol_core::{ErrorKind, Speak, SpeakRequest, SpeechEvent};
use parasol_hub::{Cancel, Hub, Licence};
use parasol_kernels::{Compute, Isa};
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

const SPOKEN: &str = "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ.";

static FOLDER: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    match Hub::open().unwrap().pull("kokoro", Licence::Refuse, &Cancel::new(), &mut |_| {}) {
        Ok(located) => Some(located.model.path().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: kokoro is not on this machine ({e}); `parasol pull kokoro` fetches it");
            None
        }
    }
});

fn open(folder: &Path, isa: Isa) -> parasol_core::Result<Speaker> {
    Speaker::open(folder, "kokoro", Arc::new(Compute::new(isa, 2)))
}

static VOICE: LazyLock<Option<Speaker>> =
    LazyLock::new(|| Some(open(FOLDER.as_deref()?, Isa::detect()).unwrap()));

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// The root of the mean square of every 12.5 ms.
fn loudness(x: &[f32]) -> Vec<f32> {
    x.chunks(300).map(|x| (x.iter().map(|x| x * x).sum::<f32>() / 300.0).sqrt()).collect()
}

#[test]
fn sound_is_that_of_onnxruntime_on_every_instruction_set() {
    let Some(folder) = &*FOLDER else { return };
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech/kokoro.f16");
    let half = |b: &[u8; 2]| parasol_kernels::half::f16_to_f32(u16::from_le_bytes(*b));
    let want: Vec<f32> = std::fs::read(fixture).unwrap().as_chunks::<2>().0.iter().map(half).collect();
    for isa in Isa::available() {
        let got = open(folder, isa).unwrap().sound(SPOKEN, 1.0, 0).unwrap();
        if matches!(isa, Isa::Portable(_)) {
            // Without fused products, which onnxruntime's numbers come from, bytes are now and then rounded the other way: a phoneme
            // may last a frame longer.
            let longer = got.len() as f64 / want.len() as f64;
            assert!((0.97..1.03).contains(&longer) && got.iter().all(|x| x.is_finite()), "{longer}");
            continue;
        }
        assert_eq!(got.len(), want.len(), "{isa:?}");
        let r = correlation(&got, &want);
        let loud = correlation(&loudness(&got), &loudness(&want));
        eprintln!("{}: correlation {r:.6}, of the loudness {loud:.6}", isa.name());
        // Phases of spectra whose sizes are next to nothing are the last digits of how they are computed, and the network hears them.
        assert!(loud >= 0.999 && r >= 0.99, "{isa:?}: {r}, {loud}");
    }
}

fn spoken(voice: &Speaker, request: SpeakRequest) -> Vec<f32> {
    let mut stream = voice.speak(request).unwrap();
    let mut sound = Vec::new();
    while let Some(event) = pollster::block_on(std::future::poll_fn(|cx| {
        futures_core::Stream::poll_next(std::pin::Pin::new(&mut stream), cx)
    })) {
        if let SpeechEvent::Audio { samples, .. } = event.unwrap() {
            sound.extend(samples);
        }
    }
    sound
}

#[test]
fn its_voices_are_many_and_differ() {
    let Some(voice) = &*VOICE else { return };
    let voices = voice.voices();
    assert_eq!((voices.len(), voices[0].name.as_str()), (28, "af_heart"));
    for voice in &voices {
        let language = if voice.name.starts_with('a') { "en-US" } else { "en-GB" };
        assert!(voice.language == language && !voice.description.is_empty(), "{voice:?}");
    }
    let request = |name: &str| SpeakRequest {
        text: "Nobody expected that.".to_owned(),
        voice: Some(name.to_owned()),
        ..SpeakRequest::default()
    };
    let names = ["af_heart", "am_michael", "bf_emma", "bm_george"];
    let sounds = names.map(|name| spoken(voice, request(name)));
    for (i, sound) in sounds.iter().enumerate() {
        assert!(sound.len() > 20_000 && sound.iter().all(|x| x.is_finite() && x.abs() < 1.0), "{}", names[i]);
        let loudest = sound.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert!(loudest > 0.1, "{}: {loudest}", names[i]);
        for (j, other) in sounds.iter().enumerate().take(i) {
            let r = correlation(&loudness(sound), &loudness(other));
            let same = sound.len() == other.len() && correlation(sound, other) > 0.5;
            assert!(!same, "{} and {} sound alike ({r})", names[i], names[j]);
        }
    }
    // The same every time, whatever the seed.
    let again = spoken(voice, SpeakRequest { seed: Some(99), ..request("bf_emma") });
    assert_eq!(again, sounds[2]);
    let fast = spoken(voice, SpeakRequest { speed: 2.0, ..request("bf_emma") });
    assert!(fast.len() < sounds[2].len() * 2 / 3, "{} and {}", fast.len(), sounds[2].len());
}

#[test]
fn what_it_does_not_speak_is_refused() {
    let Some(voice) = &*VOICE else { return };
    let of = |text: &str| SpeakRequest { text: text.to_owned(), ..SpeakRequest::default() };
    for (request, part) in [
        (SpeakRequest { voice: Some("jf_alpha".into()), ..of("Hi") }, "af_heart"),
        (SpeakRequest { language: Some("ja".into()), ..of("Hi") }, "en-US"),
        (of("こんにちは"), "en-US"),
        (of(""), "no text"),
    ] {
        let error = voice.speak(request).unwrap_err();
        assert!(*error.kind() == ErrorKind::InvalidRequest && error.message().contains(part), "{error}");
    }
}

/// The folder's files as links, so that a test can change some.
fn copy(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let to = copy.path().join(file.file_name());
        if std::fs::hard_link(file.path(), &to).is_err() {
            std::fs::copy(file.path(), &to).unwrap();
        }
    }
    copy
}

fn replace(folder: &Path, name: &str, bytes: &[u8]) {
    let path = folder.join(name);
    let _ = std::fs::remove_file(&path);
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_files_are_refused_by_name() {
    let Some(folder) = &*FOLDER else { return };
    let copy = copy(folder);
    let refused = |part: &str| {
        let error = open(copy.path(), Isa::detect()).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported | ErrorKind::Io),
            "{error}"
        );
        assert!(error.message().contains(part), "{part:?} is not in {error}");
    };
    let style = std::fs::read(folder.join("bf_emma.bin")).unwrap();
    for (bytes, part) in
        [(&style[..1000], "1000 bytes"), (&[], "0 bytes"), (&f32::NAN.to_le_bytes().repeat(256), "no number")]
    {
        replace(copy.path(), "bf_emma.bin", bytes);
        refused(part);
    }
    replace(copy.path(), "bf_emma.bin", &style);
    let vocabulary = std::fs::read(folder.join("vocab.json")).unwrap();
    replace(copy.path(), "vocab.json", br#"{"a": 100000}"#);
    refused("phoneme 100000");
    replace(copy.path(), "vocab.json", &vocabulary);
    let network = std::fs::read(folder.join("kokoro.onnx")).unwrap();
    for cut in [0, 1, 1000, network.len() / 3, network.len() - 1] {
        replace(copy.path(), "kokoro.onnx", &network[..cut]);
        refused("");
    }
    // A layer that is called something else.
    let name = b"/decoder/decoder/encode/Mul_output_0_quantized";
    let at = network.windows(name.len()).position(|w| w == name).unwrap();
    let mut other = network.clone();
    other[at] = b'X';
    replace(copy.path(), "kokoro.onnx", &other);
    refused("encode");
    replace(copy.path(), "kokoro.onnx", &network);
    assert!(open(copy.path(), Isa::detect()).is_ok());
}
