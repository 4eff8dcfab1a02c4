//! Continuous batching on one rule: every sequence's computed tokens catch up with its known ones. A step packs the next
//! token of every sequence that generates, and pieces of the prompts of those that do not yet, into one batch of matrix
//! products; then every sequence that has caught up draws a token.
//!
//! Prefill in pieces, decoding, the reuse of a known beginning and starting over after losing its blocks are the same to it.

mod blocks;
mod draft;
mod sequence;
mod share;

pub(super) use sequence::{Place, Sequence};
pub(super) use share::PREFILL;

use super::stats::EngineStats;
use crate::decoder::{Decoder, KvPool, Logits, Span, Workspace};
use blocks::{Blocks, ROOT};
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::{KV_BLOCK, KvFormat};
use share::Share;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// How the scheduler is set up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Tokens that the shared cache holds, at least one sequence's context.
    pub(super) cache_tokens: usize,
    pub(super) cache_format: KvFormat,
    /// Sequences that are computed together.
    pub(super) sequences: usize,
}

/// Sequences, the cache that they share, and the decoder.
pub(super) struct Scheduler {
    decoder: Arc<Decoder>,
    limits: Limits,
    pool: KvPool,
    books: Blocks,
    work: Workspace,
    logits: Vec<f32>,
    waiting: VecDeque<Sequence>,
    running: Vec<Sequence>,
    /// Sequences whose end the reader has not taken yet.
    ended: Vec<Sequence>,
    admissions: u64,
    stats: EngineStats,
    told: Arc<Mutex<EngineStats>>,
}

impl Scheduler {
    /// A scheduler with an empty cache.
    pub(super) fn new(decoder: Arc<Decoder>, limits: Limits, told: Arc<Mutex<EngineStats>>) -> Result<Self> {
        let pool = decoder.new_pool(limits.cache_tokens.div_ceil(KV_BLOCK), limits.cache_format)?;
        let books = Blocks::new(pool.blocks());
        Ok(Self {
            decoder,
            limits,
            pool,
            books,
            work: Workspace::default(),
            logits: Vec::new(),
            waiting: VecDeque::new(),
            running: Vec::new(),
            ended: Vec::new(),
            admissions: 0,
            stats: EngineStats::default(),
            told,
        })
    }

    /// Takes a request.
    pub(super) fn add(&mut self, sequence: Sequence) {
        self.stats.prompt_tokens += sequence.prompt as u64;
        self.waiting.push_back(sequence);
    }

