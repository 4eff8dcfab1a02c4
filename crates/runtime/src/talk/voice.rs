//! Sentences that are spoken one after the other, as they come.

use futures_core::Stream;
use parasol_audio::sound::Resampler;
use parasol_core::{Error, ErrorKind, EventStream, Result, Speak, SpeakRequest, SpeechEvent};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Samples, and the place in the text of the end of their sentence.
type Piece = (Vec<f32>, usize);

/// Sentences in a row: what has been written is queued, what has been said comes out.
pub struct Saying {
    voice: Arc<dyn Speak>,
    /// Everything but the text.
    request: SpeakRequest,
    rate: u32,
    queue: VecDeque<(String, usize)>,
    now: Option<Sentence>,
    /// What could not be said, and why.
    unspoken: Option<String>,
}

struct Sentence {
    events: EventStream<SpeechEvent>,
    /// The end of it in the text of the answer.
    end: usize,
    resampler: Option<Resampler>,
}

impl std::fmt::Debug for Saying {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Saying({} sentences wait)", self.queue.len())
    }
}

impl Saying {
    /// Has `voice` say sentences as `request` asks, with `rate` samples a second; the request's text is not looked at.
    pub fn new(voice: Arc<dyn Speak>, request: SpeakRequest, rate: u32) -> Self {
        Self { voice, request, rate, queue: VecDeque::new(), now: None, unspoken: None }
    }

    /// Samples a second of what comes out.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Queues a sentence, which ends at byte `end` of its text.
    pub(super) fn push(&mut self, text: String, end: usize) {
        self.queue.push_back((text, end));
    }

    /// Why something could not be said, once.
    pub(super) fn take_unspoken(&mut self) -> Option<String> {
        self.unspoken.take()
    }

    /// The next sound and the place in the text that has been said with it; `None` when the queue is empty.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Piece>>> {
        loop {
            if self.now.is_none() {
                let Some((text, end)) = self.queue.pop_front() else { return Poll::Ready(None) };
                let request = SpeakRequest { text, ..self.request.clone() };
                match self.voice.speak(request) {
                    Ok(events) => self.now = Some(Sentence { events, end, resampler: None }),
                    // A sentence of emoji is no reason to be silent about the rest.
                    Err(error) if *error.kind() == ErrorKind::InvalidRequest => {
                        self.unspoken.get_or_insert_with(|| error.message().to_owned());
                        continue;
                    }
                    Err(error) => return Poll::Ready(Some(Err(error))),
                }
            }
            let Some(sentence) = &mut self.now else { continue };
            match Pin::new(&mut sentence.events).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(SpeechEvent::Started { rate, .. }))) if rate != self.rate => {
                    match Resampler::new(rate, self.rate) {
                        Ok(resampler) => sentence.resampler = Some(resampler),
                        Err(error) => return Poll::Ready(Some(Err(error))),
                    }
                }
                Poll::Ready(Some(Ok(SpeechEvent::Started { .. }))) => {}
                Poll::Ready(Some(Ok(SpeechEvent::Audio { samples, .. }))) => {
                    let samples = match &mut sentence.resampler {
                        None => samples,
                        Some(resampler) => {
                            let mut out = Vec::new();
                            resampler.push(&samples, &mut out);
                            out
                        }
                    };
                    return Poll::Ready(Some(Ok((samples, sentence.end))));
                }
                Poll::Ready(Some(Ok(SpeechEvent::Finished { usage, .. }))) => {
                    if !usage.unspoken.is_empty() {
                        let says =
                            || format!("the voice has no sound for {:?}, which was left out", usage.unspoken);
                        self.unspoken.get_or_insert_with(says);
                    }
                    let (mut rest, end) = (Vec::new(), sentence.end);
                    if let Some(resampler) = &mut sentence.resampler {
                        resampler.finish(&mut rest);
                    }
                    self.now = None;
                    if !rest.is_empty() {
                        return Poll::Ready(Some(Ok((rest, end))));
                    }
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                // No end was told: the work broke down.
                Poll::Ready(None) => {
                    let error = Error::new(ErrorKind::Internal, "the voice broke off in a sentence");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}
