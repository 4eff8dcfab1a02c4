//! A loaded model and what it can do. Today every model is a language model; the engine that a file needs is chosen here
//! when there are more.

use parasol_core::{Chat, Complete, Error, ErrorKind, Result, SamplingChoice};
use parasol_kernels::{Format, Isa};
use parasol_text::engine::{BenchReport, LoadOptions as EngineOptions, TextModel};
use parasol_text::info::ModelInfo;
use parasol_text::quantize::Quantize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How a model is loaded. `None` leaves the choice to the engine.
#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// Tokens that the context holds.
    pub context: Option<usize>,
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

impl Model {
    pub(crate) fn load(
        reference: &str,
        name: Option<String>,
        path: &Path,
        options: &LoadOptions,
        catalogue: &SamplingChoice,
    ) -> Result<Self> {
        let begun = Instant::now();
        let isa =
            Isa::from_env_or_detect().map_err(|e| Error::new(ErrorKind::InvalidRequest, e.to_string()))?;
        let threads = options.threads.unwrap_or_else(crate::machine::usable_threads);
        let engine = TextModel::load(
            path,
            EngineOptions {
                name,
                threads: Some(threads),
                context: options.context,
                isa: Some(isa),
                quantize: options.quantize.as_deref().map(quantize).transpose()?,
                ..EngineOptions::default()
            },
        )?;
        Ok(Self {
            reference: reference.to_owned(),
            // The catalogue's word stands above the file's: it can be corrected.
            recommended: catalogue.or(&engine.info().sampling),
            engine: Arc::new(engine),
            isa,
            threads,
            load_time: begun.elapsed(),
        })
    }

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

    /// Its chat.
    pub fn chat(&self) -> Arc<dyn Chat> {
        Arc::clone(&self.engine) as _
    }

    /// Its completion.
    pub fn complete(&self) -> Arc<dyn Complete> {
        Arc::clone(&self.engine) as _
    }

    /// Times the computation alone: `prompt` tokens at once and `generate` one by one, each with `depth` tokens already in
    /// the context.
    ///
    /// # Errors
    /// `ContextOverflow` when the context does not hold them.
    pub fn bench(&self, prompt: usize, generate: usize, depth: usize) -> Result<BenchReport> {
        self.engine.bench(prompt, generate, depth)
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
