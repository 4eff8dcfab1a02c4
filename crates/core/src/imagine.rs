//! Pictures: a text in, perhaps with pictures to go by, and pictures out.

use crate::{Error, ErrorKind, EventStream, Money, Picture, PictureFormat, PictureSize, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Anything that makes pictures.
pub trait Imagine: Send + Sync {
    /// Makes what is asked for.
    ///
    /// # Errors
    /// `InvalidRequest` for values out of range; `Unsupported` for what the model has no way to do, naming the field. Either may
    /// come as the stream's first item instead.
    fn imagine(&self, request: ImagineRequest) -> Result<EventStream<ImagineEvent>>;
}

/// A request for pictures. What is `None` is left to the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ImagineRequest {
    /// What is to be seen, or what is to be changed.
    pub prompt: String,
    /// What is not to be seen.
    pub negative_prompt: Option<String>,
    /// How many pictures; from 1 to [`ImagineRequest::MOST`].
    pub count: usize,
    /// Their size.
    pub size: Option<PictureSize>,
    /// How good, in the model's own word: `low`, `medium`, `high` …
    pub quality: Option<String>,
    /// Steps of denoising.
    pub steps: Option<u32>,
    /// How closely the prompt is followed.
    pub guidance: Option<f32>,
    /// What is drawn is drawn from here, so that the same request gives the same picture; the next picture takes the next seed.
    pub seed: Option<u64>,
    /// Pictures to change or to go by.
    pub pictures: Vec<Picture>,
    /// Where the first of them may change: where this one is transparent.
    pub mask: Option<Picture>,
    /// How far from the first of them the result may be: 0 is the picture itself, 1 takes nothing from it.
    pub strength: Option<f32>,
    /// How closely faces and details of them are kept, in the model's own word.
    pub fidelity: Option<String>,
    /// `transparent`, `opaque` or `auto`.
    pub background: Option<String>,
    /// How strictly what is asked for is judged, in the model's own word.
    pub moderation: Option<String>,
    /// How the file is packed.
    pub format: Option<PictureFormat>,
    /// How much of it a packing with losses keeps, from 0 to 100.
    pub compression: Option<u8>,
    /// Pictures on the way that are wanted of each.
    pub previews: u8,
    /// Who asks.
    pub client: String,
}

impl ImagineRequest {
    /// The most pictures of a request.
    pub const MOST: usize = 10;
    /// The most pictures to go by.
    pub const MOST_PICTURES: usize = 16;
    /// The most pictures on the way.
    pub const MOST_PREVIEWS: u8 = 3;

    /// Whether there is something to make, and its numbers are within their ranges.
    ///
    /// # Errors
    /// `InvalidRequest` naming the field, what it is and what it may be.
    pub fn check(&self) -> Result<()> {
        let wrong = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        if self.prompt.trim().is_empty() {
            return wrong("prompt: is empty: say what is to be seen".into());
        }
        let counts = [
            ("n", self.count, 1, Self::MOST),
            ("image", self.pictures.len(), 0, Self::MOST_PICTURES),
            ("partial_images", usize::from(self.previews), 0, usize::from(Self::MOST_PREVIEWS)),
            ("output_compression", usize::from(self.compression.unwrap_or(0)), 0, 100),
            ("steps", self.steps.map_or(1, |steps| steps as usize), 1, 1000),
        ];
        let beyond =
            |(_, value, least, most): &(&str, usize, usize, usize)| !(*least..=*most).contains(value);
        if let Some((name, value, least, most)) = counts.into_iter().find(beyond) {
            return wrong(format!("{name}: is {value} and must be from {least} to {most}"));
        }
        let numbers = [("guidance_scale", self.guidance, 100.0), ("strength", self.strength, 1.0)];
        for (name, value, most) in numbers {
            // What is no number is in no range.
            if let Some(value) = value.filter(|value| !(0.0..=most).contains(value)) {
                return wrong(format!("{name}: is {value} and must be between 0 and {most}"));
            }
        }
        if self.pictures.is_empty() {
            let needs = [
                ("mask", self.mask.is_some()),
                ("strength", self.strength.is_some()),
                ("input_fidelity", self.fidelity.is_some()),
            ];
            if let Some((name, _)) = needs.into_iter().find(|(_, asked)| *asked) {
                return wrong(format!(
                    "{name}: belongs to a picture, and the request has none: send one, or leave it out"
                ));
            }
        }
        Ok(())
    }
}

impl Default for ImagineRequest {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: None,
            count: 1,
            size: None,
            quality: None,
            steps: None,
            guidance: None,
            seed: None,
            pictures: Vec::new(),
            mask: None,
            strength: None,
            fidelity: None,
            background: None,
            moderation: None,
            format: None,
            compression: None,
            previews: 0,
            client: String::new(),
        }
    }
}

