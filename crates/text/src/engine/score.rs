//! How likely a text is: log-probabilities of given tokens, for perplexity and for comparing engines.

use super::session::Session;
use crate::decoder::Logits;
use parasol_core::Result;

/// Floats of logits held at once; with a large vocabulary fewer positions are computed together.
const LOGITS_AT_ONCE: usize = 1 << 24;

/// What the model says at one position, having read up to it.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionScore {
    /// The most likely next token.
    pub top: u32,
    /// Log-sum-exp of the logits: subtract it from one to get a log-probability.
    pub logsumexp: f32,
    /// Log-probability of the token that does follow; `None` at the end.
    pub next: Option<f32>,
    /// Log-probabilities of the tokens asked for.
    pub columns: Vec<f32>,
}

/// exp of the mean negative log-likelihood over positions that have a next token.
pub fn perplexity(scores: &[PositionScore]) -> f64 {
    let known: Vec<f64> = scores.iter().filter_map(|s| s.next).map(f64::from).collect();
    (-known.iter().sum::<f64>() / known.len() as f64).exp()
}

/// Scores all of `tokens` from an empty context. Ids have been checked against the vocabulary.
pub(super) fn score(session: &mut Session, tokens: &[u32], columns: &[u32]) -> Result<Vec<PositionScore>> {
    let vocab = session.vocab();
    let at_once = (LOGITS_AT_ONCE / vocab).clamp(1, super::CHUNK);
    let mut scores = Vec::with_capacity(tokens.len());
    for chunk in tokens.chunks(at_once) {
        session.forward(chunk, Logits::All)?;
        for row in session.logits().chunks_exact(vocab) {
            let next = tokens.get(scores.len() + 1);
            scores.push(position(row, next, columns));
        }
    }
    Ok(scores)
}

fn position(row: &[f32], next: Option<&u32>, columns: &[u32]) -> PositionScore {
    let (top, most) = row
        .iter()
        .enumerate()
        .fold((0, f32::NEG_INFINITY), |best, (i, &x)| if x > best.1 { (i, x) } else { best });
    let sum: f64 = row.iter().map(|x| f64::from((x - most).exp())).sum();
    let logsumexp = most + sum.ln() as f32;
    let logprob = |id: &u32| row.get(*id as usize).map_or(f32::NEG_INFINITY, |x| x - logsumexp);
    PositionScore {
        top: top as u32,
        logsumexp,
        next: next.map(logprob),
        columns: columns.iter().map(logprob).collect(),
    }
}
