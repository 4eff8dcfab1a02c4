//! Toy voices of both layouts against what their own package makes of them (`tools/reference/pocket_tts_toys.py`), stage by stage.
#![allow(clippy::unwrap_used)]

use super::config::FlowKind;
use super::head::{Head, HeadSizes};
use super::*;
use crate::speech::pocket::text::prepare;
use crate::transcription::checkpoint::{Tensor, safetensors_file};
use parasol_kernels::Isa;
use serde::Deserialize;
use std::collections::HashMap;

const KINDS: [&str; 2] = ["plain", "small"];

fn folder(kind: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/pocket")).join(kind)
}

fn open(kind: &str, isa: Isa) -> Pocket {
    Pocket::open(&folder(kind).join("model.safetensors"), Arc::new(Compute::new(isa, 2))).unwrap()
}

struct Expected(HashMap<String, Tensor>);

impl Expected {
    fn of(kind: &str) -> Self {
        Self(safetensors_file(&folder(kind).join("expected.safetensors")).unwrap())
    }

    fn get(&self, name: &str) -> Vec<f32> {
        self.0[name].floats()
    }

    fn rows(&self, name: &str) -> Vec<Vec<f32>> {
        self.get(name).chunks_exact(self.0[name].cols()).map(<[f32]>::to_vec).collect()
    }
}

/// Within 1e-4 of the largest value.
fn close(got: &[f32], want: &[f32], what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    let largest = want.iter().fold(0f32, |most, x| most.max(x.abs()));
    let off = got.iter().zip(want).fold(0f32, |most, (a, b)| most.max((a - b).abs()));
    eprintln!("{what}: {:.1e} of the largest value", off / largest);
    assert!(off <= 1e-4 * largest, "{what}: off by {off} where the largest value is {largest}");
}

/// Every voice on every instruction set.
fn every(check: impl Fn(&Pocket, &Expected, &str)) {
    for kind in KINDS {
        let expected = Expected::of(kind);
        for isa in Isa::available() {
            check(&open(kind, isa), &expected, &format!("{kind} on {}", isa.name()));
        }
    }
}

fn reference(expected: &Expected) -> VoiceReference {
    let samples = expected.get("reference");
    VoiceReference { name: "reference".into(), samples, rate: 24_000, transcript: None }
}

#[test]
fn a_voice_is_heard_as_the_package_hears_it() {
    every(|pocket, expected, what| {
        let compute = &pocket.compute;
        let ended = prompt::ended(&expected.get("reference"), 24_000).unwrap();
        close(&ended, &expected.get("ended"), &format!("{what}: the ended sound"));
        let latents = pocket.codec.encode(compute, &expected.get("ended"), &|| true).unwrap();
        close(&latents, &expected.get("encoded"), &format!("{what}: latents"));
        let heard = pocket.language.heard(compute, &expected.get("encoded")).unwrap();
        close(&heard, &expected.get("prompt"), &format!("{what}: rows"));
        // The voice that the package has kept is what is remembered of the sound.
        let kept = pocket.kept[0].memory();
        let memory = pocket.listen(&reference(expected), &|| true).unwrap();
        assert_eq!(memory.position, kept.position, "{what}");
        for (layer, (got, want)) in memory.layers.iter().zip(&kept.layers).enumerate() {
            close(&got.0, &want.0, &format!("{what}: keys of layer {layer}"));
            close(&got.1, &want.1, &format!("{what}: values of layer {layer}"));
        }
    });
}

