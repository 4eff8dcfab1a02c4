//! What one answer takes: promised against the budgets before it is asked for, written into the book when it has ended,
//! whichever way.

use crate::book::Promised;
use crate::ledger::{Aside, Ledger, Line, NOBODY, Promise};
use crate::model::Inner;
use jiff::Timestamp;
use parasol_core::{Error, ErrorKind, Money, Result, Usage};
use std::sync::Arc;

/// Reckoned where neither a request nor its model has a limit.
const MOST_OUTPUT: usize = 8192;

/// What a request's tokens can come to.
pub(crate) struct Reckoned<'r> {
    /// Who asks.
    pub(crate) client: &'r str,
    /// The most tokens of the answer, where the request limits them.
    pub(crate) most_output: Option<usize>,
    /// Tokens that the prompt cannot exceed …
    pub(crate) most_prompt: usize,
    /// … or that its provider has counted.
    pub(crate) counted: bool,
}

/// The account of one answer. Dropped before the answer's end it writes down what can be reckoned, since the provider
/// charges for that, too.
pub(crate) struct Tally {
    inner: Arc<Inner>,
    ledger: Option<Arc<Ledger>>,
    client: String,
    promise: Option<Promise>,
    /// What it costs as far as it has come, where tokens do not tell.
    cost: Option<Money>,
    /// What had come, and what that cost, before the try that is under way.
    before: (usize, Option<Money>),
    /// Tokens that the prompt probably has.
    likely: usize,
    /// Whether pieces of the answer are tokens.
    tokens: bool,
    pieces: usize,
    asked: bool,
    usage: Option<Usage>,
}

impl Tally {
    /// Opens the account of a request.
    ///
    /// # Errors
    /// When a budget would be passed: [`Ledger::promise`].
    pub(crate) async fn open(inner: &Arc<Inner>, request: &Reckoned<'_>) -> Result<Self> {
        let (asked, likely) = promised(inner, request);
        Self::promised(inner, asked, likely, true).await
    }

    /// Whether a budget could be kept with this request if its prompt were nothing.
    ///
    /// # Errors
    /// Those of the book.
    pub(crate) async fn could_open(inner: &Inner, request: &Reckoned<'_>) -> Result<bool> {
        match room(inner, promised(inner, &Reckoned { most_prompt: 0, ..*request }).0).await {
            Err(error) if matches!(error.kind(), ErrorKind::RateLimited { .. }) => Ok(false),
            room => room.map(|()| true),
        }
    }

