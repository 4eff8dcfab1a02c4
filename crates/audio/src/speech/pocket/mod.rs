//! Pocket TTS (Kyutai, 2026): a small language model that goes on in latents of sound, and the codec that hears voices and makes
//! sound. It imitates the voice of some seconds of speech. The folder holds the weights, a tokenizer, the configuration that the
//! package `pocket-tts` has as `config/NAME.yaml`, and beside them or in `embeddings/` the voices that come with it. Numbers are those of the
//! package's version 4.0.1.

mod codec;
mod config;
mod filters;
mod head;
mod language;
mod maps;
mod prompt;
mod text;
mod tokens;
mod transformer;
mod voices;
mod weights;

use super::english::read;
use super::noise::Noise;
use super::{Engine, Speaking};
use crate::sound::at_rate;
use codec::Codec;
use config::Config;
use language::Language;
use parasol_core::{Error, ErrorKind, Result, SoundStream, Voice, VoiceReference};
use parasol_kernels::Compute;
use std::collections::VecDeque;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash, Hasher};
use std::io::Read;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokens::Words;
use transformer::{Memory, Work};
use voices::Kept;
use weights::Weights;

/// Files larger than this are no configuration.
const LARGEST_CONFIG: usize = 1 << 20;
/// Bytes of a safetensors header in which a name of this model is looked for.
const HEADER: u64 = 1 << 20;
/// Imitated voices that are remembered.
const REMEMBERED: usize = 4;
/// No end is looked for in these first frames: some voices seem to end before they begin.
const LEAST_FRAMES: usize = 6;
/// A text lasts at most a second for so many tokens, and some seconds more.
const TOKENS_PER_SECOND: f64 = 3.0;
const MORE_SECONDS: f64 = 2.0;
/// Frames that are decoded at once: the first alone, so that it is heard soon, later ones together, which takes less work.
const GROUPS: [usize; 5] = [1, 1, 2, 4, 8];
/// The codec begins with a step: the first samples come in by degrees, over a second / 200.
const FADE: u32 = 200;

/// A loaded model.
pub(super) struct Pocket {
    config: Config,
    words: Words,
    language: Language,
    codec: Codec,
    voices: Vec<Voice>,
    kept: Vec<Kept>,
    english: bool,
    compute: Arc<Compute>,
    /// The voices that were imitated last, by a hash of their sounds.
    heard: Mutex<VecDeque<(u64, Arc<Memory>)>>,
    hashes: RandomState,
}

/// The weights of such a model, where `path` is them or a folder that holds them.
///
/// # Errors
/// When the folder cannot be read.
pub(super) fn weights_at(path: &Path) -> Result<Option<PathBuf>> {
    if path.is_file() {
        return Ok(is_weights(path).then(|| path.to_owned()));
    }
    let mut found = files(path, &["safetensors"])?;
    found.retain(|file| is_weights(file));
    Ok(found.into_iter().next())
}

/// Whether a safetensors file's header names the tensors of this family.
fn is_weights(path: &Path) -> bool {
    names_in_header(path, b"\"flow_lm.")
}

/// Whether there is a tensor whose name begins so, quotation mark included.
fn names_in_header(path: &Path, name: &[u8]) -> bool {
    let mut header = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(HEADER).read_to_end(&mut header));
    // Behind the header's length.
    read.is_ok() && header.get(8..).is_some_and(|names| names.windows(name.len()).any(|at| at == name))
}

/// The files of a folder with one of these endings, by name.
fn files(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder)
        .map_err(|e| Error::from(e).within(format!("cannot read the folder {}", folder.display())))?;
    let mut found: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.retain(|path| path.extension().is_some_and(|end| endings.iter().any(|known| end == *known)));
    found.sort();
    Ok(found)
}

