//! What `/metrics` tells, in the text format of Prometheus.

use parasol_core::{Timings, Usage};
use parasol_runtime::Models;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::time::Duration;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByRequest {
    dialect: String,
    key: String,
    status: u32,
}

/// Whose tokens: the labels of what an answer took.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ByAnswer {
    /// The model.
    pub(crate) model: String,
    /// The name of the key; empty without keys.
    pub(crate) key: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    model: String,
    key: String,
    dialect: String,
    outcome: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByModel {
    model: String,
}

type Gauges = Family<ByModel, Gauge>;
type Histograms = Family<ByAnswer, Histogram, fn() -> Histogram>;

/// What is measured as it happens.
pub(crate) struct Metrics {
    requests: Family<ByRequest, Counter>,
    answers: Family<ByOutcome, Counter>,
    prompt_tokens: Family<ByAnswer, Counter>,
    cached_tokens: Family<ByAnswer, Counter>,
    generated_tokens: Family<ByAnswer, Counter>,
    first_token: Histograms,
    between_tokens: Histograms,
    limited: Counter,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            requests: Family::default(),
            answers: Family::default(),
            prompt_tokens: Family::default(),
            cached_tokens: Family::default(),
            generated_tokens: Family::default(),
            first_token: Family::new_with_constructor(|| {
                Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0])
            }),
            between_tokens: Family::new_with_constructor(|| {
                Histogram::new([0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 5.0])
            }),
            limited: Counter::default(),
        }
    }

    /// A request was answered with this status.
    pub(crate) fn request(&self, dialect: &str, key: &str, status: u16) {
        let labels = ByRequest { dialect: dialect.into(), key: key.into(), status: status.into() };
        self.requests.get_or_create(&labels).inc();
    }

    /// A request met a limit: of its key, or of the queue.
    pub(crate) fn limited(&self) {
        self.limited.inc();
    }

    /// The first token of an answer came.
    pub(crate) fn first_token(&self, of: &ByAnswer, after: Duration) {
        self.first_token.get_or_create(of).observe(after.as_secs_f64());
    }

    /// An answer ended: `outcome` is why.
    pub(crate) fn answered(
        &self,
        of: &ByAnswer,
        dialect: &str,
        outcome: &str,
        took: Option<(Usage, Timings)>,
    ) {
        let labels = ByOutcome {
            model: of.model.clone(),
            key: of.key.clone(),
            dialect: dialect.into(),
            outcome: outcome.into(),
        };
        self.answers.get_or_create(&labels).inc();
        let Some((usage, timings)) = took else { return };
        self.prompt_tokens.get_or_create(of).inc_by(usage.prompt_tokens as u64);
        self.cached_tokens.get_or_create(of).inc_by(usage.cached_tokens as u64);
        self.generated_tokens.get_or_create(of).inc_by(usage.generated_tokens as u64);
        // The mean gap of an answer, once for each answer: a lock for each token would cost more than it tells.
        if let Some(gaps) = usage.generated_tokens.checked_sub(1).filter(|n| *n > 0) {
            self.between_tokens.get_or_create(of).observe(timings.decode.as_secs_f64() / gaps as f64);
        }
    }

    /// Everything as text, with what the engines count now.
    pub(crate) fn render(&self, models: &Models, answers: usize) -> Result<String, std::fmt::Error> {
        let mut registry = Registry::with_prefix("parasol");
        let all = &mut registry;
        all.register("requests", "HTTP requests", self.requests.clone());
        all.register("answers", "Answers by how they ended", self.answers.clone());
        all.register("prompt_tokens", "Tokens of prompts", self.prompt_tokens.clone());
        all.register("cached_tokens", "Tokens of prompts found in the cache", self.cached_tokens.clone());
        all.register("generated_tokens", "Tokens generated", self.generated_tokens.clone());
        let seconds = || Unit::Seconds;
        all.register_with_unit("first_token", "Time to the first token", seconds(), self.first_token.clone());
        let says = "Mean time between the tokens of an answer";
        all.register_with_unit("between_tokens", says, seconds(), self.between_tokens.clone());
        all.register("limited", "Requests refused by a limit", self.limited.clone());
        let open: Gauge = Gauge::default();
        open.set(signed(answers as u64));
        all.register("answers_open", "Answers that are being made or wait", open);
        gauges(all, models);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// What is so now: memory, and each loaded model's engine.
fn gauges(all: &mut Registry, models: &Models) {
    let gauge = |value: u64| {
        let gauge: Gauge = Gauge::default();
        gauge.set(signed(value));
        gauge
    };
    all.register("memory_budget_bytes", "Bytes that models may take", gauge(models.budget()));
    all.register("memory_models_bytes", "Bytes reserved for loaded models", gauge(models.used()));
    if let Some(bytes) = resident() {
        all.register("memory_resident_bytes", "Bytes that the process holds", gauge(bytes));
    }
    let loaded = models.loaded();
    let mut each = |name: &str, says: &str, value: &dyn Fn(&parasol_runtime::LoadedModel) -> Option<u64>| {
        let family = Gauges::default();
        for model in &loaded {
            if let Some(value) = value(model) {
                family.get_or_create(&ByModel { model: model.name.clone() }).set(signed(value));
            }
        }
        all.register(name, says, family);
    };
    each("model_bytes", "Bytes reserved for the model", &|m| Some(m.bytes));
    each("model_in_use", "Requests that hold the model", &|m| Some(m.in_use as u64));
    each("running", "Sequences that take part in steps", &|m| Some(m.stats.as_ref()?.running));
    each("queue", "Requests that wait for a place in the batch", &|m| Some(m.stats.as_ref()?.waiting));
    each("batch_sequences", "Sequences of the last step", &|m| Some(m.stats.as_ref()?.batch_sequences));
    each("batch_tokens", "Tokens of the last step", &|m| Some(m.stats.as_ref()?.batch_tokens));
    each("kv_blocks", "Blocks of the key and value cache", &|m| Some(m.stats.as_ref()?.blocks_total));
    each("kv_blocks_used", "Blocks that sequences hold", &|m| Some(m.stats.as_ref()?.blocks_used));
    each("kv_blocks_cached", "Blocks kept for later prompts", &|m| Some(m.stats.as_ref()?.blocks_cached));
    each("cache_hit_tokens", "Prompt tokens found in the cache", &|m| Some(m.stats.as_ref()?.cached_tokens));
    each("preemptions", "Sequences put aside for others", &|m| Some(m.stats.as_ref()?.preemptions));
    each("book_errors", "Faults in the cache's books", &|m| Some(m.stats.as_ref()?.book_errors));
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// Bytes of memory that the process holds now, where the system tells.
pub(crate) fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
