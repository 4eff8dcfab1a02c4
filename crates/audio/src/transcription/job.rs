//! One transcription: windows of 30 seconds along the clips of a sound, each encoded, written down, tried again where the
//! text looks wrong, and cut into segments.

use super::Engine;
use super::align::align;
use super::cache::{Cross, TextCache};
use super::clips::{Clip, Clips};
use super::decoder::DecoderWork;
use super::encoder::EncoderWork;
use super::mel::{HOP, Mel, RATE, WINDOW};
use super::plan::Plan;
use super::rules::Rules;
use super::search::{Attempt, Found, Random, Search};
use super::sound::Buffer;
use super::window::{self, Piece, compression, cut};
use super::words;
use futures_channel::mpsc::UnboundedSender;
use parasol_core::{
    Error, ErrorKind, Result, Segment, SoundStream, Timestamps, TranscribeTask, TranscriptEvent,
    TranscriptTimings, TranscriptUsage,
};
use std::time::Instant;

/// Texts that are drawn at once above temperature 0.
const DRAWS: usize = 5;
/// From this temperature on a text no longer guides the next one.
const RESET: f32 = 0.5;
/// Frames of a clip that are worth another window.
const LEAST: usize = 100;
/// Frames a second, of mel.
const FRAMES_A_SECOND: f64 = (RATE as usize / HOP) as f64;
/// Samples that a frame's transform reaches beyond its middle.
const REACH: usize = 200;

type Events = UnboundedSender<Result<TranscriptEvent>>;

/// A request that waits for its turn.
pub(super) struct Job {
    sound: SoundStream,
    plan: Plan,
    events: Events,
    asked: Instant,
}

/// What is kept from request to request.
pub(super) struct Desk {
    mel: Mel,
    encoder: EncoderWork,
    decoder: DecoderWork,
    cross: Cross,
    /// A cache and the number of texts that it is for.
    cache: Option<(usize, TextCache)>,
}

impl Desk {
    pub(super) fn new(engine: &Engine) -> Self {
        Self {
            mel: Mel::new(engine.config.mels),
            encoder: EncoderWork::default(),
            decoder: DecoderWork::default(),
            cross: engine.decoder.cross(),
            cache: None,
        }
    }
}

impl Job {
    pub(super) fn new(sound: SoundStream, plan: Plan, events: Events) -> Self {
        Self { sound, plan, events, asked: Instant::now() }
    }

    pub(super) fn events(&self) -> Events {
        self.events.clone()
    }

    pub(super) fn run(self, engine: &Engine, desk: &mut Desk) {
        let Job { sound, plan, events, asked } = self;
        if events.is_closed() {
            return;
        }
        let beams = plan.beams.max(DRAWS);
        if desk.cache.as_ref().is_none_or(|(n, _)| *n < beams) {
            desk.cache = Some((beams, engine.decoder.cache(beams)));
        }
        let run = Run::new(engine, desk, &plan, &events, asked);
        let result = run.and_then(|run| run.all(sound));
        // A cancelled job has nobody to tell.
        let _ = match result {
            Ok(event) => events.unbounded_send(Ok(event)),
            Err(error) => {
                // A text that was being followed may still hold blocks.
                desk.cache = None;
                events.unbounded_send(Err(error))
            }
        };
    }
}

/// A transcription under way.
struct Run<'a> {
    engine: &'a Engine,
    desk: &'a mut Desk,
    plan: &'a Plan,
    events: &'a Events,
    rules: Rules,
    random: Random,
    language: Option<u32>,
    /// What was written, prompt included, as far as it guides what comes next.
    before: Vec<u32>,
    segments: usize,
    started: bool,
    /// When the last word ended, in seconds of the sound.
    spoken: f64,
    usage: TranscriptUsage,
    timings: TranscriptTimings,
    asked: Instant,
}

/// A window of a clip.
#[derive(Clone, Copy)]
struct Window {
    /// Its first sample in the sound.
    place: u64,
    /// Frames of it that hold sound.
    frames: usize,
}

