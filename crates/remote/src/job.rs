//! A job of a provider's, asked for until it is done: with pauses that grow, within the time that an answer may take. Dropping the work
//! ends the asking. What was begun is not begun again: it is paid for.

use crate::backend::{Backend, Verdict};
use crate::failure::{Failure, refusal, slow, small_body, transport, wait_of};
use crate::fetch::{late, question};
use crate::model::Inner;
use parasol_core::ErrorKind;
use parasol_wire::imagining::{Job, JobState};
use reqwest::StatusCode;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The pause before the first question; it grows by half with each …
const FIRST: Duration = Duration::from_millis(300);
/// … up to this.
const LONGEST: Duration = Duration::from_secs(3);
/// Questions in a row that may fail before the job is given up.
const FAILURES: usize = 5;
/// So long an answer to a question is waited for.
const ANSWER: Duration = Duration::from_secs(30);

/// A job that is followed.
pub(crate) struct Following<'a> {
    inner: &'a Inner,
    backend: &'a Backend,
    url: String,
    due: Instant,
    pause: Duration,
    failures: usize,
}

impl<'a> Following<'a> {
    /// Follows a job until `due`.
    pub(crate) fn new(inner: &'a Inner, backend: &'a Backend, job: Job, due: Instant) -> Self {
        Self { inner, backend, url: job.polling_url, due, pause: FIRST, failures: 0 }
    }

    /// How the job stands after the next pause.
    pub(crate) async fn next(&mut self) -> Result<JobState, Failure> {
        loop {
            let wait = self.pause;
            self.pause = wait.saturating_mul(3).checked_div(2).unwrap_or(LONGEST).clamp(FIRST, LONGEST);
            if Instant::now() + wait >= self.due {
                return Err(self.slow());
            }
            sleep(wait).await;
            let until = self.due.min(Instant::now() + ANSWER);
            let asked = timeout_at(until, self.ask()).await;
            match asked.unwrap_or_else(|_| Err(self.unanswered(until))) {
                Ok(state) => {
                    self.failures = 0;
                    return Ok(state);
                }
                Err(failure) if failure.again && self.failures < FAILURES => {
                    self.failures += 1;
                    self.pause = self.pause.max(wait_of(&failure.error).unwrap_or_default());
                    tracing::debug!(error = failure.error.message(), "a job could not be asked for");
                }
                Err(failure) => return Err(Failure { elsewhere: false, again: false, ..failure }),
            }
        }
    }

    /// One question. `again` tells whether it may be put once more.
    async fn ask(&self) -> Result<JobState, Failure> {
        let (backend, name) = (self.backend, self.inner.entry.name.as_str());
        let sent = question(self.inner, backend, &self.url)?.send().await;
        let mut response = sent.map_err(|e| transport(backend, name, &e, true))?;
        let status = response.status();
        if status.is_success() {
            let told = JobState::read(&small_body(&mut response).await);
            return told.map_err(|e| {
                let failure = late(backend, name, e.kind().clone(), e.message());
                let fault = *e.kind() == ErrorKind::Network;
                Failure { verdict: if fault { Verdict::Bad } else { Verdict::Good }, ..failure }
            });
        }
        if status.is_redirection() {
            let message = format!(
                "its job's address leads elsewhere (status {}), which is not followed",
                status.as_u16()
            );
            return Err(late(backend, name, ErrorKind::Network, &message));
        }
        let mut failure = refusal(backend, name, response).await;
        // A job that was begun this moment may not be known everywhere yet.
        failure.again |= status == StatusCode::NOT_FOUND;
        Err(failure)
    }

    /// No answer came: time is up, or the question may be put once more.
    fn unanswered(&self, until: Instant) -> Failure {
        if until >= self.due {
            return self.slow();
        }
        let name = self.inner.entry.name.as_str();
        Failure { again: true, ..slow(self.backend, name, "said nothing of its job", ANSWER, false) }
    }

    fn slow(&self) -> Failure {
        let seconds = self.inner.entry.limits.first_token;
        let message = format!("its job was not done within {seconds:.1} s, and is left to itself");
        late(self.backend, &self.inner.entry.name, ErrorKind::Timeout, &message)
    }
}
