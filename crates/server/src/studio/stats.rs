//! What the engines do now: their counters, read once a second, become speeds. Charts are the page's.

use crate::AppState;
use crate::metrics::resident;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use jiff::Timestamp;
use parasol_runtime::{LoadedModel, LoadedState};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What the server does now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Stats {
    /// When that was.
    time: String,
    /// Sequences that are being computed.
    running: u64,
    /// Requests that wait for a place.
    waiting: u64,
    /// Prompt tokens computed a second; what was found in the cache is not counted.
    prompt_tokens_per_second: f64,
    /// Tokens generated a second.
    generated_tokens_per_second: f64,
    /// The share of the last minute's prompt tokens that was found in the cache; null when there were none.
    cached_fraction: Option<f64>,
    /// Bytes reserved for loaded models.
    memory_used: u64,
    /// Bytes that they may take.
    memory_budget: u64,
    /// Bytes that the process holds, where the system tells.
    resident: Option<u64>,
    models: Vec<ModelStats>,
}

/// What one loaded model does now.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct ModelStats {
    /// The name that finds it.
    name: String,
    /// `loading`, `ready` or `remote`.
    state: &'static str,
    /// Sequences that are being computed; of a remote model, requests that are being answered.
    running: u64,
    /// Requests that wait for a place.
    waiting: u64,
    /// Bytes reserved for it.
    bytes: u64,
    /// As for all models.
    prompt_tokens_per_second: f64,
    /// As for all models.
    generated_tokens_per_second: f64,
    /// Blocks of its key and value cache.
    cache_blocks: u64,
    /// Of these, how many are in use.
    cache_blocks_used: u64,
}

/// Samples of the last minute.
#[derive(Default)]
pub(super) struct Meter(Mutex<VecDeque<Sample>>);

struct Sample {
    at: Instant,
    models: BTreeMap<String, Counts>,
}

/// What a model's engine has counted since it was loaded.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Counts {
    prompt: u64,
    cached: u64,
    generated: u64,
}

/// How far back speeds look, and how far back the share of cached tokens does.
const SPEED: Duration = Duration::from_millis(2500);
const MINUTE: Duration = Duration::from_secs(60);

impl Counts {
    fn since(self, before: Self) -> Self {
        // Fewer than before: it was loaded anew and counts from nothing.
        if self.prompt < before.prompt || self.generated < before.generated {
            return self;
        }
        Self {
            prompt: self.prompt.saturating_sub(before.prompt),
            cached: self.cached.saturating_sub(before.cached),
            generated: self.generated.saturating_sub(before.generated),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            prompt: self.prompt.saturating_add(other.prompt),
            cached: self.cached.saturating_add(other.cached),
            generated: self.generated.saturating_add(other.generated),
        }
    }

    /// Computed prompt tokens and generated tokens a second.
    fn speed(self, seconds: f64) -> (f64, f64) {
        if seconds < 0.05 {
            return (0.0, 0.0);
        }
        // A tenth of a token a second is all that anybody reads.
        let each = |count: u64| (count as f64 / seconds * 10.0).round() / 10.0;
        (each(self.prompt.saturating_sub(self.cached)), each(self.generated))
    }
}

impl Meter {
    /// Notes what the engines have counted.
    pub(super) fn sample(&self, loaded: &[LoadedModel]) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        samples.push_back(Sample { at: now, models: counts(loaded) });
        while samples.front().is_some_and(|s| now.duration_since(s.at) > MINUTE) {
            samples.pop_front();
        }
    }

    /// What each model has counted since the oldest sample that is no older than `span`, and how many seconds that is.
    fn since(&self, now: &BTreeMap<String, Counts>, span: Duration) -> (BTreeMap<String, Counts>, f64) {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(old) = samples.iter().find(|s| s.at.elapsed() <= span) else { return Default::default() };
        let news = now.iter().map(|(name, counts)| {
            (name.clone(), counts.since(old.models.get(name).copied().unwrap_or_default()))
        });
        (news.collect(), old.at.elapsed().as_secs_f64())
    }
}

fn counts(loaded: &[LoadedModel]) -> BTreeMap<String, Counts> {
    let counts = loaded.iter().filter_map(|model| {
        let stats = model.stats.as_ref()?;
        let (prompt, cached, generated) = (stats.prompt_tokens, stats.cached_tokens, stats.generated_tokens);
        Some((model.name.clone(), Counts { prompt, cached, generated }))
    });
    counts.collect()
}

/// The route of the measurements.
pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/api/parasol/system/stats", get(stats))
}

async fn stats(State(state): State<AppState>) -> Json<Stats> {
    let loaded = state.models().loaded();
    let meter = &state.house().meter;
    let now = counts(&loaded);
    let (news, seconds) = meter.since(&now, SPEED);
    let models: Vec<ModelStats> = loaded
        .iter()
        .map(|model| {
            let (prompt, generated) = news.get(&model.name).copied().unwrap_or_default().speed(seconds);
            one(model, prompt, generated)
        })
        .collect();
    let all = news.values().copied().fold(Counts::default(), Counts::plus);
    let (prompt, generated) = all.speed(seconds);
    let minute = meter.since(&now, MINUTE).0.into_values().fold(Counts::default(), Counts::plus);
    Json(Stats {
        time: Timestamp::now().to_string(),
        running: models.iter().map(|m| m.running).fold(0, u64::saturating_add),
        waiting: models.iter().map(|m| m.waiting).fold(0, u64::saturating_add),
        prompt_tokens_per_second: prompt,
        generated_tokens_per_second: generated,
        cached_fraction: (minute.prompt > 0).then(|| minute.cached as f64 / minute.prompt as f64),
        memory_used: state.models().used(),
        memory_budget: state.models().budget(),
        resident: resident(),
        models,
    })
}

fn one(model: &LoadedModel, prompt: f64, generated: f64) -> ModelStats {
    let stats = model.stats.as_ref();
    ModelStats {
        name: model.name.clone(),
        state: match model.state {
            LoadedState::Loading => "loading",
            LoadedState::Ready => "ready",
            LoadedState::Remote => "remote",
        },
        running: stats.map_or(model.in_use as u64, |stats| stats.running),
        waiting: stats.map_or(0, |stats| stats.waiting),
        bytes: model.bytes,
        prompt_tokens_per_second: prompt,
        generated_tokens_per_second: generated,
        cache_blocks: stats.map_or(0, |stats| stats.blocks_total),
        cache_blocks_used: stats.map_or(0, |stats| stats.blocks_used),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_speeds_and_a_reload_is_no_negative_one() {
        let counts = |prompt, cached, generated| Counts { prompt, cached, generated };
        assert_eq!(counts(100, 60, 20).since(counts(40, 30, 5)), counts(60, 30, 15));
        assert_eq!(counts(10, 0, 2).since(counts(100, 60, 20)), counts(10, 0, 2));
        assert_eq!(counts(60, 30, 15).speed(2.0), (15.0, 7.5));
        assert_eq!(counts(60, 30, 15).speed(0.0), (0.0, 0.0));
    }

    #[test]
    fn speeds_look_back_over_what_was_sampled() {
        let meter = Meter::default();
        let now = BTreeMap::from([("m".to_owned(), Counts { prompt: 8, cached: 2, generated: 4 })]);
        assert!(meter.since(&now, SPEED).0.is_empty());
        meter.sample(&[]);
        let (news, _) = meter.since(&now, SPEED);
        assert_eq!(news.get("m"), now.get("m"));
    }
}
