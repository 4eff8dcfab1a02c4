//! Choosing the next token from the logits. Which tokens end a generation is left to the tokenizer, when to stop to the
//! generator.
//!
//! Penalties and bias change the logits; top-k, typical, top-p and min-p in this order narrow what is left, each on the
//! probabilities renormalised over what the one before it left; temperature then shapes the draw. With top-k (or without
//! typical) no step sorts or copies the whole vocabulary.

mod rng;
mod select;
mod settings;

use parasol_core::{Error, ErrorKind, Result, Sampling};
use parasol_kernels::{Isa, LOGITS_CHUNK, exp};
use rng::Rng;
use select::{Candidate, at_least, by_logit, nucleus, top};

/// A token and the natural logarithm of its probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogProbability {
    /// Token id.
    pub id: u32,
    /// ln p before penalties and filters.
    pub logprob: f32,
}

/// Draws the tokens of one generation.
#[derive(Debug, Clone)]
pub struct Sampler {
    settings: Sampling,
    vocabulary: usize,
    isa: Isa,
    seed: u64,
    rng: Rng,
    /// How many tokens this sampler has chosen: the last so many of the history are generated ones.
    chosen: usize,
    candidates: Vec<Candidate>,
    window: Vec<u32>,
    /// Logits that penalties and bias changed, as they were.
    changed: Vec<(u32, f32)>,
}

impl Sampler {
    /// A sampler for logits over `vocabulary` tokens, whose passes over them run on `isa`.
    ///
    /// # Errors
    /// `InvalidRequest` for a setting out of range; the message names it, its value and the range.
    pub fn new(settings: &Sampling, vocabulary: usize, isa: Isa) -> Result<Self> {
        settings::check(settings, vocabulary)?;
        let seed = settings.seed.unwrap_or_else(rng::fresh_seed);
        Ok(Self {
            settings: settings.clone(),
            vocabulary,
            isa,
            seed,
            rng: Rng::new(seed),
            chosen: 0,
            candidates: Vec::new(),
            window: Vec::new(),
            changed: Vec::new(),
        })
    }

    /// The seed in use: the one asked for, or the fresh one that was drawn.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Chooses the next token. `logits` has one value for each token of the vocabulary and is the same afterwards;
    /// `history` is the sequence so far, prompt and generated tokens (the last ones being those that this sampler chose).
    ///
    /// # Errors
    /// `Internal` when a logit is not a number or +∞, or all are −∞.
    pub fn sample(&mut self, logits: &mut [f32], history: &[u32]) -> Result<u32> {
        if logits.len() != self.vocabulary {
            return Err(fault(format!(
                "{} logits came for a vocabulary of {}",
                logits.len(),
                self.vocabulary
            )));
        }
        self.adjust(logits, history);
        let token = self.choose(logits);
        for &(id, logit) in self.changed.iter().rev() {
            if let Some(slot) = logits.get_mut(id as usize) {
                *slot = logit;
            }
        }
        self.changed.clear();
        self.chosen += usize::from(token.is_ok());
        token
    }

    fn choose(&mut self, logits: &[f32]) -> Result<u32> {
        let (max, odd) = self.isa.greatest(logits);
        if odd {
            let id = logits.iter().position(|x| x.is_nan()).unwrap_or(0);
            return Err(fault(format!(
                "the model's logit for token {id} is not a number: the model file or a kernel is broken"
            )));
        }
        if !max.is_finite() {
            let all = if max > 0.0 {
                "a logit is +∞"
            } else {
                "all logits are −∞ (by the model or by logit_bias)"
            };
            return Err(fault(format!("no token can be chosen: {all}")));
        }
        if self.settings.temperature == 0.0 {
            return Ok(logits.iter().position(|&x| x == max).unwrap_or(0) as u32);
        }
        // A temperature so small that its inverse is no number is as good as 0 and is computed as the smallest that is.
        let scale = (1.0 / self.settings.temperature).min(f32::MAX);
        if self.narrow(logits, max) {
            Ok(self.draw(scale))
        } else {
            Ok(self.draw_from_all(logits, max, scale))
        }
    }

