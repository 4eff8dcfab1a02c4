//! A loaded model and what it can do. Today every model is a language model; the engine that a file needs is chosen here
//! when there are more.

use parasol_core::{Chat, Complete, Embed, Error, ErrorKind, Result, SamplingChoice};
use parasol_hub::{LocalModel, Located, Origin};
use parasol_kernels::{Format, Isa, KV_BLOCK, KvFormat, KvShape};
use parasol_text::checkpoint::Checkpoint;
use parasol_text::engine::{
    BenchReport, BenchShape, DEFAULT_CONTEXT, EngineStats, LoadOptions as EngineOptions, TextModel,
};
use parasol_text::info::{MemoryNeed, ModelInfo};
use parasol_text::quantize::Quantize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a model is loaded. `None` leaves the choice to the engine.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Tokens that the context holds.
    pub context: Option<usize>,
    /// Tokens that the caches of all its sequences together hold; as many as the context when nothing is said.
    pub cache_tokens: Option<usize>,
    /// How keys and values are kept; in half precision when nothing is said.
    pub cache_type: Option<KvFormat>,
    /// Sequences that are computed together; more wait.
    pub sequences: Option<usize>,
    /// Threads to compute with.
    pub threads: Option<usize>,
    /// Quantise float weights to the format of this name (`q8_0`, `q4_0` …) while loading.
    pub quantize: Option<String>,
}

/// Sequences that a shared model computes together …
const MANY: usize = 64;
/// … and tokens that its cache holds for each of them on average.
const TOKENS_EACH: usize = 1024;
/// More than this is taken for a cache only on the user's word.
const MOST_CACHE: u64 = 2 << 30;

/// A loaded model. Clones share it.
#[derive(Clone)]
pub struct Model {
    reference: String,
    engine: Arc<TextModel>,
    isa: Isa,
    threads: usize,
    load_time: Duration,
    recommended: SamplingChoice,
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Model({}, context {})", self.reference, self.context())
    }
}

/// A model whose file has been opened, and nothing computed: what it needs can be asked before it is loaded.
pub(crate) struct Opened {
    reference: String,
    name: Option<String>,
    path: PathBuf,
    checkpoint: Checkpoint,
    catalogue: SamplingChoice,
    begun: Instant,
}

impl Opened {
    /// Opens the file of a model on this disk; `reference` is what finds it again.
    pub(crate) fn open(reference: &str, located: &Located) -> Result<Self> {
        let begun = Instant::now();
        let path = located.model.path().to_owned();
        if matches!(located.model, LocalModel::Whisper(_)) {
            return Err(crate::ears::not_text(&located.name));
        }
        if matches!(located.model, LocalModel::Voice(_)) {
            return Err(crate::voice::not_text(&located.name));
        }
        Ok(Self {
            reference: reference.to_owned(),
            // A file of the user's is called what it calls itself.
            name: Some(located.name.clone()).filter(|_| located.origin != Origin::Path),
            checkpoint: Checkpoint::open(&path)?,
            path,
            catalogue: located.sampling,
            begun,
        })
    }

    /// The memory that it takes when it is loaded like this. Weights that are converted are counted as they are in the file:
    /// for a while both are there.
    pub(crate) fn need(&self, options: &LoadOptions) -> MemoryNeed {
        let info = &self.checkpoint.info;
        let context = self.context(options);
        // The engine takes one row of logits more for every sequence of a step; the first is counted already.
        let rows = options.sequences.unwrap_or(1).saturating_sub(1) as u64;
        let logits = (4 * info.vocab as u64).saturating_mul(rows);
        let need = info.memory(context);
        MemoryNeed {
            cache: self.cache_bytes(options.cache_tokens.unwrap_or(context).max(context), options),
            activations: need.activations.saturating_add(logits),
            ..need
        }
    }