#[test]
fn long_sounds_are_heard_in_pieces() {
    let pocket = open("plain", Isa::detect());
    // More than two pieces, and no whole frame at the end.
    let sound: Vec<f32> = (0..30 * 1920 + 77).map(|t| ((t * t) as f32 * 1e-7).sin() * 0.3).collect();
    let whole = pocket.codec.encode(&pocket.compute, &sound, &|| true).unwrap();
    assert_eq!(whole.len(), 31 * 8);
    let begin = pocket.codec.encode(&pocket.compute, &sound[..5 * 1920], &|| true).unwrap();
    close(&whole[..5 * 8], &begin, "the beginning of a long sound");
    // Whoever leaves while it is listened to ends that with the piece at hand: nothing of it is remembered.
    let reference = VoiceReference { name: "long".into(), samples: sound, rate: 24_000, transcript: None };
    for pieces in 0..4 {
        let asked = std::cell::Cell::new(0);
        let waits = || asked.replace(asked.get() + 1) < pieces;
        let error = pocket.listen(&reference, &waits).err();
        assert_eq!(error.map(|error| error.kind().clone()), Some(ErrorKind::Cancelled));
        assert!(asked.get() == pieces + 1 && pocket.heard.lock().unwrap().is_empty());
    }
    pocket.listen(&reference, &|| true).unwrap();
    assert_eq!(pocket.heard.lock().unwrap().len(), 1);
    // Who is asked for again and again stays, whoever else comes: there is nothing to wait for.
    for other in 1..=REMEMBERED + 1 {
        let samples = vec![other as f32 / 10.0; 4_800];
        pocket.listen(&VoiceReference { samples, ..reference.clone() }, &|| true).unwrap();
        pocket.listen(&reference, &|| false).unwrap();
    }
    assert_eq!(pocket.heard.lock().unwrap().len(), REMEMBERED);
}

#[test]
fn steps_and_latents_are_those_of_the_package() {
    every(|pocket, expected, what| {
        let (language, compute, mut work) = (&pocket.language, &pocket.compute, Work::default());
        let ids: Vec<u32> = expected.get("ids").iter().map(|id| *id as u32).collect();
        let mut memory = pocket.kept[0].memory();
        language.read(compute, &ids, &mut memory, &mut work);
        let [conditions, noise, latents] = ["conditions", "noise", "latents"].map(|name| expected.rows(name));
        let deviation = pocket.config.default_temperature.sqrt();
        for (at, end) in expected.get("ends").iter().enumerate() {
            let last = at.checked_sub(1).map(|last| &latents[last][..]);
            let step = language.step(compute, last, &mut memory, &mut work);
            close(&step.condition, &conditions[at], &format!("{what}: condition {at}"));
            assert!((step.end - end).abs() < 1e-4, "{what}: end {at} is {}, not {end}", step.end);
            let noise: Vec<f32> = noise[at].iter().map(|x| x * deviation).collect();
            let latent = language.head.draw(compute, &conditions[at], &noise);
            close(&latent, &latents[at], &format!("{what}: latent {at}"));
        }
    });
}

#[test]
fn heads_of_other_kinds_draw_as_in_the_package() {
    for (kind, other, name) in
        [("plain", FlowKind::FlowMatching, "flow_matching"), ("small", FlowKind::Pointwise, "pointwise")]
    {
        let (expected, compute) = (Expected::of(kind), Compute::new(Isa::detect(), 2));
        let weights = Weights::open(&folder(kind).join("model.safetensors")).unwrap();
        let [condition, noise] = ["conditions", "noise"].map(|name| expected.rows(name).swap_remove(0));
        let sizes = HeadSizes { latent: noise.len(), width: 16, condition: condition.len(), depth: 2 };
        let head = Head::open(&weights, &compute, "flow_lm.flow_net", &sizes, other).unwrap();
        close(&head.draw(&compute, &condition, &noise), &expected.get(name), name);
    }
}

#[test]
fn latents_sound_as_in_the_package_however_they_are_divided() {
    every(|pocket, expected, what| {
        let want = expected.get("sound");
        for group in [1, 3, 7] {
            let (mut decoding, mut sound) = (pocket.codec.begin(), Vec::new());
            for latents in expected.rows("latents").chunks(group) {
                let scaled: Vec<f32> = latents.iter().flat_map(|x| pocket.language.scaled(x)).collect();
                sound.extend(pocket.codec.decode(&pocket.compute, &scaled, &mut decoding).unwrap());
            }
            close(&sound, &want, &format!("{what}: {group} frames at once"));
        }
    });
}