    /// Whether there is nothing to do and nobody waits.
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty() && self.ended.is_empty()
    }

    /// Checks the books of the cache: with no sequence there, no block may be held or lost.
    pub(super) fn rest(&mut self) {
        self.work = Workspace::default();
        self.logits = Vec::new();
        if let Err(fault) = self.books.check_idle() {
            debug_assert!(false, "the books of the cache are wrong: {fault}");
            self.stats.book_errors += 1;
            self.books = Blocks::new(self.pool.blocks());
        }
        self.tell();
    }

    /// Lets no token wait for others any longer.
    pub(super) fn release(&mut self) {
        self.running.iter_mut().for_each(|sequence| sequence.events.release());
    }

    /// Computes one batch. `false` when there is nothing to compute now.
    pub(super) fn step(&mut self) -> bool {
        self.clear();
        self.admit();
        // Who reads a first token finds its sequence counted.
        self.tell();
        // A step that panics is this project's fault: its sequences are told, the others go on.
        let begun = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(|| self.compute()));
        let computed = result.unwrap_or_else(|_| {
            self.fail_all();
            true
        });
        // The next step is taken to last as long as this one.
        let took = begun.elapsed();
        self.running.iter_mut().for_each(|sequence| sequence.events.hurry(took));
        self.clear();
        self.tell();
        computed
    }

    /// Lets go of sequences that have ended or whose readers have left.
    fn clear(&mut self) {
        self.waiting.retain(|sequence| !sequence.events.is_closed());
        let (books, ended) = (&mut self.books, &mut self.ended);
        for mut sequence in self.running.extract_if(.., |s| s.has_ended() || s.events.is_closed()) {
            release(books, &mut sequence);
            ended.push(sequence);
        }
        let all = self.running.iter_mut().chain(&mut self.waiting).chain(&mut *ended);
        all.for_each(|sequence| sequence.events.flush());
        ended.retain(|sequence| !sequence.events.is_flushed() && !sequence.events.is_closed());
    }

    fn fail_all(&mut self) {
        for mut sequence in self.running.drain(..) {
            let message = "the engine failed in the middle of a step; the answer is lost, ask again";
            sequence.fail(Error::new(ErrorKind::Internal, message));
            self.ended.push(sequence);
        }
        // What a block holds is unknown now.
        self.books = Blocks::new(self.pool.blocks());
    }

    /// Lets waiting sequences take part while there is room: the client with the fewest sequences first.
    fn admit(&mut self) {
        // Who rests takes no part in steps, and no place.
        while self.running.iter().filter(|s| s.events.is_flushed()).count() < self.limits.sequences {
            let held = |client: &str| self.running.iter().filter(|s| s.client == client).count();
            let candidates = self.waiting.iter().enumerate();
            let candidates = candidates.filter(|(_, s)| s.events.is_flushed() && !self.is_on_its_way(s));
            // Of equals the one that has waited longest.
            let next = candidates.min_by_key(|(at, sequence)| (held(&sequence.client), *at));
            let Some((at, sequence)) = next else { return };
            let found = self.books.find(&sequence.known);
            let needed = blocks_for(sequence) - found.blocks.len();
            let available =
                self.books.total() - self.books.held() - found.blocks.len().min(self.books.cached());
            if needed + self.promised() > available && !self.running.is_empty() {
                // Blocks of one whose reader is behind are of more use to one that is read.
                let resting = self.running.iter().position(|s| !s.events.is_flushed());
                let Some(resting) = resting else { return };
                self.give_way(resting);
                continue;
            }
            let Some(mut sequence) = self.waiting.remove(at) else { return };
            self.place(&mut sequence, &found);
            sequence.begin();
            self.running.push(sequence);
        }
    }

    /// Blocks that running sequences will take soon: those of prompts that are not computed yet, and one each to grow into.
    /// Without this, sequences would be let in only to lose to each other what they have computed.
    fn promised(&self) -> usize {
        self.running.iter().map(|s| blocks_for(s).saturating_sub(s.place.blocks.len()) + 1).sum()
    }

    /// Whether a running sequence is about to compute a beginning that this one can then take over.
    fn is_on_its_way(&self, sequence: &Sequence) -> bool {
        let shared = |other: &Sequence| {
            let known = &other.known[..other.prompt];
            known.iter().zip(&sequence.known).take_while(|(a, b)| a == b).count() / KV_BLOCK * KV_BLOCK
        };
        let coming = self.running.iter().filter(|other| !other.is_decoding() && other.events.is_flushed());
        // What is in the cache already need not be waited for.
        let most = coming.map(|o| shared(o).min(o.known.len())).max().unwrap_or(0);
        most >= 2 * KV_BLOCK && self.books.find(&sequence.known).tokens() + 1 < most
    }

    /// Gives a sequence the blocks that hold its beginning.
    fn place(&mut self, sequence: &mut Sequence, found: &blocks::Found) {
        found.blocks.iter().for_each(|&block| self.books.hold(block));
        self.admissions += 1;
        let generated = sequence.generated();
        let place = &mut sequence.place;
        place.number = self.admissions;
        place.blocks = found.blocks.clone();
        place.noted = found.blocks.len();
        place.node = Some(found.node);
        place.computed = found.blocks.len() * KV_BLOCK;
        if let Some((from, n)) = found.partial {
            // Held while another is sought, or it could be the one that is given up.
            self.books.hold(from);
            if let Some(to) = self.books.allocate() {
                self.pool.copy_block(from, to);
                place.blocks.push(to);
                place.computed += n;
            }
            self.books.release(from);
        }
        if generated == 0 {
            place.cached = place.computed;
            self.stats.cached_tokens += place.computed as u64;
        }
    }

    /// Computes the next batch, if there is one.
    fn compute(&mut self) -> bool {
        let mut shares = self.shares();
        self.reserve(&mut shares);
        if shares.iter().all(|share| share.tokens == 0) {
            return false;
        }
        // Unless there is a prompt in it: then it lasts longer than tokens may wait for each other.
        if self.running.iter().zip(&shares).any(|(s, share)| share.tokens > 0 && !s.is_decoding()) {
            self.release();
        }
        let staged: Vec<_> =
            self.running.iter().zip(&shares).map(|(sequence, share)| sequence.staged(share.tokens)).collect();
        let batch: Vec<Span<'_>> = (self.running.iter().zip(&staged))
            .map(|(sequence, tokens)| {
                let wanted = match tokens.len().cmp(&sequence.missing()) {
                    Ordering::Less => Logits::None,
                    Ordering::Equal => Logits::Last,
                    Ordering::Greater => Logits::All,
                };
                Span { tokens, offset: sequence.place.computed, blocks: &sequence.place.blocks, wanted }
            })
            .filter(|span| !span.tokens.is_empty())
            .collect();
        self.stats.steps += 1;
        self.stats.batch_sequences = batch.len() as u64;
        self.stats.batch_tokens = batch.iter().map(|span| span.tokens.len() as u64).sum();
        let result = self.decoder.forward_batch(&mut self.pool, &mut self.work, &batch, &mut self.logits);
        if let Err(error) = result {
            // Tokens were checked when the requests came: this is a fault, and everybody in the batch hears of it.
            self.running.iter_mut().for_each(|sequence| sequence.fail(error.clone()));
            return true;
        }
        for (sequence, share) in self.running.iter_mut().zip(&shares).filter(|(_, share)| share.tokens > 0) {
            sequence.advance(share.tokens.min(sequence.missing()));
            note(&mut self.books, sequence);
        }
        self.draw(&shares);
        true
    }

    /// How many tokens each running sequence computes in the next step.
    fn shares(&mut self) -> Vec<Share> {
        let few = self.running.iter().filter(|s| s.is_decoding()).count() <= draft::FEW;
        self.running.iter_mut().for_each(|sequence| sequence.guess(few));
        let resting = |sequence: &Sequence| !sequence.events.is_flushed();
        let missing =
            self.running.iter().map(|s| if resting(s) { 0 } else { s.missing() + s.place.guess.len() });
        let decoding = self.running.iter().map(Sequence::is_decoding);
        share::divide(missing.zip(decoding))
    }

    /// Sees that every sequence has blocks for its share. Where there are none left, the one admitted last gives up its own
    /// and waits for its turn to start over.
    fn reserve(&mut self, shares: &mut Vec<Share>) {
        let mut order: Vec<u64> = self.running.iter().map(|s| s.place.number).collect();
        order.sort_unstable();
        for number in order {
            // It may give way to another in the meantime.
            while let Some(at) = self.running.iter().position(|s| s.place.number == number) {
                let needed = (self.running[at].place.computed + shares[at].tokens).div_ceil(KV_BLOCK);
                if self.running[at].place.blocks.len() >= needed {
                    break;
                }
                match self.books.allocate() {
                    Some(block) => self.running[at].place.blocks.push(block),
                    None => self.preempt(shares),
                }
            }
        }
    }

    fn preempt(&mut self, shares: &mut Vec<Share>) {
        let last = (0..self.running.len()).max_by_key(|&at| self.running[at].place.number);
        let Some(last) = last else { return };
        shares.remove(last);
        if self.running.len() > 1 {
            return self.give_way(last);
        }
        let mut sequence = self.running.remove(last);
        release(&mut self.books, &mut sequence);
        let (needed, limit) = (sequence.known.len(), self.books.total() * KV_BLOCK);
        sequence.fail(Error::context_overflow(needed, limit));
        self.ended.push(sequence);
    }

    /// Takes a running sequence's blocks; it starts over when its turn comes again.
    fn give_way(&mut self, at: usize) {
        let mut sequence = self.running.remove(at);
        release(&mut self.books, &mut sequence);
        sequence.events.release();
        self.stats.preemptions += 1;
        self.waiting.push_front(sequence);
    }

    /// Every sequence that has caught up draws a token, all threads at once.
    fn draw(&mut self, shares: &[Share]) {
        let vocab = self.decoder.blueprint().vocab;
        let mut rest = &mut self.logits[..];
        let mut draws = Vec::new();
        for (sequence, share) in self.running.iter_mut().zip(shares) {
            if share.tokens == 0 || sequence.missing() > 0 || sequence.has_ended() {
                continue;
            }
            let rows = (1 + sequence.place.guess.len()) * vocab;
            let Some((own, others)) = std::mem::take(&mut rest).split_at_mut_checked(rows) else { break };
            rest = others;
            draws.push(Mutex::new((sequence, own, 0)));
        }
        self.decoder.compute().pool().run(draws.len(), |index| {
            let mut draw = draws[index].lock().unwrap_or_else(PoisonError::into_inner);
            let (sequence, logits, right) = &mut *draw;
            *right = sequence.draw(logits, vocab);
        });
        for draw in draws {
            let (_, logits, right) = draw.into_inner().unwrap_or_else(PoisonError::into_inner);
            self.stats.generated_tokens += 1 + right as u64;
            self.stats.guessed_tokens += (logits.len() / vocab - 1) as u64;
            self.stats.guessed_right += right as u64;
        }
    }

    fn tell(&mut self) {
        let stats = &mut self.stats;
        stats.running = self.running.len() as u64;
        stats.waiting = self.waiting.len() as u64;
        stats.prefilling = self.running.iter().filter(|s| !s.is_decoding()).count() as u64;
        stats.blocks_total = self.books.total() as u64;
        stats.blocks_used = self.books.held() as u64;
        stats.blocks_cached = self.books.cached() as u64;
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = *stats;
    }
}

