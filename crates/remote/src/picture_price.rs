//! What pictures cost: by the picture, by its size and quality, by its megapixels, or by tokens.

use crate::price::Price;
use parasol_core::{ImagineRequest, ImagineUsage, Money, PictureSize};
use serde::{Deserialize, Serialize};

/// Tokens of a picture that comes with a prompt, at most: OpenAI's finest reading of one.
const PICTURE: usize = 7000;
/// Where a request names no size, so many pixels are reckoned with.
const USUAL: f64 = 1024.0 * 1024.0;

/// Prices of pictures in US dollars, beside those of tokens in [`Price`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PicturePrice {
    /// Of a picture; of its first megapixel where further ones cost more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub each: Option<f64>,
    /// Of each further megapixel that is begun, and of each that comes with the prompt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub megapixel: Option<f64>,
    /// Of a million tokens of the pictures that come with the prompt; as of its text where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input: Option<f64>,
    /// Of a million tokens of text in the answer; as of pictures where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<f64>,
    /// Of a picture by its quality and size. Where tokens are paid for, this is what they come to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<By>,
}

/// The price of a picture of a quality and a size.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct By {
    /// The quality.
    pub quality: String,
    /// The size.
    pub size: PictureSize,
    /// The price.
    pub each: f64,
}

impl Price {
    /// The most that so many pictures of a request can cost; `None` where that is not known.
    #[must_use]
    pub fn pictures(&self, request: &ImagineRequest, count: usize) -> Option<Money> {
        let price = self.pictures.as_ref()?;
        let each = price.dearest(request).or_else(|| price.by_pixels(request))?;
        // Every token of a text is at least one byte of it.
        let read = request.prompt.len() as f64 * self.input
            + (PICTURE * request.pictures.len()) as f64 * price.input.unwrap_or(self.input);
        Some(Money::dollars(count as f64 * (each + read / 1e6)))
    }

    /// What tokens come to, where they are told and paid for.
    #[must_use]
    pub fn drawn(&self, usage: &ImagineUsage) -> Option<Money> {
        let price = self.pictures.as_ref()?;
        if usage.output_tokens == 0 || self.output == 0.0 {
            return None;
        }
        let text = usage.output_text_tokens.min(usage.output_tokens);
        let parts = [
            (usage.text_tokens, self.input),
            (usage.picture_tokens, price.input.unwrap_or(self.input)),
            (text, price.text.unwrap_or(self.output)),
            (usage.output_tokens - text, self.output),
        ];
        Some(Money::dollars(parts.iter().map(|(tokens, price)| *tokens as f64 * price / 1e6).sum()))
    }
}

impl PicturePrice {
    /// The dearest of what fits a request that may leave quality and size open.
    fn dearest(&self, request: &ImagineRequest) -> Option<f64> {
        let fits = |by: &&By| {
            request.quality.as_ref().is_none_or(|it| *it == by.quality)
                && request.size.is_none_or(|size| size == by.size)
        };
        self.by.iter().filter(fits).map(|by| by.each).max_by(f64::total_cmp)
    }

    fn by_pixels(&self, request: &ImagineRequest) -> Option<f64> {
        let each = self.each?;
        let Some(more) = self.megapixel else { return Some(each) };
        let pixels = |(width, height): (u32, u32)| f64::from(width) * f64::from(height);
        let made = match request.size {
            Some(size @ PictureSize::Pixels { .. }) => pixels(size.sides()),
            _ => USUAL,
        };
        let megapixels = |pixels: f64| (pixels / USUAL).ceil().max(1.0);
        // One whose size cannot be told is reckoned with four megapixels, to which the provider scales it down.
        let came = request.pictures.iter().map(|it| it.dimensions().map_or(4.0, |it| megapixels(pixels(it))));
        Some(each + more * (megapixels(made) - 1.0 + came.sum::<f64>()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::Picture;

    fn asked(quality: Option<&str>, size: Option<&str>) -> ImagineRequest {
        ImagineRequest {
            prompt: "A cat".into(),
            quality: quality.map(str::to_owned),
            size: size.map(|size| size.parse().unwrap()),
            ..ImagineRequest::default()
        }
    }

    fn price(pictures: PicturePrice, input: f64, output: f64) -> Price {
        Price { input, output, pictures: Some(pictures), dated: "2026-11-27".into(), ..Price::default() }
    }

    #[test]
    fn what_is_open_is_reckoned_at_its_dearest() {
        let by = |quality: &str, size: &str, each| By {
            quality: quality.into(),
            size: size.parse().unwrap(),
            each,
        };
        let by =
            vec![by("low", "1024x1024", 0.01), by("low", "1536x1024", 0.02), by("high", "1024x1024", 0.2)];
        let it = price(PicturePrice { by, input: Some(10.0), ..PicturePrice::default() }, 5.0, 40.0);
        let dollars = |request: &ImagineRequest, count| it.pictures(request, count).map(Money::as_dollars);
        let near =
            |told: Option<f64>, wanted: f64| assert!((told.unwrap() - wanted).abs() < 1e-7, "{told:?}");
        near(dollars(&asked(Some("low"), Some("1024x1024")), 1), 0.010_025);
        near(dollars(&asked(Some("low"), None), 2), 0.040_05);
        near(dollars(&asked(None, None), 1), 0.200_025);
        assert_eq!(dollars(&asked(Some("high"), Some("1536x1024")), 1), None, "nobody has said");
        let gif = Picture::new(b"GIF89a".to_vec()).unwrap();
        let edit = ImagineRequest { pictures: vec![gif], ..asked(Some("low"), Some("1024x1024")) };
        near(dollars(&edit, 1), 0.080_025);
        let usage = ImagineUsage {
            text_tokens: 100,
            picture_tokens: 1000,
            output_tokens: 4000,
            ..ImagineUsage::default()
        };
        near(it.drawn(&usage).map(Money::as_dollars), 0.0005 + 0.01 + 0.16);
        assert_eq!(it.drawn(&ImagineUsage::default()), None);
    }

    #[test]
    fn megapixels_are_counted_when_they_are_begun() {
        let pictures = PicturePrice { each: Some(0.03), megapixel: Some(0.015), ..PicturePrice::default() };
        let it = price(pictures, 0.0, 0.0);
        let cents =
            |request: &ImagineRequest| (it.pictures(request, 1).unwrap().as_dollars() * 1000.0).round();
        assert_eq!(cents(&asked(None, None)), 30.0);
        assert_eq!(cents(&asked(None, Some("1024x1024"))), 30.0);
        assert_eq!(cents(&asked(None, Some("1440x1024"))), 45.0);
        let gif = Picture::new(b"GIF89a\0\x04\0\x04".to_vec()).unwrap();
        let edit = ImagineRequest { pictures: vec![gif], ..asked(None, None) };
        assert_eq!(cents(&edit), 45.0);
        let flat = price(PicturePrice { each: Some(0.02), ..PicturePrice::default() }, 0.0, 0.0);
        assert_eq!(flat.pictures(&asked(None, Some("1440x1024")), 3), Some(Money::dollars(0.06)));
    }
}
