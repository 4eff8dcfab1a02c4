//! A grammar at work on one answer: which tokens may come next, and what a token changes.

use super::compile::refused;
use llguidance::Matcher;
use llguidance::toktrie::SimpleVob;
use parasol_core::{Error, ErrorKind, Result};
use std::sync::Arc;

/// What one answer is held to. It may be asleep: then everything is allowed until its token comes, and again after the part
/// that the grammar describes is complete.
pub struct Constraint {
    matcher: Matcher,
    alarm: Option<Alarm>,
    ends: Arc<[u32]>,
    vocabulary: usize,
}

/// What wakes a sleeping constraint.
struct Alarm {
    token: u32,
    /// The grammar at its beginning.
    fresh: Matcher,
    awake: bool,
}

impl Constraint {
    pub(super) fn new(matcher: Matcher, after: Option<u32>, ends: Arc<[u32]>, vocabulary: usize) -> Self {
        let alarm = after.map(|token| Alarm { token, fresh: matcher.deep_clone(), awake: false });
        Self { matcher, alarm, ends, vocabulary }
    }

    fn asleep(&self) -> bool {
        self.alarm.as_ref().is_some_and(|alarm| !alarm.awake)
    }

    /// Sets the logits of tokens that may not come next to −∞, and of rows beyond the vocabulary. (vocab or more)
    ///
    /// # Errors
    /// `InvalidRequest` when the grammar has become too much work to follow, or allows nothing that the vocabulary can write.
    pub fn mask(&mut self, logits: &mut [f32]) -> Result<()> {
        let known = self.vocabulary.min(logits.len());
        let (logits, beyond) = logits.split_at_mut(known);
        beyond.fill(f32::NEG_INFINITY);
        if self.asleep() {
            return Ok(());
        }
        let allowed = self.matcher.compute_mask_or_eos().map_err(|e| refused(&e.to_string()))?;
        apply(&allowed, logits);
        Ok(())
    }

    /// Takes the token that was chosen.
    ///
    /// # Errors
    /// `InvalidRequest` for a token that the grammar does not allow here (one that [`Constraint::mask`] left is), or when the
    /// grammar has become too much work to follow.
    pub fn accept(&mut self, token: u32) -> Result<()> {
        if let Some(alarm) = &mut self.alarm
            && !alarm.awake
        {
            if alarm.token == token {
                self.matcher = alarm.fresh.clone();
                alarm.awake = true;
            }
            return Ok(());
        }
        if self.must_stop() {
            if self.ends.contains(&token) {
                return Ok(());
            }
            let message = format!("token {token} came after the grammar was complete");
            return Err(Error::new(ErrorKind::InvalidRequest, message));
        }
        self.matcher.consume_token(token).map_err(|e| refused(&e.to_string()))?;
        if let Some(alarm) = &mut self.alarm
            && self.matcher.is_stopped()
        {
            alarm.awake = false;
        }
        Ok(())
    }

    /// Takes a token of what the model thinks before it answers: nothing that is only thought of wakes a sleeping grammar. One
    /// that is awake describes the thinking too.
    ///
    /// # Errors
    /// As [`Constraint::accept`].
    pub fn accept_thought(&mut self, token: u32) -> Result<()> {
        if self.asleep() { Ok(()) } else { self.accept(token) }
    }

    /// Whether the answer may end here.
    pub fn is_accepting(&mut self) -> bool {
        self.asleep() || self.matcher.is_stopped() || self.matcher.is_accepting().unwrap_or(false)
    }

    /// Whether the answer is complete and nothing but its end may follow.
    pub fn must_stop(&self) -> bool {
        !self.asleep() && self.matcher.is_stopped() && !self.matcher.is_error()
    }

    /// The tokens that the grammar forces next, as the tokenizer would write them, empty when there is a choice. They are not
    /// accepted yet: pass each to [`Constraint::accept`].
    pub fn forced(&mut self) -> Vec<u32> {
        if self.asleep() || self.matcher.is_stopped() { Vec::new() } else { self.matcher.compute_ff_tokens() }
    }
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Constraint({} tokens, asleep: {})", self.vocabulary, self.asleep())
    }
}

/// Bit `i` of the set allows token `i`.
fn apply(allowed: &SimpleVob, logits: &mut [f32]) {
    let mut words = allowed.as_slice().iter();
    for chunk in logits.chunks_mut(32) {
        match words.next().copied().unwrap_or(0) {
            0 => chunk.fill(f32::NEG_INFINITY),
            u32::MAX => {}
            word => {
                for (bit, logit) in chunk.iter_mut().enumerate() {
                    if word >> bit & 1 == 0 {
                        *logit = f32::NEG_INFINITY;
                    }
                }
            }
        }
    }
}
