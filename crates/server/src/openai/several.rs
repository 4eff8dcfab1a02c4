//! Several answers to one request: asked for together, their events told in the order in which they come.

use futures_core::Stream;
use parasol_core::{Error, ErrorKind, EventStream, GenerationEvent, Result};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::JoinSet;

/// The events of several answers, each with its answer's number. Dropping it ends all of them.
pub(crate) struct Several {
    streams: Vec<Option<EventStream<GenerationEvent>>>,
    turn: usize,
}

impl Several {
    /// Asks for `n` answers at once.
    ///
    /// # Errors
    /// The first error of any of them; the others end with it.
    pub(crate) async fn ask<F>(n: usize, ask: impl Fn(usize) -> F) -> Result<Self>
    where
        F: Future<Output = Result<EventStream<GenerationEvent>>> + Send + 'static,
    {
        if n == 1 {
            return Ok(Self { streams: vec![Some(ask(0).await?)], turn: 0 });
        }
        let mut asked = JoinSet::new();
        for index in 0..n {
            let one = ask(index);
            asked.spawn(async move { one.await.map(|stream| (index, stream)) });
        }
        let mut streams: Vec<_> = (0..n).map(|_| None).collect();
        while let Some(done) = asked.join_next().await {
            let fault = |e| Error::new(ErrorKind::Internal, format!("an answer's task failed: {e}"));
            let (index, stream) = done.map_err(fault)??;
            if let Some(place) = streams.get_mut(index) {
                *place = Some(stream);
            }
        }
        Ok(Self { streams, turn: 0 })
    }

    /// The next event of any answer; `None` when all have ended. After an error nothing more comes.
    pub(crate) async fn next(&mut self) -> Option<Result<(usize, GenerationEvent)>> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await
    }
}

impl Stream for Several {
    type Item = Result<(usize, GenerationEvent)>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let n = self.streams.len();
        let mut waiting = false;
        for step in 0..n {
            // Each answer in turn, so that a quick one does not hide the others.
            let index = self.turn.wrapping_add(step) % n;
            let Some(stream) = self.streams.get_mut(index).and_then(Option::as_mut) else { continue };
            match Pin::new(stream).poll_next(cx) {
                Poll::Pending => waiting = true,
                Poll::Ready(Some(Ok(event))) => {
                    self.turn = index.wrapping_add(1);
                    return Poll::Ready(Some(Ok((index, event))));
                }
                Poll::Ready(Some(Err(error))) => {
                    self.streams.clear();
                    return Poll::Ready(Some(Err(error)));
                }
                Poll::Ready(None) => {
                    if let Some(place) = self.streams.get_mut(index) {
                        *place = None;
                    }
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(None) }
    }
}
