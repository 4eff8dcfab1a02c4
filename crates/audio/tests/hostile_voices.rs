//! Voices of Piper's kind whose parts do not fit each other, or ask for more than any voice has, are refused when they are opened.
#![allow(clippy::unwrap_used)]

#[path = "common/small_voice.rs"]
mod small_voice;

use parasol_audio::speech::Speaker;
use parasol_core::{ErrorKind, Result, Speak, SpeakRequest, VoiceReference};
use parasol_kernels::{Compute, Isa};
use small_voice::{ALPHABET, Filter, SmallVoice};
use std::sync::{Arc, LazyLock};

static COMPUTE: LazyLock<Arc<Compute>> = LazyLock::new(|| Arc::new(Compute::new(Isa::detect(), 2)));

fn open_with(voice: &SmallVoice, alphabet: &str) -> Result<Speaker> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("small.onnx"), voice.file()).unwrap();
    std::fs::write(folder.path().join("small.onnx.json"), alphabet).unwrap();
    Speaker::open(folder.path(), "small", Arc::clone(&COMPUTE))
}

fn open(voice: &SmallVoice) -> Result<Speaker> {
    open_with(voice, ALPHABET)
}

/// Whether it is refused, as damaged or unknown.
fn refused(voice: &SmallVoice) -> bool {
    match open(voice) {
        Ok(_) => false,
        Err(error) => {
            assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "{error}");
            true
        }
    }
}

fn changed(change: impl FnOnce(&mut SmallVoice)) -> SmallVoice {
    let mut voice = SmallVoice::default();
    change(&mut voice);
    voice
}

/// The small voice with one filter of its own changed, for each filter that `change` does not leave as it is; those that open.
fn opened(change: impl Fn(&mut Filter) -> bool) -> Vec<String> {
    let mut names = Vec::new();
    for at in 0..SmallVoice::default().filters.len() {
        let mut voice = SmallVoice::default();
        if change(&mut voice.filters[at]) && !refused(&voice) {
            names.push(voice.filters[at].name.clone());
        }
    }
    names
}

const NONE: [String; 0] = [];

#[test]
fn the_small_voice_itself_sounds_with_either_kind_of_block() {
    let pairs = changed(|voice| {
        voice.filter("dec.resblocks.0.convs.0").name = "dec.resblocks.0.convs1.0".into();
        voice.filter("dec.resblocks.0.convs.1").name = "dec.resblocks.0.convs2.0".into();
    });
    for voice in [SmallVoice::default(), pairs] {
        let sound = open(&voice).unwrap().quiet_sound("aa", 1.0).unwrap();
        assert!(!sound.is_empty() && sound.len().is_multiple_of(2), "{} samples", sound.len());
        assert!(sound.iter().all(|x| x.is_finite()));
        assert!(sound.iter().any(|x| *x != 0.0));
    }
}

#[test]
fn filters_that_do_not_fit_their_neighbours_are_refused() {
    for more in [1, 2, 3] {
        let outputs = opened(|filter| {
            let axis = filter.output_axis();
            filter.dims[axis] += more;
            true
        });
        // What a spline says decides how many bins it has.
        let bins = ["dp.flows.3.proj", "dp.flows.5.proj", "dp.flows.7.proj"];
        assert_eq!(outputs, if more == 3 { &bins[..] } else { &[] }, "{more} more outputs");
        let inputs = opened(|filter| {
            let axis = 1 - filter.output_axis();
            filter.dims[axis] += more;
            true
        });
        assert_eq!(inputs, NONE, "{more} more inputs");
    }
    for axis in 0..3 {
        let without = opened(|filter| {
            filter.dims[axis] = 0;
            true
        });
        assert_eq!(without, NONE, "nothing on axis {axis}");
    }
    let flat = opened(|filter| filter.dims.pop().is_some());
    assert_eq!(flat, NONE);
}

#[test]
fn tables_that_do_not_fit_are_refused() {
    let mut names = Vec::new();
    for at in 0..SmallVoice::default().tables.len() {
        for axis in 0..SmallVoice::default().tables[at].1.len() {
            let voice = changed(|voice| voice.tables[at].1[axis] += 1);
            if !refused(&voice) {
                names.push((voice.tables[at].0.clone(), axis));
            }
        }
    }
    // An alphabet need not use every row.
    assert_eq!(names, [("emb".to_owned(), 0)]);
    // Both of a norm's, longer by one.
    for part in ["enc_p.encoder.norm_layers_1.0", "dp.convs.norms_1.0", "dp.flows.5.convs.norms_2.0"] {
        let longer = changed(|voice| {
            voice.tables.iter_mut().filter(|(name, _)| name.starts_with(part)).for_each(|(_, d)| d[0] += 1);
        });
        assert!(refused(&longer), "{part}");
    }
}

