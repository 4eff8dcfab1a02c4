//! Transcription: sound in, what is said in it out, with the times at which it is said.

use crate::{EventStream, Money, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Anything that writes down what it hears.
pub trait Transcribe: Send + Sync {
    /// Writes down `sound`. It is taken piece by piece as the work goes on, so hours of it need no more memory than minutes.
    /// Errors before the first segment come from here or as the stream's first item.
    fn transcribe(
        &self,
        sound: SoundStream,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>>;
}

/// Samples of one channel, as they come.
pub struct SoundStream {
    rate: u32,
    seconds: Option<f64>,
    pieces: Box<dyn Iterator<Item = Result<Vec<f32>>> + Send>,
}

impl SoundStream {
    /// Pieces of samples within −1 ..= 1, `rate` of them a second; `seconds` is how long all of it lasts, if that is known.
    /// The first error ends it.
    pub fn new(
        rate: u32,
        seconds: Option<f64>,
        pieces: impl Iterator<Item = Result<Vec<f32>>> + Send + 'static,
    ) -> Self {
        Self { rate, seconds, pieces: Box::new(pieces) }
    }

    /// Samples that are all there.
    pub fn from_samples(rate: u32, samples: Vec<f32>) -> Self {
        let seconds = samples.len() as f64 / f64::from(rate.max(1));
        Self::new(rate, Some(seconds), std::iter::once(Ok(samples)))
    }

    /// Samples in a second.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// How long it lasts, if that is known before its end.
    pub fn seconds(&self) -> Option<f64> {
        self.seconds
    }
}

impl Iterator for SoundStream {
    type Item = Result<Vec<f32>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.pieces.next()
    }
}

impl std::fmt::Debug for SoundStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SoundStream({} Hz, {:?} s)", self.rate, self.seconds)
    }
}

/// What is written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TranscribeTask {
    /// What is said, in its own language.
    #[default]
    Transcribe,
    /// What it means, in English.
    Translate,
}

/// Which times are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    /// None: the model writes without them, and a segment is what fits its window.
    None,
    /// Those of segments.
    #[default]
    Segment,
    /// Those of words too.
    Word,
}

/// A request to write down what is said. The sound comes beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TranscribeRequest {
    /// The language that is spoken, as its ISO 639-1 code (`en`) or its English name; `None` has the model find out.
    pub language: Option<String>,
    /// Whether it is written down or translated.
    pub task: TranscribeTask,
    /// Which times are wanted.
    pub timestamps: Timestamps,
    /// Text that may have come before: names and spellings in it are preferred.
    pub prompt: Option<String>,
    /// `None` takes the most likely words and tries warmer and warmer (0.2 … 1.0) where they repeat themselves or are
    /// unlikely; a number is the only temperature that is tried.
    pub temperature: Option<f32>,
    /// Alternatives that are followed side by side at temperature 0; 1 is greedy; `None` takes the engine's.
    pub beam: Option<usize>,
    /// Whether what was written before guides what comes next within one piece of speech.
    pub previous_text: bool,
    /// Whether only stretches with speech in them are transcribed, and cuts fall between them.
    pub voice_activity: bool,
    /// The seed of draws at temperatures above 0; `None` takes one from the clock.
    pub seed: Option<u64>,
    /// Who asks.
    pub client: String,
}

impl Default for TranscribeRequest {
    fn default() -> Self {
        Self {
            language: None,
            task: TranscribeTask::default(),
            timestamps: Timestamps::default(),
            prompt: None,
            temperature: None,
            beam: None,
            previous_text: false,
            voice_activity: true,
            seed: None,
            client: String::new(),
        }
    }
}

/// One event of a transcription: one `Started` before the first `Segment`, one `Finished` at the end, `Progress` anywhere before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TranscriptEvent {
    /// The language is known, or there is no speech at all.
    Started {
        /// Name of the model that listens.
        model: String,
        /// The language's code, given or found; `None` when nothing was said before the end.
        language: Option<String>,
        /// How likely the model finds it, where it was not given.
        language_probability: Option<f32>,
        /// How long the sound lasts in seconds, if that is known.
        duration: Option<f64>,
        /// The seed in use, so that a run can be repeated.
        seed: u64,
    },
    /// Everything before this has been listened to.
    Progress {
        /// Seconds done.
        done: f64,
        /// Seconds in all, if that is known.
        total: Option<f64>,
    },
    /// Some words that belong together.
    Segment(Segment),
    /// The sound has ended.
    Finished {
        /// What it took.
        usage: TranscriptUsage,
        /// How long it took.
        timings: TranscriptTimings,
    },
}

/// Some words that belong together: a sentence, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Counted from 0.
    pub id: usize,
    /// When it begins, in seconds from the beginning of the sound.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// What is said, as the model wrote it: it mostly begins with a space.
    pub text: String,
    /// The same as tokens, with those of times.
    pub tokens: Vec<u32>,
    /// Its words, where they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// The temperature that it was drawn at.
    pub temperature: f32,
    /// Mean log-probability of the tokens of its window.
    pub avg_logprob: f32,
    /// Bytes of the window's text by those that deflate makes of it: high where it repeats itself.
    pub compression_ratio: f32,
    /// How likely the model finds that there is no speech in the window.
    pub no_speech_prob: f32,
}

/// One word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Word {
    /// The word as the model wrote it, with its space and punctuation.
    pub word: String,
    /// When it begins, in seconds from the beginning of the sound.
    pub start: f64,
    /// When it ends.
    pub end: f64,
    /// Mean probability of its tokens.
    pub probability: f32,
}

/// What a transcription took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TranscriptUsage {
    /// Seconds of sound.
    pub seconds: f64,
    /// Of these, seconds that were found to hold speech and were transcribed.
    pub speech_seconds: f64,
    /// Tokens generated, in all attempts.
    pub generated_tokens: usize,
    /// What it costs, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct TranscriptTimings {
    /// From the request to the first segment.
    pub first_segment: Duration,
    /// Reading and resampling the sound, and looking for speech in it.
    pub listen: Duration,
    /// Encoding windows of sound.
    pub encode: Duration,
    /// Writing text, and timing its words.
    pub decode: Duration,
}
