//! An answer that is spoken while it is written: the events of a model's text, and between them the sound of every sentence that is
//! whole.

use super::voice::Saying;
use futures_core::Stream;
use parasol_audio::speech::sentences;
use parasol_core::{
    Error, ErrorKind, EventStream, FinishReason, GenerationEvent, Part, Result, ToolCallDelta, Usage,
};
use std::pin::Pin;
use std::task::{Context, Poll};

/// A point after these ends no sentence.
const TITLES: [&str; 16] =
    ["Mr", "Mrs", "Ms", "Dr", "Prof", "St", "Sr", "Jr", "vs", "Mt", "Gen", "Capt", "Lt", "No", "Rev", "Fr"];

/// Sound of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Sound {
    /// Samples of one channel within ±1.
    pub samples: Vec<f32>,
    /// The byte of the answer's text up to which the sentence goes that they belong to.
    pub until: usize,
}

/// What happens in an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ReplyEvent {
    /// More of its text.
    Text(String),
    /// More of a call to a tool.
    ToolCall(ToolCallDelta),
    /// More of its sound.
    Sound(Sound),
    /// Something could not be spoken and was left out, for this reason; told once.
    Unspoken(String),
    /// The text is complete; sound may still follow.
    Written {
        /// Why it ended.
        reason: FinishReason,
        /// What it took.
        usage: Usage,
    },
}

/// An answer on its way: a stream that ends when everything has been written and said.
pub struct Reply {
    text: Option<EventStream<GenerationEvent>>,
    saying: Option<Saying>,
    /// Text that no sentence has been made of yet, and where it begins in the answer.
    pending: String,
    from: usize,
    told: bool,
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Reply({} bytes, {:?})", self.from, self.saying)
    }
}

impl Reply {
    /// Speaks `text` as it comes; without `saying` it is only written.
    pub fn new(text: EventStream<GenerationEvent>, saying: Option<Saying>) -> Self {
        Self { text: Some(text), saying, pending: String::new(), from: 0, told: false }
    }

    /// Takes in text: what are whole sentences now is said.
    fn write(&mut self, text: &str) {
        if self.saying.is_none() {
            return;
        }
        self.pending.push_str(text);
        // A point may still be followed by what makes it none: the last piece waits.
        let pieces = sentences(&self.pending, &is_title);
        let Some((_, whole)) = pieces.split_last() else { return };
        if let Some(end) = whole.last().map(|piece| piece.end) {
            for piece in whole {
                self.say(piece.clone());
            }
            self.pending.drain(..end);
            self.from += end;
        }
    }

    /// The text is complete: so is its last sentence.
    fn write_end(&mut self) {
        for piece in sentences(&self.pending, &is_title) {
            self.say(piece);
        }
        self.from += self.pending.len();
        self.pending.clear();
    }

    fn say(&mut self, piece: std::ops::Range<usize>) {
        let end = self.from + piece.end;
        let text = plain(self.pending.get(piece).unwrap_or_default());
        if let Some(saying) = &mut self.saying
            && !text.trim().is_empty()
        {
            saying.push(text, end);
        }
    }

    fn told_unspoken(&mut self) -> Option<ReplyEvent> {
        let why = self.saying.as_mut()?.take_unspoken()?;
        (!std::mem::replace(&mut self.told, true)).then_some(ReplyEvent::Unspoken(why))
    }

    fn see(&mut self, event: GenerationEvent) -> Option<ReplyEvent> {
        match event {
            GenerationEvent::Token(token) if token.part != Part::Reasoning && !token.text.is_empty() => {
                self.write(&token.text);
                Some(ReplyEvent::Text(token.text))
            }
            GenerationEvent::ToolCall(delta) => Some(ReplyEvent::ToolCall(delta)),
            GenerationEvent::Finished { reason, usage, .. } => {
                self.text = None;
                self.write_end();
                Some(ReplyEvent::Written { reason, usage })
            }
            _ => None,
        }
    }
}