#[test]
fn a_whole_text_sounds_as_in_the_package() {
    const SPOKEN: &str = "It rained for 3.5 days, said the man; nobody minded.";
    every(|pocket, expected, what| {
        let memory = (*pocket.listen(&reference(expected), &|| true).unwrap()).clone();
        let rows = memory.position;
        let drawn = || Source::Given(expected.rows("whole_noise").into());
        let mut voiced = Voiced { pocket, memory, rows, noise: drawn(), work: Work::default() };
        assert_eq!(pocket.places(SPOKEN).unwrap(), vec![0..SPOKEN.len(); 1]);
        let want = expected.get("whole");
        for _ in 0..2 {
            let (sound, tokens) = voiced.sound(SPOKEN, 1.0).unwrap();
            assert_eq!(tokens, expected.get("ids").len());
            close(&sound, &want, &format!("{what}: a whole text"));
            // Once more: the voice is as it was.
            voiced.noise = drawn();
        }
        // Whoever has heard enough says so.
        let mut portions = 0;
        voiced
            .stream(SPOKEN, 1.0, &mut |_| {
                portions += 1;
                ControlFlow::Break(())
            })
            .unwrap();
        assert_eq!(portions, 1);
    });
}

#[derive(Deserialize)]
struct Told {
    text: String,
    chunks: Vec<Chunk>,
}

#[derive(Deserialize)]
struct Chunk {
    text: String,
    prepared: String,
    ids: Vec<u32>,
    frames: usize,
}

#[test]
fn texts_are_prepared_as_in_the_package() {
    for kind in KINDS {
        let pocket = open(kind, Isa::detect());
        let told: Vec<Told> =
            serde_json::from_slice(&std::fs::read(folder(kind).join("texts.json")).unwrap()).unwrap();
        assert_eq!(told.len(), 8);
        for told in told {
            for chunk in &told.chunks {
                let prepared = prepare(&chunk.text, &pocket.config).unwrap();
                assert_eq!(prepared.text, chunk.prepared, "{kind}: {:?}", chunk.text);
                // The package adds two.
                assert_eq!(prepared.frames_after, chunk.frames + 2, "{kind}: {:?}", chunk.text);
                assert_eq!(pocket.words.ids(&prepared.text).unwrap(), chunk.ids, "{kind}: {:?}", chunk.text);
            }
            let places = pocket.places(&told.text).unwrap();
            // All of the text, in chunks that are short enough.
            assert_eq!(places.first().map(|place| place.start), Some(0));
            assert_eq!(places.last().map(|place| place.end), Some(told.text.len()));
            assert!(places.windows(2).all(|pair| pair[0].end == pair[1].start));
            for place in places {
                let prepared = prepare(&told.text[place], &pocket.config).unwrap();
                assert!(pocket.words.ids(&prepared.text).unwrap().len() <= text::MOST_TOKENS + 8);
            }
        }
        assert!(prepare(" \n ", &pocket.config).is_none());
        assert!(pocket.places("").unwrap().iter().all(Range::is_empty));
        assert!(
            pocket.can_say('é') == pocket.words.knows('é') && pocket.can_say('a') && !pocket.can_say('雨')
        );
    }
}

#[test]
fn the_language_is_told_by_names() {
    assert_eq!(
        voices::language(&["", "hf://kyutai/pocket-tts/languages/french_24l/model.safetensors"]),
        "fr"
    );
    assert_eq!(voices::language(&["config.yaml"]), "und");
    assert_eq!(voices::language(&["hf://kyutai/x/english/model.safetensors", "german.yaml"]), "en");
}
