//! The book of what answers of other people's machines took and cost, which any number of processes add to, and the budgets that
//! are kept by it.

use crate::book::{self, Book, Claimed, Promised};
use crate::holder::{self, Holder};
use crate::report::{By, Report};
use crate::scribe::Scribe;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use parasol_core::{Error, ErrorKind, Money, Result, Usage};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Who asks when nobody is named.
pub const NOBODY: &str = "local";

/// What may be spent, in US dollars. Days begin at midnight UTC.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// By everybody, each day.
    pub day: Option<f64>,
    /// By each who asks (an API key's id, or `local` for the command line), each day.
    pub key_day: Option<f64>,
    /// The same for those who are named.
    pub keys: BTreeMap<String, f64>,
}

impl Budget {
    /// What one who asks may spend each day.
    #[must_use]
    pub fn of(&self, client: &str) -> Option<f64> {
        self.keys.get(client).copied().or(self.key_day)
    }
}

/// A line of the book.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// When the answer ended, in UTC.
    pub at: Timestamp,
    /// Who asked: an API key's id, an address, or `local`.
    pub client: String,
    /// The model, by its name here.
    pub model: String,
    /// Whose it is.
    pub provider: String,
    /// What the answer took.
    pub usage: Usage,
    /// Whether the numbers are reckoned, because the answer was given up before its end.
    #[serde(default)]
    pub reckoned: bool,
}

/// The book of one folder.
#[derive(Debug)]
pub struct Ledger {
    folder: PathBuf,
    budget: Budget,
    open: Mutex<Open>,
    /// Writes for those who may not wait.
    scribe: Scribe,
}

#[derive(Debug, Default)]
struct Open {
    book: Option<Book>,
    /// This process, as soon as it promises something.
    holder: Option<Holder>,
    /// What of a day could not be written down: its budgets know of it all the same.
    unwritten: (Date, BTreeMap<String, Money>),
    /// Promises to answers that have ended which could not be taken back yet.
    owed: Vec<i64>,
}

/// What was promised to an answer.
#[derive(Debug)]
pub(crate) struct Promise(i64);

/// What is being done aside.
pub(crate) type Aside<T> = oneshot::Receiver<T>;

/// What was promised aside, on its way to who asked for it. It is taken back if nobody is there any more.
#[derive(Debug)]
pub(crate) struct OnItsWay {
    ledger: Arc<Ledger>,
    promise: Option<Promise>,
}

impl OnItsWay {
    /// It has arrived.
    pub(crate) fn taken(mut self) -> Option<Promise> {
        self.promise.take()
    }
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        if let Some(promise) = self.promise.take() {
            // Nobody waits for it.
            drop(self.ledger.aside(|it| it.release(Some(promise))));
        }
    }
}