#[test]
fn channels_without_halves_are_refused() {
    // Of three, one half would be of one and the other of two.
    for c in [1, 3] {
        let odd = changed(|voice| {
            for (name, dims) in &mut voice.tables {
                if name == "emb" {
                    dims[1] = c;
                } else if name.starts_with("enc_p.encoder.norm") {
                    dims[0] = c;
                }
            }
            for part in ["q", "k", "v", "o"] {
                voice.filter(&format!("enc_p.encoder.attn_layers.0.conv_{part}")).dims = vec![c, c, 1];
            }
            let dims = [
                ("enc_p.encoder.ffn_layers.0.conv_1", [3, c, 3]),
                ("enc_p.encoder.ffn_layers.0.conv_2", [c, 3, 3]),
                ("enc_p.proj", [2 * c, c, 1]),
                ("dp.pre", [3, c, 1]),
                ("dec.conv_pre", [4, c, 7]),
            ];
            dims.into_iter().for_each(|(name, dims)| voice.filter(name).dims = dims.to_vec());
        });
        assert!(refused(&odd), "{c} channels");
    }
}

#[test]
fn parts_that_are_missing_are_refused_and_not_left_out() {
    for at in 0..SmallVoice::default().filters.len() {
        let voice = changed(|voice| drop(voice.filters.remove(at)));
        // Neither block's last filter is missed by anything: there are blocks of one.
        let name = SmallVoice::default().filters[at].name.clone();
        assert!(refused(&voice) || name == "dec.resblocks.0.convs.1", "{name}");
    }
    let gap =
        changed(|voice| voice.filter("dec.resblocks.0.convs.1").name = "dec.resblocks.0.convs.2".into());
    assert!(refused(&gap));
    let lone =
        changed(|voice| voice.filter("dec.resblocks.0.convs.1").name = "dec.resblocks.0.convs2.0".into());
    assert!(refused(&lone));
    // Without their biases filters are found by their weights, and none is left out.
    let without = changed(|voice| {
        for filter in &mut voice.filters {
            filter.has_bias &= filter.name.contains("convs_sep") || filter.name.starts_with("dec.ups");
        }
    });
    assert!(!open(&without).unwrap().quiet_sound("a", 1.0).unwrap().is_empty());
    let short = changed(|voice| {
        voice.filter("dec.resblocks.0.convs.0").has_bias = false;
        voice.filter("dec.resblocks.0.convs.0").dims[0] = 3;
    });
    assert!(refused(&short));
}

#[test]
fn what_a_filter_is_told_and_does_not_do_is_refused() {
    let set = |setting: &'static str, values: &[i64]| {
        opened(|filter| {
            filter.settings.retain(|(name, _)| *name != setting);
            filter.settings.push((setting, values.to_vec()));
            // A filter of one tap has no distance between its taps.
            setting != "dilations" || filter.dims[2] > 1
        })
    };
    let separate = ["dp.convs", "dp.flows.3.convs", "dp.flows.5.convs", "dp.flows.7.convs"];
    let separate = separate.map(|name| format!("{name}.convs_sep.0"));
    for values in [&[2][..], &[-1], &[0]] {
        // The number of groups is that of the channels, as the weights say.
        assert_eq!(set("group", values), separate, "group {values:?}");
    }
    for values in [&[5][..], &[-1], &[0], &[1 << 40]] {
        // Only what rows are added to before may look as far as it likes.
        let padded: Vec<_> = if values == [5] {
            vec!["enc_p.encoder.ffn_layers.0.conv_1", "enc_p.encoder.ffn_layers.0.conv_2"]
        } else {
            Vec::new()
        };
        assert_eq!(set("dilations", values), padded, "dilations {values:?}");
    }
    for values in [&[5, 5][..], &[1, 0], &[-1, -1], &[i64::MIN, i64::MAX]] {
        assert_eq!(set("pads", values), NONE, "pads {values:?}");
    }
    for values in [&[3][..], &[-1], &[0], &[65]] {
        // A stage may make three rows of one.
        let up: &[&str] = if values == [3] { &["dec.ups.0"] } else { &[] };
        assert_eq!(set("strides", values), up, "strides {values:?}");
    }
    let up = |setting: &'static str, values: &[i64]| {
        changed(|voice| voice.filter("dec.ups.0").settings.push((setting, values.to_vec())))
    };
    for values in [[1], [-1]] {
        assert!(refused(&up("output_padding", &values)), "output_padding {values:?}");
    }
    assert!(refused(&up("output_shape", &[9])));
    assert!(!refused(&up("output_padding", &[0])));
    let cut = changed(|voice| voice.filter("enc_p.encoder.ffn_layers.0.conv_1").padded_before = false);
    assert!(refused(&cut));
}

