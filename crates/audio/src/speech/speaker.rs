//! A loaded voice: requests in, sound out, sentence by sentence, on a thread for each request that ends with its stream.

use super::hibari::Hibari;
use super::kokoro::Kokoro;
use super::pocket::Pocket;
use super::reading::{Passage, Step, steps};
use super::vits::Vits;
use super::{Engine, Speaking};
use crate::mark::Marker;
use futures_channel::mpsc::{Sender, channel};
use parasol_core::{
    Error, ErrorKind, EventStream, Result, Speak, SpeakRequest, SpeechEvent, SpeechTimings, SpeechUsage,
    Voice,
};
use parasol_kernels::Compute;
use std::future::poll_fn;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// Voices that an error names; the others it counts.
const MOST_NAMED: usize = 40;

/// Pieces of sound that may wait for a reader who is behind.
const AHEAD: usize = 4;
/// Samples of a pause that are sent at once, in seconds.
const SILENCE: f32 = 1.0;

/// A voice that reads texts. Clones share it.
#[derive(Clone)]
pub struct Speaker {
    pub(super) name: String,
    pub(super) engine: Arc<dyn Engine>,
}

impl std::fmt::Debug for Speaker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Speaker({})", self.name)
    }
}

impl Speaker {
    /// Loads the voice whose files lie in the folder `path`, or beside the file `path`; `name` is what it is called in events.
    ///
    /// # Errors
    /// `Unsupported` when the folder holds no voice of a known kind, `Corrupt` when one of its files is damaged.
    pub fn open(path: &Path, name: &str, compute: Arc<Compute>) -> Result<Self> {
        let folder = if path.is_file() { path.parent().unwrap_or(path) } else { path };
        let engine: Arc<dyn Engine> = if folder.join("hibari.onnx").is_file() {
            Arc::new(Hibari::open(folder, compute)?)
        } else if folder.join("kokoro.onnx").is_file() {
            Arc::new(Kokoro::open(folder, compute)?)
        } else if let Some(file) = piper(path)? {
            Arc::new(Vits::open(&file, compute)?)
        } else if let Some(weights) = super::pocket::weights_at(path)? {
            Arc::new(Pocket::open(&weights, compute)?)
        } else {
            let message = format!(
                "the folder {} holds no voice that is known: hibari.onnx with its tables is one, kokoro.onnx with its styles another, as are a Piper voice (NAME.onnx with NAME.onnx.json) and the model.safetensors of Pocket TTS with its tokenizer",
                folder.display()
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        Ok(Self { name: name.to_owned(), engine })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Samples per second of its sound.
    pub fn rate(&self) -> u32 {
        self.engine.rate()
    }

    /// The phonemes of each sentence of a text, as the voice's network reads them.
    ///
    /// # Errors
    /// As [`Speak::speak`].
    pub fn phonemes(&self, text: &str) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for place in self.engine.places(text)? {
            all.extend(self.engine.phonemes(&text[place])?);
        }
        Ok(all)
    }

    /// The sound of phonemes as [`Speaker::phonemes`] gives them: one sentence.
    ///
    /// # Errors
    /// `Unsupported` when it would last more than minutes.
    pub fn sound(&self, phonemes: &str, speed: f32, seed: u64) -> Result<Vec<f32>> {
        Ok(self.engine.begin(0, seed).sound(phonemes, speed)?.0)
    }

    /// The same without anything drawn, where the voice can do without: what a reference makes with its scales of noise at 0.
    ///
    /// # Errors
    /// As [`Speaker::sound`].
    pub fn quiet_sound(&self, phonemes: &str, speed: f32) -> Result<Vec<f32>> {
        Ok(self.engine.begin_quiet(0).sound(phonemes, speed)?.0)
    }

    /// The same by another of its voices.
    ///
    /// # Errors
    /// As [`Speaker::sound`]; `InvalidRequest` when it has no such voice.
    pub fn quiet_sound_by(&self, voice: &str, phonemes: &str, speed: f32) -> Result<Vec<f32>> {
        let voice = self.engine.find(voice).ok_or_else(|| self.no_voice(voice))?;
        Ok(self.engine.begin_quiet(voice).sound(phonemes, speed)?.0)
    }

    fn no_voice(&self, name: &str) -> Error {
        let shown: String = name.chars().take(80).collect();
        let has = listed(self.engine.voices());
        Error::new(ErrorKind::InvalidRequest, format!("{} has no voice {shown:?}: it has {has}", self.name))
    }

    /// The number of the voice that a request means.
    fn chosen(&self, request: &SpeakRequest) -> Result<usize> {
        let voices = self.engine.voices();
        let refuse = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        if request.reference.is_some() && !self.engine.imitates() {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} cannot imitate a voice: it speaks with its own only", self.name),
            ));
        }
        let index = match request.voice.as_ref().filter(|_| request.reference.is_none()) {
            None => 0,
            Some(name) => self.engine.find(name).ok_or_else(|| self.no_voice(name))?,
        };
        let Some(voice) = voices.get(index) else {
            return match (&request.reference, self.engine.imitates()) {
                (Some(_), _) => Ok(0),
                (None, true) => refuse(format!(
                    "{} has no voice of its own: give it the sound of one that it shall imitate",
                    self.name
                )),
                (None, false) => refuse(format!("{} has no voice", self.name)),
            };
        };
        let base = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_lowercase();
        // A voice that is imitated speaks what any of the model's own does.
        let speaks = |language: &str| {
            let known = |voice: &Voice| base(language) == base(&voice.language);
            known(voice) || request.reference.is_some() && voices.iter().any(known)
        };
        match &request.language {
            Some(language) if !speaks(language) => refuse(format!(
                "the voice {} speaks {}, not {language}: choose another voice",
                voice.name, voice.language
            )),
            _ => Ok(index),
        }
    }

    /// A pace other than the voice's own, for one that has no other.
    fn check_pace(&self, request: &SpeakRequest, steps: &[Step]) -> Result<()> {
        let rates = steps.iter().filter_map(|step| match step {
            Step::Passage(passage) => Some(passage.speed),
            Step::Pause(_) => None,
        });
        let other = std::iter::once(request.speed).chain(rates).find(|speed| *speed != 1.0);
        match other.filter(|_| self.engine.has_one_pace()) {
            Some(speed) => Err(Error::new(
                ErrorKind::Unsupported,
                format!("{} speaks at its own pace only: leave the speed at 1 (it is {speed})", self.name),
            )),
            None => Ok(()),
        }
    }

    /// Characters of the text that the voice cannot say, each once.
    fn unspoken(&self, steps: &[Step]) -> String {
        let mut all = String::new();
        let mut seen = std::collections::BTreeSet::new();
        let passages = steps.iter().filter_map(|step| match step {
            Step::Passage(passage) => Some(passage.text.as_str()),
            Step::Pause(_) => None,
        });
        for c in passages.flat_map(str::chars) {
            if !c.is_whitespace() && !self.engine.can_say(c) && seen.insert(c) {
                all.push(c);
            }
        }
        all
    }
}