impl<'a> Run<'a> {
    fn new(
        engine: &'a Engine,
        desk: &'a mut Desk,
        plan: &'a Plan,
        events: &'a Events,
        asked: Instant,
    ) -> Result<Self> {
        let times = plan.timestamps != Timestamps::None;
        Ok(Self {
            engine,
            desk,
            plan,
            events,
            rules: Rules::new(&engine.special, &engine.vocabulary, times),
            random: Random::new(plan.seed),
            language: plan.language,
            before: plan.prompt.clone(),
            segments: 0,
            started: false,
            spoken: 0.0,
            usage: TranscriptUsage::default(),
            timings: TranscriptTimings::default(),
            asked,
        })
    }

    fn all(mut self, sound: SoundStream) -> Result<TranscriptEvent> {
        let mut buffer = Buffer::new(sound)?;
        let detector = self.engine.detector.as_ref().filter(|_| self.plan.voice_activity);
        let mut clips = Clips::new(detector);
        loop {
            let begun = Instant::now();
            let (events, total) = (self.events, buffer.seconds());
            let clip = clips.next(&mut buffer, &|place| {
                let done = place as f64 / f64::from(RATE);
                events.unbounded_send(Ok(TranscriptEvent::Progress { done, total })).is_ok()
            });
            self.timings.listen += begun.elapsed();
            let Some(clip) = clip else { break };
            self.clip(clip, &mut buffer, &clips)?;
        }
        if let Some(error) = buffer.failure() {
            return Err(error);
        }
        self.usage.seconds = buffer.end() as f64 / f64::from(RATE);
        self.start(buffer.seconds(), None)?;
        self.send(TranscriptEvent::Progress { done: self.usage.seconds, total: Some(self.usage.seconds) })?;
        Ok(TranscriptEvent::Finished { usage: self.usage, timings: self.timings })
    }

    fn send(&self, event: TranscriptEvent) -> Result<()> {
        let gone = |_| Error::new(ErrorKind::Cancelled, "the transcription was cancelled");
        self.events.unbounded_send(Ok(event)).map_err(gone)
    }

    fn start(&mut self, duration: Option<f64>, probability: Option<f32>) -> Result<()> {
        if std::mem::replace(&mut self.started, true) {
            return Ok(());
        }
        let special = &self.engine.special;
        self.send(TranscriptEvent::Started {
            model: self.engine.name.clone(),
            language: self.language.and_then(|token| special.language_code(token)).map(str::to_owned),
            language_probability: probability,
            duration,
            seed: self.plan.seed,
        })
    }

    fn clip(&mut self, clip: Clip, buffer: &mut Buffer, clips: &Clips<'_>) -> Result<()> {
        let mut place = clip.start;
        loop {
            let begun = Instant::now();
            buffer.fill(place.saturating_add(((WINDOW + 1) * HOP + REACH) as u64));
            self.timings.listen += begun.elapsed();
            let end = clip.end.min(buffer.end());
            let samples = (end.saturating_sub(place)).min((WINDOW * HOP) as u64) as usize;
            let frames = samples / HOP;
            // A rest of less than a second is silence, in which words would be made up.
            if frames < if place == clip.start { 1 } else { LEAST } {
                return Ok(());
            }
            let advance = self.window(Window { place, frames }, buffer)?.clamp(1, frames);
            self.usage.speech_seconds += (advance * HOP) as f64 / f64::from(RATE);
            place += (advance * HOP) as u64;
            let done = place as f64 / f64::from(RATE);
            self.send(TranscriptEvent::Progress { done, total: buffer.seconds() })?;
            // One frame before the next window is looked at too.
            buffer.forget(place.min(clips.needs()).saturating_sub(2 * REACH as u64));
        }
    }