#[test]
fn more_than_any_voice_has_is_refused() {
    // A file of 40 MB that would ask for 800 GB at the longest sentence.
    let wide = changed(|voice| voice.filter("flow.flows.0.pre").dims = vec![10_000_000, 1, 1]);
    assert!(refused(&wide), "channels");
    let long = changed(|voice| voice.filter("dec.ups.0").dims = vec![4, 2, 1 << 20]);
    assert!(refused(&long), "kernel");
    let padded = changed(|voice| voice.filter("dec.ups.0").settings[2].1 = vec![3, 3]);
    assert!(refused(&padded), "pads");
    let reach = |name: &str, taps: usize, dilation: i64| {
        changed(|voice| {
            let pad = (taps as i64 - 1) * dilation / 2;
            let filter = voice.filter(name);
            filter.dims[2] = taps;
            filter.settings[0].1 = vec![dilation];
            if !filter.padded_before {
                filter.settings[2].1 = vec![pad, pad];
            }
        })
    };
    let names =
        ["dec.conv_pre", "enc_p.encoder.ffn_layers.0.conv_1", "dp.convs.convs_sep.0", "dec.conv_post"];
    for name in names {
        assert!(!refused(&reach(name, 17, 64)), "{name} reaches 1 024 rows");
        assert!(refused(&reach(name, 19, 64)), "{name} reaches 1 152 rows");
        assert!(refused(&reach(name, 100_001, 1)), "{name} has 100 001 taps");
    }
    let mut blocks = reach("dec.resblocks.0.convs.0", 17, 64);
    assert!(refused(&blocks), "a block reaches 1 028 rows");
    blocks.filter("dec.resblocks.0.convs.0").dims[2] = 15;
    blocks.filter("dec.resblocks.0.convs.0").settings[2].1 = vec![448, 448];
    assert!(!refused(&blocks), "a block reaches 900 rows");
}

/// The weights of one filter, read by hundreds: a small file that would fill the memory.
#[test]
fn weights_that_many_filters_share_are_counted_each_time() {
    let voice = changed(|voice| {
        let first = voice.filter("flow.flows.0.enc.in_layers.0");
        first.dims = vec![1024, 512, 1];
        first.settings[2].1 = vec![0, 0];
        let first = first.clone();
        voice.filters.retain(|filter| !filter.name.contains(".enc."));
        voice.filter("flow.flows.0.pre").dims[0] = 512;
        voice.filter("flow.flows.0.post").dims[1] = 512;
        voice.filters.push(first.clone());
        let (pre, post) =
            (voice.filter("flow.flows.0.pre").clone(), voice.filter("flow.flows.0.post").clone());
        for flow in 0..3 {
            if flow > 0 {
                voice.filters.push(Filter { name: format!("flow.flows.{}.pre", 2 * flow), ..pre.clone() });
                voice.filters.push(Filter { name: format!("flow.flows.{}.post", 2 * flow), ..post.clone() });
            }
            for layer in 0..24 {
                for part in ["in_layers", "res_skip_layers"] {
                    let mut filter = first.clone();
                    filter.name = format!("flow.flows.{}.enc.{part}.{layer}", 2 * flow);
                    filter.weights_of = Some(first.name.clone());
                    if part == "res_skip_layers" && layer == 23 {
                        filter.dims[0] = 512;
                        filter.weights_of = None;
                    }
                    if filter.name != first.name {
                        voice.filters.push(filter);
                    }
                }
            }
        }
    });
    let error = open(&voice).err().map(|error| error.message().to_owned()).unwrap_or_default();
    assert!(error.contains("weights"), "{error:?}");
}

