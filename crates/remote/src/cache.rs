//! Answers that are given again to the same request, where the user wants that: for a while, to the same client, and only
//! answers that ended by themselves.

use crate::directory::CacheSettings;
use parasol_core::{ChatRequest, FinishReason, GenerationEvent, Money};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A request, as far as it can be told from others. Two keyed hashes: nobody can make two requests meet.
type Digest = (u64, u64);

/// Answers by request.
#[derive(Debug)]
pub(crate) struct Cache {
    keys: (RandomState, RandomState),
    lifetime: Duration,
    entries: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    answers: HashMap<Digest, (Instant, Arc<Vec<GenerationEvent>>)>,
    /// Oldest first.
    order: VecDeque<Digest>,
}

impl Cache {
    pub(crate) fn new(settings: CacheSettings) -> Self {
        Self {
            keys: (RandomState::new(), RandomState::new()),
            lifetime: crate::backend::seconds(settings.seconds),
            entries: settings.entries.max(1),
            held: Mutex::default(),
        }
    }

    /// What a request of a model is known by.
    pub(crate) fn digest(&self, model: &str, request: &ChatRequest) -> Digest {
        let text = serde_json::to_vec(&(model, request)).unwrap_or_default();
        let hash = |state: &RandomState| {
            let mut hasher = state.build_hasher();
            hasher.write(&text);
            hasher.finish()
        };
        (hash(&self.keys.0), hash(&self.keys.1))
    }

    /// The answer that was given before; it costs nothing now.
    pub(crate) fn get(&self, digest: Digest) -> Option<Vec<GenerationEvent>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, events) = held.answers.get(&digest)?;
        if since.elapsed() > self.lifetime {
            held.answers.remove(&digest);
            return None;
        }
        let mut events = events.to_vec();
        for event in &mut events {
            if let GenerationEvent::Finished { usage, timings, .. } = event {
                usage.cost = Some(Money(0));
                *timings = parasol_core::Timings::default();
            }
        }
        Some(events)
    }

    /// Keeps an answer that has ended.
    pub(crate) fn put(&self, digest: Digest, events: Vec<GenerationEvent>) {
        let ended = |event: &GenerationEvent| {
            matches!(
                event,
                GenerationEvent::Finished { reason: FinishReason::Stop | FinishReason::ToolCalls, .. }
            )
        };
        if !events.last().is_some_and(ended) {
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
    use parasol_core::{Message, Role, Timings, Usage};

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
        let brief = Cache::new(CacheSettings { seconds: 0.0, entries: 2 });
        brief.put(brief.digest("m", &asked("a", "x")), ended(FinishReason::Stop));
        std::thread::sleep(Duration::from_millis(2));
        assert!(brief.get(brief.digest("m", &asked("a", "x"))).is_none());
    }
}