    /// Fills the candidates; false when no filter is on and every token is one.
    fn narrow(&mut self, logits: &[f32], max: f32) -> bool {
        let Sampling { top_k, top_p, min_p, typical_p, .. } = self.settings;
        let on = |p: Option<f32>| p.filter(|&p| p < 1.0);
        let (top_p, typical_p, min_p) = (on(top_p), on(typical_p), min_p.filter(|&p| p > 0.0));
        let top_k = top_k.filter(|&k| k < logits.len());
        if let Some(k) = top_k {
            top(self.isa, logits, k, &mut self.candidates);
        } else if typical_p.is_some() {
            at_least(self.isa, logits, f32::MIN, &mut self.candidates);
        } else if let Some(p) = top_p {
            self.likely(logits, max, p);
        } else if let Some(p) = min_p {
            at_least(self.isa, logits, max + p.ln(), &mut self.candidates);
        } else {
            return false;
        }
        if let Some(p) = typical_p {
            self.keep_typical(max, p);
        }
        if let Some(p) = top_p.filter(|_| top_k.is_some() || typical_p.is_some()) {
            let total = self.weigh(max, 1.0);
            nucleus(&mut self.candidates, f64::from(p) * total, by_logit);
        }
        if let Some(p) = min_p {
            // The most likely token may be gone (typical sampling drops it if it is too likely).
            let best = self.candidates.iter().fold(f32::NEG_INFINITY, |best, c| best.max(c.logit));
            self.candidates.retain(|c| c.logit >= best + p.ln());
        }
        true
    }

    /// Top-p over the whole vocabulary: looks only at logits near the maximum, and farther down until the mass suffices.
    fn likely(&mut self, logits: &[f32], max: f32, p: f32) {
        let mass = f64::from(p) * self.mass(logits, max);
        for depth in [6.0, 12.0, 24.0, f32::INFINITY] {
            at_least(self.isa, logits, (max - depth).max(f32::MIN), &mut self.candidates);
            if self.weigh(max, 1.0) >= mass {
                break;
            }
        }
        nucleus(&mut self.candidates, mass, by_logit);
    }

    /// Keeps the tokens whose surprise −ln p lies nearest to the entropy, until their mass reaches `p`
    /// (Meister et al. 2022, "Locally Typical Sampling").
    fn keep_typical(&mut self, max: f32, p: f32) {
        let total = self.weigh(max, 1.0);
        let ln_total = total.ln() as f32;
        // −ln p = ln Σ − (logit − max)
        let entropy: f64 = self
            .candidates
            .iter()
            .map(|c| f64::from(c.weight) / total * f64::from(ln_total - (c.logit - max)))
            .sum();
        let distance = |c: &Candidate| (f64::from(ln_total - (c.logit - max)) - entropy).abs();
        nucleus(&mut self.candidates, f64::from(p) * total, |a, b| {
            distance(a).total_cmp(&distance(b)).then_with(|| by_logit(a, b))
        });
    }

    /// Sets every candidate's weight to exp((logit − max) · scale); returns their sum.
    fn weigh(&mut self, max: f32, scale: f32) -> f64 {
        for c in &mut self.candidates {
            c.weight = exp((c.logit - max) * scale);
        }
        self.candidates.iter().map(|c| f64::from(c.weight)).sum()
    }

    fn draw(&mut self, scale: f32) -> u32 {
        let best = self.candidates.iter().fold(f32::NEG_INFINITY, |best, c| best.max(c.logit));
        let total = self.weigh(best, scale);
        let mut left = self.rng.unit() * total;
        let mut last = 0;
        for c in self.candidates.iter().filter(|c| c.weight > 0.0) {
            last = c.id;
            left -= f64::from(c.weight);
            if left < 0.0 {
                break;
            }
        }
        last
    }

    /// The weights of all tokens at a temperature of 1, added up.
    fn mass(&self, logits: &[f32], max: f32) -> f64 {
        self.isa.exp_sums(logits, max, 1.0).into_iter().map(f64::from).sum()
    }

