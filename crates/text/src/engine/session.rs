//! The tokens that have been computed and their keys and values: one conversation, continued where the next prompt
//! shares its beginning. The rule is that computed tokens catch up with known ones.

use crate::decoder::{Decoder, KvCache, Logits};
use crate::sampler::Sampler;
use parasol_core::Result;
use std::sync::Arc;

/// Prompt tokens that are computed at once. A cancelled request stops at the end of one.
pub const CHUNK: usize = 512;

/// A decoder with its cache. `tokens` are those that the cache holds.
pub(super) struct Session {
    decoder: Arc<Decoder>,
    cache: KvCache,
    tokens: Vec<u32>,
    logits: Vec<f32>,
}

impl Session {
    /// An empty session with room for `context` tokens.
    pub(super) fn new(decoder: Arc<Decoder>, context: usize) -> Result<Self> {
        let cache = decoder.new_cache(context)?;
        Ok(Self { decoder, cache, tokens: Vec::new(), logits: Vec::new() })
    }

    /// Tokens that the context holds.
    pub(super) fn context(&self) -> usize {
        self.cache.capacity()
    }

    /// Tokens computed.
    pub(super) fn len(&self) -> usize {
        self.tokens.len()
    }

    /// Width of the logits.
    pub(super) fn vocab(&self) -> usize {
        self.decoder.blueprint().vocab
    }

    /// Forgets all but the first `len` tokens.
    pub(super) fn truncate(&mut self, len: usize) {
        self.tokens.truncate(len);
        self.cache.truncate(len);
    }

    /// Keeps what `prompt` shares with the tokens computed, but for its last token, whose logits are wanted. Returns
    /// how many tokens that saves.
    pub(super) fn reuse(&mut self, prompt: &[u32]) -> usize {
        let last = prompt.len().saturating_sub(1);
        let shared = self.tokens.iter().zip(&prompt[..last]).take_while(|(a, b)| a == b).count();
        self.truncate(shared);
        shared
    }

    /// Computes `tokens` after those computed, in chunks, and calls `after` with the number of tokens computed in all
    /// after each; `false` stops. Returns whether it ran to the end; then [`Session::logits`] are those after the last.
    pub(super) fn extend(&mut self, tokens: &[u32], mut after: impl FnMut(usize) -> bool) -> Result<bool> {
        let chunks = tokens.len().div_ceil(CHUNK);
        for (i, chunk) in tokens.chunks(CHUNK).enumerate() {
            let wanted = if i + 1 == chunks { Logits::Last } else { Logits::None };
            self.forward(chunk, wanted)?;
            if !after(self.len()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Computes one chunk.
    pub(super) fn forward(&mut self, chunk: &[u32], wanted: Logits) -> Result<()> {
        let before = self.tokens.len();
        match self.decoder.forward(&mut self.cache, chunk, wanted, &mut self.logits) {
            Ok(()) => {
                self.tokens.extend_from_slice(chunk);
                Ok(())
            }
            Err(e) => {
                self.truncate(before);
                Err(e)
            }
        }
    }

    /// Logits of the last computation, (positions wanted, vocab).
    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Draws the next token from the first `known` ones: an embedding may have more rows than there are tokens.
    pub(super) fn sample(&mut self, sampler: &mut Sampler, known: usize) -> Result<u32> {
        let known = known.min(self.logits.len());
        sampler.sample(&mut self.logits[..known], &self.tokens)
    }
}