impl Speak for Speaker {
    fn speak(&self, request: SpeakRequest) -> Result<EventStream<SpeechEvent>> {
        let begun = Instant::now();
        request.check()?;
        let voice = self.chosen(&request)?;
        let steps = steps(&request.text, self.engine.takes_phonemes())?;
        self.check_pace(&request, &steps)?;
        let unspoken = self.unspoken(&steps);
        let sayable = |step: &Step| match step {
            Step::Passage(passage) => {
                passage.text.chars().any(|c| !c.is_whitespace() && !is_mark(c) && self.engine.can_say(c))
            }
            Step::Pause(_) => false,
        };
        if !steps.iter().any(sayable) {
            return Err(self.nothing(&request, &unspoken, voice));
        }
        let seed = match request.seed {
            Some(seed) => seed,
            None => getrandom::u64().map_err(|e| {
                Error::new(ErrorKind::Internal, format!("the system gives no random numbers: {e}"))
            })?,
        };
        let (sender, receiver) = channel(AHEAD);
        let job = Job {
            engine: Arc::clone(&self.engine),
            name: self.name.clone(),
            request,
            steps,
            voice,
            seed,
            unspoken,
            begun,
        };
        std::thread::Builder::new()
            .name("parasol-speech".into())
            .spawn(move || job.run(sender))
            .map_err(|e| Error::from(e).within("cannot start a thread to speak"))?;
        Ok(EventStream::new(receiver))
    }

