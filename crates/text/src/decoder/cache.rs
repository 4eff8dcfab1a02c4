//! Keys and values: a pool of blocks that many sequences share, and the simple case of one sequence with a pool of its own.

use super::Decoder;
use super::forward::{Logits, Span, Workspace};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{KV_BLOCK, KvFormat, KvShape, Zeroed};

/// Blocks of [`KV_BLOCK`] positions for the keys and values of every layer. Which sequence has which blocks is the caller's
/// to know. Memory is taken page by page as blocks are first written.
#[derive(Debug)]
pub struct KvPool {
    blocks: usize,
    shape: KvShape,
    layers: usize,
    /// Keys and values of layer after layer, in one piece: what is so large comes from the system as it is written, where
    /// pieces might come from memory that was used before and is zeroed at once.
    memory: Zeroed,
}

impl KvPool {
    /// Blocks that it has.
    pub fn blocks(&self) -> usize {
        self.blocks
    }

    pub(super) fn shape(&self) -> KvShape {
        self.shape
    }

    /// Keys and values of one layer.
    pub(super) fn layer(&mut self, layer: usize) -> (&mut [u16], &mut [u16]) {
        let (keys, values) = (self.blocks * self.shape.key_block(), self.blocks * self.shape.value_block());
        self.memory[layer * (keys + values)..][..keys + values].split_at_mut(keys)
    }

    /// Copies what block `from` holds to block `to`.
    ///
    /// # Panics
    /// When there is no such block.
    pub fn copy_block(&mut self, from: u32, to: u32) {
        let (from, to, blocks, shape) = (from as usize, to as usize, self.blocks, self.shape);
        for layer in 0..self.layers {
            let (keys, values) = self.layer(layer);
            for (side, block) in [(keys, shape.key_block()), (values, shape.value_block())] {
                let part = block / shape.kv_heads;
                for head in 0..shape.kv_heads {
                    let at = |block: usize| (head * blocks + block) * part;
                    side.copy_within(at(from)..at(from) + part, at(to));
                }
            }
        }
    }
}

/// The keys and values of one sequence, in half precision.
#[derive(Debug)]
pub struct KvCache {
    len: usize,
    capacity: usize,
    pool: KvPool,
    blocks: Vec<u32>,
    work: Workspace,
}

impl KvCache {
    /// Positions computed so far.
    pub fn len(&self) -> usize {
        self.len
    }

    /// No position has been computed.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Positions that it has room for.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Forgets the positions from `len` on; nothing if there are fewer.
    pub fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }
}

impl Decoder {
    /// A pool of `blocks` blocks.
    ///
    /// # Errors
    /// `OutOfMemory` when the system refuses the memory; `Unsupported` when the head size does not suit the format.
    pub fn new_pool(&self, blocks: usize, format: KvFormat) -> Result<KvPool> {
        let shape = self.kv_shape(format);
        if !shape.fits() || u32::try_from(blocks).is_err() {
            let message = format!(
                "an 8-bit cache needs heads of a multiple of 32 values; this model's have {}: use f16",
                shape.head_dim
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        let layers = self.layers.len();
        let size = (shape.key_block() + shape.value_block()).checked_mul(layers);
        let memory = size.and_then(|size| Zeroed::new(size.checked_mul(blocks)?)).ok_or_else(|| {
            Error::new(
                ErrorKind::OutOfMemory,
                format!(
                    "{} tokens need {} MB for keys and values, which the system refuses: lower --context",
                    blocks.saturating_mul(KV_BLOCK),
                    self.pool_bytes(blocks, format) >> 20
                ),
            )
        })?;
        Ok(KvPool { blocks, shape, layers, memory })
    }

    /// Bytes that `blocks` blocks of keys and values take.
    pub fn pool_bytes(&self, blocks: usize, format: KvFormat) -> u64 {
        let shape = self.kv_shape(format);
        let block = (shape.key_block() + shape.value_block()) as u64 * 2;
        (blocks as u64).saturating_mul(block).saturating_mul(self.layers.len() as u64)
    }

    /// An empty cache for one sequence of up to `capacity` tokens.
    ///
    /// # Errors
    /// As [`Decoder::new_pool`].
    pub fn new_cache(&self, capacity: usize, format: KvFormat) -> Result<KvCache> {
        let pool = self.new_pool(capacity.div_ceil(KV_BLOCK), format)?;
        // `new_pool` has checked that the number of blocks is a u32.
        let blocks = (0..pool.blocks() as u32).collect();
        Ok(KvCache { len: 0, capacity, pool, blocks, work: Workspace::default() })
    }

    /// Computes `tokens` at positions `cache.len() ..` and appends them to the cache. `logits` becomes (positions
    /// wanted, vocab).
    ///
    /// # Errors
    /// `ContextOverflow` when the cache has no room for them; `InvalidRequest` for a token outside the vocabulary.
    pub fn forward(
        &self,
        cache: &mut KvCache,
        tokens: &[u32],
        wanted: Logits,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let end = cache.len + tokens.len();
        if end > cache.capacity {
            return Err(Error::context_overflow(end, cache.capacity));
        }
        let span = Span { tokens, offset: cache.len, blocks: &cache.blocks, wanted };
        self.forward_batch(&mut cache.pool, &mut cache.work, &[span], logits)?;
        cache.len = end;
        Ok(())
    }

    /// Bytes that the keys and values of `tokens` tokens take.
    pub fn cache_bytes(&self, tokens: usize) -> u64 {
        self.pool_bytes(tokens.div_ceil(KV_BLOCK), KvFormat::F16)
    }
}