impl Stream for Reply {
    type Item = Result<ReplyEvent>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        while let Some(text) = &mut self.text {
            match Pin::new(text).poll_next(cx) {
                Poll::Pending => break,
                Poll::Ready(Some(Ok(event))) => {
                    if let Some(event) = self.see(event) {
                        return Poll::Ready(Some(Ok(event)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    (self.text, self.saying) = (None, None);
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    (self.text, self.saying) = (None, None);
                    let error = Error::new(ErrorKind::Internal, "the model ended without an end");
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        if let Some(saying) = &mut self.saying {
            match saying.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok((samples, until)))) => {
                    return Poll::Ready(Some(Ok(ReplyEvent::Sound(Sound { samples, until }))));
                }
                Poll::Ready(Some(Err(error))) => {
                    (self.text, self.saying) = (None, None);
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    if let Some(event) = self.told_unspoken() {
                        return Poll::Ready(Some(Ok(event)));
                    }
                }
            }
        }
        if self.text.is_some() { Poll::Pending } else { Poll::Ready(None) }
    }
}

/// Whether a point after this word ends no sentence, whatever marks stand before it.
fn is_title(word: &str) -> bool {
    TITLES.contains(&word.trim_start_matches(|c: char| !c.is_alphanumeric()))
}

/// What is said of a sentence: without the marks of Markdown, and never taken for SSML.
fn plain(text: &str) -> String {
    let text = text.trim_start_matches(['#', '>', ' ', '\n', '\r', '\t']);
    text.chars().filter(|c| !matches!(c, '*' | '`')).map(|c| if c == '<' { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{Speak, SpeakRequest, SpeechEvent, Timings, TokenReport, Voice};
    use std::sync::Arc;

    /// A voice whose sound is as long as what it says; it has none for digits.
    struct Counting;

    impl Speak for Counting {
        fn speak(&self, request: SpeakRequest) -> Result<EventStream<SpeechEvent>> {
            if request.text.starts_with(char::is_numeric) {
                return Err(Error::new(ErrorKind::InvalidRequest, "no digits"));
            }
            let length = request.text.trim().len();
            let events = vec![
                SpeechEvent::Started {
                    model: "v".into(),
                    voice: "v".into(),
                    rate: 24_000,
                    total: length,
                    seed: 1,
                },
                SpeechEvent::Audio { samples: vec![0.5; length], done: length },
                SpeechEvent::Finished { usage: Default::default(), timings: Default::default() },
            ];
            Ok(stream(events.into_iter().map(Ok).collect()))
        }

        fn voices(&self) -> Vec<Voice> {
            Vec::new()
        }
    }

    struct Ready<E>(std::collections::VecDeque<Result<E>>);

    impl<E: Unpin> Stream for Ready<E> {
        type Item = Result<E>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.pop_front())
        }
    }

    fn stream<E: Unpin + Send + 'static>(events: Vec<Result<E>>) -> EventStream<E> {
        EventStream::new(Ready(events.into()))
    }

    fn token(text: &str) -> Result<GenerationEvent> {
        Ok(GenerationEvent::Token(TokenReport {
            id: None,
            text: text.into(),
            part: Part::Answer,
            logprobs: vec![],
        }))
    }

    fn end() -> Result<GenerationEvent> {
        let (usage, timings) = (Usage::default(), Timings::default());
        Ok(GenerationEvent::Finished { reason: FinishReason::Stop, stop: None, usage, timings })
    }

    fn all(events: Vec<Result<GenerationEvent>>, spoken: bool) -> Vec<Result<ReplyEvent>> {
        let saying = spoken.then(|| Saying::new(Arc::new(Counting), SpeakRequest::default(), 24_000));
        let mut reply = Reply::new(stream(events), saying);
        let mut out = Vec::new();
        let mut context = Context::from_waker(std::task::Waker::noop());
        while let Poll::Ready(Some(event)) = Pin::new(&mut reply).poll_next(&mut context) {
            out.push(event);
        }
        out
    }

    #[test]
    fn sentences_are_spoken_as_they_are_whole_and_places_are_those_of_the_text() {
        let text = ["Hello", ". I am **Dr", ". Who**", "! 7 up. Yes", "."];
        let events = all(text.iter().map(|t| token(t)).chain([end()]).collect(), true);
        let sounds: Vec<(usize, usize)> = events
            .iter()
            .filter_map(|e| match e.as_ref().unwrap() {
                ReplyEvent::Sound(sound) => Some((sound.samples.len(), sound.until)),
                _ => None,
            })
            .collect();
        // "Hello.", "I am Dr. Who!", "Yes."; the one that begins with a digit has no sound.
        let whole: String = text.concat();
        assert_eq!(sounds, [(6, 6), (13, whole.find('!').unwrap() + 1), (4, whole.len())]);
        assert!(matches!(events.last().unwrap(), Ok(ReplyEvent::Unspoken(why)) if why == "no digits"));
    }

    #[test]
    fn what_is_not_spoken_is_written_all_the_same() {
        let events = all(vec![token("Hello. You."), end()], false);
        assert_eq!(events.len(), 2);
        assert!(matches!(&events[0], Ok(ReplyEvent::Text(text)) if text == "Hello. You."));
    }

    #[test]
    fn an_error_and_an_end_that_is_none_end_it() {
        let failed = || Err(Error::new(ErrorKind::Timeout, "late"));
        for events in [vec![token("Hello. You"), failed(), end()], vec![token("Hello. You")]] {
            let events = all(events, true);
            assert!(events.last().unwrap().is_err() && events.iter().filter(|e| e.is_err()).count() == 1);
        }
    }
}
