//! The book itself: one SQLite file with a row for each answer, the sums of each day, and what is promised to answers that are being
//! made. Any number of processes write to it; what belongs together is one transaction.

use crate::holder;
use crate::ledger::{Line, date};
use crate::report::{By, Report, Sum};
use jiff::{Timestamp, civil::Date};
use parasol_core::{Error, ErrorKind, Money, Result, Usage};
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, named_params, params};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The name of the file in the book's folder.
const FILE: &str = "book.sqlite3";
/// So long is another process waited for that holds it.
const PATIENCE: Duration = Duration::from_secs(5);

/// Sums are kept by a trigger, so that no row can be written without them. They stop where an integer would.
const SCHEMA: &str = "
CREATE TABLE answer (
    at TEXT NOT NULL, day TEXT NOT NULL, client TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    prompt INTEGER NOT NULL, cached INTEGER NOT NULL, cache_written INTEGER NOT NULL,
    generated INTEGER NOT NULL, reasoning INTEGER NOT NULL, cost INTEGER, reckoned INTEGER NOT NULL
) STRICT;
CREATE INDEX answer_day ON answer (day);
CREATE TABLE total (
    day TEXT NOT NULL, client TEXT NOT NULL, model TEXT NOT NULL, provider TEXT NOT NULL,
    answers INTEGER NOT NULL, prompt INTEGER NOT NULL, cached INTEGER NOT NULL, generated INTEGER NOT NULL,
    cost INTEGER NOT NULL, unpriced INTEGER NOT NULL, PRIMARY KEY (day, client, model, provider)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER answer_counts AFTER INSERT ON answer BEGIN
    INSERT INTO total VALUES (new.day, new.client, new.model, new.provider, 1, new.prompt, new.cached,
        new.generated, coalesce(new.cost, 0), new.cost IS NULL)
    ON CONFLICT DO UPDATE SET answers = answers + 1, prompt = min(prompt + new.prompt, 1 << 62),
        cached = min(cached + new.cached, 1 << 62), generated = min(generated + new.generated, 1 << 62),
        cost = min(cost + coalesce(new.cost, 0), 1 << 62), unpriced = unpriced + (new.cost IS NULL);
END;
CREATE TABLE promise (
    id INTEGER PRIMARY KEY, holder TEXT NOT NULL, at TEXT NOT NULL, client TEXT NOT NULL, model TEXT NOT NULL,
    provider TEXT NOT NULL, most INTEGER NOT NULL, prompt INTEGER NOT NULL, cost INTEGER NOT NULL
) STRICT;
PRAGMA user_version = 1;
";

/// What is promised to an answer.
#[derive(Debug, Clone)]
pub(crate) struct Promised {
    /// Who asks.
    pub(crate) client: String,
    /// The model.
    pub(crate) model: String,
    /// Whose it is.
    pub(crate) provider: String,
    /// The most that it can cost; `None` when that is not known.
    pub(crate) most: Option<Money>,
    /// Tokens that its prompt probably has, and what is charged for even if nobody is there to read the answer.
    pub(crate) prompt: usize,
    pub(crate) cost: Money,
}

/// What is spent today and what is promised, by everybody and by one who asks.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Claimed {
    pub(crate) all: Money,
    pub(crate) own: Money,
}

/// The open book of a folder.
#[derive(Debug)]
pub(crate) struct Book {
    folder: PathBuf,
    db: Connection,
}

impl Book {
    /// Whether there is one in this folder, in the form of today or of before.
    pub(crate) fn is_in(folder: &Path) -> bool {
        folder.join(FILE).exists() || crate::lines::files(folder).is_ok_and(|files| !files.is_empty())
    }

