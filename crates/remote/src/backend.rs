//! The backends of a model: who is asked next, who is left alone, what each is doing.

use crate::address::Address;
use crate::circuit::Circuit;
use crate::entry::{BackendEntry, Limits};
use crate::status::{BackendStatus, Health};
use parasol_core::{Error, ErrorKind, Result};
use parasol_wire::client::{Manner, Protocol};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// One backend.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: Address,
    /// What the model is called there.
    pub(crate) model: String,
    /// What it speaks …
    pub(crate) protocol: Protocol,
    /// … and how its form of that differs.
    pub(crate) manner: Manner,
    /// The day on which its provider ends the model, where that is announced.
    pub(crate) ends: Option<String>,
    weight: u32,
    record: Mutex<Record>,
}

#[derive(Debug)]
struct Record {
    circuit: Circuit,
    note: Option<String>,
    outstanding: usize,
    requests: u64,
    failures: u64,
    /// When it last answered on a connection that it did not say to close.
    kept: Option<Instant>,
    /// Requests so far over the weight: who has had least for its weight is next among equals.
    served: f64,
}

/// What a try came to, as far as the backend is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It answers, whatever it answered.
    Good,
    /// It failed.
    Bad,
    /// It cannot be reached at all: no need to see that three times.
    Unreachable,
    /// It asked to be left alone.
    Busy(Duration),
}

/// A request on its way to a backend. Dropped without a verdict it says nothing about the backend.
pub(crate) struct Errand {
    pub(crate) backend: Arc<Backend>,
    trial: bool,
}

impl Backend {
    pub(crate) fn new(
        entry: &BackendEntry,
        name: &str,
        limits: &Limits,
        env: impl Fn(&str) -> Option<String>,
    ) -> Result<Arc<Self>> {
        let record = Record {
            circuit: Circuit::new(limits.failures, seconds(limits.cooldown)),
            note: None,
            outstanding: 0,
            requests: 0,
            failures: 0,
            kept: None,
            served: 0.0,
        };
        Ok(Arc::new(Self {
            address: Address::new(entry, name, env)?,
            ends: entry.ends.clone(),
            model: entry.model.clone().unwrap_or_else(|| name.to_owned()),
            protocol: entry.protocol,
            manner: entry.manner.clone().unwrap_or_else(|| match entry.standard {
                true => Manner::standard(),
                false => Manner::default(),
            }),
            weight: entry.weight,
            record: Mutex::new(record),
        }))
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn status(&self) -> BackendStatus {
        let record = self.record();
        BackendStatus {
            url: self.address.shown().to_owned(),
            weight: self.weight,
            health: record.circuit.health(Instant::now()),
            note: record.note.clone(),
            outstanding: record.outstanding,
            requests: record.requests,
            failures: record.failures,
        }
    }

    /// What a look at its health, or a request, says of it.
    pub(crate) fn judge(&self, verdict: Verdict, note: Option<String>) {
        let now = Instant::now();
        let mut record = self.record();
        let before = record.circuit.health(now);
        match verdict {
            Verdict::Good => record.circuit.succeed(),
            Verdict::Bad => record.circuit.fail(now, false),
            Verdict::Unreachable => record.circuit.fail(now, true),
            Verdict::Busy(wait) => record.circuit.back_off(now, wait),
        }
        record.note.clone_from(&note);
        let after = record.circuit.health(now);
        drop(record);
        if before != after {
            let why = note.unwrap_or_default();
            tracing::warn!(backend = self.address.shown(), from = ?before, to = ?after, why, "a backend's health");
        }
    }

    /// It answers on a connection that can serve again, or on one that cannot.
    pub(crate) fn keeps_a_connection(&self, keeps: bool) {
        self.record().kept = keeps.then(Instant::now);
    }

    /// Whether the next request may go out on a connection that served before.
    pub(crate) fn may_keep_a_connection(&self) -> bool {
        self.record().kept.is_some_and(|at| at.elapsed() <= crate::client::KEPT)
    }

    /// A look at its health found it answering: a request to wait still stands.
    pub(crate) fn seen(&self, note: Option<String>) {
        if self.record().circuit.health(Instant::now()) != Health::Busy {
            self.judge(Verdict::Good, note);
        }
    }
}

impl Errand {
    /// Ends it with a verdict.
    pub(crate) fn end(mut self, verdict: Verdict, note: Option<String>) {
        self.trial = false;
        if verdict != Verdict::Good {
            let mut record = self.backend.record();
            record.failures = record.failures.saturating_add(1);
        }
        self.backend.judge(verdict, note);
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        let mut record = self.backend.record();
        record.outstanding = record.outstanding.saturating_sub(1);
        if self.trial {
            record.circuit.abandon();
        }
    }
}

/// Chooses the backend with the least outstanding work for its weight that takes requests and is not among `tried`; those
/// of weight 0 only when no other does.
pub(crate) fn choose(backends: &[Arc<Backend>], tried: &[usize]) -> Option<(usize, Errand)> {
    let now = Instant::now();
    let open = |spare: bool| {
        let fits = move |(index, backend): &(usize, &Arc<Backend>)| {
            (backend.weight == 0) == spare && !tried.contains(index) && backend.record().circuit.admits(now)
        };
        backends.iter().enumerate().filter(fits).map(|(index, backend)| {
            let record = backend.record();
            let weight = f64::from(backend.weight.max(1));
            (record.outstanding as f64 / weight, record.served, index)
        })
    };
    let least = |a: &(f64, f64, usize), b: &(f64, f64, usize)| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1));
    let (_, served, index) = open(false).min_by(least).or_else(|| open(true).min_by(least))?;
    // One that was away does not get everything that it has missed.
    for backend in backends.iter().filter(|backend| !backend.record().circuit.admits(now)) {
        let mut record = backend.record();
        record.served = record.served.max(served);
    }
    let backend = Arc::clone(backends.get(index)?);
    let mut record = backend.record();
    let trial = record.circuit.enter(now);
    record.outstanding = record.outstanding.saturating_add(1);
    record.requests = record.requests.saturating_add(1);
    record.served += 1.0 / f64::from(backend.weight.max(1));
    drop(record);
    Some((index, Errand { backend, trial }))
}

