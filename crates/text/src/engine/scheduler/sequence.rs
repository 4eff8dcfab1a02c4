//! One generation: the tokens known and how many of them are computed, and what becomes of a token that is drawn. When its
//! turn comes and where its blocks lie is the scheduler's to say.

use super::super::Shared;
use super::super::events::EventSender;
use super::blocks::NodeId;
use super::draft::Drafting;
use crate::answer::AnswerStream;
use crate::grammar::Constraint;
use crate::sampler::{LogProbability, Sampler};
use parasol_core::{
    Error, FinishReason, GenerationEvent, Part, Result, Timings, TokenLogprob, TokenReport, Usage,
};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

/// A request on its way through the scheduler.
pub(crate) struct Sequence {
    pub(in super::super) shared: Arc<Shared>,
    pub(in super::super) client: String,
    /// Prompt and generated tokens.
    pub(in super::super) known: Vec<u32>,
    /// How many of them are the prompt.
    pub(in super::super) prompt: usize,
    pub(in super::super) echo: Option<String>,
    pub(in super::super) sampler: Sampler,
    pub(in super::super) constraint: Option<Constraint>,
    pub(in super::super) answer: AnswerStream,
    pub(in super::super) max_tokens: Option<usize>,
    pub(in super::super) context: usize,
    pub(in super::super) logprobs: Option<usize>,
    pub(in super::super) events: EventSender,
    pub(in super::super) asked: Instant,
    pub(in super::super) place: Place,
}

/// What the scheduler knows of a sequence, and its measurements.
#[derive(Debug, Default)]
pub(crate) struct Place {
    /// Tokens whose keys and values are in the blocks.
    pub(super) computed: usize,
    pub(super) blocks: Vec<u32>,
    /// Full blocks that are in the books, and the node of the last; `None` when they cannot be continued there.
    pub(super) noted: usize,
    pub(super) node: Option<NodeId>,
    /// Tokens that are computed in the next step though they are only guessed, and the luck with them.
    pub(super) guess: Vec<u32>,
    pub(super) drafting: Drafting,
    /// Order of admission.
    pub(super) number: u64,
    /// Prompt tokens that were found in the cache when it was first admitted.
    pub(super) cached: usize,
    admitted: Option<Instant>,
    prefilled: Option<Instant>,
    first: Option<Instant>,
    ended: bool,
}

impl Sequence {
    /// Tokens that wait to be computed.
    pub(super) fn missing(&self) -> usize {
        self.known.len() - self.place.computed
    }

    /// Tokens generated.
    pub(super) fn generated(&self) -> usize {
        self.known.len() - self.prompt
    }

    /// Whether it generates already: only its last token is missing.
    pub(super) fn is_decoding(&self) -> bool {
        self.missing() == 1 && self.generated() > 0
    }

    /// Whether its end event has been put in line.
    pub(super) fn has_ended(&self) -> bool {
        self.place.ended
    }

    /// Tells the reader that it has begun; once.
    pub(super) fn begin(&mut self) {
        if self.place.admitted.replace(Instant::now()).is_some() {
            return;
        }
        let (model, seed) = (self.shared.name.clone(), self.sampler.seed());
        self.events.send(Ok(GenerationEvent::Started { model, prompt_tokens: self.prompt, seed }));
        if let Some(text) = self.echo.take() {
            let report = TokenReport { id: None, text, part: Part::Answer, logprobs: Vec::new() };
            self.events.send(Ok(GenerationEvent::Token(report)));
        }
    }

    /// Notes that `n` more tokens are computed.
    pub(super) fn advance(&mut self, n: usize) {
        self.place.computed += n;
        if self.place.prefilled.is_none() {
            let done = self.place.computed.min(self.prompt);
            self.events.send(Ok(GenerationEvent::Prefill { done, total: self.prompt }));
            if done == self.prompt {
                self.place.prefilled = Some(Instant::now());
            }
        }
    }

    /// Guesses what follows, where guesses are wanted.
    pub(super) fn guess(&mut self, wanted: bool) {
        self.place.guess.clear();
        if wanted && self.is_decoding() && self.events.is_flushed() {
            let room = self.context.saturating_sub(self.known.len());
            let left =
                self.max_tokens.map_or(room, |most| room.min(most.saturating_sub(self.generated() + 1)));
            self.place.guess = self.place.drafting.propose(&self.known, left);
        }
    }

