//! The shelf with small things on it, whose drops are counted.

#![allow(clippy::unwrap_used)]

use super::shelf::{Held, Shelf};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::Cancel;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(100);

struct Thing(Arc<AtomicUsize>);

impl Drop for Thing {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Fixture {
    shelf: Shelf<Thing>,
    gone: Arc<AtomicUsize>,
}

impl Fixture {
    fn new(budget: u64) -> Self {
        Self { shelf: Shelf::new(budget, SHORT, None), gone: Arc::default() }
    }

    fn get(&self, key: &str, bytes: u64) -> Result<Held<Thing>> {
        self.get_unless(key, bytes, &Cancel::new())
    }

    fn get_unless(&self, key: &str, bytes: u64, cancel: &Cancel) -> Result<Held<Thing>> {
        let gone = self.gone.clone();
        self.shelf.acquire(key, cancel, |room| {
            room.reserve(bytes, "all of it")?;
            Ok(Thing(gone))
        })
    }

    fn keys(&self) -> String {
        self.shelf.list().into_iter().map(|shown| shown.key).collect()
    }

    fn gone(&self) -> usize {
        self.gone.load(Ordering::SeqCst)
    }
}

#[test]
fn concurrent_callers_load_once() {
    let (it, loads) = (Fixture::new(10), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let held = it.shelf.acquire("a", &Cancel::new(), |room| {
                    loads.fetch_add(1, Ordering::SeqCst);
                    std::thread::sleep(SHORT);
                    room.reserve(5, "")?;
                    Ok(Thing(it.gone.clone()))
                });
                assert_eq!(held.unwrap().key(), "a");
            });
        }
    });
    assert_eq!((loads.load(Ordering::SeqCst), it.gone(), it.shelf.used()), (1, 0, 5));
    assert_eq!(it.shelf.list()[0].leases, 0);
}

#[test]
fn a_failed_load_is_told_to_all_and_tried_again() {
    let (it, loads) = (Fixture::new(10), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let held = it.shelf.acquire("a", &Cancel::new(), |room| {
                    loads.fetch_add(1, Ordering::SeqCst);
                    room.reserve(5, "")?;
                    std::thread::sleep(SHORT * 3);
                    Err(Error::new(ErrorKind::Corrupt, "damaged"))
                });
                assert_eq!(*held.err().unwrap().kind(), ErrorKind::Corrupt);
            });
        }
    });
    assert_eq!((loads.load(Ordering::SeqCst), it.shelf.used()), (1, 0));
    assert!(
        it.shelf
            .acquire("a", &Cancel::new(), |_| panic!("as a test"))
            .is_err_and(|e| *e.kind() == ErrorKind::Internal)
    );
    it.get("a", 5).unwrap();
}

#[test]
fn the_longest_unused_makes_room() {
    let it = Fixture::new(10);
    drop(it.get("a", 4).unwrap());
    drop(it.get("b", 4).unwrap());
    drop(it.get("a", 4).unwrap());
    drop(it.get("c", 4).unwrap());
    assert_eq!((it.keys().as_str(), it.gone(), it.shelf.used()), ("ac", 1, 8));
    // Both go for one that needs everything.
    drop(it.get("d", 10).unwrap());
    assert_eq!((it.keys().as_str(), it.gone()), ("d", 3));
}

#[test]
fn what_does_not_fit_says_both_numbers_and_unloads_nothing() {
    let it = Fixture::new(10);
    drop(it.get("a", 4).unwrap());
    let error = it.get("b", 11).err().unwrap();
    assert_eq!(*error.kind(), ErrorKind::OutOfMemory);
    assert!(error.message().contains("11 B") && error.message().contains("10 B"), "{error}");
    it.shelf.pin("a", true);
    let error = it.get("b", 7).err().unwrap();
    assert!(error.message().contains("4 B are pinned"), "{error}");
    assert_eq!(it.keys(), "a");
    it.shelf.pin("a", false);
    it.get("b", 7).unwrap();
    assert_eq!(it.keys(), "b");
}

