//! One sequence computed on its own, for benchmarks and scores.

use crate::decoder::{Decoder, KvCache, Logits};
use parasol_core::Result;
use parasol_kernels::KvFormat;
use std::sync::Arc;

/// Prompt tokens that are computed at once.
pub const CHUNK: usize = super::scheduler::PREFILL;

/// A decoder with a cache of its own.
pub(super) struct Session {
    decoder: Arc<Decoder>,
    cache: KvCache,
    logits: Vec<f32>,
}

impl Session {
    /// An empty session with room for `context` tokens.
    pub(super) fn new(decoder: Arc<Decoder>, context: usize, format: KvFormat) -> Result<Self> {
        let cache = decoder.new_cache(context, format)?;
        Ok(Self { decoder, cache, logits: Vec::new() })
    }

    /// Width of the logits.
    pub(super) fn vocab(&self) -> usize {
        self.decoder.blueprint().vocab
    }

    /// Computes `tokens` after those computed, in chunks; [`Session::logits`] are then those after the last.
    pub(super) fn extend(&mut self, tokens: &[u32]) -> Result<()> {
        let chunks = tokens.len().div_ceil(CHUNK);
        for (i, chunk) in tokens.chunks(CHUNK).enumerate() {
            self.forward(chunk, if i + 1 == chunks { Logits::Last } else { Logits::None })?;
        }
        Ok(())
    }

    /// Computes one chunk.
    pub(super) fn forward(&mut self, chunk: &[u32], wanted: Logits) -> Result<()> {
        self.decoder.forward(&mut self.cache, chunk, wanted, &mut self.logits)
    }

    /// Logits of the last computation, (positions wanted, vocab).
    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }
}
