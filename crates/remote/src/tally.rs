//! What one answer takes: promised against the budgets before it is asked for, written into the book when it has ended,
//! whichever way.

use crate::book::Promised;
use crate::ledger::{Ledger, Line, NOBODY, Promise};
use crate::model::Inner;
use jiff::Timestamp;
use parasol_core::{Money, Result, Usage};
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
        Self::promised(inner, &asked, likely).await
    }

    /// Whether a budget could be kept with this request if its prompt were nothing.
    ///
    /// # Errors
    /// Those of the book.
    pub(crate) fn could_open(inner: &Inner, request: &Reckoned<'_>) -> Result<bool> {
        let Some(ledger) = &inner.ledger else { return Ok(true) };
        ledger.could_promise(&promised(inner, &Reckoned { most_prompt: 0, ..*request }).0)
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
        Self::promised(inner, &asked, 0).await
    }

    async fn promised(inner: &Arc<Inner>, asked: &Promised<'_>, likely: usize) -> Result<Self> {
        let ledger = inner.ledger.clone();
        let promise = match &ledger {
            Some(ledger) => {
                ledger.ready().await;
                ledger.promise(asked)?
            }
            None => None,
        };
        Ok(Self {
            inner: Arc::clone(inner),
            ledger,
            client: asked.client.to_owned(),
            promise,
            cost: None,
            before: (0, None),
            likely,
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
}

impl Drop for Tally {
    fn drop(&mut self) {
        let reckoned = self.usage.is_none();
        let usage = match self.usage {
            Some(usage) => usage,
            // What was asked and not finished is charged for as far as it came.
            None if self.asked => {
                let mut usage =
                    Usage { prompt_tokens: self.likely, generated_tokens: self.pieces, ..Usage::default() };
                let price = self.inner.entry.price.as_ref();
                usage.cost = self.cost.or_else(|| price.map(|price| price.cost(&usage)));
                usage
            }
            None => Usage::default(),
        };
        let used = usage.prompt_tokens.saturating_add(usage.generated_tokens);
        self.inner.rate.correct(self.likely, used);
        let Some(ledger) = &self.ledger else { return };
        let line = Line {
            at: Timestamp::now(),
            client: std::mem::take(&mut self.client),
            model: self.inner.entry.name.clone(),
            provider: self.inner.provider().to_owned(),
            usage,
            reckoned,
        };
        if reckoned && !self.asked {
            ledger.release(self.promise.take());
        } else {
            ledger.settle(&line, self.promise.take());
        }
    }
}

fn nothing<'p>(inner: &'p Inner, client: &'p str) -> Promised<'p> {
    Promised {
        client: if client.is_empty() { NOBODY } else { client },
        model: &inner.entry.name,
        provider: inner.provider(),
        most: None,
        prompt: 0,
        cost: Money(0),
    }
}

/// What is promised to a request, and the tokens that its prompt probably has.
fn promised<'p>(inner: &'p Inner, request: &Reckoned<'p>) -> (Promised<'p>, usize) {
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