    fn voices(&self) -> Vec<Voice> {
        self.engine.voices().to_vec()
    }

    fn voice(&self, name: &str) -> Option<Voice> {
        self.engine.find(name).and_then(|at| self.engine.voices().get(at)).cloned()
    }

    fn imitates(&self) -> bool {
        self.engine.imitates()
    }
}

/// The ONNX file of a Piper voice: the file itself, or the one in a folder that has its alphabet beside it.
fn piper(path: &Path) -> Result<Option<std::path::PathBuf>> {
    let has_alphabet = |file: &Path| {
        let mut name = file.as_os_str().to_owned();
        name.push(".json");
        Path::new(&name).is_file()
    };
    if path.is_file() {
        return Ok(has_alphabet(path).then(|| path.to_owned()));
    }
    let mut found: Vec<_> = std::fs::read_dir(path)
        .map_err(|e| Error::from(e).within(format!("cannot read the folder {}", path.display())))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|file| file.extension().is_some_and(|e| e == "onnx") && has_alphabet(file))
        .collect();
    found.sort();
    match &found[..] {
        [_, second, ..] => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "the folder {} holds several voices: name one, such as {}",
                path.display(),
                second.display()
            ),
        )),
        _ => Ok(found.pop()),
    }
}

/// Punctuation is heard only beside words.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation()
        && !matches!(c, '%' | '&' | '+' | '@' | '=' | '/' | '$' | '#' | '*' | '<' | '>' | '^' | '~')
        || "…—–‘’“”«»¿¡".contains(c)
        || c.is_control()
}

impl Speaker {
    fn nothing(&self, request: &SpeakRequest, unspoken: &str, voice: usize) -> Error {
        let voice = self.engine.voices().get(voice);
        let (name, language) = voice.map_or(("", ""), |voice| (&voice.name, &voice.language));
        let shown: String = unspoken.chars().take(12).collect();
        let message = match (request.text.trim().is_empty(), shown.is_empty()) {
            (true, _) => "there is no text to speak: write one, or pipe it in".to_owned(),
            (_, true) => "the text has punctuation only: there is nothing to speak".to_owned(),
            _ => format!(
                "nothing in the text can be spoken: the voice {name} speaks {language} and has no sound for {shown:?}"
            ),
        };
        Error::new(ErrorKind::InvalidRequest, message)
    }
}

/// One request on its way.
struct Job {
    engine: Arc<dyn Engine>,
    name: String,
    request: SpeakRequest,
    steps: Vec<Step>,
    voice: usize,
    seed: u64,
    unspoken: String,
    begun: Instant,
}

/// The end of work: the reader has left, or an error, which has been sent.
type Go = ControlFlow<()>;

/// What goes to the reader.
struct Output {
    sender: Sender<Result<SpeechEvent>>,
    samples: u64,
    phonemes: usize,
    first: Option<Duration>,
    begun: Instant,
    /// Where a voice is imitated. All sound goes through here, so that none of it is without the mark.
    marker: Option<Marker>,
}

impl Output {
    /// Sends, after waiting for room. Breaks off when nobody reads any more.
    fn send(&mut self, event: Result<SpeechEvent>) -> Go {
        let failed = event.is_err();
        let ready = wait(|cx| self.sender.poll_ready(cx));
        match ready.and_then(|()| self.sender.start_send(event)) {
            Ok(()) if !failed => Go::Continue(()),
            _ => Go::Break(()),
        }
    }

    fn audio(&mut self, samples: Vec<f32>, done: usize) -> Go {
        let samples = match &mut self.marker {
            Some(marker) => marker.push(&samples),
            None => samples,
        };
        self.pass(samples, done)
    }

    /// What the mark still holds back.
    fn rest(&mut self, done: usize) -> Go {
        let rest = self.marker.as_mut().map_or(Vec::new(), Marker::finish);
        self.pass(rest, done)
    }

    fn pass(&mut self, samples: Vec<f32>, done: usize) -> Go {
        if samples.is_empty() {
            return Go::Continue(());
        }
        self.samples += samples.len() as u64;
        self.first.get_or_insert_with(|| self.begun.elapsed());
        self.send(Ok(SpeechEvent::Audio { samples, done }))
    }
}

