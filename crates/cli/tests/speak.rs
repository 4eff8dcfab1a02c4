//! `speak` with the default voice, which is pulled into the user's own store once and found there by all tests.

#![allow(clippy::unwrap_used)]

mod common;

use common::{Done, Home, fails, finish, works};
use parasol_hub::{Cancel, Hub, Licence};
use std::path::PathBuf;

/// The voice's folder; `None` (said aloud) where it is neither here nor within reach.
fn voice() -> Option<PathBuf> {
    match Hub::open().unwrap().pull("hibari", Licence::Refuse, &Cancel::new(), &mut |_| {}) {
        Ok(located) => Some(located.model.path().to_owned()),
        Err(e) => {
            eprintln!("SKIPPED: hibari is not on this machine ({e})");
            None
        }
    }
}

fn speak(home: &Home, args: &[&str], input: Option<&[u8]>) -> Option<Done> {
    let voice = voice()?;
    let mut command = home.parasol(&["speak", "--model", voice.to_str().unwrap()]);
    command.args(args);
    Some(finish(command, input))
}

#[test]
fn a_text_becomes_a_file_in_the_format_of_its_ending() {
    let home = Home::new();
    for (name, first) in [("a.wav", &b"RIFF"[..]), ("a.flac", b"fLaC"), ("a.opus", b"OggS"), ("a.pcm", b"")] {
        let path = home.path(name);
        let args = ["Hello there.", "-o", path.to_str().unwrap(), "--seed", "7", "--stats"];
        let Some(done) = speak(&home, &args, None) else { return };
        assert!(works(&done).is_empty() && done.err.contains("seed 7"), "{done:?}");
        let bytes = std::fs::read(&path).unwrap();
        assert!(bytes.starts_with(first) && bytes.len() > 2_000, "{name}: {} bytes", bytes.len());
        if name == "a.wav" {
            let length = u32::from_le_bytes(bytes[40..44].try_into().unwrap()) as usize;
            assert_eq!(length + 44, bytes.len());
        }
    }
}

#[test]
fn a_pipe_gets_sound_and_stdin_gives_the_text() {
    let home = Home::new();
    let Some(done) = speak(&home, &["--phonemes"], Some(b"Hello there.\n")) else { return };
    assert!(works(&done).starts_with('h'), "{done:?}");
    let Some(done) = speak(&home, &["--list-voices"], None) else { return };
    assert!(works(&done).contains("heart"), "{done:?}");
    let (one, two) = (home.path("one.wav"), home.path("two.wav"));
    for (path, input) in [(&one, None), (&two, Some(&b"Hello <speak"[..]))] {
        let mut args = vec!["-o", path.to_str().unwrap(), "--seed", "1"];
        if input.is_none() {
            args.push("Hello <speak");
        }
        works(&speak(&home, &args, input).unwrap());
    }
    assert_eq!(std::fs::read(one).unwrap(), std::fs::read(two).unwrap());
}

#[test]
fn what_cannot_be_spoken_or_written_is_said() {
    let home = Home::new();
    let out = home.path("x.wav");
    let out = out.to_str().unwrap();
    for (args, code, part) in [
        (&["😀", "-o", out][..], 2, "spoken"),
        (&["", "-o", out], 2, "no text"),
        (&["Hi", "-o", "x.mp3"], 10, "mp3"),
        (&["Hi", "-o", out, "--format", "aac"], 10, "aac"),
        (&["Hi", "-o", out, "--speed", "99"], 2, "99"),
        (&["Hi", "-o", out, "--voice", "nobody"], 2, "heart"),
        (&["Hi", "-o", "/no/such/folder/x.wav"], 3, "/no/such/folder"),
        (&["<speak><audio/></speak>", "-o", out], 10, "<audio>"),
    ] {
        let Some(done) = speak(&home, args, None) else { return };
        fails(&done, code, &[part]);
        assert!(!std::path::Path::new(out).exists(), "{args:?} left a file");
    }
    // A language model is no voice, and a voice no language model.
    let toy = home.toy();
    fails(&home.run(&["speak", "Hi", "--model", &toy, "-o", out]), 10, &["no voice"]);
    let Some(voice) = voice() else { return };
    fails(&home.run(&["run", "--model", voice.to_str().unwrap(), "Hi"]), 10, &["is a voice"]);
    let Some(done) = speak(&home, &["Hello שלום", "-o", out], None) else { return };
    assert!(works(&done).is_empty() && done.err.contains('ש'), "{done:?}");
}