    /// Opens the account of what is not paid by tokens: the most that it can cost, and what it probably will.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn open_for(
        inner: &Arc<Inner>,
        client: &str,
        most: Option<Money>,
        likely: Option<Money>,
    ) -> Result<Self> {
        let asked = Promised { most, cost: likely.unwrap_or_default(), ..nothing(inner, client) };
        Self::promised(inner, asked, 0, false).await
    }

    /// Refuses what no budget has room for now, before a part of it is done.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) async fn could_open_for(inner: &Inner, client: &str, most: Option<Money>) -> Result<()> {
        room(inner, Promised { most, ..nothing(inner, client) }).await
    }

    async fn promised(inner: &Arc<Inner>, asked: Promised, likely: usize, tokens: bool) -> Result<Self> {
        let (ledger, client) = (inner.ledger.clone(), asked.client.clone());
        let promise = match &ledger {
            Some(ledger) if ledger.limits(&client) => match inner.serves {
                true => ledger.promise_aside(asked).await.unwrap_or_else(|_| Err(lost()))?.taken(),
                false => ledger.promise(&asked)?,
            },
            _ => None,
        };
        Ok(Self {
            inner: Arc::clone(inner),
            ledger,
            client,
            promise,
            cost: None,
            before: (0, None),
            likely,
            tokens,
            pieces: 0,
            asked: false,
            usage: None,
        })
    }

    /// Tokens to reckon with for limits on them.
    pub(crate) fn likely(&self) -> usize {
        self.likely
    }

    /// Whether a budget is kept with it: it is not to cost more than was promised.
    pub(crate) fn is_promised(&self) -> bool {
        self.promise.is_some()
    }

    /// The request goes out, or that for a further part of the answer: what all costs with it, where tokens do not tell.
    pub(crate) fn asked(&mut self, cost: Option<Money>) {
        self.before = (self.pieces, self.cost);
        self.cost = cost;
        self.asked = true;
    }

    /// A try failed. If nothing came of it, nobody charges for it.
    pub(crate) fn failed(&mut self) {
        let (pieces, cost) = self.before;
        if self.pieces == pieces {
            self.asked = pieces > 0;
            self.cost = cost;
        }
    }

    /// A piece of the answer came.
    pub(crate) fn piece(&mut self) {
        self.pieces = self.pieces.saturating_add(1);
    }

    /// What it costs as far as it has come.
    pub(crate) fn so_far(&mut self, cost: Option<Money>) {
        self.cost = cost;
    }

    /// The answer is complete.
    pub(crate) fn finished(&mut self, usage: Usage) {
        self.usage = Some(usage);
    }

    /// Waits until the answer stands in the book, whose end has come.
    pub(crate) async fn settled(&mut self) {
        if let Some(written) = self.close() {
            // Whoever was to write it said so if it could not.
            let _ = written.await;
        }
    }

    /// Closes the account, once: what is due is written down and what was promised is taken back; by another thread where this one
    /// serves connections.
    fn close(&mut self) -> Option<Aside<()>> {
        let ledger = self.ledger.take()?;
        let (usage, reckoned) = (self.due(), self.usage.is_none());
        let line = Line {
            at: Timestamp::now(),
            client: std::mem::take(&mut self.client),
            model: self.inner.entry.name.clone(),
            provider: self.inner.provider().to_owned(),
            usage,
            reckoned,
        };
        let (promise, charged) = (self.promise.take(), !reckoned || self.asked);
        if !charged && promise.is_none() {
            return None;
        }
        let write = move |ledger: &Ledger| match charged {
            true => ledger.settle(&line, promise),
            false => ledger.release(promise),
        };
        if self.inner.serves {
            return Some(ledger.aside(write));
        }
        write(&ledger);
        None
    }

    /// What the answer took: what its provider told, or, for one that was asked for and not finished, as far as it came.
    fn due(&self) -> Usage {
        match self.usage {
            Some(usage) => usage,
            None if self.asked => {
                let generated_tokens = if self.tokens { self.pieces } else { 0 };
                let mut usage = Usage { prompt_tokens: self.likely, generated_tokens, ..Usage::default() };
                let price = self.inner.entry.price.as_ref();
                usage.cost = self.cost.or_else(|| price.map(|price| price.cost(&usage)));
                usage
            }
            None => Usage::default(),
        }
    }
}

impl Drop for Tally {
    fn drop(&mut self) {
        let usage = self.due();
        let used = usage.prompt_tokens.saturating_add(usage.generated_tokens);
        self.inner.rate.correct(self.likely, used);
        // Nobody waits for it.
        drop(self.close());
    }
}

/// Whether budgets have room for so much now: [`Ledger::room`], by another thread where this one serves connections.
async fn room(inner: &Inner, asked: Promised) -> Result<()> {
    match &inner.ledger {
        Some(ledger) if ledger.limits(&asked.client) => match inner.serves {
            true => ledger.aside(move |it| it.room(&asked)).await.unwrap_or_else(|_| Err(lost())),
            false => ledger.room(&asked),
        },
        _ => Ok(()),
    }
}

/// The thread that writes the book has ended, which only a fault of ours makes it do.
pub(crate) fn lost() -> Error {
    Error::new(ErrorKind::Internal, "the book of what answers cost cannot be asked: its thread has ended")
}

/// A promise of nothing to this client.
pub(crate) fn nothing(inner: &Inner, client: &str) -> Promised {
    Promised {
        client: if client.is_empty() { NOBODY } else { client }.to_owned(),
        model: inner.entry.name.clone(),
        provider: inner.provider().to_owned(),
        most: None,
        prompt: 0,
        cost: Money(0),
    }
}

/// What is promised to a request, and the tokens that its prompt probably has.
fn promised(inner: &Inner, request: &Reckoned<'_>) -> (Promised, usize) {
    let known = inner.backends.iter().filter_map(|backend| backend.manner.max_output).max();
    let most = request.most_output.or(known).unwrap_or(MOST_OUTPUT);
    let price = inner.entry.price.as_ref();
    // Four bytes make a token, as a rule of thumb.
    let likely = if request.counted { request.most_prompt } else { request.most_prompt.div_ceil(4) };
    let read = Usage { prompt_tokens: likely, ..Usage::default() };
    let asked = Promised {
        most: price.map(|price| price.at_most(request.most_prompt, most)),
        prompt: likely,
        cost: price.map(|price| price.cost(&read)).unwrap_or_default(),
        ..nothing(inner, request.client)
    };
    (asked, likely)
}
