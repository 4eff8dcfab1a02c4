//! Where keys and values lie in a layer's cache.
//!
//! A cache is a number of blocks of [`KV_BLOCK`] positions; a sequence owns a list of them in any order. Keys and values of one
//! head lie together, block after block, so that a sequence with neighbouring blocks is read as one stream: keys are
//! (kv_heads, blocks, head_dim, positions), so that one vector holds the same dimension of neighbouring positions and
//! scores need no horizontal sums; values are (kv_heads, blocks, positions, padded head_dim), so that one vector holds
//! neighbouring dimensions.

/// Positions in a block of the cache.
pub const KV_BLOCK: usize = 32;

/// Dimensions of a head that share a scale in an 8-bit cache.
pub(super) const GROUP: usize = 32;

/// How keys and values are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KvFormat {
    /// Half precision.
    #[default]
    F16,
    /// As they were computed: twice the memory of half precision.
    F32,
    /// 8 bits, with a half-precision scale for 32 dimensions of a position (GGML's `q8_0` rounding): little more than
    /// half the memory. Needs a head size divisible by 32.
    Q8,
}

/// The shape of the keys and values of one layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KvShape {
    /// Key/value heads.
    pub kv_heads: usize,
    /// Values of a head.
    pub head_dim: usize,
    /// How they are kept.
    pub format: KvFormat,
}

impl KvShape {
    /// Head size in the value cache: whole vectors of every instruction set.
    pub(crate) fn padded(self) -> usize {
        self.head_dim.next_multiple_of(16)
    }

    /// Scales of one position and head.
    pub(super) fn groups(self) -> usize {
        self.head_dim / GROUP
    }

    /// Halves (u16) that one head's keys of a block take.
    pub(super) fn key_part(self) -> usize {
        match self.format {
            KvFormat::F16 => self.head_dim * KV_BLOCK,
            KvFormat::F32 => self.head_dim * KV_BLOCK * 2,
            KvFormat::Q8 => (self.head_dim / 2 + self.groups()) * KV_BLOCK,
        }
    }

    /// Halves (u16) that one head's values of a block take.
    pub(super) fn value_part(self) -> usize {
        match self.format {
            KvFormat::F16 => self.padded() * KV_BLOCK,
            KvFormat::F32 => self.padded() * KV_BLOCK * 2,
            KvFormat::Q8 => self.key_part(),
        }
    }

    /// Halves (u16) that the keys of a block take.
    pub fn key_block(self) -> usize {
        self.kv_heads * self.key_part()
    }

    /// Halves (u16) that the values of a block take.
    pub fn value_block(self) -> usize {
        self.kv_heads * self.value_part()
    }

    /// Whether the format can hold heads of this size.
    pub fn fits(self) -> bool {
        self.format != KvFormat::Q8 || self.head_dim.is_multiple_of(GROUP)
    }
}

/// Some tokens of one sequence, whose rows follow those of the span before.
#[derive(Debug, Clone, Copy)]
pub struct KvSpan<'a> {
    /// Tokens of this sequence.
    pub tokens: usize,
    /// Position of the first; the sequence's cache holds this many positions before it.
    pub offset: usize,
    /// The sequence's blocks, enough for `offset + tokens` positions.
    pub blocks: &'a [u32],
}

impl KvSpan<'_> {
    /// Positions after this span.
    pub(super) fn end(&self) -> usize {
        self.offset + self.tokens
    }

    /// Whether its blocks hold its positions and lie inside a cache of `capacity` blocks.
    pub(super) fn is_inside(&self, capacity: usize) -> bool {
        let needed = self.end().div_ceil(KV_BLOCK);
        self.blocks.len() >= needed && self.blocks[..needed].iter().all(|&block| (block as usize) < capacity)
    }
}
