//! Voices of Pocket TTS whose files are damaged, do not fit each other or ask for more than any voice has are refused when they are
//! opened; and what is asked of a good one is answered, or refused by name.
#![allow(clippy::unwrap_used)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_core::Stream;
use parasol_audio::speech::Speaker;
use parasol_core::{Error, ErrorKind, Result, Speak, SpeakRequest, SpeechEvent, VoiceReference};
use parasol_kernels::{Compute, Isa};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use tempfile::TempDir;

static COMPUTE: LazyLock<Arc<Compute>> = LazyLock::new(|| Arc::new(Compute::new(Isa::detect(), 2)));

fn fixture(kind: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/pocket")).join(kind)
}

/// A copy of a toy voice.
fn copy(kind: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let tokenizer = if kind == "plain" { "tokenizer.json" } else { "tokenizer.model" };
    for name in ["config.yaml", "model.safetensors", tokenizer] {
        std::fs::copy(fixture(kind).join(name), folder.path().join(name)).unwrap();
    }
    std::fs::create_dir(folder.path().join("embeddings")).unwrap();
    let alba = "embeddings/alba.safetensors";
    std::fs::copy(fixture(kind).join(alba), folder.path().join(alba)).unwrap();
    folder
}

fn open(folder: &Path) -> Result<Speaker> {
    Speaker::open(folder, "toy", Arc::clone(&COMPUTE))
}

/// The error of a voice that must not open.
#[track_caller]
fn refused(folder: &TempDir) -> Error {
    let error = open(folder.path()).unwrap_err();
    let known = [ErrorKind::Corrupt, ErrorKind::Unsupported, ErrorKind::NotFound, ErrorKind::InvalidRequest];
    assert!(known.contains(error.kind()), "{error:?}");
    error
}

fn config(folder: &TempDir, change: impl FnOnce(String) -> String) {
    let path = folder.path().join("config.yaml");
    let yaml = change(std::fs::read_to_string(&path).unwrap());
    std::fs::write(path, yaml).unwrap();
}

/// Changes the header of a safetensors file, its data staying.
fn header(path: &Path, change: impl FnOnce(&mut Value)) {
    let file = std::fs::read(path).unwrap();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let mut value: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    change(&mut value);
    let mut text = value.to_string().into_bytes();
    text.resize(text.len().next_multiple_of(8), b' ');
    let data = &file[8 + length..];
    std::fs::write(path, [&(text.len() as u64).to_le_bytes()[..], &text, data].concat()).unwrap();
}

#[test]
fn both_toys_open_as_they_are() {
    for kind in ["plain", "small"] {
        let folder = copy(kind);
        let speaker = open(folder.path()).unwrap();
        assert_eq!((speaker.rate(), speaker.voices()[0].name.as_str()), (24_000, "alba"));
        assert!(speaker.imitates());
        // By its file, and with its voice beside it.
        let alba = folder.path().join("embeddings/alba.safetensors");
        std::fs::rename(alba, folder.path().join("alba.safetensors")).unwrap();
        assert_eq!(open(&folder.path().join("model.safetensors")).unwrap().voices().len(), 1);
    }
}

#[test]
fn numbers_that_no_voice_has_are_refused_by_name() {
    let numbers = [
        ("d_model: 32", "d_model"),
        ("num_heads: 2", "heads"),
        ("num_layers: 2", "num_layers"),
        ("hidden_scale: 4", ""),
        ("n_bins: 160", ""),
        ("dim: 16", ""),
        ("depth: 2", ""),
        ("sample_rate: 24000", ""),
        ("frame_rate: 12.5", ""),
        ("inner_dim: 8", ""),
        ("outer_dim: 16", ""),
        ("n_filters: 2", ""),
        ("n_residual_layers: 1", ""),
        ("  kernel_size: 7", "kernel_size"),
        ("residual_kernel_size: 3", ""),
        ("last_kernel_size: 3", ""),
        ("dimension: 16", ""),
        ("compress: 2", ""),
        ("dim_feedforward: 32", ""),
        ("- 6", ""),
        ("- 16", ""),
    ];
    for (at, names) in numbers {
        let key = at.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.');
        for value in [
            "0",
            "-1",
            "3",
            "1000000",
            "18446744073709551615",
            "99999999999999999999999",
            ".nan",
            "\"\"",
            "[]",
        ] {
            let folder = copy("plain");
            let before = std::fs::read_to_string(folder.path().join("config.yaml")).unwrap();
            assert!(before.contains(at), "{at}");
            config(&folder, |yaml| yaml.replacen(at, &format!("{key}{value}"), 1));
            // What is the same number by chance opens.
            if at.ends_with(&format!(" {value}")) {
                continue;
            }
            let error = refused(&folder);
            let named = !["0", "1000000"].contains(&value) || error.message().contains(names);
            assert!(named, "{at} as {value}: {error}");
        }
        // Left out, this one is what it has to be.
        if at.starts_with("outer_dim") {
            continue;
        }
        let folder = copy("plain");
        config(&folder, |yaml| {
            yaml.lines().filter(|line| line.trim() != at.trim()).collect::<Vec<_>>().join("\n")
        });
        refused(&folder);
    }
}

