//! The engine: a loaded model that answers [`Chat`] and [`Complete`] requests. A worker thread owns the cache and takes one
//! request after the other; what requests mean in tokens is [`crate::prompt`]'s, the arithmetic is [`crate::decoder`]'s.

mod bench;
mod events;
mod generate;
mod score;
mod session;
mod stats;
mod worker;

pub use bench::BenchReport;
pub use score::{PositionScore, perplexity};
pub use session::CHUNK;
pub use stats::EngineStats;

use crate::checkpoint::Checkpoint;
use crate::decoder::Decoder;
use crate::info::ModelInfo;
use crate::prompt;
use crate::quantize::{self, Progress, Quantize};
use crate::sampler::Sampler;
use crate::template::ChatTemplate;
use crate::tokenizer::{TextStream, Tokenizer};
use generate::Generation;
use parasol_core::{
    Chat, ChatRequest, Complete, CompleteRequest, Error, ErrorKind, EventStream, GenerationEvent, Result,
    Sampling,
};
use parasol_kernels::{Compute, Isa};
use session::Session;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use worker::Worker;

/// Longest context that is set up unless the caller asks for more.
pub const DEFAULT_CONTEXT: usize = 8192;

/// More alternatives than this for each token would make an answer larger than its model.
const MOST_LOGPROBS: usize = 1024;

/// How to load a model.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// What answers call the model; `None` takes the checkpoint's own name, or the file's.
    pub name: Option<String>,
    /// Threads that compute; `None` takes what the machine offers.
    pub threads: Option<usize>,
    /// Tokens that the context holds; `None` takes the model's own, at most 8 192.
    pub context: Option<usize>,
    /// The instruction set; `None` takes `PARASOL_ISA`, or else the best that the processor has.
    pub isa: Option<Isa>,
    /// Convert float weights while loading.
    pub quantize: Option<Quantize>,
    /// Told after each converted tensor.
    pub progress: Option<Arc<dyn Fn(Progress) + Send + Sync>>,
}

/// What requests share, besides the worker.
struct Shared {
    name: String,
    tokenizer: Tokenizer,
    template: Result<Option<ChatTemplate>>,
}

/// A language model in memory. Dropping it ends its worker after the requests that it has.
pub struct TextModel {
    shared: Arc<Shared>,
    decoder: Arc<Decoder>,
    info: ModelInfo,
    context: usize,
    worker: Worker,
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
            let report = |progress| options.progress.iter().for_each(|tell| tell(progress));
            weights = quantize::quantize(weights, &blueprint, choice, threads, &mut { report })?;
            info = ModelInfo::new(&blueprint, &weights, info.about, info.chat_template, info.file_bytes);
        }
        let name =
            options.name.or_else(|| info.about.name.clone()).or_else(|| stem(path)).unwrap_or_default();
        let decoder = Arc::new(Decoder::new(blueprint, &weights, Arc::new(Compute::new(isa, threads)))?);
        let worker = Worker::start(Session::new(decoder.clone(), context)?)?;
        Ok(Self { shared: Arc::new(Shared { name, tokenizer, template }), decoder, info, context, worker })
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

    /// What the engine counts, as far as it is known.
    pub fn stats(&self) -> EngineStats {
        EngineStats::default()
    }

    /// Log-probabilities along `tokens`, and of `columns` at each position. Forgets the cached conversation.
    ///
    /// # Errors
    /// `ContextOverflow` for more tokens than the context holds, `InvalidRequest` for none or for unknown ids.
    pub fn score(&self, tokens: &[u32], columns: &[u32]) -> Result<Vec<PositionScore>> {
        self.check_prompt(tokens, tokens.len())?;
        let (tokens, columns) = (tokens.to_vec(), columns.to_vec());
        self.worker.run(move |session| score::score(session, &tokens, &columns))
    }

    /// Times a prompt and a generation with `depth` tokens already in the context: computation only, on random tokens.
    ///
    /// # Errors
    /// `ContextOverflow` when the context does not hold them.
    pub fn bench(&self, prompt_tokens: usize, generated_tokens: usize, depth: usize) -> Result<BenchReport> {
        let bytes = self.decoder.bytes_per_token();
        self.worker.run(move |session| bench::bench(session, prompt_tokens, generated_tokens, depth, bytes))
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

    fn generate(&self, prompt: Vec<u32>, ask: Ask) -> Result<EventStream<GenerationEvent>> {
        let asked = Instant::now();
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
        let generation = Generation {
            shared: self.shared.clone(),
            sampler: Sampler::new(&ask.sampling, self.shared.tokenizer.vocabulary_size())?,
            text: TextStream::new(&ask.stop)?,
            prompt,
            echo: ask.echo,
            max_tokens: ask.max_tokens,
            logprobs: ask.logprobs,
            events,
            asked,
        };
        self.worker.submit(move |session| generation.run(session))?;
        Ok(stream)
    }
}

/// What both kinds of request ask besides their prompt.
struct Ask {
    sampling: Sampling,
    max_tokens: Option<usize>,
    stop: Vec<String>,
    logprobs: Option<usize>,
    echo: Option<String>,
}

impl Chat for TextModel {
    fn chat(&self, request: ChatRequest) -> Result<EventStream<GenerationEvent>> {
        let Shared { name, tokenizer, template } = &*self.shared;
        let template =
            template.as_ref().map_err(Clone::clone)?.as_ref().ok_or_else(|| ChatTemplate::missing(name))?;
        let prompt = prompt::chat(template, tokenizer, &request)?;
        let ChatRequest { sampling, max_tokens, stop, logprobs, .. } = request;
        self.generate(prompt, Ask { sampling, max_tokens, stop, logprobs, echo: None })
    }

    fn count_tokens(&self, request: &ChatRequest) -> Result<usize> {
        let Shared { name, tokenizer, template } = &*self.shared;
        let template =
            template.as_ref().map_err(Clone::clone)?.as_ref().ok_or_else(|| ChatTemplate::missing(name))?;
        Ok(prompt::chat(template, tokenizer, request)?.len())
    }
}

impl Complete for TextModel {
    fn complete(&self, request: CompleteRequest) -> Result<EventStream<GenerationEvent>> {
        let prompt = prompt::complete(&self.shared.tokenizer, &request)?;
        let CompleteRequest { prompt: text, sampling, max_tokens, stop, logprobs, echo, .. } = request;
        self.generate(prompt, Ask { sampling, max_tokens, stop, logprobs, echo: echo.then_some(text) })
    }

    fn count_tokens(&self, request: &CompleteRequest) -> Result<usize> {
        Ok(prompt::complete(&self.shared.tokenizer, request)?.len())
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
