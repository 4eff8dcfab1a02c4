//! Transcription: Whisper (Radford et al. 2022) on our own kernels. [`WhisperModel`] answers [`Transcribe`] requests, one after
//! the other, on a thread of its own.

mod align;
mod cache;
pub mod checkpoint;
mod clips;
mod decoder;
mod encoder;
mod job;
mod languages;
mod mel;
mod plan;
mod rules;
mod search;
mod sound;
mod tokens;
mod turns;
mod vad;
mod window;
mod words;

pub use languages::language_name;
pub use tokens::{Special, Vocabulary};
pub use turns::{Turn, TurnSettings, Turns};

use checkpoint::{Checkpoint, Config};
use decoder::Decoder;
use encoder::{Encoder, EncoderWork};
use futures_channel::mpsc::UnboundedSender;
use job::Job;
use mel::Mel;
use parasol_core::{
    Error, ErrorKind, EventStream, Result, SoundStream, Transcribe, TranscribeRequest, TranscriptEvent,
};
use parasol_kernels::{Compute, Format, Isa};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use vad::Detector;

/// The detector of voice activity has this name beside a model's files.
pub const VOICE_ACTIVITY: &str = "silero_vad_16k.safetensors";

/// Texts that are followed side by side unless a request says otherwise.
pub const DEFAULT_BEAM: usize = 5;
/// More are refused.
const MOST_BEAMS: usize = 16;
/// The longest prompt that is read, in bytes.
const LONGEST_PROMPT: usize = 64 << 10;

/// How a model is loaded.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// What answers call the model; `None` takes the file's name.
    pub name: Option<String>,
    /// Threads that compute; `None` takes what the machine offers.
    pub threads: Option<usize>,
    /// The instruction set; `None` takes `PARASOL_ISA`, or else the best that the processor has.
    pub isa: Option<Isa>,
    /// What the decoder's weights are rounded to; `None` leaves them as they are stored. The encoder's always stay.
    pub decoder_format: Option<Format>,
    /// The voice activity detector; `None` takes [`VOICE_ACTIVITY`] beside the model, if it is there.
    pub voice_activity: Option<PathBuf>,
}

/// What the worker owns.
pub(crate) struct Engine {
    pub(crate) name: String,
    pub(crate) compute: Arc<Compute>,
    pub(crate) config: Config,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) special: Special,
    pub(crate) encoder: Encoder,
    pub(crate) decoder: Decoder,
    pub(crate) detector: Option<Detector>,
}

/// A speech model in memory. Dropping it ends its thread after the requests that it has.
pub struct WhisperModel {
    engine: Arc<Engine>,
    jobs: Sender<Job>,
}

impl std::fmt::Debug for WhisperModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WhisperModel({})", self.engine.name)
    }
}

impl WhisperModel {
    /// Loads a folder or a file: see [`Checkpoint::open`].
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`]; `Corrupt` for tensors that are missing or have the wrong shape.
    pub fn load(path: &Path, options: LoadOptions) -> Result<Self> {
        Self::from_checkpoint(Checkpoint::open(path)?, path, options)
    }

    /// Loads an opened checkpoint; `path` is where it came from.
    ///
    /// # Errors
    /// As [`WhisperModel::load`].
    pub fn from_checkpoint(checkpoint: Checkpoint, path: &Path, options: LoadOptions) -> Result<Self> {
        let threads = options
            .threads
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, std::num::NonZero::get));
        let isa = match options.isa {
            Some(isa) => isa,
            None => {
                Isa::from_env_or_detect().map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))?
            }
        };
        let compute = Arc::new(Compute::new(isa, threads));
        let folder = if path.is_dir() { Some(path) } else { path.parent() };
        let beside = || folder.map(|folder| folder.join(VOICE_ACTIVITY)).filter(|file| file.is_file());
        let detector = options.voice_activity.or_else(beside);
        let detector = detector.map(|file| Detector::open(&file, compute.clone())).transpose()?;
        let load = || -> Result<(Encoder, Decoder)> {
            let format = options.decoder_format;
            Ok((
                Encoder::new(&checkpoint, compute.clone())?,
                Decoder::new(&checkpoint, compute.clone(), format, threads)?,
            ))
        };
        let (encoder, decoder) = load().map_err(|e| e.within(path.display()))?;
        let name = options.name.or_else(|| path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        let engine = Arc::new(Engine {
            name: name.unwrap_or_else(|| "whisper".into()),
            special: Special::of(checkpoint.config.vocabulary),
            config: checkpoint.config,
            vocabulary: checkpoint.vocabulary,
            compute,
            encoder,
            decoder,
            detector,
        });
        let (jobs, queue) = mpsc::channel();
        let worker = Arc::clone(&engine);
        std::thread::Builder::new()
            .name("parasol-audio".into())
            .spawn(move || work(&worker, &queue))
            .map_err(|e| Error::from(e).within("cannot start the engine's thread"))?;
        Ok(Self { engine, jobs })
    }

    /// What the model is called.
    pub fn name(&self) -> &str {
        &self.engine.name
    }

    /// Its sizes.
    pub fn config(&self) -> &Config {
        &self.engine.config
    }

    /// Whether it can tell speech from silence before it transcribes.
    pub fn has_voice_activity(&self) -> bool {
        self.engine.detector.is_some()
    }

    /// The log-mel frames of up to 30 seconds at 16 kHz and what the encoder makes of them, (frames, mels) and (audio context,
    /// width): for tests of parity and tools.
    pub fn encode(&self, samples: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let engine = &self.engine;
        let mut mel =
            job::window_of(&mut Mel::new(engine.config.mels), engine, samples, samples.len() / mel::HOP);
        mel.resize(engine.encoder.frames() * engine.config.mels, 0.0);
        let encoded = engine.encoder.encode(&mel, &mut EncoderWork::default());
        (mel, encoded)
    }

    /// Finds turns of speech in a sound as it comes; `None` without a detector.
    pub fn turns(&self, settings: TurnSettings) -> Option<Turns> {
        self.has_voice_activity().then(|| Turns::new(Arc::clone(&self.engine), settings))
    }

    /// The probability of speech in each 32 ms of a sound at 16 kHz; nothing without a detector.
    pub fn speech_probabilities(&self, samples: &[f32]) -> Vec<f32> {
        let listen = |detector: &Detector| detector.listen(samples, &mut vad::Memory::default());
        self.engine.detector.as_ref().map(listen).unwrap_or_default()
    }
}

impl Transcribe for WhisperModel {
    fn transcribe(
        &self,
        sound: SoundStream,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>> {
        let plan = plan::Plan::new(&self.engine, &request)?;
        let (events, stream): (UnboundedSender<Result<TranscriptEvent>>, _) =
            futures_channel::mpsc::unbounded();
        let job = Job::new(sound, plan, events);
        let gone =
            || Error::new(ErrorKind::Internal, "the engine's thread has stopped; load the model again");
        self.jobs.send(job).map_err(|_| gone())?;
        Ok(EventStream::new(stream))
    }
}

/// Does the jobs in the order in which they come.
fn work(engine: &Engine, queue: &Receiver<Job>) {
    let mut desk = job::Desk::new(engine);
    while let Ok(job) = queue.recv() {
        // A job that panics is this project's fault, not the next one's problem; its caller is told.
        let events = job.events();
        let run = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job.run(engine, &mut desk)));
        if run.is_err() {
            let error =
                Error::new(ErrorKind::Internal, "the transcription failed in a way that it never should");
            // If nobody listens any more there is nobody to tell.
            let _ = events.unbounded_send(Err(error));
            desk = job::Desk::new(engine);
        }
    }
}
