//! How tokens are chosen and when to stop: the flags that fill a [`Sampling`].

use clap::Args;
use parasol_core::{Sampling, SamplingChoice};
use std::collections::BTreeMap;

/// Sampling options. Each one left out is what is recommended for the model, else the default of [`Sampling`].
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Generation")]
pub(crate) struct GenerationArgs {
    /// Generate at most this many tokens [default: until the model stops or the context is full]
    #[arg(short = 'n', long, value_name = "TOKENS", env = "PARASOL_MAX_TOKENS", hide_env_values = true,
          value_parser = super::model::positive)]
    pub(crate) max_tokens: Option<usize>,
    /// End the answer in front of this text (may be repeated)
    #[arg(long, value_name = "TEXT")]
    pub(crate) stop: Vec<String>,
    /// Repeat an answer: the same seed gives the same text [default: a fresh one each time]
    #[arg(long, value_name = "NUMBER", env = "PARASOL_SEED", hide_env_values = true)]
    pub(crate) seed: Option<u64>,
    /// How freely to choose; 0 always takes the likeliest token [default: the model's own, else 0.8]
    #[arg(long, value_name = "NUMBER", env = "PARASOL_TEMPERATURE", hide_env_values = true, value_parser = not_negative)]
    pub(crate) temperature: Option<f32>,
    /// Choose among the likeliest K tokens; 0 turns it off [default: the model's own, else 40]
    #[arg(long, value_name = "K", env = "PARASOL_TOP_K", hide_env_values = true)]
    pub(crate) top_k: Option<usize>,
    /// Choose among the likeliest tokens that together reach this probability; 1 turns it off [default: the model's own, else 0.95]
    #[arg(long, value_name = "P", env = "PARASOL_TOP_P", hide_env_values = true, value_parser = share)]
    pub(crate) top_p: Option<f32>,
    /// Drop tokens less likely than this share of the likeliest; 0 turns it off [default: the model's own, else 0.05]
    #[arg(long, value_name = "P", env = "PARASOL_MIN_P", hide_env_values = true, value_parser = share)]
    pub(crate) min_p: Option<f32>,
    /// Locally typical sampling: keep the typical tokens that together reach this probability; 1 is off [default: off]
    #[arg(long, value_name = "P", value_parser = share)]
    pub(crate) typical: Option<f32>,
    /// Make tokens that have just appeared less likely; 1 is off [default: off]
    #[arg(long, value_name = "FACTOR", value_parser = above_zero)]
    pub(crate) repetition_penalty: Option<f32>,
    /// Take this from the logit of every token already generated; 0 is off [default: off]
    #[arg(long, value_name = "NUMBER", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) presence_penalty: Option<f32>,
    /// Take this from a token's logit for each time it was generated; 0 is off [default: off]
    #[arg(long, value_name = "NUMBER", value_parser = finite, allow_negative_numbers = true)]
    pub(crate) frequency_penalty: Option<f32>,
    /// Add BIAS to the logit of the token ID, as in 1234=-5 (may be repeated)
    #[arg(long, value_name = "ID=BIAS", value_parser = bias)]
    pub(crate) logit_bias: Vec<(u32, f32)>,
    /// With --json: report the log-probabilities of each token and of the N likeliest others
    #[arg(long, value_name = "N")]
    pub(crate) logprobs: Option<usize>,
}

impl GenerationArgs {
    /// The sampling parameters: these flags, then what is recommended for the model, then the defaults.
    pub(crate) fn sampling(&self, recommended: &SamplingChoice) -> Sampling {
        let asked = SamplingChoice {
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            typical_p: self.typical,
            repetition_penalty: self.repetition_penalty,
            presence_penalty: self.presence_penalty,
            frequency_penalty: self.frequency_penalty,
        };
        Sampling {
            logit_bias: self.logit_bias.iter().copied().collect::<BTreeMap<_, _>>(),
            seed: self.seed,
            ..asked.or(recommended).sampling()
        }
    }
}

fn finite(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(value) if value.is_finite() => Ok(value),
        _ => Err("must be a number".into()),
    }
}

fn not_negative(text: &str) -> Result<f32, String> {
    finite(text).and_then(|v| if v >= 0.0 { Ok(v) } else { Err("must be 0 or more".into()) })
}

fn above_zero(text: &str) -> Result<f32, String> {
    finite(text).and_then(|v| if v > 0.0 { Ok(v) } else { Err("must be more than 0".into()) })
}

fn share(text: &str) -> Result<f32, String> {
    finite(text)
        .and_then(|v| if (0.0..=1.0).contains(&v) { Ok(v) } else { Err("must lie between 0 and 1".into()) })
}

fn bias(text: &str) -> Result<(u32, f32), String> {
    let (id, bias) = text.split_once('=').ok_or("must look like ID=BIAS, as in 1234=-5")?;
    let id = id.trim().parse().map_err(|_| format!("'{id}' is no token id"))?;
    Ok((id, finite(bias.trim()).map_err(|_| format!("'{bias}' is no number"))?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn flags_go_before_the_recommendation_and_that_before_the_defaults() {
        let open = SamplingChoice::default();
        assert_eq!(GenerationArgs::default().sampling(&open), Sampling::default());
        let recommended = SamplingChoice { temperature: Some(0.2), top_k: Some(0), ..open };
        let args = GenerationArgs { temperature: Some(1.5), seed: Some(3), ..GenerationArgs::default() };
        let sampling = args.sampling(&recommended);
        assert_eq!((sampling.temperature, sampling.top_k, sampling.seed), (1.5, None, Some(3)));
        assert_eq!(sampling.top_p, Sampling::default().top_p);
    }

    #[test]
    fn values_out_of_range_are_refused() {
        assert!(not_negative("-1").is_err() && not_negative("nan").is_err() && not_negative("0").is_ok());
        assert!(share("1.01").is_err() && share("-0.1").is_err() && share("inf").is_err());
        assert!(above_zero("0").is_err());
    }

    #[test]
    fn bias_reads_id_and_number() {
        assert_eq!(bias("12=-5.5").unwrap(), (12, -5.5));
        assert!(bias("12").is_err() && bias("x=1").is_err() && bias("1=x").is_err() && bias("-1=0").is_err());
    }
}
