//! How the next token is chosen from the logits.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Sampling parameters. The defaults sample as most chat front ends do; `temperature: 0` is greedy.
///
/// Order of application: penalties and logit bias on the logits, then top-k, typical, top-p, min-p on the
/// distribution, then temperature, then the draw. `None` turns a filter off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// Divides the logits; 0 takes the most likely token.
    pub temperature: f32,
    /// Keep the k most likely tokens.
    pub top_k: Option<usize>,
    /// Keep the smallest set of tokens whose probability reaches p (nucleus sampling).
    pub top_p: Option<f32>,
    /// Drop tokens less likely than this share of the most likely one.
    pub min_p: Option<f32>,
    /// Locally typical sampling (Meister et al. 2022): keep the set nearest to the entropy whose mass reaches p.
    pub typical_p: Option<f32>,
    /// Divides (positive) or multiplies (negative) the logit of every token seen in the window (Keskar et al. 2019); 1 is off.
    pub repetition_penalty: f32,
    /// Subtracted once from the logit of every generated token; 0 is off.
    pub presence_penalty: f32,
    /// Subtracted from the logit for each occurrence of a generated token; 0 is off.
    pub frequency_penalty: f32,
    /// How many of the last tokens the penalties look at.
    pub penalty_window: usize,
    /// Added to the logits of these token ids.
    pub logit_bias: BTreeMap<u32, f32>,
    /// Same seed, same request, same machine: same draws, and the same text as long as the logits are the same to the last
    /// bit. Those of quantised models also depend a little on what else is in the batch and how much of the prompt was
    /// cached. `None` draws a fresh seed.
    pub seed: Option<u64>,
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: Some(40),
            top_p: Some(0.95),
            min_p: Some(0.05),
            typical_p: None,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            penalty_window: 64,
            logit_bias: BTreeMap::new(),
            seed: None,
        }
    }
}

impl Sampling {
    /// Always the most likely token.
    pub fn greedy() -> Self {
        Self { temperature: 0.0, ..Self::default() }
    }
}

/// Some sampling parameters, the others left open: what a model's makers recommend, or what a user asks for. A filter's
/// neutral value (top-k 0, top-p 1, min-p 0, typical 1) turns it off, which is not the same as leaving it open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SamplingChoice {
    /// See [`Sampling::temperature`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// See [`Sampling::top_k`]; 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// See [`Sampling::top_p`]; 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f32>,
    /// See [`Sampling::min_p`]; 0 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_p: Option<f32>,
    /// See [`Sampling::typical_p`]; 1 is off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub typical_p: Option<f32>,
    /// See [`Sampling::repetition_penalty`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repetition_penalty: Option<f32>,
    /// See [`Sampling::presence_penalty`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_penalty: Option<f32>,
    /// See [`Sampling::frequency_penalty`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_penalty: Option<f32>,
}

impl SamplingChoice {
    /// What changes nothing: tokens are drawn as the model finds them likely. Most protocols do that where a request says
    /// nothing.
    #[must_use]
    pub const fn neutral() -> Self {
        Self {
            temperature: Some(1.0),
            top_k: Some(0),
            top_p: Some(1.0),
            min_p: Some(0.0),
            typical_p: Some(1.0),
            repetition_penalty: Some(1.0),
            presence_penalty: Some(0.0),
            frequency_penalty: Some(0.0),
        }
    }

    /// This choice, and `other`'s word on what it leaves open.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        Self {
            temperature: self.temperature.or(other.temperature),
            top_k: self.top_k.or(other.top_k),
            top_p: self.top_p.or(other.top_p),
            min_p: self.min_p.or(other.min_p),
            typical_p: self.typical_p.or(other.typical_p),
            repetition_penalty: self.repetition_penalty.or(other.repetition_penalty),
            presence_penalty: self.presence_penalty.or(other.presence_penalty),
            frequency_penalty: self.frequency_penalty.or(other.frequency_penalty),
        }
    }

    /// The parameters that it comes to: the defaults of [`Sampling`] stand where it leaves something open.
    #[must_use]
    pub fn sampling(&self) -> Sampling {
        let rest = Sampling::default();
        let filter = |chosen: Option<f32>, neutral: f32, rest| match chosen {
            Some(value) => Some(value).filter(|v| *v != neutral),
            None => rest,
        };
        Sampling {
            temperature: self.temperature.unwrap_or(rest.temperature),
            top_k: self.top_k.map_or(rest.top_k, |k| Some(k).filter(|k| *k > 0)),
            top_p: filter(self.top_p, 1.0, rest.top_p),
            min_p: filter(self.min_p, 0.0, rest.min_p),
            typical_p: filter(self.typical_p, 1.0, rest.typical_p),
            repetition_penalty: self.repetition_penalty.unwrap_or(rest.repetition_penalty),
            presence_penalty: self.presence_penalty.unwrap_or(rest.presence_penalty),
            frequency_penalty: self.frequency_penalty.unwrap_or(rest.frequency_penalty),
            ..rest
        }
    }

    /// Whether it leaves everything open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// `temperature 0.2, top-k off, top-p 0.9`; nothing for what is left open.
impl fmt::Display for SamplingChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let top_k = self.top_k.map(|k| k as f32);
        let parts = [
            ("temperature", self.temperature, None),
            ("top-k", top_k, Some(0.0)),
            ("top-p", self.top_p, Some(1.0)),
            ("min-p", self.min_p, Some(0.0)),
            ("typical", self.typical_p, Some(1.0)),
            ("repetition penalty", self.repetition_penalty, Some(1.0)),
            ("presence penalty", self.presence_penalty, Some(0.0)),
            ("frequency penalty", self.frequency_penalty, Some(0.0)),
        ];
        let mut comma = "";
        for (name, value, neutral) in parts {
            match value {
                Some(value) if Some(value) == neutral => write!(f, "{comma}{name} off")?,
                Some(value) => write!(f, "{comma}{name} {value}")?,
                None => continue,
            }
            comma = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_open_comes_from_the_next_and_at_last_from_the_defaults() {
        assert_eq!(SamplingChoice::default().sampling(), Sampling::default());
        let user = SamplingChoice { temperature: Some(0.0), ..SamplingChoice::default() };
        let makers = SamplingChoice { temperature: Some(0.2), top_p: Some(0.9), ..SamplingChoice::default() };
        let both = user.or(&makers).sampling();
        assert_eq!((both.temperature, both.top_p, both.top_k), (0.0, Some(0.9), Sampling::default().top_k));
    }

    #[test]
    fn a_neutral_value_turns_a_filter_off() {
        let off = SamplingChoice {
            top_k: Some(0),
            top_p: Some(1.0),
            min_p: Some(0.0),
            typical_p: Some(1.0),
            ..SamplingChoice::default()
        };
        let sampling = off.sampling();
        assert_eq!(
            (sampling.top_k, sampling.top_p, sampling.min_p, sampling.typical_p),
            (None, None, None, None)
        );
        assert_eq!(off.to_string(), "top-k off, top-p off, min-p off, typical off");
        let neutral = Sampling {
            temperature: 1.0,
            top_k: None,
            top_p: None,
            min_p: None,
            typical_p: None,
            ..Sampling::default()
        };
        assert_eq!(SamplingChoice::neutral().sampling(), neutral);
        let on = SamplingChoice { temperature: Some(0.2), top_k: Some(20), ..SamplingChoice::default() };
        assert_eq!(on.to_string(), "temperature 0.2, top-k 20");
        assert!(SamplingChoice::default().is_empty() && !on.is_empty());
    }
}
