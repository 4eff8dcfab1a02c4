//! The shelf: what is loaded, by key, under one budget. It makes sure that a thing is loaded once, that what is in use stays,
//! and that what nobody uses makes room. What the things are, it does not know.

use super::room::{Item, Reservation, Room};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::Cancel;
use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What is loaded. Clones share it.
pub(super) struct Shelf<E>(Arc<Inner<E>>);

pub(super) struct Inner<E> {
    /// Bytes that everything together may take.
    pub(super) budget: u64,
    /// How long a load waits until something in use makes room.
    pub(super) patience: Duration,
    /// For how long something stays that nobody uses, where nobody said otherwise; `None` for ever.
    keep_alive: Option<Duration>,
    pub(super) state: Mutex<State<E>>,
    /// Told of every change of `state`.
    pub(super) changed: Condvar,
}

pub(super) struct State<E> {
    pub(super) slots: BTreeMap<String, Slot<E>>,
    /// Bytes of everything that has room reserved, by number: also of what was unloaded and is still in use.
    pub(super) reserved: BTreeMap<u64, u64>,
    pub(super) next: u64,
    pub(super) pinned: BTreeSet<String>,
    closed: bool,
}

pub(super) enum Slot<E> {
    /// Somebody loads it; the others wait and then see how that ended.
    Loading(Loading),
    Ready(Ready<E>),
}

/// Something that is being loaded.
#[derive(Default)]
pub(super) struct Loading {
    failed: Arc<OnceLock<Error>>,
    /// How many wait for it, besides who loads it.
    waiting: usize,
}

pub(super) struct Ready<E> {
    pub(super) item: Arc<Item<E>>,
    pub(super) leases: usize,
    pub(super) last_used: Instant,
    /// Overrides the shelf's.
    keep_alive: Option<Option<Duration>>,
}

/// Something on the shelf, in use for as long as this lives.
pub(super) struct Held<E> {
    key: String,
    item: Arc<Item<E>>,
    shelf: Shelf<E>,
}

/// What the shelf tells about one thing.
pub(super) struct Shown<E> {
    pub(super) key: String,
    /// `None` while it is being loaded.
    pub(super) item: Option<Arc<Item<E>>>,
    pub(super) leases: usize,
    pub(super) pinned: bool,
    pub(super) last_used: Option<SystemTime>,
    pub(super) expires: Option<SystemTime>,
}

