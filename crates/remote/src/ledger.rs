//! The book of what answers of other people's machines took and cost: a file for each month with a line for each answer, which
//! any number of processes add to, and the budgets that are kept by it.

use crate::keys::is_absent;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use parasol_core::{Error, ErrorKind, Money, Result, Usage};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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
    today: Mutex<Today>,
}

/// What today's lines come to, and what is promised to answers that are being made.
#[derive(Debug, Default)]
struct Today {
    date: Date,
    /// Bytes of the month's file that have been read.
    read: u64,
    spent: BTreeMap<String, Money>,
    promised: BTreeMap<String, Money>,
}

impl Ledger {
    /// The book in this folder, which is made when there is something to write.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>, budget: Budget) -> Self {
        Self { folder: folder.into(), budget, today: Mutex::default() }
    }

    /// Promises an answer the most that it can cost, if that leaves every budget kept. Give it back with [`Self::settle`].
    ///
    /// # Errors
    /// `RateLimited` until midnight when a budget would be passed, with its numbers; `Unsupported` when there is a budget and
    /// no price; `Io` when the book cannot be read.
    pub(crate) fn promise(&self, client: &str, model: &str, most: Option<Money>) -> Result<Money> {
        let of_key = self.budget.of(client);
        if self.budget.day.is_none() && of_key.is_none() {
            return Ok(Money(0));
        }
        let Some(most) = most else {
            let message = format!(
                "{model} has no price, so no budget can be kept with it: give it one in remote.toml, under [[model]]"
            );
            return Err(Error::new(ErrorKind::Unsupported, message));
        };
        let now = Timestamp::now();
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut today, now)?;
        let all: Money =
            today.spent.values().chain(today.promised.values()).fold(Money(0), |a, b| a.plus(*b));
        let own = [&today.spent, &today.promised]
            .iter()
            .filter_map(|map| map.get(client))
            .fold(Money(0), |a, b| a.plus(*b));
        let budgets = [
            (self.budget.day, all, "of the day".to_owned()),
            (of_key, own, format!("of {client} for the day")),
        ];
        for (limit, spent, whose) in budgets {
            let Some(limit) = limit.map(Money::dollars) else { continue };
            if spent.plus(most) > limit {
                let message = format!(
                    "the budget {whose} is {limit}, {spent} of it are spent or promised, and this answer could cost \
                     {most}: ask for fewer tokens, raise the budget in remote.toml, or wait until midnight UTC"
                );
                return Err(Error::new(ErrorKind::RateLimited { retry_after: until_midnight(now) }, message));
            }
        }
        let promised = today.promised.entry(client.to_owned()).or_default();
        *promised = promised.plus(most);
        Ok(most)
    }

    /// Takes back what had been promised to an answer that nobody charges for.
    pub(crate) fn release(&self, client: &str, promised: Money) {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = today.promised.get_mut(client) {
            open.0 = open.0.saturating_sub(promised.0);
        }
    }

    /// Writes a line, and takes back what had been promised.
    pub(crate) fn settle(&self, line: &Line, promised: Money) {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = today.promised.get_mut(&line.client) {
            open.0 = open.0.saturating_sub(promised.0);
        }
        if let Err(error) = self.write(line) {
            // The answer is worth more than its line; what the budget knows of it is kept in memory.
            tracing::error!(error = error.message(), "an answer could not be written down");
            let spent = today.spent.entry(line.client.clone()).or_default();
            *spent = spent.plus(line.usage.cost.unwrap_or_default());
        }
    }

    fn write(&self, line: &Line) -> Result<()> {
        let path = self.file(date(line.at));
        let failed = |e: std::io::Error| Error::from(e).within(format!("cannot write {}", path.display()));
        let mut text =
            serde_json::to_string(line).map_err(|e| Error::new(ErrorKind::Internal, e.to_string()))?;
        text.push('\n');
        // One write to a file that is opened for appending: lines of several processes do not mix.
        let open = || std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let mut file = match open() {
            Err(e) if is_absent(&e) => std::fs::create_dir_all(&self.folder).and_then(|()| open()),
            opened => opened,
        }
        .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)
    }

    fn file(&self, date: Date) -> PathBuf {
        self.folder.join(format!("{:04}-{:02}.jsonl", date.year(), date.month()))
    }

    /// Takes in what has been written since.
    fn catch_up(&self, today: &mut Today, now: Timestamp) -> Result<()> {
        let date = date(now);
        if today.date != date {
            let promised = std::mem::take(&mut today.promised);
            *today = Today { date, promised, ..Today::default() };
        }
        let path = self.file(date);
        let spent = &mut today.spent;
        today.read = each_line(&path, today.read, &mut |line| {
            if self::date(line.at) == date {
                let sum = spent.entry(line.client).or_default();
                *sum = sum.plus(line.usage.cost.unwrap_or_default());
            }
        })?;
        Ok(())
    }

    /// What may be spent.
    #[must_use]
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What each who asks has spent today.
    ///
    /// # Errors
    /// `Io` when the book cannot be read.
    pub fn spent_today(&self) -> Result<BTreeMap<String, Money>> {
        let mut today = self.today.lock().unwrap_or_else(PoisonError::into_inner);
        self.catch_up(&mut today, Timestamp::now())?;
        Ok(today.spent.clone())
    }

    /// All lines of so many days, of which today is the last, and the first of the days. The oldest month comes first.
    ///
    /// # Errors
    /// `Io` when a file cannot be read.
    pub fn lines_of(&self, days: u16) -> Result<(Date, Vec<Line>)> {
        let now = Timestamp::now();
        let before = i64::from(days.saturating_sub(1));
        let first = date(now).checked_sub(jiff::Span::new().days(before)).unwrap_or(Date::MIN);
        let mut out = Vec::new();
        let mut month = first.first_of_month();
        while month <= date(now) {
            each_line(&self.file(month), 0, &mut |line| {
                if date(line.at) >= first {
                    out.push(line);
                }
            })?;
            let Ok(next) = month.checked_add(jiff::Span::new().months(1)) else { break };
            month = next;
        }
        Ok((first, out))
    }
}

