//! How the next token is chosen from the logits.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Same seed, same request, same machine: same text. `None` draws a fresh seed.
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
