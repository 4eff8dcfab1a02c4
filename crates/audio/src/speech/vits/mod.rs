//! VITS (Kim, Kong and Son, 2021) as Piper's voices have it: an ONNX file, and beside it `FILE.onnx.json` with its alphabet. Phonemes come
//! from `espeak`, the network is in the other files.

mod alphabet;
mod config;
mod duration;
mod encoder;
mod espeak;
mod flow;
mod hifigan;
mod parts;
mod speakers;

use super::english::{parse_json, read};
use super::noise::Noise;
use super::onnx::{Graph, map};
use super::{Engine, Speaking, sentences};
use alphabet::Alphabet;
use config::{Config, Source};
use duration::Durations;
use encoder::Encoder;
use flow::Flow;
use hifigan::Decoder;
use parasol_core::{Error, ErrorKind, Result, Voice};
use parasol_kernels::Compute;
use parts::From;
use speakers::{Speakers, Table};
use std::path::Path;
use std::sync::Arc;

/// Phonemes that the network reads at once.
const MOST_PHONEMES: usize = 400;
/// More frames than this in one piece come from no voice: four minutes at 22 kHz.
const MOST_FRAMES: usize = 20_000;

/// Numbers that the network reads at once, each of which attends to all: known alphabets make two of a phoneme.
const MOST_NUMBERS: usize = 1 << 12;

/// Operations of files whose weights are bytes.
const OF_BYTES: [&str; 5] =
    ["ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul", "DequantizeLinear"];

pub(super) struct Vits {
    config: Config,
    source: Source,
    alphabet: Alphabet,
    encoder: Encoder,
    durations: Durations,
    flow: Flow,
    decoder: Decoder,
    speakers: Speakers,
    compute: Arc<Compute>,
}

impl Vits {
    /// # Errors
    /// When a file is missing, damaged or of another kind.
    pub(super) fn open(file: &Path, compute: Arc<Compute>) -> Result<Self> {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Self::read(file, &name, compute).map_err(|e| e.within(name))
    }

    fn read(file: &Path, name: &str, compute: Arc<Compute>) -> Result<Self> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let json = format!("{name}.json");
        let config: Config = parse_json(&read(folder, &json)?, &json)?;
        let unlike = |what: String| Err(Error::new(ErrorKind::Unsupported, format!("the voice {what}")));
        let source = config.source()?;
        let rate = config.audio.sample_rate;
        if !(4_000..=96_000).contains(&rate) {
            return unlike(format!("has {rate} samples a second: 4000 to 96000 are read"));
        }
        let bytes = map(file)?;
        let graph = Graph::parse(&bytes)?;
        if let Some(node) = graph.nodes().iter().find(|node| OF_BYTES.contains(&node.operation)) {
            return unlike(format!(
                "has weights of bytes ({}), which are not read: take its file of floats",
                node.operation
            ));
        }
        let mut from = From::new(&graph, &compute);
        let encoder = Encoder::open(&from)?;
        let table = Table::open(&from)?;
        from.speaker = table.as_ref().map(Table::width);
        Ok(Self {
            source,
            alphabet: Alphabet::open(&config, encoder.symbols)?,
            speakers: Speakers::open(&config, &stem(name), table)?,
            durations: Durations::open(&from, encoder.channels())?,
            flow: Flow::open(&from, encoder.channels())?,
            decoder: Decoder::open(&from, encoder.channels())?,
            encoder,
            config,
            compute,
        })
    }

    /// The sound of phoneme ids with these scales of noise, by the speaker with this row.
    fn run(
        &self,
        ids: &[usize],
        speed: f32,
        scales: [f32; 2],
        (noise, speaker): (&mut Noise, Option<&[f32]>),
    ) -> Result<Vec<f32>> {
        let (compute, channels) = (&*self.compute, self.encoder.channels());
        let encoded = self.encoder.run(compute, ids);
        let mut drawn = vec![0.0; 2 * ids.len()];
        noise.fill(&mut drawn);
        let pairs: Vec<[f32; 2]> =
            drawn.as_chunks::<2>().0.iter().map(|p| p.map(|x| x * scales[1])).collect();
        let logs = self.durations.run(compute, &encoded.rows, &pairs, speaker);
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
        self.flow.run(compute, &mut z, channels, speaker);
        Ok(self.decoder.run(compute, &z, speaker))
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
        &self.speakers.voices
    }

    fn is_title(&self, word: &str) -> bool {
        matches!(word, "Mr" | "Mrs" | "Ms" | "Dr" | "Prof" | "St" | "Sr" | "Jr" | "Fr" | "Hr" | "Mme" | "M")
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.speakers.find(name)
    }

    fn can_say(&self, character: char) -> bool {
        if let Source::Letters = self.source {
            return self.alphabet.has_letter(character);
        }
        // eSpeak reads letters of every script, and the marks that everybody writes.
        character.is_alphanumeric() || character.is_ascii_graphic() || "…–—‘’“”«»¿¡€£¥°§".contains(character)
    }

    fn phonemes(&self, sentence: &str) -> Result<Vec<String>> {
        let said = match &self.source {
            Source::Espeak(voice) => espeak::phonemes(voice, sentence)?,
            Source::Letters => self.alphabet.letters(sentence),
        };
        Ok(sentences::divide(&said, MOST_PHONEMES).into_iter().map(str::to_owned).collect())
    }

    fn begin(&self, voice: usize, seed: u64) -> Box<dyn Speaking + '_> {
        let speaker = self.speakers.row(voice);
        Box::new(Voiced { vits: self, speaker, noise: Noise::new(seed), quiet: false })
    }

    fn begin_quiet(&self, voice: usize) -> Box<dyn Speaking + '_> {
        let speaker = self.speakers.row(voice);
        Box::new(Voiced { vits: self, speaker, noise: Noise::new(0), quiet: true })
    }
}

struct Voiced<'a> {
    vits: &'a Vits,
    /// The row of who speaks, where there are several.
    speaker: Option<&'a [f32]>,
    noise: Noise,
    /// Without noise: every sound is the most likely one.
    quiet: bool,
}

impl Speaking for Voiced<'_> {
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)> {
        let (ids, count) = self.vits.alphabet.numbers(phonemes);
        if count == 0 {
            return Ok((Vec::new(), 0));
        }
        if ids.len() > MOST_NUMBERS {
            let message = format!(
                "the voice makes {} numbers of {} phonemes: at most {MOST_NUMBERS} are read at once",
                ids.len(),
                phonemes.chars().count()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let inference = &self.vits.config.inference;
        let scales = if self.quiet { [0.0; 2] } else { [inference.noise_scale, inference.noise_w] };
        Ok((self.vits.run(&ids, speed, scales, (&mut self.noise, self.speaker))?, count))
    }
}
