//! One attempt to write down a window: the likeliest text (greedy or by beam search), or one drawn at a temperature.

use super::cache::{Beam, Cross, TextCache};
use super::decoder::{Decoder, DecoderWork};
use super::rules::Rules;
use super::tokens::Special;
use parasol_core::{Error, ErrorKind, Result};
use parasol_kernels::Compute;

/// How to look for a text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Search {
    /// 0 looks for the likeliest text.
    pub(crate) temperature: f32,
    /// Texts that are followed side by side at temperature 0 …
    pub(crate) beams: usize,
    /// … and drawn at once above.
    pub(crate) draws: usize,
    /// Tokens that the context holds, the prompt included.
    pub(crate) context: usize,
}

/// A text that was found.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    /// Its tokens, times included, the end not.
    pub(crate) tokens: Vec<u32>,
    /// Mean log-probability of its tokens and the end.
    pub(crate) mean_logprob: f32,
    /// How likely the model finds that nothing is said.
    pub(crate) no_speech: f32,
    /// Tokens generated for it, in all texts that were followed.
    pub(crate) generated: usize,
}

/// A text on its way.
struct Text {
    beam: Beam,
    tokens: Vec<u32>,
    /// Σ log-probabilities.
    logprob: f32,
}

/// What a text may become.
struct Candidate {
    parent: usize,
    token: u32,
    logprob: f32,
}

/// What an attempt works with.
pub(crate) struct Attempt<'a> {
    pub(crate) decoder: &'a Decoder,
    pub(crate) compute: &'a Compute,
    pub(crate) rules: &'a Rules,
    pub(crate) special: &'a Special,
    pub(crate) cross: &'a Cross,
    pub(crate) cache: &'a mut TextCache,
    pub(crate) work: &'a mut DecoderWork,
    pub(crate) random: &'a mut Random,
    /// Whether nobody waits for it any more.
    pub(crate) cancelled: &'a dyn Fn() -> bool,
}

impl Attempt<'_> {
    /// Writes what follows `prompt`, whose token `start` is `<|startoftranscript|>`.
    pub(crate) fn run(&mut self, prompt: &[u32], start: usize, search: Search) -> Result<Found> {
        let mut first = Beam::default();
        let mut logits = Vec::new();
        let wanted = [start, prompt.len() - 1];
        self.decoder.forward(
            self.cache,
            self.cross,
            &mut [(&mut first, prompt)],
            &wanted,
            self.work,
            &mut logits,
        );
        let vocabulary = logits.len() / 2;
        let at_start = &logits[..vocabulary];
        let no_speech =
            (at_start[self.special.no_speech as usize] - self.compute.log_sum_exp(at_start)).exp();
        logits.drain(..vocabulary);
        let drawn = search.temperature > 0.0;
        let width = if drawn { search.draws } else { search.beams }.max(1);
        let mut texts = vec![Text { beam: first, tokens: Vec::new(), logprob: 0.0 }];
        let mut done: Vec<(Vec<u32>, f32)> = Vec::new();
        let mut generated = 0;
        let room = search.context.saturating_sub(prompt.len());
        for step in 0..room {
            if (self.cancelled)() {
                texts.into_iter().for_each(|text| self.cache.release(text.beam));
                return Err(Error::new(ErrorKind::Cancelled, "the transcription was cancelled"));
            }
            let mut candidates = Vec::new();
            for (parent, text) in texts.iter().enumerate() {
                let logits = &mut logits[parent * vocabulary..(parent + 1) * vocabulary];
                self.rules.apply(self.compute, logits, &text.tokens);
                let total = self.compute.log_sum_exp(logits);
                let of = |token: u32, logit: f32| Candidate {
                    parent,
                    token,
                    logprob: text.logprob + logit - total,
                };
                if drawn {
                    for _ in 0..if step == 0 { width } else { 1 } {
                        let token = self.random.draw(logits, total, search.temperature);
                        candidates.push(of(token, logits[token as usize]));
                    }
                } else {
                    // One more than is kept may be an end.
                    let most = if width == 1 { 1 } else { 2 * width };
                    candidates.extend(best(logits, most).into_iter().map(|(token, logit)| of(token, logit)));
                }
            }
            generated += texts.len();
            if !drawn {
                candidates.sort_by(|a, b| b.logprob.total_cmp(&a.logprob));
            }
            let mut kept = Vec::new();
            for (rank, candidate) in candidates.into_iter().enumerate() {
                if candidate.token == self.special.end {
                    if drawn || rank < width {
                        done.push((texts[candidate.parent].tokens.clone(), candidate.logprob));
                    }
                } else if kept.len() < width {
                    kept.push(candidate);
                }
            }
            if kept.is_empty() || done.len() >= width {
                break;
            }
            if drawn {
                kept.truncate(width - done.len());
            }
            texts = self.follow(texts, kept);
            if step + 1 < room {
                let last: Vec<[u32; 1]> =
                    texts.iter().map(|t| [t.tokens.last().copied().unwrap_or(0)]).collect();
                let mut batch: Vec<(&mut Beam, &[u32])> =
                    texts.iter_mut().zip(&last).map(|(text, last)| (&mut text.beam, &last[..])).collect();
                let wanted: Vec<usize> = (0..batch.len()).collect();
                self.decoder.forward(self.cache, self.cross, &mut batch, &wanted, self.work, &mut logits);
            }
        }
        // What the context has no room to end counts as it is.
        if done.len() < width {
            done.extend(texts.iter().map(|text| (text.tokens.clone(), text.logprob)));
        }
        texts.into_iter().for_each(|text| self.cache.release(text.beam));
        let mean = |(tokens, logprob): &(Vec<u32>, f32)| logprob / (tokens.len() + 1) as f32;
        // Texts of different lengths are compared by their means, as OpenAI's ranker does.
        let rank = |text: &(Vec<u32>, f32)| text.1 / text.0.len().max(1) as f32;
        let best = done.into_iter().max_by(|a, b| rank(a).total_cmp(&rank(b))).unwrap_or_default();
        Ok(Found { mean_logprob: mean(&best), tokens: best.0, no_speech, generated })
    }

    /// The texts that the candidates make. The last child of a parent takes over its cache.
    fn follow(&mut self, texts: Vec<Text>, kept: Vec<Candidate>) -> Vec<Text> {
        let mut parents: Vec<Option<Beam>> = Vec::new();
        let mut tokens = Vec::new();
        for text in texts {
            parents.push(Some(text.beam));
            tokens.push(text.tokens);
        }
        let mut left = vec![0; parents.len()];
        kept.iter().for_each(|candidate| left[candidate.parent] += 1);
        let mut next = Vec::with_capacity(kept.len());
        for Candidate { parent, token, logprob } in kept {
            left[parent] -= 1;
            let beam = match &parents[parent] {
                Some(beam) if left[parent] > 0 => self.cache.fork(beam),
                // Only the last child comes here, once.
                _ => parents[parent].take().unwrap_or_default(),
            };
            let mut tokens = tokens[parent].clone();
            tokens.push(token);
            next.push(Text { beam, tokens, logprob });
        }
        parents.into_iter().flatten().for_each(|beam| self.cache.release(beam));
        next
    }
}

