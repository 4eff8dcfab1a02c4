//! A time limit for one wait after another.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep};

/// Limits waits. Its timer is set again when it rings, not for every wait: an answer waits for each of its pieces, and nearly
/// always only for a moment.
pub(crate) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// An alarm whose first wait is to be about this long.
    pub(crate) fn new(limit: Duration) -> Self {
        Self(Box::pin(sleep(limit)))
    }

    /// Waits for `work` for so long at most; `None` when that was not long enough.
    pub(crate) async fn within<T>(&mut self, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        // Limits are a day at most.
        let due = Instant::now() + limit;
        if self.0.deadline() > due {
            self.0.as_mut().reset(due);
        }
        let mut work = pin!(work);
        poll_fn(|cx| {
            if let Poll::Ready(done) = work.as_mut().poll(cx) {
                return Poll::Ready(Some(done));
            }
            while self.0.as_mut().poll(cx).is_ready() {
                if Instant::now() >= due {
                    return Poll::Ready(None);
                }
                self.0.as_mut().reset(due);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_wait_has_its_own_limit() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let milliseconds = Duration::from_millis;
        runtime.block_on(async {
            let mut alarm = Alarm::new(milliseconds(40));
            let begun = Instant::now();
            for _ in 0..6 {
                // All together last longer than any may: the alarm that was set first rings in between.
                assert_eq!(alarm.within(milliseconds(40), sleep(milliseconds(15))).await, Some(()));
            }
            assert!(begun.elapsed() >= milliseconds(90));
            let begun = Instant::now();
            assert_eq!(alarm.within(milliseconds(60), sleep(milliseconds(900))).await, None);
            assert!((60..500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
            // A shorter limit after a longer one.
            assert_eq!(alarm.within(Duration::from_secs(30), async {}).await, Some(()));
            let begun = Instant::now();
            assert_eq!(alarm.within(milliseconds(20), sleep(milliseconds(900))).await, None);
            assert!((20..500).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
        });
    }
}
