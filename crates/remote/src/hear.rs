//! A remote model that listens: a sound out, piece by piece where it is longer than providers take at once, and its transcript back.

use crate::answer;
use crate::backend::{Backend, Verdict, seconds};
use crate::call::{ONCE, Rounds, once, post, sent};
use crate::failure::{Failure, refusal};
use crate::model::{Inner, RemoteModel};
use crate::tally::Tally;
use crate::whole::Whole;
use parasol_core::{
    Error, ErrorKind, EventStream, Money, Result, TranscribeRequest, TranscriptEvent, TranscriptTimings,
    TranscriptUsage, Usage,
};
use parasol_wire::listening;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc::Sender;

/// More bytes than this at once OpenAI and Groq do not take.
const LARGEST_SOUND: usize = 25_000_000;
/// More bytes than this are no transcript of so long a sound.
const LARGEST_ANSWER: usize = 16 << 20;

/// A sound, or a piece of one.
#[derive(Debug, Clone, PartialEq)]
pub struct Recording {
    /// A WAV file.
    pub wav: Vec<u8>,
    /// How long it lasts.
    pub seconds: f64,
}

/// A sound in pieces.
pub struct Sounds {
    /// How long all of it lasts, where that is known.
    pub seconds: Option<f64>,
    /// The pieces in their order. They are asked for one by one, by a thread that may take its time.
    pub pieces: Box<dyn Iterator<Item = Result<Recording>> + Send>,
}

impl From<Recording> for Sounds {
    fn from(recording: Recording) -> Self {
        Self { seconds: Some(recording.seconds), pieces: Box::new(std::iter::once(Ok(recording))) }
    }
}

impl RemoteModel {
    /// Has a sound written down.
    ///
    /// # Errors
    /// `Unsupported` when it does not listen. In the stream: `InvalidRequest` when a piece is larger than providers take.
    pub fn transcribe(
        &self,
        sound: impl Into<Sounds>,
        request: TranscribeRequest,
    ) -> Result<EventStream<TranscriptEvent>> {
        self.can("transcribe")?;
        let (inner, sound) = (Arc::clone(&self.inner), sound.into());
        Ok(answer::stream(&self.threads, None, |events| async move {
            // Without a listener there is nobody to tell.
            if let Err(error) = Hearing::new(&inner, &request, &events).run(sound).await {
                drop(events.send(Err(error)).await);
            }
        }))
    }
}

/// A sound that is being written down.
struct Hearing<'a> {
    inner: &'a Arc<Inner>,
    request: &'a TranscribeRequest,
    events: &'a Sender<Result<TranscriptEvent>>,
    begun: Instant,
    /// How long all of it lasts, where that is known.
    total: Option<f64>,
    /// Seconds that are done, and segments.
    done: f64,
    segments: usize,
    usage: TranscriptUsage,
    timings: TranscriptTimings,
}

/// Nobody listens any more.
type Heard = Option<()>;

impl<'a> Hearing<'a> {
    fn new(
        inner: &'a Arc<Inner>,
        request: &'a TranscribeRequest,
        events: &'a Sender<Result<TranscriptEvent>>,
    ) -> Self {
        Self {
            inner,
            request,
            events,
            begun: Instant::now(),
            total: None,
            done: 0.0,
            segments: 0,
            usage: TranscriptUsage::default(),
            timings: TranscriptTimings::default(),
        }
    }

    fn cost(&self, seconds: f64) -> Option<Money> {
        self.inner.entry.price.as_ref()?.sound(seconds)
    }

