//! The stream in which every capability answers.

use crate::Result;
use futures_core::Stream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Events of one request, in order. The first `Err` ends it. Dropping it cancels the work behind it: the engine
/// stops within one step and frees what the request held.
pub struct EventStream<E>(Pin<Box<dyn Stream<Item = Result<E>> + Send>>);

impl<E> EventStream<E> {
    /// Wraps any stream whose drop stops its producer.
    pub fn new(inner: impl Stream<Item = Result<E>> + Send + 'static) -> Self {
        Self(Box::pin(inner))
    }
}

impl<E> Stream for EventStream<E> {
    type Item = Result<E>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl<E> std::fmt::Debug for EventStream<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EventStream")
    }
}