#[test]
fn what_would_grow_beyond_any_voice_is_refused_by_name() {
    let long = format!("’: {}", "a".repeat(65));
    for (from, to, names) in [
        // Twice this many is 2 again where numbers begin anew.
        ("num_heads: 2", "num_heads: 9223372036854775809", "heads"),
        ("- 6", "- 1", "ratios"),
        ("frame_rate: 12.5", "frame_rate: 200", "frame_rate of 200"),
        ("’: ''''", &long, "replace_characters"),
    ] {
        let folder = copy("plain");
        config(&folder, |yaml| {
            assert!(yaml.contains(from), "{from}");
            yaml.replacen(from, to, 1)
        });
        let error = refused(&folder);
        assert!(error.message().contains(names), "{to}: {error}");
    }
}

#[test]
fn configurations_that_are_none_are_refused() {
    let bomb = (1..40).fold("a0: &a0 [x, x]\n".to_owned(), |yaml, n| {
        format!("{yaml}a{n}: &a{n} [*a{0}, *a{0}, *a{0}, *a{0}]\n", n - 1)
    });
    let deep = "[".repeat(200_000);
    for yaml in ["", "- 1", "flow_lm: 3", "%YAML 9", "\u{0}", "a: b: c", &bomb, &deep] {
        let folder = copy("plain");
        config(&folder, |_| yaml.to_owned());
        refused(&folder);
    }
    let folder = copy("plain");
    std::fs::write(folder.path().join("config.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    refused(&folder);
    let folder = copy("plain");
    config(&folder, |yaml| yaml + "new_kind_of_norm: true\n");
    assert!(refused(&folder).message().contains("new_kind_of_norm"));
    let folder = copy("plain");
    config(&folder, |yaml| yaml.replace("depth: 2", "depth: 2\n    type: telepathy"));
    assert!(refused(&folder).message().contains("telepathy"));
    std::fs::copy(fixture("small").join("config.yaml"), folder.path().join("other.yaml")).unwrap();
    assert!(refused(&folder).message().contains("several configurations"));
    for name in ["other.yaml", "config.yaml"] {
        std::fs::remove_file(folder.path().join(name)).unwrap();
    }
    assert!(refused(&folder).message().contains("config/NAME.yaml"));
    let folder = copy("plain");
    std::fs::copy(fixture("small").join("config.yaml"), folder.path().join("config.yaml")).unwrap();
    refused(&folder);
}

#[test]
fn weights_that_are_cut_or_do_not_fit_are_refused() {
    let folder = copy("plain");
    let path = folder.path().join("model.safetensors");
    let whole = std::fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(whole.len() / 40).chain([7, 8, 9, whole.len() - 1]) {
        std::fs::write(&path, &whole[..length]).unwrap();
        refused(&folder);
    }
    std::fs::write(&path, &whole).unwrap();
    // Each tensor away, and each turned.
    let file = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let names: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let names: Vec<String> = names.as_object().unwrap().keys().cloned().collect();
    assert_eq!(names.len(), 150);
    for name in &names {
        // Without this one it speaks, but imitates nobody.
        let optional = name == "flow_lm.speaker_proj_weight";
        header(&path, |value| {
            let tensor = value.as_object_mut().unwrap().remove(name).unwrap();
            value[format!("{name}s")] = tensor;
        });
        match open(folder.path()) {
            Ok(speaker) => assert!(optional && !speaker.imitates(), "{name} is not missed"),
            Err(error) => assert!(error.message().contains(&**name), "{error}"),
        }
        std::fs::write(&path, &whole).unwrap();
        header(&path, |value| {
            let count: u64 =
                value[name]["shape"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).product();
            value[name]["shape"] = serde_json::json!([count, 1, 1]);
        });
        // A vector of one value is what it was.
        let same = |name: &str| ["bias", "conv.weight"].iter().any(|end| name.ends_with(end));
        match open(folder.path()) {
            Ok(_) => assert!(same(name), "{name} may have any shape"),
            Err(error) => assert!(error.message().contains(&**name), "{error}"),
        }
        std::fs::write(&path, &whole).unwrap();
    }
    header(&path, |value| value["flow_lm.bos_emb"]["dtype"] = "I32".into());
    assert!(refused(&folder).message().contains("I32"));
}

#[test]
fn weights_that_are_no_numbers_are_found_when_they_sound() {
    let folder = copy("plain");
    let path = folder.path().join("model.safetensors");
    let mut file = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(*file.first_chunk().unwrap()) as usize;
    let names: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let at = |name: &str| 8 + length + names[name]["data_offsets"][0].as_u64().unwrap() as usize;
    let norm = at("flow_lm.out_norm.weight");
    let whole = file.clone();
    file[norm..norm + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, &file).unwrap();
    assert!(refused(&folder).message().contains("out_norm"));
    for name in ["flow_lm.transformer", "mimi.decoder_transformer.transformer"] {
        let mut file = whole.clone();
        let matrix = at(&format!("{name}.layers.0.linear1.weight"));
        file[matrix..matrix + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        std::fs::write(&path, &file).unwrap();
        let spoken = all(&open(folder.path()).unwrap(), asked("It rained.")).map(|events| events.len());
        assert_eq!(spoken.map_err(|error| error.kind().clone()), Err(ErrorKind::Corrupt), "{name}");
    }
}

#[test]
fn voices_that_another_model_made_are_refused() {
    let folder = copy("plain");
    let path = folder.path().join("embeddings/alba.safetensors");
    let whole = std::fs::read(&path).unwrap();
    std::fs::copy(fixture("small").join("embeddings/alba.safetensors"), &path).unwrap();
    assert!(refused(&folder).message().contains("another model"));
    let cache = "transformer.layers.0.self_attn/cache";
    for shape in
        [serde_json::json!([2, 1, 0, 2, 16]), serde_json::json!([2, 7, 32]), serde_json::json!([14, 32])]
    {
        std::fs::write(&path, &whole).unwrap();
        header(&path, |value| value[cache]["shape"] = shape);
        refused(&folder);
    }
    std::fs::write(&path, &whole).unwrap();
    header(&path, |value| {
        let tensor = value.as_object_mut().unwrap().remove("transformer.layers.1.self_attn/cache").unwrap();
        value["other"] = tensor;
    });
    assert!(refused(&folder).message().contains("layers.1"));
    // A number of rows that is not there.
    let length = u64::from_le_bytes(*whole.first_chunk().unwrap()) as usize;
    let names: Value = serde_json::from_slice(&whole[8..8 + length]).unwrap();
    // In the last of two layers: one less than in the first.
    for (layer, rows) in [(0, 0), (0, 8), (0, -1), (0, i64::MAX), (1, 6)] {
        let offset = format!("transformer.layers.{layer}.self_attn/offset");
        let offset = names[&offset]["data_offsets"][0].as_u64().unwrap() as usize;
        let mut file = whole.clone();
        file[8 + length + offset..][..8].copy_from_slice(&i64::to_le_bytes(rows));
        std::fs::write(&path, file).unwrap();
        let error = refused(&folder);
        assert!(error.message().contains("rows"), "{error}");
    }
    for cut in [whole.len() - 1, whole.len() / 2, 20] {
        std::fs::write(&path, &whole[..cut]).unwrap();
        // What is not even a header is no voice at all.
        match open(folder.path()) {
            Ok(speaker) => assert!(speaker.voices().is_empty(), "{cut}"),
            Err(error) => assert_eq!(*error.kind(), ErrorKind::Corrupt, "{error}"),
        }
    }
}

#[test]
fn tokenizers_that_are_damaged_are_refused() {
    for kind in ["plain", "small"] {
        let folder = copy(kind);
        let name = if kind == "plain" { "tokenizer.json" } else { "tokenizer.model" };
        let path = folder.path().join(name);
        let whole = std::fs::read(&path).unwrap();
        for length in (0..whole.len()).step_by(whole.len() / 25) {
            std::fs::write(&path, &whole[..length]).unwrap();
            // A SentencePiece model that is cut behind its pieces is one with less to say: it may open, and must not panic.
            if let Ok(speaker) = open(folder.path()) {
                let _ = all(&speaker, asked("It rained."));
            }
        }
        for bytes in [&b""[..], b"{}", b"\x0a\xff\xff\xff\xff\x0f", b"\x00"] {
            std::fs::write(&path, bytes).unwrap();
            refused(&folder);
        }
        std::fs::write(&path, &whole).unwrap();
        // More tokens than the model knows.
        config(&folder, |yaml| yaml.replace("n_bins: 160", "n_bins: 159"));
        assert!(refused(&folder).message().contains("160 tokens"));
        std::fs::remove_file(&path).unwrap();
        config(&folder, |yaml| yaml.replace("n_bins: 159", "n_bins: 160"));
        assert!(refused(&folder).message().contains("no tokenizer"));
    }
}

#[test]
fn tokenizers_make_neither_more_nor_less_of_a_text_than_it_is() {
    let folder = copy("plain");
    let path = folder.path().join("tokenizer.json");
    let whole: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let write = |change: &dyn Fn(&mut Value)| {
        let mut changed = whole.clone();
        change(&mut changed);
        std::fs::write(&path, changed.to_string()).unwrap();
    };
    let tokens = || {
        let events = all(&open(folder.path()).unwrap(), asked("It rained for days.")).unwrap();
        let Some(SpeechEvent::Finished { usage, .. }) = events.last() else { panic!("{events:?}") };
        usage.phonemes
    };
    let own = tokens();
    // Filled up with more tokens than any memory holds, and cut behind the first.
    write(&|json| {
        json["padding"] = serde_json::json!({
            "strategy": { "Fixed": 1u64 << 50 }, "direction": "Right", "pad_to_multiple_of": null,
            "pad_id": 0, "pad_type_id": 0, "pad_token": "<unk>"
        });
        json["truncation"] = serde_json::json!({
            "direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0
        });
    });
    assert_eq!(tokens(), own);
    // Ten for one, twelve times; letters for bytes, and letters for those again.
    let ten = serde_json::json!({ "type": "Replace", "pattern": { "String": "a" }, "content": "aaaaaaaaaa" });
    let letters =
        serde_json::json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false });
    for (part, one) in [("normalizer", &ten), ("normalizer", &letters), ("pre_tokenizer", &letters)] {
        let list = format!("{}s", part.replace('_', ""));
        write(&|json| json[part] = serde_json::json!({ "type": "Sequence", &list: vec![one; 12] }));
        assert!(refused(&folder).message().contains("bytes of one"), "{part}: {one}");
    }
    // Maps of characters: one that says it has 4 GB, one whose text for a character does not end, and a good one twice over.
    let map = |size: u32, text: usize| {
        let map = [&size.to_le_bytes()[..], &[0; 8], &vec![b'a'; text]].concat();
        serde_json::json!({ "type": "Precompiled", "precompiled_charsmap": STANDARD.encode(map) })
    };
    for (normalizers, part) in [
        (vec![map(u32::MAX, 1)], "map of characters"),
        (vec![map(8, 2_000)], "map of characters"),
        (vec![map(8, 200), map(8, 200)], "bytes of one"),
    ] {
        write(&|json| {
            json["normalizer"] = serde_json::json!({ "type": "Sequence", "normalizers": normalizers })
        });
        assert!(refused(&folder).message().contains(part), "{part}");
    }
    write(&|json| json["normalizer"] = map(8, 200));
    assert!(open(folder.path()).is_ok());
}

fn asked(text: &str) -> SpeakRequest {
    SpeakRequest { text: text.to_owned(), seed: Some(7), ..SpeakRequest::default() }
}

fn all(speaker: &Speaker, request: SpeakRequest) -> Result<Vec<SpeechEvent>> {
    let mut stream = speaker.speak(request)?;
    let mut events = Vec::new();
    let mut next =
        || pollster::block_on(std::future::poll_fn(|cx| std::pin::Pin::new(&mut stream).poll_next(cx)));
    while let Some(event) = next() {
        events.push(event?);
    }
    Ok(events)
}

fn sound(events: &[SpeechEvent]) -> Vec<Vec<f32>> {
    let only = |event: &SpeechEvent| match event {
        SpeechEvent::Audio { samples, .. } => Some(samples.clone()),
        _ => None,
    };
    events.iter().filter_map(only).collect()
}

/// Some seconds of a tone that comes and goes.
fn reference(seconds: f32, rate: u32) -> VoiceReference {
    let at = |t: usize| t as f32 / rate as f32;
    let samples =
        (0..(seconds * rate as f32) as usize).map(|t| (900.0 * at(t)).sin() * (4.0 * at(t)).sin() * 0.4);
    VoiceReference { name: "anna".into(), samples: samples.collect(), rate, transcript: None }
}

#[test]
fn a_voice_is_imitated_and_heard_in_portions() {
    let speaker = open(&fixture("plain")).unwrap();
    let with =
        |reference| SpeakRequest { reference: Some(reference), ..asked("It rained. It rained for days.") };
    let events = all(&speaker, with(reference(3.0, 44_100))).unwrap();
    assert!(
        matches!(&events[0], SpeechEvent::Started { voice, rate: 24_000, seed: 7, .. } if voice == "anna")
    );
    let SpeechEvent::Finished { usage, .. } = events.last().unwrap() else { panic!("{events:?}") };
    let portions = sound(&events);
    let samples: usize = portions.iter().map(Vec::len).sum();
    assert!(portions.len() > 2 && portions[0].len() <= 1920, "the first frame comes alone");
    assert!((usage.audio.as_secs_f64() - samples as f64 / 24_000.0).abs() < 1e-6 && usage.phonemes > 0);
    assert!(
        portions.iter().flatten().all(|x| x.abs() <= 1.0) && portions.iter().flatten().any(|x| *x != 0.0)
    );
    // The same again, remembered; another voice or another seed is another sound.
    assert_eq!(sound(&all(&speaker, with(reference(3.0, 44_100))).unwrap()), portions);
    assert_ne!(sound(&all(&speaker, with(reference(4.0, 44_100))).unwrap()), portions);
    let other = SpeakRequest { seed: Some(8), ..with(reference(3.0, 44_100)) };
    assert_ne!(sound(&all(&speaker, other).unwrap()), portions);
    // Whoever leaves is no trouble.
    drop(speaker.speak(with(reference(2.0, 8_000))).unwrap());
}

#[test]
fn what_cannot_be_done_is_refused_by_name() {
    let speaker = open(&fixture("plain")).unwrap();
    let says = |request: SpeakRequest| all(&speaker, request).map(|_| ()).unwrap_err().message().to_owned();
    let with = |reference| SpeakRequest { reference: Some(reference), ..asked("It rained.") };
    for speed in [0.5, 1.5] {
        assert!(says(SpeakRequest { speed, ..asked("It rained.") }).contains("own pace"));
    }
    assert!(says(asked("<speak><prosody rate=\"fast\">It rained.</prosody></speak>")).contains("own pace"));
    assert!(says(SpeakRequest { voice: Some("nobody".into()), ..asked("It rained.") }).contains("alba"));
    assert!(says(asked("雨")).contains("nothing in the text can be spoken"));
    assert!(says(asked("...")).contains("punctuation"));
    // Sounds that are no voice.
    let silent = VoiceReference { samples: vec![0.0; 60_000], ..reference(1.0, 24_000) };
    let mut broken = reference(3.0, 24_000);
    broken.samples[40_000] = f32::NAN;
    for bad in [reference(0.0, 24_000), reference(0.5, 24_000), reference(90.0, 24_000), silent, broken] {
        let error = all(&speaker, with(bad)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{error}");
    }
    assert!(says(with(VoiceReference { rate: 0, ..reference(3.0, 24_000) })).contains("samples a second"));

    // A model that has no voice of its own wants one.
    let folder = copy("plain");
    std::fs::remove_file(folder.path().join("embeddings/alba.safetensors")).unwrap();
    let speaker = open(folder.path()).unwrap();
    let error = all(&speaker, asked("It rained.")).unwrap_err();
    assert!(error.message().contains("no voice of its own"), "{error}");
    assert!(all(&speaker, with(reference(3.0, 24_000))).is_ok());
}

#[test]
fn long_and_odd_texts_end() {
    let speaker = open(&fixture("small")).unwrap();
    let odd = [
        "\u{202e}abc",
        "a\u{0}b",
        "🙂 It rained 🙂",
        "…",
        "’ ’ ’ a",
        "It rained.\n\n\nIt rained.\r\nIt rained.",
    ];
    for text in odd {
        // Spoken or refused, in little time and without a panic.
        match all(&speaker, asked(text)) {
            Ok(events) => assert!(matches!(events.last(), Some(SpeechEvent::Finished { .. })), "{text:?}"),
            Err(error) => assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{text:?}: {error}"),
        }
    }
    let without_space = "rain".repeat(1_000);
    let places = speaker.phonemes(&without_space).unwrap();
    assert!(places.len() > 3 && places.concat() == without_space, "{} pieces", places.len());
    let long = "It rained for days, and nobody minded. ".repeat(50);
    let places = speaker.phonemes(&long).unwrap();
    assert!(places.len() >= 25 && places.concat() == long, "{} pieces", places.len());
}