    /// Writes down a window; returns the frames after which the next begins.
    fn window(&mut self, window: Window, buffer: &Buffer) -> Result<usize> {
        let encoded = self.encode(window, buffer);
        if self.language.is_none() {
            let (token, probability) = self.find_language();
            self.language = Some(token);
            self.start(buffer.seconds(), Some(probability))?;
        }
        self.start(buffer.seconds(), None)?;
        let begun = Instant::now();
        let (found, temperature, ratio) = self.write()?;
        let silent = found.no_speech > window::MOST_NO_SPEECH && found.mean_logprob <= window::LEAST_LOGPROB;
        if silent {
            self.timings.decode += begun.elapsed();
            return Ok(window.frames);
        }
        let mut cut = cut(&found.tokens, &self.engine.special, window.frames);
        let offset = window.place as f64 / f64::from(RATE);
        let words = match self.plan.timestamps {
            Timestamps::Word => self.words(&mut cut.pieces, &encoded, window, offset),
            _ => vec![Vec::new(); cut.pieces.len()],
        };
        self.timings.decode += begun.elapsed();
        let end = offset + window.frames as f64 / FRAMES_A_SECOND;
        let last = words.iter().flatten().last().map(|word| word.end);
        for (piece, mut words) in cut.pieces.into_iter().zip(words) {
            let text = self.engine.vocabulary.text(&piece.tokens, &self.engine.special);
            let (from, to) = (rounded(offset + piece.start).min(end), rounded(offset + piece.end).min(end));
            if text.trim().is_empty() || (from >= to && self.plan.timestamps != Timestamps::None) {
                continue;
            }
            for word in &mut words {
                word.start = rounded(offset + word.start).min(end);
                word.end = rounded(offset + word.end).min(end);
            }
            self.spoken = words.last().map_or(to, |word| word.end);
            self.before.extend_from_slice(&piece.tokens);
            if self.segments == 0 {
                self.timings.first_segment = self.asked.elapsed();
            }
            self.send(TranscriptEvent::Segment(Segment {
                id: self.segments,
                start: from,
                end: to,
                text,
                tokens: piece.tokens,
                words,
                temperature,
                avg_logprob: found.mean_logprob,
                compression_ratio: ratio,
                no_speech_prob: found.no_speech,
            }))?;
            self.segments += 1;
        }
        if !self.plan.previous || temperature > RESET {
            self.before.clone_from(&self.plan.prompt);
        }
        // Where words are timed, the next window begins behind the last of them.
        Ok(match last.filter(|last| !cut.whole && *last > 0.0) {
            Some(last) => (last * FRAMES_A_SECOND).round() as usize,
            None => cut.advance,
        })
    }

    /// Mel frames, encoder, and the decoder's view of them.
    fn encode(&mut self, window: Window, buffer: &Buffer) -> Vec<f32> {
        let begun = Instant::now();
        let desk = &mut *self.desk;
        // Frames at the edges see what lies around the window.
        let from = window.place.saturating_sub(REACH as u64).max(buffer.start());
        let to = window.place + (window.frames * HOP + REACH) as u64;
        let mut samples = buffer.slice(from, to).to_vec();
        if buffer.ended() && to > buffer.end() {
            samples.resize(samples.len() + HOP, 0.0);
        }
        samples.resize(samples.len().max(2 * REACH), 0.0);
        let engine = self.engine;
        let first = (window.place - from) as usize;
        let mut mel = desk.mel.frames(&engine.compute, &samples, first, window.frames);
        mel.resize(engine.encoder.frames() * engine.config.mels, 0.0);
        let encoded = engine.encoder.encode(&mel, &mut desk.encoder);
        engine.decoder.listen(&encoded, &mut desk.cross, &mut desk.decoder);
        self.timings.encode += begun.elapsed();
        encoded
    }

    fn attempt<'b>(&'b mut self, cancelled: &'b dyn Fn() -> bool) -> Attempt<'b> {
        let Desk { decoder, cross, cache, .. } = &mut *self.desk;
        // `Job::run` has made it.
        let (_, cache) = cache.as_mut().expect("there is a cache");
        Attempt {
            decoder: &self.engine.decoder,
            compute: &self.engine.compute,
            rules: &self.rules,
            special: &self.engine.special,
            cross,
            cache,
            work: decoder,
            random: &mut self.random,
            cancelled,
        }
    }

    /// The likeliest language and its probability among all.
    fn find_language(&mut self) -> (u32, f32) {
        let engine = self.engine;
        let attempt = self.attempt(&|| false);
        let (mut beam, mut logits) = (super::cache::Beam::default(), Vec::new());
        let start = [engine.special.start];
        engine.decoder.forward(
            attempt.cache,
            attempt.cross,
            &mut [(&mut beam, &start)],
            &[0],
            attempt.work,
            &mut logits,
        );
        attempt.cache.release(beam);
        let first = engine.special.language;
        let own = &logits[first as usize..(first + engine.special.languages) as usize];
        let (best, logit) = (0..).zip(own).max_by(|a, b| a.1.total_cmp(b.1)).unwrap_or((0, &0.0));
        (first + best, (logit - engine.compute.log_sum_exp(own)).exp())
    }