    async fn run(mut self, sound: Sounds) -> Result<()> {
        self.total = sound.seconds;
        if let Some(total) = self.total {
            // Better now than in the middle of it.
            Tally::could_open_for(self.inner, &self.request.client, self.cost(total)).await?;
        }
        let _place = self.inner.rate.enter(&self.inner.entry.name, 0).await?;
        let (mut pieces, mut number) = (sound.pieces, 0usize);
        loop {
            let read = tokio::task::spawn_blocking(move || (pieces.next(), pieces)).await;
            let (piece, rest) = read.map_err(|_| {
                Error::new(ErrorKind::Internal, "the sound could not be read: its reader failed")
            })?;
            pieces = rest;
            let Some(piece) = piece.transpose()? else { break };
            if number > 0 {
                self.inner.rate.turn(&self.inner.entry.name, 0).await?;
            }
            number = number.saturating_add(1);
            if self.piece(&piece).await?.is_none() {
                return Ok(());
            }
        }
        if number == 0 {
            let message = "the sound holds not a single sample: there is nothing to write down";
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        self.timings.decode = self.begun.elapsed();
        let finished = TranscriptEvent::Finished { usage: self.usage, timings: self.timings };
        // Nobody waits for an answer to the last event.
        let _ = self.events.send(Ok(finished)).await;
        Ok(())
    }

    /// Has a piece written down, and paid for.
    async fn piece(&mut self, piece: &Recording) -> Result<Heard> {
        if piece.wav.len() > LARGEST_SOUND {
            let message = format!(
                "a piece of the sound has {} bytes as it would be sent, and providers take {LARGEST_SOUND}: cut it, or have it \
                 transcribed here",
                piece.wav.len()
            );
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let inner = self.inner;
        let cost = self.cost(piece.seconds);
        let mut tally = Tally::open_for(inner, &self.request.client, cost, cost).await?;
        let once = once();
        let mut rounds = Rounds::new(inner);
        let told = loop {
            let errand = rounds.next().await?;
            tally.asked(cost);
            match attempt(inner, &errand.backend, piece, self.request, &once).await {
                Ok(told) => {
                    errand.end(Verdict::Good, None);
                    break told;
                }
                Err(failure) => {
                    tally.failed();
                    rounds.failed(errand, failure)?;
                }
            }
        };
        tally.finished(Usage { cost, ..Usage::default() });
        tally.settled().await;
        let heard = self.tell(told, cost).await;
        self.done += piece.seconds;
        let (done, total) = (self.done, self.total);
        let more = total.is_some_and(|total| total > done + 1.0);
        match heard.is_some() && more {
            true => Ok(self.send(TranscriptEvent::Progress { done, total }).await),
            false => Ok(heard),
        }
    }

    /// Tells what a piece says, at its place in the whole.
    async fn tell(&mut self, told: Vec<TranscriptEvent>, cost: Option<Money>) -> Heard {
        let whole = self.done == 0.0;
        for event in told {
            let event = match event {
                TranscriptEvent::Started { model, language, language_probability, duration, seed }
                    if whole =>
                {
                    let duration = self.total.or(duration);
                    TranscriptEvent::Started { model, language, language_probability, duration, seed }
                }
                TranscriptEvent::Segment(mut segment) => {
                    segment.id = self.segments;
                    self.segments = self.segments.saturating_add(1);
                    (segment.start, segment.end) = (segment.start + self.done, segment.end + self.done);
                    for word in &mut segment.words {
                        (word.start, word.end) = (word.start + self.done, word.end + self.done);
                    }
                    if self.timings.first_segment.is_zero() {
                        self.timings.first_segment = self.begun.elapsed();
                    }
                    TranscriptEvent::Segment(segment)
                }
                TranscriptEvent::Finished { usage, .. } => {
                    let all = &mut self.usage;
                    all.seconds += usage.seconds;
                    all.speech_seconds += usage.speech_seconds;
                    all.generated_tokens = all.generated_tokens.saturating_add(usage.generated_tokens);
                    all.cost = cost.map(|cost| all.cost.unwrap_or_default().plus(cost));
                    continue;
                }
                _ => continue,
            };
            self.send(event).await?;
        }
        Some(())
    }

    async fn send(&self, event: TranscriptEvent) -> Heard {
        self.events.send(Ok(event)).await.ok()
    }
}

async fn attempt(
    inner: &Inner,
    backend: &Backend,
    sound: &Recording,
    request: &TranscribeRequest,
    once: &str,
) -> Result<Vec<TranscriptEvent>, Failure> {
    let name = inner.entry.name.as_str();
    let (protocol, manner) = (backend.protocol, &backend.manner);
    let form = listening::form(protocol, &backend.model, request, &sound.wav, manner, once)
        .map_err(Failure::unwritable)?;
    let post = post(inner, backend, form.path, &form.content_type, form.body).header(ONCE, once);
    let limit = seconds(inner.entry.limits.first_token);
    let asked = Instant::now();
    let response = sent(inner, backend, post).await?;
    if !response.status().is_success() {
        return Err(refusal(backend, name, response).await);
    }
    let body = Whole { what: "transcript", most: LARGEST_ANSWER, limit, asked };
    let body = body.read(backend, name, response).await?;
    listening::read(protocol, name, sound.seconds, request, &body).map_err(|e| Failure {
        error: backend.address.explain(name, e.kind().clone(), e.message()),
        verdict: Verdict::Bad,
        elsewhere: true,
        again: false,
    })
}