    /// The options with what they leave open set for many sequences at once, where models may take `budget` bytes: a cache of
    /// 64 times 1 024 tokens, but at most of 2 GiB, of a quarter of the budget and of what the rest of the model leaves of it,
    /// and at least of one context. A page of the cache takes memory only once it has been used.
    pub(crate) fn for_many(&self, options: &LoadOptions, budget: u64) -> LoadOptions {
        let options = LoadOptions { sequences: options.sequences.or(Some(MANY)), ..options.clone() };
        let least = self.need(&LoadOptions { cache_tokens: None, ..options.clone() });
        let left = budget.saturating_sub(least.total().saturating_sub(least.cache));
        let block = self.cache_bytes(KV_BLOCK, &options).max(1);
        let blocks = left.min(budget / 4).min(MOST_CACHE) / block;
        let fits = usize::try_from(blocks).unwrap_or(usize::MAX).saturating_mul(KV_BLOCK);
        let tokens = fits.min(MANY * TOKENS_EACH).max(self.context(&options));
        LoadOptions { cache_tokens: options.cache_tokens.or(Some(tokens)), ..options }
    }

    fn context(&self, options: &LoadOptions) -> usize {
        options.context.unwrap_or_else(|| self.checkpoint.info.context.min(DEFAULT_CONTEXT))
    }

    /// Bytes of the keys and values of `tokens` tokens, in the whole blocks in which they are kept.
    fn cache_bytes(&self, tokens: usize, options: &LoadOptions) -> u64 {
        let it = &self.checkpoint.blueprint;
        let format = options.cache_type.unwrap_or_default();
        let shape = KvShape { kv_heads: it.kv_heads, head_dim: it.head_dim, format };
        let halves = (shape.key_block() as u64).saturating_add(shape.value_block() as u64);
        let block = halves.saturating_mul(2).saturating_mul(it.layers.len() as u64);
        block.saturating_mul(tokens.div_ceil(KV_BLOCK) as u64)
    }

    /// Loads it.
    pub(crate) fn load(self, options: &LoadOptions) -> Result<Model> {
        self.load_while(options, || Ok(()))
    }

    /// Loads it as long as `wanted` has no objection, which is asked before and, where weights are converted, between tensors.
    pub(crate) fn load_while(
        self,
        options: &LoadOptions,
        wanted: impl Fn() -> Result<()> + Send + Sync + 'static,
    ) -> Result<Model> {
        wanted()?;
        let isa =
            Isa::from_env_or_detect().map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))?;
        let threads = options.threads.unwrap_or_else(crate::machine::usable_threads);
        let engine = TextModel::from_checkpoint(
            self.checkpoint,
            &self.path,
            EngineOptions {
                name: self.name,
                threads: Some(threads),
                context: options.context,
                cache_tokens: options.cache_tokens,
                cache_format: options.cache_type.unwrap_or_default(),
                sequences: options.sequences,
                isa: Some(isa),
                quantize: options.quantize.as_deref().map(quantize).transpose()?,
                progress: Some(Arc::new(move |_| wanted())),
            },
        )?;
        Ok(Model {
            reference: self.reference,
            // The catalogue's word stands above the file's: it can be corrected.
            recommended: self.catalogue.or(&engine.info().sampling),
            engine: Arc::new(engine),
            isa,
            threads,
            load_time: self.begun.elapsed(),
        })
    }
}

impl Model {
    /// A name for people.
    pub fn name(&self) -> &str {
        self.engine.name()
    }

    /// What it was asked for by: this finds it again.
    pub fn reference(&self) -> &str {
        &self.reference
    }

    /// Tokens that its context holds.
    pub fn context(&self) -> usize {
        self.engine.context()
    }

    /// What its file says about itself, after any conversion.
    pub fn info(&self) -> &ModelInfo {
        self.engine.info()
    }

    /// The sampling that is recommended for it: the catalogue's word, then its file's. What a user asks for goes first.
    pub fn recommended(&self) -> &SamplingChoice {
        &self.recommended
    }

    /// The instruction set that its kernels run on.
    pub fn isa(&self) -> Isa {
        self.isa
    }

