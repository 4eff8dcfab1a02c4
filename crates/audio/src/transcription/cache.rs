//! The decoder's keys and values: those of the sound, computed once a window, and those of the texts that are followed side by
//! side, which share their common beginning block by block.

use parasol_kernels::{KV_BLOCK, KvFormat, KvShape};

/// Keys and values of one layer.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) keys: Vec<u16>,
    pub(super) values: Vec<u16>,
}

impl Pair {
    fn new(shape: KvShape, blocks: usize) -> Self {
        Self { keys: vec![0; blocks * shape.key_block()], values: vec![0; blocks * shape.value_block()] }
    }
}

/// The shape of keys and values, in half precision.
pub(super) fn shape(heads: usize, head_dim: usize) -> KvShape {
    KvShape { kv_heads: heads, head_dim, format: KvFormat::F16 }
}

/// What the decoder attends to of the sound.
#[derive(Debug)]
pub(crate) struct Cross {
    pub(super) layers: Vec<Pair>,
    pub(super) blocks: Vec<u32>,
    /// Frames that there are.
    pub(super) frames: usize,
}

impl Cross {
    pub(super) fn new(shape: KvShape, layers: usize, frames: usize) -> Self {
        let blocks = frames.div_ceil(KV_BLOCK);
        Self {
            layers: (0..layers).map(|_| Pair::new(shape, blocks)).collect(),
            // The configuration's check bounds the frames.
            blocks: (0..blocks as u32).collect(),
            frames,
        }
    }
}

/// One of the texts that are followed.
#[derive(Debug, Default)]
pub(crate) struct Beam {
    pub(super) blocks: Vec<u32>,
    /// Tokens computed.
    pub(super) len: usize,
}

/// The keys and values of all texts.
#[derive(Debug)]
pub(crate) struct TextCache {
    shape: KvShape,
    blocks: usize,
    pub(super) layers: Vec<Pair>,
    free: Vec<u32>,
    /// Texts that hold each block.
    holders: Vec<u32>,
}

impl TextCache {
    /// Room for `beams` texts of `tokens` tokens, and for as many again while they are being replaced.
    pub(super) fn new(shape: KvShape, layers: usize, beams: usize, tokens: usize) -> Self {
        let blocks = 2 * beams * (tokens.div_ceil(KV_BLOCK) + 1);
        Self {
            shape,
            blocks,
            layers: (0..layers).map(|_| Pair::new(shape, blocks)).collect(),
            free: (0..blocks as u32).rev().collect(),
            holders: vec![0; blocks],
        }
    }

    /// Gives back a text's blocks.
    pub(super) fn release(&mut self, beam: Beam) {
        for block in beam.blocks {
            let holders = &mut self.holders[block as usize];
            *holders -= 1;
            if *holders == 0 {
                self.free.push(block);
            }
        }
    }

    /// Another text with the same beginning. Whole blocks are shared, the last one is copied.
    pub(super) fn fork(&mut self, beam: &Beam) -> Beam {
        let whole = beam.len / KV_BLOCK;
        let mut fork = Beam { blocks: beam.blocks[..whole].to_vec(), len: beam.len };
        fork.blocks.iter().for_each(|block| self.holders[*block as usize] += 1);
        if !beam.len.is_multiple_of(KV_BLOCK) {
            let to = self.take();
            self.copy(beam.blocks[whole], to);
            fork.blocks.push(to);
        }
        fork
    }

    /// Makes room for `tokens` more.
    pub(super) fn extend(&mut self, beam: &mut Beam, tokens: usize) {
        while beam.blocks.len() * KV_BLOCK < beam.len + tokens {
            let block = self.take();
            beam.blocks.push(block);
        }
    }

    fn take(&mut self) -> u32 {
        // `new` made as many as all texts need, and each is released when it is replaced.
        let block = self.free.pop().expect("there are blocks for every text");
        self.holders[block as usize] = 1;
        block
    }

    fn copy(&mut self, from: u32, to: u32) {
        let (from, to, blocks, shape) = (from as usize, to as usize, self.blocks, self.shape);
        for Pair { keys, values } in &mut self.layers {
            for (side, block) in [(keys, shape.key_block()), (values, shape.value_block())] {
                // A head's blocks lie together.
                let part = block / shape.kv_heads;
                for head in 0..shape.kv_heads {
                    let at = |block: usize| (head * blocks + block) * part;
                    side.copy_within(at(from)..at(from) + part, at(to));
                }
            }
        }
    }

    /// Blocks that nobody holds.
    #[cfg(test)]
    fn unused(&self) -> usize {
        self.free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forks_share_what_is_whole_and_give_everything_back() {
        let mut cache = TextCache::new(shape(2, 16), 1, 3, 100);
        let all = cache.unused();
        let mut first = Beam::default();
        cache.extend(&mut first, 40);
        first.len = 40;
        cache.layers[0].keys.fill(7);
        let second = cache.fork(&first);
        assert_eq!(first.blocks[0], second.blocks[0]);
        assert_ne!(first.blocks[1], second.blocks[1]);
        let mut third = cache.fork(&second);
        cache.extend(&mut third, 60);
        assert_eq!(third.blocks.len(), 4);
        assert_eq!(all - cache.unused(), 2 + 1 + 3);
        for beam in [first, second, third] {
            cache.release(beam);
        }
        assert_eq!(cache.unused(), all);
    }
}