/// The configuration beside the weights, and the name of its file.
fn configuration(folder: &Path) -> Result<(Config, String)> {
    let found = files(folder, &["yaml", "yml"])?;
    let [path] = &found[..] else {
        let (kind, what) = match found.len() {
            0 => (ErrorKind::NotFound, "no configuration"),
            _ => (ErrorKind::InvalidRequest, "several configurations"),
        };
        let message = format!(
            "the folder {} holds {what}: put the one of its model beside the weights, which the package pocket-tts has as config/NAME.yaml",
            folder.display()
        );
        return Err(Error::new(kind, message));
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (bytes, shown) = (read(folder, &name)?, path.display().to_string());
    if bytes.len() > LARGEST_CONFIG {
        let message =
            format!("{shown} has more than {LARGEST_CONFIG} bytes: it is no configuration of a voice");
        return Err(Error::new(ErrorKind::Corrupt, message));
    }
    Ok((Config::parse(&bytes, &shown)?, name))
}

impl Pocket {
    /// Loads the model whose weights these are.
    ///
    /// # Errors
    /// When a file beside them is missing, damaged or of another kind.
    pub(super) fn open(path: &Path, compute: Arc<Compute>) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let (config, file) = configuration(folder)?;
        let words = Words::open(folder)?;
        if words.size() > config.flow_lm.lookup_table.n_bins {
            let message = format!(
                "the tokenizer has {} tokens, and the model knows {}",
                words.size(),
                config.flow_lm.lookup_table.n_bins
            );
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        let weights = Weights::open(path)?;
        let language = Language::open(&weights, &compute, &config)?;
        let codec = Codec::open(&weights, &compute, &config.mimi)?;
        let from = config.weights_path.as_deref().unwrap_or_default();
        let names = [from, &config.flow_lm.lookup_table.tokenizer_path, &file];
        let spoken = voices::language(&names);
        let (voices, kept) = voices::open(folder, spoken, language.memory_shape())?;
        Ok(Self {
            config,
            words,
            language,
            codec,
            voices,
            kept,
            english: spoken == "en",
            compute,
            heard: Mutex::default(),
            hashes: RandomState::new(),
        })
    }

    /// What the language model remembers of a voice, which is kept for whoever asks next.
    fn listen(&self, reference: &VoiceReference, waits: &dyn Fn() -> bool) -> Result<Arc<Memory>> {
        let mut hasher = self.hashes.build_hasher();
        reference.rate.hash(&mut hasher);
        reference.samples.iter().for_each(|x| x.to_bits().hash(&mut hasher));
        let key = hasher.finish();
        let locked = || self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let known = locked().iter().find(|(known, _)| *known == key).map(|(_, memory)| Arc::clone(memory));
        let memory = match known {
            Some(memory) => memory,
            None => Arc::new(self.hear(reference, waits)?),
        };
        let mut all = locked();
        all.retain(|(known, _)| *known != key);
        all.truncate(REMEMBERED - 1);
        all.push_front((key, Arc::clone(&memory)));
        Ok(memory)
    }

    /// Listens to a voice.
    ///
    /// # Errors
    /// `Cancelled` when nobody `waits` for it any more.
    fn hear(&self, reference: &VoiceReference, waits: &dyn Fn() -> bool) -> Result<Memory> {
        let gone = || {
            let message = format!("nobody waits for the voice {:?} any more", reference.name);
            Error::new(ErrorKind::Cancelled, message)
        };
        let (rate, compute) = (self.config.mimi.sample_rate, &self.compute);
        let given = SoundStream::from_samples(reference.rate, reference.samples.clone());
        let sound: Vec<Vec<f32>> = at_rate(given, rate)?.collect::<Result<_>>()?;
        let sound = prompt::ended(&sound.concat(), rate)?;
        let latents = self.codec.encode(compute, &sound, waits).ok_or_else(gone)?;
        let heard = self.language.heard(compute, &latents)?;
        self.language.listen(compute, &heard, waits).ok_or_else(gone)
    }

    fn voiced(&self, memory: Memory, seed: u64, quiet: bool) -> Box<dyn Speaking + '_> {
        let rows = memory.position;
        let noise = if quiet { Source::None } else { Source::Drawn(Box::new(Noise::new(seed))) };
        Box::new(Voiced { pocket: self, memory, rows, noise, work: Work::default() })
    }
}