/// The small voice with so many speakers of `width` numbers, and what they change.
fn with_speakers(speakers: usize, width: usize) -> SmallVoice {
    changed(|voice| {
        voice.speakers = Some([speakers, width]);
        let plain = voice.filter("dp.pre").clone();
        for (name, outputs) in [("dp.cond", 3), ("dec.cond", 4), ("flow.flows.0.enc.cond_layer", 12)] {
            voice.filters.push(Filter { name: name.into(), dims: vec![outputs, width, 1], ..plain.clone() });
        }
    })
}

#[test]
fn tables_of_speakers_that_do_not_fit_are_refused() {
    let voice = open(&with_speakers(3, 2)).unwrap();
    assert_eq!(voice.voices().len(), 3);
    let sound = |name: &str| voice.quiet_sound_by(name, "aa", 1.0).unwrap();
    assert!(sound("0") != sound("2") && sound("1").iter().all(|x| x.is_finite()));
    for (speakers, width) in [(0, 2), (3, 0), (1_000_000, 1), (1, 1_000_000), (8193, 1)] {
        let error = open(&with_speakers(speakers, width)).unwrap_err();
        assert!(error.message().contains(&format!("{speakers} speakers of {width}")), "{error}");
    }
    for name in ["dp.cond", "dec.cond", "flow.flows.0.enc.cond_layer"] {
        for axis in [0, 1] {
            let mut voice = with_speakers(3, 2);
            voice.filter(name).dims[axis] += 1;
            assert!(refused(&voice), "{name}, axis {axis}");
        }
        let mut without = with_speakers(3, 2);
        without.filters.retain(|filter| filter.name != name);
        assert!(refused(&without), "{name}");
        let mut alone = with_speakers(3, 2);
        alone.speakers = None;
        assert!(refused(&alone), "no table");
    }
    let says = r#"{"audio":{"sample_rate":16000},"espeak":{"voice":"en"},"phoneme_id_map":{"a":[3]},"num_speakers":2}"#;
    let error = open_with(&SmallVoice::default(), says).unwrap_err();
    assert!(error.message().contains("2 speakers in its configuration and 1 in its network"), "{error}");
}

#[test]
fn weights_of_bytes_are_refused_by_name() {
    let voice = changed(|voice| voice.filter("dec.conv_pre").operation = "ConvInteger");
    let error = open(&voice).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("weights of bytes (ConvInteger)"), "{error}");
}

#[test]
fn phonemes_without_numbers_are_silent() {
    let alphabet = r#"{"audio":{"sample_rate":16000},"espeak":{"voice":"en"},"phoneme_id_map":{"a":[]}}"#;
    assert!(open_with(&SmallVoice::default(), alphabet).unwrap().quiet_sound("a", 1.0).unwrap().is_empty());
}

/// Each number attends to all others: what a few hundred phonemes became would fill the memory.
#[test]
fn phonemes_that_become_too_many_numbers_are_refused() {
    let alphabet = r#"{"audio":{"sample_rate":16000},"espeak":{"voice":"en"},"phoneme_id_map":{"_":[0,0,0,0,0,0,0,0],"a":[3,3,3,3,3,3,3,3]},
        "phoneme_map":{"a":["aaaaaaaa","aaaaaaaa","aaaaaaaa","aaaaaaaa","aaaaaaaa","aaaaaaaa","aaaaaaaa","aaaaaaaa"]}}"#;
    let voice = open_with(&SmallVoice::default(), alphabet).unwrap();
    let few = voice.quiet_sound("aa", 1.0).err();
    assert!(few.is_none_or(|error| !error.message().contains("numbers of")));
    let error = voice.quiet_sound(&"a".repeat(400), 1.0).unwrap_err();
    assert!(error.message().contains("numbers of 400 phonemes"), "{error}");
}

#[test]
fn a_voice_that_imitates_none_says_so_by_its_name() {
    let speaker = open(&SmallVoice::default()).unwrap();
    assert!(!speaker.imitates());
    let reference =
        VoiceReference { name: "anna".into(), samples: vec![0.5; 64_000], rate: 16_000, transcript: None };
    let asked =
        |reference| SpeakRequest { text: "a".into(), reference: Some(reference), ..Default::default() };
    let error = speaker.speak(asked(reference.clone())).err().unwrap();
    assert_eq!(*error.kind(), ErrorKind::Unsupported);
    assert!(error.message().contains("small cannot imitate a voice"), "{error}");
    let error = speaker.speak(asked(VoiceReference { samples: Vec::new(), ..reference })).err().unwrap();
    assert_eq!(*error.kind(), ErrorKind::InvalidRequest, "{error}");
}
