//! What a session hears: its ear, the model that listens, and the turns that are being written down.

use crate::AppState;
use crate::context::RequestContext;
use crate::generate::{Place, allow_model, fault};
use parasol_core::{Error, ErrorKind, Result};
use parasol_runtime::EarsLease;
use parasol_runtime::talk::{Ear, Heard, Listening, Said, TurnSettings};
use parasol_wire::openai::realtime as wire;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Seconds of sound that are held at most: the longest message.
const LONGEST: u32 = 300;
/// A turn that lasts longer is cut: before more is said than is held …
const LONGEST_TURN: Duration = Duration::from_secs(LONGEST as u64 - 20);
/// … and where what is said is only written down, where so much fits a model's window.
const LONGEST_LINE: Duration = Duration::from_secs(28);

/// The ear of a session and what it has heard.
pub(super) struct Hearing {
    ear: Option<Ear>,
    ears: Option<(String, Arc<EarsLease>)>,
    /// The turn that is being said.
    open: Option<Turn>,
    /// Those that have ended and are being written down, in order.
    ended: VecDeque<Turn>,
}

struct Turn {
    item: String,
    part: usize,
    listening: Listening,
    _place: Option<Place>,
}

/// Something that was understood.
pub(super) struct Understood {
    pub(super) item: String,
    pub(super) part: usize,
    pub(super) said: Result<Said>,
}

impl Hearing {
    pub(super) fn new(settings: &wire::Hearing) -> Self {
        let ear = Some(Ear::new(settings.format.rate, LONGEST));
        Self { ear, ears: None, open: None, ended: VecDeque::new() }
    }

    /// What is held now was not listened to as the new settings say: it is forgotten, and the next sound is.
    ///
    /// # Errors
    /// None for the rates of the protocol.
    pub(super) fn change(&mut self) -> Result<()> {
        self.open = None;
        self.ear.as_mut().map_or(Ok(()), |ear| ear.find(None))
    }

    /// The model that listens, loaded if it is not.
    async fn ears(
        &mut self,
        state: &AppState,
        ctx: &RequestContext,
        session: &wire::Session,
    ) -> Result<Arc<EarsLease>> {
        let name = session.hearing.model.as_ref().unwrap_or(&session.defaults.0);
        if let Some((loaded, ears)) = &self.ears
            && loaded == name
        {
            return Ok(ears.clone());
        }
        allow_model(ctx, name)?;
        let (models, wanted) = (state.models().clone(), name.clone());
        let load = tokio::task::spawn_blocking(move || models.ears(&wanted));
        let ears = Arc::new(load.await.unwrap_or_else(|_| Err(fault()))?);
        self.ears = Some((name.clone(), ears.clone()));
        Ok(ears)
    }

    /// Takes sound; where turns are found, tells of them.
    ///
    /// # Errors
    /// Those of the model and of its loading; `InvalidRequest` when more would be held than may be.
    pub(super) async fn push(
        &mut self,
        state: &AppState,
        ctx: &RequestContext,
        session: &wire::Session,
        samples: Vec<i16>,
    ) -> Result<Vec<Heard>> {
        let finds = self.ear.as_ref().is_some_and(Ear::finds);
        let mut finder = None;
        if let Some(turns) = session.hearing.turns.filter(|_| !finds) {
            let ears = self.ears(state, ctx, session).await?;
            let longest = Some(if session.talks() { LONGEST_TURN } else { LONGEST_LINE });
            let settings = TurnSettings {
                threshold: turns.threshold,
                silence: turns.silence,
                padding: turns.padding,
                longest,
            };
            let Some(turns) = ears.turns(settings) else {
                let message = "turn_detection: the model that listens has no detector of voice activity, or is computed elsewhere: \
                               take another in audio.input.transcription.model, or set turn_detection to null";
                return Err(Error::new(ErrorKind::Unsupported, message));
            };
            finder = Some((turns, settings));
        }
        let rate = session.hearing.format.rate;
        let mut ear = self.ear.take().unwrap_or_else(|| Ear::new(rate, LONGEST));
        // The detector computes: that is no work for a thread that serves connections.
        let work = tokio::task::spawn_blocking(move || {
            let found = match finder {
                Some(finder) => ear.find(Some(finder)),
                None => Ok(()),
            };
            let heard = found.and_then(|()| ear.push(&samples));
            (ear, heard)
        });
        let (ear, heard) = work.await.map_err(|_| fault())?;
        self.ear = Some(ear);
        let heard = heard?;
        // What is held belongs to the turn that is open only while none has begun or ended.
        if let (Some(turn), Some(sound)) = (&mut self.open, self.ear.as_ref().and_then(Ear::turn))
            && heard.is_empty()
            && session.hearing.told
            && !self.ears.as_ref().is_some_and(|(_, ears)| ears.is_elsewhere())
            // A glance takes from the key's tokens as the whole does; a request it is not.
            && ctx.key().is_none_or(|key| state.limits().may_generate(key).is_ok())
        {
            // What is wrong is told by the attempt at the whole.
            if let Err(error) = turn.listening.offer(sound) {
                tracing::debug!(%error, "a turn could not be written down while it was said");
            }
        }
        Ok(heard)
    }

    /// The item of the turn that is being said.
    pub(super) fn open_item(&self) -> Option<&str> {
        self.open.as_ref().map(|turn| turn.item.as_str())
    }

