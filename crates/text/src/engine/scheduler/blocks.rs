//! The books of the key and value cache: who holds a block, what the others are kept for, which one goes next. It knows
//! tokens and block numbers; the numbers inside a block are the decoder's.
//!
//! Computed blocks form a tree: a node is what a block holds, its parent what stands before it, so that two sequences find
//! each other's blocks exactly as far as all their tokens agree. No hash stands for the tokens: nobody can be served another
//! one's cache by a collision.

use parasol_kernels::KV_BLOCK;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Identifies what a cached block holds, with all that stands before it. Numbers are never used again.
pub(super) type NodeId = u64;

/// What stands before the first block.
pub(super) const ROOT: NodeId = 0;

#[derive(Debug)]
struct Node {
    id: NodeId,
    parent: NodeId,
    /// At most [`KV_BLOCK`] tokens.
    tokens: Box<[u32]>,
    children: usize,
    /// When it was last held.
    used: u64,
}

#[derive(Debug, Default)]
struct Block {
    holders: usize,
    node: Option<Node>,
}

/// What the cache holds of a sequence's beginning.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Full blocks, in order.
    pub(super) blocks: Vec<u32>,
    /// What the last of them is.
    pub(super) node: NodeId,
    /// A further block whose first tokens agree, and how many of them: to be copied, as the rest differs.
    pub(super) partial: Option<(u32, usize)>,
}

impl Found {
    /// Tokens that need no computing.
    pub(super) fn tokens(&self) -> usize {
        self.blocks.len() * KV_BLOCK + self.partial.map_or(0, |(_, n)| n)
    }
}

/// The books.
#[derive(Debug)]
pub(super) struct Blocks {
    blocks: Vec<Block>,
    /// Blocks that hold nothing. The lowest is taken first, so that a sequence's blocks are neighbours where they can be.
    free: BTreeSet<u32>,
    tree: BTreeMap<(NodeId, Box<[u32]>), u32>,
    by_id: HashMap<NodeId, u32>,
    /// Cached blocks that nobody holds and nothing follows, the longest unused first.
    idle: BTreeSet<(u64, u32)>,
    cached: usize,
    next_id: NodeId,
    clock: u64,
}

impl Blocks {
    /// Books of `count` free blocks.
    pub(super) fn new(count: usize) -> Self {
        Self {
            blocks: (0..count).map(|_| Block::default()).collect(),
            free: (0..count as u32).collect(),
            tree: BTreeMap::new(),
            by_id: HashMap::new(),
            idle: BTreeSet::new(),
            cached: 0,
            next_id: ROOT + 1,
            clock: 0,
        }
    }

    /// Blocks in all.
    pub(super) fn total(&self) -> usize {
        self.blocks.len()
    }

    /// Blocks that sequences hold.
    pub(super) fn held(&self) -> usize {
        self.total() - self.free.len() - self.cached
    }

    /// Blocks that nobody holds and that still hold something.
    pub(super) fn cached(&self) -> usize {
        self.cached
    }

    /// Finds the longest cached beginning of `tokens`, the last of which is left out: its logits are wanted.
    pub(super) fn find(&self, tokens: &[u32]) -> Found {
        let wanted = &tokens[..tokens.len().saturating_sub(1)];
        let mut found = Found { node: ROOT, ..Found::default() };
        let mut rest = wanted;
        while rest.len() >= KV_BLOCK {
            let Some(&block) = self.tree.get(&(found.node, rest[..KV_BLOCK].into())) else { break };
            found.blocks.push(block);
            found.node = self.blocks[block as usize].node.as_ref().map_or(ROOT, |node| node.id);
            rest = &rest[KV_BLOCK..];
        }
        let rest = &rest[..rest.len().min(KV_BLOCK)];
        // Among sorted keys the longest common beginning is with a neighbour.
        let key = (found.node, Box::from(rest));
        let neighbours =
            self.tree.range(..&key).next_back().into_iter().chain(self.tree.range(&key..).next());
        found.partial = neighbours
            .filter(|((parent, _), _)| *parent == found.node)
            .map(|((_, tokens), &block)| (block, tokens.iter().zip(rest).take_while(|(a, b)| a == b).count()))
            .filter(|&(_, n)| n > 0)
            .max_by_key(|&(_, n)| n);
        found
    }

    /// Holds a block that may be cached.
    pub(super) fn hold(&mut self, index: u32) {
        let block = &mut self.blocks[index as usize];
        if block.holders == 0
            && let Some(node) = &block.node
        {
            self.idle.remove(&(node.used, index));
            self.cached -= 1;
        }
        block.holders += 1;
    }

    /// Lets go of a block. What it holds stays until the room is needed.
    pub(super) fn release(&mut self, index: u32) {
        let block = &mut self.blocks[index as usize];
        block.holders -= 1;
        if block.holders > 0 {
            return;
        }
        let Some(node) = &mut block.node else {
            self.free.insert(index);
            return;
        };
        self.clock += 1;
        node.used = self.clock;
        self.cached += 1;
        if node.children == 0 {
            self.idle.insert((node.used, index));
        }
    }

    /// A block to write to, held by the caller; forgets what was unused for longest. `None`: all are held.
    pub(super) fn allocate(&mut self) -> Option<u32> {
        let index = self.free.pop_first().or_else(|| self.forget_oldest())?;
        self.blocks[index as usize].holders = 1;
        Some(index)
    }

