//! Which sampling settings make sense. Everything else in this module may rely on it.

use parasol_core::{Error, ErrorKind, Result, Sampling};

/// Refuses settings out of range.
///
/// # Errors
/// `InvalidRequest` naming the setting, its value and the range.
pub(crate) fn check(settings: &Sampling, vocabulary: usize) -> Result<()> {
    let refuse = |name: &str, value: &dyn std::fmt::Display, range: &str| {
        Err(Error::new(ErrorKind::InvalidRequest, format!("{name} is {value}; it must be {range}")))
    };
    let s = settings;
    if !(s.temperature.is_finite() && s.temperature >= 0.0) {
        return refuse("temperature", &s.temperature, "0 (the most likely token) or more");
    }
    if let Some(0) = s.top_k {
        return refuse("top_k", &0, "1 or more; leave it out to turn it off");
    }
    for (name, value) in [("top_p", s.top_p), ("typical_p", s.typical_p)] {
        // 0 leaves the one token that comes first, as 0 temperature does.
        if let Some(p) = value.filter(|p| !(0.0..=1.0).contains(p)) {
            return refuse(name, &p, "between 0 and 1");
        }
    }
    if let Some(p) = s.min_p.filter(|p| !(0.0..=1.0).contains(p)) {
        return refuse("min_p", &p, "between 0 and 1");
    }
    if !(s.repetition_penalty.is_finite() && s.repetition_penalty > 0.0) {
        return refuse("repetition_penalty", &s.repetition_penalty, "above 0 (1 turns it off)");
    }
    for (name, value) in
        [("presence_penalty", s.presence_penalty), ("frequency_penalty", s.frequency_penalty)]
    {
        if !value.is_finite() {
            return refuse(name, &value, "a finite number (0 turns it off)");
        }
    }
    for (&id, &bias) in &s.logit_bias {
        if id as usize >= vocabulary {
            return refuse(
                "a token id in logit_bias",
                &id,
                &format!("below the vocabulary size, {vocabulary}"),
            );
        }
        if bias.is_nan() || bias == f32::INFINITY {
            return refuse(&format!("the logit_bias of token {id}"), &bias, "a number below infinity");
        }
    }
    Ok(())
}