impl Engine for Pocket {
    fn rate(&self) -> u32 {
        self.config.mimi.sample_rate
    }

    fn voices(&self) -> &[Voice] {
        &self.voices
    }

    fn is_title(&self, word: &str) -> bool {
        self.english
            && matches!(
                word,
                "Mr" | "Mrs" | "Ms" | "Dr" | "Prof" | "St" | "Sr" | "Jr" | "No" | "vs" | "Rev" | "Gen"
            )
    }

    fn can_say(&self, character: char) -> bool {
        let instead = self.config.replace_characters.get(&character);
        instead.is_some_and(|text| text.chars().all(|c| self.words.knows(c))) || self.words.knows(character)
    }

    fn places(&self, text: &str) -> Result<Vec<Range<usize>>> {
        text::chunks(text, &self.config, &self.words, &|word| self.is_title(word))
    }

    fn has_one_pace(&self) -> bool {
        true
    }

    /// This family reads letters: a chunk is its own phonemes.
    fn phonemes(&self, chunk: &str) -> Result<Vec<String>> {
        let said =
            chunk.chars().any(|c| c.is_alphanumeric() || self.words.knows(c) && !c.is_ascii_punctuation());
        Ok(if said && !chunk.trim().is_empty() { vec![chunk.to_owned()] } else { Vec::new() })
    }

    fn begin(&self, voice: usize, seed: u64) -> Box<dyn Speaking + '_> {
        let memory = self.kept.get(voice).map(Kept::memory);
        self.voiced(memory.unwrap_or_else(|| self.language.silent()), seed, false)
    }

    fn begin_quiet(&self, voice: usize) -> Box<dyn Speaking + '_> {
        let memory = self.kept.get(voice).map(Kept::memory);
        self.voiced(memory.unwrap_or_else(|| self.language.silent()), 0, true)
    }

    fn imitates(&self) -> bool {
        self.language.imitates()
    }

    fn begin_as(
        &self,
        reference: &VoiceReference,
        seed: u64,
        waits: &dyn Fn() -> bool,
    ) -> Result<Box<dyn Speaking + '_>> {
        let memory = self.listen(reference, waits)?;
        Ok(self.voiced((*memory).clone(), seed, false))
    }
}

/// Where a latent's noise comes from.
enum Source {
    None,
    Drawn(Box<Noise>),
    /// Noise that was drawn elsewhere, for comparisons.
    #[cfg(test)]
    Given(VecDeque<Vec<f32>>),
}

impl Source {
    /// Normal deviates.
    fn fill(&mut self, out: &mut [f32]) {
        match self {
            Self::None => out.fill(0.0),
            Self::Drawn(noise) => noise.fill(out),
            #[cfg(test)]
            Self::Given(rows) => out.copy_from_slice(&rows.pop_front().expect("noise for every frame")),
        }
    }
}

/// A text that is being spoken with one voice.
struct Voiced<'a> {
    pocket: &'a Pocket,
    memory: Memory,
    /// Rows of the memory that are the voice's.
    rows: usize,
    noise: Source,
    work: Work,
}

