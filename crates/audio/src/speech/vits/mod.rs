//! VITS (Kim, Kong and Son, 2021) as Piper's voices have it: an ONNX file, and beside it `FILE.onnx.json` with its alphabet. Phonemes come
//! from `espeak`, the network is in the other files.

mod duration;
mod encoder;
mod espeak;
mod flow;
mod hifigan;
mod parts;

use super::english::{parse_json, read};
use super::noise::Noise;
use super::onnx::{Graph, map};
use super::{Engine, Speaking, sentences};
use duration::Durations;
use encoder::Encoder;
use flow::Flow;
use hifigan::Decoder;
use parasol_core::{Error, ErrorKind, Result, Voice};
use parasol_kernels::Compute;
use parts::From;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Phonemes that the network reads at once.
const MOST_PHONEMES: usize = 400;
/// More frames than this in one piece come from no voice: four minutes at 22 kHz.
const MOST_FRAMES: usize = 20_000;

/// Numbers that one phoneme may have: known voices give each one.
const MOST_IDS: usize = 8;

#[derive(Deserialize)]
struct Config {
    audio: Audio,
    #[serde(default)]
    espeak: Espeak,
    #[serde(default)]
    inference: Inference,
    #[serde(default)]
    phoneme_type: Option<String>,
    phoneme_id_map: HashMap<String, Vec<usize>>,
    #[serde(default)]
    num_speakers: Option<usize>,
    #[serde(default)]
    language: Option<Language>,
    #[serde(default)]
    dataset: Option<String>,
}

#[derive(Deserialize)]
struct Audio {
    sample_rate: u32,
}

#[derive(Deserialize, Default)]
struct Espeak {
    voice: String,
}

#[derive(Deserialize)]
#[serde(default)]
struct Inference {
    noise_scale: f32,
    length_scale: f32,
    noise_w: f32,
}

impl Default for Inference {
    fn default() -> Self {
        Self { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 }
    }
}

#[derive(Deserialize)]
struct Language {
    code: String,
}

pub(super) struct Vits {
    config: Config,
    ids: HashMap<char, Vec<usize>>,
    encoder: Encoder,
    durations: Durations,
    flow: Flow,
    decoder: Decoder,
    voices: Vec<Voice>,
    compute: Arc<Compute>,
}

impl Vits {
    /// # Errors
    /// When a file is missing, damaged or of another kind.
    pub(super) fn open(file: &Path, compute: Arc<Compute>) -> Result<Self> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = file.parent().unwrap_or(Path::new("."));
        let json = format!("{name}.json");
        let config: Config = parse_json(&read(folder, &json)?, &json)?;
        let unlike = |what: &str| Err(Error::new(ErrorKind::Unsupported, format!("the voice {name} {what}")));
        if config.phoneme_type.as_deref().is_some_and(|kind| kind != "espeak") {
            return unlike(
                "does not take eSpeak's phonemes, which are the only ones made for voices of its kind",
            );
        }
        if config.num_speakers.is_some_and(|n| n > 1) {
            return unlike("has several speakers, which are not read yet: voices of one speaker are");
        }
        if !(4_000..=96_000).contains(&config.audio.sample_rate) {
            return unlike("has a rate of samples that no voice has");
        }
        let bytes = map(file)?;
        let graph = Graph::parse(&bytes)?;
        let from = From::new(&graph, &compute);
        let encoder = Encoder::open(&from)?;
        if config.phoneme_id_map.values().flatten().any(|id| *id >= encoder.symbols) {
            return unlike("has phonemes in its alphabet that its network does not know");
        }
        if config.phoneme_id_map.values().any(|ids| ids.len() > MOST_IDS) {
            return unlike("has phonemes of more numbers than a phoneme has");
        }
        let ids = config
            .phoneme_id_map
            .iter()
            .filter_map(|(text, ids)| {
                let mut chars = text.chars();
                let c = chars.next()?;
                // A phoneme without numbers is one that the voice does not have.
                (chars.next().is_none() && !ids.is_empty()).then(|| (c, ids.clone()))
            })
            .collect();
        let language = config.language.as_ref().map_or(&config.espeak.voice, |language| &language.code);
        let voice = Voice {
            name: config.dataset.clone().unwrap_or_else(|| stem(&name)),
            language: language.replace('_', "-"),
            description: String::new(),
        };
        Ok(Self {
            ids,
            durations: Durations::open(&from, encoder.channels())?,
            flow: Flow::open(&from, encoder.channels())?,
            decoder: Decoder::open(&from, encoder.channels())?,
            voices: vec![voice],
            encoder,
            config,
            compute,
        })
    }

    /// Phonemes as the network reads them: each followed by a blank, between marks of beginning and end.
    fn numbers(&self, phonemes: &str) -> Vec<usize> {
        let of = |c: char| self.ids.get(&c).map_or(&[][..], Vec::as_slice);
        let mut ids = Vec::new();
        for c in ['^'].into_iter().chain(phonemes.chars()) {
            let found = of(c);
            if !found.is_empty() {
                ids.extend(found);
                ids.extend(of('_'));
            }
        }
        ids.extend(of('$'));
        ids
    }

    /// The sound of phoneme ids with these scales of noise.
    fn run(&self, ids: &[usize], speed: f32, scales: [f32; 2], noise: &mut Noise) -> Result<Vec<f32>> {
        let (compute, channels) = (&*self.compute, self.encoder.channels());
        let encoded = self.encoder.run(compute, ids);
        let mut drawn = vec![0.0; 2 * ids.len()];
        noise.fill(&mut drawn);
        let pairs: Vec<[f32; 2]> =
            drawn.as_chunks::<2>().0.iter().map(|p| p.map(|x| x * scales[1])).collect();
        let logs = self.durations.run(compute, &encoded.rows, &pairs);
        let mut owner = Vec::new();
        for (phoneme, log) in logs.iter().enumerate() {
            let frames = (log.exp() * self.config.inference.length_scale / speed).ceil();
            owner.extend(std::iter::repeat_n(phoneme, frames.clamp(0.0, MOST_FRAMES as f32) as usize));
            if owner.len() > MOST_FRAMES {
                let message = format!("a sentence of {} phonemes would last minutes: divide it", ids.len());
                return Err(Error::new(ErrorKind::Unsupported, message));
            }
        }
        // At least one frame, as the network has it.
        if owner.is_empty() {
            owner.push(0);
        }
        let mut z = vec![0.0; owner.len() * channels];
        if scales[0] != 0.0 {
            noise.fill(&mut z);
        }
        for (row, phoneme) in z.chunks_exact_mut(channels).zip(&owner) {
            let (means, logs) =
                encoded.prior[phoneme * 2 * channels..(phoneme + 1) * 2 * channels].split_at(channels);
            for ((z, mean), log) in row.iter_mut().zip(means).zip(logs) {
                *z = mean + *z * log.exp() * scales[0];
            }
        }
        self.flow.run(compute, &mut z, channels);
        Ok(self.decoder.run(compute, &z))
    }
}