    /// `<|startoftranscript|>`, the language and the task.
    fn sequence(&self) -> Vec<u32> {
        let special = &self.engine.special;
        if !special.multilingual {
            return vec![special.start];
        }
        let task = match self.plan.task {
            TranscribeTask::Transcribe => special.transcribe,
            TranscribeTask::Translate => special.translate,
        };
        vec![special.start, self.language.unwrap_or(special.language), task]
    }

    /// Tries until a text is likely and does not repeat itself: what was found, at which temperature, and how well it
    /// compresses.
    fn write(&mut self) -> Result<(Found, f32, f32)> {
        let engine = self.engine;
        let context = engine.config.text_context;
        let mut prompt = Vec::new();
        if !self.before.is_empty() {
            prompt.push(engine.special.previous);
            let most = context / 2 - 1;
            prompt.extend_from_slice(&self.before[self.before.len().saturating_sub(most)..]);
        }
        let start = prompt.len();
        prompt.extend(self.sequence());
        if self.plan.timestamps == Timestamps::None {
            prompt.push(engine.special.no_times);
        }
        let mut tried: Vec<(Found, f32, f32)> = Vec::new();
        let (plan, events) = (self.plan, self.events);
        for &temperature in &plan.temperatures {
            let search = Search { temperature, beams: plan.beams, draws: DRAWS, context };
            let found = self.attempt(&|| events.is_closed()).run(&prompt, start, search)?;
            self.usage.generated_tokens += found.generated;
            let text = engine.vocabulary.text(&found.tokens, &engine.special);
            let ratio = compression(text.trim());
            let unlikely = found.mean_logprob < window::LEAST_LOGPROB;
            let silence = unlikely && found.no_speech > window::MOST_NO_SPEECH;
            let wrong = (unlikely || ratio > window::MOST_COMPRESSION) && !silence;
            tried.push((found, temperature, ratio));
            if !wrong {
                // It was just pushed.
                return Ok(tried.swap_remove(tried.len() - 1));
            }
        }
        // None was good: the likeliest of those that do not repeat themselves, if there are any.
        let rank =
            |(found, _, ratio): &(Found, f32, f32)| (*ratio <= window::MOST_COMPRESSION, found.mean_logprob);
        let best = tried.into_iter().max_by(|a, b| {
            let (a, b) = (rank(a), rank(b));
            a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
        });
        let last = plan.temperatures.last().copied().unwrap_or(0.0);
        best.map(|(found, _, ratio)| (found, last, ratio))
            .ok_or_else(|| Error::new(ErrorKind::Internal, "no temperature was tried"))
    }

    fn words(
        &mut self,
        pieces: &mut [Piece],
        encoded: &[f32],
        window: Window,
        offset: f64,
    ) -> Vec<Vec<parasol_core::Word>> {
        let engine = self.engine;
        let special = &engine.special;
        let text: Vec<u32> =
            pieces.iter().flat_map(|p| p.tokens.iter().copied()).filter(|t| *t < special.end).collect();
        let sequence = self.sequence();
        let used = window.frames / 2;
        // Two more: no times, and the end.
        if text.is_empty() || used == 0 || text.len() + sequence.len() + 2 > engine.config.text_context {
            return vec![Vec::new(); pieces.len()];
        }
        let heads = engine.config.timing_heads();
        let shape = (engine.config.decoder_heads, engine.config.width / engine.config.decoder_heads);
        let mut attempt = self.attempt(&|| false);
        let times = align(&mut attempt, &sequence, &text, encoded, used, &heads, shape);
        let language = self.language.and_then(|token| special.language_code(token)).unwrap_or("en");
        words::words(&engine.vocabulary, special, language, pieces, &times, self.spoken - offset)
    }
}

/// To hundredths of a second, as times are written.
fn rounded(seconds: f64) -> f64 {
    (seconds * 100.0).round() / 100.0
}

/// The frames of a sound that is all there, without those of silence behind it.
pub(super) fn window_of(mel: &mut Mel, engine: &Engine, samples: &[f32], frames: usize) -> Vec<f32> {
    let mut samples = samples.to_vec();
    samples.resize((samples.len() + HOP).max(2 * REACH), 0.0);
    mel.frames(&engine.compute, &samples, 0, frames.min(WINDOW))
}
