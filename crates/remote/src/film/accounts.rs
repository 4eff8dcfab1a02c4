//! The money of a job: promised before it is asked for, settled once when it is known what it costs, whichever process learns of it.

use super::job::FilmJob;
use crate::book::Promised;
use crate::ledger::{Ledger, Line};
use crate::model::Inner;
use crate::tally::{lost, nothing};
use jiff::Timestamp;
use parasol_core::{Money, Result, Usage};
use std::sync::Arc;

/// What a film of the job's length and size costs, where that is known.
pub(super) fn price(inner: &Inner, job: &FilmJob) -> Option<Money> {
    inner.entry.price.as_ref()?.film(job.seconds, job.size)
}

/// Promises what a job will cost.
///
/// # Errors
/// When a budget would be passed, and those of the book.
pub(super) async fn promise(inner: &Inner, job: &FilmJob) -> Result<()> {
    let most = price(inner, job);
    let asked = Promised { most, cost: most.unwrap_or_default(), ..nothing(inner, &job.client) };
    let id = job.id.clone();
    with(inner, move |ledger| ledger.promise_job(&asked, &id)).await
}

/// It is paid for: `reckoned` where nobody has told that it is.
///
/// # Errors
/// Those of the book.
pub(super) async fn pay(inner: &Inner, job: &mut FilmJob, reckoned: bool) -> Result<()> {
    job.cost = price(inner, job);
    let line = Line {
        at: Timestamp::now(),
        client: job.client.clone(),
        model: job.model.clone(),
        provider: job.provider.clone(),
        usage: Usage { cost: job.cost, ..Usage::default() },
        reckoned,
    };
    let id = job.id.clone();
    with(inner, move |ledger| ledger.settle_job(&id, Some(&line))).await
}

/// Nobody charges for it.
///
/// # Errors
/// Those of the book.
pub(super) async fn release(inner: &Inner, job: &FilmJob) -> Result<()> {
    let id = job.id.clone();
    with(inner, move |ledger| ledger.settle_job(&id, None)).await
}

/// Does something with the book, where there is one; by another thread where this one serves connections.
async fn with(inner: &Inner, work: impl FnOnce(&Ledger) -> Result<()> + Send + 'static) -> Result<()> {
    match &inner.ledger {
        None => Ok(()),
        Some(ledger) if inner.serves => Arc::clone(ledger).aside(work).await.unwrap_or_else(|_| Err(lost())),
        Some(ledger) => work(ledger),
    }
}
