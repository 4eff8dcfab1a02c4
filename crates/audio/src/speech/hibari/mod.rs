//! Hibari: a small English voice at 24 kHz, distilled from Kokoro-82M's af_heart. The folder holds `hibari.onnx` (or another voice of its
//! kind), `vocab.json`, and the tables of [`super::english`].

mod network;

mod sound;

use super::english::{English, parse_json, read};
use super::noise::Noise;
use super::{Engine, Speaking, sentences};
use network::Network;
use parasol_core::{Error, ErrorKind, Result, Voice};
use parasol_kernels::Compute;
use sound::Synthesis;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Phonemes that the network reads at once.
const MOST_PHONEMES: usize = 400;

pub(super) struct Hibari {
    english: English,
    network: Network,
    synthesis: Synthesis,
    vocabulary: HashMap<char, usize>,
    voices: Vec<Voice>,
    compute: Arc<Compute>,
}

impl Hibari {
    /// # Errors
    /// When a file is missing, damaged or of another kind.
    pub(super) fn open(folder: &Path, compute: Arc<Compute>) -> Result<Self> {
        let vocabulary: HashMap<char, usize> = parse_json(&read(folder, "vocab.json")?, "vocab.json")?;
        let (network, english) = std::thread::scope(|scope| {
            let network = scope.spawn(|| Network::open(&read(folder, "hibari.onnx")?, &compute));
            let english = English::open(folder, &compute);
            let failed = |_| Error::new(ErrorKind::Internal, "the thread that reads a voice panicked");
            Ok::<_, Error>((network.join().map_err(failed)??, english?))
        })?;
        if let Some(id) = vocabulary.values().find(|id| **id >= network.symbols) {
            let message = format!("vocab.json has phoneme {id} and the voice has {}", network.symbols);
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let voice = Voice {
            name: "heart".to_owned(),
            language: "en-US".to_owned(),
            description: "an American woman".to_owned(),
        };
        Ok(Self { english, network, synthesis: Synthesis::new(), vocabulary, voices: vec![voice], compute })
    }
}

impl Engine for Hibari {
    fn rate(&self) -> u32 {
        sound::RATE
    }

    fn voices(&self) -> &[Voice] {
        &self.voices
    }

    fn is_title(&self, word: &str) -> bool {
        self.english.titles().any(|title| title == word)
    }

    fn can_say(&self, character: char) -> bool {
        self.english.can_say(character)
    }

    fn phonemes(&self, sentence: &str) -> Result<Vec<String>> {
        let said = self.english.say(sentence);
        Ok(sentences::divide(&said, MOST_PHONEMES).into_iter().map(str::to_owned).collect())
    }

    fn takes_phonemes(&self) -> bool {
        true
    }

    fn begin(&self, _voice: usize, seed: u64) -> Box<dyn Speaking + '_> {
        Box::new(Voiced { hibari: self, noise: Noise::new(seed) })
    }
}

struct Voiced<'a> {
    hibari: &'a Hibari,
    noise: Noise,
}

impl Speaking for Voiced<'_> {
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)> {
        let it = self.hibari;
        // A pause at both ends.
        let mut ids = vec![0];
        ids.extend(phonemes.chars().filter_map(|c| it.vocabulary.get(&c).copied()));
        ids.push(0);
        if ids.len() < 3 {
            return Ok((Vec::new(), 0));
        }
        let spectrum = it.network.run(&it.compute, &ids, speed)?;
        Ok((it.synthesis.run(&it.compute, &spectrum, &mut self.noise), ids.len() - 2))
    }
}
