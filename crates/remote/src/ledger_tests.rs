#![allow(clippy::unwrap_used)]

use super::*;
use crate::report::Sum;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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

fn ledger(folder: &std::path::Path, day: Option<f64>, key: Option<f64>) -> Ledger {
    let keys = [("rich".to_owned(), 9.0)].into();
    Ledger::new(folder.join("usage"), Budget { day, key_day: key, keys })
}

/// A promise of so many dollars, of which a tenth is charged for even if nobody reads the answer.
fn promise(book: &Ledger, client: &str, dollars: f64) -> Result<Option<Promise>> {
    book.promise(&Promised {
        client: client.into(),
        model: "m".into(),
        provider: "p".into(),
        most: Some(Money::dollars(dollars)),
        prompt: 7,
        cost: Money::dollars(dollars / 10.0),
    })
}

#[test]
fn a_budget_stops_before_it_is_passed() {
    let folder = tempfile::tempdir().unwrap();
    let book = ledger(folder.path(), Some(1.0), None);
    let one = promise(&book, "a", 0.5).unwrap();
    let two = promise(&book, "b", 0.5).unwrap();
    // All is promised, though nothing is spent.
    let error = promise(&book, "a", 1e-9).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::RateLimited { retry_after: 1..=86_400 }), "{error}");
    assert!(error.message().contains("$1.00"), "{error}");
    // The answer cost less than was promised: the rest is free again.
    book.settle(&line("a", 0.1), one);
    let three = promise(&book, "a", 0.4).unwrap();
    assert!(promise(&book, "a", 1e-9).is_err());
    book.release(two);
    book.release(three);
    promise(&book, "a", 0.9).unwrap();
    assert!(promise(&book, "a", 1e-9).is_err());
}

#[test]
fn keys_have_budgets_of_their_own_and_other_processes_count() {
    let folder = tempfile::tempdir().unwrap();
    let (book, other) = (ledger(folder.path(), None, Some(1.0)), ledger(folder.path(), None, Some(1.0)));
    other.settle(&line("a", 0.9), None);
    assert!(promise(&book, "a", 0.2).is_err());
    let held = promise(&book, "b", 0.2).unwrap();
    promise(&book, "rich", 8.0).unwrap();
    // What another has promised counts, and what it has spent.
    assert!(promise(&other, "b", 0.9).is_err());
    book.release(held);
    other.settle(&line("b", 0.9), None);
    assert!(promise(&book, "b", 0.2).is_err());
    promise(&book, "b", 0.1).unwrap();
    let unpriced = Promised {
        client: "c".into(),
        model: "m".into(),
        provider: "p".into(),
        most: None,
        prompt: 0,
        cost: Money(0),
    };
    assert!(book.promise(&unpriced).unwrap_err().message().contains("no price"));
    // Without a budget nothing is promised, and no book is made.
    let free = ledger(&folder.path().join("free"), None, None);
    assert!(free.promise(&unpriced).unwrap().is_none() && !free.folder.exists());
}