    /// Somebody began to speak: the turn becomes the item `item`.
    pub(super) async fn begin(
        &mut self,
        state: &AppState,
        ctx: &RequestContext,
        session: &wire::Session,
        item: String,
    ) -> Result<()> {
        self.open = Some(self.turn(state, ctx, session, (item, 0)).await?);
        Ok(())
    }

    async fn turn(
        &mut self,
        state: &AppState,
        ctx: &RequestContext,
        session: &wire::Session,
        (item, part): (String, usize),
    ) -> Result<Turn> {
        let ears = self.ears(state, ctx, session).await?;
        let mut request = session.hearing.request();
        ctx.client().clone_into(&mut request.client);
        let listening = Listening::new(ears, request, session.hearing.format.rate);
        Ok(Turn { item, part, listening, _place: None })
    }

    /// Has a sound written down as part `part` of the item: the open turn goes on where it is this one.
    ///
    /// # Errors
    /// `RateLimited` when the key has no more, `Overloaded` when there is no place for it, and those of the model.
    pub(super) async fn write_down(
        &mut self,
        state: &AppState,
        ctx: &RequestContext,
        session: &wire::Session,
        (item, part): (String, usize),
        sound: &[i16],
    ) -> Result<()> {
        let open = self.open.take_if(|turn| turn.item == item);
        if let Some(key) = ctx.key() {
            let limits = state.limits();
            let within = limits.may_generate(key).and_then(|()| limits.request(key));
            within.inspect_err(|_| state.metrics().limited())?;
        }
        let place = Place::take(state).inspect_err(|_| state.metrics().limited())?;
        let mut turn = match open {
            Some(turn) => turn,
            None => self.turn(state, ctx, session, (item, part)).await?,
        };
        turn._place = Some(place);
        turn.listening.finish(sound)?;
        self.ended.push_back(turn);
        Ok(())
    }

    /// Takes what is held; a turn that is being said ends with it.
    pub(super) fn take(&mut self) -> Vec<i16> {
        self.ear.as_mut().map(Ear::take).unwrap_or_default()
    }

    /// Forgets what is held.
    pub(super) fn clear(&mut self) {
        self.take();
        self.open = None;
    }

    /// Forgets the turn that is being said if it is this item.
    pub(super) fn forget(&mut self, item: &str) {
        self.open.take_if(|turn| turn.item == item);
    }

    /// Seconds that are held.
    pub(super) fn seconds(&self) -> f64 {
        self.ear.as_ref().map_or(0.0, |ear| ear.held().len() as f64 / f64::from(ear.rate().max(1)))
    }

    /// Whether something is still being written down.
    pub(super) fn is_busy(&self) -> bool {
        !self.ended.is_empty()
    }

    /// What has been understood since.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Understood> {
        for place in 0..self.ended.len() {
            let turn = &mut self.ended[place];
            if let Poll::Ready(said) = turn.listening.poll(cx) {
                let over = said.is_err() || turn.listening.is_over();
                let (item, part) = (turn.item.clone(), turn.part);
                if over {
                    self.ended.remove(place);
                }
                return Poll::Ready(Understood { item, part, said });
            }
        }
        let Some(turn) = &mut self.open else { return Poll::Pending };
        match turn.listening.poll(cx) {
            Poll::Ready(Ok(said)) => {
                Poll::Ready(Understood { item: turn.item.clone(), part: turn.part, said: Ok(said) })
            }
            // A glance that fails is no failure of the turn: the whole is attempted at its end all the same.
            Poll::Ready(Err(error)) => {
                tracing::debug!(%error, "a turn could not be written down while it was said");
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures_core::Stream;
    use parasol_core::{EventStream, Segment, SoundStream, Transcribe, TranscribeRequest, TranscriptEvent};
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Fails the first time, and hears a word then.
    #[derive(Default)]
    struct Unsteady(AtomicUsize);

    struct Once(Option<Result<TranscriptEvent>>);

    impl Stream for Once {
        type Item = Result<TranscriptEvent>;

        fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            Poll::Ready(self.0.take())
        }
    }

    impl Transcribe for Unsteady {
        fn transcribe(&self, _: SoundStream, _: TranscribeRequest) -> Result<EventStream<TranscriptEvent>> {
            let event = match self.0.fetch_add(1, Ordering::Relaxed) {
                0 => Err(Error::new(ErrorKind::Overloaded, "not now")),
                _ => Ok(TranscriptEvent::Segment(Segment { text: "Word.".into(), ..Segment::default() })),
            };
            Ok(EventStream::new(Once(Some(event))))
        }
    }

    #[test]
    fn a_glance_that_fails_is_no_failure_of_the_turn() {
        let mut hearing = Hearing::new(&wire::Hearing::default());
        let ears = Arc::new(Unsteady::default());
        let mut listening = Listening::new(ears.clone(), TranscribeRequest::default(), 24_000);
        listening.offer(&[0; 24_000]).unwrap();
        hearing.open = Some(Turn { item: "a".into(), part: 0, listening, _place: None });
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(hearing.poll(&mut cx).is_pending());
        assert_eq!(ears.0.load(Ordering::Relaxed), 1, "no glance was tried");
        let mut turn = hearing.open.take().unwrap();
        turn.listening.finish(&[0; 24_000]).unwrap();
        hearing.ended.push_back(turn);
        let mut said = Vec::new();
        while let Poll::Ready(understood) = hearing.poll(&mut cx) {
            said.push(understood.said.unwrap());
        }
        assert!(matches!(said.last(), Some(Said::Whole { text, .. }) if text == "Word."), "{said:?}");
    }
}
