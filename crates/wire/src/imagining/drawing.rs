//! What a provider, or a model of it, can be told about a picture. What it cannot be told is refused by name here, once for all
//! protocols, or reported where the picture is the same without it.

use crate::client::{Manner, Protocol};
use parasol_core::{Error, ErrorKind, ImagineRequest, PictureFormat, PictureSize, Result};
use serde::{Deserialize, Serialize};

/// How a model is asked for pictures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drawing {
    /// How a size is told, and the rest of the request's form.
    pub form: SizeForm,
    /// The sizes that it offers; where none is named all that can be told.
    pub sizes: Vec<PictureSize>,
    /// The qualities that it offers; where none is named whatever is asked for.
    pub qualities: Vec<String>,
    /// The packings that it offers; where none is named all that are known.
    pub formats: Vec<PictureFormat>,
    /// Pictures of one request; more are asked for by several.
    pub at_once: usize,
    /// Pictures that it takes to change or to go by.
    pub pictures: usize,
    /// What else it can be told; where nothing is said, what the protocol has.
    pub takes: Option<Vec<Take>>,
}

impl Default for Drawing {
    fn default() -> Self {
        Self {
            form: SizeForm::Size,
            sizes: Vec::new(),
            qualities: Vec::new(),
            formats: Vec::new(),
            at_once: ImagineRequest::MOST,
            pictures: ImagineRequest::MOST_PICTURES,
            takes: None,
        }
    }
}

/// How a size is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SizeForm {
    /// `size` as `1024x1024`; pictures go along in a form with files.
    #[default]
    Size,
    /// `aspect_ratio` as `3:2`, and perhaps a coarse resolution; pictures go along as data URLs.
    Ratio,
    /// `width` and `height`; pictures go along as data URLs.
    Pixels,
}

/// Something that a model can be told about a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The size.
    Size,
    /// A coarse resolution beside a shape: `1k`, `2k`, `4k`.
    Resolution,
    /// The quality.
    Quality,
    /// What is not to be seen.
    NegativePrompt,
    /// The seed.
    Seed,
    /// Steps.
    Steps,
    /// How closely the prompt is followed.
    GuidanceScale,
    /// How far from a picture.
    Strength,
    /// Where a picture may change.
    Mask,
    /// How closely details of a picture are kept.
    InputFidelity,
    /// The background.
    Background,
    /// How strictly it is judged.
    Moderation,
    /// The packing.
    OutputFormat,
    /// How much the packing keeps.
    OutputCompression,
    /// Pictures on the way.
    PartialImages,
}

impl Take {
    /// What OpenAI's own protocol has.
    const OPENAI: [Self; 9] = [
        Self::Size,
        Self::Quality,
        Self::Mask,
        Self::InputFidelity,
        Self::Background,
        Self::Moderation,
        Self::OutputFormat,
        Self::OutputCompression,
        Self::PartialImages,
    ];

    /// The field's name in requests and complaints.
    fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Resolution => "resolution",
            Self::Quality => "quality",
            Self::NegativePrompt => "negative_prompt",
            Self::Seed => "seed",
            Self::Steps => "steps",
            Self::GuidanceScale => "guidance_scale",
            Self::Strength => "strength",
            Self::Mask => "mask",
            Self::InputFidelity => "input_fidelity",
            Self::Background => "background",
            Self::Moderation => "moderation",
            Self::OutputFormat => "output_format",
            Self::OutputCompression => "output_compression",
            Self::PartialImages => "partial_images",
        }
    }

    /// Whether a protocol has a field for it.
    fn is_known_to(self, protocol: Protocol) -> bool {
        match protocol {
            Protocol::Gemini => matches!(self, Self::Size | Self::Resolution | Self::Seed),
            Protocol::Stability => matches!(
                self,
                Self::Size
                    | Self::NegativePrompt
                    | Self::Seed
                    | Self::GuidanceScale
                    | Self::Strength
                    | Self::Mask
                    | Self::OutputFormat
            ),
            Protocol::Bfl => matches!(
                self,
                Self::Size | Self::Seed | Self::Steps | Self::GuidanceScale | Self::Mask | Self::OutputFormat
            ),
            _ => true,
        }
    }

    /// Whether a request asks for it.
    fn is_asked(self, request: &ImagineRequest) -> bool {
        match self {
            Self::Size => request.size.is_some(),
            // It comes with the size.
            Self::Resolution => false,
            Self::Quality => request.quality.is_some(),
            Self::NegativePrompt => request.negative_prompt.is_some(),
            Self::Seed => request.seed.is_some(),
            Self::Steps => request.steps.is_some(),
            Self::GuidanceScale => request.guidance.is_some(),
            Self::Strength => request.strength.is_some(),
            Self::Mask => request.mask.is_some(),
            Self::InputFidelity => request.fidelity.is_some(),
            Self::Background => request.background.is_some(),
            Self::Moderation => request.moderation.is_some(),
            Self::OutputFormat => request.format.is_some(),
            Self::OutputCompression => request.compression.is_some(),
            Self::PartialImages => request.previews > 0,
        }
    }
}

