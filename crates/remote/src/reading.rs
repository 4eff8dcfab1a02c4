//! Reading one answer from a backend: its events on to whoever listens, with its times and what it costs.

use crate::alarm::Alarm;
use crate::backend::{Backend, Verdict, seconds};
use crate::failure::{Failure, slow, transport};
use crate::model::Inner;
use crate::tally::Tally;
use parasol_core::{Error, ErrorKind, GenerationEvent, Result, Timings};
use parasol_wire::client::Reader;
use reqwest::Response;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

/// How long the end of a finished stream is waited for, so that its connection can serve again.
const TAIL: Duration = Duration::from_secs(1);

pub(crate) type Events = Sender<Result<GenerationEvent>>;

/// Nobody listens any more.
pub(crate) struct Gone;

/// Why reading ended without an answer.
pub(crate) enum Stop {
    Failed(Failure),
    Gone,
}

impl From<Gone> for Stop {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// An answer that is being read.
pub(crate) struct Reading<'a> {
    inner: &'a Inner,
    backend: &'a Backend,
    events: &'a Events,
    tally: &'a mut Tally,
    asked: Instant,
    first_token: Option<Duration>,
    /// Events that came before the first piece of the answer. Only this backend's are told if it gets there.
    held: Vec<GenerationEvent>,
}

impl<'a> Reading<'a> {
    /// A reading that begins with what was ignored of the request.
    pub(crate) fn new(
        inner: &'a Inner,
        backend: &'a Backend,
        events: &'a Events,
        tally: &'a mut Tally,
        asked: Instant,
        ignored: Vec<(String, String)>,
    ) -> Self {
        let held = ignored.into_iter().map(|(field, why)| GenerationEvent::Ignored { field, why }).collect();
        Self { inner, backend, events, tally, asked, first_token: None, held }
    }

    pub(crate) async fn read(mut self, mut response: Response) -> Result<(), Stop> {
        let name = self.inner.entry.name.as_str();
        let mut decoder = Reader::new(self.backend.protocol, name);
        let mut alarm = Alarm::new(self.limit().0);
        loop {
            let (limit, what) = self.limit();
            let chunk = match alarm.within(limit, response.chunk()).await {
                None => return Err(slow(self.backend, name, what, limit, self.fresh()).into()),
                Some(Err(e)) => return Err(transport(self.backend, name, &e, self.fresh()).into()),
                Some(Ok(chunk)) => chunk,
            };
            let (decoded, ended) = match &chunk {
                Some(bytes) => (decoder.push(bytes), false),
                None => (decoder.finish(), true),
            };
            let decoded = decoded.map_err(|e| self.broken(&e))?;
            self.tell(decoded).await?;
            if decoder.is_finished() {
                // The connection is used again if its end comes soon; if not, closing it costs nothing. On its own, because the
                // caller may be gone by then and the backend has earned its verdict.
                tokio::spawn(timeout(TAIL, async move { while let Ok(Some(_)) = response.chunk().await {} }));
                return Ok(());
            }
            if ended {
                let error = Error::new(ErrorKind::Network, "the stream ended before the answer was complete");
                return Err(self.broken(&error).into());
            }
        }
    }

    /// Whether nothing has been told yet, so that another backend may answer instead.
    fn fresh(&self) -> bool {
        self.first_token.is_none()
    }

    fn limit(&self) -> (Duration, &'static str) {
        let limits = &self.inner.entry.limits;
        match self.first_token {
            None => (
                seconds(limits.first_token).saturating_sub(self.asked.elapsed()),
                "sent no part of the answer",
            ),
            Some(_) => (seconds(limits.idle), "stopped in the middle of the answer"),
        }
    }

    fn broken(&self, error: &Error) -> Failure {
        let kind = error.kind().clone();
        // A stream that is refused in its middle says so for the request, not for the address.
        let wrong = matches!(kind, ErrorKind::InvalidRequest | ErrorKind::ContextOverflow { .. });
        let verdict = if wrong { Verdict::Good } else { Verdict::Bad };
        let error = self.backend.address.explain(&self.inner.entry.name, kind, error.message());
        Failure { error, verdict, elsewhere: self.fresh() && !wrong, again: self.fresh() && !wrong }
    }

    async fn tell(&mut self, decoded: Vec<GenerationEvent>) -> Result<(), Gone> {
        for mut event in decoded {
            match &mut event {
                GenerationEvent::Started { model, .. } => model.clone_from(&self.inner.entry.name),
                GenerationEvent::Token(_) | GenerationEvent::ToolCall(_) => {
                    self.begin();
                    self.tally.piece();
                }
                GenerationEvent::Finished { timings, usage, .. } => {
                    self.begin();
                    *timings = self.timings();
                    // Who is paid knows best what is charged.
                    let reckoned = || self.inner.entry.price.as_ref().map(|price| price.cost(usage));
                    usage.cost = usage.cost.or_else(reckoned);
                    self.tally.finished(*usage);
                }
                _ => {}
            }
            self.held.push(event);
        }
        if self.fresh() {
            return Ok(());
        }
        for event in self.held.drain(..) {
            if matches!(event, GenerationEvent::Finished { .. }) {
                // Whoever has read the end finds it in the book.
                self.tally.settled().await;
            }
            self.events.send(Ok(event)).await.map_err(|_| Gone)?;
        }
        Ok(())
    }

    fn begin(&mut self) {
        let asked = self.asked;
        self.first_token.get_or_insert_with(|| asked.elapsed());
    }

    /// How long the prompt took by itself nobody tells.
    fn timings(&self) -> Timings {
        let first_token = self.first_token.unwrap_or_default();
        let decode = self.asked.elapsed().saturating_sub(first_token);
        Timings { first_token, prefill: Duration::ZERO, decode }
    }
}