/// The `n` highest logits, highest first; those that are ruled out are none.
fn best(logits: &[f32], n: usize) -> Vec<(u32, f32)> {
    let mut found: Vec<(u32, f32)> = Vec::with_capacity(n + 1);
    let mut least = f32::NEG_INFINITY;
    for (token, &logit) in (0..).zip(logits) {
        if logit > least {
            let at = found.partition_point(|(_, known)| *known >= logit);
            found.insert(at, (token, logit));
            if found.len() > n {
                found.pop();
            }
            if found.len() == n {
                least = found[n - 1].1;
            }
        }
    }
    found
}

/// xorshift64*: draws that can be repeated.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Never zero, and near seeds far apart.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn next(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        // 24 bits: an f32 holds them.
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u32 << 24) as f32
    }

    /// A token with probability ∝ exp(logit / temperature); `total` is log Σ exp(logit).
    fn draw(&mut self, logits: &[f32], total: f32, temperature: f32) -> u32 {
        let weight = |logit: f32| ((logit - total) / temperature).exp();
        let sum: f32 = logits.iter().map(|&logit| weight(logit)).sum();
        let mut left = self.next() * sum;
        let mut last = 0;
        for (token, &logit) in (0..).zip(logits) {
            if logit > f32::NEG_INFINITY {
                last = token;
                left -= weight(logit);
                if left < 0.0 {
                    break;
                }
            }
        }
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_in_order() {
        let logits = [1.0, f32::NEG_INFINITY, 3.0, 2.0, 3.0];
        assert_eq!(best(&logits, 3), [(2, 3.0), (4, 3.0), (3, 2.0)]);
        assert_eq!(best(&logits, 9).len(), 4);
        assert_eq!(best(&logits, 1), [(2, 3.0)]);
    }

    #[test]
    fn draws_follow_their_weights_and_their_seed() {
        let logits = [0.0, 2f32.ln(), f32::NEG_INFINITY];
        let (mut random, mut again) = (Random::new(7), Random::new(7));
        let draws: Vec<u32> = (0..3000).map(|_| random.draw(&logits, 0.0, 1.0)).collect();
        let ones = draws.iter().filter(|t| **t == 1).count();
        assert!((1900..2100).contains(&ones) && !draws.contains(&2), "{ones}");
        assert!(draws.iter().all(|t| again.draw(&logits, 0.0, 1.0) == *t));
    }
}