/// The error when nobody can be asked: who there is and why not.
pub(crate) fn nobody(name: &str, backends: &[Arc<Backend>]) -> Error {
    let now = Instant::now();
    let waits: Vec<Duration> = backends
        .iter()
        .filter_map(|backend| backend.record().circuit.until())
        .map(|until| until.saturating_duration_since(now))
        .collect();
    let states = backends.iter().map(|backend| backend.status());
    let busy = backends.iter().all(|b| b.record().circuit.health(now) == Health::Busy);
    let list: Vec<String> = states
        .map(|s| format!("{} ({})", s.url, s.note.unwrap_or_else(|| "being tried".to_owned())))
        .collect();
    let wait = waits.into_iter().min().unwrap_or_default().as_secs().saturating_add(1);
    let kind = if busy { ErrorKind::RateLimited { retry_after: wait } } else { ErrorKind::Network };
    let message = format!("{name}: no address takes requests: {}. Try again in {wait} s", list.join("; "));
    Error::new(kind, message)
}

/// Seconds of a configuration: nonsense is no time at all, and nothing takes longer than a day.
pub(crate) fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value.clamp(0.0, 86_400.0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn backends(weights: &[u32]) -> Vec<Arc<Backend>> {
        let entry = |weight| BackendEntry { url: "http://h".into(), weight, ..BackendEntry::default() };
        let make = |&w: &u32| Backend::new(&entry(w), "m", &Limits::default(), |_| None).unwrap();
        weights.iter().map(make).collect()
    }

    #[test]
    fn work_is_shared_by_weight() {
        let all = backends(&[3, 1, 0]);
        let mut count = [0; 3];
        for _ in 0..40 {
            // One after the other …
            count[choose(&all, &[]).unwrap().0] += 1;
        }
        assert_eq!(count, [30, 10, 0]);
        // … and at once.
        let errands: Vec<_> = (0..16).map(|_| choose(&all, &[]).unwrap()).collect();
        assert_eq!(errands.iter().filter(|(i, _)| *i == 0).count(), 12);
        drop(errands);
        assert!(all.iter().all(|b| b.status().outstanding == 0));
        let (index, errand) = choose(&all, &[0, 1]).unwrap();
        assert_eq!(index, 2, "the spare is asked when nobody else can be");
        errand.end(Verdict::Unreachable, Some("gone".into()));
        assert!(choose(&all, &[0, 1]).is_none());
        assert!(nobody("m", &all[2..]).message().contains("(gone)"));
    }

    #[test]
    fn one_that_was_away_is_not_flooded() {
        let all = backends(&[1, 1]);
        all[1].judge(Verdict::Busy(Duration::from_millis(20)), None);
        for _ in 0..20 {
            assert_eq!(choose(&all, &[]).unwrap().0, 0);
        }
        std::thread::sleep(Duration::from_millis(25));
        all[1].judge(Verdict::Good, None);
        let to_one = (0..10).filter(|_| choose(&all, &[]).unwrap().0 == 1).count();
        assert!((4..=6).contains(&to_one), "{to_one}");
    }
}