    /// Threads that compute.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How long loading took.
    pub fn load_time(&self) -> Duration {
        self.load_time
    }

    /// What its engine counts.
    pub fn stats(&self) -> EngineStats {
        self.engine.stats()
    }

    /// Its chat.
    pub fn chat(&self) -> Arc<dyn Chat> {
        Arc::clone(&self.engine) as _
    }

    /// Its completion.
    pub fn complete(&self) -> Arc<dyn Complete> {
        Arc::clone(&self.engine) as _
    }

    /// Its embedding.
    pub fn embed(&self) -> Arc<dyn Embed> {
        Arc::clone(&self.engine) as _
    }

    /// Times the computation alone.
    ///
    /// # Errors
    /// `ContextOverflow` when the context does not hold what is asked for.
    pub fn bench(&self, shape: BenchShape) -> Result<BenchReport> {
        self.engine.bench(shape)
    }
}

/// The embedding (and with it, often, the output head) suffers most from few bits: it gets 8.
fn quantize(name: &str) -> Result<Quantize> {
    let blocks = |format: &Format| format.block_len() > 1;
    let format = Format::from_name(name).filter(blocks).ok_or_else(|| {
        let names: Vec<_> =
            Format::ALL.iter().filter(|f| blocks(f)).map(|f| f.name().to_lowercase()).collect();
        let message = format!("weights cannot be quantised to {name:?}: use one of {}", names.join(", "));
        Error::new(ErrorKind::InvalidRequest, message)
    })?;
    Ok(Quantize { format, embedding: Some(Format::Q8_0) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A toy: its context holds few tokens, so that a cache for many sequences holds many contexts.
    fn toy() -> Opened {
        let path =
            PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/toy-llama3/model.gguf"));
        Opened {
            reference: "toy".into(),
            name: None,
            checkpoint: Checkpoint::open(&path).unwrap(),
            path,
            catalogue: SamplingChoice::default(),
            begun: Instant::now(),
        }
    }

    #[test]
    fn the_cache_for_many_is_bounded_by_tokens_memory_and_one_context() {
        let (toy, open) = (toy(), LoadOptions { context: Some(96), ..LoadOptions::default() });
        let tokens = |budget| toy.for_many(&open, budget).cache_tokens.unwrap();
        assert_eq!(tokens(u64::MAX), 65_536);
        assert_eq!(tokens(0), 96);
        let budget = 4 * toy.cache_bytes(1000, &open) + 4 * toy.need(&toy.for_many(&open, 0)).total();
        let (some, options) = (tokens(budget), toy.for_many(&open, budget));
        assert!(some > 1000 && some < 65_536, "{some}");
        let need = toy.need(&options);
        assert!(need.cache <= budget / 4 && need.total() <= budget, "{need:?} of {budget}");
        assert_eq!(options.sequences, Some(64));
        let own = LoadOptions { cache_tokens: Some(777), sequences: Some(3), ..open.clone() };
        let own = toy.for_many(&own, 0);
        assert_eq!((own.cache_tokens, own.sequences), (Some(777), Some(3)));
    }

    #[test]
    fn the_cache_is_counted_as_the_engine_takes_it() {
        let toy = toy();
        let need = |cache_type| {
            let options = LoadOptions { cache_tokens: Some(1000), cache_type, ..LoadOptions::default() };
            toy.need(&options).cache
        };
        let (half, eight) = (need(None), need(Some(KvFormat::Q8)));
        assert!(eight < half, "{eight} and {half}");
        let model = toy.load(&LoadOptions::default()).unwrap();
        assert_eq!(half, model.engine.cache_bytes(1000));
    }

    #[test]
    fn quantisation_is_found_by_name_in_any_case() {
        assert_eq!(quantize("q4_0").unwrap().format, Format::Q4_0);
        assert_eq!(quantize("Q4_K").unwrap().format, Format::Q4K);
        let error = quantize("q9").unwrap_err();
        assert!(error.message().contains("q8_0"), "{error}");
    }
}