    fn forget_oldest(&mut self) -> Option<u32> {
        let (_, index) = self.idle.pop_first()?;
        self.cached -= 1;
        let node = self.blocks[index as usize].node.take()?;
        self.by_id.remove(&node.id);
        self.tree.remove(&(node.parent, node.tokens));
        if let Some(&above) = self.by_id.get(&node.parent) {
            let Block { holders, node } = &mut self.blocks[above as usize];
            if let Some(node) = node {
                node.children -= 1;
                if node.children == 0 && *holders == 0 {
                    self.idle.insert((node.used, above));
                }
            }
        }
        Some(index)
    }

    /// Notes what a held block holds, so that later sequences find it: `tokens` after `parent`. Returns the node, which is
    /// another block's where the same was computed twice; `None` when what stands before it was forgotten, so that nobody
    /// could find it.
    pub(super) fn note(&mut self, index: u32, parent: NodeId, tokens: &[u32]) -> Option<NodeId> {
        let key = (parent, Box::from(tokens));
        if let Some(&known) = self.tree.get(&key)
            && let Some(node) = &self.blocks[known as usize].node
        {
            return Some(node.id);
        }
        if self.blocks[index as usize].node.is_some() || (parent != ROOT && !self.by_id.contains_key(&parent))
        {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        if let Some(&above) = self.by_id.get(&parent)
            && let Some(node) = &mut self.blocks[above as usize].node
        {
            node.children += 1;
            if self.blocks[above as usize].holders == 0 {
                let used = self.blocks[above as usize].node.as_ref().map_or(0, |node| node.used);
                self.idle.remove(&(used, above));
            }
        }
        self.tree.insert(key, index);
        self.by_id.insert(id, index);
        let node = Node { id, parent, tokens: tokens.into(), children: 0, used: 0 };
        self.blocks[index as usize].node = Some(node);
        Some(id)
    }

    /// Checks that no block is lost when no sequence is there: each is free or cached, once, and the tree agrees.
    pub(super) fn check_idle(&self) -> Result<(), String> {
        for (index, block) in (0u32..).zip(&self.blocks) {
            if block.holders > 0 {
                return Err(format!("block {index} has {} holders and there is no sequence", block.holders));
            }
            if self.free.contains(&index) == block.node.is_some() {
                return Err(format!("block {index} is neither free nor cached, or both"));
            }
            if let Some(node) = &block.node
                && self.tree.get(&(node.parent, node.tokens.clone())) != Some(&index)
            {
                return Err(format!("block {index} is cached and cannot be found"));
            }
        }
        let cached = self.blocks.iter().filter(|block| block.node.is_some()).count();
        if cached != self.cached || cached != self.tree.len() || cached != self.by_id.len() {
            return Err(format!("{cached} blocks are cached, the books say {}", self.cached));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tokens(from: u32, n: usize) -> Vec<u32> {
        (from..from + n as u32).collect()
    }

    /// Computes and releases a sequence as the scheduler does.
    fn run(books: &mut Blocks, tokens: &[u32]) -> usize {
        let found = books.find(tokens);
        let (cached, mut node) = (found.tokens(), ROOT);
        let mut blocks = found.blocks;
        blocks.iter().for_each(|&block| books.hold(block));
        while blocks.len() * KV_BLOCK < tokens.len() {
            blocks.push(books.allocate().unwrap());
        }
        for (index, chunk) in tokens.chunks(KV_BLOCK).enumerate() {
            node = books.note(blocks[index], node, chunk).unwrap();
        }
        blocks.iter().rev().for_each(|&block| books.release(block));
        books.check_idle().unwrap();
        cached
    }

    #[test]
    fn a_sequence_finds_what_it_shares_to_the_token() {
        let mut books = Blocks::new(16);
        assert_eq!(run(&mut books, &tokens(0, 100)), 0);
        assert_eq!(run(&mut books, &tokens(0, 100)), 99);
        let mut other = tokens(0, 70);
        other.extend(tokens(900, 30));
        assert_eq!(run(&mut books, &other), 70);
        assert_eq!(run(&mut books, &tokens(1, 100)), 0);
    }

    #[test]
    fn what_was_unused_for_longest_goes_first_and_its_beginning_last() {
        let mut books = Blocks::new(6);
        run(&mut books, &tokens(0, 96));
        run(&mut books, &tokens(1000, 96));
        // Two blocks more: the ends of the older sequence go.
        run(&mut books, &tokens(2000, 64));
        assert_eq!(books.find(&tokens(0, 96)).tokens(), 32);
        assert_eq!(books.find(&tokens(1000, 96)).tokens(), 95);
    }

    #[test]
    fn all_held_is_told() {
        let mut books = Blocks::new(2);
        let held = [books.allocate().unwrap(), books.allocate().unwrap()];
        assert_eq!(books.allocate(), None);
        assert!(books.check_idle().is_err());
        held.into_iter().for_each(|block| books.release(block));
        books.check_idle().unwrap();
    }

    #[test]
    fn random_use_keeps_the_books() {
        let mut books = Blocks::new(24);
        let mut state = 1u64;
        let mut random = |n: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % n
        };
        for _ in 0..2_000 {
            // Few different beginnings and lengths, so that they meet often.
            let mut tokens = tokens(random(3) as u32 * 1000, random(200) as usize + 2);
            let at = random(tokens.len() as u64) as usize;
            tokens[at] = random(2) as u32;
            run(&mut books, &tokens);
        }
    }
}
