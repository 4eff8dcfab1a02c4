//! The sampling parameters that an entry recommends: which keys there are and what values they may have. How they are
//! applied is the business of [`SamplingChoice`].

use parasol_core::SamplingChoice;
use serde::Deserialize;
use std::ops::{Range, RangeInclusive};
use toml::Spanned;

/// `[model.sampling]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Raw {
    temperature: Option<Spanned<f32>>,
    top_k: Option<usize>,
    top_p: Option<Spanned<f32>>,
    min_p: Option<Spanned<f32>>,
    typical_p: Option<Spanned<f32>>,
    repetition_penalty: Option<Spanned<f32>>,
    presence_penalty: Option<Spanned<f32>>,
    frequency_penalty: Option<Spanned<f32>>,
}

/// Where in the text, and what is wrong there.
type Mistake = (Range<usize>, String);

/// Penalties beyond this drown every logit: a slip of the pen.
const LARGEST_PENALTY: f32 = 100.0;

impl Raw {
    /// The parameters, all within their ranges.
    pub(super) fn check(self) -> Result<SamplingChoice, Mistake> {
        // The smallest positive number stands for "above 0".
        let above_zero = f32::MIN_POSITIVE;
        let penalty = -LARGEST_PENALTY..=LARGEST_PENALTY;
        Ok(SamplingChoice {
            temperature: within("temperature", self.temperature, 0.0..=f32::MAX, "0 or more")?,
            top_k: self.top_k,
            top_p: within("top_p", self.top_p, above_zero..=1.0, "above 0 and at most 1")?,
            min_p: within("min_p", self.min_p, 0.0..=1.0, "between 0 and 1")?,
            typical_p: within("typical_p", self.typical_p, above_zero..=1.0, "above 0 and at most 1")?,
            repetition_penalty: within(
                "repetition_penalty",
                self.repetition_penalty,
                above_zero..=LARGEST_PENALTY,
                "above 0 and at most 100",
            )?,
            presence_penalty: within(
                "presence_penalty",
                self.presence_penalty,
                penalty.clone(),
                "between -100 and 100",
            )?,
            frequency_penalty: within(
                "frequency_penalty",
                self.frequency_penalty,
                penalty,
                "between -100 and 100",
            )?,
        })
    }
}

/// The value, if it lies in `range` (NaN lies in none); `says` is the range in words.
fn within(
    name: &str,
    value: Option<Spanned<f32>>,
    range: RangeInclusive<f32>,
    says: &str,
) -> Result<Option<f32>, Mistake> {
    match value {
        Some(value) if !range.contains(value.get_ref()) => {
            Err((value.span(), format!("{name} is {}; it must be {says}", value.get_ref())))
        }
        value => Ok(value.map(Spanned::into_inner)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::parse;
    use parasol_core::SamplingChoice;
    use std::path::Path;

    fn read(sampling: &str) -> parasol_core::Result<SamplingChoice> {
        let sha = "a".repeat(64);
        let text = format!(
            "[[model]]\nname = \"m\"\ncapabilities = [\"chat\"]\nlicence = {{ name = \"MIT\" }}\n[model.sampling]\n{sampling}\n\
             [[model.file]]\nname = \"m.gguf\"\nsize = 10\nsha256 = \"{sha}\"\nsources = [\"file:m.gguf\"]\n"
        );
        Ok(parse::entries(&text, Some(Path::new("c.toml")))?[0].sampling)
    }

    #[test]
    fn what_is_stated_is_taken_and_the_rest_left_open() {
        let sampling = read("temperature = 0.2\ntop_k = 0\nrepetition_penalty = 1.1").unwrap();
        let stated = SamplingChoice {
            temperature: Some(0.2),
            top_k: Some(0),
            repetition_penalty: Some(1.1),
            ..SamplingChoice::default()
        };
        assert_eq!(sampling, stated);
        assert!(read("").unwrap().is_empty());
    }

    #[test]
    fn a_value_out_of_range_and_an_unknown_key_name_the_line() {
        for (line, says) in [
            ("temperature = -0.1", "it must be 0 or more"),
            ("temperature = nan", "it must be 0 or more"),
            ("temperature = inf", "it must be 0 or more"),
            ("temperature = \"hot\"", ""),
            ("top_k = -1", ""),
            ("top_p = 0", "above 0"),
            ("top_p = 1.5", "top_p is 1.5"),
            ("min_p = 2", "between 0 and 1"),
            ("typical_p = 0", "above 0"),
            ("repetition_penalty = 0", "above 0"),
            ("presence_penalty = 1e9", "between -100 and 100"),
            ("frequency_penalty = nan", "between -100 and 100"),
            ("temprature = 1", "temprature"),
            ("seed = 1", "seed"),
        ] {
            let error = read(line).unwrap_err();
            assert!(error.message().starts_with("c.toml, line 6: "), "{line}: {error}");
            assert!(error.message().contains(says), "{line}: {error}");
        }
    }
}
