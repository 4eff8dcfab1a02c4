//! The engine: a loaded model that answers [`Chat`] and [`Complete`] requests, many at once. A thread of its own owns the cache
//! and computes them in common batches; what requests mean in tokens is [`crate::prompt`]'s, the arithmetic is
//! [`crate::decoder`]'s.

mod bench;
mod embed;
mod events;
mod scheduler;
mod score;
mod session;
mod stats;
mod worker;

pub use bench::{BenchReport, BenchShape};
pub use score::{PositionScore, perplexity};
pub use session::CHUNK;
pub use stats::EngineStats;

use crate::checkpoint::Checkpoint;
use crate::decoder::Decoder;
use crate::grammar::LazyGrammars;
use crate::info::ModelInfo;
use crate::prompt::{self, Plan};
use crate::quantize::{self, Progress, Quantize};
use crate::sampler::Sampler;
use crate::template::ChatTemplate;
use crate::tokenizer::Tokenizer;
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Error, ErrorKind, EventStream, GenerationEvent, Result,
    Sampling,
};
use parasol_kernels::{Compute, Isa, KvFormat};
use scheduler::{Limits, Place, Scheduler, Sequence};
use session::Session;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use worker::Worker;

/// Longest context that is set up unless the caller asks for more.
pub const DEFAULT_CONTEXT: usize = 8192;

/// Sequences that are computed together unless the caller says otherwise.
const SEQUENCES: usize = 64;

/// More alternatives than this for each token would make an answer larger than its model.
const MOST_LOGPROBS: usize = 1024;

/// What is told how far a conversion has come, and may end it.
pub type OnProgress = dyn Fn(Progress) -> Result<()> + Send + Sync;

/// How to load a model.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// What answers call the model; `None` takes the checkpoint's own name, or the file's.
    pub name: Option<String>,
    /// Threads that compute; `None` takes what the machine offers.
    pub threads: Option<usize>,
    /// Tokens that the context holds; `None` takes the model's own, at most 8 192.
    pub context: Option<usize>,
    /// Tokens that the cache of all sequences together holds; `None` takes the context. Memory is taken as it fills.
    pub cache_tokens: Option<usize>,
    /// How keys and values are kept.
    pub cache_format: KvFormat,
    /// Sequences that are computed together; `None` takes 64. More wait.
    pub sequences: Option<usize>,
    /// The instruction set; `None` takes `PARASOL_ISA`, or else the best that the processor has.
    pub isa: Option<Isa>,
    /// Convert float weights while loading.
    pub quantize: Option<Quantize>,
    /// Told after each converted tensor; an error ends the loading.
    pub progress: Option<Arc<OnProgress>>,
}

/// What requests share, besides the worker.
struct Shared {
    name: String,
    tokenizer: Tokenizer,
    template: Result<Option<ChatTemplate>>,
    grammars: LazyGrammars,
}

impl Shared {
    fn template(&self) -> Result<&ChatTemplate> {
        let template = self.template.as_ref().map_err(Clone::clone)?;
        template.as_ref().ok_or_else(|| ChatTemplate::missing(&self.name))
    }
}

/// A language model in memory. Dropping it ends its worker after the requests that it has.
pub struct TextModel {
    shared: Arc<Shared>,
    decoder: Arc<Decoder>,
    info: ModelInfo,
    context: usize,
    cache_format: KvFormat,
    stats: Arc<Mutex<EngineStats>>,
    /// Whose turn it is to embed.
    turns: Arc<embed::Turns>,
    worker: Arc<Worker>,
}

impl TextModel {
    /// Loads a GGUF file or a Hugging Face folder.
    ///
    /// # Errors
    /// Those of [`Checkpoint::open`]; `InvalidRequest` for a context of no tokens or more than the model was trained for,
    /// or for an instruction set that this processor lacks; `OutOfMemory` when the cache does not fit.
    pub fn load(path: &Path, options: LoadOptions) -> Result<Self> {
        Self::from_checkpoint(Checkpoint::open(path)?, path, options)
    }

