//! How much each key has used: requests and tokens in the minute, tokens in the day. Kept in memory; a restart begins anew.

use super::{Key, now};
use parasol_core::{Error, ErrorKind, Result};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;

/// What keys have used, by id.
#[derive(Default)]
pub(crate) struct Limits(Mutex<HashMap<String, Used>>);

#[derive(Default)]
struct Used {
    requests: Window,
    tokens: Window,
    tokens_today: Window,
}

/// A count within a period that begins with its first use.
#[derive(Default)]
struct Window {
    begun: u64,
    count: u64,
}

impl Window {
    /// The count of the period that `now` is in; `day`s begin at midnight (UTC), minutes when they are first used.
    fn at(&mut self, now: u64, period: u64) -> &mut u64 {
        if now.saturating_sub(self.begun) >= period || self.begun > now {
            self.begun = if period == DAY { now - now % DAY } else { now };
            self.count = 0;
        }
        &mut self.count
    }

    fn ends_in(&self, now: u64, period: u64) -> u64 {
        self.begun.saturating_add(period).saturating_sub(now).max(1)
    }
}

impl Limits {
    /// Counts a request of this key.
    ///
    /// # Errors
    /// `RateLimited` when the minute has no more.
    pub(crate) fn request(&self, key: &Key) -> Result<()> {
        let Some(limit) = key.requests_per_minute else { return Ok(()) };
        self.with(key, |used, now| {
            let count = used.requests.at(now, MINUTE);
            if *count < limit {
                *count += 1;
                return Ok(());
            }
            Err(full(key, limit, "requests in a minute", used.requests.ends_in(now, MINUTE)))
        })
    }

    /// Whether tokens are left. An answer that begins may go past the limit; the next one then waits.
    ///
    /// # Errors
    /// `RateLimited` when the minute or the day has none.
    pub(crate) fn may_generate(&self, key: &Key) -> Result<()> {
        if key.tokens_per_minute.is_none() && key.tokens_per_day.is_none() {
            return Ok(());
        }
        self.with(key, |used, now| {
            if let Some(limit) = key.tokens_per_day.filter(|limit| *used.tokens_today.at(now, DAY) >= *limit)
            {
                return Err(full(key, limit, "tokens in a day", used.tokens_today.ends_in(now, DAY)));
            }
            if let Some(limit) = key.tokens_per_minute.filter(|limit| *used.tokens.at(now, MINUTE) >= *limit)
            {
                return Err(full(key, limit, "tokens in a minute", used.tokens.ends_in(now, MINUTE)));
            }
            Ok(())
        })
    }

    /// Counts tokens that were computed for this key.
    pub(crate) fn tokens(&self, key: &Key, count: u64) {
        if key.tokens_per_minute.is_none() && key.tokens_per_day.is_none() {
            return;
        }
        self.with(key, |used, now| {
            for (window, period) in [(&mut used.tokens, MINUTE), (&mut used.tokens_today, DAY)] {
                let total = window.at(now, period);
                *total = total.saturating_add(count);
            }
        });
    }

    fn with<T>(&self, key: &Key, act: impl FnOnce(&mut Used, u64) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(key.id.clone()).or_default(), now())
    }
}

fn full(key: &Key, limit: u64, what: &str, retry_after: u64) -> Error {
    Error::new(
        ErrorKind::RateLimited { retry_after },
        format!("the key {} has used its {limit} {what}: try again in {retry_after} s", key.name),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::keys::KeyTerms;

    #[test]
    fn requests_and_tokens_run_out_and_say_when_there_are_more() {
        let terms = KeyTerms {
            name: "k".into(),
            requests_per_minute: Some(2),
            tokens_per_day: Some(10),
            ..KeyTerms::default()
        };
        let (key, _) = Key::create(terms).unwrap();
        let limits = Limits::default();
        assert!(limits.request(&key).is_ok() && limits.request(&key).is_ok());
        let error = limits.request(&key).unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::RateLimited { retry_after } if (1..=60).contains(retry_after))
        );
        limits.may_generate(&key).unwrap();
        limits.tokens(&key, 10);
        assert!(limits.may_generate(&key).unwrap_err().message().contains("10 tokens in a day"));
    }
}