/// Blocks that hold a sequence's known tokens and the next.
fn blocks_for(sequence: &Sequence) -> usize {
    (sequence.known.len() + 1).div_ceil(KV_BLOCK)
}

/// Puts the full blocks that a sequence has computed into the books.
fn note(books: &mut Blocks, sequence: &mut Sequence) {
    let place = &mut sequence.place;
    while let Some(parent) = place.node
        && (place.noted + 1) * KV_BLOCK <= place.computed
    {
        let at = place.noted * KV_BLOCK;
        place.node = books.note(place.blocks[place.noted], parent, &sequence.known[at..at + KV_BLOCK]);
        place.noted += 1;
    }
}

/// Takes a sequence's blocks back. What they hold can be found again, the last, unfinished one included.
fn release(books: &mut Blocks, sequence: &mut Sequence) {
    note(books, sequence);
    let place = &mut sequence.place;
    let full = place.computed / KV_BLOCK;
    if let (Some(parent), Some(&block)) = (place.node, place.blocks.get(full))
        && place.computed > full * KV_BLOCK
        && place.noted == full
    {
        books.note(block, parent, &sequence.known[full * KV_BLOCK..place.computed]);
    }
    // The ends go first: they are of use to the fewest.
    place.blocks.drain(..).rev().for_each(|block| books.release(block));
    (place.computed, place.noted, place.node) = (0, 0, Some(ROOT));
}
