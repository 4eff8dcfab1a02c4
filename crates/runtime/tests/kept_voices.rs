//! Voices that people add: what is kept, who sees it, what is refused, and what a model is given.
#![allow(clippy::unwrap_used)]

use parasol_core::{ErrorKind, EventStream, Result, Speak, SpeakRequest, SpeechEvent, Voice};
use parasol_hub::Settings;
use parasol_runtime::kept::{NewVoice, WORDS};
use parasol_runtime::sound::wav;
use parasol_runtime::{KeptVoices, Owner, Runtime};
use std::path::Path;

/// So many seconds of a sound that is loud enough.
fn sound(seconds: f64, rate: u32) -> Vec<u8> {
    let samples: Vec<f32> =
        (0..(seconds * f64::from(rate)) as usize).map(|n| 0.3 * (n as f32 * 0.1).sin()).collect();
    wav::encode(rate, &samples)
}

fn new(name: &str, owner: Owner, files: Vec<Vec<u8>>) -> NewVoice {
    NewVoice {
        name: name.into(),
        owner,
        files,
        transcript: None,
        description: String::new(),
        way: "--consent".into(),
        recorded: None,
    }
}

fn key(id: &str) -> Owner {
    Owner::Key(id.into())
}

fn kept(home: &Path) -> KeptVoices {
    KeptVoices::under(home)
}

#[test]
fn a_voice_is_kept_with_its_consent_found_and_removed() {
    let home = tempfile::tempdir().unwrap();
    let voices = kept(home.path());
    assert!(voices.all().unwrap().is_empty());
    let asked = NewVoice {
        transcript: Some("Good morning.".into()),
        ..new(" Anna ", Owner::House, vec![sound(3.0, 96_000)])
    };
    let anna = voices.add(asked).unwrap();
    assert_eq!((anna.name.as_str(), anna.seconds), ("Anna", 3.0));
    assert_eq!((anna.consent.words.as_str(), anna.consent.way.as_str()), (WORDS, "--consent"));
    assert!(anna.consent.given > 1_600_000_000 && anna.consent.sha256.len() == 64);
    // As another process sees it.
    let voices = kept(home.path());
    for name in ["anna", "ANNA", &anna.id] {
        assert_eq!(voices.find(&Owner::House, name).unwrap().as_ref(), Some(&anna), "{name}");
    }
    let reference = voices.reference(&anna).unwrap();
    assert_eq!((reference.rate, reference.samples.len()), (48_000, 144_000));
    assert_eq!(reference.transcript.as_deref(), Some("Good morning."));
    assert!(
        voices
            .add(new("anna", Owner::House, vec![sound(3.0, 16_000)]))
            .unwrap_err()
            .message()
            .contains("already")
    );
    assert_eq!(voices.remove(&Owner::House, "anna").unwrap(), anna);
    assert_eq!(*voices.remove(&Owner::House, "anna").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(!home.path().join("voices").join(&anna.id).exists());
}

#[cfg(unix)]
#[test]
fn nobody_else_may_read_what_is_kept_and_what_a_killed_process_left_goes() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let voices = kept(home.path());
    let anna = voices.add(new("anna", Owner::House, vec![sound(3.0, 16_000)])).unwrap();
    let folder = home.path().join("voices").join(&anna.id);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&home.path().join("voices"))), (0o700, 0o700));
    assert_eq!((mode(&folder.join("card.json")), mode(&folder.join("sound.wav"))), (0o600, 0o600));
    // Half a voice, as it stands there before it gets its name, and a damaged card.
    let part = home.path().join("voices/voice_0.part");
    std::fs::create_dir(&part).unwrap();
    std::fs::copy(folder.join("card.json"), part.join("card.json")).unwrap();
    let damaged = home.path().join("voices/voice_1");
    std::fs::create_dir(&damaged).unwrap();
    std::fs::write(damaged.join("card.json"), "{").unwrap();
    assert_eq!(voices.all().unwrap(), std::slice::from_ref(&anna));
    voices.add(new("ben", Owner::House, vec![sound(3.0, 16_000)])).unwrap();
    assert!(!part.exists());
    std::fs::write(folder.join("sound.wav"), "no sound").unwrap();
    let error = voices.reference(&anna).unwrap_err();
    assert!(*error.kind() == ErrorKind::Corrupt && error.message().contains("anna"), "{error}");
}