impl Ledger {
    /// The book in this folder, which is made when there is something to write.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, budget: Budget) -> Self {
        Self { folder: folder.into(), budget, open: Mutex::default(), scribe: Scribe::default() }
    }

    /// Has something done with the book by a thread of its own: the disk may be slow, another process may hold the book, and threads
    /// that serve connections wait for neither. What is asked for is done one after the other, whether or not somebody waits.
    pub(crate) fn aside<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Aside<T> {
        let (done, told) = oneshot::channel();
        let it = Arc::clone(self);
        self.scribe.write(Box::new(move || {
            // Without a listener there is nobody to tell.
            let _ = done.send(work(&it));
        }));
        told
    }

    /// The same for a promise. One that nobody waits for any more is not made.
    pub(crate) fn promise_aside(self: &Arc<Self>, asked: Promised) -> Aside<Result<OnItsWay>> {
        let (done, told) = oneshot::channel();
        let ledger = Arc::clone(self);
        self.scribe.write(Box::new(move || {
            if !done.is_closed() {
                let promised = ledger.promise(&asked).map(|promise| OnItsWay { ledger, promise });
                // Without a listener it takes itself back.
                let _ = done.send(promised);
            }
        }));
        told
    }

    /// Waits until all is written that was asked for, as long as a patient reader waits for another process. For the end of a process.
    pub fn finish(&self) {
        self.scribe.finish();
    }

    /// Whether a budget wants to know of what this client asks for.
    pub(crate) fn limits(&self, client: &str) -> bool {
        self.budget.day.is_some() || self.budget.of(client).is_some()
    }

    /// Promises an answer the most that it can cost, if that leaves every budget kept, whatever other processes have promised by
    /// the same book. Give it back with [`Self::settle`] or [`Self::release`]. `None` where there is no budget to keep.
    ///
    /// # Errors
    /// `RateLimited` until midnight when a budget would be passed, with its numbers; `Unsupported` when there is a budget and
    /// no price; those of the book.
    pub(crate) fn promise(&self, asked: &Promised) -> Result<Option<Promise>> {
        let Some(most) = self.most(asked)? else { return Ok(None) };
        self.promise_as(asked, most, None).map(Some)
    }

    /// Promises a job what it will cost, whether or not there is a budget to keep: the promise is the job's own, outlives this process,
    /// and is what tells a job that has been settled from one that has not. Give it back with [`Self::settle_job`].
    ///
    /// # Errors
    /// As [`Self::promise`].
    pub(crate) fn promise_job(&self, asked: &Promised, job: &str) -> Result<()> {
        let most = self.most(asked)?.or(asked.most).unwrap_or_default();
        self.promise_as(asked, most, Some(&holder::of_job(job))).map(drop)
    }

    /// Takes back what had been promised to a job, with a line of what it cost if it did: once, whoever else does the same.
    ///
    /// # Errors
    /// Those of the book.
    pub(crate) fn settle_job(&self, job: &str, line: Option<&Line>) -> Result<()> {
        opened(&mut self.lock().book, &self.folder)?.within(|tx, _| {
            let open = book::take_back_of(tx, &holder::of_job(job))?;
            line.filter(|_| open).map_or(Ok(()), |line| book::insert(tx, line))
        })
    }

    /// Promises in the name of a job, or of this process.
    fn promise_as(&self, asked: &Promised, most: Money, job: Option<&str>) -> Result<Promise> {
        let mut open = self.lock();
        let Open { book, holder, unwritten, owed } = &mut *open;
        let book = opened(book, &self.folder)?;
        let holder = match (job, holder) {
            (Some(job), _) => job,
            (None, Some(holder)) => holder.name(),
            (None, none) => none.insert(Holder::new(&self.folder)?).name(),
        };
        let now = Timestamp::now();
        let written = book.within(|tx, folder| {
            take_back(tx, owed)?;
            let claimed = |tx| book::claimed(tx, date(now), &asked.client);
            let mut refused = self.passed(asked, most, with(claimed(tx)?, unwritten, now, &asked.client));
            if refused.is_some() {
                book::reclaim(tx, folder, holder)?;
                refused = self.passed(asked, most, with(claimed(tx)?, unwritten, now, &asked.client));
            }
            Ok(match refused {
                Some(message) => Err(message),
                None => Ok(Promise(book::promise(tx, holder, asked, most)?)),
            })
        })?;
        owed.clear();
        written.map_err(|message| {
            Error::new(ErrorKind::RateLimited { retry_after: until_midnight(now) }, message)
        })
    }

    /// Whether so much could be promised now.
    ///
    /// # Errors
    /// As [`Self::promise`].
    pub(crate) fn room(&self, asked: &Promised) -> Result<()> {
        let Some(most) = self.most(asked)? else { return Ok(()) };
        let mut open = self.lock();
        let Open { book, unwritten, .. } = &mut *open;
        let now = Timestamp::now();
        let claimed = opened(book, &self.folder)?.claimed(date(now), &asked.client)?;
        match self.passed(asked, most, with(claimed, unwritten, now, &asked.client)) {
            None => Ok(()),
            Some(message) => {
                Err(Error::new(ErrorKind::RateLimited { retry_after: until_midnight(now) }, message))
            }
        }
    }

    /// The most that an answer can cost, where a budget wants to know.
    fn most(&self, asked: &Promised) -> Result<Option<Money>> {
        if !self.limits(&asked.client) {
            return Ok(None);
        }
        asked.most.map(Some).ok_or_else(|| {
            let message = format!(
                "{} has no price, so no budget can be kept with it: give it one in remote.toml, under [[model]]",
                asked.model
            );
            Error::new(ErrorKind::Unsupported, message)
        })
    }

    /// The budget that would be passed, in words.
    fn passed(&self, asked: &Promised, most: Money, claimed: Claimed) -> Option<String> {
        let client = asked.client.as_str();
        let budgets = [
            (self.budget.day, claimed.all, "of the day".to_owned()),
            (self.budget.of(client), claimed.own, format!("of {client} for the day")),
        ];
        budgets.into_iter().find_map(|(limit, spent, whose)| {
            let limit = limit.map(Money::dollars)?;
            (spent.plus(most) > limit).then(|| {
                format!(
                    "the budget {whose} is {limit}, {spent} of it are spent or promised, and this answer could cost \
                     {most}: ask for fewer tokens, raise the budget in remote.toml, or wait until midnight UTC"
                )
            })
        })
    }

    /// Takes back what had been promised to an answer that nobody charges for.
    pub(crate) fn release(&self, promise: Option<Promise>) {
        let Some(Promise(id)) = promise else { return };
        let mut open = self.lock();
        let Open { book: Some(book), owed, .. } = &mut *open else { return };
        owed.push(id);
        match book.within(|tx, _| take_back(tx, owed)) {
            Ok(()) => owed.clear(),
            // It counts until then, which is on the safe side.
            Err(error) => tracing::error!(error = error.message(), "a promise is taken back later"),
        }
    }

    /// Writes a line, and takes back what had been promised, in one step.
    pub(crate) fn settle(&self, line: &Line, promise: Option<Promise>) {
        let mut open = self.lock();
        let Open { book, unwritten, owed, .. } = &mut *open;
        owed.extend(promise.map(|Promise(id)| id));
        let written = opened(book, &self.folder).and_then(|book| {
            book.within(|tx, _| {
                take_back(tx, owed)?;
                book::insert(tx, line)
            })
        });
        let Err(error) = written else { return owed.clear() };
        // The answer is worth more than its line; what the budget knows of it is kept in memory.
        tracing::error!(error = error.message(), "an answer could not be written down");
        let today = date(line.at);
        if unwritten.0 != today {
            *unwritten = (today, BTreeMap::new());
        }
        let spent = unwritten.1.entry(line.client.clone()).or_default();
        *spent = spent.plus(line.usage.cost.unwrap_or_default());
    }

    /// Writes a line.
    ///
    /// # Errors
    /// Those of the book.
    pub fn write(&self, line: &Line) -> Result<()> {
        opened(&mut self.lock().book, &self.folder)?.within(|tx, _| book::insert(tx, line))
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads in the book, if there is one.
    fn read<T: Default>(&self, what: impl FnOnce(&Book) -> Result<T>) -> Result<T> {
        let mut open = self.lock();
        if open.book.is_none() && !Book::is_in(&self.folder) {
            return Ok(T::default());
        }
        what(opened(&mut open.book, &self.folder)?)
    }

    /// What may be spent.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What each who asks has spent today.
    ///
    /// # Errors
    /// Those of the book.
    pub fn spent_today(&self) -> Result<BTreeMap<String, Money>> {
        let today = date(Timestamp::now());
        let mut all = self.read(|book| book.spent(today))?;
        let open = self.lock();
        if open.unwritten.0 == today {
            for (client, spent) in &open.unwritten.1 {
                let sum = all.entry(client.clone()).or_default();
                *sum = sum.plus(*spent);
            }
        }
        Ok(all)
    }

    /// The sums of so many days, of which today is the last, and the first of the days; of everybody, or of one who asks.
    ///
    /// # Errors
    /// Those of the book.
    pub fn report(&self, days: u16, by: By, only: Option<&str>) -> Result<(Date, Report)> {
        let first = first_of(days);
        Ok((first, self.read(|book| book.report(first, by, only))?))
    }

    /// Each answer of so many days by itself, and the first of the days.
    ///
    /// # Errors
    /// Those of the book.
    pub fn lines_of(&self, days: u16) -> Result<(Date, Vec<Line>)> {
        let first = first_of(days);
        Ok((first, self.read(|book| book.lines(first))?))
    }
}

