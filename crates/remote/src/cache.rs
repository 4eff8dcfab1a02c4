//! Answers that are given again to the same request, where the user wants that: for a while, to the same client, and only
//! answers that ended by themselves.

use crate::directory::CacheSettings;
use parasol_core::{EmbedEvent, FinishReason, GenerationEvent, Money, Timings, Usage};
use serde::Serialize;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request, as far as it can be told from others. Two keyed hashes: nobody can make two requests meet.
type Digest = (u64, u64);

/// Events that can be told again.
pub(crate) trait Again: Clone + Send + Sync + 'static {
    /// Where an answer that came to its end by itself says what it took.
    fn end(&mut self) -> Option<(&mut Usage, &mut Timings)>;
}

impl Again for GenerationEvent {
    fn end(&mut self) -> Option<(&mut Usage, &mut Timings)> {
        match self {
            Self::Finished {
                reason: FinishReason::Stop | FinishReason::ToolCalls, usage, timings, ..
            } => Some((usage, timings)),
            _ => None,
        }
    }
}

impl Again for EmbedEvent {
    fn end(&mut self) -> Option<(&mut Usage, &mut Timings)> {
        match self {
            Self::Finished { usage, timings } => Some((usage, timings)),
            _ => None,
        }
    }
}

/// Answers by request.
#[derive(Debug)]
pub(crate) struct Cache<E> {
    keys: (RandomState, RandomState),
    lifetime: Duration,
    entries: usize,
    held: Mutex<Held<E>>,
}

#[derive(Debug)]
struct Held<E> {
    answers: HashMap<Digest, (Instant, Arc<Vec<E>>)>,
    /// Oldest first.
    order: VecDeque<Digest>,
}

impl<E: Again> Cache<E> {
    pub(crate) fn new(settings: CacheSettings) -> Self {
        Self {
            keys: (RandomState::new(), RandomState::new()),
            lifetime: crate::backend::seconds(settings.seconds),
            entries: settings.entries.max(1),
            held: Mutex::new(Held { answers: HashMap::new(), order: VecDeque::new() }),
        }
    }

    /// What a request of a model is known by.
    pub(crate) fn digest(&self, model: &str, request: &impl Serialize) -> Digest {
        let text = serde_json::to_vec(&(model, request)).unwrap_or_default();
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write(&text);
            hasher.finish()
        };
        (hash(&self.keys.0), hash(&self.keys.1))
    }

    /// The answer that was given before; it costs nothing now.
    pub(crate) fn get(&self, digest: Digest) -> Option<Vec<E>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, events) = held.answers.get(&digest)?;
        if since.elapsed() > self.lifetime {
            held.answers.remove(&digest);
            return None;
        }
        let mut events = events.to_vec();
        if let Some((usage, timings)) = events.last_mut().and_then(Again::end) {
            usage.cost = Some(Money(0));
            *timings = Timings::default();
        }
        Some(events)
    }

    /// Keeps an answer that has ended.
    pub(crate) fn put(&self, digest: Digest, mut events: Vec<E>) {
        if events.last_mut().and_then(Again::end).is_none() {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.answers.insert(digest, (Instant::now(), Arc::new(events))).is_none() {
            held.order.push_back(digest);
        }
        while held.order.len() > self.entries {
            if let Some(oldest) = held.order.pop_front() {
                held.answers.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::{ChatRequest, EmbedRequest, Message, Role};

    fn ended(reason: FinishReason) -> Vec<GenerationEvent> {
        let usage = Usage { cost: Some(Money(5)), ..Usage::default() };
        vec![GenerationEvent::Finished { reason, stop: None, usage, timings: Timings::default() }]
    }

    fn asked(text: &str, client: &str) -> ChatRequest {
        let messages = vec![Message::new(Role::User, text)];
        ChatRequest { messages, client: client.into(), ..ChatRequest::default() }
    }

    #[test]
    fn the_same_request_of_the_same_client_is_answered_for_nothing() {
        let cache = Cache::new(CacheSettings { seconds: 60.0, entries: 2 });
        let of = |text, client| cache.digest("m", &asked(text, client));
        cache.put(of("a", "x"), ended(FinishReason::Stop));
        let again = cache.get(of("a", "x")).unwrap();
        assert!(matches!(&again[0], GenerationEvent::Finished { usage, .. } if usage.cost == Some(Money(0))));
        for other in [of("a", "y"), of("b", "x"), cache.digest("n", &asked("a", "x"))] {
            assert!(cache.get(other).is_none());
        }
        cache.put(of("cut", "x"), ended(FinishReason::Length));
        assert!(cache.get(of("cut", "x")).is_none());
        cache.put(of("b", "x"), ended(FinishReason::Stop));
        cache.put(of("c", "x"), ended(FinishReason::Stop));
        assert!(cache.get(of("a", "x")).is_none(), "the oldest went");
        assert!(cache.get(of("c", "x")).is_some());
        let vectors = Cache::new(CacheSettings { seconds: 60.0, entries: 2 });
        let of = |text: &str| vectors.digest("m", &EmbedRequest::texts([text]));
        let usage = Usage { cost: Some(Money(5)), ..Usage::default() };
        let end = EmbedEvent::Finished { usage, timings: Timings::default() };
        let vector = |index| EmbedEvent::Embedded { index, vector: vec![1.0] };
        vectors.put(of("cut"), vec![vector(0)]);
        vectors.put(of("a"), vec![vector(0), end]);
        assert!(vectors.get(of("cut")).is_none() && vectors.get(of("b")).is_none());
        let again = vectors.get(of("a")).unwrap();
        assert_eq!(again[0], vector(0));
        assert!(matches!(&again[1], EmbedEvent::Finished { usage, .. } if usage.cost == Some(Money(0))));
        let brief = Cache::new(CacheSettings { seconds: 0.0, entries: 2 });
        brief.put(brief.digest("m", &asked("a", "x")), ended(FinishReason::Stop));
        std::thread::sleep(Duration::from_millis(2));
        assert!(brief.get(brief.digest("m", &asked("a", "x"))).is_none());
    }
}