    /// Opens the book, and makes it where there is none: of the lines that earlier versions wrote, if there are any. What processes
    /// promised that live no more is taken back.
    ///
    /// # Errors
    /// `Corrupt` for a file that is no book; `Denied`, `NoSpace`, `Io`.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(FILE);
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::from(e).within(format!("cannot create {}", folder.display())))?;
        let open = || -> rusqlite::Result<Connection> {
            let db = Connection::open(&path)?;
            db.busy_timeout(PATIENCE)?;
            db.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
            // A kill loses nothing; a power cut may lose the last answers, which is worth not waiting for the disk with each.
            db.pragma_update(None, "synchronous", "normal")?;
            Ok(db)
        };
        let db = patiently(open).map_err(|e| failed(&path, &e))?;
        let mut book = Self { folder: folder.to_owned(), db };
        book.prepare()?;
        book.within(|tx, folder| reclaim(tx, folder, ""))?;
        holder::sweep(folder);
        Ok(book)
    }

    fn prepare(&mut self) -> Result<()> {
        let mut old = Vec::new();
        let version = |db: &Connection| db.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0));
        if version(&self.db).map_err(|e| self.failed(&e))? == 0 {
            crate::lines::each(&self.folder, &mut |line| old.push(line))?;
        }
        self.within(|tx, _| {
            // Another process may have been quicker.
            if version(tx)? == 0 {
                tx.execute_batch(SCHEMA)?;
                old.iter().try_for_each(|line| insert(tx, line))?;
            }
            Ok(())
        })?;
        match version(&self.db).map_err(|e| self.failed(&e))? {
            1 => Ok(()),
            other => {
                let message = format!(
                    "the book {} has the form {other} of a later version: use that version, or move the file away",
                    self.folder.join(FILE).display()
                );
                Err(Error::new(ErrorKind::Unsupported, message))
            }
        }
    }

    /// Does something as one step, before or after whatever other processes do.
    pub(crate) fn within<T>(
        &mut self,
        work: impl FnOnce(&Transaction<'_>, &Path) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let folder = self.folder.clone();
        let begun = self.db.transaction_with_behavior(TransactionBehavior::Immediate);
        let done = begun.and_then(|tx| {
            let made = work(&tx, &folder)?;
            tx.commit()?;
            Ok(made)
        });
        done.map_err(|e| self.failed(&e))
    }

    fn failed(&self, error: &rusqlite::Error) -> Error {
        failed(&self.folder.join(FILE), error)
    }

    /// What is spent on a day and what is promised, as far as it is written down now.
    pub(crate) fn claimed(&self, day: Date, client: &str) -> Result<Claimed> {
        claimed(&self.db, day, client).map_err(|e| self.failed(&e))
    }

    /// What each who asks has spent on a day.
    pub(crate) fn spent(&self, day: Date) -> Result<BTreeMap<String, Money>> {
        let ask = || {
            let mut all = self
                .db
                .prepare_cached("SELECT client, total(cost) FROM total WHERE day = ? GROUP BY client")?;
            all.query_map([day.to_string()], |row| Ok((row.get(0)?, money(row.get(1)?))))?
                .collect::<rusqlite::Result<_>>()
        };
        ask().map_err(|e| self.failed(&e))
    }

    /// The sums from a day on, of everybody or of one who asks.
    pub(crate) fn report(&self, first: Date, by: By, only: Option<&str>) -> Result<Report> {
        let name = match by {
            By::Day => "day",
            By::Model => "model",
            By::Provider => "provider",
            By::Key => "client",
        };
        let sums = format!(
            "SELECT day, {name}, sum(answers), CAST(total(prompt) AS INTEGER), CAST(total(cached) AS INTEGER), \
             CAST(total(generated) AS INTEGER), total(cost), sum(unpriced) FROM total WHERE day >= ? AND client = coalesce(?, client) \
             GROUP BY day, {name}"
        );
        let read = |row: &Row<'_>| {
            let sum = Sum {
                answers: whole(row, 2)?,
                prompt_tokens: whole(row, 3)?,
                cached_tokens: whole(row, 4)?,
                generated_tokens: whole(row, 5)?,
                cost: money(row.get(6)?),
                unpriced: whole(row, 7)?,
            };
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, sum))
        };
        let ask = || {
            let mut all = self.db.prepare_cached(&sums)?;
            all.query_map(params![first.to_string(), only], read)?.collect::<rusqlite::Result<Vec<_>>>()
        };
        let rows = ask().map_err(|e| self.failed(&e))?;
        // A day is written by this file: what is none was not.
        let dated = rows.into_iter().filter_map(|(day, name, sum)| Some((day.parse().ok()?, name, sum)));
        Ok(Report::of(dated))
    }

    /// The answers themselves from a day on, in the order in which they ended.
    pub(crate) fn lines(&self, first: Date) -> Result<Vec<Line>> {
        let read = |row: &Row<'_>| {
            let count = |at| whole(row, at).map(|n| usize::try_from(n).unwrap_or(usize::MAX));
            let cost: Option<i64> = row.get(9)?;
            Ok(Line {
                at: row.get::<_, String>(0)?.parse().unwrap_or(Timestamp::UNIX_EPOCH),
                client: row.get(1)?,
                model: row.get(2)?,
                provider: row.get(3)?,
                usage: Usage {
                    prompt_tokens: count(4)?,
                    cached_tokens: count(5)?,
                    cache_written_tokens: count(6)?,
                    generated_tokens: count(7)?,
                    reasoning_tokens: count(8)?,
                    cost: cost.map(|cost| Money(u64::try_from(cost).unwrap_or(0))),
                },
                reckoned: row.get(10)?,
            })
        };
        let ask = || {
            let mut all = self.db.prepare_cached(
                "SELECT at, client, model, provider, prompt, cached, cache_written, generated, reasoning, cost, reckoned \
                 FROM answer WHERE day >= ? ORDER BY rowid",
            )?;
            all.query_map([first.to_string()], read)?.collect::<rusqlite::Result<_>>()
        };
        ask().map_err(|e| self.failed(&e))
    }
}

