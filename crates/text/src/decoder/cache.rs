//! Keys and values of one sequence, and the buffers that computing it needs.

use super::Decoder;
use super::forward::Workspace;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::KV_BLOCK;

/// The keys and values of one sequence, in half precision. Memory is taken page by page as positions fill.
#[derive(Debug)]
pub struct KvCache {
    pub(super) len: usize,
    capacity: usize,
    /// (keys, values) of each layer.
    pub(super) layers: Vec<(Vec<u16>, Vec<u16>)>,
    pub(super) work: Workspace,
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
    /// An empty cache for `capacity` tokens.
    ///
    /// # Errors
    /// `OutOfMemory` when the system refuses the memory.
    pub fn new_cache(&self, capacity: usize) -> Result<KvCache> {
        let (kv, blocks) = (self.kv_shape(), capacity.div_ceil(KV_BLOCK));
        let room = |halves: usize| {
            let size = blocks.checked_mul(halves).filter(|&n| n <= isize::MAX as usize / 2);
            // A trial reservation: `vec!` of zeros, which costs nothing until it is written, would abort instead.
            let size = size.filter(|&n| Vec::<u16>::new().try_reserve_exact(n).is_ok());
            size.map(|n| vec![0u16; n]).ok_or_else(|| {
                Error::new(
                    ErrorKind::OutOfMemory,
                    format!(
                        "a context of {capacity} tokens needs {} MB for keys and values, which the system refuses: \
                         lower --context",
                        self.cache_bytes(capacity) >> 20
                    ),
                )
            })
        };
        let layers = (0..self.layers.len())
            .map(|_| Ok((room(kv.key_block())?, room(kv.value_block())?)))
            .collect::<Result<_>>()?;
        Ok(KvCache { len: 0, capacity, layers, work: Workspace::default() })
    }

    /// Bytes that the keys and values of `tokens` tokens take.
    pub fn cache_bytes(&self, tokens: usize) -> u64 {
        let kv = self.kv_shape();
        let block = (kv.key_block() + kv.value_block()) as u64 * 2;
        (tokens.div_ceil(KV_BLOCK) as u64).saturating_mul(block).saturating_mul(self.layers.len() as u64)
    }
}