#[test]
fn what_is_in_use_stays_and_is_waited_for() {
    let it = Fixture::new(10);
    let held = it.get("a", 6).unwrap();
    let begun = Instant::now();
    let error = it.get("b", 6).err().unwrap();
    assert!(begun.elapsed() >= SHORT && *error.kind() == ErrorKind::OutOfMemory);
    assert!(error.message().contains("in use by a"), "{error}");
    assert_eq!(it.gone(), 0);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| it.get("b", 6).map(drop));
        std::thread::sleep(SHORT / 4);
        drop(held);
        waiter.join().unwrap().unwrap();
    });
    assert_eq!((it.keys().as_str(), it.gone()), ("b", 1));
}

#[test]
fn unloading_waits_for_those_who_use_it() {
    let it = Fixture::new(10);
    assert_eq!(it.shelf.unload("a").unwrap(), None);
    let held = it.get("a", 6).unwrap();
    assert_eq!(*it.shelf.unload("a").unwrap_err().kind(), ErrorKind::Timeout);
    // It takes nobody new, and its room is not given away before it is gone.
    assert!(it.shelf.held("a").is_none() && it.shelf.used() == 6 && it.get("b", 6).is_err());
    drop(held);
    assert_eq!((it.shelf.used(), it.gone()), (0, 1));
    drop(it.get("a", 6).unwrap());
    assert_eq!((it.shelf.unload("a").unwrap(), it.gone()), (Some(6), 2));
}

#[test]
fn what_nobody_uses_goes_after_its_time() {
    let it = Fixture::new(10);
    let (keeper, held) = (it.shelf.clone(), it.get("a", 6).unwrap());
    let thread = std::thread::spawn(move || keeper.keep());
    held.keep_alive(Some(Duration::ZERO));
    std::thread::sleep(SHORT / 2);
    assert_eq!(it.gone(), 0, "it is in use");
    drop(held);
    let begun = Instant::now();
    while it.gone() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(2));
    }
    drop(it.get("b", 6).unwrap());
    it.shelf.close();
    thread.join().unwrap();
    assert_eq!((it.gone(), it.shelf.used()), (2, 0));
}

/// A shelf that is full and in use, where a request waits for long.
fn full() -> (Fixture, Held<Thing>) {
    let it = Fixture { shelf: Shelf::new(10, Duration::from_secs(20), None), gone: Arc::default() };
    let held = it.get("a", 6).unwrap();
    (it, held)
}

fn soon(done: impl Fn() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn who_is_gone_waits_for_no_room() {
    let ((it, _held), cancel) = (full(), Cancel::new());
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| it.get_unless("b", 6, &cancel).map(drop));
        soon(|| it.keys() == "ab");
        it.shelf.give_up(&cancel);
        assert_eq!(*waiter.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
    });
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!((it.keys().as_str(), it.shelf.used()), ("a", 6));
    // Who is gone before anything begins begins nothing.
    let error = it.shelf.acquire("b", &cancel, |_| panic!("it was loaded")).map(drop).unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Cancelled);
}

#[test]
fn a_load_goes_on_for_those_who_wait_still() {
    let ((it, held), cancel) = (full(), Cancel::new());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| it.get_unless("b", 6, &cancel).map(drop));
        soon(|| it.keys() == "ab");
        let second = scope.spawn(|| it.get("b", 6).map(drop));
        std::thread::sleep(SHORT);
        it.shelf.give_up(&cancel);
        std::thread::sleep(SHORT);
        assert_eq!(it.keys(), "ab", "somebody waits for it");
        drop(held);
        second.join().unwrap().unwrap();
        // The one that loaded it was not told to stop in the middle.
        first.join().unwrap().unwrap();
    });
    assert_eq!(it.keys(), "b");
}

#[test]
fn who_waits_for_another_ones_load_may_leave_and_is_not_failed_by_one_who_left() {
    let ((it, held), cancel, other) = (full(), Cancel::new(), Cancel::new());
    std::thread::scope(|scope| {
        let first = scope.spawn(|| it.get_unless("b", 6, &cancel).map(drop));
        soon(|| it.keys() == "ab");
        let leaves = scope.spawn(|| it.get_unless("b", 6, &other).map(drop));
        std::thread::sleep(SHORT);
        it.shelf.give_up(&other);
        assert_eq!(*leaves.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        it.shelf.give_up(&cancel);
        assert_eq!(*first.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        let last = scope.spawn(|| it.get("b", 6).map(drop));
        std::thread::sleep(SHORT);
        drop(held);
        last.join().unwrap().unwrap();
    });
}