/// What is spent and promised, with what could not be written down.
fn with(
    claimed: Claimed,
    unwritten: &(Date, BTreeMap<String, Money>),
    now: Timestamp,
    client: &str,
) -> Claimed {
    let (day, spent) = unwritten;
    if *day != date(now) {
        return claimed;
    }
    Claimed {
        all: spent.values().fold(claimed.all, |all, one| all.plus(*one)),
        own: claimed.own.plus(spent.get(client).copied().unwrap_or_default()),
    }
}

/// The book of a folder: opened if it is not open, made if it is not there.
fn opened<'b>(slot: &'b mut Option<Book>, folder: &Path) -> Result<&'b mut Book> {
    match slot {
        Some(book) => Ok(book),
        none => Ok(none.insert(Book::open(folder)?)),
    }
}

/// Takes back what answers had been promised that have ended. They are owed no more when the transaction is done.
fn take_back(tx: &Transaction<'_>, owed: &[i64]) -> rusqlite::Result<()> {
    owed.iter().try_for_each(|id| book::take_back(tx, *id))
}

/// The first of so many days, of which today is the last.
fn first_of(days: u16) -> Date {
    let before = i64::from(days.saturating_sub(1));
    date(Timestamp::now()).checked_sub(jiff::Span::new().days(before)).unwrap_or(Date::MIN)
}

/// The day of a moment, in UTC.
#[must_use]
pub fn date(at: Timestamp) -> Date {
    TimeZone::UTC.to_datetime(at).date()
}

fn until_midnight(now: Timestamp) -> u64 {
    let of_day = now.as_second().rem_euclid(86_400);
    u64::try_from(86_400 - of_day).unwrap_or(1)
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
