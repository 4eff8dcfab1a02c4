//! A loaded model and what it can do. Today every model is a language model; the engine that a file needs is chosen here
//! when there are more.

use parasol_core::{Chat, Complete, Error, ErrorKind, Result, SamplingChoice};
use parasol_hub::{Located, Origin};
use parasol_kernels::{Format, Isa};
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
    /// Sequences that are computed together; more wait.
    pub sequences: Option<usize>,
    /// Threads to compute with.
    pub threads: Option<usize>,
    /// Quantise float weights to the format of this name (`q8_0`, `q4_0` …) while loading.
    pub quantize: Option<String>,
}

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
        let need = info.memory(options.context.unwrap_or_else(|| info.context.min(DEFAULT_CONTEXT)));
        let pool = |tokens: usize| info.cache_bytes_per_token.saturating_mul(tokens as u64);
        // The engine takes one row of logits more for every sequence of a step; the first is counted already.
        let rows = options.sequences.unwrap_or(1).saturating_sub(1) as u64;
        let logits = (4 * info.vocab as u64).saturating_mul(rows);
        MemoryNeed {
            cache: options.cache_tokens.map_or(need.cache, pool).max(need.cache),
            activations: need.activations.saturating_add(logits),
            ..need
        }
    }

    /// Loads it.
    pub(crate) fn load(self, options: &LoadOptions) -> Result<Model> {
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
                sequences: options.sequences,
                isa: Some(isa),
                quantize: options.quantize.as_deref().map(quantize).transpose()?,
                ..EngineOptions::default()
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

    #[test]
    fn quantisation_is_found_by_name_in_any_case() {
        assert_eq!(quantize("q4_0").unwrap().format, Format::Q4_0);
        assert_eq!(quantize("Q4_K").unwrap().format, Format::Q4K);
        let error = quantize("q9").unwrap_err();
        assert!(error.message().contains("q8_0"), "{error}");
    }
}