/// SQLite does not always wait by itself for another process that is about to make the same file; where it does, that is waiting
/// enough.
fn patiently<T>(open: impl Fn() -> rusqlite::Result<T>) -> rusqlite::Result<T> {
    let begun = Instant::now();
    loop {
        match open() {
            Err(e)
                if e.sqlite_error_code() == Some(rusqlite::ffi::ErrorCode::DatabaseBusy)
                    && begun.elapsed() < PATIENCE =>
            {
                std::thread::sleep(Duration::from_millis(20));
            }
            done => return done,
        }
    }
}

/// Writes a line.
pub(crate) fn insert(db: &Connection, line: &Line) -> rusqlite::Result<()> {
    let usage = &line.usage;
    db.prepare_cached(
        "INSERT INTO answer VALUES (:at, :day, :client, :model, :provider, :prompt, :cached, :written, :generated, \
         :reasoning, :cost, :reckoned)",
    )?
    .execute(named_params! {
        ":at": line.at.to_string(),
        ":day": date(line.at).to_string(),
        ":client": line.client,
        ":model": line.model,
        ":provider": line.provider,
        ":prompt": stored(usage.prompt_tokens as u64),
        ":cached": stored(usage.cached_tokens as u64),
        ":written": stored(usage.cache_written_tokens as u64),
        ":generated": stored(usage.generated_tokens as u64),
        ":reasoning": stored(usage.reasoning_tokens as u64),
        ":cost": usage.cost.map(|cost| stored(cost.0)),
        ":reckoned": line.reckoned,
    })
    .map(drop)
}

/// What is spent on a day and what is promised.
pub(crate) fn claimed(db: &Connection, day: Date, client: &str) -> rusqlite::Result<Claimed> {
    let mut sums = db.prepare_cached(
        "SELECT (SELECT total(cost) FROM total WHERE day = ?1) + (SELECT total(most) FROM promise), \
         (SELECT total(cost) FROM total WHERE day = ?1 AND client = ?2) \
         + (SELECT total(most) FROM promise WHERE client = ?2)",
    )?;
    sums.query_row(params![day.to_string(), client], |row| {
        Ok(Claimed { all: money(row.get(0)?), own: money(row.get(1)?) })
    })
}

/// Writes a promise down; its number takes it back.
pub(crate) fn promise(db: &Connection, holder: &str, it: &Promised, most: Money) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "INSERT INTO promise (holder, at, client, model, provider, most, prompt, cost) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )?
    .insert(params![
        holder,
        Timestamp::now().to_string(),
        it.client,
        it.model,
        it.provider,
        stored(most.0),
        stored(it.prompt as u64),
        stored(it.cost.0)
    ])
}

/// Takes a promise back.
pub(crate) fn take_back(db: &Connection, id: i64) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM promise WHERE id = ?")?.execute([id]).map(drop)
}

/// Takes back what somebody promised; whether there was anything.
pub(crate) fn take_back_of(db: &Connection, holder: &str) -> rusqlite::Result<bool> {
    db.prepare_cached("DELETE FROM promise WHERE holder = ?")?.execute([holder]).map(|gone| gone > 0)
}

/// Takes back what processes promised that live no more. Their answers may have been asked for: what those cost at least is written
/// down as spent.
pub(crate) fn reclaim(db: &Connection, folder: &Path, own: &str) -> rusqlite::Result<()> {
    let holders: Vec<String> = db
        .prepare_cached("SELECT DISTINCT holder FROM promise WHERE holder <> ?")?
        .query_map([own], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let mut dead = holders.iter().filter(|holder| !holder::lives(folder, holder)).peekable();
    let any = dead.peek().is_some();
    for holder in dead {
        db.execute(
            "INSERT INTO answer SELECT at, substr(at, 1, 10), client, model, provider, prompt, 0, 0, 0, 0, cost, 1 \
             FROM promise WHERE holder = ?",
            [holder],
        )?;
        let gone = db.execute("DELETE FROM promise WHERE holder = ?", [holder])?;
        tracing::warn!(holder, gone, "a process ended without settling what it had asked for");
    }
    // What they left of themselves. Nothing is looked for where a request is only refused.
    if any {
        holder::sweep(folder);
    }
    Ok(())
}

/// A number as a column holds it, small enough for two to be added.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX).min(1 << 61)
}

fn whole(row: &Row<'_>, at: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(at).map(|n| u64::try_from(n).unwrap_or(0))
}

/// A sum of SQLite's `total`, which is a float: exact up to nine million dollars. The cast saturates.
fn money(sum: f64) -> Money {
    Money(sum as u64)
}

fn failed(path: &Path, error: &rusqlite::Error) -> Error {
    use rusqlite::ffi::ErrorCode;
    let (kind, way_out) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (ErrorKind::NoSpace, "make room"),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            (ErrorKind::Corrupt, "move it away, and a new one is begun")
        }
        Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            (ErrorKind::Denied, "it and its folder must be yours to write")
        }
        Some(ErrorCode::DatabaseBusy) => (ErrorKind::Io, "another process holds it: try again"),
        _ => (ErrorKind::Io, "see whether its disk is sound"),
    };
    Error::new(kind, format!("the book {}: {error}; {way_out}", path.display()))
}
