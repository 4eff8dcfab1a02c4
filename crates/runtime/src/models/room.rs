//! Room for what is about to be loaded: reserved from the budget, made by unloading what nobody uses, waited for when
//! everything is in use.

use super::shelf::{Inner, Slot, State};
use parasol_core::{Error, ErrorKind, Result};
use parasol_hub::{Cancel, human_bytes};
use std::sync::{Arc, Weak};
use std::time::{Instant, SystemTime};

/// A loaded thing and its room. The thing goes before its room is returned: fields are dropped in order.
pub(super) struct Item<E> {
    pub(super) value: E,
    pub(super) bytes: u64,
    pub(super) since: SystemTime,
    pub(super) reservation: Reservation<E>,
}

/// Bytes taken from the budget, returned when this is dropped. Never drop one while holding the shelf's lock.
pub(super) struct Reservation<E> {
    shelf: Weak<Inner<E>>,
    number: u64,
    bytes: u64,
}

impl<E> Reservation<E> {
    pub(super) fn of(shelf: &Arc<Inner<E>>, bytes: u64) -> Self {
        Self::locked(shelf, &mut shelf.lock(), bytes)
    }

    fn locked(shelf: &Arc<Inner<E>>, state: &mut State<E>, bytes: u64) -> Self {
        let number = state.next;
        state.next = state.next.wrapping_add(1);
        state.reserved.insert(number, bytes);
        Self { shelf: Arc::downgrade(shelf), number, bytes }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }
}

impl<E> Drop for Reservation<E> {
    fn drop(&mut self) {
        if let Some(shelf) = self.shelf.upgrade() {
            shelf.lock().reserved.remove(&self.number);
            shelf.changed.notify_all();
        }
    }
}

/// What a loader asks for room.
pub(super) struct Room<'a, E> {
    shelf: &'a Arc<Inner<E>>,
    key: &'a str,
    cancel: &'a Cancel,
    reservation: Option<Reservation<E>>,
}

/// What a try to reserve came to.
enum Try<E> {
    Done(Reservation<E>),
    /// These are out of their slots; room is there once they are dropped.
    Evicted(Vec<(String, super::shelf::Ready<E>)>),
    /// Everything else is in use.
    Wait,
}

impl<'a, E> Room<'a, E> {
    pub(super) fn new(shelf: &'a Arc<Inner<E>>, key: &'a str, cancel: &'a Cancel) -> Self {
        Self { shelf, key, cancel, reservation: None }
    }

    /// Fails when nobody waits for the thing any more, neither who loads it nor anybody else: for a loader to ask now and then.
    pub(super) fn still_wanted(&self) -> impl Fn() -> Result<()> + Send + Sync + use<E>
    where
        E: Send + Sync + 'static,
    {
        let (shelf, key, cancel) = (Arc::clone(self.shelf), self.key.to_owned(), self.cancel.clone());
        move || shelf.lock().wanted(&key, &cancel)
    }

    pub(super) fn into_reservation(self) -> Option<Reservation<E>> {
        self.reservation
    }

    /// Reserves `need` bytes; `parts` says what they are for. Unloads what nobody uses, longest unused first, if that makes
    /// the room, and waits a while for what is in use.
    ///
    /// # Errors
    /// `OutOfMemory` that says what is needed and what there is; `Cancelled` when nobody waits for it any more.
    pub(super) fn reserve(&mut self, need: u64, parts: &str) -> Result<()> {
        let deadline = Instant::now() + self.shelf.patience;
        let mut state = self.shelf.lock();
        loop {
            state.wanted(self.key, self.cancel)?;
            match self.attempt(&mut state, need, parts)? {
                Try::Done(reservation) => {
                    drop(state);
                    self.reservation = Some(reservation);
                    return Ok(());
                }
                Try::Evicted(victims) => {
                    drop(state);
                    for (key, ready) in victims {
                        tracing::info!(
                            model = key,
                            bytes = ready.item.bytes,
                            wanted_by = self.key,
                            "unloaded to make room"
                        );
                        drop(ready);
                    }
                    state = self.shelf.lock();
                }
                Try::Wait => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return Err(self.in_use(&state, need, parts));
                    }
                    state = self.shelf.wait(state, Some(left));
                }
            }
        }
    }

    fn attempt(&self, state: &mut State<E>, need: u64, parts: &str) -> Result<Try<E>> {
        let (budget, used) = (self.shelf.budget, state.used());
        if need > budget {
            return Err(self.too_large(need, parts));
        }
        if used.saturating_add(need) <= budget {
            return Ok(Try::Done(Reservation::locked(self.shelf, state, need)));
        }
        let missing = used.saturating_add(need).saturating_sub(budget);
        let mut idle: Vec<(Instant, String, u64)> = Vec::new();
        let mut pinned = 0_u64;
        for (key, slot) in &state.slots {
            let Slot::Ready(ready) = slot else { continue };
            match (state.pinned.contains(key), ready.leases) {
                (true, _) => pinned = pinned.saturating_add(ready.item.bytes),
                (false, 0) => idle.push((ready.last_used, key.clone(), ready.item.bytes)),
                (false, _) => {}
            }
        }
        if need > budget.saturating_sub(pinned) {
            return Err(self.pinned(need, pinned, parts));
        }
        // Nothing is unloaded in vain.
        if idle.iter().map(|(.., bytes)| *bytes).fold(0, u64::saturating_add) < missing {
            return Ok(Try::Wait);
        }
        idle.sort();
        let mut freed = 0_u64;
        let mut victims = Vec::new();
        for (_, key, bytes) in idle {
            if freed >= missing {
                break;
            }
            freed = freed.saturating_add(bytes);
            victims.extend(state.take(key));
        }
        Ok(Try::Evicted(victims))
    }

    fn needs(&self, need: u64, parts: &str) -> String {
        format!("{} needs {} of memory ({parts})", self.key, human_bytes(need))
    }

    fn too_large(&self, need: u64, parts: &str) -> Error {
        out_of_memory(format!(
            "{} and models may take {} here: take a smaller model, a smaller --context or a larger --memory",
            self.needs(need, parts),
            human_bytes(self.shelf.budget)
        ))
    }

    fn pinned(&self, need: u64, pinned: u64, parts: &str) -> Error {
        out_of_memory(format!(
            "{} and of the {} that models may take here {} are pinned: unpin a model or raise --memory",
            self.needs(need, parts),
            human_bytes(self.shelf.budget),
            human_bytes(pinned)
        ))
    }

    fn in_use(&self, state: &State<E>, need: u64, parts: &str) -> Error {
        let others: Vec<&str> = state.slots.keys().map(String::as_str).filter(|k| *k != self.key).collect();
        let others = match others.as_slice() {
            [] => "models that are being unloaded".to_owned(),
            some => some.join(", "),
        };
        out_of_memory(format!(
            "{} and of the {} that models may take here {} are in use by {others}, which did not become free within \
             {} s: try again later, unload one (`parasol stop`) or raise --memory",
            self.needs(need, parts),
            human_bytes(self.shelf.budget),
            human_bytes(state.used()),
            self.shelf.patience.as_secs()
        ))
    }
}

fn out_of_memory(message: String) -> Error {
    Error::new(ErrorKind::OutOfMemory, message)
}
