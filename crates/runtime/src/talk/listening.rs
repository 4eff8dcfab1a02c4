//! A turn that is written down while it is being said: attempts at what has been heard so far, of which the certain part is told, and
//! one at the whole at the end.

use super::agreement::Agreement;
use futures_core::Stream;
use parasol_core::{
    EventStream, Result, SoundStream, Timestamps, Transcribe, TranscribeRequest, TranscriptEvent,
};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// New sound that is worth another attempt.
const STEP: Duration = Duration::from_millis(900);

/// As many times as long as the last attempt took has to be new: some of the time is left for others.
const PACE: f64 = 1.3;

/// What has been understood.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    /// Words that are certain by now, to be put behind those before.
    Delta(String),
    /// Everything, after the end.
    Whole {
        /// The text. The deltas together may differ from it in marks, capitals and, rarely, words.
        text: String,
        /// How long the sound is, in seconds.
        seconds: f64,
        /// The language that was found or given.
        language: Option<String>,
    },
}

/// A turn on its way.
pub struct Listening {
    ears: Arc<dyn Transcribe>,
    request: TranscribeRequest,
    rate: u32,
    agreement: Agreement,
    attempt: Option<Attempt>,
    /// Samples that the last attempt heard, and how long it took.
    heard: usize,
    took: Duration,
    done: bool,
}

struct Attempt {
    events: EventStream<TranscriptEvent>,
    begun: Instant,
    text: String,
    language: Option<String>,
    last: bool,
    /// Something to be told before more is asked for.
    waiting: Option<Said>,
}

impl std::fmt::Debug for Listening {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Listening({} samples heard, {:?})", self.heard, self.agreement)
    }
}

impl Listening {
    /// Has `ears` write down what `request` asks for, from sound with `rate` samples a second.
    pub fn new(ears: Arc<dyn Transcribe>, request: TranscribeRequest, rate: u32) -> Self {
        Self {
            ears,
            request,
            rate,
            agreement: Agreement::default(),
            attempt: None,
            heard: 0,
            took: Duration::ZERO,
            done: false,
        }
    }

    /// All that has been heard of the turn so far. Another attempt is made at it where there is enough that is new, none is being
    /// made, and there is time left between them.
    ///
    /// # Errors
    /// Those of the model.
    pub fn offer(&mut self, sound: &[i16]) -> Result<()> {
        let new = self.seconds(sound.len().saturating_sub(self.heard));
        if self.done || self.attempt.is_some() || new < STEP.max(self.took.mul_f64(PACE)) {
            return Ok(());
        }
        // A glance: greedy, and once.
        let request = TranscribeRequest {
            beam: Some(1),
            temperature: Some(0.0),
            timestamps: Timestamps::None,
            voice_activity: false,
            ..self.request.clone()
        };
        self.begin(sound, request, false)
    }

    /// The whole of it: the turn has ended.
    ///
    /// # Errors
    /// Those of the model.
    pub fn finish(&mut self, sound: &[i16]) -> Result<()> {
        // Dropping an attempt ends it.
        self.attempt = None;
        self.done = true;
        self.begin(sound, self.request.clone(), true)
    }

    fn begin(&mut self, sound: &[i16], request: TranscribeRequest, last: bool) -> Result<()> {
        let samples = sound.iter().map(|x| f32::from(*x) / 32_768.0).collect();
        let events = self.ears.transcribe(SoundStream::from_samples(self.rate, samples), request)?;
        self.heard = sound.len();
        let (text, language) = (String::new(), None);
        self.attempt = Some(Attempt { events, begun: Instant::now(), text, language, last, waiting: None });
        Ok(())
    }

    fn seconds(&self, samples: usize) -> Duration {
        Duration::from_secs_f64(samples as f64 / f64::from(self.rate.max(1)))
    }

    /// Whether the end has been told of.
    pub fn is_over(&self) -> bool {
        self.done && self.attempt.is_none()
    }

    /// What has been understood since; pending, too, where nothing is being listened to.
    ///
    /// # Errors
    /// Those of the model; nothing more comes then.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Said>> {
        while let Some(attempt) = &mut self.attempt {
            if let Some(said) = attempt.waiting.take() {
                self.attempt = None;
                return Poll::Ready(Ok(said));
            }
            match Pin::new(&mut attempt.events).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(TranscriptEvent::Started { language, .. }))) => {
                    attempt.language = language;
                }
                Poll::Ready(Some(Ok(TranscriptEvent::Segment(segment)))) => {
                    attempt.text.push_str(&segment.text);
                }
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => {
                    (self.attempt, self.done) = (None, true);
                    return Poll::Ready(Err(error));
                }
                Poll::Ready(None) => {
                    if let Some(said) = self.ended() {
                        return Poll::Ready(Ok(said));
                    }
                }
            }
        }
        Poll::Pending
    }

    /// An attempt has come to its end.
    fn ended(&mut self) -> Option<Said> {
        let mut attempt = self.attempt.take()?;
        self.took = attempt.begun.elapsed();
        let seconds = self.seconds(self.heard).as_secs_f64();
        let (delta, whole) = match attempt.last {
            false => (self.agreement.push(&attempt.text), None),
            true => {
                let text = attempt.text.trim().to_owned();
                let language = attempt.language.clone();
                (self.agreement.finish(&text), Some(Said::Whole { text, seconds, language }))
            }
        };
        match (delta.is_empty(), whole) {
            (true, whole) => whole,
            (false, None) => Some(Said::Delta(delta)),
            (false, whole) => {
                attempt.waiting = whole;
                self.attempt = Some(attempt);
                Some(Said::Delta(delta))
            }
        }
    }
}