    /// The tokens that its share of a step computes: known ones, then the guessed.
    pub(super) fn staged(&self, tokens: usize) -> Cow<'_, [u32]> {
        let missing = &self.known[self.place.computed..];
        match tokens.checked_sub(missing.len()) {
            None | Some(0) => Cow::Borrowed(&missing[..tokens]),
            Some(_) => Cow::Owned([missing, &self.place.guess].concat()),
        }
    }

    /// Draws the next token from the logits of its last one, and more as far as the guesses are right: `logits` is
    /// (1 + guessed, vocab). Sends what becomes of each; returns how many guesses were right.
    pub(super) fn draw(&mut self, logits: &mut [f32], vocab: usize) -> usize {
        let guess = std::mem::take(&mut self.place.guess);
        let mut right = 0;
        for row in logits.chunks_exact_mut(vocab) {
            if let Err(error) = self.try_draw(row) {
                self.fail(error);
            }
            if self.has_ended() || guess.get(right) != self.known.last() {
                break;
            }
            // It has been computed already.
            self.place.computed += 1;
            right += 1;
        }
        self.place.drafting.learn(guess.len(), right);
        right
    }

    fn try_draw(&mut self, logits: &mut [f32]) -> Result<()> {
        if self.max_tokens.is_some_and(|most| self.generated() >= most) {
            return self.end(FinishReason::Length, None);
        }
        let vocabulary = self.shared.tokenizer.vocabulary_size();
        // An embedding may have more rows than there are tokens.
        let known = vocabulary.min(logits.len());
        let logits = &mut logits[..known];
        // The model's own word on every token, before the grammar's.
        let unmasked = (self.constraint.is_some() && self.logprobs.is_some()).then(|| logits.to_vec());
        if let Some(constraint) = &mut self.constraint {
            constraint.mask(logits)?;
        }
        let token = self.sampler.sample(logits, &self.known)?;
        self.place.first.get_or_insert_with(Instant::now);
        if self.shared.tokenizer.is_end(token) {
            return self.end(FinishReason::Stop, None);
        }
        match &mut self.constraint {
            Some(constraint) if self.answer.thinks() => constraint.accept_thought(token)?,
            Some(constraint) => constraint.accept(token)?,
            None => {}
        }
        let logprobs = self.logprobs(token, unmasked.as_deref().unwrap_or(logits))?;
        self.known.push(token);
        let step = self.answer.push(&self.shared.tokenizer, token, logprobs)?;
        step.events.into_iter().for_each(|event| self.events.send(Ok(event)));
        let complete = self.constraint.as_ref().is_some_and(Constraint::must_stop);
        if step.stopped.is_some() || step.done || complete {
            return self.end(FinishReason::Stop, step.stopped);
        }
        let full =
            self.max_tokens.is_some_and(|most| self.generated() >= most) || self.known.len() > self.context;
        if full { self.end(FinishReason::Length, None) } else { Ok(()) }
    }

    fn end(&mut self, reason: FinishReason, stop: Option<String>) -> Result<()> {
        let ending = self.answer.finish()?;
        ending.events.into_iter().for_each(|event| self.events.send(Ok(event)));
        let stop = stop.or(ending.stopped);
        let reason = match reason {
            _ if stop.is_some() => FinishReason::Stop,
            FinishReason::Stop if ending.calls > 0 => FinishReason::ToolCalls,
            reason => reason,
        };
        let usage = Usage {
            prompt_tokens: self.prompt,
            cached_tokens: self.place.cached,
            generated_tokens: self.generated(),
            reasoning_tokens: ending.reasoning_tokens,
            ..Usage::default()
        };
        let now = Instant::now();
        let Place { admitted, prefilled, first, .. } = self.place;
        let between = |from: Option<Instant>, to: Option<Instant>| {
            to.unwrap_or(now).saturating_duration_since(from.unwrap_or(now))
        };
        let timings = Timings {
            first_token: between(Some(self.asked), first),
            prefill: between(admitted, prefilled),
            decode: between(first, None),
        };
        self.place.ended = true;
        self.events.send(Ok(GenerationEvent::Finished { reason, stop, usage, timings }));
        Ok(())
    }

    /// Ends it with an error.
    pub(super) fn fail(&mut self, error: Error) {
        self.place.ended = true;
        self.events.send(Err(error));
    }

    /// The chosen token's log-probability and those of the most likely others, before penalties and filters.
    fn logprobs(&self, chosen: u32, logits: &[f32]) -> Result<Vec<TokenLogprob>> {
        let Some(alternatives) = self.logprobs else { return Ok(Vec::new()) };
        // One more, as the chosen token may be among the most likely.
        let wanted = alternatives.saturating_add(1).min(logits.len());
        let mut found = self.sampler.log_probabilities(logits, chosen, wanted)?.into_iter();
        let own = found.next().into_iter();
        let others = found.filter(|other| other.id != chosen).take(alternatives);
        own.chain(others)
            .map(|LogProbability { id, logprob }| {
                Ok(TokenLogprob { id, bytes: self.shared.tokenizer.token_bytes(id)?.into_owned(), logprob })
            })
            .collect()
    }
}