#[test]
fn a_sound_that_fails_leaves_the_file_that_was_there() {
    let home = Home::new();
    let pulled = Hub::open().unwrap().pull("piper-joe", Licence::Refuse, &Cancel::new(), &mut |_| {});
    let voice = match pulled {
        Ok(located) => located.model.path().to_owned(),
        Err(e) => return eprintln!("SKIPPED: piper-joe is not on this machine ({e})"),
    };
    let out = home.path("kept.wav");
    std::fs::write(&out, "a sound of mine").unwrap();
    let mut command =
        home.parasol(&["speak", "--model", voice.to_str().unwrap(), "Hi", "-o", out.to_str().unwrap()]);
    // Where no program is, espeak-ng is not either.
    command.env("PATH", home.path("empty"));
    fails(&finish(command, None), 10, &["espeak-ng", "not installed"]);
    assert_eq!(std::fs::read(&out).unwrap(), b"a sound of mine");
    let beside = std::fs::read_dir(out.parent().unwrap()).unwrap().flatten();
    assert!(!beside.into_iter().any(|file| file.file_name().to_string_lossy().ends_with(".part")));
}

#[test]
fn a_voice_is_shown() {
    let home = Home::new();
    let Some(voice) = voice() else { return };
    let voice = voice.to_str().unwrap();
    let done = home.run(&["show", voice]);
    assert!(works(&done).contains(voice), "{done:?}");
    let done = home.run(&["show", "--json", voice]);
    let shown: serde_json::Value = serde_json::from_str(works(&done)).unwrap();
    assert_eq!((&shown["here"], &shown["sample_rate"]), (&true.into(), &24_000.into()));
    assert_eq!(shown["voices"][0]["name"], "heart");
}

#[test]
fn a_voice_of_several_speakers_is_chosen_by_name_or_number() {
    let home = Home::new();
    let fixtures = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/speech/piper"));
    let voice = home.path("small.onnx");
    std::fs::copy(fixtures.join("small.onnx"), &voice).unwrap();
    // Letters, so that no other program is needed.
    let config = std::fs::read_to_string(fixtures.join("small.onnx.json")).unwrap();
    let config = config.replace(r#""phoneme_type": "espeak""#, r#""phoneme_type": "text""#);
    std::fs::write(home.path("small.onnx.json"), config).unwrap();
    let voice = voice.to_str().unwrap();
    let sound = |name: &str| {
        let out = home.path("out.wav");
        let args = [
            "speak",
            "--model",
            voice,
            "--seed",
            "7",
            "--voice",
            name,
            "hello.",
            "-o",
            out.to_str().unwrap(),
        ];
        assert!(works(&home.run(&args)).is_empty());
        std::fs::read(out).unwrap()
    };
    let bo = sound("Bo");
    assert!(bo == sound("1") && bo != sound("ada"));
    let args = ["speak", "--model", voice, "--voice", "eve", "hello.", "-o", "x.wav"];
    fails(&home.run(&args), 2, &["no voice \"eve\"", "ada, Bo, 5"]);
    let list = home.run(&["speak", "--model", voice, "--list-voices"]);
    assert!(works(&list).contains("Bo     en-us     speaker 1 of small"), "{}", list.out);
    let shown = home.run(&["show", voice]);
    assert!(works(&shown).contains("ada, Bo, 5") && shown.out.contains("16 000 samples"), "{}", shown.out);
}