impl Voiced<'_> {
    /// The next latent, until the end: `None` behind it.
    fn latent(&mut self, last: Option<&[f32]>, ending: &mut Ending) -> Result<Option<Vec<f32>>> {
        let Pocket { language, compute, config, .. } = self.pocket;
        let step = language.step(compute, last, &mut self.memory, &mut self.work);
        if ending.is_over(step.end > config.default_eos_threshold) {
            return Ok(None);
        }
        let mut noise = vec![0.0; language.latent()];
        self.noise.fill(&mut noise);
        let deviation = config.default_temperature.sqrt();
        noise.iter_mut().for_each(|x| *x *= deviation);
        let latent = language.head.draw(compute, &step.condition, &noise);
        codec::finite(&latent)?;
        Ok(Some(latent))
    }

    /// The sound of some latents, of which the first of a text come in by degrees.
    fn decode(&self, latents: &[f32], at: &mut codec::Decoding, faded: &mut bool) -> Result<Vec<f32>> {
        let mut samples = self.pocket.codec.decode(&self.pocket.compute, latents, at)?;
        if !std::mem::replace(faded, true) {
            let count = (self.pocket.rate() / FADE) as usize;
            let share = |at: usize| at as f32 / (count - 1) as f32;
            samples.iter_mut().take(count).enumerate().for_each(|(at, x)| *x *= share(at));
        }
        Ok(samples)
    }
}

/// When a text has been said.
struct Ending {
    step: usize,
    most: usize,
    /// Frames that follow the one which says so …
    after: usize,
    /// … and which that was.
    told: Option<usize>,
}

impl Ending {
    /// Whether the text is over with this step, of which `near` says that it ends soon.
    fn is_over(&mut self, near: bool) -> bool {
        let step = self.step;
        self.step += 1;
        if near && step >= LEAST_FRAMES {
            self.told.get_or_insert(step);
        }
        step >= self.most || self.told.is_some_and(|told| step >= told + self.after)
    }
}

impl Speaking for Voiced<'_> {
    fn sound(&mut self, phonemes: &str, speed: f32) -> Result<(Vec<f32>, usize)> {
        let mut all = Vec::new();
        let count = self.stream(phonemes, speed, &mut |samples| {
            all.extend(samples);
            ControlFlow::Continue(())
        })?;
        Ok((all, count))
    }

    fn stream(
        &mut self,
        phonemes: &str,
        _speed: f32,
        out: &mut dyn FnMut(Vec<f32>) -> ControlFlow<()>,
    ) -> Result<usize> {
        let Pocket { language, codec, compute, config, words, .. } = self.pocket;
        let Some(prepared) = text::prepare(phonemes, config) else { return Ok(0) };
        let tokens = words.ids(&prepared.text)?;
        if let Some(token) = tokens.iter().find(|token| **token as usize > config.flow_lm.lookup_table.n_bins)
        {
            let message = format!("the tokenizer says token {token}, which the model does not know");
            return Err(Error::new(ErrorKind::Corrupt, message));
        }
        language.rewind(&mut self.memory, self.rows);
        language.read(compute, &tokens, &mut self.memory, &mut self.work);
        let seconds = tokens.len() as f64 / TOKENS_PER_SECOND + MORE_SECONDS;
        // At most some thousand tokens at a rate of at most some thousand frames: the cast holds it.
        let most = (seconds * config.mimi.frame_rate).ceil() as usize;
        let after = config.frames_after().unwrap_or(prepared.frames_after);
        let mut ending = Ending { step: 0, most, after, told: None };
        let mut decoding = codec.begin();
        let (mut last, mut waiting, mut faded) = (None::<Vec<f32>>, Vec::new(), false);
        let mut groups = GROUPS.into_iter();
        let mut group = groups.next().unwrap_or(1);
        while let Some(latent) = self.latent(last.as_deref(), &mut ending)? {
            waiting.extend(language.scaled(&latent));
            last = Some(latent);
            if waiting.len() == group * language.latent() {
                if out(self.decode(&waiting, &mut decoding, &mut faded)?).is_break() {
                    return Ok(tokens.len());
                }
                waiting.clear();
                group = groups.next().unwrap_or(group);
            }
        }
        if !waiting.is_empty() {
            // Nothing is left to be made: whether to go on is the caller's question.
            let _ = out(self.decode(&waiting, &mut decoding, &mut faded)?);
        }
        Ok(tokens.len())
    }
}

#[cfg(test)]
mod tests;