fn stem(name: &str) -> String {
    name.strip_suffix(".onnx").unwrap_or(name).to_owned()
}

impl Engine for Vits {
    fn rate(&self) -> u32 {
        self.config.audio.sample_rate
    }

    fn voices(&self) -> &[Voice] {
        &self.voices
    }

    fn is_title(&self, word: &str) -> bool {
        matches!(word, "Mr" | "Mrs" | "Ms" | "Dr" | "Prof" | "St" | "Sr" | "Jr" | "Fr" | "Hr" | "Mme" | "M")
    }

    fn can_say(&self, character: char) -> bool {
        // eSpeak reads letters of every script, and the marks that everybody writes.
        character.is_alphanumeric() || character.is_ascii_graphic() || "…–—‘’“”«»¿¡€£¥°§".contains(character)
    }

    fn phonemes(&self, sentence: &str) -> Result<Vec<String>> {
        let said = espeak::phonemes(&self.config.espeak.voice, sentence)?;
        Ok(sentences::divide(&said, MOST_PHONEMES).into_iter().map(str::to_owned).collect())
    }

    fn begin(&self, _voice: usize, seed: u64) -> Box<dyn Speaking + '_> {
        Box::new(Voiced { vits: self, noise: Noise::new(seed), quiet: false })
    }

    fn begin_quiet(&self) -> Box<dyn Speaking + '_> {
        Box::new(Voiced { vits: self, noise: Noise::new(0), quiet: true })
    }
}

struct Voiced<'a> {
    vits: &'a Vits,
    noise: Noise,
    /// Without noise: every sound is the most likely one.
    quiet: bool,
}

impl Speaking for Voiced<'_> {
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)> {
        // Phonemes with accents of their own are one character and its mark, which the alphabet has as one each.
        let phonemes: String = unicode_normalization::UnicodeNormalization::nfd(phonemes).collect();
        let ids = self.vits.numbers(&phonemes);
        let inference = &self.vits.config.inference;
        let scales = if self.quiet { [0.0; 2] } else { [inference.noise_scale, inference.noise_w] };
        let count = phonemes.chars().filter(|c| self.vits.ids.contains_key(c)).count();
        if count == 0 {
            return Ok((Vec::new(), 0));
        }
        Ok((self.vits.run(&ids, speed, scales, &mut self.noise)?, count))
    }
}