    /// Draws from the whole vocabulary: finds the chunk first, then the token in it.
    fn draw_from_all(&mut self, logits: &[f32], max: f32, scale: f32) -> u32 {
        let sums = self.isa.exp_sums(logits, max, scale);
        let mut left = self.rng.unit() * sums.iter().map(|&s| f64::from(s)).sum::<f64>();
        let mut chunk = 0;
        for (place, &sum) in sums.iter().enumerate().filter(|(_, sum)| **sum > 0.0) {
            chunk = place;
            if left < f64::from(sum) {
                break;
            }
            left -= f64::from(sum);
        }
        let mut last = 0;
        for (id, &logit) in logits.iter().enumerate().skip(chunk * LOGITS_CHUNK).take(LOGITS_CHUNK) {
            let weight = exp((logit - max) * scale);
            if weight > 0.0 {
                last = id as u32;
                left -= f64::from(weight);
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }

    /// Applies penalties and bias, remembering what was there.
    fn adjust(&mut self, logits: &mut [f32], history: &[u32]) {
        let Sampling { repetition_penalty, presence_penalty, frequency_penalty, penalty_window, .. } =
            self.settings;
        let mut change = |id: u32, new: &dyn Fn(f32) -> f32| {
            if let Some(logit) = logits.get_mut(id as usize) {
                self.changed.push((id, *logit));
                // However large a penalty, a finite logit does not become +∞ (−∞ excludes a token, which is well defined).
                let finite = logit.is_finite();
                *logit = new(*logit);
                if finite && (logit.is_nan() || *logit == f32::INFINITY) {
                    *logit = f32::MAX;
                }
            }
        };
        let recent = |tokens: &[u32]| tokens.len().saturating_sub(penalty_window);
        if repetition_penalty != 1.0 {
            self.window.clear();
            self.window.extend_from_slice(&history[recent(history)..]);
            self.window.sort_unstable();
            self.window.dedup();
            for &id in &self.window {
                change(id, &|x| if x > 0.0 { x / repetition_penalty } else { x * repetition_penalty });
            }
        }
        if presence_penalty != 0.0 || frequency_penalty != 0.0 {
            let generated = &history[history.len().saturating_sub(self.chosen)..];
            self.window.clear();
            self.window.extend_from_slice(&generated[recent(generated)..]);
            self.window.sort_unstable();
            for same in self.window.chunk_by(|a, b| a == b) {
                let penalty = presence_penalty + frequency_penalty * same.len() as f32;
                change(same[0], &|x| x - penalty);
            }
        }
        for (&id, &bias) in &self.settings.logit_bias {
            change(id, &|x| x + bias);
        }
    }

    /// Log-probabilities by the model itself, before penalties and filters: those of `chosen` first, then the `top_n` most
    /// likely tokens from the most likely down.
    ///
    /// # Errors
    /// `InvalidRequest` when more are asked for than there are tokens.
    pub fn log_probabilities(
        &self,
        logits: &[f32],
        chosen: u32,
        top_n: usize,
    ) -> Result<Vec<LogProbability>> {
        if top_n > logits.len() {
            let message = format!("logprobs is {top_n}; the vocabulary holds {} tokens", logits.len());
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        let (max, _) = self.isa.greatest(logits);
        let ln_total = self.mass(logits, max).ln();
        let logprob = |logit: f32| (f64::from(logit - max) - ln_total) as f32;
        let own = logits.get(chosen as usize).copied().unwrap_or(f32::NEG_INFINITY);
        let mut best = Vec::new();
        top(self.isa, logits, top_n, &mut best);
        best.sort_unstable_by(by_logit);
        let first = LogProbability { id: chosen, logprob: logprob(own) };
        let rest = best.iter().map(|c| LogProbability { id: c.id, logprob: logprob(c.logit) });
        Ok(std::iter::once(first).chain(rest).collect())
    }
}

fn fault(message: String) -> Error {
    Error::new(ErrorKind::Internal, message)
}