#[test]
fn keys_do_not_see_each_others_voices() {
    let home = tempfile::tempdir().unwrap();
    let voices = kept(home.path());
    let add = |name: &str, owner: Owner| voices.add(new(name, owner, vec![sound(3.0, 16_000)])).unwrap();
    let (house, one) = (add("anna", Owner::House), add("anna", key("one")));
    let two = add("ben", key("two"));
    let names =
        |owner: &Owner| voices.list(owner).unwrap().into_iter().map(|voice| voice.id).collect::<Vec<_>>();
    assert_eq!(names(&key("one")), [one.id.clone(), house.id.clone()]);
    assert_eq!(names(&Owner::House), std::slice::from_ref(&house.id));
    // One's own goes before the house's.
    assert_eq!(voices.find(&key("one"), "anna").unwrap(), Some(one));
    assert_eq!(voices.find(&key("two"), "anna").unwrap(), Some(house.clone()));
    assert_eq!(voices.find(&key("one"), "ben").unwrap(), None);
    assert_eq!(voices.find(&key("one"), &two.id).unwrap(), None);
    assert_eq!(*voices.remove(&key("one"), &two.id).unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(*voices.remove(&key("two"), "anna").unwrap_err().kind(), ErrorKind::Denied);
    voices.remove_any(&two.id).unwrap();
    assert_eq!(names(&key("two")), [house.id]);
}

#[test]
fn what_is_no_voice_is_refused_with_its_number() {
    let home = tempfile::tempdir().unwrap();
    let voices = kept(home.path());
    let silent = wav::encode(16_000, &[0.0; 48_000]);
    for (files, part) in [
        (vec![], "no recording"),
        (vec![Vec::new()], "empty file"),
        (vec![b"some text that is no sound".to_vec()], "cannot be read"),
        (vec![sound(1.0, 16_000)], "lasts 1.0 s: 2 to 60 s"),
        (vec![sound(61.0, 16_000)], "2 to 60 s are taken"),
        (vec![sound(40.0, 16_000), sound(30.0, 8_000)], "2 to 60 s are taken"),
        (vec![sound(10.0, 4_000)], "4000 samples a second"),
        (vec![silent], "silent"),
    ] {
        let error = voices.add(new("anna", Owner::House, files)).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{error}");
        assert!(error.message().contains(part), "{part}: {error}");
    }
    for name in ["", "  ", "a/b", "../x", "a\nb", "voice_1", &"x".repeat(65)] {
        assert!(voices.add(new(name, Owner::House, vec![sound(3.0, 16_000)])).is_err(), "{name:?}");
    }
    let long = NewVoice {
        transcript: Some("x".repeat(4_001)),
        ..new("anna", Owner::House, vec![sound(3.0, 16_000)])
    };
    assert!(voices.add(long).unwrap_err().message().contains("4001"));
    assert!(voices.all().unwrap().is_empty());
    // Two files are one voice, at the rate of the first.
    let both = voices.add(new("anna", Owner::House, vec![sound(1.5, 24_000), sound(1.0, 48_000)])).unwrap();
    assert_eq!((both.seconds, voices.reference(&both).unwrap().rate), (2.5, 24_000));
}

#[test]
fn a_recording_of_consent_belongs_to_its_owner_and_stays_with_the_voice() {
    let home = tempfile::tempdir().unwrap();
    let voices = kept(home.path());
    let one = key("one");
    let consent = voices.add_consent(one.clone(), "Anna says yes", "en-US", sound(3.0, 16_000)).unwrap();
    assert!(voices.add_consent(one.clone(), "x", "no language", sound(3.0, 16_000)).is_err());
    assert_eq!(voices.consents(&one).unwrap(), std::slice::from_ref(&consent));
    assert_eq!(*voices.consent(&key("two"), &consent.id).unwrap_err().kind(), ErrorKind::NotFound);
    let asked = |owner: Owner, id: &str| NewVoice {
        recorded: Some(id.to_owned()),
        ..new("anna", owner, vec![sound(3.0, 16_000)])
    };
    assert_eq!(*voices.add(asked(key("two"), &consent.id)).unwrap_err().kind(), ErrorKind::NotFound);
    let anna = voices.add(asked(one.clone(), &consent.id)).unwrap();
    assert_eq!(anna.consent.recording, Some(consent.clone()));
    assert_eq!(voices.rename_consent(&one, &consent.id, "new").unwrap().name, "new");
    voices.remove_consent(&one, &consent.id).unwrap();
    assert!(voices.consents(&one).unwrap().is_empty());
    assert_eq!(voices.find(&one, "anna").unwrap().unwrap().consent.recording, Some(consent));
}

struct Model(bool);

impl Speak for Model {
    fn speak(&self, _: SpeakRequest) -> Result<EventStream<SpeechEvent>> {
        unreachable!("nothing is spoken here")
    }
    fn voices(&self) -> Vec<Voice> {
        vec![Voice { name: "heart".into(), language: "en".into(), description: String::new() }]
    }
    fn imitates(&self) -> bool {
        self.0
    }
}

#[test]
fn a_model_gets_the_sound_of_a_kept_voice_or_is_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let runtime = Runtime::new(Settings::at(home.path())).unwrap();
    let add = |name| runtime.kept_voices().add(new(name, Owner::House, vec![sound(3.0, 16_000)])).unwrap();
    let anna = add("anna");
    add("heart");
    let ask = |name: Option<&str>, able: bool| {
        let mut request = SpeakRequest { voice: name.map(str::to_owned), ..SpeakRequest::default() };
        runtime.imitate(&key("one"), "model", &Model(able), &mut request).map(|()| request.reference)
    };
    assert_eq!(ask(Some("anna"), true).unwrap().unwrap().name, "anna");
    assert_eq!(ask(Some(&anna.id), true).unwrap().unwrap().name, "anna");
    // A model's own voice of that name goes first, and what nobody has added is the model's to refuse.
    for name in [None, Some("heart"), Some("nobody")] {
        assert_eq!(ask(name, true).unwrap(), None);
        assert_eq!(ask(name, false).unwrap(), None);
    }
    let error = ask(Some("anna"), false).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.message().starts_with("model cannot imitate the voice anna: "), "{error}");
}
