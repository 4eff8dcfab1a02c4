//! That no sound of an imitated voice leaves a [`Speaker`] without the mark, tried with an engine that makes noise of any voice.

use super::{Engine, Speaker, Speaking};
use crate::mark::find;
use futures_core::Stream;
use parasol_core::{Result, SoundStream, Speak, SpeakRequest, SpeechEvent, Voice, VoiceReference};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};

const RATE: u32 = 24_000;

static VOICES: LazyLock<Vec<Voice>> =
    LazyLock::new(|| vec![Voice { name: "own".into(), language: "en".into(), description: String::new() }]);

struct Noise;

struct Noisy(u64);

impl Engine for Noise {
    fn rate(&self) -> u32 {
        RATE
    }
    fn voices(&self) -> &[Voice] {
        &VOICES
    }
    fn is_title(&self, _: &str) -> bool {
        false
    }
    fn can_say(&self, _: char) -> bool {
        true
    }
    fn phonemes(&self, sentence: &str) -> Result<Vec<String>> {
        Ok(vec![sentence.to_owned()])
    }
    fn begin(&self, _: usize, seed: u64) -> Box<dyn Speaking + '_> {
        Box::new(Noisy(seed))
    }
    fn imitates(&self) -> bool {
        true
    }
    fn begin_as(
        &self,
        _: &VoiceReference,
        seed: u64,
        _: &dyn Fn() -> bool,
    ) -> Result<Box<dyn Speaking + '_>> {
        Ok(Box::new(Noisy(seed)))
    }
}

impl Speaking for Noisy {
    /// A second and a bit of noise whose loudness wanders.
    fn sound(&mut self, phonemes: &str, _: f32) -> Result<(Vec<f32>, usize)> {
        let mut level = 0.1f32;
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 40) as f32 / (1u64 << 24) as f32 - 0.5
        };
        let mut sample = |n: usize| {
            if n.is_multiple_of(1_200) {
                level = (level * (1.0 + next())).clamp(0.01, 0.5);
            }
            level * next()
        };
        Ok(((0..26_111).map(&mut sample).collect(), phonemes.len()))
    }
}

/// The voice's name, the sound, and how long it is said to be.
fn spoken(reference: Option<VoiceReference>, text: &str) -> (String, Vec<f32>, f64) {
    let speaker = Speaker { name: "noise".into(), engine: Arc::new(Noise) };
    let request = SpeakRequest { text: text.into(), reference, seed: Some(1), ..SpeakRequest::default() };
    let (mut voice, mut sound, mut length) = (String::new(), Vec::new(), 0.0);
    let mut events = speaker.speak(request).expect("it is spoken");
    let mut next = || pollster::block_on(poll_fn(|cx| Pin::new(&mut events).poll_next(cx)));
    while let Some(event) = next() {
        match event.expect("it goes on") {
            SpeechEvent::Started { voice: name, .. } => voice = name,
            SpeechEvent::Audio { samples, .. } => sound.extend(samples),
            SpeechEvent::Finished { usage, .. } => length = usage.audio.as_secs_f64(),
        }
    }
    (voice, sound, length)
}

fn marked(sound: &[f32]) -> bool {
    find(SoundStream::from_samples(RATE, sound.to_vec())).expect("it is a sound").marked
}

#[test]
fn what_an_imitated_voice_says_is_marked_to_its_end_and_nothing_else_is() {
    let anna =
        VoiceReference { name: "anna".into(), samples: vec![0.5; 64_000], rate: 16_000, transcript: None };
    let text = "One. Two. Three. Four. Five. Six. Seven. Eight. Nine. Ten.";
    let (own, plain, _) = spoken(None, text);
    let (voice, sound, length) = spoken(Some(anna.clone()), text);
    assert_eq!((own.as_str(), voice.as_str()), ("own", "anna"));
    assert_eq!((plain.len(), sound.len()), (10 * 26_111, 10 * 26_111));
    assert!((length - sound.len() as f64 / f64::from(RATE)).abs() < 1e-6);
    assert!(!marked(&plain) && marked(&sound));
    // Its last seconds as well as its first, also behind a pause.
    let cut = 4 * RATE as usize;
    assert!(marked(&sound[..cut]) && marked(&sound[sound.len() - cut..]));
    let ssml = "<speak>One. Two. Three. Four. <break time=\"1500ms\"/> Five. Six. Seven. Eight.</speak>";
    let (_, sound, _) = spoken(Some(anna), ssml);
    assert_eq!(sound.len(), 8 * 26_111 + 36_000);
    assert!(marked(&sound[..cut]) && marked(&sound[sound.len() - cut..]));
}