/// Gives every whole line of a file from a byte on; tells up to where. A missing file has none, and what is no line (of a
/// version to come, or torn by a full disk) is passed over.
fn each_line(path: &Path, from: u64, take: &mut dyn FnMut(Line)) -> Result<u64> {
    let failed = |e: std::io::Error| Error::from(e).within(format!("cannot read {}", path.display()));
    let mut file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if is_absent(&e) => return Ok(0),
        Err(e) => return Err(failed(e)),
    };
    let size = file.metadata().map_err(failed)?.len();
    let mut at = if from > size { 0 } else { from };
    file.seek(SeekFrom::Start(at)).map_err(failed)?;
    let mut reader = BufReader::new(file);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let read = reader.read_until(b'\n', &mut bytes).map_err(failed)?;
        // Without its end, a line is still being written.
        if read == 0 || bytes.last() != Some(&b'\n') {
            return Ok(at);
        }
        at = at.saturating_add(read as u64);
        if let Ok(line) = serde_json::from_slice(&bytes) {
            take(line);
        }
    }
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::report::{By, Report, Sum};

    fn line(client: &str, dollars: f64) -> Line {
        let usage = Usage {
            prompt_tokens: 10,
            generated_tokens: 5,
            cost: Some(Money::dollars(dollars)),
            ..Usage::default()
        };
        Line {
            at: Timestamp::now(),
            client: client.into(),
            model: "m".into(),
            provider: "p".into(),
            usage,
            reckoned: false,
        }
    }

    fn ledger(folder: &Path, day: Option<f64>, key: Option<f64>) -> Ledger {
        let keys = [("rich".to_owned(), 9.0)].into();
        Ledger::new(folder.join("usage"), Budget { day, key_day: key, keys })
    }

    #[test]
    fn a_budget_stops_before_it_is_passed() {
        let folder = tempfile::tempdir().unwrap();
        let book = ledger(folder.path(), Some(1.0), None);
        let half = Some(Money::dollars(0.5));
        let one = book.promise("a", "m", half).unwrap();
        book.promise("b", "m", half).unwrap();
        // All is promised, though nothing is spent.
        let error = book.promise("a", "m", Some(Money(1))).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::RateLimited { retry_after: 1..=86_400 }), "{error}");
        assert!(error.message().contains("$1.00"), "{error}");
        // The answer cost less than was promised: the rest is free again.
        book.settle(&line("a", 0.1), one);
        book.promise("a", "m", Some(Money::dollars(0.4))).unwrap();
        assert!(book.promise("a", "m", Some(Money(1))).is_err());
    }

    #[test]
    fn keys_have_budgets_of_their_own_and_other_processes_count() {
        let folder = tempfile::tempdir().unwrap();
        let (book, other) = (ledger(folder.path(), None, Some(1.0)), ledger(folder.path(), None, Some(1.0)));
        other.settle(&line("a", 0.9), Money(0));
        assert!(book.promise("a", "m", Some(Money::dollars(0.2))).is_err());
        book.promise("b", "m", Some(Money::dollars(0.2))).unwrap();
        book.promise("rich", "m", Some(Money::dollars(8.0))).unwrap();
        other.settle(&line("b", 0.9), Money(0));
        assert!(book.promise("b", "m", Some(Money::dollars(0.01))).is_err());
        assert!(book.promise("c", "m", None).unwrap_err().message().contains("no price"));
    }

    #[test]
    fn what_was_written_is_read_and_what_is_torn_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let book = ledger(folder.path(), None, None);
        assert_eq!(book.promise("a", "m", None).unwrap(), Money(0));
        assert!(book.lines_of(31).unwrap().1.is_empty());
        let mut old = line("a", 1.0);
        old.at = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24 * 40)).unwrap();
        for line in [line("a", 0.25), line("b", 0.5), old] {
            book.settle(&line, Money(0));
        }
        let path = book.file(date(Timestamp::now()));
        let mut file = std::fs::OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"nonsense\": 1}\nhalf a li").unwrap();
        let mut sum = Sum::default();
        book.lines_of(8).unwrap().1.iter().for_each(|line| sum.add(line));
        assert_eq!((sum.answers, sum.prompt_tokens, sum.cost), (2, 20, Money::dollars(0.75)));
        let (first, lines) = book.lines_of(1).unwrap();
        let report = Report::of(&lines, By::Key);
        assert_eq!((first, report.total), (date(Timestamp::now()), sum));
        assert_eq!(report.names.keys().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(report.rows[&(first, "b".to_owned())].cost, Money::dollars(0.5));
        assert_eq!(book.spent_today().unwrap()["a"], Money::dollars(0.25));
        assert_eq!(book.lines_of(61).unwrap().1.len(), 3);
    }
}