    /// Loads an opened checkpoint; `path` is where it came from.
    ///
    /// # Errors
    /// As [`TextModel::load`].
    pub fn from_checkpoint(checkpoint: Checkpoint, path: &Path, options: LoadOptions) -> Result<Self> {
        let Checkpoint { blueprint, mut weights, tokenizer, template, mut info } = checkpoint;
        let context = context(options.context, blueprint.context)?;
        let threads = options.threads.unwrap_or_else(available_threads).max(1);
        let isa = match options.isa {
            Some(isa) => isa,
            None => {
                Isa::from_env_or_detect().map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))?
            }
        };
        if let Some(choice) = options.quantize {
            let report = |progress| options.progress.iter().try_for_each(|tell| tell(progress));
            weights = quantize::quantize(weights, &blueprint, choice, threads, &mut { report })?;
            let ModelInfo { about, chat_template, sampling, pooling, file_bytes, .. } = info;
            info = ModelInfo::new(&blueprint, &weights, about, chat_template, file_bytes);
            (info.sampling, info.pooling) = (sampling, pooling);
        }
        let name =
            options.name.or_else(|| info.about.name.clone()).or_else(|| stem(path)).unwrap_or_default();
        let decoder = Arc::new(Decoder::new(blueprint, &weights, Arc::new(Compute::new(isa, threads)))?);
        let limits = Limits {
            cache_tokens: options.cache_tokens.unwrap_or(context).max(context),
            cache_format: options.cache_format,
            sequences: options.sequences.unwrap_or(SEQUENCES).max(1),
        };
        let stats = Arc::default();
        let worker = Arc::new(Worker::start(Scheduler::new(decoder.clone(), limits, Arc::clone(&stats))?)?);
        let shared = Arc::new(Shared { name, tokenizer, template, grammars: LazyGrammars::new() });
        let (cache_format, turns) = (options.cache_format, Arc::default());
        Ok(Self { shared, decoder, info, context, cache_format, stats, turns, worker })
    }

    /// What the model is called.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The checkpoint in numbers, after any conversion.
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Tokens that the context holds.
    pub fn context(&self) -> usize {
        self.context
    }

    /// Text to tokens and back.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.shared.tokenizer
    }

    /// Bytes of the keys and values of `tokens` tokens.
    pub fn cache_bytes(&self, tokens: usize) -> u64 {
        self.decoder.cache_bytes(tokens)
    }

    /// What the engine counts: as it was after the last step.
    pub fn stats(&self) -> EngineStats {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Log-probabilities along `tokens`, and of `columns` at each position. Requests wait meanwhile.
    ///
    /// # Errors
    /// `ContextOverflow` for more tokens than the context holds, `InvalidRequest` for none or for unknown ids.
    pub fn score(&self, tokens: &[u32], columns: &[u32]) -> Result<Vec<PositionScore>> {
        self.check_prompt(tokens, tokens.len())?;
        let (tokens, columns) = (tokens.to_vec(), columns.to_vec());
        let (decoder, context, format) = (self.decoder.clone(), tokens.len(), self.cache_format);
        self.worker
            .alone(move || score::score(&mut Session::new(decoder, context, format)?, &tokens, &columns))
    }

    /// Times a prompt and a generation with tokens already in the context: computation only, on random tokens. Requests wait
    /// meanwhile.
    ///
    /// # Errors
    /// `ContextOverflow` when the context does not hold them, `OutOfMemory` when the sequences' caches do not fit.
    pub fn bench(&self, shape: BenchShape) -> Result<BenchReport> {
        let (decoder, context) = (self.decoder.clone(), self.context);
        self.worker.alone(move || bench::bench(&decoder, context, shape))
    }

    fn check_prompt(&self, prompt: &[u32], needed: usize) -> Result<()> {
        if prompt.is_empty() {
            let message = "the prompt has no tokens: give at least one character";
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        if needed > self.context {
            return Err(Error::context_overflow(needed, self.context));
        }
        let vocab = self.info.vocab;
        match prompt.iter().find(|id| **id as usize >= vocab) {
            Some(id) => Err(Error::new(
                ErrorKind::InvalidRequest,
                format!("there is no token {id}: ids are below {vocab}"),
            )),
            None => Ok(()),
        }
    }

    fn generate(&self, plan: Plan, ask: Ask) -> Result<EventStream<GenerationEvent>> {
        let asked = Instant::now();
        let Plan { prompt, constraint, answer } = plan;
        // One token of room, or there would be nothing to answer with; where `max_tokens` reaches beyond the context the
        // answer ends there, with `Length`.
        let room = usize::from(ask.max_tokens != Some(0));
        self.check_prompt(&prompt, prompt.len() + room)?;
        if let Some(asked) = ask.logprobs.filter(|n| *n > MOST_LOGPROBS) {
            let message =
                format!("logprobs is {asked}; at most {MOST_LOGPROBS} alternatives are reported for a token");
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let (events, stream) = events::channel();
        self.worker.generate(Sequence {
            shared: self.shared.clone(),
            client: ask.client,
            prompt: prompt.len(),
            known: prompt,
            echo: ask.echo,
            sampler: Sampler::new(
                &ask.sampling,
                self.shared.tokenizer.vocabulary_size(),
                self.decoder.compute().isa(),
            )?,
            constraint,
            answer,
            max_tokens: ask.max_tokens,
            context: self.context,
            logprobs: ask.logprobs,
            events,
            asked,
            place: Place::default(),
        })?;
        Ok(stream)
    }
}

/// What both kinds of request ask besides their prompt.
struct Ask {
    client: String,
    sampling: Sampling,
    max_tokens: Option<usize>,
    logprobs: Option<usize>,
    echo: Option<String>,
}

impl Chat for TextModel {
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>> {
        let Shared { tokenizer, grammars, .. } = &*self.shared;
        let plan = prompt::chat_plan(self.shared.template()?, tokenizer, grammars, &request, self.context)?;
        let ChatRequest { client, sampling, max_tokens, logprobs, .. } = request;
        self.generate(plan, Ask { client, sampling, max_tokens, logprobs, echo: None })
    }

    fn count_tokens(&self, request: &ChatRequest) -> Result<usize> {
        prompt::count_chat(self.shared.template()?, &self.shared.tokenizer, request, self.context)
    }
}

impl Complete for TextModel {
    fn complete(&self, request: CompleteRequest) -> Result<EventStream<GenerationEvent>> {
        let Shared { tokenizer, grammars, .. } = &*self.shared;
        let plan = prompt::complete_plan(tokenizer, grammars, &request, self.context)?;
        let CompleteRequest { prompt: text, client, sampling, max_tokens, logprobs, echo, .. } = request;
        self.generate(plan, Ask { client, sampling, max_tokens, logprobs, echo: echo.then_some(text) })
    }

    fn count_tokens(&self, request: &CompleteRequest) -> Result<usize> {
        prompt::count_complete(&self.shared.tokenizer, request, self.context)
    }
}

fn context(asked: Option<usize>, trained: usize) -> Result<usize> {
    match asked {
        None => Ok(trained.min(DEFAULT_CONTEXT)),
        Some(n) if (1..=trained).contains(&n) => Ok(n),
        Some(n) => Err(Error::new(
            ErrorKind::InvalidRequest,
            format!(
                "a context of {n} tokens was asked for; the model was trained for {trained}: ask for 1 to {trained}"
            ),
        )),
    }
}

fn available_threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn stem(path: &Path) -> Option<String> {
    path.file_stem().and_then(|s| s.to_str()).map(str::to_owned)
}