impl<E> Clone for Shelf<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> Inner<E> {
    /// No code panics while it holds the lock, and if some did the state would still be whole.
    pub(super) fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<E>>,
        limit: Option<Duration>,
    ) -> MutexGuard<'a, State<E>> {
        match limit {
            Some(limit) => self.changed.wait_timeout(state, limit).unwrap_or_else(PoisonError::into_inner).0,
            None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

impl<E> Ready<E> {
    /// Since nobody has used it, when it goes for that.
    fn expires(&self, default: Option<Duration>) -> Option<Instant> {
        let keep = self.keep_alive.unwrap_or(default)?;
        (self.leases == 0).then(|| self.last_used.checked_add(keep)).flatten()
    }
}

impl<E> Shelf<E> {
    pub(super) fn new(budget: u64, patience: Duration, keep_alive: Option<Duration>) -> Self {
        let state = State {
            slots: BTreeMap::new(),
            reserved: BTreeMap::new(),
            next: 0,
            pinned: BTreeSet::new(),
            closed: false,
        };
        Self(Arc::new(Inner {
            budget,
            patience,
            keep_alive,
            state: Mutex::new(state),
            changed: Condvar::new(),
        }))
    }

    pub(super) fn budget(&self) -> u64 {
        self.0.budget
    }

    /// Bytes reserved.
    pub(super) fn used(&self) -> u64 {
        self.0.lock().used()
    }

    /// What is loaded under `key`, if it is.
    pub(super) fn held(&self, key: &str) -> Option<Held<E>> {
        self.hold(&mut self.0.lock(), key)
    }

    fn hold(&self, state: &mut State<E>, key: &str) -> Option<Held<E>> {
        let Some(Slot::Ready(ready)) = state.slots.get_mut(key) else { return None };
        ready.leases = ready.leases.saturating_add(1);
        Some(Held { key: key.to_owned(), item: Arc::clone(&ready.item), shelf: self.clone() })
    }

    /// What is loaded under `key`, or what `load` makes of it. Of several callers at once one loads and the others wait for
    /// it; if that fails all of them are told, and the next caller tries again. Who has cancelled waits no longer, and loads no
    /// longer where nobody else waits.
    ///
    /// # Errors
    /// Those of `load`; `Cancelled`.
    pub(super) fn acquire(
        &self,
        key: &str,
        cancel: &Cancel,
        load: impl FnOnce(&mut Room<'_, E>) -> Result<E>,
    ) -> Result<Held<E>> {
        let mut state = self.0.lock();
        loop {
            if cancel.is_cancelled() {
                return Err(given_up(key));
            }
            if let Some(held) = self.hold(&mut state, key) {
                return Ok(held);
            }
            let Some(Slot::Loading(other)) = state.slots.get_mut(key) else { break };
            other.waiting += 1;
            let failed = Arc::clone(&other.failed);
            state = self.0.wait(state, None);
            match state.slots.get_mut(key) {
                Some(Slot::Loading(other)) if Arc::ptr_eq(&other.failed, &failed) => other.waiting -= 1,
                _ => {}
            }
            // One that was given up failed for nobody else: the next one tries.
            if let Some(error) = failed.get().filter(|error| *error.kind() != ErrorKind::Cancelled) {
                return Err(error.clone());
            }
        }
        let loading = Loading::default();
        let failed = Arc::clone(&loading.failed);
        state.slots.insert(key.to_owned(), Slot::Loading(loading));
        drop(state);
        let loaded = self.load(key, cancel, load);
        let mut state = self.0.lock();
        let result = match loaded {
            Ok(item) => {
                let (item, last_used) = (Arc::new(item), Instant::now());
                let ready = Ready { item: Arc::clone(&item), leases: 1, last_used, keep_alive: None };
                state.slots.insert(key.to_owned(), Slot::Ready(ready));
                Ok(Held { key: key.to_owned(), item, shelf: self.clone() })
            }
            Err(error) => {
                state.slots.remove(key);
                // Set once: nobody else has this cell's other end.
                let _ = failed.set(error.clone());
                Err(error)
            }
        };
        drop(state);
        self.0.changed.notify_all();
        result
    }

    /// Cancels what waits with `cancel` and wakes it.
    pub(super) fn give_up(&self, cancel: &Cancel) {
        cancel.cancel();
        // Whoever looked before this has begun to wait once the lock is free.
        drop(self.0.lock());
        self.0.changed.notify_all();
    }

    /// Runs `load` without the lock. A panic in it is this project's fault and must not leave others waiting.
    fn load(
        &self,
        key: &str,
        cancel: &Cancel,
        load: impl FnOnce(&mut Room<'_, E>) -> Result<E>,
    ) -> Result<Item<E>> {
        let mut room = Room::new(&self.0, key, cancel);
        let value = catch_unwind(AssertUnwindSafe(|| load(&mut room))).unwrap_or_else(|_| {
            let message = format!("loading {key} failed in a way that it never should: see the log");
            Err(Error::new(ErrorKind::Internal, message))
        })?;
        let reservation = match room.into_reservation() {
            Some(reservation) => reservation,
            None => Reservation::of(&self.0, 0),
        };
        Ok(Item { value, bytes: reservation.bytes(), since: SystemTime::now(), reservation })
    }

    /// Takes the thing off the shelf and waits until those who use it are done and its memory is back. Tells how many
    /// bytes that were; `None` when it was not loaded.
    ///
    /// # Errors
    /// `Timeout` when it is still in use after the shelf's patience; it goes by itself as soon as it is not.
    pub(super) fn unload(&self, key: &str) -> Result<Option<u64>> {
        let mut state = self.0.lock();
        while let Some(Slot::Loading(_)) = state.slots.get(key) {
            state = self.0.wait(state, None);
        }
        let Some(Slot::Ready(ready)) = state.slots.remove(key) else { return Ok(None) };
        drop(state);
        let (bytes, number, leases) = (ready.item.bytes, ready.item.reservation.number(), ready.leases);
        // Outside the lock: the last reference returns its room under it.
        drop(ready);
        self.0.changed.notify_all();
        let deadline = Instant::now() + self.0.patience;
        let mut state = self.0.lock();
        while state.reserved.contains_key(&number) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = format!(
                    "{key} still had {leases} users: it takes no new ones and goes when they are done, \
                     which took longer than {} s",
                    self.0.patience.as_secs()
                );
                return Err(Error::new(ErrorKind::Timeout, message));
            }
            state = self.0.wait(state, Some(left));
        }
        Ok(Some(bytes))
    }

    /// Keeps what is or will be loaded under `key`, or no longer does.
    pub(super) fn pin(&self, key: &str, pinned: bool) {
        let mut state = self.0.lock();
        if pinned {
            state.pinned.insert(key.to_owned());
        } else {
            state.pinned.remove(key);
        }
        drop(state);
        self.0.changed.notify_all();
    }

    /// What is kept, loaded or not.
    pub(super) fn pinned(&self) -> BTreeSet<String> {
        self.0.lock().pinned.clone()
    }

    /// Everything on the shelf.
    pub(super) fn list(&self) -> Vec<Shown<E>> {
        let (now, clock) = (Instant::now(), SystemTime::now());
        let state = self.0.lock();
        let show = |(key, slot): (&String, &Slot<E>)| {
            let pinned = state.pinned.contains(key);
            let (key, nothing) = (key.clone(), None);
            match slot {
                Slot::Loading(_) => {
                    Shown { key, item: None, leases: 0, pinned, last_used: nothing, expires: nothing }
                }
                Slot::Ready(ready) => Shown {
                    key,
                    item: Some(Arc::clone(&ready.item)),
                    leases: ready.leases,
                    pinned,
                    last_used: clock.checked_sub(now.saturating_duration_since(ready.last_used)),
                    expires: (ready.expires(self.0.keep_alive).filter(|_| !pinned))
                        .and_then(|at| clock.checked_add(at.saturating_duration_since(now))),
                },
            }
        };
        state.slots.iter().map(show).collect()
    }

    /// Unloads what nobody has used for its time, until the shelf is closed. Runs on a thread of its own.
    pub(super) fn keep(&self) {
        let mut state = self.0.lock();
        while !state.closed {
            let now = Instant::now();
            let (gone, next) = state.expired(now, self.0.keep_alive);
            if gone.is_empty() {
                let sleep = next.map(|at| at.saturating_duration_since(now));
                state = self.0.wait(state, sleep);
                continue;
            }
            drop(state);
            for (key, ready) in gone {
                tracing::info!(
                    model = key,
                    bytes = ready.item.bytes,
                    "unloaded: nobody used it for its time"
                );
                drop(ready);
            }
            state = self.0.lock();
        }
    }

    /// Ends [`Shelf::keep`] and takes everything off the shelf.
    pub(super) fn close(&self) {
        let mut state = self.0.lock();
        state.closed = true;
        let slots = std::mem::take(&mut state.slots);
        drop(state);
        self.0.changed.notify_all();
        drop(slots);
    }
}

/// What a caller gets who is not there any more.
fn given_up(key: &str) -> Error {
    Error::new(ErrorKind::Cancelled, format!("nobody waits for {key} any more"))
}

impl<E> State<E> {
    /// Fails when nobody waits for what is being loaded under `key`: neither who loads it, who may cancel, nor anybody else.
    pub(super) fn wanted(&self, key: &str, cancel: &Cancel) -> Result<()> {
        let others = match self.slots.get(key) {
            Some(Slot::Loading(loading)) => loading.waiting,
            _ => 0,
        };
        if cancel.is_cancelled() && others == 0 { Err(given_up(key)) } else { Ok(()) }
    }

    pub(super) fn used(&self) -> u64 {
        self.reserved.values().copied().fold(0, u64::saturating_add)
    }

    /// Takes out what has expired, and tells when the next thing does.
    fn expired(
        &mut self,
        now: Instant,
        default: Option<Duration>,
    ) -> (Vec<(String, Ready<E>)>, Option<Instant>) {
        let mut next: Option<Instant> = None;
        let mut keys = Vec::new();
        for (key, slot) in &self.slots {
            let Slot::Ready(ready) = slot else { continue };
            match ready.expires(default).filter(|_| !self.pinned.contains(key)) {
                Some(at) if at <= now => keys.push(key.clone()),
                Some(at) => next = Some(next.map_or(at, |soonest| soonest.min(at))),
                None => {}
            }
        }
        (keys.into_iter().filter_map(|key| self.take(key)).collect(), next)
    }

    /// Takes something ready out. The caller drops it without the lock.
    pub(super) fn take(&mut self, key: String) -> Option<(String, Ready<E>)> {
        match self.slots.remove(&key)? {
            Slot::Ready(ready) => Some((key, ready)),
            loading @ Slot::Loading(_) => {
                self.slots.insert(key, loading);
                None
            }
        }
    }
}

impl<E> Held<E> {
    /// The thing.
    pub(super) fn value(&self) -> &E {
        &self.item.value
    }

    /// What it is called on the shelf.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// For how long it stays when nobody uses it, from now on; `None` for ever.
    pub(super) fn keep_alive(&self, idle: Option<Duration>) {
        let mut state = self.shelf.0.lock();
        if let Some(Slot::Ready(ready)) = state.slots.get_mut(&self.key)
            && Arc::ptr_eq(&ready.item, &self.item)
        {
            ready.keep_alive = Some(idle);
        }
    }
}

impl<E> Drop for Held<E> {
    fn drop(&mut self) {
        let mut state = self.shelf.0.lock();
        // What was unloaded meanwhile is in no slot, or another thing is.
        if let Some(Slot::Ready(ready)) = state.slots.get_mut(&self.key)
            && Arc::ptr_eq(&ready.item, &self.item)
        {
            ready.leases = ready.leases.saturating_sub(1);
            ready.last_used = Instant::now();
        }
        drop(state);
        self.shelf.0.changed.notify_all();
    }
}