#[test]
fn what_was_written_is_added_up() {
    let folder = tempfile::tempdir().unwrap();
    let book = ledger(folder.path(), None, None);
    assert!(book.lines_of(31).unwrap().1.is_empty() && !book.folder.exists(), "looking makes no book");
    let mut old = line("a", 1.0);
    old.at = Timestamp::now().checked_sub(jiff::SignedDuration::from_hours(24 * 40)).unwrap();
    let mut unpriced = line("b", 0.0);
    unpriced.usage.cost = None;
    for line in [&line("a", 0.25), &line("b", 0.5), &unpriced, &old] {
        book.write(line).unwrap();
    }
    let (first, report) = book.report(1, By::Key, None).unwrap();
    let sum = Sum {
        answers: 3,
        prompt_tokens: 30,
        cached_tokens: 0,
        generated_tokens: 15,
        cost: Money::dollars(0.75),
        unpriced: 1,
    };
    assert_eq!((first, report.total), (date(Timestamp::now()), sum));
    assert_eq!(report.names.keys().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(report.rows[&(first, "b".to_owned())].cost, Money::dollars(0.5));
    assert_eq!(book.report(61, By::Key, Some("a")).unwrap().1.total.cost, Money::dollars(1.25));
    let (_, long) = book.report(61, By::Day, None).unwrap();
    assert_eq!((long.rows.len(), long.total.answers), (2, 4));
    assert_eq!(book.spent_today().unwrap()["a"], Money::dollars(0.25));
    assert_eq!(book.lines_of(61).unwrap().1, [line_at(&book, 0), line_at(&book, 1), unpriced, old]);
}

fn line_at(book: &Ledger, at: usize) -> Line {
    book.lines_of(1).unwrap().1[at].clone()
}

#[test]
fn the_lines_of_earlier_versions_are_taken_over_once() {
    let folder = tempfile::tempdir().unwrap();
    let usage = folder.path().join("usage");
    std::fs::create_dir_all(&usage).unwrap();
    let whole = serde_json::to_string(&line("a", 0.25)).unwrap();
    let month = usage.join("2026-11.jsonl");
    std::fs::write(&month, format!("{whole}\n{{\"nonsense\": 1}}\n{whole}\nhalf a li")).unwrap();
    for _ in 0..2 {
        let book = ledger(folder.path(), None, None);
        assert_eq!(book.report(1, By::Model, None).unwrap().1.names["m"].answers, 2);
    }
    assert!(month.exists(), "they stay where they were");
}

#[test]
fn what_could_not_be_taken_back_is_taken_back_as_soon_as_that_can_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let book = ledger(folder.path(), Some(1.0), None);
    let held: Vec<_> = (0..3).map(|_| promise(&book, "a", 0.25).unwrap()).collect();
    let other = rusqlite::Connection::open(folder.path().join("usage/book.sqlite3")).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER stuck BEFORE DELETE ON promise BEGIN SELECT raise(ABORT, 'stuck'); END",
        )
        .unwrap();
    let mut held = held.into_iter();
    book.settle(&line("a", 0.1), held.next().unwrap());
    book.release(held.next().unwrap());
    // Three promises of 25 cents, and the ten cents that could not be written down.
    assert!(promise(&book, "a", 0.25).is_err());
    other.execute_batch("DROP TRIGGER stuck").unwrap();
    let all = || other.query_row("SELECT count(*) FROM promise", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(all(), 3);
    assert!(promise(&book, "a", 0.66).is_err() && all() == 1, "only one answer is still on its way");
    promise(&book, "a", 0.65).unwrap();
    // Whatever is done next takes them back.
    for last in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let book = ledger(folder.path(), Some(1.0), None);
        let (one, two) = (promise(&book, "a", 0.25).unwrap(), promise(&book, "a", 0.25).unwrap());
        let other = rusqlite::Connection::open(folder.path().join("usage/book.sqlite3")).unwrap();
        other
            .execute_batch("CREATE TRIGGER stuck BEFORE DELETE ON promise BEGIN SELECT raise(ABORT, ''); END")
            .unwrap();
        book.release(one);
        other.execute_batch("DROP TRIGGER stuck").unwrap();
        if last {
            book.release(two)
        } else {
            book.settle(&line("a", 0.1), two)
        }
        let left = other.query_row("SELECT count(*) FROM promise", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(left, 0);
    }
}

#[test]
fn what_is_done_aside_keeps_its_order_and_nobody_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let book = Arc::new(ledger(folder.path(), Some(1.0), None));
    let asked = |dollars| Promised {
        client: "a".into(),
        model: "m".into(),
        provider: "p".into(),
        most: Some(Money::dollars(dollars)),
        prompt: 0,
        cost: Money(0),
    };
    // Somebody is at it for as long as the only thread that serves connections does nothing else.
    let (busy, begun) = std::sync::mpsc::channel();
    let (go, wait) = std::sync::mpsc::channel();
    let held = Arc::clone(&book);
    let holder = std::thread::spawn(move || {
        let _open = held.lock();
        busy.send(()).unwrap();
        wait.recv_timeout(Duration::from_secs(10)).is_ok()
    });
    begun.recv().unwrap();
    let written = book.aside(|book| book.settle(&line("a", 0.25), None));
    // Nobody is there to hear of this one: it binds nothing.
    drop(book.promise_aside(asked(0.75)));
    let two = book.promise_aside(asked(0.75));
    let three = book.promise_aside(asked(0.01));
    runtime.spawn(async move { go.send(()).unwrap() });
    let (two, three) = runtime.block_on(async { (two.await.unwrap(), three.await.unwrap()) });
    assert!(holder.join().unwrap(), "the thread was held up");
    runtime.block_on(written).unwrap();
    let two = two.unwrap().taken();
    assert!(two.is_some() && three.is_err(), "a quarter is spent, three quarters are promised");
    book.aside(|book| book.settle(&line("a", 0.5), two));
    book.finish();
    assert_eq!(book.spent_today().unwrap()["a"], Money::dollars(0.75));
    // Whoever asked for this one went away when it had been made and not been read of.
    let made = book.promise_aside(asked(0.25));
    book.finish();
    drop(made);
    let next = runtime.block_on(book.promise_aside(asked(0.25))).unwrap();
    assert!(next.unwrap().taken().is_some(), "the quarter that is left is free again");
}

