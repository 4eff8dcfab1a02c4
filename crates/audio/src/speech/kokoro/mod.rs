//! Kokoro-82M (hexgrad, 2025; a StyleTTS 2 with iSTFTNet) at 24 kHz, from the file of bytes that packages have: `kokoro.onnx`, its alphabet
//! `vocab.json`, a style vector for each length of a sentence in `NAME.bin`, and the tables of [`super::english`].

mod block;
mod decoder;
mod parts;
mod prosody;
mod source;
mod text;

use super::english::read;
use super::onnx::{Graph, map};
use super::reader::Reader;
use super::{Engine, Speaking};
use decoder::Decoder;
use parasol_core::{Error, ErrorKind, Result, Voice};
use parasol_kernels::Compute;
use parts::From;
use prosody::Prosody;
use std::path::Path;
use std::sync::Arc;
use text::{Bert, TextEncoder};

/// Numbers of a style: the sound's, then the prosody's.
const STYLE: usize = 2 * parts::STYLE;
/// The voice that speaks unless another is asked for.
const DEFAULT: &str = "af_heart";

struct Network {
    bert: Bert,
    text: TextEncoder,
    prosody: Prosody,
    decoder: Decoder,
}

pub(super) struct Kokoro {
    reader: Reader,
    network: Network,
    voices: Vec<Voice>,
    /// For each voice (lengths, [`STYLE`]).
    styles: Vec<Vec<f32>>,
    compute: Arc<Compute>,
}

impl Network {
    fn open(file: &Path, compute: &Compute) -> Result<Self> {
        let bytes = map(file)?;
        let graph = Graph::parse(&bytes)?;
        let from = From { graph: &graph, compute };
        Ok(Self {
            bert: Bert::open(&from)?,
            text: TextEncoder::open(&from)?,
            prosody: Prosody::open(&from)?,
            decoder: Decoder::open(&from)?,
        })
    }

    fn run(&self, compute: &Compute, ids: &[usize], style: &[f32], speed: f32) -> Result<Vec<f32>> {
        let (sound, prosody) = style.split_at(STYLE / 2);
        let rows = self.bert.run(compute, ids);
        let said = self.prosody.run(compute, &rows, ids.len(), prosody, speed)?;
        let text = self.text.run(compute, ids);
        let width = text.len() / ids.len();
        let text: Vec<f32> =
            said.owner.iter().flat_map(|&p| &text[p * width..(p + 1) * width]).copied().collect();
        Ok(self.decoder.run(compute, &text, &said, sound))
    }
}

impl Kokoro {
    /// # Errors
    /// When a file is missing, damaged or of another kind.
    pub(super) fn open(folder: &Path, compute: Arc<Compute>) -> Result<Self> {
        let network = || Network::open(&folder.join("kokoro.onnx"), &compute);
        let (reader, network) = Reader::open_beside(folder, &compute, network)?;
        reader.check(network.bert.sizes().0.min(network.text.symbols()))?;
        let (voices, styles) = styles(folder)?.into_iter().unzip();
        Ok(Self { reader, network, voices, styles, compute })
    }
}

/// The voices of a folder that speak English, the default first.
fn styles(folder: &Path) -> Result<Vec<(Voice, Vec<f32>)>> {
    let listed = std::fs::read_dir(folder)
        .map_err(|e| Error::from(e).within(format!("cannot read the folder {}", folder.display())))?;
    let mut names: Vec<String> = listed
        .filter_map(|entry| {
            entry.ok()?.file_name().into_string().ok()?.strip_suffix(".bin").map(str::to_owned)
        })
        .filter(|name| described(name).is_some())
        .collect();
    names.sort_by_key(|name| (name != DEFAULT, name.clone()));
    if names.is_empty() {
        let message = format!("the folder {} has no voice, such as {DEFAULT}.bin", folder.display());
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    let style = |name: String| {
        let bytes = read(folder, &format!("{name}.bin"))?;
        let (rows, rest) = bytes.as_chunks::<4>();
        if rows.is_empty() || !rest.is_empty() || rows.len() % STYLE != 0 {
            let message =
                format!("{name}.bin has {} bytes, which are no styles of {STYLE} numbers", bytes.len());
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let values: Vec<f32> = rows.iter().map(|four| f32::from_le_bytes(*four)).collect();
        if !values.iter().all(|x| x.is_finite()) {
            return Err(Error::new(ErrorKind::Corrupt, format!("{name}.bin holds what is no number")));
        }
        let (language, description) = described(&name).unwrap_or_default();
        Ok((Voice { name, language: language.to_owned(), description: description.to_owned() }, values))
    };
    names.into_iter().map(style).collect()
}

/// The language and the kind of a voice, by the letters that its name begins with; `None` for those that do not speak English.
fn described(name: &str) -> Option<(&'static str, &'static str)> {
    match name.get(..3)? {
        "af_" => Some(("en-US", "an American woman")),
        "am_" => Some(("en-US", "an American man")),
        "bf_" => Some(("en-GB", "a British woman, with American words")),
        "bm_" => Some(("en-GB", "a British man, with American words")),
        _ => None,
    }
}

impl Engine for Kokoro {
    fn rate(&self) -> u32 {
        source::RATE
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

    fn begin(&self, voice: usize, _seed: u64) -> Box<dyn Speaking + '_> {
        Box::new(Voiced { kokoro: self, voice })
    }
}

struct Voiced<'a> {
    kokoro: &'a Kokoro,
    voice: usize,
}

impl Speaking for Voiced<'_> {
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)> {
        let it = self.kokoro;
        let Some(ids) = it.reader.ids(phonemes) else { return Ok((Vec::new(), 0)) };
        let (count, (_, most)) = (ids.len() - 2, it.network.bert.sizes());
        if ids.len() > most {
            let message = format!(
                "a piece of {count} phonemes is longer than the {most} that the voice reads: divide it"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let styles = &it.styles[self.voice];
        // The style of a sentence of this length, or of the longest.
        let row = (count - 1).min(styles.len() / STYLE - 1);
        let style = &styles[row * STYLE..(row + 1) * STYLE];
        Ok((it.network.run(&it.compute, &ids, style, speed)?, count))
    }
}
