//! One generation from prompt tokens to the end event: prefill, then sample, report, compute, until the model, a stop
//! string, `max_tokens`, the context or the reader ends it.

use super::Shared;
use super::events::{Closed, EventSender};
use super::session::Session;
use crate::sampler::{LogProbability, Sampler};
use crate::tokenizer::{TextStream, TokenKind};
use parasol_core::{
    Error, FinishReason, GenerationEvent, Part, Result, Timings, TokenLogprob, TokenReport, Usage,
};
use std::sync::Arc;
use std::time::Instant;

/// A generation that waits for the worker.
pub(super) struct Generation {
    pub(super) shared: Arc<Shared>,
    pub(super) prompt: Vec<u32>,
    pub(super) echo: Option<String>,
    pub(super) sampler: Sampler,
    pub(super) text: TextStream,
    pub(super) max_tokens: Option<usize>,
    pub(super) logprobs: Option<usize>,
    pub(super) events: EventSender,
    pub(super) asked: Instant,
}

/// Why a generation ended early.
enum Stopped {
    Closed,
    Failed(Error),
}

impl From<Closed> for Stopped {
    fn from(_: Closed) -> Self {
        Stopped::Closed
    }
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::Failed(error)
    }
}

impl Generation {
    /// Runs it on the worker.
    pub(super) fn run(mut self, session: &mut Session) {
        if self.events.is_closed() {
            return;
        }
        match self.generate(session) {
            Ok(()) | Err(Stopped::Closed) => {}
            Err(Stopped::Failed(error)) => {
                // A reader that is gone need not hear of it.
                let _ = self.events.send(Err(error));
            }
        }
    }

    fn generate(&mut self, session: &mut Session) -> Result<(), Stopped> {
        let mut usage = Usage { prompt_tokens: self.prompt.len(), ..Usage::default() };
        let mut timings = Timings::default();
        let (model, seed) = (self.shared.name.clone(), self.sampler.seed());
        self.events.send(Ok(GenerationEvent::Started { model, prompt_tokens: usage.prompt_tokens, seed }))?;
        if let Some(text) = self.echo.take() {
            self.report(None, text, Vec::new())?;
        }
        let started = Instant::now();
        usage.cached_tokens = self.prefill(session)?;
        timings.prefill = started.elapsed();
        let mut first = None;
        let reason = loop {
            if self.max_tokens.is_some_and(|most| usage.generated_tokens >= most) {
                break FinishReason::Length;
            }
            let token = session.sample(&mut self.sampler, self.shared.tokenizer.vocabulary_size())?;
            first.get_or_insert_with(Instant::now);
            if self.shared.tokenizer.is_end(token) {
                break FinishReason::Stop;
            }
            usage.generated_tokens += 1;
            let step = self.text.push(&self.shown_bytes(token)?);
            let logprobs = self.logprobs(token, session.logits())?;
            self.report(Some(token), step.text, logprobs)?;
            if step.stopped {
                break FinishReason::Stop;
            }
            if self.max_tokens.is_some_and(|most| usage.generated_tokens >= most)
                || session.len() >= session.context()
            {
                break FinishReason::Length;
            }
            if self.events.is_closed() {
                return Err(Stopped::Closed);
            }
            session.extend(&[token], |_| true)?;
        };
        let rest = self.text.finish();
        if !rest.text.is_empty() {
            self.report(None, rest.text, Vec::new())?;
        }
        let reason = if rest.stopped { FinishReason::Stop } else { reason };
        let first = first.unwrap_or_else(Instant::now);
        timings.first_token = first.duration_since(self.asked);
        timings.decode = first.elapsed();
        self.events.send(Ok(GenerationEvent::Finished { reason, stop: None, usage, timings }))?;
        Ok(())
    }

    /// Computes what the cache does not hold of the prompt; returns how many tokens it held.
    fn prefill(&mut self, session: &mut Session) -> Result<usize, Stopped> {
        let total = self.prompt.len();
        let cached = session.reuse(&self.prompt);
        let events = &mut self.events;
        let mut listening = Ok(());
        let report = |done| {
            listening = events.send(Ok(GenerationEvent::Prefill { done, total }));
            listening.is_ok()
        };
        session.extend(&self.prompt[cached..], report)?;
        listening?;
        Ok(cached)
    }

    /// The bytes to show for a token: none for control tokens, which are not text.
    fn shown_bytes(&self, token: u32) -> Result<Vec<u8>> {
        match self.shared.tokenizer.kind(token) {
            Some(TokenKind::Control) => Ok(Vec::new()),
            _ => Ok(self.shared.tokenizer.token_bytes(token)?.into_owned()),
        }
    }

    fn report(&mut self, id: Option<u32>, text: String, logprobs: Vec<TokenLogprob>) -> Result<(), Closed> {
        self.events.send(Ok(GenerationEvent::Token(TokenReport { id, text, part: Part::Answer, logprobs })))
    }

    /// The chosen token's log-probability and those of the most likely others, before penalties and filters.
    fn logprobs(&self, chosen: u32, logits: &[f32]) -> Result<Vec<TokenLogprob>> {
        let Some(alternatives) = self.logprobs else { return Ok(Vec::new()) };
        let known = self.shared.tokenizer.vocabulary_size().min(logits.len());
        // One more, as the chosen token may be among the most likely.
        let wanted = alternatives.saturating_add(1).min(known);
        let mut found = self.sampler.log_probabilities(&logits[..known], chosen, wanted)?.into_iter();
        let own = found.next().into_iter();
        let others = found.filter(|other| other.id != chosen).take(alternatives);
        own.chain(others)
            .map(|LogProbability { id, logprob }| {
                Ok(TokenLogprob { id, bytes: self.shared.tokenizer.token_bytes(id)?.into_owned(), logprob })
            })
            .collect()
    }
}
