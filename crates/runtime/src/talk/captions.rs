//! Sound as it comes, as lines of text: what is being said is told word by word, and each turn again as a whole when it has ended.

use super::ear::{Ear, Heard};
use super::listening::{Listening, Said};
use futures_core::Stream;
use parasol_core::{EventStream, Result, Transcribe, TranscribeRequest};
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Turns that may wait to be written down before more sound is taken: a file comes faster than it can be written down.
const MOST: usize = 4;

/// What was heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Caption {
    /// Words of the line that is being said, to be put behind those before.
    Partial(String),
    /// A whole line.
    Line(Line),
    /// The line whose words were told turned out to be none: what is told next begins anew.
    Nothing,
}

/// What was said in one turn.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// When it began, in seconds from the beginning.
    pub start: f64,
    /// When it ended.
    pub end: f64,
    /// What was said; never empty.
    pub text: String,
    /// The language that was found or given.
    pub language: Option<String>,
}

/// Lines of a sound that is still coming: a stream of [`Caption`]s that ends with its sound.
pub struct Captions {
    ears: Arc<dyn Transcribe>,
    request: TranscribeRequest,
    ear: Ear,
    pieces: Option<EventStream<Vec<i16>>>,
    turns: VecDeque<Turn>,
}

struct Turn {
    start: f64,
    end: Option<f64>,
    /// Whether words of it were told.
    told: bool,
    listening: Listening,
}

impl std::fmt::Debug for Captions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Captions({} turns, {:?})", self.turns.len(), self.ear)
    }
}

impl Captions {
    /// Has `ears` write down what `request` asks for of `pieces`, which are samples at the rate of `ear`; the ear has to find turns.
    pub fn new(
        ears: Arc<dyn Transcribe>,
        request: TranscribeRequest,
        ear: Ear,
        pieces: EventStream<Vec<i16>>,
    ) -> Self {
        Self { ears, request, ear, pieces: Some(pieces), turns: VecDeque::new() }
    }

    fn take(&mut self, samples: &[i16]) -> Result<()> {
        let heard = self.ear.push(samples)?;
        let quiet = heard.is_empty();
        for heard in heard {
            match heard {
                Heard::Began { at_ms } => {
                    let listening =
                        Listening::new(Arc::clone(&self.ears), self.request.clone(), self.ear.rate());
                    self.turns.push_back(Turn {
                        start: at_ms as f64 / 1000.0,
                        end: None,
                        told: false,
                        listening,
                    });
                }
                Heard::Ended { at_ms, sound } => self.end(at_ms as f64 / 1000.0, &sound)?,
            }
        }
        // Attempts at what is being said come after what has been said.
        if let ([turn], true, Some(sound)) = (self.turns.make_contiguous(), quiet, self.ear.turn()) {
            turn.listening.offer(sound)?;
        }
        Ok(())
    }

    fn end(&mut self, end: f64, sound: &[i16]) -> Result<()> {
        match self.turns.iter_mut().find(|turn| turn.end.is_none()) {
            Some(turn) => {
                turn.end = Some(end);
                turn.listening.finish(sound)
            }
            None => Ok(()),
        }
    }

    /// The sound is over: so is what was being said.
    fn finish(&mut self) -> Result<()> {
        self.pieces = None;
        if self.ear.turn().is_none() {
            return Ok(());
        }
        let sound = self.ear.take();
        let seconds = sound.len() as f64 / f64::from(self.ear.rate().max(1));
        let begun = self.turns.back().map_or(0.0, |turn| turn.start);
        self.end(begun + seconds, &sound)
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Caption>>> {
        loop {
            // Lines come in order: the first turn goes before the others.
            if let Some(turn) = self.turns.front_mut() {
                match turn.listening.poll(cx) {
                    Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                    Poll::Ready(Ok(Said::Delta(words))) => {
                        turn.told = true;
                        return Poll::Ready(Some(Ok(Caption::Partial(words))));
                    }
                    Poll::Ready(Ok(Said::Whole { text, language, .. })) => {
                        let (start, end, told) = (turn.start, turn.end.unwrap_or(turn.start), turn.told);
                        self.turns.pop_front();
                        match (text.is_empty(), told) {
                            (true, false) => continue,
                            (true, true) => return Poll::Ready(Some(Ok(Caption::Nothing))),
                            (false, _) => {}
                        }
                        return Poll::Ready(Some(Ok(Caption::Line(Line { start, end, text, language }))));
                    }
                    Poll::Pending => {}
                }
            }
            if self.turns.len() > MOST {
                return Poll::Pending;
            }
            let Some(pieces) = &mut self.pieces else {
                return if self.turns.is_empty() { Poll::Ready(None) } else { Poll::Pending };
            };
            let taken = match Pin::new(pieces).poll_next(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(samples))) => self.take(&samples),
                Poll::Ready(Some(Err(error))) => Err(error),
                Poll::Ready(None) => self.finish(),
            };
            if let Err(error) = taken {
                return Poll::Ready(Some(Err(error)));
            }
        }
    }
}

impl Stream for Captions {
    type Item = Result<Caption>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = self.next(cx);
        if let Poll::Ready(Some(Err(_))) = &next {
            self.pieces = None;
            self.turns.clear();
        }
        next
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{Segment, SoundStream, TranscriptEvent};
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Ready<E>(VecDeque<Result<E>>);

    impl<E: Unpin> Stream for Ready<E> {
        type Item = Result<E>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    /// Hears these texts, one after the other.
    struct Hears(Vec<&'static str>, AtomicUsize);

    impl Transcribe for Hears {
        fn transcribe(&self, _: SoundStream, _: TranscribeRequest) -> Result<EventStream<TranscriptEvent>> {
            let text = self.0[self.1.fetch_add(1, Ordering::Relaxed)].to_owned();
            let segment = TranscriptEvent::Segment(Segment { text, ..Segment::default() });
            Ok(EventStream::new(Ready([Ok(segment)].into())))
        }
    }

    #[test]
    fn words_of_a_line_that_turns_out_empty_are_taken_back() {
        let ears = Arc::new(Hears(vec!["Uh", "Uh", "", ""], AtomicUsize::new(0)));
        let pieces = EventStream::new(Ready(VecDeque::new()));
        let mut captions =
            Captions::new(ears.clone(), TranscribeRequest::default(), Ear::new(16_000, 60), pieces);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let listening = || Listening::new(ears.clone(), TranscribeRequest::default(), 16_000);
        let mut first = Turn { start: 0.0, end: Some(2.0), told: false, listening: listening() };
        first.listening.offer(&[0; 16_000]).unwrap();
        assert!(first.listening.poll(&mut cx).is_pending(), "one attempt makes nothing certain");
        first.listening.offer(&[0; 32_000]).unwrap();
        captions.turns.push_back(first);
        let mut next = || match captions.next(&mut cx) {
            Poll::Ready(Some(caption)) => Some(caption.unwrap()),
            _ => None,
        };
        assert_eq!(next(), Some(Caption::Partial("Uh".into())));
        captions.turns[0].listening.finish(&[0; 32_000]).unwrap();
        // Of one of which nothing was told nothing is taken back.
        let mut second = Turn { start: 3.0, end: Some(4.0), told: false, listening: listening() };
        second.listening.finish(&[0; 16_000]).unwrap();
        captions.turns.push_back(second);
        let mut next = || match captions.next(&mut cx) {
            Poll::Ready(Some(caption)) => Some(caption.unwrap()),
            _ => None,
        };
        assert_eq!((next(), next()), (Some(Caption::Nothing), None));
    }
}
