//! Limits of a provider that are known ahead: so many requests and tokens a minute, so many answers at once. Requests wait
//! here for their turn instead of being refused there.

use crate::entry::Limits;
use parasol_core::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The limits of one model.
#[derive(Debug)]
pub(crate) struct Rate {
    places: Option<Arc<Semaphore>>,
    buckets: Mutex<Buckets>,
    patience: Duration,
}

#[derive(Debug)]
struct Buckets {
    requests: Bucket,
    tokens: Bucket,
}

/// Room that fills evenly, up to a minute's worth. What is taken beyond it is owed.
#[derive(Debug)]
struct Bucket {
    per_minute: f64,
    room: f64,
    filled: Instant,
}

impl Bucket {
    fn new(per_minute: f64, now: Instant) -> Self {
        Self { per_minute, room: per_minute, filled: now }
    }

    fn fill(&mut self, now: Instant) {
        let minutes = now.saturating_duration_since(self.filled).as_secs_f64() / 60.0;
        self.room = (self.room + minutes * self.per_minute).min(self.per_minute);
        self.filled = now;
    }

    /// How long until `amount` fits; what is larger than a minute's worth waits for a full bucket.
    fn wait(&self, amount: f64) -> Duration {
        if self.per_minute <= 0.0 {
            return Duration::ZERO;
        }
        let missing = amount.min(self.per_minute) - self.room;
        Duration::try_from_secs_f64((missing / self.per_minute * 60.0).max(0.0)).unwrap_or_default()
    }

    fn take(&mut self, amount: f64) {
        if self.per_minute > 0.0 {
            self.room -= amount;
        }
    }
}

impl Rate {
    pub(crate) fn new(limits: &Limits) -> Self {
        let now = Instant::now();
        Self {
            places: (limits.concurrency > 0).then(|| Arc::new(Semaphore::new(limits.concurrency))),
            buckets: Mutex::new(Buckets {
                requests: Bucket::new(f64::from(limits.requests_per_minute), now),
                tokens: Bucket::new(limits.tokens_per_minute as f64, now),
            }),
            patience: crate::backend::seconds(limits.longest_wait),
        }
    }

    /// Waits for the turn of a request of about `tokens` tokens. The place is given back when it is dropped.
    ///
    /// # Errors
    /// `RateLimited` or `Overloaded` when it would take longer than the limits' longest wait.
    pub(crate) async fn enter(&self, name: &str, tokens: usize) -> Result<Option<OwnedSemaphorePermit>> {
        let place = match &self.places {
            None => None,
            Some(places) => {
                let got = tokio::time::timeout(self.patience, Arc::clone(places).acquire_owned()).await;
                // The semaphore is never closed.
                let full = || {
                    let seconds = self.patience.as_secs_f64();
                    let message = format!(
                        "{name}: as many answers are being made as its `concurrency` allows, for {seconds:.0} s now"
                    );
                    Error::new(ErrorKind::Overloaded, message)
                };
                Some(got.ok().and_then(std::result::Result::ok).ok_or_else(full)?)
            }
        };
        self.turn(name, tokens).await?;
        Ok(place)
    }

    /// Waits for the turn of a further request for the same answer, which has its place.
    ///
    /// # Errors
    /// `RateLimited` when it would take longer than the limits' longest wait.
    pub(crate) async fn turn(&self, name: &str, tokens: usize) -> Result<()> {
        let wait = self.reserve(tokens, Instant::now()).map_err(|wait| {
            let retry_after = wait.as_secs().saturating_add(1);
            let message = format!(
                "{name}: its `requests_per_minute` or `tokens_per_minute` is used up: try again in {retry_after} s"
            );
            Error::new(ErrorKind::RateLimited { retry_after }, message)
        })?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    /// Takes a turn and tells how long it is to be waited for; nothing is taken when that is too long.
    fn reserve(&self, tokens: usize, now: Instant) -> std::result::Result<Duration, Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.requests.fill(now);
        buckets.tokens.fill(now);
        let wait = buckets.requests.wait(1.0).max(buckets.tokens.wait(tokens as f64));
        if wait > self.patience {
            return Err(wait);
        }
        buckets.requests.take(1.0);
        buckets.tokens.take(tokens as f64);
        Ok(wait)
    }

    /// An answer took `used` tokens where `reckoned` had been taken.
    pub(crate) fn correct(&self, reckoned: usize, used: usize) {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        buckets.tokens.take(used as f64 - reckoned as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(requests: u32, tokens: u64, patience: f64) -> Rate {
        Rate::new(&Limits {
            requests_per_minute: requests,
            tokens_per_minute: tokens,
            longest_wait: patience,
            ..Limits::default()
        })
    }

    #[test]
    fn a_minute_has_room_for_as_many_as_were_named() {
        let (rate, now) = (rate(60, 0, 2.5), Instant::now());
        for i in 0..60 {
            assert_eq!(rate.reserve(1000, now), Ok(Duration::ZERO), "request {i}");
        }
        // A second for each, and the third would wait longer than anybody wants to.
        assert_eq!(rate.reserve(1, now).map(|w| w.as_secs_f64().round()), Ok(1.0));
        assert_eq!(rate.reserve(1, now).map(|w| w.as_secs_f64().round()), Ok(2.0));
        assert!(rate.reserve(1, now).is_err());
        assert_eq!(rate.reserve(1, now + Duration::from_secs(60)), Ok(Duration::ZERO));
    }

    #[test]
    fn tokens_are_corrected_by_what_was_used() {
        let (rate, now) = (rate(0, 1000, 0.5), Instant::now());
        assert_eq!(rate.reserve(900, now), Ok(Duration::ZERO));
        assert!(rate.reserve(900, now).is_err());
        rate.correct(900, 50);
        assert_eq!(rate.reserve(900, now), Ok(Duration::ZERO));
        // More than a minute's worth waits for a full bucket, not for ever.
        assert_eq!(rate.reserve(5000, now + Duration::from_secs(600)), Ok(Duration::ZERO));
    }

    #[test]
    fn places_are_given_back() {
        let limits = Limits { concurrency: 1, longest_wait: 0.05, ..Limits::default() };
        let rate = Rate::new(&limits);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.map_or_else(
            |e| panic!("{e}"),
            |runtime| {
                runtime.block_on(async {
                    let place = rate.enter("m", 1).await;
                    assert!(matches!(&place, Ok(Some(_))));
                    let full = rate.enter("m", 1).await.err().map(|e| e.kind().clone());
                    assert_eq!(full, Some(ErrorKind::Overloaded));
                    drop(place);
                    assert!(rate.enter("m", 1).await.is_ok());
                });
            },
        );
    }
}