impl Job {
    fn run(self, sender: Sender<Result<SpeechEvent>>) {
        let marker = self.request.reference.is_some().then(|| Marker::new(self.engine.rate()));
        let mut out = Output { sender, samples: 0, phonemes: 0, first: None, begun: self.begun, marker };
        // A panic is this project's fault: who listens is told.
        match catch_unwind(AssertUnwindSafe(|| self.speak(&mut out))) {
            Ok(Go::Continue(())) => {}
            Ok(Go::Break(())) => return,
            Err(_) => {
                let message = "the speech failed in a way that it never should";
                // If nobody listens any more there is nobody to tell.
                let _ = out.send(Err(Error::new(ErrorKind::Internal, message)));
                return;
            }
        }
        let usage = SpeechUsage {
            characters: self.request.text.chars().count(),
            phonemes: out.phonemes,
            audio: Duration::from_secs_f64(out.samples as f64 / f64::from(self.engine.rate())),
            unspoken: self.unspoken,
            cost: None,
        };
        let total = self.begun.elapsed();
        let timings = SpeechTimings { first_audio: out.first.unwrap_or(total), total };
        // Nobody waits for an answer to the last event.
        let _ = out.send(Ok(SpeechEvent::Finished { usage, timings }));
    }

    fn speak(&self, out: &mut Output) -> Go {
        let own = || self.engine.voices().get(self.voice).map_or(String::new(), |voice| voice.name.clone());
        let voice = self.request.reference.as_ref().map_or_else(own, |reference| reference.name.clone());
        out.send(Ok(SpeechEvent::Started {
            model: self.name.clone(),
            voice,
            rate: self.engine.rate(),
            total: self.request.text.len(),
            seed: self.seed,
        }))?;
        let mut speaking = match &self.request.reference {
            None => self.engine.begin(self.voice, self.seed),
            Some(reference) => {
                match self.engine.begin_as(reference, self.seed, &|| !out.sender.is_closed()) {
                    Ok(speaking) => speaking,
                    Err(error) => return out.send(Err(error)),
                }
            }
        };
        let mut done = 0;
        for step in &self.steps {
            match step {
                Step::Passage(passage) => {
                    self.passage(passage, &mut *speaking, out)?;
                    done = passage.to;
                }
                Step::Pause(length) => {
                    let mut left = (length.as_secs_f32() * self.engine.rate() as f32) as usize;
                    while left > 0 {
                        let now = left.min((SILENCE * self.engine.rate() as f32) as usize);
                        out.audio(vec![0.0; now], done)?;
                        left -= now;
                    }
                }
            }
        }
        out.rest(done)
    }

    fn passage(&self, passage: &Passage, speaking: &mut dyn Speaking, out: &mut Output) -> Go {
        let speed = (self.request.speed * passage.speed).clamp(SpeakRequest::SLOWEST, SpeakRequest::FASTEST);
        let volume = self.request.volume * passage.volume;
        let places = match self.engine.places(&passage.text) {
            Ok(places) => places,
            Err(error) => return out.send(Err(error)),
        };
        for place in places {
            let done = (passage.from + place.end).min(passage.to);
            let pieces = match self.engine.phonemes(&passage.text[place]) {
                Ok(pieces) => pieces,
                Err(error) => return out.send(Err(error)),
            };
            for piece in pieces {
                if out.sender.is_closed() {
                    return Go::Break(());
                }
                let mut go = Go::Continue(());
                let spoken = speaking.stream(&piece, speed, &mut |mut samples| {
                    samples.iter_mut().for_each(|x| *x = (*x * volume).clamp(-1.0, 1.0));
                    go = out.audio(samples, done);
                    go
                });
                go?;
                match spoken {
                    Ok(phonemes) => out.phonemes += phonemes,
                    Err(error) => return out.send(Err(error)),
                }
            }
        }
        Go::Continue(())
    }
}

/// Waits on this thread until `poll` is ready.
fn wait<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(poll_fn(poll));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::park();
    }
}

fn listed(voices: &[Voice]) -> String {
    let names: Vec<_> = voices.iter().take(MOST_NAMED).map(|voice| voice.name.as_str()).collect();
    match voices.len().saturating_sub(MOST_NAMED) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}
