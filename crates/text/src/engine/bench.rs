//! How fast a model computes: prompt and generation alone, without tokenizer, sampler or output.

use super::session::Session;
use parasol_core::{Error, Result};
use std::time::{Duration, Instant};

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BenchReport {
    /// Prompt tokens computed.
    pub prompt_tokens: usize,
    /// Tokens generated, one at a time.
    pub generated_tokens: usize,
    /// Tokens already in the context before either.
    pub depth: usize,
    /// Time that the prompt took.
    pub prompt_time: Duration,
    /// Time that generating took.
    pub generation_time: Duration,
    /// Bytes of weights that generating one token reads.
    pub bytes_per_token: u64,
}

impl BenchReport {
    /// Prompt tokens per second; 0 when none were asked for.
    pub fn prompt_per_second(&self) -> f64 {
        rate(self.prompt_tokens, self.prompt_time)
    }

    /// Generated tokens per second; 0 when none were asked for.
    pub fn generation_per_second(&self) -> f64 {
        rate(self.generated_tokens, self.generation_time)
    }

    /// Bytes of weights read per second while generating.
    pub fn generation_bandwidth(&self) -> f64 {
        self.generation_per_second() * self.bytes_per_token as f64
    }
}

fn rate(tokens: usize, time: Duration) -> f64 {
    if tokens == 0 { 0.0 } else { tokens as f64 / time.as_secs_f64().max(1e-9) }
}

/// Measures on random tokens, the same on every run: `depth` of them untimed, then a prompt, then greedy generation from
/// the same depth.
pub(super) fn bench(
    session: &mut Session,
    prompt_tokens: usize,
    generated_tokens: usize,
    depth: usize,
    bytes_per_token: u64,
) -> Result<BenchReport> {
    let needed = depth.saturating_add(prompt_tokens.max(generated_tokens));
    if needed > session.context() {
        return Err(Error::context_overflow(needed, session.context()));
    }
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let vocab = session.vocab() as u64;
    let mut tokens = |n: usize| (0..n).map(|_| (random.next() % vocab) as u32).collect::<Vec<u32>>();
    let (before, prompt, mut token) = (tokens(depth), tokens(prompt_tokens), tokens(1));
    session.truncate(0);
    session.extend(&before)?;

    let start = Instant::now();
    session.extend(&prompt)?;
    let prompt_time = start.elapsed();

    session.truncate(depth);
    let start = Instant::now();
    for _ in 0..generated_tokens {
        session.extend(&token)?;
        token[0] = most_likely(session.logits());
    }
    let generation_time = start.elapsed();
    session.truncate(0);
    Ok(BenchReport { prompt_tokens, generated_tokens, depth, prompt_time, generation_time, bytes_per_token })
}

fn most_likely(logits: &[f32]) -> u32 {
    let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    best.map_or(0, |(id, _)| id as u32)
}

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}