/// What a request could ask for.
const ASKABLE: [Take; 14] = [
    Take::Size,
    Take::Quality,
    Take::NegativePrompt,
    Take::Seed,
    Take::Steps,
    Take::GuidanceScale,
    Take::Strength,
    Take::Mask,
    Take::InputFidelity,
    Take::Background,
    Take::Moderation,
    Take::OutputFormat,
    Take::OutputCompression,
    Take::PartialImages,
];

impl Manner {
    /// Whether a model of this manner can be told something about a picture.
    pub(crate) fn draws_with(&self, what: Take) -> bool {
        match &self.drawing.takes {
            Some(takes) => takes.contains(&what),
            // Servers of one's own take whatever the vocabulary has; how fine a shape is, no size says.
            None => (self.extended && what != Take::Resolution) || Take::OPENAI.contains(&what),
        }
    }

    /// Whether pictures on the way are asked for and told.
    #[must_use]
    pub fn previews(&self, request: &ImagineRequest) -> bool {
        request.previews > 0 && self.draws_with(Take::PartialImages)
    }

    /// Pictures that one request asks for, of so many.
    #[must_use]
    pub fn at_once(&self, request: &ImagineRequest, left: usize) -> usize {
        // Of several that come together nobody tells which a preview is of.
        let most = if self.previews(request) { 1 } else { self.drawing.at_once };
        left.min(most.max(1))
    }

    /// Whether a request can be told to a model of this manner in a protocol: what has no effect, and why.
    ///
    /// # Errors
    /// `Unsupported` or `InvalidRequest`, naming the field that it cannot be told.
    pub(crate) fn drawable(
        &self,
        protocol: Protocol,
        request: &ImagineRequest,
    ) -> Result<Vec<(String, String)>> {
        let drawing = &self.drawing;
        let mut ignored = Vec::new();
        let told = |what: Take| self.draws_with(what) && what.is_known_to(protocol);
        for what in ASKABLE.into_iter().filter(|what| what.is_asked(request) && !told(*what)) {
            let name = what.name();
            match what {
                Take::OutputFormat => {
                    ignored.push((name.into(), "the provider packs pictures in its own way".into()));
                }
                Take::PartialImages => {
                    ignored.push((name.into(), "the provider sends pictures when they are done".into()));
                }
                _ => {
                    let message =
                        format!("{name}: the provider of this model has no way to express it; leave it out");
                    return Err(Error::new(ErrorKind::Unsupported, message));
                }
            }
        }
        // A form of Stability's holds one.
        let most = if protocol == Protocol::Stability { 1 } else { usize::MAX };
        let (sent, taken) = (request.pictures.len(), drawing.pictures.min(most));
        if sent > taken {
            let message = match taken {
                0 => "image: this model takes no pictures; leave them out, or take another model".to_owned(),
                _ => format!(
                    "image: the request holds {sent} pictures and this model takes {taken}: send fewer"
                ),
            };
            return Err(Error::new(ErrorKind::Unsupported, message));
        }
        if let Some(size) = request.size {
            self.sizeable(size, &mut ignored)?;
        }
        offered("quality", request.quality.as_deref(), &drawing.qualities, |name| name == "auto")?;
        let formats: Vec<String> = drawing.formats.iter().map(|format| format.name().to_owned()).collect();
        if told(Take::OutputFormat) {
            offered("output_format", request.format.map(PictureFormat::name), &formats, |_| false)?;
        }
        Ok(ignored)
    }

