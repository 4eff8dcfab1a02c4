//! How long to wait between two looks at a job: longer with time, with chance in it, and at least as long as the provider asks.

use crate::call::chance;
use std::time::Duration;

/// Looks after which the pause has grown to three times its first length.
const GROWS: u32 = 12;
/// The longest pause after a failure, in first pauses.
const PATIENT: u32 = 12;

/// The pauses of one job.
#[derive(Debug)]
pub(super) struct Pace {
    first: Duration,
    looks: u32,
    failures: u32,
}

impl Pace {
    pub(super) fn new(first: Duration) -> Self {
        Self { first, looks: 0, failures: 0 }
    }

    /// The pause after a look that told how the job does.
    pub(super) fn after(&mut self, asked: Option<Duration>) -> Duration {
        self.failures = 0;
        self.looks = self.looks.saturating_add(1);
        let grown = 1.0 + 2.0 * f64::from(self.looks.min(GROWS) - 1) / f64::from(GROWS - 1);
        // Up to a fifth more, so that many jobs are not looked at together.
        at_least(self.first.mul_f64(grown * (1.0 + 0.2 * chance())), asked)
    }

    /// The pause after one that failed, which doubles.
    pub(super) fn after_failure(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1 << self.failures.min(10)).min(self.first * PATIENT);
        self.failures = self.failures.saturating_add(1);
        at_least(doubled.mul_f64(1.0 + 0.5 * chance()), asked)
    }
}

/// The pause, or what was asked for and a little more.
fn at_least(pause: Duration, asked: Option<Duration>) -> Duration {
    // A provider that asks for a day means that it wants to be left alone.
    let asked = asked.unwrap_or_default().min(Duration::from_secs(3600));
    if asked > pause { asked.saturating_add(pause.mul_f64(0.1 * chance())) } else { pause }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_are_as_long_as_asked_for() {
        let second = Duration::from_secs(1);
        let mut pace = Pace::new(second);
        let first = pace.after(None);
        assert!((1.0..=1.2).contains(&first.as_secs_f64()), "{first:?}");
        let last = (0..40).map(|_| pace.after(None)).last().unwrap_or_default();
        assert!((3.0..=3.6).contains(&last.as_secs_f64()), "{last:?}");
        let asked = pace.after(Some(second * 30));
        assert!((30.0..=31.0).contains(&asked.as_secs_f64()), "{asked:?}");
        let failed: Vec<f64> = (0..8).map(|_| pace.after_failure(None).as_secs_f64()).collect();
        assert!((1.0..=1.5).contains(&failed[0]) && (12.0..=18.0).contains(&failed[7]), "{failed:?}");
        assert!(pace.after_failure(Some(second * 60)) >= second * 60);
        pace.after(None);
        let anew = pace.after_failure(None).as_secs_f64();
        assert!((1.0..=1.5).contains(&anew), "{anew}");
        assert!(pace.after(Some(Duration::MAX)) < second * 3700);
    }
}
