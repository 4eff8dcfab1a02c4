//! When a backend is left alone: after failures for a while that doubles, or for as long as it asked for.

use crate::status::Health;
use std::time::{Duration, Instant};

/// The longest that a backend is left alone without another try, whoever asked for it.
const LONGEST: Duration = Duration::from_secs(60);

/// A backend's record.
#[derive(Debug, Clone)]
pub(crate) struct Circuit {
    threshold: u32,
    first: Duration,
    failures: u32,
    cooldown: Duration,
    until: Option<Instant>,
    busy: bool,
    /// Somebody tries whether it answers again: one at a time.
    trying: bool,
}

impl Circuit {
    pub(crate) fn new(threshold: u32, first: Duration) -> Self {
        let first = first.min(LONGEST);
        Self {
            threshold: threshold.max(1),
            first,
            failures: 0,
            cooldown: first,
            until: None,
            busy: false,
            trying: false,
        }
    }

    pub(crate) fn health(&self, now: Instant) -> Health {
        match self.until {
            None => Health::Up,
            Some(until) if now < until && self.busy => Health::Busy,
            Some(until) if now < until => Health::Down,
            Some(_) => Health::Trial,
        }
    }

    /// Whether a request may go there.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        match self.health(now) {
            Health::Up => true,
            Health::Trial => !self.trying,
            Health::Busy | Health::Down => false,
        }
    }

    /// When it may be asked again.
    pub(crate) fn until(&self) -> Option<Instant> {
        self.until
    }

    /// A request goes there. Tells whether it is the trial that the others wait for.
    pub(crate) fn enter(&mut self, now: Instant) -> bool {
        let trial = self.health(now) == Health::Trial;
        self.trying |= trial;
        trial
    }

    /// The trial ended without a verdict: its caller went away.
    pub(crate) fn abandon(&mut self) {
        self.trying = false;
    }

    /// It answered.
    pub(crate) fn succeed(&mut self) {
        *self = Self::new(self.threshold, self.first);
    }

    /// It failed. `surely` needs no further failures to be believed.
    pub(crate) fn fail(&mut self, now: Instant, surely: bool) {
        self.failures = self.failures.saturating_add(1);
        let again = self.until.is_some();
        // Answers that were under way when it went down fail together and say nothing new.
        if again && !self.busy && self.until.is_some_and(|until| now < until) {
            return;
        }
        self.trying = false;
        if surely || again || self.failures >= self.threshold {
            self.cooldown = if again { (self.cooldown * 2).min(LONGEST) } else { self.first };
            self.until = now.checked_add(self.cooldown);
            self.busy = false;
        }
    }

    /// It asked to be left alone.
    pub(crate) fn back_off(&mut self, now: Instant, wait: Duration) {
        self.trying = false;
        self.until = now.checked_add(wait.min(LONGEST));
        self.busy = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_open_it_and_one_trial_decides() {
        let (second, now) = (Duration::from_secs(1), Instant::now());
        let mut it = Circuit::new(2, second);
        it.fail(now, false);
        assert!(it.admits(now));
        it.fail(now, false);
        assert_eq!((it.health(now), it.admits(now)), (Health::Down, false));
        let later = now + second;
        assert!(it.admits(later) && it.enter(later));
        assert!(!it.admits(later), "one trial at a time");
        it.fail(later, false);
        assert!(!it.admits(later + second), "the second time takes twice as long");
        assert!(it.admits(later + 2 * second));
        it.enter(later + 2 * second);
        it.abandon();
        assert!(it.admits(later + 2 * second));
        it.succeed();
        assert_eq!(it.health(later), Health::Up);
        it.fail(now, false);
        assert!(it.admits(now), "the count starts over");
    }

    #[test]
    fn sure_failures_count_at_once_and_requests_to_wait_are_honoured() {
        let (second, now) = (Duration::from_secs(1), Instant::now());
        let mut it = Circuit::new(3, second);
        it.fail(now, true);
        assert!(!it.admits(now));
        it.succeed();
        it.back_off(now, 5 * second);
        assert_eq!(it.health(now + 4 * second), Health::Busy);
        assert_eq!(it.health(now + 5 * second), Health::Trial);
        it.back_off(now, Duration::MAX);
        assert!(it.admits(now + LONGEST));
    }
}