    fn sizeable(&self, size: PictureSize, ignored: &mut Vec<(String, String)>) -> Result<()> {
        let (form, sizes) = (self.drawing.form, &self.drawing.sizes);
        let wrong = |message: String| Err(Error::new(ErrorKind::InvalidRequest, message));
        let pixels = matches!(size, PictureSize::Pixels { .. });
        if !pixels && form != SizeForm::Ratio {
            return wrong(format!(
                "size: {size} is a shape, and the provider wants pixels, such as 1024x1024"
            ));
        }
        let is = |offered: &&PictureSize| match form {
            SizeForm::Ratio => offered.is_like(size),
            SizeForm::Size | SizeForm::Pixels => **offered == size,
        };
        match sizes.iter().find(is) {
            None if !sizes.is_empty() => {
                let offered: Vec<String> = sizes.iter().map(ToString::to_string).collect();
                wrong(format!("size: {size} is not offered by this model: {} are", offered.join(", ")))
            }
            Some(shape) if pixels && form == SizeForm::Ratio => {
                let why =
                    format!("the provider is told the shape {shape} and decides how many pixels that is");
                ignored.push(("size".into(), why));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The shape that is sent for a size, as it is offered.
    pub(crate) fn shape(&self, size: PictureSize) -> PictureSize {
        self.drawing.sizes.iter().copied().find(|offered| offered.is_like(size)).unwrap_or(size)
    }
}

/// Whether what is asked for is among what is offered.
fn offered(field: &str, asked: Option<&str>, all: &[String], always: impl Fn(&str) -> bool) -> Result<()> {
    match asked {
        Some(asked) if !all.is_empty() && !always(asked) && !all.iter().any(|it| it == asked) => {
            let message = format!("{field}: {asked:?} is not offered by this model: {} are", all.join(", "));
            Err(Error::new(ErrorKind::InvalidRequest, message))
        }
        _ => Ok(()),
    }
}

/// The seed of the picture of this index, within what a protocol takes.
///
/// # Errors
/// `InvalidRequest` naming the largest.
pub(crate) fn seed(request: &ImagineRequest, index: usize, largest: u64) -> Result<Option<u64>> {
    let Some(first) = request.seed else { return Ok(None) };
    if first > largest {
        let message = format!("seed: the provider takes 0 to {largest}, not {first}");
        return Err(Error::new(ErrorKind::InvalidRequest, message));
    }
    // The next picture takes the next seed, and after the largest comes the first.
    Ok(Some(first.wrapping_add(index as u64) % largest.saturating_add(1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use parasol_core::Picture;

    fn asked() -> ImagineRequest {
        ImagineRequest { prompt: "A cat".into(), ..ImagineRequest::default() }
    }

    fn picture() -> Picture {
        Picture { bytes: b"GIF89a".to_vec(), format: PictureFormat::Gif }
    }

    #[test]
    fn what_openai_cannot_be_told_is_refused_by_name_and_its_own_servers_kin_take_it() {
        let standard = Manner::standard();
        for (request, field) in [
            (ImagineRequest { negative_prompt: Some("dogs".into()), ..asked() }, "negative_prompt: "),
            (ImagineRequest { seed: Some(7), ..asked() }, "seed: "),
            (ImagineRequest { steps: Some(7), ..asked() }, "steps: "),
            (ImagineRequest { guidance: Some(7.0), ..asked() }, "guidance_scale: "),
            (ImagineRequest { strength: Some(0.5), pictures: vec![picture()], ..asked() }, "strength: "),
            (ImagineRequest { size: "16:9".parse().ok(), ..asked() }, "size: 16:9 is a shape"),
        ] {
            let error = standard.drawable(Protocol::OpenAi, &request).unwrap_err();
            assert!(error.message().starts_with(field), "{error}");
            if request.size.is_none() {
                assert!(
                    Manner::default().drawable(Protocol::OpenAi, &request).unwrap().is_empty(),
                    "{field}"
                );
            }
        }
    }

    #[test]
    fn what_a_protocol_has_no_field_for_is_refused_whatever_its_model_were_to_take() {
        let gif = || vec![picture()];
        for (protocol, request, field) in [
            (Protocol::Gemini, ImagineRequest { quality: Some("high".into()), ..asked() }, "quality: "),
            (
                Protocol::Stability,
                ImagineRequest { background: Some("opaque".into()), ..asked() },
                "background: ",
            ),
            (Protocol::Stability, ImagineRequest { pictures: vec![picture(); 2], ..asked() }, "image: "),
            (Protocol::Bfl, ImagineRequest { strength: Some(0.5), pictures: gif(), ..asked() }, "strength: "),
        ] {
            assert!(Manner::default().drawable(Protocol::OpenAi, &request).is_ok(), "{field}");
            let error = Manner::default().drawable(protocol, &request).unwrap_err();
            assert!(error.message().starts_with(field), "{error}");
        }
        let more = ImagineRequest { previews: 2, format: Some(PictureFormat::Png), ..asked() };
        assert_eq!(Manner::default().drawable(Protocol::Gemini, &more).unwrap().len(), 2);
    }

    #[test]
    fn what_is_not_offered_is_refused_with_what_is() {
        let sizes = ["1024x1024", "1536x1024"].map(|size| size.parse().unwrap()).to_vec();
        let drawing = Drawing {
            sizes,
            qualities: vec!["low".into(), "high".into()],
            formats: vec![PictureFormat::Png],
            pictures: 1,
            ..Drawing::default()
        };
        let manner = Manner { drawing, ..Manner::standard() };
        let with = |size: &str| ImagineRequest { size: size.parse().ok(), ..asked() };
        assert!(manner.drawable(Protocol::OpenAi, &with("1536x1024")).unwrap().is_empty());
        for (request, part) in [
            (with("512x512"), "size: 512x512 is not offered by this model: 1024x1024, 1536x1024 are"),
            (ImagineRequest { quality: Some("hd".into()), ..asked() }, "quality: \"hd\" is not offered"),
            (ImagineRequest { format: Some(PictureFormat::Webp), ..asked() }, "output_format: \"webp\""),
            (
                ImagineRequest { pictures: vec![picture(); 2], ..asked() },
                "image: the request holds 2 pictures",
            ),
        ] {
            assert!(
                manner.drawable(Protocol::OpenAi, &request).unwrap_err().message().contains(part),
                "{part}"
            );
        }
        let auto = ImagineRequest { quality: Some("auto".into()), ..asked() };
        assert!(manner.drawable(Protocol::OpenAi, &auto).unwrap().is_empty());
    }

    #[test]
    fn shapes_stand_for_pixels_and_that_is_told() {
        let drawing = Drawing {
            form: SizeForm::Ratio,
            sizes: ["1:1", "3:2"].map(|size| size.parse().unwrap()).to_vec(),
            takes: Some(vec![Take::Size]),
            at_once: 1,
            ..Drawing::default()
        };
        let manner = Manner { drawing, ..Manner::standard() };
        let request = ImagineRequest { size: "1536x1024".parse().ok(), count: 3, ..asked() };
        let ignored = manner.drawable(Protocol::OpenAi, &request).unwrap();
        assert!(ignored[0].0 == "size" && ignored[0].1.contains("3:2"), "{ignored:?}");
        assert_eq!(manner.shape(request.size.unwrap()).to_string(), "3:2");
        assert_eq!(manner.at_once(&request, 3), 1);
        let shape = ImagineRequest { size: "3:2".parse().ok(), ..asked() };
        assert!(manner.drawable(Protocol::OpenAi, &shape).unwrap().is_empty());
        let more = ImagineRequest { previews: 2, format: Some(PictureFormat::Png), ..asked() };
        let ignored: Vec<String> =
            manner.drawable(Protocol::OpenAi, &more).unwrap().into_iter().map(|it| it.0).collect();
        assert_eq!(ignored, ["output_format", "partial_images"]);
    }

    #[test]
    fn each_picture_has_its_own_seed() {
        let request = ImagineRequest { seed: Some(10), ..asked() };
        assert_eq!(seed(&request, 0, 10).unwrap(), Some(10));
        assert_eq!(seed(&request, 1, 10).unwrap(), Some(0));
        assert_eq!(seed(&request, 1, u64::MAX).unwrap(), Some(11));
        assert!(seed(&request, 0, 9).unwrap_err().message().starts_with("seed: "));
        assert_eq!(seed(&asked(), 0, 9).unwrap(), None);
    }
}