#[test]
fn a_book_that_another_process_does_not_let_go_is_waited_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let book = ledger(folder.path(), None, None);
    std::fs::create_dir_all(&book.folder).unwrap();
    let other = rusqlite::Connection::open(book.folder.join("book.sqlite3")).unwrap();
    other.execute_batch("CREATE TABLE something (else_ TEXT); BEGIN EXCLUSIVE").unwrap();
    let begun = Instant::now();
    let error = book.write(&line("a", 0.1)).unwrap_err();
    assert!(error.message().contains("another process holds it"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
}

#[test]
fn absurd_numbers_of_a_provider_do_not_spoil_the_book() {
    let folder = tempfile::tempdir().unwrap();
    let book = ledger(folder.path(), Some(1.0), None);
    let mut absurd = line("a", 0.0);
    absurd.usage = Usage {
        prompt_tokens: usize::MAX,
        cached_tokens: usize::MAX,
        generated_tokens: usize::MAX,
        cost: Some(Money(u64::MAX)),
        ..Usage::default()
    };
    for client in ["a", "b", "c", "a", "b", "c"] {
        absurd.client = client.into();
        book.write(&absurd).unwrap();
    }
    let (_, report) = book.report(1, By::Day, None).unwrap();
    assert!(report.total.answers == 6 && report.total.cost > Money::dollars(1e9), "{report:?}");
    assert!(promise(&book, "d", 0.1).is_err());
    // What is no book is said to be none, and is left as it is.
    let broken = ledger(&folder.path().join("broken"), Some(1.0), None);
    std::fs::create_dir_all(&broken.folder).unwrap();
    let file = broken.folder.join("book.sqlite3");
    std::fs::write(&file, "this was a shopping list, and it is long enough to be looked at".repeat(20))
        .unwrap();
    let error = promise(&broken, "a", 0.1).unwrap_err();
    assert!(*error.kind() == ErrorKind::Corrupt && error.message().contains("move it away"), "{error}");
    // The answer was given: what cannot be written down is remembered as long as this process lives.
    broken.settle(&line("a", 0.9), None);
    std::fs::remove_file(&file).unwrap();
    assert!(promise(&broken, "a", 0.2).is_err());
    assert_eq!(broken.spent_today().unwrap()["a"], Money::dollars(0.9));
}

/// Set for a process of this test: the folder of the book.
const CHILD: &str = "PARASOL_TEST_LEDGER_CHILD";

/// Not a test by itself: what another process does, promises until none is left and waits to be ended.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(CHILD) else { return };
    let book = ledger(std::path::Path::new(&folder), Some(1.0), None);
    let mut held = Vec::new();
    while let Ok(one) = promise(&book, "a", 0.1) {
        held.push(one);
    }
    std::fs::write(format!("{}/{}.done", folder.display(), std::process::id()), held.len().to_string())
        .unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

/// Processes that end with the test, however that ends.
struct Processes(Vec<Child>);

impl Processes {
    fn kill(&mut self) {
        for child in &mut self.0 {
            // One that has ended by itself cannot be killed.
            let _ = child.kill();
            child.wait().unwrap();
        }
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        self.kill();
    }
}

fn processes(folder: &std::path::Path, count: usize) -> Processes {
    let spawn = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ledger::tests::child", "--nocapture"])
            .env(CHILD, folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let children = Processes((0..count).map(|_| spawn()).collect());
    let begun = Instant::now();
    for child in &children.0 {
        let done = folder.join(format!("{}.done", child.id()));
        while std::fs::read_to_string(&done).unwrap_or_default().is_empty() {
            assert!(begun.elapsed() < Duration::from_secs(50), "{} has not promised all", child.id());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    children
}

#[test]
fn processes_share_a_budget_and_what_a_killed_one_promised_is_free_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut children = processes(folder.path(), 4);
    let told = |child: &Child| -> usize {
        let path = folder.path().join(format!("{}.done", child.id()));
        std::fs::read_to_string(path).unwrap().parse().unwrap()
    };
    let each: Vec<usize> = children.0.iter().map(told).collect();
    // Ten times ten cents make the dollar, whoever promised them.
    assert_eq!(each.iter().sum::<usize>(), 10, "{each:?}");
    let book = ledger(folder.path(), Some(1.0), None);
    assert!(promise(&book, "a", 0.1).is_err(), "all four live");
    children.kill();
    // A cent of each may have been charged: nine tenths are free.
    let held: Vec<_> = std::iter::from_fn(|| promise(&book, "a", 0.1).ok()).collect();
    assert_eq!(held.len(), 9);
    let lines = book.lines_of(1).unwrap().1;
    assert!(lines.len() == 10 && lines.iter().all(|line| line.reckoned && line.usage.prompt_tokens == 7));
    let locks = std::fs::read_dir(&book.folder).unwrap().flatten();
    let locks = locks.filter(|file| file.path().extension().is_some_and(|ending| ending == "lock"));
    assert_eq!(locks.count(), 1, "only one process is left");
}
