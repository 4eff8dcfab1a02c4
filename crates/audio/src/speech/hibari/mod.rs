//! Hibari: a small English voice at 24 kHz, distilled from Kokoro-82M's af_heart. The folder holds `hibari.onnx` (or another voice of its
//! kind), `vocab.json`, and the tables of [`super::english`].

mod network;

mod sound;

use super::english::read;
use super::noise::Noise;
use super::reader::Reader;
use super::{Engine, Speaking};
use network::Network;
use parasol_core::{Result, Voice};
use parasol_kernels::Compute;
use sound::Synthesis;
use std::path::Path;
use std::sync::Arc;

pub(super) struct Hibari {
    reader: Reader,
    network: Network,
    synthesis: Synthesis,
    voices: Vec<Voice>,
    compute: Arc<Compute>,
}

impl Hibari {
    /// # Errors
    /// When a file is missing, damaged or of another kind.
    pub(super) fn open(folder: &Path, compute: Arc<Compute>) -> Result<Self> {
        let network = || Network::open(&read(folder, "hibari.onnx")?, &compute);
        let (reader, network) = Reader::open_beside(folder, &compute, network)?;
        reader.check(network.symbols)?;
        let voice = Voice {
            name: "heart".to_owned(),
            language: "en-US".to_owned(),
            description: "an American woman".to_owned(),
        };
        Ok(Self { reader, network, synthesis: Synthesis::new(), voices: vec![voice], compute })
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
        self.reader.is_title(word)
    }

    fn can_say(&self, character: char) -> bool {
        self.reader.can_say(character)
    }

    fn phonemes(&self, sentence: &str) -> Result<Vec<String>> {
        Ok(self.reader.phonemes(sentence))
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
        let Some(ids) = it.reader.ids(phonemes) else { return Ok((Vec::new(), 0)) };
        let spectrum = it.network.run(&it.compute, &ids, speed)?;
        Ok((it.synthesis.run(&it.compute, &spectrum, &mut self.noise), ids.len() - 2))
    }
}
