//! Merging neighbours, best pair first: the heart of both byte-level and SentencePiece BPE. A short word is scanned for
//! its best pair again and again; a long one keeps its pairs in a heap, so that time grows as n·log n, not as n².

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A run of the text that has become one token (or may still).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Symbol {
    /// First byte in the text.
    pub start: u32,
    /// Length in bytes; 0 once it was merged into its left neighbour.
    pub len: u32,
    /// What the rules know it by.
    pub id: u32,
}

/// Which neighbours merge, and when.
pub(crate) trait MergeRules {
    /// If the two neighbours merge: the rank (lower goes first; of equal ranks the leftmost) and the new symbol's id.
    fn merge(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)>;
}

/// Up to this many symbols repeated scanning beats the heap.
const SCAN_LIMIT: usize = 48;
const NO_PAIR: (u32, u32) = (u32::MAX, u32::MAX);
const END: u32 = u32::MAX;

/// A pair that may merge: rank, left and right symbol's places, what they become, and the length of both.
type Pair = (u32, u32, u32, u32, u32);

/// Scratch memory, kept between words.
#[derive(Default)]
pub(crate) struct Merger {
    ranks: Vec<(u32, u32)>,
    links: Vec<(u32, u32)>,
    heap: BinaryHeap<Reverse<Pair>>,
}

impl Merger {
    /// Merges until nothing merges any more; `symbols` keeps those that are left, in order.
    pub(crate) fn run(&mut self, symbols: &mut Vec<Symbol>, rules: &impl MergeRules) {
        if symbols.len() <= SCAN_LIMIT {
            self.scan(symbols, rules);
        } else {
            self.with_heap(symbols, rules);
        }
    }

    fn scan(&mut self, symbols: &mut Vec<Symbol>, rules: &impl MergeRules) {
        let pair = |symbols: &[Symbol], at: usize| match symbols.get(at..at + 2) {
            Some([left, right]) => rules.merge(left, right).unwrap_or(NO_PAIR),
            _ => NO_PAIR,
        };
        self.ranks.clear();
        self.ranks.extend((0..symbols.len()).map(|at| pair(symbols, at)));
        loop {
            let mut best = (0, NO_PAIR);
            for (at, &(rank, id)) in self.ranks.iter().enumerate() {
                // The first of equals wins; a real pair always has an id below the mark.
                if id != END && (best.1 == NO_PAIR || rank < best.1.0) {
                    best = (at, (rank, id));
                }
            }
            let (at, (_, id)) = best;
            if id == END {
                return;
            }
            let right = symbols.remove(at + 1);
            self.ranks.remove(at + 1);
            let left = &mut symbols[at];
            (left.len, left.id) = (left.len + right.len, id);
            self.ranks[at] = pair(symbols, at);
            if at > 0 {
                self.ranks[at - 1] = pair(symbols, at - 1);
            }
        }
    }

    fn with_heap(&mut self, symbols: &mut Vec<Symbol>, rules: &impl MergeRules) {
        let count = symbols.len() as u32; // texts are below 4 GiB, so this cannot wrap
        self.links.clear();
        self.links.extend((0..count).map(|i| (i.wrapping_sub(1), if i + 1 < count { i + 1 } else { END })));
        self.heap.clear();
        let mut pairs: Vec<_> =
            (1..count).filter_map(|right| entry(symbols, rules, right - 1, right)).collect();
        pairs.shrink_to_fit();
        self.heap = pairs.into();
        while let Some(Reverse((_, left, right, id, len))) = self.heap.pop() {
            let (a, b) = (symbols[left as usize], symbols[right as usize]);
            // Every merge makes one of its neighbours longer and the other empty, so stale pairs show by their length.
            if a.len == 0 || b.len == 0 || a.len + b.len != len {
                continue;
            }
            symbols[left as usize] = Symbol { start: a.start, len, id };
            symbols[right as usize].len = 0;
            let next = self.links[right as usize].1;
            self.links[left as usize].1 = next;
            if next != END {
                self.links[next as usize].0 = left;
                self.heap.extend(entry(symbols, rules, left, next));
            }
            let previous = self.links[left as usize].0;
            if previous != END {
                self.heap.extend(entry(symbols, rules, previous, left));
            }
        }
        symbols.retain(|symbol| symbol.len > 0);
        // One enormous prompt must not hold its memory for ever.
        if self.links.capacity() > 1 << 16 {
            *self = Self::default();
        }
    }
}

/// A heap entry: rank first, then place, as the order of merging demands.
fn entry(symbols: &[Symbol], rules: &impl MergeRules, left: u32, right: u32) -> Option<Reverse<Pair>> {
    let (a, b) = (&symbols[left as usize], &symbols[right as usize]);
    let (rank, id) = rules.merge(a, b)?;
    Some(Reverse((rank, left, right, id, a.len + b.len)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids are merged when they differ by no more than the modulus says: rules that merge often and tie often.
    struct Toy(u32);

    impl MergeRules for Toy {
        fn merge(&self, left: &Symbol, right: &Symbol) -> Option<(u32, u32)> {
            let sum = left.id.wrapping_mul(7).wrapping_add(right.id.wrapping_mul(13)) % 97;
            (!sum.is_multiple_of(self.0)).then_some((sum % 11, sum))
        }
    }

    #[test]
    fn heap_and_scan_agree() {
        let mut state = 1u32;
        for round in 0..400 {
            let mut word: Vec<Symbol> = Vec::new();
            for start in 0..(round % 90) {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                word.push(Symbol { start, len: 1, id: state >> 24 });
            }
            let rules = Toy(2 + round % 5);
            let (mut scanned, mut heaped) = (word.clone(), word);
            Merger::default().scan(&mut scanned, &rules);
            Merger::default().with_heap(&mut heaped, &rules);
            let spans = |s: &[Symbol]| s.iter().map(|s| (s.start, s.len, s.id)).collect::<Vec<_>>();
            assert_eq!(spans(&scanned), spans(&heaped), "round {round}");
        }
    }
}