/// One event of a request for pictures, in order: `Started`, any number of `Step` and `Preview`, an `Image` for each picture that
/// was asked for, one `Finished`. `Ignored` may come before `Started`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ImagineEvent {
    /// Something of the request has no effect, because whoever answers has no way to express it.
    Ignored {
        /// The field of the request.
        field: String,
        /// Why.
        why: String,
    },
    /// The request was accepted.
    Started {
        /// Name of the model.
        model: String,
        /// Pictures that will come.
        total: usize,
    },
    /// A picture is on its way.
    Step {
        /// Which picture, from 0.
        index: usize,
        /// How far it is …
        done: usize,
        /// … of how much.
        total: usize,
    },
    /// How a picture looks on its way.
    Preview {
        /// Which picture, from 0.
        index: usize,
        /// Which of its previews, from 0.
        number: usize,
        /// The picture so far.
        picture: Picture,
    },
    /// A picture is done.
    Image(Imagined),
    /// All are done.
    Finished {
        /// What it took.
        usage: ImagineUsage,
        /// How long it took.
        timings: ImagineTimings,
    },
}

/// A picture that was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Imagined {
    /// Which it is, from 0.
    pub index: usize,
    /// The picture.
    pub picture: Picture,
    /// The seed that it was drawn from, where whoever made it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The prompt as it was rewritten before it was followed, where whoever made it tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revised_prompt: Option<String>,
}

/// What was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImagineUsage {
    /// Pictures.
    pub images: usize,
    /// Tokens of the prompt's text, where they are counted …
    pub text_tokens: usize,
    /// … of the pictures that came with it …
    pub picture_tokens: usize,
    /// … of what was made …
    pub output_tokens: usize,
    /// … and, of these, how many were of text.
    #[serde(default)]
    pub output_text_tokens: usize,
    /// What it costs, where the price is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Money>,
}

impl ImagineUsage {
    /// Tokens of everything that was sent.
    #[must_use]
    pub fn input_tokens(&self) -> usize {
        self.text_tokens.saturating_add(self.picture_tokens)
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            images: self.images.saturating_add(other.images),
            text_tokens: self.text_tokens.saturating_add(other.text_tokens),
            picture_tokens: self.picture_tokens.saturating_add(other.picture_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            output_text_tokens: self.output_text_tokens.saturating_add(other.output_text_tokens),
            cost: match (self.cost, other.cost) {
                (Some(one), Some(two)) => Some(one.plus(two)),
                (one, two) => one.or(two),
            },
        }
    }
}

/// Where the time went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct ImagineTimings {
    /// From the request to the first picture, previews not counted.
    pub first_image: Duration,
    /// Until all were made.
    pub total: Duration,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_out_of_range_is_named() {
        let fine = || ImagineRequest { prompt: "A cat".into(), ..ImagineRequest::default() };
        fine().check().unwrap();
        let picture = Picture { bytes: Vec::new(), format: PictureFormat::Png };
        for (request, part) in [
            (ImagineRequest { prompt: " \n".into(), ..fine() }, "prompt: "),
            (ImagineRequest { count: 0, ..fine() }, "n: is 0 and must be from 1 to 10"),
            (ImagineRequest { count: 11, ..fine() }, "n: is 11"),
            (ImagineRequest { previews: 4, ..fine() }, "partial_images: is 4"),
            (ImagineRequest { compression: Some(101), ..fine() }, "output_compression: is 101"),
            (ImagineRequest { steps: Some(0), ..fine() }, "steps: is 0"),
            (ImagineRequest { guidance: Some(f32::NAN), ..fine() }, "guidance_scale: is NaN"),
            (ImagineRequest { strength: Some(0.5), ..fine() }, "strength: belongs to a picture"),
            (ImagineRequest { mask: Some(picture.clone()), ..fine() }, "mask: belongs"),
            (ImagineRequest { pictures: vec![picture.clone(); 17], ..fine() }, "image: is 17"),
            (
                ImagineRequest { strength: Some(1.5), pictures: vec![picture], ..fine() },
                "strength: is 1.5 and must be between 0 and 1",
            ),
        ] {
            let error = request.check().unwrap_err();
            assert!(error.message().contains(part) && *error.kind() == ErrorKind::InvalidRequest, "{error}");
        }
    }

    #[test]
    fn usage_adds_up() {
        let one = ImagineUsage { images: 1, text_tokens: 5, cost: Some(Money(3)), ..ImagineUsage::default() };
        let two = ImagineUsage { images: 1, picture_tokens: 7, cost: None, ..ImagineUsage::default() };
        let both = one.plus(two);
        assert_eq!((both.images, both.input_tokens(), both.cost), (2, 12, Some(Money(3))));
    }
}
